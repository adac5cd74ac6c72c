"""A person's things, over all its registrations: whose a caller may see or change."""

from uuid import UUID

from services.vendor.api.access import officer_area, see_vendor
from services.vendor.handlers.reach import Reach, reaches
from services.vendor.store.merging import find_family
from shared.auth import Caller
from shared.db import Connection

__all__ = ["may_reach", "visible_family"]


async def visible_family(conn: Connection, caller: Caller, vendor_id: UUID) -> list[UUID]:
    """The registrations of this person, the one that stands for it first. Raises as `see_vendor` does."""
    await see_vendor(conn, caller, vendor_id)
    return await find_family(conn, vendor_id)


async def may_reach(conn: Connection, caller: Caller, vendor_id: UUID) -> bool:
    """Whether the caller may act on a thing of this vendor: the person itself, or an officer of its area."""
    if caller.has("vendor") and caller.vendor_id is not None:
        return await reaches(conn, Reach(own=caller.vendor_id), vendor_id)
    return await reaches(conn, Reach(within=officer_area(caller)), vendor_id)

"""Whose data a caller may act on, where a request names a thing of a vendor and not the vendor."""

from typing import NamedTuple
from uuid import UUID

from services.vendor import areas
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import find_vendor
from shared.db import Connection

__all__ = ["Reach", "reaches"]


class Reach(NamedTuple):
    """What belongs to vendors of the area `within`, or to the person `own`; with neither, to anybody."""

    within: str | None = None
    own: UUID | None = None


async def reaches(conn: Connection, reach: Reach, vendor_id: UUID) -> bool:
    """Whether what belongs to this vendor may be seen; nothing of an erased one is."""
    kept = await find_vendor(conn, vendor_id)
    if kept is None or kept.vendor.erased_at is not None:
        return False
    if reach.own is not None:
        return vendor_id in await find_family(conn, reach.own)
    return reach.within is None or areas.contains(reach.within, kept.vendor.kelurahan)

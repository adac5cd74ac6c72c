"""Whose data a caller may act on, where a request names a thing of a vendor and not the vendor."""

from typing import NamedTuple
from uuid import UUID

from services.vendor import areas
from services.vendor.domain.registration import Vendor
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import find_vendor
from shared.db import Connection

__all__ = ["Reach", "lies_in", "reaches"]


class Reach(NamedTuple):
    """What belongs to vendors of the area `within`, or to the person `own`; with neither, to anybody.

    As `registrar` also what only registrars see.
    """

    within: str | None = None
    own: UUID | None = None
    registrar: bool = False


async def lies_in(conn: Connection, vendor: Vendor, within: str) -> bool:
    """Whether the person lives in this area: as the registration says that stands for it, also where another is named.

    By the named one alone, an officer whose area the person has left could still see it through a retired registration.
    """
    if vendor.merged_into is None:
        return areas.contains(within, vendor.kelurahan)
    head, *_ = await find_family(conn, vendor.vendor_id)
    kept = await find_vendor(conn, head)
    return kept is not None and areas.contains(within, kept.vendor.kelurahan)


async def reaches(conn: Connection, reach: Reach, vendor_id: UUID) -> bool:
    """Whether what belongs to this vendor may be seen; nothing of an erased one is."""
    kept = await find_vendor(conn, vendor_id)
    if kept is None or kept.vendor.erased_at is not None:
        return False
    if reach.own is not None:
        return vendor_id in await find_family(conn, reach.own)
    return reach.within is None or await lies_in(conn, kept.vendor, reach.within)

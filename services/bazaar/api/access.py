"""Who may do what to which bazaar and application."""

from collections.abc import Iterable
from uuid import UUID

from services.bazaar.store import bazaars, vendors
from shared.auth import Caller, OutsideArea, covers
from shared.db import Connection


def require_officer_of(caller: Caller, areas: Iterable[str]) -> None:
    """Refuse everybody but an officer whose area covers all of these."""
    caller.require("officer")
    for area in areas:
        caller.require_area(area)


async def require_organiser(conn: Connection, caller: Caller, bazaar_id: UUID) -> None:
    """Refuse everybody but an officer whose area covers every site of this bazaar."""
    caller.require("officer")
    require_officer_of(caller, await bazaars.find_site_areas(conn, bazaar_id))


async def require_side(conn: Connection, caller: Caller, *, vendor_id: UUID, bazaar_id: UUID) -> None:
    """Refuse everybody but the vendor itself, an officer of where it lives, and an officer of the whole bazaar."""
    caller.require_vendor(vendor_id)
    if not caller.has("officer") or caller.vendor_id == vendor_id:
        return
    vendor = await vendors.find_vendor(conn, vendor_id)
    if vendor is not None and caller.area is not None and covers(caller.area, vendor.kelurahan):
        return
    sites = await bazaars.find_site_areas(conn, bazaar_id)
    if caller.area is None or not all(covers(caller.area, site) for site in sites):
        raise OutsideArea("Neither this vendor nor every site of the bazaar is in your area.", area=caller.area)

"""Who may do what to which bazaar and application."""

from collections.abc import Iterable
from uuid import UUID

from services.bazaar.store import bazaars, vendors
from shared import families, personal_data
from shared.auth import Caller, OutsideArea, covers
from shared.db import Connection
from shared.errors import Forbidden
from shared.http import PublicEdge
from shared.http import edge as known_edge


class OwnCase(Forbidden):
    """An officer does not decide about the booth, the page or the presence of the vendor that it is besides."""

    code = "own-case"


async def known_caller(edge: PublicEdge) -> Caller:
    """Who calls a route that is public but for some of its answers. Raises `Unauthenticated`."""
    return (await known_edge(edge.request)).caller


async def own_area(edge: PublicEdge, what: str) -> str:
    """The area of the officer who asks for what is not public yet. Raises `Unauthenticated`, `Forbidden`."""
    caller = await known_caller(edge)
    caller.require("officer")
    if caller.area is None:
        raise OutsideArea(f"{what} are shown to officers of an area; this token names none.")
    return caller.area


def require_officer_of(caller: Caller, areas: Iterable[str]) -> None:
    """Refuse everybody but an officer whose area covers all of these."""
    caller.require("officer")
    for area in areas:
        caller.require_area(area)


async def require_organiser(conn: Connection, caller: Caller, bazaar_id: UUID) -> None:
    """Refuse everybody but an officer whose area covers every site of this bazaar."""
    caller.require("officer")
    require_officer_of(caller, await bazaars.find_site_areas(conn, bazaar_id))


async def is_own(conn: Connection, caller: Caller, vendor_id: UUID) -> bool:
    """Whether this vendor calls itself, by any of its ids where registrations were merged."""
    return caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id)


async def require_not_own(conn: Connection, caller: Caller, *vendors_concerned: UUID) -> None:
    """Refuse an officer to decide its own case as a vendor."""
    for vendor_id in vendors_concerned:
        if caller.vendor_id in await families.find_family(conn, vendor_id):
            raise OwnCase("This concerns you as a vendor: another officer of the area decides.")


async def require_side(conn: Connection, caller: Caller, *, vendor_id: UUID, bazaar_id: UUID) -> None:
    """Refuse everybody but the vendor itself (by any of its ids, where registrations were merged), an officer of where
    it lives, and an officer of the whole bazaar."""
    if await is_own(conn, caller, vendor_id):
        return
    caller.require_vendor(vendor_id)
    vendor = await vendors.find_vendor(conn, vendor_id)
    if vendor is not None and caller.area is not None and covers(caller.area, vendor.kelurahan):
        return
    sites = await bazaars.find_site_areas(conn, bazaar_id)
    if caller.area is None or not all(covers(caller.area, site) for site in sites):
        raise OutsideArea("Neither this vendor nor every site of the bazaar is in your area.", area=caller.area)


async def require_vendor_side(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    """Refuse everybody but the vendor itself, by any of its ids, and an officer of where it lives; of an erased one
    there is nothing."""
    if await families.find_erased(conn, [vendor_id]):
        raise personal_data.VendorNotKept("Nothing is kept here of this vendor.")
    if await is_own(conn, caller, vendor_id):
        return
    caller.require_vendor(vendor_id)
    vendor = await vendors.find_vendor(conn, vendor_id)
    if vendor is None or caller.area is None or not covers(caller.area, vendor.kelurahan):
        raise OutsideArea("No vendor of your area has this id.", area=caller.area)


async def require_entitled(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    """Refuse everybody but the vendor itself and a registrar of where it lives; of an erased one there is nothing."""
    if await families.find_erased(conn, [vendor_id]):
        raise personal_data.VendorNotKept("Nothing is kept here of this vendor.")
    vendor = await vendors.find_vendor(conn, vendor_id)
    personal_data.require_entitled(caller, vendor_id, None if vendor is None else vendor.kelurahan)

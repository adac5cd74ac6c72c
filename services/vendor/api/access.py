"""Who may do what to which vendor."""

from uuid import UUID

from services.vendor import areas, checks
from services.vendor.api.answers import Filters, PersonFilters
from services.vendor.checks import FieldRefused
from services.vendor.domain.registration import Vendor, VendorUnknown
from services.vendor.domain.searching import SearchInvalid, fold_words
from services.vendor.handlers.reach import Reach, lies_in, reaches
from services.vendor.store import vendors as store
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import VendorFilter
from shared.auth import Caller
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Forbidden
from shared.http import Edge

__all__ = [
    "may_reach",
    "officer_area",
    "officer_reach",
    "reach_of",
    "require_province",
    "require_reach",
    "see_family",
    "see_vendor",
    "wanted_by",
]


def officer_area(caller: Caller) -> str:
    """The area an officer answers for; refuses everybody else."""
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    return caller.area


def require_province(caller: Caller) -> None:
    """Refuse everybody but an operator and an officer of the whole province: these set what holds for all."""
    caller.require("officer", "operator")
    if not caller.has("operator"):
        caller.require_area(areas.PROVINCE)


def require_reach(caller: Caller, vendor_id: UUID, *, service: bool = False) -> str | None:
    """Inside which area the caller may act for this vendor; None is anywhere.

    The vendor itself, an officer of an area, and where `service` says so another service. Refuses everybody else.
    """
    if caller.has("vendor") and caller.vendor_id == vendor_id:
        return None
    if service and caller.has("service"):
        return caller.area
    caller.require_vendor(vendor_id)
    return officer_area(caller)


async def see_vendor(conn: Connection, caller: Caller, vendor_id: UUID, *, service: bool = False) -> Vendor:
    """A vendor the caller may read about, as `require_reach` says. Raises `VendorUnknown`, also for an erased one."""
    within = require_reach(caller, vendor_id, service=service)
    kept = await store.find_vendor(conn, vendor_id)
    if kept is None or kept.vendor.erased_at is not None:
        raise VendorUnknown(vendor_id)
    if within is not None and not await lies_in(conn, kept.vendor, within):
        raise VendorUnknown(vendor_id)
    return kept.vendor


async def see_family(conn: Connection, caller: Caller, vendor_id: UUID) -> list[UUID]:
    """The registrations of a person, the one that stands for it first. Raises as `see_vendor` does."""
    await see_vendor(conn, caller, vendor_id)
    return await find_family(conn, vendor_id)


def reach_of(caller: Caller, *, service: bool = False) -> Reach:
    """Whose things the caller may act on, where it names the thing: a vendor its own, an officer those of its area.

    Where `service` says so a service those of its area, or all. Refuses everybody else.
    """
    if caller.has("vendor") and caller.vendor_id is not None:
        return Reach(own=caller.vendor_id)
    if service and caller.has("service") and not caller.has("officer"):
        return Reach(within=caller.area)
    caller.require("officer", "vendor")
    return officer_reach(caller)


def officer_reach(caller: Caller) -> Reach:
    """What an officer may decide about: the things of its area; refuses everybody else."""
    return Reach(within=officer_area(caller), registrar=caller.has("registrar"))


async def may_reach(conn: Connection, caller: Caller, vendor_id: UUID) -> bool:
    """Whether the caller may act on a thing of this vendor, as `reach_of` says."""
    return await reaches(conn, reach_of(caller), vendor_id)


def wanted_by(edge: Edge, asked: Filters) -> VendorFilter:
    """What an officer asks for, inside its own area. Raises `OutsideArea`, or `SearchInvalid`."""
    own = officer_area(edge.caller)
    if asked.area is not None:
        edge.caller.require_area(asked.area)
    wanted = VendorFilter(
        area=asked.area or own,
        category=asked.category,
        agency=asked.agency,
        kind=asked.kind,
        origin=asked.origin,
        state=asked.state,
        registered_from=asked.registered_from,
        registered_until=asked.registered_until,
    )
    if not isinstance(asked, PersonFilters):
        return wanted
    try:
        phone = None if asked.phone is None else checks.check_phone(asked.phone, [])
        nik = None if asked.nik is None else checks.check_nik(asked.nik, day_in_jakarta(edge.now), [])
    except FieldRefused as problem:
        raise SearchInvalid(problem) from None
    return wanted._replace(
        phone=phone,
        nik_index=None if nik is None else edge.platform.sealer.blind_index(nik),
        words=() if asked.name is None else fold_words(asked.name),
    )

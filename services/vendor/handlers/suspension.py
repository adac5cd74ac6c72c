"""Suspending vendors and ending it: by an officer, or by the timer of the last day."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from services.vendor.domain import suspension as domain
from services.vendor.domain.registration import Vendor, VendorUnknown
from services.vendor.domain.suspension import Suspension
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import suspension as store
from services.vendor.store.merging import find_family
from services.vendor.store.suspension import SUSPENSION_END
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.errors import Conflict
from shared.ids import new_id
from shared.timers import cancel_timer, set_timer

__all__ = ["end_suspension", "reinstate", "suspend"]


async def suspend(
    conn: Connection, vendor_id: UUID, reason: str, until: date | None, *, officer: str, now: datetime, within: str
) -> Suspension:
    """Suspend a vendor; a timer ends it after the last day, if one is named.

    Raises as `lock_vendor` does, `ReasonUnknown`, `UntilRefused` or `AlreadySuspended`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    suspended, suspension, events = domain.suspend(
        vendor,
        reason,
        until,
        frozenset(known.code for known in await store.find_reasons(conn)),
        suspension_id=new_id(),
        officer=officer,
        today=day_in_jakarta(now),
        now=now,
    )
    await store.add_suspension(conn, suspension)
    if until is not None:
        await set_timer(conn, SUSPENSION_END, str(suspension.suspension_id), domain.ends_at(until))
    await save_vendor(conn, vendor, suspended, events, now=now)
    return suspension


async def reinstate(conn: Connection, vendor_id: UUID, *, officer: str, now: datetime, within: str) -> list[Suspension]:
    """End every suspension of a person, whichever of its registrations it was made under.

    Raises as `lock_vendor` does, `NotSuspended`, or `Conflict` when a merge came in between.
    """
    family = await _lock_family(conn, vendor_id, within)
    running = await store.find_running(conn, [vendor.vendor_id for vendor in family])
    if not running and all(vendor.suspended_because is None for vendor in family):
        raise domain.NotSuspended
    return await _end(conn, family, running, running, officer, now)


async def end_suspension(conn: Connection, key: str, now: datetime) -> None:
    """The last day of the suspension `key` is over, says its timer. What ended before, or was erased, is left alone."""
    found = await store.find_suspension(conn, UUID(key))
    if found is None or found.ended is not None:
        return
    try:
        family = await _lock_family(conn, found.vendor_id, None)
    except VendorUnknown:
        return
    running = await store.find_running(conn, [vendor.vendor_id for vendor in family])
    ending = [suspension for suspension in running if suspension.suspension_id == found.suspension_id]
    if ending:
        await _end(conn, family, running, ending, None, now)


async def _lock_family(conn: Connection, vendor_id: UUID, within: str | None) -> list[Vendor]:
    """Every registration of a person, locked in the order of their ids; the one that stands for it first."""
    family = await find_family(conn, vendor_id)
    locked = {}
    for member in sorted(family):
        locked[member] = await lock_vendor(conn, member, within if member == vendor_id else None, retired=True)
    if await find_family(conn, vendor_id) != family:
        raise Conflict("This registration was merged or un-merged at the same moment; try again.")
    return [locked[member] for member in family]


async def _end(
    conn: Connection,
    family: Sequence[Vendor],
    running: Sequence[Suspension],
    ending: Sequence[Suspension],
    officer: str | None,
    now: datetime,
) -> list[Suspension]:
    ended = [domain.end(suspension, officer, now) for suspension in ending]
    for suspension in ended:
        await store.save_suspension(conn, suspension)
        await cancel_timer(conn, SUSPENSION_END, str(suspension.suspension_id))
    for before, after, events in domain.lift(family, running, ending):
        await save_vendor(conn, before, after, events, now=now)
    return ended

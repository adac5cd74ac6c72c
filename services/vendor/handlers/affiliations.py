"""Affiliations: begun, renewed, left; reminded and lapsed by their timer."""

from datetime import date, datetime, time
from uuid import UUID

from services.vendor.domain import affiliations as domain
from services.vendor.domain.affiliations import Affiliation, AffiliationUnknown, OrganisationUnknown, Payment
from services.vendor.domain.registration import VendorUnknown
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import affiliations as store
from services.vendor.store.merging import find_family
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.ids import new_id
from shared.timers import cancel_timer, set_timer

__all__ = ["end_affiliation", "renew_affiliation", "start_affiliation", "watch_affiliation"]


async def start_affiliation(
    conn: Connection,
    vendor_id: UUID,
    organisation: str,
    *,
    area: str | None,
    rw: str | None,
    started_on: date | None,
    payment: Payment | None,
    by: str,
    now: datetime,
    within: str | None = None,
) -> Affiliation:
    """A vendor belongs to an organisation. Raises as `lock_vendor` and `domain.start` do, or `OrganisationUnknown`."""
    vendor = await lock_vendor(conn, vendor_id, within)
    known = await store.find_organisations(conn)
    if organisation not in known:
        raise OrganisationUnknown(known)
    held = await store.find_affiliations(conn, await find_family(conn, vendor_id))
    today = day_in_jakarta(now)
    affiliation, event = domain.start(
        new_id(),
        vendor_id,
        known[organisation],
        held,
        area=area,
        rw=rw,
        started_on=started_on or today,
        payment=payment,
        today=today,
        by=by,
    )
    await store.add_affiliation(conn, affiliation)
    if payment is not None:
        await store.add_payment(conn, affiliation, payment, by, now)
    await _set_next(conn, affiliation, today)
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return affiliation


async def renew_affiliation(
    conn: Connection, affiliation_id: UUID, payment: Payment, *, by: str, now: datetime, within: str | None = None
) -> Affiliation:
    """A membership goes on for another term. Raises as `domain.renew` does, or `AffiliationUnknown`."""
    affiliation = await _find(conn, affiliation_id)
    vendor = await lock_vendor(conn, affiliation.vendor_id, within, retired=True)
    affiliation = await _find(conn, affiliation_id)
    known = await store.find_organisations(conn)
    noted = await store.find_payments(conn, [affiliation_id])
    today = day_in_jakarta(now)
    references = [one.payment.reference for one in noted]
    renewed, event = domain.renew(affiliation, known[affiliation.organisation], payment, references, today)
    await store.save_affiliation(conn, renewed)
    await store.add_payment(conn, renewed, payment, by, now)
    await _set_next(conn, renewed, today)
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return renewed


async def end_affiliation(
    conn: Connection, affiliation_id: UUID, *, now: datetime, within: str | None = None
) -> Affiliation:
    """The vendor left. Raises as `domain.end` does, or `AffiliationUnknown`."""
    affiliation = await _find(conn, affiliation_id)
    vendor = await lock_vendor(conn, affiliation.vendor_id, within, retired=True)
    ended, event = domain.end(await _find(conn, affiliation_id), day_in_jakarta(now))
    await store.save_affiliation(conn, ended)
    await cancel_timer(conn, store.TIMER, str(affiliation_id))
    await save_vendor(conn, vendor, vendor, [event], now=now)
    return ended


async def watch_affiliation(conn: Connection, key: str, now: datetime) -> None:
    """Timer: tell what this day brings a membership, and set the timer for the next such day."""
    affiliation_id = UUID(key)
    affiliation = await store.find_affiliation(conn, affiliation_id)
    if affiliation is None:  # erased
        return
    try:
        vendor = await lock_vendor(conn, affiliation.vendor_id, retired=True)
    except VendorUnknown:  # erased while we waited for its row
        return
    affiliation = await store.find_affiliation(conn, affiliation_id)
    if affiliation is None:
        return
    today = day_in_jakarta(now)
    changed, event = domain.check_due(affiliation, today)
    if event is not None:
        await store.save_affiliation(conn, changed)
    await _set_next(conn, changed, today)
    if event is not None:
        await save_vendor(conn, vendor, vendor, [event], now=now)


async def _find(conn: Connection, affiliation_id: UUID) -> Affiliation:
    affiliation = await store.find_affiliation(conn, affiliation_id)
    if affiliation is None:
        raise AffiliationUnknown(affiliation_id)
    return affiliation


async def _set_next(conn: Connection, affiliation: Affiliation, today: date) -> None:
    due = domain.next_due(affiliation, today)
    if due is not None:
        await set_timer(
            conn, store.TIMER, str(affiliation.affiliation_id), datetime.combine(due, time.min, tzinfo=JAKARTA)
        )

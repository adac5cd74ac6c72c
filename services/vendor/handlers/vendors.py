"""What changes about a vendor later, and how its events are counted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.vendor.domain import registration as domain
from services.vendor.domain.merging import follow
from services.vendor.domain.registration import Vendor, VendorRetired, VendorUnknown
from services.vendor.handlers.reach import lies_in
from services.vendor.store import coaching, merging
from services.vendor.store import vendors as store
from shared.db import Connection
from shared.events.vendor import VendorEvent
from shared.outbox import Fact, record

__all__ = ["choose_category", "coach", "lock_known", "lock_vendor", "save_vendor"]


async def choose_category(
    conn: Connection, vendor_id: UUID, category: str, *, now: datetime, within: str | None = None
) -> Vendor:
    """Set a vendor's product category. Raises as `lock_vendor` does, or `CodeUnknown`."""
    vendor = await lock_vendor(conn, vendor_id, within)
    changed, events = domain.choose_category(vendor, category, await store.find_codes(conn))
    return await save_vendor(conn, vendor, changed, events, now=now)


async def coach(
    conn: Connection,
    vendor_id: UUID,
    agency: str,
    *,
    now: datetime,
    within: str | None = None,
    by: str | None = None,
) -> Vendor:
    """Let an agency coach a vendor from now on; the history says by whom.

    Raises as `lock_vendor` does, or `CodeUnknown`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    changed, events = domain.coach(vendor, agency, await store.find_codes(conn))
    return await save_vendor(conn, vendor, changed, events, now=now, by=by)


async def lock_vendor(conn: Connection, vendor_id: UUID, within: str | None = None, *, retired: bool = False) -> Vendor:
    """A vendor, locked until the transaction ends: what changes it, or tells of it, begins here.

    Raises `VendorUnknown` (also when it is erased, or outside the area `within`), and `VendorRetired` when it was
    merged into another, unless `retired` asks for such a one too.
    """
    vendor = await store.lock_vendor(conn, vendor_id)
    if vendor is None or vendor.erased_at is not None:
        raise VendorUnknown(vendor_id)
    if within is not None and not await lies_in(conn, vendor, within):
        raise VendorUnknown(vendor_id)
    if vendor.merged_into is not None and not retired:
        raise VendorRetired(vendor_id, vendor.merged_into)
    return vendor


async def lock_known(conn: Connection, vendor_ids: Iterable[UUID]) -> dict[UUID, Vendor]:
    """Those of these vendors that are known, locked in the order of their ids; retired registrations too, which keep
    what is their own. One is unknown when its person was erased, which late news must not undo.
    """
    vendors: dict[UUID, Vendor] = {}
    for vendor_id in sorted(vendor_ids):
        try:
            vendors[vendor_id] = await lock_vendor(conn, vendor_id, retired=True)
        except VendorUnknown:
            continue
    return vendors


async def save_vendor(
    conn: Connection,
    before: Vendor,
    after: Vendor,
    events: Sequence[VendorEvent],
    *,
    now: datetime,
    by: str | None = None,
) -> Vendor:
    """Write a locked vendor and record its events, each with the next version; a new contact card when that changed.

    `after` is `before` itself where only other rows changed. Versions are counted here, nowhere else, and here a
    change of agency enters the history of who coached, whatever led to it; `by` is who transferred the vendor, if a
    person did.
    """
    facts = [Fact(event, before.version + n) for n, event in enumerate(events, 1)]
    after = replace(after, version=before.version + len(events))
    card = domain.contact_card(after)
    if card != domain.contact_card(before):
        after = replace(after, card_version=before.card_version + 1)
        facts.append(Fact(card, after.card_version))
    if after != before:
        await store.save_vendor(conn, after)
    if after.agency != before.agency:
        await coaching.add_transfer(conn, after.vendor_id, before.agency, after.agency, by, now)
    await record(conn, facts, now=now)
    if after.card_version != before.card_version and after.erased_at is None:
        for retired in await merging.lock_merged(conn, after.vendor_id):  # they are reached as the survivor is
            await save_vendor(conn, retired, follow(retired, after), [], now=now)
    return after

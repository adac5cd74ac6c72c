"""What changes about a vendor later, and how its events are counted."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import registration as domain
from services.vendor.domain.registration import Vendor, VendorUnknown
from services.vendor.store import vendors as store
from shared.db import Connection
from shared.events.vendor import VendorEvent
from shared.outbox import Fact, record

__all__ = ["choose_category", "coach", "lock_vendor"]


async def choose_category(
    conn: Connection, vendor_id: UUID, category: str, *, now: datetime, within: str | None = None
) -> Vendor:
    """Set a vendor's product category. Raises `VendorUnknown` (also outside the area `within`) or `CodeUnknown`."""
    vendor = await lock_vendor(conn, vendor_id, within)
    changed, events = domain.choose_category(vendor, category, await store.find_codes(conn))
    return await _save(conn, changed, events, now)


async def coach(conn: Connection, vendor_id: UUID, agency: str, *, now: datetime, within: str | None = None) -> Vendor:
    """Let an agency coach a vendor from now on. Raises `VendorUnknown` (also outside `within`) or `CodeUnknown`."""
    vendor = await lock_vendor(conn, vendor_id, within)
    changed, events = domain.coach(vendor, agency, await store.find_codes(conn))
    return await _save(conn, changed, events, now)


async def lock_vendor(conn: Connection, vendor_id: UUID, within: str | None = None) -> Vendor:
    """A vendor, locked until the transaction ends. Raises `VendorUnknown` (also outside the area `within`)."""
    vendor = await store.lock_vendor(conn, vendor_id)
    if vendor is None or (within is not None and not areas.contains(within, vendor.kelurahan)):
        raise VendorUnknown(vendor_id)
    return vendor


async def _save(conn: Connection, vendor: Vendor, events: Sequence[VendorEvent], now: datetime) -> Vendor:
    if events:
        await store.save_vendor(conn, vendor)
        first = vendor.version - len(events) + 1
        await record(conn, [Fact(event, first + n) for n, event in enumerate(events)], now=now)
    return vendor

"""Seeing personal data in full: never without a note of who saw whose, and why, in the same transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.vendor.domain.registration import VendorUnknown
from services.vendor.handlers.reach import lies_in
from services.vendor.store import vendors as store
from services.vendor.store.audit import add_entry
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import Kept, Place, VendorFilter
from shared.db import Connection

__all__ = ["open_export", "reveal_vendor"]


async def reveal_vendor(
    conn: Connection,
    vendor_id: UUID,
    within: str,
    *,
    actor: str,
    reason: str,
    reference: str | None,
    now: datetime,
) -> tuple[Kept, list[UUID]]:
    """A vendor of the area `within` and its person's registrations, noted as seen in full. Raises `VendorUnknown`."""
    kept = await store.find_vendor(conn, vendor_id)
    if kept is None or kept.vendor.erased_at is not None or not await lies_in(conn, kept.vendor, within):
        raise VendorUnknown(vendor_id)
    family = await find_family(conn, vendor_id)
    await add_entry(conn, actor, "vendor-revealed", vendor_id, _why(reason, reference), now)
    return kept, family


async def open_export(
    conn: Connection,
    wanted: VendorFilter,
    *,
    actor: str,
    reason: str | None,
    reference: str | None,
    now: datetime,
) -> tuple[int, Place | None]:
    """How many vendors a file will hold, and where the last of all stands now: those who come later are left out.

    With a reason the file holds them in full: that is noted, with the count, before the first row leaves. The note
    names the filters; of those that tell who somebody is, only that they were used.
    """
    count, last = await store.count_vendors(conn, wanted), await store.find_last_place(conn)
    if reason is not None:
        filters: dict[str, Any] = {
            name: True if name in ("phone", "nik_index", "words") else str(value)
            for name, value in wanted._asdict().items()
            if value
        }
        await add_entry(
            conn, actor, "vendors-exported", None, {**_why(reason, reference), "rows": count, "filters": filters}, now
        )
    return count, last


def _why(reason: str, reference: str | None) -> dict[str, str]:
    return {"reason": reason} if reference is None else {"reason": reason, "reference": reference}

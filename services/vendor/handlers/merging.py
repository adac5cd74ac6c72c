"""Merging two registrations of one person, and undoing it.

Order of locks, so that nothing here can deadlock: registrations that stand for themselves in the order of their ids,
each with all that were merged into it (`lock_vendor`), then merges, pairs, the audit log.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import merging as domain
from services.vendor.domain.merging import (
    Choosable,
    FamilyChanged,
    Kept,
    Merge,
    MergeOfErased,
    MergeOfOne,
    MergeUndone,
    MergeUnknown,
    Side,
    UndoReason,
)
from services.vendor.domain.registration import Vendor
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import audit, duplicates
from services.vendor.store import merging as store
from services.vendor.store import vendors as vendors_store
from services.vendor.store.merging import MergeRow
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id

__all__ = ["Parted", "merge_vendors", "undo_merge"]


class Parted(NamedTuple):
    """A merge that was undone, and what stays of it."""

    merge_id: UUID
    survivor: UUID
    retired: UUID
    kept: tuple[Kept, ...]


async def merge_vendors(
    conn: Connection,
    survivor_id: UUID,
    retired_id: UUID,
    chosen: Mapping[Choosable, Side],
    *,
    actor: str,
    within: str,
    sealer: Sealer,
    now: datetime,
) -> Merge:
    """Retire one registration into another; `chosen` says whose value of a field stays.

    Of two merges of one registration at once the first wins. Raises `MergeOfOne`, `MergeFieldEmpty`, `VendorUnknown`
    (erased, or outside the area) and `VendorRetired`; so a circle cannot come about.
    """
    if survivor_id == retired_id:
        raise MergeOfOne(survivor_id)
    locked = {vendor_id: await lock_vendor(conn, vendor_id, within) for vendor_id in sorted((survivor_id, retired_id))}
    survivor, retired = locked[survivor_id], locked[retired_id]
    after, gone, made = domain.merge(survivor, retired, chosen, new_id())
    await _save(conn, survivor, after, made.merge_id, actor, now)
    await _save(conn, retired, gone, made.merge_id, actor, now)
    await store.add_merge(conn, made, sealer.seal(domain.write_values(made), made.merge_id.bytes), actor, now)
    await duplicates.settle_duplicates(conn, survivor_id, retired_id, "merged", None, actor, now)
    detail = {"merge_id": str(made.merge_id), "retired": str(retired_id), "taken": list(made.taken)}
    await audit.add_entry(conn, actor, "vendors-merged", survivor_id, detail, now)
    return made


async def undo_merge(
    conn: Connection,
    merge_id: UUID,
    reason: UndoReason,
    *,
    actor: str,
    within: str,
    sealer: Sealer,
    now: datetime,
) -> Parted:
    """Let a retired registration stand for itself again.

    Raises `MergeUnknown` (also where one of the two lies outside the area), `MergeUndone`, `MergeOfErased`, and
    `FamilyChanged` where others merged the same registrations at this moment.
    """
    found = await store.find_merge(conn, merge_id)
    if found is None:
        raise MergeUnknown(merge_id)
    await _check_area(conn, found, within)
    family = await _lock_family(conn, found)
    rows = await store.lock_merges(conn, list(family))
    if all(row.merge_id != merge_id for row in rows):
        raise await _gone(conn, merge_id)
    merges = [_opened(row, sealer) for row in rows]
    undone = domain.undo(merge_id, family, merges)
    # the deepest first: saving one that others were retired into carries its new contact to them
    for vendor_id in reversed(family):
        if vendor_id in undone.vendors:
            await _save(conn, family[vendor_id], undone.vendors[vendor_id], merge_id, actor, now)
    for changed in undone.merges.values():
        await store.save_values(
            conn, changed.merge_id, sealer.seal(domain.write_values(changed), changed.merge_id.bytes)
        )
    fields = sorted({kept.field for kept in undone.kept})
    await store.save_undone(conn, merge_id, reason, fields, actor, now)
    apart = reason == "different-people"
    await duplicates.settle_duplicates(
        conn, found.survivor, found.retired, "dismissed" if apart else "open", reason if apart else None, actor, now
    )
    detail = {"merge_id": str(merge_id), "retired": str(found.retired), "reason": reason, "kept": fields}
    await audit.add_entry(conn, actor, "merge-undone", found.survivor, detail, now)
    return Parted(merge_id, found.survivor, found.retired, undone.kept)


async def _lock_family(conn: Connection, found: MergeRow) -> dict[UUID, Vendor]:
    """Every registration of the family, locked; the one that stands for the person first, then by generations."""
    head, *_ = await store.find_family(conn, found.survivor)
    first = await vendors_store.lock_vendor(conn, head)
    assert first is not None  # rows of vendors are never removed
    if first.erased_at is not None:
        raise MergeOfErased(found.merge_id)
    # read after the lock: nobody joins or leaves a family whose head is locked
    family = await store.find_family(conn, head)
    if family[0] != head:
        raise FamilyChanged(found.merge_id)
    locked = {head: first}
    for vendor_id in family[1:]:
        vendor = await vendors_store.lock_vendor(conn, vendor_id)
        assert vendor is not None
        locked[vendor_id] = vendor
    if found.survivor not in locked:
        raise FamilyChanged(found.merge_id)
    return locked


async def _check_area(conn: Connection, found: MergeRow, within: str) -> None:
    """Both must lie in the area; where an erased one lived is still known."""
    for vendor_id in (found.survivor, found.retired):
        kept = await vendors_store.find_vendor(conn, vendor_id)
        if kept is None or not areas.contains(within, kept.vendor.kelurahan):
            raise MergeUnknown(found.merge_id)


async def _gone(conn: Connection, merge_id: UUID) -> MergeUndone | FamilyChanged:
    again = await store.find_merge(conn, merge_id)
    undone = again is not None and again.undone_at is not None
    return MergeUndone(merge_id) if undone else FamilyChanged(merge_id)


def _opened(row: MergeRow, sealer: Sealer) -> Merge:
    if row.sealed is None:
        raise MergeOfErased(row.merge_id)
    values = sealer.open(row.sealed, row.merge_id.bytes)
    return domain.read_values(row.merge_id, row.seq, row.survivor, row.retired, values)


async def _save(conn: Connection, before: Vendor, after: Vendor, merge_id: UUID, actor: str, now: datetime) -> None:
    await save_vendor(conn, before, after, domain.events_between(before, after, merge_id), now=now, by=actor)

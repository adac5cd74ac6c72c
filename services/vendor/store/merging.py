"""Merges: which registrations are one person, and what undoing a merge needs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.merging import Merge, read_values
from services.vendor.domain.registration import Vendor
from services.vendor.store.vendors import lock_vendor
from shared.crypto import Sealer
from shared.db import Connection
from shared.resealing import SealedColumn

__all__ = [
    "SEALED_MERGES",
    "MergeRow",
    "add_merge",
    "collect_merges",
    "erase_merges",
    "find_family",
    "find_merge",
    "find_merges",
    "lock_merged",
    "lock_merges",
    "save_undone",
    "save_values",
]

SEALED_MERGES = SealedColumn(
    "values of merges",
    "SELECT merge_id AS id, sealed FROM merge WHERE merge_id > $1 AND sealed IS NOT NULL ORDER BY merge_id LIMIT $2",
    "UPDATE merge AS m SET sealed = n.fresh FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE m.merge_id = n.id AND m.sealed = n.old",
)


class MergeRow(NamedTuple):
    """A merge as it is stored; `sealed` is None once the person is erased."""

    merge_id: UUID
    seq: int
    survivor: UUID
    retired: UUID
    taken: list[str]
    sealed: bytes | None
    merged_at: datetime
    merged_by: str
    undone_at: datetime | None
    undone_by: str | None
    reason: str | None
    kept: list[str] | None


# Up to the registration that stands for the person, then down to all that were merged into it. Two rows that pointed
# at each other could not loop here: UNION keeps a row once.
FIND_FAMILY = """
WITH RECURSIVE up AS (
    SELECT vendor_id, merged_into FROM vendor WHERE vendor_id = $1
    UNION
    SELECT v.vendor_id, v.merged_into FROM up JOIN vendor AS v ON v.vendor_id = up.merged_into
), family AS (
    SELECT vendor_id, 0 AS generation FROM up WHERE merged_into IS NULL
    UNION
    SELECT v.vendor_id, f.generation + 1 FROM family AS f JOIN vendor AS v ON v.merged_into = f.vendor_id
)
SELECT vendor_id FROM family ORDER BY generation, vendor_id
"""


async def find_family(conn: Connection, vendor_id: UUID) -> list[UUID]:
    """The registrations of one person: the one that stands for it first, then all merged into it, also indirectly.

    Just `[vendor_id]` where nothing was merged, and where no such vendor exists. Whoever locks a family locks it in the
    order of its ids, as `lock_vendor` does.
    """
    rows = await conn.fetch(FIND_FAMILY, vendor_id)
    return [row["vendor_id"] for row in rows] or [vendor_id]


async def lock_merged(conn: Connection, vendor_id: UUID) -> list[Vendor]:
    """Registrations that were merged into this one directly; they are locked since it is."""
    rows = await conn.fetch(
        "SELECT vendor_id FROM vendor WHERE merged_into = $1 AND erased_at IS NULL ORDER BY vendor_id", vendor_id
    )
    locked = [await lock_vendor(conn, row["vendor_id"]) for row in rows]
    return [vendor for vendor in locked if vendor is not None]


async def add_merge(conn: Connection, made: Merge, sealed: bytes, by: str, now: datetime) -> None:
    """Keep a merge of two locked registrations."""
    await conn.execute(
        "INSERT INTO merge (merge_id, survivor, retired, taken, sealed, merged_at, merged_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        made.merge_id,
        made.survivor,
        made.retired,
        list(made.taken),
        sealed,
        now,
        by,
    )


FIND_MERGE = """
SELECT merge_id, seq, survivor, retired, taken, sealed, merged_at, merged_by, undone_at, undone_by, reason, kept
FROM merge WHERE merge_id = $1
"""

FIND_MERGES = """
SELECT merge_id, seq, survivor, retired, taken, sealed, merged_at, merged_by, undone_at, undone_by, reason, kept
FROM merge WHERE (survivor = $1 OR retired = $1) AND ($2::bigint IS NULL OR seq < $2)
ORDER BY seq DESC LIMIT $3
"""

LOCK_MERGES = """
SELECT merge_id, seq, survivor, retired, taken, sealed, merged_at, merged_by, undone_at, undone_by, reason, kept
FROM merge WHERE retired = ANY($1::uuid[]) AND undone_at IS NULL
ORDER BY seq FOR UPDATE
"""


def _row(row: asyncpg.Record) -> MergeRow:
    return MergeRow(*row)


async def find_merge(conn: Connection, merge_id: UUID) -> MergeRow | None:
    """One merge."""
    row = await conn.fetchrow(FIND_MERGE, merge_id)
    return None if row is None else _row(row)


async def find_merges(conn: Connection, vendor_id: UUID, after: int | None, limit: int) -> list[MergeRow]:
    """Merges this registration took part in, the latest first; those before the number `after`, at most `limit`."""
    return [_row(row) for row in await conn.fetch(FIND_MERGES, vendor_id, after, limit)]


async def lock_merges(conn: Connection, vendor_ids: Sequence[UUID]) -> list[MergeRow]:
    """The merges of a family that hold, oldest first; call it with the family locked."""
    return [_row(row) for row in await conn.fetch(LOCK_MERGES, vendor_ids)]


async def save_values(conn: Connection, merge_id: UUID, sealed: bytes) -> None:
    """What undoing this merge would put back, anew."""
    await conn.execute("UPDATE merge SET sealed = $2 WHERE merge_id = $1", merge_id, sealed)


async def save_undone(
    conn: Connection, merge_id: UUID, reason: str, kept: Sequence[str], by: str, now: datetime
) -> None:
    """The merge holds no longer; its values have done their service."""
    await conn.execute(
        "UPDATE merge SET undone_at = $2, undone_by = $3, reason = $4, kept = $5, sealed = NULL WHERE merge_id = $1",
        merge_id,
        now,
        by,
        reason,
        list(kept),
    )


async def collect_merges(
    conn: Connection, vendor_ids: Sequence[UUID], *, sealer: Sealer | None = None
) -> dict[str, Any]:
    """The merges of these registrations; with the sealer also the values kept for undoing them."""
    rows = await conn.fetch(
        "SELECT merge_id, seq, survivor, retired, taken, sealed, merged_at, merged_by, undone_at, undone_by, reason, "
        "kept FROM merge WHERE survivor = ANY($1::uuid[]) OR retired = ANY($1::uuid[]) ORDER BY seq",
        vendor_ids,
    )
    return {"merges": [_collected(_row(row), sealer) for row in rows]}


def _collected(row: MergeRow, sealer: Sealer | None) -> dict[str, Any]:
    collected: dict[str, Any] = {
        "merge_id": str(row.merge_id),
        "survivor": str(row.survivor),
        "retired": str(row.retired),
        "taken": row.taken,
        "merged_at": row.merged_at.isoformat(),
        "undone_at": None if row.undone_at is None else row.undone_at.isoformat(),
        "reason": row.reason,
        "kept": row.kept,
    }
    if sealer is not None and row.sealed is not None:
        values = sealer.open(row.sealed, row.merge_id.bytes)
        made = read_values(row.merge_id, row.seq, row.survivor, row.retired, values)
        collected["values_replaced"] = {field: _shown(taken.before) for field, taken in made.taken.items()}
        collected["values_taken"] = {field: _shown(taken.after) for field, taken in made.taken.items()}
        collected["retired_contact"] = dict(made.reached)
    return collected


def _shown(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


async def erase_merges(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Forget the values of every merge of these registrations; that they were merged stays, as ids."""
    status = await conn.execute(
        "UPDATE merge SET sealed = NULL "
        "WHERE (survivor = ANY($1::uuid[]) OR retired = ANY($1::uuid[])) AND sealed IS NOT NULL",
        vendor_ids,
    )
    return {"merges": int(status.split()[-1])}

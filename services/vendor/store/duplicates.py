"""Duplicates: whom the walk compares next and with whom, and the queue of pairs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.duplicates import FACTS, Duplicate, Evidence, Person
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection

__all__ = [
    "Found",
    "Queued",
    "Stretch",
    "collect_duplicates",
    "drop_duplicates",
    "erase_duplicates",
    "find_candidates",
    "find_duplicates",
    "find_people",
    "find_queued",
    "lock_duplicate",
    "lock_stretch",
    "save_duplicate",
    "save_found",
    "save_stretch",
    "settle_duplicates",
]

SHARED_PHONE_MAX = 20
"""A phone that more registrations have is an office's or a helper's: it tells nothing about who they are."""
BLOCK_MAX = 500
"""People of one date of birth, or of one RT, who are looked at. 400,000 vendors make blocks of some 20 and 13; the
bound keeps memory flat where a sheet gave thousands one date."""


class Stretch(NamedTuple):
    """A piece of the walk: those to compare now, and where it ends."""

    vendor_ids: list[UUID]
    facts_xid: int
    vendor_id: UUID


class Found(NamedTuple):
    """A pair that was found alike, `one` < `other`, as it is written to the queue."""

    duplicate_id: UUID
    one: UUID
    other: UUID
    score: int
    evidence: dict[str, Any]
    facts: bytes


class Queued(NamedTuple):
    """A pair of the queue, and whether both still stand for themselves."""

    duplicate: Duplicate
    kelurahan_one: str
    kelurahan_other: str
    standing: bool


# A database restored elsewhere counts its transactions anew, from below the walk's place: it walks from the beginning.
LOCK_WALK = """
SELECT CASE WHEN facts_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint THEN facts_xid ELSE 0 END
           AS facts_xid,
       vendor_id
FROM duplicate_walk FOR UPDATE
"""

# Rows of transactions that began after one that still runs are left for later, so that none is passed by.
FIND_STRETCH = """
SELECT facts_xid, vendor_id FROM vendor
WHERE (facts_xid, vendor_id) > ($1, $2) AND facts_xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY facts_xid, vendor_id
LIMIT $3
"""


async def lock_stretch(conn: Connection, size: int) -> Stretch | None:
    """The next vendors whose facts are new, at most `size`; the walk stays locked. None: everybody was compared."""
    at = await conn.fetchrow(LOCK_WALK)
    assert at is not None
    rows = await conn.fetch(FIND_STRETCH, at["facts_xid"], at["vendor_id"], size)
    if not rows:
        return None
    return Stretch([row["vendor_id"] for row in rows], rows[-1]["facts_xid"], rows[-1]["vendor_id"])


async def save_stretch(conn: Connection, stretch: Stretch) -> None:
    """Go on behind these next time."""
    await conn.execute("UPDATE duplicate_walk SET facts_xid = $1, vendor_id = $2", stretch.facts_xid, stretch.vendor_id)


# Blocks, not all with all: whoever shares neither phone, nor date of birth, nor RT cannot reach the least score. Each
# block is one look into an index. A vendor that is retired or erased is compared with nobody.
FIND_CANDIDATES = """
SELECT DISTINCT least(v.vendor_id, c.vendor_id) AS one, greatest(v.vendor_id, c.vendor_id) AS other
FROM vendor AS v CROSS JOIN LATERAL (
    (SELECT p.vendor_id FROM (
        SELECT s.vendor_id, count(*) OVER () AS sharing FROM (
            SELECT x.vendor_id FROM vendor AS x
            WHERE x.phone = v.phone AND x.erased_at IS NULL AND x.merged_into IS NULL LIMIT $2 + 1
        ) AS s
     ) AS p WHERE p.sharing <= $2)
    UNION ALL
    (SELECT x.vendor_id FROM vendor AS x
     WHERE x.born_on = v.born_on AND x.erased_at IS NULL AND x.merged_into IS NULL LIMIT $3)
    UNION ALL
    (SELECT x.vendor_id FROM vendor AS x
     WHERE x.kelurahan = v.kelurahan AND x.rw = v.rw AND x.rt = v.rt AND x.erased_at IS NULL
       AND x.merged_into IS NULL LIMIT $3)
) AS c
WHERE v.vendor_id = ANY($1::uuid[]) AND v.erased_at IS NULL AND v.merged_into IS NULL AND c.vendor_id <> v.vendor_id
"""


async def find_candidates(conn: Connection, vendor_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Pairs worth comparing of which at least one is among these; each once, the smaller id first."""
    rows = await conn.fetch(FIND_CANDIDATES, vendor_ids, SHARED_PHONE_MAX, BLOCK_MAX)
    return [(row["one"], row["other"]) for row in rows]


async def find_people(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, Person]:
    """What these are compared by."""
    rows = await conn.fetch(
        "SELECT vendor_id, name, phone, born_on, kelurahan, rw, rt, street FROM vendor "
        "WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL",
        vendor_ids,
    )
    return {row["vendor_id"]: Person(*row) for row in rows}


# A pair that was decided stays so as long as its facts are the same; with other facts it is open again. An open one
# follows the rules of scoring, too.
SAVE_FOUND = """
INSERT INTO duplicate AS d (duplicate_id, one, other, score, evidence, facts, found_at)
SELECT n.duplicate_id, n.one, n.other, n.score, n.evidence, n.facts, $7
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::jsonb[], $6::bytea[])
    AS n (duplicate_id, one, other, score, evidence, facts)
ORDER BY n.one, n.other
ON CONFLICT (one, other) DO UPDATE
SET score = excluded.score, evidence = excluded.evidence, facts = excluded.facts, state = 'open', reason = NULL,
    found_at = excluded.found_at, decided_at = NULL, decided_by = NULL
WHERE d.state <> 'merged'
  AND (d.facts <> excluded.facts OR (d.state = 'open' AND d.evidence <> excluded.evidence))
"""


async def save_found(conn: Connection, found: Sequence[Found], now: datetime) -> None:
    """Put pairs in the queue; one that was dismissed comes back only if its facts have changed."""
    await conn.execute(
        SAVE_FOUND,
        [pair.duplicate_id for pair in found],
        [pair.one for pair in found],
        [pair.other for pair in found],
        [pair.score for pair in found],
        [pair.evidence for pair in found],
        [pair.facts for pair in found],
        now,
    )


# Decided ones stay: what an officer said is no matter of the score.
DROP_DUPLICATES = """
DELETE FROM duplicate AS d USING (
    SELECT x.one, x.other FROM duplicate AS x
    WHERE (x.one = ANY($1::uuid[]) OR x.other = ANY($1::uuid[])) AND x.state = 'open'
      AND NOT EXISTS (
          SELECT FROM unnest($2::uuid[], $3::uuid[]) AS kept (one, other)
          WHERE kept.one = x.one AND kept.other = x.other
      )
      AND NOT EXISTS (
          SELECT FROM vendor AS v WHERE v.vendor_id IN (x.one, x.other) AND v.merged_into IS NOT NULL
      )
    ORDER BY x.one, x.other FOR UPDATE
) AS gone
WHERE d.one = gone.one AND d.other = gone.other
"""


async def drop_duplicates(conn: Connection, vendor_ids: Sequence[UUID], found: Sequence[Found]) -> None:
    """Take from the queue what holds one of these vendors and is not among what was found now.

    Pairs of a retired registration wait as they are: it may come back.
    """
    await conn.execute(DROP_DUPLICATES, vendor_ids, [pair.one for pair in found], [pair.other for pair in found])


def _duplicate(row: asyncpg.Record) -> Duplicate:
    return Duplicate(
        duplicate_id=row["duplicate_id"],
        one=row["one"],
        other=row["other"],
        score=row["score"],
        evidence=tuple(Evidence(fact, **row["evidence"][fact]) for fact in FACTS),
        state=row["state"],
        reason=row["reason"],
        found_at=row["found_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
    )


FIND_QUEUED = """
SELECT d.duplicate_id, d.one, d.other, d.score, d.evidence, d.state, d.reason, d.found_at, d.decided_at, d.decided_by,
       a.kelurahan AS kelurahan_one, b.kelurahan AS kelurahan_other,
       a.merged_into IS NULL AND b.merged_into IS NULL AS standing
FROM duplicate AS d
JOIN vendor AS a ON a.vendor_id = d.one AND a.erased_at IS NULL
JOIN vendor AS b ON b.vendor_id = d.other AND b.erased_at IS NULL
WHERE d.duplicate_id = $1
"""


async def find_queued(conn: Connection, duplicate_id: UUID) -> Queued | None:
    """One pair, unless one of the two is erased."""
    row = await conn.fetchrow(FIND_QUEUED, duplicate_id)
    if row is None:
        return None
    return Queued(_duplicate(row), row["kelurahan_one"], row["kelurahan_other"], row["standing"])


# An open pair is shown while both stand for themselves; the area holds both. It is a range of codes, as in
# `vendors.FIND_IDS`.
FIND_DUPLICATES = """
SELECT d.duplicate_id, d.one, d.other, d.score, d.evidence, d.state, d.reason, d.found_at, d.decided_at, d.decided_by
FROM duplicate AS d
JOIN vendor AS a ON a.vendor_id = d.one AND a.erased_at IS NULL
JOIN vendor AS b ON b.vendor_id = d.other AND b.erased_at IS NULL
WHERE d.state = $1 AND d.score >= $2
  AND (d.state <> 'open' OR (a.merged_into IS NULL AND b.merged_into IS NULL))
  AND a.kelurahan >= $3 AND a.kelurahan < $3 || '/'
  AND b.kelurahan >= $3 AND b.kelurahan < $3 || '/'
  AND ($4::smallint IS NULL OR (d.score <= $4 AND (d.score < $4 OR d.duplicate_id > $5)))
ORDER BY d.score DESC, d.duplicate_id
LIMIT $6
"""


async def find_duplicates(
    conn: Connection, area: str, state: str, score_min: int, after: tuple[int, UUID] | None, limit: int
) -> list[Duplicate]:
    """Pairs of which both live in the area, the likeliest first; those after `after` (score, id), at most `limit`."""
    score, last = after if after is not None else (None, None)
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        rows = await conn.fetch(FIND_DUPLICATES, state, score_min, area, score, last, limit)
    return [_duplicate(row) for row in rows]


async def lock_duplicate(conn: Connection, duplicate_id: UUID) -> Duplicate | None:
    """One pair, locked until the transaction ends."""
    row = await conn.fetchrow(
        "SELECT duplicate_id, one, other, score, evidence, state, reason, found_at, decided_at, decided_by "
        "FROM duplicate WHERE duplicate_id = $1 FOR UPDATE",
        duplicate_id,
    )
    return None if row is None else _duplicate(row)


async def save_duplicate(conn: Connection, duplicate: Duplicate) -> None:
    """Write what was decided about a locked pair."""
    await conn.execute(
        "UPDATE duplicate SET state = $2, reason = $3, decided_at = $4, decided_by = $5 WHERE duplicate_id = $1",
        duplicate.duplicate_id,
        duplicate.state,
        duplicate.reason,
        duplicate.decided_at,
        duplicate.decided_by,
    )


async def settle_duplicates(
    conn: Connection, one: UUID, other: UUID, state: str, reason: str | None, by: str, now: datetime
) -> None:
    """What a merge, or undoing one, decides about the pair of these two, if it was ever found alike."""
    await conn.execute(
        "UPDATE duplicate SET state = $3, reason = $4, decided_at = $5, decided_by = $6 "
        "WHERE one = least($1::uuid, $2::uuid) AND other = greatest($1::uuid, $2::uuid)",
        one,
        other,
        state,
        reason,
        now,
        by,
    )


async def collect_duplicates(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """The pairs these registrations were found in. The other of a pair is another person: it is not named."""
    rows = await conn.fetch(
        "SELECT duplicate_id, one, other, score, evidence, state, reason, found_at, decided_at FROM duplicate "
        "WHERE one = ANY($1::uuid[]) OR other = ANY($1::uuid[]) ORDER BY found_at, duplicate_id",
        vendor_ids,
    )
    mine = set(vendor_ids)
    return {
        "duplicates": [
            {
                "duplicate_id": str(row["duplicate_id"]),
                "vendor_ids": [str(one) for one in (row["one"], row["other"]) if one in mine],
                "score": row["score"],
                "evidence": row["evidence"],
                "state": row["state"],
                "reason": row["reason"],
                "found_at": row["found_at"].isoformat(),
                "decided_at": None if row["decided_at"] is None else row["decided_at"].isoformat(),
            }
            for row in rows
        ]
    }


async def erase_duplicates(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Forget every pair with one of these; how many."""
    status = await conn.execute(
        "DELETE FROM duplicate WHERE one = ANY($1::uuid[]) OR other = ANY($1::uuid[])", vendor_ids
    )
    return {"duplicates": int(status.split()[-1])}

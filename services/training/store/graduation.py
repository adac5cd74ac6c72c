"""Candidacies, objections to decisions, and who is to be looked at again."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.training.domain.graduation import Appeal, Candidacy
from shared.db import Connection
from shared.resealing import SealedColumn

APPEAL_TEXTS = SealedColumn(
    "objections to decisions on graduation",
    "SELECT appeal_id AS id, text_sealed AS sealed FROM graduation_appeal "
    "WHERE appeal_id > $1 AND text_sealed IS NOT NULL ORDER BY appeal_id LIMIT $2",
    "UPDATE graduation_appeal AS a SET text_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (appeal_id, old, fresh) "
    "WHERE a.appeal_id = n.appeal_id AND a.text_sealed = n.old",
)
APPEAL_ANSWERS = SealedColumn(
    "answers to objections to decisions on graduation",
    "SELECT appeal_id AS id, answer_sealed AS sealed FROM graduation_appeal "
    "WHERE appeal_id > $1 AND answer_sealed IS NOT NULL ORDER BY appeal_id LIMIT $2",
    "UPDATE graduation_appeal AS a SET answer_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (appeal_id, old, fresh) "
    "WHERE a.appeal_id = n.appeal_id AND a.answer_sealed = n.old",
)


class Wanted(NamedTuple):
    """Which candidacies an officer asks for: those of vendors of an area."""

    area: str
    state: str | None = None
    criteria: str | None = None
    objected: bool = False


# ---- who is to be looked at


async def add_due(conn: Connection, vendor_ids: Collection[UUID]) -> None:
    """These people are to be looked at again, soon. Waits for nobody."""
    await conn.execute(
        "INSERT INTO graduation_due (vendor_id) SELECT * FROM unnest($1::uuid[])", list(dict.fromkeys(vendor_ids))
    )


async def add_everyone_due(conn: Connection, since: str) -> None:
    """Everybody with figures of a month since that one, and every candidate, is to be looked at."""
    await conn.execute(
        """
        INSERT INTO graduation_due (vendor_id)
        SELECT vendor_id FROM indicator WHERE month >= $1
        UNION SELECT vendor_id FROM candidacy WHERE state = 'proposed'
        """,
        since,
    )


async def take_due(conn: Connection, limit: int) -> tuple[int, set[UUID]]:
    """Take so many off the list, who came first first: how many, and whom. What another takes meanwhile is left out."""
    rows = await conn.fetch(
        """
        DELETE FROM graduation_due WHERE due_id IN (
            SELECT due_id FROM graduation_due ORDER BY due_id LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING vendor_id
        """,
        limit,
    )
    return len(rows), {row["vendor_id"] for row in rows}


# ---- candidacies


async def find_candidacies(conn: Connection, vendor_ids: Collection[UUID]) -> list[Candidacy]:
    """Every candidacy under these ids, the oldest first."""
    return [_candidacy(row) for row in await conn.fetch(FIND_CANDIDACIES, list(vendor_ids))]


async def find_candidacy(conn: Connection, candidacy_id: UUID) -> Candidacy | None:
    """One candidacy; none of an erased person."""
    row = await conn.fetchrow(FIND_CANDIDACY, candidacy_id)
    return None if row is None else _candidacy(row)


async def list_candidacies(conn: Connection, wanted: Wanted, after: UUID | None, limit: int) -> list[Candidacy]:
    """Candidacies of people who live in an area, the oldest first, those after `after`, at most `limit`."""
    rows = await conn.fetch(LIST_CANDIDACIES, wanted.area, wanted.state, wanted.criteria, wanted.objected, after, limit)
    return [_candidacy(row) for row in rows]


FIND_CANDIDACIES = """
SELECT candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, months_from, months_until,
    taken_back_because, decided_at, decided_by, decided_on, decided_until, reason, kelurahan, evidence, evidence_sha256
FROM candidacy WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL ORDER BY candidacy_id
"""
FIND_CANDIDACY = """
SELECT candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, months_from, months_until,
    taken_back_because, decided_at, decided_by, decided_on, decided_until, reason, kelurahan, evidence, evidence_sha256
FROM candidacy WHERE candidacy_id = $1 AND erased_at IS NULL
"""
# Where a person lives its standing registration says. '.' sorts before '/'.
LIST_CANDIDACIES = """
SELECT c.candidacy_id, c.vendor_id, c.criteria, c.criteria_version, c.state, c.proposed_at, c.months_from,
    c.months_until, c.taken_back_because, c.decided_at, c.decided_by, c.decided_on, c.decided_until, c.reason,
    c.kelurahan, c.evidence, c.evidence_sha256
FROM candidacy c
LEFT JOIN family f ON f.vendor_id = c.vendor_id
JOIN vendor v ON v.vendor_id = coalesce(f.person_id, c.vendor_id)
WHERE v.kelurahan >= $1 AND v.kelurahan < $1 || '/' AND c.erased_at IS NULL
    AND ($2::text IS NULL OR c.state = $2) AND ($3::text IS NULL OR c.criteria = $3)
    AND (NOT $4 OR EXISTS (
        SELECT FROM graduation_appeal a WHERE a.candidacy_id = c.candidacy_id AND a.state = 'open'))
    AND ($5::uuid IS NULL OR c.candidacy_id > $5)
ORDER BY c.candidacy_id LIMIT $6
"""


def _candidacy(row: asyncpg.Record) -> Candidacy:
    return Candidacy(**dict(row))


async def save_candidacies(conn: Connection, candidacies: Sequence[Candidacy]) -> None:
    """Write new candidacies, and those of them that were there as they are now; their trainees are locked."""
    await conn.executemany(
        """
        INSERT INTO candidacy (candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, months_from,
            months_until, taken_back_because, decided_at, decided_by, decided_on, decided_until, reason, kelurahan,
            evidence, evidence_sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ON CONFLICT (candidacy_id) DO UPDATE SET
            state = excluded.state, proposed_at = excluded.proposed_at,
            taken_back_because = excluded.taken_back_because, decided_at = excluded.decided_at,
            decided_by = excluded.decided_by, decided_on = excluded.decided_on,
            decided_until = excluded.decided_until, reason = excluded.reason, kelurahan = excluded.kelurahan,
            evidence = excluded.evidence, evidence_sha256 = excluded.evidence_sha256
        """,
        [
            (
                one.candidacy_id,
                one.vendor_id,
                one.criteria,
                one.criteria_version,
                one.state,
                one.proposed_at,
                one.months_from,
                one.months_until,
                one.taken_back_because,
                one.decided_at,
                one.decided_by,
                one.decided_on,
                one.decided_until,
                one.reason,
                one.kelurahan,
                one.evidence,
                one.evidence_sha256,
            )
            for one in candidacies
        ],
    )


async def find_graduated(conn: Connection, vendor_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these ids whose person graduated, under whichever of its ids."""
    rows = await conn.fetch(
        """
        SELECT asked.id FROM unnest($1::uuid[]) AS asked (id)
        WHERE EXISTS (
            SELECT FROM candidacy c
            WHERE c.state = 'graduated' AND c.erased_at IS NULL AND (c.vendor_id = asked.id OR c.vendor_id IN (
                SELECT m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
                WHERE f.vendor_id = asked.id)))
        """,
        list(vendor_ids),
    )
    return {row["id"] for row in rows}


# ---- objections


async def add_appeal(conn: Connection, appeal: Appeal, text_sealed: bytes) -> bool:
    """Keep an objection. False: somebody objected to this before."""
    added = await conn.fetchval(
        """
        INSERT INTO graduation_appeal (appeal_id, candidacy_id, vendor_id, state, text_sealed, filed_by, filed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT ON CONSTRAINT graduation_appealed_once DO NOTHING RETURNING true
        """,
        appeal.appeal_id,
        appeal.candidacy_id,
        appeal.vendor_id,
        appeal.state,
        text_sealed,
        appeal.filed_by,
        appeal.filed_at,
    )
    return bool(added)


async def find_appeal(conn: Connection, candidacy_id: UUID) -> Appeal | None:
    """The objection to the decision on a candidacy, if there was one."""
    row = await conn.fetchrow(
        """
        SELECT appeal_id, candidacy_id, vendor_id, state, filed_by, filed_at, decided_by, decided_at
        FROM graduation_appeal WHERE candidacy_id = $1
        """,
        candidacy_id,
    )
    return None if row is None else Appeal(**dict(row))


async def find_written(conn: Connection, candidacy_id: UUID) -> tuple[bytes | None, bytes | None]:
    """What was written against a decision, and the answer; both still sealed."""
    row = await conn.fetchrow(
        "SELECT text_sealed, answer_sealed FROM graduation_appeal WHERE candidacy_id = $1", candidacy_id
    )
    return (None, None) if row is None else (row["text_sealed"], row["answer_sealed"])


async def save_answer(conn: Connection, appeal: Appeal, answer_sealed: bytes | None) -> None:
    """How an objection ended; its vendor's training record is locked."""
    await conn.execute(
        """
        UPDATE graduation_appeal SET state = $2, decided_by = $3, decided_at = $4, answer_sealed = $5
        WHERE appeal_id = $1
        """,
        appeal.appeal_id,
        appeal.state,
        appeal.decided_by,
        appeal.decided_at,
        answer_sealed,
    )


# ---- erasure


async def erase_candidacies(conn: Connection, vendor_id: UUID, *, now: datetime) -> int:
    """Of decisions on an id stays that they were made, with the shares of agencies: figures, without evidence. What
    people wrote goes. Gives how many decisions stay.
    """
    await conn.execute(
        """
        UPDATE graduation_appeal SET text_sealed = NULL, answer_sealed = NULL, filed_by = '',
            state = CASE WHEN state = 'open' THEN 'dropped' ELSE state END
        WHERE vendor_id = $1
        """,
        vendor_id,
    )
    kept = await conn.execute(
        """
        UPDATE candidacy SET evidence = NULL, evidence_sha256 = NULL, erased_at = $2
        WHERE vendor_id = $1 AND decided_at IS NOT NULL AND erased_at IS NULL
        """,
        vendor_id,
        now,
    )
    return int(kept.rpartition(" ")[2])

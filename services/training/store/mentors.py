"""Rows of mentors. Their names are sealed, bound to the mentor's id."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.mentors import Mentor
from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_CARDS = SealedColumn(
    "cards of mentors",
    "SELECT mentor_id AS id, card_sealed AS sealed FROM mentor WHERE mentor_id > $1 AND card_sealed IS NOT NULL "
    "ORDER BY mentor_id LIMIT $2",
    "UPDATE mentor AS m SET card_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (mentor_id, old, fresh) "
    "WHERE m.mentor_id = n.mentor_id AND m.card_sealed = n.old",
)


class MentorFilter(NamedTuple):
    """Which mentors: `area` is one that they serve, wholly or in part; `with_room`: who can take another vendor."""

    area: str | None = None
    kind: str | None = None
    agency: str | None = None
    field: str | None = None
    language: str | None = None
    with_room: bool = False
    withdrawn: bool = False


class Listed(NamedTuple):
    """A mentor, how many vendors it has, and its card, still sealed."""

    mentor: Mentor
    load: int
    card_sealed: bytes | None


def _mentor(row: Record) -> Mentor:
    return Mentor(
        mentor_id=row["mentor_id"],
        kind=row["kind"],
        funding=row["funding"],
        agency=row["agency"],
        areas=tuple(row["areas"]),
        fields=tuple(row["fields"]),
        languages=tuple(row["languages"]),
        load_max=row["load_max"],
        account=row["account"],
        vendor_id=row["vendor_id"],
        state=row["state"],
        version=row["version"],
        card_version=row["card_version"],
        listed_at=row["listed_at"],
        withdrawn_at=row["withdrawn_at"],
    )


FIND_MENTORS = """
SELECT mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, vendor_id, state, version,
    card_version, listed_at, withdrawn_at
FROM mentor WHERE mentor_id = ANY($1::uuid[]) ORDER BY mentor_id
"""

LOCK_MENTORS = """
SELECT mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, vendor_id, state, version,
    card_version, listed_at, withdrawn_at
FROM mentor WHERE mentor_id = ANY($1::uuid[]) ORDER BY mentor_id FOR NO KEY UPDATE
"""

FIND_LISTED = """
SELECT mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, vendor_id, state, version,
    card_version, listed_at, withdrawn_at
FROM mentor WHERE state = 'listed' AND kind = $1 ORDER BY mentor_id
"""

FIND_OF_ACCOUNT = """
SELECT mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, vendor_id, state, version,
    card_version, listed_at, withdrawn_at
FROM mentor WHERE account = $1
"""

# An area of the mentor is the one asked for, contains it, or lies within it.
LIST_MENTORS = """
SELECT m.mentor_id, m.kind, m.funding, m.agency, m.areas, m.fields, m.languages, m.load_max, m.account, m.vendor_id,
    m.state, m.version, m.card_version, m.listed_at, m.withdrawn_at, m.card_sealed, coalesce(held.vendors, 0) AS load
FROM mentor AS m LEFT JOIN (
    SELECT mentor_id, count(*) AS vendors FROM assignment WHERE until IS NULL GROUP BY mentor_id
) AS held ON held.mentor_id = m.mentor_id
WHERE (m.state = 'withdrawn') = $7
    AND ($1::text IS NULL OR EXISTS (
        SELECT FROM unnest(m.areas) AS own (area)
        WHERE own.area = $1 OR starts_with(own.area, $1 || '.') OR starts_with($1, own.area || '.')))
    AND ($2::text IS NULL OR m.kind = $2)
    AND ($3::text IS NULL OR m.agency = $3)
    AND ($4::text IS NULL OR $4 = ANY(m.fields))
    AND ($5::text IS NULL OR $5 = ANY(m.languages))
    AND (NOT $6::boolean OR coalesce(held.vendors, 0) < m.load_max)
    AND ($8::uuid IS NULL OR m.mentor_id > $8)
ORDER BY m.mentor_id LIMIT $9
"""


async def find_mentors(conn: Connection, mentor_ids: Sequence[UUID]) -> dict[UUID, Mentor]:
    """Those of these mentors that there are, withdrawn ones too, by their ids."""
    return {row["mentor_id"]: _mentor(row) for row in await conn.fetch(FIND_MENTORS, list(mentor_ids))}


async def find_mentor(conn: Connection, mentor_id: UUID) -> Mentor | None:
    """The mentor with this id, also a withdrawn one."""
    return (await find_mentors(conn, [mentor_id])).get(mentor_id)


async def find_listed(conn: Connection, kind: str = "employed") -> list[Mentor]:
    """Every mentor of this kind that mentors at present, in the order of their ids."""
    return [_mentor(row) for row in await conn.fetch(FIND_LISTED, kind)]


async def find_mentor_of(conn: Connection, account: str) -> Mentor | None:
    """The mentor with this account; a withdrawn one has none."""
    row = await conn.fetchrow(FIND_OF_ACCOUNT, account)
    return None if row is None else _mentor(row)


async def lock_mentors(conn: Connection, mentor_ids: Sequence[UUID]) -> dict[UUID, Mentor]:
    """Lock those of these mentors that there are, in the order of their ids, before any trainee."""
    return {row["mentor_id"]: _mentor(row) for row in await conn.fetch(LOCK_MENTORS, list(mentor_ids))}


async def lock_mentor(conn: Connection, mentor_id: UUID) -> Mentor | None:
    """Lock a mentor: who assigns vendors to it, or withdraws it, waits for whoever does so now."""
    return (await lock_mentors(conn, [mentor_id])).get(mentor_id)


async def list_mentors(conn: Connection, wanted: MentorFilter, after: UUID | None, limit: int) -> list[Listed]:
    """Mentors with their load, in the order in which they were entered."""
    rows = await conn.fetch(LIST_MENTORS, *wanted, after, limit)
    return [Listed(_mentor(row), row["load"], row["card_sealed"]) for row in rows]


async def find_card(conn: Connection, mentor_id: UUID) -> bytes | None:
    """The card of a mentor, sealed; None when it is withdrawn."""
    card: bytes | None = await conn.fetchval("SELECT card_sealed FROM mentor WHERE mentor_id = $1", mentor_id)
    return card


async def find_cards(conn: Connection, mentor_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The cards of those of these mentors that have one, sealed."""
    rows = await conn.fetch(
        "SELECT mentor_id, card_sealed FROM mentor WHERE mentor_id = ANY($1::uuid[]) AND card_sealed IS NOT NULL",
        list(mentor_ids),
    )
    return {row["mentor_id"]: row["card_sealed"] for row in rows}


async def count_loads(conn: Connection, mentor_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many vendors each of these mentors has; those who have none are left out."""
    rows = await conn.fetch(
        "SELECT mentor_id, count(*) AS vendors FROM assignment WHERE until IS NULL AND mentor_id = ANY($1::uuid[]) "
        "GROUP BY mentor_id",
        list(mentor_ids),
    )
    return {row["mentor_id"]: row["vendors"] for row in rows}


async def lock_account(conn: Connection, account: str) -> None:
    """Let one transaction at a time give this account to a mentor."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.mentor-account:' || $1, 0))", account)


async def add_mentor(conn: Connection, mentor: Mentor, card_sealed: bytes) -> None:
    """Insert a mentor."""
    await conn.execute(
        """
        INSERT INTO mentor (mentor_id, kind, funding, agency, areas, fields, languages, load_max, account, vendor_id,
            state, version, card_version, listed_at, card_sealed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        mentor.mentor_id,
        mentor.kind,
        mentor.funding,
        mentor.agency,
        list(mentor.areas),
        list(mentor.fields),
        list(mentor.languages),
        mentor.load_max,
        mentor.account,
        mentor.vendor_id,
        mentor.state,
        mentor.version,
        mentor.card_version,
        mentor.listed_at,
        card_sealed,
    )


async def save_mentor(conn: Connection, mentor: Mentor, card_sealed: bytes | None) -> None:
    """Save a locked mentor; without a card its name is gone."""
    await conn.execute(
        """
        UPDATE mentor SET funding = $2, agency = $3, areas = $4, fields = $5, languages = $6, load_max = $7,
            account = $8, vendor_id = $9, state = $10, version = $11, card_version = $12, withdrawn_at = $13,
            card_sealed = $14
        WHERE mentor_id = $1
        """,
        mentor.mentor_id,
        mentor.funding,
        mentor.agency,
        list(mentor.areas),
        list(mentor.fields),
        list(mentor.languages),
        mentor.load_max,
        mentor.account,
        mentor.vendor_id,
        mentor.state,
        mentor.version,
        mentor.card_version,
        mentor.withdrawn_at,
        card_sealed,
    )


async def find_mentors_who_are(conn: Connection, vendor_ids: Sequence[UUID]) -> list[UUID]:
    """Mentors at present who are these vendors themselves, in the order of their ids."""
    rows = await conn.fetch(
        "SELECT mentor_id FROM mentor WHERE vendor_id = ANY($1::uuid[]) AND state = 'listed' ORDER BY mentor_id",
        list(vendor_ids),
    )
    return [row["mentor_id"] for row in rows]

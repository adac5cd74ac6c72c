"""What agencies did for vendors: who coached since when, and what visits, cases, classes and foster groups say."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.training.domain.contributions import Course, Deed, FosterSpell, Record, Word, spells
from shared.clock import day_in_jakarta
from shared.db import Connection


class AgencyFigures(NamedTuple):
    """Of graduates of a time and an area: on how many an agency worked, its shares of them, and its active months."""

    agency: str
    graduates: int
    share_thousandths: int
    months: int


async def add_words(conn: Connection, words: Sequence[Word]) -> None:
    """Keep what the registry said of who coaches; twice is once, and an erased id is not brought back."""
    await conn.execute(
        """
        INSERT INTO coaching_word (vendor_id, registry_version, word, agency, since)
        SELECT new.* FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
            AS new (vendor_id, registry_version, word, agency, since)
        WHERE NOT EXISTS (SELECT FROM erased_vendor e WHERE e.vendor_id = new.vendor_id)
        ORDER BY 1, 2
        ON CONFLICT DO NOTHING
        """,
        [one.vendor_id for one in words],
        [one.registry_version for one in words],
        [one.word for one in words],
        [one.agency for one in words],
        [one.since for one in words],
    )


async def find_record(conn: Connection, vendor_ids: Sequence[UUID]) -> Record:
    """All that was done for a person, under any of its ids."""
    ids = list(vendor_ids)
    words = await conn.fetch(
        "SELECT vendor_id, registry_version, word, agency, since FROM coaching_word WHERE vendor_id = ANY($1::uuid[])",
        ids,
    )
    deeds = await conn.fetch(FIND_DEEDS, ids)
    fosters = await conn.fetch(FIND_FOSTERS, ids)
    trainings = await conn.fetch(FIND_TRAININGS, ids)
    return Record(
        spells=spells(Word(*row) for row in words),
        deeds=[Deed(*row) for row in deeds],
        fosters=[
            FosterSpell(
                row["mentor_id"],
                row["funding"],
                day_in_jakarta(row["since"]),
                None if row["until"] is None else day_in_jakarta(row["until"]),
                row["visits"],
            )
            for row in fosters
        ],
        trainings=[Course(*row) for row in trainings],
    )


FIND_DEEDS = """
SELECT m.agency, 'visit' AS kind, v.visited_on AS day
FROM visit v JOIN mentor m ON m.mentor_id = v.mentor_id
WHERE v.vendor_id = ANY($1::uuid[]) AND v.state = 'logged' AND m.agency IS NOT NULL AND m.kind = 'employed'
UNION ALL
SELECT h.owner, 'case', (h.closed_at AT TIME ZONE 'Asia/Jakarta')::date
FROM help_case h WHERE h.vendor_id = ANY($1::uuid[]) AND h.outcome = 'solved' AND h.owner IS NOT NULL
"""
FIND_FOSTERS = """
SELECT a.mentor_id, m.funding, a.since, a.until, (
    SELECT count(*) FROM visit v
    WHERE v.mentor_id = a.mentor_id AND v.vendor_id = ANY($1::uuid[]) AND v.state = 'logged'
        AND v.visited_on >= (a.since AT TIME ZONE 'Asia/Jakarta')::date
        AND (a.until IS NULL OR v.visited_on <= (a.until AT TIME ZONE 'Asia/Jakarta')::date)) AS visits
FROM assignment a JOIN mentor m ON m.mentor_id = a.mentor_id
WHERE a.vendor_id = ANY($1::uuid[]) AND a.kind = 'foster'
"""
FIND_TRAININGS = """
SELECT DISTINCT c.class_id, c.course, c.days[cardinality(c.days)] AS completed_on, c.provider_id
FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
WHERE e.vendor_id = ANY($1::uuid[]) AND e.result = 'completed'
"""


async def accompanies(conn: Connection, vendor_ids: Sequence[UUID], subject: str) -> bool:
    """Whether this account is of a mentor that a person has or had, or logged a visit to it."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM assignment a JOIN mentor m ON m.mentor_id = a.mentor_id
            WHERE a.vendor_id = ANY($1::uuid[]) AND m.account = $2)
        OR EXISTS (SELECT FROM visit v WHERE v.vendor_id = ANY($1::uuid[]) AND v.logged_by = $2)
        """,
        list(vendor_ids),
        subject,
    )
    return found


# ---- graduates, shared among agencies


async def save_shares(
    conn: Connection, candidacy_id: UUID, months: Mapping[str, int], thousandths: Mapping[str, int]
) -> None:
    """Freeze how a graduate is shared among agencies."""
    await conn.execute(
        """
        INSERT INTO graduation_share (candidacy_id, agency, months, thousandths)
        SELECT $1, * FROM unnest($2::text[], $3::int[], $4::int[])
        ON CONFLICT DO NOTHING
        """,
        candidacy_id,
        list(months),
        list(months.values()),
        [thousandths[agency] for agency in months],
    )


async def find_shares(conn: Connection, candidacy_id: UUID) -> dict[str, int]:
    """Agency -> thousandths of this graduate."""
    rows = await conn.fetch(
        "SELECT agency, thousandths FROM graduation_share WHERE candidacy_id = $1 ORDER BY agency", candidacy_id
    )
    return {row["agency"]: row["thousandths"] for row in rows}


async def sum_shares(conn: Connection, area: str, first: date, last: date) -> tuple[int, int, list[AgencyFigures]]:
    """Of those who graduated in an area from a day to a day: how many, on how many no agency worked, and by agency.

    Whoever graduated under two ids before they were found to be one person graduated once, the first time.
    """
    rows = await conn.fetch(SUM_SHARES, area, first, last)
    graduates, unshared = await conn.fetchrow(COUNT_GRADUATES, area, first, last) or (0, 0)
    return graduates, unshared, [AgencyFigures(*row) for row in rows]


COUNT_GRADUATES = """
WITH graduate AS (
    SELECT DISTINCT ON (coalesce(f.person_id, c.vendor_id)) c.candidacy_id, c.decided_on, c.kelurahan
    FROM candidacy c LEFT JOIN family f ON f.vendor_id = c.vendor_id
    WHERE c.state = 'graduated' ORDER BY coalesce(f.person_id, c.vendor_id), c.decided_at, c.candidacy_id
)
SELECT count(*) AS graduates, count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM graduation_share s WHERE s.candidacy_id = g.candidacy_id)) AS unshared
FROM graduate g WHERE g.decided_on BETWEEN $2 AND $3 AND g.kelurahan >= $1 AND g.kelurahan < $1 || '/'
"""
SUM_SHARES = """
WITH graduate AS (
    SELECT DISTINCT ON (coalesce(f.person_id, c.vendor_id)) c.candidacy_id, c.decided_on, c.kelurahan
    FROM candidacy c LEFT JOIN family f ON f.vendor_id = c.vendor_id
    WHERE c.state = 'graduated' ORDER BY coalesce(f.person_id, c.vendor_id), c.decided_at, c.candidacy_id
)
SELECT s.agency, count(*) AS graduates, sum(s.thousandths) AS share_thousandths, sum(s.months) AS months
FROM graduate g JOIN graduation_share s ON s.candidacy_id = g.candidacy_id
WHERE g.decided_on BETWEEN $2 AND $3 AND g.kelurahan >= $1 AND g.kelurahan < $1 || '/'
GROUP BY s.agency ORDER BY s.agency
"""

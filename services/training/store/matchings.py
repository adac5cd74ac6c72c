"""Rows of matchings: whom they are about, what was computed, and how far it is put into effect."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.training.domain.matchings import (
    Draft,
    Matching,
    Member,
    MentorAtHand,
    Newcomers,
    Pair,
    PairState,
    PairToday,
)
from services.training.matching.stored import Solved
from shared.db import Connection

LOCK = "training.matchings"
ROWS_PER_STATEMENT = 5_000
"""Their preparation holds the event loop for some hundredths of a second."""


class Documents(NamedTuple):
    """What was solved, and what came of it."""

    problem: bytes
    result: bytes


async def try_to_lock_matchings(conn: Connection) -> bool:
    """Let one transaction at a time begin to publish; False where another one does."""
    locked: bool = await conn.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", LOCK)
    return locked


# ---- whom it is about


async def find_members(
    conn: Connection, area: str, *, everyone: bool, only_without: bool = False, limit: int | None = None
) -> list[Member]:
    """People of an area for matching, each under the id that stands for it, in the order of ids: who has an employed
    mentor, who asked for mentoring (P3), or everyone; nobody who graduated.

    `only_without`: only who has no employed mentor, nor is about to be given one.
    """
    rows = await conn.fetch(
        """
        WITH standing AS (
            SELECT coalesce(f.person_id, a.vendor_id) AS person_id, min(a.mentor_id::text)::uuid AS mentor_id
            FROM assignment a LEFT JOIN family f ON f.vendor_id = a.vendor_id
            WHERE a.kind = 'employed' AND a.until IS NULL GROUP BY 1
        ), asked AS (
            SELECT DISTINCT coalesce(f.person_id, p.vendor_id) AS person_id
            FROM programme_enrolment p LEFT JOIN family f ON f.vendor_id = p.vendor_id
            WHERE p.service = 'P3' AND p.state IN ('asked', 'active')
        ), graduated AS (
            SELECT DISTINCT coalesce(f.person_id, c.vendor_id) AS person_id
            FROM candidacy c LEFT JOIN family f ON f.vendor_id = c.vendor_id
            WHERE c.state = 'graduated'
        ), served AS (
            SELECT category, array_agg(field ORDER BY field) AS fields FROM category_field GROUP BY category
        )
        SELECT v.vendor_id, v.kelurahan, coalesce(w.language, 'id') AS language, coalesce(w.fields, '{}') AS wishes,
            coalesce(served.fields, '{}') AS fields, v.agency, s.mentor_id
        FROM vendor v
            JOIN trainee t ON t.vendor_id = v.vendor_id AND t.erased_at IS NULL
            LEFT JOIN family f ON f.vendor_id = v.vendor_id
            LEFT JOIN standing s ON s.person_id = v.vendor_id
            LEFT JOIN asked ON asked.person_id = v.vendor_id
            LEFT JOIN graduated g ON g.person_id = v.vendor_id
            LEFT JOIN mentoring_wish w ON w.vendor_id = v.vendor_id
            LEFT JOIN served ON served.category = v.category
        WHERE v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
            AND (f.person_id IS NULL OR f.person_id = v.vendor_id) AND g.person_id IS NULL
            AND ($2 OR s.mentor_id IS NOT NULL OR asked.person_id IS NOT NULL)
            AND (NOT $3 OR (s.mentor_id IS NULL AND NOT EXISTS (
                SELECT FROM matching_pair p WHERE p.vendor_id = v.vendor_id AND p.state = 'planned'
                    AND p.change IN ('new', 'moved') AND EXISTS (
                        SELECT FROM matching m WHERE m.matching_id = p.matching_id AND m.state = 'publishing'))))
        ORDER BY v.vendor_id
        LIMIT $4
        """,
        area,
        everyone,
        only_without,
        limit,
    )
    return [Member._make(row.values()) for row in rows]


async def find_mentors(conn: Connection, area: str) -> list[MentorAtHand]:
    """Listed employed mentors who serve the area, or a part of it."""
    rows = await conn.fetch(
        """
        SELECT m.mentor_id, m.areas, m.fields, m.languages, m.agency, m.load_max,
            (SELECT count(*) FROM assignment a WHERE a.mentor_id = m.mentor_id AND a.until IS NULL) AS held,
            (SELECT coalesce(sum(seats), 0) FROM seat_promised p WHERE p.mentor_id = m.mentor_id) AS promised
        FROM mentor m
        WHERE m.state = 'listed' AND m.kind = 'employed' AND EXISTS (
            SELECT FROM unnest(m.areas) AS own (area)
            WHERE starts_with(own.area || '.', $1 || '.') OR starts_with($1 || '.', own.area || '.'))
        ORDER BY m.mentor_id
        """,
        area,
    )
    return [MentorAtHand(**row) for row in rows]


# ---- what was computed


async def add_matching(conn: Connection, matching: Matching, draft: Draft, solved: Solved) -> None:
    """A matching with its documents and its pairs."""
    await conn.execute(
        """
        INSERT INTO matching (matching_id, kind, area, state, version, problem, problem_sha256, result, result_sha256,
            solver, seconds, summary, made_by, made_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        matching.matching_id,
        matching.kind,
        matching.area,
        matching.state,
        matching.version,
        draft.problem,
        matching.problem_sha256,
        solved.result,
        matching.result_sha256,
        matching.solver,
        matching.seconds,
        matching.summary,
        matching.made_by,
        matching.made_at,
    )
    for begin in range(0, len(solved.planned), ROWS_PER_STATEMENT):
        planned = solved.planned[begin : begin + ROWS_PER_STATEMENT]
        await conn.execute(
            """
            INSERT INTO matching_pair (matching_id, name, vendor_id, mentor_id, previous_mentor_id, change, step, state)
            SELECT $1, n.*, 'planned'
            FROM unnest($2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::int[]) AS n
            """,
            matching.matching_id,
            [one.name for one in planned],
            [draft.vendors[one.name] for one in planned],
            [None if one.mentor is None else UUID(one.mentor) for one in planned],
            [None if (had := draft.standing.get(one.name)) is None else UUID(had) for one in planned],
            [one.change for one in planned],
            [one.step for one in planned],
        )


def _matching(row: asyncpg.Record) -> Matching:
    return Matching(
        matching_id=row["matching_id"],
        kind=row["kind"],
        area=row["area"],
        state=row["state"],
        version=row["version"],
        problem_sha256=row["problem_sha256"],
        result_sha256=row["result_sha256"],
        solver=row["solver"],
        seconds=row["seconds"],
        summary=row["summary"],
        made_by=row["made_by"],
        made_at=row["made_at"],
        published_by=row["published_by"],
        published_at=row["published_at"],
        finished_at=row["finished_at"],
    )


async def find_matching(conn: Connection, matching_id: UUID) -> Matching | None:
    """A matching, for reading."""
    row = await conn.fetchrow(
        """
        SELECT matching_id, kind, area, state, version, problem_sha256, result_sha256, solver, seconds, summary,
            made_by, made_at, published_by, published_at, finished_at
        FROM matching WHERE matching_id = $1
        """,
        matching_id,
    )
    return None if row is None else _matching(row)


async def lock_matching(conn: Connection, matching_id: UUID) -> Matching | None:
    """A matching, locked to the transaction's end."""
    await conn.execute("SELECT FROM matching WHERE matching_id = $1 FOR NO KEY UPDATE", matching_id)
    return await find_matching(conn, matching_id)


async def find_documents(conn: Connection, matching_id: UUID) -> Documents:
    """Problem and result of a matching that is there."""
    row = await conn.fetchrow("SELECT problem, result FROM matching WHERE matching_id = $1", matching_id)
    assert row is not None
    return Documents(row["problem"], row["result"])


async def list_matchings(
    conn: Connection, area: str, state: str | None, *, after: UUID | None, limit: int
) -> list[Matching]:
    """Matchings of an area and all below it, the last first."""
    rows = await conn.fetch(
        """
        SELECT matching_id, kind, area, state, version, problem_sha256, result_sha256, solver, seconds, summary,
            made_by, made_at, published_by, published_at, finished_at
        FROM matching
        WHERE area >= $1 AND area < $1 || '/' AND ($2::text IS NULL OR state = $2)
            AND ($3::uuid IS NULL OR matching_id < $3)
        ORDER BY matching_id DESC LIMIT $4
        """,
        area,
        state,
        after,
        limit,
    )
    return [_matching(row) for row in rows]


async def is_publishing_near(conn: Connection, area: str) -> bool:
    """Whether a matching of this area, of one above or of one in it is being put into effect."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM matching WHERE state = 'publishing'
            AND (starts_with(area || '.', $1 || '.') OR starts_with($1 || '.', area || '.')))
        """,
        area,
    )
    return found


async def find_pairs_today(conn: Connection, matching_id: UUID) -> list[PairToday]:
    """Each pair of a matching beside what is so today."""
    rows = await conn.fetch(
        """
        WITH standing AS (
            SELECT coalesce(f.person_id, a.vendor_id) AS person_id, min(a.mentor_id::text)::uuid AS mentor_id
            FROM assignment a LEFT JOIN family f ON f.vendor_id = a.vendor_id
            WHERE a.kind = 'employed' AND a.until IS NULL GROUP BY 1
        )
        SELECT p.vendor_id, p.mentor_id, p.previous_mentor_id, v.kelurahan, coalesce(w.language, 'id') AS language,
            coalesce(f.person_id, p.vendor_id) AS person_id, s.mentor_id AS standing_id
        FROM matching_pair p
            LEFT JOIN vendor v ON v.vendor_id = p.vendor_id
            LEFT JOIN family f ON f.vendor_id = p.vendor_id
            LEFT JOIN mentoring_wish w ON w.vendor_id = p.vendor_id
            LEFT JOIN standing s ON s.person_id = coalesce(f.person_id, p.vendor_id)
        WHERE p.matching_id = $1
        """,
        matching_id,
    )
    return [PairToday._make(row.values()) for row in rows]


async def list_pairs(
    conn: Connection,
    matching_id: UUID,
    *,
    changes: Sequence[str] | None,
    state: str | None,
    mentor_id: UUID | None,
    after: str | None,
    limit: int,
) -> list[Pair]:
    """A page of pairs, in the order of names; `mentor_id`: who comes to it, stays with it or leaves it."""
    rows = await conn.fetch(
        """
        SELECT name, vendor_id, mentor_id, previous_mentor_id, change, step, state, skipped_because FROM matching_pair
        WHERE matching_id = $1 AND ($2::text[] IS NULL OR change = ANY($2)) AND ($3::text IS NULL OR state = $3)
            AND ($4::uuid IS NULL OR $4 IN (mentor_id, previous_mentor_id)) AND ($5::text IS NULL OR name > $5)
        ORDER BY name LIMIT $6
        """,
        matching_id,
        changes,
        state,
        mentor_id,
        after,
        limit,
    )
    return [Pair(**row) for row in rows]


async def find_pair(conn: Connection, matching_id: UUID, vendor_ids: Sequence[UUID]) -> Pair | None:
    """The pair of a person in a matching, by whichever of its ids."""
    row = await conn.fetchrow(
        """
        SELECT name, vendor_id, mentor_id, previous_mentor_id, change, step, state, skipped_because FROM matching_pair
        WHERE matching_id = $1 AND vendor_id = ANY($2::uuid[])
        """,
        matching_id,
        vendor_ids,
    )
    return None if row is None else Pair(**row)


async def count_pairs(conn: Connection, matching_id: UUID) -> dict[PairState, int]:
    """Pairs of a matching by state."""
    rows = await conn.fetch(
        "SELECT state, count(*) AS pairs FROM matching_pair WHERE matching_id = $1 GROUP BY state", matching_id
    )
    return {row["state"]: row["pairs"] for row in rows}


# ---- putting it into effect


async def save_publishing(conn: Connection, matching_id: UUID, version: int, *, by: str, now: datetime) -> None:
    """A matching is put into effect from now on: its seats are promised, and what stays as it is, is done."""
    await conn.execute(
        "UPDATE matching SET state = 'publishing', version = $2, published_by = $3, published_at = $4 "
        "WHERE matching_id = $1",
        matching_id,
        version,
        by,
        now,
    )
    await conn.execute(
        "UPDATE matching_pair SET state = 'applied' WHERE matching_id = $1 AND change IN ('kept', 'unmatched')",
        matching_id,
    )
    await conn.execute(
        """
        INSERT INTO seat_promised (mentor_id, matching_id, seats)
        SELECT mentor_id, $1, count(*) FROM matching_pair
        WHERE matching_id = $1 AND state = 'planned' AND mentor_id IS NOT NULL GROUP BY mentor_id
        """,
        matching_id,
    )


async def save_state(conn: Connection, matching_id: UUID, state: str, *, now: datetime) -> None:
    """A matching is published to its end, or dropped; no seat is promised to it any more."""
    await conn.execute(
        "UPDATE matching SET state = $2, finished_at = $3 WHERE matching_id = $1", matching_id, state, now
    )
    await conn.execute("DELETE FROM seat_promised WHERE matching_id = $1", matching_id)


async def find_next_pairs(conn: Connection, matching_id: UUID, limit: int) -> list[Pair]:
    """The pairs to be put into effect next, whole steps: so many, and what belongs to the last step besides."""
    rows = await conn.fetch(
        """
        SELECT name, vendor_id, mentor_id, previous_mentor_id, change, step, state, skipped_because FROM matching_pair
        WHERE matching_id = $1 AND state = 'planned' AND step <= (
            SELECT max(step) FROM (
                SELECT step FROM matching_pair WHERE matching_id = $1 AND state = 'planned' ORDER BY step LIMIT $2
            ) AS next)
        ORDER BY step, name
        """,
        matching_id,
        limit,
    )
    return [Pair(**row) for row in rows]


async def save_pairs(conn: Connection, matching_id: UUID, skipped: Mapping[str, str], names: Sequence[str]) -> None:
    """These pairs were put into effect, or skipped (name -> why); the seats promised for them are no longer."""
    await conn.execute(
        """
        WITH done AS (
            UPDATE matching_pair p SET
                state = CASE WHEN n.because IS NULL THEN 'applied' ELSE 'skipped' END, skipped_because = n.because
            FROM unnest($2::text[], $3::text[]) AS n (name, because)
            WHERE p.matching_id = $1 AND p.name = n.name RETURNING p.mentor_id
        )
        UPDATE seat_promised s SET seats = greatest(0, s.seats - d.seats)
        FROM (SELECT mentor_id, count(*) AS seats FROM done WHERE mentor_id IS NOT NULL GROUP BY mentor_id) AS d
        WHERE s.matching_id = $1 AND s.mentor_id = d.mentor_id
        """,
        matching_id,
        names,
        [skipped.get(name) for name in names],
    )


# ---- who is given a mentor without being asked for


async def find_policy(conn: Connection) -> tuple[Newcomers, int]:
    """Who is given a mentor day by day, and the number of that setting."""
    row = await conn.fetchrow("SELECT newcomers, version FROM mentoring_policy ORDER BY version DESC LIMIT 1")
    assert row is not None
    return row["newcomers"], row["version"]


async def add_policy(conn: Connection, newcomers: str, *, by: str, now: datetime) -> int:
    """Set it anew; gives the number of the setting."""
    version: int = await conn.fetchval(
        """
        INSERT INTO mentoring_policy (version, newcomers, set_by, set_at)
        SELECT max(version) + 1, $1, $2, $3 FROM mentoring_policy RETURNING version
        """,
        newcomers,
        by,
        now,
    )
    return version

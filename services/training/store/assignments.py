"""Rows of assignments: who has which mentor, and who had."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.training.domain.assignments import Assignment, Because, Given, Kind, Room
from shared.db import Connection


def _assignment(row: asyncpg.Record) -> Assignment:
    return Assignment(
        assignment_id=row["assignment_id"],
        vendor_id=row["vendor_id"],
        mentor_id=row["mentor_id"],
        kind=row["kind"],
        by=row["by"],
        since=row["since"],
        matching_id=row["matching_id"],
        until=row["until"],
        ended_because=row["ended_because"],
    )


async def lock_rooms(conn: Connection, mentor_ids: Collection[UUID]) -> dict[UUID, Room]:
    """Mentors, locked in the order of their ids to the transaction's end, with the seats taken and promised."""
    await conn.execute(
        "SELECT FROM mentor WHERE mentor_id = ANY($1::uuid[]) ORDER BY mentor_id FOR NO KEY UPDATE", list(mentor_ids)
    )
    # a statement of its own: it sees what was given while the locks were waited for
    return await find_rooms(conn, mentor_ids)


async def find_rooms(conn: Connection, mentor_ids: Collection[UUID]) -> dict[UUID, Room]:
    """Mentors with the seats taken and promised."""
    rows = await conn.fetch(
        """
        SELECT m.mentor_id, m.kind, m.state = 'listed' AS listed, m.areas, m.load_max, m.vendor_id,
            (SELECT count(*) FROM assignment a WHERE a.mentor_id = m.mentor_id AND a.until IS NULL) AS held,
            (SELECT coalesce(sum(seats), 0) FROM seat_promised p WHERE p.mentor_id = m.mentor_id) AS promised
        FROM mentor m WHERE m.mentor_id = ANY($1::uuid[])
        """,
        list(mentor_ids),
    )
    return {row["mentor_id"]: Room(**row) for row in rows}


async def find_families(conn: Connection, vendor_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """All ids of the person of each of these ids."""
    asked = list(vendor_ids)
    rows = await conn.fetch(
        """
        SELECT f.vendor_id, array_agg(m.vendor_id ORDER BY m.vendor_id) AS ids
        FROM family f JOIN family m ON m.person_id = f.person_id
        WHERE f.vendor_id = ANY($1::uuid[]) GROUP BY f.vendor_id
        """,
        asked,
    )
    return {vendor_id: [vendor_id] for vendor_id in asked} | {row["vendor_id"]: list(row["ids"]) for row in rows}


async def find_standing(conn: Connection, vendor_ids: Iterable[UUID], kind: Kind | None = None) -> list[Assignment]:
    """The assignments that stand under exactly these ids, in the order of ids; None: of either kind."""
    rows = await conn.fetch(
        """
        SELECT assignment_id, vendor_id, mentor_id, kind, by, since, matching_id, until, ended_because FROM assignment
        WHERE vendor_id = ANY($1::uuid[]) AND until IS NULL AND ($2::text IS NULL OR kind = $2)
        ORDER BY vendor_id, kind
        """,
        list(vendor_ids),
        kind,
    )
    return [_assignment(row) for row in rows]


async def find_of_mentor(conn: Connection, mentor_id: UUID) -> list[Assignment]:
    """Whom a mentor has."""
    rows = await conn.fetch(
        """
        SELECT assignment_id, vendor_id, mentor_id, kind, by, since, matching_id, until, ended_because FROM assignment
        WHERE mentor_id = $1 AND until IS NULL ORDER BY vendor_id
        """,
        mentor_id,
    )
    return [_assignment(row) for row in rows]


async def find_vendors_held(conn: Connection, mentor_ids: Collection[UUID]) -> set[UUID]:
    """Whom any of these mentors has."""
    rows = await conn.fetch(
        "SELECT DISTINCT vendor_id FROM assignment WHERE mentor_id = ANY($1::uuid[]) AND until IS NULL",
        list(mentor_ids),
    )
    return {row["vendor_id"] for row in rows}


async def find_history(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Assignment]:
    """Every mentor that these ids of a person have or had, the last first."""
    rows = await conn.fetch(
        """
        SELECT assignment_id, vendor_id, mentor_id, kind, by, since, matching_id, until, ended_because FROM assignment
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY since DESC, assignment_id DESC
        """,
        vendor_ids,
    )
    return [_assignment(row) for row in rows]


async def find_vendors_of(conn: Connection, mentor_id: UUID, *, after: UUID | None, limit: int) -> list[Assignment]:
    """A page of whom a mentor has, in the order of the vendors' ids."""
    rows = await conn.fetch(
        """
        SELECT assignment_id, vendor_id, mentor_id, kind, by, since, matching_id, until, ended_because FROM assignment
        WHERE mentor_id = $1 AND until IS NULL AND ($2::uuid IS NULL OR vendor_id > $2) ORDER BY vendor_id LIMIT $3
        """,
        mentor_id,
        after,
        limit,
    )
    return [_assignment(row) for row in rows]


async def find_who_left(conn: Connection, vendor_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these ids whose person left mentoring (P3), as the registry says: no id of it asks for or has any."""
    rows = await conn.fetch(
        """
        SELECT p.vendor_id FROM programme_enrolment p LEFT JOIN family f ON f.vendor_id = p.vendor_id
        WHERE p.vendor_id = ANY($1::uuid[]) AND p.service = 'P3' AND p.state = 'left' AND NOT EXISTS (
            SELECT FROM family m JOIN programme_enrolment o ON o.vendor_id = m.vendor_id
            WHERE m.person_id = f.person_id AND o.service = 'P3' AND o.state IN ('asked', 'active'))
        """,
        vendor_ids,
    )
    return [row["vendor_id"] for row in rows]


async def find_homes(conn: Connection, vendor_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Where these vendors live (kelurahan), those that are known."""
    rows = await conn.fetch(
        "SELECT vendor_id, kelurahan FROM vendor WHERE vendor_id = ANY($1::uuid[])", list(vendor_ids)
    )
    return {row["vendor_id"]: row["kelurahan"] for row in rows}


async def save_given(
    conn: Connection, given: Sequence[Given], *, assigned_by: str | None, reason: str | None, now: datetime
) -> None:
    """Begin assignments, and end those whose place they take."""
    await end_assignments(
        conn,
        [one.replaced.assignment_id for one in given if one.replaced is not None],
        "rematched",
        ended_by=assigned_by,
        reason=reason,
        now=now,
    )
    await conn.execute(
        """
        INSERT INTO assignment
            (assignment_id, vendor_id, mentor_id, kind, by, matching_id, since, assigned_by, reason)
        SELECT n.*, $7, $8, $9 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[]) AS n
        """,
        [one.assignment.assignment_id for one in given],
        [one.assignment.vendor_id for one in given],
        [one.assignment.mentor_id for one in given],
        [one.assignment.kind for one in given],
        [one.assignment.by for one in given],
        [one.assignment.matching_id for one in given],
        now,
        assigned_by,
        reason,
    )


async def end_assignments(
    conn: Connection,
    assignment_ids: Sequence[UUID],
    because: Because,
    *,
    ended_by: str | None = None,
    reason: str | None = None,
    now: datetime,
) -> None:
    """End standing assignments."""
    if assignment_ids:
        await conn.execute(
            """
            UPDATE assignment SET until = $2, ended_because = $3, ended_by = $4, ended_reason = $5
            WHERE assignment_id = ANY($1::uuid[]) AND until IS NULL
            """,
            assignment_ids,
            now,
            because,
            ended_by,
            reason,
        )

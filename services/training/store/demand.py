"""Requests for courses. Where one is counted follows from where its vendor lives and the level of its course."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.demand import CourseRequest
from shared.db import Connection


class Waiting(NamedTuple):
    """A request, and the id that stands for its person."""

    request_id: UUID
    vendor_id: UUID
    person_id: UUID


def _request(row: Record) -> CourseRequest:
    return CourseRequest(
        request_id=row["request_id"],
        vendor_id=row["vendor_id"],
        course=row["course"],
        state=row["state"],
        class_id=row["class_id"],
        requested_at=row["requested_at"],
        settled_at=row["settled_at"],
    )


def _waiting(row: Record) -> Waiting:
    return Waiting(row["request_id"], row["vendor_id"], row["person_id"])


# --- one request


async def add_request(conn: Connection, request: CourseRequest) -> None:
    """A new request."""
    await conn.execute(
        """
        INSERT INTO course_request (request_id, vendor_id, course, state, class_id, requested_at, settled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        request.request_id,
        request.vendor_id,
        request.course,
        request.state,
        request.class_id,
        request.requested_at,
        request.settled_at,
    )


async def save_request(conn: Connection, request: CourseRequest) -> None:
    """What became of a locked request."""
    await conn.execute(
        "UPDATE course_request SET state = $2, class_id = $3, settled_at = $4 WHERE request_id = $1",
        request.request_id,
        request.state,
        request.class_id,
        request.settled_at,
    )


async def find_request(conn: Connection, request_id: UUID) -> CourseRequest | None:
    """A request."""
    row = await conn.fetchrow(
        """
        SELECT request_id, vendor_id, course, state, class_id, requested_at, settled_at
        FROM course_request WHERE request_id = $1
        """,
        request_id,
    )
    return _request(row) if row is not None else None


async def lock_request(conn: Connection, request_id: UUID) -> CourseRequest | None:
    """A request, locked to the transaction's end."""
    row = await conn.fetchrow(
        """
        SELECT request_id, vendor_id, course, state, class_id, requested_at, settled_at
        FROM course_request WHERE request_id = $1 FOR NO KEY UPDATE
        """,
        request_id,
    )
    return _request(row) if row is not None else None


async def find_open_requests(conn: Connection, vendor_ids: Sequence[UUID]) -> list[CourseRequest]:
    """What a person asks for under these ids of it: what waits, and what a class is prepared for."""
    rows = await conn.fetch(
        """
        SELECT request_id, vendor_id, course, state, class_id, requested_at, settled_at
        FROM course_request WHERE vendor_id = ANY($1::uuid[]) AND state IN ('waiting', 'drafted')
        ORDER BY request_id
        """,
        vendor_ids,
    )
    return [_request(row) for row in rows]


async def find_requests(
    conn: Connection, vendor_ids: Sequence[UUID], *, after: UUID | None, limit: int
) -> list[tuple[CourseRequest, str]]:
    """All that a person asked for under these ids of it, the latest first, each with the kelurahan where that id
    lives.
    """
    rows = await conn.fetch(
        """
        SELECT r.request_id, r.vendor_id, r.course, r.state, r.class_id, r.requested_at, r.settled_at, v.kelurahan
        FROM course_request r JOIN vendor v ON v.vendor_id = r.vendor_id
        WHERE r.vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR r.request_id < $2)
        ORDER BY r.request_id DESC LIMIT $3
        """,
        vendor_ids,
        after,
        limit,
    )
    return [(_request(row), row["kelurahan"]) for row in rows]


# --- those who wait, and the class that is prepared for them


async def find_waiting(conn: Connection, course: str, area: str) -> list[Waiting]:
    """Requests for a course that wait, of vendors who live in this area, in the order in which they were made."""
    rows = await conn.fetch(
        """
        SELECT r.request_id, r.vendor_id, coalesce(f.person_id, r.vendor_id) AS person_id
        FROM course_request r JOIN vendor v ON v.vendor_id = r.vendor_id
            LEFT JOIN family f ON f.vendor_id = r.vendor_id
        WHERE r.course = $1 AND r.state = 'waiting' AND (v.kelurahan = $2 OR starts_with(v.kelurahan, $2 || '.'))
        ORDER BY r.requested_at, r.request_id
        """,
        course,
        area,
    )
    return [_waiting(row) for row in rows]


async def find_roomy_class(conn: Connection, vendor_id: UUID, course: str, area: str, today: date) -> UUID | None:
    """An open class of a course for this vendor that begins after today and has free places: in this area or in one
    that holds where it lives, meant for everybody or for what it sells; the narrowest.
    """
    found: UUID | None = await conn.fetchval(
        """
        SELECT c.class_id FROM training_class c JOIN vendor v ON v.vendor_id = $1
        WHERE c.course = $2 AND c.state = 'open' AND c.days[1] > $4
            AND (c.category IS NULL OR c.category = v.category)
            AND (c.area = $3 OR starts_with(c.area, $3 || '.')
                OR c.area = v.kelurahan OR starts_with(v.kelurahan, c.area || '.'))
            AND c.places > (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id)
        ORDER BY length(c.area) DESC, c.class_id LIMIT 1
        """,
        vendor_id,
        course,
        area,
        today,
    )
    return found


async def lock_draft(conn: Connection, vendor_id: UUID, course: str, area: str) -> UUID | None:
    """A class of a course that is prepared for this vendor among others, with a place more than people who asked; as in
    `find_roomy_class`, locked.
    """
    found: UUID | None = await conn.fetchval(
        """
        SELECT c.class_id FROM training_class c JOIN vendor v ON v.vendor_id = $1
        WHERE c.course = $2 AND c.state = 'draft' AND (c.category IS NULL OR c.category = v.category)
            AND (c.area = $3 OR c.area = v.kelurahan OR starts_with(v.kelurahan, c.area || '.'))
            AND c.places > (
                SELECT count(DISTINCT coalesce(f.person_id, r.vendor_id))
                FROM course_request r LEFT JOIN family f ON f.vendor_id = r.vendor_id
                WHERE r.class_id = c.class_id AND r.state = 'drafted')
        ORDER BY length(c.area) DESC, c.class_id LIMIT 1
        FOR NO KEY UPDATE OF c
        """,
        vendor_id,
        course,
        area,
    )
    return found


async def save_drafted(conn: Connection, class_id: UUID, request_ids: Sequence[UUID]) -> None:
    """A class is prepared for these requests."""
    await conn.execute(
        """
        UPDATE course_request SET state = 'drafted', class_id = $1
        FROM (
            SELECT request_id FROM course_request WHERE request_id = ANY($2::uuid[])
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen
        WHERE course_request.request_id = chosen.request_id AND state = 'waiting'
        """,
        class_id,
        request_ids,
    )


async def find_requesters(conn: Connection, class_id: UUID, course: str, area: str) -> list[Waiting]:
    """Who is invited first when a class opens: those for whom it was prepared, and those of its area who still wait,
    in the order in which they asked.
    """
    rows = await conn.fetch(
        """
        SELECT r.request_id, r.vendor_id, coalesce(f.person_id, r.vendor_id) AS person_id
        FROM course_request r JOIN vendor v ON v.vendor_id = r.vendor_id
            LEFT JOIN family f ON f.vendor_id = r.vendor_id
        WHERE r.course = $2 AND ((r.state = 'drafted' AND r.class_id = $1) OR (r.state = 'waiting'
            AND (v.kelurahan = $3 OR starts_with(v.kelurahan, $3 || '.'))))
        ORDER BY r.requested_at, r.request_id
        """,
        class_id,
        course,
        area,
    )
    return [_waiting(row) for row in rows]


async def save_invited(conn: Connection, class_id: UUID, request_ids: Sequence[UUID], *, now: datetime) -> None:
    """A class opened: the people of these requests are invited to it, the others it was prepared for wait again."""
    await conn.execute(
        """
        UPDATE course_request r SET state = 'invited', class_id = $1, settled_at = $3
        FROM (
            SELECT request_id FROM course_request WHERE request_id = ANY($2::uuid[]) AND state IN ('waiting', 'drafted')
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen
        WHERE r.request_id = chosen.request_id
        """,
        class_id,
        request_ids,
        now,
    )
    await give_back(conn, class_id, ["drafted"], now=now)


async def give_back(conn: Connection, class_id: UUID, states: Sequence[str], *, now: datetime) -> None:
    """Requests in these states, for which this class was meant, wait again in their old order: unless they were made
    anew since, or the course was withdrawn.
    """
    await conn.execute(
        """
        UPDATE course_request r SET class_id = NULL,
            state = CASE WHEN c.state = 'listed' THEN 'waiting' ELSE 'course-withdrawn' END,
            settled_at = CASE WHEN c.state = 'listed' THEN NULL ELSE $3::timestamptz END
        FROM (
            SELECT request_id FROM course_request WHERE class_id = $1 AND state = ANY($2::text[])
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen, course c
        WHERE r.request_id = chosen.request_id AND c.course = r.course AND NOT EXISTS (
            SELECT FROM course_request o WHERE o.vendor_id = r.vendor_id AND o.course = r.course
                AND o.request_id <> r.request_id AND o.state IN ('waiting', 'drafted'))
        """,
        class_id,
        states,
        now,
    )


async def save_done(conn: Connection, course: str, vendor_ids: Sequence[UUID], *, now: datetime) -> None:
    """These vendors have a place in a class of the course: what they asked for under any of their ids is done."""
    await conn.execute(
        """
        UPDATE course_request SET state = 'done', settled_at = $3
        FROM (
            SELECT request_id FROM course_request
            WHERE course = $1 AND state IN ('waiting', 'drafted', 'invited') AND vendor_id IN (
                SELECT unnest($2::uuid[])
                UNION
                SELECT m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
                WHERE f.vendor_id = ANY($2::uuid[]))
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen
        WHERE course_request.request_id = chosen.request_id
        """,
        course,
        vendor_ids,
        now,
    )


async def drop_waiting(conn: Connection, course: str, *, now: datetime) -> None:
    """No more classes of a course: nobody waits for one. Those for whom a class is prepared already keep it."""
    await conn.execute(
        """
        UPDATE course_request SET state = 'course-withdrawn', settled_at = $2
        FROM (
            SELECT request_id FROM course_request WHERE course = $1 AND state = 'waiting'
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen
        WHERE course_request.request_id = chosen.request_id
        """,
        course,
        now,
    )


async def expire_waiting(conn: Connection, since: datetime, *, now: datetime) -> None:
    """Requests that were made at this moment or before, and wait, are over."""
    await conn.execute(
        """
        UPDATE course_request SET state = 'expired', settled_at = $2
        FROM (
            SELECT request_id FROM course_request WHERE state = 'waiting' AND requested_at <= $1
            ORDER BY request_id FOR NO KEY UPDATE
        ) AS chosen
        WHERE course_request.request_id = chosen.request_id
        """,
        since,
        now,
    )

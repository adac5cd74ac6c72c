"""Who waits for a place. Whoever gives or frees places of a course, or changes who waits for it, holds its queue."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.training.domain.openings import Opening
from services.training.domain.waiting import Wait, Waiter
from shared.db import Connection


async def lock_queue(conn: Connection, course: str) -> None:
    """Let one transaction at a time give places of this course and change who waits for it.

    Else a place that comes free in one class, and the next one's request in another, would be seen by neither.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.queue:' || $1, 0))", course)


async def find_queue(
    conn: Connection,
    course: str,
    class_id: UUID | None,
    area: str,
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> list[Waiter]:
    """Who would get a place of this class: those who wait for it, and those of its area who wait for the next one of
    the course. In the order in which they began to wait, each person once; without a class only the latter.

    Left out is whoever has a place in an open class of the course, or completed it, under any of its ids.
    """
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (since, person_id) vendor_id, person_id, class_id, since, kelurahan, category
        FROM (
            SELECT w.vendor_id, coalesce(f.person_id, w.vendor_id) AS person_id, w.class_id, v.kelurahan, v.category,
                coalesce((
                    SELECT min(o.since) FROM family m
                        JOIN waiting o ON o.vendor_id = m.vendor_id AND o.course = w.course
                    WHERE m.person_id = f.person_id), w.since) AS since
            FROM waiting w JOIN vendor v ON v.vendor_id = w.vendor_id LEFT JOIN family f ON f.vendor_id = w.vendor_id
            WHERE w.course = $1
                -- the area itself and all below it: '.' sorts before '/'
                AND (w.class_id = $2 OR (w.class_id IS NULL AND v.kelurahan >= $3 AND v.kelurahan < $3 || '/'))
                AND NOT EXISTS (
                    SELECT FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
                    WHERE e.vendor_id = w.vendor_id AND c.course = w.course
                        AND (c.state = 'open' OR e.result = 'completed'))
                AND (f.person_id IS NULL OR NOT EXISTS (
                    SELECT FROM family m JOIN enrolment e ON e.vendor_id = m.vendor_id
                        JOIN training_class c ON c.class_id = e.class_id
                    WHERE m.person_id = f.person_id AND c.course = w.course
                        AND (c.state = 'open' OR e.result = 'completed')))
        ) AS queue
        WHERE $4::timestamptz IS NULL OR (since, person_id) > ($4, $5::uuid)
        ORDER BY since, person_id, vendor_id <> person_id, vendor_id
        LIMIT $6
        """,
        course,
        class_id,
        area,
        after[0] if after is not None else None,
        after[1] if after is not None else None,
        limit,
    )
    return [Waiter(**row) for row in rows]


async def find_next(conn: Connection, openings: Sequence[Opening]) -> list[Waiter]:
    """Whoever may get a place in one of these classes: of each so many as it has room, the longest waiting first."""
    if len(openings) == 1:
        (opening,) = openings
        offered = opening.offered
        return await find_queue(conn, offered.course, offered.class_id, offered.area, limit=opening.room)
    found: dict[UUID, Waiter] = {}
    for course in {opening.offered.course for opening in openings}:
        of_course = [opening for opening in openings if opening.offered.course == course]
        rows = await conn.fetch(
            FIND_NEXT,
            course,
            [opening.offered.class_id for opening in of_course],
            [opening.offered.area for opening in of_course],
            [opening.room for opening in of_course],
        )
        found |= {row["vendor_id"]: Waiter(**row) for row in rows}
    return list(found.values())


# `find_queue` for many classes at once: those who wait are looked through once, not once for each class.
FIND_NEXT = """
WITH queue AS MATERIALIZED (
    SELECT w.vendor_id, coalesce(f.person_id, w.vendor_id) AS person_id, w.class_id, v.kelurahan, v.category,
        coalesce((
            SELECT min(o.since) FROM family m JOIN waiting o ON o.vendor_id = m.vendor_id AND o.course = w.course
            WHERE m.person_id = f.person_id), w.since) AS since
    FROM waiting w JOIN vendor v ON v.vendor_id = w.vendor_id LEFT JOIN family f ON f.vendor_id = w.vendor_id
    WHERE w.course = $1
        AND (w.class_id = ANY($2::uuid[]) OR (w.class_id IS NULL AND EXISTS (
            SELECT FROM unnest(string_to_array(v.kelurahan, '.')) WITH ORDINALITY AS part (code, place)
            WHERE array_to_string((string_to_array(v.kelurahan, '.'))[:part.place], '.') = ANY($3::text[]))))
        AND NOT EXISTS (
            SELECT FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
            WHERE e.vendor_id = w.vendor_id AND c.course = w.course AND (c.state = 'open' OR e.result = 'completed'))
        AND (f.person_id IS NULL OR NOT EXISTS (
            SELECT FROM family m JOIN enrolment e ON e.vendor_id = m.vendor_id
                JOIN training_class c ON c.class_id = e.class_id
            WHERE m.person_id = f.person_id AND c.course = w.course
                AND (c.state = 'open' OR e.result = 'completed')))
)
SELECT next.vendor_id, next.person_id, next.class_id, next.since, next.kelurahan, next.category
FROM unnest($2::uuid[], $3::text[], $4::int[]) AS opening (class_id, area, room) CROSS JOIN LATERAL (
    SELECT DISTINCT ON (since, person_id) vendor_id, person_id, class_id, since, kelurahan, category
    FROM queue
    WHERE queue.class_id = opening.class_id
        OR (queue.class_id IS NULL AND queue.kelurahan >= opening.area AND queue.kelurahan < opening.area || '/')
    ORDER BY since, person_id, vendor_id <> person_id, vendor_id
    LIMIT opening.room
) AS next
"""


async def find_waits(conn: Connection, course: str, vendor_ids: Sequence[UUID]) -> dict[UUID, Wait]:
    """What the persons behind these ids wait for in this course, and since when; the row of the id itself if there is
    one, else that of another of its ids.
    """
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (ids.asked_id) ids.asked_id, w.vendor_id, w.class_id,
            min(w.since) OVER (PARTITION BY ids.asked_id) AS since
        FROM (
            SELECT id AS asked_id, id AS any_id FROM unnest($2::uuid[]) AS asked (id)
            UNION
            SELECT f.vendor_id, m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
            WHERE f.vendor_id = ANY($2::uuid[])
        ) AS ids
        JOIN waiting w ON w.vendor_id = ids.any_id
        WHERE w.course = $1
        ORDER BY ids.asked_id, w.vendor_id <> ids.asked_id, w.vendor_id
        """,
        course,
        vendor_ids,
    )
    return {row["asked_id"]: Wait(row["vendor_id"], row["class_id"], row["since"]) for row in rows}


async def find_waits_of(conn: Connection, vendor_ids: Sequence[UUID]) -> list[tuple[str, Wait]]:
    """What these ids of one person wait for, course by course."""
    rows = await conn.fetch(
        """
        SELECT course, vendor_id, class_id, since FROM waiting WHERE vendor_id = ANY($1::uuid[])
        ORDER BY since, course, vendor_id
        """,
        vendor_ids,
    )
    return [(row["course"], Wait(row["vendor_id"], row["class_id"], row["since"])) for row in rows]


async def find_last_since(conn: Connection, course: str) -> datetime | None:
    """Since when the last waits that began to wait for this course; None where nobody waits."""
    since: datetime | None = await conn.fetchval("SELECT max(since) FROM waiting WHERE course = $1", course)
    return since


async def save_waits(conn: Connection, course: str, class_id: UUID | None, since: Mapping[UUID, datetime]) -> None:
    """Have these vendors wait for this class, or for the next one of the course; who waits already keeps its moment."""
    await conn.execute(
        """
        INSERT INTO waiting (vendor_id, course, class_id, since)
        SELECT vendor_id, $1, $2, since FROM unnest($3::uuid[], $4::timestamptz[]) AS new (vendor_id, since)
        ON CONFLICT (vendor_id, course) DO UPDATE SET
            class_id = excluded.class_id, since = least(waiting.since, excluded.since)
        """,
        course,
        class_id,
        list(since),
        list(since.values()),
    )


async def delete_waits(conn: Connection, course: str, vendor_ids: Sequence[UUID]) -> None:
    """These vendors wait for this course no longer."""
    await conn.execute("DELETE FROM waiting WHERE course = $1 AND vendor_id = ANY($2::uuid[])", course, vendor_ids)


async def release_waits(conn: Connection, class_id: UUID) -> None:
    """Whoever waits for this class waits for the next one of its course."""
    await conn.execute("UPDATE waiting SET class_id = NULL WHERE class_id = $1", class_id)


async def add_waits_of_cancelled(conn: Connection, class_id: UUID) -> None:
    """Whoever has a place in this class waits for the next one of its course, as if it had waited since it enrolled."""
    await conn.execute(
        """
        INSERT INTO waiting (vendor_id, course, class_id, since)
        SELECT e.vendor_id, c.course, NULL, coalesce(e.waited_since, e.enrolled_at)
        FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL
        ON CONFLICT (vendor_id, course) DO UPDATE SET
            class_id = NULL, since = least(waiting.since, excluded.since)
        """,
        class_id,
    )


async def find_waited_courses(conn: Connection, vendor_ids: Sequence[UUID]) -> list[str]:
    """The courses that these vendors wait for."""
    rows = await conn.fetch(
        "SELECT DISTINCT course FROM waiting WHERE vendor_id = ANY($1::uuid[]) ORDER BY course", vendor_ids
    )
    return [row["course"] for row in rows]

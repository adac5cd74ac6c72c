"""Who has a place in a class, who attended, who completed."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Enrolment
from services.training.store.classes import read_class
from shared.db import Connection
from shared.events.training import TrainingEnrolled


def _enrolment(row: asyncpg.Record) -> Enrolment:
    return Enrolment(row["vendor_id"], frozenset(row["attended"]), row["result"])


async def count_enrolled(conn: Connection, class_id: UUID) -> int:
    """Places taken in a class."""
    count: int = await conn.fetchval("SELECT count(*) FROM enrolment WHERE class_id = $1", class_id)
    return count


async def add_enrolments(conn: Connection, enrolled: Sequence[TrainingEnrolled], *, now: datetime) -> None:
    """Give vendors their places."""
    await conn.execute(
        """
        INSERT INTO enrolment (class_id, vendor_id, enrolled_at)
        SELECT class_id, vendor_id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS new (class_id, vendor_id)
        """,
        [event.class_id for event in enrolled],
        [event.vendor_id for event in enrolled],
        now,
    )


async def find_roster(conn: Connection, class_id: UUID) -> list[Enrolment]:
    """Everybody with a place in a class, with the days attended and the result, by vendor_id.

    Who is erased is a figure of the class: nobody to be listed, nor judged again.
    """
    rows = await conn.fetch(
        """
        SELECT e.vendor_id, e.result, array_remove(array_agg(a.day ORDER BY a.day), NULL) AS attended
        FROM enrolment e LEFT JOIN attendance a ON a.class_id = e.class_id AND a.vendor_id = e.vendor_id
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL
        GROUP BY e.vendor_id, e.result
        ORDER BY e.vendor_id
        """,
        class_id,
    )
    return [_enrolment(row) for row in rows]


async def save_attendance(
    conn: Connection, class_id: UUID, day: date, vendor_ids: Sequence[UUID], *, taken_by: str, now: datetime
) -> None:
    """Set who attended a day to exactly these vendors, and keep that a list was handed in."""
    await conn.execute(
        """
        WITH absent AS (
            DELETE FROM attendance WHERE class_id = $1 AND day = $2 AND vendor_id <> ALL($3::uuid[])
        ), list AS (
            INSERT INTO attendance_list (class_id, day, attended, taken_by, taken_at)
            VALUES ($1, $2, cardinality($3::uuid[]), $4, $5)
        )
        INSERT INTO attendance (class_id, vendor_id, day, recorded_at)
        SELECT $1, vendor_id, $2, $5 FROM unnest($3::uuid[]) AS present (vendor_id)
        ON CONFLICT (class_id, vendor_id, day) DO NOTHING
        """,
        class_id,
        day,
        vendor_ids,
        taken_by,
        now,
    )


async def find_taken_days(conn: Connection, class_id: UUID) -> set[date]:
    """Session days whose attendance was taken at least once."""
    rows = await conn.fetch("SELECT DISTINCT day FROM attendance_list WHERE class_id = $1", class_id)
    return {row["day"] for row in rows}


async def save_results(conn: Connection, class_id: UUID, judged: Sequence[Enrolment], *, now: datetime) -> None:
    """Save the results of these enrolments."""
    await conn.execute(
        """
        UPDATE enrolment SET result = new.result, result_at = $4
        FROM unnest($2::uuid[], $3::text[]) AS new (vendor_id, result)
        WHERE enrolment.class_id = $1 AND enrolment.vendor_id = new.vendor_id
        """,
        class_id,
        [enrolment.vendor_id for enrolment in judged],
        [enrolment.result for enrolment in judged],
        now,
    )


async def count_results(conn: Connection, class_id: UUID) -> tuple[int, int]:
    """How many of a class completed it, and how many did not."""
    row = await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE result = 'completed') AS completed,
            count(*) FILTER (WHERE result = 'not-completed') AS not_completed
        FROM enrolment WHERE class_id = $1
        """,
        class_id,
    )
    assert row is not None
    return row["completed"], row["not_completed"]


async def find_record(conn: Connection, vendor_ids: Sequence[UUID]) -> list[tuple[TrainingClass, Enrolment]]:
    """The classes in which one of these ids of a person had or has a place, the last opened first, with what came of
    it.
    """
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.kind, c.days, c.places, c.rule, c.state, c.version,
            e.vendor_id, e.result, ARRAY(
                SELECT a.day FROM attendance a WHERE a.class_id = e.class_id AND a.vendor_id = e.vendor_id
            ) AS attended
        FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
        WHERE e.vendor_id = ANY($1::uuid[])
        ORDER BY c.class_id DESC, e.vendor_id
        """,
        vendor_ids,
    )
    return [(read_class(row), _enrolment(row)) for row in rows]


async def digest_completions(conn: Connection) -> tuple[int, str]:
    """Vendors with a valid completion who are not erased, and the sha256 over their ids, a line each, sorted."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS vendors, encode(sha256(convert_to(coalesce(string_agg(
            vendor_id || E'\\n', '' ORDER BY vendor_id), ''), 'UTF8')), 'hex') AS digest
        FROM (
            SELECT DISTINCT vendor_id FROM enrolment WHERE result = 'completed' AND sessions_attended IS NULL
        ) AS completed
        """
    )
    assert row is not None
    return row["vendors"], row["digest"]

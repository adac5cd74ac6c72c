"""Who has a place in a class, who attended, who completed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
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


async def add_enrolments(
    conn: Connection, enrolled: Sequence[TrainingEnrolled], waited: Mapping[UUID, datetime], *, now: datetime
) -> None:
    """Give vendors their places. `waited`: since when those waited for the course who did."""
    await conn.execute(
        """
        INSERT INTO enrolment (class_id, vendor_id, enrolled_at, waited_since)
        SELECT class_id, vendor_id, $3, waited_since
        FROM unnest($1::uuid[], $2::uuid[], $4::timestamptz[]) AS new (class_id, vendor_id, waited_since)
        """,
        [event.class_id for event in enrolled],
        [event.vendor_id for event in enrolled],
        now,
        [waited.get(event.vendor_id) for event in enrolled],
    )


async def find_places(conn: Connection, class_id: UUID, vendor_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Of those whose person has a place in a class: which of its ids has it, the id itself if it can be."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (ids.asked_id) ids.asked_id, e.vendor_id
        FROM (
            SELECT id AS asked_id, id AS any_id FROM unnest($2::uuid[]) AS asked (id)
            UNION
            SELECT f.vendor_id, m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
            WHERE f.vendor_id = ANY($2::uuid[])
        ) AS ids
        JOIN enrolment e ON e.class_id = $1 AND e.vendor_id = ids.any_id AND e.sessions_attended IS NULL
        ORDER BY ids.asked_id, e.vendor_id <> ids.asked_id, e.vendor_id
        """,
        class_id,
        vendor_ids,
    )
    return {row["asked_id"]: row["vendor_id"] for row in rows}


async def delete_enrolments(
    conn: Connection, class_id: UUID, vendor_ids: Sequence[UUID], *, by: str, now: datetime
) -> None:
    """These vendors give their places up. That they had them, and how many sessions they attended, is kept."""
    await conn.execute(
        """
        INSERT INTO withdrawal (class_id, vendor_id, by, enrolled_at, sessions_attended, withdrawn_at)
        SELECT e.class_id, e.vendor_id, $3, e.enrolled_at, (
            SELECT count(*) FROM attendance a WHERE a.class_id = e.class_id AND a.vendor_id = e.vendor_id), $4
        FROM enrolment e WHERE e.class_id = $1 AND e.vendor_id = ANY($2::uuid[])
        """,
        class_id,
        vendor_ids,
        by,
        now,
    )
    await conn.execute(
        "DELETE FROM attendance WHERE class_id = $1 AND vendor_id = ANY($2::uuid[])", class_id, vendor_ids
    )
    await conn.execute(
        "DELETE FROM enrolment WHERE class_id = $1 AND vendor_id = ANY($2::uuid[])", class_id, vendor_ids
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
            c.provider_id, c.trainer_account, c.category, c.starts, c.ends, c.venue, c.requests,
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

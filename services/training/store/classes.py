"""Classes, and who may be invited to them."""

from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.training.domain.classes import TrainingClass
from services.training.domain.invitations import Opening
from shared.db import Connection


def read_class(row: asyncpg.Record) -> TrainingClass:
    """A class from a row with all its columns."""
    return TrainingClass(
        class_id=row["class_id"],
        course=row["course"],
        title=row["title"],
        area=row["area"],
        kind=row["kind"],
        days=tuple(row["days"]),
        places=row["places"],
        rule=row["rule"],
        state=row["state"],
        version=row["version"],
    )


async def add_class(conn: Connection, opened: TrainingClass, *, now: datetime) -> None:
    """Add a class."""
    await conn.execute(
        """
        INSERT INTO training_class
            (class_id, course, title, area, kind, days, places, rule, state, version, opened_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        opened.class_id,
        opened.course,
        opened.title,
        opened.area,
        opened.kind,
        list(opened.days),
        opened.places,
        opened.rule,
        opened.state,
        opened.version,
        now,
    )


async def find_class(conn: Connection, class_id: UUID) -> TrainingClass | None:
    """A class, for reading."""
    row = await conn.fetchrow(
        """
        SELECT class_id, course, title, area, kind, days, places, rule, state, version
        FROM training_class WHERE class_id = $1
        """,
        class_id,
    )
    return read_class(row) if row is not None else None


async def lock_class(conn: Connection, class_id: UUID) -> TrainingClass | None:
    """A class, locked to the transaction's end: its places, attendance and results change one at a time."""
    row = await conn.fetchrow(
        """
        SELECT class_id, course, title, area, kind, days, places, rule, state, version
        FROM training_class WHERE class_id = $1 FOR NO KEY UPDATE
        """,
        class_id,
    )
    return read_class(row) if row is not None else None


async def save_finished(conn: Connection, class_id: UUID, *, now: datetime) -> None:
    """Mark a class as finished."""
    await conn.execute(
        "UPDATE training_class SET state = 'finished', finished_at = $2 WHERE class_id = $1", class_id, now
    )


async def find_openings(conn: Connection, course: str, today: date) -> list[Opening]:
    """Open classes of a course that begin after today, with the places neither taken nor offered to somebody.

    An offer counts until its vendor has a place in any class of the course.
    """
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.kind, c.days, c.places, c.rule, c.state, c.version,
            c.places
            - (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id)
            - (SELECT count(*) FROM invitation i WHERE i.class_id = c.class_id AND NOT EXISTS (
                SELECT FROM enrolment e JOIN training_class o ON o.class_id = e.class_id
                WHERE e.vendor_id = i.vendor_id AND o.course = c.course)) AS room
        FROM training_class c
        WHERE c.course = $1 AND c.state = 'open' AND c.days[1] > $2
        """,
        course,
        today,
    )
    return [Opening(read_class(row), row["room"]) for row in rows]


async def find_classes(
    conn: Connection, *, area: str | None, after: UUID | None, limit: int
) -> list[tuple[TrainingClass, int]]:
    """Classes of an area and all below it (None: every area), the last opened first, with their places taken."""
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.kind, c.days, c.places, c.rule, c.state, c.version,
            (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id) AS taken
        FROM training_class c
        WHERE ($1::text IS NULL OR (c.area >= $1 AND c.area < $1 || '/'))
            AND ($2::uuid IS NULL OR c.class_id < $2)
        ORDER BY c.class_id DESC
        LIMIT $3
        """,
        area,
        after,
        limit,
    )
    return [(read_class(row), row["taken"]) for row in rows]

"""Classes, and which of them can be offered."""

from datetime import date, datetime
from uuid import UUID

import asyncpg

from services.training.domain.classes import ClassState, Hours, TrainingClass
from services.training.domain.openings import Opening
from shared.db import Connection


def read_class(row: asyncpg.Record) -> TrainingClass:
    """A class from a row with all its columns."""
    hours = (
        None if starts is None else Hours(starts=starts, ends=ends)
        for starts, ends in zip(row["starts"], row["ends"], strict=True)
    )
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
        provider_id=row["provider_id"],
        trainer_account=row["trainer_account"],
        category=row["category"],
        hours=tuple(hours),
        venue=row["venue"],
        requests=row["requests"],
    )


async def add_class(conn: Connection, added: TrainingClass, *, now: datetime) -> None:
    """Add a class, a draft or open."""
    await conn.execute(
        """
        INSERT INTO training_class (class_id, course, title, area, kind, days, places, rule, state, version,
            provider_id, trainer_account, category, starts, ends, venue, requests, opened_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        """,
        added.class_id,
        added.course,
        added.title,
        added.area,
        added.kind,
        list(added.days),
        added.places,
        added.rule,
        added.state,
        added.version,
        added.provider_id,
        added.trainer_account,
        added.category,
        [hours and hours.starts for hours in added.hours],
        [hours and hours.ends for hours in added.hours],
        added.venue,
        added.requests,
        now if added.state == "open" else None,
    )


async def save_class(conn: Connection, saved: TrainingClass, *, now: datetime, reason: str | None = None) -> None:
    """Save what changes of a locked class. The first time that it is open, finished or cancelled it is so since now."""
    await conn.execute(
        """
        UPDATE training_class SET title = $2, kind = $3, days = $4, places = $5, rule = $6, state = $7, version = $8,
            provider_id = $9, trainer_account = $10, category = $11, starts = $12, ends = $13, venue = $14,
            opened_at = CASE WHEN $7 = 'open' THEN coalesce(opened_at, $15) ELSE opened_at END,
            finished_at = CASE WHEN $7 = 'finished' THEN coalesce(finished_at, $15) ELSE finished_at END,
            cancelled_at = CASE WHEN $7 = 'cancelled' THEN coalesce(cancelled_at, $15) ELSE cancelled_at END,
            cancelled_because = coalesce(cancelled_because, $16)
        WHERE class_id = $1
        """,
        saved.class_id,
        saved.title,
        saved.kind,
        list(saved.days),
        saved.places,
        saved.rule,
        saved.state,
        saved.version,
        saved.provider_id,
        saved.trainer_account,
        saved.category,
        [hours and hours.starts for hours in saved.hours],
        [hours and hours.ends for hours in saved.hours],
        saved.venue,
        now,
        reason,
    )


async def find_class(conn: Connection, class_id: UUID) -> TrainingClass | None:
    """A class, for reading."""
    row = await conn.fetchrow(
        """
        SELECT class_id, course, title, area, kind, days, places, rule, state, version, provider_id, trainer_account,
            category, starts, ends, venue, requests
        FROM training_class WHERE class_id = $1
        """,
        class_id,
    )
    return read_class(row) if row is not None else None


async def lock_class(conn: Connection, class_id: UUID) -> TrainingClass | None:
    """A class, locked to the transaction's end: its places, attendance and results change one at a time."""
    row = await conn.fetchrow(
        """
        SELECT class_id, course, title, area, kind, days, places, rule, state, version, provider_id, trainer_account,
            category, starts, ends, venue, requests
        FROM training_class WHERE class_id = $1 FOR NO KEY UPDATE
        """,
        class_id,
    )
    return read_class(row) if row is not None else None


async def lock_roomy(conn: Connection, course: str, today: date) -> list[Opening]:
    """Open classes of a course that begin after today and have places free, locked in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT class_id, course, title, area, kind, days, places, rule, state, version, provider_id, trainer_account,
            category, starts, ends, venue, requests,
            places - (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id) AS room
        FROM training_class c
        WHERE course = $1 AND state = 'open' AND days[1] > $2
            AND places > (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id)
        ORDER BY class_id FOR NO KEY UPDATE OF c
        """,
        course,
        today,
    )
    return [Opening(read_class(row), row["room"]) for row in rows]


async def add_reminded(conn: Connection, class_id: UUID, day: date) -> bool:
    """Remember that people were reminded of this session; False where they were before, or there is none."""
    reminded = await conn.fetchval(
        """
        UPDATE training_class SET reminded = reminded || $2::date
        WHERE class_id = $1 AND $2::date = ANY(days) AND $2::date <> ALL(reminded)
        RETURNING true
        """,
        class_id,
        day,
    )
    return reminded is not None


async def find_openings(conn: Connection, course: str, today: date) -> list[Opening]:
    """Open classes of a course that begin after today, with the places neither taken nor offered to somebody.

    An offer counts until its vendor has a place in any class of the course. Who waits is given places first.
    """
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.kind, c.days, c.places, c.rule, c.state, c.version,
            c.provider_id, c.trainer_account, c.category, c.starts, c.ends, c.venue, c.requests,
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
    conn: Connection,
    *,
    area: str | None = None,
    course: str | None = None,
    state: ClassState | None = None,
    category: str | None = None,
    provider_id: UUID | None = None,
    drafts_in: str | None = None,
    after: UUID | None,
    limit: int,
) -> list[tuple[TrainingClass, int]]:
    """Classes of an area and all below it (None: every area), the last made first, with their places taken.

    Drafts, and what never was more, only where they lie in `drafts_in`.
    """
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.title, c.area, c.kind, c.days, c.places, c.rule, c.state, c.version,
            c.provider_id, c.trainer_account, c.category, c.starts, c.ends, c.venue, c.requests,
            (SELECT count(*) FROM enrolment e WHERE e.class_id = c.class_id) AS taken
        FROM training_class c
        WHERE ($1::text IS NULL OR (c.area >= $1 AND c.area < $1 || '/'))
            AND ($2::uuid IS NULL OR c.class_id < $2)
            AND ($4::text IS NULL OR c.course = $4)
            AND ($5::text IS NULL OR c.state = $5)
            AND ($6::text IS NULL OR c.category = $6)
            AND ($7::uuid IS NULL OR c.provider_id = $7)
            AND (c.opened_at IS NOT NULL OR c.area = $8 OR starts_with(c.area, $8 || '.'))
        ORDER BY c.class_id DESC
        LIMIT $3
        """,
        area,
        after,
        limit,
        course,
        state,
        category,
        provider_id,
        drafts_in,
    )
    return [(read_class(row), row["taken"]) for row in rows]

"""The catalogue: courses and fields, and who completed which courses."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from services.training.domain.courses import Course
from shared.db import Connection


def _course(row: asyncpg.Record) -> Course:
    return Course(**{**row, "prerequisites": tuple(row["prerequisites"])})


async def find_course(conn: Connection, code: str) -> Course | None:
    """A course of the catalogue, also one that was withdrawn; None where there never was one."""
    row = await conn.fetchrow(
        """
        SELECT course, name_id, name_en, level, field, sessions, prerequisites, requests_needed, state, version
        FROM course WHERE course = $1
        """,
        code,
    )
    return _course(row) if row is not None else None


async def find_courses(
    conn: Connection,
    *,
    level: str | None = None,
    field: str | None = None,
    withdrawn: bool = False,
    after: str | None = None,
    limit: int,
) -> list[Course]:
    """Courses by code, of a level and a field (None: every); `withdrawn`: also those that are given no more."""
    rows = await conn.fetch(
        """
        SELECT course, name_id, name_en, level, field, sessions, prerequisites, requests_needed, state, version
        FROM course
        WHERE ($1::text IS NULL OR level = $1) AND ($2::text IS NULL OR field = $2) AND ($3 OR state = 'listed')
            AND ($4::text IS NULL OR course > $4)
        ORDER BY course LIMIT $5
        """,
        level,
        field,
        withdrawn,
        after,
        limit,
    )
    return [_course(row) for row in rows]


async def lock_catalogue(conn: Connection) -> dict[str, Course]:
    """All courses by code. Until the transaction ends nobody else changes the catalogue: what has to be completed
    before what is a matter of all of them.
    """
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('training.catalogue', 0))")
    rows = await conn.fetch(
        """
        SELECT course, name_id, name_en, level, field, sessions, prerequisites, requests_needed, state, version
        FROM course ORDER BY course
        """
    )
    return {row["course"]: _course(row) for row in rows}


async def save_course(conn: Connection, course: Course, *, now: datetime) -> None:
    """A course as it stands now, new or not; the catalogue is locked."""
    await conn.execute(
        """
        INSERT INTO course (course, name_id, name_en, level, field, sessions, prerequisites, requests_needed, state,
            version, listed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (course) DO UPDATE SET
            name_id = excluded.name_id, name_en = excluded.name_en, level = excluded.level, field = excluded.field,
            sessions = excluded.sessions, prerequisites = excluded.prerequisites,
            requests_needed = excluded.requests_needed, state = excluded.state, version = excluded.version
        """,
        course.course,
        course.name_id,
        course.name_en,
        course.level,
        course.field,
        course.sessions,
        list(course.prerequisites),
        course.requests_needed,
        course.state,
        course.version,
        now,
    )


async def find_completed_courses(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """The courses these vendors completed, under whichever of their ids; an empty set for who completed none."""
    rows = await conn.fetch(
        """
        SELECT ids.vendor_id, array_agg(DISTINCT c.course) AS courses
        FROM (
            SELECT id AS vendor_id, id AS any_id FROM unnest($1::uuid[]) AS asked (id)
            UNION
            SELECT f.vendor_id, m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
            WHERE f.vendor_id = ANY($1::uuid[])
        ) AS ids
        JOIN enrolment e ON e.vendor_id = ids.any_id AND e.result = 'completed'
        JOIN training_class c ON c.class_id = e.class_id
        GROUP BY ids.vendor_id
        """,
        vendor_ids,
    )
    completed: dict[UUID, set[str]] = {vendor_id: set() for vendor_id in vendor_ids}
    return completed | {row["vendor_id"]: set(row["courses"]) for row in rows}


async def find_fields(conn: Connection) -> list[dict[str, str]]:
    """Fields of competence with their names, by code."""
    rows = await conn.fetch("SELECT field, name_id, name_en FROM course_field ORDER BY field")
    return [dict(row) for row in rows]


async def save_field(conn: Connection, field: str, name_id: str, name_en: str) -> None:
    """A field, new or with other names."""
    await conn.execute(
        """
        INSERT INTO course_field (field, name_id, name_en) VALUES ($1, $2, $3)
        ON CONFLICT (field) DO UPDATE SET name_id = excluded.name_id, name_en = excluded.name_en
        """,
        field,
        name_id,
        name_en,
    )


async def save_told(conn: Connection, codes: Sequence[str]) -> None:
    """These courses were told for the first time."""
    await conn.execute("UPDATE course SET version = 1 WHERE course = ANY($1::text[]) AND version = 0", codes)

"""Demand in figures: how many people ask for which course where, and the classes that are prepared for them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.training.domain.courses import AREA_LENGTHS
from shared.db import Connection


class Draft(NamedTuple):
    """A class that is prepared."""

    class_id: UUID
    course: str
    area: str
    provider_id: UUID | None
    requests: int


async def count_waiting(conn: Connection, places: Mapping[UUID, tuple[str, str]]) -> dict[UUID, int]:
    """For each key with its course and area: the people who wait there for that course."""
    rows = await conn.fetch(
        """
        SELECT asked.key, count(DISTINCT coalesce(f.person_id, r.vendor_id)) AS people
        FROM unnest($1::uuid[], $2::text[], $3::text[]) AS asked (key, course, area)
            JOIN course_request r ON r.course = asked.course AND r.state = 'waiting'
            JOIN vendor v ON v.vendor_id = r.vendor_id
                AND (v.kelurahan = asked.area OR starts_with(v.kelurahan, asked.area || '.'))
            LEFT JOIN family f ON f.vendor_id = r.vendor_id
        GROUP BY asked.key
        """,
        list(places),
        [course for course, _ in places.values()],
        [area for _, area in places.values()],
    )
    return dict.fromkeys(places, 0) | {row["key"]: row["people"] for row in rows}


DEMAND = """
SELECT asked.course, asked.area, asked.level, asked.field, asked.requests_needed,
    count(DISTINCT asked.person_id) FILTER (WHERE asked.state = 'waiting') AS waiting,
    count(DISTINCT asked.person_id) FILTER (WHERE asked.state = 'drafted') AS drafted,
    min(asked.requested_at) AS since
FROM (
    SELECT c.course, left(v.kelurahan, CASE c.level WHEN 'basic' THEN $6::int ELSE $7::int END) AS area, c.level,
        c.field, c.requests_needed, r.state, r.requested_at, coalesce(f.person_id, r.vendor_id) AS person_id
    FROM course_request r JOIN course c ON c.course = r.course JOIN vendor v ON v.vendor_id = r.vendor_id
        LEFT JOIN family f ON f.vendor_id = r.vendor_id
    WHERE r.state IN ('waiting', 'drafted') AND ($2::text IS NULL OR c.course = $2)
        AND ($3::text IS NULL OR c.level = $3)
) AS asked
WHERE (asked.area = $1 OR starts_with(asked.area, $1 || '.') OR starts_with($1, asked.area || '.'))
    AND ($4::text IS NULL OR (asked.course, asked.area) > ($4, $5))
GROUP BY asked.course, asked.area, asked.level, asked.field, asked.requests_needed
ORDER BY asked.course, asked.area
LIMIT $8
"""


async def find_demand(
    conn: Connection,
    within: str,
    *,
    course: str | None,
    level: str | None,
    after: tuple[str, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Who asks for what where: people by course and by the area in which they are counted together, of areas inside
    this one or around it.
    """
    last_course, last_area = after or (None, None)
    rows = await conn.fetch(
        DEMAND,
        within,
        course,
        level,
        last_course,
        last_area,
        AREA_LENGTHS["basic"],
        AREA_LENGTHS["advanced"],
        limit,
    )
    return [dict(row) for row in rows]


async def find_drafts(conn: Connection, courses: Sequence[str]) -> list[Draft]:
    """The classes of these courses that are prepared, with the people who asked for them."""
    rows = await conn.fetch(
        """
        SELECT c.class_id, c.course, c.area, c.provider_id, (
            SELECT count(DISTINCT coalesce(f.person_id, r.vendor_id))
            FROM course_request r LEFT JOIN family f ON f.vendor_id = r.vendor_id
            WHERE r.class_id = c.class_id AND r.state = 'drafted') AS requests
        FROM training_class c WHERE c.state = 'draft' AND c.course = ANY($1::text[]) ORDER BY c.class_id
        """,
        courses,
    )
    return [Draft(**row) for row in rows]

"""Whom mentors reach: vendors held and visited in a month, and vendors whose visit is overdue."""

from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from shared.db import Connection


class OverdueFilter(NamedTuple):
    """Which overdue visits: to vendors of an area, of a mentor or an agency's mentors, of a kind of mentor."""

    area: str | None = None
    mentor_id: UUID | None = None
    agency: str | None = None
    kind: Literal["employed", "foster"] = "employed"
    never_only: bool = False


class Overdue(NamedTuple):
    """A vendor whose mentor should have been there by `due_on`; without `last_visit_on` this mentor never was."""

    assignment_id: UUID
    vendor_id: UUID
    mentor_id: UUID
    kelurahan: str
    since_on: date
    last_visit_on: date | None
    next_action_on: date | None
    due_on: date


class ReachFilter(NamedTuple):
    """Whose reach: in an area, of an agency, of one mentor. `first` and `last` day of the month, and the moment at
    which is counted who has whom: now, or the end of a month that is over.
    """

    first: date
    last: date
    moment: datetime
    area: str | None = None
    agency: str | None = None
    kind: Literal["employed", "foster"] = "employed"
    mentor_id: UUID | None = None


class Reach(NamedTuple):
    """A mentor's month, beside the averages of its agency's mentors (of the same area, where one is asked for)."""

    mentor_id: UUID
    agency: str | None
    load_max: int
    held: int
    visited: int
    visits: int
    agency_held: float
    agency_visited: float
    agency_share: float | None


class AreaReach(NamedTuple):
    """A part of an area in a month: vendors who have a mentor, those visited, and by how many mentors."""

    area: str
    held: int
    visited: int
    mentors: int


# The last visit of this mentor to this person, under whichever id it was logged: first under the id that is assigned,
# which an index answers at once, then under the others of the family, which few people have. The clock of a mentor
# starts when it is given the vendor. `least` and `greatest` pass over what is not known.
FIND_OVERDUE = """
SELECT * FROM (
    SELECT a.assignment_id, a.vendor_id, a.mentor_id, r.kelurahan, since.day AS since_on,
        seen.visited_on AS last_visit_on, seen.next_action_on,
        least(greatest(seen.visited_on, since.day) + $2::int, seen.next_action_on) AS due_on
    FROM assignment a
        JOIN mentor m ON m.mentor_id = a.mentor_id
        JOIN vendor r ON r.vendor_id = a.vendor_id
        CROSS JOIN LATERAL (SELECT (a.since AT TIME ZONE 'Asia/Jakarta')::date AS day) AS since
        LEFT JOIN LATERAL (
            SELECT visited_on, next_action_on FROM (
                (SELECT visited_on, next_action_on, visit_id FROM visit
                 WHERE mentor_id = a.mentor_id AND vendor_id = a.vendor_id AND state = 'logged'
                 ORDER BY visited_on DESC LIMIT 1)
                UNION ALL
                (SELECT v.visited_on, v.next_action_on, v.visit_id
                 FROM family f JOIN family o ON o.person_id = f.person_id AND o.vendor_id <> f.vendor_id
                    JOIN visit v ON v.vendor_id = o.vendor_id
                 WHERE f.vendor_id = a.vendor_id AND v.mentor_id = a.mentor_id AND v.state = 'logged'
                 ORDER BY v.visited_on DESC LIMIT 1)
            ) AS both_ways ORDER BY visited_on DESC, visit_id DESC LIMIT 1
        ) AS seen ON true
    WHERE a.until IS NULL AND a.kind = $6
        -- the area itself and all below it: '.' sorts before '/'
        AND ($3::text IS NULL OR (r.kelurahan >= $3 AND r.kelurahan < $3 || '/'))
        AND ($4::uuid IS NULL OR a.mentor_id = $4)
        AND ($5::text IS NULL OR m.agency = $5)
) AS held
WHERE due_on < $1 AND (NOT $7::boolean OR last_visit_on IS NULL)
    AND ($8::date IS NULL OR (due_on, assignment_id) > ($8, $9::uuid))
ORDER BY due_on, assignment_id LIMIT $10
"""

# Averages are over the mentors of an agency, so they are taken before one mentor, or a page of them, is picked.
FIND_REACH = """
WITH held AS (
    SELECT a.mentor_id, coalesce(f.person_id, a.vendor_id) AS person
    FROM assignment a JOIN vendor r ON r.vendor_id = a.vendor_id
        LEFT JOIN family f ON f.vendor_id = a.vendor_id
    WHERE a.since <= $3 AND (a.until IS NULL OR a.until > $3) AND a.kind = $6
        AND ($4::text IS NULL OR (r.kelurahan >= $4 AND r.kelurahan < $4 || '/'))
), seen AS (
    SELECT v.mentor_id, coalesce(f.person_id, v.vendor_id) AS person, count(*) AS visits
    FROM visit v LEFT JOIN family f ON f.vendor_id = v.vendor_id
    WHERE v.state = 'logged' AND v.visited_on BETWEEN $1 AND $2
    GROUP BY 1, 2
), counted AS (
    SELECT held.mentor_id, count(*) AS held, count(seen.person) AS visited,
        coalesce(sum(seen.visits), 0)::bigint AS visits
    FROM held LEFT JOIN seen ON seen.mentor_id = held.mentor_id AND seen.person = held.person
    GROUP BY held.mentor_id
), mentors AS (
    SELECT m.mentor_id, m.agency, m.load_max, coalesce(c.held, 0) AS held, coalesce(c.visited, 0) AS visited,
        coalesce(c.visits, 0) AS visits,
        avg(coalesce(c.held, 0)) OVER of_agency AS agency_held,
        avg(coalesce(c.visited, 0)) OVER of_agency AS agency_visited,
        sum(c.visited) OVER of_agency / nullif(sum(c.held) OVER of_agency, 0) AS agency_share
    FROM mentor m LEFT JOIN counted c ON c.mentor_id = m.mentor_id
    WHERE m.kind = $6 AND ($5::text IS NULL OR m.agency = $5)
        AND (c.held > 0 OR (m.state = 'listed' AND ($4::text IS NULL OR EXISTS (
            SELECT FROM unnest(m.areas) AS own (area)
            WHERE own.area = $4 OR starts_with(own.area, $4 || '.') OR starts_with($4, own.area || '.')))))
    WINDOW of_agency AS (PARTITION BY m.agency)
)
SELECT mentor_id, agency, load_max, held, visited, visits, agency_held, agency_visited, agency_share
FROM mentors WHERE ($7::uuid IS NULL OR mentor_id = $7) AND ($8::uuid IS NULL OR mentor_id > $8)
ORDER BY mentor_id LIMIT $9
"""

FIND_AREA_REACH = """
WITH seen AS (
    SELECT DISTINCT v.mentor_id, coalesce(f.person_id, v.vendor_id) AS person
    FROM visit v LEFT JOIN family f ON f.vendor_id = v.vendor_id
    WHERE v.state = 'logged' AND v.visited_on BETWEEN $1 AND $2
)
SELECT left(r.kelurahan, $7) AS area, count(*) AS held, count(seen.person) AS visited,
    count(DISTINCT a.mentor_id) AS mentors
FROM assignment a JOIN vendor r ON r.vendor_id = a.vendor_id JOIN mentor m ON m.mentor_id = a.mentor_id
    LEFT JOIN family f ON f.vendor_id = a.vendor_id
    LEFT JOIN seen ON seen.mentor_id = a.mentor_id AND seen.person = coalesce(f.person_id, a.vendor_id)
WHERE a.since <= $3 AND (a.until IS NULL OR a.until > $3) AND a.kind = $6
    AND ($4::text IS NULL OR (r.kelurahan >= $4 AND r.kelurahan < $4 || '/'))
    AND ($5::text IS NULL OR m.agency = $5)
GROUP BY 1 ORDER BY 1
"""


async def find_overdue(
    conn: Connection, wanted: OverdueFilter, today: date, days: int, after: tuple[date, UUID] | None, limit: int
) -> list[Overdue]:
    """Vendors whose mentor should have been there, the longest overdue first; a mentor is due `days` after its last
    visit (or after it was given the vendor), or on the day that was agreed.
    """
    due_on, assignment_id = after or (None, None)
    rows = await conn.fetch(
        FIND_OVERDUE,
        today,
        days,
        wanted.area,
        wanted.mentor_id,
        wanted.agency,
        wanted.kind,
        wanted.never_only,
        due_on,
        assignment_id,
        limit,
    )
    return [Overdue(**row) for row in rows]


async def find_reach(conn: Connection, wanted: ReachFilter, after: UUID | None, limit: int) -> list[Reach]:
    """The month of each mentor, in the order of their ids."""
    rows = await conn.fetch(FIND_REACH, *wanted, after, limit)
    return [
        Reach(
            **{
                **row,
                "agency_held": float(row["agency_held"]),
                "agency_visited": float(row["agency_visited"]),
                "agency_share": None if row["agency_share"] is None else float(row["agency_share"]),
            }
        )
        for row in rows
    ]


async def find_area_reach(conn: Connection, wanted: ReachFilter, code_characters: int) -> list[AreaReach]:
    """The month by parts of an area whose codes have so many characters."""
    rows = await conn.fetch(FIND_AREA_REACH, *wanted[:6], code_characters)
    return [AreaReach(**row) for row in rows]


async def find_homes_of(conn: Connection, mentor_id: UUID) -> list[tuple[UUID, str]]:
    """Whom a mentor has, and where they live (kelurahan), by place."""
    rows = await conn.fetch(
        "SELECT a.vendor_id, r.kelurahan FROM assignment a JOIN vendor r ON r.vendor_id = a.vendor_id "
        "WHERE a.mentor_id = $1 AND a.until IS NULL ORDER BY r.kelurahan, r.rw, a.vendor_id",
        mentor_id,
    )
    return [(row["vendor_id"], row["kelurahan"]) for row in rows]

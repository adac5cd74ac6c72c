"""Rows of groups that foster mentors adopted. Who is in them, the assignments say."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.groups import FosterGroup, Member
from shared.db import Connection


class GroupFilter(NamedTuple):
    """Which groups: of an area and all below it, of a mentor; those given up instead."""

    area: str | None = None
    mentor_id: UUID | None = None
    ended: bool = False


def _group(row: Record) -> FosterGroup:
    return FosterGroup(**row)


LIST_GROUPS = """
SELECT g.group_id, g.mentor_id, g.area, g.field, g.members_max, g.adopted_at, g.ended_at,
    (SELECT count(*) FROM foster_member m JOIN assignment a ON a.assignment_id = m.assignment_id
     WHERE m.group_id = g.group_id AND a.until IS NULL) AS members
FROM foster_group g
WHERE ($1::text IS NULL OR (g.area >= $1 AND g.area < $1 || '/'))
    AND ($2::uuid IS NULL OR g.mentor_id = $2)
    AND (g.ended_at IS NOT NULL) = $3
    AND ($4::uuid IS NULL OR g.group_id > $4)
ORDER BY g.group_id LIMIT $5
"""


async def add_group(conn: Connection, group: FosterGroup) -> None:
    """Insert a group without members."""
    await conn.execute(
        """
        INSERT INTO foster_group (group_id, mentor_id, area, field, members_max, adopted_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        group.group_id,
        group.mentor_id,
        group.area,
        group.field,
        group.members_max,
        group.adopted_at,
    )


async def find_group(conn: Connection, group_id: UUID) -> FosterGroup | None:
    """A group with its members counted; who changes it has locked its mentor."""
    row = await conn.fetchrow(
        """
        SELECT g.group_id, g.mentor_id, g.area, g.field, g.members_max, g.adopted_at, g.ended_at,
            (SELECT count(*) FROM foster_member m JOIN assignment a ON a.assignment_id = m.assignment_id
             WHERE m.group_id = g.group_id AND a.until IS NULL) AS members
        FROM foster_group g WHERE g.group_id = $1
        """,
        group_id,
    )
    return None if row is None else _group(row)


async def list_groups(conn: Connection, wanted: GroupFilter, after: UUID | None, limit: int) -> list[FosterGroup]:
    """Groups, in the order in which they were adopted."""
    return [_group(row) for row in await conn.fetch(LIST_GROUPS, *wanted, after, limit)]


async def find_members(conn: Connection, group_id: UUID, *, past: bool, after: UUID | None, limit: int) -> list[Member]:
    """Members at present, or (`past`) those who left, in the order of their assignments."""
    rows = await conn.fetch(
        """
        SELECT a.assignment_id, a.vendor_id, a.since, a.until
        FROM foster_member m JOIN assignment a ON a.assignment_id = m.assignment_id
        WHERE m.group_id = $1 AND (a.until IS NOT NULL) = $2 AND ($3::uuid IS NULL OR a.assignment_id > $3)
            AND NOT EXISTS (SELECT FROM erased_vendor e WHERE e.vendor_id = a.vendor_id)
        ORDER BY a.assignment_id LIMIT $4
        """,
        group_id,
        past,
        after,
        limit,
    )
    return [Member(**row) for row in rows]


async def find_standing_members(conn: Connection, group_id: UUID, vendor_ids: Sequence[UUID] | None) -> list[UUID]:
    """Which of these ids are in the group now; None: all who are."""
    rows = await conn.fetch(
        """
        SELECT a.vendor_id FROM foster_member m JOIN assignment a ON a.assignment_id = m.assignment_id
        WHERE m.group_id = $1 AND a.until IS NULL AND ($2::uuid[] IS NULL OR a.vendor_id = ANY($2))
        ORDER BY a.vendor_id
        """,
        group_id,
        vendor_ids,
    )
    return [row["vendor_id"] for row in rows]


async def find_grouped(conn: Connection, assignment_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these assignments are memberships already."""
    rows = await conn.fetch(
        "SELECT assignment_id FROM foster_member WHERE assignment_id = ANY($1::uuid[])", assignment_ids
    )
    return {row["assignment_id"] for row in rows}


async def add_members(conn: Connection, group_id: UUID, members: Sequence[tuple[UUID, UUID]]) -> None:
    """Make assignments (id, vendor) memberships of the group."""
    await conn.execute(
        """
        INSERT INTO foster_member (assignment_id, group_id, vendor_id)
        SELECT n.assignment_id, $1, n.vendor_id FROM unnest($2::uuid[], $3::uuid[]) AS n (assignment_id, vendor_id)
        """,
        group_id,
        [assignment_id for assignment_id, _ in members],
        [vendor_id for _, vendor_id in members],
    )


async def end_group(conn: Connection, group_id: UUID, *, now: datetime) -> None:
    """The group is given up."""
    await conn.execute("UPDATE foster_group SET ended_at = $2 WHERE group_id = $1", group_id, now)

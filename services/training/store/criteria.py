"""Versions of criteria of graduation."""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from services.training.domain.criteria import AddCriteria, Criteria, CriteriaDocument
from shared.db import Connection


async def add_criteria(conn: Connection, command: AddCriteria, made_by: str, now: datetime) -> bool:
    """Add the version that follows the last one. False: it does not follow, or somebody else added it."""
    added = await conn.fetchval(
        """
        INSERT INTO graduation_criteria
            (name, version, effective_on, title_id, title_en, document, made_by, made_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8
        WHERE $2 = (SELECT coalesce(max(version), 0) + 1 FROM graduation_criteria WHERE name = $1)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        command.name,
        command.version,
        command.effective_on,
        command.title_id,
        command.title_en,
        command.document.model_dump(mode="json"),
        made_by,
        now,
    )
    return bool(added)


async def find_in_force(conn: Connection, day: date) -> list[Criteria]:
    """Of each name the version that is in force on a day."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (name) name, version, effective_on, title_id, title_en, document
        FROM graduation_criteria WHERE effective_on <= $1 ORDER BY name, version DESC
        """,
        day,
    )
    return [_criteria(row) for row in rows]


async def find_versions(conn: Connection, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Criteria]:
    """These versions (name, version), in force or not."""
    rows = await conn.fetch(
        """
        SELECT c.name, c.version, c.effective_on, c.title_id, c.title_en, c.document
        FROM graduation_criteria c
        JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::int[])) AS wanted (name, version) USING (name, version)
        """,
        [name for name, _ in wanted],
        [version for _, version in wanted],
    )
    return {(row["name"], row["version"]): _criteria(row) for row in rows}


async def list_criteria(
    conn: Connection, name: str | None, after: tuple[str, int] | None, limit: int
) -> list[Criteria]:
    """Every version of all criteria, or of one name, by name and version, those after `after`, at most `limit`."""
    last_name, last_version = after or ("", 0)
    rows = await conn.fetch(
        """
        SELECT name, version, effective_on, title_id, title_en, document FROM graduation_criteria
        WHERE ($1::text IS NULL OR name = $1) AND (name, version) > ($2, $3::int)
        ORDER BY name, version LIMIT $4
        """,
        name,
        last_name,
        last_version,
        limit,
    )
    return [_criteria(row) for row in rows]


def _criteria(row: asyncpg.Record) -> Criteria:
    return Criteria(
        name=row["name"],
        version=row["version"],
        effective_on=row["effective_on"],
        title_id=row["title_id"],
        title_en=row["title_en"],
        document=CriteriaDocument.model_validate(row["document"]),
    )

"""Versions of how the criteria of export readiness weigh."""

from datetime import date, datetime

import asyncpg

from services.vendor.domain.readiness import Weighting
from shared.db import Connection

__all__ = ["add_weighting", "find_weighting", "find_weightings"]


async def find_weighting(conn: Connection, day: date) -> Weighting:
    """The weighting in force on a day."""
    row = await conn.fetchrow(
        "SELECT version, effective_on, weights, ready_from FROM export_weighting "
        "WHERE effective_on <= $1 ORDER BY version DESC LIMIT 1",
        day,
    )
    assert row is not None, "the first one holds since before the registry"
    return _weighting(row)


async def find_weightings(conn: Connection, after: int, limit: int) -> list[Weighting]:
    """Every version, those after `after`, at most `limit`."""
    rows = await conn.fetch(
        "SELECT version, effective_on, weights, ready_from FROM export_weighting WHERE version > $1 "
        "ORDER BY version LIMIT $2",
        after,
        limit,
    )
    return [_weighting(row) for row in rows]


async def add_weighting(conn: Connection, weighting: Weighting, made_by: str, now: datetime) -> bool:
    """Add the version that follows the last one. False: it does not follow, or somebody else added it."""
    added = await conn.fetchval(
        "INSERT INTO export_weighting (version, effective_on, weights, ready_from, made_by, made_at) "
        "SELECT $1, $2, $3, $4, $5, $6 WHERE $1 = (SELECT max(version) + 1 FROM export_weighting) "
        "ON CONFLICT DO NOTHING RETURNING true",
        weighting.version,
        weighting.effective_on,
        dict(weighting.weights),
        weighting.ready_from,
        made_by,
        now,
    )
    return bool(added)


def _weighting(row: asyncpg.Record) -> Weighting:
    return Weighting(row["version"], row["effective_on"], row["weights"], row["ready_from"])

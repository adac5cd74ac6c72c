"""Suspensions of vendors, and the reasons there are."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.vendor.domain.suspension import Suspension
from shared.db import Connection

__all__ = [
    "SUSPENSION_END",
    "Reason",
    "add_suspension",
    "collect_suspensions",
    "erase_suspensions",
    "find_reasons",
    "find_running",
    "find_suspension",
    "find_suspensions",
    "save_suspension",
]

SUSPENSION_END = "suspension-end"
"""Kind of the timers that end suspensions; the key is the suspension's id."""


class Reason(NamedTuple):
    """Why vendors are suspended."""

    code: str
    name_id: str
    name_en: str


async def find_reasons(conn: Connection) -> list[Reason]:
    """The reasons as they stand now."""
    return [
        Reason(*row) for row in await conn.fetch("SELECT code, name_id, name_en FROM suspension_reason ORDER BY code")
    ]


async def add_suspension(conn: Connection, suspension: Suspension) -> None:
    """Insert a suspension that begins; the vendor's row is locked."""
    await conn.execute(
        "INSERT INTO suspension (suspension_id, vendor_id, reason, until, suspended_by, suspended_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        suspension.suspension_id,
        suspension.vendor_id,
        suspension.reason,
        suspension.until,
        suspension.suspended_by,
        suspension.suspended_at,
    )


async def save_suspension(conn: Connection, suspension: Suspension) -> None:
    """Write how a suspension ended; the vendor's row is locked."""
    await conn.execute(
        "UPDATE suspension SET ended = $2, ended_by = $3, ended_at = $4 WHERE suspension_id = $1",
        suspension.suspension_id,
        suspension.ended,
        suspension.ended_by,
        suspension.ended_at,
    )


FIND_SUSPENSION = """
SELECT suspension_id, vendor_id, reason, until, suspended_by, suspended_at, ended, ended_by, ended_at
FROM suspension WHERE suspension_id = $1
"""

FIND_RUNNING = """
SELECT suspension_id, vendor_id, reason, until, suspended_by, suspended_at, ended, ended_by, ended_at
FROM suspension WHERE vendor_id = ANY($1::uuid[]) AND ended IS NULL ORDER BY suspension_id
"""

FIND_SUSPENSIONS = """
SELECT suspension_id, vendor_id, reason, until, suspended_by, suspended_at, ended, ended_by, ended_at
FROM suspension WHERE vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR suspension_id < $2)
ORDER BY suspension_id DESC LIMIT $3
"""


async def find_suspension(conn: Connection, suspension_id: UUID) -> Suspension | None:
    """One suspension."""
    row = await conn.fetchrow(FIND_SUSPENSION, suspension_id)
    return None if row is None else Suspension(**dict(row))


async def find_running(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Suspension]:
    """The suspensions of a person that have not ended: one of each of its registrations at most."""
    return [Suspension(**dict(row)) for row in await conn.fetch(FIND_RUNNING, vendor_ids)]


async def find_suspensions(
    conn: Connection, vendor_ids: Sequence[UUID], before: UUID | None, limit: int
) -> list[Suspension]:
    """A person's suspensions, the latest first, those older than `before`, at most `limit`."""
    return [Suspension(**dict(row)) for row in await conn.fetch(FIND_SUSPENSIONS, vendor_ids, before, limit)]


async def collect_suspensions(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Every suspension of these registrations, JSON-ready."""
    rows = await conn.fetch(
        "SELECT suspension_id::text, vendor_id::text, reason, until::text, suspended_at, ended, ended_at "
        "FROM suspension WHERE vendor_id = ANY($1::uuid[]) ORDER BY suspension_id",
        vendor_ids,
    )
    suspensions = []
    for row in rows:
        values = dict(row)
        for name in ("suspended_at", "ended_at"):
            values[name] = None if values[name] is None else values[name].isoformat()
        suspensions.append(values)
    return {"suspensions": suspensions}


async def erase_suspensions(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the suspensions of these registrations and the timers that would end them."""
    gone = await conn.fetch(
        "DELETE FROM suspension WHERE vendor_id = ANY($1::uuid[]) RETURNING suspension_id::text", vendor_ids
    )
    await conn.execute(
        "DELETE FROM timer WHERE kind = $1 AND key = ANY($2::text[])",
        SUSPENSION_END,
        [row["suspension_id"] for row in gone],
    )
    return {"suspensions": len(gone)}

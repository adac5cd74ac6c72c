"""Runs of imports, and the rows they rejected."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection

__all__ = [
    "ImportRun",
    "Rejection",
    "add_import",
    "add_rejections",
    "find_import",
    "find_rejections",
    "get_import",
    "lock_import",
    "save_import",
]


@dataclass(frozen=True, slots=True)
class ImportRun:
    """How far an import has come. `warnings`: code -> {"count": n, "lines": the first few}."""

    import_id: UUID
    dry_run: bool
    started_at: datetime
    rows: int = 0
    registered: int = 0
    already: int = 0
    rejected: int = 0
    warnings: dict[str, Any] = field(default_factory=dict)
    stopped_at_line: int | None = None
    finished_at: datetime | None = None


class Rejection(NamedTuple):
    """A row of a sheet that was not taken; each problem as field, code, value (masked), reason, fix."""

    line: int
    problems: list[dict[str, str]]


async def add_import(conn: Connection, run: ImportRun, caller: str, key: str) -> None:
    """Begin an import."""
    await conn.execute(
        "INSERT INTO import_run (import_id, caller, key, dry_run, started_at) VALUES ($1, $2, $3, $4, $5)",
        run.import_id,
        caller,
        key,
        run.dry_run,
        run.started_at,
    )


FIND_IMPORT = """
SELECT import_id, dry_run, started_at, rows, registered, already, rejected, warnings, stopped_at_line, finished_at
FROM import_run WHERE caller = $1 AND key = $2 ORDER BY import_id DESC LIMIT 1
"""

GET_IMPORT = """
SELECT import_id, dry_run, started_at, rows, registered, already, rejected, warnings, stopped_at_line, finished_at
FROM import_run WHERE import_id = $1
"""

LOCK_IMPORT = """
SELECT import_id, dry_run, started_at, rows, registered, already, rejected, warnings, stopped_at_line, finished_at
FROM import_run WHERE import_id = $1 FOR UPDATE
"""

SAVE_IMPORT = """
UPDATE import_run
SET rows = $2, registered = $3, already = $4, rejected = $5, warnings = $6, stopped_at_line = $7, finished_at = $8
WHERE import_id = $1
"""


async def find_import(conn: Connection, caller: str, key: str) -> ImportRun | None:
    """The latest import of this caller under this Idempotency-Key."""
    row = await conn.fetchrow(FIND_IMPORT, caller, key)
    return None if row is None else ImportRun(**dict(row))


async def get_import(conn: Connection, import_id: UUID) -> ImportRun:
    """An import that was begun."""
    row = await conn.fetchrow(GET_IMPORT, import_id)
    assert row is not None, "whoever holds an import's id has seen it begin"
    return ImportRun(**dict(row))


async def lock_import(conn: Connection, import_id: UUID) -> ImportRun:
    """An import that was begun, locked until the transaction ends."""
    row = await conn.fetchrow(LOCK_IMPORT, import_id)
    assert row is not None, "whoever holds an import's id has seen it begin"
    return ImportRun(**dict(row))


async def save_import(conn: Connection, run: ImportRun) -> None:
    """Write how far an import has come; the row is locked."""
    await conn.execute(
        SAVE_IMPORT,
        run.import_id,
        run.rows,
        run.registered,
        run.already,
        run.rejected,
        run.warnings,
        run.stopped_at_line,
        run.finished_at,
    )


async def add_rejections(conn: Connection, import_id: UUID, rejections: Sequence[Rejection]) -> None:
    """Note rows that were not taken."""
    await conn.execute(
        "INSERT INTO import_rejection (import_id, line, problems) "
        "SELECT $1, (noted ->> 'line')::bigint, noted -> 'problems' FROM jsonb_array_elements($2::jsonb) AS noted",
        import_id,
        [rejection._asdict() for rejection in rejections],
    )


FIND_REJECTIONS = """
SELECT line, problems FROM import_rejection WHERE import_id = $1 AND line > $2 ORDER BY line LIMIT $3
"""


async def find_rejections(conn: Connection, import_id: UUID, after: int, limit: int) -> list[Rejection]:
    """Rows of an import that were not taken, in the order of the sheet: at most `limit` of those below line `after`."""
    rows = await conn.fetch(FIND_REJECTIONS, import_id, after, limit)
    return [Rejection(row["line"], row["problems"]) for row in rows]

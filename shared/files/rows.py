"""Files outside the database: what is known of each, and which are to be removed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection

__all__ = [
    "REMOVE_FILE",
    "FileLost",
    "StoredFile",
    "add_file",
    "find_file",
    "find_files_sealed_before",
    "forget_file",
    "hasten_removal",
    "keep_file",
    "mark_sealed",
    "release_files",
]

REMOVE_FILE = "remove-file"
"""Kind of the timers that remove files nobody keeps."""
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Due whatever the clock of the service says."""


class FileLost(RuntimeError):
    """A row refers to a file that the store does not hold: a backup of one was restored without the other."""


class StoredFile(NamedTuple):
    """A file: `bytes` as it came; `sealed_with` is the id of the key that seals it, None for a public picture."""

    file_id: UUID
    media_type: str
    bytes: int
    sealed_with: str | None
    stored_at: datetime


async def add_file(conn: Connection, file: StoredFile, remove_at: datetime) -> None:
    """Note a file that is about to be written; it is removed at `remove_at` unless somebody keeps it before."""
    await conn.execute(
        "INSERT INTO stored_file (file_id, media_type, bytes, sealed_with, stored_at) VALUES ($1, $2, $3, $4, $5)",
        *file,
    )
    await conn.execute(
        "INSERT INTO timer (kind, key, due_at) VALUES ($1, $2, $3)", REMOVE_FILE, str(file.file_id), remove_at
    )


async def keep_file(conn: Connection, file_id: UUID) -> bool:
    """Keep a file from now on, in the transaction of the row that refers to it. False: it was removed meanwhile."""
    # the timer first, as who removes it does: the two then wait for each other in one order
    await conn.execute("DELETE FROM timer WHERE kind = $1 AND key = $2", REMOVE_FILE, str(file_id))
    return bool(
        await conn.fetchval(
            "UPDATE stored_file SET kept = true WHERE file_id = $1 AND NOT kept RETURNING true", file_id
        )
    )


async def hasten_removal(conn: Connection, file_id: UUID) -> None:
    """Have a file removed at once if nobody keeps it; one that is kept stays."""
    await conn.execute("UPDATE timer SET due_at = $3 WHERE kind = $1 AND key = $2", REMOVE_FILE, str(file_id), AT_ONCE)


async def release_files(conn: Connection, file_ids: Sequence[UUID]) -> int:
    """Have files removed that nothing refers to any longer, soon after this transaction; says how many.

    Call it after the rows that referred to them are gone.
    """
    released = await conn.fetch(
        "UPDATE stored_file SET kept = false WHERE file_id = ANY($1::uuid[]) AND kept RETURNING file_id", file_ids
    )
    await conn.execute(
        "INSERT INTO timer (kind, key, due_at) SELECT $1, file_id::text, $3 FROM unnest($2::uuid[]) AS f (file_id) "
        "ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at, attempts = 0, retry_at = NULL",
        REMOVE_FILE,
        [row["file_id"] for row in released],
        AT_ONCE,
    )
    return len(released)


async def find_file(conn: Connection, file_id: UUID) -> StoredFile | None:
    """What is known of a file that is kept."""
    row = await conn.fetchrow(
        "SELECT file_id, media_type, bytes, sealed_with, stored_at FROM stored_file WHERE file_id = $1 AND kept",
        file_id,
    )
    return None if row is None else StoredFile(*row)


async def forget_file(conn: Connection, file_id: UUID) -> bool:
    """Delete the row of a file that nobody keeps. False: it is kept, or forgotten already."""
    return bool(await conn.fetchval("DELETE FROM stored_file WHERE file_id = $1 AND NOT kept RETURNING true", file_id))


async def find_files_sealed_before(
    conn: Connection, current_key: str, after: UUID | None, limit: int
) -> list[StoredFile]:
    """Kept files that another key than the current one seals, those after `after`, locked against removal."""
    rows = await conn.fetch(
        "SELECT file_id, media_type, bytes, sealed_with, stored_at FROM stored_file "
        "WHERE sealed_with <> $1 AND kept AND ($2::uuid IS NULL OR file_id > $2) ORDER BY file_id LIMIT $3 FOR UPDATE",
        current_key,
        after,
        limit,
    )
    return [StoredFile(*row) for row in rows]


async def mark_sealed(conn: Connection, file_ids: Sequence[UUID], key: str) -> None:
    """Note that these files are sealed with this key now."""
    await conn.execute("UPDATE stored_file SET sealed_with = $2 WHERE file_id = ANY($1::uuid[])", file_ids, key)

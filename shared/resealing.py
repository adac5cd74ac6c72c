"""Keys change: what an older key sealed is sealed anew with the current one, while services run.

A value is replaced only where it is still the one that was read, so a writer in between wins. Cut off, the work goes on
where values of older keys are left.
"""

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from shared.crypto import Sealer
from shared.db import Database

__all__ = ["DEAD_LETTERS", "SealedColumn", "reseal"]

BATCH_ROWS = 1_000


class SealedColumn(NamedTuple):
    """A column of values, each sealed with its row's id as context.

    `select`: (id, sealed) of rows behind the id $1, in the order of ids, at most $2. `update`: from the arrays of
    ids $1, values read $2 and new values $3, replaces those that are still as read. `rows_at_once`: how many are in
    memory and in a transaction together.
    """

    name: str
    select: str
    update: str
    rows_at_once: int = BATCH_ROWS


DEAD_LETTERS = SealedColumn(
    "bodies of dead letters",
    "SELECT id, value AS sealed FROM dead_letter WHERE id > $1 AND value IS NOT NULL ORDER BY id LIMIT $2",
    "UPDATE dead_letter AS d SET value = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE d.id = n.id AND d.value = n.old",
)


async def reseal(database: Database, sealer: Sealer, column: SealedColumn, on_progress: Callable[[int], None]) -> int:
    """Seal the values of a column anew with the current key where another sealed them; how many values there are.

    `on_progress` gets how many were looked at. Raises `UnknownKey` naming the key that is wanted.
    """
    last, seen = UUID(int=0), 0
    while True:
        async with database.transaction() as conn:
            rows = await conn.fetch(column.select, last, column.rows_at_once)
            stale = [row for row in rows if sealer.key_id(row["sealed"]) != sealer.current]
            fresh = [sealer.seal(sealer.open(row["sealed"], row["id"].bytes), row["id"].bytes) for row in stale]
            if stale:
                await conn.execute(column.update, [r["id"] for r in stale], [r["sealed"] for r in stale], fresh)
        seen += len(rows)
        on_progress(seen)
        if len(rows) < column.rows_at_once:
            return seen
        last = rows[-1]["id"]

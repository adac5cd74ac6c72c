"""Rows of order lines from marketplaces' sales files, and of the imports that brought them."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.bazaar.domain.order_lines import Changes, Entry
from shared.db import Connection


class DaySum(NamedTuple):
    """What a vendor sold on a day, as far as it counts."""

    application_id: UUID
    day: date
    amount_rupiah: int
    orders: int
    pieces: int


async def find_entries(
    conn: Connection, bazaar_id: UUID, marketplace: str, hashes: Sequence[bytes]
) -> dict[bytes, Entry]:
    """Those of these lines that are known, by their hashes."""
    rows = await conn.fetch(
        "SELECT line_sha256, order_sha256, application_id, day, counted, pieces, amount_rupiah FROM order_line "
        "WHERE bazaar_id = $1 AND marketplace = $2 AND line_sha256 = ANY($3::bytea[])",
        bazaar_id,
        marketplace,
        hashes,
    )
    return {row["line_sha256"]: Entry(*row.values()) for row in rows}


async def add_import(
    conn: Connection,
    import_id: UUID,
    bazaar_id: UUID,
    marketplace: str,
    *,
    lines: int,
    changes: Changes,
    rejected: int,
    now: datetime,
) -> None:
    """What an import did, in figures."""
    await conn.execute(
        "INSERT INTO marketplace_import (import_id, bazaar_id, marketplace, lines, added, changed, unchanged, "
        "rejected, imported_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        import_id,
        bazaar_id,
        marketplace,
        lines,
        changes.added,
        changes.changed,
        changes.unchanged,
        rejected,
        now,
    )


async def save_entries(
    conn: Connection, import_id: UUID, bazaar_id: UUID, marketplace: str, entries: Sequence[Entry]
) -> None:
    """Lines as they are now; the bazaar is locked."""
    await conn.execute(
        "INSERT INTO order_line (bazaar_id, marketplace, import_id, line_sha256, order_sha256, application_id, day, "
        "counted, pieces, amount_rupiah) SELECT $1, $2, $3, * FROM unnest($4::bytea[], $5::bytea[], $6::uuid[], "
        "$7::date[], $8::boolean[], $9::int[], $10::bigint[]) "
        "ON CONFLICT (bazaar_id, marketplace, line_sha256) DO UPDATE SET import_id = excluded.import_id, "
        "application_id = excluded.application_id, day = excluded.day, counted = excluded.counted, "
        "pieces = excluded.pieces, amount_rupiah = excluded.amount_rupiah",
        bazaar_id,
        marketplace,
        import_id,
        [entry.sha256 for entry in entries],
        [entry.order_sha256 for entry in entries],
        [entry.application_id for entry in entries],
        [entry.day for entry in entries],
        [entry.counted for entry in entries],
        [entry.pieces for entry in entries],
        [entry.amount_rupiah for entry in entries],
    )


async def sum_days(conn: Connection, touched: Collection[tuple[UUID, date]]) -> list[DaySum]:
    """What counts of these vendors' days, in the order of ids and days; nothing left is a sum too."""
    rows = await conn.fetch(
        "SELECT t.application_id, t.day, coalesce(sum(l.amount_rupiah), 0)::bigint AS amount, "
        "count(DISTINCT (l.marketplace, l.order_sha256)) FILTER (WHERE l.application_id IS NOT NULL) AS orders, "
        "coalesce(sum(l.pieces), 0)::int AS pieces "
        "FROM unnest($1::uuid[], $2::date[]) AS t (application_id, day) LEFT JOIN order_line AS l "
        "ON l.application_id = t.application_id AND l.day = t.day AND l.counted "
        "GROUP BY t.application_id, t.day ORDER BY t.application_id, t.day",
        [application_id for application_id, _ in touched],
        [day for _, day in touched],
    )
    return [DaySum(*row.values()) for row in rows]


async def list_imports(conn: Connection, bazaar_id: UUID, after: UUID, limit: int) -> list[dict[str, Any]]:
    """Imports of a bazaar in the order they were made; one row more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT import_id, marketplace, lines, added, changed, unchanged, rejected, imported_at "
        "FROM marketplace_import WHERE bazaar_id = $1 AND import_id > $2 ORDER BY import_id LIMIT $3",
        bazaar_id,
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]

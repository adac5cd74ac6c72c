"""What training told of vendors: the last word on each certificate, mentor, visit, case and candidacy."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from services.vendor.domain.progress import Fact
from shared.db import Connection

__all__ = ["collect_progress", "erase_progress", "find_facts", "lock_known", "save_facts"]


async def lock_known(conn: Connection, vendor_ids: Collection[UUID]) -> set[UUID]:
    """Those of these vendors that are registered and not erased, locked in the order of their ids: nobody is erased
    while something of it is written.
    """
    rows = await conn.fetch(
        "SELECT vendor_id FROM vendor WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL "
        "ORDER BY vendor_id FOR NO KEY UPDATE",
        list(vendor_ids),
    )
    return {row["vendor_id"] for row in rows}


async def save_facts(conn: Connection, facts: Sequence[Fact]) -> None:
    """Lay what is said over what was said before, one fact for each thing; an earlier word that comes late is
    dropped.
    """
    await conn.execute(
        "INSERT INTO training_fact AS f (vendor_id, kind, fact_id, said, training_version, at) "
        "SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[], $5::bigint[], $6::timestamptz[]) "
        "ON CONFLICT (vendor_id, kind, fact_id) DO UPDATE SET said = f.said || excluded.said, "
        "training_version = excluded.training_version, at = excluded.at "
        "WHERE f.training_version < excluded.training_version",
        [fact.vendor_id for fact in facts],
        [fact.kind for fact in facts],
        [fact.fact_id for fact in facts],
        [fact.said for fact in facts],
        [fact.version for fact in facts],
        [fact.at for fact in facts],
    )


async def find_facts(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Fact]:
    """What training said of these registrations, what was said first first."""
    rows = await conn.fetch(
        "SELECT vendor_id, kind, fact_id, said, training_version AS version, at FROM training_fact "
        "WHERE vendor_id = ANY($1::uuid[]) ORDER BY at, kind, fact_id",
        vendor_ids,
    )
    return [Fact(**row) for row in rows]


async def collect_progress(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept of what training told of these registrations, JSON-ready."""
    return {
        "told_by_training": [
            {
                "vendor_id": str(fact.vendor_id),
                "kind": fact.kind,
                "id": str(fact.fact_id),
                "said": fact.said,
                "at": fact.at.isoformat(),
            }
            for fact in await find_facts(conn, vendor_ids)
        ]
    }


async def erase_progress(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Remove what training told of these registrations."""
    rows = await conn.fetch("DELETE FROM training_fact WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids)
    return {"training-facts": len(rows)}

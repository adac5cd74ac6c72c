"""Who registered itself: one registration for each account, which is known by a keyed hash alone."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.db import Connection

__all__ = ["add_newcomer", "collect_newcomers", "erase_newcomers", "find_newcomer"]


async def find_newcomer(conn: Connection, subject_index: bytes) -> UUID | None:
    """The vendor as which this account registered itself."""
    vendor_id: UUID | None = await conn.fetchval(
        "SELECT vendor_id FROM newcomer WHERE subject_index = $1", subject_index
    )
    return vendor_id


async def add_newcomer(conn: Connection, subject_index: bytes, vendor_id: UUID) -> bool:
    """Note as which vendor an account registered itself; False when it did before."""
    status = await conn.execute(
        "INSERT INTO newcomer (subject_index, vendor_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        subject_index,
        vendor_id,
    )
    return status == "INSERT 0 1"


async def collect_newcomers(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """How many accounts registered themselves as one of these."""
    count = await conn.fetchval("SELECT count(*) FROM newcomer WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {"accounts": count}


async def erase_newcomers(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Forget the accounts: whoever was erased may register anew."""
    gone = await conn.fetch("DELETE FROM newcomer WHERE vendor_id = ANY($1::uuid[]) RETURNING true", vendor_ids)
    return {"account": len(gone)}

"""The audit log: rows are added, each chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection

__all__ = ["Entry", "add_entry", "digest"]

CHAIN_LOCK = 7_310_001
"""Key of the advisory lock that orders the writers of the chain."""
BEGINNING = b"\0" * 32


class Entry(NamedTuple):
    """One row: who did what to whom. `detail` holds ids, codes and reasons, no personal data."""

    seq: int
    at: datetime
    actor: str
    act: str
    vendor_id: UUID | None
    detail: Mapping[str, Any]


def digest(before: bytes, entry: Entry) -> bytes:
    """sha256 over the hash of the row before and this row as canonical JSON."""
    row = {
        "seq": entry.seq,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "act": entry.act,
        "vendor_id": None if entry.vendor_id is None else str(entry.vendor_id),
        "detail": entry.detail,
    }
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(before + text.encode()).digest()


async def add_entry(
    conn: Connection, actor: str, act: str, vendor_id: UUID | None, detail: Mapping[str, Any], now: datetime
) -> None:
    """Add a row at the end of the chain; its writers wait for each other until their transactions end."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", CHAIN_LOCK)
    last = await conn.fetchrow("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
    seq, before = (1, BEGINNING) if last is None else (last["seq"] + 1, last["hash"])
    entry = Entry(seq, now, actor, act, vendor_id, detail)
    await conn.execute(
        "INSERT INTO audit_log (seq, at, actor, act, vendor_id, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *entry,
        digest(before, entry),
    )

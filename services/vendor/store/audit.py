"""The audit log: rows are added, each chained to the one before by its hash.

Who can write to the database can drop the trigger that forbids changes, and could compute every later hash anew: what
proves the log is a head of the chain (how many rows, and the hash of the last) written down elsewhere.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from shared.db import Connection

__all__ = [
    "BEGINNING",
    "Broken",
    "Entry",
    "Head",
    "add_entry",
    "count_entries",
    "digest",
    "find_entries",
    "verify_chain",
]

CHAIN_LOCK = 7_310_001
"""Key of the advisory lock that orders the writers of the chain."""
BEGINNING = b"\0" * 32
"""What the first row is chained to."""
ROWS_PER_FETCH = 1000


class Entry(NamedTuple):
    """One row: who did what to whom. `detail` holds ids, codes, reasons and counts, no personal data."""

    seq: int
    at: datetime
    actor: str
    act: str
    vendor_id: UUID | None
    detail: Mapping[str, Any]


class Head(NamedTuple):
    """Where a chain ends: how many rows, and the hash of the last. Kept elsewhere it proves all rows up to it."""

    rows: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row of a chain that is not as it was written."""

    seq: int
    why: str


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


def _check_plain(detail: Any) -> None:
    """Raise `TypeError` for what jsonb would give back in another form than it was hashed in.

    That is a float (1e20 comes back as an integer, -0.0 as 0.0), a key that is no text, a date, an id as it is.
    """
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            if not isinstance(key, str):
                raise TypeError(f"a key of an audit detail is text, not {type(key).__name__}")
            _check_plain(value)
    elif isinstance(detail, list | tuple):
        for value in detail:
            _check_plain(value)
    elif not isinstance(detail, str | int | None):
        raise TypeError(f"an audit detail holds text, integers, lists and mappings, not {type(detail).__name__}")


async def add_entry(
    conn: Connection, actor: str, act: str, vendor_id: UUID | None, detail: Mapping[str, Any], now: datetime
) -> None:
    """Add a row at the end of the chain; its writers wait for each other until their transactions end.

    Call it when everything else is locked: who waits here for a transaction that waits for his rows is a deadlock.
    """
    _check_plain(detail)
    await conn.execute("SELECT pg_advisory_xact_lock($1)", CHAIN_LOCK)
    last = await conn.fetchrow("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
    seq, before = (1, BEGINNING) if last is None else (last["seq"] + 1, last["hash"])
    entry = Entry(seq, now, actor, act, vendor_id, detail)
    await conn.execute(
        "INSERT INTO audit_log (seq, at, actor, act, vendor_id, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *entry,
        digest(before, entry),
    )


FIND_ENTRIES = """
SELECT seq, at, actor, act, vendor_id, detail, hash FROM audit_log
WHERE ($1::uuid IS NULL OR vendor_id = $1)
  AND ($2::text IS NULL OR actor = $2)
  AND ($3::text IS NULL OR act = $3)
  AND ($4::bigint IS NULL OR seq < $4)
ORDER BY seq DESC LIMIT $5
"""


async def find_entries(
    conn: Connection, vendor_id: UUID | None, actor: str | None, act: str | None, before: int | None, limit: int
) -> list[tuple[Entry, bytes]]:
    """Entries with their hashes, the newest first; those before the row `before`, at most `limit`."""
    async with conn.transaction():
        await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await conn.fetch(FIND_ENTRIES, vendor_id, actor, act, before, limit)
    return [(_entry(row), row["hash"]) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(row["seq"], row["at"], row["actor"], row["act"], row["vendor_id"], row["detail"])


async def count_entries(conn: Connection) -> int:
    """How many rows there are, by the number of the last."""
    count: int = await conn.fetchval("SELECT coalesce(max(seq), 0) FROM audit_log")
    return count


ALL_ENTRIES = "SELECT seq, at, actor, act, vendor_id, detail, hash FROM audit_log ORDER BY seq"


async def verify_chain(conn: Connection, expected: Head | None = None) -> AsyncIterator[Head | Broken]:
    """Walk the chain as it stands now: the head after every thousand rows and at the end, or the first broken row.

    `expected` is a head written down before: the chain must still hold that very row. Memory stays flat.
    """
    head = Head(0, BEGINNING)
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        cursor = await conn.cursor(ALL_ENTRIES)
        while rows := await cursor.fetch(ROWS_PER_FETCH):
            for row in rows:
                broken = _compare(head, row)
                if broken is not None:
                    yield broken
                    return
                head = Head(row["seq"], row["hash"])
                if expected is not None and head.rows == expected.rows and head.hash != expected.hash:
                    yield Broken(head.rows, "is not the row whose hash was written down: the chain was computed anew")
                    return
            yield head
    if expected is not None and head.rows < expected.rows:
        yield Broken(head.rows + 1, f"was removed with all behind it: {expected.rows} rows were written down")
        return
    yield head


def _compare(head: Head, row: asyncpg.Record) -> Broken | None:
    """What is wrong with the row that follows this head, if anything is."""
    following = head.rows + 1
    if row["seq"] > following:
        return Broken(following, f"was removed; row {row['seq']} follows row {head.rows}")
    if row["seq"] < following:
        return Broken(row["seq"], "was inserted: its number does not follow the row before it")
    try:
        fits = digest(head.hash, _entry(row)) == row["hash"]
    except (TypeError, ValueError, OverflowError):  # no entry of ours: a date without end, a text without meaning
        fits = False
    return None if fits else Broken(following, "was changed, or inserted, or the rows before it were renumbered")

"""Ed25519 keys with which a service signs, as rows of a table of its own.

The newest key signs. The public half of every one stays, for what it signed. Private halves are sealed, with the row's
id as context.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id
from shared.tickets import key_id_of

__all__ = ["KeyTable", "SigningKey", "find_public_keys", "open_signing_key", "rotate_key"]


class KeyTable(NamedTuple):
    """Where a service keeps the keys of one purpose.

    `lock`: name of the lock under which keys are made. `newest`: selects (id, key_id, public, sealed) of the key that
    signs. `add`: inserts $1..$5, the same and when it was made. `public`: selects (key_id, public) of all, the newest
    first.
    """

    lock: str
    newest: str
    add: str
    public: str


class SigningKey(NamedTuple):
    """A key that signs: its private half is sealed with `id` as context."""

    id: UUID
    key_id: str
    public: bytes
    sealed: bytes


async def open_signing_key(conn: Connection, table: KeyTable, sealer: Sealer, *, now: datetime) -> tuple[str, bytes]:
    """The id and the private half (32 bytes) of the key that signs now; made when there is none yet."""
    found = await _find_newest(conn, table)
    if found is None:
        await _lock(conn, table)
        found = await _find_newest(conn, table) or await _make(conn, table, sealer, now=now)
    return found.key_id, sealer.open(found.sealed, found.id.bytes)


async def rotate_key(conn: Connection, table: KeyTable, sealer: Sealer, *, now: datetime) -> str:
    """A new key signs from now on; what older keys signed stays good. Gives the new key's id."""
    await _lock(conn, table)
    return (await _make(conn, table, sealer, now=now)).key_id


async def find_public_keys(conn: Connection, table: KeyTable) -> dict[str, bytes]:
    """The public half of every key there ever was, the newest first."""
    rows = await conn.fetch(table.public)
    return {row["key_id"]: row["public"] for row in rows}


async def _lock(conn: Connection, table: KeyTable) -> None:
    """Let one transaction at a time make a key."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", table.lock)


async def _find_newest(conn: Connection, table: KeyTable) -> SigningKey | None:
    row = await conn.fetchrow(table.newest)
    return None if row is None else SigningKey(**row)


async def _make(conn: Connection, table: KeyTable, sealer: Sealer, *, now: datetime) -> SigningKey:
    private, row_id = Ed25519PrivateKey.generate(), new_id()
    public = private.public_key().public_bytes_raw()
    key = SigningKey(row_id, key_id_of(public), public, sealer.seal(private.private_bytes_raw(), row_id.bytes))
    await conn.execute(table.add, *key, now)
    return key

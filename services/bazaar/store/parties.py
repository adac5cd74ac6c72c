"""Rows of parties and who is in them. A party's row is locked, after its bazaar and before its members."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.parties import Member, Party
from services.bazaar.store.applications import lock_applications
from shared.db import Connection


async def add_party(conn: Connection, party: Party, code_sha256: bytes, *, now: datetime) -> None:
    """A new party; of its code the hash."""
    await conn.execute(
        "INSERT INTO party (party_id, bazaar_id, if_apart, size, code_sha256, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        party.party_id,
        party.bazaar_id,
        party.if_apart,
        party.size,
        code_sha256,
        now,
    )


async def save_code(conn: Connection, party_id: UUID, code_sha256: bytes) -> None:
    """Another code from now on; the one before it leads nowhere."""
    await conn.execute("UPDATE party SET code_sha256 = $2 WHERE party_id = $1", party_id, code_sha256)


async def lock_party_of_code(conn: Connection, bazaar_id: UUID, code_sha256: bytes) -> Party | None:
    """The party of a bazaar that has this code, locked."""
    row = await conn.fetchrow(
        "SELECT party_id, bazaar_id, if_apart, size FROM party WHERE code_sha256 = $1 AND bazaar_id = $2 "
        "FOR NO KEY UPDATE",
        code_sha256,
        bazaar_id,
    )
    return None if row is None else _party(row)


async def lock_party(conn: Connection, party_id: UUID) -> Party:
    """A party that exists, locked."""
    row = await conn.fetchrow(
        "SELECT party_id, bazaar_id, if_apart, size FROM party WHERE party_id = $1 FOR NO KEY UPDATE", party_id
    )
    assert row is not None
    return _party(row)


async def find_party(conn: Connection, party_id: UUID) -> Party:
    """A party that exists."""
    row = await conn.fetchrow("SELECT party_id, bazaar_id, if_apart, size FROM party WHERE party_id = $1", party_id)
    assert row is not None
    return _party(row)


def _party(row: Record) -> Party:
    return Party(row["party_id"], row["bazaar_id"], row["if_apart"], row["size"])


async def lock_members(conn: Connection, party_id: UUID) -> list[Member]:
    """Who is in a party and has not withdrawn, locked in the order of ids. The party is locked, so nobody joins."""
    numbers = await find_numbers(conn, party_id)
    locked = await lock_applications(conn, list(numbers))
    return [Member(one, numbers[one.application_id]) for one in locked if one.state == "received"]


async def find_numbers(conn: Connection, party_id: UUID) -> dict[UUID, int]:
    """Who is in a party and has not withdrawn, in the order of joining: application -> the how-manieth it was."""
    rows = await conn.fetch(
        "SELECT application_id, party_nth FROM application "
        "WHERE party_id = $1 AND party_nth IS NOT NULL AND state <> 'withdrawn' ORDER BY party_nth",
        party_id,
    )
    return {row["application_id"]: row["party_nth"] for row in rows}


async def save_place(conn: Connection, application_id: UUID, party_id: UUID) -> None:
    """This application is the last to have joined its party, which is locked."""
    await conn.execute(
        "UPDATE application SET party_nth = (SELECT coalesce(max(m.party_nth), 0) + 1 FROM application AS m "
        "WHERE m.party_id = $2) WHERE application_id = $1",
        application_id,
        party_id,
    )

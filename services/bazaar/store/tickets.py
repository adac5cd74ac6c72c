"""Rows of tickets and of the keys that sign them. Private halves are sealed; public ones stay for ever."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain.tickets import Issued
from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_TICKET_KEYS = SealedColumn(
    "keys of tickets",
    "SELECT id, sealed FROM ticket_key WHERE id > $1 ORDER BY id LIMIT $2",
    "UPDATE ticket_key AS k SET sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE k.id = n.id AND k.sealed = n.old",
)


class SigningKey(NamedTuple):
    """A key that signs tickets: its private half, sealed with `id` as context."""

    id: UUID
    key_id: str
    public: bytes
    sealed: bytes


async def lock_keys(conn: Connection) -> None:
    """Let one transaction at a time make a key."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('bazaar.ticket-keys', 0))")


async def find_signing_key(conn: Connection) -> SigningKey | None:
    """The newest key, which signs; None before the first ticket."""
    row = await conn.fetchrow(
        "SELECT id, key_id, public, sealed FROM ticket_key ORDER BY made_at DESC, id DESC LIMIT 1"
    )
    return None if row is None else SigningKey(**row)


async def add_key(conn: Connection, key: SigningKey, *, now: datetime) -> None:
    """A new key, which signs from now on."""
    await conn.execute(
        "INSERT INTO ticket_key (id, key_id, public, sealed, made_at) VALUES ($1, $2, $3, $4, $5)", *key, now
    )


async def find_public_keys(conn: Connection) -> dict[str, bytes]:
    """The public half of every key there ever was, the newest first."""
    rows = await conn.fetch("SELECT key_id, public FROM ticket_key ORDER BY made_at DESC, id DESC")
    return {row["key_id"]: row["public"] for row in rows}


async def find_last_tickets(conn: Connection, application_ids: Sequence[UUID]) -> dict[UUID, tuple[Issued, datetime]]:
    """Of each of these applications that has one: the last ticket, and when it was issued."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (application_id) application_id, serial, site_id, booth, days, issued_at FROM ticket "
        "WHERE application_id = ANY($1::uuid[]) ORDER BY application_id, serial DESC",
        list(application_ids),
    )
    return {
        row["application_id"]: (
            Issued(row["serial"], row["site_id"], row["booth"], tuple(row["days"])),
            row["issued_at"],
        )
        for row in rows
    }


async def find_ticket(conn: Connection, application_id: UUID) -> tuple[Issued, str] | None:
    """The last ticket of an application, and its text."""
    row = await conn.fetchrow(
        "SELECT serial, site_id, booth, days, ticket FROM ticket WHERE application_id = $1 "
        "ORDER BY serial DESC LIMIT 1",
        application_id,
    )
    if row is None:
        return None
    return Issued(row["serial"], row["site_id"], row["booth"], tuple(row["days"])), row["ticket"]


async def add_ticket(conn: Connection, application_id: UUID, issued: Issued, text: str, *, now: datetime) -> None:
    """A ticket was issued."""
    await conn.execute(
        "INSERT INTO ticket (application_id, serial, site_id, booth, days, ticket, issued_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        application_id,
        issued.serial,
        issued.site_id,
        issued.booth,
        list(issued.days),
        text,
        now,
    )


async def find_declined_days(conn: Connection, application_id: UUID) -> list[date]:
    """Days added to the site of a confirmed booth that its vendor did not want."""
    rows = await conn.fetch(
        "SELECT day FROM added_day WHERE application_id = $1 AND declined_at IS NOT NULL", application_id
    )
    return [row["day"] for row in rows]

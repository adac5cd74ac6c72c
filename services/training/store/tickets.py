"""Rows of tickets of places in classes, and of the keys that sign them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.training.domain.tickets import Issued
from shared.db import Connection
from shared.resealing import SealedColumn
from shared.signing_keys import KeyTable
from shared.tickets import Ticket

SEALED_TICKET_KEYS = SealedColumn(
    "keys of tickets",
    "SELECT id, sealed FROM ticket_key WHERE id > $1 ORDER BY id LIMIT $2",
    "UPDATE ticket_key AS k SET sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE k.id = n.id AND k.sealed = n.old",
)

KEYS = KeyTable(
    lock="training.ticket-keys",
    newest="SELECT id, key_id, public, sealed FROM ticket_key ORDER BY made_at DESC, id DESC LIMIT 1",
    add="INSERT INTO ticket_key (id, key_id, public, sealed, made_at) VALUES ($1, $2, $3, $4, $5)",
    public="SELECT key_id, public FROM ticket_key ORDER BY made_at DESC, id DESC",
)


class Held(NamedTuple):
    """The ticket of a class that a vendor has, with its text; `open`: the class is not over, nor cancelled."""

    class_id: UUID
    course: str
    title: str
    open: bool
    ticket: Issued
    text: str


def _issued(row: asyncpg.Record) -> Issued:
    return Issued(row["vendor_id"], row["serial"], row["number"], tuple(row["days"]), row["issued_at"])


async def find_last(conn: Connection, class_id: UUID) -> list[Issued]:
    """The last ticket of everybody who ever had one of this class."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (vendor_id) vendor_id, serial, number, days, issued_at FROM class_ticket "
        "WHERE class_id = $1 ORDER BY vendor_id, serial DESC",
        class_id,
    )
    return [_issued(row) for row in rows]


async def find_issued(conn: Connection, class_id: UUID, vendor_ids: Sequence[UUID]) -> dict[UUID, list[Issued]]:
    """Every ticket of this class that these vendors ever had."""
    rows = await conn.fetch(
        "SELECT vendor_id, serial, number, days, issued_at FROM class_ticket "
        "WHERE class_id = $1 AND vendor_id = ANY($2::uuid[]) ORDER BY vendor_id, serial",
        class_id,
        list(vendor_ids),
    )
    found: dict[UUID, list[Issued]] = {}
    for row in rows:
        found.setdefault(row["vendor_id"], []).append(_issued(row))
    return found


async def count_numbers(conn: Connection, class_id: UUID) -> int:
    """The highest number that was given in a class."""
    highest: int = await conn.fetchval(
        "SELECT coalesce(max(number), 0) FROM class_ticket WHERE class_id = $1", class_id
    )
    return highest


async def find_numbers(conn: Connection, class_id: UUID) -> dict[int, UUID]:
    """Who has which number in a class."""
    rows = await conn.fetch("SELECT DISTINCT number, vendor_id FROM class_ticket WHERE class_id = $1", class_id)
    return {row["number"]: row["vendor_id"] for row in rows}


async def add_tickets(
    conn: Connection, signed: Sequence[tuple[Ticket, int, str]], *, class_id: UUID, now: datetime
) -> None:
    """Tickets were issued: each with its number and its text."""
    await conn.executemany(
        "INSERT INTO class_ticket (class_id, vendor_id, serial, number, days, ticket, issued_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (class_id, ticket.subject, ticket.serial, number, list(ticket.days), text, now)
            for ticket, number, text in signed
        ],
    )


async def find_held(conn: Connection, vendor_ids: Sequence[UUID], class_id: UUID | None = None) -> list[Held]:
    """The tickets that count of these ids of a person, of places that they have: the class opened last first."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (c.class_id, t.vendor_id) c.class_id, c.course, c.title, c.state, t.vendor_id, t.serial,
            t.number, t.days, t.issued_at, t.ticket
        FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
            JOIN class_ticket t ON t.class_id = e.class_id AND t.vendor_id = e.vendor_id
        WHERE e.vendor_id = ANY($1::uuid[]) AND e.sessions_attended IS NULL AND c.state IN ('open', 'finished')
            AND t.issued_at >= e.enrolled_at AND ($2::uuid IS NULL OR c.class_id = $2)
        ORDER BY c.class_id DESC, t.vendor_id, t.serial DESC
        """,
        list(vendor_ids),
        class_id,
    )
    return [
        Held(row["class_id"], row["course"], row["title"], row["state"] == "open", _issued(row), row["ticket"])
        for row in rows
    ]

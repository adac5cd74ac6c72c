"""Rows of tickets and of the keys that sign them. Private halves are sealed; public ones stay for ever."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from services.bazaar.domain.tickets import Issued
from shared.db import Connection
from shared.resealing import SealedColumn
from shared.signing_keys import KeyTable

SEALED_TICKET_KEYS = SealedColumn(
    "keys of tickets",
    "SELECT id, sealed FROM ticket_key WHERE id > $1 ORDER BY id LIMIT $2",
    "UPDATE ticket_key AS k SET sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE k.id = n.id AND k.sealed = n.old",
)


KEYS = KeyTable(
    lock="bazaar.ticket-keys",
    newest="SELECT id, key_id, public, sealed FROM ticket_key ORDER BY made_at DESC, id DESC LIMIT 1",
    add="INSERT INTO ticket_key (id, key_id, public, sealed, made_at) VALUES ($1, $2, $3, $4, $5)",
    public="SELECT key_id, public FROM ticket_key ORDER BY made_at DESC, id DESC",
)


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

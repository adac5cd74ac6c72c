"""Erasures: which registrations were erased, what each service answered; what lies of a person in the mechanisms."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.erasure import Erasure, Receipt
from services.vendor.domain.registration import Vendor
from shared.db import Connection

__all__ = [
    "Letter",
    "add_erasure",
    "add_receipt",
    "count_unsent",
    "find_by_leads",
    "find_erasure",
    "find_erasures",
    "find_letters",
    "find_receipts",
    "find_waiting_for_commands",
    "header_bytes",
    "lock_erasure",
    "save_erasure",
    "strip_vendor",
    "wipe_letters",
]


class Letter(NamedTuple):
    """A dead letter with its body, still sealed. `headers` are as the sender wrote them, in base64."""

    letter_id: UUID
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | None]]
    type: str
    state: str
    created_at: datetime


def header_bytes(value: str | None) -> bytes:
    """A header of a dead letter as its sender wrote it."""
    return b"" if value is None else base64.b64decode(value)


def _erasure(row: asyncpg.Record) -> Erasure:
    return Erasure(**dict(row))


async def add_erasure(conn: Connection, erasure: Erasure) -> None:
    """Keep that a registration is erased."""
    await conn.execute(
        "INSERT INTO erasure (erasure_id, leads, vendor_id, origin, reason, erased_at, due_at, card_version) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        erasure.erasure_id,
        erasure.leads,
        erasure.vendor_id,
        erasure.origin,
        erasure.reason,
        erasure.erased_at,
        erasure.due_at,
        erasure.card_version,
    )


async def find_erasure(conn: Connection, erasure_id: UUID) -> tuple[Erasure, str] | None:
    """One erasure, and the kelurahan of the registration, which stays."""
    row = await conn.fetchrow(
        "SELECT e.erasure_id, e.leads, e.vendor_id, e.origin, e.reason, e.erased_at, e.due_at, e.card_version, "
        "e.published_at, e.repeated_at, e.sealed_at, e.commands_deleted_at, e.completed_at, e.receipt, "
        "e.receipt_sha256, v.kelurahan FROM erasure AS e JOIN vendor AS v USING (vendor_id) WHERE e.erasure_id = $1",
        erasure_id,
    )
    if row is None:
        return None
    values = dict(row)
    kelurahan: str = values.pop("kelurahan")
    return Erasure(**values), kelurahan


async def lock_erasure(conn: Connection, erasure_id: UUID) -> Erasure | None:
    """One erasure, locked until the transaction ends."""
    row = await conn.fetchrow(
        "SELECT erasure_id, leads, vendor_id, origin, reason, erased_at, due_at, card_version, published_at, "
        "repeated_at, sealed_at, commands_deleted_at, completed_at, receipt, receipt_sha256 "
        "FROM erasure WHERE erasure_id = $1 FOR UPDATE",
        erasure_id,
    )
    return None if row is None else _erasure(row)


async def find_by_leads(conn: Connection, leads: UUID) -> list[Erasure]:
    """Every erasure of one person."""
    rows = await conn.fetch(
        "SELECT erasure_id, leads, vendor_id, origin, reason, erased_at, due_at, card_version, published_at, "
        "repeated_at, sealed_at, commands_deleted_at, completed_at, receipt, receipt_sha256 "
        "FROM erasure WHERE leads = $1 ORDER BY erasure_id",
        leads,
    )
    return [_erasure(row) for row in rows]


async def find_erasures(
    conn: Connection, *, completed: bool | None, due_before: datetime | None, after: UUID | None, limit: int
) -> list[Erasure]:
    """Erasures, oldest first: all, those completed or not, those due before a moment."""
    rows = await conn.fetch(
        "SELECT erasure_id, leads, vendor_id, origin, reason, erased_at, due_at, card_version, published_at, "
        "repeated_at, sealed_at, commands_deleted_at, completed_at, receipt, receipt_sha256 FROM erasure "
        "WHERE ($1::boolean IS NULL OR (completed_at IS NOT NULL) = $1) "
        "AND ($2::timestamptz IS NULL OR due_at < $2) AND ($3::uuid IS NULL OR erasure_id > $3) "
        "ORDER BY erasure_id LIMIT $4",
        completed,
        due_before,
        after,
        limit,
    )
    return [_erasure(row) for row in rows]


async def save_erasure(conn: Connection, erasure: Erasure) -> None:
    """Write how far an erasure has come; its row is locked."""
    await conn.execute(
        "UPDATE erasure SET card_version = $2, published_at = $3, repeated_at = $4, sealed_at = $5, "
        "commands_deleted_at = $6, completed_at = $7, receipt = $8, receipt_sha256 = $9 WHERE erasure_id = $1",
        erasure.erasure_id,
        erasure.card_version,
        erasure.published_at,
        erasure.repeated_at,
        erasure.sealed_at,
        erasure.commands_deleted_at,
        erasure.completed_at,
        erasure.receipt,
        erasure.receipt_sha256,
    )


async def add_receipt(conn: Connection, erasure_id: UUID, receipt: Receipt) -> bool:
    """Keep a service's answer; False when it came before, or nobody asked."""
    added = await conn.fetchval(
        "INSERT INTO erasure_receipt (erasure_id, service, erased, kept, at) "
        "SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT FROM erasure WHERE erasure_id = $1) "
        "ON CONFLICT DO NOTHING RETURNING true",
        erasure_id,
        receipt.service,
        dict(receipt.erased),
        dict(receipt.kept),
        receipt.at,
    )
    return added is not None


async def find_receipts(conn: Connection, erasure_ids: Sequence[UUID]) -> dict[UUID, list[Receipt]]:
    """What the services answered so far, by erasure."""
    rows = await conn.fetch(
        "SELECT erasure_id, service, erased, kept, at FROM erasure_receipt WHERE erasure_id = ANY($1::uuid[]) "
        "ORDER BY erasure_id, service",
        erasure_ids,
    )
    found: dict[UUID, list[Receipt]] = {erasure_id: [] for erasure_id in erasure_ids}
    for row in rows:
        found[row["erasure_id"]].append(Receipt(row["service"], row["erased"], row["kept"], row["at"]))
    return found


async def find_waiting_for_commands(conn: Connection) -> list[UUID]:
    """Erasures after which the consumed commands were not deleted yet."""
    rows = await conn.fetch(
        "SELECT erasure_id FROM erasure WHERE completed_at IS NULL AND commands_deleted_at IS NULL ORDER BY erasure_id"
    )
    return [row["erasure_id"] for row in rows]


async def strip_vendor(conn: Connection, vendor: Vendor) -> None:
    """Write what is left of a vendor under its id: its NIK goes with all else; its row is locked."""
    await conn.execute(
        "UPDATE vendor SET card_version = $2, nik_index = NULL, nik_sealed = NULL, name = $3, phone = $4, email = $5, "
        "street = $6, rw = $7, rt = $8, born_on = $9, suspended_because = $10, erased_at = $11 WHERE vendor_id = $1",
        vendor.vendor_id,
        vendor.card_version,
        vendor.name,
        vendor.phone,
        vendor.email,
        vendor.street,
        vendor.rw,
        vendor.rt,
        vendor.born_on,
        vendor.suspended_because,
        vendor.erased_at,
    )


async def count_unsent(conn: Connection, topic: str, key: str) -> int:
    """How many records of a key still wait in the outbox."""
    count: int = await conn.fetchval("SELECT count(*) FROM outbox WHERE topic = $1 AND key = $2", topic, key)
    return count


async def find_letters(conn: Connection, topic: str, after: UUID, limit: int) -> list[Letter]:
    """Dead letters of a topic that still have their body, in any state; in the order of their ids."""
    rows = await conn.fetch(
        "SELECT id, key, value, headers, type, state, created_at FROM dead_letter "
        "WHERE topic = $1 AND value IS NOT NULL AND id > $2 ORDER BY id LIMIT $3",
        topic,
        after,
        limit,
    )
    return [Letter(*row) for row in rows]


async def wipe_letters(conn: Connection, letters: Sequence[UUID], note: str, now: datetime) -> int:
    """Empty dead letters of a person: body, key and headers go, the row stays and says so. Never to be replayed."""
    rows = await conn.fetch(
        "UPDATE dead_letter SET value = NULL, key = NULL, headers = '[]', replay = false, "
        "settled_at = coalesce(settled_at, $2), "
        "state = CASE WHEN state IN ('failed', 'waiting') THEN 'discarded' ELSE state END "
        "WHERE id = ANY($1::uuid[]) RETURNING id",
        letters,
        now,
    )
    await conn.execute(
        "INSERT INTO dead_letter_act (dead_letter_id, actor, act, note, at) "
        "SELECT id, 'registry', 'erase', $2, $3 FROM unnest($1::uuid[]) AS id",
        [row["id"] for row in rows],
        note,
        now,
    )
    return len(rows)

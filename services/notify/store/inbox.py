"""The inbox: every message to a person, whatever other way it went."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notify.domain.people import Contact
from shared.db import Connection


async def find_inbox(
    conn: Connection, vendor_ids: Sequence[UUID], *, unread: bool, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Messages to these ids, newest first. Not there: what the person ended or did not consent to, what a broadcast has
    not sent (yet), what is paused, digests (their messages are here themselves), what test keys made.
    """
    rows = await conn.fetch(
        "SELECT id AS notification_id, vendor_id, template, template_version, topic, params, language, cause_at, "
        "planned_at, deadline, read_at FROM notification "
        "WHERE vendor_id = ANY($1::uuid[]) AND template <> 'digest' AND mode <> 'test' "
        "AND state NOT IN ('held', 'cancelled') "
        "AND NOT (state IN ('planned', 'waiting_contact', 'deferred') "
        "AND template IN (SELECT template FROM template_standing WHERE paused)) "
        "AND NOT (state = 'rejected' AND reason IN ('stopped', 'no-consent', 'erased')) "
        "AND (broadcast_id IS NULL OR state IN ('sent', 'delivered', 'unknown', 'digested')) "
        "AND (NOT $2 OR read_at IS NULL) AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        vendor_ids,
        unread,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def count_unread(conn: Connection, vendor_ids: Sequence[UUID]) -> int:
    """How many of them were not read."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM notification "
        "WHERE vendor_id = ANY($1::uuid[]) AND template <> 'digest' AND mode <> 'test' "
        "AND state NOT IN ('held', 'cancelled') "
        "AND NOT (state IN ('planned', 'waiting_contact', 'deferred') "
        "AND template IN (SELECT template FROM template_standing WHERE paused)) "
        "AND NOT (state = 'rejected' AND reason IN ('stopped', 'no-consent', 'erased')) "
        "AND (broadcast_id IS NULL OR state IN ('sent', 'delivered', 'unknown', 'digested')) AND read_at IS NULL",
        vendor_ids,
    )
    return count


async def find_contacts(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, Contact]:
    """The cards of these vendors, mentors and providers."""
    rows = await conn.fetch(
        "SELECT vendor_id, name, phone, email, language FROM contact WHERE vendor_id = ANY($1::uuid[])", vendor_ids
    )
    return {row["vendor_id"]: Contact(row["name"], row["phone"], row["email"], row["language"]) for row in rows}


async def lock_message(conn: Connection, notification_id: UUID, vendor_ids: Sequence[UUID]) -> dict[str, Any] | None:
    """Lock a message to one of these ids."""
    row = await conn.fetchrow(
        "SELECT id, event_id, vendor_id, template, state, channel, version, delivered_at, read_at FROM notification "
        "WHERE id = $1 AND vendor_id = ANY($2::uuid[]) FOR UPDATE",
        notification_id,
        vendor_ids,
    )
    return None if row is None else dict(row)


async def save_read(conn: Connection, notification_id: UUID, version: int, now: datetime) -> None:
    """Write that a person read a message, which is locked. One that was only in the inbox is delivered by it."""
    await conn.execute(
        "UPDATE notification SET read_at = $3, version = $2, "
        "delivered_at = CASE WHEN state = 'sent' AND channel = 'inbox' THEN $3 ELSE delivered_at END, "
        "state = CASE WHEN state = 'sent' AND channel = 'inbox' THEN 'delivered' ELSE state END WHERE id = $1",
        notification_id,
        version,
        now,
    )

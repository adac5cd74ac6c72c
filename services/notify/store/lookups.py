"""Reads for people and for comparing copies: notifications, attempts, figures, checksums."""

from typing import Any
from uuid import UUID

from services.notify.domain.people import Contact
from shared.db import Connection


async def find_notifications(
    conn: Connection,
    *,
    template: str | None,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Notifications, newest first; at most `limit`, older than `before`."""
    rows = await conn.fetch(
        "SELECT id AS notification_id, event_id AS cause_event_id, template, vendor_id, state, reason, channel, "
        "language, attempts, cause_at, planned_at, deadline, sent_at FROM notification "
        "WHERE ($1::text IS NULL OR template = $1) AND ($2::text IS NULL OR state = $2) "
        "AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
        template,
        state,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def find_notifications_of(
    conn: Connection,
    vendor_id: UUID,
    *,
    template: str | None,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Notifications of one vendor, newest first. A statement of its own, so that its index serves every plan."""
    rows = await conn.fetch(
        "SELECT id AS notification_id, event_id AS cause_event_id, template, vendor_id, state, reason, channel, "
        "language, attempts, cause_at, planned_at, deadline, sent_at FROM notification "
        "WHERE vendor_id = $1 AND ($2::text IS NULL OR template = $2) AND ($3::text IS NULL OR state = $3) "
        "AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
        vendor_id,
        template,
        state,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def find_notification(conn: Connection, notification_id: UUID) -> dict[str, Any] | None:
    """One notification with what it was made of."""
    row = await conn.fetchrow(
        "SELECT id AS notification_id, event_id AS cause_event_id, template, template_version, params, vendor_id, "
        "state, reason, channel, language, attempts, cause_at, planned_at, deadline, sent_at, settled_at "
        "FROM notification WHERE id = $1",
        notification_id,
    )
    return None if row is None else dict(row)


async def find_attempts(conn: Connection, notification_id: UUID) -> list[dict[str, Any]]:
    """Every attempt at a notification, in order."""
    rows = await conn.fetch(
        "SELECT id AS attempt_id, number, channel, began_at, ended_at, outcome, code, note FROM attempt "
        "WHERE notification_id = $1 ORDER BY number",
        notification_id,
    )
    return [dict(row) for row in rows]


async def find_contact(conn: Connection, vendor_id: UUID) -> Contact | None:
    """How to reach a vendor, a provider or a mentor, if its card is here."""
    row = await conn.fetchrow("SELECT name, phone, email, language FROM contact WHERE vendor_id = $1", vendor_id)
    return None if row is None else Contact(row["name"], row["phone"], row["email"], row["language"])


async def count_notifications(conn: Connection) -> list[tuple[str, str, str | None, int]]:
    """How many by (template, state, channel)."""
    rows = await conn.fetch(
        "SELECT template, state, channel, count(*) AS n FROM notification GROUP BY template, state, channel"
    )
    return [(row["template"], row["state"], row["channel"], row["n"]) for row in rows]


async def measure_latency(conn: Connection) -> tuple[int, float | None, float | None]:
    """Of what was sent: how many, and the median and 99th percentile of seconds from the cause to the acceptance."""
    row = await conn.fetchrow(
        "SELECT count(*) AS n, percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP "
        "(ORDER BY extract(epoch FROM sent_at - cause_at)::float8) AS p FROM notification WHERE state = 'sent'"
    )
    assert row is not None
    p50, p99 = row["p"] or (None, None)
    return row["n"], p50, p99


async def contacts_checksum(conn: Connection) -> tuple[int, str]:
    """How many contacts of vendors are here, and the sha256 of their sorted lines, which are
    `vendor_id|name|phone|email|language`.
    """
    row = await conn.fetchrow(
        "SELECT count(*) AS n, encode(sha256(convert_to("
        "coalesce(string_agg(line || chr(10), '' ORDER BY line COLLATE \"C\"), ''), 'UTF8')), 'hex') AS digest "
        "FROM (SELECT vendor_id::text || '|' || name || '|' || phone || '|' || coalesce(email, '') || '|' || language "
        "AS line FROM contact WHERE kind = 'vendor') AS lines"
    )
    assert row is not None
    return row["n"], row["digest"]

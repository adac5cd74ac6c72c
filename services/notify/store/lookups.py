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
    area: str | None,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Notifications, newest first; at most `limit`, older than `before`; of an area: to vendors who live there."""
    rows = await conn.fetch(
        "SELECT id AS notification_id, event_id AS cause_event_id, template, vendor_id, state, reason, channel, "
        "language, attempts, cause_at, planned_at, deadline, sent_at FROM notification "
        "WHERE ($1::text IS NULL OR template = $1) AND ($2::text IS NULL OR state = $2) "
        "AND ($3::uuid IS NULL OR id < $3) AND ($5::text IS NULL OR EXISTS (SELECT FROM vendor AS v "
        "WHERE v.vendor_id = notification.vendor_id AND (v.kelurahan = $5 OR v.kelurahan LIKE $5 || '.%'))) "
        "ORDER BY id DESC LIMIT $4",
        template,
        state,
        before,
        limit,
        area,
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
        "SELECT n.id AS notification_id, n.event_id AS cause_event_id, n.template, n.template_version, n.params, "
        "n.vendor_id, n.state, n.reason, n.channel, n.language, n.attempts, n.cause_at, n.planned_at, n.deadline, "
        "n.sent_at, n.settled_at, n.version, n.lane, n.topic, n.must, n.mode, n.provider, n.route, n.not_before, "
        "n.delivered_at, n.read_at, n.silent, n.digest_id, n.broadcast_id, n.resend_of, n.asked_by, "
        "n.bodies_gone_at, r.id AS resent_as, k.reference FROM notification AS n "
        "LEFT JOIN notification AS r ON r.resend_of = n.id "
        "LEFT JOIN key_message AS k ON k.notification_id = n.id WHERE n.id = $1",
        notification_id,
    )
    return None if row is None else dict(row)


async def find_attempts(conn: Connection, notification_id: UUID) -> list[dict[str, Any]]:
    """Every attempt at a notification, in order, each with what its provider reported."""
    rows = await conn.fetch(
        "SELECT id AS attempt_id, number, channel, began_at, ended_at, outcome, code, note, provider, message_id, "
        "status, status_at, failure, segments, cost_millirupiah, asks, coalesce((SELECT jsonb_agg(jsonb_build_object("
        "'status', r.status, 'code', r.code, 'at', r.at, 'received_at', r.received_at) ORDER BY r.received_at, r.at) "
        "FROM receipt AS r WHERE r.attempt_id = attempt.id), '[]') AS receipts FROM attempt "
        "WHERE notification_id = $1 ORDER BY number",
        notification_id,
    )
    return [dict(row) for row in rows]


async def find_digested(conn: Connection, digest_id: UUID, limit: int) -> list[UUID]:
    """The messages that this one told."""
    rows = await conn.fetch("SELECT id FROM notification WHERE digest_id = $1 ORDER BY id LIMIT $2", digest_id, limit)
    return [row["id"] for row in rows]


async def find_by_reference(
    conn: Connection, reference: str, *, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Notifications that other systems asked for under this reference, newest first."""
    rows = await conn.fetch(
        "SELECT n.id AS notification_id, n.event_id AS cause_event_id, n.template, n.vendor_id, n.state, n.reason, "
        "n.channel, n.language, n.attempts, n.cause_at, n.planned_at, n.deadline, n.sent_at FROM key_message AS k "
        "JOIN notification AS n ON n.id = k.notification_id WHERE k.reference = $1 "
        "AND ($2::uuid IS NULL OR n.id < $2) ORDER BY n.id DESC LIMIT $3",
        reference,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def find_by_message_id(
    conn: Connection, provider: str, message_id: str, *, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """The notification behind a provider's id of a message."""
    rows = await conn.fetch(
        "SELECT n.id AS notification_id, n.event_id AS cause_event_id, n.template, n.vendor_id, n.state, n.reason, "
        "n.channel, n.language, n.attempts, n.cause_at, n.planned_at, n.deadline, n.sent_at FROM attempt AS a "
        "JOIN notification AS n ON n.id = a.notification_id WHERE a.provider = $1 AND a.message_id = $2 "
        "AND ($3::uuid IS NULL OR n.id < $3) ORDER BY n.id DESC LIMIT $4",
        provider,
        message_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def find_vendors_at(conn: Connection, phone: str | None, email: str | None, limit: int) -> list[UUID]:
    """Vendors whose card has this phone (E.164), or this e-mail address."""
    if phone is not None:
        rows = await conn.fetch(
            "SELECT vendor_id FROM contact WHERE phone = $1 AND kind = 'vendor' ORDER BY vendor_id LIMIT $2",
            phone,
            limit,
        )
    else:
        rows = await conn.fetch(
            # sorted apart: few have it, but whoever sorts all cards first would find the ids in order
            "WITH found AS MATERIALIZED (SELECT vendor_id FROM contact WHERE lower(email) = lower($1) "
            "AND kind = 'vendor') SELECT vendor_id FROM found ORDER BY vendor_id LIMIT $2",
            email,
            limit,
        )
    return [row["vendor_id"] for row in rows]


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
        "(ORDER BY extract(epoch FROM sent_at - cause_at)::float8) AS p FROM notification WHERE sent_at IS NOT NULL"
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

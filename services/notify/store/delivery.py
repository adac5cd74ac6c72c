"""Delivery: attempts and outcomes (`claims` comes before).

Two clocks: business moments (`now`, deadlines) are arguments; leases and retry delays run on the database's clock, so
that neither a skewed machine nor the development clock can end a lease early.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.notify.domain.delivery import UNSENT, Settlement, Standing
from services.notify.domain.people import Contact
from shared.db import Connection
from shared.events.notify import Channel


class Start(NamedTuple):
    """An attempt about to be made. `claim` proves that the notification is still ours; `address_key`: blind index of
    where it goes.
    """

    notification_id: UUID
    claim: UUID
    attempt_id: UUID
    channel: Channel
    language: str | None
    provider: str = "smtp"
    address_key: bytes | None = None


async def begin_attempts(
    conn: Connection, starts: Sequence[Start], *, lease_seconds: float, now: datetime
) -> set[UUID]:
    """Write these attempts before their calls; ids of those that may be made now.

    One is missing when its claim has passed to somebody else (perhaps to another of these), when its deadline has
    passed, or when somebody decides about it at this moment: nobody is waited for, so this deadlocks with nobody.
    Repeating the statement after a commit whose answer was lost gives the same ids: an attempt that stands is counted.
    """
    rows = await conn.fetch(
        "WITH wanted AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $8::text[], "
        "$9::bytea[]) AS w (id, claim, attempt_id, channel, language, provider, address_key)), "
        "ours AS (SELECT n.id, w.attempt_id FROM notification AS n JOIN wanted AS w ON n.id = w.id "
        "WHERE n.claim = w.claim AND n.state IN ('queued', 'retry') AND n.deadline > $7 FOR UPDATE OF n SKIP LOCKED), "
        "begun AS (UPDATE notification n SET state = 'sending', attempts = n.attempts + 1, attempt_id = w.attempt_id, "
        "channel = w.channel, provider = w.provider, language = w.language, reason = NULL, "
        "due_at = clock_timestamp() + make_interval(secs => $6) FROM wanted w JOIN ours USING (id, attempt_id) "
        "WHERE n.id = w.id RETURNING n.id, n.attempt_id, n.attempts, n.channel, n.provider, w.address_key), "
        "noted AS (INSERT INTO attempt (id, notification_id, number, channel, provider, address_key, began_at) "
        "SELECT attempt_id, id, attempts, channel, provider, address_key, $7 FROM begun RETURNING id) "
        "SELECT id FROM noted UNION ALL "
        "SELECT w.attempt_id FROM wanted w JOIN notification n ON n.id = w.id "
        "WHERE n.attempt_id = w.attempt_id AND n.state = 'sending' AND n.due_at > statement_timestamp()",
        [start.notification_id for start in starts],
        [start.claim for start in starts],
        [start.attempt_id for start in starts],
        [start.channel for start in starts],
        [start.language for start in starts],
        lease_seconds,
        now,
        [start.provider for start in starts],
        [start.address_key for start in starts],
    )
    return {row["id"] for row in rows}


async def lock_attempted(conn: Connection, ids: Sequence[UUID]) -> list[tuple[Standing, UUID | None]]:
    """Lock these notifications in the order of their ids; each with its last attempt."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent, attempt_id "
        "FROM notification WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
        ids,
    )
    return [(standing(row), row["attempt_id"]) for row in rows]


async def find_lapsed(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these notifications, which are locked, whose attempt outlived its lease."""
    rows = await conn.fetch(
        "SELECT id FROM notification WHERE id = ANY($1::uuid[]) AND due_at <= statement_timestamp()", ids
    )
    return {row["id"] for row in rows}


async def lock_lost(conn: Connection, limit: int) -> list[Standing]:
    """Lock notifications whose attempt outlived its lease: whoever made it is gone, or slower than it may be."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent FROM notification "
        "WHERE state = 'sending' AND due_at <= statement_timestamp() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED",
        limit,
    )
    return [standing(row) for row in rows]


async def lock_overdue(conn: Connection, now: datetime, limit: int) -> list[Standing]:
    """Lock notifications that have not left by their deadline."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent FROM notification "
        "WHERE state IN ('planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry') AND deadline <= $1 "
        "ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    return [standing(row) for row in rows]


async def lock_unsent(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Standing]:
    """Lock all notifications of these vendors; those that have not begun to leave.

    In the one order in which everybody locks several: by their ids, and those told within digests after all others, for
    whoever settles a digest comes to them last.
    """
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent FROM notification WHERE vendor_id = ANY($1::uuid[]) "
        "ORDER BY digest_id IS NOT NULL, id FOR UPDATE",
        vendor_ids,
    )
    return [one for row in rows if (one := standing(row)).state in UNSENT]


async def lock_silent(
    conn: Connection, channel: Channel, *, seconds: float, least_seconds: float, now: datetime, limit: int
) -> list[Standing]:
    """Lock urgent messages that this channel took so many seconds ago, and gave no receipt of that they arrived, where
    another channel is left. When the deadline is near, half of what was left at the time is waited for. Not: what the
    person read in the inbox, and what was tried on the others already, in vain.
    """
    rows = await conn.fetch(
        "SELECT n.id, n.event_id, n.vendor_id, n.template, n.lane, n.state, n.version, n.attempts, n.channel, n.route, "
        "n.deadline, n.reason, n.sent_at, n.delivered_at, n.read_at, n.silent FROM notification AS n "
        "WHERE n.state = 'sent' AND n.lane = 0 AND n.route <> '{}' AND n.channel = $1 AND n.read_at IS NULL "
        "AND NOT (n.silent AND n.reason IS NOT NULL) "
        "AND n.due_at <= statement_timestamp() - make_interval(secs => $3) "
        "AND n.deadline > $4::timestamptz + make_interval(secs => $3) "
        "AND statement_timestamp() - n.due_at >= least(make_interval(secs => $2), n.deadline - $4::timestamptz) "
        "ORDER BY n.due_at LIMIT $5 FOR UPDATE SKIP LOCKED",
        channel,
        seconds,
        least_seconds,
        now,
        limit,
    )
    return [standing(row) for row in rows]


async def lock_stuck(conn: Connection, channel: Channel, limit: int) -> list[Standing]:
    """Lock urgent messages that wait for this channel, with another one left."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, route, deadline, reason, "
        "sent_at, delivered_at, read_at, silent FROM notification "
        "WHERE state IN ('queued', 'retry') AND channel = $1 AND (mode = 'test')::int = 0 AND lane = 0 "
        "AND route <> '{}' ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        channel,
        limit,
    )
    return [standing(row) for row in rows]


async def lock_notification(conn: Connection, notification_id: UUID) -> tuple[Standing, UUID | None] | None:
    """Lock one notification; it and its last attempt."""
    found = await lock_attempted(conn, [notification_id])
    return found[0] if found else None


async def save_settlements(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    """Write what these notifications have become."""
    await conn.execute(
        "UPDATE notification n SET state = s.state, version = s.version, reason = s.reason, silent = s.silent, "
        "channel = coalesce(s.channel, n.channel), "
        "claim = CASE WHEN s.due_seconds IS NULL THEN n.claim END, "
        "sent_at = CASE WHEN s.state IN ('sent', 'delivered') THEN coalesce(n.sent_at, $6) ELSE n.sent_at END, "
        "delivered_at = CASE WHEN s.state = 'delivered' THEN coalesce(n.delivered_at, $6) ELSE n.delivered_at END, "
        "read_at = CASE WHEN s.read THEN coalesce(n.read_at, $6) ELSE n.read_at END, "
        "settled_at = CASE WHEN s.due_seconds IS NULL THEN n.settled_at "
        "WHEN s.state NOT IN ('planned', 'retry') THEN $6::timestamptz END, "
        "due_at = CASE WHEN s.due_seconds IS NULL THEN n.due_at "
        "ELSE clock_timestamp() + make_interval(secs => s.due_seconds) END "
        "FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::float8[], $7::text[], $8::bool[], "
        "$9::bool[]) AS s (id, state, version, reason, due_seconds, channel, read, silent) WHERE n.id = s.id",
        [settlement.id for settlement in settlements],
        [settlement.state for settlement in settlements],
        [settlement.version for settlement in settlements],
        [settlement.reason for settlement in settlements],
        [settlement.due_seconds for settlement in settlements],
        now,
        [settlement.channel for settlement in settlements],
        [settlement.read for settlement in settlements],
        [settlement.silent for settlement in settlements],
    )


class Ended(NamedTuple):
    """How an attempt ended: accepted, rejected, deferred, ambiguous."""

    attempt_id: UUID
    outcome: str
    code: str
    message_id: str | None = None
    segments: int | None = None
    cost_millirupiah: int = 0


async def end_attempts(conn: Connection, ended: Sequence[Ended], now: datetime) -> set[UUID]:
    """Write the outcomes of attempts; a late one replaces what was assumed, never what is known. Which were accepted
    just now.
    """
    rows = await conn.fetch(
        "UPDATE attempt SET ended_at = $4, outcome = e.outcome, code = e.code, "
        "message_id = coalesce(attempt.message_id, e.message_id), segments = coalesce(e.segments, attempt.segments), "
        "cost_millirupiah = greatest(e.cost_millirupiah, attempt.cost_millirupiah) "
        "FROM unnest($1::uuid[], $2::text[], $3::text[], $5::text[], $6::smallint[], $7::bigint[]) "
        "AS e (id, outcome, code, message_id, segments, cost_millirupiah) WHERE attempt.id = e.id "
        "AND (attempt.outcome IS DISTINCT FROM 'accepted' OR attempt.code = 'receipt' AND e.outcome = 'accepted') "
        "RETURNING attempt.id, attempt.outcome",
        [one.attempt_id for one in ended],
        [one.outcome for one in ended],
        [one.code for one in ended],
        now,
        [one.message_id for one in ended],
        [one.segments for one in ended],
        [one.cost_millirupiah for one in ended],
    )
    return {row["id"] for row in rows if row["outcome"] == "accepted"}


async def lose_attempts(conn: Connection, notification_ids: Sequence[UUID], now: datetime) -> None:
    """Write that nobody heard how the open attempts of these notifications ended."""
    await conn.execute(
        "UPDATE attempt SET ended_at = $2, outcome = 'lost', code = 'lease-lapsed' "
        "WHERE notification_id = ANY($1) AND ended_at IS NULL",
        notification_ids,
        now,
    )


async def note_attempt(conn: Connection, attempt_id: UUID, outcome: str, note: str, now: datetime) -> None:
    """Write what an operator found out about an attempt, and who said so why."""
    await conn.execute(
        "UPDATE attempt SET ended_at = coalesce(ended_at, $4), outcome = $2, note = $3 WHERE id = $1",
        attempt_id,
        outcome,
        note,
        now,
    )


async def fail_attempts(conn: Connection, notification_ids: Sequence[UUID], failure: str) -> None:
    """Write why the last attempts of these notifications were given up though a provider had taken them."""
    await conn.execute(
        "UPDATE attempt SET failure = $2 FROM notification AS n "
        "WHERE n.id = ANY($1::uuid[]) AND attempt.id = n.attempt_id",
        notification_ids,
        failure,
    )


class Question(NamedTuple):
    """An attempt whose outcome nobody knows, to ask its provider about."""

    notification_id: UUID
    attempt_id: UUID
    provider: str
    began_at: datetime
    contact: Contact


async def take_questions(
    conn: Connection, providers: Sequence[str], *, limit: int, first_seconds: float, most_seconds: float, asks_max: int
) -> list[Question]:
    """Unknown messages of these providers that are due to be asked about; the next time is later each time, and after
    so many there is none.
    """
    rows = await conn.fetch(
        "WITH picked AS (SELECT id, attempt_id, vendor_id FROM notification "
        "WHERE state = 'unknown' AND due_at <= statement_timestamp() AND provider = ANY($1::text[]) "
        "ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED), "
        "asked AS (UPDATE attempt SET asks = asks + 1 FROM picked WHERE attempt.id = picked.attempt_id "
        "RETURNING attempt.id, attempt.asks, attempt.provider, attempt.began_at), "
        "later AS (UPDATE notification AS n SET due_at = CASE WHEN asked.asks >= $5 THEN 'infinity' "
        "ELSE clock_timestamp() + make_interval(secs => least($4, $3 * 2.0 ^ least(asked.asks, 20))) END "
        "FROM asked WHERE n.attempt_id = asked.id AND n.id IN (SELECT id FROM picked)) "
        "SELECT picked.id, asked.id AS attempt_id, asked.provider, asked.began_at, contact.name, contact.phone, "
        "contact.email, contact.language "
        "FROM picked JOIN asked ON asked.id = picked.attempt_id JOIN contact ON contact.vendor_id = picked.vendor_id",
        providers,
        limit,
        first_seconds,
        most_seconds,
        asks_max,
    )
    return [
        Question(
            row["id"],
            row["attempt_id"],
            row["provider"],
            row["began_at"],
            Contact(row["name"], row["phone"], row["email"], row["language"]),
        )
        for row in rows
    ]


def standing(row: asyncpg.Record) -> Standing:
    """Where a notification stands, from its row."""
    return Standing(
        id=row["id"],
        event_id=row["event_id"],
        vendor_id=row["vendor_id"],
        template=row["template"],
        lane=row["lane"],
        state=row["state"],
        version=row["version"],
        attempts=row["attempts"],
        channel=row["channel"],
        route=None if row["route"] is None else tuple(row["route"]),
        deadline=row["deadline"],
        reason=row["reason"],
        sent=row["sent_at"] is not None,
        delivered=row["delivered_at"] is not None,
        read=row["read_at"] is not None,
        silent=row["silent"],
    )

"""Delivery: claims, attempts and outcomes.

Two clocks: business moments (`now`, deadlines) are arguments; leases and retry delays run on the database's clock, so
that neither a skewed machine nor the development clock can end a lease early.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.notify.domain.delivery import Settlement, Standing
from services.notify.domain.people import Contact
from shared.db import Connection
from shared.events.notify import Channel


class Job(NamedTuple):
    """A claimed notification with what is needed to write and send it. `contact` is None after an erasure; `party`: the
    mentor or provider it tells of.
    """

    id: UUID
    claim: UUID
    lane: int
    template: str
    template_version: str
    params: Mapping[str, object]
    cause_at: datetime
    deadline: datetime
    traceparent: str | None
    contact: Contact | None
    party: Contact | None


async def claim_due(conn: Connection, claim: UUID, *, limit: int, lease_seconds: float, now: datetime) -> list[Job]:
    """Take what is due, the most urgent lane first. Until the lease ends nobody else takes it; then anybody may."""
    rows = await conn.fetch(
        "WITH picked AS (SELECT id, vendor_id, (params ->> 'mentor_id')::uuid AS party_id FROM notification "
        "WHERE state IN ('queued', 'retry') AND due_at <= statement_timestamp() AND deadline > $4 "
        "ORDER BY lane, due_at LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE notification n SET claim = $1, due_at = clock_timestamp() + make_interval(secs => $3) "
        "FROM picked LEFT JOIN contact ON contact.vendor_id = picked.vendor_id "
        "LEFT JOIN contact AS party ON party.vendor_id = picked.party_id WHERE n.id = picked.id "
        "RETURNING n.id, n.lane, n.template, n.template_version, n.params, n.cause_at, n.deadline, "
        "n.traceparent, "
        "contact.name, contact.phone, contact.email, contact.language, "
        "party.name AS party_name, party.phone AS party_phone, party.email AS party_email, "
        "party.language AS party_language",
        claim,
        limit,
        lease_seconds,
        now,
    )
    return [
        Job(
            id=row["id"],
            claim=claim,
            lane=row["lane"],
            template=row["template"],
            template_version=row["template_version"],
            params=row["params"],
            cause_at=row["cause_at"],
            deadline=row["deadline"],
            traceparent=row["traceparent"],
            contact=_contact(row, ""),
            party=_contact(row, "party_"),
        )
        for row in rows
    ]


def _contact(row: asyncpg.Record, whose: str) -> Contact | None:
    if row[f"{whose}language"] is None:
        return None
    return Contact(*(row[f"{whose}{column}"] for column in ("name", "phone", "email", "language")))


async def drop_claims(conn: Connection, ids: Sequence[UUID], claims: Sequence[UUID]) -> None:
    """Give back what was taken and not begun."""
    await conn.execute(
        "UPDATE notification n SET claim = NULL, due_at = clock_timestamp() "
        "FROM unnest($1::uuid[], $2::uuid[]) AS held (id, claim) "
        "WHERE n.id = held.id AND n.claim = held.claim AND n.state IN ('queued', 'retry')",
        ids,
        claims,
    )


class Start(NamedTuple):
    """An attempt about to be made. `claim` proves that the notification is still ours."""

    notification_id: UUID
    claim: UUID
    attempt_id: UUID
    channel: Channel
    language: str | None


async def begin_attempts(
    conn: Connection, starts: Sequence[Start], *, lease_seconds: float, now: datetime
) -> set[UUID]:
    """Write these attempts before their calls; ids of the notifications that may be sent now.

    One is missing when its claim has passed to somebody else, or its deadline has passed. Repeating the statement
    after a commit whose answer was lost gives the same ids: an attempt that stands is counted.
    """
    rows = await conn.fetch(
        "WITH wanted AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) "
        "AS w (id, claim, attempt_id, channel, language)), "
        "begun AS (UPDATE notification n SET state = 'sending', attempts = n.attempts + 1, attempt_id = w.attempt_id, "
        "channel = w.channel, language = w.language, reason = NULL, "
        "due_at = clock_timestamp() + make_interval(secs => $6) FROM wanted w "
        "WHERE n.id = w.id AND n.claim = w.claim AND n.state IN ('queued', 'retry') AND n.deadline > $7 "
        "RETURNING n.id, n.attempt_id, n.attempts, n.channel), "
        "noted AS (INSERT INTO attempt (id, notification_id, number, channel, began_at) "
        "SELECT attempt_id, id, attempts, channel, $7 FROM begun RETURNING notification_id) "
        "SELECT notification_id FROM noted UNION ALL "
        "SELECT n.id FROM wanted w JOIN notification n ON n.id = w.id "
        "WHERE n.attempt_id = w.attempt_id AND n.state = 'sending' AND n.due_at > statement_timestamp()",
        [start.notification_id for start in starts],
        [start.claim for start in starts],
        [start.attempt_id for start in starts],
        [start.channel for start in starts],
        [start.language for start in starts],
        lease_seconds,
        now,
    )
    return {row["notification_id"] for row in rows}


async def lock_attempted(conn: Connection, ids: Sequence[UUID], attempt_ids: Sequence[UUID]) -> list[Standing]:
    """Lock the notifications whose last attempt is this one and has no known outcome yet."""
    rows = await conn.fetch(
        "SELECT n.id, n.event_id, n.vendor_id, n.template, n.lane, n.state, n.version, n.attempts, n.channel "
        "FROM notification n JOIN unnest($1::uuid[], $2::uuid[]) AS ended (id, attempt_id) "
        "ON n.id = ended.id AND n.attempt_id = ended.attempt_id "
        "WHERE n.state IN ('sending', 'unknown') ORDER BY n.id FOR UPDATE OF n",
        ids,
        attempt_ids,
    )
    return [_standing(row) for row in rows]


async def lock_lost(conn: Connection, limit: int) -> list[Standing]:
    """Lock notifications whose attempt outlived its lease: whoever made it is gone, or slower than it may be."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel FROM notification "
        "WHERE state = 'sending' AND due_at <= statement_timestamp() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED",
        limit,
    )
    return [_standing(row) for row in rows]


async def lock_overdue(conn: Connection, now: datetime, limit: int) -> list[Standing]:
    """Lock notifications that have not left by their deadline."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel FROM notification "
        "WHERE state IN ('waiting_contact', 'queued', 'retry') AND deadline <= $1 "
        "ORDER BY deadline LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    return [_standing(row) for row in rows]


async def lock_unsent(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Standing]:
    """Lock the notifications of these vendors that have not begun to leave, in the order of their ids."""
    rows = await conn.fetch(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel FROM notification "
        "WHERE vendor_id = ANY($1::uuid[]) AND state IN ('waiting_contact', 'queued', 'retry') ORDER BY id FOR UPDATE",
        vendor_ids,
    )
    return [_standing(row) for row in rows]


async def lock_notification(conn: Connection, notification_id: UUID) -> tuple[Standing, UUID | None] | None:
    """Lock one notification; it and its last attempt."""
    row = await conn.fetchrow(
        "SELECT id, event_id, vendor_id, template, lane, state, version, attempts, channel, attempt_id "
        "FROM notification WHERE id = $1 FOR UPDATE",
        notification_id,
    )
    return None if row is None else (_standing(row), row["attempt_id"])


async def save_settlements(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    """Write what these notifications have become."""
    await conn.execute(
        "UPDATE notification n SET state = s.state, version = s.version, reason = s.reason, claim = NULL, "
        "sent_at = CASE WHEN s.state = 'sent' THEN $6::timestamptz END, "
        "settled_at = CASE WHEN s.state <> 'retry' THEN $6::timestamptz END, "
        "due_at = clock_timestamp() + make_interval(secs => coalesce(s.retry_seconds, 0)) "
        "FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::float8[]) "
        "AS s (id, state, version, reason, retry_seconds) WHERE n.id = s.id",
        [settlement.id for settlement in settlements],
        [settlement.state for settlement in settlements],
        [settlement.version for settlement in settlements],
        [settlement.reason for settlement in settlements],
        [settlement.retry_seconds for settlement in settlements],
        now,
    )


class Ended(NamedTuple):
    """How an attempt ended: accepted, rejected, deferred, ambiguous."""

    attempt_id: UUID
    outcome: str
    code: str


async def end_attempts(conn: Connection, ended: Sequence[Ended], now: datetime) -> None:
    """Write the outcomes of attempts; a late one replaces what was assumed."""
    await conn.execute(
        "UPDATE attempt SET ended_at = $4, outcome = e.outcome, code = e.code "
        "FROM unnest($1::uuid[], $2::text[], $3::text[]) AS e (id, outcome, code) WHERE attempt.id = e.id",
        [one.attempt_id for one in ended],
        [one.outcome for one in ended],
        [one.code for one in ended],
        now,
    )


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


def _standing(row: asyncpg.Record) -> Standing:
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
    )

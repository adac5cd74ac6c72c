"""Digests: whose moment has come, which messages are told in one, and what became of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.plans import DIGEST, Lane
from shared.db import Connection
from shared.events.notify import Channel

MAKERS = "notify.digests"


class Digest(NamedTuple):
    """A message that tells several. `vendor_id`: the id of the person under which it goes."""

    digest_id: UUID
    person_id: UUID
    moment: datetime
    vendor_id: UUID
    params: Mapping[str, Any]
    route: Sequence[str]
    deadline: datetime
    cause_at: datetime
    traceparent: str | None


class Child(NamedTuple):
    """A message that was told within a digest. `sent`: within an earlier one, before; `read`: in the inbox, before."""

    notification_id: UUID
    digest_id: UUID
    vendor_id: UUID
    template: str
    event_id: UUID
    version: int
    sent: bool
    read: bool


async def lead(conn: Connection) -> bool:
    """Whether this transaction is the one that makes digests now."""
    found: bool = await conn.fetchval("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", MAKERS)
    return found


async def find_due(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Recipients of messages whose digest's moment has come, those that wait longest first."""
    rows = await conn.fetch(
        "SELECT vendor_id, not_before FROM notification "
        "WHERE state = 'deferred' AND reason = 'digest' AND not_before <= $1 ORDER BY not_before LIMIT $2",
        now,
        limit,
    )
    return list(dict.fromkeys(row["vendor_id"] for row in rows))


async def add_digests(conn: Connection, digests: Sequence[Digest]) -> set[UUID]:
    """Write that these digests are made, but for people who had one at this moment; ids of those that are new."""
    rows = await conn.fetch(
        "INSERT INTO digest (digest_id, person_id, moment) "
        "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) "
        "ON CONFLICT (person_id, moment) DO NOTHING RETURNING digest_id",
        [one.digest_id for one in digests],
        [one.person_id for one in digests],
        [one.moment for one in digests],
    )
    return {row["digest_id"] for row in rows}


async def add_messages(conn: Connection, digests: Sequence[Digest], version: str, now: datetime) -> None:
    """Write the digests' own messages: planned, on the channels that all of theirs may use."""
    await conn.execute(
        "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, deadline, "
        "cause_at, traceparent, planned_at, route, topic) "
        "SELECT d.id, d.id, $8, d.vendor_id, $9, d.params, $10, 'planned', d.deadline, d.cause_at, d.traceparent, $11, "
        "string_to_array(d.route, ','), 'programme' "
        "FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::text[], $5::timestamptz[], $6::timestamptz[], "
        "$7::text[]) AS d (id, vendor_id, params, route, deadline, cause_at, traceparent)",
        [one.digest_id for one in digests],
        [one.vendor_id for one in digests],
        [dict(one.params) for one in digests],
        [",".join(one.route) for one in digests],
        [one.deadline for one in digests],
        [one.cause_at for one in digests],
        [one.traceparent for one in digests],
        DIGEST,
        version,
        int(Lane.ROUTINE),
        now,
    )


async def save_digested(conn: Connection, told_in: Mapping[UUID, UUID], now: datetime) -> None:
    """Write which messages, which are locked, are told within which digest."""
    await conn.execute(
        "UPDATE notification AS n SET state = 'digested', digest_id = d.digest_id, reason = NULL, not_before = NULL, "
        "settled_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS d (id, digest_id) WHERE n.id = d.id",
        list(told_in),
        list(told_in.values()),
        now,
    )


async def lock_children(conn: Connection, digest_ids: Sequence[UUID]) -> list[Child]:
    """Lock the messages that these digests tell, in the order of ids."""
    rows = await conn.fetch(
        "SELECT id, digest_id, vendor_id, template, event_id, version, sent_at, read_at FROM notification "
        "WHERE digest_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
        digest_ids,
    )
    return [
        Child(
            row["id"],
            row["digest_id"],
            row["vendor_id"],
            row["template"],
            row["event_id"],
            row["version"],
            row["sent_at"] is not None,
            row["read_at"] is not None,
        )
        for row in rows
    ]


class Outcome(NamedTuple):
    """What becomes of a message with its digest: its state, and the moments it came to."""

    notification_id: UUID
    version: int
    state: str
    channel: Channel | None
    reason: str | None
    sent: bool
    delivered: bool
    read: bool


async def save_outcomes(conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write what became of these messages, which are locked."""
    await conn.execute(
        "UPDATE notification AS n SET version = o.version, state = o.state, channel = coalesce(o.channel, n.channel), "
        "reason = o.reason, sent_at = CASE WHEN o.sent THEN coalesce(n.sent_at, $9) ELSE n.sent_at END, "
        "delivered_at = CASE WHEN o.delivered THEN coalesce(n.delivered_at, $9) ELSE n.delivered_at END, "
        "read_at = CASE WHEN o.read THEN coalesce(n.read_at, $9) ELSE n.read_at END, settled_at = $9::timestamptz "
        "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[], "
        "$8::boolean[]) AS o (id, version, state, channel, reason, sent, delivered, read) WHERE n.id = o.id",
        [one.notification_id for one in outcomes],
        [one.version for one in outcomes],
        [one.state for one in outcomes],
        [one.channel for one in outcomes],
        [one.reason for one in outcomes],
        [one.sent for one in outcomes],
        [one.delivered for one in outcomes],
        [one.read for one in outcomes],
        now,
    )

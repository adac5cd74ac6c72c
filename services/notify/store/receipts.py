"""What providers report of attempts, and what they report of nothing we know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.reports import Receipt, Status
from shared.db import Connection
from shared.events.notify import Channel
from shared.ids import new_id

STRAY_LOOKS_MAX = 100
"""Doubling from a second to a quarter of an hour: an attempt whose id turns up within a day is found."""


async def find_attempts(conn: Connection, receipts: Sequence[Receipt]) -> list[tuple[UUID, UUID] | None]:
    """For each receipt its attempt and notification: by our reference, else by the provider's id of the message; None
    where that provider made no such attempt.
    """
    rows = await conn.fetch(
        "SELECT DISTINCT ON (r.place) r.place, a.id, a.notification_id "
        "FROM unnest($1::text[], $2::uuid[], $3::text[]) WITH ORDINALITY AS r (provider, reference, message_id, place) "
        "CROSS JOIN LATERAL (SELECT 1 AS rank, id, notification_id FROM attempt "
        "WHERE id = r.reference AND provider = r.provider UNION ALL (SELECT 2, id, notification_id FROM attempt "
        "WHERE provider = r.provider AND message_id = r.message_id LIMIT 1)) AS a ORDER BY r.place, a.rank",
        [one.provider for one in receipts],
        [one.reference for one in receipts],
        [one.message_id for one in receipts],
    )
    found: list[tuple[UUID, UUID] | None] = [None] * len(receipts)
    for row in rows:
        found[row["place"] - 1] = (row["id"], row["notification_id"])
    return found


class Known(NamedTuple):
    """What is known of an attempt."""

    attempt_id: UUID
    notification_id: UUID
    template: str
    channel: Channel
    provider: str
    status: Status | None
    address_key: bytes | None
    cost_millirupiah: int


async def read_attempts(conn: Connection, attempt_ids: Sequence[UUID]) -> list[Known]:
    """What is known of these attempts, whose notifications are locked."""
    rows = await conn.fetch(
        "SELECT a.id, a.notification_id, n.template, a.channel, a.provider, a.status, a.address_key, "
        "a.cost_millirupiah FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id "
        "WHERE a.id = ANY($1::uuid[])",
        attempt_ids,
    )
    return [Known(*row) for row in rows]


async def add_receipts(conn: Connection, receipts: Sequence[tuple[UUID, Receipt]], now: datetime) -> None:
    """Keep what was reported of these attempts, each status once."""
    await conn.execute(
        "INSERT INTO receipt (attempt_id, status, code, at, received_at) "
        "SELECT attempt_id, status, code, at, $5 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) "
        "AS r (attempt_id, status, code, at) ON CONFLICT (attempt_id, status) DO NOTHING",
        [attempt_id for attempt_id, _ in receipts],
        [one.status for _, one in receipts],
        [one.code for _, one in receipts],
        [one.at for _, one in receipts],
        now,
    )


async def raise_attempts(conn: Connection, highest: Sequence[tuple[UUID, Receipt]], now: datetime) -> None:
    """Write how far these attempts came. One without a known outcome has it now: the provider had it."""
    await conn.execute(
        "UPDATE attempt AS a SET status = r.status, status_at = r.at, "
        "failure = CASE r.status WHEN 'failed' THEN coalesce(r.code, 'failed') WHEN 'sent' THEN a.failure END, "
        "code = CASE WHEN a.outcome = 'accepted' THEN a.code ELSE 'receipt' END, "
        "outcome = CASE WHEN a.outcome = 'accepted' OR r.status <> 'failed' THEN 'accepted' ELSE 'rejected' END, "
        "ended_at = coalesce(a.ended_at, $6), message_id = coalesce(a.message_id, r.message_id), "
        "cost_millirupiah = greatest(a.cost_millirupiah, r.cost) "
        "FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $7::bigint[]) "
        "AS r (id, status, at, code, message_id, cost) WHERE a.id = r.id",
        [attempt_id for attempt_id, _ in highest],
        [one.status for _, one in highest],
        [one.at for _, one in highest],
        [one.code for _, one in highest],
        [one.message_id for _, one in highest],
        now,
        [one.cost_millirupiah for _, one in highest],
    )


async def find_hopes(conn: Connection, notification_ids: Sequence[UUID], failure: str) -> set[UUID]:
    """Which of these notifications have an attempt that was given up for this, and of which nothing was heard."""
    rows = await conn.fetch(
        "SELECT DISTINCT notification_id FROM attempt WHERE notification_id = ANY($1::uuid[]) AND failure = $2",
        notification_ids,
        failure,
    )
    return {row["notification_id"] for row in rows}


async def add_strays(conn: Connection, receipts: Sequence[Receipt], now: datetime) -> int:
    """Keep receipts of which no attempt is known. How many are new."""
    ordered = sorted(receipts, key=lambda one: (one.provider, str(one.reference), one.message_id or "", one.status))
    tag = await conn.execute(
        "INSERT INTO stray_receipt (id, provider, reference, message_id, status, code, kind, cost_millirupiah, at, "
        "received_at) SELECT r.*, $10 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], "
        "$6::text[], $7::text[], $8::bigint[], $9::timestamptz[]) AS r "
        "ON CONFLICT (provider, reference, message_id, status) DO NOTHING",
        [new_id() for _ in ordered],
        [one.provider for one in ordered],
        [one.reference for one in ordered],
        [one.message_id for one in ordered],
        [one.status for one in ordered],
        [one.code for one in ordered],
        [one.kind for one in ordered],
        [one.cost_millirupiah for one in ordered],
        [one.at for one in ordered],
        now,
    )
    return int(tag.rpartition(" ")[2])


async def take_strays(conn: Connection, limit: int) -> list[Receipt]:
    """Strays whose attempt is known by now: they are strays no more. Others are looked at later, and less often."""
    rows = await conn.fetch(
        "WITH picked AS (SELECT id, provider, reference, message_id FROM stray_receipt "
        "WHERE due_at <= statement_timestamp() AND looks < $2 ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED), "
        "known AS (SELECT p.id FROM picked AS p WHERE EXISTS (SELECT FROM attempt AS a WHERE a.provider = p.provider "
        "AND a.message_id = p.message_id) OR EXISTS (SELECT FROM attempt AS a WHERE a.id = p.reference "
        "AND a.provider = p.provider)), "
        "later AS (UPDATE stray_receipt AS s SET looks = looks + 1, due_at = clock_timestamp() + "
        "make_interval(secs => least(900, 2.0 ^ least(s.looks, 12))) FROM picked AS p "
        "WHERE s.id = p.id AND p.id NOT IN (SELECT id FROM known)) "
        "DELETE FROM stray_receipt AS s USING known WHERE s.id = known.id "
        "RETURNING s.provider, s.reference, s.message_id, s.status, s.at, s.code, s.kind, s.cost_millirupiah",
        limit,
        STRAY_LOOKS_MAX,
    )
    return [Receipt(*row) for row in rows]


async def remove_old_strays(conn: Connection, days: int) -> int:
    """Forget strays after so many days. How many."""
    tag = await conn.execute(
        "DELETE FROM stray_receipt WHERE kept_at < clock_timestamp() - make_interval(days => $1)", days
    )
    return int(tag.rpartition(" ")[2])


async def list_strays(
    conn: Connection, *, provider: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Receipts of nothing we know, newest first."""
    rows = await conn.fetch(
        "SELECT id AS stray_id, provider, reference, message_id, status, code, at, received_at FROM stray_receipt "
        "WHERE ($1::text IS NULL OR provider = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        provider,
        before,
        limit,
    )
    return [dict(row) for row in rows]

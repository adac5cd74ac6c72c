"""Subscribers, and the events they are owed. Secrets are sealed, bound to their id.

Claims and delays run on the database's clock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.ids import new_id
from shared.resealing import SealedColumn

SEALED_SECRETS = SealedColumn(
    "secrets of subscribers",
    "SELECT secret_id AS id, secret_sealed AS sealed FROM subscriber_secret WHERE secret_id > $1 "
    "ORDER BY secret_id LIMIT $2",
    "UPDATE subscriber_secret AS s SET secret_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE s.secret_id = n.id AND s.secret_sealed = n.old",
)


async def lock_subscribers(conn: Connection) -> int:
    """Let one transaction at a time add subscribers; how many there are."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('notify.subscribers', 0))")
    count: int = await conn.fetchval("SELECT count(*) FROM subscriber WHERE state <> 'removed'")
    return count


async def add_subscriber(
    conn: Connection, subscriber_id: UUID, name: str, url: str, types: Sequence[str], *, by: str, now: datetime
) -> None:
    """A system that is told from now on."""
    await conn.execute(
        "INSERT INTO subscriber (subscriber_id, name, url, types, state, created_by, created_at) "
        "VALUES ($1, $2, $3, $4, 'active', $5, $6)",
        subscriber_id,
        name,
        url,
        list(types),
        by,
        now,
    )


async def add_secret(conn: Connection, secret_id: UUID, subscriber_id: UUID, sealed: bytes, now: datetime) -> None:
    """A secret that signs from now on."""
    await conn.execute(
        "INSERT INTO subscriber_secret (secret_id, subscriber_id, secret_sealed, created_at) VALUES ($1, $2, $3, $4)",
        secret_id,
        subscriber_id,
        sealed,
        now,
    )


async def end_secrets(conn: Connection, subscriber_id: UUID, until: datetime, now: datetime) -> None:
    """Let the secrets there are sign until then, and forget those that are past."""
    await conn.execute("DELETE FROM subscriber_secret WHERE subscriber_id = $1 AND until <= $2", subscriber_id, now)
    await conn.execute(
        "UPDATE subscriber_secret SET until = $2 WHERE subscriber_id = $1 AND until IS NULL", subscriber_id, until
    )


async def find_secrets(conn: Connection, subscriber_id: UUID, now: datetime) -> list[tuple[UUID, bytes]]:
    """The secrets that sign, the newest first."""
    rows = await conn.fetch(
        "SELECT secret_id, secret_sealed FROM subscriber_secret WHERE subscriber_id = $1 "
        "AND (until IS NULL OR until > $2) ORDER BY secret_id DESC",
        subscriber_id,
        now,
    )
    return [(row["secret_id"], row["secret_sealed"]) for row in rows]


async def find_subscribers(
    conn: Connection, *, only: UUID | None = None, before: UUID | None = None, limit: int = 1
) -> list[dict[str, Any]]:
    """Subscribers, newest first, with what each is owed; or one of them."""
    rows = await conn.fetch(
        "SELECT s.subscriber_id, s.name, s.url, s.types, s.state, s.paused_because, s.created_by, s.created_at, "
        "s.failing_since, s.last_code, s.last_success_at, "
        "(SELECT count(*) FROM webhook_delivery AS d WHERE d.subscriber_id = s.subscriber_id AND d.state = 'due') "
        "AS due, (SELECT count(*) FROM webhook_delivery AS d WHERE d.subscriber_id = s.subscriber_id "
        "AND d.state = 'given-up') AS given_up FROM subscriber AS s WHERE s.state <> 'removed' "
        "AND ($1::uuid IS NULL OR s.subscriber_id = $1) AND ($2::uuid IS NULL OR s.subscriber_id < $2) "
        "ORDER BY s.subscriber_id DESC LIMIT $3",
        only,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def lock_subscriber(conn: Connection, subscriber_id: UUID) -> str | None:
    """Lock a subscriber; its state, None where there is none."""
    state: str | None = await conn.fetchval(
        "SELECT state FROM subscriber WHERE subscriber_id = $1 AND state <> 'removed' FOR UPDATE", subscriber_id
    )
    return state


async def set_state(conn: Connection, subscriber_id: UUID, state: str, because: str | None) -> None:
    """Pause, resume or remove a subscriber, which is locked. What it was owed waits, or is forgotten."""
    await conn.execute(
        "UPDATE subscriber SET state = $2, paused_because = $3, failing_since = NULL WHERE subscriber_id = $1",
        subscriber_id,
        state,
        because,
    )
    if state == "active":
        await conn.execute(
            "UPDATE webhook_delivery SET due_at = clock_timestamp() WHERE subscriber_id = $1 AND state = 'due' "
            "AND claim IS NULL",
            subscriber_id,
        )
    if state == "removed":
        await conn.execute("DELETE FROM webhook_delivery WHERE subscriber_id = $1", subscriber_id)
        await conn.execute("DELETE FROM subscriber_secret WHERE subscriber_id = $1", subscriber_id)


# --- what they are owed


async def find_waiting(conn: Connection) -> list[UUID]:
    """Subscribers to whom something is due."""
    rows = await conn.fetch(
        "SELECT s.subscriber_id FROM subscriber AS s WHERE s.state = 'active' AND EXISTS ("
        "SELECT FROM webhook_delivery AS d WHERE d.subscriber_id = s.subscriber_id AND d.state = 'due' "
        "AND d.due_at <= statement_timestamp())"
    )
    return [row["subscriber_id"] for row in rows]


class Owed(NamedTuple):
    """An event for a subscriber, and how often it was tried before."""

    event_id: UUID
    tries: int
    type: str
    subject: str
    sequence: int | None
    occurred_at: datetime
    traceparent: str | None
    payload: bytes


async def claim_owed(
    conn: Connection, subscriber_id: UUID, claim: UUID, *, limit: int, lease_seconds: float
) -> tuple[str, list[Owed]]:
    """Take what is due to a subscriber, unless it is paused; the address, and the events, oldest first. Nobody else
    takes them until the lease ends.
    """
    rows = await conn.fetch(
        "WITH picked AS (SELECT d.event_id, s.url FROM subscriber AS s "
        "JOIN webhook_delivery AS d USING (subscriber_id) WHERE s.subscriber_id = $1 AND s.state = 'active' "
        "AND d.state = 'due' AND d.due_at <= statement_timestamp() "
        "ORDER BY d.due_at LIMIT $3 FOR UPDATE OF d SKIP LOCKED), "
        "taken AS (UPDATE webhook_delivery AS d SET claim = $2, due_at = clock_timestamp() + make_interval(secs => $4) "
        "FROM picked WHERE d.subscriber_id = $1 AND d.event_id = picked.event_id "
        "RETURNING d.event_id, d.tries, picked.url) "
        "SELECT t.url, t.tries, e.event_id, e.type, e.subject, e.sequence, e.occurred_at, e.traceparent, e.payload "
        "FROM taken AS t JOIN webhook_event AS e USING (event_id) ORDER BY e.recorded_at, e.event_id",
        subscriber_id,
        claim,
        limit,
        lease_seconds,
    )
    owed = [
        Owed(
            row["event_id"],
            row["tries"],
            row["type"],
            row["subject"],
            row["sequence"],
            row["occurred_at"],
            row["traceparent"],
            row["payload"],
        )
        for row in rows
    ]
    return (rows[0]["url"] if rows else ""), owed


class Told(NamedTuple):
    """What came of a try: delivered, due again in so many seconds, or given up."""

    event_id: UUID
    state: str
    code: str
    wait_seconds: float = 0.0


async def save_told(
    conn: Connection, subscriber_id: UUID, claim: UUID, told: Sequence[Told], now: datetime
) -> float | None:
    """Write what came of tries that are still ours; for how long the subscriber has failed without a success between,
    in seconds; None: it works.
    """
    await conn.execute(
        "UPDATE webhook_delivery AS d SET state = t.state, code = t.code, tries = d.tries + 1, claim = NULL, "
        "due_at = clock_timestamp() + make_interval(secs => t.wait_seconds), "
        "settled_at = CASE WHEN t.state <> 'due' THEN $7::timestamptz END "
        "FROM unnest($3::uuid[], $4::text[], $5::text[], $6::float8[]) AS t (event_id, state, code, wait_seconds) "
        "WHERE d.subscriber_id = $1 AND d.event_id = t.event_id AND d.claim = $2",
        subscriber_id,
        claim,
        [one.event_id for one in told],
        [one.state for one in told],
        [one.code for one in told],
        [one.wait_seconds for one in told],
        now,
    )
    worked = any(one.state == "delivered" for one in told)
    failing: float | None = await conn.fetchval(
        "UPDATE subscriber SET last_code = $2, last_success_at = CASE WHEN $3 THEN $4 ELSE last_success_at END, "
        "failing_since = CASE WHEN NOT $3 THEN coalesce(failing_since, clock_timestamp()) END WHERE subscriber_id = $1 "
        "RETURNING extract(epoch FROM clock_timestamp() - failing_since)::float8",
        subscriber_id,
        told[-1].code,
        worked,
        now,
    )
    return failing


async def replay(conn: Connection, subscriber_id: UUID, since: datetime) -> int:
    """Have what happened from then on delivered again, as far as it is kept and was owed. How many."""
    return _count(
        await conn.execute(
            "UPDATE webhook_delivery AS d SET state = 'due', tries = 0, claim = NULL, due_at = clock_timestamp(), "
            "settled_at = NULL FROM webhook_event AS e WHERE d.subscriber_id = $1 AND e.event_id = d.event_id "
            "AND e.occurred_at >= $2 AND d.state <> 'due'",
            subscriber_id,
            since,
        )
    )


async def add_ping(conn: Connection, subscriber_id: UUID, payload: bytes, now: datetime) -> UUID:
    """Owe a subscriber an event that tells nothing, to try its address."""
    event_id = new_id()
    await conn.execute(
        "INSERT INTO webhook_event (event_id, type, subject, occurred_at, payload) VALUES ($1, 'Ping', $2, $3, $4)",
        event_id,
        str(subscriber_id),
        now,
        payload,
    )
    await conn.execute(
        "INSERT INTO webhook_delivery (subscriber_id, event_id) VALUES ($1, $2)", subscriber_id, event_id
    )
    return event_id


async def find_deliveries(
    conn: Connection, subscriber_id: UUID, *, state: str, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """What a subscriber was told, is owed, or was given up; newest first."""
    rows = await conn.fetch(
        "SELECT d.event_id, e.type, e.subject, e.occurred_at, d.state, d.tries, d.code, d.settled_at "
        "FROM webhook_delivery AS d JOIN webhook_event AS e USING (event_id) WHERE d.subscriber_id = $1 "
        "AND d.state = $2 AND ($3::uuid IS NULL OR d.event_id < $3) ORDER BY d.event_id DESC LIMIT $4",
        subscriber_id,
        state,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def remove_events(conn: Connection, before: datetime, limit: int) -> int:
    """Forget events that happened before then, told or not, the oldest first. How many."""
    return _count(
        await conn.execute(
            "DELETE FROM webhook_event WHERE event_id IN (SELECT event_id FROM ("
            "SELECT event_id, occurred_at FROM webhook_event ORDER BY recorded_at LIMIT $2) AS oldest "
            "WHERE occurred_at < $1)",
            before,
            limit,
        )
    )


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])

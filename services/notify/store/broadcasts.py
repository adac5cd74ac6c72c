"""Broadcasts and what was done about them. What officers wrote beside it is sealed, bound to the act's id."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.notify.domain.broadcasts import Broadcast, BroadcastNotFound
from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_BROADCAST_NOTES = SealedColumn(
    "notes of broadcasts",
    "SELECT act_id AS id, note_sealed AS sealed FROM broadcast_act WHERE act_id > $1 AND note_sealed IS NOT NULL "
    "ORDER BY act_id LIMIT $2",
    "UPDATE broadcast_act AS a SET note_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (act_id, old, fresh) "
    "WHERE a.act_id = n.act_id AND a.note_sealed = n.old",
)


def _broadcast(row: Record) -> Broadcast:
    return Broadcast(**{**row, "channels": tuple(row["channels"]), "areas": tuple(row["areas"])})


async def add_broadcast(conn: Connection, one: Broadcast) -> None:
    """Keep a new draft."""
    await conn.execute(
        "INSERT INTO broadcast (broadcast_id, state, template, params, topic, channels, areas, by_list, language, "
        "not_before, deadline, drafted_by, drafted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        one.broadcast_id,
        one.state,
        one.template,
        dict(one.params),
        one.topic,
        one.channels,
        one.areas,
        one.by_list,
        one.language,
        one.not_before,
        one.deadline,
        one.drafted_by,
        one.drafted_at,
    )


async def find_broadcast(conn: Connection, broadcast_id: UUID) -> Broadcast:
    """A broadcast. Raises `BroadcastNotFound`."""
    return _found(
        await conn.fetchrow(
            "SELECT broadcast_id, state, version, template, template_version, params, topic, channels, areas, by_list, "
            "language, not_before, deadline, drafted_by, drafted_at, submitted_by, approved_at, ended_at, recipients, "
            "audience_sha256 FROM broadcast WHERE broadcast_id = $1",
            broadcast_id,
        ),
        broadcast_id,
    )


async def lock_broadcast(conn: Connection, broadcast_id: UUID) -> Broadcast:
    """Lock a broadcast against every other step. Raises `BroadcastNotFound`."""
    return _found(
        await conn.fetchrow(
            "SELECT broadcast_id, state, version, template, template_version, params, topic, channels, areas, by_list, "
            "language, not_before, deadline, drafted_by, drafted_at, submitted_by, approved_at, ended_at, recipients, "
            "audience_sha256 FROM broadcast WHERE broadcast_id = $1 FOR UPDATE",
            broadcast_id,
        ),
        broadcast_id,
    )


async def lock_idle(conn: Connection, broadcast_id: UUID) -> Broadcast | None:
    """Lock a broadcast that nobody else works on at this moment."""
    row = await conn.fetchrow(
        "SELECT broadcast_id, state, version, template, template_version, params, topic, channels, areas, by_list, "
        "language, not_before, deadline, drafted_by, drafted_at, submitted_by, approved_at, ended_at, recipients, "
        "audience_sha256 FROM broadcast WHERE broadcast_id = $1 FOR UPDATE SKIP LOCKED",
        broadcast_id,
    )
    return None if row is None else _broadcast(row)


async def share_halted(conn: Connection, broadcast_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Which of these are paused or stopped, and stay so until this transaction ends. One that somebody changes at this
    moment is not among them: whoever does comes to its messages afterwards.
    """
    rows = await conn.fetch(
        "SELECT broadcast_id, state FROM broadcast WHERE broadcast_id = ANY($1::uuid[]) "
        "AND state IN ('paused', 'stopped') FOR SHARE SKIP LOCKED",
        broadcast_ids,
    )
    return {row["broadcast_id"]: row["state"] for row in rows}


def _found(row: Record | None, broadcast_id: UUID) -> Broadcast:
    if row is None:
        raise BroadcastNotFound("No broadcast of your area has this id.", broadcast_id=str(broadcast_id))
    return _broadcast(row)


async def save_broadcast(conn: Connection, one: Broadcast) -> None:
    """Write what a broadcast has become."""
    await conn.execute(
        "UPDATE broadcast SET state = $2, version = $3, template_version = $4, submitted_by = $5, approved_at = $6, "
        "ended_at = $7, recipients = $8, audience_sha256 = $9 WHERE broadcast_id = $1",
        one.broadcast_id,
        one.state,
        one.version,
        one.template_version,
        one.submitted_by,
        one.approved_at,
        one.ended_at,
        one.recipients,
        one.audience_sha256,
    )


async def save_forecast(conn: Connection, broadcast_id: UUID, forecast: Mapping[str, Any] | None) -> None:
    """Keep what was foreseen when it was submitted."""
    await conn.execute("UPDATE broadcast SET forecast = $2 WHERE broadcast_id = $1", broadcast_id, forecast)


class Done(NamedTuple):
    """Something that was done about a broadcast. `by` is None where time did it."""

    act_id: UUID
    act: str
    by: str | None
    at: datetime
    state: str
    note_sealed: bytes | None


async def add_act(conn: Connection, broadcast_id: UUID, done: Done) -> None:
    """Keep who did what when."""
    await conn.execute(
        "INSERT INTO broadcast_act (act_id, act, by, at, state, note_sealed, broadcast_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *done,
        broadcast_id,
    )


async def find_acts(conn: Connection, broadcast_id: UUID) -> list[Done]:
    """What was done about a broadcast, the oldest first."""
    rows = await conn.fetch(
        "SELECT act_id, act, by, at, state, note_sealed FROM broadcast_act WHERE broadcast_id = $1 ORDER BY act_id",
        broadcast_id,
    )
    return [Done(*row) for row in rows]


class Listed(NamedTuple):
    """A broadcast with what was kept beside it."""

    broadcast: Broadcast
    done: int
    per_minute: float | None
    cost_millirupiah: int
    measured_at: datetime | None
    forecast: dict[str, Any] | None


# An area itself and all below it: every area of the broadcast lies in the one asked for.
LIST_BROADCASTS = """
SELECT broadcast_id, state, version, template, template_version, params, topic, channels, areas, by_list, language,
    not_before, deadline, drafted_by, drafted_at, submitted_by, approved_at, ended_at, recipients, audience_sha256,
    done, per_minute, cost_millirupiah, measured_at, forecast
FROM broadcast
WHERE ($1::text IS NULL OR NOT EXISTS (
        SELECT FROM unnest(areas) AS a (code) WHERE a.code <> $1 AND NOT starts_with(a.code, $1 || '.')))
    AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR broadcast_id < $3)
    AND ($5::uuid IS NULL OR broadcast_id = $5)
ORDER BY broadcast_id DESC LIMIT $4
"""


async def list_broadcasts(
    conn: Connection,
    *,
    area: str | None,
    state: str | None = None,
    before: UUID | None = None,
    broadcast_id: UUID | None = None,
    limit: int,
) -> list[Listed]:
    """Broadcasts whose people all live within an area, the last drafted first; or just one of them."""
    rows = await conn.fetch(LIST_BROADCASTS, area, state, before, limit, broadcast_id)
    beside = ("done", "per_minute", "cost_millirupiah", "measured_at", "forecast")
    found = []
    for row in rows:
        values = dict(row)
        kept = {name: values.pop(name) for name in beside}
        one = Broadcast(**{**values, "channels": tuple(values["channels"]), "areas": tuple(values["areas"])})
        found.append(Listed(one, **kept))
    return found


# --- figures


async def count_states(conn: Connection, broadcast_id: UUID) -> dict[str, int]:
    """How many of its messages are in each state."""
    rows = await conn.fetch(
        "SELECT state, count(*) AS n FROM notification WHERE broadcast_id = $1 GROUP BY state", broadcast_id
    )
    return {row["state"]: row["n"] for row in rows}


class Measured(NamedTuple):
    """How far a broadcast was, and when."""

    at: datetime | None
    done: int


async def find_measured(conn: Connection, broadcast_id: UUID) -> Measured:
    """The last measure of a broadcast."""
    row = await conn.fetchrow("SELECT measured_at, done FROM broadcast WHERE broadcast_id = $1", broadcast_id)
    assert row is not None
    return Measured(*row)


async def save_measured(
    conn: Connection, broadcast_id: UUID, done: int, per_minute: float | None, now: datetime
) -> None:
    """Write how far it is, how fast, and what it has cost."""
    await conn.execute(
        "UPDATE broadcast SET measured_at = $4, done = $2, per_minute = $3, "
        "cost_millirupiah = coalesce((SELECT sum(a.cost_millirupiah) FROM notification AS n "
        "JOIN attempt AS a ON a.notification_id = n.id WHERE n.broadcast_id = $1), 0) WHERE broadcast_id = $1",
        broadcast_id,
        done,
        per_minute,
        now,
    )

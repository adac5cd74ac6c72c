"""Messages that wait to be routed: taken in batches, written back in a handful of statements."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.notify.domain.delivery import Standing
from services.notify.domain.people import Contact
from services.notify.domain.routing import WRITTEN_BACK, Case, matters_by
from services.notify.plans import Lane
from services.notify.store.delivery import standing
from shared.db import Connection


class Planned(NamedTuple):
    """A message to be routed, with the card of its recipient if there is one."""

    case: Case
    standing: Standing
    contact: Contact | None
    template_version: str
    broadcast_id: UUID | None = None


class Waiting(NamedTuple):
    """A message that waited for a digest, whose moment has come; what its text shows, and what it follows from."""

    planned: Planned
    moment: datetime
    params: Mapping[str, Any]
    cause_at: datetime
    traceparent: str | None


class Way(NamedTuple):
    """A message leaves by this channel, by the next ones should it fail, in this language."""

    notification_id: UUID
    channel: str
    route: Sequence[str]
    language: str | None


class Delay(NamedTuple):
    """A message does not leave before this moment."""

    notification_id: UUID
    until: datetime
    because: str


PLANNED = """
SELECT n.id, n.event_id, n.vendor_id, n.template, n.template_version, n.lane, n.state, n.version, n.attempts, n.channel,
    n.route, n.deadline, n.reason, n.sent_at, n.delivered_at, n.read_at, n.silent, n.topic, n.must, n.digest, n.mode,
    n.broadcast_id, CASE WHEN n.lane = 0 OR n.template = ANY($2) THEN n.params END AS params, n.files, c.name, c.phone,
    c.email, c.language
FROM notification AS n LEFT JOIN contact AS c ON c.vendor_id = n.vendor_id
WHERE n.state = 'planned' ORDER BY n.lane, n.id LIMIT $1 FOR UPDATE OF n SKIP LOCKED
"""
WAITING = """
SELECT n.id, n.event_id, n.vendor_id, n.template, n.template_version, n.lane, n.state, n.version, n.attempts, n.channel,
    n.route, n.deadline, n.reason, n.sent_at, n.delivered_at, n.read_at, n.silent, n.topic, n.must, n.digest, n.mode,
    n.files, n.broadcast_id, n.params, n.not_before, n.cause_at, n.traceparent, c.name, c.phone, c.email, c.language
FROM notification AS n LEFT JOIN contact AS c ON c.vendor_id = n.vendor_id
WHERE n.vendor_id = ANY($1::uuid[]) AND n.state = 'deferred' AND n.reason = 'digest' AND n.not_before <= $2
ORDER BY n.id FOR UPDATE OF n SKIP LOCKED
"""


async def lock_planned(conn: Connection, limit: int, now: datetime) -> list[Planned]:
    """Lock messages to be routed, the most urgent lane first; what somebody else holds is passed over."""
    return [_planned(row, now) for row in await conn.fetch(PLANNED, limit, list(WRITTEN_BACK))]


async def lock_waiting(conn: Connection, vendor_ids: Sequence[UUID], now: datetime) -> list[Waiting]:
    """Lock what waited for the digest of these vendors, whose moment has come; what somebody else holds is passed over:
    it leaves by itself.
    """
    return [
        Waiting(_planned(row, now), row["not_before"], row["params"], row["cause_at"], row["traceparent"])
        for row in await conn.fetch(WAITING, vendor_ids, now)
    ]


async def wake_deferred(conn: Connection, limit: int, now: datetime) -> int:
    """Have what waited for its moment routed anew; how many. Digests are gathered apart."""
    return _count(
        await conn.execute(
            "UPDATE notification SET state = 'planned', not_before = NULL WHERE id IN ("
            "SELECT id FROM notification WHERE state = 'deferred' AND reason <> 'digest' AND not_before <= $1 "
            "ORDER BY not_before LIMIT $2 FOR UPDATE SKIP LOCKED)",
            now,
            limit,
        )
    )


async def save_ways(conn: Connection, ways: Sequence[Way]) -> None:
    """Queue these messages, which are locked."""
    await conn.execute(
        "UPDATE notification AS n SET state = 'queued', channel = w.channel, route = string_to_array(w.route, ','), "
        "language = w.language, not_before = NULL, claim = NULL, due_at = clock_timestamp(), "
        "reason = CASE WHEN n.attempts = 0 THEN NULL ELSE n.reason END "
        "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS w (id, channel, route, language) "
        "WHERE n.id = w.id",
        [one.notification_id for one in ways],
        [one.channel for one in ways],
        [",".join(one.route) for one in ways],
        [one.language for one in ways],
    )


async def save_delays(conn: Connection, delays: Sequence[Delay]) -> None:
    """Let these messages, which are locked, wait."""
    await conn.execute(
        "UPDATE notification AS n SET state = 'deferred', not_before = d.until, reason = d.because, claim = NULL "
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS d (id, until, because) WHERE n.id = d.id",
        [one.notification_id for one in delays],
        [one.until for one in delays],
        [one.because for one in delays],
    )


async def hold(conn: Connection, notification_ids: Sequence[UUID]) -> None:
    """Hold these messages back, which are planned and locked."""
    await conn.execute("UPDATE notification SET state = 'held' WHERE id = ANY($1::uuid[])", notification_ids)


async def lock_open(conn: Connection, vendor_ids: Sequence[UUID]) -> tuple[list[UUID], bool]:
    """Lock what has a way or a moment but has not begun to leave, in the order of ids; whether that is all: what
    somebody else holds is passed over.
    """
    there = await conn.fetchval(
        "SELECT count(*) FROM notification WHERE vendor_id = ANY($1::uuid[]) "
        "AND state IN ('planned', 'deferred', 'queued', 'retry')",
        vendor_ids,
    )
    rows = await conn.fetch(
        "SELECT id FROM notification WHERE vendor_id = ANY($1::uuid[]) "
        "AND state IN ('planned', 'deferred', 'queued', 'retry') ORDER BY id FOR UPDATE SKIP LOCKED",
        vendor_ids,
    )
    return [row["id"] for row in rows], len(rows) >= there


async def route_anew(
    conn: Connection, notification_ids: Sequence[UUID], *, digests_after: datetime | None = None
) -> int:
    """Have these messages, which are locked, routed anew; how many. Whoever claimed one finds it gone. What waits for a
    digest is decided when that is gathered; `digests_after`: but what waits for one after this moment.

    What failed on another channel keeps to those it had left, and so does what came with a route of its own (answers,
    broadcasts, digests, what a key asked for).
    """
    return _count(
        await conn.execute(
            "UPDATE notification SET state = 'planned', claim = NULL, not_before = NULL, "
            "route = CASE WHEN attempts = 0 AND broadcast_id IS NULL AND asked_by IS NULL AND template <> 'digest' "
            "AND NOT starts_with(template, 'reply-') THEN NULL "
            "WHEN state IN ('queued', 'retry') THEN array_prepend(channel, route) ELSE route END, "
            "channel = CASE WHEN attempts = 0 THEN NULL ELSE channel END "
            "WHERE id = ANY($1::uuid[]) AND state IN ('deferred', 'queued', 'retry') "
            "AND (state <> 'deferred' OR reason <> 'digest' OR not_before > $2)",
            notification_ids,
            digests_after,
        )
    )


def _planned(row: asyncpg.Record, now: datetime) -> Planned:
    lane, params = Lane(row["lane"]), row["params"]
    about = params.get("application_id") if row["template"] in WRITTEN_BACK and params else None
    case = Case(
        id=row["id"],
        template=row["template"],
        lane=lane,
        topic=row["topic"],
        must=row["must"],
        digest=row["digest"],
        mode=row["mode"],
        attempts=row["attempts"],
        route=None if row["route"] is None else tuple(row["route"]),
        reason=row["reason"],
        deadline=row["deadline"],
        matters_by=matters_by(lane, row["deadline"], params if isinstance(params, Mapping) else {}, now),
        gathered=row["state"] == "deferred",
        has_files=row["files"] > 0,
        application_id=None if about is None else UUID(about),
    )
    contact = None
    if row["language"] is not None:
        contact = Contact(row["name"], row["phone"], row["email"], row["language"])
    return Planned(case, standing(row), contact, row["template_version"], row["broadcast_id"])


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])

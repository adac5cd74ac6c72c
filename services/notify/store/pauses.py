"""Templates that are paused, and their messages. Held messages are in state `held`; whoever releases them has them
routed anew, and the router holds what is still halted by something else (a broadcast, a pause).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection

LOCK = "notify.template-pauses"
"""The router shares it before it looks what is paused; who pauses holds it. So whatever was routed before a pause is
there to be held, and whatever is routed after it is held by the router.
"""


async def lock_pauses(conn: Connection) -> None:
    """Wait until nobody routes, and let nobody route until this transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", LOCK)


async def share_pauses(conn: Connection) -> None:
    """Let no template be paused or resumed until this transaction ends. Before it locks any message: who pauses waits
    for messages that are locked.
    """
    await conn.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))", LOCK)


async def find_paused(conn: Connection) -> set[str]:
    """The templates that are paused."""
    return {row["template"] for row in await conn.fetch("SELECT template FROM template_standing WHERE paused")}


class Standing(NamedTuple):
    """Whether a template is paused, and how many events told of it."""

    paused: bool
    version: int


async def lock_standing(conn: Connection, template: str) -> Standing:
    """Lock a template against other pauses; one that never was paused too."""
    row = await conn.fetchrow(
        "INSERT INTO template_standing AS s (template, paused) VALUES ($1, false) "
        "ON CONFLICT (template) DO UPDATE SET paused = s.paused RETURNING paused, version",
        template,
    )
    assert row is not None
    return Standing(*row)


async def save_standing(conn: Connection, template: str, *, paused: bool, version: int) -> None:
    """Write that a template, which is locked, is paused or not."""
    await conn.execute(
        "UPDATE template_standing SET paused = $2, version = $3 WHERE template = $1", template, paused, version
    )


# What is on its way or unknown is locked too, though it stays as it is: whoever makes a retry of it at this moment is
# waited for, and who does so later finds the pause.
HOLD = """
WITH mine AS (
    SELECT id, state FROM notification WHERE template = $1 AND (
        state IN ('planned', 'waiting_contact', 'deferred', 'held', 'queued', 'retry')
        OR state = 'sending' OR state = 'unknown')
    ORDER BY id FOR UPDATE
), held AS (
    UPDATE notification AS n SET state = 'held', claim = NULL, not_before = NULL,
        route = CASE WHEN n.state IN ('queued', 'retry') THEN array_prepend(n.channel, n.route) ELSE n.route END,
        channel = CASE WHEN n.attempts = 0 THEN NULL ELSE n.channel END
    FROM mine WHERE n.id = mine.id AND mine.state IN ('planned', 'deferred', 'queued', 'retry') RETURNING n.id
)
SELECT (SELECT count(*) FROM held) AS held, (SELECT count(*) FROM mine WHERE state = 'sending') AS under_way,
    (SELECT count(*) FROM mine WHERE state IN ('held', 'waiting_contact')) AS waiting
"""


class Held(NamedTuple):
    """How many messages were held back now, were being handed over, and waited anyway."""

    held: int
    under_way: int
    waiting: int


async def hold_all(conn: Connection, template: str) -> Held:
    """Hold back what has not begun to leave, in the order of ids. Whoever claimed one finds it gone."""
    row = await conn.fetchrow(HOLD, template)
    assert row is not None
    return Held(*row)


async def hold_again(conn: Connection, notification_ids: Collection[UUID]) -> None:
    """Hold back those of these messages, which are locked and to be tried again, whose template is paused."""
    await conn.execute(
        "UPDATE notification AS n SET state = 'held', claim = NULL, route = array_prepend(n.channel, n.route) "
        "WHERE id = ANY($1::uuid[]) AND state = 'retry' "
        "AND template IN (SELECT template FROM template_standing WHERE paused)",
        list(notification_ids),
    )


async def release(conn: Connection, template: str, version: str | None) -> int:
    """Have what was held back routed anew; how many. `version`: the words it leaves with, None: those it was planned
    with; messages of broadcasts keep theirs. It holds too for what waits for its card, or has not come to the router.
    """
    count: int = await conn.fetchval(
        "WITH mine AS (SELECT id, state FROM notification WHERE template = $1 "
        "AND state IN ('held', 'waiting_contact', 'planned') ORDER BY id FOR UPDATE), "
        "released AS (UPDATE notification AS n SET template_version = CASE WHEN n.broadcast_id IS NULL "
        "THEN coalesce($2, n.template_version) ELSE n.template_version END, "
        "state = CASE WHEN mine.state = 'held' THEN 'planned' ELSE n.state END FROM mine WHERE n.id = mine.id) "
        "SELECT count(*) FROM mine WHERE state = 'held'",
        template,
        version,
    )
    return count


async def find_held_versions(conn: Connection, template: str) -> list[str]:
    """The versions with which messages that wait, and are of no broadcast, were planned."""
    rows = await conn.fetch(
        "SELECT DISTINCT template_version FROM notification WHERE template = $1 AND broadcast_id IS NULL "
        "AND state IN ('held', 'waiting_contact', 'planned')",
        template,
    )
    return [row["template_version"] for row in rows]


async def count_left(conn: Connection, template: str, since: UUID) -> int:
    """How many messages of a template that were planned since (by their ids) have left, or may have."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM notification WHERE id >= $2 AND template = $1 "
        "AND (sent_at IS NOT NULL OR state = 'unknown')",
        template,
        since,
    )
    return count


async def find_last_id(conn: Connection) -> UUID | None:
    """The id of the message that was planned last."""
    found: UUID | None = await conn.fetchval("SELECT id FROM notification ORDER BY id DESC LIMIT 1")
    return found


# --- who did it


async def add_pause(
    conn: Connection,
    pause_id: UUID,
    template: str,
    *,
    paused: bool,
    actor: str,
    reason: str,
    messages: int,
    now: datetime,
) -> None:
    """Keep who paused or resumed a template, and why."""
    await conn.execute(
        "INSERT INTO template_pause (pause_id, template, paused, actor, reason, at, messages) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        pause_id,
        template,
        paused,
        actor,
        reason,
        now,
        messages,
    )


async def list_pauses(
    conn: Connection, *, template: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Who paused and resumed templates, newest first."""
    rows = await conn.fetch(
        "SELECT pause_id, template, paused, actor, reason, at, messages FROM template_pause "
        "WHERE ($1::text IS NULL OR template = $1) AND ($2::uuid IS NULL OR pause_id < $2) "
        "ORDER BY pause_id DESC LIMIT $3",
        template,
        before,
        limit,
    )
    return [dict(row) for row in rows]

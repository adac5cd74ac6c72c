"""Releases of a service that serve side by side: which types of messages each handles, told through their database.

A process that meets a type it does not know asks here before it skips it: the newest release may handle it, and a
record that is skipped is skipped for every release. A release is known by what it handles, so two that handle the same
are one. Every moment is the database's. See `docs/decisions/0005-consume.md`.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.db import Connection, Database

if TYPE_CHECKING:
    from shared.consume import Subscription

__all__ = ["KNOWN_SECONDS", "Awaited", "announce", "find_awaited", "handled", "keep_announced"]

GONE_AFTER = timedelta(minutes=10)
"""Longer than an orchestrator waits before it starts a crashed process again (Kubernetes: 5 minutes at most)."""
SEEN_SECONDS = 60.0
KNOWN_SECONDS = 1.0
"""So long a process may act on what it was told here."""


class Awaited(RuntimeError):
    """A record is for a newer release of this service, which serves beside us: not ours to skip or to set aside."""


def handled(subscriptions: Iterable["Subscription"]) -> list[str]:
    """What these subscriptions handle: `TOPIC TYPE` each, sorted."""
    return sorted(f"{one.topic} {kind.__name__}" for one in subscriptions for kind in (*one.on, *one.on_many))


async def announce(conn: Connection, handles: Sequence[str]) -> None:
    """Say that a release which handles this begins to serve; one that was not there is the newest from now on.

    Returns when every process that serves goes by it. `conn` must be in no transaction.
    """
    await conn.execute("DELETE FROM serving_release WHERE seen_at < now() - $1::interval", GONE_AFTER)
    new = await _seen(conn, handles)
    if new and await conn.fetchval("SELECT count(*) FROM serving_release") > 1:
        await asyncio.sleep(KNOWN_SECONDS)


async def keep_announced(database: Database, handles: Sequence[str], stopping: asyncio.Event) -> None:
    """Say again and again that this release serves, until stopping."""
    while not stopping.is_set():
        async with database.read() as conn:
            await _seen(conn, handles)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), SEEN_SECONDS)


async def _seen(conn: Connection, handles: Sequence[str]) -> bool:
    """True when nobody had said so before."""
    new: bool = await conn.fetchval(
        "INSERT INTO serving_release (id, handles) VALUES ($1, $2) "
        "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at RETURNING old.id IS NULL",
        hashlib.sha256("\n".join(handles).encode()).hexdigest(),
        handles,
    )
    return new


async def find_awaited(conn: Connection, topic: str) -> frozenset[str]:
    """The types of this topic that the newest release which serves handles; none when no release was ever announced."""
    rows = await conn.fetch(
        "SELECT substr(handles, length($1) + 2) AS type FROM unnest("
        "(SELECT handles FROM serving_release WHERE seen_at >= now() - $2::interval ORDER BY since DESC LIMIT 1)"
        ") AS handles WHERE starts_with(handles, $1 || ' ')",
        topic,
        GONE_AFTER,
    )
    return frozenset(row["type"] for row in rows)

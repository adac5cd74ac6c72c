"""Timers: due moments as rows, worked off by any number of replicas.

The worker claims a row with `FOR UPDATE SKIP LOCKED` and does the work in the same transaction: the row's lock is the
lease, it ends with the connection, and the effect and the removal of the timer commit together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeAlias

from shared.clock import Clock
from shared.db import Connection, Database
from shared.failures import is_outage
from shared.telemetry import HANDLER_SECONDS, LOOP_FAILURES, get_logger

__all__ = ["TimerHandler", "cancel_timer", "run_timers", "set_timer"]

logger = get_logger()

TimerHandler: TypeAlias = Callable[[Connection, str, datetime], Awaitable[None]]

POLL_SECONDS = 0.5
RETRY_AFTER_MAX = timedelta(minutes=10)
DOUBLINGS_MAX = 10


async def set_timer(conn: Connection, kind: str, key: str, due_at: datetime) -> None:
    """Have `kind` called with `key` at `due_at`; setting the same (kind, key) again moves it."""
    await conn.execute(
        "INSERT INTO timer (kind, key, due_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at, attempts = 0, retry_at = NULL",
        kind,
        key,
        due_at,
    )


async def cancel_timer(conn: Connection, kind: str, key: str) -> None:
    """Forget a timer; one that is not there is no error."""
    await conn.execute("DELETE FROM timer WHERE kind = $1 AND key = $2", kind, key)


async def run_due(database: Database, handlers: Mapping[str, TimerHandler], now: datetime) -> bool:
    """Work off one due timer. True when there was one. Raises what the handler raised, after scheduling its retry."""
    claimed: tuple[str, str] | None = None
    try:
        async with database.transaction() as conn:
            row = await conn.fetchrow(
                "SELECT kind, key, due_at FROM timer WHERE due_at <= $1 AND (retry_at IS NULL OR retry_at <= $1) "
                "AND kind = ANY($2) ORDER BY due_at FOR UPDATE SKIP LOCKED LIMIT 1",
                now,
                list(handlers),
            )
            if row is None:
                return False
            claimed = (row["kind"], row["key"])
            with HANDLER_SECONDS.labels(row["kind"], "timer").time():
                # removed first, so that the handler may set the same timer again
                await conn.execute("DELETE FROM timer WHERE kind = $1 AND key = $2", *claimed)
                await handlers[row["kind"]](conn, row["key"], now)
    except BaseException:
        if claimed is not None:
            await asyncio.shield(_postpone(database, claimed, now))
        raise
    return True


async def _postpone(database: Database, claimed: tuple[str, str], now: datetime) -> None:
    async with database.transaction() as conn:
        attempts = await conn.fetchval(
            "UPDATE timer SET attempts = attempts + 1 WHERE kind = $1 AND key = $2 RETURNING attempts",
            *claimed,
        )
        if attempts is not None:
            # unbounded, a timer that fails for hours overflows here: never postponed again, it would block all others
            wait = min(timedelta(seconds=2 ** min(attempts, DOUBLINGS_MAX)), RETRY_AFTER_MAX)
            await conn.execute(
                "UPDATE timer SET retry_at = $3 WHERE kind = $1 AND key = $2",
                claimed[0],
                claimed[1],
                now + wait,
            )


async def run_timers(
    database: Database, handlers: Mapping[str, TimerHandler], clock: Clock, stopping: asyncio.Event
) -> None:
    """Work off timers as they fall due, until `stopping`. Raises on an outage: the supervisor waits and starts it anew.
    A timer whose handler fails is tried again later and blocks no other."""
    while not stopping.is_set():
        try:
            worked = await run_due(database, handlers, clock.now())
        except Exception as error:  # the edge of every timer's handler
            if is_outage(error):
                raise
            LOOP_FAILURES.labels("timers").inc()
            logger.exception("timer.failed")
            worked = False  # pause, so that one that cannot even be postponed does not spin
        if not worked:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_SECONDS)

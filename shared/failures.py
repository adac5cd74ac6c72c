"""Which failures are an outage (wait, try again, nobody's fault) and which belong to the message."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from shared.errors import Refused
from shared.events.envelope import Malformed
from shared.telemetry import LOOP_FAILURES, get_logger

__all__ = ["describe", "is_outage", "supervise"]

RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 5.0

logger = get_logger()

_OUTAGES = (
    OSError,
    TimeoutError,
    KafkaError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # what the client says when its connection breaks in the midst of a statement
)


def is_outage(error: BaseException) -> bool:
    """True when the database, the broker or a lock was not to be had: the same message may well pass later."""
    if isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError):
        # the client's own complaint: an outage only when it is about a lost connection, else a defect
        return "clos" in str(error) or "connection" in str(error)
    return isinstance(error, _OUTAGES)


async def supervise(
    name: str, loop: Callable[[], Awaitable[None]], stopping: asyncio.Event, *, once: bool = False
) -> None:
    """Run a loop until `stopping` (with `once`: until it ends well); when it fails, log it, wait a little longer each
    time, and run it again.

    A loop that fails for good shows in `lapak_loop_failures_total` and in what it leaves undone (outbox age, lag).
    """
    wait = RESTART_SECONDS_MIN
    while not stopping.is_set():
        began = time.monotonic()
        try:
            await loop()
        except Exception as error:  # the edge of every background loop: it must outlive any failure
            LOOP_FAILURES.labels(name).inc()
            if is_outage(error):
                logger.warning("loop.outage", loop=name, error=type(error).__name__, retry_seconds=wait)
            else:
                logger.exception("loop.failed", loop=name, retry_seconds=wait)
            if time.monotonic() - began > 10 * RESTART_SECONDS_MAX:
                wait = RESTART_SECONDS_MIN
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait)
            wait = min(wait * 2, RESTART_SECONDS_MAX)
        else:
            if once:
                return
            wait = RESTART_SECONDS_MIN
            await asyncio.sleep(wait if time.monotonic() - began < wait else 0)


def describe(error: Exception) -> str:
    """What went wrong, without any value of the message: it may be personal data."""
    if isinstance(error, ValidationError):
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(str(part) for part in p['loc']) or 'body'}: {p['msg']}" for p in problems[:10])
    if isinstance(error, Malformed):
        return str(error)
    if isinstance(error, Refused):
        return f"{error.code}: {error.message}"
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} {error.sqlstate}"
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    where = "" if frames is None else f" at {frames.tb_frame.f_code.co_qualname}:{frames.tb_lineno}"
    return f"{type(error).__name__}{where}"

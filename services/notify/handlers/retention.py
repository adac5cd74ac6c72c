"""What is not kept for ever: what messages say goes after some days, messages themselves after a year, counts never.

Timers do it in small batches, each its own transaction, and come again at once while there is more.
"""

from datetime import datetime, timedelta

from services.notify.store import figures, subscribers
from shared.db import Connection
from shared.telemetry import get_logger
from shared.timers import TimerHandler, set_timer

__all__ = ["COUNT_FIGURES", "RETENTION", "count_figures", "forgets"]

COUNT_FIGURES = "figures.count"
RETENTION = "retention"

COUNT_AFTER = timedelta(days=2)
"""Most receipts have come by then; a message that is counted is counted as it stands."""
COUNT_UNKNOWN_AFTER = timedelta(days=30)
COUNT_EVERY = timedelta(minutes=5)
FORGET_EVERY = timedelta(hours=1)
BATCH_ROWS = 1000

logger = get_logger()


async def count_figures(conn: Connection, _: str, now: datetime) -> None:
    """Count what was settled two days ago."""
    counted = await figures.count_settled(
        conn, now - COUNT_AFTER, unknown_before=now - COUNT_UNKNOWN_AFTER, limit=BATCH_ROWS
    )
    await set_timer(conn, COUNT_FIGURES, "", now if counted >= BATCH_ROWS else now + COUNT_EVERY)


def forgets(bodies_days: int, messages_days: int) -> TimerHandler:
    """A timer that removes what is past its days."""

    async def forget(conn: Connection, _: str, now: datetime) -> None:
        bodies, messages = now - timedelta(days=bodies_days), now - timedelta(days=messages_days)
        done = {
            "bodies": await figures.empty_settled(conn, bodies, now, BATCH_ROWS),
            "reasons": await figures.remove_reasons(conn, bodies),
            "guests": await figures.remove_guests(conn, bodies, BATCH_ROWS),
            "webhook_events": await subscribers.remove_events(conn, bodies, BATCH_ROWS),
            "messages": await figures.remove_counted(conn, messages, BATCH_ROWS),
        }
        if any(done.values()):
            logger.info("retention.removed", **done)
        await set_timer(conn, RETENTION, "", now if max(done.values()) >= BATCH_ROWS else now + FORGET_EVERY)

    return forget

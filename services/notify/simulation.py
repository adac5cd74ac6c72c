"""What simulated providers report: a background that stands in for their webhooks."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from services.notify.channels.simulated import receipts_due
from services.notify.handlers import receipts
from services.notify.store import keys
from shared.clock import Clock
from shared.db import Database

__all__ = ["report_due", "simulate"]

LOOK_SECONDS = 0.5
LOOK_BACK = timedelta(days=1)
ROWS_MAX = 500


async def simulate(database: Database, clock: Clock, stopping: asyncio.Event) -> None:
    """Report what is due, until stopping. Any number of replicas may: a receipt that comes twice counts once."""
    while not stopping.is_set():
        await report_due(database, clock)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def report_due(database: Database, clock: Clock) -> int:
    """Apply the receipts that are due; how many."""
    now = clock.now()
    async with database.read() as conn:
        taken = await keys.find_simulated(conn, now - LOOK_BACK, ROWS_MAX)
    due = [
        receipt
        for one in taken
        for receipt in receipts_due(one.provider, one.attempt_id, one.message_id, one.began_at, now)
    ]
    if due:
        async with database.transaction() as conn:
            await receipts.apply_receipts(conn, due, now=now)
    return len(due)

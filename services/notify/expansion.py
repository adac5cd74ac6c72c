"""Broadcasts at work: a background of the service, any number of replicas beside each other.

Each broadcast is taken a step further by whoever finds it free: the messages of its next people are planned, never many
ahead of those that have left; what came back while it is paused is held; what is left of a stopped one is cancelled.
"""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

from services.notify.handlers import broadcasts, budgets
from services.notify.store import audiences
from shared.clock import Clock
from shared.db import Database
from shared.failpoints import failpoint

__all__ = ["Expansion"]

POLL_SECONDS = 0.5
MEASURE_SECONDS = 15.0
MEASURE_SHARE = 20.0
"""A measure that took long is taken seldom: a twentieth of the time at most."""
FORGET_SECONDS = 600.0


class Expansion:
    """Takes broadcasts further until stopped."""

    def __init__(self, database: Database, clock: Clock, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._measure_at: dict[UUID, float] = {}
        self._forget_at = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. Raises when the database fails: what was begun is rolled back, and found again."""
        while not stopping.is_set():
            more = await self.step()
            await self._forget()
            if not more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), self._poll_seconds)

    async def step(self) -> bool:
        """One step of every broadcast there is something to do about. Whether there is more to do at once."""
        async with self._database.read() as conn:
            standing = await audiences.find_standing(conn)
        self._measure_at = {one: at for one, at in self._measure_at.items() if one in standing}
        more = False
        for broadcast_id in standing:
            async with self._database.transaction() as conn:
                more = await broadcasts.advance(conn, broadcast_id, now=self._clock.now()) or more
                failpoint("notify.expanding")
            await self._measure(broadcast_id)
        return more

    async def _measure(self, broadcast_id: UUID) -> None:
        began = time.monotonic()
        if began < self._measure_at.get(broadcast_id, 0.0):
            return
        async with self._database.transaction() as conn:
            await broadcasts.measure(conn, broadcast_id, now=self._clock.now())
        took = time.monotonic() - began
        self._measure_at[broadcast_id] = began + max(MEASURE_SECONDS, took * MEASURE_SHARE)

    async def _forget(self) -> None:
        """Addresses that no longer count are removed, also those of providers that carry nothing any more."""
        if time.monotonic() < self._forget_at:
            return
        async with self._database.transaction() as conn:
            await budgets.forget_old(conn, now=self._clock.now())
        self._forget_at = time.monotonic() + FORGET_SECONDS

"""The journal of sending: attempts committed before their calls, outcomes after, for all lines in shared commits.

Every line asks for its attempt and reports its outcome by itself; one writer takes whatever has come together into one
transaction. So a crash leaves at most one message per line without a known outcome, and a commit serves several.
"""

import asyncio
from uuid import UUID

from services.notify.handlers import delivery as handlers
from services.notify.handlers.delivery import End
from services.notify.store.delivery import Start
from shared.clock import Clock
from shared.db import Database
from shared.failpoints import failpoint

__all__ = ["Journal"]

ENTRIES_PER_COMMIT_MAX = 500


class Journal:
    """Written by one `run` at a time. What is not committed stays here, so a database that is away is waited for."""

    def __init__(self, database: Database, clock: Clock, *, lease_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._starts: list[tuple[Start, asyncio.Future[bool]]] = []
        self._ends: list[End] = []
        self._bell = asyncio.Event()
        self._closing = False
        self.written = asyncio.Event()
        """Set when the journal is closed and empty."""

    async def begin(self, start: Start) -> bool:
        """Commit an attempt; False when the message is not ours to send (any more)."""
        begun: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._starts.append((start, begun))
        self._bell.set()
        return await begun

    def end(self, end: End) -> None:
        """Have an outcome committed soon; before the next attempt of the same line begins."""
        self._ends.append(end)
        self._bell.set()

    def close(self) -> None:
        """Let `run` return once everything is written (`written`)."""
        self._closing = True
        self._bell.set()

    async def run(self) -> None:
        """Write until closed and empty. Raises when the database fails; what was to be written is kept."""
        while True:
            while self._starts or self._ends:
                self._bell.clear()
                await self._write()
            if self._closing:
                self.written.set()
                return
            await self._bell.wait()

    async def _write(self) -> None:
        starts = self._starts[:ENTRIES_PER_COMMIT_MAX]
        ends = self._ends[:ENTRIES_PER_COMMIT_MAX]
        begun: set[UUID] = set()
        async with self._database.transaction() as conn:
            now = self._clock.now()
            if ends:
                await handlers.end_attempts(conn, ends, now=now)
            if starts:
                begun = await handlers.begin_attempts(
                    conn, [start for start, _ in starts], lease_seconds=self._lease_seconds, now=now
                )
            failpoint("notify.recording")
        failpoint("notify.recorded")
        del self._starts[: len(starts)]
        del self._ends[: len(ends)]
        for start, answer in starts:
            if not answer.done():  # a line that was cancelled asks no more
                answer.set_result(start.attempt_id in begun)

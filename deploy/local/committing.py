"""Many senders share a commit: as many entries are stored at once as have come."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

__all__ = ["SharedCommits"]

ENTRIES_PER_COMMIT_MAX = 500

T = TypeVar("T")


class SharedCommits(Generic[T]):
    """Stores entries on a thread of its own, by `add`, for whoever waits for theirs. `waiting_max` bounds the memory:
    beyond it senders wait to be heard.
    """

    def __init__(self, add: Callable[[list[T]], None], *, waiting_max: int) -> None:
        self._add = add
        self._queue: asyncio.Queue[tuple[T, asyncio.Future[None]]] = asyncio.Queue(maxsize=waiting_max)
        self._thread = ThreadPoolExecutor(max_workers=1)

    async def store(self, entry: T) -> None:
        """Return once it is on disk. Raises `sqlite3.Error`."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put((entry, stored))
        await stored

    async def call(self, work: Callable[..., None], *args: Any) -> None:
        """Do other work on the thread that writes."""
        await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def run(self) -> None:
        """Store what has come, for ever. A batch that fails is answered for, and the next one tried."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < ENTRIES_PER_COMMIT_MAX and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            failure: sqlite3.Error | None = None
            try:
                await self.call(self._add, [entry for entry, _ in batch])
            except sqlite3.Error as error:
                failure = error
            for _, stored in batch:
                if stored.done():  # the sender went away
                    continue
                if failure is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(failure)

    def close(self) -> None:
        """Let the batch being written end."""
        self._thread.shutdown()

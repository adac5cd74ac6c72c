"""Importing a sheet: chunk by chunk, each a transaction with the run's own progress in it.

While one chunk is being written, the next is checked and sealed: of a long sheet in a process of its own, which leaves
this one to its other requests. A run that was cut off (a crash, a restart) goes on after its last whole chunk when the
same request comes again. What is done twice nevertheless does no harm: a NIK that is known is "already".
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, ClassVar, NamedTuple

from services.vendor.domain.registration import Problem
from services.vendor.handlers import importing as handlers
from services.vendor.handlers.importing import Asked, Entrant, Prepared, Row
from services.vendor.repeats import FirstLines
from services.vendor.sheets import Sheet
from services.vendor.store import imports as store
from services.vendor.store.imports import ImportRun, Rejection
from services.vendor.store.vendors import find_codes
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.service import Platform
from shared.telemetry import current_traceparent, get_logger

__all__ = ["CHUNK_ROWS", "REJECTED_ROWS_MAX", "ImportRunning", "run_import"]

CHUNK_ROWS = 2_000
"""Five times as many are no faster, and hold their locks five times as long."""
PROCESS_ROWS_MIN = 20_000
"""From here on a second process pays: to start it costs as much as these rows."""
REJECTED_ROWS_MAX = 50_000
"""With more the sheet has one fault in every row: the import stops, so that its report can be read."""
LINES_PER_WARNING_MAX = 10

logger = get_logger()


class ImportRunning(Refused):
    """Another request moves this very import forward."""

    code: ClassVar[str] = "import-running"


async def run_import(platform: Platform, run: ImportRun, sheet: Sheet, *, within: str | None) -> ImportRun:
    """Import the rows of a sheet that this run has not done yet; `within` is the officer's area.

    Raises `ImportRunning` when another request does the same; the chunks it did are not done again.
    """
    if run.finished_at is not None:
        return run
    chunks = _Chunks(platform, sheet, run.rows, within)
    async with chunks.ahead() as ahead:
        while run.finished_at is None:
            chunk = await anext(ahead)
            async with platform.database.transaction() as conn:
                standing = await store.lock_import(conn, run.import_id)
                if standing != run:
                    raise ImportRunning("This import is being moved forward by another request; ask for its progress.")
                run = await _take(conn, run, chunk, platform.clock.now())
            if run.finished_at is not None:
                logger.info(
                    "import.finished",
                    import_id=str(run.import_id),
                    dry_run=run.dry_run,
                    rows=run.rows,
                    registered=run.registered,
                    already=run.already,
                    rejected=run.rejected,
                )
    return run


class Chunk(NamedTuple):
    """Rows of a sheet, and what may become of them."""

    rows: list[Row]
    entrants: list[Entrant]
    rejections: list[Rejection]


class _Chunks:
    """The rows of a sheet from where a run stands, chunk by chunk; each person of it counts once."""

    def __init__(self, platform: Platform, sheet: Sheet, done: int, within: str | None) -> None:
        self._platform = platform
        self._rows: Iterator[Row] = sheet.wishes()
        self._left_out = done
        self._made = 0
        self._within = within
        self._seen = FirstLines()
        self._helper: ProcessPoolExecutor | None = None

    @asynccontextmanager
    async def ahead(self) -> AsyncIterator[AsyncIterator[Chunk]]:
        """The chunks, one always in the making while the one before is in use; after the last come empty ones."""
        making: asyncio.Task[Chunk] = asyncio.create_task(self._make())

        async def chunks() -> AsyncIterator[Chunk]:
            nonlocal making
            while True:
                chunk = await making
                making = asyncio.create_task(self._make())
                yield chunk

        try:
            yield chunks()
        except BaseException:
            making.cancel()  # its thread reads on until the file is closed
            raise
        finally:
            await asyncio.gather(making, return_exceptions=True)
            if self._helper is not None:
                self._helper.shutdown(wait=False, cancel_futures=True)

    async def _make(self) -> Chunk:
        async with self._platform.database.read() as conn:
            codes = await find_codes(conn)
        asked = Asked(codes, self._platform.clock.now(), self._within, current_traceparent())
        if self._left_out:
            await self._pass_over(asked)
        rows = await self._read(CHUNK_ROWS)
        prepared = await self._prepare(rows, asked)
        entrants = []
        for entrant in prepared.entrants:
            line, wish = rows[entrant.place]
            first = self._seen.note(entrant.nik, line)
            if first == line:
                entrants.append(entrant)
            else:
                fix = "one person stands in the sheet twice, or one of the two NIK is wrong"
                problem = Problem("nik", "row-repeated", f"stands in line {first}", fix)
                prepared.rejections.append(handlers.reject(line, wish, [problem]))
        self._made += len(rows)
        return Chunk(rows, entrants, prepared.rejections)

    async def _prepare(self, rows: Sequence[Row], asked: Asked) -> Prepared:
        if self._made < PROCESS_ROWS_MIN:
            return await asyncio.to_thread(handlers.prepare, rows, asked, self._platform.sealer)
        if self._helper is None:
            keys = self._platform.settings.secret_keys
            # spawned: a fork would take along the threads' locks and the sockets of this process
            self._helper = ProcessPoolExecutor(1, get_context("spawn"), _begin, (keys,))
        return await asyncio.get_running_loop().run_in_executor(self._helper, _prepare, rows, asked)

    async def _pass_over(self, asked: Asked) -> None:
        """Leave out what an earlier request did, noting who stood there."""
        while self._left_out and (rows := await self._read(min(self._left_out, CHUNK_ROWS))):
            for line, nik in await asyncio.to_thread(handlers.read_niks, rows, asked):
                self._seen.note(nik, line)
            self._left_out -= len(rows)

    async def _read(self, number: int) -> list[Row]:
        return await asyncio.to_thread(lambda: list(islice(self._rows, number)))


_sealer: Sealer
"""Of the process that helps with long sheets."""


def _begin(keys: Mapping[str, str]) -> None:
    global _sealer
    _sealer = Sealer(keys)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A service that is killed cannot end its helper, which would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)


def _prepare(rows: Sequence[Row], asked: Asked) -> Prepared:
    return handlers.prepare(rows, asked, _sealer)


async def _take(conn: Connection, run: ImportRun, chunk: Chunk, now: datetime) -> ImportRun:
    """Register the people of a chunk, note what was rejected, and move the run forward."""
    if run.dry_run:
        registered = await handlers.find_unregistered(conn, chunk.entrants)
    else:
        registered = await handlers.register_entrants(conn, chunk.entrants)
    if chunk.rejections:
        await store.add_rejections(conn, run.import_id, chunk.rejections)
    rejected = run.rejected + len(chunk.rejections)
    stopped = chunk.rows[-1][0] if rejected > REJECTED_ROWS_MAX else None
    finished = stopped is not None or len(chunk.rows) < CHUNK_ROWS
    moved = replace(
        run,
        rows=run.rows + len(chunk.rows),
        registered=run.registered + len(registered),
        already=run.already + len(chunk.entrants) - len(registered),
        rejected=rejected,
        warnings=_with_warnings(run.warnings, [(chunk.rows[entrant.place][0], entrant) for entrant in registered]),
        stopped_at_line=stopped,
        finished_at=now if finished else None,
    )
    await store.save_import(conn, moved)
    return moved


def _with_warnings(warnings: dict[str, Any], registered: Sequence[tuple[int, Entrant]]) -> dict[str, Any]:
    merged = {code: {"count": noted["count"], "lines": list(noted["lines"])} for code, noted in warnings.items()}
    for line, entrant in registered:
        for code in entrant.warnings:
            noted = merged.setdefault(code, {"count": 0, "lines": []})
            noted["count"] += 1
            if len(noted["lines"]) < LINES_PER_WARNING_MAX:
                noted["lines"].append(line)
    return merged

"""The delivery of messages: a background of the service, any number of replicas beside each other.

Due notifications are claimed in small batches (SKIP LOCKED, a lease) into a queue ordered by urgency. Each line opens
its way to the provider first, then takes one message, commits its attempt, sends, and reports the outcome (`journal`).
Every second what has passed its deadline expires, attempts without an outcome become unknown, and messages whose
contact card came at the same moment as they are released.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from opentelemetry.trace import SpanKind

from services.notify.channels import ChannelDown, Letter, Line, Provider
from services.notify.domain.contents import Email
from services.notify.domain.delivery import Outcome, Rejected
from services.notify.handlers import delivery as handlers
from services.notify.handlers import planning
from services.notify.handlers.delivery import End
from services.notify.journal import Journal
from services.notify.rendering import Template, TemplateFault, current_templates, render
from services.notify.store import delivery, intents
from services.notify.store.delivery import Job, Start
from shared.clock import Clock
from shared.db import Connection, Database
from shared.failpoints import failpoint
from shared.failures import supervise
from shared.ids import new_id
from shared.telemetry import HANDLER_SECONDS, continued, get_logger

__all__ = ["Delivery", "Pace"]

CLAIMS_PER_LINE = 8
DOWN_SECONDS_FIRST = 0.25
DOWN_SECONDS_MAX = 10.0

logger = get_logger()


@dataclass(frozen=True)
class Pace:
    """How much at once, and how long things may take.

    `sending_seconds`, the lease of an attempt, exceeds what an attempt may take: `hand_over_seconds` until the content
    leaves, and then the channel's time for an answer.
    """

    lines: int = 16
    claim_seconds: float = 30.0
    hand_over_seconds: float = 60.0
    sending_seconds: float = 180.0
    poll_seconds: float = 0.25
    sweep_seconds: float = 1.0
    closing_seconds: float = 5.0


@dataclass(order=True)
class _Claimed:
    """A claimed job in the queue: by lane, then as claimed. `lapses_at`: when the claim is about to end."""

    lane: int
    number: int
    job: Job | None = field(compare=False)
    lapses_at: float = field(compare=False, default=0.0)


class Delivery:
    """Delivers through one channel until stopped."""

    def __init__(self, database: Database, clock: Clock, channel: Provider, pace: Pace | None = None) -> None:
        self._database = database
        self._clock = clock
        self._channel = channel
        self._pace = pace or Pace()
        self._journal = Journal(database, clock, lease_seconds=self._pace.sending_seconds)
        self._queue: asyncio.PriorityQueue[_Claimed] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._bell = asyncio.Event()
        self._stopping = asyncio.Event()
        self._down_because: str | None = None
        database.after_commit(self._bell.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping`; then messages under way are finished and recorded, the rest is given back."""
        self._stopping = stopping
        lines = [self._loop("notify.line", self._serve) for _ in range(self._pace.lines)]
        others = [self._loop("notify.claim", self._claim), self._loop("notify.sweep", self._sweep)]
        journal = asyncio.create_task(supervise("notify.journal", self._journal.run, self._journal.written))
        try:
            await stopping.wait()
            for _ in lines:
                self._queue.put_nowait(_Claimed(-1, next(self._numbers), None))
            self._bell.set()
            await asyncio.gather(*lines, *others)
            self._journal.close()
            with suppress(TimeoutError):  # a database that is away: the leases will tell
                await asyncio.wait_for(self._journal.written.wait(), self._pace.closing_seconds)
                await self._give_back()
        finally:
            await _end([*lines, *others, journal])

    def _loop(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(supervise(name, loop, self._stopping), name=name)

    # --- claiming

    async def _claim(self) -> None:
        """Keep the queue filled while there is something due."""
        most = self._pace.lines * CLAIMS_PER_LINE
        while not self._stopping.is_set():
            self._bell.clear()
            room = most - self._queue.qsize()
            if room >= most // 2:
                taken = await self._take(room)
                if taken == room:
                    continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), self._pace.poll_seconds)

    async def _take(self, limit: int) -> int:
        lapses_at = time.monotonic() + self._pace.claim_seconds / 2
        # not through `transaction`: a claim is no news, and would ring our own bell
        async with self._database.pool.acquire() as conn:
            jobs = await delivery.claim_due(
                conn, new_id(), limit=limit, lease_seconds=self._pace.claim_seconds, now=self._clock.now()
            )
        for job in jobs:
            self._queue.put_nowait(_Claimed(job.lane, next(self._numbers), job, lapses_at))
        return len(jobs)

    async def _give_back(self) -> None:
        held = []
        while not self._queue.empty():
            claimed = self._queue.get_nowait()
            if claimed.job is not None:
                held.append(claimed.job)
        if held:
            async with self._database.transaction() as conn:
                await delivery.drop_claims(conn, [job.id for job in held], [job.claim for job in held])

    # --- sending

    async def _serve(self) -> None:
        """One line: open, take, send, again."""
        line = self._channel.line()
        wait = DOWN_SECONDS_FIRST
        try:
            while not self._stopping.is_set():
                claimed = await self._queue.get()
                if claimed.job is None or time.monotonic() > claimed.lapses_at:
                    continue
                if not await self._is_open(line):
                    self._queue.put_nowait(claimed)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), wait * (0.5 + random.random()))
                    wait = min(wait * 2, DOWN_SECONDS_MAX)
                    continue
                wait = DOWN_SECONDS_FIRST
                await self._deliver(line, claimed.job)
                if self._queue.qsize() <= self._pace.lines * CLAIMS_PER_LINE // 2:
                    self._bell.set()
        finally:
            await line.close()

    async def _is_open(self, line: Line) -> bool:
        """Open the line. A provider that is away is told of once, and once when it is back."""
        try:
            await line.open()
        except ChannelDown as error:
            if self._down_because is None:
                logger.warning("channel.down", channel=self._channel.name, reason=error.code)
            self._down_because = error.code
            return False
        if self._down_because is not None:
            logger.info("channel.up", channel=self._channel.name)
            self._down_because = None
        return True

    async def _deliver(self, line: Line, job: Job) -> None:
        attempt_id = new_id()
        written = await self._write(job, attempt_id)
        language = job.contact.language if job.contact is not None else None
        start = Start(job.id, job.claim, attempt_id, self._channel.channel, language)
        # counted from before the lease begins: a process that was halted meanwhile must find that it is too late
        hand_over_until = time.monotonic() + self._pace.hand_over_seconds
        if not await self._journal.begin(start):
            return
        failpoint("notify.begun")
        outcome: Outcome
        if isinstance(written, Rejected):
            outcome = written
        else:
            with (
                continued(job.traceparent, f"send {job.template}", kind=SpanKind.CLIENT, notification_id=str(job.id)),
                HANDLER_SECONDS.labels(job.template, self._channel.name).time(),
            ):
                outcome = await line.send(written, seconds=hand_over_until - time.monotonic())
        failpoint("notify.sent")
        self._journal.end(End(job.id, start.attempt_id, outcome))

    async def _write(self, job: Job, attempt_id: UUID) -> Letter | Rejected:
        """The message in words, or why there is none: no channel reaches the vendor, or the template is at fault."""
        if job.contact is None:
            return Rejected("no-contact")
        address = self._channel.address(job.contact)
        if address is None:
            return Rejected("no-address")
        try:
            template = await self._template(job.template, job.template_version)
            text = render(
                template,
                job.contact.language,
                job.params,
                name=job.contact.name,
                notification_id=job.id,
                party=job.party,
            )
        except TemplateFault as fault:
            logger.error("notification.template_fault", notification_id=str(job.id), fault=str(fault))
            return Rejected("template-fault")
        content = Email(text.subject, text.body, text.html)
        return Letter(
            job.id, attempt_id, job.template, job.contact.name, address, content, self._clock.now(), job.deadline
        )

    async def _template(self, name: str, version: str) -> Template:
        """The template at the version the message was planned with, which may be an older release's."""
        current = current_templates().get(name)
        if current is not None and current.version == version:
            return current
        async with self._database.read() as conn:
            pinned = await intents.find_template(conn, name, version)
        if pinned is None:
            raise TemplateFault(f"{name} {version}: this version is not kept")
        return pinned

    # --- sweeping

    async def _sweep(self) -> None:
        """What time does to messages."""
        while not self._stopping.is_set():
            await self._swept("notifications.expired", self._expire)
            await self._swept("notifications.unknown", self._lose)
            await self._swept("notifications.released", planning.release_reachable)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace.sweep_seconds)

    async def _expire(self, conn: Connection) -> int:
        return await handlers.expire_overdue(conn, now=self._clock.now())

    async def _lose(self, conn: Connection) -> int:
        return await handlers.settle_lost(conn, now=self._clock.now())

    async def _swept(self, what: str, act: Callable[[Connection], Awaitable[int]]) -> None:
        count = handlers.SWEEP_ROWS_MAX
        while count >= handlers.SWEEP_ROWS_MAX:
            async with self._database.transaction() as conn:
                count = await act(conn)
            if count:
                logger.info(what, count=count)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel what still runs. Again and again: Python 3.11's `wait_for` drops a cancellation that meets a result."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.1)

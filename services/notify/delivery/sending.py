"""One provider in one replica: its queue, its lines, and whether it may be used at this moment."""

import asyncio
import itertools
import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind

from services.notify.channels import ChannelDown, Letter, Line
from services.notify.delivery.writing import Writer
from services.notify.domain.budgets import Refused
from services.notify.domain.delivery import Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.providers import Breaker, failed, succeeded
from services.notify.domain.routing import address_key
from services.notify.handlers.delivery import End
from services.notify.journal import Journal
from services.notify.pace import Outlet, Pace
from services.notify.store.claims import Job
from services.notify.store.delivery import Start
from services.notify.store.providers import Failing, Health
from shared.crypto import Sealer
from shared.failpoints import failpoint
from shared.ids import new_id
from shared.telemetry import HANDLER_SECONDS, continued, get_logger

__all__ = ["Sender"]

CLAIMS_PER_LINE = 8
DOWN_SECONDS_FIRST = 0.25
DOWN_SECONDS_MAX = 10.0
UNUSED_SECONDS = 0.25
"""A line that is not used for the moment looks so often whether it is again."""

logger = get_logger()


@dataclass(order=True)
class _Claimed:
    """A claimed job in the queue: by lane, then as claimed. `lapses_at`: when the claim is about to end."""

    lane: int
    number: int
    job: Job | None = field(compare=False)
    lapses_at: float = field(compare=False, default=0.0)


class Sender:
    """Sends what it is given through one provider, and knows how that goes."""

    def __init__(self, outlet: Outlet, pace: Pace, journal: Journal, writer: Writer, sealer: Sealer) -> None:
        self.outlet = outlet
        self.lines = outlet.lines or pace.lines
        self.share_percent = 100
        self.paused = False
        self.down_seconds: float | None = None
        self.part = 1.0
        """Its weight as a part of that of the heaviest provider of its channel which is open: so many of its lines are
        used, so that weights hold when there is more to send than all can carry.
        """
        self.returned: list[Job] = []
        """Claimed, and to be given back: somebody else may take them."""
        self.ring: Callable[[], None] = lambda: None
        """Called when there is room for more, or something to give back."""
        self.is_alone: Callable[[], bool] = lambda: True
        """Whether no other provider of the channel is there to take what this one cannot."""
        self._pace = pace
        self._journal = journal
        self._writer = writer
        self._sealer = sealer
        self._queue: asyncio.PriorityQueue[_Claimed] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._busy = 0
        self._breaker = Breaker()
        self._closed: dict[int, float] = {}
        self._down_because: str | None = None
        self._failing_because: str | None = None
        self._worked = False

    # --- whether it may be used

    @property
    def name(self) -> str:
        """Our name of the provider."""
        return self.outlet.name

    @property
    def portfolio(self) -> str:
        """To which its budgets belong; empty where it has none."""
        return "" if self.outlet.budget is None else self.outlet.budget.portfolio

    @property
    def weight(self) -> float:
        """Its share of the channel's messages at this moment."""
        return max(self.outlet.weight * self.share_percent / 100, 0.01)

    @property
    def is_shut(self) -> bool:
        """Whether nothing leaves through it at this moment."""
        return self.paused or self._breaker.is_open(time.monotonic())

    @property
    def room(self) -> int:
        """How many messages it takes now. One while it is half open, to see how that goes."""
        if self.is_shut:
            return 0
        if self._breaker.is_half_open():
            return int(not self._busy and self._queue.empty())
        return max(0, self.room_max - self._queue.qsize())

    @property
    def room_max(self) -> int:
        """How many messages may be held for it: some for each line, no more than its rate lets go in a second."""
        held = self.lines_used * CLAIMS_PER_LINE
        budget = self.outlet.budget
        return held if budget is None or not budget.burst else max(1, min(held, int(budget.burst)))

    @property
    def lines_used(self) -> int:
        """How many lines may be busy at once."""
        return max(1, math.ceil(self.lines * self.part))

    def takes(self, lane: int) -> bool:
        """Whether its budgets may have something for this lane."""
        return time.monotonic() >= self._closed.get(lane, 0.0)

    @property
    def opens_in(self) -> float:
        """Seconds until a lane that was closed opens, the first of them."""
        now = time.monotonic()
        return min((at - now for at in self._closed.values() if at > now), default=3600.0)

    def close_lanes(self, seconds: dict[int, float]) -> None:
        """Its budgets have nothing for these lanes for so long."""
        now = time.monotonic()
        self._closed.update({lane: now + wait for lane, wait in seconds.items()})

    # --- what it is given

    def put(self, job: Job) -> None:
        """Have a claimed message sent."""
        lapses_at = time.monotonic() + self._pace.claim_seconds / 2
        self._queue.put_nowait(_Claimed(job.lane, next(self._numbers), job, lapses_at))

    def stop(self) -> None:
        """Let the lines end; what is held goes back."""
        self._empty()
        for _ in range(self.lines):
            self._queue.put_nowait(_Claimed(-1, next(self._numbers), None))

    def _empty(self) -> None:
        while not self._queue.empty():
            claimed = self._queue.get_nowait()
            if claimed.job is not None:
                self.returned.append(claimed.job)
        self.ring()

    # --- how it goes

    def _note_failure(self, code: str, asked_seconds: float | None = None) -> None:
        self._breaker = failed(self._breaker, time.monotonic(), random.random(), asked_seconds)
        self._failing_because = code
        self._worked = False
        if self.is_shut:
            self._empty()

    def _note_success(self) -> None:
        self._breaker = succeeded(self._breaker)
        self._failing_because = None
        self._worked = True

    def report(self) -> tuple[Failing | None, bool]:
        """What others should know since it was asked last: how it fails, or that it works."""
        failing = None
        if self._failing_because is not None:
            left = max(0.0, self._breaker.open_until - time.monotonic())
            failing = Failing(self.name, left, self._failing_because)
        worked, self._worked, self._failing_because = self._worked, False, None
        return failing, worked and (self.share_percent < 100 or self.down_seconds is not None)

    def heed(self, health: Health) -> None:
        """What all replicas know of the provider together."""
        self.share_percent = health.share_percent
        self.down_seconds = health.down_seconds
        if health.paused != self.paused:
            logger.info("channel.paused" if health.paused else "channel.resumed", channel=self.name, code=health.code)
        self.paused = health.paused
        if health.open_seconds > 0 and not self._breaker.is_open(time.monotonic()):
            self._breaker = Breaker(0, max(1, self._breaker.openings), time.monotonic() + health.open_seconds)
        if self.is_shut:
            self._empty()

    # --- sending

    async def serve(self, number: int, stopping: asyncio.Event) -> None:
        """One line: open, take, send, again; `number` from 0."""
        line = self.outlet.provider.line()
        wait = DOWN_SECONDS_FIRST
        try:
            while not stopping.is_set():
                if number >= self.lines_used:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stopping.wait(), UNUSED_SECONDS)
                    continue
                claimed = await self._queue.get()
                if claimed.job is None or time.monotonic() > claimed.lapses_at:
                    continue
                self._busy += 1
                try:
                    if await self._is_open(line):
                        wait = DOWN_SECONDS_FIRST
                        await self._deliver(line, claimed.job)
                    else:
                        if self.is_shut or not self.is_alone():
                            self.returned.append(claimed.job)
                            self.ring()
                        else:
                            self._queue.put_nowait(claimed)
                        with suppress(TimeoutError):
                            await asyncio.wait_for(stopping.wait(), wait * (0.5 + random.random()))
                        wait = min(wait * 2, DOWN_SECONDS_MAX)
                finally:
                    self._busy -= 1
                if self._queue.qsize() <= self.room_max // 2:
                    self.ring()
        finally:
            await line.close()

    async def _is_open(self, line: Line) -> bool:
        """Open the line. A provider that is away is told of once, and once when it is back."""
        try:
            await line.open()
        except ChannelDown as error:
            if self._down_because is None:
                logger.warning("channel.down", channel=self.name, reason=error.code)
            self._down_because = error.code
            self._note_failure(error.code)
            return False
        if self._down_because is not None:
            logger.info("channel.up", channel=self.name)
            self._down_because = None
        return True

    async def _deliver(self, line: Line, job: Job) -> None:
        attempt_id = new_id()
        provider = self.outlet.provider
        written = await self._writer.write(job, provider, attempt_id)
        key = self.address_key(job)
        start = Start(job.id, job.claim, attempt_id, provider.channel, job.language, self.name, key)
        # counted from before the lease begins: a process that was halted meanwhile must find that it is too late
        hand_over_until = time.monotonic() + self._pace.hand_over_seconds
        if not await self._journal.begin(start):
            self.returned.append(job)  # nobody's if its claim passed; ours if somebody looked at it at that moment
            return
        failpoint("notify.begun")
        outcome: Outcome
        if isinstance(written, Rejected):
            outcome = written
        else:
            outcome = await self._send(line, job, written, hand_over_until)
        failpoint("notify.sent")
        elsewhere = not self.is_alone()
        self._journal.end(End(job.id, attempt_id, outcome, provider.channel, self.name, key, elsewhere, self.portfolio))

    async def _send(self, line: Line, job: Job, letter: Letter, hand_over_until: float) -> Outcome:
        with (
            continued(job.traceparent, f"send {job.template}", kind=SpanKind.CLIENT, notification_id=str(job.id)),
            HANDLER_SECONDS.labels(job.template, self.name).time(),
        ):
            outcome = await line.send(letter, seconds=hand_over_until - time.monotonic())
        match outcome:
            case Deferred(code, "provider", seconds, pause):
                self._note_failure(code, seconds)
                self.paused = self.paused or pause
            case Ambiguous(code):
                self._note_failure(code)
            case Rejected(code, "defect"):
                logger.error("channel.defect", provider=self.name, code=code, template=job.template)
                self._note_success()
            case _:
                self._note_success()
        return outcome

    def address_key(self, job: Job) -> bytes | None:
        """By what the address of a message is remembered without the person; None where it has none here."""
        address = None if job.contact is None else self.outlet.provider.address(job.contact)
        return None if address is None else self.key_of(address)

    def unused(self, job: Job) -> Refused | None:
        """What its claim put aside of the budgets for a message that was not tried; None where there is nothing."""
        budget, key = self.outlet.budget, self.address_key(job)
        if budget is None or not budget.limited or key is None:
            return None
        return Refused(job.id, self.name, self.portfolio, key, reached_provider=False)

    def key_of(self, address: str) -> bytes:
        """By what an address is remembered without the person."""
        return address_key(self._sealer.blind_index, self.outlet.channel, address)


def by_portfolio(senders: Sequence[Sender]) -> list[Sender]:
    """In the order in which budgets are to be locked."""
    return sorted(senders, key=lambda one: "" if one.outlet.budget is None else one.outlet.budget.portfolio)

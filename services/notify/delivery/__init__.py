"""The delivery of messages: a background of the service, any number of replicas beside each other.

What is planned is routed to a channel. Due messages of a channel are claimed in small batches (SKIP LOCKED, a lease),
shared among its providers by weight, and queued there by urgency. Each line of a provider opens its way first, then
takes one message, commits its attempt, sends, and reports the outcome (`journal`). A provider that fails is left alone
for a while and what it held goes to another; all replicas hear of it within a second.
Every second what has passed its deadline expires, attempts without an outcome become unknown, urgent messages leave
channels that keep silent or are out of service, and whom providers can be asked about is asked about.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

from services.notify.channels import ChannelDown
from services.notify.delivery.claiming import Pool
from services.notify.delivery.sending import Sender
from services.notify.delivery.writing import MakeExtras, Writer, no_extras
from services.notify.domain.hours import Hours
from services.notify.domain.routing import Rules
from services.notify.handlers import budgets, planning, providers, receipts, routing
from services.notify.handlers import delivery as handlers
from services.notify.handlers.delivery import End
from services.notify.journal import Journal
from services.notify.pace import Outlet, Pace
from services.notify.store import claims
from services.notify.store.delivery import Question
from shared.clock import Clock, day_in_jakarta
from shared.crypto import Sealer
from shared.days_off import is_idul_fitri
from shared.db import Connection, Database
from shared.failures import supervise
from shared.telemetry import get_logger

__all__ = ["Delivery", "MakeExtras", "Outlet", "Pace"]

ROUTES_PER_BATCH = 500
ROUTE_SECONDS_MIN = 0.02
"""Between two looks at what is planned: every commit rings the bell, and a broadcast commits all the time."""
QUESTIONS_AT_ONCE = 8
FORGET_SECONDS = 3600.0

logger = get_logger()


class Delivery:
    """Delivers through all providers until stopped."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        outlets: Sequence[Outlet],
        pace: Pace | None = None,
        *,
        sealer: Sealer,
        rules: Rules | None = None,
        extras: MakeExtras = no_extras,
    ) -> None:
        self._database = database
        self._clock = clock
        self._pace = pace or Pace()
        self._sealer = sealer
        self._rules = rules or Rules()
        self._journal = Journal(database, clock, lease_seconds=self._pace.sending_seconds)
        writer = Writer(database, clock, extras, sealer)
        self._senders = [Sender(one, self._pace, self._journal, writer, sealer) for one in outlets]
        self._pools = _pools(self._senders, self._rules.hours)
        self._planned = asyncio.Event()
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()
        for pool in self._pools:
            for sender in pool.senders:
                sender.ring = self._due.set
                sender.is_alone = partial(_is_alone, pool, sender)
        database.after_commit(self._planned.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping`; then messages under way are finished and recorded, the rest is given back."""
        self._stopping = stopping
        if self._rules.hours.feasts:
            # of a year without a decree the days are reckoned: a tenth of a second, not on the loop
            await asyncio.to_thread(is_idul_fitri, day_in_jakarta(self._clock.now()))
        lines = [
            self._loop("notify.line", partial(sender.serve, number, stopping))
            for sender in self._senders
            for number in range(sender.lines)
        ]
        others = [
            self._loop("notify.route", self._route),
            self._loop("notify.claim", self._claim),
            self._loop("notify.sweep", self._sweep),
            self._loop("notify.health", self._tell_health),
            self._loop("notify.ask", self._ask),
        ]
        journal = asyncio.create_task(supervise("notify.journal", self._journal.run, self._journal.written))
        try:
            await stopping.wait()
            for sender in self._senders:
                sender.stop()
            self._planned.set()
            self._due.set()
            await asyncio.gather(*lines, *others)
            for sender in self._senders:
                sender.stop()  # what a claim brought meanwhile
            self._journal.close()
            with suppress(TimeoutError):  # a database that is away: the leases will tell
                await asyncio.wait_for(self._journal.written.wait(), self._pace.closing_seconds)
                await self._give_back()
        finally:
            await _end([*lines, *others, journal])

    def _loop(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(supervise(name, loop, self._stopping), name=name)

    # --- routing and claiming

    async def _route(self) -> None:
        """Give what is planned its channel."""
        while not self._stopping.is_set():
            self._planned.clear()
            moved = ROUTES_PER_BATCH
            while moved >= ROUTES_PER_BATCH and not self._stopping.is_set():
                moved = await self._route_once()
            await asyncio.sleep(ROUTE_SECONDS_MIN)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._planned.wait(), self._pace.poll_seconds)

    async def _route_once(self) -> int:
        # not through `transaction`: where nothing was moved there is no news, and it would ring our own bell
        async with self._database.pool.acquire() as conn, conn.transaction():
            moved = await routing.route_planned(
                conn, rules=self._rules, sealer=self._sealer, limit=ROUTES_PER_BATCH, now=self._clock.now()
            )
        if moved:
            for pool in self._pools:
                pool.wake()
            self._due.set()
            self._database.ring()
        return moved

    async def _claim(self) -> None:
        """Keep the queues filled while there is something due."""
        while not self._stopping.is_set():
            self._due.clear()
            await self._give_back()
            again = False
            for pool in self._pools:
                more = await pool.claim(self._database, self._clock, self._pace)
                again = again or more
            if again:
                continue
            wait = min([self._pace.poll_seconds, *(pool.opens_in for pool in self._pools)])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), max(wait, 0.001))

    async def _give_back(self) -> None:
        """Let go of what was claimed and not begun, and of what was put aside of budgets for it."""
        held = []
        unused = []
        for sender in self._senders:
            held += sender.returned
            unused += [one for job in sender.returned if (one := sender.unused(job)) is not None]
            sender.returned = []
        if held:
            async with self._database.pool.acquire() as conn, conn.transaction():
                ours = await claims.drop_claims(conn, [job.id for job in held], [job.claim for job in held])
                await budgets.give_back(conn, [one for one in unused if one.notification_id in ours])

    # --- what time does to messages

    async def _sweep(self) -> None:
        forget_at = time.monotonic()
        while not self._stopping.is_set():
            if time.monotonic() >= forget_at:
                await self._swept("receipts.forgotten", receipts.forget_strays)
                forget_at = time.monotonic() + FORGET_SECONDS
            await self._swept("notifications.expired", handlers.expire_overdue)
            await self._swept("notifications.unknown", handlers.settle_lost)
            await self._swept("notifications.released", _release)
            await self._swept("receipts.found", receipts.settle_strays)
            for channel, seconds in self._pace.silence.items():
                await self._swept(
                    "notifications.silent", partial(handlers.leave_silent, channel=channel, seconds=seconds)
                )
            for pool in self._pools:
                if not pool.is_test and (reason := pool.is_dead_because) is not None:
                    leave = partial(handlers.leave_channel, channel=pool.channel, reason=reason)
                    await self._swept("notifications.rerouted", leave)
            await self._pause(self._pace.sweep_seconds)

    async def _swept(self, what: str, act: Callable[..., Awaitable[int]]) -> None:
        count = handlers.SWEEP_ROWS_MAX
        while count >= handlers.SWEEP_ROWS_MAX:
            async with self._database.transaction() as conn:
                count = await act(conn, now=self._clock.now())
            if count:
                logger.info(what, count=count)

    # --- providers

    async def _tell_health(self) -> None:
        """Tell the other replicas how providers do here, and hear how they do there."""
        async with self._database.pool.acquire() as conn:
            await providers.add_providers(conn, [(one.name, one.outlet.channel) for one in self._senders])
        while not self._stopping.is_set():
            reports = [(one.name, *one.report()) for one in self._senders]
            failing = [one for _, one, _ in reports if one is not None]
            working = [name for name, _, works in reports if works]
            async with self._database.pool.acquire() as conn, conn.transaction():
                found = {one.provider: one for one in await providers.note_health(conn, failing, working)}
            for sender in self._senders:
                if sender.name in found:
                    sender.heed(found[sender.name])
            await self._pause(self._pace.health_seconds)

    async def _ask(self) -> None:
        """Ask providers what became of messages whose answer was lost."""
        asked = {one.name: one.outlet.provider for one in self._senders}
        while not self._stopping.is_set():
            async with self._database.pool.acquire() as conn, conn.transaction():
                questions = await handlers.take_questions(conn, list(asked))
            for start in range(0, len(questions), QUESTIONS_AT_ONCE):
                some = questions[start : start + QUESTIONS_AT_ONCE]
                await asyncio.gather(*(self._ask_about(one) for one in some))
            await self._pause(self._pace.sweep_seconds)

    async def _ask_about(self, question: Question) -> None:
        sender = next(one for one in self._senders if one.name == question.provider)
        provider = sender.outlet.provider
        address = provider.address(question.contact)
        if address is None:
            return
        try:
            outcome = await provider.find(question.attempt_id, address, question.began_at)
        except ChannelDown:
            return
        if outcome is not None:
            key = sender.key_of(address)
            about = (question.notification_id, question.attempt_id, outcome, provider.channel, provider.name, key)
            self._journal.end(End(*about, portfolio=sender.portfolio))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _pools(senders: Sequence[Sender], hours: Hours) -> list[Pool]:
    def place(one: Sender) -> tuple[str, bool]:
        return one.outlet.channel, one.outlet.is_simulated

    pools = []
    for _, group in groupby(sorted(senders, key=place), place):
        members = list(group)
        outlet = members[0].outlet
        pools.append(Pool(outlet.channel, members, is_test=outlet.is_simulated, hours=hours))
    return pools


def _is_alone(pool: Pool, sender: Sender) -> bool:
    return not pool.works_except(sender)


async def _release(conn: Connection, *, now: object) -> int:
    return await planning.release_reachable(conn)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel what still runs. Again and again: Python 3.11's `wait_for` drops a cancellation that meets a result."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=0.1)

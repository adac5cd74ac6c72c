"""Claims: due messages of a channel, most urgent first, shared among its providers by weight."""

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.delivery.sending import Sender, by_portfolio
from services.notify.domain.budgets import Want
from services.notify.domain.hours import ALWAYS, Hours
from services.notify.domain.providers import DOWN_SECONDS_TO_LEAVE
from services.notify.domain.routing import ANSWER, must_wait
from services.notify.handlers import budgets
from services.notify.handlers import delivery as handlers
from services.notify.pace import Pace
from services.notify.plans import Lane
from services.notify.store import claims, replies, routing
from services.notify.store.claims import Job
from shared.clock import Clock
from shared.db import Connection, Database
from shared.events.notify import Channel
from shared.ids import new_id

__all__ = ["Pool"]

NOBODY_SECONDS = 0.1
"""A message that no provider has room for at this moment waits so long."""

WINDOW_SECONDS = 1.0
"""So long waits an answer while the number that may carry it has no room."""


class Pool:
    """The providers of one channel; those of test keys are a pool of their own."""

    def __init__(self, channel: Channel, senders: Sequence[Sender], *, is_test: bool, hours: Hours = ALWAYS) -> None:
        self._hours = hours
        self.channel = channel
        self.senders = tuple(senders)
        self.is_test = is_test
        self._empty_until = 0.0
        self._woken = 0

    @property
    def wanted(self) -> int:
        """How many messages to claim now; none while most of the room is taken."""
        room = sum(one.room for one in self.senders)
        most = sum(one.room_max for one in self.senders if not one.is_shut)
        half_open = any(0 < one.room < one.room_max // 2 for one in self.senders)
        return room if room >= most // 2 or half_open else 0

    @property
    def lanes(self) -> list[int]:
        """Lanes that some provider may have something left for."""
        return [int(lane) for lane in Lane if any(one.room and one.takes(lane) for one in self.senders)]

    @property
    def opens_in(self) -> float:
        """Seconds until a closed lane opens."""
        return min(one.opens_in for one in self.senders)

    def works_except(self, sender: Sender) -> bool:
        """Whether another provider of the channel takes messages now."""
        return any(one is not sender and not one.is_shut for one in self.senders)

    @property
    def is_dead_because(self) -> str | None:
        """Why urgent messages should not wait for this channel; None while they may."""
        if all(one.paused for one in self.senders):
            return "channel-paused"
        if all(one.paused or (one.down_seconds or 0.0) >= DOWN_SECONDS_TO_LEAVE for one in self.senders):
            return "channel-down"
        return None

    def wake(self) -> None:
        """Something may be due on it."""
        self._empty_until = 0.0
        self._woken += 1

    async def claim(self, database: Database, clock: Clock, pace: Pace) -> bool:
        """Fill the queues of the providers. Whether there may be more to claim. Where nothing was due it is looked
        again when something was routed, else after a poll: a channel at rest costs a busy one nothing.
        """
        if time.monotonic() < self._empty_until:
            return False
        self._weigh()
        wanted, lanes = self.wanted, self.lanes
        if not wanted or not lanes:
            return False
        now, woken = clock.now(), self._woken
        # not through `transaction`: a claim is no news, and would ring our own bell
        async with database.pool.acquire() as conn, conn.transaction():
            jobs = await claims.claim_due(
                conn,
                new_id(),
                channel=self.channel,
                lanes=lanes,
                limit=wanted,
                lease_seconds=pace.claim_seconds,
                now=now,
                test=self.is_test,
            )
            claimed = len(jobs)
            if not claimed and woken == self._woken:  # nothing was routed while it looked
                self._empty_until = time.monotonic() + pace.poll_seconds
            if not self.is_test:
                jobs = await self._without_late(conn, jobs, now)
            given, waits = self._share(jobs, await self._find_windows(conn, jobs, now))
            used_up: set[UUID] = set()
            for sender in by_portfolio(list(given)):
                given[sender], refused = await self._within_budget(conn, sender, given[sender], used_up, now)
                waits.update(refused)
            if used_up:
                await handlers.leave_used_up(conn, list(used_up), now=now)
            if waits:
                await _give_back(conn, [(job, waits[job.id]) for job in jobs if job.id in waits])
        for sender, granted in given.items():
            for job in granted:
                sender.put(job)
        return claimed == wanted and not waits

    def _weigh(self) -> None:
        most = max((one.weight for one in self.senders if not one.is_shut), default=1.0)
        for one in self.senders:
            one.part = min(1.0, one.weight / most)

    async def _without_late(self, conn: Connection, jobs: Sequence[Job], now: datetime) -> list[Job]:
        """Those of these messages that may leave at this hour. What was queued before a pause began (a retry, a budget
        used up, a provider that was away) is routed anew, and waits for its end.
        """
        late = {
            job.id
            for job in jobs
            if must_wait(
                self._hours,
                now,
                template=job.template,
                lane=Lane(job.lane),
                topic=job.topic,
                must=job.must,
                deadline=job.deadline,
                params=job.params,
            )
        }
        if late:
            await routing.route_anew(conn, list(late))
        return [job for job in jobs if job.id not in late]

    async def _find_windows(self, conn: Connection, jobs: Sequence[Job], now: datetime) -> dict[UUID, set[str]]:
        """Answers in free words, each with the numbers to which its reader wrote: no other may carry it."""
        if self.channel != "whatsapp" or len(self.senders) < 2:
            return {}
        answers = [job for job in jobs if job.template.startswith(ANSWER)]
        keys = {job.id: key for job in answers if (key := self.senders[0].address_key(job)) is not None}
        if not keys:
            return {}
        found: dict[bytes, set[str]] = defaultdict(set)
        for provider, key in await replies.find_windows(conn, list(set(keys.values())), now):
            found[key].add(provider)
        return {job_id: found[key] for job_id, key in keys.items() if key in found}

    def _share(
        self, jobs: Sequence[Job], windows: Mapping[UUID, set[str]]
    ) -> tuple[dict[Sender, list[Job]], dict[UUID, float]]:
        """Each message to a provider with room, by weight; an answer to one of those that it may go by."""
        room = {one: one.room for one in self.senders}
        given: dict[Sender, list[Job]] = defaultdict(list)
        waits: dict[UUID, float] = {}
        for job in sorted(jobs, key=lambda one: one.lane):
            only = windows.get(job.id)
            free = [
                one
                for one, left in room.items()
                if left > 0 and one.takes(job.lane) and (only is None or one.name in only)
            ]
            if not free:
                waits[job.id] = NOBODY_SECONDS if only is None else WINDOW_SECONDS
                continue
            chosen = free[0] if len(free) == 1 else random.choices(free, [one.weight for one in free])[0]
            room[chosen] -= 1
            given[chosen].append(job)
        return given, waits

    async def _within_budget(
        self, conn: Connection, sender: Sender, jobs: Sequence[Job], used_up: set[UUID], now: datetime
    ) -> tuple[list[Job], dict[UUID, float]]:
        """Those of these messages that its budgets let go, and how long the others wait. `used_up` gains the urgent
        ones that would wait for a day to pass.
        """
        budget = sender.outlet.budget
        if budget is None or not budget.limited:
            return list(jobs), {}
        keys = {job.id: sender.address_key(job) for job in jobs}
        wants = [Want(job.id, job.lane, key) for job in jobs if (key := keys[job.id]) is not None]
        taken = await budgets.take(conn, budget, wants, now=now)
        sender.close_lanes(dict(taken.closed))
        used_up |= {job.id for job in jobs if job.id in taken.used_up and job.lane == Lane.OFFER}
        # what has no address costs nothing: its attempt says so
        granted = [job for job in jobs if job.id in taken.granted or keys[job.id] is None]
        return granted, {job_id: wait for job_id, wait in taken.waits.items() if job_id not in used_up}


async def _give_back(conn: Connection, held: Sequence[tuple[Job, float]]) -> None:
    await claims.drop_claims(
        conn, [job.id for job, _ in held], [job.claim for job, _ in held], [wait for _, wait in held]
    )

"""Thousands of lives of messages at once, each by its own seed: workers that die at every step, providers that cut,
lie, repeat themselves and mix up the order, two replicas beside each other. Nobody hears twice unless the provider
itself said that the first had failed (or kept silent about an urgent one), none is lost, what nobody knows is listed.

The handlers and the database are real; workers and providers are a model that knows the truth.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.reports import Receipt, Status
from services.notify.handlers import delivery as handlers
from services.notify.handlers import receipts as receipt_handlers
from services.notify.handlers.delivery import End
from services.notify.store import claims
from services.notify.store.claims import Job
from services.notify.store.delivery import Start
from shared.events.notify import Channel
from shared.ids import new_id
from tests.integration.notify import Desk, people
from tests.integration.notify_scripts import offers, route

LIVES = 1500
WILD_ROUNDS = 14
ROUNDS_MAX = 60
CHANNELS: tuple[Channel, ...] = ("whatsapp", "sms", "email")
AT_REST = {"sent", "delivered", "rejected", "unknown"}


@dataclass
class Attempt:
    """An attempt as it truly was. `taken`: it is in the provider's hands; `gone`: the provider itself said that this
    one failed, or the message was urgent and the channel kept silent.
    """

    id: UUID
    notification_id: UUID
    channel: Channel
    taken: bool = False
    gone: bool = False
    said: set[str] = field(default_factory=set)


@dataclass
class World:
    """Everybody but us: workers' fates, providers, and what they report when."""

    desk: Desk
    chances: dict[UUID, random.Random]
    attempts: dict[UUID, Attempt] = field(default_factory=dict)
    reports: dict[int, list[Receipt]] = field(default_factory=lambda: defaultdict(list))
    late: list[tuple[int, End]] = field(default_factory=list)
    halted: dict[int, list[Start]] = field(default_factory=lambda: defaultdict(list))
    deaths: Counter[str] = field(default_factory=Counter)
    round: int = 0

    @property
    def wild(self) -> bool:
        """Whether things still go wrong."""
        return self.round < WILD_ROUNDS

    def of(self, notification_id: UUID) -> list[Attempt]:
        """The attempts of a message, in order."""
        return [one for one in self.attempts.values() if one.notification_id == notification_id]

    # --- a worker

    async def work(self) -> None:
        """One worker: claim, begin, call, record; it may die after any step."""
        for channel in CHANNELS:
            jobs = await self._claim(channel)
            starts = [Start(job.id, job.claim, new_id(), channel, "id", channel, job.id.bytes) for job in jobs]
            alive = [start for start in starts if not self._dies(start.notification_id, "claimed", 0.05)]
            # perhaps until its claim has passed to somebody else, perhaps to another line of this very process
            halted = [start for start in alive if self._dies(start.notification_id, "halted", 0.1)]
            self.halted[self.round + 1] += halted
            living = [*self.halted.pop(self.round, []), *(start for start in alive if start not in halted)]
            for _ in range(2):  # the answer of the first commit was lost
                async with self.desk.database.transaction() as conn:
                    begun = await handlers.begin_attempts(conn, living, lease_seconds=60, now=self.desk.clock.now())
            await asyncio.sleep(0)
            called = [self._call(start) for start in living if start.attempt_id in begun]
            ends = [end for end in called if end is not None]
            await asyncio.sleep(0)
            await self._record([end for end in ends for _ in range(self._copies(end))])

    async def _claim(self, channel: Channel) -> list[Job]:
        async with self.desk.database.pool.acquire() as conn:
            return await claims.claim_due(
                conn,
                new_id(),
                channel=channel,
                lanes=[0, 1, 2, 3],
                limit=400,
                lease_seconds=60,
                now=self.desk.clock.now(),
            )

    def _dies(self, notification_id: UUID, step: str, chance: float) -> bool:
        dies = self.wild and self.chances[notification_id].random() < chance
        self.deaths[step] += dies
        return dies

    def _copies(self, end: End) -> int:
        return self.chances[end.notification_id].choice((1, 1, 1, 2))

    def _call(self, start: Start) -> End | None:
        """What the provider does, and what the worker hears of it: None if it died."""
        key = start.notification_id
        attempt = self.attempts[start.attempt_id] = Attempt(start.attempt_id, key, start.channel)
        if self._dies(key, "begun", 0.06):
            self._lie_of_nothing(attempt)
            return None
        outcome = self._answer(attempt)
        if attempt.taken:
            self._report(attempt)
        else:
            self._lie_of_nothing(attempt)
        end = End(key, attempt.id, outcome, start.channel, start.provider, start.address_key)
        if self._dies(key, "sent", 0.06):
            return None
        if self._dies(key, "slow", 0.1):
            self.late.append((self.round + self.chances[key].choice((1, 2, 3, 5)), end))
            return None
        return end

    def _answer(self, attempt: Attempt) -> Outcome:
        chance = self.chances[attempt.notification_id]
        accepted = Accepted("200", f"m-{attempt.id}", cost_millirupiah=1000)
        if not self.wild:
            attempt.taken = True
            return accepted
        kind = chance.choices(
            ("accepts", "cuts after", "cuts before", "rejects", "defers"), weights=(55, 10, 7, 14, 14)
        )[0]
        attempt.taken = kind in ("accepts", "cuts after")
        if kind == "rejects":
            return Rejected("131026", chance.choice(("unreachable", "opted-out", "window", "other", "not-now")))
        if kind == "defers":
            return Deferred("429", chance.choice(("message", "recipient", "provider")), chance.choice((None, 0.5)))
        return accepted if kind == "accepts" else Ambiguous("timed-out")

    async def _record(self, ends: Sequence[End]) -> None:
        if ends:
            async with self.desk.database.transaction() as conn:
                await handlers.end_attempts(conn, ends, now=self.desk.clock.now())

    async def record_late(self) -> None:
        """Outcomes of workers that were slow, not dead."""
        due = [end for when, end in self.late if when <= self.round]
        self.late = [(when, end) for when, end in self.late if when > self.round]
        await self._record(due)

    # --- a provider

    def _report(self, attempt: Attempt) -> None:
        """Receipts of a message that was taken: late, doubled, out of order; some never come, some are lies."""
        chance = self.chances[attempt.notification_id]
        lives: tuple[tuple[Status, ...], ...] = (
            ("sent", "delivered", "read"),
            ("sent", "delivered"),
            ("sent",),
            (),
            ("sent", "failed"),
            ("failed",),
            ("delivered", "failed"),
            ("failed", "delivered"),
        )
        statuses = chance.choices(
            lives, weights=(25, 30, 10, 10, 10, 5, 5, 5) if self.wild else (1, 1, 1, 1, 0, 0, 0, 0)
        )
        for status in statuses[0]:
            for _ in range(chance.choice((1, 1, 2))):
                named = chance.random() < 0.9
                self._later(
                    attempt,
                    Receipt(
                        attempt.channel,
                        attempt.id if named else None,
                        f"m-{attempt.id}",
                        status,
                        self.desk.clock.now(),
                        "131026" if status == "failed" else None,
                        "unreachable" if status == "failed" else None,
                    ),
                )

    def _lie_of_nothing(self, attempt: Attempt) -> None:
        """Receipts of what it never got, and of what nobody ever sent."""
        chance = self.chances[attempt.notification_id]
        if self.wild and chance.random() < 0.05:
            self._later(attempt, Receipt(attempt.channel, attempt.id, None, "delivered", self.desk.clock.now()))
        if self.wild and chance.random() < 0.05:
            self._later(attempt, Receipt(attempt.channel, new_id(), None, "delivered", self.desk.clock.now()))

    def _later(self, attempt: Attempt, receipt: Receipt) -> None:
        self.reports[self.round + self.chances[attempt.notification_id].choice((0, 0, 1, 2, 4, 6))].append(receipt)

    async def report(self) -> None:
        """Receipts that are due come, in several calls that overlap, in any order."""
        due = [one for when in sorted(self.reports) if when <= self.round for one in self.reports.pop(when)]
        random.Random(self.round).shuffle(due)
        for one in due:
            attempt = self.attempts.get(one.reference or UUID((one.message_id or "")[2:]))
            if attempt is not None:
                attempt.said.add(one.status)
                attempt.gone = attempt.gone or one.status == "failed"

        async def call(receipts: Sequence[Receipt]) -> None:
            async with self.desk.database.transaction() as conn:
                await receipt_handlers.apply_receipts(conn, receipts, now=self.desk.clock.now())

        await asyncio.gather(*(call(due[start : start + 300]) for start in range(0, len(due), 300)))

    async def answer_questions(self) -> None:
        """The provider is asked what became of some; it tells the truth, or does not know."""
        async with self.desk.database.transaction() as conn:
            questions = await handlers.take_questions(conn, CHANNELS)
        ends = []
        for one in questions:
            attempt = self.attempts.get(one.attempt_id)
            if attempt is not None and self.chances[one.notification_id].random() < 0.4:
                outcome = Accepted("found", f"m-{attempt.id}") if attempt.taken else Deferred("not-found")
                ends.append(End(one.notification_id, attempt.id, outcome, attempt.channel, attempt.channel, b"k"))
        await self._record(ends)

    # --- what time does

    async def sweep(self) -> None:
        """Leases that lapsed, receipts that were early, urgent messages without a receipt."""
        for act in (handlers.settle_lost, receipt_handlers.settle_strays):
            count = handlers.SWEEP_ROWS_MAX
            while count >= handlers.SWEEP_ROWS_MAX:
                async with self.desk.database.transaction() as conn:
                    count = await act(conn, now=self.desk.clock.now())
        if self.round % 3 == 2:
            for channel in ("whatsapp", "sms"):
                async with self.desk.database.transaction() as conn:
                    await handlers.leave_silent(conn, channel, 0.0, now=self.desk.clock.now())
            for one in await self.desk.attempts():
                if one["failure"] == "no-receipt":
                    self.attempts[one["id"]].gone = True

    async def play(self) -> None:
        """Rounds, until everything is at rest."""
        while self.round < ROUNDS_MAX:
            await asyncio.gather(
                self.work(), self.work(), self.record_late(), self.report(), self.answer_questions(), self.sweep()
            )
            await route(self.desk)
            await self.desk.hurry()
            await self.sweep()
            self.round += 1
            if not self.wild and not self.reports and not self.late and (await self.desk.states()).keys() <= AT_REST:
                return
        raise AssertionError(f"not at rest: {await self.desk.states()}")


async def lives(desk: Desk, seed: int, number: int) -> World:
    """So many messages, urgent ones and others, each with its route and its chances."""
    await offers(desk, people(number), "email")
    rows = await desk.rows()
    chances = {row["id"]: random.Random(f"{seed}/{place}") for place, row in enumerate(rows)}
    routes = []
    for row in rows:
        chosen = list(CHANNELS)
        chances[row["id"]].shuffle(chosen)
        routes.append(chosen[: chances[row["id"]].randint(1, 3)])
    async with desk.database.transaction() as conn:
        await conn.execute(
            "UPDATE notification AS n SET channel = r.channel, route = string_to_array(r.route, ','), lane = r.lane "
            "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[]) AS r (id, channel, route, lane) "
            "WHERE n.id = r.id",
            [row["id"] for row in rows],
            [one[0] for one in routes],
            [",".join(one[1:]) for one in routes],
            [chances[row["id"]].choice((0, 0, 2)) for row in rows],
        )
    return World(desk, chances)


@pytest.mark.parametrize("seed", [7])
async def test_whoever_dies_and_whatever_providers_say_nobody_hears_twice_and_nothing_is_lost(
    desk: Desk, seed: int
) -> None:
    world = await lives(desk, seed, LIVES)
    await world.play()

    rows = {row["id"]: row for row in await desk.rows()}
    known = {one["id"]: one for one in await desk.attempts()}
    assert len(rows) == LIVES
    assert {row["state"] for row in rows.values()} <= AT_REST
    assert min(world.deaths[step] for step in ("claimed", "halted", "begun", "sent", "slow")) > LIVES / 100
    assert set(world.attempts) <= set(known), "an attempt is written before its call"
    told: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for kind, key, sequence in await desk.published():
        told[key].append((kind, sequence))
    second = 0
    for key, row in rows.items():
        attempts = world.of(key)
        where = f"{row['state']} {row['reason']}: {attempts}"
        taken = [one for one in attempts if one.taken]
        second += len(taken) > 1
        assert all(one.gone for one in taken[:-1]), f"heard twice: {where}"
        said = set().union(*(one.said for one in attempts)) if attempts else set()
        if said & {"delivered", "read"}:
            assert row["state"] == "delivered", where
        else:
            assert row["state"] != "delivered", where
        if row["state"] == "rejected":
            assert all(one.gone for one in taken), f"lost: {where}"
        if row["state"] == "unknown":
            assert known[row["attempt_id"]]["outcome"] in ("ambiguous", "lost"), where
        if row["state"] == "sent":
            assert any(not one.gone for one in taken) or row["silent"], f"said to be sent, and was not: {where}"
        kinds = Counter(kind for kind, _ in told[key])
        assert [sequence for _, sequence in told[key]] == list(range(1, row["version"] + 1)), where
        assert max(kinds[f"Notification{one}"] for one in ("Sent", "Delivered", "Read")) <= 1, where
        ends = {"delivered": "NotificationDelivered", "rejected": "NotificationFailed", "sent": "NotificationSent"}
        assert row["state"] not in ends or kinds[ends[row["state"]]] >= 1, where
    assert second > 0, "nothing was ever sent again: the model is too tame"

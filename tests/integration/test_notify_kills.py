"""Ends of the process at every step of a send: no message twice, none lost, each that nobody can tell of is listed."""

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from services.notify.channels.email import Email, SmtpServer
from services.notify.delivery import Delivery, Outlet
from services.notify.domain.delivery import Accepted, Deferred, Outcome
from services.notify.handlers import delivery as handlers
from services.notify.handlers.delivery import End
from services.notify.journal import Journal
from services.notify.store.claims import Job
from services.notify.store.delivery import Start
from shared.crypto import Sealer
from shared.ids import new_id
from tests.conftest import FreshDatabase, MakeDatabase, StandingClock
from tests.integration.notify import QUICK, Desk, Mailbox, card, enrolled, mail_server, people, victims
from tests.integration.notify_scripts import offers
from tests.integration.notify_wires import Wire, taking

MESSAGES = 200
FAILPOINTS_OFTEN = "notify.begun:0.05,notify.sent:0.05,notify.recording:0.1,notify.recorded:0.1"
FAILPOINTS = "notify.begun:0.02,notify.sent:0.02,notify.recording:0.04,notify.recorded:0.04"


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    """A database of notify."""
    return await make_database("notify")


@pytest.fixture
async def desk(fresh: FreshDatabase, clock: StandingClock, sealer: Sealer) -> Desk:
    """Notify on a fresh database."""
    return Desk(fresh.database, clock, sealer)


async def one_message(desk: Desk) -> UUID:
    """A queued message; its id."""
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    row_id: UUID = (await desk.row())["id"]
    return row_id


async def claim(desk: Desk, lease_seconds: float = 60) -> list[Job]:
    """Claim whatever is due."""
    return await desk.claim(lease_seconds)


async def begin(desk: Desk, job: Job, attempt_id: UUID, lease_seconds: float = 60) -> bool:
    """Begin an attempt at a claimed message."""
    start = Start(job.id, job.claim, attempt_id, "email", "id")
    async with desk.database.transaction() as conn:
        begun = await handlers.begin_attempts(conn, [start], lease_seconds=lease_seconds, now=desk.clock.now())
    return begun == {attempt_id}


async def end(desk: Desk, notification_id: UUID, attempt_id: UUID, outcome: Outcome) -> None:
    """Record an outcome."""
    async with desk.database.transaction() as conn:
        await handlers.end_attempts(conn, [End(notification_id, attempt_id, outcome)], now=desk.clock.now())


# --- claims and leases


async def test_a_claim_whose_worker_died_comes_back_by_itself(desk: Desk) -> None:
    await one_message(desk)
    assert len(await claim(desk, lease_seconds=0.2)) == 1
    assert await claim(desk) == []
    await asyncio.sleep(0.25)
    assert len(await claim(desk)) == 1


async def test_a_worker_whose_claim_has_passed_to_another_may_not_send(desk: Desk) -> None:
    await one_message(desk)
    (slow,) = await claim(desk, lease_seconds=0)
    (quick,) = await claim(desk)
    assert not await begin(desk, slow, new_id())
    assert await begin(desk, quick, new_id())
    assert not await begin(desk, slow, new_id())
    assert len(await desk.attempts()) == 1


async def test_beginning_again_after_a_lost_answer_of_the_database_is_the_same_attempt(desk: Desk) -> None:
    await one_message(desk)
    (job,) = await claim(desk)
    attempt_id = new_id()
    assert await begin(desk, job, attempt_id)
    assert await begin(desk, job, attempt_id)
    assert len(await desk.attempts()) == 1
    assert (await desk.row())["attempts"] == 1


async def test_an_outcome_written_twice_is_told_once(desk: Desk) -> None:
    notification_id = await one_message(desk)
    (job,) = await claim(desk)
    attempt_id = new_id()
    await begin(desk, job, attempt_id)
    for _ in range(2):
        await end(desk, notification_id, attempt_id, Accepted("smtp 250"))
    assert await desk.published() == [("NotificationSent", notification_id, 1)]


async def test_nothing_begins_after_its_deadline(desk: Desk, clock: StandingClock) -> None:
    await one_message(desk)
    (job,) = await claim(desk)
    clock.advance(days=7)
    assert not await begin(desk, job, new_id())


async def lose(desk: Desk) -> int:
    """Let the lease of attempts under way be over."""
    await desk.hurry()
    async with desk.database.transaction() as conn:
        return await handlers.settle_lost(conn, now=desk.clock.now())


@pytest.mark.parametrize(
    ("outcome", "state", "events"),
    [
        (Accepted("smtp 250"), "sent", ["NotificationUnknown", "NotificationSent"]),
        (Deferred("smtp 451"), "retry", ["NotificationUnknown"]),
    ],
)
async def test_a_worker_that_was_slow_and_not_dead_clears_up_the_unknown(
    desk: Desk, outcome: Outcome, state: str, events: list[str]
) -> None:
    notification_id = await one_message(desk)
    (job,) = await claim(desk)
    attempt_id = new_id()
    await begin(desk, job, attempt_id)
    assert await lose(desk) == 1
    assert await lose(desk) == 0
    (attempt,) = await desk.attempts()
    assert (attempt["outcome"], attempt["code"]) == ("lost", "lease-lapsed")
    await end(desk, notification_id, attempt_id, outcome)
    assert (await desk.row())["state"] == state
    assert [kind for kind, _, _ in await desk.published()] == events
    assert [sequence for _, _, sequence in await desk.published()] == list(range(1, len(events) + 1))


async def test_an_unknown_message_is_never_claimed(desk: Desk) -> None:
    await one_message(desk)
    (job,) = await claim(desk)
    await begin(desk, job, new_id())
    await lose(desk)
    await desk.hurry()
    assert await claim(desk) == []


async def test_a_worker_that_was_halted_past_its_lease_sends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between the attempt and the call (SIGSTOP, a frozen machine): on waking it is too late to call."""
    await one_message(desk)
    truly_begin = Journal.begin

    async def halted(journal: Journal, start: Start) -> bool:
        begun = await truly_begin(journal, start)
        await asyncio.sleep(0.4)
        return begun

    monkeypatch.setattr(Journal, "begin", halted)
    async with mail_server(Mailbox()) as mailbox:
        async with desk.delivering(mailbox, replace(QUICK, hand_over_seconds=0.2)):
            await desk.until("retry", 1)
        assert mailbox.accepted == []
    assert (await desk.row())["reason"] == "before-content too-late"


# --- the process ends at a step (its task is cancelled there: nothing after the step runs)


async def kill_at(
    desk: Desk, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, arm: Callable[[Callable[[], None]], None]
) -> None:
    """Run a delivery and end it where `arm` says."""
    dead = asyncio.Event()
    channel = Email(SmtpServer("127.0.0.1", mailbox.port, "lapak@lapak.test"))
    task = asyncio.create_task(
        Delivery(desk.database, desk.clock, [Outlet(channel)], QUICK, sealer=desk.sealer).run(asyncio.Event())
    )

    def end_here() -> None:
        dead.set()
        task.cancel()

    arm(end_here)
    await asyncio.wait_for(dead.wait(), 10)
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()


async def after_a_restart(desk: Desk, mailbox: Mailbox) -> None:
    """The next worker comes, all leases are over."""
    await desk.hurry()
    async with desk.delivering(mailbox):
        await desk.settled()
        await desk.hurry()
        await asyncio.sleep(0.3)


async def test_ended_after_the_attempt_before_the_call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await one_message(desk)
    async with mail_server(Mailbox()) as mailbox:

        def arm(end_here: Callable[[], None]) -> None:
            from services.notify.channels import email

            async def never(*_: object, **__: object) -> None:
                end_here()
                await asyncio.sleep(60)

            monkeypatch.setattr(email._SmtpLine, "send", never)

        await kill_at(desk, mailbox, monkeypatch, arm)
        assert await desk.states() == {"sending": 1}
        await after_a_restart(desk, mailbox)
    assert await desk.states() == {"unknown": 1}
    assert mailbox.accepted == []
    assert [kind for kind, _, _ in await desk.published()] == ["NotificationUnknown"]


async def test_ended_after_acceptance_before_the_answer_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    notification_id = await one_message(desk)
    async with mail_server(Mailbox()) as mailbox:

        def arm(end_here: Callable[[], None]) -> None:
            mailbox.on_accept = lambda _: end_here()

        await kill_at(desk, mailbox, monkeypatch, arm)
        mailbox.on_accept = None
        assert await desk.states() == {"sending": 1}
        await after_a_restart(desk, mailbox)
    assert await desk.states() == {"unknown": 1}
    assert mailbox.times() == {notification_id: 1}


async def test_ended_after_the_answer_before_it_is_recorded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    notification_id = await one_message(desk)
    async with mail_server(Mailbox()) as mailbox:

        def arm(end_here: Callable[[], None]) -> None:
            monkeypatch.setattr(Journal, "end", lambda *_: end_here())

        await kill_at(desk, mailbox, monkeypatch, arm)
        assert await desk.states() == {"sending": 1}
        await after_a_restart(desk, mailbox)
    assert await desk.states() == {"unknown": 1}
    assert mailbox.times() == {notification_id: 1}


# --- kill -9, again and again, at random steps


async def test_killed_again_and_again_nobody_hears_twice_and_nothing_is_lost(fresh: FreshDatabase, desk: Desk) -> None:
    vendors = people(MESSAGES)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    kills = 0

    async def left() -> bool:
        return bool((await desk.states()).keys() & {"planned", "queued"})

    async def over() -> bool:
        return not await left()

    async with mail_server(Mailbox(delay_seconds=0.002)) as mailbox:
        async with victims(fresh.dsn, mailbox.port, FAILPOINTS) as dying:
            while await left():
                assert await dying.let_die(kills, over) == [signal.SIGKILL] * 2
                kills += 2
                await desk.hurry()  # both are dead: every claim and lease of theirs is over
        await after_a_restart(desk, mailbox)
    rows = {row["id"]: row["state"] for row in await desk.rows()}
    times = mailbox.times()
    assert len(rows) == MESSAGES
    assert set(times.values()) == {1}, "somebody heard twice"
    assert set(rows.values()) <= {"sent", "unknown"}
    told_sent = {row_id for row_id, state in rows.items() if state == "sent"}
    unknown = {row_id for row_id, state in rows.items() if state == "unknown"}
    assert told_sent <= set(times), "said to be sent, and was not"
    assert set(rows) - set(times) <= unknown, "lost without being listed"
    assert kills >= 10
    assert len(unknown) <= kills * QUICK.lines, "a crash leaves at most one message per line unknown"
    sequences: dict[UUID, list[int]] = defaultdict(list)
    for _, key, sequence in await desk.published():
        sequences[key].append(sequence)
    assert set(sequences) == set(rows)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())


@pytest.mark.parametrize("channel", ["whatsapp", "sms"])
async def test_killed_while_it_sends_by_another_channel_nobody_hears_twice_and_nothing_is_lost(
    fresh: FreshDatabase, desk: Desk, channel: Wire
) -> None:
    await offers(desk, people(40), channel)

    async def left() -> bool:
        return (await desk.states())["queued"] > 0

    async def over() -> bool:
        return not await left()

    kills = 0
    async with taking(channel) as taker:
        async with victims(fresh.dsn, taker.port, FAILPOINTS_OFTEN, channel) as dying:
            while await left():
                assert await dying.let_die(kills, over) == [signal.SIGKILL] * 2
                kills += 2
                await desk.hurry()
        async with desk.database.transaction() as conn:
            await handlers.settle_lost(conn, now=desk.clock.now())
    states = await desk.states()
    assert states.keys() <= {"sent", "unknown"}
    assert kills >= 4
    attempts = {one["id"]: one for one in await desk.attempts()}
    assert set(taker.taken) <= set(attempts), "an attempt is written before its call"
    heard = Counter(attempts[key]["notification_id"] for key in taker.taken.elements())
    assert set(heard.values()) == {1}, "somebody heard twice"
    for row in await desk.rows():
        assert row["state"] != "sent" or heard[row["id"]] == 1, "said to be sent, and was not"
        assert row["state"] == "unknown" or row["id"] in heard, "lost without being listed"

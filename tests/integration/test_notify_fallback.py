"""From one channel to the next: when, why, and that only one wins; and what becomes of messages nobody can tell of."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from services.notify.channels import Letter
from services.notify.domain.delivery import ASK_SECONDS_FIRST, ASKS_MAX, Accepted, Ambiguous, Deferred, Rejected
from services.notify.handlers import delivery as handlers
from tests.conftest import StandingClock
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, people
from tests.integration.notify_scripts import Act, Scripted, offers, receipt, report, sending

SILENT = replace(QUICK, silence={"whatsapp": 0.3, "sms": 0.3})


def whatsapp() -> Scripted:
    return Scripted("wa-main", "whatsapp")


def sms() -> Scripted:
    return Scripted("sms-a", "sms")


def answering(provider: Scripted, act: Act) -> Scripted:
    """A provider that always does this."""
    provider.script = lambda letter: act
    return provider


@pytest.mark.parametrize(
    ("kind", "suppressed"),
    [
        ("address", "invalid"),
        ("unreachable", "unreachable"),
        ("opted-out", "stopped"),
        ("window", None),
        ("other", None),
        ("not-now", None),
    ],
)
async def test_what_one_channel_refuses_leaves_by_the_next(desk: Desk, kind: str, suppressed: str | None) -> None:
    await offers(desk, people(1), "whatsapp", "sms")
    first = answering(whatsapp(), Act(Rejected("131026", kind), False))  # type: ignore[arg-type]
    second = sms()
    async with sending(desk, first, second):
        assert await desk.settled() == {"sent": 1}
    row = await desk.row()
    assert (row["channel"], row["provider"], row["attempts"]) == ("sms", "sms-a", 2)
    assert len(second.taken) == 1
    assert [kind for kind, _, _ in await desk.published()] == ["NotificationChannelFailed", "NotificationSent"]
    async with desk.database.read() as conn:
        found = await conn.fetchrow("SELECT channel, reason FROM suppression")
    assert (None if found is None else tuple(found)) == (None if suppressed is None else ("whatsapp", suppressed))


async def test_with_every_channel_refusing_it_has_failed_with_the_last_code(desk: Desk) -> None:
    await offers(desk, people(1), "whatsapp", "sms")
    first = answering(whatsapp(), Act(Rejected("131026", "unreachable"), False))
    second = answering(sms(), Act(Rejected("21211", "address"), False))
    async with sending(desk, first, second):
        assert await desk.settled() == {"rejected": 1}
    assert (await desk.row())["reason"] == "21211"
    assert [kind for kind, _, _ in await desk.published()] == ["NotificationChannelFailed", "NotificationFailed"]


async def test_who_has_no_address_on_a_channel_is_told_by_the_next(desk: Desk) -> None:
    (vendor,) = people(1)
    await offers(desk, [vendor], "email", "sms")
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE contact SET email = NULL")
    async with sending(desk, Scripted("smtp", "email"), sms()):
        assert await desk.settled() == {"sent": 1}
    assert (await desk.row())["channel"] == "sms"


# --- silence


async def test_an_urgent_message_without_a_receipt_is_tried_on_the_next_channel_too_and_the_first_to_arrive_wins(
    desk: Desk,
) -> None:
    heard, silent = people(2)
    ids = await offers(desk, [heard, silent], "whatsapp", "sms")
    first, second = whatsapp(), sms()
    async with sending(desk, first, second, pace=SILENT):
        await until(lambda: len(first.taken) == 2)
        (arrived,) = [one for one in first.taken if one.notification_id == ids[heard]]
        await desk.until("sent", 2)
        await report(desk, receipt(desk, "wa-main", arrived.attempt_id, "delivered"))
        await desk.hurry_receipts()
        await until(lambda: second.taken)
        await desk.settled()
        await asyncio.sleep(0.3)
    assert second.times() == {ids[silent]: 1}
    (late,) = [one for one in first.taken if one.notification_id == ids[silent]]
    await report(desk, receipt(desk, "wa-main", late.attempt_id, "delivered"))
    await report(desk, receipt(desk, "sms-a", second.taken[0].attempt_id, "delivered"))
    rows = {row["vendor_id"]: row for row in await desk.rows()}
    assert (rows[silent]["state"], rows[silent]["channel"]) == ("delivered", "whatsapp")
    assert [one["failure"] for one in await desk.attempts()].count("no-receipt") == 0, "it arrived after all"
    told = [kind for kind, key, _ in await desk.published() if key == ids[silent]]
    assert told == ["NotificationSent", "NotificationChannelFailed", "NotificationDelivered"]


async def test_silence_is_counted_and_listed_and_should_the_next_channel_fail_the_message_was_sent(desk: Desk) -> None:
    (notification_id,) = (await offers(desk, people(1), "whatsapp", "sms")).values()
    second = answering(sms(), Act(Rejected("21211", "address"), False))
    async with sending(desk, whatsapp(), second, pace=SILENT):
        await desk.until("sent", 1)
        await desk.hurry_receipts()
        await until(lambda: _left(desk))
        await desk.settled()
    row = await desk.row()
    assert (row["state"], row["reason"], row["silent"]) == ("sent", "21211", True)
    assert [(one["outcome"], one["failure"]) for one in await desk.attempts()] == [
        ("accepted", "no-receipt"),
        ("rejected", None),
    ]
    assert await desk.published() == [
        ("NotificationSent", notification_id, 1),
        ("NotificationChannelFailed", notification_id, 2),
    ]


async def _left(desk: Desk) -> bool:
    return len(await desk.attempts()) == 2


async def test_silence_moves_nothing_that_is_not_urgent_has_no_channel_left_or_was_delivered(desk: Desk) -> None:
    alone, routine, arrived = people(3)
    await offers(desk, [alone], "whatsapp")
    ids = await offers(desk, [routine, arrived], "whatsapp", "sms")
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE notification SET lane = 1 WHERE vendor_id = $1", routine)
    first = whatsapp()
    async with sending(desk, first):
        await desk.settled()
    (letter,) = [one for one in first.taken if one.notification_id == ids[arrived]]
    await report(desk, receipt(desk, "wa-main", letter.attempt_id, "sent"))
    await desk.hurry_receipts()
    async with desk.database.transaction() as conn:
        assert await handlers.leave_silent(conn, "sms", 1.0, now=desk.clock.now()) == 0
    await report(desk, receipt(desk, "wa-main", letter.attempt_id, "delivered"))
    async with desk.database.transaction() as conn:
        assert await handlers.leave_silent(conn, "whatsapp", 1.0, now=desk.clock.now()) == 0


@pytest.mark.parametrize(
    ("waited", "left", "moves"),
    [
        (1900, 24 * 3600, True),
        (1700, 24 * 3600, False),
        (700, 600, True),  # half of what was left: 1,300 s when it was sent
        (500, 600, False),
        (50, 40, False),  # too near to be of use
    ],
)
async def test_the_nearer_the_deadline_the_sooner_a_silent_channel_is_left(
    desk: Desk, clock: StandingClock, waited: float, left: float, moves: bool
) -> None:
    await offers(desk, people(1), "whatsapp", "sms", hours=(waited + left) / 3600)
    async with sending(desk, whatsapp()):
        await desk.until("sent", 1)
    clock.advance(seconds=waited)
    async with desk.database.transaction() as conn:
        await conn.execute(
            "UPDATE notification SET due_at = clock_timestamp() - make_interval(secs => $1::float8)", waited
        )
        assert await handlers.leave_silent(conn, "whatsapp", 1800.0, now=clock.now()) == int(moves)


# --- unknown


async def unknown(desk: Desk, provider: Scripted, number: int = 1) -> list[Letter]:
    """Messages whose answer was lost, and which the provider took; first asked about as soon as `hurry` was called."""
    await offers(desk, people(number), "whatsapp", "sms")
    provider.script = lambda letter: Act(Ambiguous("timed-out"), True)
    async with sending(desk, provider, pace=replace(QUICK, sweep_seconds=60)):
        await desk.until("unknown", number)
    return list(provider.taken)


@pytest.mark.parametrize(
    ("answer", "state", "channel", "sms_taken"),
    [
        (Accepted("delivered", "wamid.9"), "sent", "whatsapp", 0),
        (Rejected("131026", "unreachable"), "sent", "sms", 1),
        (Deferred("not-found"), "retry", "whatsapp", 0),
        (None, "unknown", "whatsapp", 0),
    ],
)
async def test_a_provider_that_can_be_asked_is_and_its_answer_settles_the_message(
    desk: Desk, answer: Accepted | Rejected | Deferred | None, state: str, channel: str, sms_taken: int
) -> None:
    first, second = whatsapp(), sms()
    (letter,) = await unknown(desk, first)
    first.findings[letter.attempt_id] = answer
    await desk.hurry()
    async with sending(desk, first, second):
        await until(lambda: first.asked)
        await asyncio.sleep(0.3)
        await desk.until(state, 1)
    row = await desk.row()
    assert (row["state"], row["channel"], len(second.taken)) == (state, channel, sms_taken)
    assert len(first.taken) == 1, "nothing is resent blindly"


async def test_an_unknown_message_is_asked_about_less_and_less_often_for_a_day_and_stays_listed(desk: Desk) -> None:
    first = whatsapp()
    (letter,) = await unknown(desk, first)
    waits: list[float | None] = []
    for _ in range(ASKS_MAX):
        await desk.hurry()
        async with desk.database.transaction() as conn:
            (question,) = await handlers.take_questions(conn, ["wa-main"])
            assert question.attempt_id == letter.attempt_id
            wait = await conn.fetchval(
                "SELECT CASE WHEN isfinite(due_at) THEN extract(epoch FROM due_at - clock_timestamp())::float8 END "
                "FROM notification"
            )
            waits.append(wait)
            assert await handlers.take_questions(conn, ["wa-main"]) == []
    assert waits[-1] is None
    finite = [wait for wait in waits if wait is not None]
    assert finite == pytest.approx(sorted(finite), abs=5)
    assert 86_000 <= sum(finite) + ASK_SECONDS_FIRST <= 90_000
    assert await desk.states() == {"unknown": 1}


async def test_a_provider_that_is_not_ours_or_is_away_is_not_an_answer(desk: Desk) -> None:
    first = whatsapp()
    await unknown(desk, first)
    await desk.hurry()
    async with sending(desk, sms()):
        await asyncio.sleep(0.3)
    assert await desk.states() == {"unknown": 1}


async def test_a_clock_that_jumps_neither_loses_nor_doubles(desk: Desk, clock: StandingClock) -> None:
    """Leases and retries run on the database's clock: the business clock only ends what has a deadline."""
    vendors = people(60)
    ids = await offers(desk, vendors, "whatsapp", "sms", hours=24 * 365)
    first = Scripted("wa-main", "whatsapp", delay_seconds=0.01)
    turns: dict[UUID, int] = {}

    def script(letter: Letter) -> Act:
        turns[letter.notification_id] = turns.get(letter.notification_id, 0) + 1
        clock.advance(hours=(-37, 53, -21)[len(turns) % 3])
        if turns[letter.notification_id] == 1 and len(turns) % 4 == 0:
            return Act(Deferred("131056", "recipient", 0.1), False)
        return Act(Accepted("200", f"m-{letter.attempt_id}"), True)

    first.script = script
    async with sending(desk, first), sending(desk, first):
        await until(lambda: _all_tried(desk), 10)
        await desk.hurry_retries()
        assert await desk.settled() == {"sent": 60}
    assert first.times() == dict.fromkeys(ids.values(), 1)


async def _all_tried(desk: Desk) -> bool:
    return not (await desk.states()).keys() & {"planned", "queued", "sending"}

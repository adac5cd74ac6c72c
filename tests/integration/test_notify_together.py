"""What lies between the parts of notify: one part's message meets another part's rule."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from services.notify.delivery import Delivery, Outlet
from services.notify.domain.broadcasts import EndBroadcast
from services.notify.domain.delivery import Accepted, Deferred, Rejected, SettleNotification
from services.notify.domain.reports import Receipt, Reply
from services.notify.domain.routing import Rules, address_key
from services.notify.handlers import broadcasts, inbox, replies, wishes
from services.notify.handlers import delivery as handlers
from services.notify.handlers.broadcasts import Actor
from services.notify.handlers.delivery import End
from services.notify.handlers.reports import apart
from services.notify.journal import Journal
from services.notify.store import delivery as store
from shared.events.notify import Channel
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.backbone import until
from tests.integration.notify import QUICK, Desk, card, enrolled, offer, people
from tests.integration.notify_replies import confirmed, offered
from tests.integration.notify_scripts import Act, Scripted, offers, queue, receipt, report, route, sending
from tests.integration.notify_wishes import PAUSES, House

Step: TypeAlias = Callable[..., Awaitable[Any]]

EVENING = datetime(2023, 3, 1, 13, 50, tzinfo=UTC)  # 20.50 WIB
NIGHT = datetime(2023, 3, 1, 15, 0, tzinfo=UTC)  # 22.00 WIB
SILENT = replace(QUICK, silence={"whatsapp": 0.3, "sms": 0.3})


@asynccontextmanager
async def pausing(desk: Desk, *providers: Scripted, rules: Rules = PAUSES) -> AsyncIterator[None]:
    """A delivery that knows quiet hours."""
    stopping = asyncio.Event()
    outlets = [Outlet(one) for one in providers]
    running = Delivery(desk.database, desk.clock, outlets, QUICK, sealer=desk.sealer, rules=rules)
    task = asyncio.create_task(running.run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(task, 30)


# --- hours


async def test_what_was_queued_before_the_night_does_not_leave_in_it_however_it_was_held_up(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti, budi)
    house.clock.moment = EVENING
    await house.desk.hear(enrolled(siti), offer(budi, EVENING, hours=2))
    provider = Scripted("smtp", "email", lambda letter: Act(Deferred("451", "message"), False))
    rules = Rules(("email",), PAUSES.hours)
    async with pausing(house.desk, provider, rules=rules):
        await until(lambda: _attempts(house.desk, 2))
        house.clock.moment = NIGHT
        provider.script = lambda letter: Act(Accepted("250"), True)
        await house.desk.hurry_retries()
        await house.desk.until("sent", 1)
        await house.desk.until("deferred", 1)
        rows = {row["vendor_id"]: row for row in await house.desk.rows()}
        assert (rows[budi]["state"], rows[siti]["reason"]) == ("sent", "quiet-hours")
        assert rows[siti]["not_before"] == datetime(2023, 3, 1, 23, 0, tzinfo=UTC)
        house.clock.moment = rows[siti]["not_before"]
        await house.desk.until("sent", 2)
    assert set(provider.times().values()) == {1}


async def test_what_came_of_a_yes_is_told_at_once_even_at_night(house: House) -> None:
    siti, budi = people(2)
    await house.settle_in(siti)
    await house.desk.hear(card(siti, phone="+6281100000001"), card(budi, phone="+6281100000002"))
    house.clock.moment = NIGHT
    made, other = offered(siti, NIGHT), offered(budi, NIGHT)
    await house.desk.hear(made, other)
    await _write(house.desk, "+6281100000001", "YA")
    await house.desk.hear(confirmed(made), confirmed(other))
    provider = Scripted("sms-a", "sms")
    async with pausing(house.desk, provider, rules=Rules(("sms",), PAUSES.hours)):
        await until(lambda: provider.taken)
        await until(lambda: _unplanned(house.desk))
    states = {(row["vendor_id"], row["template"]): row["state"] for row in await house.desk.rows()}
    assert states[siti, "booth-confirmed"] == "sent"
    assert states[budi, "booth-confirmed"] == "deferred", "somebody else confirmed it for them: that can wait"


# --- silence


async def test_what_was_tried_in_vain_on_the_other_channels_is_not_left_again_and_again(desk: Desk) -> None:
    """The channel that is left does not reach the person, so nothing was tried on it: the route still names it."""
    (vendor,) = people(1)
    await desk.hear(card(vendor, None), offer(vendor, desk.clock.now()))
    await queue(desk, "whatsapp", "email")
    async with sending(desk, Scripted("wa-main", "whatsapp"), Scripted("smtp", "email"), pace=SILENT):
        await desk.until("sent", 1)
        await desk.hurry_receipts()
        await until(lambda: _silent(desk))
        for _ in range(3):
            await desk.hurry_receipts()
            await asyncio.sleep(0.3)
    assert [kind for kind, _, _ in await desk.published()] == ["NotificationSent", "NotificationChannelFailed"]
    assert (await desk.row())["state"] == "sent"


async def test_what_the_person_read_in_its_inbox_is_not_sent_by_another_channel_too(desk: Desk) -> None:
    (vendor,) = people(1)
    ids = await offers(desk, [vendor], "whatsapp", "sms")
    second = Scripted("sms-a", "sms")
    async with sending(desk, Scripted("wa-main", "whatsapp"), second, pace=SILENT):
        await desk.until("sent", 1)
        async with desk.database.transaction() as conn:
            await inbox.read_message(conn, ids[vendor], [vendor], now=desk.clock.now())
        await desk.hurry_receipts()
        await asyncio.sleep(0.5)
    assert second.taken == []


async def test_of_two_silent_channels_the_failure_of_one_leaves_the_other_its_hope(desk: Desk) -> None:
    (notification_id,) = (await offers(desk, people(1), "whatsapp", "sms", "email")).values()
    first, second = Scripted("wa-main", "whatsapp"), Scripted("sms-a", "sms")
    last = Scripted("smtp", "email", lambda letter: Act(Rejected("550", "other"), False))
    async with sending(desk, first, second, last, pace=SILENT):
        for provider in (first, second):
            await until(lambda provider=provider: provider.taken)  # type: ignore[misc]
            await desk.until("sent", 1)
            await desk.hurry_receipts()
        await until(lambda: _attempts(desk, 3))
        await desk.settled()
    await report(desk, receipt(desk, "wa-main", first.taken[0].attempt_id, "failed", code="131026"))
    row = await desk.row()
    assert (row["state"], row["silent"]) == ("sent", True), "the second may have reached the person"
    await report(desk, receipt(desk, "sms-a", second.taken[0].attempt_id, "sent"))
    await report(desk, receipt(desk, "sms-a", second.taken[0].attempt_id, "failed", code="30003"))
    assert (await desk.row())["state"] == "rejected"
    assert (await desk.published())[-1] == ("NotificationFailed", notification_id, 4)


# --- taken after all


async def test_what_an_operator_thought_lost_and_the_provider_has_leaves_no_second_time(desk: Desk) -> None:
    vendors = people(2)
    ids = await offers(desk, vendors, "sms")
    jobs = await desk.claim(channel="sms")
    attempts = {job.vendor_id: new_id() for job in jobs}
    async with desk.database.transaction() as conn:
        starts = [store.Start(job.id, job.claim, attempts[job.vendor_id], "sms", "id", "sms-a") for job in jobs]
        assert len(await handlers.begin_attempts(conn, starts, lease_seconds=60, now=desk.clock.now())) == 2
    await desk.hurry()
    async with desk.database.transaction() as conn:
        assert await handlers.settle_lost(conn, now=desk.clock.now()) == 2
        for notification_id in ids.values():
            command = SettleNotification(outcome="not-sent", reason="not in the log")
            await handlers.settle_by_hand(conn, notification_id, command, by="op", now=desk.clock.now())
    # the log was not complete: of one a receipt comes, of the other its worker was slow and not dead
    await report(desk, receipt(desk, "sms-a", attempts[vendors[0]], "sent"))
    async with desk.database.transaction() as conn:
        late = End(ids[vendors[1]], attempts[vendors[1]], Accepted("201", "SM2"), "sms", "sms-a")
        await handlers.end_attempts(conn, [late], now=desk.clock.now())
    assert await desk.states() == {"sent": 2}
    again = Scripted("sms-a", "sms")
    async with sending(desk, again):
        await desk.hurry_retries()
        await asyncio.sleep(0.3)
    assert again.taken == []


# --- replies


async def test_an_answer_leaves_by_the_number_that_the_person_wrote_to(desk: Desk) -> None:
    vendors = people(12)
    phones = {vendor: f"+62811000001{place:02d}" for place, vendor in enumerate(vendors)}
    await desk.hear(*(card(vendor, phone=phones[vendor]) for vendor in vendors))
    for number in phones.values():
        await _write(desk, number, "JADWAL", provider="wa-2", channel="whatsapp")
    first, second = Scripted("wa-1", "whatsapp"), Scripted("wa-2", "whatsapp")
    async with sending(desk, first, second):
        assert await desk.settled() == {"sent": 12}
    assert (len(first.taken), len(second.taken)) == (0, 12)


async def test_who_writes_from_an_address_is_reached_there(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, phone="+6281100000201"))
    key = address_key(desk.sealer.blind_index, "whatsapp", "+6281100000201")
    async with desk.database.transaction() as conn:
        for reason in ("unreachable", "invalid"):
            await wishes.suppress(conn, "whatsapp", key, reason, evidence="x", now=desk.clock.now())
    await _write(desk, "+6281100000201", "JADWAL", provider="wa-main", channel="whatsapp")
    await route(desk)
    assert ((await desk.row())["state"], (await desk.row())["channel"]) == ("queued", "whatsapp")


def test_each_reply_of_a_call_is_taken_by_itself_and_all_the_rest_together() -> None:
    now = datetime.now(UTC)
    said = [Reply("wa-main", "whatsapp", str(number), "+6281", "STOP", now) for number in range(3)]
    told = [Receipt("wa-main", new_id(), None, "sent", now) for _ in range(2)]
    assert apart([told[0], said[0], said[1], told[1], said[2]]) == [[said[0]], [said[1]], [said[2]], told]
    assert apart([]) == []


# --- broadcasts


@pytest.mark.parametrize(("state", "step"), [("held", broadcasts.pause), ("cancelled", broadcasts.stop)])
async def test_what_a_card_or_a_failed_channel_brings_back_to_a_broadcast_that_was_halted_does_not_leave(
    desk: Desk, state: str, step: Step
) -> None:
    waiting, failing = people(2)
    await desk.hear(card(failing), enrolled(failing))
    broadcast_id = await _announce(desk, failing)
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO notification SELECT (jsonb_populate_record(n, jsonb_build_object('id', $2::uuid, "
            "'vendor_id', $3::uuid, 'state', 'waiting_contact'))).* FROM notification AS n WHERE broadcast_id = $1",
            broadcast_id,
            new_id(),
            waiting,
        )
    first, second = Scripted("wa-main", "whatsapp"), Scripted("smtp", "email")
    async with sending(desk, first):
        await until(lambda: first.taken)
        await desk.settled()
    async with desk.database.transaction() as conn:
        await step(conn, broadcast_id, EndBroadcast(reason="salah"), Actor("ani", None), now=desk.clock.now())
    async with sending(desk, Scripted("wa-main", "whatsapp"), second):
        await desk.hear(card(waiting))
        await report(desk, receipt(desk, "wa-main", first.taken[0].attempt_id, "failed", code="131026"))
        await until(lambda: _unplanned(desk))
    assert second.taken == []
    assert await desk.states() == {state: 2}


# --- locks


async def test_an_erasure_of_several_and_the_outcomes_of_their_messages_wait_for_each_other_in_one_order(
    desk: Desk,
) -> None:
    first, second = sorted(people(2))
    ids = await offers(desk, [second], "sms") | await offers(desk, [first], "sms")
    assert ids[second] < ids[first]
    jobs = await desk.claim(channel="sms")
    starts = [store.Start(job.id, job.claim, new_id(), "sms", "id", "sms-a") for job in jobs]
    async with desk.database.transaction() as conn:
        await handlers.begin_attempts(conn, starts, lease_seconds=60, now=desk.clock.now())
    async with desk.database.transaction() as conn:
        await store.lock_attempted(conn, [ids[second]])
        erasure = asyncio.create_task(
            desk.hear(*(VendorErased(vendor_id=one, erasure_id=new_id()) for one in (first, second)))
        )
        await until(lambda: _somebody_waits(desk))
        await conn.execute("SET LOCAL lock_timeout = '500ms'")
        ends = [End(one.notification_id, one.attempt_id, Accepted("201"), "sms", "sms-a") for one in starts]
        await handlers.end_attempts(conn, ends, now=desk.clock.now())
    await erasure
    assert await desk.states() == {"sent": 2}


# --- means


async def _write(desk: Desk, number: str, text: str, *, provider: str = "sms-a", channel: Channel = "sms") -> None:
    async with desk.database.transaction() as conn:
        said = Reply(provider, channel, str(new_id()), number, text, desk.clock.now())
        await replies.receive(conn, [said], sealer=desk.sealer, now=desk.clock.now())


async def _announce(desk: Desk, vendor: UUID) -> UUID:
    """A running broadcast in the words of this vendor's message; to it alone, by WhatsApp, else by e-mail."""
    broadcast_id = new_id()
    async with desk.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO broadcast (broadcast_id, state, version, template, template_version, params, topic, channels, "
            "areas, by_list, deadline, drafted_by, drafted_at, approved_at, recipients) SELECT $1, 'running', 1, "
            "template, template_version, params, 'training', '{whatsapp,email}', '{31}', false, "
            "$2::timestamptz + interval '1 day', 'ani', $2, $2, 1 FROM notification WHERE vendor_id = $3",
            broadcast_id,
            desk.clock.now(),
            vendor,
        )
        await conn.execute(
            "UPDATE notification SET broadcast_id = $1, lane = 3, state = 'planned', route = '{whatsapp,email}' "
            "WHERE vendor_id = $2",
            broadcast_id,
            vendor,
        )
    return broadcast_id


async def _attempts(desk: Desk, number: int) -> bool:
    return len([one for one in await desk.attempts() if one["ended_at"] is not None]) >= number


async def _unplanned(desk: Desk) -> bool:
    return not (await desk.states()).keys() & {"planned", "queued", "retry", "sending", "waiting_contact"}


async def _silent(desk: Desk) -> bool:
    row = await desk.row()
    return bool(row["silent"]) and row["state"] == "sent"


async def _somebody_waits(desk: Desk) -> bool:
    async with desk.database.read() as conn:
        return bool(
            await conn.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )


# --- one message, two claims


async def test_of_two_claims_of_a_message_that_meet_in_one_commit_only_the_one_that_holds_leaves(desk: Desk) -> None:
    """As after a database that was away for longer than a claim lasts: one line still asks with the old claim when
    another of the same process asks with the new one.
    """
    await offers(desk, people(1), "whatsapp")
    claimed = [(await desk.claim(lease_seconds, channel="whatsapp"))[0] for lease_seconds in (0.0, 60.0)]
    starts = [store.Start(job.id, job.claim, new_id(), "whatsapp", "id") for job in claimed]
    journal = Journal(desk.database, desk.clock, lease_seconds=60)
    asked = [asyncio.create_task(journal.begin(one)) for one in starts]
    await asyncio.sleep(0)
    journal.close()
    await journal.run()
    assert await asyncio.gather(*asked) == [False, True]
    assert [row["id"] for row in await desk.attempts()] == [starts[1].attempt_id]

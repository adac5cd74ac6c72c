"""Delivery against a real mail server that misbehaves: what each answer means, and that nothing is resent blindly."""

import asyncio
import email
import email.policy
from email.message import EmailMessage

import pytest

from services.notify.channels.email import Email, SmtpServer
from services.notify.delivery import Delivery, Outlet, Pace
from tests.conftest import StandingClock
from tests.integration.backbone import until
from tests.integration.notify import (
    QUICK,
    Behaviour,
    Desk,
    Mailbox,
    card,
    enrolled,
    mail_server,
    offer,
    people,
)

BELL_ONLY = Pace(lines=2, poll_seconds=60, sweep_seconds=60)


async def test_a_message_leaves_as_text_and_html_with_headers_to_recognise_it(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, "siti@example.com"), offer(vendor, desk.clock.now()))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 1}
    row = await desk.row()
    message = email.message_from_bytes(mailbox.raw[0], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert message["X-Lapak-Notification"] == str(row["id"])
    assert message["X-Lapak-Template"] == "booth-assigned"
    assert message["Message-ID"] == f"<{row['id']}@lapak.test>"
    assert message["To"] == "Siti Aminah <siti@example.com>"
    assert message["Date"].datetime == desk.clock.now()
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "Lapak: A07" in plain.get_content()
    assert "<li>Lapak: A07</li>" in html.get_content()
    assert (row["channel"], row["language"], row["sent_at"]) == ("email", "id", desk.clock.now())
    (attempt,) = await desk.attempts()
    assert (attempt["outcome"], attempt["code"], attempt["number"]) == ("accepted", "smtp 250 2.0.0", 1)
    assert await desk.published() == [("NotificationSent", row["id"], 1)]


async def test_a_new_message_leaves_at_once_without_waiting_for_the_poll(desk: Desk) -> None:
    (vendor,) = people(1)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox, BELL_ONLY):
        await asyncio.sleep(0.3)
        await desk.hear(card(vendor), enrolled(vendor))
        await until(lambda: mailbox.accepted, 2)
        await desk.settled(2)


@pytest.mark.parametrize(("behaviour", "code"), [("550", "smtp 550 5.1.1"), ("550 content", "smtp 554 5.7.1")])
async def test_a_permanent_refusal_is_final_and_the_connection_goes_on(
    desk: Desk, behaviour: Behaviour, code: str
) -> None:
    vendors = people(3)
    async with mail_server(Mailbox()) as mailbox:
        mailbox.behave["bad@example.com"] = [behaviour]
        for vendor, address in zip(vendors, ["bad@example.com", "", ""], strict=True):
            await desk.hear(card(vendor, address), enrolled(vendor))
        async with desk.delivering(mailbox, Pace(lines=1)):
            assert await desk.settled() == {"rejected": 1, "sent": 2}
    assert mailbox.connections == 1
    (rejected,) = [row for row in await desk.rows() if row["state"] == "rejected"]
    assert (rejected["reason"], rejected["attempts"]) == (code, 1)
    assert ("NotificationFailed", rejected["id"], 1) in await desk.published()
    stored = str([await desk.attempts(), await desk.published()])
    assert "bad@example.com" not in stored, "the server repeats the address in its text; only its code is kept"


@pytest.mark.parametrize("behaviour", ["451", "451 content"])
async def test_a_temporary_refusal_is_tried_again_and_arrives_once(desk: Desk, behaviour: Behaviour) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, "later@example.com"), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        mailbox.behave["later@example.com"] = [behaviour]
        await desk.until("retry", 1)
        assert await desk.published() == []
        await asyncio.sleep(0.2)
        assert (await desk.row())["attempts"] == 1, "the next try waits for its time"
        await desk.hurry()
        assert await desk.settled() == {"sent": 1}
    assert len(mailbox.accepted) == 1
    assert [attempt["outcome"] for attempt in await desk.attempts()] == ["deferred", "accepted"]
    assert await desk.published() == [("NotificationSent", (await desk.row())["id"], 1)]


async def test_a_server_that_refuses_us_rejects_nobody(desk: Desk) -> None:
    """550 at MAIL is about the sender: a mended configuration must find every message still there."""
    vendors = people(3)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    async with mail_server(Mailbox(mail_answer="550 5.7.1 Sender refused")) as mailbox, desk.delivering(mailbox):
        await desk.until("retry", 3)
        mailbox.mail_answer = None
        await desk.hurry()
        assert await desk.settled() == {"sent": 3}
    assert set(mailbox.times().values()) == {1}


async def test_a_connection_that_was_hung_up_is_opened_anew_in_the_same_attempt(desk: Desk) -> None:
    first, second = people(2)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox, Pace(lines=1)):
        await desk.hear(card(first, "one@example.com"), enrolled(first))
        await desk.until("sent", 1)
        mailbox.behave["two@example.com"] = ["421"]
        await desk.hear(card(second, "two@example.com"), enrolled(second))
        assert await desk.settled() == {"sent": 2}
    assert mailbox.connections == 2
    assert [attempt["outcome"] for attempt in await desk.attempts()] == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("behaviour", "code", "arrived"),
    [("accept and drop", "disconnected", 1), ("drop at data", "disconnected", 0), ("silent", "timed-out", 1)],
)
async def test_no_answer_after_the_content_is_unknown_and_never_resent(
    desk: Desk, behaviour: Behaviour, code: str, arrived: int
) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, "who@example.com"), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox:
        mailbox.behave["who@example.com"] = [behaviour]
        async with desk.delivering(mailbox, answer_seconds=0.5):
            await desk.until("unknown", 1)
            await desk.hurry()
            await asyncio.sleep(0.5)
    row = await desk.row()
    assert (row["state"], row["reason"], row["attempts"]) == ("unknown", code, 1)
    assert len(mailbox.accepted) == arrived
    assert await desk.published() == [("NotificationUnknown", row["id"], 1)]
    (attempt,) = await desk.attempts()
    assert (attempt["outcome"], attempt["code"]) == ("ambiguous", code)


async def test_a_server_that_is_away_costs_no_attempts(desk: Desk) -> None:
    vendors = people(5)
    mailbox = Mailbox()
    async with mail_server(mailbox):
        pass
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    async with desk.delivering(mailbox):
        await asyncio.sleep(0.7)
        assert await desk.states() == {"queued": 5}
        assert await desk.attempts() == []
        async with mail_server(mailbox):
            assert await desk.settled() == {"sent": 5}
    assert set(mailbox.times().values()) == {1}
    assert {row["attempts"] for row in await desk.rows()} == {1}


async def test_a_server_that_restarts_under_way_loses_and_repeats_nothing(desk: Desk) -> None:
    vendors = people(200)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    mailbox = Mailbox(delay_seconds=0.01)
    async with mail_server(mailbox), desk.delivering(mailbox):
        await until(lambda: len(mailbox.accepted) > 50)
    assert (await desk.states())["sent"] >= 50
    async with mail_server(mailbox), desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 200}
    assert set(mailbox.times().values()) == {1}


async def test_an_offer_that_cannot_leave_in_time_expires_and_is_never_sent(desk: Desk, clock: StandingClock) -> None:
    on_time, late = people(2)
    await desk.hear(card(on_time), card(late))
    await desk.hear(offer(on_time, clock.now(), hours=2), offer(late, clock.now(), hours=1))
    clock.advance(hours=1)
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.until("expired", 1)
        await desk.until("sent", 1)
    states = {row["vendor_id"]: (row["state"], row["reason"]) for row in await desk.rows()}
    assert states == {on_time: ("sent", None), late: ("expired", "deadline")}
    assert len(mailbox.accepted) == 1


async def test_offers_go_before_the_rest_that_waits(desk: Desk) -> None:
    routine, (urgent,) = people(150), people(1)
    await desk.hear(*[card(vendor) for vendor in [*routine, urgent]], *[enrolled(vendor) for vendor in routine])
    async with mail_server(Mailbox(delay_seconds=0.01)) as mailbox, desk.delivering(mailbox):
        await until(lambda: len(mailbox.accepted) >= 20)
        before = len(mailbox.accepted)
        await desk.hear(offer(urgent, desk.clock.now()))
        await desk.settled()
    address = f"v{urgent.hex}@example.com"
    place = [to for to, _ in mailbox.accepted].index(address)
    assert place < before + 60, f"sent as number {place} of {len(mailbox.accepted)}, {before} had left before it"


async def test_stopping_finishes_what_is_under_way_and_gives_back_the_rest(desk: Desk) -> None:
    vendors = people(100)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    async with mail_server(Mailbox(delay_seconds=0.1)) as mailbox, desk.delivering(mailbox) as stopping:
        await until(lambda: len(mailbox.accepted) >= 8)
        stopping.set()
    states = await desk.states()
    assert states["sent"] == len(mailbox.accepted)
    assert states.keys() <= {"sent", "queued", "planned"}
    async with desk.database.read() as conn:
        held = await conn.fetchval(
            "SELECT count(*) FROM notification WHERE state = 'queued' AND (claim IS NOT NULL OR due_at > now())"
        )
    assert held == 0


async def test_two_workers_share_and_each_message_leaves_once(desk: Desk) -> None:
    vendors = people(150)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    async with (
        mail_server(Mailbox(delay_seconds=0.01)) as mailbox,
        desk.delivering(mailbox, QUICK),
        desk.delivering(mailbox, QUICK),
        desk.delivering(mailbox, QUICK),
    ):
        assert await desk.settled() == {"sent": 150}
    assert len(mailbox.accepted) == 150
    assert set(mailbox.times().values()) == {1}
    assert mailbox.connections > QUICK.lines
    events = await desk.published()
    assert sorted(key for _, key, _ in events) == sorted(row["id"] for row in await desk.rows())
    assert {sequence for _, _, sequence in events} == {1}


async def test_english_readers_get_english(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, language="en"), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        await desk.settled()
    assert b"Hello Siti Aminah," in mailbox.raw[0]
    assert (await desk.row())["language"] == "en"


async def test_lines_starting_with_a_dot_arrive_as_they_were(desk: Desk) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    async with desk.database.transaction() as conn:
        await conn.execute("UPDATE template_version SET sources = $1", {"id": "Titik\n\nHalo\n.\n..dua\n.akhir\n"})
        await conn.execute("UPDATE template_version SET version = 'dots' WHERE false")
        await conn.execute(
            "INSERT INTO template_version SELECT template, 'dots', sources, first_used_at FROM template_version"
        )
        await conn.execute("UPDATE notification SET template_version = 'dots'")
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"sent": 1}
    message = email.message_from_bytes(mailbox.raw[0], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n") == "Halo\n.\n..dua\n.akhir\n"


@pytest.mark.parametrize(
    "address",
    ["dengan spasi@example.com", "é@example.com", "a@b\r\nRCPT TO:<x@example.com>", "Siti <s@example.com>", "s"],
)
async def test_an_address_that_cannot_be_named_is_rejected_before_the_server_hears_it(desk: Desk, address: str) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor, address), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox, desk.delivering(mailbox):
        assert await desk.settled() == {"rejected": 1}
    assert (await desk.row())["reason"] == "address-malformed"
    assert mailbox.accepted == []


async def test_a_database_that_is_away_for_a_while_keeps_the_outcomes(desk: Desk) -> None:
    """Its connections are cut while messages are under way; what was accepted is still recorded, once."""
    vendors = people(60)
    await desk.hear(*[card(vendor) for vendor in vendors], *[enrolled(vendor) for vendor in vendors])
    async with mail_server(Mailbox(delay_seconds=0.02)) as mailbox, desk.delivering(mailbox):
        for count in (10, 20, 30):
            await until(lambda count=count: len(mailbox.accepted) >= count)  # type: ignore[misc]
            await desk.cut()
        assert await desk.settled() == {"sent": 60}
    assert set(mailbox.times().values()) == {1}
    assert len(await desk.published()) == 60


async def test_a_fault_in_a_channel_leaves_its_message_unknown_not_resent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vendor,) = people(1)
    await desk.hear(card(vendor), enrolled(vendor))
    async with mail_server(Mailbox()) as mailbox:
        channel = Email(SmtpServer("127.0.0.1", mailbox.port, "lapak@lapak.test"))
        line = channel.line()

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(line, "send", broken)
        monkeypatch.setattr(channel, "line", lambda: line)
        stopping = asyncio.Event()
        task = asyncio.create_task(
            Delivery(desk.database, desk.clock, [Outlet(channel)], QUICK, sealer=desk.sealer).run(stopping)
        )
        await desk.until("sending", 1)
        await desk.hurry()
        await desk.until("unknown", 1)
        stopping.set()
        await task
    assert mailbox.accepted == []
    assert await desk.published() == [("NotificationUnknown", (await desk.row())["id"], 1)]

"""One suite over every way a message leaves: what each answer, and each lack of one, means for the message.

The providers that speak HTTP meet a server that answers as it is told, byte by byte; e-mail meets a mail server that
can misbehave. What may be sent again was certainly not taken; what was taken, or may have been, never is. What is each
HTTP provider's own, its codes above all: `test_notify_adapter_codes.py`.
"""

import asyncio
import logging
import time
from dataclasses import replace

import pytest

from services.notify.channels import ChannelDown
from services.notify.channels.email import Email, SmtpServer
from services.notify.domain import contents
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from tests.integration.notify import Behaviour, Mailbox, mail_server
from tests.integration.notify_adapters import (
    ANSWER_SECONDS,
    CUT,
    HANG,
    PAGE,
    SECRET,
    Adapter,
    answer,
    each,
    letter,
    meets,
    scripted,
    send,
)

MAIL = "siti@example.com"


# --- what leaves


@each
async def test_what_is_accepted_has_the_provider_s_id_and_its_price(adapter: Adapter) -> None:
    outcome, script = await meets(adapter, adapter.accepted)
    assert outcome == adapter.outcome
    assert len(script.asked) == 1


@each
async def test_a_message_in_another_channel_s_form_is_our_defect_and_never_leaves(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        outcome = await send(adapter.make(script.url), letter(contents.Email("x", "x", "x")))
    assert outcome == Rejected("content-malformed", "defect")
    assert script.asked == []


# --- what an answer means


@each
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(200, PAGE), Ambiguous("answer-unreadable")),
        (answer(200, b""), Ambiguous("answer-unreadable")),
        (answer(200, [1, 2]), Ambiguous("answer-unreadable")),
        (answer(200, b"[" * 100_000), Ambiguous("answer-unreadable")),
        (answer(200, b"a" * 300_000), Ambiguous("answer-unreadable")),
        (answer(200, {"messages": 7, "sid": 7}), Ambiguous("answer-unreadable")),
        (answer(204, b""), Ambiguous("answer-unreadable")),
        (answer(301, PAGE, Location="http://elsewhere.test/"), Deferred("http 301", "provider")),
        (answer(307, PAGE, Location="http://elsewhere.test/"), Deferred("http 307", "provider")),
        (answer(302, PAGE, Location="http://elsewhere.test/"), Ambiguous("http 302")),
        (answer(303, PAGE, Location="http://elsewhere.test/"), Ambiguous("http 303")),
        (answer(400, PAGE), Deferred("http 400", "provider")),
        (answer(404, PAGE), Deferred("http 404", "provider")),
        (answer(408, PAGE), Ambiguous("http 408")),
        (answer(429, PAGE), Deferred("http 429", "provider")),
        (answer(429, PAGE, Retry_After="11"), Deferred("http 429", "provider", 11.0)),
        (answer(429, PAGE, Retry_After="Fri, 17 Mar 2023"), Deferred("http 429", "provider")),
        (answer(429, PAGE, Retry_After="99999999999"), Deferred("http 429", "provider", 3600.0)),
        (answer(500, PAGE), Ambiguous("http 500")),
        (answer(502, PAGE), Ambiguous("http 502")),
        (answer(503, PAGE), Ambiguous("http 503")),
        (answer(503, PAGE, Retry_After="11"), Deferred("http 503", "provider", 11.0)),
        (answer(504, PAGE), Ambiguous("http 504")),
    ],
    ids=str,
)
async def test_an_answer_that_is_not_the_provider_s_own_is_judged_with_care(
    adapter: Adapter, given: bytes, expected: Outcome
) -> None:
    found, script = await meets(adapter, given)
    assert found == expected
    assert len(script.asked) == 1, "no redirect is followed: the message would be handed to somebody else"


@each
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (CUT, "answer-unreadable"),
        (HANG, "timed-out"),
        (b"220 mail.example ESMTP\r\n\r\n", "answer-unreadable"),
        (b"\xff\xfe\x00" * 50 + b"\r\n\r\n", "answer-unreadable"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{" + CUT, "answer-unreadable"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{", "timed-out"),
        (b"HTTP/1.1 200 OK\r\n" + CUT, "answer-unreadable"),
    ],
    ids=["cut", "silent", "another protocol", "noise", "half an answer", "half an answer, then silence", "half a head"],
)
async def test_no_answer_after_the_message_left_is_unknown(adapter: Adapter, given: bytes, code: str) -> None:
    found, script = await meets(adapter, given)
    assert isinstance(found, Ambiguous)
    assert found.code in (code, "disconnected")
    assert len(script.asked) == 1


@each
async def test_an_answer_drop_by_drop_does_not_hold_a_line_for_ever(adapter: Adapter) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")
        for _ in range(100):
            await asyncio.sleep(ANSWER_SECONDS / 4)
            if writer.is_closing():
                break
            writer.write(b"x")
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    provider = adapter.make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    began = time.monotonic()
    assert await send(provider, letter(adapter.content), seconds=0.3) == Ambiguous("timed-out")
    assert time.monotonic() - began < 3
    server.close()


# --- what never leaves


@each
async def test_a_provider_that_is_away_costs_no_attempt(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        pass
    line = adapter.make(script.url).line()
    with pytest.raises(ChannelDown) as down:
        await line.open()
    assert down.value.code == "unreachable"


@each
async def test_a_connection_refused_under_way_is_certainly_not_taken(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        provider = adapter.make(script.url)
        line = provider.line()
        await line.open()
    assert await line.send(letter(adapter.content), seconds=5) == Deferred("before-content disconnected", "provider")
    with pytest.raises(ChannelDown):
        await line.open()
    await line.close()


@each
@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_nothing_is_handed_over_too_late(adapter: Adapter, seconds: float) -> None:
    found, script = await meets(adapter, adapter.accepted, seconds=seconds)
    assert isinstance(found, Deferred)
    assert script.asked == []


@each
async def test_a_process_that_was_halted_hands_nothing_over(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The halt falls between the decision to send and the first byte of the message."""
    moments = iter([0.0])
    real = time.monotonic

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return next(moments, real() + 1000.0)

    monkeypatch.setattr("services.notify.channels.http.time", Clock)
    found, script = await meets(adapter, adapter.accepted, seconds=5.0)
    assert found == Deferred("too-late")
    assert script.asked == []


# --- lines


@each
async def test_lines_share_connections_and_each_message_leaves_once(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        script.delay_seconds = 0.02
        provider = adapter.make(script.url)
        lines = [provider.line() for _ in range(4)]

        async def work(number: int) -> list[Outcome]:
            await lines[number].open()
            return [await lines[number].send(letter(adapter.content), seconds=5) for _ in range(10)]

        outcomes = await asyncio.gather(*(work(number) for number in range(4)))
        assert all(outcome == adapter.outcome for found in outcomes for outcome in found)
        assert len(script.asked) == 40
        assert script.connections <= 1 + 4, "one to see that it is there, and one for each line"
        for line in lines:
            await line.close()


@each
async def test_a_line_that_closes_leaves_the_others_their_messages(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        script.delay_seconds = 0.2
        provider = adapter.make(script.url)
        slow, quick = provider.line(), provider.line()
        await slow.open()
        await quick.open()
        sending = asyncio.create_task(slow.send(letter(adapter.content), seconds=5))
        await asyncio.sleep(0.05)
        await quick.close()
        assert await sending == adapter.outcome
        await slow.close()


@each
async def test_a_connection_the_provider_closed_meanwhile_is_opened_anew(adapter: Adapter) -> None:
    closing = adapter.accepted + CUT
    async with scripted(closing, closing, adapter.accepted) as script:
        provider = adapter.make(script.url)
        line = provider.line()
        for _ in range(3):
            await line.open()
            assert await line.send(letter(adapter.content), seconds=5) == adapter.outcome
            await asyncio.sleep(0.05)
        await line.close()
    assert len(script.asked) == 3


@each
async def test_a_line_that_met_a_failure_carries_the_next_message(adapter: Adapter) -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"
    async with scripted(CUT, HANG, half, half + CUT, adapter.accepted) as script:
        line = adapter.make(script.url).line()
        outcomes = []
        for _ in range(5):
            await line.open()
            outcomes.append(await line.send(letter(adapter.content), seconds=5))
        await line.close()
    assert [isinstance(one, Ambiguous) for one in outcomes] == [True] * 4 + [False]
    assert outcomes[-1] == adapter.outcome


@each
async def test_a_server_that_cannot_prove_who_it_is_gets_no_message(adapter: Adapter) -> None:
    """Here it does not speak TLS at all; a wrong certificate ends the connection at the same step."""
    async with scripted(adapter.accepted) as script:
        outcome = await send(adapter.make(script.url.replace("http:", "https:")), letter(adapter.content))
    assert isinstance(outcome, Deferred)
    assert outcome.scope == "provider"
    assert script.asked == []


@each
async def test_no_secret_shows_in_logs_exceptions_or_what_is_kept(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    for given in (adapter.accepted, CUT, answer(401, PAGE), answer(500, PAGE)):
        outcome, script = await meets(adapter, given)
        shown.append(repr(outcome))
    provider = adapter.make(script.url)
    shown += [repr(provider), str(provider), repr(provider.line()), caplog.text]
    with pytest.raises(ChannelDown) as down:
        await provider.line().open()
    shown.append(repr(down.value))
    assert SECRET not in "\n".join(shown)


# --- e-mail


def email(mailbox: Mailbox) -> Email:
    return Email(SmtpServer("127.0.0.1", mailbox.port, "Lapak <lapak@lapak.test>", answer_seconds=ANSWER_SECONDS))


MESSAGE = contents.Email("Lapak A07", "Halo\n", "<p>Halo</p>")


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (None, Accepted("smtp 250 2.0.0")),
        ("550", Rejected("smtp 550 5.1.1", "address")),
        ("451", Deferred("smtp 451 4.7.1")),
        ("421", Deferred("smtp 421 4.3.2", "provider")),
        ("550 content", Rejected("smtp 554 5.7.1")),
        ("451 content", Deferred("smtp 451 4.3.0")),
        ("drop at data", Ambiguous("disconnected")),
        ("accept and drop", Ambiguous("disconnected")),
        ("silent", Ambiguous("timed-out")),
    ],
)
async def test_a_mail_server_s_answers_are_judged(behaviour: Behaviour | None, expected: Outcome) -> None:
    async with mail_server(Mailbox()) as mailbox:
        # a 421 is tried once more on a new connection
        mailbox.behave[MAIL] = [] if behaviour is None else [behaviour] * 2
        assert await send(email(mailbox), letter(MESSAGE, MAIL)) == expected


async def test_a_mail_server_that_refuses_us_stands_in_the_way_of_every_message() -> None:
    async with mail_server(Mailbox(mail_answer="550 5.7.1 We do not know you")) as mailbox:
        assert await send(email(mailbox), letter(MESSAGE, MAIL)) == Deferred("smtp 550 5.7.1", "provider")


async def test_no_e_mail_is_handed_over_too_late() -> None:
    async with mail_server(Mailbox()) as mailbox:
        assert isinstance(await send(email(mailbox), letter(MESSAGE, MAIL), seconds=0), Deferred)
    assert mailbox.accepted == []


async def test_an_e_mail_that_would_break_its_headers_never_leaves() -> None:
    broken = replace(MESSAGE, unsubscribe_url="https://x.test/>\r\nBcc: <y@example.com>")
    async with mail_server(Mailbox()) as mailbox:
        assert await send(email(mailbox), letter(broken, MAIL)) == Rejected("content-malformed", "defect")
    assert mailbox.accepted == []

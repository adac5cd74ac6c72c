"""One suite over every way a message leaves: what each answer, and each lack of one, means for the message.

The providers that speak HTTP meet a server that answers as it is told, byte by byte; e-mail meets a mail server that
can misbehave. What may be sent again was certainly not taken; what was taken, or may have been, never is.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qs
from uuid import UUID

import httpx
import pytest
import uuid_utils
from pydantic import SecretStr

from deploy.local.stack import Running
from services.notify.channels import ChannelDown, Letter, Provider
from services.notify.channels.email import Email, SmtpServer
from services.notify.channels.twilio import Twilio
from services.notify.channels.vonage import Vonage
from services.notify.channels.whatsapp import WhatsApp
from services.notify.domain import contents
from services.notify.domain.contents import FreeText, Sms, WhatsAppTemplate
from services.notify.domain.delivery import Accepted, Ambiguous, Deferred, Outcome, Rejected
from services.notify.domain.reports import Receipt, Reply, Report
from services.notify.settings import TwilioSettings, VonageSettings, WhatsAppSettings
from shared.ids import new_id
from tests.integration.backbone import until
from tests.integration.notify import Behaviour, Mailbox, mail_server

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
PHONE = "+6281234567890"
MAIL = "siti@example.com"
SECRET = "rahasia-sekali"
PUBLIC = "https://pesan.example.go.id"
ANSWER_SECONDS = 0.3


# --- a server that answers as it is told


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


@dataclass
class Script:
    """What the next requests meet: bytes to write (the connection stays open), or `CUT`, `HANG`; the last one stays."""

    answers: list[bytes]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    delay_seconds: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = line.split(" ")
                self.asked.append(Asked(method, path, headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if answer == HANG:
                    await self.over.wait()
                    break
                writer.write(b"" if answer == CUT else answer)
                if answer == CUT or answer.endswith(CUT):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort() if not writer.transport.get_write_buffer_size() else writer.close()


CUT, HANG = b"\0cut", b"\0hang"


def answer(status: int, body: object, **headers: str) -> bytes:
    """An HTTP answer with a JSON body, or with these bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(content)}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[Script]:
    """A server that gives these answers in turn."""
    script = Script(list(answers))
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        script.over.set()
        server.close()


# --- the adapters


@dataclass(frozen=True)
class Adapter:
    """One adapter under test. `refusals`: answers and what they must mean; `sign`: nothing of it may show."""

    name: str
    make: Callable[[str], Provider]
    content: contents.Content
    accepted: bytes
    outcome: Accepted
    refusals: tuple[tuple[bytes, Outcome], ...] = ()


def whatsapp(url: str) -> Provider:
    return WhatsApp(
        WhatsAppSettings(
            adapter="whatsapp",
            name="wa-main",
            url=url,
            number_id="1055",
            account_id="2066",
            token=SecretStr(SECRET),
            app_secret=SecretStr(SECRET),
            verify_token=SecretStr(SECRET),
            price_millirupiah=357_000,
            connect_seconds=0.5,
            answer_seconds=ANSWER_SECONDS,
        )
    )


def twilio(url: str, now: Callable[[], datetime] = lambda: NOW) -> Twilio:
    settings = TwilioSettings(
        adapter="twilio",
        name="sms-a",
        url=url,
        account="AC123",
        token=SecretStr(SECRET),
        sender="LAPAK",
        price_millirupiah=450_000,
        connect_seconds=0.5,
        answer_seconds=ANSWER_SECONDS,
    )
    return Twilio(settings, PUBLIC, now=now)


def vonage(url: str) -> Provider:
    settings = VonageSettings(
        adapter="vonage",
        name="sms-b",
        url=url,
        key="kunci",
        secret=SecretStr(SECRET),
        signature_secret=SecretStr(SECRET),
        sender="LAPAK",
        price_millirupiah=450_000,
        connect_seconds=0.5,
        answer_seconds=ANSWER_SECONDS,
    )
    return Vonage(settings, PUBLIC)


def meta(status: int, code: int, **headers: str) -> bytes:
    """An error of Meta's, with a text that must not be kept."""
    error = {"message": f"({code}) {PHONE}", "type": "OAuthException", "code": code, "fbtrace_id": "x"}
    return answer(status, {"error": error}, **headers)


def from_twilio(status: int, code: int, **headers: str) -> bytes:
    """An error of Twilio's."""
    return answer(status, {"code": code, "message": f"{PHONE} is bad", "status": status}, **headers)


def from_vonage(*statuses: str) -> bytes:
    """An answer of Vonage's: one status for each part."""
    parts = [
        {"to": PHONE[1:], "status": status, "message-id": f"0A{place}"}
        if status == "0"
        else {"status": status, "error-text": f"{PHONE} is bad"}
        for place, status in enumerate(statuses)
    ]
    return answer(200, {"message-count": str(len(parts)), "messages": parts})


def account(code: str) -> Deferred:
    return Deferred(code, "provider", 900.0, pause=True)


WHATSAPP = Adapter(
    "whatsapp",
    whatsapp,
    WhatsAppTemplate("lapak_booth_assigned_0a1b2c3d", "id", ("Siti", "A07"), ("ya:1", "tidak:1")),
    answer(
        200,
        {"messaging_product": "whatsapp", "contacts": [{"wa_id": PHONE[1:]}], "messages": [{"id": "wamid.HBgN="}]},
    ),
    Accepted("whatsapp accepted", "wamid.HBgN=", 1, 357_000),
    (
        (meta(400, 130429), Deferred("whatsapp 130429", "provider", 1.0)),
        (meta(429, 130429, Retry_After="7"), Deferred("whatsapp 130429", "provider", 7.0)),
        (meta(429, 80007), Deferred("whatsapp 80007", "provider", 60.0)),
        (meta(400, 4), Deferred("whatsapp 4", "provider", 60.0)),
        (meta(503, 2), Deferred("whatsapp 2", "provider", 5.0)),
        (meta(503, 131016), Deferred("whatsapp 131016", "provider", 5.0)),
        (meta(503, 133004), Deferred("whatsapp 133004", "provider", 5.0)),
        (meta(400, 131056), Deferred("whatsapp 131056", "recipient", 6.0)),
        (meta(400, 131026), Rejected("whatsapp 131026", "unreachable")),
        (meta(400, 131021), Rejected("whatsapp 131021", "address")),
        (meta(400, 131047), Rejected("whatsapp 131047", "window")),
        (meta(400, 131049), Rejected("whatsapp 131049", "not-now")),
        (meta(400, 131050), Rejected("whatsapp 131050", "opted-out")),
        *(
            (meta(400, code), Rejected(f"whatsapp {code}", "defect"))
            for code in (100, 131008, 131009, 131051, 132000, 132001, 132005, 132007, 132012, 132015, 132016, 135000)
        ),
        *(
            (meta(400, code), account(f"whatsapp {code}"))
            for code in (0, 10, 33, 190, 200, 299, 368, 131031, 131037, 131042, 131045, 131048, 133006, 133010)
        ),
        (meta(500, 131000), Ambiguous("whatsapp 131000")),
        (meta(400, 1), Ambiguous("whatsapp 1")),
        (meta(400, 999999), Rejected("whatsapp 999999")),
        (meta(500, 999999), Ambiguous("whatsapp 999999")),
        (
            answer(200, {"error": {"code": 131026, "message": "an error inside a 200"}}),
            Rejected("whatsapp 131026", "unreachable"),
        ),
        (answer(200, {"messages": [{"id": 7}]}), Ambiguous("answer-unreadable")),
        (answer(200, {"messages": []}), Ambiguous("answer-unreadable")),
    ),
)
TWILIO = Adapter(
    "twilio",
    twilio,
    Sms("Ada lapak untuk Anda di Bazar Jakpreneur. Balas YA atau TIDAK."),
    answer(201, {"sid": "SM0a1b", "status": "queued", "num_segments": "1", "price": None}),
    Accepted("twilio accepted", "SM0a1b", 1, 450_000),
    (
        *(
            (from_twilio(400, code), Rejected(f"twilio {code}", "address"))
            for code in (21211, 21217, 21408, 21612, 21614)
        ),
        (from_twilio(400, 21610), Rejected("twilio 21610", "opted-out")),
        (from_twilio(400, 21617), Rejected("twilio 21617", "defect")),
        (from_twilio(429, 20429), Deferred("twilio 20429", "provider", 1.0)),
        (from_twilio(429, 20429, Retry_After="3"), Deferred("twilio 20429", "provider", 3.0)),
        (from_twilio(429, 14107), Deferred("twilio 14107", "provider", 1.0)),
        (from_twilio(429, 21611), Deferred("twilio 21611", "provider", 60.0)),
        (from_twilio(429, 63038), Deferred("twilio 63038", "provider", 3600.0)),
        (from_twilio(401, 20003), account("twilio 20003")),
        (from_twilio(404, 20404), account("twilio 20404")),
        (from_twilio(400, 21606), account("twilio 21606")),
        (from_twilio(401, 70051), account("twilio 70051")),
        (from_twilio(400, 99999), Rejected("twilio 99999")),
        (from_twilio(500, 20500), Ambiguous("twilio 20500")),
        (from_twilio(503, 20503), Ambiguous("http 503")),
        (from_twilio(503, 20503, Retry_After="2"), Deferred("http 503", "provider", 2.0)),
        (
            answer(201, {"sid": "SM1", "status": "failed", "error_code": 21610, "num_segments": "1"}),
            Rejected("twilio 21610", "opted-out"),
        ),
        (answer(201, {"status": "queued"}), Ambiguous("answer-unreadable")),
    ),
)
VONAGE = Adapter(
    "vonage",
    vonage,
    TWILIO.content,
    from_vonage("0"),
    Accepted("vonage accepted", "0A0", 1, 450_000),
    (
        (from_vonage("0", "0", "0"), Accepted("vonage accepted", "0A2", 3, 1_350_000)),
        (from_vonage("1"), Deferred("vonage 1", "provider", 1.0)),
        (from_vonage("1", "1"), Deferred("vonage 1", "provider", 1.0)),
        (from_vonage("0", "1"), Ambiguous("vonage 1 of-a-part")),
        (from_vonage("6", "0"), Ambiguous("vonage 6 of-a-part")),
        *((from_vonage(code), Rejected(f"vonage {code}", "defect")) for code in ("2", "3", "12", "22")),
        *((from_vonage(code), Rejected(f"vonage {code}", "address")) for code in ("6", "33")),
        (from_vonage("7"), Rejected("vonage 7", "opted-out")),
        *((from_vonage(code), account(f"vonage {code}")) for code in ("4", "8", "9", "14", "15", "23")),
        (from_vonage("5"), Ambiguous("vonage 5")),
        (from_vonage("77"), Ambiguous("vonage 77")),
        (from_vonage(f"aneh {PHONE}"), Ambiguous("vonage unknown")),
        (answer(200, {"messages": []}), Ambiguous("answer-unreadable")),
    ),
)
ADAPTERS = (WHATSAPP, TWILIO, VONAGE)
each = pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.name)


def letter(content: contents.Content, address: str = PHONE, hours: float = 24) -> Letter:
    return Letter(
        new_id(), new_id(), "booth-assigned", "Siti Aminah", address, content, NOW, NOW + timedelta(hours=hours)
    )


async def send(provider: Provider, message: Letter, *, seconds: float = 5.0) -> Outcome:
    line = provider.line()
    await line.open()
    try:
        return await line.send(message, seconds=seconds)
    finally:
        await line.close()


async def meets(adapter: Adapter, *answers: bytes, seconds: float = 5.0) -> tuple[Outcome, Script]:
    """What a message's outcome is when these are the answers."""
    async with scripted(*answers) as script:
        return await send(adapter.make(script.url), letter(adapter.content), seconds=seconds), script


# --- what leaves


@each
async def test_what_is_accepted_has_the_provider_s_id_and_its_price(adapter: Adapter) -> None:
    outcome, script = await meets(adapter, adapter.accepted)
    assert outcome == adapter.outcome
    assert len(script.asked) == 1


async def test_whatsapp_gets_a_template_with_its_parameters_and_our_reference() -> None:
    message = letter(WHATSAPP.content)
    async with scripted(WHATSAPP.accepted) as script:
        await send(whatsapp(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/v23.0/1055/messages")
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(asked.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "6281234567890",
        "biz_opaque_callback_data": str(message.attempt_id),
        "type": "template",
        "template": {
            "name": "lapak_booth_assigned_0a1b2c3d",
            "language": {"code": "id"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": "Siti"}, {"type": "text", "text": "A07"}]},
                *(
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": str(place),
                        "parameters": [{"type": "payload", "payload": payload}],
                    }
                    for place, payload in enumerate(("ya:1", "tidak:1"))
                ),
            ],
        },
    }


async def test_free_words_cost_nothing_and_a_template_without_parameters_has_no_components() -> None:
    async with scripted(WHATSAPP.accepted) as script:
        provider = whatsapp(script.url)
        free = await send(provider, letter(FreeText("Terima kasih, é 👍")))
        await send(provider, letter(WhatsAppTemplate("lapak_welcome_0a1b2c3d", "en", ())))
    assert free == Accepted("whatsapp accepted", "wamid.HBgN=")
    words, plain = (json.loads(asked.body) for asked in script.asked)
    assert words["text"] == {"preview_url": False, "body": "Terima kasih, é 👍"}
    assert plain["template"] == {"name": "lapak_welcome_0a1b2c3d", "language": {"code": "en"}}


@pytest.mark.parametrize(("hours", "validity"), [(24, None), (10, None), (1, "3600"), (-1, "1")])
async def test_twilio_gets_our_reference_in_the_callback_and_no_more_time_than_there_is(
    hours: float, validity: str | None
) -> None:
    message = letter(TWILIO.content, hours=hours)
    async with scripted(TWILIO.accepted) as script:
        await send(twilio(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC123/Messages.json")
    expected = {
        "To": PHONE,
        "From": "LAPAK",
        "Body": "Ada lapak untuk Anda di Bazar Jakpreneur. Balas YA atau TIDAK.",
        "StatusCallback": f"{PUBLIC}/v1/providers/sms-a/webhook/{message.attempt_id}#rc=5&rp=all",
    }
    assert asked.form() == expected | ({} if validity is None else {"ValidityPeriod": validity})


@pytest.mark.parametrize(
    ("text", "kind", "reference"), [("Halo", "text", ""), ("Halo 👍", "unicode", ""), ("a" * 161, "text", ".2")]
)
async def test_vonage_gets_the_alphabet_and_our_reference_with_the_number_of_parts(
    text: str, kind: str, reference: str
) -> None:
    message = letter(Sms(text))
    async with scripted(VONAGE.accepted) as script:
        await send(vonage(script.url), message)
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/sms/json")
    assert asked.form() == {
        "api_key": "kunci",
        "api_secret": SECRET,
        "from": "LAPAK",
        "to": "6281234567890",
        "text": text,
        "type": kind,
        "client-ref": f"{message.attempt_id}{reference}",
        "ttl": "86400000",
        "status-report-req": "1",
        "callback": f"{PUBLIC}/v1/providers/sms-b/webhook",
    }


@each
async def test_a_message_in_another_channel_s_form_is_our_defect_and_never_leaves(adapter: Adapter) -> None:
    async with scripted(adapter.accepted) as script:
        outcome = await send(adapter.make(script.url), letter(contents.Email("x", "x", "x")))
    assert outcome == Rejected("content-malformed", "defect")
    assert script.asked == []


# --- what an answer means


REFUSALS = [(adapter, *case) for adapter in ADAPTERS for case in adapter.refusals]


@pytest.mark.parametrize(
    ("adapter", "given", "outcome"),
    REFUSALS,
    ids=[f"{one.name} {case.code} {n}" for n, (one, _, case) in enumerate(REFUSALS)],
)
async def test_each_answer_is_judged_by_the_provider_s_code(adapter: Adapter, given: bytes, outcome: Outcome) -> None:
    found, script = await meets(adapter, given)
    assert found == outcome
    assert len(script.asked) == 1, "nothing is repeated by the adapter itself"
    assert PHONE[1:] not in repr(found), "the provider's text repeats the number; only its code is kept"


PAGE = b"<html>Oops, something went wrong</html>"


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


# --- asking the provider


def attempt_begun(before_now: timedelta) -> UUID:
    """The id of an attempt that began so long before NOW, by the world's clock."""
    milliseconds = int((NOW - before_now).timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (uuid_utils.uuid7().int & ((1 << 80) - 1)))


def listed(*dates: str, more: str | None = None) -> bytes:
    return answer(200, {"messages": [{"sid": "SM1", "date_created": one} for one in dates], "next_page_uri": more})


@pytest.mark.parametrize(
    ("given", "minutes", "expected"),
    [
        (listed(), 6, Deferred("twilio not-found")),
        (listed(), 4, None),
        (listed("Thu, 16 Mar 2023 03:00:00 +0000"), 6, Deferred("twilio not-found")),
        (listed("Fri, 17 Mar 2023 02:54:30 +0000"), 6, None),
        (listed("Thu, 16 Mar 2023 03:00:00 +0000", "Fri, 17 Mar 2023 02:54:30 +0000"), 6, None),
        (listed("yesterday"), 6, None),
        (listed(more="/next"), 6, None),
    ],
    ids=["nothing", "too soon", "only older", "one since", "old and new", "unreadable", "a second page"],
)
async def test_twilio_can_say_that_a_message_was_never_taken(
    given: bytes, minutes: float, expected: Outcome | None
) -> None:
    """Whatever the programme's clock says: `began_at` is years off here."""
    async with scripted(given) as script:
        attempt_id = attempt_begun(timedelta(minutes=minutes))
        found = await twilio(script.url).find(attempt_id, PHONE, NOW + timedelta(days=900))
    assert found == expected
    if script.asked:
        assert script.asked[0].path == ("/2010-04-01/Accounts/AC123/Messages.json?To=%2B6281234567890&PageSize=1000")


@pytest.mark.parametrize("given", [CUT, answer(500, PAGE), answer(200, PAGE), answer(401, {"code": 20003})])
async def test_a_provider_that_does_not_answer_a_question_is_down(given: bytes) -> None:
    async with scripted(given) as script:
        with pytest.raises(ChannelDown):
            await twilio(script.url).find(attempt_begun(timedelta(hours=1)), PHONE, NOW)


@pytest.mark.parametrize("make", [whatsapp, vonage])
async def test_providers_that_cannot_be_asked_do_not_know(make: Callable[[str], Provider]) -> None:
    assert await make("http://127.0.0.1:1").find(new_id(), PHONE, NOW) is None


# --- the same adapters at the emulators, which are written apart from them by the providers' documents


@dataclass
class Heard:
    """What came to our address."""

    calls: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                path = line.split(" ")[1]
                if line.startswith("GET"):  # Meta's challenge
                    said = parse_qs(path.partition("?")[2])["hub.challenge"][0].encode()
                else:
                    self.calls.append((path, headers, body))
                    said = b""
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
        writer.close()


@dataclass
class Emulated:
    """A provider at the emulators with an account of its own, and what they report of it."""

    provider: Provider
    heard: Heard
    account: str

    def reports(self) -> list[Report]:
        """All reports that came, each with its signature checked."""
        found: list[Report] = []
        for path, headers, body in self.heard.calls:
            rest = path.partition("/webhook")[2].removeprefix("/")
            found += self.provider.read_webhook(rest, headers, body)
        return found

    async def statuses(self, count: int) -> list[str]:
        """The statuses of receipts, once so many of them came."""
        await until(lambda: len([one for one in self.reports() if isinstance(one, Receipt)]) >= count, 10)
        return [one.status for one in self.reports() if isinstance(one, Receipt)]


TEMPLATE = {
    "name": "lapak_adapter_0a1b2c3d",
    "language": "id",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Halo {{1}}, lapak {{2}} untuk Anda.",
            "example": {"body_text": [["Siti", "A07"]]},
        },
        {
            "type": "BUTTONS",
            "buttons": [{"type": "QUICK_REPLY", "text": "YA"}, {"type": "QUICK_REPLY", "text": "TIDAK"}],
        },
    ],
}


@pytest.fixture
async def emulate(servers: Running) -> AsyncIterator[Callable[[str], Awaitable[Emulated]]]:
    """`emulate("twilio")`: that provider at the emulators, with an account nobody else uses."""
    heard = Heard()
    server = await asyncio.start_server(heard.serve, "127.0.0.1", 0)
    public = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    mark = str(time.time_ns())[-10:]

    async def make(adapter: str) -> Emulated:
        url = servers.providers_url
        account: dict[str, Any]
        if adapter == "whatsapp":
            webhook = f"{public}/v1/providers/wa-main/webhook"
            keys = {"token": SECRET, "app_secret": SECRET, "verify_token": SECRET}
            account = {"number_id": f"1{mark}", "account_id": f"2{mark}", **keys, "webhook": webhook}
            names = {"name": "wa-main", "url": f"{url}/graph"}
            settings = WhatsAppSettings.model_validate(
                {"adapter": adapter, **names, "number_id": f"1{mark}", "account_id": f"2{mark}", **keys}
            )
            provider: Provider = WhatsApp(settings)
        elif adapter == "twilio":
            sid = "AC" + mark.zfill(32)
            account = {"account": sid, "token": SECRET, "senders": ["+622150009000"]}
            account["webhook"] = f"{public}/v1/providers/sms-a/webhook"
            keys = {"account": sid, "token": SECRET, "sender": "+622150009000"}
            names = {"name": "sms-a", "url": f"{url}/twilio"}
            provider = Twilio(TwilioSettings.model_validate({"adapter": adapter, **names, **keys}), public)
        else:
            keys = {"secret": SECRET, "signature_secret": SECRET}
            account = {"api_key": mark, **keys, "senders": ["+622150009001"]}
            account["inbound"] = f"{public}/v1/providers/sms-b/webhook"
            names = {"name": "sms-b", "url": f"{url}/vonage", "key": mark, "sender": "+622150009001"}
            provider = Vonage(VonageSettings.model_validate({"adapter": adapter, **names, **keys}), public)
        async with httpx.AsyncClient(base_url=url, timeout=15) as admin:
            answer = await admin.post("/admin/accounts", json={"adapter": adapter, **account})
            assert answer.is_success, answer.text
            if adapter == "whatsapp":
                new = {"number_id": f"1{mark}", "templates": [TEMPLATE]}
                answer = await admin.post("/admin/templates", json=new)
                assert answer.is_success, answer.text
        return Emulated(provider, heard, account.get("number_id") or account.get("account") or mark)

    yield make
    server.close()


def written(adapter: str) -> contents.Content:
    if adapter == "whatsapp":
        return WhatsAppTemplate("lapak_adapter_0a1b2c3d", "id", ("Siti", "A07"), ("ya:1", "tidak:1"))
    return Sms("Ada lapak untuk Anda. Balas YA atau TIDAK.")


Emulate: TypeAlias = Callable[[str], Awaitable[Emulated]]
every = pytest.mark.parametrize("adapter", ["whatsapp", "twilio", "vonage"])


@every
async def test_a_message_at_the_emulator_is_taken_and_its_receipts_find_it(adapter: str, emulate: Emulate) -> None:
    there = await emulate(adapter)
    message = letter(written(adapter))
    outcome = await send(there.provider, message)
    assert isinstance(outcome, Accepted), outcome
    assert {"sent", "delivered"} <= set(await there.statuses(2))
    receipts = [one for one in there.reports() if isinstance(one, Receipt)]
    assert {one.reference for one in receipts} == {message.attempt_id}
    assert {one.message_id for one in receipts} == {outcome.message_id}


@every
async def test_what_a_person_writes_at_the_emulator_reaches_us(
    adapter: str, emulate: Emulate, servers: Running
) -> None:
    there = await emulate(adapter)
    said = {"provider": adapter, "account": there.account, "person": PHONE, "text": "iya & mau=ya 👍"}
    async with httpx.AsyncClient(base_url=servers.providers_url, timeout=15) as admin:
        assert (await admin.post("/admin/inbound", json=said)).is_success
    await until(lambda: [one for one in there.reports() if isinstance(one, Reply)], 10)
    (reply,) = [one for one in there.reports() if isinstance(one, Reply)]
    assert (reply.address, reply.text) == (PHONE, "iya & mau=ya 👍")


async def test_each_part_of_a_long_text_has_receipts_and_tells_how_many_there_are(emulate: Emulate) -> None:
    there = await emulate("vonage")
    outcome = await send(there.provider, letter(Sms("Ada lapak untuk Anda. " * 10)))
    assert isinstance(outcome, Accepted)
    assert outcome.segments == 2
    await there.statuses(4)
    delivered = [one for one in there.reports() if isinstance(one, Receipt) and one.status == "delivered"]
    assert {one.parts for one in delivered} == {2}
    assert len({one.message_id for one in delivered}) == 2


async def test_a_template_the_emulator_does_not_know_is_our_defect(emulate: Emulate) -> None:
    there = await emulate("whatsapp")
    unknown = WhatsAppTemplate("lapak_nothing_0a1b2c3d", "id", ())
    wrong = WhatsAppTemplate("lapak_adapter_0a1b2c3d", "id", ("Siti",))
    assert await send(there.provider, letter(unknown)) == Rejected("whatsapp 132001", "defect")
    assert await send(there.provider, letter(wrong)) == Rejected("whatsapp 132000", "defect")


async def test_twilio_s_emulator_knows_what_was_taken_and_what_was_not(emulate: Emulate) -> None:
    there = await emulate("twilio")
    assert isinstance(there.provider, Twilio)
    message = letter(written("twilio"), address="+6281200000077")
    assert isinstance(await send(there.provider, message), Accepted)
    later = Twilio(there.provider._settings, PUBLIC, now=lambda: datetime.now(UTC) + timedelta(minutes=6))
    assert await later.find(message.attempt_id, "+6281200000077", NOW) is None
    assert await later.find(message.attempt_id, "+6281200000088", NOW) == Deferred("twilio not-found")

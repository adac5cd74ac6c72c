"""The adapters of the channels under test, and a provider that answers as it is told, byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from services.notify.channels import Letter, Provider
from services.notify.channels.twilio import Twilio
from services.notify.channels.vonage import Vonage
from services.notify.channels.whatsapp import WhatsApp
from services.notify.domain import contents
from services.notify.domain.contents import Sms, WhatsAppTemplate
from services.notify.domain.delivery import Accepted, Outcome
from services.notify.settings import TwilioSettings, VonageSettings, WhatsAppSettings
from shared.ids import new_id

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
PHONE = "+6281234567890"
SECRET = "rahasia-sekali"
PUBLIC = "https://pesan.example.go.id"
ANSWER_SECONDS = 0.3
PAGE = b"<html>Oops, something went wrong</html>"


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
    """What the next requests meet: bytes to write (the connection stays open), or `CUT`, `HANG`; the last one stays.

    `ends`: every connection ends after its answer, in good order; `late`: what is said a moment
    after an answer, unasked.
    """

    answers: list[bytes]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    delay_seconds: float = 0.0
    ends: bool = False
    late: bytes = b""
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
                if self.ends or answer.endswith(CUT):
                    break
                if self.late:
                    await asyncio.sleep(0.02)
                    writer.write(self.late)
                    self.late = b""
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
    """One adapter under test, what its provider says when it takes a message, and what that must mean."""

    name: str
    make: Callable[[str], Provider]
    content: contents.Content
    accepted: bytes
    outcome: Accepted


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


def from_vonage(*statuses: str) -> bytes:
    """An answer of Vonage's: one status for each part."""
    parts = [
        {"to": PHONE[1:], "status": status, "message-id": f"0A{place}"}
        if status == "0"
        else {"status": status, "error-text": f"{PHONE} is bad"}
        for place, status in enumerate(statuses)
    ]
    return answer(200, {"message-count": str(len(parts)), "messages": parts})


WHATSAPP = Adapter(
    "whatsapp",
    whatsapp,
    WhatsAppTemplate("lapak_booth_assigned_0a1b2c3d", "id", ("Siti", "A07"), ("ya:1", "tidak:1")),
    answer(
        200,
        {"messaging_product": "whatsapp", "contacts": [{"wa_id": PHONE[1:]}], "messages": [{"id": "wamid.HBgN="}]},
    ),
    Accepted("whatsapp accepted", "wamid.HBgN=", 1, 357_000),
)
TWILIO = Adapter(
    "twilio",
    twilio,
    Sms("Ada lapak untuk Anda di Bazar Jakpreneur. Balas YA atau TIDAK."),
    answer(201, {"sid": "SM0a1b", "status": "queued", "num_segments": "1", "price": None}),
    Accepted("twilio accepted", "SM0a1b", 1, 450_000),
)
VONAGE = Adapter(
    "vonage",
    vonage,
    TWILIO.content,
    from_vonage("0"),
    Accepted("vonage accepted", "0A0", 1, 450_000),
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

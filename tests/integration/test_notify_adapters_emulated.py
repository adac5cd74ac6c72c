"""The adapters at the emulators of `deploy/local/providers`, written apart from them by the providers' documents.

A message is taken and its receipts find it, a person's words reach us, and what was never taken can be told.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import httpx
import pytest

from deploy.local.stack import Running
from services.notify.channels import Provider
from services.notify.channels.twilio import Twilio
from services.notify.channels.vonage import Vonage
from services.notify.channels.whatsapp import WhatsApp
from services.notify.domain import contents
from services.notify.domain.contents import Sms, WhatsAppTemplate
from services.notify.domain.delivery import Accepted, Deferred, Rejected
from services.notify.domain.reports import Receipt, Reply, Report
from services.notify.settings import TwilioSettings, VonageSettings, WhatsAppSettings
from tests.integration.backbone import until
from tests.integration.notify_adapters import NOW, PHONE, PUBLIC, SECRET, letter, send


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

"""Providers as they are on the wire, reduced to taking every message: to kill whoever sends through them."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import parse_qs
from uuid import UUID

from services.notify.channels.email import Email, SmtpServer
from services.notify.channels.twilio import Twilio
from services.notify.channels.whatsapp import WhatsApp
from services.notify.delivery import Outlet
from services.notify.settings import TwilioSettings, WhatsAppSettings

Wire: TypeAlias = Literal["email", "sms", "whatsapp"]


def outlet(channel: Wire, port: int) -> Outlet:
    """The adapter of a channel, to a server on this port."""
    url = f"http://127.0.0.1:{port}"
    match channel:
        case "email":
            return Outlet(Email(SmtpServer("127.0.0.1", port, "Lapak <lapak@lapak.test>", answer_seconds=5.0)))
        case "sms":
            settings = {
                "adapter": "twilio",
                "name": "sms-a",
                "url": url,
                "account": "AC1",
                "token": "t",
                "sender": "LAPAK",
            }
            return Outlet(Twilio(TwilioSettings.model_validate(settings), "http://lapak.test"))
        case "whatsapp":
            secrets = dict.fromkeys(("token", "app_secret", "verify_token"), "t")
            ids = {"number_id": "1", "account_id": "2"}
            number = {"adapter": "whatsapp", "name": "wa-main", "url": url, **ids, **secrets}
            return Outlet(WhatsApp(WhatsAppSettings.model_validate(number)))


@dataclass
class Taker:
    """An HTTP server that takes every message, after a little while. `taken`: by our reference, the attempt."""

    channel: Wire
    delay_seconds: float = 0.002
    port: int = 0
    taken: Counter[UUID] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                (length,) = [int(one.split(":")[1]) for one in head.split("\r\n") if one.startswith("content-length:")]
                self.taken[self._reference(await reader.readexactly(length))] += 1
                await asyncio.sleep(self.delay_seconds)
                answer = json.dumps(self._answer()).encode()
                status = b"201 Created" if self.channel == "sms" else b"200 OK"
                headers = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer)
                writer.write(b"HTTP/1.1 " + status + b"\r\n" + headers + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _reference(self, body: bytes) -> UUID:
        if self.channel == "whatsapp":
            return UUID(json.loads(body)["biz_opaque_callback_data"])
        (callback,) = parse_qs(body.decode())["StatusCallback"]
        return UUID(callback.partition("#")[0].rpartition("/")[2])

    def _answer(self) -> dict[str, object]:
        number = self.taken.total()
        if self.channel == "whatsapp":
            return {"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": f"wamid.{number}"}]}
        return {"sid": f"SM{number:032x}", "status": "queued", "num_segments": "1", "price": None}


@asynccontextmanager
async def taking(channel: Wire) -> AsyncIterator[Taker]:
    """Such a server, while the block runs."""
    taker = Taker(channel)
    server = await asyncio.start_server(taker.serve, "127.0.0.1", 0)
    taker.port = server.sockets[0].getsockname()[1]
    try:
        yield taker
    finally:
        server.close()

"""What the tests of the emulated providers share: accounts, a desk to send from, a webhook that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx

from deploy.local.providers.emulator import Emulator

NUMBER = {
    "adapter": "whatsapp",
    "number_id": "1090000001",
    "account_id": "2090000001",
    "display_number": "622150001000",
    "token": "wa-token",
    "app_secret": "wa-secret",
    "verify_token": "wa-verify",
    "decision_ms": 0,
}
SID = "AC" + "0" * 31 + "1"
TWILIO = {"adapter": "twilio", "account": SID, "token": "tw-token", "senders": ["+622150002000"]}
VONAGE = {
    "adapter": "vonage",
    "api_key": "abcd1234",
    "secret": "vo-secret",
    "signature_secret": "vo-signature",
    "senders": ["622150003000"],
}
TEMPLATE = {
    "name": "lapak_booth_offered",
    "language": "id",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Halo {{1}}, Ibu mendapat lapak di {{2}} pada hari Minggu depan. Mohon dijawab ya.",
            "example": {"body_text": [["Siti", "Senen"]]},
        },
        {
            "type": "BUTTONS",
            "buttons": [{"type": "QUICK_REPLY", "text": "YA"}, {"type": "QUICK_REPLY", "text": "TIDAK"}],
        },
    ],
}
SITI = "6281234567890"


@dataclass
class Desk:
    """The running emulators and what a test does with them."""

    url: str
    emulator: Emulator
    client: httpx.AsyncClient

    async def admin(self, path: str, body: Any, **query: Any) -> Any:
        answer = await self.client.post(f"/admin/{path}", json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def faults(self, **faults: Any) -> None:
        await self.admin("faults", faults)

    async def whatsapp(self, to: str = SITI, token: str = "wa-token", **changes: Any) -> httpx.Response:
        body = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template()} | changes
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.post("/graph/v23.0/1090000001/messages", json=body, headers=headers)

    async def text(self, to: str = SITI, body: str = "Siap, Bu.") -> httpx.Response:
        return await self.whatsapp(to, type="text", text={"body": body})

    async def twilio(self, auth: tuple[str, str] = (SID, "tw-token"), **fields: str) -> httpx.Response:
        form = {"To": f"+{SITI}", "From": "+622150002000", "Body": "Lapak nomor 7."} | fields
        form = {name: value for name, value in form.items() if value}
        return await self.client.post(f"/twilio/2010-04-01/Accounts/{SID}/Messages.json", data=form, auth=auth)

    async def vonage(self, **fields: str) -> dict[str, Any]:
        form = {"api_key": "abcd1234", "api_secret": "vo-secret", "from": "622150003000", "to": SITI, "text": "Halo."}
        form = {name: value for name, value in (form | fields).items() if value}
        answer = await self.client.post("/vonage/sms/json", data=form)
        assert answer.status_code == 200
        said: dict[str, Any] = answer.json()
        return said

    async def count(self) -> dict[str, int]:
        counts: dict[str, int] = (await self.client.get("/admin/count")).json()
        return counts

    async def all_told(self) -> None:
        """Wait until no report waits any more."""
        for _ in range(500):
            if not (await self.client.get("/admin/pending")).json():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("reports wait for ever")

    async def last(self) -> dict[str, Any]:
        row: dict[str, Any] = (await self.client.get("/admin/messages?limit=1")).json()["messages"][0]
        return row


def template(*values: str, buttons: bool = False, **changes: Any) -> dict[str, Any]:
    parameters = [{"type": "text", "text": value} for value in values or ("Siti", "Senen")]
    components: list[dict[str, Any]] = [{"type": "body", "parameters": parameters}]
    if buttons:
        press = {"type": "button", "sub_type": "quick_reply", "index": "0"}
        components.append(press | {"parameters": [{"type": "payload", "payload": "offer:7:yes"}]})
    return {"name": "lapak_booth_offered", "language": {"code": "id"}, "components": components} | changes


@dataclass
class Hook:
    """A webhook of ours: what it heard. `answers`: the first answers it gives; then 200."""

    url: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def until(self, enough: Callable[[], Any]) -> None:
        """Wait until it heard enough."""
        for _ in range(2000):
            if enough():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"heard only {self.heard}")

    def statuses(self) -> list[dict[str, Any]]:
        """All statuses WhatsApp told, in the order in which they came."""
        return [s for value in self.values() for s in value.get("statuses", [])]

    def values(self) -> list[dict[str, Any]]:
        bodies = [json.loads(body) for _, _, body in self.heard]
        return [change["value"] for body in bodies for entry in body["entry"] for change in entry["changes"]]

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(body.decode(), keep_blank_values=True)) for _, _, body in self.heard]


@asynccontextmanager
async def hearing() -> AsyncIterator[Hook]:
    hook = Hook()
    open_ones: set[asyncio.StreamWriter] = set()

    async def one(reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (part.partition(": ") for part in rest if part)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = line.split(" ")
        if method == "GET":
            query = parse_qs(urlsplit(target).query)
            wanted = query["hub.verify_token"] == ["wa-verify"]
            said = query["hub.challenge"][0].encode() if wanted else b"no"
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        hook.heard.append((target, headers, body))
        return b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (hook.answers.pop(0) if hook.answers else 200)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        try:
            while True:
                writer.write(await one(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            open_ones.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield hook
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await asyncio.sleep(0)

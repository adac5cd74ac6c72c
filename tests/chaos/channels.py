"""The ways messages leave in a run: accounts at the emulated providers, what goes wrong there, the network between.

Notify and the providers meet through two passages, which stand still or break off at will; the one before notify leads
to whichever instance lives, as a load balancer does. What goes wrong with which message follows from the seed.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.local import messengers
from deploy.local.processes import HOST
from deploy.local.stack import Running
from services.notify.rendering import FormMissing, release_templates, whatsapp_form_of

__all__ = ["Channels", "Passage", "opened"]

ANSWER_SECONDS = 5
"""Of providers and the mail server: an attempt that is lost counts as unknown after two minutes and this."""
SILENCE_SECONDS = 20
"""So long an offer waits for a receipt, and then tries its next channel too."""
NUMBER = "1090000001"
CONNECT_SECONDS = 2.0
EMULATOR_SECONDS_MAX = 120.0
"""What a busy machine may take to tell the emulators something."""
CHUNK_BYTES = 65_536
VARIABLE = re.compile(r"\{\{\d+\}\}")

Wrong = dict[str, Any]
SPOILED_RECEIPTS: Wrong = {"lost": 0.03, "doubled": 0.1, "late": 0.1, "late_ms": 2000, "shuffled": 0.1, "read_ms": 400}
UNCLEAR: Wrong = {"time_out": 0.005, "cut_after": 0.01, "cut_before": 0.005, "broken_before": 0.005}
WRONG: dict[str, Wrong] = {
    # 131026: no WhatsApp on this phone; 130429: our rate; the others are told later
    "whatsapp": {"unknown_numbers": 0.25, "errors": {130429: 0.02}, "failures": {131026: 0.02}},
    "twilio": {"unknown_numbers": 0.15, "errors": {20429: 0.02}, "failures": {30003: 0.03}},
    "vonage": {"unknown_numbers": 0.15, "errors": {1: 0.02}, "failures": {4: 0.03}},
}
"""What each provider does besides: shares of messages, or of people, always the same."""


class Passage:
    """A way for TCP connections to the first of some ports that answers; the ports are asked for each time anew."""

    def __init__(self, ports: Callable[[], Sequence[int]]) -> None:
        self._ports = ports
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it begins."""
        assert self._server is not None
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def open(self) -> None:
        """Let connections come."""
        self._server = await asyncio.start_server(self._carry, HOST, 0)

    async def close(self) -> None:
        """Let no more come, and end those there are."""
        self._flows.set()
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection off, in the middle of whatever it carries."""
        for end in self._ends:
            end.transport.abort()

    async def pause(self, seconds: float) -> None:
        """Carry nothing for so long; then what has come goes on."""
        self._flows.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._ends |= ends
        try:
            await self._flows.wait()
            for port in self._ports():
                with suppress(OSError, TimeoutError):
                    there = await asyncio.wait_for(asyncio.open_connection(HOST, port), CONNECT_SECONDS)
                    break
            else:
                return
            ends.add(there[1])
            self._ends |= ends
            both = {
                asyncio.create_task(self._pump(reader, there[1])),
                asyncio.create_task(self._pump(there[0], writer)),
            }
            _, running = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in running:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()


class Channels:
    """WhatsApp, two providers of SMS, and what goes wrong there."""

    def __init__(self, running: Running, seed: int) -> None:
        self.running = running
        self.notify_ports: Callable[[], Sequence[int]] = tuple
        """The ports on which notify may answer, the best first."""
        self.inward = Passage(lambda: self.notify_ports())
        provider = urlsplit(running.providers_url).port
        assert provider is not None
        self.outward = Passage(lambda: (provider,))
        self._seed = seed

    def environment(self) -> dict[str, str]:
        """The settings of notify."""
        told = messengers.environment(self.running)
        providers = json.loads(told["LAPAK_PROVIDERS"])
        for one in providers:
            one["url"] = one["url"].replace(self.running.providers_url, self.outward.url)
            one |= {"answer_seconds": ANSWER_SECONDS, "connect_seconds": CONNECT_SECONDS}
        return {
            **told,
            "LAPAK_PROVIDERS": json.dumps(providers),
            "LAPAK_PUBLIC_URL": self.inward.url,
            "LAPAK_SMTP_ANSWER_SECONDS": str(ANSWER_SECONDS),
            "LAPAK_SILENCE_WHATSAPP_SECONDS": str(SILENCE_SECONDS),
            "LAPAK_SILENCE_SMS_SECONDS": str(SILENCE_SECONDS),
        }

    async def misbehave(self) -> None:
        """Have the providers go wrong; to be said again to emulators started anew."""
        async with httpx.AsyncClient(
            base_url=self.running.providers_url, timeout=EMULATOR_SECONDS_MAX, verify=False
        ) as client:
            for provider, wrong in WRONG.items():
                # one seed for both providers of SMS: who has no such number has it at neither
                faults = {"seed": self._seed, **UNCLEAR, **SPOILED_RECEIPTS, **wrong}
                answer = await client.post("/admin/faults", params={"provider": provider}, json=faults)
                answer.raise_for_status()

    async def begin(self) -> None:
        """Open passages and accounts, have the templates approved, forget what earlier runs sent."""
        await self.inward.open()
        await self.outward.open()
        limits = messengers.Limits(tier=None)
        await asyncio.to_thread(messengers.open_accounts, self.running, self.inward.url, limits)
        templates = await asyncio.to_thread(_forms)
        async with httpx.AsyncClient(
            base_url=self.running.providers_url, timeout=EMULATOR_SECONDS_MAX, verify=False
        ) as client:
            for method, path, body in (
                ("DELETE", "/admin/messages", None),
                ("POST", "/admin/faults", {}),
                ("POST", "/admin/told", None),
                ("POST", "/admin/templates", {"number_id": NUMBER, "templates": templates}),
            ):
                (await client.request(method, path, json=body)).raise_for_status()

    async def end(self) -> None:
        """Close the passages and the accounts: what else this stack starts leaves messages by e-mail."""
        await self.inward.close()
        await self.outward.close()
        (self.running.state_dir / messengers.FILE).unlink(missing_ok=True)
        async with httpx.AsyncClient(
            base_url=self.running.providers_url, timeout=EMULATOR_SECONDS_MAX, verify=False
        ) as client:
            with suppress(httpx.HTTPError):
                await client.delete("/admin/messages")
                await client.post("/admin/faults", json={})


@asynccontextmanager
async def opened(running: Running, seed: int) -> AsyncIterator[Channels]:
    """All channels, until the block ends; nothing goes wrong yet."""
    channels = Channels(running, seed)
    try:
        await channels.begin()
        yield channels
    finally:
        await channels.end()


def _forms() -> list[dict[str, Any]]:
    """Every WhatsApp form of the release, as one submits it."""
    found = []
    for template in release_templates().values():
        for language in ("id", "en"):
            try:
                form = whatsapp_form_of(template, language)
            except FormMissing:
                continue
            body: dict[str, Any] = {"type": "BODY", "text": form.body}
            if variables := set(VARIABLE.findall(form.body)):
                body["example"] = {"body_text": [["contoh"] * len(variables)]}
            components = [body]
            if form.buttons:
                buttons = [{"type": "QUICK_REPLY", "text": label} for label in form.buttons]
                components.append({"type": "BUTTONS", "buttons": buttons})
            asked = {"name": form.name, "language": form.language, "category": form.category.upper()}
            found.append({**asked, "parameter_format": "POSITIONAL", "components": components})
    return found

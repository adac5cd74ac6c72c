"""What the providers that speak HTTP have in common: kept-open connections, and what a call's end means.

A request counts as handed over from the moment its body begins to leave: before that nothing can have been taken,
after it only an answer settles what happened. The client's trace (`httpcore`) tells that moment.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from services.notify.channels import ChannelDown, Letter
from services.notify.domain.delivery import Ambiguous, Deferred, Outcome

__all__ = [
    "Answer",
    "Api",
    "Carrier",
    "Connection",
    "HttpLine",
    "code_of",
    "name_in",
    "not_understood",
    "seconds_in",
    "words_in",
]

ANSWER_BYTES_MAX = 256 * 1024

KEPT_OPEN_SECONDS = 4.0
"""A connection idle for longer is opened anew: a server that hangs up just then would leave a message unknown."""

_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_OPEN_SECONDS)
_BODY_LEAVES = "http11.send_request_body.started"


@dataclass(frozen=True)
class Answer:
    """What the provider answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        with suppress(ValueError, RecursionError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}


class _TooLate(Exception):
    """The time to hand over is past."""


class _Watch:
    """Sees when a request's body leaves, and holds it back when it is too late."""

    __slots__ = ("give_up_at", "handed_over")

    def __init__(self, give_up_at: float) -> None:
        self.give_up_at = give_up_at
        self.handed_over = False

    async def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        if event == _BODY_LEAVES:
            if time.monotonic() > self.give_up_at:
                raise _TooLate
            self.handed_over = True


class Api:
    """A provider's HTTP address, and whether it can be reached."""

    def __init__(self, url: str, *, connect_seconds: float, answer_seconds: float) -> None:
        self.url = url.rstrip("/")
        self.connect_seconds = connect_seconds
        self.answer_seconds = answer_seconds
        self.is_reached = False
        parts = urlsplit(self.url)
        self._place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._looking = asyncio.Lock()

    @cached_property
    def certificates(self) -> ssl.SSLContext:
        """Whom to believe, read once for all connections."""
        return httpx.create_ssl_context(trust_env=False)

    async def look(self) -> None:
        """Find out whether the provider can be reached, unless the last call told. Raises `ChannelDown`."""
        async with self._looking:
            if not self.is_reached:
                await self._knock()
                self.is_reached = True

    async def _knock(self) -> None:
        try:
            async with asyncio.timeout(self.connect_seconds):
                _, writer = await asyncio.open_connection(*self._place)
        except TimeoutError:
            raise ChannelDown("timed-out") from None
        except OSError:
            raise ChannelDown("unreachable") from None
        writer.close()


class Connection:
    """One kept-open connection. Never follows a redirect, keeps no cookies, reads no proxy from the environment.

    Each line has its own: a pool that all share looks through all of its connections for every message.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pool: httpx.AsyncHTTPTransport | None = None

    async def close(self) -> None:
        """End it; a later call opens it anew."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    async def call(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes, *, seconds: float
    ) -> Answer | Deferred | Ambiguous:
        """Ask, and what came of it. Nothing is handed over later than `seconds` from now."""
        watch = _Watch(time.monotonic() + seconds)
        if seconds <= 0:
            return Deferred("too-late")
        api = self._api
        timeout = {"connect": api.connect_seconds, "pool": seconds, "write": api.answer_seconds}
        timeout["read"] = api.answer_seconds
        extensions = {"trace": watch, "timeout": timeout}
        request = httpx.Request(method, api.url + path, headers=headers, content=content, extensions=extensions)
        if self._pool is None:
            verify = api.certificates if api.url.startswith("https:") else False
            self._pool = httpx.AsyncHTTPTransport(verify=verify, limits=_ONE, trust_env=False)
        try:
            async with asyncio.timeout(seconds + api.connect_seconds + api.answer_seconds):
                answer = await _answered(self._pool, request)
        except _TooLate:
            return Deferred("too-late")
        except (httpx.TimeoutException, TimeoutError):
            return await self._failed(watch, "timed-out")
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            return await self._failed(watch, "answer-unreadable")
        except (httpx.TransportError, OSError):
            return await self._failed(watch, "disconnected")
        api.is_reached = True
        return answer

    async def _failed(self, watch: _Watch, code: str) -> Deferred | Ambiguous:
        await self.close()  # whatever the connection was in the middle of, the next message finds a new one
        if watch.handed_over:
            return Ambiguous(code)
        self._api.is_reached = False
        return Deferred(f"before-content {code}", "provider")


async def _answered(pool: httpx.AsyncHTTPTransport, request: httpx.Request) -> Answer:
    response = await pool.handle_async_request(request)
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise httpx.DecodingError("the answer is too long")
    finally:
        await response.aclose()
    return Answer(response.status_code, response.headers, bytes(body))


class Carrier(Protocol):
    """A provider that speaks HTTP."""

    api: Api

    async def carry(self, letter: Letter, connection: Connection, *, seconds: float) -> Outcome:
        """Carry one message, as `Line.send`."""


class HttpLine:
    """One message at a time over a connection of its own."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._connection = Connection(carrier.api)

    async def open(self) -> None:
        await self._carrier.api.look()

    async def send(self, letter: Letter, *, seconds: float) -> Outcome:
        return await self._carrier.carry(letter, self._connection, seconds=seconds)

    async def close(self) -> None:
        await self._connection.close()


def not_understood(answer: Answer) -> Deferred | Ambiguous:
    """What an answer means that does not speak as the provider does: a gateway's, an error page.

    An explicit refusal of the request itself was not taken; of the rest nobody can be sure. 503 means that the server
    cannot handle the request (RFC 9110, 15.6.4); only with a Retry-After does it ask to have it again.
    """
    code = f"http {answer.status}"
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
        return Deferred(code, "provider", seconds_in(answer))
    if answer.status in (301, 307, 308) or (400 <= answer.status < 500 and answer.status not in (408, 409)):
        return Deferred(code, "provider")
    return Ambiguous("answer-unreadable" if answer.status < 300 else code)


def seconds_in(answer: Answer, usual: float | None = None) -> float | None:
    """How long the answer asks us to wait (Retry-After in seconds, an hour at most), else the usual time."""
    asked = answer.headers.get("retry-after", "")
    if not (asked.isascii() and asked.isdigit()):
        return usual
    return float(min(int(asked[:9]), 3600))


def code_of(provider: str, found: object) -> str:
    """A provider's error number as our code; anything but a number is left out, for it may hold anything."""
    text = str(found)
    return f"{provider} {text}" if text.isascii() and text.isdigit() and len(text) <= 9 else f"{provider} unknown"


def name_in(value: object, length_max: int = 200) -> str | None:
    """A provider's name of something (a message, a button), if it is one that can be kept and compared."""
    if not isinstance(value, str) or not 0 < len(value) <= length_max:
        return None
    return value if value.isprintable() else None


def words_in(value: object, length_max: int = 4096) -> str:
    """What a person wrote, as text that can be stored: no NUL, no half of a character; empty where there is none."""
    if not isinstance(value, str):
        return ""
    return value[:length_max].replace("\0", "").encode(errors="replace").decode()

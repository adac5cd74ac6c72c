"""What the providers that speak HTTP have in common: kept-open connections, and what a call's end means.

A request counts as handed over from the moment it is given to the network: before that nothing can have been taken,
after it only an answer settles what happened. h11 speaks HTTP/1.1 here and asyncio carries the bytes, so that this
moment is one line (decision 21).
"""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import certifi
import h11

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


@dataclass(frozen=True)
class Answer:
    """What the provider answered; names of headers are in lower case."""

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


class _Unreadable(Exception):
    """What came is no answer."""


class _Wire(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._usable_until = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether a request may go this way: nothing happened on it since the last answer, not even time."""
        return self._transport is not None and time.monotonic() < self._usable_until

    def close(self) -> None:
        """End it, whatever it was in the middle of."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def hand_over(self, request: h11.Request, content: bytes) -> asyncio.Future[Answer]:
        """Give a request to the network; its answer. Ends in OSError when the connection ends, or `_Unreadable`."""
        assert self._transport is not None
        parts = (self._http.send(request), self._http.send(h11.Data(content)), self._http.send(h11.EndOfMessage()))
        self._waiting = asyncio.get_running_loop().create_future()
        self._head, self._body = None, bytearray()
        self._transport.write(b"".join(part for part in parts if part))
        return self._waiting

    # --- told by the network

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._usable_until = time.monotonic() + KEPT_OPEN_SECONDS

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.close()  # nobody asked
            return
        try:
            self._http.receive_data(data)
            self._read()
        except (h11.RemoteProtocolError, _Unreadable) as error:
            self._waiting.set_exception(_Unreadable(str(error)))
            self.close()

    def eof_received(self) -> None:
        self.data_received(b"")  # an answer without a length ends here
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc if isinstance(exc, OSError) else ConnectionResetError())

    def _read(self) -> None:
        assert self._waiting is not None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                return
            match event:
                case h11.Response():
                    self._head = event
                case h11.Data(data=data):
                    self._body += data
                    if len(self._body) > ANSWER_BYTES_MAX:
                        raise _Unreadable("the answer is too long")
                case h11.EndOfMessage():
                    self._end(self._waiting)
                    return
                case h11.InformationalResponse():
                    pass
                case _:
                    raise _Unreadable("the connection ended before the answer")

    def _end(self, waiting: asyncio.Future[Answer]) -> None:
        assert self._head is not None
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in self._head.headers}
        waiting.set_result(Answer(self._head.status_code, headers, bytes(self._body)))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self._usable_until = time.monotonic() + KEPT_OPEN_SECONDS
        else:
            self.close()


class Api:
    """A provider's HTTP address, and whether it can be reached."""

    def __init__(self, url: str, *, connect_seconds: float, answer_seconds: float) -> None:
        self.url = url.rstrip("/")
        self.connect_seconds = connect_seconds
        self.answer_seconds = answer_seconds
        self.is_reached = False
        parts = urlsplit(self.url)
        self.host = parts.netloc.rpartition("@")[2]
        self.root = parts.path
        self._is_secure = parts.scheme == "https"
        self._place = (parts.hostname or "", parts.port or (443 if self._is_secure else 80))
        self._looking = asyncio.Lock()

    async def connect(self) -> _Wire:
        """A new connection. Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.connect_seconds):
            _, wire = await loop.create_connection(_Wire, *self._place, ssl=self._certificates)
        return wire

    @cached_property
    def _certificates(self) -> ssl.SSLContext | None:
        """Whom to believe, read once for all connections."""
        return ssl.create_default_context(cafile=certifi.where()) if self._is_secure else None

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

    Each line has its own, and nobody waits for another's.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._wire: _Wire | None = None

    async def close(self) -> None:
        """End it; a later call opens it anew."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    async def call(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes, *, seconds: float
    ) -> Answer | Deferred | Ambiguous:
        """Ask, and what came of it; `path` and its query are quoted. Nothing is handed over later than `seconds` from
        now.
        """
        give_up_at = time.monotonic() + seconds
        api = self._api
        all_headers = {"Host": api.host, **headers}
        if content:
            all_headers["Content-Length"] = str(len(content))
        try:
            request = h11.Request(method=method, target=api.root + path, headers=list(all_headers.items()))
            wire = await self._opened()
        except (h11.LocalProtocolError, UnicodeEncodeError):
            return self._before("request-malformed")  # a token with a line break, or a dash that a text program made
        except TimeoutError:
            return self._before("timed-out")
        except OSError:
            return self._before("disconnected")
        if time.monotonic() >= give_up_at:
            return Deferred("too-late")
        answer: Answer | None = None
        try:
            async with asyncio.timeout(api.answer_seconds):
                answer = await wire.hand_over(request, content)
            api.is_reached = True
        except TimeoutError:
            return Ambiguous("timed-out")
        except _Unreadable:
            return Ambiguous("answer-unreadable")
        except OSError:
            return Ambiguous("disconnected")
        finally:
            if answer is None:
                wire.close()  # whatever it was in the middle of: the next message finds a new one
        return answer

    async def _opened(self) -> _Wire:
        if self._wire is None or not self._wire.is_usable:
            await self.close()
            self._wire = await self._api.connect()
            if not self._wire.is_usable:
                raise ConnectionResetError  # it ended before we were told that it began
        return self._wire

    def _before(self, code: str) -> Deferred:
        self._api.is_reached = False
        return Deferred(f"before-content {code}", "provider")


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

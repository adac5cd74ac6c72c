"""A caller for the HTTP measurements: raw HTTP/1.1 over kept connections, light enough not to be what is measured."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, NamedTuple, cast
from uuid import uuid4

import httptools

from deploy.local.processes import HOST
from tests.bench.measure import NotMeasured

__all__ = ["Answer", "Call", "Callers", "Load", "percentile", "post"]

CONNECTIONS_MAX = 1_000
SECONDS_MAX = 60.0
SHARE_MAX = 0.5
SHARE_SECONDS_MIN = 0.5
"""Of a processor, for the caller itself; a caller that needs more measures itself."""


class Call(NamedTuple):
    """A request as it goes over the wire, and the number it is known by."""

    number: int
    raw: bytes


class Answer(NamedTuple):
    """What came back, and how long it took from the moment the request was due."""

    number: int
    status: int
    retry_after: bytes | None
    seconds: float


@dataclass(frozen=True)
class Load:
    """The answers of one run, in the order they came."""

    answers: Sequence[Answer]
    seconds: float
    share: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    def with_status(self, status: int) -> list[Answer]:
        """The answers of this status."""
        return [answer for answer in self.answers if answer.status == status]


def post(number: int, path: str, token: str, body: dict[str, Any]) -> Call:
    """A POST with a bearer token and a fresh Idempotency-Key."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {uuid4()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return Call(number, head.encode() + content)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[tuple[int, bytes | None]] | None = None
        self._retry_after: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def ask(self, raw: bytes) -> asyncio.Future[tuple[int, bytes | None]]:
        """Send a request; the future brings status and Retry-After."""
        self._retry_after = None
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(raw)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._retry_after = value

    def on_message_complete(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((self._parser.get_status_code(), self._retry_after))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("closed before the answer came"))


class Callers:
    """Clients of one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    @classmethod
    @asynccontextmanager
    async def of(cls, port: int) -> AsyncIterator["Callers"]:
        """Clients of the server on this port; their connections are closed at the end."""
        callers = cls(port)
        try:
            yield callers
        finally:
            for connection in callers._all:
                connection.transport.close()

    async def closed(self, calls: Sequence[Call], *, clients: int) -> Load:
        """So many clients, each sending its next request when the last was answered."""
        todo = iter(calls)
        answers: list[Answer] = []

        async def client() -> None:
            connection = await self._connection()
            for call in todo:
                due = perf_counter()
                status, retry_after = await connection.ask(call.raw)
                answers.append(Answer(call.number, status, retry_after, perf_counter() - due))
            self._idle.append(connection)

        async with asyncio.timeout(SECONDS_MAX):
            return await _measured(answers, asyncio.gather(*(client() for _ in range(clients))))

    async def open(self, calls: Sequence[Call], *, per_second: float) -> Load:
        """A request at each of its fixed moments, whatever became of those before; timed from that moment.

        Raises `NotMeasured` when a request is not answered: refused connection, broken connection, no answer in time.
        """
        answers: list[Answer] = []

        async def one(call: Call, due: float) -> None:
            connection = await self._connection()
            status, retry_after = await connection.ask(call.raw)
            answers.append(Answer(call.number, status, retry_after, perf_counter() - due))
            self._idle.append(connection)

        async def all_of_them() -> None:
            began = perf_counter()
            sent: list[asyncio.Task[None]] = []
            while len(sent) < len(calls):
                while len(sent) < len(calls) and (due := began + len(sent) / per_second) <= perf_counter():
                    sent.append(asyncio.create_task(one(calls[len(sent)], due)))
                await asyncio.sleep(0.001)
            await asyncio.gather(*sent)

        try:
            async with asyncio.timeout(len(calls) / per_second + SECONDS_MAX):
                return await _measured(answers, all_of_them())
        except OSError as error:  # TimeoutError is one
            done = f"{len(answers)} of {len(calls)} requests were answered"
            raise NotMeasured(f"{done}: {type(error).__name__}: {error}") from error

    async def _connection(self) -> _Connection:
        if self._idle:
            return self._idle.pop()
        if len(self._all) >= CONNECTIONS_MAX:
            raise ConnectionError(f"{CONNECTIONS_MAX} connections were not enough")
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, HOST, self._port)
        self._all.append(connection)
        return connection


async def _measured(answers: list[Answer], work: Any) -> Load:
    began, used = perf_counter(), process_time()
    await work
    seconds = perf_counter() - began
    share = (process_time() - used) / seconds
    if seconds >= SHARE_SECONDS_MIN and share > SHARE_MAX:  # of a single call it says nothing
        raise NotMeasured(f"the caller itself used {share:.0%} of a processor")
    return Load(answers, seconds, share)

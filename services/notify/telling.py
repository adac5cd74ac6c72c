"""Tells subscribers of our events: a background of the service, any number of replicas beside each other.

Each subscriber is served by itself, a batch at a time, so a slow one delays no other and memory stays bounded. An event
goes out at least once, under the same `webhook-id`, signed as Standard Webhooks says (a signature for each secret that
is valid); the body is the event as CloudEvents JSON. Of the answer only the status counts.

No address is called that is not public: names are resolved here, every address they lead to is looked at, and the
connection goes to the one that was looked at. Redirects are not followed, and no proxy is read from the environment.
"""

import asyncio
import random
import ssl
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import httpcore
from pydantic_core import from_json, to_json
from standardwebhooks import Webhook

from services.notify.domain.subscribers import is_public, retry_seconds
from services.notify.handlers import subscribers as handlers
from services.notify.handlers.subscribers import Batch
from services.notify.store import subscribers as store
from services.notify.store.subscribers import Owed, Told
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Database
from shared.telemetry import get_logger

__all__ = ["AddressNotPublic", "Guard", "Telling", "body_of", "headers_of"]

LOOK_SECONDS = 0.5
REST_SECONDS = 0.1
BATCH_EVENTS = 20
TRIES_AT_ONCE = 4
TRY_SECONDS = 15.0
LEASE_SECONDS = 120.0
"""Longer than all tries of a batch may take, one after the other on each of the lines."""
CLOSING_SECONDS = 3.0
ANSWER_BYTES_MAX = 16 * 1024
RETRY_AFTER_SECONDS_MAX = 3600.0

logger = get_logger()


class AddressNotPublic(httpcore.ConnectError):
    """The name leads to an address that may not be called."""


class Guard(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only; in development to this machine too."""

    def __init__(self, *, development: bool) -> None:
        self._development = development
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, look at every address, and connect to one of those. Raises `AddressNotPublic`."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
        except OSError as error:
            raise httpcore.ConnectError("not-found") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if not addresses or not all(is_public(one, development=self._development) for one in addresses):
            raise AddressNotPublic("address-not-public")
        for last, address in zip([False] * (len(addresses) - 1) + [True], addresses, strict=True):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                if last:
                    raise
        raise AssertionError("there was an address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressNotPublic("address-not-public")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Answer(NamedTuple):
    """What came of a call: delivered, or why not; for how long the subscriber asked us to wait."""

    code: str
    delivered: bool = False
    seconds: float = 0.0


class Telling:
    """Tells subscribers until stopped."""

    def __init__(self, database: Database, clock: Clock, sealer: Sealer, *, development: bool) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=200,
            max_keepalive_connections=50,
            keepalive_expiry=4.0,
            network_backend=Guard(development=development),
        )
        self._serving: dict[UUID, asyncio.Task[None]] = {}
        self._bell = asyncio.Event()
        database.after_commit(self._bell.set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look who is owed something, and serve each by itself. Raises when the database fails; the supervisor starts
        it anew.
        """
        try:
            while not stopping.is_set():
                self._bell.clear()
                await self._look(stopping)
                await asyncio.sleep(REST_SECONDS)  # every commit rings
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), LOOK_SECONDS)
        finally:
            serving = list(self._serving.values())
            if serving:
                await asyncio.wait(serving, timeout=CLOSING_SECONDS)
            for task in serving:
                task.cancel()  # what was not told comes again once its lease is over
            await asyncio.gather(*serving, return_exceptions=True)
            self._serving.clear()
            await self._pool.aclose()

    async def _look(self, stopping: asyncio.Event) -> None:
        for subscriber_id in [one for one, task in self._serving.items() if task.done()]:
            self._serving.pop(subscriber_id).result()
        async with self._database.read() as conn:
            waiting = await store.find_waiting(conn)
        for subscriber_id in waiting:
            if subscriber_id not in self._serving:
                self._serving[subscriber_id] = asyncio.create_task(self._serve(subscriber_id, stopping))

    async def _serve(self, subscriber_id: UUID, stopping: asyncio.Event) -> None:
        """All that is due to one subscriber, batch after batch."""
        while not stopping.is_set():
            async with self._database.pool.acquire() as conn, conn.transaction():
                batch = await handlers.claim(
                    conn,
                    subscriber_id,
                    sealer=self._sealer,
                    limit=BATCH_EVENTS,
                    lease_seconds=LEASE_SECONDS,
                    now=self._clock.now(),
                )
            if not batch.owed:
                return
            told = await self._tell(batch)
            async with self._database.pool.acquire() as conn, conn.transaction():
                await handlers.end_tries(conn, subscriber_id, batch.claim, told, now=self._clock.now())
            if len(batch.owed) < BATCH_EVENTS:
                return

    async def _tell(self, batch: Batch) -> list[Told]:
        lines = asyncio.Semaphore(TRIES_AT_ONCE)

        async def one(owed: Owed) -> Told:
            async with lines:
                answer = await self._call(batch.url, owed, batch.secrets)
            if answer.delivered:
                return Told(owed.event_id, "delivered", answer.code)
            wait = retry_seconds(owed.tries + 1, random.random())
            if wait is None:
                logger.warning("webhook.given_up", event_id=str(owed.event_id), code=answer.code)
                return Told(owed.event_id, "given-up", answer.code)
            return Told(owed.event_id, "due", answer.code, max(wait, answer.seconds))

        return list(await asyncio.gather(*(one(owed) for owed in batch.owed)))

    async def _call(self, url: str, owed: Owed, secrets: tuple[bytes, ...]) -> _Answer:
        body = body_of(owed)
        headers = headers_of(owed.event_id, body, secrets, datetime.now(UTC))
        try:
            async with asyncio.timeout(TRY_SECONDS):
                async with self._pool.stream("POST", url, headers=headers, content=body) as response:
                    read = 0
                    async for part in response.aiter_stream():  # read to its end, the connection serves once more
                        read += len(part)
                        if read > ANSWER_BYTES_MAX:
                            break
                    return _answer(response)
        except AddressNotPublic:
            return _Answer("address-not-public")
        except (TimeoutError, httpcore.TimeoutException):
            return _Answer("timed-out")
        except httpcore.ConnectError:
            return _Answer("unreachable")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return _Answer("connection-broke")
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError):
            return _Answer("address-wrong")


def _answer(response: httpcore.Response) -> _Answer:
    if 200 <= response.status < 300:
        return _Answer(f"http-{response.status}", delivered=True)
    seconds = 0.0
    for name, value in response.headers:
        if name.lower() == b"retry-after" and value.isdigit():
            seconds = min(float(value[:9]), RETRY_AFTER_SECONDS_MAX)
    return _Answer(f"http-{response.status}", seconds=seconds)


def body_of(owed: Owed) -> bytes:
    """The event in CloudEvents' JSON form, the same each time."""
    event = {
        "specversion": "1.0",
        "id": str(owed.event_id),
        "type": owed.type,
        "source": "lapak/notify",
        "subject": owed.subject,
        "time": owed.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "data": from_json(owed.payload),
    }
    if owed.sequence is not None:
        event["sequence"] = str(owed.sequence)
    if owed.traceparent is not None:
        event["traceparent"] = owed.traceparent
    return to_json(event)


def headers_of(event_id: UUID, body: bytes, secrets: tuple[bytes, ...], at: datetime) -> dict[bytes | str, bytes | str]:
    """Who it is from, proven by each secret that is valid."""
    text = body.decode()
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "lapak-notify",
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(one).sign(str(event_id), at, text) for one in secrets),
    }

"""A small publisher and consumer pair for the tests of the mechanisms: topics and databases of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared import dead_letters, outbox
from shared.clock import Clock
from shared.consume import Consumer, Received, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database
from shared.events.envelope import Command, Envelope, Event, write_headers
from shared.failures import supervise
from shared.relay import Relay
from shared.stream import Stream
from tests.conftest import SECRET_KEYS, FreshDatabase, environment

NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)


class Counted(Event):
    """A number was added to a counter."""

    topic: ClassVar[str] = "test"
    key: ClassVar[str] = "counter"
    counter: str
    add: int


class Reset(Command):
    """Set a counter back."""

    topic: ClassVar[str] = "test"
    key: ClassVar[str] = "counter"
    counter: str


def is_lag_only(line: str) -> bool:
    """A coordinator that was not to be had for a moment. What it keeps is for lag tools only: consumers go on from the
    offsets in their own databases, and the client asks again."""
    return "GroupCoordinator" in line or '"logger": "aiokafka.consumer.group_coordinator"' in line


async def until(done: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `done()` (plain or a coroutine) is true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            result = done()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.02)


async def make_topic(bootstrap: str, partitions: int = 3) -> str:
    """A fresh topic."""
    name = f"test.{uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()
    return name


def headers(
    subject: str, sequence: int | None, *, kind: str = "Counted", event_id: UUID | None = None
) -> list[tuple[str, bytes]]:
    """Headers of a test message."""
    return write_headers(Envelope(event_id or uuid4(), kind, "lapak/test", NOW, subject, sequence, None))


@asynccontextmanager
async def producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A plain producer for raw records."""
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def make_counters(database: Database) -> None:
    """The consumer's own state."""
    async with database.transaction() as conn:
        await conn.execute(
            "CREATE TABLE counter "
            "(name text PRIMARY KEY, total bigint NOT NULL, changes bigint NOT NULL, trail int[] NOT NULL)"
        )


async def add(conn: Connection, received: Received[Counted], _: datetime) -> None:
    """Apply one `Counted`."""
    await conn.execute(
        "INSERT INTO counter (name, total, changes, trail) VALUES ($1, $2::int, 1, ARRAY[$2::int]) "
        "ON CONFLICT (name) DO UPDATE SET total = counter.total + excluded.total, "
        "changes = counter.changes + 1, trail = counter.trail || excluded.trail",
        received.body.counter,
        received.body.add,
    )


async def publish(database: Database, topic: str, counter: str, numbers: Sequence[int], first: int = 1) -> None:
    """Record `Counted` events of one aggregate in the outbox."""

    class Here(Counted):
        pass

    Here.__name__, Here.topic = "Counted", topic
    async with database.transaction() as conn:
        facts = [outbox.Fact(Here(counter=counter, add=n), first + i) for i, n in enumerate(numbers)]
        await outbox.record(conn, facts, now=NOW)


@dataclass
class Reader:
    """A running consumer side."""

    fresh: FreshDatabase
    consumer: Consumer
    stream: Stream
    stopping: asyncio.Event
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def counters(self) -> dict[str, tuple[int, int]]:
        """Name -> (total, changes)."""
        async with self.fresh.database.read() as conn:
            rows = await conn.fetch("SELECT name, total, changes FROM counter")
        return {row["name"]: (row["total"], row["changes"]) for row in rows}

    async def letters(self) -> list[str]:
        """States of the dead letters, in the order of their records."""
        async with self.fresh.database.read() as conn:
            rows = await conn.fetch("SELECT state FROM dead_letter ORDER BY partition, record_offset")
        return [row["state"] for row in rows]


@asynccontextmanager
async def reading(
    fresh: FreshDatabase, bootstrap: str, subscription: Subscription, monkeypatch_env: Callable[[dict[str, str]], None]
) -> AsyncIterator[Reader]:
    """Consume a topic into a database until the block ends; replays run as well."""
    from shared.settings import ServiceSettings

    monkeypatch_env({"LAPAK_DATABASE": fresh.dsn, "LAPAK_KAFKA": bootstrap})
    settings = ServiceSettings()
    stopping, clock, sealer = asyncio.Event(), Clock(), Sealer(SECRET_KEYS)
    consumer = Consumer("test", subscription, fresh.database, clock, sealer, stopping)
    stream = Stream(f"test-{subscription.topic}", settings, fresh.database, [consumer], stopping)
    reader = Reader(fresh, consumer, stream, stopping)
    replays = dead_letters.run_replays(fresh.database, sealer, {subscription.topic: consumer}, clock, stopping)
    reader.tasks = [asyncio.create_task(stream.run()), asyncio.create_task(replays)]
    try:
        yield reader
    finally:
        stopping.set()
        await stream.stop()
        await asyncio.gather(*reader.tasks, return_exceptions=True)


@asynccontextmanager
async def relaying(fresh: FreshDatabase, bootstrap: str, service: str = "test") -> AsyncIterator[Relay]:
    """Run a relay until the block ends; it empties the outbox before it goes."""
    stopping = asyncio.Event()
    relay = Relay(service, fresh.database, fresh.dsn, bootstrap, stopping)
    task = asyncio.create_task(supervise("relay", relay.run, stopping))
    try:
        yield relay
    finally:
        stopping.set()
        relay.ring()
        await asyncio.gather(task, return_exceptions=True)


__all__ = ["environment"]

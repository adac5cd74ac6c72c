"""What several measurements share: a database, a topic, an event of the usual size, and records of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from deploy.local import stack
from deploy.local.stack import Running
from shared.db import Database, migrate, open_database
from shared.events.envelope import Envelope, Event, write_headers
from shared.failures import supervise
from shared.ids import new_id
from shared.kafka import TopicSpec, ensure_topics
from shared.relay import Relay, partition_of

__all__ = ["NOTE", "NOW", "PARTITIONS", "Noted", "bench_database", "fresh_topic", "records", "relaying", "send_batches"]

PARTITIONS = 6
NOW = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)
NOTE = "n" * 230  # a body of some 300 bytes, as most of ours are
Record = dict[str, Any]


class Noted(Event):
    """A number was added to a counter, with a note."""

    topic: ClassVar[str] = "bench"
    key: ClassVar[str] = "counter"
    counter: str
    add: int
    note: str


@asynccontextmanager
async def bench_database(
    running: Running, *, size: int = 4, service: str = "bench"
) -> AsyncIterator[tuple[Database, str]]:
    """An empty database with the mechanisms' tables (and those of a service), and its DSN; dropped at the end."""
    name = f"bench_{uuid4().hex[:12]}"
    dsn = stack.provision(running, [name])[name]
    await migrate(dsn, service)
    database = await open_database(dsn, size=size, name="lapak-bench")
    try:
        yield database, dsn
    finally:
        await database.pool.close()
        admin = await asyncpg.connect(running.postgres_admin_dsn)
        try:
            await admin.execute(f'DROP DATABASE "{dsn.rpartition("/")[2]}" WITH (FORCE)')
        finally:
            await admin.close()


@asynccontextmanager
async def relaying(database: Database, dsn: str, bootstrap: str) -> AsyncIterator[None]:
    """Run our relay until the block ends."""
    stopping = asyncio.Event()
    relay = Relay("bench", database, dsn, bootstrap, stopping)
    running = asyncio.create_task(supervise("relay", relay.run, stopping))
    try:
        yield
    finally:
        stopping.set()
        relay.ring()
        await asyncio.gather(running, return_exceptions=True)


async def fresh_topic(bootstrap: str) -> str:
    """A topic of its own."""
    name = f"bench.{uuid4().hex[:12]}"
    await ensure_topics(bootstrap, [TopicSpec(name, PARTITIONS, {})])
    return name


def records(number: int, aggregates: int) -> list[Record]:
    """Records as a relay sends them: the aggregates in turn, each with versions 1, 2, 3 ..."""
    made: list[Record] = []
    for place in range(number):
        key = f"counter-{place % aggregates:06}"
        body = Noted(counter=key, add=place % 7, note=NOTE)
        envelope = Envelope(new_id(), "Noted", "lapak/bench", NOW, key, place // aggregates + 1, None)
        made.append(
            {"key": key.encode(), "value": body.to_bytes(), "timestamp": None, "headers": write_headers(envelope)}
        )
    return made


async def send_batches(producer: AIOKafkaProducer, topic: str, ready: Sequence[Record]) -> None:
    """Send ready records as fast as aiokafka can: full batches, all partitions at once; returns when acknowledged."""
    by_partition: dict[int, list[Record]] = {}
    for record in ready:
        by_partition.setdefault(partition_of(record["key"], PARTITIONS), []).append(record)
    waiting = []
    for partition, part in by_partition.items():
        batch = producer.create_batch()
        for record in part:
            if batch.append(**record) is None:
                batch.close()
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(**record)
        batch.close()
        waiting.append(await producer.send_batch(batch, topic, partition=partition))
    for acknowledged in waiting:
        await acknowledged

"""Consuming with exactly-once effect, beside the same work by hand; and what the guard alone costs."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from time import perf_counter
from uuid import uuid4

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from deploy.local import services
from shared import inbound
from shared.clock import Clock
from shared.consume import Consumer, Item, Received, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database
from shared.kafka import open_producer
from shared.settings import ServiceSettings
from shared.stream import POLL_MS, RECORDS_MAX, Stream
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOW, PARTITIONS, Noted, bench_database, fresh_topic, records, send_batches

__all__ = ["AGGREGATES", "SECONDS_MAX", "Filled", "filled", "measure", "measure_guard"]

EVENTS = 20_000
AGGREGATES = 5_000
SECONDS_MAX = 60.0
TABLE = "CREATE TABLE bench_counter (name text PRIMARY KEY, total bigint NOT NULL, changes bigint NOT NULL)"
APPLY = """
INSERT INTO bench_counter (name, total, changes)
SELECT name, sum(add), count(*) FROM unnest($1::text[], $2::bigint[]) AS c (name, add) GROUP BY name ORDER BY name
ON CONFLICT (name) DO UPDATE
SET total = bench_counter.total + excluded.total, changes = bench_counter.changes + excluded.changes
"""


async def _apply(conn: Connection, received: Sequence[Received[Noted]], _: datetime) -> None:
    """The handler of both sides: one statement for a run of events."""
    await _apply_bodies(conn, [one.body for one in received])


async def _apply_bodies(conn: Connection, bodies: Sequence[Noted]) -> None:
    await conn.execute(APPLY, [body.counter for body in bodies], [body.add for body in bodies])


class _TimedConsumer(Consumer):
    """Takes the time from the first record that arrives to the last that is committed."""

    def expect(self, number: int) -> asyncio.Event:
        """An event that is set once so many are applied."""
        self.left, self.began, self.ended, self.done = number, 0.0, 0.0, asyncio.Event()
        return self.done

    def read_all(self, records: Iterable[ConsumerRecord]) -> list[Item]:
        found = list(records)
        if found:
            self.began = self.began or perf_counter()
        return super().read_all(found)

    async def apply(self, items: Sequence[Item]) -> None:
        await super().apply(items)
        self.left -= len(items)
        if self.left <= 0:
            self.ended = perf_counter()
            self.done.set()


class Filled:
    """A filled topic and a database that can be emptied again."""

    def __init__(self, number: int, database: Database, settings: ServiceSettings, topic: str) -> None:
        self.number = number
        self.database = database
        self.settings = settings
        self.subscription = Subscription(topic, on_many={Noted: _apply})
        self.partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    async def clear(self) -> None:
        """As if nothing had been consumed."""
        await self.database.pool.execute("TRUNCATE bench_counter, consumer_offset, consumed_version")

    async def check(self) -> None:
        """Raise `NotMeasured` unless every event was applied once."""
        applied = await self.database.pool.fetchval("SELECT coalesce(sum(changes), 0)::bigint FROM bench_counter")
        if applied != self.number:
            raise NotMeasured(f"{applied} of {self.number} events were applied")

    def consumer(self, stopping: asyncio.Event) -> _TimedConsumer:
        """Ours."""
        sealer = Sealer(self.settings.secret_keys)
        return _TimedConsumer("bench", self.subscription, self.database, Clock(), sealer, stopping)

    async def through_stream(self) -> float:
        """Events a second through FastStream and `Consumer.handle`."""
        await self.clear()
        stopping = asyncio.Event()
        consumer = self.consumer(stopping)
        done = consumer.expect(self.number)
        # a name of its own, so a group of its own: nobody waits for a member that has left
        stream = Stream(f"bench-{uuid4().hex[:8]}", self.settings, self.database, [consumer], stopping)
        running = asyncio.create_task(stream.run())
        try:
            await asyncio.wait_for(done.wait(), SECONDS_MAX)
        except TimeoutError:
            raise NotMeasured(f"the stream did not finish in {SECONDS_MAX:.0f} s: {stream.health()}") from None
        finally:
            stopping.set()
            await stream.stop()
            await asyncio.gather(running, return_exceptions=True)
        await self.check()
        return self.number / (consumer.ended - consumer.began)

    @asynccontextmanager
    async def bare_consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """aiokafka alone, at the beginning of every partition, without a group."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign(self.partitions)
            for partition in self.partitions:
                consumer.seek(partition, 0)
            yield consumer
        finally:
            await consumer.stop()

    async def by_hand(self) -> float:
        """Events a second with `getmany` and the same statements in one transaction per batch, and nothing else."""
        await self.clear()
        left, began = self.number, 0.0
        async with self.bare_consumer() as consumer, asyncio.timeout(SECONDS_MAX):
            while left > 0:
                found = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                if not found:
                    continue
                began = began or perf_counter()
                await self.apply_by_hand([record for part in found.values() for record in part])
                left -= sum(map(len, found.values()))
            ended = perf_counter()
        await self.check()
        return self.number / (ended - began)

    async def apply_by_hand(self, batch: Sequence[ConsumerRecord]) -> None:
        """What a careful author would write for this one topic: offset, duplicates, work, all in one transaction."""
        topic = self.subscription.topic
        last = {record.partition: record.offset + 1 for record in batch}
        keys = {record.key for record in batch}
        async with self.database.transaction() as conn:
            standing, any_parked = await inbound.move_offsets(conn, topic, last)
            if any_parked:
                await inbound.find_parked(conn, topic, list(keys))
            newest: dict[str, int] = {}
            numbered = []
            for record in batch:
                key, sequence = record.key.decode(), int(dict(record.headers)["ce_sequence"])
                newest[key] = max(newest.get(key, 0), sequence)
                numbered.append((key, sequence, record))
            before = await inbound.raise_versions(conn, topic, newest)
            bodies = []
            for key, sequence, record in numbered:
                if (
                    record.offset >= standing.get(record.partition, last[record.partition])
                    and key in before
                    and sequence > (before[key] or 0)
                ):
                    before[key] = sequence
                    bodies.append(Noted.from_bytes(record.value))
            await _apply_bodies(conn, bodies)

    async def batches(self) -> list[list[ConsumerRecord]]:
        """Every record of the topic in memory, in batches as the broker gives them."""
        kept: list[list[ConsumerRecord]] = []
        async with self.bare_consumer() as consumer, asyncio.timeout(SECONDS_MAX):
            while sum(map(len, kept)) < self.number:
                found = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
                kept += [[record for part in found.values() for record in part]] if found else []
        return kept

    async def guarded(self, kept: Sequence[Sequence[ConsumerRecord]]) -> float:
        """Events a second from memory through `Consumer.handle`."""
        await self.clear()
        consumer = self.consumer(asyncio.Event())
        consumer.expect(self.number)
        for batch in kept:
            await consumer.handle(batch)
        await self.check()
        return self.number / (consumer.ended - consumer.began)

    async def unguarded(self, kept: Sequence[Sequence[ConsumerRecord]]) -> float:
        """Events a second from memory: read as ours are, and the handler in a transaction per batch."""
        await self.clear()
        consumer = self.consumer(asyncio.Event())
        began = perf_counter()
        for batch in kept:
            items = [consumer.read(record) for record in batch]
            received = [Received(item.envelope, item.body) for item in items if item.envelope and item.body]
            async with self.database.transaction() as conn:
                await self.subscription.on_many[Noted](conn, received, NOW)
        seconds = perf_counter() - began
        await self.check()
        return self.number / seconds


@asynccontextmanager
async def filled(context: Context, events: int = EVENTS) -> AsyncIterator[Filled]:
    """A topic with so many events (half in a quick run), and an empty database."""
    number = context.size(events)
    bootstrap = context.running.kafka
    topic = await fresh_topic(bootstrap)
    producer = await open_producer(bootstrap, "lapak-bench")
    try:
        await send_batches(producer, topic, records(number, AGGREGATES))
    finally:
        await producer.stop()
    async with bench_database(context.running) as (database, dsn):
        await database.pool.execute(TABLE)
        variables = services.environment(context.running, "bench", dsn, 0)
        given = {name.removeprefix("LAPAK_").lower(): value for name, value in variables.items()}
        yield Filled(number, database, ServiceSettings.model_validate(given), topic)


def measure(context: Context) -> list[Comparison]:
    """Consumed with exactly-once effect, from the first record to the last commit."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    async with filled(context) as bench:
        comparison = Comparison("consumed with exactly-once effect", "events/s", 0.9, "higher")
        return await in_turn(context, comparison, bench.through_stream, bench.by_hand)


def measure_guard(context: Context) -> list[Comparison]:
    """The exactly-once guard: `Consumer` beside the same reading and handler without offsets, versions, parked keys."""
    return [uvloop.run(_measure_guard(context))]


async def _measure_guard(context: Context) -> Comparison:
    async with filled(context) as bench:
        kept = await bench.batches()
        comparison = Comparison("the exactly-once guard", "events/s", 0.95, "higher")
        return await in_turn(context, comparison, lambda: bench.guarded(kept), lambda: bench.unguarded(kept))

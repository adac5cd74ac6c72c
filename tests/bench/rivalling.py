"""Our relay beside faststream-outbox, each emptying a full outbox of its own into a topic of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream.kafka import KafkaBroker, KafkaResponse

from shared import outbox
from shared.db import Database
from shared.events.envelope import Envelope, read_envelope, write_headers
from shared.ids import new_id
from shared.relay import partition_of
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, NOW, PARTITIONS, Noted, bench_database, fresh_topic, relaying

__all__ = ["measure"]

EVENTS = 40_000
EVENTS_RIVAL = 3_000
"""Of the slower side, so that a turn takes seconds, not half a minute."""
AGGREGATES = 500
FILL_ROWS = 1_000
SECONDS_MAX = 60.0
LOOK_SECONDS = 0.02

# Its best setting, of those tried, that keeps an aggregate's events in order (docs/performance.md): a queue per
# partition with one worker each. Several workers on one queue send an aggregate's events in any order.
QUEUES = PARTITIONS
FETCH_ROWS = 200
FLUSH_ROWS = 100
FILL_RIVAL = """
INSERT INTO rival_outbox (queue, payload, headers)
SELECT queue, payload, headers::jsonb FROM unnest($1::text[], $2::bytea[], $3::text[])
    WITH ORDINALITY AS r (queue, payload, headers, place) ORDER BY place
"""


def measure(context: Context) -> list[Comparison]:
    """Events a second into Kafka, from the first to the last."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    many, few = context.size(EVENTS), context.size(EVENTS_RIVAL)
    bootstrap = context.running.kafka
    async with bench_database(context.running) as (database, dsn), _rival(database, dsn, bootstrap) as rival:

        async def ours() -> float:
            topic = await fresh_topic(bootstrap)
            await _fill(database, topic, many)
            return await _relayed(bootstrap, topic, many, lambda: relaying(database, dsn, bootstrap))

        async def theirs() -> float:
            topic = await fresh_topic(bootstrap)
            await _fill_rival(database, few)
            return await _relayed(bootstrap, topic, few, lambda: rival(topic))

        comparison = Comparison("events relayed, beside faststream-outbox", "events/s", 30, "higher")
        return await in_turn(context, comparison, ours, theirs)


def _events(number: int) -> list[tuple[Noted, int]]:
    """Events and their versions: the aggregates in turn, each with 1, 2, 3 ..."""
    return [
        (Noted(counter=f"counter-{place % AGGREGATES:06}", add=place % 7, note=NOTE), place // AGGREGATES + 1)
        for place in range(number)
    ]


async def _fill(database: Database, topic: str, number: int) -> None:
    class Here(Noted):
        pass

    Here.__name__, Here.topic = "Noted", topic
    facts = [outbox.Fact(Here(**event.model_dump()), sequence) for event, sequence in _events(number)]
    async with database.transaction() as conn:
        for begin in range(0, number, FILL_ROWS):
            await outbox.record(conn, facts[begin : begin + FILL_ROWS], now=NOW)


async def _fill_rival(database: Database, number: int) -> None:
    """The same bodies and headers in the rival's own columns."""
    queues, bodies, headers = [], [], []
    for event, sequence in _events(number):
        envelope = Envelope(new_id(), "Noted", "lapak/bench", NOW, event.subject, sequence, None)
        queues.append(f"partition-{partition_of(event.subject.encode(), QUEUES)}")
        bodies.append(event.to_bytes())
        headers.append(json.dumps({name: value.decode() for name, value in write_headers(envelope)}))
    await database.pool.execute(FILL_RIVAL, queues, bodies, headers)


# ---- relaying


@asynccontextmanager
async def _rival(
    database: Database, dsn: str, bootstrap: str
) -> AsyncIterator[Callable[[str], AbstractAsyncContextManager[None]]]:
    """Its table and engine; gives what relays to a topic until the block ends."""
    # imported here: SQLAlchemy takes a third of a second, and the other measurements go without
    from faststream_outbox import OutboxBroker, make_outbox_table, outbox_autovacuum_ddl
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import create_async_engine

    metadata = MetaData()
    table = make_outbox_table(metadata, table_name="rival_outbox")
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=2 * QUEUES)

    @asynccontextmanager
    async def relaying(topic: str) -> AsyncIterator[None]:
        kafka = KafkaBroker(bootstrap, acks="all", enable_idempotence=True, apply_types=False, logger=None)
        rows = OutboxBroker(engine, outbox_table=table, apply_types=False, logger=None)
        handler = _pass_on
        for number in range(QUEUES):
            handler = rows.subscriber(
                f"partition-{number}",
                fetch_batch_size=FETCH_ROWS,
                terminal_flush_batch_size=FLUSH_ROWS,
                decoder=_whole,
            )(handler)
        kafka.publisher(topic)(handler)
        await kafka.start()
        await rows.start()
        try:
            yield
        finally:
            await rows.stop()
            await kafka.stop()

    try:
        async with engine.begin() as conn:
            await conn.run_sync(metadata.create_all)
        await database.pool.execute(outbox_autovacuum_ddl("rival_outbox"))
        yield relaying
    finally:
        await engine.dispose()


async def _whole(message: Any) -> Any:
    """The row as it is: decoding and encoding its body would cost the rival time."""
    return message


async def _pass_on(message: Any) -> KafkaResponse:
    return KafkaResponse(message.body, headers=message.headers, key=message.headers["ce_subject"].encode())


# ---- timing


async def _relayed(
    bootstrap: str, topic: str, number: int, relaying: Callable[[], AbstractAsyncContextManager[None]]
) -> float:
    """Events a second while the topic grows; what starting costs is left out on both sides."""
    partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        began, before, there = 0.0, 0, 0
        async with asyncio.timeout(SECONDS_MAX), relaying():
            while there < number:
                await asyncio.sleep(LOOK_SECONDS)
                there = sum((await consumer.end_offsets(partitions)).values())
                if there and not began:
                    began, before = perf_counter(), there
            ended = perf_counter()
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        await _check(consumer, number)
    except TimeoutError:
        raise NotMeasured(f"{there} of {number} events came within {SECONDS_MAX:.0f} s") from None
    finally:
        await consumer.stop()
    return (number - before) / (ended - began)


async def _check(consumer: AIOKafkaConsumer, number: int) -> None:
    """Raise `NotMeasured` unless each aggregate's events are all there, once and in order."""
    versions: dict[str, int] = {}
    left = number
    while left > 0:
        found: dict[TopicPartition, Sequence[Any]] = await consumer.getmany(timeout_ms=1_000)
        if not found:
            raise NotMeasured(f"{left} of {number} events are not in the topic")
        for record in (record for part in found.values() for record in part):
            envelope = read_envelope(record.headers)
            if envelope.sequence != versions.get(envelope.subject, 0) + 1:
                raise NotMeasured(f"version {envelope.sequence} follows {versions.get(envelope.subject, 0)}")
            versions[envelope.subject] = envelope.sequence
            left -= 1

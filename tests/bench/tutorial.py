"""Our whole consumer beside what FastStream's tutorial leads to: a message at a time, a model, a statement, an ack."""

import asyncio
import logging
from time import perf_counter
from uuid import uuid4

import uvloop
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.kafka import open_producer
from tests.bench.consuming import AGGREGATES, SECONDS_MAX, Filled, filled
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import Noted, fresh_topic, records, send_batches

__all__ = ["measure"]

EVENTS_TUTORIAL = 2_000
"""Of the slower side, so that a turn takes seconds, not half a minute."""
UPSERT = """
INSERT INTO bench_counter (name, total, changes) VALUES ($1, $2, 1)
ON CONFLICT (name) DO UPDATE SET total = bench_counter.total + excluded.total, changes = bench_counter.changes + 1
"""


def measure(context: Context) -> list[Comparison]:
    """Events a second with their effect in the database, from the first record to the last commit."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    few = context.size(EVENTS_TUTORIAL)
    bootstrap = context.running.kafka
    topic = await fresh_topic(bootstrap)
    producer = await open_producer(bootstrap, "lapak-bench")
    try:
        await send_batches(producer, topic, records(few, AGGREGATES))
    finally:
        await producer.stop()
    async with filled(context) as bench:
        comparison = Comparison("consumed, beside FastStream's tutorial style", "events/s", 15, "higher")
        return await in_turn(context, comparison, bench.through_stream, lambda: _as_taught(bench, topic, few))


async def _as_taught(bench: Filled, topic: str, number: int) -> float:
    """One message, one statement in a transaction of its own, one committed offset; twice after a crash in between."""
    await bench.clear()
    done = asyncio.Event()
    left, began, ended = number, 0.0, 0.0
    broker = KafkaBroker(bench.settings.kafka, logger=None, log_level=logging.ERROR)

    @broker.subscriber(
        topic,
        group_id=f"tutorial-{uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK,
    )
    async def on_noted(noted: Noted) -> None:
        nonlocal left, began, ended
        began = began or perf_counter()
        await bench.database.pool.execute(UPSERT, noted.counter, noted.add)
        left -= 1
        if left == 0:
            ended = perf_counter()
            done.set()

    await broker.start()
    try:
        await asyncio.wait_for(done.wait(), SECONDS_MAX)
    except TimeoutError:
        raise NotMeasured(f"{left} of {number} messages were left after {SECONDS_MAX:.0f} s") from None
    finally:
        await broker.stop()
    applied = await bench.database.pool.fetchval("SELECT coalesce(sum(changes), 0)::bigint FROM bench_counter")
    if applied != number:
        raise NotMeasured(f"{applied} of {number} events were applied")
    return number / (ended - began)

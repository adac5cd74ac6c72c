"""A full outbox relayed to Kafka, beside aiokafka sending the same records from memory."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

import asyncpg
import uvloop
from aiokafka import AIOKafkaProducer

from shared.failures import supervise
from shared.kafka import open_producer
from shared.relay import Relay
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, NOW, Noted, bench_database, fresh_topic, records, send_batches

__all__ = ["measure"]

EVENTS = 40_000
AGGREGATES = 2_000
WARM_UP = 5
"""So often the limit runs beforehand: a broker that just started compiles itself, and takes thrice as long."""
SECONDS_MAX = 60.0
TEMPLATE = "CREATE TABLE bench_full (place bigint PRIMARY KEY, key text, sequence bigint, payload bytea)"
FILL_TEMPLATE = "INSERT INTO bench_full SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[])"
FILL = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, payload)
SELECT uuidv7(), $1, key, sequence, 'Noted', $2::timestamptz, payload FROM bench_full WHERE place < $3 ORDER BY place
"""


class _CountingRelay(Relay):
    """Tells when a number of events is acknowledged."""

    left = 0

    def expect(self, number: int) -> asyncio.Event:
        """An event that is set once so many more are acknowledged."""
        self.left, self.done = number, asyncio.Event()
        return self.done

    async def _publish(
        self, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record], before: asyncio.Task[None] | None
    ) -> None:
        await super()._publish(producer, rows, before)
        self.left -= len(rows)
        if self.left <= 0:
            self.done.set()


def measure(context: Context) -> list[Comparison]:
    """Events a second from a full outbox to the last acknowledgement."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    number = context.size(EVENTS)
    bootstrap = context.running.kafka
    topic = await fresh_topic(bootstrap)
    ready = records(number, AGGREGATES)
    async with bench_database(context.running) as (database, dsn):
        await database.pool.execute(TEMPLATE)
        bodies = [Noted(counter=f"counter-{n % AGGREGATES:06}", add=n % 7, note=NOTE).to_bytes() for n in range(number)]
        await database.pool.execute(
            FILL_TEMPLATE,
            list(range(number)),
            [record["key"].decode() for record in ready],
            [n // AGGREGATES + 1 for n in range(number)],
            bodies,
        )
        stopping = asyncio.Event()
        relay = _CountingRelay("bench", database, dsn, bootstrap, stopping)
        running = asyncio.create_task(supervise("relay", relay.run, stopping))
        producer = await open_producer(bootstrap, "lapak-bench")

        async def relayed(count: int) -> float:
            await database.pool.execute("TRUNCATE outbox")
            done = relay.expect(count)
            async with database.transaction() as conn:
                await conn.execute(FILL, topic, NOW, count)
            began = perf_counter()
            try:
                await asyncio.wait_for(done.wait(), SECONDS_MAX)
            except TimeoutError:
                raise NotMeasured(f"the relay did not finish in {SECONDS_MAX:.0f} s ({relay.last_error})") from None
            return count / (perf_counter() - began)

        async def sent() -> float:
            began = perf_counter()
            await send_batches(producer, topic, ready)
            return number / (perf_counter() - began)

        try:
            await relayed(10)  # it leads, and its producer is connected
            for _ in range(WARM_UP):
                await sent()
            comparison = Comparison("events relayed per second from a full outbox", "events/s", 0.75, "higher")
            return await in_turn(context, comparison, lambda: relayed(number), sent)
        finally:
            stopping.set()
            relay.ring()
            await asyncio.gather(running, return_exceptions=True)
            await producer.stop()

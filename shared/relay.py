"""The relay: publishes a service's outbox to Kafka, oldest first, and deletes what was acknowledged.

One relay per service is the leader (a session advisory lock); the others stand by and take over when its connection
ends. It may send twice after a crash; it never loses and never reorders one aggregate: every read starts at the oldest
row there is, leaving out only what is being sent at that moment, and a batch is sent after the one before is
acknowledged. Consumers refuse the duplicates by `ce_sequence`.
"""

import asyncio
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from shared.db import Database
from shared.events.envelope import Envelope, write_headers
from shared.failpoints import failpoint
from shared.kafka import open_producer
from shared.telemetry import EVENTS_RELAYED, OUTBOX_AGE_SECONDS, OUTBOX_DEPTH, RELAY_LEADER, get_logger

__all__ = ["Relay"]

BATCH_ROWS = 2000
POLL_SECONDS = 0.25
STAND_BY_SECONDS = 0.5
MEASURE_SECONDS = 1.0
DRAIN_SECONDS = 5.0
CLOSE_SECONDS = 3.0

NEXT = """
WITH gone AS (DELETE FROM outbox WHERE seq = ANY($1::bigint[]))
SELECT seq, event_id, topic, key, sequence, type, occurred_at, traceparent, payload
FROM outbox WHERE NOT seq <@ $2::int8multirange ORDER BY seq LIMIT $3
"""
"""Delete what was acknowledged, and read the oldest rows but those and the ones being sent.

These are left out as ranges: an array of thousands is compared one by one, or planned anew each time.
"""
SEQ, TOPIC, KEY, TYPE = 0, 2, 3, 5
"""Where they stand in a row; a look-up by name costs more than all else that is done with a row."""
Row: TypeAlias = "asyncpg.Record"
MEASURE = """
SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8 AS age
FROM outbox
"""

logger = get_logger()


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's default partitioner gives this key (murmur2, as the Java client)."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


class Relay:
    """One service's relay. `run` is a loop for `shared.failures.supervise`; `ring` wakes it after a commit."""

    def __init__(self, service: str, database: Database, dsn: str, bootstrap: str, stopping: asyncio.Event) -> None:
        self._service = service
        self._source = f"lapak/{service}"
        self._database = database
        self._dsn = dsn
        self._bootstrap = bootstrap
        self._stopping = stopping
        self._bell = asyncio.Event()
        self.leads = False
        self.oldest_age_seconds = 0.0
        self.last_error: str | None = None
        database.after_commit(self.ring)

    def ring(self) -> None:
        """There may be something to publish."""
        self._bell.set()

    async def run(self) -> None:
        """Lead or stand by until stopping. Raises when database or broker fail; the supervisor starts it anew."""
        # a connection of its own: the lock must live and die with it, and LISTEN must stay on it
        conn = await asyncpg.connect(
            self._dsn,
            server_settings={
                "application_name": f"lapak-relay-{self._service}",
                "tcp_keepalives_idle": "3",
                "tcp_keepalives_interval": "1",
                "tcp_keepalives_count": "3",
                "statement_timeout": "30s",
                # a delete that is lost in a crash of the database means a duplicate, which consumers refuse anyway
                "synchronous_commit": "off",
            },
            command_timeout=35,
        )
        try:
            if await self._become_leader(conn):
                await conn.add_listener("lapak_outbox", lambda *_: self._bell.set())
                await self._lead(conn)
            self.last_error = None
        except BaseException as error:
            self.last_error = type(error).__name__
            raise
        finally:
            self.leads = False
            RELAY_LEADER.set(0)
            conn.terminate()

    async def _become_leader(self, conn: "asyncpg.Connection[asyncpg.Record]") -> bool:
        lock = zlib.crc32(f"lapak-relay-{self._service}".encode())
        while not self._stopping.is_set():
            if await conn.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                self.leads = True
                RELAY_LEADER.set(1)
                logger.info("relay.leads", service=self._service)
                return True
            self.last_error = None
            await self._wait(STAND_BY_SECONDS)
            if self._bell.is_set():
                # coalesced, after the commit and outside its transaction: a NOTIFY inside would serialise commits
                self._bell.clear()
                await conn.execute("NOTIFY lapak_outbox")
        return False

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)

    async def _lead(self, conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        producer = await open_producer(self._bootstrap, f"lapak-relay-{self._service}")
        in_flight: asyncio.Task[None] | None = None
        try:
            sending: list[int] = []
            sent: list[int] = []
            drain_until: float | None = None
            while True:
                if in_flight is not None and len(sending) < BATCH_ROWS:
                    # nothing was left behind this batch: what comes next is read when it is acknowledged
                    await self._acknowledged(in_flight)
                    failpoint("relay.published")
                    in_flight, sent, sending = None, sent + sending, []
                # while Kafka acknowledges a full batch, the one before is deleted and the next is read
                self._bell.clear()
                rows = await conn.fetch(NEXT, sent, _ranges(sent + sending), BATCH_ROWS)
                if sent:
                    failpoint("relay.deleted")
                if in_flight is not None:
                    await self._acknowledged(in_flight)
                    failpoint("relay.published")
                self.last_error = None
                sent, sending = sending, [row[SEQ] for row in rows]
                if rows:
                    failpoint("relay.read")
                in_flight = asyncio.create_task(self._publish(producer, rows)) if rows else None
                if self._stopping.is_set():
                    drain_until = drain_until or asyncio.get_running_loop().time() + DRAIN_SECONDS
                    if not (rows or sent) or asyncio.get_running_loop().time() > drain_until:
                        return
                elif not (rows or sent):
                    await self._wait(POLL_SECONDS)
        finally:
            # a broker that is away must not hold up the end: what was not acknowledged is read again
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    if in_flight is not None:
                        await in_flight
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await producer.stop()

    async def _acknowledged(self, in_flight: asyncio.Task[None]) -> None:
        """Wait for Kafka. An idempotent producer tries for ever: when stopping, only so long; the rows stay."""
        if not in_flight.done():
            ending = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({in_flight, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not in_flight.done():
                    await asyncio.wait({in_flight}, timeout=DRAIN_SECONDS)
            finally:
                ending.cancel()
            if not in_flight.done():
                raise TimeoutError
        await in_flight

    async def measure(self) -> None:
        """Keep the outbox's depth and age known until stopping, whether the broker is there or not."""
        while not self._stopping.is_set():
            async with self._database.read() as conn:
                row = await conn.fetchrow(MEASURE)
            assert row is not None
            self.oldest_age_seconds = row["age"]
            OUTBOX_DEPTH.set(row["depth"])
            OUTBOX_AGE_SECONDS.set(row["age"])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), MEASURE_SECONDS)

    async def _publish(self, producer: AIOKafkaProducer, rows: Sequence[Row]) -> None:
        """Send rows in order, a record batch per partition at a time, and return when all are acknowledged."""
        by_partition: dict[tuple[str, int], list[Row]] = defaultdict(list)
        partitions: dict[str, int] = {}
        for row in rows:
            topic = row[TOPIC]
            if topic not in partitions:
                partitions[topic] = len(await producer.partitions_for(topic))
            by_partition[topic, partition_of(row[KEY].encode(), partitions[topic])].append(row)
        waiting = [self._send(producer, topic, partition, part) for (topic, partition), part in by_partition.items()]
        await asyncio.gather(*waiting)
        for name, count in Counter(row[TYPE] for row in rows).items():
            EVENTS_RELAYED.labels(name).inc(count)

    async def _send(self, producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[Row]) -> None:
        batch = producer.create_batch()
        for _, event_id, _, subject, sequence, kind, occurred_at, traceparent, value in rows:
            envelope = Envelope(event_id, kind, self._source, occurred_at, subject, sequence, traceparent)
            key, headers = subject.encode(), write_headers(envelope)
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                batch.close()
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    raise ValueError(f"event {event_id} does not fit into a Kafka request")
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))


def _ranges(numbers: Sequence[int]) -> list["asyncpg.Range[int]"]:
    """Exactly these numbers, as ranges without gaps."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1]:
            found[-1][1] += 1
        else:
            found.append([number, number + 1])
    return [asyncpg.Range(low, high) for low, high in found]

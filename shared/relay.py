"""The relay: publishes a service's outbox to Kafka, oldest first, and deletes what was acknowledged.

One relay per service is the leader (a session advisory lock); the others stand by and take over when its connection
ends. It may send twice after a crash; it never loses and never reorders one aggregate: every read starts at the oldest
row there is, leaving out only what is on its way at that moment, and a batch is sent after the one before is
acknowledged. Consumers refuse the duplicates by `ce_sequence`.

While the outbox holds more than a batch, three things go on at once: one batch is with Kafka, the next is encoded, the
one after is read.
"""

import asyncio
import zlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.db import Database
from shared.events.envelope import join_headers, time_text
from shared.failpoints import failpoint
from shared.kafka import open_producer
from shared.telemetry import EVENTS_RELAYED, OUTBOX_AGE_SECONDS, OUTBOX_DEPTH, RELAY_LEADER, get_logger

__all__ = ["Relay"]

BATCH_ROWS = 2000
AHEAD_MAX = 3
"""Batches that are read and not acknowledged: one is sent, the others wait for it, encoded."""
POLL_SECONDS = 0.25
STAND_BY_SECONDS = 0.5
MEASURE_SECONDS = 1.0
DRAIN_SECONDS = 5.0
CLOSE_SECONDS = 3.0

NEXT = """
WITH gone AS (DELETE FROM outbox WHERE seq = ANY($1::bigint[]))
SELECT seq, event_id, topic, key, sequence, type, timestamptz_send(occurred_at), traceparent, payload
FROM outbox WHERE NOT seq <@ $2::int8multirange ORDER BY seq LIMIT $3
"""
"""Delete what was acknowledged, and read the oldest rows but those and the ones on their way.

These are left out as ranges: an array of thousands is compared one by one, or planned anew each time. The moment is
read as PostgreSQL sends it (microseconds since 2000, 8 bytes): to make a `datetime` of it costs as much as the rest of
the row.
"""
SEQ, TYPE = 0, 5
"""Where they stand in a row; a look-up by name costs more than all else that is done with a row."""
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Row: TypeAlias = "asyncpg.Record"
Lanes: TypeAlias = Mapping[tuple[str, int], Sequence[BatchBuilder]]
"""Record batches by topic and partition, in order."""
MEASURE = """
SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8 AS age
FROM outbox
"""

logger = get_logger()


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition Kafka's default partitioner gives this key (murmur2, as the Java client)."""
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


@lru_cache(maxsize=1024)  # the events of a transaction share their moment
def _time_text(sent: bytes) -> bytes:
    """A `timestamptz` in PostgreSQL's binary format, as `ce_time` says it."""
    return time_text(POSTGRES_EPOCH + timedelta(microseconds=int.from_bytes(sent, signed=True)))


class _Batch(NamedTuple):
    """Rows that were read: their numbers, the same as ranges, and the task that ends when all are acknowledged."""

    numbers: list[int]
    ranges: list["asyncpg.Range[int]"]
    sending: asyncio.Task[None]


class Relay:
    """One service's relay. `run` is a loop for `shared.failures.supervise`; `ring` wakes it after a commit."""

    def __init__(self, service: str, database: Database, dsn: str, bootstrap: str, stopping: asyncio.Event) -> None:
        self._service = service
        self._source = f"lapak/{service}".encode()
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
        ahead: deque[_Batch] = deque()
        sent: list[_Batch] = []
        full = False
        drain_until: float | None = None
        try:
            while True:
                # a full batch left others behind, which are read while it is on its way; what comes after a smaller
                # one is read when that is acknowledged, so that it comes together
                while ahead and (not full or len(ahead) == AHEAD_MAX or ahead[0].sending.done()):
                    await self._acknowledged(ahead[0].sending)
                    failpoint("relay.published")
                    sent.append(ahead.popleft())
                self._bell.clear()
                numbers = [number for batch in sent for number in batch.numbers]
                ranges = [one for batch in (*sent, *ahead) for one in batch.ranges]
                rows = await conn.fetch(NEXT, numbers, ranges, BATCH_ROWS)
                if sent:
                    failpoint("relay.deleted")
                self.last_error = None
                sent, full = [], len(rows) == BATCH_ROWS
                if rows:
                    failpoint("relay.read")
                    before = ahead[-1].sending if ahead else None
                    sending = asyncio.create_task(self._publish(producer, rows, before))
                    numbers = [row[SEQ] for row in rows]
                    ahead.append(_Batch(numbers, _ranges(numbers), sending))
                if self._stopping.is_set():
                    drain_until = drain_until or asyncio.get_running_loop().time() + DRAIN_SECONDS
                    if not ahead or asyncio.get_running_loop().time() > drain_until:
                        return
                elif not ahead:
                    await self._wait(POLL_SECONDS)
        finally:
            # a broker that is away must not hold up the end: what was not acknowledged is read again
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.gather(*(batch.sending for batch in ahead), return_exceptions=True)
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await producer.stop()

    async def _acknowledged(self, sending: asyncio.Task[None]) -> None:
        """Wait for Kafka. An idempotent producer tries for ever: when stopping, only so long; the rows stay."""
        if not sending.done():
            ending = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({sending, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not sending.done():
                    await asyncio.wait({sending}, timeout=DRAIN_SECONDS)
            finally:
                ending.cancel()
            if not sending.done():
                raise TimeoutError
        await sending

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

    async def _publish(
        self, producer: AIOKafkaProducer, rows: Sequence[Row], before: asyncio.Task[None] | None
    ) -> None:
        """Send rows in order once `before` is acknowledged, and return when they are. If that fails, so does this."""
        lanes = await self._encode(producer, rows)
        if before is not None:
            await before
        await asyncio.gather(*(self._send(producer, *lane, batches) for lane, batches in lanes.items()))
        for name, count in Counter(row[TYPE] for row in rows).items():
            EVENTS_RELAYED.labels(name).inc(count)

    async def _encode(self, producer: AIOKafkaProducer, rows: Sequence[Row]) -> Lanes:
        """The record batches of these rows. Raises ValueError where an event fits into none."""
        partitions: dict[str, int] = {}
        lanes: dict[tuple[str, int], list[BatchBuilder]] = {}
        for _, event_id, topic, subject, sequence, kind, sent_moment, traceparent, value in rows:
            if topic not in partitions:
                partitions[topic] = len(await producer.partitions_for(topic))
            key = subject.encode()
            lane = topic, partition_of(key, partitions[topic])
            if lane not in lanes:
                lanes[lane] = [producer.create_batch()]
            headers = join_headers(event_id, kind, self._source, _time_text(sent_moment), key, sequence, traceparent)
            if lanes[lane][-1].append(key=key, value=value, timestamp=None, headers=headers) is None:
                lanes[lane].append(producer.create_batch())
                if lanes[lane][-1].append(key=key, value=value, timestamp=None, headers=headers) is None:
                    raise ValueError(f"event {event_id} does not fit into a Kafka request")
        return lanes

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, partition: int, batches: Sequence[BatchBuilder]
    ) -> None:
        for batch in batches:
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))


def _ranges(numbers: Sequence[int]) -> list["asyncpg.Range[int]"]:
    """Exactly these numbers, which ascend, as ranges without gaps."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1]:
            found[-1][1] += 1
        else:
            found.append([number, number + 1])
    return [asyncpg.Range(low, high) for low, high in found]

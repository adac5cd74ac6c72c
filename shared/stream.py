"""FastStream on aiokafka, wired so that nothing is lost: one batch subscriber per topic, MANUAL ack, own offsets.

FastStream's defaults are at-most-once and `latest`, and a header that is not UTF-8 loses its whole batch: hence the
parser and decoder below, and `refuse_unsafe`, which stops a service whose subscriber is wired in any other way.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from shared import inbound
from shared.consume import Consumer, ConsumerStopped, Item
from shared.db import Database
from shared.failures import is_outage, supervise
from shared.settings import ServiceSettings
from shared.telemetry import CONSUMER_LAG, get_logger

__all__ = ["Stream", "UnsafeSubscriber", "refuse_unsafe"]

RECORDS_MAX = 500
PORTION = 50
POLL_MS = 500
SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 1_000
MAX_POLL_INTERVAL_MS = 300_000
REPORT_SECONDS = 2.0
STALE_SECONDS = 30.0
GRACEFUL_SECONDS = 12.0
STOP_SECONDS = 15.0
PING_SECONDS = 2.0
COMMIT_SECONDS = 2.0

logger = get_logger()


class UnsafeSubscriber(RuntimeError):
    """A subscriber would lose or skip messages; the service does not start."""


async def _parse(items: Sequence[Item]) -> KafkaMessage:
    """The batch as it is: nothing is decoded here, so nothing can fail here. FastStream looks at a record's topic."""
    records = tuple(item.record for item in items[:1])
    return KafkaMessage(body=items, raw_message=records, consumer=None)  # type: ignore[arg-type]  # never acked through it


async def _decode(message: KafkaMessage) -> Sequence[Item]:
    return cast(Sequence[Item], message.body)


class _Reader:
    """Brings one topic's batches, in place of FastStream's `get_msg`, and may bring one while another is applied."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._ahead: asyncio.Task[list[Item]] | None = None

    async def next_batch(self, consumer: AIOKafkaConsumer) -> tuple[Item, ...]:
        """What has arrived, as soon as something has, each record read; nothing after `POLL_MS`.

        FastStream's own sleeps after an empty poll for as long again, blind to what arrives meanwhile.
        """
        ahead, self._ahead = self._ahead, None
        return tuple(await (ahead or self._read(consumer)))

    def read_ahead(self, kafka: AIOKafkaConsumer) -> None:
        """Begin with the next batch, whose reading then costs no time while the database works on this one."""
        self._ahead = asyncio.create_task(self._read(kafka))

    async def forget(self) -> None:
        """Drop what was read ahead: nothing of it is applied, so it comes again."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, kafka: AIOKafkaConsumer) -> list[Item]:
        found = await kafka.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        records = list(chain.from_iterable(found.values()))
        items: list[Item] = []
        for begin in range(0, len(records), PORTION):
            if begin:
                await asyncio.sleep(0)  # the batch that is being applied goes on, as does everything else
            items += self._consumer.read_all(records[begin : begin + PORTION])
        return items


class _Standing(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Seeks each newly assigned partition to where our database stands, and tells health what is assigned."""

    def __init__(self, stream: "Stream", topic: str) -> None:
        self._stream = stream
        self._topic = topic
        self.joined = False
        self.since = time.monotonic()
        self.beyond: dict[int, tuple[int, int]] = {}

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.joined, self.since = False, time.monotonic()
        self.beyond = {}

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assigned = list(assigned)
        consumer = self._stream.kafka_consumer(self._topic)
        while consumer is not None and assigned and not self._stream.stopping.is_set():
            try:
                async with self._stream.database.read() as conn:
                    standing = await inbound.find_offsets(conn, self._topic)
            except Exception as error:  # an edge inside aiokafka: it would swallow the failure and read from elsewhere
                if not is_outage(error):
                    logger.exception("consume.no_offsets", topic=self._topic)
                await asyncio.sleep(1)
                continue
            for partition in assigned:
                # without a row the service has never read this partition: from its very beginning
                consumer.seek(partition, standing.get(partition.partition, 0))
            break
        else:
            if assigned:  # nothing was sought: what is read now starts at a wrong place
                return
        self.joined, self.since = True, time.monotonic()
        logger.info("consume.assigned", topic=self._topic, partitions=sorted(p.partition for p in assigned))


class Stream:
    """The consuming side of one service: its broker connection, its subscribers, their health and lag."""

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        database: Database,
        consumers: Sequence[Consumer],
        stopping: asyncio.Event,
    ) -> None:
        self.database = database
        self.stopping = stopping
        self._service = service
        self._consumers = {consumer.subscription.topic: consumer for consumer in consumers}
        self._standing: dict[str, _Standing] = {}
        self._readers: dict[str, _Reader] = {}
        self._subscribers: dict[str, Any] = {}
        self._starting: asyncio.Task[None] | None = None
        self._started = False
        self._measured: set[tuple[str, int]] = set()
        self.broker = KafkaBroker(
            settings.kafka,
            client_id=f"lapak-{service}",
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            graceful_timeout=GRACEFUL_SECONDS,
            allow_auto_create_topics=False,
            logger=None,
        )
        for consumer in consumers:
            self._subscribe(consumer)
        refuse_unsafe(self.broker)

    def _subscribe(self, consumer: Consumer) -> None:
        topic = consumer.subscription.topic
        self._standing[topic] = listener = _Standing(self, topic)
        self._readers[topic] = reader = _Reader(consumer)
        subscriber = self.broker.subscriber(
            topic,
            # a group per topic: a member that joins one topic does not make the others pause for a rebalance
            group_id=f"{self._service}.{topic}",
            batch=True,
            max_records=RECORDS_MAX,
            batch_timeout_ms=POLL_MS,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            parser=_parse,
            decoder=_decode,
            listener=listener,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        )

        async def apply(items: Sequence[Item]) -> None:
            try:
                ours = await self._read_from_standing(topic, items)
                if len(items) >= RECORDS_MAX and (kafka := subscriber.consumer) is not None:
                    # more is waiting. A smaller batch was all there is: what comes next had better come together
                    reader.read_ahead(kafka)
                if ours:
                    await consumer.apply(ours)
            except ConsumerStopped:
                logger.critical("consume.stopped", topic=topic, because=consumer.stopped_because)
                await self.stopping.wait()  # hold the loop here: reading on would skip what was not applied
            except Exception:  # a defect of the mechanism itself: reading on would skip records, so stop and say so
                consumer.stopped_because = "the consumer failed; its log has the reason"
                logger.exception("consume.stopped", topic=topic)
                await self.stopping.wait()

        subscriber.get_msg = reader.next_batch  # type: ignore[method-assign]  # FastStream has no setting for its sleep
        subscriber(apply)
        self._subscribers[topic] = subscriber

    async def _read_from_standing(self, topic: str, items: Sequence[Item]) -> Sequence[Item]:
        """Leave out what was read before its partition was sought to where our database stands.

        aiokafka begins to read at Kafka's committed offset while the listener still asks our database. Where that is
        ahead (a database restored from a backup), applying would move our offset over records that were never applied.
        What is left out is read again after the seek.
        """
        kafka = self.kafka_consumer(topic)
        if kafka is None or not self._standing[topic].joined:
            return []
        stale = set()
        for partition, offset in {item.record.partition: item.record.offset for item in items}.items():
            try:
                if await kafka.position(TopicPartition(topic, partition)) <= offset:
                    stale.add(partition)
            except IllegalStateError:  # revoked meanwhile: its next owner reads it
                stale.add(partition)
        return [item for item in items if item.record.partition not in stale] if stale else items

    def kafka_consumer(self, topic: str) -> AIOKafkaConsumer | None:
        """The running aiokafka consumer of a topic."""
        return self._subscribers[topic].consumer

    async def run(self) -> None:
        """Connect, consume, and report lag until stopping. A broker that is away is waited for."""
        if not self._consumers:
            return
        await supervise("consume.start", self._start, self.stopping, once=True)
        await supervise("consume.report", self._report, self.stopping)

    async def _start(self) -> None:
        self._starting = asyncio.create_task(self._connect())
        await asyncio.wait([self._starting])
        if not self._starting.cancelled():  # by `stop`
            self._starting.result()

    async def _connect(self) -> None:
        try:
            await self.broker.start()
        except BaseException:
            with suppress(Exception):
                await self._leave()
            raise
        self._started = True

    async def _leave(self) -> None:
        try:
            await self.broker.stop()
        finally:
            for reader in self._readers.values():
                await reader.forget()

    async def stop(self) -> None:
        """Read no further, let what is in flight end, leave the group. A broker that is away is not waited for."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                if self._starting is not None and not self._starting.done():
                    # a consumer that is closed while it connects waits for ever for answers that nobody reads
                    self._starting.cancel()
                    await asyncio.wait([self._starting])
                await self._leave()
        except (TimeoutError, KafkaError) as error:
            logger.warning("consume.left_in_haste", error=type(error).__name__)

    async def _report(self) -> None:
        """Commit to Kafka what our database has, for tools that show lag; and measure that lag ourselves."""
        while not self.stopping.is_set():
            for topic in self._consumers:
                consumer = self.kafka_consumer(topic)
                if consumer is None or not self._standing[topic].joined or self.stopping.is_set():
                    continue
                self._forget_lag(topic, {partition.partition for partition in consumer.assignment()})
                async with self.database.read() as conn:
                    standing = await inbound.find_offsets(conn, topic)
                commits = {}
                for partition in consumer.assignment():
                    offset = standing.get(partition.partition)
                    high = consumer.highwater(partition)
                    if high is not None:
                        CONSUMER_LAG.labels(topic, partition.partition).set(max(0, high - (offset or 0)))
                        self._measured.add((topic, partition.partition))
                        if offset is not None and offset > high:
                            self._standing[topic].beyond[partition.partition] = (offset, high)
                    if offset is not None:
                        commits[partition] = offset
                if commits:
                    # only for tools: a rebalance in between does no harm. aiokafka tries for ever when the consumer
                    # was stopped meanwhile, and the service would never end
                    with suppress(KafkaError, TimeoutError):
                        async with asyncio.timeout(COMMIT_SECONDS):
                            await consumer.commit(commits)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), REPORT_SECONDS)

    def _forget_lag(self, topic: str, assigned: set[int]) -> None:
        """A partition that moved to another replica is measured there; our last figure would stand for ever."""
        for measured in [m for m in self._measured if m[0] == topic and m[1] not in assigned]:
            self._measured.discard(measured)
            with suppress(KeyError):
                CONSUMER_LAG.remove(topic, str(measured[1]))

    async def broker_answers(self) -> bool:
        """Whether the cluster answers now."""
        return self._started and await self.broker.ping(PING_SECONDS)

    def health(self, *, broker_answers: bool = True) -> dict[str, tuple[bool, str]]:
        """Per topic: whether it is being consumed, and a word on it. One that only lacks its broker is not ill."""
        return {topic: self._health_of(topic, consumer, broker_answers) for topic, consumer in self._consumers.items()}

    def _health_of(self, topic: str, consumer: Consumer, broker_answers: bool) -> tuple[bool, str]:
        if consumer.stopped_because is not None:
            return False, f"stopped: {consumer.stopped_because}"
        if not broker_answers:
            return True, "waits for the broker"
        if consumer.waiting_for_outage is not None:
            return False, f"waits for an outage to end ({consumer.waiting_for_outage})"
        if consumer.waiting_for_release is not None:
            # well: it serves on, and who comes takes over
            return True, f"leaves {consumer.waiting_for_release} to the newer release that serves beside this one"
        kafka, standing = self.kafka_consumer(topic), self._standing[topic]
        if not self._started or kafka is None:
            return False, "not connected to the broker yet"
        if not standing.joined:
            return False, "joining its group"
        assigned = kafka.assignment()
        for partition, (offset, high) in standing.beyond.items():
            # what comes now would pass for done: Kafka has lost records, or the topic was made anew
            return False, (
                f"our offset {offset} of partition {partition} is beyond the log's end {high}; "
                "set it to 0 in consumer_offset and restart: versions refuse what was applied"
            )
        if not assigned:
            return True, "stands by: the group has as many members as partitions"
        polled = [kafka.last_poll_timestamp(partition) for partition in assigned]
        known = [stamp for stamp in polled if stamp is not None]
        age = time.time() - max(known) / 1000 if known else time.monotonic() - standing.since
        if age > STALE_SECONDS:
            return False, f"no answer from the broker for {age:.0f} s"
        return True, f"{len(assigned)} partitions"


def refuse_unsafe(broker: KafkaBroker) -> None:
    """Raise `UnsafeSubscriber` unless every subscriber reads from the earliest record and acknowledges nothing."""
    for subscriber in broker.subscribers:
        arguments = getattr(subscriber, "_connection_args", {})
        wrong = [
            text
            for text, fine in (
                ("ack_policy is not MANUAL", subscriber.ack_policy is AckPolicy.MANUAL),
                ("group_id is missing", bool(getattr(subscriber, "group_id", None))),
                ("auto_offset_reset is not earliest", arguments.get("auto_offset_reset") == "earliest"),
                ("auto-commit is on", arguments.get("enable_auto_commit") is False),
                (
                    "it takes messages one by one, not in batches",
                    getattr(subscriber, "max_records", None) is not None,
                ),
            )
            if not fine
        ]
        if wrong:
            names = ", ".join(getattr(subscriber, "topic_names", ["?"]))
            raise UnsafeSubscriber(f"subscriber of {names}: {'; '.join(wrong)}")

"""Kafka: the topics of this system, and how we produce. Topic per publisher, key = aggregate id."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

__all__ = [
    "COMPACTION_LAG_MAX",
    "ROLL_AFTER",
    "TOPICS",
    "TopicSpec",
    "delete_records_before",
    "ensure_topics",
    "open_producer",
]

REQUEST_BYTES_MAX = 1_000_000
REQUEST_TIMEOUT_MS = 15_000
TOPIC_SECONDS_MAX = 30.0
ROLL_AFTER = timedelta(hours=6)
"""An append this long after a segment's first record begins a new one: only closed segments are compacted."""
COMPACTION_LAG_MAX = timedelta(hours=24)
"""A closed segment that holds an older record is compacted, however few records there are to clean."""
SET_ON_TOPIC = 1
"""Source of a setting in Kafka's answer: set on the topic itself (DYNAMIC_TOPIC_CONFIG), no default of the broker."""


class TopicSpec(NamedTuple):
    """A topic: its name, its partitions (the bound on consumers that share the work), its settings in Kafka's terms."""

    name: str
    partitions: int
    config: Mapping[str, str]


def _ms(period: timedelta) -> str:
    return str(period // timedelta(milliseconds=1))


# Facts are kept for ever: a new consumer reads the whole history. Commands are answered and may go; a segment a day, so
# that what was deleted of them leaves the broker's disk.
_FACTS = {"cleanup.policy": "delete", "retention.ms": "-1"}
_COMMANDS = {
    "cleanup.policy": "delete",
    "retention.ms": _ms(timedelta(days=14)),
    "segment.ms": _ms(timedelta(days=1)),
}
# Of each key the last record stays. That the ones before it are gone in time is a promise (erasure of a person, within
# 3 x 24 hours): it rests on these settings, see `docs/decisions`.
_LATEST = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": _ms(timedelta(days=1)),
    "max.compaction.lag.ms": _ms(COMPACTION_LAG_MAX),
    "segment.ms": _ms(ROLL_AFTER),
}

TOPICS = (
    TopicSpec("lapak.vendor.events.v1", 6, _FACTS),
    TopicSpec("lapak.vendor.contact.v1", 6, _LATEST),
    TopicSpec("lapak.vendor.commands.v1", 6, _COMMANDS),
    TopicSpec("lapak.bazaar.events.v1", 6, _FACTS),
    TopicSpec("lapak.bazaar.commands.v1", 6, _COMMANDS),
    TopicSpec("lapak.training.events.v1", 6, _FACTS),
    TopicSpec("lapak.training.contact.v1", 6, _LATEST),
    TopicSpec("lapak.training.commands.v1", 6, _COMMANDS),
    TopicSpec("lapak.notify.events.v1", 6, _FACTS),
    TopicSpec("lapak.operations.events.v1", 1, _FACTS),
)


async def ensure_topics(
    bootstrap: str, specs: Sequence[TopicSpec] = TOPICS, *, replication: int | None = None
) -> list[str]:
    """Make topics exist, each with a leader, and return the names created.

    Without `replication` as many copies as the cluster has brokers, three at the most. A topic with fewer partitions
    than asked gets more; one with more is left alone. A topic that exists gets the settings named here, because erasure
    rests on them; whatever else an operator has set on it stays. Raises `KafkaError`; TimeoutError after
    `TOPIC_SECONDS_MAX`.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="lapak-topics")
    try:
        await admin.start()
        copies = replication or min(3, len((await admin.describe_cluster())["brokers"]))
        answer = await admin.create_topics(
            [NewTopic(spec.name, spec.partitions, copies, topic_configs=dict(spec.config)) for spec in specs]
        )
        failed = {name: code for name, code, *_ in answer.topic_errors if code != 0}
        for name, code in failed.items():
            if code != TopicAlreadyExistsError.errno:
                raise for_code(code)(f"topic {name} could not be created")
        async with asyncio.timeout(TOPIC_SECONDS_MAX):
            await _wait_for_partitions(admin, {spec.name: spec.partitions for spec in specs})
        await _settle(admin, [spec for spec in specs if spec.name in failed and spec.config])
        return [spec.name for spec in specs if spec.name not in failed]
    finally:
        await admin.close()


async def _settle(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Give topics that were there before the settings of their spec, and leave their other settings as they are."""
    if not specs:
        return
    asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name, None) for spec in specs]
    standing: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for code, _, _, name, entries in answer.resources:
            if code != 0:
                raise for_code(code)(f"the settings of topic {name} could not be read")
            standing[name] = {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}
    # the request replaces all that is set on a topic, hence the union
    changes = [
        ConfigResource(ConfigResourceType.TOPIC, spec.name, {**standing[spec.name], **spec.config})
        for spec in specs
        if not spec.config.items() <= standing[spec.name].items()
    ]
    for answer in await admin.alter_configs(changes) if changes else []:
        for code, _, _, name in answer.resources:
            if code != 0:
                raise for_code(code)(f"the settings of topic {name} could not be changed")


async def delete_records_before(bootstrap: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete what stands before these offsets of a topic, partition by partition; no client reads it again.

    An offset beyond the log's end (a topic that was made anew) deletes what there is. Raises `KafkaError`.
    """
    if not offsets:  # a consumer that is stopped before it asked anything raises CancelledError
        return
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, client_id="lapak-topics")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="lapak-topics")
    try:
        await reader.start()
        partitions = [TopicPartition(topic, partition) for partition in offsets]
        first = await reader.beginning_offsets(partitions)
        end = await reader.end_offsets(partitions)
        wanted = {place: min(offsets[place.partition], end[place]) for place in partitions}
        wanted = {place: offset for place, offset in wanted.items() if offset > first[place]}
        if wanted:
            await admin.start()
            await admin.delete_records({place: RecordsToDelete(offset) for place, offset in wanted.items()})
    finally:
        await reader.stop()
        await admin.close()


async def _wait_for_partitions(admin: AIOKafkaAdminClient, wanted: Mapping[str, int]) -> None:
    """Return once every topic has its partitions and each of them a leader; adds what is missing."""
    grown: set[str] = set()
    while True:
        found = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(list(wanted))}
        small = {name for name, count in wanted.items() if 0 < len(found.get(name, [])) < count} - grown
        if small:
            await admin.create_partitions({name: NewPartitions(wanted[name]) for name in small})
            grown |= small
        complete = all(len(found.get(name, [])) >= count for name, count in wanted.items())
        if complete and all(part["leader"] >= 0 for parts in found.values() for part in parts):
            return
        await asyncio.sleep(0.05)


async def open_producer(bootstrap: str, client_id: str) -> AIOKafkaProducer:
    """A started producer: idempotent, acknowledged by all in-sync replicas."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_batch_size=REQUEST_BYTES_MAX,
        max_request_size=REQUEST_BYTES_MAX,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer

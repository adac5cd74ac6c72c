"""Kafka: the topics of this system, and how we produce. Topic per publisher, key = aggregate id."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

__all__ = ["TOPICS", "TopicSpec", "ensure_topics", "open_producer"]

REQUEST_BYTES_MAX = 1_000_000
REQUEST_TIMEOUT_MS = 15_000
TOPIC_SECONDS_MAX = 30.0


class TopicSpec(NamedTuple):
    """A topic: its name, its partitions (the bound on consumers that share the work), its settings in Kafka's terms."""

    name: str
    partitions: int
    config: Mapping[str, str]


# Facts are kept for ever: a new consumer reads the whole history. Commands are answered and may go.
_FACTS = {"cleanup.policy": "delete", "retention.ms": "-1"}
_COMMANDS = {"cleanup.policy": "delete", "retention.ms": str(14 * 24 * 3600 * 1000)}
_LATEST = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "delete.retention.ms": str(24 * 3600 * 1000),
}

TOPICS = (
    TopicSpec("lapak.vendor.events.v1", 6, _FACTS),
    TopicSpec("lapak.vendor.contact.v1", 6, _LATEST),
    TopicSpec("lapak.vendor.commands.v1", 6, _COMMANDS),
    TopicSpec("lapak.bazaar.events.v1", 6, _FACTS),
    TopicSpec("lapak.bazaar.commands.v1", 6, _COMMANDS),
    TopicSpec("lapak.training.events.v1", 6, _FACTS),
    TopicSpec("lapak.notify.events.v1", 6, _FACTS),
    TopicSpec("lapak.operations.events.v1", 1, _FACTS),
)


async def ensure_topics(
    bootstrap: str, specs: Sequence[TopicSpec] = TOPICS, *, replication: int | None = None
) -> list[str]:
    """Make topics exist, each with a leader, and return the names created.

    Without `replication` as many copies as the cluster has brokers, three at the most. A topic with fewer partitions
    than asked gets more; one with more, or with other settings, is left alone. Raises `KafkaError`; TimeoutError after
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
        return [spec.name for spec in specs if spec.name not in failed]
    finally:
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

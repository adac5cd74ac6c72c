"""Kafka: the topics of this system, and how we produce. Topic per publisher, key = aggregate id."""

from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from shared.events.envelope import Message

__all__ = ["TOPICS", "TopicSpec", "ensure_topics", "open_producer"]

REQUEST_BYTES_MAX = 1_000_000
REQUEST_TIMEOUT_MS = 15_000


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


def topics_of_messages() -> set[str]:
    """Every topic that a contract names."""
    return {message.topic for message in Message.registry.values()}


async def ensure_topics(bootstrap: str, *, replication: int = 1) -> list[str]:
    """Create the topics that are missing and return their names. A topic that exists is left as it is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="lapak-topics")
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [spec for spec in TOPICS if spec.name not in existing]
        if not missing:
            return []
        answer = await admin.create_topics(
            [NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.config)) for spec in missing]
        )
        for name, code, *_ in answer.topic_errors:
            if code not in (0, 36):  # 36: somebody else created it meanwhile
                raise for_code(code)(f"topic {name} could not be created")
        return [spec.name for spec in missing]
    finally:
        await admin.close()


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

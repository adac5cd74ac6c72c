"""Topics on a real Kafka: made once, given the settings erasure rests on, emptied of what was consumed."""

from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.kafka import TopicSpec, delete_records_before, ensure_topics
from tests.integration.backbone import producer, until


@pytest.fixture
async def admin(broker: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=broker)
    await client.start()
    yield client
    await client.close()


async def settings(admin: AIOKafkaAdminClient, topic: str) -> Mapping[str, str]:
    """What is set on the topic itself."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, None)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4] if entry[3] == 1}


async def until_settings(admin: AIOKafkaAdminClient, topic: str, wanted: Mapping[str, str]) -> None:
    """A broker hears of a change a moment after it was made."""

    async def heard() -> bool:
        return await settings(admin, topic) == wanted

    await until(heard, 10)


async def test_a_topic_that_exists_gets_the_settings_of_its_spec_and_keeps_its_others(
    broker: str, admin: AIOKafkaAdminClient
) -> None:
    name = f"test.{uuid4().hex[:12]}"
    before = {"cleanup.policy": "delete", "retention.ms": "5000", "min.insync.replicas": "1"}
    await admin.create_topics([NewTopic(name, 2, 1, topic_configs=before)])
    spec = TopicSpec(name, 2, {"cleanup.policy": "compact", "segment.ms": "60000"})
    assert await ensure_topics(broker, [spec]) == []
    wanted = {**before, **spec.config}
    await until_settings(admin, name, wanted)
    assert await ensure_topics(broker, [spec]) == []
    await until_settings(admin, name, wanted)


async def test_a_new_topic_has_its_settings_at_once(broker: str, admin: AIOKafkaAdminClient) -> None:
    spec = TopicSpec(f"test.{uuid4().hex[:12]}", 3, {"cleanup.policy": "compact", "segment.ms": "60000"})
    assert await ensure_topics(broker, [spec]) == [spec.name]
    await until_settings(admin, spec.name, spec.config)


async def test_what_stands_before_an_offset_is_read_by_nobody_again(broker: str) -> None:
    name = f"test.{uuid4().hex[:12]}"
    await ensure_topics(broker, [TopicSpec(name, 3, {"cleanup.policy": "delete"})])
    async with producer(broker) as sender:
        for partition in range(3):
            for number in range(5):
                await sender.send_and_wait(name, value=b"%d" % number, partition=partition)
    # the middle of one, all of another though we claim to have read more, and nothing of the third
    for _ in range(2):  # twice does no harm
        await delete_records_before(broker, name, {0: 3, 1: 900, 2: 0})
    places = [TopicPartition(name, partition) for partition in range(3)]
    reader = AIOKafkaConsumer(bootstrap_servers=broker)
    await reader.start()
    try:
        first, end = await reader.beginning_offsets(places), await reader.end_offsets(places)
        assert [(first[place], end[place]) for place in places] == [(3, 5), (5, 5), (0, 5)]
    finally:
        await reader.stop()
    await delete_records_before(broker, name, {})

"""A consumer that is told to end, ends; whatever it is in the midst of."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from shared.consume import Subscription
from tests.conftest import MakeDatabase, SetEnv
from tests.integration.backbone import Counted, add, headers, make_counters, make_topic, producer, reading, until


async def test_a_stream_that_is_stopped_while_it_tells_kafka_its_offsets_ends(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's commit tries for ever when its consumer was stopped meanwhile."""
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    body = Counted(counter="a", add=1).to_bytes()
    async with (
        producer(broker) as out,
        reading(fresh, broker, Subscription(topic, on={Counted: add}), setenv) as reader,
    ):
        await until(lambda: reader.stream.health()[topic][0])
        kafka = reader.stream.kafka_consumer(topic)
        assert kafka is not None
        commit, committing, stopped = kafka._coordinator.commit_offsets, asyncio.Event(), asyncio.Event()

        async def late(*arguments: Any) -> None:
            committing.set()
            await stopped.wait()
            kafka._coordinator.coordinator_dead()  # what a request in flight does when its connection is closed
            await commit(*arguments)

        monkeypatch.setattr(kafka._coordinator, "commit_offsets", late)
        await out.send_and_wait(topic, body, key=b"a", headers=headers("a", 1))
        async with asyncio.timeout(10):
            await committing.wait()
        reader.stopping.set()
        await reader.stream.stop()
        stopped.set()
        _, still = await asyncio.wait(reader.tasks, timeout=10)
        for task in still:
            task.cancel()
        assert not still


async def test_a_stream_that_is_stopped_while_it_connects_ends(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka waits for ever for the partitions of a topic when its client was closed meanwhile."""
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    wait_for_topics, connecting = AIOKafkaConsumer._wait_topics, asyncio.Event()

    async def told(kafka: AIOKafkaConsumer) -> None:
        connecting.set()
        await asyncio.sleep(0)  # and only now the one that stops it may go on
        await wait_for_topics(kafka)

    monkeypatch.setattr(AIOKafkaConsumer, "_wait_topics", told)
    async with reading(fresh, broker, Subscription(topic, on={Counted: add}), setenv) as reader:
        async with asyncio.timeout(10):
            await connecting.wait()
        reader.stopping.set()
        await reader.stream.stop()
        _, still = await asyncio.wait(reader.tasks, timeout=10)
        for task in still:
            task.cancel()
        assert not still

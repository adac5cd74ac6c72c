"""Outages: the database cut off, the broker gone. Nothing becomes a dead letter, everything catches up by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from deploy.local import stack
from shared.consume import Subscription
from shared.db import open_database
from shared.kafka import open_producer
from tests.conftest import FreshDatabase, MakeDatabase, SetEnv
from tests.integration.backbone import (
    Counted,
    Reader,
    add,
    headers,
    make_counters,
    make_topic,
    producer,
    publish,
    reading,
    relaying,
    until,
)

CUT_SECONDS = 2
AWAY_SECONDS = 6
"""And then Kafka starts, which takes as long again: about the time after which a group forgets its member."""
LARGE = 2 * 1024 * 1024


class Door:
    """A TCP door before the database that can be shut in the midst of everything."""

    def __init__(self, dsn: str) -> None:
        self._to = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def dsn(self) -> str:
        """The database, through this door."""
        address = f"{self._to.username}:{self._to.password}@127.0.0.1:{self.port}"
        return urlunsplit((self._to.scheme, address, self._to.path, self._to.query, ""))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse who comes, break every connection."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._open |= {writer, inner_writer}
        for source, target in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(self._carry(source, target))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


@asynccontextmanager
async def behind_a_door(fresh: FreshDatabase) -> AsyncIterator[tuple[Door, FreshDatabase]]:
    """The same database, through a door."""
    door = Door(fresh.dsn)
    await door.open()
    database = await open_database(door.dsn, size=5, name="test-door")
    try:
        yield door, FreshDatabase(door.dsn, database)
    finally:
        await database.pool.close()
        await door.shut()


async def _changes(fresh: FreshDatabase) -> int:
    async with fresh.database.read() as conn:
        return int(await conn.fetchval("SELECT coalesce(sum(changes), 0) FROM counter"))


async def _assert_once_and_in_order(fresh: FreshDatabase, reader: Reader, last: int) -> None:
    async with fresh.database.read() as conn:
        assert await conn.fetchval("SELECT trail FROM counter WHERE name = 'a'") == list(range(1, last + 1))
        assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0
        assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
    assert reader.consumer.stopped_because is None


async def test_a_database_that_is_cut_off_is_waited_for_by_relay_and_consumer(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    subscription = Subscription(topic, on={Counted: add})
    async with (
        behind_a_door(fresh) as (door, through),
        relaying(through, broker),
        reading(through, broker, subscription, setenv) as reader,
    ):

        async def applied(count: int) -> bool:
            return await _changes(fresh) >= count

        await publish(fresh.database, topic, "a", range(1, 201))
        await until(lambda: applied(1), 20)
        await publish(fresh.database, topic, "a", range(201, 401), first=201)
        await door.shut()
        async with producer(broker) as out:  # something to apply meanwhile
            body = Counted(counter="b", add=1).to_bytes()
            await out.send_and_wait(topic, body, key=b"b", headers=headers("b", 1))
        await asyncio.sleep(CUT_SECONDS)
        assert not await applied(401)
        assert reader.consumer.waiting_for_outage is not None
        assert not reader.stream.health()[topic][0]
        await door.open()
        await until(lambda: applied(401), 20)
        await until(lambda: reader.stream.health()[topic][0], 10)
        await _assert_once_and_in_order(fresh, reader, 400)


async def test_a_broker_that_is_away_is_waited_for_by_relay_and_consumer(
    make_database: MakeDatabase,
    servers: stack.Running,
    broker: str,
    setenv: SetEnv,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if servers.broker_kind != "apache":
        pytest.skip("only Apache Kafka keeps its log when it is killed, and only ours may be killed")
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    subscription = Subscription(topic, on={Counted: add})
    async with relaying(fresh, broker), reading(fresh, broker, subscription, setenv) as reader:

        async def applied(count: int) -> bool:
            return await _changes(fresh) == count

        await publish(fresh.database, topic, "a", range(1, 101))
        await until(lambda: applied(100), 20)
        assert await asyncio.to_thread(stack.kill, servers.name, "kafka")
        try:
            for number in range(101, 201):  # commands go on
                await publish(fresh.database, topic, "a", [number], first=number)
            await asyncio.sleep(AWAY_SECONDS)
            assert not await reader.stream.broker_answers()
            assert reader.stream.health(broker_answers=False)[topic] == (True, "waits for the broker")
            async with fresh.database.read() as conn:
                assert await conn.fetchval("SELECT count(*) FROM outbox") == 100
        finally:
            monkeypatch.delenv("LAPAK_KAFKA")  # the service's; to the stack it would mean a broker that is given
            await asyncio.to_thread(stack.start, servers.name)
        await until(lambda: applied(200), 60)
        await until(reader.stream.broker_answers, 20)

        async def told() -> bool:
            async with fresh.database.read() as conn:
                return bool(await conn.fetchval("SELECT count(*) = 0 FROM outbox"))

        await until(told, 20)
        await _assert_once_and_in_order(fresh, reader, 200)


async def test_a_record_over_the_brokers_limit_is_refused_to_its_sender_and_holds_up_nobody(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    """Topics take 1 MB, Kafka's own limit. Who sends 2 MB is told so; the consumers never see it."""
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    foreign = AIOKafkaProducer(bootstrap_servers=broker, max_request_size=2 * LARGE)
    await foreign.start()
    ours = await open_producer(broker, "test")
    try:
        async with reading(fresh, broker, Subscription(topic, on={Counted: add}), setenv) as reader:
            for sender in (foreign, ours):
                with pytest.raises(MessageSizeTooLargeError):
                    await sender.send_and_wait(topic, b"x" * LARGE, key=b"big", headers=headers("big", 1))
            body = Counted(counter="a", add=1).to_bytes()
            await foreign.send_and_wait(topic, body, key=b"a", headers=headers("a", 1))

            async def flows() -> bool:
                return await _changes(fresh) == 1

            await until(flows)
            assert await reader.letters() == []
    finally:
        await foreign.stop()
        await ours.stop()

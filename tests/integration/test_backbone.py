"""Outbox, relay, consumer and dead letters on a real broker and a real database."""

import asyncio
from datetime import datetime
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaRouter

from shared import dead_letters, outbox
from shared.consume import DEAD_LETTER_RUN_MAX, Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.events.envelope import Envelope, Message, write_headers
from shared.relay import partition_of
from shared.stream import UnsafeSubscriber, refuse_unsafe
from tests.conftest import SECRET_KEYS, FreshDatabase, MakeDatabase, SetEnv
from tests.integration.backbone import (
    NOW,
    Counted,
    Reader,
    Reset,
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


async def _everything(broker: str, topic: str) -> list[tuple[int, bytes, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or {0, 1, 2})]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[int, bytes, bytes]] = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [(tp.partition, r.key, dict(r.headers)["ce_sequence"]) for r in records]
        return found
    finally:
        await consumer.stop()


def _subscribe(topic: str) -> Subscription:
    return Subscription(topic, on={Counted: add})


async def _empty(fresh: FreshDatabase) -> bool:
    async with fresh.database.read() as conn:
        return bool(await conn.fetchval("SELECT count(*) = 0 FROM outbox"))


async def test_the_relay_publishes_each_aggregate_in_order_to_its_keys_partition(
    make_database: MakeDatabase, broker: str
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)
    for turn in range(5):
        for counter in "abcdefgh":
            await publish(fresh.database, topic, counter, range(40), first=turn * 40 + 1)
    async with relaying(fresh, broker):
        await until(lambda: _empty(fresh))
    records = await _everything(broker, topic)
    assert len(records) == 8 * 200
    for counter in "abcdefgh":
        own = [(partition, int(sequence)) for partition, key, sequence in records if key == counter.encode()]
        assert [sequence for _, sequence in own] == list(range(1, 201))
        assert {partition for partition, _ in own} == {partition_of(counter.encode(), 3)}


async def test_the_relay_writes_the_headers_of_the_envelope_to_the_last_microsecond(
    make_database: MakeDatabase, broker: str
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    traceparent = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    moments = [NOW.replace(microsecond=123_456), NOW, NOW.replace(year=1969, microsecond=1)]
    async with fresh.database.transaction() as conn:
        for sequence, moment in enumerate(moments, start=1):
            await outbox.record(conn, [outbox.Fact(Counted(counter="a", add=1), sequence, traceparent)], now=moment)
        await conn.execute("UPDATE outbox SET topic = $1", topic)
        rows = await conn.fetch("SELECT event_id, occurred_at, sequence FROM outbox ORDER BY seq")
    async with relaying(fresh, broker, "vendor"):
        await until(lambda: _empty(fresh))
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = [list((await consumer.getone()).headers) for _ in moments]
    finally:
        await consumer.stop()
    assert found == [
        write_headers(Envelope(row[0], "Counted", "lapak/vendor", row[1], "a", row[2], traceparent)) for row in rows
    ]
    assert [row["occurred_at"] for row in rows] == moments


async def test_a_second_relay_takes_over_when_the_leader_loses_its_connection(
    make_database: MakeDatabase, broker: str
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)
    async with relaying(fresh, broker) as one, relaying(fresh, broker) as two:
        await until(lambda: one.leads or two.leads)
        await publish(fresh.database, topic, "a", range(10))
        await until(lambda: _empty(fresh))
        assert one.leads != two.leads
        async with fresh.database.transaction() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
                "WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()"
            )
        began = asyncio.get_running_loop().time()
        await publish(fresh.database, topic, "a", range(10), first=11)
        await until(lambda: _empty(fresh), 5)
        assert asyncio.get_running_loop().time() - began < 5
    sequences = [int(sequence) for _, _, sequence in await _everything(broker, topic)]
    assert sorted(set(sequences)) == list(range(1, 21))


async def test_a_fact_whose_transaction_rolls_back_is_never_published(make_database: MakeDatabase, broker: str) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)

    async def record_and_fail() -> None:
        async with fresh.database.transaction() as conn:
            await outbox.record(conn, [outbox.Fact(Counted(counter="a", add=1), 1)], now=NOW)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await record_and_fail()
    await publish(fresh.database, topic, "a", [7])
    async with relaying(fresh, broker):
        await until(lambda: _empty(fresh))
    assert len(await _everything(broker, topic)) == 1


async def test_an_event_over_the_size_limit_fails_its_transaction_and_not_the_relay(
    make_database: MakeDatabase,
) -> None:
    fresh = await make_database("vendor")
    with pytest.raises(outbox.EventTooLarge):
        async with fresh.database.transaction() as conn:
            await outbox.record(conn, [outbox.Fact(Counted(counter="x" * outbox.EVENT_BYTES_MAX, add=1), 1)], now=NOW)


async def test_duplicates_are_refused_and_every_event_applied_once_and_in_order(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)
    await make_counters(fresh.database)
    async with producer(broker) as out, reading(fresh, broker, _subscribe(topic), setenv) as reader:
        for turn in range(3):
            for sequence in range(1, 51):
                body = Counted(counter="a", add=sequence).to_bytes()
                await out.send(topic, body, key=b"a", headers=headers("a", sequence))
            await out.flush()
            await until(lambda: _total(reader, "a", sum(range(1, 51))))
            assert turn >= 0
        await out.send_and_wait(topic, Counted(counter="a", add=51).to_bytes(), key=b"a", headers=headers("a", 51))
        await until(lambda: _total(reader, "a", sum(range(1, 52))))
        assert (await reader.counters())["a"] == (sum(range(1, 52)), 51)
        async with fresh.database.read() as conn:
            assert await conn.fetchval("SELECT trail FROM counter") == list(range(1, 52))


async def _total(reader: Reader, counter: str, total: int) -> bool:
    return (await reader.counters()).get(counter, (0, 0))[0] == total


async def test_two_members_share_the_partitions_and_a_leaving_one_costs_nothing(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)
    await make_counters(fresh.database)
    counters = [f"c{i}" for i in range(30)]

    async def send(out: object, first: int, last: int) -> None:
        for sequence in range(first, last):
            for counter in counters:
                body = Counted(counter=counter, add=1).to_bytes()
                await out.send(topic, body, key=counter.encode(), headers=headers(counter, sequence))  # type: ignore[attr-defined]
        await out.flush()  # type: ignore[attr-defined]

    async with producer(broker) as out, reading(fresh, broker, _subscribe(topic), setenv) as one:
        await send(out, 1, 21)
        async with reading(fresh, broker, _subscribe(topic), setenv) as two:
            await send(out, 21, 41)
            await until(lambda: all(r.stream.health()[topic][1].endswith("partitions") for r in (one, two)), 30)
            await send(out, 41, 61)
        await send(out, 61, 81)

        async def all_there() -> bool:
            now = await one.counters()
            return all(now.get(counter, (0, 0))[1] >= 80 for counter in counters)

        await until(all_there, 30)
        assert set((await one.counters()).values()) == {(80, 80)}


async def test_poison_is_set_aside_its_key_waits_and_its_neighbours_flow(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    good = Counted(counter="good", add=1).to_bytes()
    async with producer(broker) as out, reading(fresh, broker, _subscribe(topic), setenv) as reader:
        await out.send(topic, good, key=b"good", headers=headers("good", 1))
        await out.send(topic, b"{not json", key=b"bad", headers=headers("bad", 1))
        await out.send(topic, good, key=b"latin", headers=[*headers("latin", 1), ("ce_type", b"\xff\xfe")])
        await out.send(topic, good, key=b"bare", headers=[])
        await out.send(topic, None, key=b"null", headers=headers("null", 1))
        await out.send(topic, b"x" * 900_000, key=b"huge", headers=headers("huge", 1))
        await out.send(topic, b"{}", key=b"future", headers=headers("future", 1, kind="SomethingNew"))
        await out.send(topic, Counted(counter="bad", add=5).to_bytes(), key=b"bad", headers=headers("bad", 2))
        await out.send(topic, good, key=b"good", headers=headers("good", 2))
        await out.flush()
        await until(lambda: _total(reader, "good", 2))
        assert await reader.counters() == {"good": (2, 2)}
        assert await reader.letters() == ["failed", "failed", "failed", "failed", "failed", "waiting"]

        # the operator mends the body and replays: the one that waited follows, in order, and the key flows again
        async with fresh.database.transaction() as conn:
            first = (await dead_letters.list_open(conn, topic=topic))[0]
            mended = Counted(counter="bad", add=3).to_bytes()
            await dead_letters.edit(
                conn, Sealer(SECRET_KEYS), first["id"], mended, actor="op", note="sender's typo", now=NOW
            )
            assert await dead_letters.ask_replay(conn, [first["id"]], actor="op", note=None, now=NOW) == 1
        await until(lambda: _total(reader, "bad", 8))
        await out.send_and_wait(topic, Counted(counter="bad", add=1).to_bytes(), key=b"bad", headers=headers("bad", 3))
        await until(lambda: _total(reader, "bad", 9))
        async with fresh.database.read() as conn:
            assert await conn.fetchval("SELECT trail FROM counter WHERE name = 'bad'") == [3, 5, 1]
            letter, acts = await dead_letters.find(conn, first["id"])
        assert letter["state"] == "replayed"
        assert [act["act"] for act in acts] == ["edit", "replay"]


async def test_a_discarded_letter_lets_its_key_flow_again(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    async with producer(broker) as out, reading(fresh, broker, _subscribe(topic), setenv) as reader:
        await out.send(topic, b"[]", key=b"k", headers=headers("k", 1))
        await out.send_and_wait(topic, Counted(counter="k", add=2).to_bytes(), key=b"k", headers=headers("k", 2))

        async def queued() -> bool:
            return await reader.letters() == ["failed", "waiting"]

        await until(queued)
        async with fresh.database.transaction() as conn:
            first = (await dead_letters.list_open(conn))[0]
            await dead_letters.discard(conn, first["id"], actor="op", note="sent by mistake", now=NOW)
        await until(lambda: _total(reader, "k", 2))

        async def flows() -> bool:
            async with fresh.database.read() as conn:
                return bool(await conn.fetchval("SELECT count(*) = 0 FROM parked_key"))

        await until(flows)


async def test_a_failing_handler_gets_a_few_tries_and_then_only_its_own_record_is_set_aside(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    tries: list[int] = []

    async def moody(conn: Connection, received: Received[Counted], now: datetime) -> None:
        await add(conn, received, now)
        if received.body.counter == "moody":
            tries.append(1)
            if len(tries) < 3:
                raise KeyError("not today")
        if received.body.counter == "never":
            raise KeyError("never")

    subscription = Subscription(topic, on={Counted: moody})
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        for counter in ("fine", "moody", "never", "last"):
            body = Counted(counter=counter, add=1).to_bytes()
            await out.send(topic, body, key=counter.encode(), headers=headers(counter, 1))
        await out.flush()
        await until(lambda: _total(reader, "last", 1))
        assert set(await reader.counters()) == {"fine", "moody", "last"}
        assert await reader.letters() == ["failed"]


async def test_an_outage_of_the_database_is_waited_for_and_nothing_becomes_a_dead_letter(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    failures = [asyncpg.ConnectionDoesNotExistError("gone"), OSError("refused"), asyncpg.CannotConnectNowError("up")]

    async def shaky(conn: Connection, received: Received[Counted], now: datetime) -> None:
        if failures:
            raise failures.pop()
        await add(conn, received, now)

    async with (
        producer(broker) as out,
        reading(fresh, broker, Subscription(topic, on={Counted: shaky}), setenv) as reader,
    ):
        await out.send_and_wait(topic, Counted(counter="a", add=1).to_bytes(), key=b"a", headers=headers("a", 1))
        await until(lambda: _total(reader, "a", 1))
        assert await reader.letters() == []


async def test_a_run_of_dead_letters_stops_the_consumer_and_turns_it_unready(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    async with producer(broker) as out, reading(fresh, broker, _subscribe(topic), setenv) as reader:
        for i in range(DEAD_LETTER_RUN_MAX + 10):
            await out.send(topic, b"?", key=str(i).encode(), headers=headers(str(i), 1))
        await out.flush()
        await until(lambda: reader.consumer.stopped_because is not None)
        fine, why = reader.stream.health()[topic]
        assert not fine
        assert "lapak dead-letters" in why
        assert len(await reader.letters()) == DEAD_LETTER_RUN_MAX


async def test_a_refused_command_is_answered_and_a_repeated_command_acts_once(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    answers: list[tuple[str, Refusal]] = []

    async def reset(conn: Connection, received: Received[Reset], now: datetime) -> None:
        if received.body.counter == "locked":
            raise Refused("the counter is locked; ask its owner")
        await conn.execute(
            "INSERT INTO counter (name, total, changes, trail) VALUES ($1, 0, 1, '{}') ON CONFLICT (name) DO UPDATE "
            "SET changes = counter.changes + 1",
            received.body.counter,
        )

    async def refused(
        conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
    ) -> None:
        answers.append((str(envelope.id), refusal))

    subscription = Subscription(topic, on={Reset: reset}, on_refused=refused)
    ids = [uuid4() for _ in range(3)]
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        for _ in range(2):
            await out.send(topic, b'{"counter": "a"}', headers=headers("a", None, kind="Reset", event_id=ids[0]))
            await out.send(topic, b'{"counter": "locked"}', headers=headers("x", None, kind="Reset", event_id=ids[1]))
            await out.send(topic, b'{"wrong": 1}', headers=headers("x", None, kind="Reset", event_id=ids[2]))
        await out.send(topic, b'{"counter": "end"}', headers=headers("end", None, kind="Reset"))
        await out.flush()

        async def done() -> bool:
            return "end" in await reader.counters()

        await until(done)
        assert (await reader.counters())["a"][1] == 1
        assert [(i, r.code, r.fields) for i, r in answers] == [
            (str(ids[1]), "refused", []),
            (str(ids[2]), "malformed", ["counter"]),
        ]
        assert await reader.letters() == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"ack_policy": AckPolicy.ACK, "auto_offset_reset": "earliest", "group_id": "g", "batch": True}, "MANUAL"),
        ({"ack_policy": AckPolicy.MANUAL, "auto_offset_reset": "latest", "group_id": "g", "batch": True}, "earliest"),
        ({"ack_policy": AckPolicy.MANUAL, "auto_offset_reset": "earliest", "group_id": "g"}, "batches"),
    ],
)
def test_a_subscriber_that_could_lose_messages_is_refused_at_start(wrong: dict[str, object], word: str) -> None:
    broker = KafkaBroker("127.0.0.1:1")

    async def handle(_: object) -> None: ...

    broker.subscriber("t", **wrong)(handle)  # type: ignore[call-overload]
    with pytest.raises(UnsafeSubscriber, match=word):
        refuse_unsafe(broker)


def test_a_router_that_drops_the_brokers_ack_policy_is_refused_at_start() -> None:
    broker, router = KafkaBroker("127.0.0.1:1", ack_policy=AckPolicy.MANUAL), KafkaRouter()

    async def handle(_: object) -> None: ...

    router.subscriber("t", group_id="g", batch=True, auto_offset_reset="earliest")(handle)
    broker.include_router(router)
    with pytest.raises(UnsafeSubscriber, match="MANUAL"):
        refuse_unsafe(broker)

"""The edges of the backbone: seeks, replicas that replay, records nobody expects, failing timers, an absent broker."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from shared import dead_letters, inbound
from shared import stream as streaming
from shared.clock import Clock
from shared.consume import Item, Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.events.envelope import Envelope, Message
from shared.timers import run_timers, set_timer
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


def _body(counter: str, number: int = 1) -> bytes:
    return Counted(counter=counter, add=number).to_bytes()


async def _value(fresh: FreshDatabase, query: str, *arguments: object) -> Any:
    async with fresh.database.read() as conn:
        return await conn.fetchval(query, *arguments)


async def test_kafkas_committed_offset_never_leads_past_records_the_database_has_not_seen(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    subscription = Subscription(topic, on={Counted: add})
    async with producer(broker) as out:

        async def send(first: int, last: int) -> None:
            for sequence in range(first, last):
                await out.send(topic, _body("a"), key=b"a", headers=headers("a", sequence))
            await out.flush()

        async def applied(count: int) -> bool:
            return bool(await _value(fresh, "SELECT changes FROM counter") == count)

        await send(1, 51)
        async with reading(fresh, broker, subscription, setenv) as reader:
            await until(lambda: applied(50))
            await asyncio.sleep(2.5)  # Kafka knows our offset by now
            assert reader.consumer.stopped_because is None
        # the database is restored from a backup, and answers slowly when the partition is assigned
        async with fresh.database.transaction() as conn:
            await conn.execute("TRUNCATE consumer_offset, consumed_version, counter")
        find = inbound.find_offsets

        async def slowly(conn: Connection, topic: str) -> dict[int, int]:
            found = await find(conn, topic)
            await asyncio.sleep(1)
            return found

        monkeypatch.setattr(inbound, "find_offsets", slowly)
        await send(51, 101)
        async with reading(fresh, broker, subscription, setenv):
            await until(lambda: applied(100), 15)


class _Held:
    """Holds a consumer's first batch after it was applied, until `go`."""

    def __init__(self, reader: Reader) -> None:
        self.entered, self.go, self._apply = asyncio.Event(), asyncio.Event(), reader.consumer.apply
        reader.consumer.apply = self  # type: ignore[method-assign]

    async def __call__(self, items: Sequence[Item]) -> None:
        await self._apply(items)
        if not self.entered.is_set():
            self.entered.set()
            await self.go.wait()


async def _applied(fresh: FreshDatabase, count: int) -> bool:
    return bool(await _value(fresh, "SELECT changes FROM counter") == count)


async def _send(broker: str, topic: str, first: int, last: int) -> None:
    """Versions `first` to `last` of one counter, each adding its own number."""
    async with producer(broker) as out:
        for sequence in range(first, last + 1):
            await out.send(topic, _body("a", sequence), key=b"a", headers=headers("a", sequence))
        await out.flush()


async def test_what_was_read_ahead_of_a_seek_is_not_applied(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    monkeypatch.setattr(streaming, "RECORDS_MAX", 20)
    await _send(broker, topic, 1, 100)
    async with reading(fresh, broker, Subscription(topic, on={Counted: add}), setenv) as reader:
        held = _Held(reader)
        await held.entered.wait()
        kafka, partition = reader.stream.kafka_consumer(topic), TopicPartition(topic, 0)
        assert kafka is not None

        async def read_ahead() -> bool:
            return bool(await kafka.position(partition) == 40)

        await until(read_ahead)  # the second batch, while the first is being applied
        # the database is restored, and the partition assigned anew
        async with fresh.database.transaction() as conn:
            await conn.execute("TRUNCATE consumer_offset, consumed_version, counter")
        kafka.seek(partition, 0)
        held.go.set()
        await until(lambda: _applied(fresh, 100))
    assert await _value(fresh, "SELECT trail FROM counter") == list(range(1, 101))


async def test_a_batch_that_was_read_ahead_of_a_stop_comes_again(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    monkeypatch.setattr(streaming, "RECORDS_MAX", 20)
    await _send(broker, topic, 1, 100)
    subscription = Subscription(topic, on={Counted: add})
    async with reading(fresh, broker, subscription, setenv) as reader:
        held = _Held(reader)
        await held.entered.wait()
        ending = asyncio.create_task(reader.stream.stop())
        await asyncio.sleep(0.2)
        held.go.set()
        await ending
        assert reader.stream._readers[topic]._ahead is None  # a consumer that starts anew must not be given it
    assert await _value(fresh, "SELECT changes FROM counter") == 20
    async with reading(fresh, broker, subscription, setenv):
        await until(lambda: _applied(fresh, 100))
    assert await _value(fresh, "SELECT trail FROM counter") == list(range(1, 101))


async def test_behind_a_batch_that_is_not_full_nothing_is_read_ahead(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    await _send(broker, topic, 1, 1)
    async with reading(fresh, broker, Subscription(topic, on={Counted: add}), setenv) as reader:
        held = _Held(reader)
        await held.entered.wait()
        await _send(broker, topic, 2, 9)
        await asyncio.sleep(0.5)
        kafka = reader.stream.kafka_consumer(topic)
        assert kafka is not None
        assert await kafka.position(TopicPartition(topic, 0)) == 1  # the next eight come together
        held.go.set()
        await until(lambda: _applied(fresh, 9))


class _Replica:
    """Stands in for a consumer whose handler waits, and fails or not."""

    service = "test"

    def __init__(self, error: Exception | None, go: asyncio.Event) -> None:
        self.error, self.go, self.entered = error, go, asyncio.Event()

    async def replay(self, records: Sequence[object], conn: Connection) -> None:
        self.entered.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error


async def _one_letter(
    fresh: FreshDatabase, broker: str, topic: str, setenv: SetEnv, subscription: Subscription, head: bytes = b"[]"
) -> Any:
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send_and_wait(topic, head, key=b"k", headers=headers("k", 1))

        async def there() -> bool:
            return await reader.letters() == ["failed"]

        await until(there)
    return await _value(fresh, "SELECT id FROM dead_letter")


async def test_a_replica_whose_replay_failed_does_not_undo_the_one_that_succeeded(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    letter = await _one_letter(fresh, broker, topic, setenv, Subscription(topic, on={Counted: add}))
    async with fresh.database.transaction() as conn:
        await dead_letters.ask_replay(conn, [letter], actor="op", note=None, now=NOW)
    sealer, failing, working = Sealer(SECRET_KEYS), asyncio.Event(), asyncio.Event()
    bad, good = _Replica(KeyError("no"), failing), _Replica(None, working)

    def replay(replica: _Replica) -> asyncio.Task[bool]:
        work = dead_letters.replay_next(fresh.database, sealer, {topic: replica}, Clock())  # type: ignore[dict-item]
        return asyncio.create_task(work)

    first = replay(bad)
    await bad.entered.wait()
    second = replay(good)  # waits for the first one's lock
    await asyncio.sleep(0.3)
    failing.set()
    await good.entered.wait()
    await asyncio.sleep(0.3)  # the first waits to write down its failure
    working.set()
    await asyncio.gather(first, second)
    assert await _value(fresh, "SELECT state FROM dead_letter") == "replayed"


async def test_a_letter_that_waited_and_then_fails_is_told_of_and_says_its_kind(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)

    async def never(conn: Connection, received: Received[Counted], now: datetime) -> None:
        raise KeyError("never")

    letter = await _one_letter(fresh, broker, topic, setenv, Subscription(topic, on={Counted: never}))
    async with (
        producer(broker) as out,
        reading(fresh, broker, Subscription(topic, on={Counted: never}), setenv) as reader,
    ):
        await out.send_and_wait(topic, _body("k"), key=b"k", headers=headers("k", 2))

        async def states(wanted: list[str]) -> bool:
            return await reader.letters() == wanted

        await until(lambda: states(["failed", "waiting"]))
        async with fresh.database.transaction() as conn:
            await dead_letters.discard(conn, letter, actor="op", note="a mistake", now=NOW)
        await until(lambda: states(["discarded", "failed"]))
    assert await _value(fresh, "SELECT error_kind FROM dead_letter WHERE state = 'failed'") == "fault"
    assert await _value(fresh, "SELECT count(*) FROM outbox WHERE type = 'MessageDeadLettered'") == 2


async def test_a_command_refused_when_it_is_replayed_is_answered_and_its_work_undone(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    answers: list[str] = []
    broken = [True]

    async def reset(conn: Connection, received: Received[Reset], now: datetime) -> None:
        await conn.execute("INSERT INTO counter (name, total, changes, trail) VALUES ('x', 0, 1, '{}')")
        if broken:
            raise KeyError("a defect")
        raise Refused("locked")

    async def refused(
        conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
    ) -> None:
        answers.append(refusal.code)

    subscription = Subscription(topic, on={Reset: reset}, on_refused=refused)
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send_and_wait(topic, b'{"counter": "a"}', key=b"a", headers=headers("a", None, kind="Reset"))

        async def states(wanted: list[str]) -> bool:
            return await reader.letters() == wanted

        await until(lambda: states(["failed"]))
        broken.clear()
        async with fresh.database.transaction() as conn:
            letter = await conn.fetchval("SELECT id FROM dead_letter")
            await dead_letters.ask_replay(conn, [letter], actor="op", note=None, now=NOW)
        await until(lambda: states(["replayed"]))
        assert answers == ["refused"]
        assert await reader.counters() == {}


async def test_an_answer_that_fails_costs_its_own_command_only(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)

    async def reset(conn: Connection, received: Received[Reset], now: datetime) -> None:
        if received.body.counter == "locked":
            raise Refused("locked")
        await conn.execute("INSERT INTO counter (name, total, changes, trail) VALUES ('fine', 0, 1, '{}')")

    async def refused(
        conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
    ) -> None:
        raise KeyError("the answer has a defect")

    subscription = Subscription(topic, on={Reset: reset}, on_refused=refused)
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send(topic, b'{"counter": "locked"}', key=b"a", headers=headers("a", None, kind="Reset"))
        await out.send(topic, b'{"counter": "fine"}', key=b"b", headers=headers("b", None, kind="Reset"))
        await out.flush()

        async def flows() -> bool:
            return "fine" in await reader.counters()

        await until(flows)
        assert await reader.letters() == ["failed"]
        assert reader.consumer.stopped_because is None


async def test_headers_and_times_that_postgresql_cannot_hold_are_set_aside_like_any_other(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    subscription = Subscription(topic, on={Counted: add})
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send(topic, b"?", key=b"1", headers=[*headers("1", 1), ("traceparent", b"\0")])
        await out.send(topic, b"?", key=b"2", headers=[*headers("2", 1), ("a\0b", b"x")])
        await out.send(topic, b"?", key=b"3", headers=headers("3", 1), timestamp_ms=-(10**15))
        await out.send(topic, _body("n"), key=b"4\0", headers=headers("4\0", 1))
        await out.send(topic, _body("n"), key=b"5", headers=headers("5", 10**30))
        await out.send(topic, _body("good"), key=b"good", headers=headers("good", 1))
        await out.flush()

        async def flows() -> bool:
            return "good" in await reader.counters()

        await until(flows, 15)
        assert await reader.letters() == ["failed"] * 5


async def test_only_a_keys_own_records_move_its_version_and_any_empty_record_erases_it(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    erased: list[str] = []

    async def erase(conn: Connection, key: str, now: datetime) -> None:
        erased.append(key)

    subscription = Subscription(topic, on={Counted: add}, on_tombstone=erase)
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send(topic, b"{}", key=b"stranger", headers=headers("a", 99, kind="SomethingElse"))
        await out.send(topic, None, key=b"b", headers=headers("a", 98))
        await out.send(topic, None, key=b"c", headers=headers("c", 1, kind="SomethingElse"))
        await out.send(topic, _body("a"), key=b"a", headers=headers("a", 1))
        await out.send(topic, _body("end"), key=b"end", headers=headers("end", 1))
        await out.flush()

        async def done() -> bool:
            return "end" in await reader.counters()

        await until(done)
        assert set(await reader.counters()) == {"a", "end"}
        assert erased == ["b", "c"]
        assert await reader.letters() == []


@pytest.mark.parametrize(("sparse", "remembered"), [(False, {"a", "other", "end"}), (True, {"a", "end"})])
async def test_a_sparse_reader_remembers_nothing_of_what_it_skips(
    make_database: MakeDatabase, broker: str, setenv: SetEnv, sparse: bool, remembered: set[str]
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    subscription = Subscription(topic, on={Counted: add}, sparse=sparse)
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        await out.send(topic, b"{}", key=b"other", headers=headers("other", 1, kind="SomethingElse"))
        await out.send(topic, _body("a"), key=b"a", headers=headers("a", 1))
        await out.send(topic, _body("a"), key=b"a", headers=headers("a", 1))
        await out.send(topic, _body("end"), key=b"end", headers=headers("end", 1))
        await out.flush()

        async def done() -> bool:
            return "end" in await reader.counters()

        await until(done)
        assert (await reader.counters())["a"] == (await reader.counters())["end"]
        async with fresh.database.read() as conn:
            keys = await conn.fetch("SELECT key FROM consumed_version WHERE topic = $1", topic)
        assert {row["key"] for row in keys} == remembered


async def test_a_timer_that_has_failed_for_days_is_still_postponed_and_others_run(make_database: MakeDatabase) -> None:
    fresh, clock, stopping = await make_database("vendor"), Clock(), asyncio.Event()
    done: list[str] = []

    async def handler(conn: Connection, key: str, now: datetime) -> None:
        if key.startswith("bad"):
            raise KeyError(key)
        done.append(key)

    async with fresh.database.transaction() as conn:
        for i in range(5):
            await set_timer(conn, "t", f"bad{i}", clock.now() - timedelta(hours=1))
        await conn.execute("UPDATE timer SET attempts = 500")
        await set_timer(conn, "t", "good", clock.now())
    task = asyncio.create_task(run_timers(fresh.database, {"t": handler}, clock, stopping))
    await until(lambda: done == ["good"], 5)
    stopping.set()
    await task
    assert await _value(fresh, "SELECT count(*) FROM timer WHERE retry_at > now() AND attempts = 501") == 5


async def test_a_relay_whose_broker_does_not_answer_ends_when_told_and_keeps_the_rows(
    make_database: MakeDatabase, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker)
    sending = asyncio.Event()

    async def hang(*_: object) -> None:
        sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("shared.relay.Relay._send", hang)
    await publish(fresh.database, topic, "a", [1, 2, 3])
    async with asyncio.timeout(20):
        async with relaying(fresh, broker):
            await sending.wait()
    assert await _value(fresh, "SELECT count(*) FROM outbox") == 3


async def test_a_dead_letter_keeps_a_commands_id_free_for_its_replay(
    make_database: MakeDatabase, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = await make_database("vendor"), await make_topic(broker, partitions=1)
    await make_counters(fresh.database)
    broken, event_id = [True], uuid4()

    async def reset(conn: Connection, received: Received[Reset], now: datetime) -> None:
        if broken:
            raise KeyError("a defect")
        await conn.execute("INSERT INTO counter (name, total, changes, trail) VALUES ('x', 0, 1, '{}')")

    subscription = Subscription(topic, on={Reset: reset})
    async with producer(broker) as out, reading(fresh, broker, subscription, setenv) as reader:
        for _ in range(2):  # the publisher sent it twice: the twin queues behind the first
            await out.send_and_wait(
                topic, b'{"counter": "a"}', key=b"a", headers=headers("a", None, kind="Reset", event_id=event_id)
            )

        async def states(wanted: list[str]) -> bool:
            return await reader.letters() == wanted

        await until(lambda: states(["failed", "waiting"]))
        broken.clear()
        async with fresh.database.transaction() as conn:
            letter = await conn.fetchval("SELECT id FROM dead_letter WHERE state = 'failed'")
            await dead_letters.ask_replay(conn, [letter], actor="op", note=None, now=NOW)
        await until(lambda: states(["replayed", "replayed"]))
        assert await reader.counters() == {"x": (0, 1)}

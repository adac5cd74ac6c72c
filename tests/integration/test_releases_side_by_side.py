"""Two releases of a service serve side by side, and the newer one handles messages that the older one does not know."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import ClassVar

import pytest
from aiokafka import ConsumerRecord
from typer.testing import CliRunner

from services import SERVICES
from services.cli import app
from shared import inbound, releases, stream
from shared.clock import Clock
from shared.consume import Consumer, Received, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.envelope import Command, Event
from tests.conftest import SECRET_KEYS, FreshDatabase, MakeDatabase, SetEnv
from tests.integration.backbone import (
    Counted,
    Reader,
    Reset,
    add,
    headers,
    make_counters,
    make_topic,
    producer,
    reading,
    until,
)

Ground = tuple[FreshDatabase, str]
LONG_ENOUGH_SECONDS = 2.5
"""An older consumer looks every second whether it may go on."""


@pytest.fixture
async def ground(make_database: MakeDatabase, broker: str) -> Ground:
    """A database with counters, and a topic of one partition."""
    fresh = await make_database("vendor")
    await make_counters(fresh.database)
    return fresh, await make_topic(broker, partitions=1)


class Doubled(Event):
    """A counter was doubled: only the newer release knows of it."""

    topic: ClassVar[str] = "test"
    key: ClassVar[str] = "counter"
    counter: str


class Halve(Command):
    """Halve a counter: only the newer release knows of it."""

    topic: ClassVar[str] = "test"
    key: ClassVar[str] = "counter"
    counter: str


async def double(conn: Connection, received: Received[Doubled], _: datetime) -> None:
    """Apply one `Doubled`: the trail notes a 0."""
    await conn.execute(
        "UPDATE counter SET total = total * 2, changes = changes + 1, trail = trail || 0 WHERE name = $1",
        received.body.counter,
    )


async def reset(conn: Connection, received: Received[Reset], _: datetime) -> None:
    """Apply one `Reset`."""
    await conn.execute("UPDATE counter SET total = 0, changes = changes + 1 WHERE name = $1", received.body.counter)


async def halve(conn: Connection, received: Received[Halve], _: datetime) -> None:
    """Apply one `Halve`."""
    await conn.execute("UPDATE counter SET total = total / 2, changes = changes + 1 WHERE name = $1", "a")


def older(topic: str) -> Subscription:
    """What the older release listens to."""
    return Subscription(topic, on={Counted: add})


def newer(topic: str) -> Subscription:
    """What the newer release listens to."""
    return Subscription(topic, on={Counted: add, Doubled: double})


async def announce(fresh: FreshDatabase, subscription: Subscription) -> None:
    """What `lapak migrate` of a release does."""
    async with fresh.database.read() as conn:
        await releases.announce(conn, releases.handled([subscription]))


async def age(fresh: FreshDatabase, subscription: Subscription, by: timedelta) -> None:
    """Nobody has seen this release for so long."""
    changed = await fresh.database.pool.execute(
        "UPDATE serving_release SET seen_at = seen_at - $1::interval WHERE handles = $2",
        by,
        releases.handled([subscription]),
    )
    assert changed == "UPDATE 1"


async def send(broker: str, topic: str, messages: Sequence[tuple[Event | Command, int | None]]) -> None:
    """Send messages, each with its version."""
    async with producer(broker) as out:
        for body, sequence in messages:
            kind = type(body).__name__
            await out.send_and_wait(
                topic,
                body.to_bytes(),
                key=body.subject.encode(),
                headers=headers(body.subject, sequence, kind=kind),
            )


def record(partition: int, place: int, body: Event, sequence: int) -> ConsumerRecord:
    """A message as it comes from Kafka."""
    key, value = body.subject.encode(), body.to_bytes()
    carried = headers(body.subject, sequence, kind=type(body).__name__)
    return ConsumerRecord("test", partition, place, 0, 0, key, value, None, len(key), len(value), carried)


async def trail(fresh: FreshDatabase, counter: str) -> list[int]:
    """What was applied to a counter, in order; a 0 is a `Doubled`."""
    found = await fresh.database.pool.fetchval("SELECT trail FROM counter WHERE name = $1", counter)
    return list(found or [])


def reaches(fresh: FreshDatabase, counter: str, length: int) -> Callable[[], Awaitable[bool]]:
    """So much was applied to a counter."""

    async def there() -> bool:
        return len(await trail(fresh, counter)) == length

    return there


async def offset(fresh: FreshDatabase, topic: str) -> int:
    """Where the service stands in the first partition."""
    async with fresh.database.read() as conn:
        return (await inbound.find_offsets(conn, topic)).get(0, 0)


def holds(reader: Reader, what: str | None) -> Callable[[], bool]:
    """This reader leaves it to the newer release; None: nothing any more."""
    return lambda: reader.consumer.waiting_for_release == what


STORY: Sequence[tuple[Event, int]] = [
    (Counted(counter="a", add=3), 1),
    (Doubled(counter="a"), 2),
    (Counted(counter="a", add=5), 3),
    (Counted(counter="c", add=1), 1),
]


async def test_an_older_consumer_leaves_a_type_to_the_newer_release_which_applies_it_once_and_in_order(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, older(topic))
    async with reading(fresh, broker, older(topic), setenv) as old:
        await send(broker, topic, [(Counted(counter="a", add=1), 1)])  # it has begun to serve
        await until(reaches(fresh, "a", 1))
        await announce(fresh, newer(topic))
        await send(broker, topic, [(body, n + (body.subject == "a")) for body, n in STORY])
        await until(holds(old, "Doubled"))
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await trail(fresh, "a") == [1, 3]
        assert await offset(fresh, topic) == 2
        assert old.stream.health()[topic] == (True, "leaves Doubled to the newer release that serves beside this one")
        async with reading(fresh, broker, newer(topic), setenv):
            old.stopping.set()
            await old.stream.stop()
            await until(reaches(fresh, "c", 1), 30)
            assert await trail(fresh, "a") == [1, 3, 0, 5]
            assert (await old.counters())["a"] == (13, 4)


async def test_who_holds_something_back_for_long_makes_room_for_the_newer_release(
    ground: Ground, broker: str, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_POLL_INTERVAL_MS", 3_000)
    fresh, topic = ground
    await announce(fresh, newer(topic))
    async with reading(fresh, broker, older(topic), setenv) as old:
        await send(broker, topic, STORY)
        await until(holds(old, "Doubled"))
        async with reading(fresh, broker, newer(topic), setenv):  # and the older one is told nothing and goes on
            await until(reaches(fresh, "c", 1), 40)
            assert await trail(fresh, "a") == [3, 0, 5]
        await until(holds(old, None))


async def test_what_stands_before_it_in_a_batch_is_applied_and_so_are_other_partitions(
    make_database: MakeDatabase,
) -> None:
    fresh = await make_database("vendor")
    await make_counters(fresh.database)
    await announce(fresh, newer("test"))
    stopping = asyncio.Event()
    old = Consumer("test", older("test"), fresh.database, Clock(), Sealer(SECRET_KEYS), stopping)
    batch = [record(0, place, body, n) for place, (body, n) in enumerate(STORY)]
    batch[1:1] = [record(1, 0, Counted(counter="b", add=7), 1)]
    batch += [record(1, 1, Counted(counter="b", add=8), 2)]
    handling = asyncio.create_task(old.handle(batch))
    await until(reaches(fresh, "b", 2))
    assert await trail(fresh, "a") == [3]
    assert await trail(fresh, "c") == []
    # a process of the newer release took the first partition over
    new = Consumer("test", newer("test"), fresh.database, Clock(), Sealer(SECRET_KEYS), stopping)
    await new.handle([record(0, place, body, n) for place, (body, n) in enumerate(STORY)][1:])
    async with asyncio.timeout(20):
        await handling
    assert await trail(fresh, "a") == [3, 0, 5]
    assert await trail(fresh, "c") == [1]
    assert old.waiting_for_release is None


async def test_what_nobody_will_handle_is_skipped_as_ever(ground: Ground, broker: str, setenv: SetEnv) -> None:
    fresh, topic = ground
    await announce(fresh, older(topic))
    elsewhere = Subscription(f"x{topic[1:]}", on={Doubled: double})
    await announce(fresh, elsewhere)  # the newer release handles it on another topic
    async with reading(fresh, broker, older(topic), setenv) as old:
        await send(broker, topic, STORY)
        await until(reaches(fresh, "c", 1))
        assert await trail(fresh, "a") == [3, 5]
        assert old.consumer.waiting_for_release is None


async def test_after_going_back_a_release_holds_nothing_for_the_one_that_is_gone(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, older(topic))
    await announce(fresh, newer(topic))
    async with reading(fresh, broker, older(topic), setenv) as old:
        await send(broker, topic, STORY)
        await until(holds(old, "Doubled"))
        # a process of the older release that is started anew beside the newer one changes nothing ...
        await announce(fresh, older(topic))
        await age(fresh, newer(topic), releases.GONE_AFTER - timedelta(seconds=30))
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert old.consumer.waiting_for_release == "Doubled"
        # ... but the newer one was seen long ago
        await age(fresh, newer(topic), timedelta(seconds=30))
        await until(reaches(fresh, "c", 1))
        assert await trail(fresh, "a") == [3, 5]
        assert old.consumer.waiting_for_release is None


async def test_after_going_back_from_a_release_that_nobody_runs_any_more_the_older_is_the_newest(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, older(topic))
    await age(fresh, older(topic), timedelta(hours=1))
    await announce(fresh, newer(topic))
    await announce(fresh, older(topic))
    async with reading(fresh, broker, older(topic), setenv):
        await send(broker, topic, STORY)
        await until(reaches(fresh, "c", 1))
        assert await trail(fresh, "a") == [3, 5]


async def test_a_newer_release_does_not_wait_for_a_type_that_it_gave_up(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, newer(topic))  # here it is the older one of the two
    await announce(fresh, older(topic))
    async with reading(fresh, broker, older(topic), setenv):
        await send(broker, topic, STORY)
        await until(reaches(fresh, "c", 1))
        assert await trail(fresh, "a") == [3, 5]


async def test_a_command_that_only_the_newer_release_knows_is_no_dead_letter(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await fresh.database.pool.execute("INSERT INTO counter VALUES ('a', 8, 0, '{}')")
    before, after = Subscription(topic, on={Reset: reset}), Subscription(topic, on={Reset: reset, Halve: halve})
    await announce(fresh, before)
    await announce(fresh, after)
    async with reading(fresh, broker, before, setenv) as old:
        await send(broker, topic, [(Halve(counter="a"), None)])
        await until(holds(old, "Halve"))
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await old.letters() == []
        assert await offset(fresh, topic) == 0
    async with reading(fresh, broker, after, setenv) as new:

        async def halved() -> bool:
            return await new.counters() == {"a": (4, 1)}

        await until(halved, 30)
        assert await new.letters() == []


async def test_what_waits_behind_a_dead_letter_is_left_to_the_newer_release_too(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, older(topic))
    async with reading(fresh, broker, older(topic), setenv) as old:
        async with producer(broker) as out:
            await out.send_and_wait(topic, b"[]", key=b"a", headers=headers("a", 1))

        async def letters(states: list[str]) -> bool:
            return await old.letters() == states

        await until(lambda: letters(["failed"]))
        await send(broker, topic, [(Counted(counter="a", add=3), 2), (Doubled(counter="a"), 3)])
        await until(lambda: letters(["failed", "waiting", "waiting"]))
        await announce(fresh, newer(topic))
        await fresh.database.pool.execute("UPDATE dead_letter SET state = 'discarded' WHERE state = 'failed'")
        await until(lambda: letters(["discarded", "replayed", "waiting"]))
        await asyncio.sleep(LONG_ENOUGH_SECONDS)
        assert await letters(["discarded", "replayed", "waiting"])
        assert await trail(fresh, "a") == [3]
        assert not any(task.done() for task in old.tasks)  # it goes on looking for letters
    async with reading(fresh, broker, newer(topic), setenv):
        await until(reaches(fresh, "a", 2), 30)
        assert await trail(fresh, "a") == [3, 0]


async def test_who_stops_while_it_holds_something_back_ends_at_once(
    ground: Ground, broker: str, setenv: SetEnv
) -> None:
    fresh, topic = ground
    await announce(fresh, newer(topic))
    async with reading(fresh, broker, older(topic), setenv) as old:
        await send(broker, topic, STORY)
        await until(holds(old, "Doubled"))
        began = time.monotonic()
    assert time.monotonic() - began < 5


async def test_a_new_release_is_announced_when_those_that_serve_have_looked_again(make_database: MakeDatabase) -> None:
    fresh = await make_database("vendor")

    async def took(subscription: Subscription) -> bool:
        began = time.monotonic()
        await announce(fresh, subscription)
        return time.monotonic() - began >= releases.KNOWN_SECONDS

    assert not await took(older("t"))  # nobody serves
    assert await took(newer("t"))
    assert not await took(newer("t"))  # its other replicas


@pytest.mark.parametrize("service", SERVICES)
async def test_a_migration_announces_the_release_that_then_serves_and_says_so_again_and_again(
    service: str, make_database: MakeDatabase, setenv: SetEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "SEEN_SECONDS", 0.1)
    fresh = await make_database(service)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["migrate", service, "--database", fresh.dsn])
    assert done.exit_code == 0, done.output
    announced = "SELECT id, seen_at, handles FROM serving_release"
    (migrated,) = await fresh.database.pool.fetch(announced)
    assert len(migrated["handles"]) > 2
    assert all(re.fullmatch(r"lapak\.\w+\.\w+\.v1 [A-Z]\w+", one) for one in migrated["handles"])
    setenv({"LAPAK_DATABASE": fresh.dsn, "LAPAK_SMTP": "127.0.0.1:1", "LAPAK_SMTP_FROM": "lapak@example.go.id"})
    async with import_module(f"services.{service}.app").create().run():
        moments = set()

        async def seen_for_long() -> bool:
            (serving,) = await fresh.database.pool.fetch(announced)  # one: else it would wait for itself
            assert serving["id"] == migrated["id"]
            moments.add(serving["seen_at"])
            return len(moments) > 3  # the migration's, the start's, and some after

        await until(seen_for_long)

"""Commands over HTTP, 32 clients at once: a Lapak service, beside the same rows behind a bare uvicorn endpoint."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from time import monotonic

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import services, stack
from deploy.local.stack import Running
from shared.db import Database
from tests.bench.calling import Call, Callers, Load, post
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, PARTITIONS, bench_database, fresh_topic
from tests.bench.servers import PATH, ROLE, TABLES, started
from tests.integration.vendor import person

__all__ = ["AREA", "CLIENTS", "REGISTRY_PATH", "drained", "measure", "measure_registry", "tokens"]

CLIENTS = 32
COMMANDS = 3_000
AREA = "31.71"
DRAIN_SECONDS_MAX = 60.0
REGISTRY_PATH = "/v1/vendors"
REGISTRY_TOPICS = ("lapak.vendor.events.v1", "lapak.vendor.contact.v1")


def tokens(running: Running) -> list[str]:
    """A token for each client."""
    issuer = services.issuer(running)
    return [issuer.token(f"officer-{number}", [ROLE], area=AREA) for number in range(CLIENTS)]


@dataclass(frozen=True)
class _Door:
    """One of the two servers: where it answers, its database, and what a command leaves there."""

    port: int
    database: Database
    table: str
    events_each: int
    topics: Sequence[str] = ()
    """Where a relay carries the events; none: they stay in the outbox."""


def measure(context: Context) -> list[Comparison]:
    """Commands of the usual size a second."""
    return [uvloop.run(_measure(context))]


def measure_registry(context: Context) -> list[Comparison]:
    """People registered with the vendor registry a second: its rules, a sealed NIK, two events each."""
    return [uvloop.run(_measure_registry(context))]


async def _measure(context: Context) -> Comparison:
    running = context.running
    topic, quiet = await fresh_topic(running.kafka), await fresh_topic(running.kafka)
    known, numbers = tokens(running), count(1)

    def call() -> Call:
        number = next(numbers)
        body = {"name": f"number {number}", "add": number % 7, "note": NOTE}
        return post(number, PATH, known[number % CLIENTS], body)

    comparison = Comparison("commands over HTTP, 32 clients", "commands/s", 0.6, "higher")
    async with bench_database(running) as (ours, dsn), bench_database(running) as (bare, dsn_bare):
        for database in (ours, bare):
            await database.pool.execute(TABLES)
        with ExitStack() as processes:
            port, _ = processes.enter_context(started(running, "service", dsn, topic, quiet))
            port_bare, _ = processes.enter_context(started(running, "bare", dsn_bare))
            doors = (_Door(port, ours, "bench_state", 1, [topic]), _Door(port_bare, bare, "bench_state", 1))
            return await _compare(context, comparison, doors, call)


async def _measure_registry(context: Context) -> Comparison:
    running = context.running
    stack.topics(running)
    known, numbers = tokens(running), count(1)

    def call() -> Call:
        number = next(numbers)
        return post(number, REGISTRY_PATH, known[number % CLIENTS], person(number))

    comparison = Comparison("a person registered over HTTP, 32 clients", "commands/s", 0.6, "higher")
    async with (
        bench_database(running, service="vendor") as (ours, dsn),
        bench_database(running, service="vendor") as (bare, dsn_bare),
    ):
        with ExitStack() as processes:
            port, _ = processes.enter_context(started(running, "vendor", dsn))
            port_bare, _ = processes.enter_context(started(running, "bare-registry", dsn_bare))
            doors = (_Door(port, ours, "vendor", 2, REGISTRY_TOPICS), _Door(port_bare, bare, "vendor", 2))
            return await _compare(context, comparison, doors, call)


async def _compare(
    context: Context, comparison: Comparison, doors: tuple[_Door, _Door], call: Callable[[], Call]
) -> Comparison:
    number = context.size(COMMANDS)
    reader = AIOKafkaConsumer(bootstrap_servers=context.running.kafka)
    await reader.start()
    try:
        async with Callers.of(doors[0].port) as ours, Callers.of(doors[1].port) as bare:

            async def side(callers: Callers, door: _Door) -> float:
                calls = [call() for _ in range(number)]
                published = await _end(reader, door.topics)
                load = await callers.closed(calls, clients=CLIENTS)
                await _check(load, door, number, reader, published)
                return load.per_second

            return await in_turn(context, comparison, lambda: side(ours, doors[0]), lambda: side(bare, doors[1]))
    finally:
        await reader.stop()


async def _check(load: Load, door: _Door, number: int, reader: AIOKafkaConsumer, published: int) -> None:
    """Raise `NotMeasured` unless every command was done once and its events are where they belong; then clear up."""
    statuses = {answer.status for answer in load.answers}
    pool = door.database.pool
    written = await pool.fetchval(COUNT[door.table])
    if door.topics:
        await drained(pool)
        events = await _end(reader, door.topics) - published
        kept = await pool.fetchval("SELECT count(*) FROM idempotency_key WHERE status = 201")
    else:
        events, kept = await pool.fetchval("SELECT count(*) FROM outbox"), number
    if (statuses, written, events, kept) != ({201}, number, number * door.events_each, number):
        raise NotMeasured(
            f"{number} commands gave statuses {sorted(statuses)}, {written} rows, {events} events, {kept} kept answers"
        )
    await pool.execute(CLEAR[door.table])


COUNT = {"bench_state": "SELECT count(*) FROM bench_state", "vendor": "SELECT count(*) FROM vendor"}
CLEAR = {
    "bench_state": "TRUNCATE bench_state, outbox, idempotency_key",
    "vendor": "TRUNCATE vendor, outbox, idempotency_key CASCADE",
}


async def drained(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Return once the outbox is empty: what is relayed now would be work beside the next turn."""
    deadline = monotonic() + DRAIN_SECONDS_MAX
    while await pool.fetchval("SELECT count(*) FROM outbox"):
        if monotonic() > deadline:
            raise NotMeasured(f"the outbox was not empty after {DRAIN_SECONDS_MAX:.0f} s")
        await asyncio.sleep(0.05)


async def _end(reader: AIOKafkaConsumer, topics: Sequence[str]) -> int:
    """How many records these topics ever took."""
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    return sum((await reader.end_offsets(partitions)).values()) if partitions else 0

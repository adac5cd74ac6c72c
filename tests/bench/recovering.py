"""Back to work after kill -9: seconds until the other instance of a service publishes, and consumes, for the dead one.

Two instances share one database, one topic and its group. Commands come to the one that
stays, twenty a second; the one whose relay leads is killed. Its relay is replaced when the first event of a command
accepted after the kill is on the topic; its consumer when the first record of one of its partitions is applied by the
other. Then a new one is started. Every command accepted in the end has one effect.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import uvloop
from aiokafka import AIOKafkaConsumer

from deploy.local import stack
from deploy.local.processes import HOST
from deploy.local.stack import Running
from shared.db import Database
from shared.relay import partition_of
from shared.stream import SESSION_TIMEOUT_MS
from tests.bench.answering import drained, tokens
from tests.bench.calling import Callers, post
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.bench.parts import NOTE, PARTITIONS, Noted, bench_database, fresh_topic
from tests.bench.servers import PATH, TABLES, started

__all__ = ["measure"]

RELAY_SECONDS_MAX = 2.0
CONSUMER_SECONDS_MAX = SESSION_TIMEOUT_MS / 1000 + 2.0
PER_SECOND = 20
SECONDS_BEFORE = 2.0
SECONDS_MAX = 60.0
EFFECTS = """
SELECT key, number, process, extract(epoch FROM applied_at)::float8 AS moment FROM bench_effect
WHERE number >= $1 ORDER BY place
"""


@dataclass(frozen=True)
class _Instance:
    """A running instance: the name of its process, its port, its pid."""

    name: str
    port: int
    pid: int


def measure(context: Context) -> list[Comparison]:
    """Seconds from the kill, beside those that are permitted."""
    return uvloop.run(_measure(context))


async def _measure(context: Context) -> list[Comparison]:
    running = context.running
    topic = await fresh_topic(running.kafka)
    relay = Comparison("relay back to work after kill -9", "s", 1.0, "lower", digits=2)
    consumer = Comparison("consumer back to work after kill -9", "s", 1.0, "lower", digits=2)
    names, numbers = count(1), count(1)
    async with bench_database(running) as (database, dsn):
        await database.pool.execute(TABLES)
        with ExitStack() as processes:

            def start() -> _Instance:
                name = f"pair-{next(names)}"
                return _Instance(
                    name, *processes.enter_context(started(running, "service", dsn, topic, topic, name=name))
                )

            pair = [start(), start()]
            context.advance()
            for _ in range(context.rounds):
                leader = await _leader_at_work(pair, topic)
                (other,) = (one for one in pair if one is not leader)
                seconds_relay, seconds_consumer = await _kill(running, database, leader, other, topic, numbers)
                relay.add(seconds_relay, RELAY_SECONDS_MAX)
                consumer.add(seconds_consumer, CONSUMER_SECONDS_MAX)
                pair = [other, start()]
                context.advance()
    return [relay, consumer]


async def _leader_at_work(pair: list[_Instance], topic: str) -> _Instance:
    """The one whose relay leads, once both are ready and each consumes its half of the partitions."""
    said: list[dict[str, Any]] = []
    async with httpx.AsyncClient(verify=False) as client, asyncio.timeout(SECONDS_MAX):  # plain HTTP on loopback
        while True:
            said = [(await client.get(f"http://{HOST}:{one.port}/health/ready")).json() for one in pair]
            parts = [one["components"] for one in said]
            halves = all(part[f"consumer {topic}"]["detail"] == f"{PARTITIONS // 2} partitions" for part in parts)
            leading = [one for one, part in zip(pair, parts, strict=True) if part["relay"]["detail"] == "leads"]
            if halves and len(leading) == 1:
                return leading[0]
            await asyncio.sleep(0.1)


async def _kill(
    running: Running, database: Database, victim: _Instance, other: _Instance, topic: str, numbers: Iterator[int]
) -> tuple[float, float]:
    """Kill one under a steady load on the other; seconds until its relay's, and its consumer's, work goes on."""
    known = tokens(running)
    first, last = next(numbers), 0
    accepted: set[int] = set()
    ending = asyncio.Event()
    reader = AIOKafkaConsumer(topic, bootstrap_servers=running.kafka)
    await reader.start()
    await reader.seek_to_end()

    async def command() -> None:
        nonlocal last
        async with Callers.of(other.port) as callers:
            while not ending.is_set():
                last = next(numbers)
                call = post(last, PATH, known[0], {"name": f"number {last}", "add": last, "note": NOTE})
                (answer,) = (await callers.closed([call], clients=1)).answers
                if answer.status != 201:
                    raise NotMeasured(f"a command was answered with {answer.status}")
                accepted.add(answer.number)
                await asyncio.sleep(1 / PER_SECOND)

    commanding = asyncio.create_task(command())
    try:
        await asyncio.sleep(SECONDS_BEFORE)
        rows = await database.pool.fetch(EFFECTS, first)
        its = {_partition(row["key"]) for row in rows if row["process"] == victim.pid}
        if not its:
            raise NotMeasured("the instance that was to be killed had consumed nothing")
        at, sent_before = time.time(), last
        stack.kill(running.name, victim.name)
        async with asyncio.timeout(SECONDS_MAX):
            while Noted.from_bytes((await reader.getone()).value).add <= sent_before:
                pass
            published = time.time()
            applied = None
            while applied is None:
                await asyncio.sleep(0.05)
                if commanding.done():
                    await commanding  # without commands there is nothing to wait for: say why they ended
                found = await database.pool.fetch(EFFECTS, first)
                theirs = (row for row in found if row["process"] == other.pid and _partition(row["key"]) in its)
                applied = next((row["moment"] for row in theirs if row["moment"] > at), None)
            ending.set()
            await commanding
            await drained(database.pool)
            await _all_applied(database, first, accepted)
    finally:
        commanding.cancel()
        await reader.stop()
    found = await database.pool.fetch(EFFECTS, first)
    if sorted(row["number"] for row in found) != sorted(accepted):
        raise NotMeasured(f"{len(accepted)} commands had {len(found)} effects")
    return published - at, applied - at


async def _all_applied(database: Database, first: int, accepted: set[int]) -> None:
    while True:
        rows = await database.pool.fetch(EFFECTS, first)
        if accepted <= {row["number"] for row in rows}:
            return
        await asyncio.sleep(0.05)


def _partition(key: str) -> int:
    return partition_of(key.encode(), PARTITIONS)

"""Twice the load it can carry, on the vendor registry as it is deployed: what is accepted stays fast, the rest is told.

First 32 clients find what it carries. Then requests come at fixed moments, twice as many a second, over as many
connections as that takes. Nothing but 201 and 429 with Retry-After may come back; who was told 201 is in the database
once, and nobody else is.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from itertools import count, islice

import psutil
import uvloop

from deploy.local import stack
from shared.db import Database
from tests.bench.answering import CLIENTS, REGISTRY_PATH, drained, tokens
from tests.bench.calling import Call, Callers, Load, percentile, post
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.bench.parts import bench_database
from tests.bench.servers import started
from tests.integration.vendor import person

__all__ = ["measure"]

COMMANDS = 2_000
SECONDS = 6
TIMES = 2.0
SAMPLE_SECONDS = 0.05
MEMORY_RATIO_MAX = 1.25
REGISTERED = "SELECT name, count(*) AS times FROM vendor GROUP BY name"
CLEAR = "TRUNCATE vendor, outbox, idempotency_key CASCADE"


def measure(context: Context) -> list[Comparison]:
    """p99 of what is accepted and the most memory at twice the load, each beside the same at the load it can carry."""
    return uvloop.run(_measure(context))


async def _measure(context: Context) -> list[Comparison]:
    running = context.running
    stack.topics(running)
    known, numbers = tokens(running), count(1)
    slow = Comparison("accepted at twice the load, p99", "ms", 3.0, "lower")
    large = Comparison("memory at twice the load", "MB", MEMORY_RATIO_MAX, "lower")

    def calls(number: int) -> list[Call]:
        return [post(n, REGISTRY_PATH, known[n % CLIENTS], person(n)) for n in islice(numbers, number)]

    async with bench_database(running, service="vendor") as (database, dsn):
        with started(running, "vendor", dsn) as (port, pid):
            process = psutil.Process(pid)
            for number in range(context.rounds + 1):
                async with Callers.of(port) as callers:
                    usual = callers.closed(calls(context.size(COMMANDS)), clients=CLIENTS)
                    carried, memory = await _watched(process, usual)
                    await _check(database, carried, refusals=False)
                    rate = carried.per_second * TIMES
                    twice = callers.open(calls(int(rate * context.size(SECONDS))), per_second=rate)
                    flood, memory_flood = await _watched(process, twice)
                    await _check(database, flood, refusals=True)
                if number:
                    slow.add(_p99_ms(flood), _p99_ms(carried))
                    large.add(memory_flood, memory)
                context.advance()
    return [slow, large]


async def _watched(process: psutil.Process, work: Awaitable[Load]) -> tuple[Load, float]:
    """The load, and the most megabytes the process had resident meanwhile."""
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(SAMPLE_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        return await work, max(most, process.memory_info().rss) / 1e6
    finally:
        watching.cancel()


def _p99_ms(load: Load) -> float:
    return percentile([answer.seconds for answer in load.with_status(201)], 0.99) * 1000


async def _check(database: Database, load: Load, *, refusals: bool) -> None:
    """Raise `NotMeasured` unless every answer is 201 or a proper 429 and tells the truth; then clear up."""
    accepted = {person(answer.number)["name"] for answer in load.with_status(201)}
    refused = load.with_status(429)
    if bool(refused) != refusals or len(accepted) + len(refused) != len(load.answers):
        statuses = Counter(answer.status for answer in load.answers)
        raise NotMeasured(f"{'over' if refusals else 'no over'}load was answered with {dict(statuses)}")
    if any(answer.retry_after is None for answer in refused):
        raise NotMeasured("a 429 came without Retry-After")
    rows = {row["name"]: row["times"] for row in await database.pool.fetch(REGISTERED)}
    if rows.keys() != accepted or any(times != 1 for times in rows.values()):
        raise NotMeasured(
            f"{len(accepted - rows.keys())} accepted commands are not in the database, {len(rows.keys() - accepted)} "
            f"that were not accepted are, {sum(times > 1 for times in rows.values())} are there more than once"
        )
    await drained(database.pool)
    await database.pool.execute(CLEAR)

"""One command, one transaction, sixteen at once: with the outbox row, and without it.

The event goes with the last statement, as a command over HTTP writes it; here that is the state's.
"""

import asyncio
from time import perf_counter

import uvloop

from shared import outbox
from shared.db import Database
from shared.ids import new_id
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, NOW, Noted, bench_database

__all__ = ["measure"]

AT_ONCE = 16
COMMANDS = 2_000
TABLE = (
    "CREATE TABLE bench_state (id uuid PRIMARY KEY, name text NOT NULL, note text NOT NULL, version bigint NOT NULL)"
)
STATE = "INSERT INTO bench_state (id, name, note, version) VALUES ($1, $2, $3, 1)"


def measure(context: Context) -> list[Comparison]:
    """Commands a second, each a transaction of its own."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    number = context.size(COMMANDS)
    async with bench_database(context.running, size=AT_ONCE) as (database, _):
        await database.pool.execute(TABLE)

        async def side(*, with_event: bool) -> float:
            await database.pool.execute("TRUNCATE bench_state, outbox")
            began = perf_counter()
            await _run(database, number, with_event=with_event)
            seconds = perf_counter() - began
            written = await database.pool.fetchval("SELECT count(*) FROM bench_state")
            events = await database.pool.fetchval("SELECT count(*) FROM outbox")
            if (written, events) != (number, number if with_event else 0):
                raise NotMeasured(f"{number} commands wrote {written} rows and {events} events")
            return number / seconds

        comparison = Comparison("one command, one transaction, 16 at once", "commands/s", 0.75, "higher")
        return await in_turn(context, comparison, lambda: side(with_event=True), lambda: side(with_event=False))


async def _run(database: Database, number: int, *, with_event: bool) -> None:
    todo = iter(range(number))

    async def work() -> None:
        for place in todo:
            row_id = new_id()
            async with database.transaction() as conn:
                if with_event:
                    with outbox.held(conn) as held:
                        event = Noted(counter=str(row_id), add=place, note=NOTE)
                        await outbox.record(conn, [outbox.Fact(event, 1)], now=NOW)
                    await conn.execute(*held.join(STATE, row_id, f"number {place}", NOTE))
                else:
                    await conn.execute(STATE, row_id, f"number {place}", NOTE)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))

"""Commands in batches of 500, as an import or a batch from Kafka runs them, beside COPY of the same bytes."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import uvloop

from shared import outbox
from shared.db import Database
from shared.ids import new_id
from tests.bench.commands import TABLE
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import NOTE, NOW, Noted, bench_database

__all__ = ["measure"]

COMMANDS = 20_000
BATCH = 500
STATE = """
INSERT INTO bench_state (id, name, note, version)
SELECT s.id, s.name, s.note, 1 FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s (id, name, note)
"""
# The same columns without a key, an index, a default or a check: what PostgreSQL takes at the most by one connection.
BARE_STATE = "CREATE TABLE bare_state (id uuid, name text, note text, version bigint)"
BARE_OUTBOX = """
CREATE TABLE bare_outbox (
    txid bigint, seq bigint, event_id uuid, topic text, key text, sequence bigint, type text,
    occurred_at timestamptz, traceparent text, payload bytea, recorded_at timestamptz
)
"""
Row = tuple[Any, ...]


def measure(context: Context) -> list[Comparison]:
    """Commands a second on one connection, a transaction per batch."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    number = context.size(COMMANDS)
    async with bench_database(context.running, size=1) as (database, _):
        for table in (TABLE, BARE_STATE, BARE_OUTBOX):
            await database.pool.execute(table)
        ready = [_rows(range(begin, begin + BATCH)) for begin in range(0, number, BATCH)]

        async def handled() -> float:
            await database.pool.execute("TRUNCATE bench_state, outbox")
            began = perf_counter()
            for begin in range(0, number, BATCH):
                await _handle(database, range(begin, begin + BATCH))
            seconds = perf_counter() - began
            await _check(database, "SELECT count(*), count(DISTINCT id) FROM bench_state", number)
            await _check(database, "SELECT count(*), count(DISTINCT event_id) FROM outbox", number)
            return number / seconds

        async def copied() -> float:
            await database.pool.execute("TRUNCATE bare_state, bare_outbox")
            began = perf_counter()
            for states, events in ready:
                async with database.transaction() as conn:
                    await conn.copy_records_to_table("bare_state", records=states)
                    await conn.copy_records_to_table("bare_outbox", records=events)
            seconds = perf_counter() - began
            await _check(database, "SELECT count(*), count(DISTINCT id) FROM bare_state", number)
            await _check(database, "SELECT count(*), count(DISTINCT event_id) FROM bare_outbox", number)
            return number / seconds

        comparison = Comparison("commands in batches of 500", "commands/s", 0.5, "higher")
        return await in_turn(context, comparison, handled, copied)


async def _handle(database: Database, places: Sequence[int]) -> None:
    """A batch as a handler runs it: ids made, rows and events built, bodies serialised, all in one transaction."""
    ids = [new_id() for _ in places]
    facts = [
        outbox.Fact(Noted(counter=str(row_id), add=place, note=NOTE), 1)
        for row_id, place in zip(ids, places, strict=True)
    ]
    async with database.transaction() as conn:
        await conn.execute(STATE, ids, [f"number {place}" for place in places], [NOTE for _ in places])
        await outbox.record(conn, facts, now=NOW)


def _rows(places: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """The rows of such a batch, ready to be copied: the state's, and the outbox's with all it fills in by itself."""
    states: list[Row] = []
    events: list[Row] = []
    for place in places:
        row_id = new_id()
        body = Noted(counter=str(row_id), add=place, note=NOTE).to_bytes()
        states.append((row_id, f"number {place}", NOTE, 1))
        events.append((place, place, new_id(), Noted.topic, str(row_id), 1, "Noted", NOW, None, body, NOW))
    return states, events


async def _check(database: Database, query: str, number: int) -> None:
    row = await database.pool.fetchrow(query)
    if row is None or tuple(row) != (number, number):
        raise NotMeasured(f"{number} commands wrote {row} ({query})")

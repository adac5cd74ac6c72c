"""Events held back until the last statement of a transaction: in order, all or none, whatever else is written."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest

from shared import outbox
from shared.db import Connection
from tests.bench.parts import NOW, Noted
from tests.conftest import FreshDatabase

KEEP = "INSERT INTO mark (text) VALUES ($1) RETURNING text"


@pytest.fixture
async def fresh(make_database: Callable[[str], Awaitable[FreshDatabase]]) -> FreshDatabase:
    fresh = await make_database("held")
    await fresh.database.pool.execute("CREATE TABLE mark (text text PRIMARY KEY)")
    return fresh


def fact(sequence: int, key: str = "a") -> outbox.Fact:
    return outbox.Fact(Noted(counter=key, add=sequence, note=""), sequence)


async def written(fresh: FreshDatabase) -> list[int | None]:
    return [row["sequence"] for row in await fresh.database.pool.fetch("SELECT sequence FROM outbox ORDER BY seq")]


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_what_is_held_is_written_with_the_last_statement(fresh: FreshDatabase, number: int) -> None:
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            for sequence in range(1, number + 1):
                await outbox.record(conn, [fact(sequence)], now=NOW)
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
        assert await conn.fetchval(*held.join(KEEP, "done")) == "done"
        assert held.join("SELECT 1") == ("SELECT 1",), "nothing is written twice"
    assert await written(fresh) == list(range(1, number + 1))


async def test_thousands_are_not_held_and_keep_their_order(fresh: FreshDatabase) -> None:
    number = 2 * outbox.HELD_MAX + 300
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            for sequence in range(1, number + 1):
                await outbox.record(conn, [fact(sequence)], now=NOW)
            left = len(held.rows)
        await conn.fetchval(*held.join(KEEP, "done"))
    assert left < outbox.HELD_MAX
    assert await written(fresh) == list(range(1, number + 1))


async def test_what_was_held_before_an_attempt_outlives_it(fresh: FreshDatabase) -> None:
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            await outbox.record(conn, [fact(1)], now=NOW)
            async with outbox.attempt(conn, keep=False):
                await tombstone(conn)  # writes what is held
            await outbox.record(conn, [fact(2)], now=NOW)
        await conn.fetchval(*held.join(KEEP, "done"))
    assert await written(fresh) == [1, 2]


async def test_what_is_recorded_on_another_connection_is_not_held(fresh: FreshDatabase) -> None:
    async with fresh.database.transaction() as conn, fresh.database.transaction() as other:
        with outbox.held(conn) as held:
            await outbox.record(other, [fact(1)], now=NOW)
        assert held.join("SELECT 1") == ("SELECT 1",)
    assert await written(fresh) == [1]


async def tombstone(conn: Connection) -> None:
    await outbox.record_tombstone(conn, Noted, "a", 3, now=NOW)


async def encoded(conn: Connection) -> None:
    row = outbox.encode_fact(Noted, "a", 3, b"{}", now=NOW, traceparent=None)
    await outbox.record_encoded(conn, [row], {Noted: 1})


@pytest.mark.parametrize("write", [tombstone, encoded])
async def test_what_is_written_at_once_comes_after_what_was_held(
    fresh: FreshDatabase, write: Callable[[Connection], Awaitable[None]]
) -> None:
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            await outbox.record(conn, [fact(1), fact(2)], now=NOW)
            await write(conn)
            await outbox.record(conn, [fact(4)], now=NOW)
        await conn.fetchval(*held.join(KEEP, "done"))
    assert await written(fresh) == [1, 2, 3, 4]
    bodies = [row["payload"] for row in await fresh.database.pool.fetch("SELECT payload FROM outbox ORDER BY seq")]
    assert (bodies[0] is None) == (write is tombstone), "an erased key leaves without its body, also what was held"


@pytest.mark.parametrize("keep", [True, False])
async def test_an_attempt_takes_back_its_events_with_its_rows(fresh: FreshDatabase, *, keep: bool) -> None:
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            await outbox.record(conn, [fact(1)], now=NOW)
            async with outbox.attempt(conn, keep=keep):
                await outbox.record(conn, [fact(2)], now=NOW)
                await conn.execute(KEEP, "tried")
            await outbox.record(conn, [fact(3, key=str(uuid4()))], now=NOW)
        await conn.fetchval(*held.join(KEEP, "done"))
    assert await written(fresh) == ([1, 2, 3] if keep else [1, 3])
    assert await fresh.database.pool.fetchval("SELECT count(*) FROM mark") == (2 if keep else 1)


async def test_an_attempt_that_raises_takes_back_what_it_did(fresh: FreshDatabase) -> None:
    async with fresh.database.transaction() as conn:
        with outbox.held(conn) as held:
            with suppress(LookupError):
                async with outbox.attempt(conn, keep=True):
                    await outbox.record(conn, [fact(1)], now=NOW)
                    raise LookupError
            await outbox.record(conn, [fact(2)], now=NOW)
        await conn.fetchval(*held.join(KEEP, "done"))
    assert await written(fresh) == [2]


async def test_an_attempt_without_holding_is_a_savepoint(fresh: FreshDatabase) -> None:
    async with fresh.database.transaction() as conn:
        async with outbox.attempt(conn, keep=False):
            await outbox.record(conn, [fact(1)], now=NOW)
        async with outbox.attempt(conn, keep=True):
            await outbox.record(conn, [fact(2)], now=NOW)
    assert await written(fresh) == [2]

"""A database is changed while processes of the release before serve on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from shared.db import LOCK_TIMEOUT_SECONDS, MigrationError, migrate
from tests.conftest import FreshDatabase, MakeDatabase
from tests.integration.backbone import until

ALTERS_THE_OUTBOX = "shared/0003_commands_in_the_outbox.sql"
"""May be applied again, and needs the table for itself."""


@asynccontextmanager
async def _reading(dsn: str) -> AsyncIterator[None]:
    """A backup reads the outbox, in one transaction, until the block ends."""
    conn = await asyncpg.connect(dsn)
    try:
        async with conn.transaction():
            await conn.execute("LOCK TABLE outbox IN ACCESS SHARE MODE")
            yield
    finally:
        await conn.close()


async def _record(fresh: FreshDatabase) -> None:
    """What every command of a running service does."""
    async with fresh.database.transaction() as conn:
        await conn.execute(
            "INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at) "
            "VALUES ($1, 't', 'k', 1, 'T', now())",
            uuid4(),
        )


@pytest.fixture
async def fresh(make_database: MakeDatabase) -> FreshDatabase:
    """A database that lacks a migration."""
    made = await make_database("vendor")
    await made.database.pool.execute("DELETE FROM schema_migration WHERE name = $1", ALTERS_THE_OUTBOX)
    return made


async def _asked_for(fresh: FreshDatabase) -> bool:
    asked: bool = await fresh.database.pool.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'outbox'::regclass "
        "AND mode = 'AccessExclusiveLock')"
    )
    return asked


async def test_a_service_works_on_while_a_migration_waits_for_a_table_that_a_backup_reads(
    fresh: FreshDatabase,
) -> None:
    waits: list[str] = []
    async with _reading(fresh.dsn):
        migrating = asyncio.create_task(migrate(fresh.dsn, "vendor", on_wait=waits.append))
        await until(lambda: _asked_for(fresh))
        async with asyncio.timeout(LOCK_TIMEOUT_SECONDS):
            await _record(fresh)
        assert not migrating.done()
        assert waits == [f"{ALTERS_THE_OUTBOX} waits: its tables are in use"]
    assert await migrating == [ALTERS_THE_OUTBOX]


async def test_a_migration_that_never_gets_its_table_says_what_to_look_for(fresh: FreshDatabase) -> None:
    async with _reading(fresh.dsn):
        with pytest.raises(MigrationError, match=r"0003_commands_in_the_outbox\.sql was not applied: .*pg_dump"):
            await migrate(fresh.dsn, "vendor", tries_seconds=0)
    assert await migrate(fresh.dsn, "vendor") == [ALTERS_THE_OUTBOX]

"""PostgreSQL: the pool, transactions that wake the relay, and forward-only migrations."""

import asyncio
import errno
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pydantic_core import from_json, to_json

from shared import dsn as addresses
from shared.failpoints import failpoint

__all__ = [
    "Connection",
    "Database",
    "MigrationError",
    "NotConnected",
    "migrate",
    "migration_files",
    "open_database",
    "pending_migrations",
]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

LOCK_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 60
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 30
MIGRATION_LOCK = 0x1A9A_0001
MIGRATION_LOCK_TIMEOUT_SECONDS = 2
"""So long a migration asks for a table that somebody uses: whoever comes after it waits behind it, and gives up after
`LOCK_TIMEOUT_SECONDS`.
"""
MIGRATION_PAUSE_SECONDS = 3.0
MIGRATION_TRIES_SECONDS_MAX = 300.0
T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


class MigrationError(RuntimeError):
    """A migration cannot be applied: a merged file was edited, a number is missing, or the SQL failed."""


class NotConnected(RuntimeError):
    """A database does not let us in, or is not to be had: where it was looked for, what was said there, the way out."""


class Database:
    """A service's own database: one pool, and a bell that rings after every commit that may have written events."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool
        self._listeners: list[Callable[[], None]] = []

    def after_commit(self, ring: Callable[[], None]) -> None:
        """Call `ring` after each committed transaction (the relay, background workers)."""
        self._listeners.append(ring)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction, read committed. Leaving it normally commits; an exception rolls back."""
        async with self.pool.acquire() as conn:
            async with conn.transaction():
                yield conn
                failpoint("db.committing")
            failpoint("db.committed")
        self.ring()

    def ring(self) -> None:
        """Wake whoever waits for a commit: for one that was made otherwise than by `transaction`."""
        for ring in self._listeners:
            ring()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection for reads; each statement sees its own snapshot."""
        async with self.pool.acquire() as conn:
            yield conn


async def _prepare(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(
            name,
            encoder=lambda value: to_json(value).decode(),
            decoder=from_json,
            schema="pg_catalog",
        )


async def _keep(_: object) -> None:
    """Nothing to reset: no code sets session state on a pooled connection (asyncpg itself rolls back what is open).

    asyncpg's own reset is one more round trip after every use.
    """


async def open_database(
    dsn: str,
    *,
    size: int = 10,
    name: str = "lapak",
    wait_seconds: float = 0,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Database:
    """Open the pool of a service. With `wait_seconds` a server that is still starting is waited for; `on_wait` gets a
    line for people. Raises `NotConnected`.
    """
    pool = await _patiently(
        dsn,
        lambda: asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            init=_prepare,
            reset=_keep,
            command_timeout=STATEMENT_TIMEOUT_SECONDS + 5,
            max_inactive_connection_lifetime=300,
            server_settings={
                "application_name": name,
                "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
                "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s",
                "timezone": "UTC",
            },
        ),
        wait_seconds,
        on_wait,
    )
    return Database(pool)


async def _patiently(
    dsn: str, connect: Callable[[], Awaitable[T]], wait_seconds: float, on_wait: Callable[[str], None]
) -> T:
    """Connect; a server that is still starting is tried again for so long. Raises `NotConnected`."""
    try:
        addresses.checked(dsn)
    except ValueError as error:
        raise NotConnected(f"the database's address {error}") from None
    deadline = asyncio.get_running_loop().time() + wait_seconds
    waits = False
    while True:
        try:
            return await connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            why = f"the database {addresses.shown(dsn)} {_why(error)}"
            away = isinstance(error, OSError | asyncpg.CannotConnectNowError)
            if not away or asyncio.get_running_loop().time() >= deadline:
                raise NotConnected(why) from error
            if not waits:
                on_wait(f"{why} It is waited for, up to {wait_seconds:.0f} s.")
                waits = True
            await asyncio.sleep(0.25)


def _why(error: OSError | asyncpg.PostgresError | asyncpg.InterfaceError) -> str:
    """What was refused and what to do, after the words `the database NAME at HOST`."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return f"does not let us in: {error}. Correct the user, or its password."
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"is not there: {error}. Correct its name, or create it."
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"does not let us in: {error}. Let its owner grant CONNECT to this user, or correct user and name."
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return f"has no connection left: {error}. Raise its max_connections, or lower LAPAK_POOL_SIZE of the services."
    if isinstance(error, socket.gaierror):
        return "cannot be looked for: no machine is known by this name. Correct the host."
    if isinstance(error, OSError):
        said = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
        return f"does not answer: {said}. Start it, or correct host and port."
    return f"does not let us in: {error}. Correct its address, or start it."


def _reason(error: OSError) -> str:
    """The bare reason: asyncio wraps it into a text about sockets."""
    return os.strerror(error.errno) if error.errno is not None and error.errno in errno.errorcode else str(error)


def migration_files(service: str, root: Path = ROOT) -> list[tuple[str, Path]]:
    """Name and file of every migration of a service, the shared ones first. Raises `MigrationError` on a gap."""
    found: list[tuple[str, Path]] = []
    for owner, folder in (("shared", root / "shared"), (service, root / "services" / service)):
        for expected, path in enumerate(sorted((folder / "migrations").glob("*.sql")), start=1):
            if not path.name.startswith(f"{expected:04d}_"):
                raise MigrationError(
                    f"{owner}/migrations/{path.name}: number {expected:04d} was expected here; "
                    "files are NNNN_what.sql, numbered from 0001 without a gap"
                )
            found.append((f"{owner}/{path.name}", path))
    return found


async def pending_migrations(conn: Connection, service: str) -> list[str]:
    """Names of migrations this database has not seen; raises `MigrationError` when a merged one was edited."""
    applied: dict[str, str] = {}
    if await conn.fetchval("SELECT to_regclass('schema_migration') IS NOT NULL"):
        rows = await conn.fetch("SELECT name, sha256 FROM schema_migration")
        applied = {row["name"]: row["sha256"] for row in rows}
    pending = []
    for name, path in migration_files(service):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if name not in applied:
            pending.append(name)
        elif applied[name] != digest:
            raise MigrationError(
                f"{name} is not the file that this database was made with. Edited? Then restore it and write a new "
                "migration. If the database is a local stack's, of another version: its data is made up, so throw it "
                "away (`make down`, `rm -r var/local`, `make up`)."
            )
    return pending


async def migrate(
    dsn: str,
    service: str,
    *,
    wait_seconds: float = 0,
    tries_seconds: float = MIGRATION_TRIES_SECONDS_MAX,
    on_wait: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Apply what is missing, in order, each in its own transaction, under a lock so that replicas may all call it.

    A server that is still starting is waited for `wait_seconds`. Older processes serve meanwhile: a migration whose
    tables are in use lets them go on and tries again for `tries_seconds`; `on_wait` gets a line for people.

    Returns the names applied. Raises `NotConnected`, and `MigrationError`: what was applied before the failing file
    stays.
    """
    conn = await _patiently(
        dsn,
        lambda: asyncpg.connect(dsn, server_settings={"application_name": f"lapak-migrate-{service}"}),
        wait_seconds,
        on_wait,
    )
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration ("
            "name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        names = await pending_migrations(conn, service)
        paths = dict(migration_files(service))
        for name in names:
            await _apply(conn, name, paths[name].read_bytes(), tries_seconds, on_wait)
        return names
    finally:
        await conn.close()


async def _apply(
    conn: Connection, name: str, content: bytes, tries_seconds: float, on_wait: Callable[[str], None]
) -> None:
    """Apply one migration and note it, as soon as its tables can be had."""
    deadline = asyncio.get_running_loop().time() + tries_seconds
    while True:
        try:
            async with conn.transaction():
                await conn.execute("SELECT set_config('lock_timeout', $1, true)", f"{MIGRATION_LOCK_TIMEOUT_SECONDS}s")
                await conn.execute(content.decode())
                await conn.execute(
                    "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)",
                    name,
                    hashlib.sha256(content).hexdigest(),
                )
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise MigrationError(
                    f"{name} was not applied: for {tries_seconds:.0f} s its tables were in use whenever it asked. One "
                    "transaction holds them that long, as a backup (pg_dump) does: let it end, then try again. "
                    "pg_stat_activity shows whose it is (application_name, xact_start)."
                ) from error
            on_wait(f"{name} waits: its tables are in use")
            await asyncio.sleep(MIGRATION_PAUSE_SECONDS)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{name} failed and was rolled back: {error}") from error

"""Real parts for the tests: one PostgreSQL, one Kafka, a fresh database per test, tokens, a clock that stands still."""

import asyncio
import base64
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from deploy.local import stack
from deploy.local.state import state_dir
from shared.auth import LOCAL_ISSUER, LocalIssuer
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Database, migrate, open_database
from shared.service import Platform, Service

STACK = pytest.StashKey[stack.Running]()
LOCK = pytest.StashKey[IO[str]]()
WORKERS = pytest.StashKey[list[list[str]]]()
MEMORY = pytest.StashKey[Path]()
MEMORY_FREE_BYTES_MIN = 2 * 1024**3
QUICK = {"unit", "contracts", "guard"}
SECRET_KEYS = {"test": base64.b64encode(bytes(range(32))).decode()}


class StandingClock(Clock):
    """A clock that moves only when a test moves it."""

    def __init__(self, moment: datetime = datetime(2023, 3, 1, 2, 0, tzinfo=UTC)) -> None:
        super().__init__()
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def advance(self, **by: float) -> None:
        """Move on by `timedelta(**by)`."""
        self.moment += timedelta(**by)


@dataclass(frozen=True)
class FreshDatabase:
    """A migrated, empty database of one service."""

    dsn: str
    database: Database


MakeDatabase: TypeAlias = Callable[[str], Awaitable[FreshDatabase]]
SetEnv: TypeAlias = Callable[[dict[str, str]], None]
"""The fixture `make_database`."""
Serve: TypeAlias = Callable[[Callable[[], Service], FreshDatabase], httpx.AsyncClient]
"""The fixture `serve`."""


def _with_path(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))


def pytest_configure(config: pytest.Config) -> None:
    """Start the real servers before the first test, so that the head of the run can name them.

    A run of folders that need none (unit, contracts, guard) goes without. Where several workers share the tests, each
    has servers of its own, which some tests take away.
    """
    needless = [QUICK & set(Path(argument.split("::")[0]).parts) for argument in config.args]
    leads = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if not (config.option.collectonly or config.option.help or all(needless) or leads):
        config.stash[STACK] = running = _start_stack(config)
        if hasattr(config, "workeroutput"):
            config.workeroutput["servers"] = [running.broker, running.database]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which broker and database this run uses."""
    running = config.stash.get(STACK, None)
    if running is None:
        return []
    return [f"broker: {running.broker}", f"database: {running.database}"]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker is done: remember which servers it had."""
    if servers := getattr(node, "workeroutput", {}).get("servers"):
        node.config.stash.setdefault(WORKERS, []).append(servers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which broker and database the workers used."""
    for broker, database in config.stash.get(WORKERS, []):
        terminalreporter.write_line(f"a worker's broker: {broker}; its database: {database}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    running = config.stash.get(STACK, None)
    if running is not None:
        stack.stop(running.name)
        if running.name != "test":
            shutil.rmtree(running.state_dir, ignore_errors=True)
    if (memory := config.stash.get(MEMORY, None)) is not None:
        shutil.rmtree(memory, ignore_errors=True)


def _start_stack(config: pytest.Config) -> stack.Running:
    """The stack `test`; another one when a run in this checkout uses that already."""
    folder = state_dir("test")
    folder.mkdir(parents=True, exist_ok=True)
    lock = config.stash[LOCK] = (folder.parent / "test.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        name = "test"
    except OSError:
        name = f"test-{os.getpid()}"
    try:
        return stack.start(name, fresh=True, on_progress=lambda line: print(f"  {line}"))  # noqa: T201 - the run's head
    except stack.StackError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> stack.Running:
    """The running PostgreSQL, Kafka and mail catcher of this run."""
    return request.config.stash[STACK]


@pytest.fixture(scope="session")
def postgres_admin(servers: stack.Running) -> str:
    """DSN of a PostgreSQL superuser."""
    return servers.postgres_admin_dsn


@pytest.fixture(scope="session")
def broker(servers: stack.Running) -> str:
    """Bootstrap address of a real Kafka."""
    return servers.kafka


def _make_memory(running: stack.Running) -> Path | None:
    """A folder in memory for the files of PostgreSQL; None where there is none, or the server is not ours.

    A database is 400 files. ext4 gives the place of a file that was removed to no other for half a minute and searches
    past all of them, so that databases that come and go cost a second each; in memory they cost a twentieth.
    """
    memory = Path("/dev/shm")
    if os.environ.get("LAPAK_POSTGRES") or not memory.is_dir():
        return None
    for left in memory.glob("lapak-test-*"):  # by a run that was killed
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(memory).free < MEMORY_FREE_BYTES_MIN:
        return None
    folder = memory / f"lapak-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    owner = (running.state_dir / "postgres").stat()
    if owner.st_uid != os.getuid():
        os.chown(folder, owner.st_uid, owner.st_gid)
    return folder


class Databases:
    """Databases of services, each copied from a migrated template; the next is made while a test uses the last."""

    def __init__(self, admin_dsn: str, memory: Path | None) -> None:
        self._admin_dsn = admin_dsn
        self._memory = memory
        self._templates: dict[str, str] = {}
        self._spares: dict[str, asyncio.Task[str]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def take(self, service: str) -> str:
        """The DSN of a database that nobody used."""
        if self._memory is not None and not self._templates:
            await self._run(f"CREATE TABLESPACE memory LOCATION '{self._memory}'")
        if service not in self._templates:
            template = f"template_{service}_{uuid4().hex[:8]}"
            await self._create(template, "template1")
            await migrate(_with_path(self._admin_dsn, template), service)
            self._templates[service] = template
        spare = self._spares.pop(service, None)
        name = await (spare or self._copy(service))
        self._spares[service] = asyncio.create_task(self._copy(service))
        return _with_path(self._admin_dsn, name)

    def leave(self, dsn: str) -> None:
        """Have a database dropped; nobody waits for it."""
        task = asyncio.create_task(self._run(f'DROP DATABASE "{urlsplit(dsn).path[1:]}" WITH (FORCE)'))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._spares.values(), *self._leaving, return_exceptions=True)

    async def _copy(self, service: str) -> str:
        name = f"{service}_{uuid4().hex[:12]}"
        await self._create(name, self._templates[service])
        return name

    async def _create(self, name: str, template: str) -> None:
        place = "pg_default" if self._memory is None else "memory"
        await self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" TABLESPACE {place}')

    async def _run(self, statement: str) -> None:
        admin = await asyncpg.connect(self._admin_dsn)
        try:
            await admin.execute(statement)
        finally:
            await admin.close()


@pytest.fixture(scope="session")
async def databases(
    request: pytest.FixtureRequest, servers: stack.Running, postgres_admin: str
) -> AsyncIterator[Databases]:
    """Where tests get their databases from."""
    memory = _make_memory(servers)
    if memory is not None:
        request.config.stash[MEMORY] = memory
    kept = Databases(postgres_admin, memory)
    yield kept
    await kept.close()


@pytest.fixture
async def make_database(databases: Databases) -> AsyncIterator[MakeDatabase]:
    """Call it with a service's name for a database of its own, dropped after the test."""
    made: list[FreshDatabase] = []

    async def make(service: str) -> FreshDatabase:
        dsn = await databases.take(service)
        fresh = FreshDatabase(dsn, await open_database(dsn, size=20, name=f"test-{service}"))
        made.append(fresh)
        return fresh

    yield make
    for fresh in made:
        try:
            await asyncio.wait_for(fresh.database.pool.close(), 5)
        except TimeoutError:
            fresh.database.pool.terminate()
        databases.leave(fresh.dsn)


@pytest.fixture
async def hasty_dsn(make_database: MakeDatabase) -> str:
    """An empty database; what it commits may be lost when the machine fails, not when a process does."""
    fresh = await make_database("vendor")
    async with fresh.database.pool.acquire() as conn:
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    return fresh.dsn


@pytest.fixture
def clock() -> StandingClock:
    """A clock that stands at 1 March 2023, 09.00 WIB."""
    return StandingClock()


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    """Signs the tokens that `settings_for` services accept."""
    return LocalIssuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def sealer() -> Sealer:
    """Seals with a key that every test knows."""
    return Sealer(SECRET_KEYS)


def environment(issuer: LocalIssuer, dsn: str, *, kafka: str = "127.0.0.1:1", port: int = 0) -> dict[str, str]:
    """The LAPAK_* variables of a service under test."""
    return {
        "LAPAK_DATABASE": dsn,
        "LAPAK_KAFKA": kafka,
        "LAPAK_HTTP_PORT": str(port),
        "LAPAK_JWKS": str(issuer.jwks),
        "LAPAK_TOKEN_ISSUER": LOCAL_ISSUER,
        "LAPAK_SECRET_KEYS": json.dumps(SECRET_KEYS),
        "LAPAK_DEVELOPMENT": "true",
        # the default is a folder of the checkout; a test may have chosen one of its own
        "LAPAK_FILES": os.environ.get("LAPAK_FILES", str(issuer.jwks.parent / "files")),
        "LAPAK_HTTP_IN_FLIGHT_MAX": "1000",  # races are about the rules, not about overload
        # a run must not depend on the time of the day
        "LAPAK_QUIET_HOURS": "off",
        "LAPAK_FRIDAY_PRAYER": "off",
        "LAPAK_DIGEST_TIMES": "off",
    }


@pytest.fixture
async def serve(
    issuer: LocalIssuer, clock: StandingClock, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """`serve(create, fresh)`: an HTTP client of a service's app on that database; no relay, no consumers, no lifespan.

    Tokens: `issuer.token(...)`; the time: the `clock` fixture.
    """
    clients: list[httpx.AsyncClient] = []

    def start(create: Callable[[], Service], fresh: FreshDatabase) -> httpx.AsyncClient:
        for name, value in environment(issuer, fresh.dsn).items():
            monkeypatch.setenv(name, value)
        service = create()
        app = service.app()
        app.state.platform = Platform(service.name, service.settings, fresh.database, clock, sealer)
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://service", timeout=30
        )
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.aclose()


def repository_root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch, issuer: LocalIssuer) -> Callable[[dict[str, str]], None]:
    """Set the LAPAK_* variables of a service under test: these, and for the rest those of `environment`."""

    def change(values: dict[str, str]) -> None:
        for name, value in {**environment(issuer, values["LAPAK_DATABASE"]), **values}.items():
            monkeypatch.setenv(name, value)

    return change

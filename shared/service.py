"""A running service: its database, relay, consumers, timers and HTTP server, started and stopped as one."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import uvicorn
from fastapi import APIRouter, FastAPI

from shared import dead_letters, releases, telemetry
from shared.clock import Clock
from shared.consume import Consumer, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database, MigrationError, open_database, pending_migrations
from shared.failures import supervise
from shared.relay import Relay
from shared.settings import ServiceSettings
from shared.stream import Stream
from shared.timers import TimerHandler, run_timers, set_timer

__all__ = ["Platform", "Service", "StartRefused", "spare_the_collector"]

DATABASE_WAIT_SECONDS = 30
OUTBOX_AGE_SECONDS_MAX = 60
# longer than clients and balancers keep an idle connection: they close first, no request is lost
KEEP_ALIVE_SECONDS = 75
HOUSEKEEPING = timedelta(hours=1)
COLLECT_AFTER_OBJECTS = 50_000
"""More than a batch of any topic makes; what is garbage by then has some 10 MB."""
IDEMPOTENCY_KEPT = timedelta(days=2)
INBOX_KEPT = timedelta(days=30)

logger = telemetry.get_logger()


class StartRefused(RuntimeError):
    """What the service finds in its database does not fit its settings; the text says what, and the way out."""


@dataclass(frozen=True)
class Platform:
    """What handlers' edges need of the running service."""

    name: str
    settings: ServiceSettings
    database: Database
    clock: Clock
    sealer: Sealer


Background = Callable[[Platform, asyncio.Event], Awaitable[None]]
Check = Callable[[Platform], Awaitable[None]]
"""Looks at the database before anything is served; raises `StartRefused`."""


@dataclass
class Running:
    """The parts of a started service, for its health."""

    platform: Platform
    relay: Relay
    stream: Stream
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Service:
    """One of the four services, put together. `app.py` of each makes one; `lapak run NAME` serves it."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        routers: Sequence[APIRouter] = (),
        subscriptions: Sequence[Subscription] = (),
        timers: Mapping[str, TimerHandler] | None = None,
        background: Sequence[Background] = (),
        checks: Sequence[Check] = (),
    ) -> None:
        self.name = name
        self.settings = settings
        self._routers = routers
        self._subscriptions = subscriptions
        self._timers = {**(timers or {}), "housekeeping": keep_house}
        self._background = background
        self._checks = checks
        self._running: Running | None = None

    def app(self) -> FastAPI:
        """The ASGI application; its lifespan is the service's."""
        from shared.http import create_app

        return create_app(
            name=self.name,
            settings=self.settings,
            routers=self._routers,
            ready=self.ready,
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with self.run() as platform:
            app.state.platform = platform
            yield

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Platform]:
        """Start everything, and on leaving: take no more, end what is in flight, empty the outbox.

        Raises `NotConnected`, `MigrationError` or `StartRefused` where the database is not what it needs.
        """
        telemetry.configure(self.name, self.settings)
        async with self._opened() as platform:
            try:
                async with self._parts(platform) as running:
                    self._running = running
                    logger.info("service.started", service=self.name)
                    yield platform
            finally:
                self._running = None
                logger.info("service.stopped", service=self.name)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Platform]:
        """The service's database, let in, up to date, and fit for its settings."""
        settings = self.settings
        database = await open_database(
            settings.database,
            size=settings.pool_size,
            name=f"lapak-{self.name}",
            wait_seconds=DATABASE_WAIT_SECONDS,
            on_wait=lambda why: logger.warning("database.awaited", service=self.name, why=why),
        )
        try:
            async with database.read() as conn:
                pending = await pending_migrations(conn, self.name)
            if pending:
                raise MigrationError(f"the database lacks {', '.join(pending)}; run `lapak migrate {self.name}` first")
            platform = Platform(self.name, settings, database, Clock(settings.clock_file), Sealer(settings.secret_keys))
            for check in self._checks:
                await check(platform)
            yield platform
        finally:
            await database.pool.close()

    @asynccontextmanager
    async def _parts(self, platform: Platform) -> AsyncIterator[Running]:
        settings, database, clock, sealer = platform.settings, platform.database, platform.clock, platform.sealer
        stopping, outbox_closed = asyncio.Event(), asyncio.Event()
        handles = releases.handled(self._subscriptions)
        async with database.read() as conn:
            await releases.announce(conn, handles)
        consumers = [Consumer(self.name, sub, database, clock, sealer, stopping) for sub in self._subscriptions]
        relay = Relay(self.name, database, settings.database, settings.kafka, outbox_closed)
        stream = Stream(self.name, settings, database, consumers, stopping)
        running = Running(platform, relay, stream)
        by_topic = {consumer.subscription.topic: consumer for consumer in consumers}
        async with database.transaction() as conn:
            await keep_house(conn, "", clock.now())

        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "consume": stream.run,
            "timers": lambda: run_timers(database, self._timers, clock, stopping),
            "release": lambda: releases.keep_announced(database, handles, stopping),
            "replays": lambda: dead_letters.run_replays(database, sealer, by_topic, clock, stopping),
        }
        for work in self._background:
            loops[work.__name__] = partial(work, platform, stopping)
        running.tasks = [
            asyncio.create_task(supervise(name, loop, stopping), name=name) for name, loop in loops.items()
        ]
        relaying = [
            asyncio.create_task(supervise(name, loop, outbox_closed), name=name)
            for name, loop in (("relay", relay.run), ("outbox", relay.measure))
        ]
        try:
            yield running
        finally:
            stopping.set()
            await stream.stop()
            await asyncio.gather(*running.tasks, return_exceptions=True)
            outbox_closed.set()
            relay.ring()
            await asyncio.gather(*relaying, return_exceptions=True)

    async def ready(self) -> dict[str, tuple[bool, str]]:
        """Every part the service needs, whether it works, and a word on it."""
        running = self._running
        if running is None:
            return {"service": (False, "starting")}
        parts: dict[str, tuple[bool, str]] = {}
        try:
            async with asyncio.timeout(2), running.platform.database.read() as conn:
                await conn.fetchval("SELECT 1")
            parts["database"] = (True, "answers")
        except Exception as error:  # noqa: BLE001 - readiness reports every failure and raises none
            parts["database"] = (False, type(error).__name__)
        broker_answers = await running.stream.broker_answers()
        parts["broker"] = (broker_answers, "answers" if broker_answers else "does not answer; commands still succeed")
        relay = running.relay
        role = "leads" if relay.leads else "stands by"
        if not broker_answers:
            parts["relay"] = (True, "waits for the broker")
        elif relay.last_error is not None:
            parts["relay"] = (False, f"failing: {relay.last_error}")
        elif relay.oldest_age_seconds > OUTBOX_AGE_SECONDS_MAX:
            parts["relay"] = (False, f"{role}; the oldest event waits for {relay.oldest_age_seconds:.0f} s")
        else:
            parts["relay"] = (True, role)
        for topic, health in running.stream.health(broker_answers=broker_answers).items():
            parts[f"consumer {topic}"] = health
        return parts

    def serve(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain. Blocks.

        Raises `NotConnected`, `MigrationError` or `StartRefused` where the database is not what it needs: it is looked
        at first, for of what fails while it starts, uvicorn makes a traceback.
        """
        config = uvicorn.Config(
            self.app(),
            host=self.settings.http_host,
            port=self.settings.http_port,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody asks for the client's address or scheme
            timeout_graceful_shutdown=15,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        # uvicorn drains on a signal and then raises it again: a drained service has ended well, so that is exit code 0
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, _end_well)
        asyncio.run(self._look())
        spare_the_collector()
        server.run()
        if not server.started:
            raise SystemExit(3)

    async def _look(self) -> None:
        telemetry.configure_logs(self.settings.log_level)
        async with self._opened():
            pass


def spare_the_collector() -> None:
    """Let Python's collector leave alone what start-up made, and look at the rest seldom.

    A batch of events is thousands of objects that live as long as it does. By default, after every 700 new ones, the
    collector walks through them again and finds nothing (figures: `docs/performance.md`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)


def _end_well(*_: object) -> None:
    raise SystemExit(0)


async def keep_house(conn: Connection, _: str, now: datetime) -> None:
    """Remove answers and command ids that are past their use; sets itself again."""
    await conn.execute("DELETE FROM idempotency_key WHERE created_at < $1", now - IDEMPOTENCY_KEPT)
    await conn.execute("DELETE FROM inbox WHERE received_at < $1", now - INBOX_KEPT)
    await set_timer(conn, "housekeeping", "all", now + HOUSEKEEPING)

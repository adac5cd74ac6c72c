"""Any interleaving of writers, relays, crashes, lost connections and late or missing acknowledgements leaves a log in
which every aggregate, its duplicates removed, reads 1, 2, 3 ... without a gap.

PostgreSQL is real; in Kafka's place stands a log that can be late, silent or lossy on purpose.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import asyncpg
import pytest
import structlog.testing
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from shared import db, outbox, relay
from shared.db import Database, open_database
from shared.relay import Relay, partition_of
from tests.integration.backbone import NOW, Counted

KEYS = ("a", "b", "c")
PARTITIONS = 2
POINTS = ("relay.read", "relay.published", "relay.deleted")
BATCH_BYTES = 700
"""So small that a few events take several batches."""
TICK_SECONDS = 0.004
REST_SECONDS_MAX = 10

Step = tuple[Any, ...]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(KEYS), st.integers(1, 4)),
        st.tuples(st.just("write"), st.sampled_from(KEYS), st.integers(1, 4)),
        st.tuples(st.just("roll back"), st.sampled_from(KEYS), st.integers(1, 4)),
        st.tuples(st.just("open"), st.sampled_from(KEYS), st.integers(1, 4)),
        st.tuples(st.just("commit")),
        st.tuples(st.just("wait"), st.integers(1, 4)),
        st.tuples(st.just("hold"), st.sampled_from(["requests", "answers"])),
        st.tuples(st.just("release")),
        st.tuples(st.just("trouble"), st.sampled_from(["lost", "unsure"])),
        st.tuples(st.just("crash"), st.sampled_from(POINTS)),
        st.tuples(st.just("cut")),
        st.tuples(st.just("start")),
    ),
    min_size=2,
    max_size=14,
)

COMMON = settings(
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Crash(BaseException):
    """The relay's process ends here, as far as the code under test can tell."""


class Log:
    """Stands where Kafka does. Requests and answers can be held up, and go wrong: `lost` before, `unsure` after."""

    def __init__(self) -> None:
        self.records: list[list[tuple[str, int]]] = [[] for _ in range(PARTITIONS)]
        self.held: dict[str, asyncio.Event] = {"requests": asyncio.Event(), "answers": asyncio.Event()}
        self.troubles: list[str] = []
        self.sending: set[asyncio.Task[None]] = set()
        self.release()

    def release(self) -> None:
        for gate in self.held.values():
            gate.set()

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[None]:
        task = asyncio.create_task(self._append(bytes(batch._build()), partition))
        self.sending.add(task)  # it is on its way: it arrives also when its sender has died
        task.add_done_callback(self.sending.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return asyncio.shield(task)

    async def _append(self, data: bytes, partition: int) -> None:
        await self.held["requests"].wait()
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == "lost":
            raise KafkaTimeoutError
        batches = MemoryRecords(data)
        while (batch := batches.next_batch()) is not None:
            self.records[partition] += [(one.key.decode(), int(dict(one.headers)["ce_sequence"])) for one in batch]
        await self.held["answers"].wait()
        if trouble == "unsure":
            raise KafkaTimeoutError

    async def stop(self) -> None:
        return None


class World:
    """One database and two relays, in which example after example is played."""

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # a loop of its own: hypothesis calls plain functions
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._dsn = dsn
        self._armed: str | None = None
        self.hits: Counter[str] = Counter()
        self._logs = structlog.testing.capture_logs()
        monkeypatch.setattr(relay, "failpoint", self._failpoint)
        monkeypatch.setattr(db, "failpoint", lambda _: None)
        monkeypatch.setattr(relay, "open_producer", self._open_producer)
        for name, value in (
            ("BATCH_ROWS", 5),
            ("POLL_SECONDS", 0.02),
            ("STAND_BY_SECONDS", 0.01),
            ("DRAIN_SECONDS", 0.5),
            ("CLOSE_SECONDS", 0.02),
        ):
            monkeypatch.setattr(relay, name, value)

    def __enter__(self) -> Self:
        self._logs.__enter__()
        self._pool = self._runner.run(open_database(self._dsn, size=8, name="interleavings")).pool
        self._runner.run(self._pool.execute("CREATE TABLE aggregate (name text PRIMARY KEY, version bigint NOT NULL)"))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()
        self._logs.__exit__(None, None, None)

    def _failpoint(self, name: str) -> None:
        if name == self._armed:
            self._armed = None
            self._crashed.set()
            self.hits[name] += 1
            raise Crash(name)

    async def _open_producer(self, *_: object) -> Log:
        return self._log

    def play(self, steps: list[Step]) -> tuple[list[list[tuple[str, int]]], dict[str, int]]:
        """Play the steps, let everything come to rest: the log, and the version of each aggregate."""
        return self._runner.run(self._play(steps))

    async def _play(self, steps: list[Step]) -> tuple[list[list[tuple[str, int]]], dict[str, int]]:
        await self._pool.execute("DELETE FROM outbox; DELETE FROM aggregate")
        await self._pool.executemany("INSERT INTO aggregate VALUES ($1, 0)", [(key,) for key in KEYS])
        self._armed, self._log, self._database = None, Log(), Database(self._pool)
        self._stopping, self._crashed = asyncio.Event(), asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []
        self._open: list[asyncio.Event] = []
        self._relays = [Relay("test", self._database, self._dsn, "nowhere", self._stopping) for _ in range(2)]
        self._running: list[asyncio.Task[None] | None] = [None, None]
        self._start()
        for step in steps:
            await self._step(*step)
            await asyncio.sleep(TICK_SECONDS)
        await self._rest()
        rows = await self._pool.fetch("SELECT name, version FROM aggregate")
        return self._log.records, {row["name"]: row["version"] for row in rows}

    def _start(self) -> None:
        for place, one in enumerate(self._relays):
            running = self._running[place]
            if running is None or running.done():
                self._running[place] = asyncio.create_task(self._run(one))

    async def _run(self, one: Relay) -> None:
        """A relay's process with its supervisor; a crash ends it."""
        while not self._stopping.is_set():
            try:
                await one.run()
            except Crash:
                return
            except (asyncpg.PostgresError, asyncpg.InterfaceError, KafkaTimeoutError, OSError):
                await asyncio.sleep(TICK_SECONDS)

    async def _step(self, kind: str, *what: Any) -> None:
        if kind in ("write", "roll back", "open"):
            key, count = what
            if key in {task.get_name() for task in self._writers if not task.done()} and len(self._open) > 2:
                return  # every writer that waits holds a connection
            end = asyncio.Event()
            if kind == "open":
                self._open.append(end)
            else:
                end.set()
            task = asyncio.create_task(self._write(key, count, end, keep=kind != "roll back"), name=key)
            self._writers.append(task)
        elif kind == "commit" and self._open:
            self._open.pop(0).set()
        elif kind == "wait":
            await asyncio.sleep(what[0] * TICK_SECONDS)
        elif kind == "hold":
            self._log.held[what[0]].clear()
        elif kind == "release":
            self._log.release()
        elif kind == "trouble":
            self._log.troubles.append(what[0])
        elif kind == "crash":
            self._armed = what[0]
            self._crashed.clear()
        elif kind == "wait for the crash":
            with suppress(TimeoutError):
                async with asyncio.timeout(what[0]):
                    await self._crashed.wait()
        elif kind == "cut":
            await self._pool.execute(
                "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "
                "WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()"
            )
        elif kind == "start":
            self._start()

    async def _write(self, key: str, count: int, end: asyncio.Event, *, keep: bool) -> None:
        """What every handler does: lock the aggregate, record facts with its next versions, commit or not."""
        try:
            async with self._database.transaction() as conn:
                version = await conn.fetchval("SELECT version FROM aggregate WHERE name = $1 FOR UPDATE", key)
                await conn.execute("UPDATE aggregate SET version = $2 WHERE name = $1", key, version + count)
                facts = [outbox.Fact(Counted(counter=key, add=1), version + n) for n in range(1, count + 1)]
                await outbox.record(conn, facts, now=NOW)
                await end.wait()
                if not keep:
                    raise KeyError("changed my mind")
        except KeyError:
            pass

    async def _rest(self) -> None:
        self._armed, self._log.troubles = None, []
        for end in self._open:
            end.set()
        await asyncio.gather(*self._writers)
        self._log.release()
        self._start()
        async with asyncio.timeout(REST_SECONDS_MAX):
            while await self._pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                self._start()
                await asyncio.sleep(TICK_SECONDS)
            self._stopping.set()
            for one in self._relays:
                one.ring()
            await asyncio.gather(*(task for task in self._running if task is not None))
            await asyncio.gather(*self._log.sending, return_exceptions=True)


@pytest.fixture
def world(hasty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world in which the examples are played."""
    with World(hasty_dsn, monkeypatch) as one:
        yield one


def assert_told_in_order(world: World, steps: list[Step]) -> None:
    """Fail unless each aggregate's facts stand in its partition, in order, none missing; duplicates do no harm."""
    records, versions = world.play(steps)
    first: dict[str, list[int]] = {key: [] for key in KEYS}
    for partition, part in enumerate(records):
        for key, sequence in part:
            assert partition == partition_of(key.encode(), PARTITIONS)
            if sequence not in first[key]:
                first[key].append(sequence)
            else:
                world.hits["duplicate"] += 1
    assert first == {key: list(range(1, version + 1)) for key, version in versions.items()}


def test_any_interleaving_leaves_every_aggregate_in_order_and_whole(world: World) -> None:
    @settings(COMMON, max_examples=60)
    @given(STEPS)
    def played(steps: list[Step]) -> None:
        assert_told_in_order(world, steps)

    for point in POINTS:  # whatever is drawn: at each point at least once
        crash: list[Step] = [
            ("crash", point),
            ("write", "a", 3),
            ("wait for the crash", 5),
            ("start",),
            ("write", "a", 3),
        ]
        played = example(crash)(played)
    # a zombie: its request arrives when its successor has told the same and more
    late: list[Step] = [
        ("hold", "requests"),
        ("write", "a", 3),
        ("wait", 50),
        ("cut",),
        ("write", "a", 2),
        ("wait", 50),
    ]
    example(late)(played)()
    assert world.hits.keys() >= {*POINTS, "duplicate"}


# -- awake: with a fault a counter-example is found

DELETE_FIRST = """
WITH gone AS (
    DELETE FROM outbox WHERE seq = ANY($1::bigint[]) OR seq = ANY (
        SELECT seq FROM outbox WHERE NOT seq <@ $2::int8multirange ORDER BY seq LIMIT $3
    ) RETURNING *
)
SELECT seq, event_id, topic, key, sequence, type, timestamptz_send(occurred_at), traceparent, payload
FROM gone WHERE NOT seq <@ $2::int8multirange ORDER BY seq
"""


async def _not_waited_for(*_: object) -> None:
    return None


publish = Relay._publish


async def _all_at_once(self: Relay, producer: Any, rows: Any, _: object) -> None:
    await publish(self, producer, rows, None)


@pytest.mark.parametrize(
    ("place", "name", "fault"),
    [
        (relay, "NEXT", DELETE_FIRST),
        (relay, "NEXT", relay.NEXT.replace("ORDER BY seq", "ORDER BY seq DESC")),
        (Relay, "_acknowledged", _not_waited_for),
        (Relay, "_publish", _all_at_once),
    ],
    ids=[
        "deleted before it is published",
        "newest first",
        "deleted before it is acknowledged",
        "sent before the one before is acknowledged",
    ],
)
def test_with_a_fault_a_counter_example_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, place: object, name: str, fault: object
) -> None:
    @settings(COMMON, max_examples=200, phases=[Phase.generate])
    @given(STEPS)
    def played(steps: list[Step]) -> None:
        assert_told_in_order(world, steps)

    monkeypatch.setattr(place, name, fault)
    with pytest.raises((AssertionError, Flaky)):  # tasks race: what was found need not come again
        played()

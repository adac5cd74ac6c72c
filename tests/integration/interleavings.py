"""Any interleaving of what can happen to a consumer: drawn logs and turns, the world they are played in, and the
plain sequence they must equal."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import asyncpg
import pytest
import structlog.testing
from aiokafka import ConsumerRecord
from hypothesis import strategies as st

from shared import consume, db, dead_letters, inbound
from shared.consume import Consumer, Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database, open_database
from shared.errors import Refused
from shared.events.envelope import Envelope, Message
from shared.failures import is_outage
from tests.conftest import SECRET_KEYS, StandingClock
from tests.integration.backbone import NOW, Counted, Reset, headers

TOPIC = "test.interleaved"
PARTITION_OF = {"a": 0, "b": 0, "c": 1, None: 1}
POINTS = ("consume.received", "db.committing", "consume.applied", "db.committed", "consume.committed", "handler")
EXAMPLE_SECONDS_MAX = 30
TURNS_TO_SETTLE_MAX = 60


class Crash(BaseException):
    """The process ends here, as far as the code under test can tell."""


# -- what is drawn -----------------------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """A record as its publisher meant it. `version` is None for commands; `given_up`: operators discard it."""

    id: UUID
    key: str | None
    version: int | None
    number: int
    kind: str
    given_up: bool


class Turn(NamedTuple):
    """What happens at once: a batch for the consumer, a zombie's old batch, operators at work, an end or an outage."""

    batch: tuple[int, int]
    """How many records of each partition the consumer is given."""
    rewind: tuple[int, int] = (0, 0)
    """How many of them it is given again."""
    zombie: tuple[int, int] | None = None
    """A second consumer of the same partitions: from how far back, and how many records of each."""
    operators: bool = False
    crash: tuple[str, int] | None = None
    """The process ends the n-th time it comes to this point."""
    outage: int | None = None
    """The database is lost in the n-th call of a handler."""
    restart: bool = False


EVENT_KINDS = ("good", "good", "good", "good", "ignored", "fault", "refused", "malformed", "tombstone")
COMMAND_KINDS = ("good", "good", "good", "good", "good", "fault", "refused", "malformed", "unknown")


@st.composite
def logs(draw: st.DrawFn, *, commands: bool) -> tuple[list[Sent], list[Sent]]:
    """Two partitions. Each key's facts in order, keys mixed, and some sent again later by their publisher."""
    kinds, keys = (COMMAND_KINDS, ("a", "b", None)) if commands else (EVENT_KINDS, ("a", "b", "c"))
    one = st.tuples(st.sampled_from(keys), st.sampled_from(kinds), st.booleans())
    versions: dict[str | None, int] = defaultdict(int)
    log: list[Sent] = []
    for number, (key, kind, given_up) in enumerate(draw(st.lists(one, min_size=1, max_size=12)), start=1):
        versions[key] += 1
        version = None if commands else versions[key]
        log.append(Sent(UUID(int=number), key, version, number, kind, given_up or kind == "unknown"))
    for source, place in draw(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=4)):
        again = log[source % len(log)]
        first = log.index(again) + 1
        log.insert(first + place % (len(log) - first + 1), again)
    return (
        [one for one in log if PARTITION_OF[one.key] == 0],
        [one for one in log if PARTITION_OF[one.key] == 1],
    )


TURNS = st.lists(
    st.builds(
        Turn,
        batch=st.tuples(st.integers(0, 6), st.integers(0, 6)),
        rewind=st.tuples(st.integers(0, 4), st.integers(0, 4)),
        zombie=st.none() | st.tuples(st.integers(0, 4), st.integers(1, 6)),
        operators=st.booleans(),
        crash=st.none() | st.tuples(st.sampled_from(POINTS), st.integers(1, 2)),
        outage=st.none() | st.integers(1, 4),
        restart=st.booleans(),
    ),
    max_size=6,
)


# -- what must come of it ----------------------------------------------------------------------------------------------


class Stores(NamedTuple):
    """What a consumer leaves behind: its own state, its answers, where it stands."""

    counters: dict[str, list[int]]
    answers: list[tuple[UUID, str]]
    versions: dict[str, int]
    offsets: dict[int, int]


def plain_sequence(log: Sequence[Sequence[Sent]]) -> Stores:
    """Every record applied once, in order, by plain reading; what operators gave up never came."""
    counters: dict[str, list[int]] = {}
    answers: list[tuple[UUID, str]] = []
    versions: dict[str, int] = {}
    seen: set[UUID] = set()
    for one in (one for partition in log for one in partition):
        failed = one.kind in ("fault", "unknown") or (one.kind in ("refused", "malformed") and one.version is not None)
        if one.id in seen or (failed and one.given_up):
            continue
        seen.add(one.id)
        if one.version is not None:
            assert one.key is not None
            versions[one.key] = one.version
        if one.version is None and one.kind in ("refused", "malformed"):
            answers.append((one.id, one.kind))
        elif one.kind == "tombstone":
            counters.pop(_counter(one), None)
        elif one.kind != "ignored":
            counters.setdefault(_counter(one), []).append(one.number)
    return Stores(counters, sorted(answers), versions, {p: len(part) for p, part in enumerate(log) if part})


def _counter(one: Sent) -> str:
    """Whose order matters has one counter: an aggregate, or a command without a key."""
    return one.key or f"command {one.number}"


# -- the world ---------------------------------------------------------------------------------------------------------


class World:
    """One database in which example after example is played, each from empty tables."""

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        # a loop of its own: hypothesis calls plain functions
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._dsn = dsn
        self._sealer, self._clock = Sealer(SECRET_KEYS), StandingClock(NOW)
        self._armed: tuple[str, int] | None = None
        self._outage: int | None = None
        self._troubles: dict[UUID, str] = {}
        self.hits: Counter[str] = Counter()
        """Points at which an example ended a process; a harness that never does proves nothing."""
        monkeypatch.setattr(consume, "RETRY_DELAYS_SECONDS", (0.0, 0.0))
        for module in (consume, db):
            monkeypatch.setattr(module, "failpoint", self._failpoint)

        self._logs = structlog.testing.capture_logs()  # a drawn failure's traceback costs more than its example

    def __enter__(self) -> Self:
        self._logs.__enter__()
        self.database: Database = self._runner.run(open_database(self._dsn, size=4, name="interleavings"))
        self._runner.run(self._make_tables())
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._runner.run(self.database.pool.close())
        self._runner.close()
        self._logs.__exit__(None, None, None)

    async def _make_tables(self) -> None:
        async with self.database.transaction() as conn:
            await conn.execute(
                "CREATE TABLE counter (name text PRIMARY KEY, trail int[] NOT NULL);"
                "CREATE TABLE answer (id uuid NOT NULL, code text NOT NULL)"
            )

    def play(self, log: tuple[list[Sent], list[Sent]], turns: Sequence[Turn], *, commands: bool) -> Stores:
        """Play these turns, then let everything come to rest; what is in the stores then."""
        return self._runner.run(self._play(log, turns, commands=commands))

    async def _play(self, log: tuple[list[Sent], list[Sent]], turns: Sequence[Turn], *, commands: bool) -> Stores:
        async with self.database.pool.acquire() as conn:
            # much faster than TRUNCATE for a handful of rows
            await conn.execute(
                "DELETE FROM counter; DELETE FROM answer; DELETE FROM consumer_offset; DELETE FROM consumed_version; "
                "DELETE FROM inbox; DELETE FROM parked_key; DELETE FROM dead_letter_act; DELETE FROM dead_letter; "
                "DELETE FROM outbox"
            )
        self._armed = self._outage = None
        self._troubles = {one.id: one.kind for part in log for one in part if one.kind in ("fault", "refused")}
        self._log = [[_record(one, p, offset) for offset, one in enumerate(part)] for p, part in enumerate(log)]
        self._sent = {(p, offset): one for p, part in enumerate(log) for offset, one in enumerate(part)}
        self._subscription = self._commands() if commands else self._events()
        async with asyncio.timeout(EXAMPLE_SECONDS_MAX):
            await self._restart()
            for turn in turns:
                await self._turn(turn)
            await self._settle()
            return await self._stores()

    # -- the subscription under test

    def _events(self) -> Subscription:
        return Subscription(TOPIC, on={Counted: self._apply}, on_tombstone=self._erase)

    def _commands(self) -> Subscription:
        return Subscription(TOPIC, on_many={Reset: self._apply_many}, on_refused=self._answer)

    async def _apply_many(self, conn: Connection, messages: Sequence[Received[Any]], now: datetime) -> None:
        for received in messages:
            await self._apply(conn, received, now)

    async def _apply(self, conn: Connection, received: Received[Any], _: datetime) -> None:
        name, _, number = received.body.counter.partition("/")
        await conn.execute(
            "INSERT INTO counter (name, trail) VALUES ($1, ARRAY[$2::int]) "
            "ON CONFLICT (name) DO UPDATE SET trail = counter.trail || excluded.trail",
            name,
            int(number),
        )
        self._failpoint("handler")
        if self._outage is not None:
            self._outage -= 1
            if self._outage == 0:
                self._outage = None
                raise asyncpg.SerializationError("try again")
        trouble = self._troubles.get(received.envelope.id)
        if trouble == "refused":
            raise Refused("not today")
        if trouble is not None:
            raise KeyError("a defect")

    async def _erase(self, conn: Connection, key: str, _: datetime) -> None:
        await conn.execute("DELETE FROM counter WHERE name = $1", key)

    async def _answer(
        self, conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
    ) -> None:
        await conn.execute("INSERT INTO answer (id, code) VALUES ($1, $2)", envelope.id, refusal.code)

    def _failpoint(self, name: str) -> None:
        if self._armed is None or self._armed[0] != name:
            return
        left = self._armed[1] - 1
        self._armed = (name, left) if left else None
        if not left:
            self.hits[name] += 1
            raise Crash(name)

    # -- what happens

    def _consumer(self) -> Consumer:
        return Consumer("test", self._subscription, self.database, self._clock, self._sealer, asyncio.Event())

    async def _restart(self) -> None:
        """A new process: it reads on from where the database stands."""
        async with self.database.read() as conn:
            standing = await inbound.find_offsets(conn, TOPIC)
        self._consumers = self._consumer()
        self._positions = [standing.get(partition, 0) for partition in (0, 1)]

    def _batch(self, starts: Sequence[int], counts: Sequence[int]) -> list[ConsumerRecord]:
        return [one for p in (0, 1) for one in self._log[p][starts[p] : starts[p] + counts[p]]]

    async def _turn(self, turn: Turn) -> None:
        self._armed, self._outage = turn.crash, turn.outage
        if turn.restart:
            await self._restart()
        at = self._positions
        starts = [max(0, at[p] - turn.rewind[p]) for p in (0, 1)]
        batch = self._batch(starts, turn.batch)
        work: list[Coroutine[Any, Any, None]] = [self._consumers.handle(batch)] if batch else []
        if turn.zombie is not None:
            back, count = turn.zombie
            work.append(self._consumer().handle(self._batch([max(0, one - back) for one in at], [count, count])))
        if turn.operators:
            work.append(self._operate())
        self.hits["zombie"] += turn.zombie is not None
        for ended in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, Crash):
                raise ended
        self._armed = self._outage = None
        if turn.crash is not None:
            await self._restart()
        else:
            self._positions = [max(at[p], min(starts[p] + turn.batch[p], len(self._log[p]))) for p in (0, 1)]

    async def _operate(self) -> None:
        """Operators deal with each failed letter (mend and replay, or discard), and the service replays."""
        async with self.database.read() as conn:
            failed = [one for one in await dead_letters.list_open(conn, limit=1000) if one["state"] == "failed"]
        for letter in failed:
            one = self._sent[letter["partition"], letter["record_offset"]]
            async with self.database.transaction() as conn:
                try:
                    if one.given_up:
                        await dead_letters.discard(conn, letter["id"], actor="op", note="given up", now=NOW)
                        continue
                    if one.kind == "malformed":
                        await dead_letters.edit(
                            conn, self._sealer, letter["id"], _body(one), actor="op", note="mended", now=NOW
                        )
                    await dead_letters.ask_replay(conn, [letter["id"]], actor="op", note=None, now=NOW)
                except Refused:
                    continue  # settled meanwhile
            self._troubles.pop(one.id, None)
            self.hits["letter"] += 1
        again = True
        while again:
            try:
                again = await dead_letters.replay_next(
                    self.database, self._sealer, {TOPIC: self._consumer()}, self._clock
                )
            except Exception as error:
                if not is_outage(error):
                    raise

    async def _settle(self) -> None:
        """Nothing fails any more: the rest is read, operators work until nothing is open."""
        for _ in range(TURNS_TO_SETTLE_MAX):
            await self._restart()
            await self._turn(Turn(batch=(len(self._log[0]), len(self._log[1])), operators=True))
            async with self.database.read() as conn:
                open_ = await conn.fetchval(
                    "SELECT (SELECT count(*) FROM dead_letter WHERE state IN ('failed', 'waiting')) "
                    "+ (SELECT count(*) FROM parked_key)"
                )
            await self._restart()
            if open_ == 0 and self._positions == [len(part) for part in self._log]:
                return
        raise AssertionError("dead letters stay open, parked keys stay parked, or records stay unread")

    async def _stores(self) -> Stores:
        async with self.database.read() as conn:
            counters = await conn.fetch("SELECT name, trail FROM counter")
            answers = await conn.fetch("SELECT id, code FROM answer")
            versions = await conn.fetch("SELECT key, sequence FROM consumed_version WHERE topic = $1", TOPIC)
            offsets = await inbound.find_offsets(conn, TOPIC)
            notices = await conn.fetchval("SELECT count(*) FROM outbox WHERE type = 'MessageDeadLettered'")
            failures = await conn.fetchval("SELECT count(*) FROM dead_letter WHERE error_kind IS NOT NULL")
        assert notices == failures, "each letter that failed is told of once"
        return Stores(
            {row["name"]: row["trail"] for row in counters},
            sorted((row["id"], row["code"]) for row in answers),
            {row["key"]: row["sequence"] for row in versions},
            {partition: offset for partition, offset in offsets.items() if offset},
        )


def _body(one: Sent) -> bytes:
    message: Message = Reset(counter=f"{_counter(one)}/{one.number}")
    if one.version is not None:
        message = Counted(counter=f"{_counter(one)}/{one.number}", add=1)
    return message.to_bytes()


def _record(one: Sent, partition: int, offset: int) -> ConsumerRecord:
    kind = "Reset" if one.version is None else "Counted"
    if one.kind in ("ignored", "unknown"):
        kind = "SomethingNew"
    value: bytes | None = _body(one)
    if one.kind == "malformed":
        value = b"{"
    elif one.kind == "tombstone":
        value = None
    key = None if one.key is None else one.key.encode()
    written = headers(one.key or "nobody", one.version, kind=kind, event_id=one.id)
    return ConsumerRecord(TOPIC, partition, offset, 0, 0, key, value, None, -1, -1, tuple(written))


__all__ = ["POINTS", "TURNS", "Sent", "Stores", "Turn", "World", "logs", "plain_sequence"]

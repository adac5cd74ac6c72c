"""What the backbone asks of PostgreSQL and Kafka, in counts that no load of the machine changes. Limits, not figures.

Counted on the wire (a proxy in front of PostgreSQL reads the client's messages) and in the write-ahead log
(`pg_walinspect`), for the mechanisms alone: the handlers here do nothing. Prepared statements are warm.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid5

import asyncpg
import httpx
import pytest
from aiokafka import ConsumerRecord
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from fastapi import APIRouter, Response

from shared import outbox
from shared.auth import LocalIssuer
from shared.consume import Consumer, Received, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database, open_database
from shared.events.envelope import Envelope, write_headers
from shared.http import EdgeDep, create_app
from shared.service import Platform
from shared.settings import ServiceSettings
from tests.conftest import FreshDatabase, MakeDatabase, StandingClock, environment
from tests.integration.backbone import NOW, Counted, make_topic, relaying, until


class Count(NamedTuple):
    """Statements run, times the client waited for an answer, transactions that wrote, bytes of write-ahead log."""

    statements: int
    round_trips: int
    commits: int
    wal_bytes: int


COMMANDS, BATCH, ROWS, PARTITIONS = 64, 500, 1_000, 3

# Lower a limit when the product gets better; raise one only with the reason in `docs/performance.md`.
# The log is counted without full-page images, which depend on the last checkpoint. What it is made of stands beside.
LIMITS = {
    # BEGIN, the outbox row, COMMIT, 64 times. Log of one: the row 191, its key in the index 64, the commit 34.
    "64 commands, an event each": Count(192, 192, 64, 18_595),
    # The same three for all 500. Log: the rows, 191 each; their keys 64 each; the identity 99 for every 32.
    "a batch of 500 commands": Count(3, 3, 1, 129_779),
    # BEGIN, key claimed, answer kept, COMMIT. Log: a row and two index entries, its update in place, the commit.
    "an HTTP command": Count(4, 4, 1, 439),
    # BEGIN, offsets moved, versions raised, COMMIT.
    # Log of one version: the row 87, the confirmation of ON CONFLICT 48, its key in the index 80.
    "500 consumed, keys never seen": Count(4, 4, 1, 109_656),
    # The same. Log of one version: the lock of ON CONFLICT 54, the new version on the same page 72.
    "500 consumed, keys known": Count(4, 4, 1, 63_090),
    # BEGIN, offsets asked to move, COMMIT. Log: the lock of ON CONFLICT, the commit.
    "500 consumed before": Count(3, 3, 1, 400),
    # By a relay that begins: the lock, LISTEN, two of asyncpg about a type; nothing found, the rows read, the rows
    # deleted and the next looked for, in one statement each time. Log: 54 for each deleted row.
    "1,000 rows relayed": Count(7, 12, 1, 54_034),
}
WAL_SLACK = 1.10  # a longer row splits pages at other places
PRODUCE_REQUESTS_MAX = PARTITIONS  # one carries the batches of all partitions that are ready by then


# ---- counting on the wire


@dataclass
class Wire:
    """What went over the wire since `clear`: the statements that were run, and how often an answer was waited for."""

    statements: list[str] = field(default_factory=list)
    round_trips: int = 0
    answered: list[int] = field(default_factory=list)
    """For each statement, the round trips until its answer, counted from the same beginning."""

    def ran(self, statement: str) -> None:
        self.statements.append(statement)
        self.answered.append(self.round_trips + 1)

    def clear(self) -> None:
        self.statements.clear()
        self.answered.clear()
        self.round_trips = 0

    def cut_after_last(self, word: str) -> None:
        """Forget what came after the last statement with this word."""
        last = max(place for place, text in enumerate(self.statements) if word in text)
        del self.statements[last + 1 :]
        self.round_trips = self.answered[last]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _copy_and_count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire) -> None:
    """Pass on the client's messages, each noted before it leaves. Protocol 3.0: a letter, a length, a body."""
    prepared: dict[bytes, str] = {}
    bound = ""
    while True:  # the start: messages without a letter, until one is no request for encryption
        head = await reader.readexactly(8)
        length, code = struct.unpack("!II", head)
        writer.write(head + await reader.readexactly(length - 8))
        if code >> 16 == 3:
            break
    while True:
        head = await reader.readexactly(5)
        kind, length = chr(head[0]), struct.unpack("!I", head[1:])[0]
        body = await reader.readexactly(length - 4)
        if kind == "Q":
            wire.ran(body[:-1].decode())
        elif kind == "P":
            name, query, _ = body.split(b"\0", 2)
            prepared[name] = query.decode()
        elif kind == "B":
            bound = prepared[body.split(b"\0", 2)[1]]
        elif kind == "E":
            wire.ran(bound)
        if kind in "QSH":
            wire.round_trips += 1
        writer.write(head + body)
        await writer.drain()


@asynccontextmanager
async def _wired(dsn: str) -> AsyncIterator[tuple[str, Wire]]:
    """A DSN that leads through a proxy to the same database, and what goes through it."""
    parts, wire = urlsplit(dsn), Wire()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_closed(_copy_and_count(reader, up_writer, wire), up_writer))
                tasks.create_task(_until_closed(_copy(up_reader, writer), writer))
        finally:
            up_writer.close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    try:
        yield urlunsplit((parts.scheme, f"{user}@127.0.0.1:{port}", parts.path, parts.query, "")), wire
    finally:
        server.close()


async def _until_closed(copying: Awaitable[None], writer: asyncio.StreamWriter) -> None:
    """Copy until either side hangs up, and tell the other."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        await copying
    writer.close()


# ---- counting in the write-ahead log

# What transactions wrote into the tables of this database, and their commits: neither other databases, nor the
# server's housekeeping, nor the tidying of pages by whoever reads them first.
LOG = """
WITH ours AS (
    SELECT DISTINCT start_lsn, xid FROM pg_get_wal_block_info($1, $2, false)
    WHERE reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND xid <> '0'
      AND relfilenode IN (SELECT pg_relation_filenode(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace)
)
SELECT count(*) FILTER (WHERE resource_manager = 'Transaction' AND record_type LIKE 'COMMIT%') AS commits,
       coalesce(sum(record_length - fpi_length), 0) AS wal_bytes
FROM pg_get_wal_records_info($1, $2)
WHERE start_lsn IN (SELECT start_lsn FROM ours) AND resource_manager <> 'XLOG'
   OR resource_manager = 'Transaction' AND xid IN (SELECT xid FROM ours)
"""


@dataclass
class Meter:
    """Counts what happens in one database between `start` and `read`."""

    wire: Wire
    admin: "asyncpg.Connection[asyncpg.Record]"
    began: str = ""

    async def start(self) -> None:
        self.began = await self._flushed()
        self.wire.clear()

    async def read(self) -> Count:
        wire = self.wire
        statements, round_trips = len(wire.statements), wire.round_trips
        row = await self.admin.fetchrow(LOG, self.began, await self._flushed())
        assert row is not None
        return Count(statements, round_trips, row["commits"], int(row["wal_bytes"]))

    async def _flushed(self) -> str:
        """The log's end, with all before it on disk: whoever commits without waiting may not be there yet."""
        await self.admin.execute("SELECT pg_logical_emit_message(true, 'counted', '')")
        end: str = await self.admin.fetchval("SELECT pg_current_wal_flush_lsn()")
        return end


@dataclass
class Metered:
    """A database that is reached through the meter, by one connection."""

    dsn: str
    database: Database
    direct: FreshDatabase
    meter: Meter


@pytest.fixture
async def metered(make_database: MakeDatabase) -> AsyncIterator[Metered]:
    direct = await make_database("counted")
    admin = await asyncpg.connect(direct.dsn)
    await admin.execute("CREATE EXTENSION pg_walinspect")
    async with _wired(direct.dsn) as (dsn, wire):
        database = await open_database(dsn, size=1, name="test-counted")
        yield Metered(dsn, database, direct, Meter(wire, admin))
        await database.pool.close()
    await admin.close()


def within(what: str, count: Count, wire: Wire) -> None:
    """Fail where a count is over its limit; the message shows the statements."""
    limit = LIMITS[what]
    assert all(count), f"{what}: {count}: the meter stands still"
    allowed = limit._replace(wal_bytes=int(limit.wal_bytes * WAL_SLACK))
    over = [name for name, found, most in zip(Count._fields, count, allowed, strict=True) if found > most]
    kinds = Counter(" ".join(text.split())[:90] for text in wire.statements)
    assert not over, f"{what}: {count} is over {limit} in {over}; statements: {dict(kinds)}"


# ---- commands


def facts(number: int, begin: int = 0) -> list[outbox.Fact]:
    return [outbox.Fact(Counted(counter=f"counter-{begin + place:06}", add=1), 1) for place in range(number)]


async def test_a_command_costs_no_more_than_its_statements_and_rows(metered: Metered) -> None:
    async def command(place: int) -> None:
        async with metered.database.transaction() as conn:
            await outbox.record(conn, facts(1, place), now=NOW)

    await command(0)
    await metered.meter.start()
    for place in range(1, 1 + COMMANDS):  # so many that the identity's log records, one in 32, are always as many
        await command(place)
    within("64 commands, an event each", await metered.meter.read(), metered.meter.wire)


async def test_a_batch_of_commands_costs_no_more_than_one_and_its_rows(metered: Metered) -> None:
    async def batch(begin: int) -> None:
        async with metered.database.transaction() as conn:
            await outbox.record(conn, facts(BATCH, begin), now=NOW)

    await batch(0)
    await metered.meter.start()
    await batch(BATCH)
    within("a batch of 500 commands", await metered.meter.read(), metered.meter.wire)


async def test_an_http_command_costs_its_key_and_its_answer(
    metered: Metered, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()

    @router.post("/v1/wishes")
    async def wish(edge: EdgeDep) -> Response:
        async def act(_: Connection) -> dict[str, Any]:
            return {"granted": True}

        return await edge.once(act)

    for name, value in environment(issuer, metered.dsn).items():
        monkeypatch.setenv(name, value)
    settings = ServiceSettings()

    async def ready() -> dict[str, tuple[bool, str]]:
        return {}

    app = create_app(name="edges", settings=settings, routers=[router], ready=ready)
    app.state.platform = Platform("edges", settings, metered.database, clock, sealer)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edges") as client:
        bearer = f"Bearer {issuer.token('siti', ['officer'])}"

        async def post(key: str) -> None:
            answer = await client.post("/v1/wishes", headers={"Authorization": bearer, "Idempotency-Key": key})
            assert answer.status_code == 200, answer.text

        await post("first")
        await metered.meter.start()
        await post("second")
    within("an HTTP command", await metered.meter.read(), metered.meter.wire)


# ---- consuming


async def _nothing(_: Connection, __: Sequence[Received[Counted]], ___: datetime) -> None:
    """A handler that asks nothing of the database."""


def records(number: int, *, begin: int, sequence: int, ends: Counter[int]) -> list[ConsumerRecord]:
    """One event for each of so many keys, over all partitions in turn, each after the last of its partition."""
    made = []
    for place in range(begin, begin + number):
        key = f"counter-{place:06}"
        body = Counted(counter=key, add=1).to_bytes()
        event_id = uuid5(UUID(int=sequence), key)
        headers = write_headers(Envelope(event_id, "Counted", "lapak/test", NOW, key, sequence, None))
        partition = place % PARTITIONS
        made.append(
            ConsumerRecord("test", partition, ends[partition], 0, 0, key.encode(), body, None, 0, len(body), headers)
        )
        ends[partition] += 1
    return made


async def test_a_consumed_batch_costs_the_same_few_statements(metered: Metered, sealer: Sealer) -> None:
    subscription = Subscription("test", on_many={Counted: _nothing})
    consumer = Consumer("test", subscription, metered.database, StandingClock(), sealer, asyncio.Event())
    ends: Counter[int] = Counter()
    for sequence in (1, 2):  # every statement is prepared, and the partitions have their rows
        await consumer.handle(records(BATCH, begin=0, sequence=sequence, ends=ends))
    versions = "SELECT count(*) FROM consumed_version WHERE sequence = $1"
    fresh = records(BATCH, begin=BATCH, sequence=1, ends=ends)
    again = records(BATCH, begin=BATCH, sequence=2, ends=ends)
    for what, batch in {
        "500 consumed, keys never seen": fresh,
        "500 consumed, keys known": again,
        "500 consumed before": again,
    }.items():
        await metered.meter.start()
        await consumer.handle(batch)
        within(what, await metered.meter.read(), metered.meter.wire)
    assert await metered.direct.database.pool.fetchval(versions, 2) == 2 * BATCH


# ---- relaying


async def test_relaying_costs_a_read_and_a_deletion_per_batch(
    metered: Metered, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await make_topic(broker, PARTITIONS)
    monkeypatch.setattr(Counted, "topic", topic)
    produced: list[ProduceRequest] = []
    send = AIOKafkaClient.send

    async def counted(self: AIOKafkaClient, node_id: int, request: object, **given: Any) -> Any:
        if isinstance(request, ProduceRequest):
            produced.append(request)
        return await send(self, node_id, request, **given)

    monkeypatch.setattr(AIOKafkaClient, "send", counted)
    async with metered.direct.database.transaction() as conn:
        await outbox.record(conn, facts(ROWS), now=NOW)
    await metered.meter.start()
    relayed = FreshDatabase(metered.dsn, metered.direct.database)

    async def empty() -> bool:
        return not await metered.direct.database.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

    async with relaying(relayed, broker):
        await until(empty)
    # it goes on reading the empty outbox: what counts is what it took until the last row was gone
    metered.meter.wire.cut_after_last("DELETE")
    within("1,000 rows relayed", await metered.meter.read(), metered.meter.wire)
    assert len(produced) <= PRODUCE_REQUESTS_MAX, f"{len(produced)} requests for {ROWS} events"

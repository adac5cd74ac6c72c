"""The table of failures on a real broker: where each record ends, and that its neighbours are applied once.

Every row has a topic of its own with one partition: a good record before it, the record, a later good one of the same
key, a good one of another key. All are there before the consumers start, so the four are one batch.
"""

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import NAMESPACE_OID, uuid4, uuid5

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import REGISTRY

from shared import consume, dead_letters
from shared import stream as streaming
from shared.clock import Clock
from shared.consume import RETRY_DELAYS_SECONDS, Consumer, Received, Refusal, Subscription
from shared.crypto import Sealer
from shared.db import Connection, Database, migrate, open_database
from shared.errors import Refused
from shared.events.envelope import Envelope, Message
from shared.settings import ServiceSettings
from shared.stream import Stream
from tests.conftest import SECRET_KEYS, environment
from tests.integration.backbone import (
    Counted,
    Reset,
    add,
    headers,
    make_counters,
    until,
)

Headers = list[tuple[str, bytes]]

KEY = "it"
LARGE = 2 * 1024 * 1024
LARGE_MAX = 4 * 1024 * 1024
TRIES = len(RETRY_DELAYS_SECONDS) + 1
OUTAGE_TRIES = TRIES + 3


# -- the table


class Row(NamedTuple):
    """A record and where it ends."""

    name: str
    ends: str
    """`applied`, `skipped`, `answered: CODE` or `dead letter: KIND`."""
    says: str = ""
    """What the dead letter's error must name: the header, the field, the code."""
    value: bytes | None = b'{"counter": "it", "add": 1}'
    key: bytes | None = KEY.encode()
    without: str = ""
    """This header is missing."""
    header: tuple[str, bytes] | None = None
    """This header is as given."""
    fails: str | None = None
    """What the handler does: `defect`, `refuses`, or an SQLSTATE that the database raises, `OUTAGE_TRIES` times for an
    outage (more than a fault is given), else always."""
    commands: bool = False
    tries: int = 1
    large: bool = False
    """The topic takes records of `LARGE_MAX` bytes."""


MALFORMED = "dead letter: malformed"
COMMAND = b'{"counter": "it"}'
EVENTS = [
    Row("a good record", "applied"),
    # malformed: a dead letter at once
    Row("no JSON", MALFORMED, "body", value=b"{not json"),
    Row("no UTF-8", MALFORMED, "body", value=b'{"counter": "\xff", "add": 1}'),
    Row("JSON of another shape", MALFORMED, "body", value=b"[1, 2]"),
    Row("a field is missing", MALFORMED, "add", value=b'{"counter": "it"}'),
    Row("a field of another type", MALFORMED, "add", value=b'{"counter": "it", "add": "many"}'),
    Row("an empty body", MALFORMED, "body", value=b""),
    Row("no body where nothing may be erased", MALFORMED, "body", value=None),
    Row("no ce_specversion", MALFORMED, "ce_specversion", without="ce_specversion"),
    Row("no ce_id", MALFORMED, "ce_id", without="ce_id"),
    Row("no ce_type", MALFORMED, "ce_type", without="ce_type"),
    Row("no ce_source", MALFORMED, "ce_source", without="ce_source"),
    Row("no ce_time", MALFORMED, "ce_time", without="ce_time"),
    Row("no ce_subject", MALFORMED, "ce_subject", without="ce_subject"),
    Row("no ce_sequence", MALFORMED, "ce_sequence", without="ce_sequence"),
    Row("another specification", MALFORMED, "ce_specversion", header=("ce_specversion", b"0.3")),
    Row("an id that is none", MALFORMED, "ce_id", header=("ce_id", b"17")),
    Row("a time that is none", MALFORMED, "ce_time", header=("ce_time", b"yesterday")),
    Row("a time without zone", MALFORMED, "ce_time", header=("ce_time", b"2023-03-01T09:00:00")),
    Row("a version that is no number", MALFORMED, "ce_sequence", header=("ce_sequence", b"one")),
    Row("a version below one", MALFORMED, "ce_sequence", header=("ce_sequence", b"0")),
    Row("a header that is not UTF-8", MALFORMED, "ce_type", header=("ce_type", b"\xff\xfe")),
    Row("a subject that is not the key", MALFORMED, "ce_subject", header=("ce_subject", b"other")),
    Row("no key", MALFORMED, "ce_subject", key=None),
    Row("a key that is not UTF-8", MALFORMED, "ce_subject", key=b"\xff\xfe"),
    # what a publisher may do without asking
    Row("an unknown type", "skipped", header=("ce_type", b"SomethingNew")),
    Row("an unknown type without body", "skipped", header=("ce_type", b"SomethingNew"), value=None),
    Row("fields of the future", "applied", value=b'{"counter": "it", "add": 1, "new": {"deep": [1]}}'),
    Row("no content-type", "applied", without="content-type"),
    Row("a foreign header that is not UTF-8", "applied", header=("x-foreign", b"\xff\xfe")),
    Row("a trace that is none", "applied", header=("traceparent", b"\xff\xfe")),
    # refusals and faults
    Row("the handler refuses", "dead letter: refused", "not-today", fails="refuses"),
    Row("the handler has a defect", "dead letter: fault", "KeyError", fails="defect", tries=TRIES),
    Row("a constraint is hurt", "dead letter: fault", "23505", fails="23505", tries=TRIES),
    # outages of the database: waited for, whatever the number of tries
    Row("a deadlock", "applied", fails="40P01 outage"),
    Row("a serialization failure", "applied", fails="40001 outage"),
    Row("a lock that is not to be had", "applied", fails="55P03 outage"),
    Row("a statement that takes too long", "applied", fails="57014 outage"),
    Row("no memory left", "applied", fails="53200 outage"),
    Row("a server that shuts down", "applied", fails="57P01 outage"),
    # 2 MB, where a topic takes them
    Row(
        "2 MB of the future", "applied", value=b'{"counter": "it", "add": 1, "new": "%s"}' % (b"x" * LARGE), large=True
    ),
    Row("2 MB of nothing", MALFORMED, "body", value=b"x" * LARGE, large=True),
]
COMMANDS = [
    Row("a good command", "applied", value=COMMAND, commands=True),
    Row("a good command without key", "applied", value=COMMAND, key=None, commands=True),
    Row("a refused command", "answered: not-today", value=COMMAND, fails="refuses", commands=True),
    Row("a command of another shape", "answered: malformed", value=b'{"wrong": 1}', commands=True),
    Row("a command that is no JSON", "answered: malformed", value=b"{not json", commands=True),
    Row("a command without body", "answered: malformed", value=None, commands=True),
    Row("an unknown command", MALFORMED, "ce_type", header=("ce_type", b"Something"), value=COMMAND, commands=True),
    Row("a command without id", MALFORMED, "ce_id", without="ce_id", value=COMMAND, commands=True),
    Row("a command without type", MALFORMED, "ce_type", without="ce_type", value=COMMAND, commands=True),
    Row("a command without key that has a defect", "dead letter: fault", "KeyError", value=COMMAND, key=None,
        fails="defect", tries=TRIES, commands=True),
    Row("a deadlock in a command", "applied", value=COMMAND, fails="40P01 outage", commands=True),
]  # fmt: skip


def message(row: Row, key: str | None, sequence: int, *, itself: bool = False) -> dict[str, Any]:
    """A record of this row's topic: the good one of a key, or the row's own."""
    kind, body = ("Reset", b'{"counter": "%s"}') if row.commands else ("Counted", b'{"counter": "%s", "add": 1}')
    own = uuid5(NAMESPACE_OID, row.name) if itself else None
    written = headers(key or "nobody", None if row.commands else sequence, kind=kind, event_id=own)
    if not itself:
        assert key is not None
        return {"key": key.encode(), "value": body % key.encode(), "headers": written}
    written = [(name, value) for name, value in written if name != row.without]
    if row.header is not None:
        written = [*((name, value) for name, value in written if name != row.header[0]), row.header]
    return {"key": row.key, "value": row.value, "headers": written}


# -- one run of the whole table


@dataclass
class Aftermath:
    """What the run left, by topic."""

    topics: dict[str, str]
    counters: dict[str, dict[str, int]]
    letters: dict[str, list[asyncpg.Record]]
    parked: dict[str, list[bytes]]
    versions: dict[str, dict[str, int]]
    answers: dict[str, list[str]]
    notices: dict[str, int]
    stopped: dict[str, str | None]


def subscription(topic: str, row: Row, answers: dict[str, list[str]]) -> Subscription:
    """The consumer's side of a row: counters per topic, and a handler that fails on its record as it says."""
    failures = [row.fails] * OUTAGE_TRIES if row.fails is not None else []

    async def apply(conn: Connection, received: Received[Any], now: datetime) -> None:
        name = f"{topic} {received.body.counter}"
        await add(conn, Received(received.envelope, Counted(counter=name, add=1)), now)
        if received.envelope.id != uuid5(NAMESPACE_OID, row.name) or not failures:
            return
        if failures[0] == "refuses":
            raise _NotToday("not today")
        if failures[0] == "defect":
            raise KeyError("a defect")
        state, _, outage = failures[0].partition(" ")
        if outage:
            failures.pop()
        await conn.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")

    async def answer(
        conn: Connection, envelope: Envelope, body: Message | None, refusal: Refusal, now: datetime
    ) -> None:
        answers[topic].append(refusal.code)

    if row.commands:
        return Subscription(topic, on={Reset: apply}, on_refused=answer)
    return Subscription(topic, on={Counted: apply})


class _NotToday(Refused):
    """Refused."""

    code = "not-today"


@pytest.fixture(scope="module")
async def aftermath(postgres_admin: str, broker: str, issuer: Any) -> AsyncIterator[Aftermath]:
    """Send every row, consume them all with one stream, and look."""
    name = f"failures_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres_admin)
    await admin.execute(f'CREATE DATABASE "{name}"')
    parts = urlsplit(postgres_admin)
    dsn = urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))
    await migrate(dsn, "vendor")
    database = await open_database(dsn, size=20, name="test-failures")
    try:
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in environment(issuer, dsn, kafka=broker).items():
                patch.setenv(variable, value)
            patch.setattr(consume, "OUTAGE_DELAY_SECONDS_MAX", 0.3)
            patch.setattr(streaming, "POLL_MS", 250)  # half a hundred consumers share the loop
            yield await _play([*EVENTS, *COMMANDS], database, broker)
    finally:
        await database.pool.close()
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


async def _play(rows: Sequence[Row], database: Database, broker: str) -> Aftermath:
    topics = {row.name: f"test.{number}.{uuid4().hex[:8]}" for number, row in enumerate(rows)}
    await make_counters(database)
    counts = await _send(rows, topics, broker)
    answers: dict[str, list[str]] = defaultdict(list)
    stopping, sealer = asyncio.Event(), Sealer(SECRET_KEYS)
    consumers = [
        Consumer("test", subscription(topics[row.name], row, answers), database, Clock(), sealer, stopping)
        for row in rows
    ]
    stream = Stream(f"test-{uuid4().hex[:8]}", ServiceSettings(), database, consumers, stopping)
    running = asyncio.create_task(stream.run())
    try:

        async def all_read() -> bool:
            async with database.read() as conn:
                found = await conn.fetch("SELECT topic, next_offset FROM consumer_offset")
            return {row["topic"]: row["next_offset"] for row in found} == counts

        await until(all_read, 60)
    finally:
        stopping.set()
        await stream.stop()
        await asyncio.gather(running, return_exceptions=True)
    stopped = {one.subscription.topic: one.stopped_because for one in consumers}
    return await _look(database, topics, answers, stopped)


async def _send(rows: Sequence[Row], topics: dict[str, str], broker: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    large = {"max.message.bytes": str(LARGE_MAX)}
    await admin.create_topics(
        [NewTopic(topics[row.name], 1, 1, topic_configs=large if row.large else {}) for row in rows]
    )
    await admin.close()
    out = AIOKafkaProducer(bootstrap_servers=broker, acks="all", max_request_size=LARGE_MAX)
    await out.start()
    counts = {}
    for row in rows:
        records = [message(row, "before", 1), message(row, KEY, 1, itself=True)]
        records += [message(row, KEY, 2), message(row, "after", 1)]
        counts[topics[row.name]] = len(records)
        for record in records:
            await out.send(topics[row.name], partition=0, **record)
    await out.flush()
    await out.stop()
    return counts


async def _look(
    database: Database, topics: dict[str, str], answers: dict[str, list[str]], stopped: dict[str, str | None]
) -> Aftermath:
    counters: dict[str, dict[str, int]] = defaultdict(dict)
    letters: dict[str, list[asyncpg.Record]] = defaultdict(list)
    parked: dict[str, list[bytes]] = defaultdict(list)
    versions: dict[str, dict[str, int]] = defaultdict(dict)
    async with database.read() as conn:
        for row in await conn.fetch("SELECT name, changes FROM counter"):
            topic, _, counter = row["name"].partition(" ")
            counters[topic][counter] = row["changes"]
        for row in await conn.fetch("SELECT * FROM dead_letter ORDER BY record_offset"):
            letters[row["topic"]].append(row)
        for row in await conn.fetch("SELECT topic, key FROM parked_key"):
            parked[row["topic"]].append(row["key"])
        for row in await conn.fetch("SELECT topic, key, sequence FROM consumed_version"):
            versions[row["topic"]][row["key"]] = row["sequence"]
        rows = await conn.fetch(
            "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'source_topic' AS topic, count(*) AS notices FROM outbox "
            "WHERE type = 'MessageDeadLettered' GROUP BY 1"
        )
    notices = {row["topic"]: row["notices"] for row in rows}
    return Aftermath(topics, counters, letters, parked, versions, answers, notices, stopped)


def counted(topic: str, outcome: str) -> int:
    """How many records of a topic the metrics have with this outcome."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return sum(
        int(sample.value)
        for sample in samples
        if sample.name == "lapak_events_consumed_total"
        and (sample.labels["topic"], sample.labels["outcome"]) == (topic, outcome)
    )


@pytest.mark.parametrize("row", [*EVENTS, *COMMANDS], ids=lambda row: row.name)
async def test_each_record_ends_where_the_table_says_and_its_neighbours_flow(row: Row, aftermath: Aftermath) -> None:
    topic = aftermath.topics[row.name]
    end, _, what = row.ends.partition(": ")
    letters = aftermath.letters[topic]
    own = [one for one in letters if one["record_offset"] == 1]
    queued = end == "dead letter" and row.key == KEY.encode()

    # the neighbours, and the next of its key: applied once, or queued behind it
    applied = {"before": 1, "after": 1, KEY: (end == "applied") + (not queued)}
    assert aftermath.counters[topic] == {name: times for name, times in applied.items() if times}
    assert [(one["record_offset"], one["state"]) for one in letters] == [
        *([(1, "failed")] if end == "dead letter" else []),
        *([(2, "waiting")] if queued else []),
    ]
    assert aftermath.parked[topic] == ([row.key] if end == "dead letter" and row.key is not None else [])
    assert aftermath.stopped[topic] is None

    # the record itself
    assert aftermath.answers[topic] == ([what] if end == "answered" else [])
    assert aftermath.notices.get(topic, 0) == len(own)
    for letter in own:
        assert (letter["error_kind"], letter["attempts"]) == (what, row.tries)
        assert row.says
        assert row.says in letter["error"]
        assert dead_letters.to_record(letter, Sealer(SECRET_KEYS)).value == row.value
        kept = {name: None if value is None else base64.b64decode(value) for name, value in letter["headers"]}
        assert row.header is None or kept[row.header[0]] == row.header[1]
        assert row.without not in kept
    if not row.commands:
        assert aftermath.versions[topic].get(KEY) == (None if queued else 2)

    # and the metrics say so
    assert {one: counted(topic, one) for one in ("applied", "ignored", "dead", "parked", "refused", "gap")} == {
        "applied": sum(applied.values()),
        "ignored": int(end == "skipped"),
        "dead": len(own),
        "parked": int(queued),
        "refused": int(end == "answered"),
        "gap": 0,
    }

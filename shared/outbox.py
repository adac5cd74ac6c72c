"""The outbox: events are rows, written in the transaction of the state they tell of (`shared.relay` publishes them)."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import uuid_utils
from uuid_utils import uuid7

from shared.copying import RowFormat, copy_rows
from shared.db import Connection
from shared.events.envelope import Command, Event, Message
from shared.telemetry import EVENTS_RECORDED, current_traceparent

__all__ = [
    "EVENT_BYTES_MAX",
    "EventTooLarge",
    "Fact",
    "Held",
    "attempt",
    "held",
    "record",
    "record_command",
    "record_tombstone",
]

EVENT_BYTES_MAX = 512 * 1024
HELD_MAX = 500
"""More events are written at once: a round decides on thousands."""

INSERT = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, traceparent, payload)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
INSERT_MANY = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, traceparent, payload)
SELECT f.event_id, f.topic, f.key, f.sequence, f.type, f.occurred_at, f.traceparent, f.payload
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $7::text[], $8::bytea[])
    WITH ORDINALITY AS f (event_id, topic, key, sequence, type, occurred_at, traceparent, payload, place)
ORDER BY f.place
"""
FORMAT = RowFormat(
    event_id="uuid",
    topic="text",
    key="text",
    sequence="bigint",
    type="text",
    occurred_at="timestamptz",
    traceparent="text",
    payload="bytea",
)

_recorded = lru_cache(maxsize=1024)(EVENTS_RECORDED.labels)  # to find it by its label costs thrice the counting
AnyId: TypeAlias = UUID | uuid_utils.UUID
Row: TypeAlias = tuple[AnyId, str, str, int | None, str, datetime, str | None, bytes]
"""The arguments of `INSERT`."""
TYPE = 4


class EventTooLarge(ValueError):
    """An event's body is over `EVENT_BYTES_MAX` bytes; it would block the relay, so the transaction fails instead."""


class Fact(NamedTuple):
    """An event and the version of its aggregate after it: 1, 2, 3 ... per key without a gap (`ce_sequence`).

    `traceparent` is what it follows from, where a batch follows from many; without it, what is being done now.
    """

    event: Event
    sequence: int
    traceparent: str | None = None


class Held:
    """Events of a transaction that are written with its last statement: that is one round trip less."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.rows: list[Row] = []

    def join(self, statement: str, *arguments: object) -> tuple[Any, ...]:
        """This statement and its arguments, with what is held beside it: to be executed as it is."""
        if not self.rows:
            return statement, *arguments
        rows, self.rows = self.rows, []
        if len(rows) == 1:
            return _joined(statement, INSERT, len(arguments)), *arguments, *rows[0]
        return _joined(statement, INSERT_MANY, len(arguments)), *arguments, *_columns(rows)


_held: ContextVar[Held | None] = ContextVar("held", default=None)


@contextmanager
def held(conn: Connection) -> Iterator[Held]:
    """Hold back what is recorded on this connection inside the block, for `Held.join` at the end of its transaction."""
    holding = Held(conn)
    token = _held.set(holding)
    try:
        yield holding
    finally:
        _held.reset(token)


@asynccontextmanager
async def attempt(conn: Connection, *, keep: bool) -> AsyncIterator[None]:
    """A part of a transaction that may be taken back, with the events recorded in it: without `keep`, or if it raises.

    Where events are recorded there must be no other savepoint (`tests/unit/test_savepoints.py`).
    """
    await _write_held(conn)  # else it might be written inside, and taken back
    part = conn.transaction()
    await part.start()
    try:
        yield
    except BaseException:
        keep = False
        raise
    finally:
        if not keep and (holding := _holding(conn)) is not None:
            holding.rows.clear()
        await (part.commit() if keep else part.rollback())


def _holding(conn: Connection) -> Held | None:
    holding = _held.get()
    return holding if holding is not None and holding.conn is conn else None


@cache
def _joined(statement: str, insert: str, offset: int) -> str:
    """Both in one statement; the arguments of `insert` come after the first `offset`."""
    moved = re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + offset}", insert)
    return f"WITH told AS ({moved}) {statement}"


async def record(conn: Connection, facts: Sequence[Fact], *, now: datetime) -> None:
    """Write events to the outbox: one statement for any number, in the caller's transaction.

    Call it after the aggregates' rows are locked or written: per-aggregate order rests on that lock.
    """
    if len(facts) == 1:  # most transactions
        event, sequence, traceparent = facts[0]
        row = _row(uuid7(), event, sequence, traceparent or current_traceparent(), now)
        await _write(conn, [row])
        _recorded(row[TYPE]).inc()
    elif facts:
        current = current_traceparent()
        rows = [_row(uuid7(), event, sequence, traceparent or current, now) for event, sequence, traceparent in facts]
        await _write(conn, rows)
        for name, count in Counter(row[TYPE] for row in rows).items():
            _recorded(name).inc(count)


async def record_command(conn: Connection, command: Command, command_id: UUID, *, now: datetime) -> None:
    """Write a command to another service to the outbox. A refusal is answered by an event that names `command_id`.

    Commands of one key leave in the order in which they were written, where their writers hold a common lock.
    """
    row = _row(command_id, command, None, current_traceparent(), now)
    await _write(conn, [row])
    _recorded(row[TYPE]).inc()


async def record_tombstone(conn: Connection, kind: type[Event], key: str, sequence: int, *, now: datetime) -> None:
    """Erase a key of a compacted topic: a record without a body, of the version after the last.

    What of the key still waits in the outbox goes out without its body too, so that no version is missing.
    """
    await _write_held(conn)
    await conn.execute("UPDATE outbox SET payload = NULL WHERE topic = $1 AND key = $2", kind.topic, key)
    await conn.execute(INSERT, uuid7(), kind.topic, key, sequence, kind.__name__, now, current_traceparent(), None)
    _recorded(kind.__name__).inc()


def _row(message_id: AnyId, message: Message, sequence: int | None, traceparent: str | None, now: datetime) -> Row:
    name, body = type(message).__name__, message.to_bytes()
    _check_size(name, body)
    return message_id, message.topic, message.subject, sequence, name, now, traceparent, body


async def _write(conn: Connection, rows: Sequence[Row]) -> None:
    holding = _holding(conn)
    if holding is not None:
        holding.rows += rows
        if len(holding.rows) > HELD_MAX:
            await _write_held(conn)
    elif len(rows) == 1:  # most transactions: a plain statement costs half as much as one of arrays
        await conn.execute(INSERT, *rows[0])
    else:
        await conn.execute(INSERT_MANY, *_columns(rows))


async def _write_held(conn: Connection) -> None:
    """Write what is held: what comes next is written at once, and must come after it."""
    holding = _holding(conn)
    if holding is not None and holding.rows:
        rows, holding.rows = holding.rows, []
        await conn.execute(INSERT_MANY, *_columns(rows))


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def encode_fact(
    event: type[Event], key: str, sequence: int, body: bytes, *, now: datetime, traceparent: str | None
) -> bytes:
    """A row of the outbox for a fact whose body is written already, to be recorded by `record_encoded`."""
    _check_size(event.__name__, body)
    return FORMAT.encode((uuid7(), event.topic, key, sequence, event.__name__, now, traceparent, body))


async def record_encoded(conn: Connection, facts: Sequence[bytes], counts: Mapping[type[Event], int]) -> None:
    """What `record` does, for thousands of facts, by COPY: at half the cost from some 1,000 on.

    `counts`: how many there are of each type.
    """
    await _write_held(conn)
    await copy_rows(conn, "outbox", FORMAT, facts)
    for event, count in counts.items():
        _recorded(event.__name__).inc(count)


def _check_size(name: str, body: bytes) -> None:
    if len(body) > EVENT_BYTES_MAX:
        raise EventTooLarge(f"{name} has {len(body)} bytes; {EVENT_BYTES_MAX} is the most")

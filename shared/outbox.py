"""The outbox: events are rows, written in the transaction of the state they tell of (`shared.relay` publishes them)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uuid_utils import uuid7

from shared.copying import RowFormat, copy_rows
from shared.db import Connection
from shared.events.envelope import Command, Event
from shared.telemetry import EVENTS_RECORDED, current_traceparent

__all__ = ["EVENT_BYTES_MAX", "EventTooLarge", "Fact", "record", "record_command", "record_tombstone"]

EVENT_BYTES_MAX = 512 * 1024

INSERT = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, traceparent, payload)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
INSERT_MANY = """
INSERT INTO outbox (event_id, topic, key, sequence, type, occurred_at, traceparent, payload)
SELECT f.event_id, f.topic, f.key, f.sequence, f.type, $6::timestamptz, f.traceparent, f.payload
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $7::text[], $8::bytea[])
    WITH ORDINALITY AS f (event_id, topic, key, sequence, type, traceparent, payload, place)
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


class EventTooLarge(ValueError):
    """An event's body is over `EVENT_BYTES_MAX` bytes; it would block the relay, so the transaction fails instead."""


class Fact(NamedTuple):
    """An event and the version of its aggregate after it: 1, 2, 3 ... per key without a gap (`ce_sequence`).

    `traceparent` is what it follows from, where a batch follows from many; without it, what is being done now.
    """

    event: Event
    sequence: int
    traceparent: str | None = None


async def record(conn: Connection, facts: Sequence[Fact], *, now: datetime) -> None:
    """Write events to the outbox: one statement for any number, in the caller's transaction.

    Call it after the aggregates' rows are locked or written: per-aggregate order rests on that lock.
    """
    if not facts:
        return
    events = [fact.event for fact in facts]
    types = [type(event).__name__ for event in events]
    bodies = [event.to_bytes() for event in events]
    for name, body in zip(types, bodies, strict=True):
        _check_size(name, body)
    current = current_traceparent()
    if len(facts) == 1:  # most transactions: a plain statement costs half as much as one of arrays
        event, sequence, traceparent = facts[0]
        await conn.execute(
            INSERT, uuid7(), event.topic, event.subject, sequence, types[0], now, traceparent or current, bodies[0]
        )
    else:
        await conn.execute(
            INSERT_MANY,
            [uuid7() for _ in facts],
            [event.topic for event in events],
            [event.subject for event in events],
            [fact.sequence for fact in facts],
            types,
            now,
            [fact.traceparent or current for fact in facts],
            bodies,
        )
    for name, count in Counter(types).items():
        EVENTS_RECORDED.labels(name).inc(count)


async def record_command(conn: Connection, command: Command, command_id: UUID, *, now: datetime) -> None:
    """Write a command to another service to the outbox. A refusal is answered by an event that names `command_id`.

    Commands of one key leave in the order in which they were written, where their writers hold a common lock.
    """
    name, body = type(command).__name__, command.to_bytes()
    _check_size(name, body)
    await conn.execute(INSERT, command_id, command.topic, command.subject, None, name, now, current_traceparent(), body)
    EVENTS_RECORDED.labels(name).inc()


async def record_tombstone(conn: Connection, kind: type[Event], key: str, sequence: int, *, now: datetime) -> None:
    """Erase a key of a compacted topic: a record without a body, of the version after the last.

    What of the key still waits in the outbox goes out without its body too, so that no version is missing.
    """
    await conn.execute("UPDATE outbox SET payload = NULL WHERE topic = $1 AND key = $2", kind.topic, key)
    await conn.execute(INSERT, uuid7(), kind.topic, key, sequence, kind.__name__, now, current_traceparent(), None)
    EVENTS_RECORDED.labels(kind.__name__).inc()


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
    await copy_rows(conn, "outbox", FORMAT, facts)
    for event, count in counts.items():
        EVENTS_RECORDED.labels(event.__name__).inc(count)


def _check_size(name: str, body: bytes) -> None:
    if len(body) > EVENT_BYTES_MAX:
        raise EventTooLarge(f"{name} has {len(body)} bytes; {EVENT_BYTES_MAX} is the most")

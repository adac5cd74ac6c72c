"""Dead letters: records that could not be handled, those of the same key that wait behind them, and what operators do.

The record's value is sealed (it may be a command with personal data) and its headers are kept as they came. A letter is
`failed` (it failed itself), `waiting` (its key is parked behind a failed one), `replayed` or `discarded`.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared import outbox, releases
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Connection, Database
from shared.errors import NotFound, Refused
from shared.events.envelope import Malformed
from shared.events.operations import MessageDeadLettered
from shared.failures import describe, is_outage
from shared.ids import new_id
from shared.telemetry import DEAD_LETTERS, get_logger

if TYPE_CHECKING:
    from shared.consume import Consumer

__all__ = ["add", "ask_replay", "discard", "edit", "erase", "find", "list_open", "notice", "run_replays"]

POLL_SECONDS = 1.0
WHOLE = (
    "SELECT id, topic, partition, record_offset, key, value, headers, type, record_time, state, replay, "
    "error_kind, error, attempts, traceparent, created_at, settled_at FROM dead_letter WHERE id = $1"
)

logger = get_logger()


async def add(
    conn: Connection,
    sealer: Sealer,
    record: ConsumerRecord,
    *,
    message_type: str,
    state: str,
    now: datetime,
    kind: str | None = None,
    error: str | None = None,
    attempts: int = 0,
) -> UUID:
    """Keep a record. `error` must carry no value of the message."""
    letter = new_id()
    headers = [
        [_text(name), None if value is None else base64.b64encode(value).decode()] for name, value in record.headers
    ]
    traceparent = next((value for name, value in record.headers if name == "traceparent" and value is not None), None)
    await conn.execute(
        "INSERT INTO dead_letter (id, topic, partition, record_offset, key, value, headers, type, record_time, state, "
        "error_kind, error, attempts, traceparent, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        letter,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        None if record.value is None else sealer.seal(record.value, letter.bytes),
        headers,
        message_type,
        _moment(record.timestamp),
        state,
        kind,
        None if error is None else _text(error),
        attempts,
        None if traceparent is None else _text(traceparent.decode("ascii", "replace")),
        now,
    )
    return letter


def _text(text: str) -> str:
    """PostgreSQL's text holds no NUL; a sender's may, and a record that cannot be set aside stops its partition."""
    return text.replace("\0", "\ufffd")


def _moment(milliseconds: int) -> datetime:
    """A record's time; a sender may have set it to one that no calendar has."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def kind_of(error: Exception) -> str:
    """What sort of failure this is: malformed, refused or fault."""
    if isinstance(error, Malformed | ValidationError):
        return "malformed"
    return "refused" if isinstance(error, Refused) else "fault"


async def notice(
    conn: Connection, letter: UUID, service: str, record: ConsumerRecord, error: str, now: datetime
) -> None:
    """Tell operators through the outbox that a letter lies here."""
    event = MessageDeadLettered(
        dead_letter_id=letter,
        service=service,
        source_topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        error=error,
    )
    await outbox.record(conn, [outbox.Fact(event, 1)], now=now)


def to_record(row: asyncpg.Record, sealer: Sealer) -> ConsumerRecord:
    """The record as it came from Kafka."""
    value = None if row["value"] is None else sealer.open(row["value"], row["id"].bytes)
    headers = tuple((name, None if value64 is None else base64.b64decode(value64)) for name, value64 in row["headers"])
    return ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        timestamp=int(row["record_time"].timestamp() * 1000),
        timestamp_type=0,
        key=row["key"],
        value=value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=headers,
    )


# -- for operators ------------------------------------------------------------------------------


async def list_open(
    conn: Connection, *, topic: str | None = None, kind: str | None = None, limit: int = 100
) -> list[Mapping[str, Any]]:
    """Letters that are failed or waiting, oldest first; without their values."""
    rows = await conn.fetch(
        "SELECT id, topic, partition, record_offset, key, state, replay, error_kind, error, attempts, created_at, type "
        "FROM dead_letter WHERE state IN ('failed', 'waiting') AND ($1::text IS NULL OR topic = $1) "
        "AND ($2::text IS NULL OR error_kind = $2) ORDER BY created_at, partition, record_offset LIMIT $3",
        topic,
        kind,
        limit,
    )
    return [dict(row) for row in rows]


async def find(conn: Connection, letter: UUID) -> tuple[asyncpg.Record, list[dict[str, Any]]]:
    """One letter, whole, and the acts on it. Raises `NotFound`."""
    row = await conn.fetchrow(WHOLE, letter)
    if row is None:
        raise NotFound(f"there is no dead letter {letter}; `lapak dead-letters list` shows those there are")
    acts = await conn.fetch(
        "SELECT actor, act, note, at FROM dead_letter_act WHERE dead_letter_id = $1 ORDER BY id", letter
    )
    return row, [dict(act) for act in acts]


async def ask_replay(conn: Connection, letters: Sequence[UUID], *, actor: str, note: str | None, now: datetime) -> int:
    """Have the running service try these failed letters again, in the order of their keys. Returns how many."""
    rows = await conn.fetch(
        "UPDATE dead_letter SET replay = true WHERE id = ANY($1::uuid[]) AND state = 'failed' RETURNING id",
        letters,
    )
    await _acted(conn, [row["id"] for row in rows], actor, "replay", note, now)
    return len(rows)


async def discard(conn: Connection, letter: UUID, *, actor: str, note: str, now: datetime) -> None:
    """Give a failed letter up for good; those that wait behind it are tried next. The note says why."""
    done = await conn.fetchval(
        "UPDATE dead_letter SET state = 'discarded', settled_at = $2 WHERE id = $1 AND state = 'failed' RETURNING id",
        letter,
        now,
    )
    if done is None:
        raise Refused(f"dead letter {letter} is not failed, so it cannot be discarded")
    await _acted(conn, [letter], actor, "discard", note, now)


async def edit(
    conn: Connection, sealer: Sealer, letter: UUID, value: bytes, *, actor: str, note: str, now: datetime
) -> None:
    """Replace the body of a failed letter before it is replayed. The note says why."""
    done = await conn.fetchval(
        "UPDATE dead_letter SET value = $2 WHERE id = $1 AND state = 'failed' RETURNING id",
        letter,
        sealer.seal(value, letter.bytes),
    )
    if done is None:
        raise Refused(f"dead letter {letter} is not failed, so it cannot be edited")
    await _acted(conn, [letter], actor, "edit", note, now)


async def erase(conn: Connection, topics: Sequence[str], key: str, *, now: datetime) -> int:
    """The one whom this key of these topics stands for was erased: give up what is open, and wipe what all its letters
    hold. The rows stay, and say so. Returns how many held something."""
    given_up = await conn.fetch(
        "UPDATE dead_letter SET state = 'discarded', replay = false, settled_at = $3 "
        "WHERE topic = ANY($1::text[]) AND key = $2 AND state IN ('failed', 'waiting') RETURNING id",
        topics,
        key.encode(),
        now,
    )
    await _acted(conn, [row["id"] for row in given_up], "erasure", "discard", "whom it is about was erased", now)
    wiped = await conn.fetch(
        "UPDATE dead_letter SET value = NULL WHERE topic = ANY($1::text[]) AND key = $2 AND value IS NOT NULL "
        "RETURNING id",
        topics,
        key.encode(),
    )
    return len(wiped)


async def _acted(
    conn: Connection, letters: Sequence[UUID], actor: str, act: str, note: str | None, now: datetime
) -> None:
    await conn.executemany(
        "INSERT INTO dead_letter_act (dead_letter_id, actor, act, note, at) VALUES ($1, $2, $3, $4, $5)",
        [(letter, actor, act, note, now) for letter in letters],
    )


# -- in the service -----------------------------------------------------------------------------

# The head of each key's queue: what stands before everything else of that key.
NEXT = """
SELECT id FROM (
    SELECT DISTINCT ON (topic, coalesce(key, id::text::bytea)) id, state, replay
    FROM dead_letter WHERE state IN ('failed', 'waiting')
    ORDER BY topic, coalesce(key, id::text::bytea), partition, record_offset
) AS head
WHERE state = 'waiting' OR replay
LIMIT 1
"""


async def run_replays(
    database: Database,
    sealer: Sealer,
    consumers: Mapping[str, "Consumer"],
    clock: Clock,
    stopping: asyncio.Event,
) -> None:
    """Replay letters that operators asked for and drain the queues of keys whose head was settled, until stopping."""
    while not stopping.is_set():
        while await replay_next(database, sealer, consumers, clock):
            pass
        async with database.read() as conn:
            for row in await conn.fetch(
                "SELECT s.state, count(d.id) AS letters FROM unnest(ARRAY['failed', 'waiting']) AS s (state) "
                "LEFT JOIN dead_letter AS d ON d.state = s.state GROUP BY s.state"
            ):
                DEAD_LETTERS.labels(row["state"]).set(row["letters"])
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), POLL_SECONDS)


async def replay_next(database: Database, sealer: Sealer, consumers: Mapping[str, "Consumer"], clock: Clock) -> bool:
    """Try one letter that is due; True when there was one. A letter that fails again waits for the operator."""
    async with database.read() as conn:
        due = await conn.fetchval(NEXT)
    if due is None:
        await _unpark_empty(database)
        return False
    try:
        async with database.transaction() as conn:
            row = await conn.fetchrow(WHOLE + " FOR UPDATE", due)
            if row is None or not (row["state"] == "waiting" or (row["state"] == "failed" and row["replay"])):
                return True  # another replica or the operator was first
            consumer = consumers.get(row["topic"])
            if consumer is None:
                raise Refused(f"this service no longer reads {row['topic']}", topic=row["topic"])
            await consumer.replay([to_record(row, sealer)], conn)
            await conn.execute(
                "UPDATE dead_letter SET state = 'replayed', settled_at = $2, attempts = attempts + 1, replay = false "
                "WHERE id = $1",
                due,
                clock.now(),
            )
        logger.info("dead_letter.replayed", dead_letter_id=str(due))
    except releases.Awaited:
        return False  # a process of that release replays as we do, and then we see the next one
    except Exception as error:  # the edge: a letter that fails again stays where it is
        if is_outage(error):
            raise
        async with database.transaction() as conn:
            # another replica may have applied it, or the operator discarded it, since our transaction rolled back
            row = await conn.fetchrow(WHOLE + " AND (state = 'waiting' OR state = 'failed' AND replay) FOR UPDATE", due)
            if row is None:
                return True
            await conn.execute(
                "UPDATE dead_letter SET state = 'failed', replay = false, attempts = attempts + 1, error = $2, "
                "error_kind = $3 WHERE id = $1",
                due,
                _text(describe(error)),
                kind_of(error),
            )
            consumer = consumers.get(row["topic"])
            if row["state"] == "waiting" and consumer is not None:  # its first failure: operators have not heard of it
                await notice(conn, due, consumer.service, to_record(row, sealer), describe(error), clock.now())
        logger.warning("dead_letter.failed_again", dead_letter_id=str(due), error=type(error).__name__)
    return True


async def _unpark_empty(database: Database) -> None:
    """Let keys flow again whose queue is empty. The row's lock keeps the consumer from adding to it meanwhile."""
    async with database.transaction() as conn:
        rows = await conn.fetch(
            "SELECT topic, key FROM parked_key AS p WHERE NOT EXISTS (SELECT FROM dead_letter AS d "
            "WHERE d.topic = p.topic AND d.key = p.key AND d.state IN ('failed', 'waiting')) "
            "ORDER BY topic, key FOR UPDATE"  # in the consumer's order, so that the two cannot deadlock
        )
        for row in rows:
            await conn.execute(
                "DELETE FROM parked_key AS p WHERE topic = $1 AND key = $2 "
                "AND NOT EXISTS (SELECT FROM dead_letter AS d "
                "WHERE d.topic = p.topic AND d.key = p.key AND d.state IN ('failed', 'waiting'))",
                row["topic"],
                row["key"],
            )

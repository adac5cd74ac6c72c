"""Consuming with exactly-once effect: the offset moves in the transaction of the work.

FastStream's batch subscribers bring the records (MANUAL ack, `earliest`, a parser and decoder that cannot raise); a
`Consumer` below applies them. Where we stand in each partition is a row in the service's own database, moved first in
every transaction: a zombie's late batch finds its records done and skips them. The publisher's duplicates are refused
by the aggregate's version (`ce_sequence`), commands by their id. See `docs/decisions/0005-consume.md`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from shared import dead_letters, inbound, releases
from shared.clock import Clock
from shared.crypto import Sealer
from shared.db import Connection, Database
from shared.errors import Refused
from shared.events.envelope import Command, Envelope, Malformed, Message, read_envelope
from shared.failpoints import failpoint
from shared.failures import describe, is_outage
from shared.telemetry import EVENTS_CONSUMED, HANDLER_SECONDS, continued, get_logger

__all__ = ["Consumer", "ConsumerStopped", "Item", "Received", "Refusal", "Subscription"]

M = TypeVar("M", bound=Message)

RETRY_DELAYS_SECONDS = (0.1, 0.5, 2.0)
OUTAGE_DELAY_SECONDS_MAX = 5.0
DEAD_LETTER_RUN_MAX = 20

logger = get_logger()


class ConsumerStopped(RuntimeError):
    """The consumer set too many messages aside in a row and reads no further: a release must not drain a topic."""


class Refusal(NamedTuple):
    """Why a command was refused. `reason` and `fields` carry no value of the message."""

    code: str
    reason: str
    fields: list[str]


class Received(NamedTuple, Generic[M]):
    """A message with its envelope. `body` is None for a tombstone on a compacted topic (then see `envelope`)."""

    envelope: Envelope
    body: M


Each = Callable[[Connection, Any, datetime], Awaitable[None]]
Many = Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]


@dataclass(frozen=True)
class Subscription:
    """What a service does with the messages of one topic.

    `on`: one function per type, called per message. `on_many`: called with a run of messages of one type, in order.
    `on_tombstone`: called with the key when a compacted topic erases it. `on_refused`: answers a refused command with
    an event, in the transaction that moves the offset; without it a refused message is a dead letter.
    Types that are not named are skipped on a topic of events, and dead letters on a topic of commands, unless a newer
    release that serves beside this one names them: then they are left to it.
    `sparse`: few of the topic's aggregates concern this service, so what is skipped leaves no version behind; a gap in
    those that do concern it is then not seen where a skipped type lies between.
    """

    topic: str
    on: Mapping[type[Message], Each] = field(default_factory=dict)
    on_many: Mapping[type[Message], Many] = field(default_factory=dict)
    on_tombstone: Callable[[Connection, str, datetime], Awaitable[None]] | None = None
    on_refused: Callable[[Connection, Envelope, Message | None, Refusal, datetime], Awaitable[None]] | None = None
    sparse: bool = False

    @property
    def takes_commands(self) -> bool:
        """True for a topic of commands."""
        return any(issubclass(kind, Command) for kind in (*self.on, *self.on_many))


class Item(NamedTuple):
    """A record, read as far as it could be: a message (`body`), a tombstone, bad (`error`), or else one to skip.

    `unknown`: its type, where no handler here takes it.
    """

    record: ConsumerRecord
    envelope: Envelope | None = None
    body: Message | None = None
    tombstone: bool = False
    error: Exception | None = None
    unknown: str | None = None


class Consumer:
    """Applies the records of one subscription to one database."""

    def __init__(
        self,
        service: str,
        subscription: Subscription,
        database: Database,
        clock: Clock,
        sealer: Sealer,
        stopping: asyncio.Event,
    ) -> None:
        self.subscription = subscription
        self.service = service
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._stopping = stopping
        self._types = {kind.__name__: kind for kind in (*subscription.on, *subscription.on_many)}
        self._run_of_dead_letters = 0
        self.stopped_because: str | None = None
        self.waiting_for_outage: str | None = None
        self.waiting_for_release: str | None = None
        """Types that a newer release handles and this process holds back for it."""
        self._awaited: frozenset[str] = frozenset()
        self._awaited_until = 0.0

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, record: ConsumerRecord) -> Item:
        """Read one record; never raises."""
        envelope = None
        try:
            envelope = read_envelope(record.headers)
            owned = record.key == envelope.subject.encode()
            if record.value is None and record.key is not None and self.subscription.on_tombstone is not None:
                # whatever its type: it erases the key. Under another subject its version is not the key's
                return Item(record, envelope if owned else None, tombstone=True)
            kind = self._types.get(envelope.type)
            if kind is None:
                if self.subscription.takes_commands:
                    known = ", ".join(sorted(self._types))
                    error = Malformed("ce_type", f"no such command here; known are {known}")
                    return Item(record, envelope, error=error, unknown=envelope.type)
                # under another key it must not move its subject's version: the real events would pass for duplicates
                counts = owned or envelope.sequence is None
                kept = envelope if counts and not self.subscription.sparse else None
                return Item(record, kept, unknown=envelope.type)
            if not issubclass(kind, Command):
                if envelope.sequence is None:
                    raise Malformed("ce_sequence", "the header is missing; an event carries its aggregate's version")
                if not owned:
                    raise Malformed("ce_subject", "differs from the record's key; both are the aggregate's id")
            if record.value is not None:
                return Item(record, envelope, kind.from_bytes(record.value))
            raise Malformed("body", "is empty")
        except (Malformed, ValidationError) as error:
            if record.value is None and record.key is not None and self.subscription.on_tombstone is not None:
                return Item(record, None, tombstone=True)
            return Item(record, envelope, error=error)

    def read_all(self, records: Iterable[ConsumerRecord]) -> list[Item]:
        """Read records of any partitions of this topic; never raises."""
        return [self.read(record) for record in records]

    # -- applying ----------------------------------------------------------------------------------------------------

    async def handle(self, records: Iterable[ConsumerRecord]) -> None:
        """Read and `apply`."""
        await self.apply(self.read_all(records))

    async def apply(self, items: Sequence[Item]) -> None:
        """Apply what was read, in order. Returns when all is applied or set aside.

        An outage of the database is waited for, and so is the newer release that takes over what it alone handles.
        Raises `ConsumerStopped` after a run of dead letters and `asyncio.CancelledError` when the service stops
        meanwhile; nothing is lost, the offsets tell.
        """
        failpoint("consume.received")
        delay = RETRY_DELAYS_SECONDS[0]
        while items:
            try:
                ready, held = await self._before_awaited(items)
                if ready:
                    await self._batch_or_one_by_one(ready)
            except Exception as error:  # the edge: only an outage is waited for
                if not is_outage(error):
                    raise
                self.waiting_for_outage = type(error).__name__
                logger.warning("consume.outage", topic=self.subscription.topic, error=type(error).__name__)
                await self._pause(delay)
                delay = min(delay * 2, OUTAGE_DELAY_SECONDS_MAX)
            else:
                self.waiting_for_outage = None
                items = held
                if held:
                    await self._pause(releases.KNOWN_SECONDS)

    async def _pause(self, seconds: float) -> None:
        """Wait; raises `asyncio.CancelledError` when the service stops meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
            raise asyncio.CancelledError

    async def _before_awaited(self, items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
        """What may be applied now; and what stands, in its partition, at or behind a record for a newer release.

        Whoever takes a partition over goes on at that record: our offset stays before it.
        """
        unknown = {item.unknown for item in items if item.unknown is not None}
        if unknown and time.monotonic() >= self._awaited_until:
            until = time.monotonic() + releases.KNOWN_SECONDS
            async with self._database.read() as conn:
                self._awaited = await releases.find_awaited(conn, self.subscription.topic)
            self._awaited_until = until
        ready: list[Item] = []
        held: list[Item] = []
        types: set[str] = set()
        if unknown & self._awaited:
            async with self._database.read() as conn:
                standing = await inbound.find_offsets(conn, self.subscription.topic)
            closed: set[int] = set()
            for item in items:
                partition = item.record.partition
                if item.unknown in self._awaited and item.record.offset >= standing.get(partition, 0):
                    closed.add(partition)
                    types.add(item.unknown)
                (held if partition in closed else ready).append(item)
        waits_for = ", ".join(sorted(types)) or None
        if waits_for is not None and self.waiting_for_release is None:
            logger.warning("consume.awaits_newer_release", topic=self.subscription.topic, types=waits_for)
        self.waiting_for_release = waits_for
        return (ready, held) if held else (items, held)

    async def _batch_or_one_by_one(self, items: Sequence[Item]) -> None:
        if all(item.error is None for item in items):
            try:
                outcomes: list[tuple[str, str]] = []
                async with self._database.transaction() as conn:
                    await self._move_and_work(conn, items, outcomes)
                    failpoint("consume.applied")
                failpoint("consume.committed")
            except _ParkedKey:
                pass
            except Exception as error:  # the edge: which record is at fault shows one by one
                if is_outage(error):
                    raise
                logger.info("consume.batch_failed", topic=self.subscription.topic, error=type(error).__name__)
            else:
                self._run_of_dead_letters = 0
                self._count(outcomes)
                return
        for item in items:
            await self._one(item)

    async def _move_and_work(self, conn: Connection, items: Sequence[Item], outcomes: list[tuple[str, str]]) -> None:
        """Do the work of these records and move the offsets, in this transaction; `_ParkedKey` when one must wait."""
        topic = self.subscription.topic
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for item in items:
            first.setdefault(item.record.partition, item.record.offset)
            last[item.record.partition] = item.record.offset + 1
        before, any_parked = await inbound.move_offsets(conn, topic, last)
        fresh = []
        for item in items:
            partition = item.record.partition
            if item.record.offset >= before.get(partition, last[partition]):
                fresh.append(item)
            else:
                outcomes.append((_type_of(item), "duplicate"))
        if any_parked or before != first:  # somebody else may have parked a key while we waited for the offsets
            keys = [item.record.key for item in fresh if item.record.key is not None]
            if await inbound.find_parked(conn, topic, keys):
                raise _ParkedKey
        await self._work(conn, fresh, outcomes)

    async def _work(self, conn: Connection, items: Sequence[Item], outcomes: list[tuple[str, str]]) -> None:
        """Refuse duplicates and call the handlers, in order."""
        now = self._clock.now()
        wanted = await self._without_duplicates(conn, items, outcomes, now)
        for kind, run in groupby(wanted, key=lambda item: type(item.body)):
            items = list(run)
            if kind is type(None):
                await self._erase(conn, items, outcomes, now)
                continue
            received = [Received(item.envelope, item.body) for item in items if item.envelope and item.body]
            with HANDLER_SECONDS.labels(kind.__name__, "kafka").time():
                if kind in self.subscription.on_many:
                    with continued(
                        received[0].envelope.traceparent, f"consume {kind.__name__}", messages=len(received)
                    ):
                        await self.subscription.on_many[kind](conn, received, now)
                else:
                    for one in received:
                        with continued(one.envelope.traceparent, f"consume {kind.__name__}"):
                            await self.subscription.on[kind](conn, one, now)
            outcomes += [(kind.__name__, "applied")] * len(received)

    async def _erase(
        self, conn: Connection, items: Sequence[Item], outcomes: list[tuple[str, str]], now: datetime
    ) -> None:
        for item in items:
            assert self.subscription.on_tombstone is not None
            await self.subscription.on_tombstone(conn, item.record.key.decode(errors="replace"), now)
            outcomes.append(("tombstone", "applied"))

    async def _without_duplicates(
        self, conn: Connection, items: Sequence[Item], outcomes: list[tuple[str, str]], now: datetime
    ) -> list[Item]:
        """The items that are new, in order; remembers their versions and ids in this transaction."""
        topic = self.subscription.topic
        highest: dict[str, int] = {}
        ids = []
        for item in items:
            if (envelope := item.envelope) is None:
                continue
            if envelope.sequence is None:
                ids.append(envelope.id)
            elif envelope.sequence > highest.get(envelope.subject, 0):
                highest[envelope.subject] = envelope.sequence
        # a key that is not among those raised has seen all of these versions
        before = await inbound.raise_versions(conn, topic, highest) if highest else {}
        seen = {key: before[key] or 0 if key in before else highest[key] for key in highest}
        new_ids = await inbound.add_to_inbox(conn, ids, now) if ids else set()
        wanted = []
        for item in items:
            envelope = item.envelope
            if envelope is not None and not _is_new(envelope, seen, new_ids):
                outcomes.append((_type_of(item), "duplicate"))
                continue
            if envelope is not None and envelope.sequence is not None:
                last = seen[envelope.subject]
                if last and envelope.sequence > last + 1:
                    outcomes.append((_type_of(item), "gap"))
                seen[envelope.subject] = envelope.sequence
            if item.body is None and not item.tombstone:
                outcomes.append((_type_of(item), "ignored"))
            else:
                wanted.append(item)
        return wanted

    # -- one by one, and setting aside -------------------------------------------------------------------------------

    async def _one(self, item: Item) -> None:
        """Apply one record, or set it aside; raises on an outage."""
        for attempt, delay in enumerate((*RETRY_DELAYS_SECONDS, None), start=1):
            outcomes: list[tuple[str, str]] = []
            try:
                async with self._database.transaction() as conn:
                    if not await self._queue_behind_parked(conn, item, outcomes):
                        if item.error is not None:
                            raise item.error
                        await self._move_and_work(conn, [item], outcomes)
                        self._run_of_dead_letters = 0
                self._count(outcomes)
                return
            except (Malformed, ValidationError, Refused) as error:
                if not await self._answer_refusal(item, refusal_of(error)):
                    await self._dead(item, dead_letters.kind_of(error), describe(error), attempt)
                return
            except Exception as error:  # the edge: an outage is waited for, the rest gets a few tries
                if is_outage(error):
                    raise
                if delay is None:
                    logger.exception("consume.failed", topic=self.subscription.topic, offset=item.record.offset)
                    await self._dead(item, "fault", describe(error), attempt)
                    return
                await asyncio.sleep(delay)

    async def _queue_behind_parked(self, conn: Connection, item: Item, outcomes: list[tuple[str, str]]) -> bool:
        """True when nothing is left to do: the record was done before, or its key is parked and it queues there now."""
        record = item.record
        standing = await inbound.lock_offsets(conn, record.topic, [record.partition])
        if record.offset < standing[record.partition]:
            outcomes.append((_type_of(item), "duplicate"))
            return True
        if record.key is None or not await inbound.find_parked(conn, record.topic, [record.key]):
            return False
        await dead_letters.add(
            conn, self._sealer, record, message_type=_type_of(item), state="waiting", now=self._clock.now()
        )
        await inbound.move_offsets(conn, record.topic, {record.partition: record.offset + 1})
        outcomes.append((_type_of(item), "parked"))
        return True

    async def _answer_refusal(self, item: Item, refusal: Refusal) -> bool:
        """Answer a refused command with an event; False when it cannot be answered and is a dead letter instead."""
        if not self._can_answer(item):
            return False
        record, now = item.record, self._clock.now()
        try:
            async with self._database.transaction() as conn:
                moved, _ = await inbound.move_offsets(conn, record.topic, {record.partition: record.offset + 1})
                if moved:
                    await self._answer(conn, item, refusal, now)
        except Exception as error:  # the edge: an answer that fails is this record's trouble, not the partition's
            if is_outage(error):
                raise
            logger.exception("consume.answer_failed", topic=record.topic, offset=record.offset)
            return False
        return True

    def _can_answer(self, item: Item) -> bool:
        envelope = item.envelope
        return self.subscription.on_refused is not None and envelope is not None and envelope.type in self._types

    async def _answer(self, conn: Connection, item: Item, refusal: Refusal, now: datetime) -> None:
        """Answer in this transaction, unless this command was answered or done before."""
        answer, envelope = self.subscription.on_refused, item.envelope
        assert answer is not None
        assert envelope is not None
        if await inbound.add_to_inbox(conn, [envelope.id], now):
            with continued(envelope.traceparent, f"refuse {envelope.type}"):
                await answer(conn, envelope, item.body, refusal, now)
        logger.info("command.refused", type=envelope.type, code=refusal.code, command_id=str(envelope.id))
        self._count([(envelope.type, "refused")])

    async def _dead(self, item: Item, kind: str, error: str, attempts: int) -> None:
        """Set a record aside, park its key, and stop after a run of them."""
        record, now = item.record, self._clock.now()
        async with self._database.transaction() as conn:
            moved, _ = await inbound.move_offsets(conn, record.topic, {record.partition: record.offset + 1})
            if moved:
                letter = await dead_letters.add(
                    conn,
                    self._sealer,
                    record,
                    message_type=_type_of(item),
                    state="failed",
                    kind=kind,
                    error=error,
                    attempts=attempts,
                    now=now,
                )
                await dead_letters.notice(conn, letter, self.service, record, error, now)
                if record.key is not None:
                    await inbound.park(conn, record.topic, record.key, now)
        if not moved:  # another consumer of this partition dealt with it meanwhile
            return
        logger.error(
            "consume.dead_letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            kind=kind,
            error=error,
        )
        self._count([(_type_of(item), "dead")])
        self._run_of_dead_letters += 1
        if self._run_of_dead_letters >= DEAD_LETTER_RUN_MAX:
            self.stopped_because = (
                f"{DEAD_LETTER_RUN_MAX} messages in a row failed, the last: {error}; "
                "mend the cause, restart the service, then `lapak dead-letters replay`"
            )
            raise ConsumerStopped(self.stopped_because)

    # -- replaying ---------------------------------------------------------------------------------------------------

    async def replay(self, records: Iterable[ConsumerRecord], conn: Connection) -> None:
        """Apply records from the dead letters in the given transaction; raises what the handler raises.

        A command that is refused now is answered, as it would have been when it came. Raises
        `releases.Awaited` for what a newer release is to apply.
        """
        for record in records:
            item = self.read(record)
            if item.unknown is not None and item.unknown in await releases.find_awaited(conn, record.topic):
                raise releases.Awaited(item.unknown)
            outcomes: list[tuple[str, str]] = []
            try:
                if item.error is not None:
                    raise item.error
                async with conn.transaction():  # a savepoint: a refusal undoes the handler's work, the answer stays
                    await self._work(conn, [item], outcomes)
            except (Malformed, ValidationError, Refused) as error:
                if not self._can_answer(item):
                    raise
                await self._answer(conn, item, refusal_of(error), self._clock.now())
            else:
                self._count(outcomes)

    def _count(self, outcomes: Iterable[tuple[str, str]]) -> None:
        for (kind, outcome), count in Counter(outcomes).items():
            EVENTS_CONSUMED.labels(self.subscription.topic, kind, outcome).inc(count)


class _ParkedKey(Exception):
    """A record of this batch belongs to a parked key: take them one by one."""


def _is_new(envelope: Envelope, seen: Mapping[str, int], new_ids: set[UUID]) -> bool:
    """Whether this message was not applied before. Takes a command's id out of `new_ids`: its twin is no more new."""
    if envelope.sequence is not None:
        return envelope.sequence > seen[envelope.subject]
    if envelope.id in new_ids:
        new_ids.remove(envelope.id)
        return True
    return False


def _type_of(item: Item) -> str:
    """The message's type as a metric label: only names we know, so that a sender cannot flood the metrics."""
    return item.envelope.type if item.envelope is not None and item.envelope.type in Message.registry else "unknown"


def refusal_of(error: Exception) -> Refusal:
    """A refused command's refusal; a malformed one's names its fields."""
    if isinstance(error, Refused):
        return Refusal(error.code, error.message, [])
    fields = []
    if isinstance(error, ValidationError):
        fields = [".".join(str(part) for part in p["loc"]) for p in error.errors(include_input=False)]
    elif isinstance(error, Malformed):
        fields = [error.field]
    return Refusal("malformed", describe(error), fields)

"""Dispatch through FastStream in batches, each record read and counted, beside aiokafka alone with the same reading."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain
from time import perf_counter
from uuid import uuid4

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.clock import Clock
from shared.consume import Consumer, Item
from shared.crypto import Sealer
from shared.stream import POLL_MS, RECORDS_MAX, Stream
from tests.bench.consuming import SECONDS_MAX, Filled, filled
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn

__all__ = ["measure"]

EVENTS = 160_000  # a second or two: what comes with the first fetch must not count


class _Reader(Consumer):
    """Reads every record as a service does, envelope and body, and does nothing with it."""

    def expect(self, number: int) -> asyncio.Event:
        """An event that is set once so many are read."""
        self.left, self.began, self.ended, self.done = number, 0.0, 0.0, asyncio.Event()
        return self.done

    def read_all(self, records: Iterable[ConsumerRecord]) -> list[Item]:
        found = list(records)
        if found:
            self.began = self.began or perf_counter()
        return super().read_all(found)

    async def apply(self, items: Sequence[Item]) -> None:
        """Take these off what is left; a record that could not be read does not count."""
        self.left -= sum(item.body is not None for item in items)
        if self.left <= 0 and not self.done.is_set():
            self.ended = perf_counter()
            self.done.set()


def measure(context: Context) -> list[Comparison]:
    """Events a second from the first record that arrives to the last that is read."""
    return [uvloop.run(_measure(context))]


async def _measure(context: Context) -> Comparison:
    async with filled(context, EVENTS) as bench:
        comparison = Comparison("dispatch through FastStream in batches", "events/s", 0.85, "higher")
        return await in_turn(context, comparison, lambda: _dispatched(bench), lambda: _polled(bench))


def _reader(bench: Filled, stopping: asyncio.Event) -> _Reader:
    sealer = Sealer(bench.settings.secret_keys)
    return _Reader("bench", bench.subscription, bench.database, Clock(), sealer, stopping)


async def _dispatched(bench: Filled) -> float:
    """Through the subscriber that `Stream` wires: parser, decoder, MANUAL, batches."""
    stopping = asyncio.Event()
    reader = _reader(bench, stopping)
    done = reader.expect(bench.number)
    stream = Stream(f"bench-{uuid4().hex[:8]}", bench.settings, bench.database, [reader], stopping)
    running = asyncio.create_task(stream.run())
    try:
        await asyncio.wait_for(done.wait(), SECONDS_MAX)
    except TimeoutError:
        raise NotMeasured(f"{reader.left} events did not come in {SECONDS_MAX:.0f} s: {stream.health()}") from None
    finally:
        stopping.set()
        await stream.stop()
        await asyncio.gather(running, return_exceptions=True)
    return _rate(bench, reader)


async def _polled(bench: Filled) -> float:
    """`getmany` in a loop."""
    reader = _reader(bench, asyncio.Event())
    reader.expect(bench.number)
    async with bench.bare_consumer() as consumer, asyncio.timeout(SECONDS_MAX):
        while not reader.done.is_set():
            await _poll(consumer, reader)
    return _rate(bench, reader)


async def _poll(consumer: AIOKafkaConsumer, reader: _Reader) -> None:
    found = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
    await reader.apply(reader.read_all(chain.from_iterable(found.values())))


def _rate(bench: Filled, reader: _Reader) -> float:
    if reader.left:
        raise NotMeasured(f"{bench.number - reader.left} of {bench.number} events were read")
    return bench.number / (reader.ended - reader.began)

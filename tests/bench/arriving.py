"""From a command to its effect in another service at 200 a second, beside produce to consume on the same broker.

Ours: a transaction with its event and the relay here, the consuming side in a process of its own, until its own
transaction is committed. The limit: `send_and_wait` here, `getmany` in a process of its own. Each is due at a fixed
moment and timed from it, whatever became of those before, on the monotonic clock, which processes share.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep

import structlog
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from deploy.local import services
from deploy.local.stack import Running
from deploy.local.state import REPOSITORY
from shared import outbox
from shared.clock import Clock
from shared.consume import Consumer, Item, Subscription
from shared.crypto import Sealer
from shared.db import open_database
from shared.ids import new_id
from shared.settings import ServiceSettings
from shared.stream import Stream
from tests.bench.bare import STATE
from tests.bench.calling import percentile
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.bench.parts import NOTE, NOW, Noted, bench_database, fresh_topic, relaying
from tests.bench.servers import TABLES, apply

__all__ = ["measure"]

PER_SECOND = 200
SECONDS = 6
WARM_UP_SECONDS = 1
SECONDS_MAX = 60.0
READY = b"ready\n"


class Arrived(Noted):
    """A `Noted` on a topic of its own, which is named when it is made."""


def measure(context: Context) -> list[Comparison]:
    """Milliseconds until half, and until 99 in 100, have arrived."""
    return uvloop.run(_measure(context))


async def _measure(context: Context) -> list[Comparison]:
    half = Comparison("command to effect in another service, p50", "ms", 2.0, "lower", digits=1)
    most = Comparison("command to effect in another service, p99", "ms", 1.5, "lower", digits=1)
    running = context.running
    Arrived.topic = await fresh_topic(running.kafka)
    plain_topic = await fresh_topic(running.kafka)
    numbers = count()
    async with (
        bench_database(running, size=10) as (publisher, dsn),
        bench_database(running) as (reader, dsn_reader),
        AsyncExitStack() as parts,
    ):
        for database in (publisher, reader):
            await database.pool.execute(TABLES)
        await parts.enter_async_context(relaying(publisher, dsn, running.kafka))
        produce = await parts.enter_async_context(_producing(running.kafka, plain_topic))
        ours = await parts.enter_async_context(_arrivals(running, "stream", Arrived.topic, dsn_reader))
        limit = await parts.enter_async_context(_arrivals(running, "plain", plain_topic, dsn_reader))

        async def command(number: int) -> None:
            row_id = new_id()
            async with publisher.transaction() as conn:
                await conn.execute(STATE, row_id, f"number {number}", NOTE)
                event = Arrived(counter=str(row_id), add=number, note=NOTE)
                await outbox.record(conn, [outbox.Fact(event, 1)], now=NOW)

        async def side(send: Callable[[int], Awaitable[object]], arrivals: "_Arrivals") -> list[float]:
            wanted = [next(numbers) for _ in range(PER_SECOND * (WARM_UP_SECONDS + context.size(SECONDS)))]
            due = await _at_fixed_moments(wanted, send)
            arrived = await arrivals.of(wanted)
            return [arrived[n] - due[n] for n in wanted[PER_SECOND * WARM_UP_SECONDS :]]

        for number in range(context.rounds + 1):
            if number % 2:
                seconds_limit = await side(produce, limit)
                seconds_ours = await side(command, ours)
            else:
                seconds_ours = await side(command, ours)
                seconds_limit = await side(produce, limit)
            if number:
                for comparison, share in ((half, 0.5), (most, 0.99)):
                    comparison.add(percentile(seconds_ours, share) * 1000, percentile(seconds_limit, share) * 1000)
            context.advance()
        applied = await reader.pool.fetchval("SELECT count(*) FROM bench_effect")
        sent = await publisher.pool.fetchval("SELECT count(*) FROM bench_state")
        if applied != sent:
            raise NotMeasured(f"{sent} commands had {applied} effects")
    return [half, most]


async def _at_fixed_moments(numbers: Sequence[int], send: Callable[[int], Awaitable[object]]) -> dict[int, float]:
    """Send each at its moment; returns the moments. A thread keeps the time: the loop's own timers are coarse."""
    loop = asyncio.get_running_loop()
    began = monotonic() + 0.1
    due = {number: began + place / PER_SECOND for place, number in enumerate(numbers)}
    sent: list[asyncio.Future[object]] = []
    stopping, all_started = Flag(), loop.create_future()

    def start(number: int) -> None:
        sent.append(asyncio.ensure_future(send(number)))

    def keep_time() -> None:
        for number, moment in due.items():
            sleep(max(0.0, moment - monotonic()))
            if stopping.is_set():
                return
            loop.call_soon_threadsafe(start, number)
        loop.call_soon_threadsafe(all_started.set_result, None)

    keeper = Thread(target=keep_time, daemon=True)
    keeper.start()
    try:
        async with asyncio.timeout(len(numbers) / PER_SECOND + SECONDS_MAX):
            await all_started
            await asyncio.gather(*sent)
    finally:
        stopping.set()
        keeper.join()
    return due


@asynccontextmanager
async def _producing(bootstrap: str, topic: str) -> AsyncIterator[Callable[[int], Awaitable[object]]]:
    """Sends an event's body as aiokafka does, acknowledged by all."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()

    async def produce(number: int) -> object:
        key = str(new_id())
        body = Noted(counter=key, add=number, note=NOTE).to_bytes()
        return await producer.send_and_wait(topic, body, key=key.encode())

    try:
        yield produce
    finally:
        await producer.stop()


class _Arrivals:
    """What a receiving process says: a line with number and moment for each."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self._doubled: list[int] = []
        self._more = asyncio.Event()

    async def listen(self, lines: asyncio.StreamReader) -> None:
        """Take lines until the process ends."""
        async for line in lines:
            number, moment = line.split()
            if int(number) in self._seen:
                self._doubled.append(int(number))
            self._seen[int(number)] = float(moment)
            self._more.set()

    async def of(self, numbers: Sequence[int]) -> dict[int, float]:
        """The moments of these, once all have arrived. Raises `NotMeasured` when one is missing, or came twice."""
        try:
            async with asyncio.timeout(SECONDS_MAX):
                while missing := sum(number not in self._seen for number in numbers):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise NotMeasured(f"{missing} of {len(numbers)} did not arrive in {SECONDS_MAX:.0f} s") from None
        if self._doubled:
            raise NotMeasured(f"{len(self._doubled)} arrived twice")
        return {number: self._seen[number] for number in numbers}


@asynccontextmanager
async def _arrivals(running: Running, way: str, topic: str, dsn: str) -> AsyncIterator[_Arrivals]:
    """A receiving process on this topic, ready; it ends with us, because its standard input does."""
    arrivals = _Arrivals()
    with (running.state_dir / "logs" / f"arriving-{way}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.arriving", way, topic),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=REPOSITORY,
            env={**os.environ, **services.environment(running, "bench", dsn, 0)},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            said = await process.stdout.readline()
        if said != READY:
            raise NotMeasured(f"the receiving process did not start; logs/arriving-{way}.log has the reason")
        listening = asyncio.create_task(arrivals.listen(process.stdout))
        yield arrivals
        process.stdin.close()
        await listening
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# ---- the receiving processes


class _TellingConsumer(Consumer):
    """Tells when what it was given is committed."""

    async def apply(self, items: Sequence[Item]) -> None:
        await super().apply(items)
        _tell([item.record for item in items], monotonic())


def _tell(records: Sequence[ConsumerRecord], moment: float) -> None:
    lines = [f"{Noted.from_bytes(record.value).add} {moment}\n" for record in records]
    sys.stdout.buffer.write("".join(lines).encode())
    sys.stdout.buffer.flush()


async def _receive_in_stream(topic: str, ending: asyncio.Task[bytes]) -> None:
    """As a service does: FastStream, `Consumer`, the effect and the offset in one transaction."""
    settings, stopping = ServiceSettings(), asyncio.Event()
    database = await open_database(settings.database, size=settings.pool_size)
    subscription = Subscription(topic, on_many={Arrived: apply})
    consumer = _TellingConsumer("bench", subscription, database, Clock(), Sealer(settings.secret_keys), stopping)
    stream = Stream("bench", settings, database, [consumer], stopping)
    running = asyncio.create_task(stream.run())
    while not stream.health()[topic][0] and not ending.done():
        await asyncio.wait({ending}, timeout=0.05)
    _say_ready()
    await ending
    stopping.set()
    await stream.stop()
    await running
    await database.pool.close()


async def _receive_plainly(topic: str, ending: asyncio.Task[bytes]) -> None:
    """aiokafka with its defaults, and nothing done with what it brings."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=ServiceSettings().kafka, auto_offset_reset="earliest")
    await consumer.start()

    async def receive() -> None:
        while True:
            found = await consumer.getmany(timeout_ms=1000)
            moment = monotonic()
            for records in found.values():
                _tell(records, moment)

    receiving = asyncio.create_task(receive())
    _say_ready()
    await ending
    receiving.cancel()
    await consumer.stop()


def _say_ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


async def _receive(way: str, topic: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for the moments
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    await WAYS[way](topic, ending)


WAYS = {"stream": _receive_in_stream, "plain": _receive_plainly}

if __name__ == "__main__":
    uvloop.run(_receive(*sys.argv[1:]))

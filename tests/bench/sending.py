"""Messages through the emulated WhatsApp: their rate, the memory it takes, and what a broadcast does to offers.

A real notify process with PostgreSQL, Kafka and its receipts; the messages are planned before. The limit of the rate is
httpx alone: the same requests over as many lines, each with a connection of its own, to the same emulator in the same
run, and nothing else done.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from time import perf_counter, time
from typing import Any
from uuid import UUID

import httpx
import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from deploy.local import services, stack
from deploy.local.processes import HOST, free_port
from deploy.local.stack import Running
from services.notify.domain.planning import Cause
from services.notify.handlers.planning import plan_notifications
from shared.db import Database
from shared.events.bazaar import BoothAssigned
from shared.events.envelope import Envelope, write_headers
from shared.ids import new_id
from tests.bench.calling import percentile
from tests.bench.measure import Comparison, Context, NotMeasured, in_turn
from tests.bench.parts import bench_database

__all__ = ["measure", "measure_broadcast"]

LINES = 64
MESSAGES = 6_000
MESSAGES_BARE = 3_000
BROADCAST = 300_000
WAITING = 3_200
"""Of a broadcast at 80 a second: it lasts longer than the offers beside it."""
OFFERS = 240
OFFERS_PER_SECOND = 8.0
NUMBER = "1090000009"
PEOPLE_PER_BATCH = 5_000
SECONDS_MAX = 3_600.0
KEYS = {"token": "bench-token", "app_secret": "bench-secret", "verify_token": "bench-verify"}
TEMPLATE = "booth-assigned"


@dataclass
class _Desk:
    """The emulator, the database of notify, and how many people were made so far."""

    running: Running
    database: Database
    dsn: str
    emulator: httpx.AsyncClient
    pid: int = 0
    people: Iterator[int] = field(default_factory=lambda: count(1))

    async def first(self, **which: int) -> dict[str, Any] | None:
        """The newest message that the emulator took; with `after=0` the oldest. Counting them all would cost what is
        measured.
        """
        found = (await self.emulator.get("/admin/messages", params={"limit": 1, **which})).json()["messages"]
        return dict(found[0]) if found else None

    async def clear(self) -> None:
        """Let the emulator forget all messages; what it has still to report is waited for first."""
        await self.until(self._told)
        await self.emulator.delete("/admin/messages")

    async def _told(self) -> bool:
        return not (await self.emulator.get("/admin/pending")).json()

    async def at_rest(self) -> bool:
        """Whether every message is told delivered, a second from now."""
        await asyncio.sleep(1)
        return not await self.database.pool.fetchval("SELECT count(*) FROM notification WHERE state <> 'delivered'")

    async def until(self, true: Callable[[], Any], seconds: float = SECONDS_MAX) -> None:
        """Wait for something."""
        async with asyncio.timeout(seconds):
            while not await true():  # noqa: ASYNC110 - other processes are waited for
                await asyncio.sleep(0.1)

    def memory(self) -> float:
        """Megabytes that notify and its children hold."""
        process = psutil.Process(self.pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


def measure(context: Context) -> list[Comparison]:
    """The rate, and the latency of offers beside a broadcast."""
    return uvloop.run(_measure(context))


def measure_broadcast(context: Context) -> list[Comparison]:
    """300,000 messages in one go (half in a quick run): rate and memory."""
    return uvloop.run(_measure_broadcast(context))


async def _measure(context: Context) -> list[Comparison]:
    number = context.size(MESSAGES)
    rate = Comparison("messages through WhatsApp, notify whole beside httpx alone", "messages/s", 0.5, "higher")
    late = Comparison("p99 from event to WhatsApp of an offer, beside a broadcast and idle", "ms", 2.0, "lower")
    async with _desk(context) as desk:
        async with _notify(desk, per_second=1_000_000.0):
            await in_turn(context, rate, lambda: _sent(desk, number), lambda: _bare(desk, context.size(MESSAGES_BARE)))
        async with _notify(desk, per_second=80.0):
            await in_turn(context, late, lambda: _beside_a_broadcast(desk, context), lambda: _idle(desk, context))
    return [rate, late]


async def _measure_broadcast(context: Context) -> list[Comparison]:
    number = context.size(BROADCAST)
    memory = Comparison("memory at the end of a broadcast beside that at its tenth", "MB", 1.2, "lower")
    rate = Comparison("a whole broadcast beside httpx alone", "messages/s", 0.5, "higher")
    async with _desk(context) as desk, _notify(desk, per_second=1_000_000.0):
        bare = await _bare(desk, MESSAGES_BARE)
        marks: list[float] = []
        rate.add(await _sent(desk, number, marks), bare)
        memory.add(marks[1], marks[0])
    return [rate, memory]


# --- ours


async def _sent(desk: _Desk, number: int, marks: list[float] | None = None) -> float:
    """Messages a second from the first that the emulator takes to the last; then all their receipts are waited for.

    `marks` gets the megabytes at a tenth and the most of all that came after.
    """
    await desk.clear()
    await desk.emulator.post("/admin/faults", json={"read": 0.0})
    await _plan(desk, number, lane=2)
    peak = 0.0
    oldest: dict[str, Any] | None = None
    newest: dict[str, Any] | None = None

    async def done() -> bool:
        nonlocal peak, oldest, newest
        oldest, newest = oldest or await desk.first(after=0), await desk.first()
        taken = newest["id"] - oldest["id"] + 1 if newest and oldest else 0
        if marks is not None and taken >= number / 10:
            if not marks:
                marks.append(desk.memory())
            peak = max(peak, desk.memory())
        return taken >= number

    await desk.until(done)
    assert oldest is not None
    assert newest is not None
    seconds = newest["taken_at"] - oldest["taken_at"]
    if marks is not None:
        marks.append(peak)

    await desk.until(desk.at_rest)
    taken = (await desk.emulator.get("/admin/count")).json()["messages"]
    if taken != number:
        raise NotMeasured(f"{taken} messages came of {number}")
    return float(number / seconds)


async def _plan(desk: _Desk, number: int, *, lane: int) -> None:
    """People, and a message planned for each."""
    now = datetime.now(UTC)
    for start in range(0, number, PEOPLE_PER_BATCH):
        vendors = await _people(desk, min(PEOPLE_PER_BATCH, number - start))
        events = [(_offer(vendor, now), Cause(new_id(), now)) for vendor in vendors]
        async with desk.database.transaction() as conn:
            await plan_notifications(conn, events, now=now)
            await conn.execute("UPDATE notification SET lane = $1 WHERE state = 'planned' AND lane <> $1", lane)


async def _people(desk: _Desk, number: int) -> list[UUID]:
    vendors = [new_id() for _ in range(number)]
    phones = [f"+62812{next(desk.people):08}" for _ in range(number)]
    await desk.database.pool.execute(
        "INSERT INTO contact (vendor_id, name, phone, language, remembered_at) "
        "SELECT v, 'Siti Aminah', p, 'id', now() FROM unnest($1::uuid[], $2::text[]) AS t (v, p)",
        vendors,
        phones,
    )
    return vendors


def _offer(vendor: UUID, now: datetime) -> BoothAssigned:
    return BoothAssigned(
        application_id=new_id(),
        bazaar_id=new_id(),
        vendor_id=vendor,
        bazaar_name="Bazar Jakpreneur Ramadan",
        site_id="sb",
        site_name="Rusun Karang Anyar",
        booth="A07",
        days=[],
        respond_by=now + timedelta(hours=24),
    )


# --- httpx alone


async def _bare(desk: _Desk, number: int) -> float:
    """The same requests by httpx and nothing else; nothing is reported of them."""
    await desk.clear()
    await desk.emulator.post("/admin/faults", json={"receipts": False})
    name, values, buttons = await _form(desk)
    headers = {"Authorization": f"Bearer {KEYS['token']}"}
    numbers = iter(range(number))

    async def line() -> None:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=desk.running.providers_url, limits=limits, verify=False) as client:
            for one in numbers:
                body = _request(f"62813{one:08}", name, values, buttons)
                answer = await client.post(f"/graph/v23.0/{NUMBER}/messages", json=body, headers=headers)
                if answer.status_code != 200:
                    raise NotMeasured(f"httpx alone: {answer.text}")

    began = perf_counter()
    await asyncio.gather(*(line() for _ in range(LINES)))
    return number / (perf_counter() - began)


async def _form(desk: _Desk) -> tuple[str, int, int]:
    """The approved template of an offer: its name, how many values it takes, how many buttons it has."""
    listed = await desk.emulator.get("/admin/templates", params={"number_id": NUMBER})
    wanted = "lapak_" + TEMPLATE.replace("-", "_")
    found = [one for one in listed.json() if one["name"].startswith(wanted) and one["language"] == "id"]
    return found[0]["name"], found[0]["variables"], found[0]["buttons"]


def _request(to: str, name: str, values: int, buttons: int) -> dict[str, Any]:
    components: list[dict[str, Any]] = [
        {"type": "body", "parameters": [{"type": "text", "text": "Bazar Jakpreneur Ramadan"} for _ in range(values)]}
    ]
    for place in range(buttons):
        press = [{"type": "payload", "payload": f"{new_id()}:{place}"}]
        components.append({"type": "button", "sub_type": "quick_reply", "index": str(place), "parameters": press})
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
        "template": {"name": name, "language": {"code": "id"}, "components": components},
        "biz_opaque_callback_data": str(new_id()),
    }


# --- offers beside a broadcast


async def _idle(desk: _Desk, context: Context) -> float:
    await desk.until(desk.at_rest)
    return await _offers(desk, context.size(OFFERS))


async def _beside_a_broadcast(desk: _Desk, context: Context) -> float:
    await _plan(desk, context.size(WAITING), lane=3)
    value = await _offers(desk, context.size(OFFERS))
    if await desk.at_rest():
        raise NotMeasured("the broadcast ended before the offers beside it")
    return value


async def _offers(desk: _Desk, number: int) -> float:
    """Offers as events, so many a second; the 99th percentile of the milliseconds until WhatsApp has them."""
    vendors = await _people(desk, number)
    rows = await desk.database.pool.fetch("SELECT vendor_id, phone FROM contact WHERE vendor_id = ANY($1)", vendors)
    persons = {row["vendor_id"]: row["phone"].lstrip("+") for row in rows}
    began: dict[str, float] = {}
    producer = AIOKafkaProducer(bootstrap_servers=desk.running.kafka)
    await producer.start()
    try:
        start = perf_counter()
        for place, vendor in enumerate(vendors):
            await asyncio.sleep(max(0.0, start + place / OFFERS_PER_SECOND - perf_counter()))
            event = _offer(vendor, datetime.now(UTC))
            key = event.subject
            head = Envelope(new_id(), "BoothAssigned", "lapak/bench", datetime.now(UTC), key, 1, None)
            began[persons[vendor]] = time()
            await producer.send_and_wait(event.topic, event.to_bytes(), key=key.encode(), headers=write_headers(head))
    finally:
        await producer.stop()
    taken: dict[str, float] = {}

    async def all_taken() -> bool:
        for person in began.keys() - taken.keys():
            found = (await desk.emulator.get("/admin/messages", params={"to": person})).json()["messages"]
            if found:
                taken[person] = found[0]["taken_at"]
        return len(taken) == len(began)

    await desk.until(all_taken, 120)
    return percentile([(taken[one] - began[one]) * 1000 for one in began], 0.99)


# --- processes


@asynccontextmanager
async def _desk(context: Context) -> AsyncIterator[_Desk]:
    running = context.running
    stack.topics(running)
    async with (
        bench_database(running, service="notify") as (database, dsn),
        httpx.AsyncClient(base_url=running.providers_url, verify=False, timeout=60) as emulator,
    ):
        yield _Desk(running, database, dsn, emulator)


@asynccontextmanager
async def _notify(desk: _Desk, *, per_second: float) -> AsyncIterator[None]:
    """A notify process with one number at WhatsApp, ready, its template approved."""
    port, running = free_port(), desk.running
    url = f"http://{HOST}:{port}"
    account = KEYS | {"number_id": NUMBER, "account_id": f"2{NUMBER}", "tier": None, "adapter": "whatsapp"}
    provider = {"name": "wa-bench", "url": f"{running.providers_url}/graph", "lines": LINES, "per_second": per_second}
    variables = services.environment(running, "notify", desk.dsn, port)
    for of_a_developer in ("LAPAK_CLOCK_FILE", "LAPAK_DEVELOPMENT"):
        del variables[of_a_developer]
    variables["LAPAK_PROVIDERS"] = json.dumps([account | provider])
    variables["LAPAK_TEMPLATE_SUBMISSIONS_PER_HOUR"] = "10000"
    told = account | {"per_second": per_second, "webhook": f"{url}/v1/providers/wa-bench/webhook"}
    (await desk.emulator.post("/admin/accounts?verify=false", json=told)).raise_for_status()
    argv = [sys.executable, "-m", "services.cli", "run", "notify", "--migrate"]
    desk.pid = stack.spawn(running.name, "notify-bench", argv, variables, address=f"{HOST}:{port}")
    try:
        services.wait_ready(running, "notify-bench", url)
        await desk.until(lambda: _approved(desk.database), 60)
        yield
    finally:
        stack.stop_process(running.name, "notify-bench")


async def _approved(database: Database) -> bool:
    return bool(
        await database.pool.fetchval(
            "SELECT count(*) = 2 FROM whatsapp_template WHERE template = $1 AND status = 'approved'", TEMPLATE
        )
    )

"""What the tests of training share: its HTTP client, its consumer fed by hand, and a look at what it published."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
from aiokafka import ConsumerRecord

from services.training.consumers import SUBSCRIPTIONS
from shared.auth import LocalIssuer
from shared.clock import Clock
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database
from shared.events.envelope import Envelope, Event, write_headers
from shared.events.vendor import VendorRegistered
from shared.ids import new_id

SAWAH_BESAR = "31.71.02"
KARANG_ANYAR = "31.71.02.1002"
GAMBIR = "31.71.01"
GAMBIR_KELURAHAN = "31.71.01.1001"

COURSE = "dasar-kewirausahaan"


class Published(NamedTuple):
    """An event in the outbox."""

    type: str
    key: UUID
    sequence: int
    body: dict[str, Any]


def registered(vendor_id: UUID, kelurahan: str = KARANG_ANYAR, **more: Any) -> VendorRegistered:
    """A registration as the registry tells it."""
    fields = {"kind": "pemula", "rw": "003", "rt": "001", "origin": "file", "registered_on": date(2023, 3, 1)}
    return VendorRegistered.model_validate({"vendor_id": vendor_id, "kelurahan": kelurahan, **fields, **more})


@dataclass
class School:
    """The training service on a database of its own."""

    database: Database
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: Clock
    sealer: Sealer
    offsets: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def crowd(self) -> None:
        """Open every connection of the pool: what is asked for at once from now on really runs at once."""
        async with AsyncExitStack() as stack:
            for _ in range(self.database.pool.get_max_size()):
                await stack.enter_async_context(self.database.pool.acquire())

    # -- events of the registry

    def record(self, event: Event, sequence: int, partition: int = 0, traceparent: str | None = None) -> ConsumerRecord:
        """The event as the next record of a partition."""
        name, now = type(event).__name__, self.clock.now()
        headers = write_headers(Envelope(new_id(), name, "lapak/vendor", now, event.subject, sequence, traceparent))
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        key, body = event.subject.encode(), event.to_bytes()
        return ConsumerRecord(event.topic, partition, offset, 0, 0, key, body, None, len(key), len(body), headers)

    def consumer(self) -> Consumer:
        """A consumer of the registry's events, as one replica has it."""
        return Consumer("training", SUBSCRIPTIONS[0], self.database, self.clock, self.sealer, asyncio.Event())

    async def hear(self, *events: tuple[Event, int], partition: int = 0) -> None:
        """Consume these events as one batch."""
        await self.consumer().handle([self.record(event, sequence, partition) for event, sequence in events])

    async def register(self, number: int, kelurahan: str = KARANG_ANYAR) -> list[UUID]:
        """So many vendors, registered in one batch."""
        vendors = [new_id() for _ in range(number)]
        await self.hear(*((registered(vendor, kelurahan), 1) for vendor in vendors))
        return vendors

    # -- HTTP

    async def post(
        self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None, key: str | None = None
    ) -> httpx.Response:
        """POST as an officer of Central Jakarta, unless another token is given."""
        headers = {"Authorization": f"Bearer {token or self.officer()}", "Idempotency-Key": key or str(uuid4())}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, *, token: str | None = None) -> httpx.Response:
        """GET as an officer of Central Jakarta, unless another token is given."""
        return await self.client.get(path, headers={"Authorization": f"Bearer {token or self.officer()}"})

    def officer(self, area: str = "31.71") -> str:
        """Token of an officer."""
        return self.issuer.token(f"officer-{area}", ["officer"], area=area)

    def vendor(self, vendor_id: UUID) -> str:
        """Token of a vendor."""
        return self.issuer.token(f"vendor-{vendor_id}", ["vendor"], vendor_id=vendor_id)

    def operator(self) -> str:
        """Token of an operator."""
        return self.issuer.token("operator", ["operator"])

    async def list_course(self, course: str) -> None:
        """Have a basic course in the catalogue that nobody told of; one that is there stays."""
        async with self.database.transaction() as conn:
            await conn.execute(
                "INSERT INTO course (course, name_id, name_en, level, field, sessions, state, version, listed_at) "
                "VALUES ($1, $1, $1, 'basic', 'entrepreneurship', 2, 'listed', 1, $2) ON CONFLICT DO NOTHING",
                course,
                self.clock.now(),
            )

    async def open_class(
        self,
        *,
        places: int = 30,
        area: str = SAWAH_BESAR,
        course: str = COURSE,
        days: Sequence[str] = (),
        **more: Any,
    ) -> UUID:
        """A class, by default of two days, 6 and 7 March 2023."""
        await self.list_course(course)
        body = {
            "course": course,
            "title": f"Kelas {course}",
            "area": area,
            "days": list(days) or ["2023-03-06", "2023-03-07"],
            "places": places,
            **more,
        }
        return UUID(ok(await self.post("/v1/classes", body), 201)["class_id"])

    async def enrol(
        self, class_id: UUID, vendors: Sequence[UUID], *, token: str | None = None, waitlist: bool = False
    ) -> dict[str, Any]:
        """Ask for places."""
        body = {"vendor_ids": [str(vendor) for vendor in vendors], "waitlist": waitlist}
        return ok(await self.post(f"/v1/classes/{class_id}/enrolments", body, token=token))

    async def withdraw(self, class_id: UUID, vendors: Sequence[UUID], *, token: str | None = None) -> dict[str, Any]:
        """Give places up."""
        body = {"vendor_ids": [str(vendor) for vendor in vendors]}
        return ok(await self.post(f"/v1/classes/{class_id}/withdrawals", body, token=token))

    async def attend(self, class_id: UUID, day: str, vendors: Sequence[UUID]) -> dict[str, Any]:
        """Hand in the list of a day."""
        body = {"day": day, "vendor_ids": [str(vendor) for vendor in vendors]}
        return ok(await self.post(f"/v1/classes/{class_id}/attendance", body))

    async def finish(self, class_id: UUID) -> dict[str, Any]:
        """Finish a class."""
        return ok(await self.post(f"/v1/classes/{class_id}/finish"))

    # -- what was published

    async def published(self, *types: str) -> list[Published]:
        """Events in the outbox, oldest first; only of these types if any are named. Those of courses have no ids."""
        async with self.database.read() as conn:
            rows = await conn.fetch(
                "SELECT type, key, sequence, convert_from(payload, 'UTF8')::json AS body FROM outbox "
                "WHERE topic = 'lapak.training.events.v1' AND ($1::text[] = '{}' OR type = ANY($1)) "
                "AND key ~ '^[0-9a-f-]{36}$' ORDER BY seq",
                list(types),
            )
        return [Published(row["type"], UUID(row["key"]), row["sequence"], row["body"]) for row in rows]

    async def sequences(self) -> dict[UUID, list[int]]:
        """The sequences of each key, in the order published."""
        found: dict[UUID, list[int]] = defaultdict(list)
        for event in await self.published():
            found[event.key].append(event.sequence)
        return found


def ok(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def moment(text: str) -> datetime:
    """A moment in Jakarta, for example 2023-03-06T09:00."""
    return datetime.fromisoformat(f"{text}:00+07:00")

"""What the tests of bazaars share: the HTTP client, consumers fed by hand, timers worked off, a look at the outbox."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
from aiokafka import ConsumerRecord

from services.bazaar.app import create
from services.bazaar.consumers import SUBSCRIPTIONS
from services.bazaar.handlers.offers import LAPSE, lapse_offers
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database
from shared.events.bazaar import RespondToOffer
from shared.events.envelope import Envelope, Message, write_headers
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.events.vendor import VendorRegistered
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock

KARANG_ANYAR = "31.71.02.1002"
GAMBIR = "31.71.01.1001"
SENEN = "31.71.04.1001"
AGENCIES = ("ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi")
CATEGORIES = ("food-drink", "fashion-craft", "meals-household", "health")
CLOSING = datetime(2023, 3, 13, 10, 0, tzinfo=UTC)
DAYS = (date(2023, 3, 20), date(2023, 3, 21))

TRIES_MAX = 20


class Published(NamedTuple):
    """An event in the outbox."""

    type: str
    key: UUID
    sequence: int
    body: dict[str, Any]


def site(site_id: str, booths: int = 2, kelurahan: str = KARANG_ANYAR, **more: Any) -> dict[str, Any]:
    """A site of a bazaar, as an officer describes it."""
    return {
        "site_id": site_id,
        "name": f"Rusun {site_id}",
        "venue_type": "rusun",
        "kelurahan": kelurahan,
        "booths": booths,
        **more,
    }


def at(day: date, hour: int = 9) -> datetime:
    """This hour of a day in Jakarta (UTC+7)."""
    return datetime(day.year, day.month, day.day, hour - 7, tzinfo=UTC)


@dataclass
class Fair:
    """The bazaar service on a database of its own."""

    database: Database
    client: httpx.AsyncClient
    issuer: LocalIssuer
    clock: StandingClock
    sealer: Sealer
    offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    versions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    async def crowd(self) -> None:
        """Open every connection of the pool: what is asked for at once from now on really runs at once."""
        async with AsyncExitStack() as stack:
            for _ in range(self.database.pool.get_max_size()):
                await stack.enter_async_context(self.database.pool.acquire())

    # -- messages of other services

    def record(self, message: Message, *, message_id: UUID | None = None) -> ConsumerRecord:
        """The message as the next record of its topic; an event carries the next version of its aggregate."""
        topic, sequence = message.topic, None
        if not isinstance(message, RespondToOffer):
            self.versions[topic, message.subject] += 1
            sequence = self.versions[topic, message.subject]
        name = type(message).__name__
        envelope = Envelope(
            message_id or new_id(), name, "lapak/test", self.clock.now(), message.subject, sequence, None
        )
        offset = self.offsets[topic]
        self.offsets[topic] += 1
        key, body = message.subject.encode(), message.to_bytes()
        return ConsumerRecord(topic, 0, offset, 0, 0, key, body, None, len(key), len(body), write_headers(envelope))

    async def consume(self, *records: ConsumerRecord) -> None:
        """Consume these records of one topic as one batch."""
        subscription = next(one for one in SUBSCRIPTIONS if one.topic == records[0].topic)
        await Consumer("bazaar", subscription, self.database, self.clock, self.sealer, asyncio.Event()).handle(records)

    async def hear(self, *messages: Message) -> None:
        """Consume these messages of one topic as one batch."""
        await self.consume(*(self.record(message) for message in messages))

    async def register(self, number: int = 1, *, trained: bool = True, **more: Any) -> list[UUID]:
        """So many vendors, registered and (unless told otherwise) trained. Their agencies and categories go round."""
        vendors = [new_id() for _ in range(number)]
        fields = {"kind": "usaha", "rt": "001", "origin": "file", "registered_on": date(2023, 2, 1)}
        await self.hear(
            *(
                VendorRegistered.model_validate(
                    {
                        "vendor_id": vendor_id,
                        "kelurahan": KARANG_ANYAR,
                        "rw": f"{1 + index % 9:03d}",
                        "category": CATEGORIES[index % len(CATEGORIES)],
                        "agency": AGENCIES[index % len(AGENCIES)],
                        **fields,
                        **more,
                    }
                )
                for index, vendor_id in enumerate(vendors)
            )
        )
        if trained:
            await self.train(*vendors)
        return vendors

    async def train(self, *vendors: UUID, class_id: UUID | None = None) -> UUID:
        """These vendors complete a class."""
        class_id = class_id or new_id()
        await self.hear(
            *(
                TrainingCompleted(
                    vendor_id=vendor_id,
                    class_id=class_id,
                    course="dasar-kewirausahaan",
                    title="Dasar Kewirausahaan",
                    completed_on=date(2023, 2, 20),
                    sessions_attended=4,
                    sessions_held=4,
                )
                for vendor_id in vendors
            )
        )
        return class_id

    async def untrain(self, vendor_id: UUID, class_id: UUID) -> None:
        """A correction takes a completion back."""
        await self.hear(
            TrainingNotCompleted(
                vendor_id=vendor_id,
                class_id=class_id,
                course="dasar-kewirausahaan",
                title="Dasar Kewirausahaan",
                sessions_attended=1,
                sessions_held=4,
            )
        )

    # -- HTTP

    async def post(
        self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None, key: str | None = None
    ) -> httpx.Response:
        """POST as an officer of Central Jakarta, unless another token is given; again as often as told to try again."""
        headers = {"Authorization": f"Bearer {token or self.officer()}", "Idempotency-Key": key or str(uuid4())}
        for _ in range(TRIES_MAX):
            response = await self.client.post(path, json=body, headers=headers)
            if response.status_code not in (429, 503):
                break
            await asyncio.sleep(float(response.headers["retry-after"]))
        return response

    async def get(self, path: str, *, token: str | None = None) -> httpx.Response:
        """GET as an officer of Central Jakarta, unless another token is given."""
        return await self.client.get(path, headers={"Authorization": f"Bearer {token or self.officer()}"})

    async def done(self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None) -> dict[str, Any]:
        """POST what must succeed; its answer."""
        response = await self.post(path, body, token=token)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def refused(
        self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None
    ) -> tuple[int, str]:
        """POST what must be refused; its status and code."""
        response = await self.post(path, body, token=token)
        assert not response.is_success, response.text
        return response.status_code, response.json()["code"]

    async def shown(self, path: str, *, token: str | None = None) -> dict[str, Any]:
        """GET what must be there."""
        response = await self.get(path, token=token)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def officer(self, area: str = "31.71") -> str:
        """Token of an officer."""
        return self.issuer.token(f"officer-{area}", ["officer"], area=area)

    def vendor(self, vendor_id: UUID) -> str:
        """Token of a vendor."""
        return self.issuer.token(f"vendor-{vendor_id}", ["vendor"], vendor_id=vendor_id)

    def operator(self) -> str:
        """Token of an operator."""
        return self.issuer.token("operator", ["operator"])

    # -- steps of the story

    async def draft(self, sites: Sequence[dict[str, Any]] | None = None, **more: Any) -> str:
        """Set up a bazaar on 20 and 21 March 2023, unless told otherwise."""
        body = {
            "name": "Bazar Jakpreneur",
            "organisers": ["Sudin PPKUKM Jakarta Pusat"],
            "days": [day.isoformat() for day in DAYS],
            "sites": [site("one")] if sites is None else list(sites),
            "applications_close_at": CLOSING.isoformat(),
            **more,
        }
        bazaar_id: str = (await self.done("/v1/bazaars", body))["bazaar_id"]
        return bazaar_id

    async def announce(self, sites: Sequence[dict[str, Any]] | None = None, **more: Any) -> str:
        """Set up a bazaar and announce it."""
        bazaar_id = await self.draft(sites, **more)
        await self.done(f"/v1/bazaars/{bazaar_id}/announce")
        return bazaar_id

    async def apply(self, bazaar_id: str, vendor_id: UUID, *choices: list[str]) -> str:
        """A vendor applies; by default to site "one"."""
        body = {"choices": list(choices) or [["one"]]}
        answer = await self.done(f"/v1/bazaars/{bazaar_id}/applications", body, token=self.vendor(vendor_id))
        application_id: str = answer["application_id"]
        return application_id

    async def apply_all(self, bazaar_id: str, vendors: Sequence[UUID], *choices: list[str]) -> list[str]:
        """Vendors apply, one after the other."""
        return [await self.apply(bazaar_id, vendor_id, *choices) for vendor_id in vendors]

    async def apply_at_once(self, bazaar_id: str, vendors: Sequence[UUID], *choices: list[str]) -> list[str]:
        """Many vendors apply, several at a time."""
        return list(await asyncio.gather(*(self.apply(bazaar_id, vendor_id, *choices) for vendor_id in vendors)))

    async def allocate(self, bazaar_id: str, *, seed: str = "3-8-19", closing: datetime = CLOSING) -> dict[str, Any]:
        """Freeze at the closing moment, draw the seed, allocate."""
        self.clock.moment = max(self.clock.moment, closing)
        await self.done(f"/v1/bazaars/{bazaar_id}/freeze")
        await self.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": seed, "source": "Undian terbuka di balai warga"})
        return await self.done(f"/v1/bazaars/{bazaar_id}/allocate")

    async def answer(self, application_id: str, answer: str) -> None:
        """An officer confirms or declines for the vendor."""
        await self.done(f"/v1/applications/{application_id}/{answer}")

    async def run_timers(self) -> int:
        """Work off every timer of offers that is due; how many there were."""
        worked_off = 0
        while await run_due(self.database, {LAPSE: lapse_offers}, self.clock.now()):
            worked_off += 1
        return worked_off

    # -- looks

    async def application(self, application_id: str) -> dict[str, Any]:
        """An application as an officer sees it."""
        return await self.shown(f"/v1/applications/{application_id}")

    async def states(self, application_ids: Sequence[str]) -> list[str]:
        """States of these applications, in order."""
        async with self.database.read() as conn:
            rows = await conn.fetch("SELECT application_id, state FROM application")
        found = {str(row["application_id"]): row["state"] for row in rows}
        return [found[application_id] for application_id in application_ids]

    async def names(self, application_ids: Sequence[str]) -> dict[str, str]:
        """What the published files of their round call these applications: name there -> application."""
        async with self.database.read() as conn:
            rows = await conn.fetch(
                "SELECT application_id, coalesce(pseudonym, application_id::text) AS name FROM application "
                "WHERE application_id = ANY($1::uuid[])",
                [UUID(application_id) for application_id in application_ids],
            )
        return {row["name"]: str(row["application_id"]) for row in rows}

    async def published(self, *types: str) -> list[Published]:
        """Events in the outbox in the order of writing, of these types or of all."""
        async with self.database.read() as conn:
            rows = await conn.fetch("SELECT type, key, sequence, payload FROM outbox ORDER BY seq")
        events = [Published(row["type"], UUID(row["key"]), row["sequence"], json.loads(row["payload"])) for row in rows]
        return [event for event in events if not types or event.type in types]

    async def assert_sequences_have_no_gap(self) -> None:
        """Versions of each key rise by one, from one, in the order of writing."""
        by_key: dict[UUID, list[int]] = defaultdict(list)
        for event in await self.published():
            by_key[event.key].append(event.sequence)
        for key, sequences in by_key.items():
            assert sequences == list(range(1, len(sequences) + 1)), key

    async def assert_booths_are_held_once(self) -> None:
        """No booth is held by two applications, whatever the index says."""
        async with self.database.read() as conn:
            twice = await conn.fetch(
                "SELECT bazaar_id, site_id, booth FROM application "
                "WHERE state IN ('offered', 'confirmed', 'attended') "
                "GROUP BY bazaar_id, site_id, booth HAVING count(*) > 1"
            )
        assert twice == []


async def open_fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Fair:
    """The bazaar service, empty."""
    fresh = await make_database("bazaar")
    return Fair(fresh.database, serve(create, fresh), issuer, clock, sealer)

"""What bazaars and training copy of vendors is what the registry says, through merges and their undoing."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.bazaar.consumers import SUBSCRIPTIONS as BAZAAR
from services.bazaar.store.vendors import fingerprint_projections
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from services.training.store.figures import digest_figures
from services.training.store.registry import digest_vendors
from services.vendor.app import create
from services.vendor.store import vendors
from services.vendor.store.indicators import digest_indicators
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database
from shared.events.envelope import Envelope, write_headers
from shared.events.vendor import VendorEvent
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.vendor import PENJARINGAN, Registry, ok

STEPS = (
    "SELECT DISTINCT ON (vendor_id, service) vendor_id, service, state, nth FROM enrolment_step ORDER BY 1, 2, nth DESC"
)
STEPS_COPIED = "SELECT vendor_id, service, state, step FROM programme_enrolment ORDER BY 1, 2"
CONSENTS = (
    "SELECT DISTINCT ON (vendor_id) vendor_id, given FROM consent WHERE purpose = 'capital-referral' "
    "ORDER BY 1, at DESC, consent_id DESC"
)
CONSENTS_COPIED = "SELECT vendor_id, given FROM capital_consent ORDER BY 1"


class Copies:
    """The registry, and two services that read what is in its outbox."""

    def __init__(self, registry: Registry, bazaar: Database, training: Database) -> None:
        self.registry, self.bazaar, self.training = registry, bazaar, training
        self._read = 0

    async def _unread(self) -> list[ConsumerRecord]:
        """The bytes that the relay would send, each as the next record of one partition."""
        async with self.registry.database.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, type, key, sequence, occurred_at, payload FROM outbox "
                "WHERE topic = $1 ORDER BY seq OFFSET $2",
                VendorEvent.topic,
                self._read,
            )
        records = []
        for offset, row in enumerate(rows, self._read):
            key, body = row["key"].encode(), row["payload"]
            headers = write_headers(
                Envelope(
                    row["event_id"], row["type"], "lapak/vendor", row["occurred_at"], row["key"], row["sequence"], None
                )
            )
            records.append(
                ConsumerRecord(VendorEvent.topic, 0, offset, 0, 0, key, body, None, len(key), len(body), headers)
            )
        self._read += len(rows)
        return records

    async def agree(self) -> str:
        """Bring both copies up to date; their digests and the registry's must be one, which is returned."""
        records = await self._unread()
        for service, subscriptions, database in (
            ("bazaar", BAZAAR, self.bazaar),
            ("training", TRAINING, self.training),
        ):
            registry = self.registry
            consumer = Consumer(service, subscriptions[0], database, registry.clock, registry.sealer, asyncio.Event())
            await consumer.handle(records)
            async with database.read() as conn:
                assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0
        async with self.registry.database.read() as conn:
            source = await vendors.digest_vendors(conn)
            figures = await digest_indicators(conn)
            told = [[tuple(row) for row in await conn.fetch(query)] for query in (STEPS, CONSENTS)]
        async with self.bazaar.read() as conn:
            bazaar = (await fingerprint_projections(conn))["vendors"]
        async with self.training.read() as conn:
            training = await digest_vendors(conn)
            assert await digest_figures(conn) == figures
            copied = [[tuple(row) for row in await conn.fetch(query)] for query in (STEPS_COPIED, CONSENTS_COPIED)]
        assert (bazaar["count"], bazaar["sha256"]) == training == (source.count, source.sha256)
        assert copied == told
        return source.sha256

    async def families(self) -> list[list[Any]]:
        """Who is one person, as the two keep it."""
        found = []
        for database in (self.bazaar, self.training):
            async with database.read() as conn:
                found.append([tuple(row) for row in await conn.fetch("TABLE family ORDER BY vendor_id")])
        return found


@pytest.fixture
async def copies(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Copies:
    fresh = await make_database("vendor")
    registry = Registry(fresh.dsn, fresh.database, serve(create, fresh), issuer, clock, sealer)
    return Copies(registry, (await make_database("bazaar")).database, (await make_database("training")).database)


async def merge(copies: Copies, survivor: UUID, retired: UUID, fields: Sequence[str] = ()) -> str:
    body = {"retired": str(retired), "fields": dict.fromkeys(fields, "retired")}
    answer = await copies.registry.post(f"/v1/vendors/{survivor}/merge", body, token=copies.registry.officer("31"))
    return str(ok(answer)["merge_id"])


async def undo(copies: Copies, merge_id: str) -> None:
    answer = await copies.registry.post(
        f"/v1/merges/{merge_id}/undo", {"reason": "mistake"}, token=copies.registry.officer("31")
    )
    assert ok(answer)["kept"] == []


async def test_a_merge_that_gave_category_and_coach_and_its_undoing_leave_every_copy_as_before(copies: Copies) -> None:
    registry, token = copies.registry, copies.registry.officer("31")
    bare = await registry.register(1, token=token)
    rich = await registry.register(
        2, token=token, category="food-drink", agency="kpkp", kind="usaha", kelurahan=PENJARINGAN
    )
    before, nobody = await copies.agree(), await copies.families()

    merge_id = await merge(copies, bare, rich, ["address"])
    assert await copies.agree() != before
    assert await copies.families() != nobody
    await undo(copies, merge_id)

    assert await copies.agree() == before
    assert await copies.families() == nobody == [[], []]
    assert {event.type for event in await registry.published()} >= {"VendorCategoryCleared", "VendorCoachingEnded"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_merges_into_each_other_leave_every_copy_as_before_in_whichever_order_they_are_undone(
    copies: Copies, order: Sequence[int]
) -> None:
    registry = copies.registry
    bare, poor, one, other = [
        await registry.register(number, **fields)
        for number, fields in enumerate(
            [{}, {"category": "health"}, {"category": "food-drink", "agency": "kpkp"}, {"agency": "sosial"}]
        )
    ]
    before = await copies.agree()
    made = [
        await merge(copies, one, other, ["agency"]),
        await merge(copies, poor, one),
        await merge(copies, bare, poor),
    ]
    await copies.agree()
    for number in order:
        await undo(copies, made[number])
        await copies.agree()
    assert await copies.agree() == before


async def test_figures_services_and_consents_are_copied_through_a_merge_and_its_undoing(copies: Copies) -> None:
    registry = copies.registry
    one, other = [await registry.register(number) for number in (1, 2)]

    async def say(vendor_id: UUID, turnover: int, *, consent: bool, service: str, act: str = "ask") -> None:
        own = registry.vendor(vendor_id)
        figures = {"month": "2023-01", "turnover_rupiah": turnover, "workers": 2}
        ok(await registry.post(f"/v1/vendors/{vendor_id}/indicators", figures, token=own), 201)
        said = {"purpose": "capital-referral", "given": consent, **({"text_version": 1} if consent else {})}
        ok(await registry.post(f"/v1/vendors/{vendor_id}/consents", said, token=own))
        ok(await registry.post(f"/v1/vendors/{vendor_id}/programme/{service}/{act}", {}))

    await say(one, 5_000_000, consent=True, service="P3")
    await say(other, 6_000_000, consent=True, service="P4")
    await copies.agree()
    merge_id = await merge(copies, one, other)
    await copies.agree()
    await say(one, 7_000_000, consent=False, service="P5")
    await copies.agree()
    await undo(copies, merge_id)
    await copies.agree()
    await say(other, 8_000_000, consent=False, service="P4", act="leave")
    await copies.agree()

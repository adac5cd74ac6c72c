"""Batches of two partitions at once, each with news of all kinds: nobody waits for anybody in a circle.

Events go to the services' own consuming functions, one transaction per batch and without the consumer's retries, which
would hide a deadlock.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TypeAlias
from uuid import UUID

import pytest

from services.bazaar.consumers import SUBSCRIPTIONS as BAZAAR
from services.notify.consumers import SUBSCRIPTIONS as NOTIFY
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from shared.consume import Received, Subscription
from shared.db import Database
from shared.events.envelope import Envelope, Event
from shared.events.rights import VendorErased
from shared.events.training import TrainingCompleted
from shared.events.vendor import ContactCard, VendorMerged, VendorMoved, VendorRegistered, VendorUnmerged
from shared.ids import new_id
from tests.conftest import MakeDatabase
from tests.integration.vendor import KARANG_ANYAR

NOW = datetime(2023, 3, 1, 3, tzinfo=UTC)
Batch: TypeAlias = list[Event]
SERVICES: Mapping[str, Sequence[Subscription]] = {"bazaar": BAZAAR, "training": TRAINING, "notify": NOTIFY}


async def apply(service: str, database: Database, batch: Batch) -> None:
    """One batch, in one transaction."""
    functions = {kind: function for one in SERVICES[service] for kind, function in one.on_many.items()}
    async with database.transaction() as conn:
        for event in batch:
            envelope = Envelope(new_id(), type(event).__name__, "lapak/test", NOW, event.subject, 1, None)
            if type(event) in functions:
                await functions[type(event)](conn, [Received(envelope, event)], NOW)
                await asyncio.sleep(0)


def registered(vendor_id: UUID) -> VendorRegistered:
    return VendorRegistered(
        vendor_id=vendor_id,
        kind="pemula",
        kelurahan=KARANG_ANYAR,
        rw="001",
        rt="001",
        origin="file",
        registered_on=date(2023, 3, 1),
    )


def of_vendors(known: Sequence[UUID], new: Sequence[UUID], all_known: Sequence[UUID], chance: random.Random) -> Batch:
    """News of the vendors of one partition: those that are known may be merged and parted again, and in the end are
    erased; others register. What comes before what, of different vendors, is chance.
    """
    stories: list[list[Event]] = [
        [registered(one), VendorMoved(vendor_id=one, kelurahan=KARANG_ANYAR, rw="002", rt="001")] for one in new
    ]
    for one in known:
        into = chance.choice([other for other in all_known if other != one])
        merged = VendorMerged(vendor_id=one, into=into, merge_id=new_id())
        parted = VendorUnmerged(vendor_id=one, out_of=into, merge_id=new_id())
        erased = VendorErased(vendor_id=one, erasure_id=new_id())
        stories.append(chance.choice([[merged, parted, erased], [merged, erased], [erased]]))
    batch: Batch = []
    while stories:
        story = chance.choice(stories)
        batch.append(story.pop(0))
        stories = [rest for rest in stories if rest]
    return batch


def of_others(everybody: Sequence[UUID], kind: str) -> Batch:
    """News of the same people on other topics."""
    if kind == "cards":
        return [ContactCard(vendor_id=one, name="Siti", phone="+6281200000001") for one in everybody]
    return [
        TrainingCompleted(
            vendor_id=one,
            class_id=new_id(),
            course="dasar",
            title="Dasar",
            completed_on=date(2023, 3, 1),
            sessions_attended=1,
            sessions_held=1,
        )
        for one in everybody
    ]


@pytest.mark.parametrize("service", SERVICES)
async def test_batches_of_several_partitions_and_topics_at_once_never_deadlock(
    make_database: MakeDatabase, service: str
) -> None:
    database, chance = (await make_database(service)).database, random.Random(service)
    left: set[UUID] = set()
    for _ in range(6):
        known, new = [new_id() for _ in range(12)], [new_id() for _ in range(8)]
        await apply(service, database, [registered(one) for one in known])
        batches = [of_vendors(known[n::4], new[n::4], known, chance) for n in range(4)]
        batches += [of_others(known, "cards"), of_others(known, "completions")]
        await asyncio.gather(*(apply(service, database, batch) for batch in batches))
        left.update(new)

    async with database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM erased_vendor") == 72
        assert {row["vendor_id"] for row in await conn.fetch("SELECT vendor_id FROM vendor")} == left
        assert await conn.fetch("TABLE merge") == await conn.fetch("TABLE family") == []
        of_other_topics = {"bazaar": "completion", "notify": "contact"}
        if service in of_other_topics:
            assert await conn.fetch(f'TABLE "{of_other_topics[service]}"') == []

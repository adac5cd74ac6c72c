"""Visits in training feed the figures of the registry, over what the one publishes and the other reads: doubled, and in
any order across vendors.
"""

import asyncio
import random
from collections import defaultdict
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from services.training.app import create as create_training
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from services.training.handlers.assignments import assign
from services.vendor.app import create
from services.vendor.consumers import subscriptions
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.db import Database
from shared.events.envelope import Envelope, write_headers
from shared.events.vendor import VendorEvent
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import School, moment
from tests.integration.training import ok as ok_of_training
from tests.integration.vendor import Registry, ok

PARTITIONS = 4
MONTHS = ("2023-01", "2023-02")


class Feed(NamedTuple):
    """The registry and training, each fed with what the other published."""

    registry: Registry
    school: School
    read: dict[str, int]
    offsets: dict[tuple[str, int], int]

    async def _unread(self, database: Database, topic: str, service: str) -> list[ConsumerRecord]:
        async with database.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, type, key, sequence, occurred_at, payload FROM outbox WHERE topic = $1 "
                "ORDER BY seq OFFSET $2",
                topic,
                self.read[topic],
            )
        self.read[topic] += len(rows)
        return [self._record(topic, service, dict(row)) for row in rows]

    def _record(self, topic: str, service: str, row: dict[str, Any]) -> ConsumerRecord:
        key, body = row["key"].encode(), row["payload"]
        envelope = Envelope(
            row["event_id"], row["type"], f"lapak/{service}", row["occurred_at"], row["key"], row["sequence"], None
        )
        partition = sum(key) % PARTITIONS
        return ConsumerRecord(topic, partition, 0, 0, 0, key, body, None, len(key), len(body), write_headers(envelope))

    def _numbered(self, record: ConsumerRecord) -> ConsumerRecord:
        place = (record.topic, record.partition)
        offset = self.offsets[place]
        self.offsets[place] += 1
        return ConsumerRecord(**{**vars(record), "offset": offset})

    async def exchange(self, chance: random.Random | None = None) -> None:
        """Bring both up to date. With `chance` some records come twice, partitions in any order, in batches."""
        clock, sealer = self.school.clock, self.registry.sealer
        vendor_topic, training_topic = VendorEvent.topic, "lapak.training.events.v1"
        to_vendor = next(one for one in subscriptions(sealer) if one.topic == training_topic)
        for database, topic, service, consumer in (
            (
                self.registry.database,
                vendor_topic,
                "vendor",
                Consumer("training", TRAINING[0], self.school.database, clock, sealer, asyncio.Event()),
            ),
            (
                self.school.database,
                training_topic,
                "training",
                Consumer("vendor", to_vendor, self.registry.database, clock, sealer, asyncio.Event()),
            ),
        ):
            records = await self._unread(database, topic, service)
            by_partition: dict[int, list[ConsumerRecord]] = defaultdict(list)
            for record in records:
                by_partition[record.partition] += [record] * (2 if chance and chance.random() < 0.3 else 1)
            partitions = list(by_partition.values())
            if chance is not None:
                chance.shuffle(partitions)
            for run in partitions:
                size = chance.randint(1, 7) if chance is not None else max(1, len(run))
                for start in range(0, len(run), size):
                    await consumer.handle([self._numbered(one) for one in run[start : start + size]])
        for database in (self.registry.database, self.school.database):
            async with database.read() as conn:
                assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0

    async def months(self, vendor: UUID) -> dict[str, tuple[int | None, str]]:
        """What the registry shows of a vendor: month -> turnover, and who entered it."""
        answer = ok(await self.registry.get(f"/v1/vendors/{vendor}/indicators", token=self.registry.officer("31")))
        return {one["month"]: (one["turnover_rupiah"], one["entered_by"]) for one in answer["items"]}

    async def told(self, vendor: UUID) -> dict[str, int | None]:
        """The last thing the registry told of each month."""
        events = await self.registry.published("IndicatorsReported")
        return {
            one.body["month"]: one.body["turnover_rupiah"] for one in events if one.body["vendor_id"] == str(vendor)
        }


class Mentor(NamedTuple):
    school: School
    mentor_id: UUID

    async def logs(self, vendor: UUID, day: str, month: str | None, turnover: int | None) -> UUID:
        body = {
            "vendor_id": str(vendor),
            "mentor_id": str(self.mentor_id),
            "mode": "visit",
            **entry(day, month, turnover),
        }
        return UUID(ok_of_training(await self.school.post("/v1/visits", body), 201)["visit_id"])

    async def corrects(self, visit: UUID, day: str, month: str | None, turnover: int | None) -> None:
        body = {"mode": "visit", **entry(day, month, turnover)}
        ok_of_training(await self.school.post(f"/v1/visits/{visit}/correct", body))

    async def strikes(self, visit: UUID) -> None:
        ok_of_training(await self.school.post(f"/v1/visits/{visit}/strike", {"reason": "not-held"}))


def entry(day: str, month: str | None, turnover: int | None) -> dict[str, Any]:
    return {"visited_on": day, "month": month, "turnover_rupiah": turnover}


@pytest.fixture
async def feed(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Feed:
    clock.moment = moment("2023-03-20T09:00")
    vendor, training = await make_database("vendor"), await make_database("training")
    registry = Registry(vendor.dsn, vendor.database, serve(create, vendor), issuer, clock, sealer)
    school = School(training.database, serve(create_training, training), issuer, clock, sealer)
    return Feed(registry, school, defaultdict(int), defaultdict(int))


async def accompanied(feed: Feed, number: int) -> tuple[Mentor, list[UUID]]:
    """So many vendors, known to both services, and the mentor they have."""
    vendors = [await feed.registry.register(each) for each in range(number)]
    await feed.exchange()
    body = {"kind": "employed", "name": "Contoh", "agency": "ppkukm", "areas": ["31.71"], "load_max": 99}
    mentor = UUID(ok_of_training(await feed.school.post("/v1/mentors", body), 201)["mentor_id"])
    async with feed.school.database.transaction() as conn:
        for vendor in vendors:
            await assign(conn, vendor, mentor, kind="employed", by="officer", now=feed.school.clock.now())
    return Mentor(feed.school, mentor), vendors


async def enter(feed: Feed, vendor: UUID, month: str, turnover: int) -> None:
    """The vendor itself enters figures in the registry."""
    answer = await feed.registry.post(
        f"/v1/vendors/{vendor}/indicators",
        {"month": month, "turnover_rupiah": turnover},
        token=feed.registry.vendor(vendor),
    )
    ok(answer, 201)


async def test_a_visit_is_entered_by_the_mentor_and_a_struck_one_gives_back_what_was_before(feed: Feed) -> None:
    mentor, (vendor,) = await accompanied(feed, 1)
    await enter(feed, vendor, "2023-02", 4_000_000)
    visit = await mentor.logs(vendor, "2023-03-10", "2023-02", 5_000_000)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-02": (5_000_000, "mentor")}
    await mentor.strikes(visit)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-02": (4_000_000, "vendor")}
    assert await feed.told(vendor) == {"2023-02": 4_000_000}


async def test_a_struck_visit_without_a_word_before_it_leaves_the_month_unknown(feed: Feed) -> None:
    mentor, (vendor,) = await accompanied(feed, 1)
    visit = await mentor.logs(vendor, "2023-03-10", "2023-02", 5_000_000)
    await feed.exchange()
    await mentor.corrects(visit, "2023-03-10", "2023-01", 5_000_000)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-01": (5_000_000, "mentor")}
    assert await feed.told(vendor) == {"2023-01": 5_000_000, "2023-02": None}
    await mentor.strikes(visit)
    await feed.exchange()
    assert await feed.months(vendor) == {}
    assert await feed.told(vendor) == {"2023-01": None, "2023-02": None}


async def test_what_an_officer_said_since_stays_when_the_visit_is_struck(feed: Feed) -> None:
    mentor, (vendor,) = await accompanied(feed, 1)
    visit = await mentor.logs(vendor, "2023-03-10", "2023-02", 60_000_000_000)  # looks odd, so an officer is asked
    await feed.exchange()
    queried = ok(await feed.registry.get("/v1/indicators/queries"))["items"]
    assert [(one["entered_by"], one["visit_id"]) for one in queried] == [("mentor", str(visit))]
    answer = await feed.registry.post(
        f"/v1/indicators/{queried[0]['report_id']}/correct", {"turnover_rupiah": 6_000_000}
    )
    ok(answer, 201)
    await mentor.strikes(visit)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-02": (6_000_000, "officer")}


async def test_an_odd_figure_that_comes_back_is_asked_about_again(feed: Feed) -> None:
    mentor, (vendor,) = await accompanied(feed, 1)
    await mentor.logs(vendor, "2023-03-09", "2023-02", 60_000_000_000)
    visit = await mentor.logs(vendor, "2023-03-10", "2023-02", 6_000_000)
    await feed.exchange()
    assert ok(await feed.registry.get("/v1/indicators/queries"))["items"] == []
    await mentor.strikes(visit)
    await feed.exchange()
    (queried,) = ok(await feed.registry.get("/v1/indicators/queries"))["items"]
    assert (queried["turnover_rupiah"], queried["query_state"]) == (60_000_000_000, "open")


async def test_who_says_what_a_visit_said_is_heard_when_the_visit_is_struck(feed: Feed) -> None:
    mentor, (vendor,) = await accompanied(feed, 1)
    first = await mentor.logs(vendor, "2023-03-09", "2023-02", 5_000_000)
    second = await mentor.logs(vendor, "2023-03-10", "2023-02", 5_000_000)
    await feed.exchange()
    await mentor.strikes(first)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-02": (5_000_000, "mentor")}
    await enter(feed, vendor, "2023-02", 5_000_000)
    await mentor.strikes(second)
    await feed.exchange()
    assert await feed.months(vendor) == {"2023-02": (5_000_000, "vendor")}


async def test_of_an_erased_vendor_late_visits_bring_nothing_back(feed: Feed) -> None:
    mentor, (vendor, other) = await accompanied(feed, 2)
    await mentor.logs(vendor, "2023-03-10", "2023-02", 5_000_000)
    await mentor.logs(other, "2023-03-10", "2023-02", 5_000_000)
    path, token = f"/v1/vendors/{vendor}/erasure", feed.registry.vendor(vendor)
    ok(await feed.registry.post(path, {}, token=token), 202)
    await feed.exchange()
    assert await feed.registry.value("SELECT count(*) FROM indicator_report") == 1
    assert set(await feed.months(other)) == {"2023-02"}


async def test_a_visit_under_a_retired_id_counts_for_the_person_and_stays_with_its_id(feed: Feed) -> None:
    mentor, (kept, retired) = await accompanied(feed, 2)
    merged = await feed.registry.post(
        f"/v1/vendors/{kept}/merge", {"retired": str(retired), "fields": {}}, token=feed.registry.officer("31")
    )
    merge_id = ok(merged)["merge_id"]
    visit = await mentor.logs(retired, "2023-03-10", "2023-02", 5_000_000)  # training has not heard of it yet
    await feed.exchange()
    assert await feed.months(kept) == {"2023-02": (5_000_000, "mentor")}
    await mentor.corrects(visit, "2023-03-10", "2023-02", 6_000_000)
    undone = await feed.registry.post(
        f"/v1/merges/{merge_id}/undo", {"reason": "mistake"}, token=feed.registry.officer("31")
    )
    ok(undone)
    await feed.exchange()
    assert (await feed.months(kept), await feed.months(retired)) == ({}, {"2023-02": (6_000_000, "mentor")})


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_said_corrected_and_struck_the_registry_shows_the_last_word(feed: Feed, seed: int) -> None:
    chance = random.Random(seed)
    mentor, vendors = await accompanied(feed, 3)
    # of each vendor's month: the words in the order said; a visit's has its id, and goes when it is taken back
    words: dict[UUID, list[tuple[str, int, UUID | None]]] = defaultdict(list)
    logged: dict[UUID, tuple[UUID, str]] = {}
    for number in range(28):
        vendor = chance.choice(vendors)
        month, turnover = chance.choice(MONTHS), chance.choice((4, 5, 6)) * 1_000_000
        act = chance.choice(("log", "log", "correct", "correct", "strike", "enter"))
        mine = [visit for visit, (of, _) in logged.items() if of == vendor]
        if act == "enter":
            # the registry hears of the visits before: what is said last must be said last there too
            await feed.exchange(chance)
            await enter(feed, vendor, month, turnover)
            words[vendor].append((month, turnover, None))
        elif act == "log" or not mine:
            day = f"2023-03-{number % 19 + 1:02d}" if number < 19 else f"2023-02-{number - 18:02d}"
            visit = await mentor.logs(vendor, day, month, turnover)
            words[vendor].append((month, turnover, visit))
            logged[visit] = (vendor, day)
        else:
            visit = chance.choice(mine)
            said = next((word for word in words[vendor] if word[2] == visit), None)
            if act == "strike":
                await mentor.strikes(visit)
                del logged[visit]
            else:
                with_figures = chance.random() < 0.8
                await mentor.corrects(
                    visit, logged[visit][1], month if with_figures else None, turnover if with_figures else None
                )
                if with_figures and said == (month, turnover, visit):
                    continue  # it says what it said
                if with_figures:
                    words[vendor].append((month, turnover, visit))
            if said is not None:
                words[vendor].remove(said)
        if chance.random() < 0.3:
            await feed.exchange(chance)
    await feed.exchange(chance)
    for vendor in vendors:
        last = {month: turnover for month, turnover, _ in words[vendor]}
        assert {month: shown for month, (shown, _) in (await feed.months(vendor)).items()} == last
        told = await feed.told(vendor)
        assert {month: turnover for month, turnover in told.items() if turnover is not None} == last
    sequences: dict[str, list[int]] = defaultdict(list)
    for event in await feed.registry.published():
        if event.topic == VendorEvent.topic:
            sequences[event.key].append(event.sequence)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())

"""Completion on real databases: rules with versions, scores, and what a correction does in every other service."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka import ConsumerRecord

from services.bazaar.app import create as create_bazaar
from services.bazaar.consumers import SUBSCRIPTIONS as BAZAAR
from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS as TRAINING
from services.vendor.app import create as create_vendor
from services.vendor.consumers import subscriptions as vendor_subscriptions
from shared.auth import LocalIssuer
from shared.consume import Consumer, Subscription
from shared.crypto import Sealer
from shared.db import Database
from shared.events.envelope import Envelope, write_headers
from shared.events.training import TOPIC
from shared.events.vendor import VendorEvent
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import Fair
from tests.integration.training import COURSE, School, moment, ok
from tests.integration.vendor import Registry

PROVINCE = "31"
EVENING = moment("2023-03-07T17:00")


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def make_rule(school: School, **rule: Any) -> dict[str, Any]:
    return ok(await school.post("/v1/completion-rules", rule, token=school.officer(PROVINCE)), 201)


async def score(school: School, class_id: UUID, **scores: int | None) -> dict[str, Any]:
    body = {"scores": [{"vendor_id": vendor, "score": value} for vendor, value in scores.items()]}
    return ok(await school.post(f"/v1/classes/{class_id}/scores", body))


# --- rules


async def test_a_class_keeps_the_rule_it_was_opened_under(school: School, clock: StandingClock) -> None:
    vendors = await school.register(2)
    before = await school.open_class()
    stricter = await make_rule(school, course=COURSE, percent_min=50, last_required=True)
    elsewhere = await make_rule(school, sessions_min=1)
    after, other = await school.open_class(), await school.open_class(course="kelas-lain")
    rules = [ok(await school.get(f"/v1/classes/{one}"))["completion_rule"] for one in (before, after, other)]
    assert rules == [1, stricter["version"], elsewhere["version"]] == [1, 2, 3]
    for class_id, vendor in zip((before, after), vendors, strict=True):
        await school.enrol(class_id, [vendor])
    clock.moment = EVENING
    for class_id, vendor in zip((before, after), vendors, strict=True):
        await school.attend(class_id, "2023-03-06", [])
        await school.attend(class_id, "2023-03-07", [vendor])
    assert await school.finish(before) == {"completed": 0, "not_completed": 1}
    assert await school.finish(after) == {"completed": 1, "not_completed": 0}

    listed = (await school.client.get("/v1/completion-rules")).json()["items"]
    assert [(one["version"], one["course"]) for one in listed] == [(3, None), (2, COURSE), (1, None)]
    assert listed[1]["meaning"]["id"] == "Hadir sekurangnya 50 persen pertemuan dan hadir di pertemuan terakhir."
    of_course = (await school.client.get(f"/v1/completion-rules?course={COURSE}&limit=1")).json()
    assert [one["version"] for one in of_course["items"]] == [3]
    rest = (await school.client.get(f"/v1/completion-rules?course={COURSE}&after={of_course['next']}")).json()
    assert [one["version"] for one in rest["items"]] == [2, 1]


async def test_only_officers_of_the_province_make_rules_and_each_has_a_version_of_its_own(school: School) -> None:
    wish = {"percent_min": 90}
    assert refusal(await school.post("/v1/completion-rules", wish)) == (403, "province-only")
    assert refusal(await school.post("/v1/completion-rules", wish, token=school.operator())) == (403, "role-missing")
    token = school.officer(PROVINCE)
    assert refusal(await school.post("/v1/completion-rules", {}, token=token)) == (422, "invalid")
    unknown = {**wish, "course": "tidak-ada"}
    assert refusal(await school.post("/v1/completion-rules", unknown, token=token)) == (404, "course-not-found")
    await school.crowd()
    made = await asyncio.gather(*(make_rule(school, percent_min=number) for number in range(60, 70)))
    assert sorted(rule["version"] for rule in made) == list(range(2, 12))


async def test_scores_decide_where_the_rule_asks_for_them_and_are_corrected_at_any_time(
    school: School, clock: StandingClock
) -> None:
    await make_rule(school, percent_min=50, score_min=70)
    good, poor = await school.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [good, poor])
    clock.moment = EVENING
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, [good, poor])
    assert refusal(await school.post(f"/v1/classes/{class_id}/finish")) == (409, "scores-missing")
    await score(school, class_id, **{str(good): 69})
    assert await school.finish(class_id) == {"completed": 0, "not_completed": 2}
    assert (await score(school, class_id, **{str(good): 70, str(poor): 20}))["completed"] == [str(good)]
    shown = ok(await school.get(f"/v1/classes/{class_id}/results/{poor}", token=school.vendor(poor)))
    assert (shown["result"], shown["score"], shown["lacks"]) == ("not-completed", 20, ["score"])
    assert [one["score"] for one in shown["scores"]] == [20]
    assert (await score(school, class_id, **{str(good): None}))["not_completed"] == [str(good)]
    stranger = {"scores": [{"vendor_id": str(await one_more(school)), "score": 1}]}
    assert refusal(await school.post(f"/v1/classes/{class_id}/scores", stranger)) == (409, "not-enrolled")
    for key, found in (await school.sequences()).items():
        assert found == list(range(1, len(found) + 1)), key


async def test_a_class_without_a_test_takes_no_scores(school: School) -> None:
    class_id = await school.open_class()
    body = {"scores": [{"vendor_id": str(await one_more(school)), "score": 1}]}
    assert refusal(await school.post(f"/v1/classes/{class_id}/scores", body)) == (409, "no-test")


async def one_more(school: School) -> UUID:
    return (await school.register(1))[0]


# --- everywhere


@dataclass
class Wire:
    """A topic, from the outbox of its service to the databases of those who listen: what the relay would send, each
    record twice, as a relay that was killed may do.
    """

    source: Database
    topic: str
    service: str
    listeners: Sequence[tuple[str, Subscription, Database]]
    clock: StandingClock
    sealer: Sealer
    read: int = 0
    offsets: dict[str, int] = field(default_factory=dict)

    async def carry(self) -> None:
        async with self.source.read() as conn:
            rows = await conn.fetch(
                "SELECT event_id, type, key, sequence, occurred_at, payload FROM outbox "
                "WHERE topic = $1 AND payload IS NOT NULL ORDER BY seq OFFSET $2",
                self.topic,
                self.read,
            )
        self.read += len(rows)
        for name, subscription, database in self.listeners if rows else ():
            records = []
            for row in [*rows, *rows]:
                key, body = row["key"].encode(), row["payload"]
                source = f"lapak/{self.service}"
                envelope = Envelope(
                    row["event_id"], row["type"], source, row["occurred_at"], row["key"], row["sequence"], None
                )
                offset = self.offsets.get(name, 0)
                self.offsets[name] = offset + 1
                headers = write_headers(envelope)
                records.append(
                    ConsumerRecord(self.topic, 0, offset, 0, 0, key, body, None, len(key), len(body), headers)
                )
            await Consumer(name, subscription, database, self.clock, self.sealer, asyncio.Event()).handle(records)
            async with database.read() as conn:
                assert await conn.fetchval("SELECT count(*) FROM dead_letter") == 0


@dataclass
class City:
    """The registry, training and bazaars, each on a database of its own, fed from each other's outbox."""

    registry: Registry
    school: School
    fair: Fair
    wires: Sequence[Wire]

    async def settle(self) -> None:
        """Let everybody hear everything."""
        for wire in self.wires:
            await wire.carry()

    async def stands(self, vendor_id: UUID, bazaar_id: str) -> tuple[str | None, bool]:
        """P2 of the vendor in the registry, and whether a bazaar takes its application (which is withdrawn again)."""
        await self.settle()
        shown = ok(await self.registry.get(f"/v1/vendors/{vendor_id}/programme"))
        door, token = f"/v1/bazaars/{bazaar_id}/applications", self.fair.vendor(vendor_id)
        answer = await self.fair.post(door, {"choices": [["one"]]}, token=token)
        if answer.is_success:
            application_id = answer.json()["application_id"]
            withdrawn = await self.fair.post(f"/v1/applications/{application_id}/withdraw", token=token)
            assert withdrawn.is_success, withdrawn.text
        else:
            assert refusal(answer) == (409, "training-missing")
        return shown["services"][1]["state"], answer.is_success


@pytest.fixture
async def city(
    school: School,
    make_database: MakeDatabase,
    serve: Serve,
    issuer: LocalIssuer,
    clock: StandingClock,
    sealer: Sealer,
) -> City:
    vendor, bazaar = await make_database("vendor"), await make_database("bazaar")
    registry = Registry(vendor.dsn, vendor.database, serve(create_vendor, vendor), issuer, clock, sealer)
    fair = Fair(bazaar.database, serve(create_bazaar, bazaar), issuer, clock, sealer)

    def of(subscriptions: Sequence[Subscription], topic: str) -> Subscription:
        return next(one for one in subscriptions if one.topic == topic)

    from_registry = Wire(
        vendor.database,
        VendorEvent.topic,
        "vendor",
        [
            ("training", of(TRAINING, VendorEvent.topic), school.database),
            ("bazaar", of(BAZAAR, VendorEvent.topic), bazaar.database),
        ],
        clock,
        sealer,
    )
    from_training = Wire(
        school.database,
        TOPIC,
        "training",
        [
            ("vendor", of(vendor_subscriptions(sealer), TOPIC), vendor.database),
            ("bazaar", of(BAZAAR, TOPIC), bazaar.database),
        ],
        clock,
        sealer,
    )
    return City(registry, school, fair, [from_registry, from_training, from_registry])


async def test_a_correction_of_attendance_takes_back_and_gives_back_eligibility_everywhere(
    city: City, clock: StandingClock
) -> None:
    school, fair = city.school, city.fair
    vendor = await city.registry.register(1, category="food-drink", agency="ppkukm", kind="usaha")
    bazaar_id = await fair.announce()
    assert await city.stands(vendor, bazaar_id) == (None, False)
    class_id = await school.open_class()
    await school.enrol(class_id, [vendor])
    assert await city.stands(vendor, bazaar_id) == ("active", False)
    clock.moment = EVENING
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, [vendor])
    assert await city.stands(vendor, bazaar_id) == ("active", False)
    await school.finish(class_id)
    assert await city.stands(vendor, bazaar_id) == ("completed", True)

    for turn in range(2):
        clock.advance(minutes=10)
        await school.attend(class_id, "2023-03-06", [])
        assert (await city.stands(vendor, bazaar_id))[1] is False, turn
        assert (await city.stands(vendor, bazaar_id))[0] != "completed"
        clock.advance(minutes=10)
        body = {"vendor_id": str(vendor), "day": "2023-03-06", "present": True}
        ok(await school.post(f"/v1/classes/{class_id}/attendance/corrections", body))
        assert await city.stands(vendor, bazaar_id) == ("completed", True)

    # one taken back and given back within what is heard at once
    await school.attend(class_id, "2023-03-07", [])
    await school.attend(class_id, "2023-03-07", [vendor])
    assert await city.stands(vendor, bazaar_id) == ("completed", True)


async def test_a_completion_that_is_taken_back_leaves_that_of_another_class(city: City, clock: StandingClock) -> None:
    school, fair = city.school, city.fair
    vendor = await city.registry.register(1, category="food-drink", agency="ppkukm", kind="usaha")
    bazaar_id = await fair.announce()
    await city.settle()
    first, second = await school.open_class(), await school.open_class(course="kelas-lain")
    for class_id in (first, second):
        await school.enrol(class_id, [vendor])
    clock.moment = EVENING
    for class_id in (first, second):
        for day in ("2023-03-06", "2023-03-07"):
            await school.attend(class_id, day, [vendor])
        await school.finish(class_id)
    assert await city.stands(vendor, bazaar_id) == ("completed", True)
    await school.attend(first, "2023-03-06", [])
    assert await city.stands(vendor, bazaar_id) == ("completed", True)
    await school.attend(second, "2023-03-06", [])
    state, accepted = await city.stands(vendor, bazaar_id)
    assert (state != "completed", accepted) == (True, False)
    clock.moment += timedelta(days=1)
    await school.attend(second, "2023-03-06", [vendor])
    assert await city.stands(vendor, bazaar_id) == ("completed", True)

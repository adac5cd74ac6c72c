"""Classes that are prepared, moved and cancelled; clashes, reminders and coverage; through the HTTP doors."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.training.app import create
from services.training.consumers import SUBSCRIPTIONS
from services.training.handlers.classes import draft_class
from services.training.handlers.reminders import REMIND, remind_of_session
from services.training.store.courses import find_course
from shared.auth import LocalIssuer
from shared.consume import Consumer
from shared.crypto import Sealer
from shared.events.bazaar import (
    ApplicationCancelled,
    ApplicationEvent,
    ApplicationRescheduled,
    BoothAssigned,
    BoothConfirmed,
    BoothDaysAdded,
    BoothDeclined,
    BoothSwapped,
)
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, GAMBIR, SAWAH_BESAR, School, moment, ok

LATER = ["2023-03-20", "2023-03-21"]
BOOTH = {"bazaar_name": "Bazar", "site_id": "s", "site_name": "Rusun", "booth": "A07"}


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


class Bazaars:
    """Tells the school of booths, each event with the next version of its application."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.versions: dict[UUID, int] = {}

    async def tell(self, *events: ApplicationEvent) -> None:
        (subscription,) = [each for each in SUBSCRIPTIONS if each.topic == BoothConfirmed.topic]
        school = self.school
        consumer = Consumer("training", subscription, school.database, school.clock, school.sealer, asyncio.Event())
        records = []
        for event in events:
            self.versions[event.application_id] = self.versions.get(event.application_id, 0) + 1
            records.append(school.record(event, self.versions[event.application_id], partition=7))
        await consumer.handle(records)

    async def offer(self, vendor_id: UUID, days: Sequence[str]) -> dict[str, Any]:
        ids = {"application_id": new_id(), "bazaar_id": new_id(), "vendor_id": vendor_id}
        offered = {**ids, **BOOTH, "days": days, "respond_by": datetime(2023, 3, 3, tzinfo=UTC)}
        await self.tell(BoothAssigned.model_validate(offered))
        return ids


@pytest.fixture
def bazaars(school: School) -> Bazaars:
    return Bazaars(school)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def clashes(school: School, vendor_id: UUID) -> dict[str, tuple[bool, list[str]]]:
    """The days a vendor is expected somewhere, whether they clash, and at what."""
    items = ok(await school.get(f"/v1/trainees/{vendor_id}/days", token=school.vendor(vendor_id)))["items"]
    return {item["day"]: (item["clash"], [each["kind"] for each in item["engagements"]]) for item in items}


# --- drafts


async def test_a_draft_is_seen_by_officers_edited_and_opened(school: School) -> None:
    (vendor,) = await school.register(1)
    draft = await school.open_class(draft=True, days=LATER[:1], category="food-drink", trainer_account="guru-1")
    path = f"/v1/classes/{draft}"
    assert refusal(await school.get(path, token=school.vendor(vendor))) == (404, "class-not-found")
    assert refusal(await school.get(path, token=school.officer("31.74"))) == (404, "class-not-found")
    for token, number in ((school.vendor(vendor), 0), (school.officer("31.74"), 0), (school.officer(), 1)):
        assert len(ok(await school.get("/v1/classes?state=draft", token=token))["items"]) == number
    refused = await school.enrol(draft, [vendor])
    assert [one["code"] for one in refused["refused"]] == ["class-closed"]
    assert refusal(await school.post(f"{path}/draft", {"days": LATER}, token=school.vendor(vendor)))[0] == 403
    assert refusal(await school.post(f"{path}/draft", {"days": LATER}, token=school.officer("31.74")))[0] == 403
    answer = ok(await school.post(f"{path}/draft", {"days": LATER, "hours": {"starts": "09:00", "ends": "12:00"}}))
    assert answer["warnings"] == []
    ok(await school.post(f"{path}/open"))
    assert refusal(await school.post(f"{path}/open")) == (409, "class-not-draft")
    shown = ok(await school.get(path))
    assert (shown["state"], shown["days"], shown["trainer_account"]) == ("open", LATER, "guru-1")
    assert shown["sessions"][0]["hours"] == {"starts": "09:00:00", "ends": "12:00:00"}
    assert ok(await school.get(path, token=school.vendor(vendor)))["trainer_account"] is None
    events = [(e.type, e.sequence) for e in await school.published() if e.key == draft]
    assert events == [("ClassDrafted", 1), ("ClassOpened", 2)]
    (opened,) = await school.published("ClassOpened")
    assert (opened.body["category"], opened.body["online"]) == ("food-drink", False)
    invited = (await school.published("TrainingInvited"))[-1]
    assert (invited.key, invited.body["class_id"]) == (vendor, str(draft))


async def test_a_draft_without_days_is_not_opened_and_may_be_cancelled(school: School, clock: StandingClock) -> None:
    async with school.database.transaction() as conn:
        course = await find_course(conn, "ekspor-dasar")
        assert course is not None
        draft = await draft_class(
            conn, course=course, area="31.71", places=100, provider_id=None, requests=20, now=clock.now()
        )
    path = f"/v1/classes/{draft.class_id}"
    assert refusal(await school.post(f"{path}/open")) == (409, "draft-incomplete")
    assert (await school.post(f"{path}/cancel", {"reason": "too-few"})).status_code == 204
    assert ok(await school.get(path))["state"] == "cancelled"
    assert refusal(await school.post(f"{path}/finish")) == (409, "class-not-open")
    events = [(e.type, e.body.get("requests")) for e in await school.published() if e.key == draft.class_id]
    assert events == [("ClassDrafted", 20), ("ClassCancelled", None)]


async def test_a_class_of_no_listed_course_or_fitting_provider_is_refused_and_an_odd_area_warned_of(
    school: School,
) -> None:
    body = {"course": "menari", "title": "A", "area": "31.71", "days": LATER}
    assert refusal(await school.post("/v1/classes", body)) == (404, "course-not-found")
    known = {**body, "course": COURSE}
    assert refusal(await school.post("/v1/classes", {**known, "provider_id": str(new_id())}))[0] == 404
    answer = ok(await school.post("/v1/classes", known), 201)
    assert [warning["code"] for warning in answer["warnings"]] == ["area-wide"]


# --- moving


async def test_a_moved_class_keeps_what_was_held_and_everybody_hears_of_it(
    school: School, clock: StandingClock, bazaars: Bazaars
) -> None:
    one, other = await school.register(2)
    class_id = await school.open_class(venue="RPTRA")
    await school.enrol(class_id, [one, other])
    await bazaars.offer(other, ["2023-03-21"])
    clock.moment = moment("2023-03-06T17:00")
    await school.attend(class_id, "2023-03-06", [one, other])
    path = f"/v1/classes/{class_id}/move"
    assert refusal(await school.post(path, {"days": LATER})) == (409, "session-held")
    assert refusal(await school.post(path, {"days": ["2023-03-01", "2023-03-06"]})) == (409, "session-past")
    assert refusal(await school.post(path, {})) == (422, "invalid")
    moved = ok(await school.post(path, {"days": ["2023-03-06", "2023-03-21"], "venue": "Aula"}))
    assert [(w["code"], w["vendor_id"], w["days"]) for w in moved["warnings"]] == [
        ("clash", str(other), ["2023-03-21"])
    ]
    assert ok(await school.post(path, {"days": ["2023-03-06", "2023-03-21"]}))["warnings"] == [], "it is there already"
    told = await school.published("TrainingClassMoved")
    assert {event.key: event.body["clashes"] for event in told} == {one: [], other: ["2023-03-21"]}
    assert told[0].body["days_before"] == ["2023-03-06", "2023-03-07"]
    assert told[0].body["venue"] == "Aula"
    assert [event.sequence for event in await school.published("ClassMoved")] == [2]
    clock.moment = moment("2023-03-21T17:00")
    await school.attend(class_id, "2023-03-21", [one])
    assert await school.finish(class_id) == {"completed": 1, "not_completed": 1}
    (finished,) = await school.published("ClassFinished")
    assert (finished.sequence, finished.body["completed"], finished.body["not_completed"]) == (3, 1, 1)


async def test_the_link_of_an_online_class_is_for_those_in_it(school: School) -> None:
    inside, outside = await school.register(2)
    class_id = await school.open_class(kind="online", venue="https://meet.example.org/abc")
    await school.enrol(class_id, [inside])

    async def link(token: str) -> Any:
        return ok(await school.get(f"/v1/classes/{class_id}", token=token))["venue"]

    assert [await link(token) is None for token in (school.vendor(inside), school.officer())] == [False, False]
    assert [await link(token) is None for token in (school.vendor(outside), school.officer("31.74"))] == [True, True]
    listed = ok(await school.get("/v1/classes", token=school.vendor(inside)))["items"]
    assert listed[0]["venue"] is None


# --- reminders


async def test_the_day_before_each_session_everybody_with_a_place_is_reminded_once(
    school: School, clock: StandingClock
) -> None:
    async def work_off() -> list[tuple[UUID, str]]:
        while await run_due(school.database, {REMIND: remind_of_session}, clock.now()):
            pass
        return [(event.key, event.body["day"]) for event in await school.published("TrainingSessionNear")]

    one, other = await school.register(2)
    class_id = await school.open_class(hours={"2023-03-06": {"starts": "09:00", "ends": "12:00"}})
    await school.enrol(class_id, [one])
    ok(await school.post(f"/v1/classes/{class_id}/move", {"days": ["2023-03-06", "2023-03-09"]}))
    clock.moment = moment("2023-03-05T08:59")
    assert await work_off() == []
    clock.moment = moment("2023-03-05T09:00")
    assert await work_off() == [(one, "2023-03-06")]
    (near,) = await school.published("TrainingSessionNear")
    assert near.body["starts_at"] == "2023-03-06T09:00:00+07:00"
    async with school.database.transaction() as conn:
        await remind_of_session(conn, f"{class_id}/2023-03-06/1", clock.now())
    await school.enrol(class_id, [other])
    clock.moment = moment("2023-03-06T12:00")
    assert len(await work_off()) == 1, "the session of the 7th was moved"
    clock.moment = moment("2023-03-08T09:00")
    assert sorted((await work_off())[1:]) == sorted([(one, "2023-03-09"), (other, "2023-03-09")])
    cancelled = await school.open_class(days=["2023-03-15"], course="lain")
    await school.enrol(cancelled, [one])
    await school.post(f"/v1/classes/{cancelled}/cancel", {"reason": "venue"})
    clock.moment = moment("2023-03-14T09:00")
    assert len(await work_off()) == 3


# --- clashes


async def test_a_booth_or_another_class_on_a_session_day_is_warned_of_and_refuses_nothing(
    school: School, bazaars: Bazaars
) -> None:
    one, other = await school.register(2)
    await bazaars.offer(one, ["2023-03-06", "2023-03-05"])
    await school.enrol(await school.open_class(course="lain", days=["2023-03-07"]), [one])
    class_id = await school.open_class(category="health")
    answer = await school.enrol(class_id, [one, other])
    assert answer["enrolled"] == [str(one), str(other)]
    assert [(w["code"], w["vendor_id"], w["days"]) for w in answer["warnings"]] == [
        ("clash", str(one), ["2023-03-06", "2023-03-07"])
    ]
    told = {event.key: event.body["clashes"] for event in await school.published("TrainingEnrolled")}
    assert told == {one: ["2023-03-06", "2023-03-07"], other: []}
    assert await clashes(school, one) == {
        "2023-03-05": (False, ["booth-offered"]),
        "2023-03-06": (True, ["booth-offered", "class"]),
        "2023-03-07": (True, ["class", "class"]),
    }
    assert refusal(await school.get(f"/v1/trainees/{one}/days", token=school.vendor(other))) == (403, "not-own-data")
    assert refusal(await school.get(f"/v1/trainees/{one}/days", token=school.officer("31.74"))) == (403, "outside-area")
    wrong = await school.get(f"/v1/trainees/{one}/days?since=2023-03-02&until=2023-03-01")
    assert refusal(wrong) == (422, "range-invalid")


async def test_booths_follow_what_bazaars_tell(school: School, bazaars: Bazaars) -> None:
    (vendor,) = await school.register(1)
    await school.enrol(await school.open_class(), [vendor])
    booth = await bazaars.offer(vendor, ["2023-03-06"])
    assert await clashes(school, vendor) == {
        "2023-03-06": (True, ["booth-offered", "class"]),
        "2023-03-07": (False, ["class"]),
    }
    confirmed = BoothConfirmed.model_validate({**booth, **BOOTH, "days": ["2023-03-06"]})
    await bazaars.tell(confirmed, confirmed.model_copy(update={"booth": "A08"}))
    assert (await clashes(school, vendor))["2023-03-06"] == (True, ["booth", "class"])
    more = {**booth, **BOOTH, "added": ["2023-03-07"], "days": ["2023-03-06", "2023-03-07"]}
    await bazaars.tell(BoothDaysAdded.model_validate(more))
    assert (await clashes(school, vendor))["2023-03-07"] == (True, ["booth", "class"])
    moved = {**booth, "bazaar_name": "Bazar", "days_before": ["2023-03-06"], "days": ["2023-03-08"]}
    await bazaars.tell(ApplicationRescheduled.model_validate(moved))
    assert (await clashes(school, vendor))["2023-03-08"] == (False, ["booth"])
    swapped = {**booth, **BOOTH, "swap_id": new_id(), "days": ["2023-03-07"]}
    await bazaars.tell(BoothSwapped.model_validate(swapped))
    assert (await clashes(school, vendor))["2023-03-07"] == (True, ["booth", "class"])
    cancelled = {"bazaar_name": "Bazar", "days": [], "reason": "weather", "had_booth": True, "turn_returned": True}
    await bazaars.tell(ApplicationCancelled.model_validate({**booth, **cancelled}))
    assert [kinds for _, kinds in (await clashes(school, vendor)).values()] == [["class"], ["class"]]
    declined = await bazaars.offer(vendor, ["2023-03-06"])
    await bazaars.tell(BoothDeclined.model_validate({**declined, "bazaar_name": "Bazar", "site_id": "s"}))
    # of an application that never had a booth
    await bazaars.tell(
        ApplicationRescheduled.model_validate({**moved, "application_id": new_id(), "days": ["2023-03-06"]})
    )
    assert not any(clash for clash, _ in (await clashes(school, vendor)).values())


async def test_booths_of_a_person_count_under_each_of_its_ids_and_go_when_it_is_erased(
    school: School, bazaars: Bazaars
) -> None:
    one, other = await school.register(2)
    await bazaars.offer(one, ["2023-03-06"])
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2), partition=1)
    answer = await school.enrol(await school.open_class(), [other])
    assert [warning["days"] for warning in answer["warnings"]] == [["2023-03-06"]]
    shown = ok(await school.get(f"/v1/vendors/{other}/data", token=school.vendor(other)))["sections"]
    assert [row["days"] for row in shown["booth_copies"]["data"]] == [["2023-03-06"]]
    await school.hear((VendorErased(vendor_id=one, erasure_id=new_id()), 3), partition=1)
    await bazaars.offer(one, ["2023-03-06"])
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM booth_day") == 0


# --- coverage


async def test_coverage_shows_which_kecamatan_have_which_classes(school: School) -> None:
    await school.open_class(category="food-drink", places=100)
    await school.open_class(area="31.71.02.1002", places=50)
    await school.open_class(area="31.71")
    await school.open_class(area=GAMBIR, days=["2022-12-30", "2023-01-02"])
    await school.open_class(area=GAMBIR, draft=True)
    answer = ok(await school.get("/v1/classes/coverage?area=31.71"))
    assert (answer["year"], len(answer["items"])) == (2023, 8)
    found = {item["area"]: item for item in answer["items"]}
    assert found[SAWAH_BESAR] == {
        "area": SAWAH_BESAR,
        "name": "Sawah Besar",
        "classes": 2,
        "missing": 0,
        "places": 150,
        "taken": 0,
        "completed": 0,
        "categories": {"food-drink": 1},
        "anybody": 1,
    }
    assert found[GAMBIR]["missing"] == 2
    assert len(ok(await school.get("/v1/classes/coverage"))["items"]) == 44
    before = ok(await school.get(f"/v1/classes/coverage?area={GAMBIR}&year=2022"))["items"]
    assert [item["classes"] for item in before] == [1]
    other = ok(await school.get("/v1/classes/coverage?area=31.71&course=ekspor-dasar"))["items"]
    assert sum(item["classes"] for item in other) == 0
    (vendor,) = await school.register(1)
    assert refusal(await school.get("/v1/classes/coverage", token=school.vendor(vendor))) == (403, "role-missing")


async def test_classes_are_listed_by_course_state_and_commodity(school: School) -> None:
    food = await school.open_class(category="food-drink")
    other = await school.open_class(course="lain")

    async def listed(query: str) -> list[str]:
        return [item["class_id"] for item in ok(await school.get(f"/v1/classes?{query}"))["items"]]

    assert await listed("category=food-drink") == [str(food)]
    assert await listed("course=lain") == [str(other)]
    assert await listed("state=finished") == []
    assert await listed(f"provider_id={new_id()}") == []
    assert await listed("state=open&area=31.71") == [str(other), str(food)]


async def test_only_officers_of_the_area_change_classes(school: School) -> None:
    (vendor,) = await school.register(1)
    class_id = await school.open_class()
    for action, body in (
        ("move", {"days": LATER}),
        ("places", {"places": 5}),
        ("cancel", {"reason": "venue"}),
        ("open", None),
        ("draft", {"title": "B"}),
    ):
        path = f"/v1/classes/{class_id}/{action}"
        assert refusal(await school.post(path, body, token=school.vendor(vendor))) == (403, "role-missing")
        assert refusal(await school.post(path, body, token=school.officer("31.74"))) == (403, "outside-area")
        missing = await school.post(f"/v1/classes/{new_id()}/{action}", body)
        assert refusal(missing) == (404, "class-not-found")
    assert refusal(await school.get(f"/v1/classes/{class_id}/waiting", token=school.officer("31.74")))[0] == 403
    assert refusal(await school.get(f"/v1/classes/{class_id}/waiting", token=school.vendor(vendor)))[0] == 403
    assert refusal(await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "no idea"})) == (422, "invalid")

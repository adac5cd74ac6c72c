"""Courses on request (DOMAIN B5), on a real database, through the HTTP doors."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.training.app import create
from services.training.handlers.demand import EXPIRE, expire_requests
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorMoved
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, GAMBIR, GAMBIR_KELURAHAN, SAWAH_BESAR, School, moment, ok

NEEDED = 3


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def few(school: School, course: str = COURSE, **more: Any) -> None:
    """Let few requests make a class of this course."""
    body = {"name_id": "A", "name_en": "A", "level": "basic", "field": "export", "sessions": 2, **more}
    answer = await school.post(
        f"/v1/courses/{course}/edit", {"requests_needed": NEEDED, **body}, token=school.officer("31")
    )
    ok(answer)


async def ask(school: School, vendor: UUID, course: str = COURSE, *, token: str | None = None) -> httpx.Response:
    path = f"/v1/trainees/{vendor}/course-requests"
    return await school.post(path, {"course": course}, token=token or school.vendor(vendor))


async def asked(school: School, *vendors: UUID, course: str = COURSE) -> list[dict[str, Any]]:
    return [ok(await ask(school, vendor, course), 201) for vendor in vendors]


async def shown(school: School, vendor: UUID) -> list[tuple[str, str | None, int | None]]:
    items = ok(await school.get(f"/v1/trainees/{vendor}/course-requests", token=school.vendor(vendor)))["items"]
    return [(one["state"], one["class_id"], one["missing"]) for one in items]


async def demand(school: School, query: str = "", token: str | None = None) -> list[tuple[str, str, int, int, int]]:
    items = ok(await school.get(f"/v1/demand{query}", token=token))["items"]
    return [(one["course"], one["area"], one["waiting"], one["missing"], one["drafted"]) for one in items]


async def drafted(school: School) -> list[dict[str, Any]]:
    return [event.body for event in await school.published("ClassDrafted")]


async def open_draft(school: School, class_id: str) -> None:
    """Set its days and open it."""
    ok(await school.post(f"/v1/classes/{class_id}/draft", {"days": ["2023-03-20", "2023-03-21"]}))
    ok(await school.post(f"/v1/classes/{class_id}/open"))


async def cancel(school: School, class_id: str) -> None:
    """Cancel a class, prepared or open."""
    answer = await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "too-few"})
    assert answer.is_success, answer.text


# --- enough requests make a class


async def test_a_hundred_requests_at_once_prepare_exactly_one_class(school: School) -> None:
    vendors = await school.register(101)
    await school.crowd()
    answers = await asyncio.gather(*(ask(school, vendor) for vendor in vendors[:100]))
    made = [ok(answer, 201) for answer in answers]
    (event,) = await drafted(school)
    assert event == {
        "class_id": event["class_id"],
        "course": COURSE,
        "title": "Dasar Kewirausahaan",
        "area": SAWAH_BESAR,
        "provider_id": None,
        "requests": 20,
        "places": 100,
    }
    # nineteen waited when they were answered, each told how many are missing; the others were told of the class
    assert sorted(one["missing"] for one in made if one["missing"] is not None) == list(range(1, 20))
    assert {one["class_id"] for one in made if one["missing"] is None} == {event["class_id"]}
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 0, 20, 100)]
    # it has a place for each of them; who comes next waits for another class
    assert (await asked(school, vendors[100]))[0]["missing"] == 19
    requested = await school.published("CourseRequested")
    assert sorted(one.key for one in requested) == sorted(vendors)
    assert {(one.body["course"], one.body["area"]) for one in requested} == {(COURSE, SAWAH_BESAR)}
    for sequences in (await school.sequences()).values():
        assert sequences == list(range(1, len(sequences) + 1))


async def test_requests_are_counted_by_area_and_level(school: School) -> None:
    await few(school)
    await few(school, "ekspor-dasar", level="advanced")
    here, there = await school.register(2), await school.register(2, GAMBIR_KELURAHAN)
    for course in (COURSE, "ekspor-dasar"):
        assert [one["area"] for one in await asked(school, *here, there[0], course=course)] == (
            [SAWAH_BESAR, SAWAH_BESAR, GAMBIR] if course == COURSE else ["31"] * 3
        )
    (event,) = await drafted(school)
    assert (event["course"], event["area"], event["requests"]) == ("ekspor-dasar", "31", 3)
    rows = [(COURSE, GAMBIR, 1, 2, 0), (COURSE, SAWAH_BESAR, 2, 1, 0), ("ekspor-dasar", "31", 0, 3, 3)]
    assert await demand(school) == rows
    # a smaller area sees its own, and what is counted in one around it; a page at a time
    assert await demand(school, token=school.officer(GAMBIR)) == [rows[0], rows[2]]
    assert await demand(school, "?level=basic") == rows[:2]
    assert await demand(school, "?course=ekspor-dasar") == rows[2:]
    first = ok(await school.get("/v1/demand?limit=2"))
    assert await demand(school, f"?limit=2&after={first['next']}") == rows[2:]
    # whoever moves is counted where it lives now
    moved = VendorMoved(vendor_id=here[0], kelurahan=GAMBIR_KELURAHAN, rw="001", rt="001")
    await school.hear((moved, 2))
    assert await demand(school, "?level=basic") == [(COURSE, GAMBIR, 2, 1, 0), (COURSE, SAWAH_BESAR, 1, 2, 0)]


async def test_the_provider_is_chosen_and_the_officer_is_shown_where_none_fits(school: School) -> None:
    await few(school)
    body = {"name": "Dinas", "kind": "agency", "fields": ["export"], "area": "31.71"}
    wide = ok(await school.post("/v1/providers", body), 201)["provider_id"]
    near = ok(await school.post("/v1/providers", {**body, "area": SAWAH_BESAR}), 201)["provider_id"]
    await asked(school, *await school.register(NEEDED))
    await few(school, "ekspor-dasar", field="kriya")
    await asked(school, *await school.register(NEEDED), course="ekspor-dasar")
    first, second = await drafted(school)
    assert (first["provider_id"], second["provider_id"]) == (near, None)
    items = ok(await school.get("/v1/demand"))["items"]
    assert [(one["course"], [draft["provider_id"] for draft in one["drafts"]]) for one in items] == [
        (COURSE, [near]),
        ("ekspor-dasar", [None]),
    ]
    # with that class under way the other is asked for the next
    ok(await school.post(f"/v1/classes/{first['class_id']}/draft", {"places": NEEDED}))
    await asked(school, *await school.register(NEEDED))
    assert (await drafted(school))[-1]["provider_id"] == wide


async def test_a_withdrawn_course_is_asked_for_no_more_and_nobody_waits_for_it(school: School) -> None:
    await few(school, "kriya-dasar")
    one, other = await school.register(2)
    await asked(school, one, course="kriya-dasar")
    await few(school, "desain-kriya")
    ok(await school.post("/v1/courses/kriya-dasar/withdraw", token=school.officer("31")))
    assert await shown(school, one) == [("course-withdrawn", None, None)]
    assert refusal(await ask(school, other, "kriya-dasar")) == (409, "course-withdrawn")
    assert refusal(await ask(school, other, "nowhere")) == (404, "course-not-found")


# --- each person once


async def test_a_person_with_two_ids_asks_once(school: School) -> None:
    await few(school)
    one, other, *rest = await school.register(5)
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2))
    await school.crowd()
    answers = await asyncio.gather(*(ask(school, vendor) for vendor in (one, other) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already-requested"}
    assert [one["missing"] for one in await asked(school, *rest[:1])] == [1]
    # either id shows it, and takes it back
    assert await shown(school, one) == await shown(school, other) == [("waiting", None, 1)]


async def test_whoever_asked_under_two_ids_before_they_were_merged_counts_once(school: School) -> None:
    await few(school)
    one, other, third, fourth = await school.register(4)
    assert [one["missing"] for one in await asked(school, one, other)] == [2, 1]
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2))
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 1, 2, 0)]
    assert [one["missing"] for one in await asked(school, third, fourth)] == [1, None]
    (event,) = await drafted(school)
    assert event["requests"] == 3
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 0, 3, 3)]
    # both requests are served with the class, and the person is invited once
    await open_draft(school, event["class_id"])
    assert {state for state, _, _ in await shown(school, one)} == {"invited"}
    invited = [one.key for one in await school.published("TrainingInvited") if one.body["class_id"]]
    assert len(invited) == len(set(invited)) == 3
    assert len({one, other} & set(invited)) == 1


async def test_a_person_asks_for_no_more_courses_than_one_may_under_two_ids_at_once(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.training.domain.demand.REQUESTS_PER_PERSON_MAX", 1)
    some, others = await school.register(10), await school.register(10)
    people, courses = list(zip(some, others, strict=True)), (COURSE, "kriya-dasar")
    await school.hear(*((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2) for one, other in people))
    await school.crowd()
    answers = await asyncio.gather(
        *(ask(school, vendor, course) for pair in people for vendor, course in zip(pair, courses, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [409] * 10
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"requests-full"}


# --- what becomes of a request


async def test_those_who_asked_are_invited_first_and_a_place_ends_the_request(school: School) -> None:
    await few(school)
    early = await school.register(5)
    one, other, third, late = await school.register(4)
    await asked(school, one, other, third)
    (event,) = await drafted(school)
    class_id = event["class_id"]
    # more of the area ask; the class is opened with room for four
    assert (await asked(school, late))[0]["class_id"] == class_id
    ok(await school.post(f"/v1/classes/{class_id}/draft", {"places": 4}))
    await open_draft(school, class_id)
    invited = [event.key for event in await school.published("TrainingInvited") if event.body["class_id"] == class_id]
    assert sorted(invited) == sorted([one, other, third, late])
    assert not set(invited) & set(early)
    assert await shown(school, one) == [("invited", class_id, None)]
    await school.enrol(UUID(class_id), [one], token=school.vendor(one))
    assert await shown(school, one) == [("done", class_id, None)]
    assert refusal(await ask(school, one)) == (409, "already-enrolled")
    assert refusal(await ask(school, early[0])) == (409, "class-has-room")


async def test_a_cancelled_draft_gives_its_requests_back_in_their_order(school: School) -> None:
    await few(school)
    vendors = await school.register(4)
    await asked(school, *vendors[:3])
    (event,) = await drafted(school)
    await cancel(school, event["class_id"])
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 3, 0, 0)]
    # the next request prepares another, for all of them
    await asked(school, vendors[3])
    _, second = await drafted(school)
    assert second["requests"] == 4
    for vendor in vendors:
        assert await shown(school, vendor) == [("drafted", second["class_id"], None)]


async def test_whoever_was_invited_to_a_class_that_is_cancelled_waits_again(school: School) -> None:
    await few(school)
    vendors = await school.register(3)
    await asked(school, *vendors)
    (event,) = await drafted(school)
    await open_draft(school, event["class_id"])
    await school.enrol(UUID(event["class_id"]), vendors[:1])
    await cancel(school, event["class_id"])
    states = [(await shown(school, vendor))[0][0] for vendor in vendors]
    assert states == ["done", "waiting", "waiting"]


async def test_whoever_asked_anew_since_it_was_invited_waits_once(school: School) -> None:
    await few(school)
    vendors, quicker = await school.register(3), await school.register(3)
    await asked(school, *vendors)
    (event,) = await drafted(school)
    ok(await school.post(f"/v1/classes/{event['class_id']}/draft", {"places": 3}))
    await open_draft(school, event["class_id"])
    await school.enrol(UUID(event["class_id"]), quicker)
    # invited, and too late: it asks for another class
    assert (await asked(school, vendors[0]))[0]["missing"] == 2
    await cancel(school, event["class_id"])
    assert [state for state, _, _ in await shown(school, vendors[0])] == ["waiting", "invited"]
    assert (await demand(school))[0][2] == 3


async def test_a_request_is_taken_back_and_counts_no_more(school: School) -> None:
    await few(school)
    vendors = await school.register(4)
    first, _ = await asked(school, *vendors[:2])
    path = f"/v1/trainees/{vendors[0]}/course-requests/{first['request_id']}/take-back"
    for _ in range(2):
        assert ok(await school.post(path, token=school.vendor(vendors[0])))["state"] == "taken-back"
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 1, 2, 0)]
    assert [one["missing"] for one in await asked(school, vendors[0], vendors[2])] == [1, None]
    assert len(await drafted(school)) == 1
    assert await shown(school, vendors[0]) == [
        ("drafted", (await drafted(school))[0]["class_id"], None),
        ("taken-back", None, None),
    ]


async def test_requests_are_over_after_twelve_months(school: School, clock: StandingClock) -> None:
    await few(school)
    one, other = await school.register(2)
    await asked(school, one)
    clock.moment = moment("2023-09-01T09:00")
    await asked(school, other)

    async def work(at: str) -> bool:
        clock.moment = moment(at)
        return await run_due(school.database, {EXPIRE: expire_requests}, clock.now())

    assert await work("2024-02-29T09:00")
    assert await shown(school, one) == [("waiting", None, 1)]
    assert not await work("2024-02-29T23:00")
    assert await work("2024-03-01T09:00")
    assert await shown(school, one) == [("expired", None, None)]
    assert await shown(school, other) == [("waiting", None, 2)]
    assert (await asked(school, one))[0]["missing"] == 1


async def test_a_course_is_asked_for_after_what_it_needs(school: School, clock: StandingClock) -> None:
    (vendor,) = await school.register(1)
    answer = await ask(school, vendor, "ekspor-dasar")
    assert refusal(answer) == (409, "prerequisites-missing")
    assert answer.json()["details"]["missing"] == [COURSE]
    class_id = await school.open_class(days=["2023-03-02"])
    await school.enrol(class_id, [vendor])
    clock.moment = moment("2023-03-02T17:00")
    await school.attend(class_id, "2023-03-02", [vendor])
    await school.finish(class_id)
    assert refusal(await ask(school, vendor)) == (409, "already-completed")
    assert (await asked(school, vendor, course="ekspor-dasar"))[0]["missing"] == 19


async def test_an_erased_person_counts_no_more(school: School) -> None:
    await few(school)
    one, other = await school.register(2)
    await asked(school, one, other)
    section = ok(await school.get(f"/v1/vendors/{one}/data", token=school.vendor(one)))["sections"]["course_requests"]
    assert [row["course"] for row in section["data"]] == [COURSE]
    await school.hear((VendorErased(vendor_id=one, erasure_id=uuid4()), 2))
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 1, 2, 0)]
    (receipt,) = await school.published("TrainingDataErased")
    assert receipt.body["erased"]["course_requests"] == 1
    assert refusal(await ask(school, one)) == (404, "unknown-vendor")


# --- who may


async def test_a_vendor_asks_for_itself_and_officers_for_those_of_their_area(school: School) -> None:
    one, other = await school.register(2)
    path = f"/v1/trainees/{one}/course-requests"
    assert refusal(await ask(school, one, token=school.vendor(other))) == (403, "not-own-data")
    assert refusal(await ask(school, one, token=school.officer("31.74"))) == (403, "outside-area")
    assert refusal(await ask(school, uuid4(), token=school.officer())) == (404, "unknown-vendor")
    made = ok(await ask(school, one, token=school.officer()), 201)
    take_back = f"{path}/{made['request_id']}/take-back"
    assert refusal(await school.post(take_back, token=school.vendor(other))) == (403, "not-own-data")
    elsewhere = f"/v1/trainees/{other}/course-requests/{made['request_id']}/take-back"
    assert refusal(await school.post(elsewhere, token=school.vendor(other))) == (404, "request-not-found")
    assert refusal(await school.get(path, token=school.vendor(other))) == (403, "not-own-data")
    assert refusal(await school.get("/v1/demand", token=school.vendor(one))) == (403, "role-missing")


async def test_taking_back_and_asking_at_once_never_lose_count(school: School) -> None:
    """Whatever is taken back while others ask: the requests of a class are those that were made and not taken back."""
    await few(school, requests_needed=10)
    vendors = await school.register(30)
    made = dict(zip(vendors[:9], await asked(school, *vendors[:9]), strict=True))
    await school.crowd()
    back = [
        school.post(f"/v1/trainees/{vendor}/course-requests/{one['request_id']}/take-back")
        for vendor, one in made.items()
    ]
    await asyncio.gather(*(ask(school, vendor) for vendor in vendors[9:]), *back)
    events = await drafted(school)
    assert len(events) == 1
    assert 10 <= events[0]["requests"] <= 19
    assert await demand(school) == [(COURSE, SAWAH_BESAR, 0, 10, 21)]

"""Enrolment, attendance and completion on a real database, through the HTTP doors."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from uuid import UUID, uuid4

import httpx
import pytest
from asyncpg.connection import LoggedQuery

from services.training.app import create
from services.training.domain.attendance import TakeAttendance
from services.training.domain.classes import OpenClass
from services.training.domain.enrolments import EnrolVendors
from services.training.handlers.attendance import take_attendance
from services.training.handlers.classes import finish_class, open_class
from services.training.handlers.enrolments import enrol_vendors
from services.training.handlers.vendors import invite_registered
from shared import outbox
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.vendor import VendorCategoryChosen, VendorCoached
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, GAMBIR, GAMBIR_KELURAHAN, School, moment, ok, registered


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


# --- places


async def test_the_last_place_is_taken_by_exactly_one_of_a_hundred(school: School) -> None:
    vendors = await school.register(100)
    class_id = await school.open_class(places=1)
    await school.crowd()
    answers = await asyncio.gather(
        *(school.enrol(class_id, [vendor], token=school.vendor(vendor)) for vendor in vendors)
    )
    assert sum(len(answer["enrolled"]) for answer in answers) == 1
    refusals = [refusal["code"] for answer in answers for refusal in answer["refused"]]
    assert refusals == ["class-full"] * 99
    assert ok(await school.get(f"/v1/classes/{class_id}"))["taken"] == 1
    assert len(await school.published("TrainingEnrolled")) == 1


async def test_overlapping_requests_never_exceed_the_places(school: School) -> None:
    vendors = await school.register(60)
    class_id = await school.open_class(places=30)
    chance = random.Random(7)
    await school.crowd()
    await asyncio.gather(*(school.enrol(class_id, chance.sample(vendors, 7)) for _ in range(40)))
    enrolled = [event.key for event in await school.published("TrainingEnrolled")]
    assert len(enrolled) == len(set(enrolled)) == 30
    assert_gapless(await school.sequences())


async def test_one_vendor_gets_one_place_of_two_classes_asked_at_once(school: School) -> None:
    vendors = await school.register(20)
    first, second = await school.open_class(places=20), await school.open_class(places=20)
    await school.crowd()
    await asyncio.gather(*(school.enrol(class_id, [vendor]) for vendor in vendors for class_id in (first, second)))
    enrolled = [event.key for event in await school.published("TrainingEnrolled")]
    assert sorted(enrolled) == sorted(vendors)


async def test_each_vendor_that_gets_no_place_is_told_why(school: School, clock: StandingClock) -> None:
    done, elsewhere, here, late, full = await school.register(5)
    stranger = uuid4()
    before = await school.open_class(places=5, days=["2023-03-02"])
    other = await school.open_class(places=5)
    await school.enrol(before, [done])
    clock.moment = moment("2023-03-02T17:00")
    await school.attend(before, "2023-03-02", [done])
    assert await school.finish(before) == {"completed": 1, "not_completed": 0}
    class_id = await school.open_class(places=1)
    await school.enrol(other, [elsewhere])
    await school.enrol(class_id, [here])

    answer = await school.enrol(class_id, [done, elsewhere, here, stranger, full])
    assert answer["enrolled"] == []
    assert [(refusal["vendor_id"], refusal["code"]) for refusal in answer["refused"]] == [
        (str(done), "already-completed"),
        (str(elsewhere), "already-enrolled"),
        (str(here), "already-enrolled"),
        (str(stranger), "unknown-vendor"),
        (str(full), "class-full"),
    ]
    closed = await school.enrol(before, [late])
    assert [refusal["code"] for refusal in closed["refused"]] == ["class-closed"]


async def test_a_repeated_request_is_answered_the_same_and_acts_once(school: School) -> None:
    (vendor,) = await school.register(1)
    class_id = await school.open_class()
    body = {"vendor_ids": [str(vendor)]}
    path = f"/v1/classes/{class_id}/enrolments"
    await school.crowd()
    answers = await asyncio.gather(*(school.post(path, body, key="the-same") for _ in range(5)))
    wanted = {"enrolled": [str(vendor)], "waiting": [], "refused": [], "warnings": []}
    assert [ok(answer) for answer in answers] == [wanted] * 5
    assert len(await school.published("TrainingEnrolled")) == 1


# --- attendance and results


async def test_a_correction_takes_a_completion_back_and_gives_it_again(school: School, clock: StandingClock) -> None:
    good, poor = await school.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [good, poor])
    clock.moment = moment("2023-03-07T17:00")
    await school.attend(class_id, "2023-03-06", [good])
    await school.attend(class_id, "2023-03-06", [good, poor])  # corrected before the end
    assert await school.attend(class_id, "2023-03-07", [good]) == {
        "day": "2023-03-07",
        "attended": 1,
        "completed": [],
        "not_completed": [],
    }
    assert await school.finish(class_id) == {"completed": 1, "not_completed": 1}
    assert await completions(school) == [good]

    taken = await school.attend(class_id, "2023-03-06", [poor])
    assert (taken["completed"], taken["not_completed"]) == ([], [str(good)])
    assert await completions(school) == []
    given = await school.attend(class_id, "2023-03-06", [poor, good])
    assert (given["completed"], given["not_completed"]) == ([str(good)], [])
    other = await school.attend(class_id, "2023-03-07", [poor, good])
    assert (other["completed"], other["not_completed"]) == ([str(poor)], [])
    assert await completions(school) == sorted([good, poor])

    events = [(event.type, event.key) for event in await school.published() if event.body.get("sessions_held")]
    assert events == [
        *sorted([("TrainingCompleted", good), ("TrainingNotCompleted", poor)], key=lambda each: each[1]),
        ("TrainingNotCompleted", good),
        ("TrainingCompleted", good),
        ("TrainingCompleted", poor),
    ]
    last = (await school.published("TrainingCompleted"))[-1].body
    assert (last["completed_on"], last["sessions_attended"], last["sessions_held"]) == ("2023-03-07", 2, 2)
    assert_gapless(await school.sequences())


async def test_finishing_again_says_the_same_and_publishes_nothing(school: School, clock: StandingClock) -> None:
    vendors = await school.register(10)
    class_id = await school.open_class(places=10)
    await school.enrol(class_id, vendors)
    clock.moment = moment("2023-03-07T17:00")
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, vendors[:6])
    await school.crowd()
    answers = await asyncio.gather(*(school.finish(class_id) for _ in range(5)))
    assert answers == [{"completed": 6, "not_completed": 4}] * 5
    assert len(await school.published("TrainingCompleted", "TrainingNotCompleted")) == 10


async def test_what_cannot_be_recorded_is_refused_and_changes_nothing(school: School, clock: StandingClock) -> None:
    enrolled, stranger = await school.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [enrolled])
    path = f"/v1/classes/{class_id}"
    body = {"day": "2023-03-06", "vendor_ids": [str(enrolled)]}
    assert refusal(await school.post(f"{path}/attendance", body)) == (409, "session-ahead")
    assert refusal(await school.post(f"{path}/finish")) == (409, "class-running")
    clock.moment = moment("2023-03-07T17:00")
    mixed = {**body, "vendor_ids": [str(enrolled), str(stranger)]}
    assert refusal(await school.post(f"{path}/attendance", mixed)) == (409, "not-enrolled")
    assert refusal(await school.post(f"{path}/attendance", {**body, "day": "2023-03-08"})) == (409, "no-such-session")
    assert refusal(await school.post(f"{path}/finish")) == (409, "attendance-missing")
    assert refusal(await school.post(f"/v1/classes/{uuid4()}/finish")) == (404, "class-not-found")
    assert refusal(await school.post("/v1/classes", {"course": "x"})) == (422, "invalid")
    roster = ok(await school.get(path))["roster"]
    assert roster == [{"vendor_id": str(enrolled), "attended": [], "result": None}]


async def test_sequences_stay_gapless_while_two_classes_end_and_lists_are_corrected(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(40)
    days = ["2023-03-06", "2023-03-07"]
    basic = await school.open_class(places=40)
    export = await school.open_class(places=40, course="ekspor")
    third = await school.open_class(places=40, course="pemasaran-digital")
    clock.moment = moment("2023-03-07T17:00")
    chance = random.Random(11)
    for class_id in (basic, export):
        await school.enrol(class_id, chance.sample(vendors, 40))
        for day in days:
            await school.attend(class_id, day, vendors)

    async def hear_of(vendor: UUID, partition: int) -> None:
        told = [(VendorCoached(vendor_id=vendor, agency="ppkukm"), 2)]
        await school.hear(*told, (VendorCategoryChosen(vendor_id=vendor, category="health"), 3), partition=partition)

    work = [school.finish(basic), school.finish(export)]
    for _ in range(15):
        work += [school.attend(each, chance.choice(days), chance.sample(vendors, 20)) for each in (basic, export)]
        work.append(school.enrol(third, chance.sample(vendors, 10)))
    chance.shuffle(work)
    heard = [hear_of(vendor, number + 1) for number, vendor in enumerate(vendors)]
    await school.crowd()
    await asyncio.gather(*work, *heard)

    sequences = await school.sequences()
    assert_gapless(sequences)
    assert sum(len(sequences[vendor]) for vendor in vendors) > 160
    for class_id in (basic, export):
        roster = ok(await school.get(f"/v1/classes/{class_id}"))["roster"]
        for seat in roster:
            assert seat["result"] == ("completed" if len(seat["attended"]) == 2 else "not-completed")
    async with school.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id, version FROM trainee")
    assert {row["vendor_id"]: row["version"] for row in rows} == {vendor: len(sequences[vendor]) for vendor in vendors}


async def test_a_class_of_a_hundred_takes_no_more_statements_than_a_class_of_one(
    school: School, clock: StandingClock
) -> None:
    async def statements(size: int) -> dict[str, list[str]]:
        clock.moment = moment("2023-03-01T09:00")
        vendors = await school.register(size)
        class_id = await school.open_class(places=size, course=f"kelas-{size}")
        ran = {}
        enrolment = EnrolVendors(vendor_ids=vendors)
        async with school.database.transaction() as conn, counted(conn) as ran["enrol"]:
            await enrol_vendors(conn, class_id, enrolment, by_officer=True, now=clock.now())
        clock.moment = moment("2023-03-07T17:00")
        for day in (date(2023, 3, 6), date(2023, 3, 7)):
            attendance = TakeAttendance(day=day, vendor_ids=vendors)
            async with school.database.transaction() as conn, counted(conn) as ran["attend"]:
                await take_attendance(conn, class_id, attendance, taken_by="test", now=clock.now())
        async with school.database.transaction() as conn, counted(conn) as ran["finish"]:
            assert await finish_class(conn, class_id, now=clock.now()) == (size, 0)
        async with school.database.transaction() as conn, counted(conn) as ran["register"]:
            news = [(registered(uuid4()), 1) for _ in range(size)]
            await invite_registered(conn, news, now=clock.now())
        async with school.database.transaction() as conn, counted(conn) as ran["open"]:
            opening = OpenClass(course=COURSE, title="A", area="31.71", days=[date(2023, 3, 20)], places=size)
            await open_class(conn, opening, class_id=uuid4(), now=clock.now())
        return ran

    one, hundred = await statements(1), await statements(100)
    assert hundred == one
    assert all(0 < len(ran) < 35 for ran in hundred.values())


# --- who may


async def test_officers_act_within_their_area_and_vendors_for_themselves(school: School) -> None:
    mine, other = await school.register(2)
    class_id = await school.open_class(area=GAMBIR)
    path = f"/v1/classes/{class_id}"
    body = {"vendor_ids": [str(mine)]}
    south = school.officer("31.74")
    opening = {"course": COURSE, "title": "A", "area": "31", "days": ["2023-03-06"], "places": 1}
    assert refusal(await school.post("/v1/classes", opening)) == (403, "outside-area")
    assert refusal(await school.post("/v1/classes", opening, token=school.vendor(mine))) == (403, "role-missing")
    for action, sent in (
        ("enrolments", body),
        ("attendance", {**body, "day": "2023-03-06"}),
        ("finish", None),
    ):
        assert refusal(await school.post(f"{path}/{action}", sent, token=south)) == (403, "outside-area")
    for action, sent in (("attendance", {**body, "day": "2023-03-06"}), ("finish", None)):
        answer = await school.post(f"{path}/{action}", sent, token=school.vendor(mine))
        assert refusal(answer) == (403, "role-missing")
    answer = await school.post(f"{path}/enrolments", body, token=school.vendor(other))
    assert refusal(answer) == (403, "not-own-data")
    assert (await school.enrol(class_id, [mine], token=school.vendor(mine)))["enrolled"] == [str(mine)]

    assert refusal(await school.get(f"/v1/trainees/{mine}", token=school.vendor(other))) == (403, "not-own-data")
    assert refusal(await school.get(f"/v1/trainees/{mine}", token=south)) == (403, "outside-area")
    assert refusal(await school.get(f"/v1/trainees/{uuid4()}")) == (404, "unknown-vendor")
    assert refusal(await school.get("/v1/sources")) == (403, "role-missing")
    assert refusal(await school.get("/v1/projections")) == (403, "role-missing")
    # the roster is for officers of the area, not for every vendor
    assert ok(await school.get(path, token=school.vendor(mine)))["roster"] is None
    assert ok(await school.get(path, token=south))["roster"] is None
    assert ok(await school.get(path))["roster"] == [{"vendor_id": str(mine), "attended": [], "result": None}]


async def test_a_vendor_enrols_itself_until_the_class_begins(school: School, clock: StandingClock) -> None:
    early, late = await school.register(2)
    class_id = await school.open_class()
    clock.moment = moment("2023-03-06T23:59")
    assert (await school.enrol(class_id, [early], token=school.vendor(early)))["enrolled"] == [str(early)]
    clock.moment = moment("2023-03-07T00:00")
    answer = await school.enrol(class_id, [late], token=school.vendor(late))
    assert [each["code"] for each in answer["refused"]] == ["class-closed"]
    assert (await school.enrol(class_id, [late]))["enrolled"] == [str(late)]


# --- reading


async def test_classes_are_listed_by_area_page_by_page(school: School) -> None:
    gambir = [await school.open_class(area=GAMBIR) for _ in range(3)]
    sawah_besar = await school.open_class()
    first = ok(await school.get(f"/v1/classes?area={GAMBIR}&limit=2"))
    second = ok(await school.get(f"/v1/classes?area={GAMBIR}&limit=2&after={first['next']}"))
    assert second["next"] is None
    found = [item["class_id"] for item in first["items"] + second["items"]]
    assert found == [str(class_id) for class_id in reversed(gambir)]
    everywhere = ok(await school.get("/v1/classes?area=31.71"))["items"]
    assert everywhere[0]["class_id"] == str(sawah_besar)
    assert len(everywhere) == 4
    assert ok(await school.get("/v1/classes?area=31.72"))["items"] == []
    assert refusal(await school.get("/v1/classes?after=nonsense")) == (422, "cursor-invalid")


async def test_a_training_record_tells_the_whole_story(school: School, clock: StandingClock) -> None:
    vendor = uuid4()
    await school.hear((registered(vendor, GAMBIR_KELURAHAN), 1))
    class_id = await school.open_class(area=GAMBIR)
    await school.enrol(class_id, [vendor])
    clock.moment = moment("2023-03-07T17:00")
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, [vendor])
    await school.finish(class_id)
    shown = ok(await school.get(f"/v1/trainees/{vendor}", token=school.vendor(vendor)))
    assert {name: shown[name] for name in ("vendor_id", "completed", "invitations", "enrolments")} == {
        "vendor_id": str(vendor),
        "completed": True,
        "invitations": [
            {"course": COURSE, "class_id": str(class_id), "invited_at": "2023-03-01T02:00:00Z"},
        ],
        "enrolments": [
            {
                "class_id": str(class_id),
                "course": COURSE,
                "title": f"Kelas {COURSE}",
                "days": ["2023-03-06", "2023-03-07"],
                "state": "finished",
                "sessions_attended": 2,
                "sessions_held": 2,
                "result": "completed",
                "completed_on": "2023-03-07",
            }
        ],
    }
    types = [event.type for event in await school.published() if event.key == vendor]
    assert types == ["TrainingInvited", "TrainingInvited", "TrainingEnrolled", "TrainingCompleted"]


# ---


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def assert_gapless(sequences: dict[UUID, list[int]]) -> None:
    for key, found in sequences.items():
        assert found == list(range(1, len(found) + 1)), key


async def completions(school: School) -> list[UUID]:
    """Vendors with a valid completion; checks that the published digest is theirs."""
    async with school.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id FROM enrolment WHERE result = 'completed'")
    vendors = sorted({row["vendor_id"] for row in rows})
    lines = "".join(f"{vendor}\n" for vendor in vendors)
    expected = {"count": len(vendors), "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    assert ok(await school.get("/v1/sources", token=school.operator())) == {"completions": expected}
    return vendors


@asynccontextmanager
async def counted(conn: Connection) -> AsyncIterator[list[str]]:
    """The statements a connection runs inside the block; writing one event and writing many pass for the same."""
    statements: list[str] = []

    def log(query: LoggedQuery) -> None:
        if "typeinfo" in query.query or "current_setting('jit')" in query.query:
            return  # the client's own, once for each connection: what a type of array is
        statements.append(outbox.INSERT_MANY if query.query == outbox.INSERT else query.query)

    conn.add_query_logger(log)
    yield statements
    conn.remove_query_logger(log)

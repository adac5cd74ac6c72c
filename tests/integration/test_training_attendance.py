"""Attendance on a real database: tickets, doors with several devices, lists, corrections, sheets; in any order."""

import asyncio
import io
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.training.app import create
from services.training.domain.attendance import CorrectAttendance, TakeAttendance
from services.training.domain.attendance_sheets import SheetRow
from services.training.domain.scans import SyncScans
from services.training.handlers.attendance import correct_attendance, take_attendance
from services.training.handlers.attendance_sheets import take_sheet
from services.training.handlers.classes import finish_class
from services.training.handlers.scans import sync_scans
from services.training.handlers.tickets import ISSUE, issuer
from services.training.store.attendance import find_seats
from services.training.store.rosters import find_roster
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from shared.tickets import read_keys, read_ticket
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar_day import Phone
from tests.integration.training import School, moment, ok

DAYS = (date(2023, 3, 6), date(2023, 3, 7))
MORNING, EVENING = moment("2023-03-06T09:00"), moment("2023-03-07T17:00")
MINUTE = timedelta(minutes=1)
A, B = Phone("phone-a"), Phone("phone-b")


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


async def issue_tickets(school: School) -> int:
    """Work off the timers that sign tickets; how many there were."""
    count = 0
    while await run_due(school.database, {ISSUE: issuer(school.sealer)}, school.clock.now()):
        count += 1
    return count


async def a_class(school: School, clock: StandingClock, number: int, **more: Any) -> tuple[UUID, list[UUID]]:
    """A class on its first morning, everybody with a ticket."""
    vendors = await school.register(number)
    class_id = await school.open_class(places=max(number, 1), **more)
    await school.enrol(class_id, vendors)
    await issue_tickets(school)
    clock.moment = MORNING
    return class_id, vendors


async def ticket(school: School, class_id: UUID, vendor_id: UUID) -> str:
    tickets = ok(await school.get(f"/v1/trainees/{vendor_id}/tickets", token=school.vendor(vendor_id)))["items"]
    (text,) = (one["ticket"] for one in tickets if one["class_id"] == str(class_id))
    return str(text)


async def sync(
    school: School, class_id: UUID, phone: Phone, *scans: dict[str, Any], sent_at: datetime | None = None
) -> dict[str, Any]:
    body = phone.sending(scans, sent_at or school.clock.now())
    return ok(await school.post(f"/v1/classes/{class_id}/check-ins/sync", body))


def typed(vendor_id: UUID, when: datetime) -> dict[str, Any]:
    return {"scan_id": str(uuid4()), "vendor_id": str(vendor_id), "scanned_at": when.isoformat()}


async def correct(school: School, class_id: UUID, vendor_id: UUID, day: date, present: bool) -> dict[str, Any]:
    body = {"vendor_id": str(vendor_id), "day": str(day), "present": present}
    return ok(await school.post(f"/v1/classes/{class_id}/attendance/corrections", body))


async def send_sheet(
    school: School, class_id: UUID, content: str | bytes, *, token: str | None = None, **params: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or school.officer()}", "Idempotency-Key": str(uuid4())}
    files = {"file": ("hadir.csv", content if isinstance(content, bytes) else content.encode(), "text/csv")}
    return await school.client.post(
        f"/v1/classes/{class_id}/attendance/sheet", files=files, headers=headers, params=params
    )


async def attended(school: School, class_id: UUID) -> dict[UUID, list[str]]:
    roster = ok(await school.get(f"/v1/classes/{class_id}"))["roster"]
    return {UUID(seat["vendor_id"]): seat["attended"] for seat in roster}


async def result(school: School, class_id: UUID, vendor_id: UUID, token: str | None = None) -> dict[str, Any]:
    return ok(await school.get(f"/v1/classes/{class_id}/results/{vendor_id}", token=token))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def codes(answer: dict[str, Any]) -> list[str]:
    return [one["code"] for one in answer["refused"]]


async def assert_no_gap(school: School) -> None:
    for key, found in (await school.sequences()).items():
        assert found == list(range(1, len(found) + 1)), key


# --- tickets


async def test_a_place_gives_a_ticket_that_anyone_can_check(school: School, clock: StandingClock) -> None:
    class_id, (first, second) = await a_class(school, clock, 2)
    own = school.vendor(first)
    (shown,) = ok(await school.get(f"/v1/trainees/{first}/tickets", token=own))["items"]
    document = (await school.client.get("/v1/tickets/keys")).json()
    found = read_ticket(shown["ticket"], read_keys(document))
    assert (found.kind, found.subject, found.event, found.days, found.serial) == (2, first, class_id, DAYS, 1)
    assert (found.spot, shown["number"]) == (shown["number"], found.spot)
    issued = await school.published("TrainingTicketIssued")
    assert {event.key: event.body["serial"] for event in issued} == {first: 1, second: 1}
    assert sorted(event.body["number"] for event in issued) == ["P1", "P2"]
    assert shown["ticket"] in {event.body["ticket"] for event in issued}
    image = await school.get(f"/v1/trainees/{first}/tickets/{class_id}.png", token=own)
    assert image.headers["cache-control"] == "private, no-store"
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(image.content)))
    assert code.text == shown["ticket"]
    drawing = await school.get(f"/v1/trainees/{first}/tickets/{class_id}.svg", token=own)
    assert b"<svg" in drawing.content
    for end in ("", f"/{class_id}.png", f"/{class_id}.svg"):
        door = f"/v1/trainees/{first}/tickets{end}"
        assert refusal(await school.get(door, token=school.vendor(second))) == (403, "not-own-data")
        assert refusal(await school.get(door, token=school.officer("31.74"))) == (403, "outside-area")
        assert (await school.client.get(door)).status_code == 401
    assert refusal(await school.get(f"/v1/trainees/{first}/tickets/{new_id()}.png")) == (404, "ticket-unknown")
    await assert_no_gap(school)


async def test_a_moved_class_and_a_place_given_anew_have_new_tickets_and_the_old_ones_are_void(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(3)
    class_id = await school.open_class(places=3)
    await school.enrol(class_id, vendors)
    assert await issue_tickets(school) == 1
    old = {vendor: await ticket(school, class_id, vendor) for vendor in vendors}
    clock.advance(hours=1)
    await school.enrol(class_id, vendors)
    assert await issue_tickets(school) == 0, "nobody got a place"
    await school.withdraw(class_id, vendors[1:])
    assert ok(await school.get(f"/v1/trainees/{vendors[1]}/tickets"))["items"] == []
    await school.enrol(class_id, [vendors[1]])
    assert ok(await school.get(f"/v1/trainees/{vendors[1]}/tickets"))["items"] == [], "its old one does not come back"
    assert await issue_tickets(school) == 1
    ok(await school.post(f"/v1/classes/{class_id}/move", {"days": ["2023-03-06", "2023-03-08"]}))
    await issue_tickets(school)
    new = {vendor: await ticket(school, class_id, vendor) for vendor in vendors[:2]}
    assert not set(new.values()) & set(old.values())
    serials = [(event.key, event.body["serial"]) for event in await school.published("TrainingTicketIssued")]
    assert serials[3] == (vendors[1], 2)
    assert sorted(serials[4:]) == sorted([(vendors[0], 2), (vendors[1], 3)])

    clock.moment = MORNING
    before_it_moved = A.scan(old[vendors[0]], moment("2023-03-01T09:30"))
    answer = await sync(
        school,
        class_id,
        A,
        A.scan(old[vendors[0]], MORNING),
        A.scan(old[vendors[2]], MORNING),
        A.scan(new[vendors[1]], MORNING),
        before_it_moved,
    )
    assert codes(answer) == ["ticket-void", "ticket-void"]
    assert answer["flagged"] == [before_it_moved["scan_id"]], "it counted when it was scanned, on no session's day"
    assert (await attended(school, class_id))[vendors[1]] == ["2023-03-06"]
    await assert_no_gap(school)


async def test_of_a_cancelled_class_nothing_is_scanned_and_nobody_has_a_ticket(
    school: School, clock: StandingClock
) -> None:
    class_id, (vendor,) = await a_class(school, clock, 1)
    scan = A.scan(await ticket(school, class_id, vendor), MORNING)
    assert (await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "venue"})).is_success
    assert ok(await school.get(f"/v1/trainees/{vendor}/tickets"))["items"] == []
    for path, body in (
        ("check-ins/sync", A.sending([scan], MORNING)),
        ("attendance", {"day": "2023-03-06", "vendor_ids": []}),
    ):
        assert refusal(await school.post(f"/v1/classes/{class_id}/{path}", body)) == (409, "class-not-held")


async def test_a_class_of_many_weeks_has_one_ticket_after_the_other(school: School, clock: StandingClock) -> None:
    days = [str(date(2023, 3, 6) + timedelta(days=7 * week)) for week in range(7)]
    _, (vendor,) = await a_class(school, clock, 1, days=days)
    (shown,) = ok(await school.get(f"/v1/trainees/{vendor}/tickets"))["items"]
    assert shown["days"] == days[:5]
    clock.moment = moment(f"{days[4]}T17:00")
    assert await issue_tickets(school) == 0
    clock.moment = moment("2023-04-04T00:00")
    assert await issue_tickets(school) == 1
    (shown,) = ok(await school.get(f"/v1/trainees/{vendor}/tickets"))["items"]
    assert (shown["days"], shown["serial"], shown["number"]) == (days[5:], 2, "P1")


async def test_tickets_asked_for_at_once_are_issued_once_with_numbers_of_their_own(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(16)
    class_id = await school.open_class(places=16)
    await school.crowd()

    async def enrol(vendor: UUID) -> None:
        await school.enrol(class_id, [vendor])
        await issue_tickets(school)

    await asyncio.gather(*(enrol(vendor) for vendor in vendors))
    await issue_tickets(school)
    async with school.database.read() as conn:
        rows = await conn.fetch("SELECT number, serial FROM class_ticket ORDER BY number")
        assert await conn.fetchval("SELECT count(*) FROM ticket_key") == 1
    assert [(row["number"], row["serial"]) for row in rows] == [(number, 1) for number in range(1, 17)]
    await assert_no_gap(school)


async def test_a_new_key_signs_and_the_old_one_still_checks(school: School, clock: StandingClock) -> None:
    class_id, (vendor,) = await a_class(school, clock, 1)
    old = await ticket(school, class_id, vendor)
    assert refusal(await school.post("/v1/tickets/keys")) == (403, "role-missing")
    made = ok(await school.post("/v1/tickets/keys", token=school.operator()), 201)
    document = (await school.client.get("/v1/tickets/keys")).json()
    assert document["keys"][0]["kid"] == made["key_id"]
    assert len(document["keys"]) == 2
    assert len((await sync(school, class_id, A, A.scan(old, MORNING)))["accepted"]) == 1


# --- scans


async def test_a_scan_counts_once_however_often_and_from_wherever_it_is_sent(
    school: School, clock: StandingClock
) -> None:
    class_id, (first, second) = await a_class(school, clock, 2)
    one = A.scan(await ticket(school, class_id, first), MORNING)
    assert (await sync(school, class_id, A, one))["accepted"] == [one["scan_id"]]
    again = B.scan(one["ticket"], MORNING - 5 * MINUTE)
    answer = await sync(school, class_id, B, one, again, typed(second, MORNING))
    assert (len(answer["accepted"]), answer["refused"], answer["flagged"]) == (3, [], [])
    assert await attended(school, class_id) == {first: ["2023-03-06"], second: ["2023-03-06"]}
    shown = ok(await school.get(f"/v1/classes/{class_id}/check-ins"))
    assert shown["days"] == [
        {"day": "2023-03-06", "attended": 2, "scans": 3, "taken": True},
        {"day": "2023-03-07", "attended": 0, "scans": 0, "taken": False},
    ]
    assert [(device["device_id"], device["accepted"]) for device in shown["devices"]] == [
        ("phone-a", 1),
        ("phone-b", 2),
    ]


async def test_forgeries_and_tickets_of_others_are_refused_and_listed_and_the_rest_counts(
    school: School, clock: StandingClock
) -> None:
    elsewhere, (stranger,) = await a_class(school, clock, 1)
    foreign = await ticket(school, elsewhere, stranger)
    clock.moment = moment("2023-03-01T09:00")
    class_id, (first, second) = await a_class(school, clock, 2, course="kelas-lain")
    good = await ticket(school, class_id, first)
    scans = [
        A.scan(good[:60] + ("A" if good[60] != "A" else "B") + good[61:], MORNING),
        A.scan("https://example.org/", MORNING),
        A.scan(foreign, MORNING),
        typed(stranger, MORNING),
        A.scan(good, MORNING),
    ]
    answer = await sync(school, class_id, A, *scans)
    wanted = ["ticket-forged", "ticket-malformed", "ticket-elsewhere", "not-enrolled"]
    assert (codes(answer), answer["accepted"]) == (wanted, [scans[-1]["scan_id"]])
    reused = A.scan(await ticket(school, class_id, second), MORNING, UUID(scans[-1]["scan_id"]))
    assert codes(await sync(school, class_id, A, *scans[:2], reused)) == [
        "ticket-forged",
        "ticket-malformed",
        "scan-id-reused",
    ]
    door, listed, after = f"/v1/classes/{class_id}/check-ins/refused", [], ""
    while True:
        page = ok(await school.get(f"{door}?limit=2{after}"))
        listed += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(one["code"] for one in listed) == sorted([*wanted, "scan-id-reused"])
    assert all(set(one) == {"scan_id", "device_id", "code", "received_at"} for one in listed)
    assert (await attended(school, class_id))[second] == []


async def test_a_clock_that_is_years_wrong_is_corrected_and_what_is_not_plausible_waits_for_an_officer(
    school: School, clock: StandingClock
) -> None:
    class_id, (first, second, third) = await a_class(school, clock, 3)
    wrong = timedelta(days=-3000)
    one = A.scan(await ticket(school, class_id, first), MORNING + wrong - 20 * MINUTE)
    assert len((await sync(school, class_id, A, one, sent_at=MORNING + wrong))["accepted"]) == 1
    odd = [B.scan(await ticket(school, class_id, vendor), MORNING + wrong) for vendor in (second, third)]
    assert (await sync(school, class_id, B, *odd))["flagged"] == [scan["scan_id"] for scan in odd]
    door = f"/v1/classes/{class_id}/check-ins/flagged"
    flagged = ok(await school.get(door))["items"]
    assert {row["because"] for row in flagged} == {"not-a-session-day"}
    second_scan, third_scan = (f"{door}/{scan['scan_id']}" for scan in odd)
    assert refusal(await school.post(f"{door}/{new_id()}", {"accept": True})) == (404, "scan-unknown")
    assert refusal(await school.post(second_scan, {"accept": True})) == (409, "no-such-session")
    itself = school.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=second)
    wish = {"accept": True, "day": "2023-03-06"}
    assert refusal(await school.post(second_scan, wish, token=itself)) == (403, "own-case")
    ok(await school.post(second_scan, wish))
    ok(await school.post(third_scan, {"accept": False}))
    assert await attended(school, class_id) == {first: ["2023-03-06"], second: ["2023-03-06"], third: []}
    answer = await sync(school, class_id, B, *odd)
    assert (answer["accepted"], answer["flagged"]) == ([odd[0]["scan_id"]], []), "an officer's word stands"
    assert refusal(await school.post(third_scan, {"accept": True})) == (404, "scan-unknown")


async def test_devices_that_send_at_once_leave_one_set(school: School, clock: StandingClock) -> None:
    class_id, vendors = await a_class(school, clock, 8)
    texts = [await ticket(school, class_id, vendor) for vendor in vendors]
    phones = [Phone(f"p{number}") for number in range(6)]
    chance, own = random.Random(5), {phone.name: [phone.scan(text, MORNING) for text in texts] for phone in phones}
    await school.crowd()

    async def send(phone: Phone) -> None:
        for _ in range(3):
            await sync(school, class_id, phone, *chance.sample(own[phone.name], 4))
        await sync(school, class_id, phone, *reversed(own[phone.name]))

    lists = [school.attend(class_id, "2023-03-06", vendors[:4]) for _ in range(3)]
    await asyncio.gather(*(send(phone) for phone in phones), *lists)
    present = {vendor for vendor, days in (await attended(school, class_id)).items() if days}
    assert present == set(vendors[:4]), "the list's word counts before the scans of the others"
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM class_scan") == 48
    shown = ok(await school.get(f"/v1/classes/{class_id}/attendance?day=2023-03-06&contradicted=true"))["items"]
    assert sorted(UUID(row["vendor_id"]) for row in shown) == sorted(vendors[4:])
    assert {(row["word"], row["source"], row["scans"]) for row in shown} == {(False, "list", 6)}


async def test_a_phone_that_comes_back_late_gives_the_completion(school: School, clock: StandingClock) -> None:
    class_id, (vendor, other) = await a_class(school, clock, 2)
    text, other_text = await ticket(school, class_id, vendor), await ticket(school, class_id, other)
    await sync(school, class_id, A, A.scan(text, MORNING), A.scan(other_text, MORNING))
    clock.moment = EVENING
    assert refusal(await school.post(f"/v1/classes/{class_id}/finish")) == (409, "attendance-missing")
    await sync(school, class_id, A, A.scan(other_text, EVENING - 60 * MINUTE))
    assert await school.finish(class_id) == {"completed": 1, "not_completed": 1}
    late = B.scan(text, EVENING - 60 * MINUTE)
    clock.advance(days=20)
    assert (await sync(school, class_id, B, late))["completed"] == [str(vendor)]
    clock.advance(days=11)
    body = B.sending([late], clock.now())
    assert refusal(await school.post(f"/v1/classes/{class_id}/check-ins/sync", body)) == (409, "sync-too-late")
    assert (await correct(school, class_id, vendor, DAYS[1], present=False))["not_completed"] == [str(vendor)]
    types = [
        event.type
        for event in await school.published("TrainingCompleted", "TrainingNotCompleted")
        if event.key == vendor
    ]
    assert types == ["TrainingNotCompleted", "TrainingCompleted", "TrainingNotCompleted"]
    await assert_no_gap(school)


async def test_the_page_of_the_door_holds_no_data_and_the_list_no_names(school: School, clock: StandingClock) -> None:
    class_id, vendors = await a_class(school, clock, 2)
    page = await school.client.get(f"/v1/classes/{class_id}/gate")
    policy = page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert '"kind": 2' in page.text
    assert "SETTING*/ null" not in page.text
    assert "Nomor" in page.text
    worker = await school.client.get(f"/v1/classes/{class_id}/gate-worker.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    door = f"/v1/classes/{class_id}/gate/list"
    shown = ok(await school.get(door))
    assert set(shown) == {"class_id", "title", "as_of", "scans_max", "keys", "sites"}
    (one,) = shown["sites"]
    assert (one["site_id"], one["days"]) == ("", [str(day) for day in DAYS])
    assert sorted(one["expected"][0]) == ["checked_in", "number", "serial", "vendor_id"]
    assert [row["number"] for row in one["expected"]] == ["P1", "P2"]
    assert sorted(row["vendor_id"] for row in one["expected"]) == sorted(map(str, vendors))
    assert (await school.client.get(door)).status_code == 401
    assert refusal(await school.get(door, token=school.officer("31.74"))) == (403, "outside-area")
    assert refusal(await school.get(door, token=school.vendor(vendors[0]))) == (403, "role-missing")
    assert (await school.client.get(f"/v1/classes/{new_id()}/gate")).status_code == 404


# --- words of people


async def test_the_last_word_of_a_person_counts_and_the_history_shows_all(school: School, clock: StandingClock) -> None:
    class_id, (vendor, other) = await a_class(school, clock, 2)
    await sync(school, class_id, A, A.scan(await ticket(school, class_id, vendor), MORNING))
    steps: list[tuple[Coroutine[Any, Any, Any], list[str]]] = [
        (school.attend(class_id, "2023-03-06", [other]), []),
        (correct(school, class_id, vendor, DAYS[0], present=True), ["2023-03-06"]),
        (send_sheet(school, class_id, f"vendor_id;2023-03-06\n{vendor};tidak\n"), []),
        (sync(school, class_id, B, typed(vendor, clock.now())), []),
        (school.attend(class_id, "2023-03-06", [vendor]), ["2023-03-06"]),
    ]
    for step, days in steps:
        clock.advance(minutes=5)
        await step
        assert (await attended(school, class_id))[vendor] == days
    shown = await result(school, class_id, vendor)
    assert [(one["source"], one["present"]) for one in shown["history"]] == [
        ("ticket", True),
        ("typed", True),
        ("list", False),
        ("officer", True),
        ("sheet", False),
        ("list", True),
    ]
    assert {one["by"] for one in shown["history"]} == {"phone-a", "phone-b", "officer-31.71"}
    own = await result(school, class_id, vendor, school.vendor(vendor))
    assert {one["by"] for one in own["history"]} == {None}
    (row, _) = sorted(
        ok(await school.get(f"/v1/classes/{class_id}/attendance?day=2023-03-06"))["items"],
        key=lambda row: row["vendor_id"] != str(vendor),
    )
    assert (row["attended"], row["word"], row["source"], row["scans"]) == (True, True, "list", 2)


async def test_officers_of_the_class_alone_say_who_was_there_and_none_of_its_own_case(
    school: School, clock: StandingClock
) -> None:
    class_id, (vendor, other) = await a_class(school, clock, 2)
    path = f"/v1/classes/{class_id}"
    one = {"vendor_id": str(vendor), "day": "2023-03-06", "present": True}
    wishes: list[tuple[str, dict[str, Any]]] = [
        ("attendance", {"day": "2023-03-06", "vendor_ids": []}),
        ("attendance/corrections", one),
        ("check-ins/sync", A.sending([typed(vendor, MORNING)], MORNING)),
        (f"check-ins/flagged/{new_id()}", {"accept": True}),
        ("scores", {"scores": [{"vendor_id": str(vendor), "score": 1}]}),
    ]
    itself = school.issuer.token("both", ["officer", "vendor"], area="31.71", vendor_id=vendor)
    for action, body in wishes:
        assert refusal(await school.post(f"{path}/{action}", body, token=school.officer("31.74"))) == (
            403,
            "outside-area",
        )
        assert refusal(await school.post(f"{path}/{action}", body, token=school.vendor(vendor))) == (
            403,
            "role-missing",
        )
    for action in ("attendance", "attendance/corrections", "scores"):
        assert refusal(await school.post(f"{path}/{action}", dict(wishes)[action], token=itself)) == (403, "own-case")
    answer = ok(await school.post(f"{path}/check-ins/sync", dict(wishes)["check-ins/sync"], token=itself))
    assert codes(answer) == ["own-case"]
    sheet = f"vendor_id;2023-03-06\n{vendor};x\n"
    assert refusal(await send_sheet(school, class_id, sheet, token=school.officer("31.74"))) == (403, "outside-area")
    assert refusal(await send_sheet(school, class_id, sheet, token=school.vendor(vendor))) == (403, "role-missing")
    told = await send_sheet(school, class_id, sheet, token=itself)
    assert refusal(told) == (422, "attendance-sheet-faulty")
    assert "yourself" in told.json()["details"]["faults"][0]["reason"]
    for action in (
        "attendance?day=2023-03-06",
        "attendance/sheet.csv",
        "check-ins",
        "check-ins/flagged",
        "check-ins/refused",
    ):
        assert (await school.get(f"{path}/{action}", token=school.officer("31.74"))).status_code == 403
        assert (await school.get(f"{path}/{action}", token=school.vendor(vendor))).status_code == 403
    assert refusal(await school.get(f"{path}/results/{vendor}", token=school.vendor(other))) == (403, "not-own-data")
    assert await attended(school, class_id) == {vendor: [], other: []}


async def test_a_person_is_marked_under_any_of_its_ids(school: School, clock: StandingClock) -> None:
    class_id, (vendor, other) = await a_class(school, clock, 2)
    (second_id,) = await school.register(1)
    await school.hear((VendorMerged(vendor_id=vendor, into=second_id, merge_id=new_id()), 2))
    await school.attend(class_id, "2023-03-06", [second_id])
    clock.moment = EVENING
    await correct(school, class_id, second_id, DAYS[1], present=True)
    assert await attended(school, class_id) == {vendor: ["2023-03-06", "2023-03-07"], other: []}
    assert (await result(school, class_id, second_id, school.vendor(second_id)))["vendor_id"] == str(vendor)
    shown = ok(await school.get(f"/v1/trainees/{second_id}/tickets", token=school.vendor(second_id)))
    assert [one["vendor_id"] for one in shown["items"]] == [str(vendor)]


async def test_who_comes_back_to_a_class_has_attended_what_it_attended(school: School, clock: StandingClock) -> None:
    class_id, (vendor, other) = await a_class(school, clock, 2)
    await school.attend(class_id, "2023-03-06", [vendor, other])
    await school.withdraw(class_id, [vendor])
    await school.enrol(class_id, [vendor])
    assert await attended(school, class_id) == {vendor: ["2023-03-06"], other: ["2023-03-06"]}


async def test_an_erased_person_leaves_nothing_even_where_it_is_marked_meanwhile(
    school: School, clock: StandingClock
) -> None:
    class_id, (vendor, _) = await a_class(school, clock, 2)
    await sync(school, class_id, A, A.scan(await ticket(school, class_id, vendor), MORNING))
    clock.moment = EVENING
    for day in ("2023-03-06", "2023-03-07"):
        await school.attend(class_id, day, [vendor])
    assert await school.finish(class_id) == {"completed": 1, "not_completed": 1}
    await school.crowd()
    erasure = school.hear((VendorErased(vendor_id=vendor, erasure_id=new_id()), 2))
    sections = ok(await school.get(f"/v1/vendors/{vendor}/data", token=school.vendor(vendor)))["sections"]
    assert [len(sections[name]["data"]) for name in ("attendance_marks", "scans", "tickets", "scores")] == [2, 1, 1, 0]

    async def mark(day: date) -> None:
        body = {"vendor_id": str(vendor), "day": str(day), "present": False}
        answer = await school.post(f"/v1/classes/{class_id}/attendance/corrections", body)
        assert answer.is_success or refusal(answer) == (409, "not-enrolled")

    await asyncio.gather(erasure, *(mark(day) for day in DAYS for _ in range(3)))
    async with school.database.read() as conn:
        for table in ("attendance", "attendance_mark", "class_scan", "class_ticket", "test_score"):
            count = await conn.fetchval(f"SELECT count(*) FROM {table} WHERE vendor_id = $1", vendor)  # noqa: S608 - names of ours
            assert count == 0, table
    await assert_no_gap(school)


# --- sheets


async def test_a_sheet_is_given_out_filled_and_taken_whole(school: School, clock: StandingClock) -> None:
    class_id, vendors = await a_class(school, clock, 3)
    clock.moment = EVENING
    await correct(school, class_id, vendors[0], DAYS[0], present=True)
    given = (await school.get(f"/v1/classes/{class_id}/attendance/sheet.csv")).text
    heading, *lines = given.splitlines()
    assert heading == "id_anggota;nomor;2023-03-06;2023-03-07"
    assert sorted(lines)[0].count("hadir") + sorted(lines)[1].count("hadir") + sorted(lines)[2].count("hadir") == 1
    filled = "\n".join([heading, *(line.rstrip(";hadir") + ";x;x" for line in lines)])
    trial = ok(await send_sheet(school, class_id, filled, dry_run=True))
    assert (trial["marks"], trial["present"]) == (6, {"2023-03-06": 3, "2023-03-07": 3})
    assert set(map(len, (await attended(school, class_id)).values())) == {0, 1}, "a dry run records nothing"
    assert refusal(await school.post(f"/v1/classes/{class_id}/finish")) == (409, "attendance-missing")
    for _ in range(2):
        answer = ok(await send_sheet(school, class_id, filled))
        assert (answer["marks"], answer["faults"]) == (6, [])
    assert await school.finish(class_id) == {"completed": 3, "not_completed": 0}
    nobody = "nomor;tanggal;hadir\nP2;07/03/2023;alpa\n"
    assert ok(await send_sheet(school, class_id, nobody))["not_completed"] != []


async def test_a_sheet_with_a_fault_is_refused_and_nothing_of_it_is_taken(school: School, clock: StandingClock) -> None:
    class_id, vendors = await a_class(school, clock, 2)
    stranger = new_id()
    sheet = (
        f"id_anggota;tanggal;hadir\n{vendors[0]};06/03/2023;x\n{stranger};06/03/2023;x\n{vendors[1]};08/03/2023;x\n"
        f"{vendors[1]};07/03/2023;x\nbukan-id;06/03/2023;barangkali"
    )
    told = await send_sheet(school, class_id, sheet)
    assert refusal(told) == (422, "attendance-sheet-faulty")
    faults = [(fault["line"], fault["field"], fault["value"]) for fault in told.json()["details"]["faults"]]
    assert faults == [
        (3, "vendor_id", str(stranger)),
        (4, "day", "2023-03-08"),
        (5, "day", "2023-03-07"),
        (6, "present", "(10 characters)"),
        (6, "vendor_id", "bukan-id"),
    ]
    trial = ok(await send_sheet(school, class_id, sheet, dry_run=True))
    assert [fault["line"] for fault in trial["faults"]] == [3, 4, 5, 6, 6]
    assert await attended(school, class_id) == {vendors[0]: [], vendors[1]: []}
    assert refusal(await send_sheet(school, class_id, b"nama;hadir\n")) == (422, "sheet-of-attendance")
    assert refusal(await send_sheet(school, class_id, b"PK\x03\x04nothing")) == (422, "workbook-unreadable")


# --- any order


class RollBack(Exception):
    """What was done is looked at, and forgotten."""


WHO, WHEN = st.integers(0, 2), st.sampled_from(DAYS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("scan"), WHO, WHEN, st.integers(0, 1)),
        st.tuples(st.just("list"), WHEN, st.sets(WHO)),
        st.tuples(st.just("correct"), WHO, WHEN, st.booleans()),
        st.tuples(st.just("sheet"), st.dictionaries(st.tuples(WHO, WHEN), st.booleans(), min_size=1)),
        st.tuples(st.just("finish")),
    ),
    min_size=1,
    max_size=14,
)


async def test_in_whatever_order_scans_lists_corrections_sheets_and_finishes_come_the_final_facts_decide(
    school: School, clock: StandingClock
) -> None:
    class_id, vendors = await a_class(school, clock, 3)
    texts = [await ticket(school, class_id, vendor) for vendor in vendors]
    clock.moment = EVENING
    now = clock.now()
    hours = {DAYS[0]: MORNING, DAYS[1]: EVENING - 60 * MINUTE}
    phones = [Phone("a"), Phone("b")]
    scans = {
        (who, day, at): phone.scan(texts[who], hours[day] + at * MINUTE)
        for who in range(3)
        for day in DAYS
        for at, phone in enumerate(phones)
    }

    async def take(conn: Connection, step: tuple[Any, ...]) -> None:
        match step:
            case "scan", who, day, at:
                sending = phones[at].sending([scans[who, day, at]], now)
                command = SyncScans.model_validate(sending)
                await sync_scans(conn, class_id, command, account="officer", own=(), now=now)
            case "list", day, present:
                wish = TakeAttendance(day=day, vendor_ids=[vendors[who] for who in present])
                await take_attendance(conn, class_id, wish, taken_by="officer", now=now)
            case "correct", who, day, present:
                one = CorrectAttendance(vendor_id=vendors[who], day=day, present=present)
                await correct_attendance(conn, class_id, one, corrected_by="officer", now=now)
            case "sheet", marks:
                rows = [SheetRow(2, vendors[who], None, ((day, said),)) for (who, day), said in marks.items()]
                await take_sheet(conn, class_id, rows, [], own=(), taken_by="officer", dry_run=False, now=now)
            case _:
                with suppress(Refused):
                    await finish_class(conn, class_id, now=now)

    async def play(steps: Sequence[tuple[Any, ...]]) -> tuple[dict[UUID, Any], dict[UUID, list[str]], bool]:
        found: Any = None
        with suppress(RollBack):
            async with school.database.transaction() as conn:
                for step in steps:
                    await take(conn, step)
                roster = {one.vendor_id: (set(one.attended), one.result) for one in await find_roster(conn, class_id)}
                rows = await conn.fetch(
                    "SELECT key, type FROM outbox WHERE type LIKE 'Training%Completed' ORDER BY seq"
                )
                told: dict[UUID, list[str]] = {vendor: [] for vendor in vendors}
                for row in rows:
                    told[UUID(row["key"])].append(row["type"])
                versions = await conn.fetch("SELECT vendor_id, version FROM trainee")
                counts = await conn.fetch(
                    "SELECT key, count(*) AS events FROM outbox WHERE key = ANY($1) GROUP BY key",
                    [str(vendor) for vendor in vendors],
                )
                assert {str(row["vendor_id"]): row["version"] for row in versions} == {
                    row["key"]: row["events"] for row in counts
                }
                assert set(await find_seats(conn, class_id)) == set(vendors)
                state = await conn.fetchval("SELECT state FROM training_class WHERE class_id = $1", class_id)
                found = roster, told, state == "finished"
                raise RollBack
        assert found is not None
        return found  # type: ignore[no-any-return]  # set inside the transaction

    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def check(steps: list[tuple[Any, ...]]) -> None:
        roster, told, over = asyncio.run_coroutine_threadsafe(play([*steps, ("finish",)]), loop).result()
        words: dict[tuple[int, date], bool] = {}
        scanned: set[tuple[int, date]] = set()
        for step in steps:
            match step:
                case "scan", who, day, _:
                    scanned.add((who, day))
                case "list", day, present:
                    words |= {(who, day): who in present for who in range(3)}
                case "correct", who, day, said:
                    words[who, day] = said
                case "sheet", marks:
                    words |= marks
        for who, vendor in enumerate(vendors):
            there = {day for day in DAYS if words.get((who, day), (who, day) in scanned)}
            wanted = ("completed" if len(there) == 2 else "not-completed") if over else None
            assert roster[vendor] == (there, wanted)
            assert all(one != other for one, other in zip(told[vendor], told[vendor][1:], strict=False))
            last = {"completed": ["TrainingCompleted"], "not-completed": ["TrainingNotCompleted"], None: []}[wanted]
            assert told[vendor][-1:] == last

    await asyncio.to_thread(check)


async def test_how_a_vendor_stands_is_explained_before_the_class_is_over(school: School, clock: StandingClock) -> None:
    class_id, (vendor,) = await a_class(school, clock, 1)
    await school.attend(class_id, "2023-03-06", [vendor])
    shown = await result(school, class_id, vendor, school.vendor(vendor))
    assert shown["explanation"] == {
        "id": "Hadir 1 dari 2 pertemuan; yang diperlukan 2. Kurang 1 pertemuan. Kelas belum selesai; ini keadaan "
        "sejauh ini.",
        "en": "Attended 1 of 2 sessions; 2 are needed. 1 more needed. The class is not over; this is how it stands.",
    }
    assert (shown["missed"], shown["lacks"], shown["rule"]["version"]) == (["2023-03-07"], ["sessions"], 1)

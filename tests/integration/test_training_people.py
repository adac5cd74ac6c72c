"""People in training: moved, merged and un-merged, erased; in any order, and two things at once."""

import asyncio
import json
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from services.training.app import create
from services.training.handlers.assignments import assign
from services.training.handlers.vendors import erase_vendors
from services.training.store.classes import lock_class
from services.training.store.registry import save_addresses
from services.training.store.trainees import lock_trainees
from shared import dead_letters
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCategoryCleared,
    VendorCoached,
    VendorCoachingEnded,
    VendorEvent,
    VendorMerged,
    VendorMoved,
    VendorUnmerged,
)
from shared.ids import new_id
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import (
    COURSE,
    GAMBIR,
    GAMBIR_KELURAHAN,
    KARANG_ANYAR,
    SAWAH_BESAR,
    School,
    moment,
    ok,
    registered,
)

DAYS = ("2023-03-06", "2023-03-07")


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


class Registry:
    """Tells the school of vendors, each event with the next version of its vendor."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.versions: dict[UUID, int] = defaultdict(int)

    async def tells(self, *events: VendorEvent) -> None:
        numbered = []
        for event in events:
            self.versions[event.vendor_id] += 1
            numbered.append((event, self.versions[event.vendor_id]))
        await self.school.hear(*numbered)

    async def register(self, number: int, kelurahan: str = KARANG_ANYAR) -> list[UUID]:
        vendors = [new_id() for _ in range(number)]
        await self.tells(*(registered(vendor, kelurahan) for vendor in vendors))
        return vendors


@pytest.fixture
def registry(school: School) -> Registry:
    return Registry(school)


def merged(vendor_id: UUID, into: UUID) -> VendorMerged:
    return VendorMerged(vendor_id=vendor_id, into=into, merge_id=new_id())


def unmerged(vendor_id: UUID, out_of: UUID) -> VendorUnmerged:
    return VendorUnmerged(vendor_id=vendor_id, out_of=out_of, merge_id=new_id())


def erased(vendor_id: UUID) -> VendorErased:
    return VendorErased(vendor_id=vendor_id, erasure_id=new_id())


async def rows(school: School, table: str) -> list[dict[str, Any]]:
    async with school.database.read() as conn:
        return [dict(row) for row in await conn.fetch(f'TABLE "{table}"')]


async def invited(school: School) -> list[tuple[UUID, str | None]]:
    return [(event.key, event.body["class_id"]) for event in await school.published("TrainingInvited")]


async def hold(school: School, clock: StandingClock, class_id: UUID, attended: dict[str, list[UUID]]) -> None:
    """Hold every session of a class and finish it."""
    for day in DAYS:
        clock.moment = moment(f"{day}T17:00")
        await school.attend(class_id, day, attended.get(day, []))
    await school.finish(class_id)


# --- where somebody lives


async def test_a_vendor_that_moved_is_invited_where_it_lives_now(school: School, registry: Registry) -> None:
    (vendor,) = await registry.register(1)
    await registry.tells(VendorMoved(vendor_id=vendor, kelurahan=GAMBIR_KELURAHAN, rw="001", rt="001"))
    await school.open_class(area=SAWAH_BESAR)
    nearby = await school.open_class(area=GAMBIR)
    assert await invited(school) == [(vendor, None), (vendor, str(nearby))]


async def test_a_category_and_a_coach_are_forgotten_again(school: School, registry: Registry) -> None:
    one, other = await registry.register(2)
    await registry.tells(
        *(VendorCategoryChosen(vendor_id=vendor, category="health") for vendor in (one, other)),
        *(VendorCoached(vendor_id=vendor, agency="kpkp") for vendor in (one, other)),
        VendorCategoryCleared(vendor_id=one),
        VendorCoachingEnded(vendor_id=one, previous_agency="kpkp"),
    )
    found = {row["vendor_id"]: (row["category"], row["agency"]) for row in await rows(school, "vendor")}
    assert found == {one: (None, None), other: ("health", "kpkp")}


async def test_an_older_move_changes_nothing(school: School) -> None:
    vendor = new_id()
    await school.hear((registered(vendor), 1))
    await school.hear((VendorMoved(vendor_id=vendor, kelurahan=GAMBIR_KELURAHAN, rw="002", rt="001"), 3))
    older = VendorMoved(vendor_id=vendor, kelurahan=KARANG_ANYAR, rw="009", rt="001")
    async with school.database.transaction() as conn:
        assert await save_addresses(conn, [(older, 2)]) == {vendor}
    (row,) = await rows(school, "vendor")
    assert (row["kelurahan"], row["rw"]) == (GAMBIR_KELURAHAN, "002")


# --- merges


async def test_of_a_person_that_waits_twice_the_surviving_id_is_invited(school: School, registry: Registry) -> None:
    retired, survivor, stranger = await registry.register(3)
    await registry.tells(merged(retired, survivor))
    class_id = await school.open_class()
    assert set(await invited(school)) == {
        (retired, None),
        (survivor, None),
        (stranger, None),
        (survivor, str(class_id)),
        (stranger, str(class_id)),
    }


async def test_a_person_invited_to_a_class_under_one_id_is_not_invited_under_the_other(
    school: School, registry: Registry
) -> None:
    (retired,) = await registry.register(1)
    first = await school.open_class()
    (survivor,) = await registry.register(1, GAMBIR_KELURAHAN)
    await registry.tells(merged(retired, survivor))
    await school.open_class(area=GAMBIR)
    assert await invited(school) == [(retired, None), (retired, str(first)), (survivor, None)]


async def test_who_registers_as_a_person_known_already_is_not_invited_again(school: School, registry: Registry) -> None:
    (survivor,) = await registry.register(1)
    newcomer = new_id()
    registry.versions[newcomer] = 1
    await registry.tells(merged(newcomer, survivor))
    await school.hear((registered(newcomer), 1), partition=1)  # the registration was set aside, and comes late
    assert await invited(school) == [(survivor, None)]


async def test_who_was_passed_over_as_somebody_else_is_invited_once_that_was_a_mistake(
    school: School, registry: Registry
) -> None:
    survivor, newcomer = new_id(), new_id()
    await registry.tells(registered(survivor), merged(newcomer, survivor))
    await school.hear((registered(newcomer), 9), partition=1)
    registry.versions[newcomer] = 9
    await registry.tells(unmerged(newcomer, survivor))
    assert await invited(school) == [(survivor, None), (newcomer, None)]
    class_id = await school.open_class()
    assert set((await invited(school))[2:]) == {(survivor, str(class_id)), (newcomer, str(class_id))}
    assert all(found == list(range(1, len(found) + 1)) for found in (await school.sequences()).values())


async def test_a_completion_under_one_id_is_the_persons(
    school: School, registry: Registry, clock: StandingClock
) -> None:
    retired, survivor = await registry.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [retired])
    await hold(school, clock, class_id, {key: [retired] for key in DAYS})
    await registry.tells(merged(retired, survivor))
    later = await school.open_class(days=["2023-04-03"])

    answer = await school.enrol(later, [survivor])

    assert [one["code"] for one in answer["refused"]] == ["already-completed"]
    record = ok(await school.get(f"/v1/trainees/{survivor}", token=school.vendor(survivor)))
    assert record["completed"]
    assert [one["class_id"] for one in record["enrolments"]] == [str(class_id)]
    await registry.tells(unmerged(retired, survivor))
    assert (await school.enrol(later, [survivor]))["enrolled"] == [str(survivor)]
    assert not ok(await school.get(f"/v1/trainees/{survivor}"))["completed"]


async def test_a_person_has_one_place_in_a_course_under_whichever_id(school: School, registry: Registry) -> None:
    one, other, retired, survivor = await registry.register(4)
    class_id = await school.open_class()
    await school.enrol(class_id, [one])
    await registry.tells(merged(one, other), merged(retired, survivor))
    answer = await school.enrol(class_id, [other, retired, survivor])
    assert answer["enrolled"] == [str(retired)]
    assert [(one["vendor_id"], one["code"]) for one in answer["refused"]] == [
        (str(other), "already-enrolled"),
        (str(survivor), "already-enrolled"),
    ]


async def test_places_taken_before_a_merge_stay(school: School, registry: Registry, clock: StandingClock) -> None:
    one, other = await registry.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [one, other])
    await registry.tells(merged(one, other))
    await hold(school, clock, class_id, {day: [one] for day in DAYS})
    assert [event.key for event in await school.published("TrainingCompleted")] == [one]
    assert [event.key for event in await school.published("TrainingNotCompleted")] == [other]


async def test_a_merge_and_its_unmerge_leave_everything_as_it_was(school: School, registry: Registry) -> None:
    vendors = await registry.register(4)
    await school.enrol(await school.open_class(), vendors[:2])
    tables = ("vendor", "trainee", "invitation", "enrolment", "merge", "family")

    async def state() -> Any:
        return [await rows(school, table) for table in tables], await school.published()

    before = await state()
    await registry.tells(merged(vendors[0], vendors[1]), merged(vendors[1], vendors[3]), merged(vendors[2], vendors[3]))
    assert len(await rows(school, "family")) == 4
    await registry.tells(unmerged(vendors[1], vendors[3]), unmerged(vendors[2], vendors[3]))
    assert len(await rows(school, "family")) == 2
    await registry.tells(unmerged(vendors[0], vendors[1]))
    assert await state() == before


# --- erasures


async def test_a_place_in_a_running_class_is_given_up(school: School, registry: Registry, clock: StandingClock) -> None:
    gone, stays, waiting = await registry.register(3)
    class_id = await school.open_class(places=2)
    await school.enrol(class_id, [gone, stays])
    clock.moment = moment("2023-03-06T17:00")
    await school.attend(class_id, DAYS[0], [gone, stays])
    event = erased(gone)

    await registry.tells(event)

    (receipt,) = await school.published("TrainingDataErased")
    assert (receipt.key, receipt.sequence) == (event.erasure_id, 1)
    assert {kind: count for kind, count in receipt.body["erased"].items() if count} == {
        "vendor_copies": 1,
        "invitations": 1,
        "attendances": 1,
        "attendance_marks": 1,
        "enrolments": 1,
    }
    assert not any(receipt.body["kept"].values())
    assert (await school.enrol(class_id, [waiting]))["enrolled"] == [str(waiting)]
    clock.moment = moment("2023-03-07T17:00")
    await school.attend(class_id, DAYS[1], [stays])
    assert await school.finish(class_id) == {"completed": 1, "not_completed": 1}
    assert gone not in {event.key for event in await school.published("TrainingNotCompleted")}
    assert [row["attended"] for row in await rows(school, "attendance_list")] == [2, 1], "the list stays as a count"


async def test_a_finished_class_keeps_its_figures_without_the_person(
    school: School, registry: Registry, clock: StandingClock
) -> None:
    gone, stays = await registry.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [gone, stays])
    await hold(school, clock, class_id, {key: [gone, stays] for key in DAYS})
    source = ok(await school.get("/v1/sources", token=school.operator()))["completions"]["count"]

    await registry.tells(erased(gone))

    assert source == 2
    assert ok(await school.get("/v1/sources", token=school.operator()))["completions"]["count"] == 1
    (receipt,) = await school.published("TrainingDataErased")
    kept = {kind: count for kind, count in receipt.body["kept"].items() if count}
    assert (kept, receipt.body["erased"]["attendances"]) == ({"enrolments": 1}, 2)
    shown = ok(await school.get(f"/v1/classes/{class_id}"))
    assert (shown["taken"], [seat["vendor_id"] for seat in shown["roster"]]) == (2, [str(stays)])
    assert await school.finish(class_id) == {"completed": 2, "not_completed": 0}
    assert [row["sessions_attended"] for row in await rows(school, "enrolment") if row["vendor_id"] == gone] == [2]
    # a correction of the day judges nobody who is gone
    await school.attend(class_id, DAYS[0], [stays])
    assert not await school.published("TrainingNotCompleted")
    refused = await school.post(
        f"/v1/classes/{class_id}/attendance", {"day": DAYS[0], "vendor_ids": [str(gone), str(stays)]}
    )
    assert refused.json()["code"] == "not-enrolled"


async def test_an_erasure_is_answered_once(school: School, registry: Registry) -> None:
    (vendor,) = await registry.register(1)
    await registry.tells(erased(vendor))
    await registry.tells(erased(vendor))
    assert len(await school.published("TrainingDataErased")) == 1


async def test_nothing_that_comes_late_brings_an_erased_person_back(school: School, registry: Registry) -> None:
    vendor, survivor = new_id(), new_id()
    await registry.tells(erased(vendor))
    await registry.tells(
        registered(vendor),
        VendorCategoryChosen(vendor_id=vendor, category="health"),
        VendorCoached(vendor_id=vendor, agency="kpkp"),
        VendorMoved(vendor_id=vendor, kelurahan=GAMBIR_KELURAHAN, rw="001", rt="001"),
        merged(vendor, survivor),
        unmerged(vendor, survivor),
    )
    for table in ("vendor", "trainee", "invitation", "merge", "family", "dead_letter"):
        assert await rows(school, table) == [], table
    assert [event.type for event in await school.published()] == ["TrainingDataErased"]
    answer = await school.enrol(await school.open_class(), [vendor])
    assert [one["code"] for one in answer["refused"]] == ["unknown-vendor"]


async def test_an_erased_person_that_waited_is_invited_no_more_and_may_not_enrol(
    school: School, registry: Registry
) -> None:
    gone, stays = await registry.register(2)
    await registry.tells(erased(gone))
    class_id = await school.open_class()
    assert [key for key, where in await invited(school) if where == str(class_id)] == [stays]
    assert [one["code"] for one in (await school.enrol(class_id, [gone]))["refused"]] == ["unknown-vendor"]
    assert (await school.get(f"/v1/trainees/{gone}")).status_code == 404
    assert ok(await school.get("/v1/projections", token=school.operator()))["vendors"]["count"] == 1


async def test_enrolling_and_erasing_at_once_leave_no_place(school: School, registry: Registry) -> None:
    vendors = await registry.register(8)
    class_id = await school.open_class()
    await school.crowd()

    async def erase(vendor: UUID) -> None:
        async with school.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor)], now=school.clock.now())

    await asyncio.gather(
        *(school.enrol(class_id, [vendor]) for vendor in vendors), *(erase(vendor) for vendor in vendors)
    )
    assert await rows(school, "enrolment") == []
    assert len(await school.published("TrainingDataErased")) == 8


async def test_two_batches_that_erase_people_of_the_same_classes_crosswise_wait_in_line(
    school: School, registry: Registry
) -> None:
    """Each batch erases twice, with other news between: what it locked first the other wants second."""
    first, second, third, fourth = await registry.register(4)
    one, other = await school.open_class(), await school.open_class(course="ekspor")
    await school.enrol(one, [first, fourth])
    await school.enrol(other, [second, third])

    async def erase(*vendors: UUID) -> None:
        async with school.database.transaction() as conn:
            for vendor in vendors:
                await erase_vendors(conn, [erased(vendor)], now=school.clock.now())

    async with school.database.transaction() as conn:
        await erase_vendors(conn, [erased(first)], now=school.clock.now())
        crosswise = asyncio.create_task(erase(third, fourth))
        done, _ = await asyncio.wait([crosswise], timeout=0.2)
        assert not done
        await erase_vendors(conn, [erased(second)], now=school.clock.now())
    await crosswise
    assert await rows(school, "enrolment") == []
    assert len(await school.published("TrainingDataErased")) == 4


async def test_people_erased_together_are_locked_as_officers_lock(school: School, registry: Registry) -> None:
    """Classes before trainees, for all of them: who is in a later class may be judged there meanwhile."""
    low, high = await registry.register(2)
    one, other = await school.open_class(), await school.open_class(course="ekspor")
    await school.enrol(one, [low])
    await school.enrol(other, [low, high])

    async def erase() -> None:
        async with school.database.transaction() as conn:
            await erase_vendors(conn, [erased(low), erased(high)], now=school.clock.now())

    async with school.database.transaction() as conn:
        await lock_class(conn, other)
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
        assert set(await lock_trainees(conn, [low, high])) == {low, high}
    await erasing
    assert await rows(school, "enrolment") == []


async def test_a_mentor_who_is_erased_is_locked_with_its_vendors_in_the_order_of_ids(
    school: School, registry: Registry
) -> None:
    low, high = sorted(await registry.register(2))
    body = {"kind": "employed", "name": "Rina Contoh", "agency": "ppkukm", "areas": ["31.71"], "load_max": 9}
    mentor_id = UUID(ok(await school.post("/v1/mentors", {**body, "fields": []}), 201)["mentor_id"])
    async with school.database.transaction() as conn:
        await conn.execute("UPDATE mentor SET vendor_id = $2 WHERE mentor_id = $1", mentor_id, low)
        await assign(conn, high, mentor_id, kind="employed", by="officer", now=school.clock.now())

    async def erase() -> None:
        async with school.database.transaction() as conn:
            await erase_vendors(conn, [erased(low)], now=school.clock.now())

    async with school.database.transaction() as conn:
        await lock_trainees(conn, [low])
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
        assert set(await lock_trainees(conn, [high])) == {high}
    await erasing
    (parted,) = await school.published("MentorUnassigned")
    assert (parted.key, parted.body["because"]) == (high, "mentor-left")


async def test_whatever_is_kept_of_a_person_is_found_by_an_index(school: School) -> None:
    """Else erasing each one of many looks through all there is."""
    async with school.database.read() as conn:
        rows = await conn.fetch(
            """
            SELECT c.table_name FROM information_schema.columns c
            WHERE c.table_schema = 'public' AND c.column_name = 'vendor_id' AND NOT EXISTS (
                SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = c.table_name::regclass AND a.attname = 'vendor_id')
            """
        )
    # a list of those to be looked at, worked off within minutes
    assert {row["table_name"] for row in rows} == {"graduation_due"}


async def test_finishing_a_class_and_erasing_at_once_disturb_nobody(
    school: School, registry: Registry, clock: StandingClock
) -> None:
    vendors = await registry.register(6)
    class_id = await school.open_class()
    await school.enrol(class_id, vendors)
    for day in DAYS:
        clock.moment = moment(f"{day}T17:00")
        await school.attend(class_id, day, vendors)
    await school.crowd()

    async def erase() -> None:
        async with school.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor) for vendor in vendors[:3]], now=school.clock.now())

    figures, _ = await asyncio.gather(school.finish(class_id), erase())
    kept = await rows(school, "enrolment")
    assert figures["completed"] in (3, 6)
    assert len(kept) == figures["completed"]
    assert await rows(school, "attendance") != []
    assert {row["vendor_id"] for row in await rows(school, "attendance")} == set(vendors[3:])
    assert all(found == list(range(1, len(found) + 1)) for found in (await school.sequences()).values())


async def test_who_is_erased_after_the_roster_was_read_is_judged_no_more(
    school: School, registry: Registry, clock: StandingClock
) -> None:
    """The record is closed first, whatever else of the erasure is still to come."""
    gone, stays = await registry.register(2)
    class_id = await school.open_class()
    await school.enrol(class_id, [gone, stays])
    async with school.database.transaction() as conn:
        await conn.execute("UPDATE trainee SET erased_at = now() WHERE vendor_id = $1", gone)
    await hold(school, clock, class_id, {day: [gone, stays] for day in DAYS})
    assert [event.key for event in await school.published("TrainingCompleted")] == [stays]


async def test_dead_letters_of_an_erased_person_are_wiped_and_given_up(school: School, registry: Registry) -> None:
    gone, other = new_id(), new_id()
    for vendor in (gone, other):
        record = school.record(registered(vendor), 1)
        async with school.database.transaction() as conn:
            await dead_letters.add(
                conn, school.sealer, record, message_type="VendorRegistered", state="failed", now=school.clock.now()
            )
    await registry.tells(erased(gone))
    letters = {row["key"].decode(): row for row in await rows(school, "dead_letter")}
    assert (letters[str(gone)]["value"], letters[str(gone)]["state"]) == (None, "discarded")
    assert letters[str(other)]["state"] == "failed"
    assert letters[str(other)]["value"] is not None


# --- a person's own data


async def test_a_person_sees_all_that_is_kept_under_each_of_its_ids_and_nothing_of_others(
    school: School, registry: Registry, clock: StandingClock
) -> None:
    retired, survivor, stranger = await registry.register(3)
    class_id = await school.open_class()
    await school.enrol(class_id, [retired, stranger])
    clock.moment = moment("2023-03-06T17:00")
    await school.attend(class_id, DAYS[0], [retired, stranger])
    await registry.tells(merged(retired, survivor))

    shown = ok(await school.get(f"/v1/vendors/{survivor}/data", token=school.vendor(survivor)))

    assert shown["registrations_of_the_person"] == [str(survivor), str(retired)]
    sections = {name: section["data"] for name, section in shown["sections"].items()}
    assert [one["class_id"] for one in sections["enrolments"]] == [str(class_id)]
    assert [(one["vendor_id"], one["day"]) for one in sections["attendances"]] == [(str(retired), DAYS[0])]
    assert len(sections["invitations"]) == len(sections["registration_copy"]) == 2
    assert str(stranger) not in json.dumps(shown)
    assert {one["course"] for one in sections["invitations"]} == {COURSE}


async def test_a_persons_data_is_for_the_person_and_a_registrar_of_its_area(school: School, registry: Registry) -> None:
    vendor, other = await registry.register(2)
    door = f"/v1/vendors/{vendor}/data"

    def registrar(area: str) -> str:
        return school.issuer.token("registrar", ["officer", "registrar"], area=area)

    for token, status, code in (
        (school.vendor(other), 403, "not-own-data"),
        (school.officer(), 403, "role-missing"),
        (school.operator(), 403, "not-own-data"),
        (registrar("31.72"), 404, "vendor-unknown"),
    ):
        answer = await school.get(door, token=token)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    ok(await school.get(door, token=registrar("31.71")))
    await registry.tells(erased(vendor))
    for token in (school.vendor(vendor), registrar("31.71")):
        assert (await school.get(door, token=token)).status_code == 404

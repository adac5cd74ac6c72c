"""Waiting lists that follow the person, on a real database, through the HTTP doors."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.training.app import create
from services.training.handlers.demand import ask_for_course
from services.training.handlers.promotion import PROMOTE
from services.training.handlers.reminders import BEGIN, begin_class
from services.training.handlers.seating import promote_waiting
from services.training.store import classes, waiting
from shared.auth import LocalIssuer
from shared.clock import day_in_jakarta
from shared.crypto import Sealer
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorMoved, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import COURSE, GAMBIR, GAMBIR_KELURAHAN, SAWAH_BESAR, School, moment, ok

TIMERS = {PROMOTE: promote_waiting, BEGIN: begin_class}
LATER = ["2023-03-20", "2023-03-21"]


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


async def work_off(school: School) -> None:
    """Work off the timers that are due."""
    while await run_due(school.database, TIMERS, school.clock.now()):
        pass


async def roster(school: School, class_id: UUID) -> list[UUID]:
    """Who has a place."""
    return [UUID(seat["vendor_id"]) for seat in ok(await school.get(f"/v1/classes/{class_id}"))["roster"]]


async def queue(school: School, class_id: UUID) -> list[UUID]:
    """Who would get a place, the next first."""
    items = ok(await school.get(f"/v1/classes/{class_id}/waiting"))["items"]
    return [UUID(item["vendor_id"]) for item in items]


async def told(school: School, vendor_id: UUID) -> list[str]:
    """What a vendor was told, without invitations."""
    return [e.type for e in await school.published() if e.key == vendor_id and e.type != "TrainingInvited"]


async def wait_for(school: School, clock: StandingClock, class_id: UUID, vendors: Sequence[UUID]) -> None:
    """Have vendors ask one after another, to wait where the class is full."""
    for vendor in vendors:
        clock.advance(minutes=1)
        await school.enrol(class_id, [vendor], token=school.vendor(vendor), waitlist=True)


def assert_gapless(sequences: dict[UUID, list[int]]) -> None:
    for key, found in sequences.items():
        assert found == list(range(1, len(found) + 1)), key


# --- waiting


async def test_of_many_who_ask_at_once_one_gets_the_last_place_and_each_other_a_place_in_line(
    school: School,
) -> None:
    vendors = await school.register(60)
    class_id = await school.open_class(places=1)
    await school.crowd()
    answers = await asyncio.gather(
        *(school.enrol(class_id, [vendor], token=school.vendor(vendor), waitlist=True) for vendor in vendors)
    )
    assert sum(len(answer["enrolled"]) for answer in answers) == 1
    assert sorted(one["place"] for answer in answers for one in answer["waiting"]) == list(range(1, 60))
    assert len(await queue(school, class_id)) == 50, "a page"
    assert_gapless(await school.sequences())


async def test_a_place_given_up_goes_to_whoever_waits_the_longest(school: School, clock: StandingClock) -> None:
    first, second, third, fourth = await school.register(4)
    class_id = await school.open_class(places=1, hours={"starts": "09:00", "ends": "12:00"}, venue="RPTRA")
    await wait_for(school, clock, class_id, [first, third, second])
    refused = await school.enrol(class_id, [fourth])
    assert [one["code"] for one in refused["refused"]] == ["class-full"]
    assert (await school.withdraw(class_id, [first], token=school.vendor(first)))["withdrawn"] == [str(first)]
    assert await roster(school, class_id) == [third]
    assert await queue(school, class_id) == [second]
    event = (await school.published("TrainingEnrolled"))[-1]
    assert (event.key, event.body["promoted"], event.body["venue"]) == (third, True, "RPTRA")
    assert event.body["starts_at"][0] == "2023-03-06T09:00:00+07:00"
    waits = ok(await school.get(f"/v1/trainees/{second}/waiting", token=school.vendor(second)))["items"]
    assert [(one["course"], one["class_id"], one["place"]) for one in waits] == [(COURSE, str(class_id), 1)]
    await school.withdraw(class_id, [second, third])
    assert await roster(school, class_id) == []
    withdrawn = await school.published("TrainingWithdrawn")
    assert [(one.key, one.body["by"], one.body["waited_only"]) for one in withdrawn] == [
        (first, "vendor", False),
        (second, "officer", True),
        (third, "officer", False),
    ]


async def test_growing_gives_places_to_those_who_wait_and_shrinking_takes_none(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(5)
    class_id = await school.open_class(places=1)
    await wait_for(school, clock, class_id, vendors)
    path = f"/v1/classes/{class_id}/places"
    ok(await school.post(path, {"places": 3}))
    assert await roster(school, class_id) == vendors[:3]
    answer = await school.post(path, {"places": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "places-taken")
    assert await queue(school, class_id) == vendors[3:]


async def test_who_waits_asks_again_and_keeps_its_moment_in_another_class(school: School, clock: StandingClock) -> None:
    early, late, holder = await school.register(3)
    first, second = await school.open_class(places=1), await school.open_class(places=1, days=LATER)
    await wait_for(school, clock, first, [holder, early])
    await school.enrol(second, await school.register(1))
    await wait_for(school, clock, second, [late, early])
    assert await queue(school, second) == [early, late]
    again = await school.enrol(second, [early], waitlist=True)
    assert [one["code"] for one in again["refused"]] == ["already-waiting"]
    answer = await school.post(f"/v1/trainees/{early}/waiting/{COURSE}/end", token=school.vendor(early))
    assert answer.status_code == 204
    assert await queue(school, second) == [late]
    answer = await school.post(f"/v1/trainees/{early}/waiting/{COURSE}/end", token=school.vendor(early))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-waiting")


async def test_nobody_is_promoted_into_a_class_that_has_begun(school: School, clock: StandingClock) -> None:
    """Who waits is let go on the first day, and waits for the next class of the course."""
    holder, waiter = await school.register(2)
    class_id = await school.open_class(places=1)
    await wait_for(school, clock, class_id, [holder, waiter])
    clock.moment = moment("2023-03-06T00:00")
    await work_off(school)
    await school.withdraw(class_id, [holder])
    assert await roster(school, class_id) == []
    last = (await school.published("TrainingWaitlisted"))[-1]
    assert (last.key, last.body["class_id"], last.body["place"]) == (waiter, None, 1)
    following = await school.open_class(places=1, days=LATER)
    assert await roster(school, following) == [waiter]
    assert await told(school, waiter) == ["TrainingWaitlisted", "TrainingWaitlisted", "TrainingEnrolled"]


async def test_who_finds_a_class_begun_gets_a_place_in_another_with_room(school: School, clock: StandingClock) -> None:
    """It waits for the next class of the course, and that one is open already."""
    holder, late = await school.register(2)
    begun = await school.open_class(places=1)
    await school.enrol(begun, [holder])
    ahead = await school.open_class(places=1, days=LATER)
    clock.moment = moment("2023-03-06T08:00")
    await work_off(school)
    await school.enrol(begun, [late], waitlist=True)
    await work_off(school)
    assert await roster(school, ahead) == [late]
    assert await told(school, late) == ["TrainingWaitlisted", "TrainingEnrolled"]


# --- following the person


async def test_a_cancelled_class_costs_nobody_its_turn(school: School, clock: StandingClock) -> None:
    seated, waiting, elsewhere = await school.register(2), await school.register(2), await school.register(1)
    class_id = await school.open_class(places=2)
    await wait_for(school, clock, class_id, [*seated, *waiting])
    full = await school.open_class(places=1, area=GAMBIR, days=LATER)
    clock.advance(minutes=1)
    await wait_for(school, clock, full, [*await school.register(1, GAMBIR_KELURAHAN), *elsewhere])
    assert (await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "trainer-ill"})).status_code == 204
    await work_off(school)
    assert (await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "venue"})).status_code == 204, "again"
    cancelled = await school.published("TrainingClassCancelled")
    assert [(one.key, one.body["reason"]) for one in cancelled] == [(vendor, "trainer-ill") for vendor in seated]
    assert await told(school, waiting[0]) == ["TrainingWaitlisted", "TrainingWaitlisted"]
    assert (await school.published("TrainingWaitlisted"))[-1].body["place"] == 4

    following = await school.open_class(places=3, days=LATER)
    assert await roster(school, following) == [*seated, waiting[0]]
    assert await queue(school, following) == [waiting[1]]
    assert await queue(school, full) == elsewhere, "who waits for a class waits for that class"
    # cancelled once more, the one who was promoted goes back to its old turn
    await school.post(f"/v1/classes/{following}/cancel", {"reason": "too-few"})
    await work_off(school)
    assert await roster(school, await school.open_class(places=4, days=LATER)) == [*seated, *waiting]
    events = [(e.type, e.sequence) for e in await school.published() if e.key == following]
    assert events == [("ClassOpened", 1), ("ClassCancelled", 2)]
    assert_gapless(await school.sequences())


async def test_who_had_a_place_in_a_cancelled_class_gets_one_in_another_with_room_at_once(
    school: School, clock: StandingClock
) -> None:
    vendors = await school.register(3)
    first = await school.open_class(places=3)
    other = await school.open_class(places=2, days=LATER)
    await wait_for(school, clock, first, vendors)
    await school.post(f"/v1/classes/{first}/cancel", {"reason": "venue"})
    await work_off(school)
    assert await roster(school, other) == vendors[:2]


async def test_before_the_timer_comes_nobody_else_takes_what_is_due_to_those_who_wait(
    school: School, clock: StandingClock
) -> None:
    first, second, stranger = await school.register(3)
    cancelled = await school.open_class(places=2)
    other = await school.open_class(places=2, days=LATER)
    await wait_for(school, clock, cancelled, [first, second])
    await school.post(f"/v1/classes/{cancelled}/cancel", {"reason": "venue"})
    answer = await school.enrol(other, [stranger, second], waitlist=True)
    assert answer["enrolled"] == [str(second)], "it was due"
    assert [one["vendor_id"] for one in answer["waiting"]] == [str(stranger)]
    assert await roster(school, other) == [first, second]


async def test_invited_to_a_class_that_is_cancelled_a_vendor_is_invited_to_the_next(school: School) -> None:
    (vendor,) = await school.register(1)
    first = await school.open_class()
    await school.post(f"/v1/classes/{first}/cancel", {"reason": "venue"})
    second = await school.open_class(days=LATER)
    invited = [event.body["class_id"] for event in await school.published("TrainingInvited")]
    assert invited == [None, str(first), str(second)]
    assert (await school.enrol(second, [vendor]))["enrolled"] == [str(vendor)]


async def test_those_who_asked_are_invited_first_and_those_who_wait_before_them_have_places(
    school: School, clock: StandingClock
) -> None:
    waiter, newcomer, asker = await school.register(3)
    full = await school.open_class(places=1)
    await wait_for(school, clock, full, [*await school.register(1), waiter])
    async with school.database.transaction() as conn:
        await ask_for_course(conn, asker, COURSE, request_id=new_id(), now=clock.now())
    clock.moment = moment("2023-03-06T00:00")
    await work_off(school)
    following = await school.open_class(places=2, days=LATER)
    assert await roster(school, following) == [waiter]
    last = (await school.published("TrainingInvited"))[-1]
    assert (last.key, last.body["class_id"]) == (asker, str(following)), "one place is left, and it asked"
    assert newcomer != asker


# --- people


async def test_a_person_waits_once_whatever_its_ids(school: School, clock: StandingClock) -> None:
    one, other, third, holder = await school.register(4)
    class_id = await school.open_class(places=1)
    await wait_for(school, clock, class_id, [holder, third, one, other])
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2), partition=1)
    assert await queue(school, class_id) == [third, other], "once, with the moment of the first"
    answer = await school.enrol(class_id, [one], waitlist=True, token=school.vendor(other))
    assert [refused["code"] for refused in answer["refused"]] == ["already-waiting"]
    ok(await school.post(f"/v1/classes/{class_id}/places", {"places": 3}))
    assert set(await roster(school, class_id)) == {holder, third, other}
    assert await queue(school, class_id) == []
    # parted, the other is a person of its own that waits
    await school.hear((VendorUnmerged(vendor_id=one, out_of=other, merge_id=new_id()), 3), partition=1)
    ok(await school.post(f"/v1/classes/{class_id}/places", {"places": 4}))
    assert one in await roster(school, class_id)


async def test_parted_again_both_count_for_themselves_and_a_place_that_is_free_is_given(
    school: School, clock: StandingClock
) -> None:
    """As one person they had a place and waited for none; as two, one of them waits while a place is free."""
    waiter, seated, other = await school.register(3)
    full = await school.open_class(places=1)
    await wait_for(school, clock, full, [other, waiter])
    elsewhere = await school.open_class(places=1, area=GAMBIR, days=LATER)
    await school.enrol(elsewhere, [seated])
    await school.hear((VendorMerged(vendor_id=seated, into=waiter, merge_id=new_id()), 2))
    await school.withdraw(full, [other])
    await work_off(school)
    assert await roster(school, full) == []
    await school.hear((VendorUnmerged(vendor_id=seated, out_of=waiter, merge_id=new_id()), 3))
    await work_off(school)
    assert await roster(school, full) == [waiter]
    assert await roster(school, elsewhere) == [seated]


@pytest.mark.parametrize("what", ["withdraws", "fails", "is corrected"])
async def test_who_waits_by_another_id_has_its_turn_once_the_place_it_had_is_no_reason_any_more(
    school: School, clock: StandingClock, what: str
) -> None:
    """As one person it had a place in one class while another, for which it waits, had room; nobody else is moved."""
    waiter, seated, other = await school.register(3)
    full = await school.open_class(places=1, days=LATER)
    await wait_for(school, clock, full, [other, waiter])
    held = await school.open_class(places=1, days=["2023-03-06"])
    assert (await school.enrol(held, [seated]))["enrolled"] == [str(seated)]
    await school.hear((VendorMerged(vendor_id=seated, into=waiter, merge_id=new_id()), 2))
    await school.withdraw(full, [other])
    await work_off(school)
    assert await roster(school, full) == []
    if what == "withdraws":
        await school.withdraw(held, [waiter], token=school.vendor(waiter))
    else:
        clock.moment = moment("2023-03-06T17:00")
        await school.attend(held, "2023-03-06", [] if what == "fails" else [seated])
        await school.finish(held)
    if what == "is corrected":
        await work_off(school)
        assert await roster(school, full) == [], "it completed the course"
        await school.attend(held, "2023-03-06", [])
    await work_off(school)
    assert await roster(school, full) == [waiter]
    assert (await told(school, waiter))[-1] == "TrainingEnrolled"
    assert_gapless(await school.sequences())


async def test_who_gives_up_a_place_and_waits_for_it_by_another_id_does_not_get_it_back(
    school: School, clock: StandingClock
) -> None:
    waiter, seated = await school.register(2)
    class_id = await school.open_class(places=1)
    await school.enrol(class_id, [seated])
    await wait_for(school, clock, class_id, [waiter])
    await school.hear((VendorMerged(vendor_id=seated, into=waiter, merge_id=new_id()), 2))
    await school.withdraw(class_id, [waiter], token=school.vendor(waiter))
    await work_off(school)
    assert await roster(school, class_id) == []
    assert [(await told(school, one))[-1] for one in (waiter, seated)] == ["TrainingWithdrawn"] * 2
    assert_gapless(await school.sequences())


async def test_a_person_gives_up_a_place_by_any_of_its_ids(school: School) -> None:
    one, other, stranger = await school.register(3)
    class_id = await school.open_class()
    await school.enrol(class_id, [one])
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 2), partition=1)
    denied = await school.post(
        f"/v1/classes/{class_id}/withdrawals", {"vendor_ids": [str(one)]}, token=school.vendor(stranger)
    )
    assert (denied.status_code, denied.json()["code"]) == (403, "not-own-data")
    assert (await school.withdraw(class_id, [other], token=school.vendor(other)))["withdrawn"] == [str(one)]
    assert await roster(school, class_id) == []


async def test_a_place_of_somebody_erased_goes_to_whoever_waits(school: School, clock: StandingClock) -> None:
    gone, waiter, waits_and_goes = await school.register(3)
    class_id = await school.open_class(places=1)
    await wait_for(school, clock, class_id, [gone, waits_and_goes, waiter])
    events = [VendorErased(vendor_id=each, erasure_id=new_id()) for each in (waits_and_goes, gone)]
    await school.hear(*((event, 2) for event in events), partition=1)
    await work_off(school)
    assert await roster(school, class_id) == [waiter]
    receipts = {UUID(r.body["vendor_id"]): r.body["erased"] for r in await school.published("TrainingDataErased")}
    assert (receipts[waits_and_goes]["waits"], receipts[gone]["waits"]) == (1, 0)


async def test_who_moves_to_where_a_class_has_room_gets_a_place(school: School, clock: StandingClock) -> None:
    (waiter,) = await school.register(1)
    full = await school.open_class(places=1)
    await wait_for(school, clock, full, [*await school.register(1), waiter])
    clock.moment = moment("2023-03-06T00:00")
    await work_off(school)
    far = await school.open_class(area=GAMBIR, days=LATER)
    assert await roster(school, far) == []
    await school.hear((VendorMoved(vendor_id=waiter, kelurahan=GAMBIR_KELURAHAN, rw="001", rt="001"), 2), partition=1)
    await work_off(school)
    assert await roster(school, far) == [waiter]


async def test_an_officer_who_is_a_vendor_too_asks_for_its_own_place_as_any_vendor(
    school: School, clock: StandingClock
) -> None:
    officer, other = await school.register(2)
    class_id = await school.open_class()
    token = school.issuer.token("officer", ["officer", "vendor"], area="31.71", vendor_id=officer)
    body = {"vendor_ids": [str(officer), str(other)]}
    mixed = await school.post(f"/v1/classes/{class_id}/enrolments", body, token=token)
    assert (mixed.status_code, mixed.json()["code"]) == (403, "own-case")
    clock.moment = moment("2023-03-07T08:00")
    assert (await school.enrol(class_id, [other], token=token))["enrolled"] == [str(other)]
    late = await school.enrol(class_id, [officer], token=token)
    assert [refused["code"] for refused in late["refused"]] == ["class-closed"]


async def test_a_course_comes_after_what_it_builds_on(school: School, clock: StandingClock) -> None:
    (vendor,) = await school.register(1)
    basics = await school.open_class(days=["2023-03-01"])
    export = await school.open_class(course="ekspor-dasar", area="31.71", days=LATER)
    answer = await school.enrol(export, [vendor], token=school.vendor(vendor))
    assert [(one["code"], COURSE in one["reason"]) for one in answer["refused"]] == [("prerequisite-missing", True)]
    await school.enrol(basics, [vendor])
    await school.attend(basics, "2023-03-01", [vendor])
    await school.finish(basics)
    assert (await school.enrol(export, [vendor], token=school.vendor(vendor)))["enrolled"] == [str(vendor)]


# --- many at once, and long walks


async def test_a_crowd_that_enrols_and_withdraws_never_exceeds_the_places_nor_passes_anybody_over(
    school: School,
) -> None:
    vendors = await school.register(50)
    class_id = await school.open_class(places=8)
    chance = random.Random(5)
    await school.crowd()

    async def ask(vendor: UUID) -> None:
        await school.enrol(class_id, [vendor], token=school.vendor(vendor), waitlist=True)

    async def leave(vendor: UUID) -> None:
        await school.withdraw(class_id, [vendor], token=school.vendor(vendor))

    work: list[Any] = [ask(vendor) for vendor in vendors]
    work += [leave(chance.choice(vendors)) for _ in range(35)]
    work += [ask(chance.choice(vendors)) for _ in range(15)]
    chance.shuffle(work)
    await asyncio.gather(*work)
    seated: list[UUID] = []
    line: list[UUID] = []
    for event in await school.published("TrainingEnrolled", "TrainingWaitlisted", "TrainingWithdrawn"):
        if event.type == "TrainingWaitlisted":
            assert len(seated) == 8
            line.append(event.key)
        elif event.type == "TrainingWithdrawn":
            (line if event.body["waited_only"] else seated).remove(event.key)
        else:
            if event.body["promoted"]:
                assert line.pop(0) == event.key
            else:
                assert not line
            seated.append(event.key)
        assert len(seated) <= 8
    assert sorted(seated) == await roster(school, class_id)
    assert line == await queue(school, class_id)
    assert not line or len(seated) == 8
    assert_gapless(await school.sequences())


async def test_places_that_come_free_in_two_classes_at_once_are_all_given_and_to_nobody_twice(
    school: School,
) -> None:
    """Whoever waits for the next class could have a place in either; there are as many places as people."""
    cancelled = await school.open_class(places=8)
    waiters = await school.register(8)
    holders = await school.register(8)
    await school.enrol(cancelled, waiters)
    classes = [await school.open_class(places=4, days=LATER) for _ in range(2)]
    for class_id, inside in zip(classes, (holders[:4], holders[4:]), strict=True):
        await school.enrol(class_id, inside)
    await school.post(f"/v1/classes/{cancelled}/cancel", {"reason": "venue"})
    await work_off(school)
    await school.crowd()
    await asyncio.gather(
        *(
            school.withdraw(class_id, [vendor])
            for vendors in zip(holders[:4], holders[4:], strict=True)
            for class_id, vendor in zip(classes, vendors, strict=True)
        )
    )
    inside = [vendor for class_id in classes for vendor in await roster(school, class_id)]
    assert sorted(inside) == sorted(waiters)
    assert_gapless(await school.sequences())


class Model:
    """What waiting lists of one course in one kecamatan should do, in the plainest words."""

    def __init__(self) -> None:
        self.places: dict[UUID, int] = {}
        self.seated: dict[UUID, dict[UUID, datetime]] = {}
        self.line: dict[UUID, tuple[datetime, UUID | None]] = {}

    def where(self, vendor: UUID) -> UUID | None:
        return next((class_id for class_id, inside in self.seated.items() if vendor in inside), None)

    def full(self, class_id: UUID) -> bool:
        return len(self.seated[class_id]) >= self.places[class_id]

    def ask(self, vendor: UUID, class_id: UUID, now: datetime, *, waits: bool) -> None:
        if self.where(vendor) is not None:
            return
        since = self.line[vendor][0] if vendor in self.line else now
        if not self.full(class_id):
            self.line.pop(vendor, None)
            self.seated[class_id][vendor] = since
        elif waits:
            self.line[vendor] = (since, class_id)

    def leave(self, vendor: UUID, class_id: UUID) -> None:
        if self.seated[class_id].pop(vendor, None) is None and self.line.get(vendor, (None, None))[1] == class_id:
            del self.line[vendor]

    def cancel(self, class_id: UUID) -> None:
        for vendor, (since, wanted) in list(self.line.items()):
            if wanted == class_id:
                self.line[vendor] = (since, None)
        for vendor, since in self.seated.pop(class_id).items():
            self.line[vendor] = (since, None)
        del self.places[class_id]

    def promote(self) -> None:
        for vendor, (since, wanted) in sorted(self.line.items(), key=lambda each: (each[1][0], each[0])):
            for class_id in [wanted] if wanted is not None else sorted(self.places):
                if not self.full(class_id):
                    del self.line[vendor]
                    self.seated[class_id][vendor] = since
                    break


@pytest.mark.parametrize("seed", [1, 4])
async def test_any_walk_ends_where_the_plain_rule_says(school: School, clock: StandingClock, seed: int) -> None:
    chance = random.Random(seed)
    vendors = await school.register(14)
    model = Model()

    async def open_class(places: int) -> None:
        class_id = await school.open_class(places=places, days=LATER)
        model.places[class_id], model.seated[class_id] = places, {}

    await open_class(2)
    did: Counter[str] = Counter()
    for _ in range(70):
        clock.advance(minutes=1)
        vendor = chance.choice(vendors)
        class_id = chance.choice(sorted(model.places)) if model.places else None
        what = chance.choices(["ask", "leave", "resize", "cancel", "open", "stop"], [12, 5, 2, 2, 3, 1])[0]
        if what == "open" or class_id is None:
            if len(model.places) < 3:
                await open_class(chance.randint(1, 3))
        elif what == "ask":
            waits = chance.random() < 0.8
            await school.enrol(class_id, [vendor], waitlist=waits)
            model.ask(vendor, class_id, clock.now(), waits=waits)
        elif what == "leave":
            await school.withdraw(class_id, [vendor])
            model.leave(vendor, class_id)
        elif what == "resize":
            places = chance.randint(1, 4)
            answer = await school.post(f"/v1/classes/{class_id}/places", {"places": places})
            assert (answer.status_code == 200) is (places >= len(model.seated[class_id]))
            if answer.status_code == 200:
                model.places[class_id] = places
        elif what == "cancel":
            await school.post(f"/v1/classes/{class_id}/cancel", {"reason": "venue"})
            model.cancel(class_id)
            await work_off(school)
        else:
            answer = await school.post(f"/v1/trainees/{vendor}/waiting/{COURSE}/end")
            assert (answer.status_code == 204) is (vendor in model.line)
            model.line.pop(vendor, None)
        model.promote()
        did[what] += 1
        async with school.database.read() as conn:
            places_given = await conn.fetch(
                "SELECT class_id, vendor_id FROM enrolment JOIN training_class USING (class_id) WHERE state = 'open'"
            )
            lines = await conn.fetch("SELECT vendor_id, class_id, since FROM waiting")
        wanted = {(class_id, vendor) for class_id, inside in model.seated.items() for vendor in inside}
        assert {tuple(row) for row in places_given} == wanted, what
        assert {row["vendor_id"]: (row["since"], row["class_id"]) for row in lines} == model.line, what
    assert all(did[what] for what in ("ask", "leave", "resize", "cancel", "open")), did
    assert_gapless(await school.sequences())


async def test_of_many_classes_at_once_those_are_found_who_are_found_for_each(school: School) -> None:
    near = await school.register(9)
    far = await school.register(6, GAMBIR_KELURAHAN)
    areas = [SAWAH_BESAR, GAMBIR, "31.71"]
    ids = [await school.open_class(area=area, places=places) for area, places in zip(areas, (2, 3, 4), strict=True)]
    now = school.clock.now()
    since = {vendor_id: now - timedelta(minutes=number * 7 % 15) for number, vendor_id in enumerate([*near, *far])}
    async with school.database.transaction() as conn:
        for class_id, waiters in ((None, [*near[:6], *far[:4]]), (ids[0], near[6:]), (ids[2], far[4:])):
            await waiting.save_waits(conn, COURSE, class_id, {one: since[one] for one in waiters})
        family = [(near[1], near[0]), (near[0], near[0]), (far[5], near[8]), (near[8], near[8])]
        await conn.executemany("INSERT INTO family (vendor_id, person_id) VALUES ($1, $2)", family)
        openings = await classes.lock_roomy(conn, COURSE, day_in_jakarta(now))
        assert {opening.offered.class_id for opening in openings} == set(ids)
        each = [await waiting.find_next(conn, [opening]) for opening in openings]
        together = await waiting.find_next(conn, openings)
    assert {one.vendor_id: one for one in together} == {one.vendor_id: one for found in each for one in found}
    assert 4 < len(together) < len(since)
    assert len({one.vendor_id for one in together}) == len(together)

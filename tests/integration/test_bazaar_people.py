"""People at bazaars: moved, merged and un-merged, suspended, erased; in any order, and two things at once."""

import asyncio
import json
import random
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.allocation.stored import solve_stored
from services.bazaar.domain.round import Round
from services.bazaar.handlers.applications import apply
from services.bazaar.handlers.erasures import erase_vendors
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.handlers.vendors import remember_completions
from services.bazaar.store.erasures import PEOPLE
from services.bazaar.store.rounds import LOCK_CANDIDATES, find_problem, lock_candidates, sum_turns_by_groups
from services.bazaar.store.vendors import VendorMissing, find_vendor, save_addresses, share_vendor
from shared import dead_letters
from shared.events.rights import VendorErased
from shared.events.training import TrainingCompleted
from shared.events.vendor import (
    VendorCategoryChosen,
    VendorCoached,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorReinstated,
    VendorSuspended,
    VendorUnmerged,
)
from shared.families import find_erased, find_family, persons, remember_merges
from shared.ids import new_id
from tests.integration.bazaar import CLOSING, DAYS, GAMBIR, KARANG_ANYAR, Fair, at, site


def merged(vendor_id: UUID, into: UUID) -> VendorMerged:
    return VendorMerged(vendor_id=vendor_id, into=into, merge_id=new_id())


def unmerged(vendor_id: UUID, out_of: UUID) -> VendorUnmerged:
    return VendorUnmerged(vendor_id=vendor_id, out_of=out_of, merge_id=new_id())


def erased(vendor_id: UUID) -> VendorErased:
    return VendorErased(vendor_id=vendor_id, erasure_id=new_id())


async def rows(fair: Fair, table: str) -> list[dict[str, Any]]:
    async with fair.database.read() as conn:
        return [dict(row) for row in await conn.fetch(f'TABLE "{table}"')]


async def held_turns(fair: Fair, vendors: list[UUID], when: date) -> None:
    """Each of these vendors had a booth at a bazaar of its own before; the clock comes back to where it was."""
    now = fair.clock.moment
    bazaar_id = await fair.announce(
        [site("one", len(vendors))],
        days=[when.isoformat()],
        applications_close_at=at(when - timedelta(days=5)).isoformat(),
    )
    applications = await fair.apply_all(bazaar_id, vendors)
    await allocate(fair, bazaar_id, at(when - timedelta(days=5)))
    for application in applications:
        await fair.answer(application, "confirm")
    fair.clock.moment = now


async def allocate(fair: Fair, bazaar_id: str, closing: datetime = CLOSING) -> None:
    """Freeze at the closing moment, draw the seed, allocate: solved in this process, which saves a second each time."""
    fair.clock.moment = max(fair.clock.moment, closing)
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    await publish(fair, bazaar_id)


async def publish(fair: Fair, bazaar_id: str) -> Round:
    """Solve the seeded round and publish it."""
    async with fair.database.transaction() as conn:
        solved = solve_stored(await find_problem(conn, UUID(bazaar_id), 1))
        return await publish_round(conn, UUID(bazaar_id), solved, now=fair.clock.now())


async def frozen_applicants(fair: Fair, bazaar_id: str) -> dict[str, dict[str, Any]]:
    """The applicants of the frozen list by the ids of their applications."""
    fair.clock.moment = max(fair.clock.moment, CLOSING)
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    document = json.loads((await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content)
    names = await fair.names([str(row["application_id"]) for row in await rows(fair, "application")])
    return {names[one["id"]]: one for one in document["applicants"]}


# --- where somebody lives


async def test_a_vendor_that_moved_lives_where_it_says_last(fair: Fair) -> None:
    one, other = await fair.register(2)
    await fair.hear(
        VendorMoved(vendor_id=one, kelurahan=GAMBIR, rw="001", rt="001"),
        VendorMoved(vendor_id=one, kelurahan=GAMBIR, rw="007", rt="001"),
    )
    async with fair.database.read() as conn:
        moved, stayed = await find_vendor(conn, one), await find_vendor(conn, other)
    assert moved is not None
    assert stayed is not None
    assert (moved.kelurahan, moved.rw) == (GAMBIR, "007")
    assert stayed.kelurahan == KARANG_ANYAR


async def test_a_move_of_a_vendor_that_never_registered_is_a_fault_and_that_of_an_erased_one_is_not(fair: Fair) -> None:
    (known,) = await fair.register(1)
    gone = new_id()
    await fair.hear(erased(gone))
    async with fair.database.transaction() as conn:
        await save_addresses(conn, {known: (GAMBIR, "001"), gone: (GAMBIR, "001")})
    with pytest.raises(VendorMissing):
        async with fair.database.transaction() as conn:
            await save_addresses(conn, {known: (GAMBIR, "001"), new_id(): (GAMBIR, "001")})


# --- merges


async def test_a_merge_may_come_before_either_registration(fair: Fair) -> None:
    retired, survivor = new_id(), new_id()
    await fair.hear(merged(retired, survivor))
    await fair.train(retired)
    await fair.register(1, trained=False, vendor_id=survivor)
    bazaar_id = await fair.announce()
    application_id = await fair.apply(bazaar_id, survivor)
    assert list(await frozen_applicants(fair, bazaar_id)) == [application_id]


async def test_turns_and_waiting_of_both_ids_count_for_whichever_applies(fair: Fair) -> None:
    fair.clock.moment = at(date(2022, 11, 1))
    (retired,) = await fair.register(1)
    await held_turns(fair, [retired], date(2022, 11, 30))
    fair.clock.moment = at(date(2023, 1, 2))
    survivor, stranger = await fair.register(2, rw="005")
    await held_turns(fair, [survivor, stranger], date(2023, 1, 20))
    fair.clock.moment = at(date(2023, 3, 1))
    await fair.hear(merged(retired, survivor))
    bazaar_id = await fair.announce()
    application_id, other = await fair.apply(bazaar_id, retired), await fair.apply(bazaar_id, stranger)

    applicants = await frozen_applicants(fair, bazaar_id)

    assert (applicants[application_id]["turns"], applicants[other]["turns"]) == (2, 1)
    assert applicants[application_id]["waiting_since"] == "2023-01-20"
    groups = {str(row["application_id"]): row["groups"] for row in await rows(fair, "application")}
    assert groups[application_id]["rw"] == f"{KARANG_ANYAR}.005", "the surviving registration's address"


async def test_a_person_waits_since_the_first_application_under_any_id(fair: Fair) -> None:
    early, late = await fair.register(2)
    fair.clock.moment = at(date(2023, 2, 1))
    await fair.apply(await fair.announce(), early)
    fair.clock.moment = at(date(2023, 3, 1))
    await fair.hear(merged(early, late))
    bazaar_id = await fair.announce()
    application_id = await fair.apply(bazaar_id, late)
    assert (await frozen_applicants(fair, bazaar_id))[application_id]["waiting_since"] == "2023-02-01"


async def test_a_group_has_had_the_turns_of_all_ids_where_the_person_lives_now(fair: Fair) -> None:
    fair.clock.moment = at(date(2022, 11, 1))
    retired, survivor = (await fair.register(1, rw="001"))[0], (await fair.register(1, rw="002"))[0]
    await held_turns(fair, [retired, survivor], date(2022, 11, 30))
    await fair.hear(merged(retired, survivor))
    async with fair.database.read() as conn:
        turns = {one.groups["rw"][-3:]: one.turns for one in await sum_turns_by_groups(conn)}
    assert turns == {"002": 2}
    await fair.hear(unmerged(retired, survivor))
    async with fair.database.read() as conn:
        turns = {one.groups["rw"][-3:]: one.turns for one in await sum_turns_by_groups(conn)}
    assert turns == {"001": 1, "002": 1}


async def test_one_person_applies_once_under_whichever_id(fair: Fair) -> None:
    one, other = await fair.register(2)
    await fair.hear(merged(one, other))
    bazaar_id = await fair.announce()
    await fair.apply(bazaar_id, one)
    body = {"choices": [["one"]]}
    again = f"/v1/bazaars/{bazaar_id}/applications"
    assert await fair.refused(again, body, token=fair.vendor(other)) == (409, "already-applied")
    await fair.hear(unmerged(one, other))
    await fair.done(again, body, token=fair.vendor(other))


@pytest.mark.parametrize("survivor_first", [True, False])
async def test_of_two_applications_of_one_person_the_earlier_stays(fair: Fair, survivor_first: bool) -> None:
    retired, survivor, stranger = await fair.register(3)
    bazaar_id = await fair.announce()
    order = [survivor, retired] if survivor_first else [retired, survivor]
    first = await fair.apply(bazaar_id, order[0])
    fair.clock.advance(minutes=1)
    second, third = await fair.apply(bazaar_id, order[1]), await fair.apply(bazaar_id, stranger)
    await fair.hear(merged(retired, survivor))

    assert set(await frozen_applicants(fair, bazaar_id)) == {first, third}

    assert await fair.states([first, second, third]) == ["received", "ineligible", "received"]
    assert (await fair.application(second))["ineligible_because"] == "same-person"
    assert (await fair.application(second))["state"] == "ineligible"


async def test_who_was_offered_a_booth_is_not_promoted_under_another_id_and_keeps_it(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(4))
    await allocate(fair, bazaar_id)
    vendors = {str(row["application_id"]): row["vendor_id"] for row in await rows(fair, "application")}
    holder, giver = [one for one in applications if (await fair.states([one])) == ["offered"]]
    places = {row["place"]: str(row["application_id"]) for row in await rows(fair, "application") if row["place"]}
    await fair.hear(merged(vendors[places[1]], vendors[holder]))

    await fair.answer(giver, "decline")

    assert await fair.states([holder, places[1], places[2]]) == ["offered", "queued", "offered"]
    await fair.hear(unmerged(vendors[places[1]], vendors[holder]))
    await fair.answer(places[2], "decline")
    assert await fair.states([holder, places[1]]) == ["offered", "offered"]


async def test_one_person_that_waits_twice_is_offered_one_booth(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    await allocate(fair, bazaar_id)
    found = await rows(fair, "application")
    queue = sorted((row for row in found if row["place"]), key=lambda row: row["place"])
    await fair.hear(merged(queue[0]["vendor_id"], queue[1]["vendor_id"]))
    fair.clock.advance(hours=25)

    await fair.run_timers()

    states = await fair.states([str(row["application_id"]) for row in queue])
    assert states == ["offered", "queued", "offered"]
    assert sorted(await fair.states(applications)) == ["lapsed", "lapsed", "offered", "offered", "queued"]
    await fair.assert_booths_are_held_once()


async def test_merges_and_unmerges_in_any_order_leave_what_the_merges_that_stand_say(fair: Fair) -> None:
    """News of different ids comes in any order, so that ids may even point at one another in a circle."""
    ids, chance = [new_id() for _ in range(6)], random.Random(7)
    standing: dict[UUID, UUID] = {}
    for _ in range(60):
        vendor_id, into = chance.sample(ids, 2)
        if vendor_id in standing and chance.random() < 0.5:
            await fair.hear(unmerged(vendor_id, standing.pop(vendor_id)))
        else:
            await fair.hear(merged(vendor_id, into))
            standing[vendor_id] = into
        family = {row["vendor_id"]: row["person_id"] for row in await rows(fair, "family")}
        assert family == persons(standing)
        async with fair.database.read() as conn:
            for one in ids:
                assert set(await find_family(conn, one)) == connected(one, standing)
    for vendor_id, into in standing.items():
        await fair.hear(unmerged(vendor_id, into))
    assert await rows(fair, "family") == await rows(fair, "merge") == []


def connected(vendor_id: UUID, merges: dict[UUID, UUID]) -> set[UUID]:
    """By definition: who hangs together with this id."""
    found = {vendor_id}
    while True:
        more = {end for pair in merges.items() if found & set(pair) for end in pair} | found
        if more == found:
            return found
        found = more


async def test_a_merge_and_its_unmerge_leave_the_freeze_as_if_never_merged(fair: Fair) -> None:
    fair.clock.moment = at(date(2022, 11, 1))
    vendors = await fair.register(4)
    await held_turns(fair, vendors[:2], date(2022, 11, 30))
    fair.clock.moment = at(date(2023, 3, 1))
    bazaar_id = UUID(await fair.announce())
    await fair.apply_all(str(bazaar_id), vendors)

    async def facts() -> Any:
        async with fair.database.transaction() as conn:
            return await lock_candidates(conn, bazaar_id), await sum_turns_by_groups(conn)

    before = await facts()
    await fair.hear(merged(vendors[0], vendors[2]), merged(vendors[2], vendors[3]))
    assert await facts() != before
    await fair.hear(unmerged(vendors[2], vendors[3]), unmerged(vendors[0], vendors[2]))
    assert await facts() == before


async def test_merges_of_one_family_at_once_lose_none(fair: Fair) -> None:
    ids = [new_id() for _ in range(8)]
    await fair.crowd()

    async def hear(number: int) -> None:
        async with fair.database.transaction() as conn:
            await remember_merges(conn, PEOPLE, [merged(ids[number], ids[number + 1])])

    await asyncio.gather(*(hear(number) for number in range(7)))
    async with fair.database.read() as conn:
        assert set(await find_family(conn, ids[3])) == set(ids)
        assert (await find_family(conn, ids[0]))[0] == ids[7]


# --- suspensions


async def test_a_suspended_vendor_is_refused_with_the_reason_and_the_way_out(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1)
    await fair.hear(VendorSuspended(vendor_id=vendor_id, reason="no-show"))
    bazaar_id = await fair.announce()
    door, body = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}

    response = await fair.post(door, body, token=fair.vendor(vendor_id))

    assert (response.status_code, response.json()["code"]) == (409, "vendor-suspended")
    assert response.json()["details"] == {"reason": "no-show"}
    assert "Speak to an officer" in response.json()["detail"]
    await fair.hear(VendorReinstated(vendor_id=vendor_id))
    await fair.done(door, body, token=fair.vendor(vendor_id))


async def test_a_suspension_of_one_id_is_the_persons(fair: Fair) -> None:
    retired, survivor = await fair.register(2)
    await fair.hear(VendorSuspended(vendor_id=retired, reason="false-data"), merged(retired, survivor))
    bazaar_id = await fair.announce()
    door, body = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}
    assert await fair.refused(door, body, token=fair.vendor(survivor)) == (409, "vendor-suspended")


async def test_the_suspended_are_left_out_at_the_freeze(fair: Fair) -> None:
    kept, suspended = await fair.register(2)
    bazaar_id = await fair.announce()
    applications = await fair.apply_all(bazaar_id, [kept, suspended])
    await fair.hear(VendorSuspended(vendor_id=suspended, reason="no-show"))
    assert list(await frozen_applicants(fair, bazaar_id)) == applications[:1]
    assert (await fair.application(applications[1]))["ineligible_because"] == "vendor-suspended"


@pytest.mark.parametrize("through_another_id", [False, True])
async def test_the_suspended_keep_what_they_hold_and_are_not_promoted(fair: Fair, through_another_id: bool) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(4))
    await allocate(fair, bazaar_id)
    found = {str(row["application_id"]): row for row in await rows(fair, "application")}
    holder, giver = [one for one in applications if found[one]["state"] == "offered"]
    queue = sorted((one for one in found.values() if one["place"]), key=lambda row: row["place"])
    suspended = queue[0]["vendor_id"]
    if through_another_id:
        suspended = new_id()
        await fair.hear(merged(suspended, queue[0]["vendor_id"]))
    await fair.hear(
        VendorSuspended(vendor_id=suspended, reason="no-show"),
        VendorSuspended(vendor_id=found[holder]["vendor_id"], reason="no-show"),
    )

    await fair.answer(holder, "confirm")
    await fair.answer(giver, "decline")

    waiting = [str(one["application_id"]) for one in queue]
    assert await fair.states([holder, *waiting]) == ["confirmed", "queued", "offered"]


# --- erasures


async def test_an_erased_applicant_is_withdrawn_and_forgotten(fair: Fair) -> None:
    vendor_id, other = await fair.register(2)
    bazaar_id = await fair.announce()
    application_id, stays = await fair.apply(bazaar_id, vendor_id), await fair.apply(bazaar_id, other)
    event = erased(vendor_id)

    await fair.hear(event)

    assert [str(row["application_id"]) for row in await rows(fair, "application")] == [stays]
    (withdrawn,) = await fair.published("ApplicationWithdrawn")
    assert (str(withdrawn.key), withdrawn.sequence) == (application_id, 2)
    (receipt,) = await fair.published("BazaarDataErased")
    assert (receipt.key, receipt.sequence) == (event.erasure_id, 1)
    assert (receipt.body["erasure_id"], receipt.body["vendor_id"]) == (str(event.erasure_id), str(vendor_id))
    assert {kind: number for kind, number in receipt.body["erased"].items() if number} == {
        "vendor_copies": 1,
        "completions": 1,
        "first_applications": 1,
        "applications": 1,
    }
    assert not any(receipt.body["kept"].values())
    for table in ("vendor", "completion", "first_application"):
        assert vendor_id not in [row["vendor_id"] for row in await rows(fair, table)]


async def test_an_erasure_is_answered_once(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1)
    for event in (erased(vendor_id), erased(vendor_id)):
        await fair.hear(event)
    assert len(await fair.published("BazaarDataErased")) == 1


@pytest.mark.parametrize("confirmed", [False, True])
async def test_the_booth_of_an_erased_person_goes_to_the_next(fair: Fair, confirmed: bool) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    applications = await fair.apply_all(bazaar_id, await fair.register(2))
    await allocate(fair, bazaar_id)
    found = {str(row["application_id"]): row for row in await rows(fair, "application")}
    (holder,) = [one for one in applications if found[one]["state"] == "offered"]
    (waiting,) = set(applications) - {holder}
    if confirmed:
        await fair.answer(holder, "confirm")

    await fair.hear(erased(found[holder]["vendor_id"]))

    assert await fair.states([holder, waiting]) == ["declined", "offered"]
    assert await rows(fair, "turn") == []
    assert [event.key for event in await fair.published("BoothDeclined")] == [UUID(holder)]
    await fair.assert_sequences_have_no_gap()
    (receipt,) = await fair.published("BazaarDataErased")
    assert receipt.body["kept"]["applications"] == 1


async def test_a_booth_that_nobody_else_could_have_any_more_stays_a_figure(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    (vendor_id,) = await fair.register(1)
    application_id = await fair.apply(bazaar_id, vendor_id)
    await allocate(fair, bazaar_id)
    await fair.answer(application_id, "confirm")
    fair.clock.moment = at(DAYS[0])
    await fair.done(
        f"/v1/bazaars/{bazaar_id}/check-ins", {"day": DAYS[0].isoformat(), "application_ids": [application_id]}
    )
    await fair.done(
        f"/v1/applications/{application_id}/sales",
        {"day": DAYS[0].isoformat(), "turnover_rupiah": 750_000, "transactions": 30},
    )

    await fair.hear(erased(vendor_id))

    assert await fair.states([application_id]) == ["attended"]
    (receipt,) = await fair.published("BazaarDataErased")
    assert {kind: number for kind, number in receipt.body["kept"].items() if number} == {
        "applications": 1,
        "turns": 1,
        "check_ins": 1,
        "sales": 1,
        "sales_reports": 1,
    }
    (figures,) = (await fair.shown(f"/v1/bazaars/{bazaar_id}/summary"))["sites"]
    assert figures["turnover"] == 750_000


async def test_an_erased_person_leaves_the_queue(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    applications = await fair.apply_all(bazaar_id, await fair.register(3))
    await allocate(fair, bazaar_id)
    queue = sorted((row for row in await rows(fair, "application") if row["place"]), key=lambda row: row["place"])
    await fair.hear(erased(queue[0]["vendor_id"]))
    assert await fair.states([str(row["application_id"]) for row in queue]) == ["withdrawn", "queued"]
    (holder,) = [one for one in applications if await fair.states([one]) == ["offered"]]
    await fair.answer(holder, "decline")
    assert await fair.states([str(row["application_id"]) for row in queue]) == ["withdrawn", "offered"]


async def test_who_is_erased_between_freeze_and_publication_is_decided_on_and_then_gone(fair: Fair) -> None:
    """The list is fixed and hashed: it is decided as published, then the booth goes on."""
    bazaar_id = await fair.announce([site("one", 2)])
    vendors = await fair.register(2)
    applications = await fair.apply_all(bazaar_id, vendors)
    late = (await fair.register(1))[0]
    applications.append(await fair.apply(bazaar_id, late))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.hear(*(erased(vendor_id) for vendor_id in vendors))
    assert await fair.states(applications) == ["received", "received", "received"]
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})

    decided = await publish(fair, bazaar_id)

    assert (decided.served, decided.waiting) == (2, 1)
    states = await fair.states(applications)
    assert states[2] == "offered"
    assert set(states[:2]) <= {"declined", "withdrawn"}
    await fair.assert_sequences_have_no_gap()


async def test_the_turns_of_the_erased_stay_their_groups(fair: Fair) -> None:
    fair.clock.moment = at(date(2022, 11, 1))
    (vendor_id,) = await fair.register(1, rw="004", category="health", agency="kpkp")
    await held_turns(fair, [vendor_id], date(2022, 11, 30))
    async with fair.database.read() as conn:
        before = await sum_turns_by_groups(conn)
    fair.clock.moment = at(date(2022, 12, 5))

    await fair.hear(erased(vendor_id))

    async with fair.database.read() as conn:
        (after,) = await sum_turns_by_groups(conn)
    assert (after.groups, after.turns, after.last_turn_on) == (before[0].groups, 1, date(2022, 11, 30))


async def test_nothing_that_comes_late_brings_an_erased_person_back(fair: Fair) -> None:
    vendor_id, survivor = new_id(), new_id()
    await fair.hear(erased(vendor_id))
    await fair.register(1, trained=False, vendor_id=vendor_id)
    await fair.train(vendor_id)
    await fair.hear(
        VendorCategoryChosen(vendor_id=vendor_id, category="health"),
        VendorCoached(vendor_id=vendor_id, agency="kpkp"),
        VendorMoved(vendor_id=vendor_id, kelurahan=GAMBIR, rw="001", rt="001"),
        VendorSuspended(vendor_id=vendor_id, reason="no-show"),
        VendorReinstated(vendor_id=vendor_id),
        merged(vendor_id, survivor),
        unmerged(vendor_id, survivor),
    )
    for table in ("vendor", "completion", "suspension", "merge", "family", "dead_letter"):
        assert await rows(fair, table) == [], table
    bazaar_id = await fair.announce()
    door = f"/v1/bazaars/{bazaar_id}/applications"
    refused = await fair.refused(door, {"choices": [["one"]]}, token=fair.vendor(vendor_id))
    assert refused == (409, "unknown-vendor")


async def test_an_application_and_an_erasure_at_once_leave_no_application(fair: Fair) -> None:
    vendors = await fair.register(10)
    bazaar_id = await fair.announce()
    await fair.crowd()
    door, body = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}

    async def erase(vendor_id: UUID) -> None:
        async with fair.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor_id)], now=fair.clock.now())

    applied = [fair.post(door, body, token=fair.vendor(vendor_id)) for vendor_id in vendors]
    answers = await asyncio.gather(*applied, *(erase(vendor_id) for vendor_id in vendors))

    codes = {answer.json().get("code", "applied") for answer in answers[:10] if answer is not None}
    assert codes <= {"applied", "unknown-vendor"}
    assert await rows(fair, "application") == []
    assert await rows(fair, "first_application") == []


async def test_people_erased_together_leave_way_for_an_application_of_one_of_them(fair: Fair) -> None:
    """An application locks its vendor, then the bazaar; so do erasures, for all of them."""
    vendors = await fair.register(2)
    bazaar_id = UUID(await fair.announce())
    await fair.apply(str(bazaar_id), vendors[0])

    async def erase() -> None:
        async with fair.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor_id) for vendor_id in vendors], now=fair.clock.now())

    async with fair.database.transaction() as conn:
        await share_vendor(conn, max(vendors))
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
        await apply(conn, bazaar_id, max(vendors), [["one"]], application_id=new_id(), now=fair.clock.now())
    await erasing
    assert await rows(fair, "application") == []
    assert len(await fair.published("ApplicationWithdrawn")) == 2


async def test_two_batches_that_erase_people_of_the_same_bazaars_crosswise_wait_in_line(fair: Fair) -> None:
    first, second, third, fourth = await fair.register(4)
    one, other = await fair.announce(), await fair.announce()
    await fair.apply_all(one, [first, fourth])
    await fair.apply_all(other, [second, third])

    async def erase(*vendors: UUID) -> None:
        async with fair.database.transaction() as conn:
            for vendor_id in vendors:
                await erase_vendors(conn, [erased(vendor_id)], now=fair.clock.now())

    async with fair.database.transaction() as conn:
        await erase_vendors(conn, [erased(first)], now=fair.clock.now())
        crosswise = asyncio.create_task(erase(third, fourth))
        done, _ = await asyncio.wait([crosswise], timeout=0.2)
        assert not done
        await erase_vendors(conn, [erased(second)], now=fair.clock.now())
    await crosswise
    assert await rows(fair, "application") == []
    assert len(await fair.published("BazaarDataErased")) == 4


async def test_an_erasure_waits_for_a_completion_that_is_being_written_and_takes_it_away(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1, trained=False)
    completed = TrainingCompleted(
        vendor_id=vendor_id,
        class_id=new_id(),
        course="dasar",
        title="Dasar",
        completed_on=date(2023, 3, 1),
        sessions_attended=1,
        sessions_held=1,
    )

    async def erase() -> None:
        async with fair.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor_id)], now=fair.clock.now())

    async with fair.database.transaction() as conn:
        await remember_completions(conn, [completed])
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done
    await erasing
    assert await rows(fair, "completion") == []


async def test_an_erasure_that_waits_for_an_application_withdraws_it(fair: Fair) -> None:
    """The application was first: the erasure sees it, whatever it had looked at before."""
    (vendor_id,) = await fair.register(1)
    bazaar_id = UUID(await fair.announce())

    async def erase() -> None:
        async with fair.database.transaction() as conn:
            await erase_vendors(conn, [erased(vendor_id)], now=fair.clock.now())

    async with fair.database.transaction() as conn:
        await apply(conn, bazaar_id, vendor_id, [["one"]], application_id=new_id(), now=fair.clock.now())
        erasing = asyncio.create_task(erase())
        done, _ = await asyncio.wait([erasing], timeout=0.2)
        assert not done, "it waits for the application"
    await erasing
    assert await rows(fair, "application") == []
    assert len(await fair.published("ApplicationWithdrawn")) == 1


async def test_dead_letters_of_an_erased_person_are_wiped_and_given_up(fair: Fair) -> None:
    vendor_id, other = new_id(), new_id()
    for one in (vendor_id, other):
        event = VendorRegistered.model_validate(
            {
                "vendor_id": one,
                "kind": "usaha",
                "kelurahan": KARANG_ANYAR,
                "rw": "001",
                "rt": "001",
                "origin": "file",
                "registered_on": date(2023, 2, 1),
            }
        )
        async with fair.database.transaction() as conn:
            await dead_letters.add(
                conn,
                fair.sealer,
                fair.record(event),
                message_type="VendorRegistered",
                state="failed",
                now=fair.clock.now(),
            )

    await fair.hear(erased(vendor_id))

    letters = {row["key"].decode(): row for row in await rows(fair, "dead_letter")}
    assert (letters[str(vendor_id)]["value"], letters[str(vendor_id)]["state"]) == (None, "discarded")
    assert letters[str(other)]["value"] is not None
    assert letters[str(other)]["state"] == "failed"
    (receipt,) = await fair.published("BazaarDataErased")
    assert receipt.body["erased"]["dead_letters"] == 1
    assert [act["actor"] for act in await rows(fair, "dead_letter_act")] == ["erasure"]


async def test_the_digest_no_longer_counts_the_erased(fair: Fair) -> None:
    vendors = await fair.register(3)
    await fair.hear(erased(vendors[0]))
    shown = await fair.shown("/v1/projections", token=fair.operator())
    assert (shown["vendors"]["count"], shown["completions"]["count"]) == (2, 2)
    async with fair.database.read() as conn:
        assert await find_erased(conn, vendors) == {vendors[0]}


# --- a person's own data


def registrar(fair: Fair, area: str) -> str:
    return fair.issuer.token(f"registrar-{area}", ["officer", "registrar"], area=area)


async def test_a_person_sees_all_that_is_kept_under_each_of_its_ids_and_nothing_of_others(fair: Fair) -> None:
    retired, survivor, stranger = await fair.register(3)
    bazaar_id = await fair.announce()
    own, foreign = await fair.apply(bazaar_id, retired), await fair.apply(bazaar_id, stranger)
    await fair.hear(merged(retired, survivor))

    shown = await fair.shown(f"/v1/vendors/{survivor}/data", token=fair.vendor(survivor))

    assert shown["registrations_of_the_person"] == [str(survivor), str(retired)]
    sections = {name: section["data"] for name, section in shown["sections"].items()}
    assert all(section["meaning"]["id"] and section["meaning"]["en"] for section in shown["sections"].values())
    assert [one["application_id"] for one in sections["applications"]] == [own]
    assert {one["vendor_id"] for one in sections["registration_copy"]} == {str(retired), str(survivor)}
    assert len(sections["trainings_completed_copy"]) == 2
    assert len(sections["merges"]) == 1
    assert str(stranger) not in json.dumps(shown)
    assert foreign not in json.dumps(shown)
    tokens = {"own": fair.vendor(retired), "registrar": registrar(fair, "31.71.02")}
    for token in tokens.values():
        assert (await fair.shown(f"/v1/vendors/{retired}/data", token=token))["sections"] == shown["sections"]


async def test_a_persons_data_is_for_the_person_and_a_registrar_of_its_area(fair: Fair) -> None:
    vendor_id, other = await fair.register(2)
    door = f"/v1/vendors/{vendor_id}/data"
    for token, refusal in (
        (fair.vendor(other), (403, "not-own-data")),
        (fair.officer(), (403, "role-missing")),
        (fair.operator(), (403, "not-own-data")),
        (registrar(fair, "31.72"), (404, "vendor-unknown")),
    ):
        response = await fair.get(door, token=token)
        assert (response.status_code, response.json()["code"]) == refusal
    await fair.hear(erased(vendor_id))
    for token in (fair.vendor(vendor_id), registrar(fair, "31.71")):
        response = await fair.get(door, token=token)
        assert (response.status_code, response.json()["code"]) == (404, "vendor-unknown")


async def test_a_person_sees_an_application_made_under_its_other_id(fair: Fair) -> None:
    retired, survivor = await fair.register(2)
    application_id = await fair.apply(await fair.announce(), retired)
    door = f"/v1/applications/{application_id}"
    assert (await fair.get(door, token=fair.vendor(survivor))).status_code == 403
    await fair.hear(merged(retired, survivor))
    assert (await fair.shown(door, token=fair.vendor(survivor)))["application_id"] == application_id


async def test_the_freeze_finds_the_facts_of_each_applicant_by_index(fair: Fair) -> None:
    """A plan, not a timing: for tens of thousands of applicants nothing is read through from end to end each time."""
    retired, survivor = await fair.register(2)
    await fair.hear(merged(retired, survivor))
    async with fair.database.transaction() as conn:
        await conn.execute("SET LOCAL enable_seqscan = off")
        found = await conn.fetch("EXPLAIN " + LOCK_CANDIDATES, new_id())
    plan = "\n".join(row[0] for row in found)
    for index in ("turn_of_vendor", "completion_pkey", "first_application_pkey", "suspension_pkey", "family_of_person"):
        assert index in plan, plan
    assert "Seq Scan" not in plan

"""Swaps of booths: two agree and an officer approves; whatever happens meanwhile, one booth has one vendor."""

import asyncio
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.domain.bazaar import offers_end_at
from services.bazaar.handlers.swaps import LAPSE, lapse_swap
from shared.events.rights import VendorErased
from shared.ids import new_id
from shared.timers import run_due
from tests.integration.bazaar import DAYS, Fair, site
from tests.integration.bazaar_day import issue_tickets

LATER_DAYS = (date(2023, 3, 25), date(2023, 3, 26))
MORE_DAYS = {"site_id": "one", "more_days": ["2023-03-27"]}
ALL_DAYS = [day.isoformat() for day in (*DAYS, *LATER_DAYS)]


class Stand:
    """A confirmed vendor: its application, its token, and the booth it had at first."""

    def __init__(self, vendor_id: UUID, application_id: str, token: str, place: tuple[str, str]) -> None:
        self.vendor_id, self.id, self.token, self.place = vendor_id, application_id, token, place

    @property
    def wish(self) -> dict[str, str]:
        """To have this booth."""
        return {"site_id": self.place[0], "booth": self.place[1]}


async def confirmed(fair: Fair, *sites: dict[str, Any]) -> list[Stand]:
    """Vendors who have confirmed every booth of these sites, site by site."""
    bazaar_id = await fair.announce(sites, days=ALL_DAYS)
    stands: list[tuple[UUID, str]] = []
    for one in sites:
        vendors = await fair.register(one["booths"])
        stands += zip(vendors, await fair.apply_all(bazaar_id, vendors, [one["site_id"]]), strict=True)
    await fair.allocate(bazaar_id)
    found: list[Stand] = []
    for vendor_id, application_id in stands:
        await fair.answer(application_id, "confirm")
        found.append(Stand(vendor_id, application_id, fair.vendor(vendor_id), await place(fair, application_id)))
    return found


async def place(fair: Fair, application_id: str) -> tuple[str, str]:
    async with fair.database.read() as conn:
        row = await conn.fetchrow("SELECT site_id, booth FROM application WHERE application_id = $1", application_id)
    assert row is not None
    return row["site_id"], row["booth"]


async def turn_day(fair: Fair, application_id: str) -> date | None:
    async with fair.database.read() as conn:
        day: date | None = await conn.fetchval("SELECT day FROM turn WHERE application_id = $1", application_id)
    return day


async def propose(fair: Fair, one: Stand, other: Stand) -> str:
    path = f"/v1/applications/{one.id}/swaps"
    swap_id: str = (await fair.done(path, other.wish, token=one.token))["swap_id"]
    return swap_id


async def agreed(fair: Fair, one: Stand, other: Stand) -> str:
    swap_id = await propose(fair, one, other)
    await fair.done(f"/v1/swaps/{swap_id}/accept", token=other.token)
    return swap_id


async def refusals(fair: Fair) -> list[tuple[UUID, str]]:
    return sorted((event.key, event.body["because"]) for event in await fair.published("BoothSwapRefused"))


async def swap_state(fair: Fair, swap_id: str) -> str:
    async with fair.database.read() as conn:
        state: str = await conn.fetchval("SELECT state FROM swap WHERE swap_id = $1", swap_id)
    return state


def two_sites(one: int = 1, two: int = 1, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    first = site("one", one, days=[str(day) for day in DAYS], **more)
    return first, site("two", two, days=[str(day) for day in LATER_DAYS])


async def test_two_vendors_agree_and_an_officer_approves(fair: Fair) -> None:
    one, two, third = await confirmed(fair, *two_sites(1, 2))
    swap_id = await propose(fair, one, two)
    (told,) = await fair.published("BoothSwapProposed")
    assert (told.key, told.body["booth"], told.body["days"]) == (UUID(two.id), "A01", [str(day) for day in DAYS])

    # neither the other way round, nor by anybody else, nor before it is agreed to
    assert await fair.refused(f"/v1/swaps/{swap_id}/accept", token=one.token) == (403, "not-own-data")
    assert await fair.refused(f"/v1/swaps/{swap_id}/accept", token=third.token) == (403, "not-own-data")
    assert await fair.refused(f"/v1/swaps/{swap_id}/approve", token=two.token) == (403, "role-missing")
    assert await fair.refused(f"/v1/swaps/{swap_id}/approve") == (409, "swap-not-open")
    assert (await fair.refused(f"/v1/applications/{one.id}/swaps", third.wish))[1] == "swap-open"
    await fair.done(f"/v1/swaps/{swap_id}/accept", token=two.token)
    wished_too = await propose(fair, third, two)
    assert await fair.refused(f"/v1/swaps/{swap_id}/approve", token=fair.officer("31.72")) == (403, "outside-area")

    await fair.done(f"/v1/swaps/{swap_id}/approve")

    assert (await place(fair, one.id), await place(fair, two.id)) == (two.place, one.place)
    assert (await turn_day(fair, one.id), await turn_day(fair, two.id)) == (LATER_DAYS[-1], DAYS[-1])
    swapped = {event.key: event.body for event in await fair.published("BoothSwapped")}
    assert swapped.keys() == {UUID(one.id), UUID(two.id)}
    assert swapped[UUID(one.id)]["days"] == [str(day) for day in LATER_DAYS]
    assert await swap_state(fair, wished_too) == "void"
    assert await refusals(fair) == [(UUID(third.id), "booth-gone")]
    seen = (await fair.shown(f"/v1/applications/{two.id}/swaps", token=two.token))["items"]
    assert {one["state"] for one in seen} == {"swapped", "void"}
    assert not any("vendor" in key or "application" in key for one in seen for key in one)
    bazaar_id = (await fair.application(one.id))["bazaar_id"]
    listed = await fair.shown(f"/v1/bazaars/{bazaar_id}/swaps?state=swapped")
    assert [one["swap_id"] for one in listed["items"]] == [swap_id]
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_who_says_no_is_not_asked_again_and_silence_ends_it(fair: Fair) -> None:
    one, two, third = await confirmed(fair, *two_sites(1, 2))
    declined = await propose(fair, one, two)
    await fair.done(f"/v1/swaps/{declined}/decline", token=two.token)
    assert await refusals(fair) == [(UUID(one.id), "declined")]
    assert (await fair.refused(f"/v1/applications/{one.id}/swaps", two.wish))[1] == "swap-declined-before"

    withdrawn = await propose(fair, one, third)
    await fair.done(f"/v1/swaps/{withdrawn}/withdraw", token=one.token)
    unanswered = await propose(fair, one, third)
    fair.clock.advance(hours=48)
    assert not await run_due(fair.database, {LAPSE: lapse_swap}, fair.clock.now() - timedelta(hours=1))
    fair.clock.advance(seconds=1)
    while await run_due(fair.database, {LAPSE: lapse_swap}, fair.clock.now()):
        pass
    assert await swap_state(fair, unanswered) == "lapsed"
    assert (await fair.refused(f"/v1/swaps/{unanswered}/accept", token=third.token))[1] == "swap-not-open"

    refused = await agreed(fair, one, third)
    await fair.done(f"/v1/swaps/{refused}/refuse")
    assert [because for _, because in await refusals(fair)].count("not-approved") == 2
    assert (await place(fair, one.id), await place(fair, third.id)) == (one.place, third.place)
    await fair.assert_sequences_have_no_gap()


async def test_limits_of_the_sites_and_needs_hold_after_a_swap(fair: Fair) -> None:
    cap = {"group": "category", "value": "food-drink", "seats": 1}
    reserve = {"group": "category", "value": "health", "seats": 1}
    # categories go round at each site: food-drink, fashion-craft, meals-household, health
    stands = await confirmed(fair, *two_sites(4, 4, caps=[cap], reserves=[reserve]))
    first, second = stands[:4], stands[4:]
    for mine, theirs in ((first[1], second[0]), (first[3], second[1])):  # one food too many; no health left
        swap_id = await agreed(fair, mine, theirs)
        assert await fair.refused(f"/v1/swaps/{swap_id}/approve") == (409, "swap-breaks-limit")
        await fair.done(f"/v1/swaps/{swap_id}/refuse")
    for mine, theirs in ((first[0], second[0]), (first[3], second[3]), (first[1], second[2])):
        await fair.done(f"/v1/swaps/{await agreed(fair, mine, theirs)}/approve")
        assert await place(fair, mine.id) == theirs.place

    one, other = first[2], second[1]
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE application SET needs = '{power}' WHERE application_id = $1", one.id)
        await conn.execute("UPDATE booth SET power = true WHERE site_id = $1 AND number = $2", *one.place)
    swap_id = await agreed(fair, one, other)
    assert await fair.refused(f"/v1/swaps/{swap_id}/approve") == (409, "swap-breaks-need")


@pytest.mark.parametrize("meanwhile", ["released", "erased", "cancelled"])
async def test_whatever_happens_meanwhile_voids_a_swap(fair: Fair, meanwhile: str) -> None:
    one, two = await confirmed(fair, *two_sites())
    swap_id = await agreed(fair, one, two)
    if meanwhile == "released":
        await fair.done(f"/v1/applications/{two.id}/release")
    elif meanwhile == "erased":
        await fair.hear(VendorErased(vendor_id=two.vendor_id, erasure_id=new_id()))
    else:
        bazaar_id = (await fair.application(one.id))["bazaar_id"]
        await fair.done(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "weather"})
    status, code = await fair.refused(f"/v1/swaps/{swap_id}/approve")
    assert (status, code) == ((404, "swap-unknown") if meanwhile == "erased" else (409, "swap-not-open"))
    assert await refusals(fair) == ([] if meanwhile == "cancelled" else [(UUID(one.id), "booth-gone")])
    # what was set for later minds it not
    fair.clock.advance(days=30)
    while await run_due(fair.database, {LAPSE: lapse_swap}, fair.clock.now()):
        pass
    assert len(await refusals(fair)) == (meanwhile != "cancelled")
    await fair.assert_sequences_have_no_gap()


async def test_who_is_erased_too_late_to_give_the_booth_back_leaves_nobody_waiting_for_a_swap(fair: Fair) -> None:
    one, two = await confirmed(fair, site("one", 2))
    last_moment = offers_end_at(DAYS[0])
    fair.clock.moment = last_moment - timedelta(hours=4)
    swap_id = await agreed(fair, one, two)
    await issue_tickets(fair)
    fair.clock.moment = last_moment - timedelta(minutes=1)
    await fair.done(f"/v1/bazaars/{(await fair.application(two.id))['bazaar_id']}/grow", MORE_DAYS)
    await fair.hear(VendorErased(vendor_id=two.vendor_id, erasure_id=new_id()))
    assert await fair.states([one.id, two.id]) == ["confirmed", "confirmed"]
    assert (await fair.refused(f"/v1/swaps/{swap_id}/approve"))[1] == "swap-unknown"
    assert await refusals(fair) == [(UUID(one.id), "booth-gone")]
    # nor does a ticket follow that was to be signed a moment later
    await issue_tickets(fair)
    async with fair.database.read() as conn:
        assert await conn.fetch("SELECT 1 FROM ticket WHERE application_id = $1", UUID(two.id)) == []
    await fair.assert_sequences_have_no_gap()


async def test_swaps_approved_released_and_swapped_on_at_once_leave_one_vendor_to_a_booth(fair: Fair) -> None:
    stands = await confirmed(fair, site("one", 12))
    # a chain: each wants the booth of the next; at most every second can have it
    chain = [await agreed(fair, one, other) for one, other in pairwise(stands)]
    await fair.crowd()
    doors = [f"/v1/swaps/{swap_id}/approve" for swap_id in chain for _ in range(2)]
    doors += [f"/v1/applications/{stands[at].id}/release" for at in (3, 8)]

    answers = await asyncio.gather(*(fair.post(door) for door in doors))

    assert {answer.status_code for answer in answers} <= {200, 409}, [answer.text for answer in answers]
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()
    states = [await swap_state(fair, swap_id) for swap_id in chain]
    assert set(states) <= {"swapped", "void"}
    assert all(pair != ("swapped", "swapped") for pair in pairwise(states))
    assert states.count("swapped") * 2 == len(await fair.published("BoothSwapped"))
    assert sum(answer.is_success for answer in answers[: 2 * len(chain)]) == states.count("swapped")
    held = [await place(fair, one.id) for one in stands if (await fair.application(one.id))["state"] == "confirmed"]
    assert len(set(held)) == len(held) == 10
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM turn") == 10

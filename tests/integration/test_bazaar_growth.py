"""A bazaar grows (DOMAIN E1): the confirmed stay where they are, only those affected hear, new booths are offered."""

import asyncio
import json
from datetime import date
from typing import Any
from uuid import UUID

from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site

THIRD_DAY = date(2023, 3, 22)


async def in_state(fair: Fair, applications: list[str], state: str) -> list[str]:
    states = await fair.states(applications)
    return [one for one, found in zip(applications, states, strict=True) if found == state]


async def by_place(fair: Fair, bazaar_id: str) -> list[str]:
    return [one["application_id"] for one in (await fair.shown(f"/v1/bazaars/{bazaar_id}/queue"))["items"]]


async def places(fair: Fair) -> dict[str, tuple[str, str]]:
    """Who is confirmed where."""
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id, site_id, booth FROM application WHERE state = 'confirmed'")
    return {str(row["application_id"]): (row["site_id"], row["booth"]) for row in rows}


async def events_since(fair: Fair, count: int) -> list[tuple[str, UUID]]:
    return [(event.type, event.key) for event in (await fair.published())[count:]]


async def allocated(fair: Fair, booths: int, applicants: int, **more: Any) -> tuple[str, list[str], list[str]]:
    """A round whose offers are confirmed: the bazaar, who is confirmed, who waits (next first)."""
    bazaar_id = await fair.announce([site("one", booths)], **more)
    applications = await fair.apply_all(bazaar_id, await fair.register(applicants))
    await fair.allocate(bazaar_id)
    confirmed = await in_state(fair, applications, "offered")
    for application_id in confirmed:
        await fair.answer(application_id, "confirm")
    return bazaar_id, confirmed, await by_place(fair, bazaar_id)


async def test_more_booths_go_to_the_next_in_the_queue_and_nobody_else_hears(fair: Fair) -> None:
    bazaar_id, confirmed, waiting = await allocated(fair, 3, 7)
    before, heard = await places(fair), len(await fair.published())

    grown = await fair.done(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "one", "more_booths": 2})

    assert grown["added"] == ["A04", "A05"]
    assert await events_since(fair, heard) == [
        ("BazaarGrown", UUID(bazaar_id)),
        ("BoothAssigned", UUID(waiting[0])),
        ("BoothAssigned", UUID(waiting[1])),
    ]
    assert await fair.states(waiting) == ["offered", "offered", "queued", "queued"]
    assert await places(fair) == before
    stands = (await fair.shown(f"/v1/bazaars/{bazaar_id}"))["sites"][0]["stands"]
    assert [(one["number"], one["tent"]) for one in stands] == [
        ("A01", 1),
        ("A02", 1),
        ("A03", 2),
        ("A04", 2),
        ("A05", 3),
    ]
    assert set(confirmed) == set(before)
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "one", "more_booths": 496}))[1] == (
        "too-many-booths"
    )
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "x", "more_booths": 1}))[
        1
    ] == "unknown-site"
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "one"}))[1] == "invalid"
    await fair.assert_sequences_have_no_gap()


async def test_a_day_more_is_theirs_who_have_a_booth_unless_they_cannot_come(fair: Fair) -> None:
    bazaar_id, (one, other), _ = await allocated(fair, 2, 3)
    grow = f"/v1/bazaars/{bazaar_id}/grow"
    for wrong in (DAYS[0], date(2023, 3, 19), date(2023, 3, 1)):
        assert (await fair.refused(grow, {"site_id": "one", "more_days": [str(wrong)]}))[1] == "day-not-addable"
    heard = len(await fair.published())

    await fair.done(grow, {"site_id": "one", "more_days": [str(THIRD_DAY)]})

    assert sorted(await events_since(fair, heard)) == sorted(
        [("BazaarGrown", UUID(bazaar_id)), ("BoothDaysAdded", UUID(one)), ("BoothDaysAdded", UUID(other))]
    )
    shown = await fair.shown(f"/v1/bazaars/{bazaar_id}")
    assert shown["days"] == shown["sites"][0]["days"] == [str(day) for day in (*DAYS, THIRD_DAY)]
    door = f"/v1/applications/{one}/decline-days"
    assert (await fair.refused(door, {"days": [str(DAYS[1])]}))[1] == "day-not-declinable"
    kept = (await fair.shown(f"/v1/applications/{one}"))["offer"]
    assert (kept["days"], kept["release_by"]) == ([str(day) for day in (*DAYS, THIRD_DAY)], "2023-03-17T17:00:00Z")
    assert (await fair.done(door, {"days": [str(THIRD_DAY)]}))["days"] == [str(day) for day in DAYS]
    kept = (await fair.shown(f"/v1/applications/{one}"))["offer"]
    assert kept["days"] == [str(day) for day in DAYS], "what it does not come to is not shown as its day"
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id, day FROM turn")
    assert {str(row["application_id"]): row["day"] for row in rows} == {one: DAYS[1], other: THIRD_DAY}
    assert set(await places(fair)) == {one, other}
    fair.clock.moment = at(DAYS[0])
    await fair.done(grow, {"site_id": "one", "more_days": ["2023-03-23"]})
    assert (await fair.refused(grow, {"site_id": "one", "more_days": [str(DAYS[0])]}))[1] == "day-not-addable"
    await fair.assert_sequences_have_no_gap()


async def test_a_further_site_is_offered_to_those_who_named_the_one_it_extends(fair: Fair) -> None:
    """E1: 56 booths on day one, more on days two and three; here 2, and 2 more on the second day."""
    bazaar_id, confirmed, waiting = await allocated(fair, 2, 5)
    before = await places(fair)
    fair.clock.moment = at(DAYS[0], 8) - (at(DAYS[0], 8) - at(date(2023, 3, 19), 8))
    further = {"site_id": "two", "days": [str(DAYS[1])], "booths": 2}

    grown = await fair.done(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "one", "further_site": further})

    assert (grown["added"], grown["extends"]) == (["A03", "A04"], "one")
    assert await fair.states(waiting) == ["offered", "offered", "queued"]
    offer = (await fair.application(waiting[0]))["offer"]
    assert (offer["site_id"], offer["days"]) == ("two", [str(DAYS[1])])
    await fair.answer(waiting[0], "confirm")
    await fair.answer(waiting[1], "decline")
    assert await fair.states(waiting) == ["confirmed", "declined", "offered"]
    assert {one: place for one, place in (await places(fair)).items() if one in confirmed} == before
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT day FROM turn WHERE application_id = $1", waiting[0]) == DAYS[1]
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/grow", {"site_id": "one", "further_site": further}))[1] == (
        "site-exists"
    )
    # the further site grows too, and its numbers go on behind those of the whole venue
    fair.clock.moment = at(DAYS[0])
    again = {"site_id": "two", "further_site": {"site_id": "three", "days": [str(DAYS[1])], "booths": 1}}
    assert (await fair.done(f"/v1/bazaars/{bazaar_id}/grow", again))["added"] == ["A05"]
    async with fair.database.read() as conn:
        assert await conn.fetchval("SELECT extends FROM site WHERE site_id = 'three'") == "one"
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_before_the_freeze_growth_is_a_bigger_round_and_between_freeze_and_result_it_waits(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    applications = await fair.apply_all(bazaar_id, await fair.register(4))
    grow = f"/v1/bazaars/{bazaar_id}/grow"
    further = {"site_id": "two", "days": [str(DAYS[1])], "booths": 1}
    await fair.done(grow, {"site_id": "one", "more_booths": 1})
    await fair.done(grow, {"site_id": "one", "further_site": further})
    assert await fair.published("BoothAssigned") == []
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    assert (await fair.refused(grow, {"site_id": "one", "more_booths": 1}))[1] == "wrong-moment"
    frozen = json.loads((await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content)
    assert {pool["id"]: pool["capacity"] for pool in frozen["pools"]} == {"one": 2, "two": 1}
    assert {json.dumps(one["choices"]) for one in frozen["applicants"]} == {'[["one"], ["two"]]'}
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian"})
    await fair.done(f"/v1/bazaars/{bazaar_id}/allocate")
    assert len(await in_state(fair, applications, "offered")) == 3


async def test_growth_and_answers_at_once_offer_every_booth_once(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 6)])
    applications = await fair.apply_all(bazaar_id, await fair.register(24))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    await fair.crowd()
    answers = [f"/v1/applications/{one}/{'confirm' if at % 2 else 'decline'}" for at, one in enumerate(offered)]
    grow = f"/v1/bazaars/{bazaar_id}/grow"
    done = await asyncio.gather(
        *map(fair.post, answers), *(fair.post(grow, {"site_id": "one", "more_booths": 2}) for _ in range(4))
    )
    assert all(one.is_success for one in done), [one.text for one in done]
    states = await fair.states(applications)
    assert (states.count("confirmed"), states.count("declined"), states.count("offered")) == (3, 3, 11)
    stands = (await fair.shown(f"/v1/bazaars/{bazaar_id}"))["sites"][0]
    assert stands["booths"] == len({one["number"] for one in stands["stands"]}) == 14
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()

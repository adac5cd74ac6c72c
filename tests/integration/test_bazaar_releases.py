"""Reminders of open offers, confirmed booths given back, and sites on days of their own."""

import asyncio
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest

from services.bazaar.handlers.offers import LAPSE, REMIND, lapse_offers, remind_of_offers
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site

LATER_DAYS = (date(2023, 3, 25), date(2023, 3, 26))
ALL_DAYS = [day.isoformat() for day in (*DAYS, *LATER_DAYS)]
RELEASE_BY = datetime.fromisoformat("2023-03-18T00:00:00+07:00")


async def run_timers(fair: Fair) -> int:
    """Work off reminders and lapses that are due."""
    handlers = {LAPSE: lapse_offers, REMIND: remind_of_offers}
    worked_off = 0
    while await run_due(fair.database, handlers, fair.clock.now()):
        worked_off += 1
    return worked_off


async def in_state(fair: Fair, applications: list[str], state: str) -> list[str]:
    states = await fair.states(applications)
    return [one for one, found in zip(applications, states, strict=True) if found == state]


async def turns(fair: Fair) -> dict[str, date]:
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id, day FROM turn")
    return {str(row["application_id"]): row["day"] for row in rows}


async def reminded(fair: Fair) -> list[UUID]:
    return sorted(event.key for event in await fair.published("BoothOfferExpiring"))


async def allocated(fair: Fair, booths: int, applicants: int) -> tuple[str, list[str], list[str]]:
    """A bazaar whose round is published: its id, who is offered a booth, who waits."""
    bazaar_id = await fair.announce([site("one", booths)])
    applications = await fair.apply_all(bazaar_id, await fair.register(applicants))
    await fair.allocate(bazaar_id)
    return (
        bazaar_id,
        await in_state(fair, applications, "offered"),
        await in_state(fair, applications, "queued"),
    )


async def test_a_booth_given_back_in_time_costs_no_turn_and_goes_to_the_next_at_once(fair: Fair) -> None:
    _, offered, waiting = await allocated(fair, 2, 4)
    assert await fair.refused(f"/v1/applications/{offered[0]}/release") == (409, "not-releasable")
    for application_id in offered:
        await fair.answer(application_id, "confirm")
    held = (await fair.application(offered[0]))["offer"]["booth"]
    fair.clock.moment = RELEASE_BY

    answer = await fair.done(f"/v1/applications/{offered[0]}/release")

    assert (answer["state"], answer["costs_turn"]) == ("released", False)
    assert sorted(await fair.states(waiting)) == ["offered", "queued"]
    (next_one,) = await in_state(fair, waiting, "offered")
    assert (await fair.application(next_one))["offer"]["booth"] == held
    assert set(await turns(fair)) == {offered[1]}
    (event,) = await fair.published("BoothReleased")
    assert (event.key, event.body["costs_turn"]) == (UUID(offered[0]), False)

    fair.clock.moment = RELEASE_BY + timedelta(microseconds=1)
    assert (await fair.done(f"/v1/applications/{offered[1]}/release"))["costs_turn"] is True
    assert set(await turns(fair)) == {offered[1]}, "too late: the turn stays"
    assert await fair.states(waiting) == ["offered", "offered"]
    assert await fair.refused(f"/v1/applications/{offered[1]}/release") == (409, "not-releasable")
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_offers_are_reminded_of_once_and_never_after_an_answer(fair: Fair) -> None:
    _, offered, waiting = await allocated(fair, 4, 5)
    await fair.answer(offered[0], "confirm")
    fair.clock.advance(hours=6)
    await fair.answer(offered[1], "decline")  # the next is offered it now, and reminded 18 hours from now
    open_offers = sorted(UUID(one) for one in offered[2:])
    fair.clock.moment = CLOSING + timedelta(hours=18) - timedelta(microseconds=1)
    assert await run_timers(fair) == 0
    fair.clock.moment = CLOSING + timedelta(hours=18)

    await asyncio.gather(*(run_timers(fair) for _ in range(4)))
    async with fair.database.transaction() as conn:
        await remind_of_offers(conn, f"{(await fair.application(offered[0]))['bazaar_id']}/again", fair.clock.now())

    assert await reminded(fair) == open_offers
    fair.clock.moment = CLOSING + timedelta(hours=24)
    await run_timers(fair)
    assert await reminded(fair) == sorted([*open_offers, UUID(waiting[0])])
    for application_id in (*offered[2:], waiting[0]):
        await fair.answer(application_id, "confirm")
    fair.clock.advance(hours=48)
    await run_timers(fair)
    assert len(await reminded(fair)) == 3
    await fair.assert_sequences_have_no_gap()


async def test_a_reminder_that_fails_on_the_way_is_given_later_and_once(fair: Fair) -> None:
    _, offered, _ = await allocated(fair, 2, 2)
    fair.clock.moment = CLOSING + timedelta(hours=18)
    bazaar_id = (await fair.application(offered[0]))["bazaar_id"]

    async def die_on_the_way() -> None:
        async with fair.database.transaction() as conn:
            await remind_of_offers(conn, f"{bazaar_id}/now", fair.clock.now())
            raise RuntimeError("the process dies before the commit")

    with pytest.raises(RuntimeError):
        await die_on_the_way()
    assert await reminded(fair) == []
    await run_timers(fair)
    assert await reminded(fair) == sorted(UUID(one) for one in offered)


async def test_each_site_keeps_its_own_days(fair: Fair) -> None:
    later = [day.isoformat() for day in LATER_DAYS]
    sites = [site("one", 1, days=[str(day) for day in DAYS]), site("two", 1, days=later)]
    bazaar_id = await fair.announce(sites, days=ALL_DAYS, offer_hours=14 * 24)
    vendors = await fair.register(4)
    first = await fair.apply_all(bazaar_id, vendors[:2], ["one"])
    second = await fair.apply_all(bazaar_id, vendors[2:], ["two"])
    await fair.allocate(bazaar_id)
    (at_one,), (at_two,) = await in_state(fair, first, "offered"), await in_state(fair, second, "offered")
    (waits_for_one,), (waits_for_two,) = await in_state(fair, first, "queued"), await in_state(fair, second, "queued")

    assert (await fair.application(at_one))["offer"]["respond_by"].startswith("2023-03-19T16:59")
    shown = (await fair.application(at_two))["offer"]
    assert (shown["days"], shown["respond_by"][:16]) == (later, "2023-03-24T16:59")
    await fair.answer(at_one, "confirm")
    await fair.answer(at_two, "confirm")
    assert await turns(fair) == {at_one: DAYS[-1], at_two: LATER_DAYS[-1]}
    confirmed = {event.key: event.body["days"] for event in await fair.published("BoothConfirmed")}
    assert confirmed[UUID(at_two)] == later

    fair.clock.moment = at(DAYS[0])  # the first site has begun: nobody is offered a booth there any more
    assert (await fair.done(f"/v1/applications/{at_one}/release"))["costs_turn"] is True
    assert (await fair.done(f"/v1/applications/{at_two}/release"))["costs_turn"] is False
    assert await fair.states([waits_for_one, waits_for_two]) == ["queued", "offered"]
    assert await turns(fair) == {at_one: DAYS[-1]}
    await fair.assert_sequences_have_no_gap()


async def test_who_wants_to_stand_together_or_not_at_all_is_offered_no_single_booth(fair: Fair) -> None:
    bazaar_id, (held, other), waiting = await allocated(fair, 2, 5)
    first, second, third = [
        one["application_id"] for one in (await fair.shown(f"/v1/bazaars/{bazaar_id}/queue"))["items"]
    ]
    async with fair.database.transaction() as conn:
        party_id = await conn.fetchval(
            "INSERT INTO party (party_id, bazaar_id, if_apart, size, created_at) "
            "VALUES (gen_random_uuid(), $1, 'none', 2, $2) RETURNING party_id",
            UUID(bazaar_id),
            fair.clock.now(),
        )
        await conn.execute(
            "UPDATE application SET party_id = $1 WHERE application_id = ANY($2::uuid[])", party_id, [first, second]
        )
    await fair.answer(held, "decline")
    assert await fair.states([first, second, third]) == ["queued", "queued", "offered"]
    async with fair.database.transaction() as conn:  # the one who is left wants a booth for itself
        await conn.execute("UPDATE application SET state = 'withdrawn' WHERE application_id = $1", UUID(first))
    await fair.answer(other, "decline")
    assert await fair.states([second]) == ["offered"]
    assert len(waiting) == 3

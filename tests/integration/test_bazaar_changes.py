"""A bazaar is cancelled or moved: everyone concerned hears once, and nobody pays with a turn."""

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from uuid import UUID

from services.bazaar.handlers.offers import LAPSE, REMIND, lapse_offers, remind_of_offers
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, DAYS, Fair, at, site

NEW_DAYS = (date(2023, 3, 27), date(2023, 3, 28))


def to(*days: date, reason: str = "venue") -> dict[str, object]:
    return {"days": [day.isoformat() for day in days], "reason": reason}


async def run_timers(fair: Fair) -> None:
    while await run_due(fair.database, {LAPSE: lapse_offers, REMIND: remind_of_offers}, fair.clock.now()):
        pass


async def in_state(fair: Fair, applications: list[str], state: str) -> list[str]:
    states = await fair.states(applications)
    return [one for one, found in zip(applications, states, strict=True) if found == state]


async def turns(fair: Fair) -> dict[str, date]:
    async with fair.database.read() as conn:
        rows = await conn.fetch("SELECT application_id, day FROM turn")
    return {str(row["application_id"]): row["day"] for row in rows}


async def under_way(fair: Fair) -> tuple[str, list[str], str, str]:
    """A published round in which booths were confirmed, declined, left to lapse: its id, its applications, and two who
    confirmed."""
    bazaar_id = await fair.announce([site("one", 5)])
    applications = await fair.apply_all(bazaar_id, await fair.register(14))
    await fair.allocate(bazaar_id)
    one, other, declining, *_ = await in_state(fair, applications, "offered")
    await fair.answer(one, "confirm")
    await fair.answer(other, "confirm")
    await fair.answer(declining, "decline")
    fair.clock.advance(hours=24, microseconds=1)
    await run_timers(fair)
    return bazaar_id, applications, one, other


async def test_of_a_cancelled_bazaar_everyone_hears_and_every_turn_is_given_back(fair: Fair) -> None:
    bazaar_id, applications, confirmed, released = await under_way(fair)
    fair.clock.moment = datetime.fromisoformat("2023-03-19T09:00:00+07:00")
    await run_timers(fair)
    await fair.done(f"/v1/applications/{released}/release")  # too late: it keeps its turn, for now
    offered = await in_state(fair, applications, "offered")
    await fair.answer(offered[0], "decline")
    lapsed = await in_state(fair, applications, "lapsed")
    had_turns = await turns(fair)
    assert {confirmed, released, *lapsed} <= set(had_turns)
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "rain"}) == (422, "invalid")
    await fair.crowd()

    answers = await asyncio.gather(
        *(fair.post(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "weather"}) for _ in range(4)),
        *(fair.post(f"/v1/applications/{one}/confirm") for one in await in_state(fair, applications, "offered")),
    )

    assert sum(one.is_success for one in answers[:4]) == 1
    assert {one.json()["code"] for one in answers[:4] if not one.is_success} == {"wrong-moment"}
    assert await turns(fair) == {}
    events = await fair.published("ApplicationCancelled")
    assert max(Counter(event.key for event in events).values()) == 1
    told = {str(event.key): event.body for event in events}
    assert {one for one, body in told.items() if body["turn_returned"]} >= set(had_turns)
    assert told[confirmed]["had_booth"] is True
    assert told[released]["had_booth"] is False
    states = Counter(await fair.states(applications))
    assert states["cancelled"] == len(told)
    assert set(states) <= {"cancelled", "declined"}
    (public,) = await fair.published("BazaarCancelled")
    assert (public.body["reason"], public.body["days"]) == ("weather", [str(day) for day in DAYS])
    shown = await fair.shown(f"/v1/bazaars/{bazaar_id}")
    assert (shown["state"], shown["cancelled_because"]) == ("cancelled", "weather")
    fair.clock.moment = at(DAYS[-1])
    await run_timers(fair)
    assert set(await fair.states(applications)) <= {"cancelled", "declined"}, "timers find nothing to do"
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/finish"))[1] == "wrong-moment"
    await fair.assert_sequences_have_no_gap()


async def test_a_bazaar_broken_off_leaves_their_turn_to_those_who_stood_there(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(2))
    await fair.allocate(bazaar_id)
    for one in applications:
        await fair.answer(one, "confirm")
    fair.clock.moment = at(DAYS[0])
    await fair.done(f"/v1/bazaars/{bazaar_id}/check-ins", {"day": str(DAYS[0]), "application_ids": applications[:1]})
    await fair.done(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "safety"})
    assert await fair.states(applications) == ["attended", "cancelled"]
    assert set(await turns(fair)) == {applications[0]}
    told = {str(event.key): event.body["turn_returned"] for event in await fair.published("ApplicationCancelled")}
    assert told == {applications[0]: False, applications[1]: True}
    await fair.assert_sequences_have_no_gap()


async def test_a_bazaar_is_cancelled_in_every_state_but_a_draft_and_its_end(fair: Fair) -> None:
    draft = await fair.draft()
    assert (await fair.refused(f"/v1/bazaars/{draft}/cancel", {"reason": "venue"}))[1] == "wrong-moment"
    bazaar_id = await fair.announce()
    (applied,) = await fair.apply_all(bazaar_id, await fair.register(1))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    vendor = fair.issuer.token("someone", ["officer"], area="31.72")
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "venue"}, token=vendor))[0] == 403
    await fair.done(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "venue"})
    assert await fair.states([applied]) == ["cancelled"]
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"}))[0] == 409
    assert (await fair.refused(f"/v1/bazaars/{bazaar_id}/move", to(*NEW_DAYS)))[1] == "wrong-moment"


async def test_who_has_a_booth_of_a_moved_bazaar_keeps_it_or_gives_it_back_at_no_cost(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 3)])
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    waiting = await in_state(fair, applications, "queued")
    for one in offered[:2]:
        await fair.answer(one, "confirm")
    before = {one: (await fair.application(one))["offer"]["booth"] for one in offered}
    fair.clock.advance(hours=23)
    earlier = (date(2023, 3, 17), date(2023, 3, 18))
    moved_at = fair.clock.moment

    assert (await fair.done(f"/v1/bazaars/{bazaar_id}/move", to(*earlier)))["told"] == 5

    assert {one: (await fair.application(one))["offer"]["booth"] for one in offered} == before
    assert await turns(fair) == dict.fromkeys(offered[:2], earlier[-1])
    told = {str(event.key): event.body for event in await fair.published("ApplicationRescheduled")}
    assert told.keys() == set(applications)
    assert told[waiting[0]]["booth"] is None
    # the open offer has its whole time again; the confirmed have until 72 hours from now, but not beyond the eve
    assert datetime.fromisoformat(told[offered[2]]["respond_by"]) == moved_at + timedelta(hours=24)
    until = datetime.fromisoformat(told[offered[0]]["release_by"])
    assert until == datetime.fromisoformat("2023-03-16T23:59:00+07:00")
    fair.clock.advance(hours=2)
    await run_timers(fair)
    assert await fair.states(offered[2:]) == ["offered"], "the deadline before the move is none any more"
    fair.clock.moment = until
    assert (await fair.done(f"/v1/applications/{offered[0]}/release"))["costs_turn"] is False
    await run_timers(fair)
    assert await fair.states(offered) == ["released", "confirmed", "lapsed"]
    (moved,) = await fair.published("BazaarMoved")
    assert (moved.body["days_before"], moved.body["days"]) == ([str(d) for d in DAYS], [str(d) for d in earlier])
    shown = await fair.shown(f"/v1/bazaars/{bazaar_id}")
    assert (shown["days"], shown["moved_from"]) == ([str(d) for d in earlier], [str(d) for d in DAYS])
    assert shown["sites"][0]["days"] == [str(d) for d in earlier]
    await fair.assert_booths_are_held_once()
    await fair.assert_sequences_have_no_gap()


async def test_the_time_to_apply_moves_along_while_it_is_not_over(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, await fair.register(1))
    await fair.done(f"/v1/bazaars/{bazaar_id}/move", to(*NEW_DAYS))
    shown = await fair.shown(f"/v1/bazaars/{bazaar_id}")
    assert datetime.fromisoformat(shown["applications_close_at"]) == CLOSING + timedelta(days=7)
    assert len(await fair.published("ApplicationRescheduled")) == 1

    move = f"/v1/bazaars/{bazaar_id}/move"
    refused = [
        to(*NEW_DAYS),  # held on these days already
        to(date(2023, 2, 20), date(2023, 2, 21)),  # in the past
        to(date(2023, 3, 6), date(2023, 3, 7)),  # the closing moment would lie in the past
        to(date(2023, 4, 1)),  # a day is missing
        {**to(date(2023, 4, 1)), "sites": {"two": ["2023-04-01"]}},
    ]
    for body in refused:
        assert await fair.refused(move, body) == (409, "move-refused"), body
    assert await fair.refused(move, {**to(*NEW_DAYS), "sites": {"one": ["2023-04-09"]}}) == (422, "invalid")
    assert (await fair.done(move, {**to(date(2023, 4, 1)), "sites": {"one": ["2023-04-01"]}}))["told"] == 1
    fair.clock.moment = CLOSING + timedelta(days=12)
    await fair.allocate(bazaar_id)
    fair.clock.moment = datetime.fromisoformat("2023-03-25T23:00:00+07:00")  # offers could not be answered in time
    assert await fair.refused(move, to(date(2023, 3, 26))) == (409, "move-refused")
    assert (await fair.done(move, to(date(2023, 3, 27))))["told"] == 1
    await fair.assert_sequences_have_no_gap()


async def test_answers_and_a_cancellation_at_once_leave_nobody_with_a_booth_or_a_turn(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 10)])
    applications = await fair.apply_all(bazaar_id, await fair.register(16))
    await fair.allocate(bazaar_id)
    offered = await in_state(fair, applications, "offered")
    await fair.crowd()
    doors = [f"/v1/applications/{one}/{'confirm' if at % 2 else 'decline'}" for at, one in enumerate(offered)]
    cancel = fair.post(f"/v1/bazaars/{bazaar_id}/cancel", {"reason": "organiser"})
    answers = await asyncio.gather(*(fair.post(door) for door in doors[:5]), cancel, *map(fair.post, doors[5:]))
    assert {one.status_code for one in answers} <= {200, 409}
    assert answers[5].is_success
    assert await turns(fair) == {}
    assert set(await fair.states(applications)) <= {"cancelled", "declined"}
    cancelled = [event.key for event in await fair.published("ApplicationCancelled")]
    assert sorted(cancelled) == sorted(UUID(one) for one in await in_state(fair, applications, "cancelled"))
    await fair.assert_sequences_have_no_gap()

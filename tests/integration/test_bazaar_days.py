"""The days: check-ins by list that may be repeated, and the end."""

import asyncio
from datetime import timedelta
from typing import Any

from shared.ids import new_id
from tests.integration.bazaar import DAYS, Fair, at, site
from tests.integration.bazaar_day import open_day


async def held(fair: Fair, booths: int = 4, applicants: int = 6) -> tuple[str, list[str], list[str]]:
    """A bazaar on its first day, all booths confirmed: its id, who confirmed, who waits."""
    day = await open_day(fair, booths, applicants)
    return day.bazaar_id, day.confirmed, day.waiting


def list_of(day: object, application_ids: list[str]) -> dict[str, Any]:
    return {"day": str(day), "application_ids": application_ids}


async def test_a_repeated_check_in_changes_nothing(fair: Fair) -> None:
    bazaar_id, confirmed, _ = await held(fair)
    door = f"/v1/bazaars/{bazaar_id}/check-ins"
    await fair.done(door, list_of(DAYS[0], confirmed[:2]))
    again = await fair.done(door, list_of(DAYS[0], [*confirmed[:3], confirmed[0]]))
    assert again == {"checked_in": 1, "already": 2, "refused": []}
    fair.clock.moment = at(DAYS[1])
    assert (await fair.done(door, list_of(DAYS[1], confirmed[:1])))["checked_in"] == 1
    # a list of the day before that comes late is taken too
    assert (await fair.done(door, list_of(DAYS[0], confirmed[3:])))["checked_in"] == 1
    assert len(await fair.published("BoothCheckedIn")) == 5
    assert (await fair.application(confirmed[0]))["checked_in"] == [day.isoformat() for day in DAYS]
    await fair.assert_sequences_have_no_gap()


async def test_who_cannot_be_checked_in_is_listed_and_stops_nobody(fair: Fair) -> None:
    bazaar_id, confirmed, waiting = await held(fair)
    unknown = str(new_id())
    outcome = await fair.done(
        f"/v1/bazaars/{bazaar_id}/check-ins", list_of(DAYS[0], [confirmed[0], waiting[0], unknown])
    )
    assert outcome["checked_in"] == 1
    assert {one["application_id"]: one["code"] for one in outcome["refused"]} == {
        waiting[0]: "not-confirmed",
        unknown: "application-unknown",
    }


async def test_nobody_checks_in_on_another_day(fair: Fair) -> None:
    bazaar_id, confirmed, _ = await held(fair)
    door = f"/v1/bazaars/{bazaar_id}/check-ins"
    for day in (DAYS[0] - timedelta(days=1), DAYS[1], DAYS[1] + timedelta(days=1)):
        assert await fair.refused(door, list_of(day, confirmed)) == (409, "not-a-bazaar-day")


async def test_one_vendor_checked_in_by_several_devices_at_once_is_there_once(fair: Fair) -> None:
    bazaar_id, confirmed, _ = await held(fair)
    await fair.crowd()
    door = f"/v1/bazaars/{bazaar_id}/check-ins"
    outcomes = await asyncio.gather(*(fair.done(door, list_of(DAYS[0], confirmed)) for _ in range(8)))
    assert sum(one["checked_in"] for one in outcomes) == len(confirmed)
    assert len(await fair.published("BoothCheckedIn")) == len(confirmed)
    await fair.assert_sequences_have_no_gap()


async def test_the_end_settles_who_came_and_who_did_not(fair: Fair) -> None:
    bazaar_id, confirmed, waiting = await held(fair)
    await fair.done(f"/v1/bazaars/{bazaar_id}/check-ins", list_of(DAYS[0], confirmed[:3]))
    finish = f"/v1/bazaars/{bazaar_id}/finish"
    fair.clock.moment = at(DAYS[1], 23)
    assert await fair.refused(finish) == (409, "bazaar-not-over")
    fair.clock.moment = at(DAYS[1] + timedelta(days=1), 0 + 7)
    assert await fair.done(finish) == {"attended": 3, "missed": 1}
    assert await fair.refused(finish) == (409, "wrong-moment")
    assert await fair.states([*confirmed, *waiting]) == ["attended"] * 3 + ["missed"] + ["queued"] * 2
    door = f"/v1/bazaars/{bazaar_id}/check-ins"
    assert await fair.refused(door, list_of(DAYS[1], confirmed)) == (409, "wrong-moment")
    told = (await fair.application(waiting[0]))["explanation"]["id"]
    assert told.startswith("Bazar Jakpreneur sudah selesai")
    async with fair.database.read() as conn:
        days = await conn.fetch("SELECT DISTINCT day FROM turn")
    assert [row["day"] for row in days] == [DAYS[-1]]
    (settled,) = await fair.published("BazaarHeld")
    assert (str(settled.key), settled.body["attended"], settled.body["missed"]) == (bazaar_id, 3, 1)
    async with fair.database.read() as conn:
        no_shows = await conn.fetch("SELECT application_id FROM turn_adjustment WHERE because = 'no-show'")
    assert [str(row["application_id"]) for row in no_shows] == confirmed[3:]
    await fair.assert_sequences_have_no_gap()


async def test_an_online_bazaar_has_no_gate_to_miss(fair: Fair) -> None:
    day = await open_day(fair, 1, 1, setting="online")
    fair.clock.moment = at(DAYS[1] + timedelta(days=1))
    assert await fair.done(f"/v1/bazaars/{day.bazaar_id}/finish") == {"attended": 1, "missed": 0}
    assert await fair.states(day.confirmed) == ["confirmed"]


async def test_an_offer_that_no_timer_ended_has_lapsed_at_the_end(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    applications = await fair.apply_all(bazaar_id, await fair.register(2))
    await fair.allocate(bazaar_id)
    fair.clock.moment = at(DAYS[1] + timedelta(days=1))
    assert await fair.done(f"/v1/bazaars/{bazaar_id}/finish") == {"attended": 0, "missed": 0}
    assert sorted(await fair.states(applications)) == ["lapsed", "queued"]
    assert await fair.run_timers() == 1
    assert sorted(await fair.states(applications)) == ["lapsed", "queued"]

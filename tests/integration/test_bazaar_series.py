"""Series in the service: planned by many at once, their turns under cancellations, changed, kept planned by a timer."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from services.bazaar.handlers.series import PLAN, plan_by_timer
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.bazaar import GAMBIR, SENEN, Fair, open_fair, site

TURNS = [
    {"turn_id": "sawah-besar", "sites": ["karang-anyar"], "area": "31.71.02"},
    {"turn_id": "gambir", "sites": ["gambir"], "area": "31.71.01"},
    {"turn_id": "senen", "sites": ["senen"], "area": "31.71.04"},
]
SITES = [site("karang-anyar"), site("gambir", kelurahan=GAMBIR), site("senen", kelurahan=SENEN)]


@pytest.fixture
async def fair(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> Fair:
    """The bazaar service, empty, on 1 March 2023."""
    return await open_fair(make_database, serve, issuer, clock, sealer)


def described(**more: Any) -> dict[str, Any]:
    """Two days from the 20th of each month, by kecamatan in turn."""
    return {
        "name": "Bazar Jakpreneur",
        "organisers": ["Sudin PPKUKM Jakarta Pusat", {"name": "PPAPP", "role": "co-organiser", "agency": "ppapp"}],
        "funding": {"source": "apbd", "year": 2023},
        "sites": SITES,
        "turns": TURNS,
        "area": "31.71",
        "recurrence": "RRULE:FREQ=MONTHLY;BYMONTHDAY=20",
        "first_day": "2023-03-20",
        "window": 2,
        "applications_close": {"days_before": 7, "at": "17:00"},
        "opening": {"at": "09:00", "title": "Pembukaan", "url": "https://meet.example/pembukaan"},
        "links": [{"kind": "social", "title": "Instagram", "url": "https://social.example/lapak"}],
        **more,
    }


async def plan(fair: Fair, series_id: str, until: str) -> dict[str, int]:
    answer = await fair.done(f"/v1/series/{series_id}/plan", {"until": until})
    return {name: answer[name] for name in ("added", "changed", "dropped")}


async def make(fair: Fair, **more: Any) -> str:
    series_id: str = (await fair.done("/v1/series", described(**more)))["series_id"]
    return series_id


async def occurrences(fair: Fair, series_id: str) -> list[dict[str, Any]]:
    """In the order of days."""
    shown = (await fair.shown(f"/v1/series/{series_id}"))["occurrences"]
    return sorted(shown, key=lambda one: str(one["days"]))


async def test_a_series_is_planned_and_its_occurrences_are_what_it_describes(fair: Fair) -> None:
    series_id = await make(fair)
    assert (await fair.client.get(f"/v1/series/{series_id}")).status_code == 404
    assert (await fair.client.get("/v1/series")).json()["items"] == []
    assert await plan(fair, series_id, "2023-05-31") == {"added": 3, "changed": 0, "dropped": 0}

    shown = (await fair.client.get(f"/v1/series/{series_id}")).json()
    assert [one["series_id"] for one in (await fair.client.get("/v1/series")).json()["items"]] == [series_id]
    assert (shown["name"], shown["version"]) == ("Bazar Jakpreneur", 1)
    first, second, third = await occurrences(fair, series_id)
    assert [one["in_turn"] for one in (first, second, third)] == [["sawah-besar"], ["gambir"], ["senen"]]
    assert second["days"] == ["2023-04-20", "2023-04-21"]
    bazaar = await fair.shown(f"/v1/bazaars/{first['bazaar_id']}")
    assert (bazaar["state"], bazaar["phase"], bazaar["series_day"]) == ("tentative", "tentative", "2023-03-20")
    assert (bazaar["area"], [one["site_id"] for one in bazaar["sites"]]) == ("31.71.02", ["karang-anyar"])
    assert bazaar["organisers"] == ["Sudin PPKUKM Jakarta Pusat", "PPAPP"]
    assert [one["role"] for one in bazaar["partners"]] == ["organiser", "co-organiser"]
    assert bazaar["funding"] == {"source": "apbd", "year": 2023, "sponsor": None}
    assert datetime.fromisoformat(bazaar["opening"]["at"]) == datetime(2023, 3, 20, 2, tzinfo=UTC)
    assert [one["kind"] for one in bazaar["links"]] == ["social"]
    assert datetime.fromisoformat(bazaar["applications_close_at"]) == datetime(2023, 3, 13, 10, tzinfo=UTC)
    events = await fair.published("BazaarPlanned")
    assert [(event.sequence, event.body["series_id"]) for event in events] == [(1, series_id)] * 3

    # tentative ones are shown to those who ask for them
    assert (await fair.client.get("/v1/bazaars")).json()["items"] == []
    asked = (await fair.client.get("/v1/bazaars", params={"state": "tentative", "series_id": series_id})).json()
    assert len(asked["items"]) == 3


async def test_five_planners_at_once_plan_each_occurrence_once(fair: Fair) -> None:
    series_id = await make(fair)
    await fair.crowd()
    answers = await asyncio.gather(*(plan(fair, series_id, "2023-12-31") for _ in range(5)))
    assert sum(answer["added"] for answer in answers) == 10
    assert sum(answer["changed"] + answer["dropped"] for answer in answers) == 0
    assert len(await fair.published("BazaarPlanned")) == 10
    assert await plan(fair, series_id, "2023-12-31") == {"added": 0, "changed": 0, "dropped": 0}


async def test_an_announced_occurrence_follows_its_tentative_state(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-03-31")
    (one,) = await occurrences(fair, series_id)
    door = f"/v1/bazaars/{one['bazaar_id']}"
    await fair.done(f"{door}/announce")
    bazaar = await fair.shown(door)
    assert (bazaar["state"], bazaar["phase"], bazaar["revision"]) == ("announced", "open", 1)
    (event,) = await fair.published("BazaarAnnounced")
    assert (event.sequence, event.body["series_id"], event.body["area"]) == (2, series_id, "31.71.02")
    assert await fair.refused(f"{door}/announce") == (409, "wrong-moment")


async def test_a_cancelled_turn_goes_to_the_next_that_is_announced(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-06-30")
    first, second, third, _ = await occurrences(fair, series_id)
    await fair.done(f"/v1/bazaars/{first['bazaar_id']}/announce")
    await fair.done(f"/v1/bazaars/{second['bazaar_id']}/announce")
    await fair.done(f"/v1/bazaars/{second['bazaar_id']}/cancel", {"reason": "weather"})
    await fair.done(f"/v1/bazaars/{third['bazaar_id']}/announce")
    turns = [(one["state"], *one["in_turn"]) for one in await occurrences(fair, series_id)]
    assert turns == [
        ("announced", "sawah-besar"),
        ("cancelled", "gambir"),
        ("announced", "gambir"),
        ("tentative", "senen"),
    ]
    bazaar = await fair.shown(f"/v1/bazaars/{third['bazaar_id']}")
    assert ([one["site_id"] for one in bazaar["sites"]], bazaar["area"]) == (["gambir"], "31.71.01")
    announced = (await fair.published("BazaarAnnounced"))[-1]
    assert [one["site_id"] for one in announced.body["sites"]] == ["gambir"]
    await fair.assert_sequences_have_no_gap()


async def test_those_still_tentative_take_the_turn_soon_after_a_cancellation(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-06-30")
    first, *_ = await occurrences(fair, series_id)
    await fair.done(f"/v1/bazaars/{first['bazaar_id']}/cancel", {"reason": "venue"})
    while await run_due(fair.database, {PLAN: plan_by_timer}, fair.clock.now()):
        pass
    turns = [one["in_turn"][0] for one in await occurrences(fair, series_id)]
    assert turns == ["sawah-besar", "sawah-besar", "gambir", "senen"]
    await fair.assert_sequences_have_no_gap()


async def test_a_moved_occurrence_keeps_its_days_whatever_is_planned_and_its_opening_act_moves(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-04-30")
    _, one = await occurrences(fair, series_id)
    door = f"/v1/bazaars/{one['bazaar_id']}"
    await fair.done(f"{door}/move", {"days": ["2023-04-27", "2023-04-28"], "reason": "holiday"})
    await fair.done(f"/v1/series/{series_id}/change", {"version": 1, "series": described(name="Bazar Lagi")})
    assert (await plan(fair, series_id, "2023-04-30"))["added"] == 0
    bazaar = await fair.shown(door)
    assert (bazaar["days"], bazaar["name"]) == (["2023-04-27", "2023-04-28"], "Bazar Jakpreneur")
    assert datetime.fromisoformat(bazaar["opening"]["at"]) == datetime(2023, 4, 27, 2, tzinfo=UTC)


async def test_a_series_may_name_a_policy(fair: Fair) -> None:
    rotation = [{"by": "rw", "measure": "turns"}]
    words = {"id": "RW bergilir", "en": "RWs in turn"}
    body = {"code": "rw-bergilir", "area": "31.71", "title": words, "description": words}
    await fair.done("/v1/policies", {**body, "document": {"policy": {"rotation": rotation}}})
    series_id = await make(fair, policy={"code": "rw-bergilir"})
    await plan(fair, series_id, "2023-03-31")
    (one,) = await occurrences(fair, series_id)
    shown = await fair.shown(f"/v1/bazaars/{one['bazaar_id']}")
    assert shown["policy"]["rotation"] == rotation


async def test_a_changed_rule_is_followed_by_the_tentative_and_not_by_the_announced(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-06-30")
    first, second, _, last = await occurrences(fair, series_id)
    await fair.done(f"/v1/bazaars/{first['bazaar_id']}/announce")
    edit = {**described(), "days": ["2023-04-20"], "applications_close_at": "2023-04-13T17:00:00+07:00"}
    for field in ("recurrence", "first_day", "window", "applications_close", "turns"):
        del edit[field]
    edit["opening"] = None
    await fair.done(f"/v1/bazaars/{second['bazaar_id']}/edit", edit)
    body = described(window=3, recurrence="RRULE:FREQ=MONTHLY;BYMONTHDAY=20;UNTIL=20230531")

    change = f"/v1/series/{series_id}/change"
    answer = await fair.done(change, {"version": 1, "series": body})
    assert (answer["version"], answer["added"], answer["changed"], answer["dropped"]) == (2, 0, 1, 1)
    assert await fair.refused(change, {"version": 1, "series": body}) == (409, "series-changed")
    found = await occurrences(fair, series_id)
    assert [(one["state"], len(one["days"])) for one in found] == [
        ("announced", 2),
        ("tentative", 1),  # edited by hand
        ("tentative", 3),
        ("cancelled", 2),
    ]
    (event,) = await fair.published("BazaarCancelled")
    assert (str(event.key), event.body["reason"]) == (last["bazaar_id"], "series")
    await fair.assert_sequences_have_no_gap()

    # the rule comes back: so does the occurrence
    await fair.done(change, {"version": 2, "series": described()})
    assert (await plan(fair, series_id, "2023-06-30"))["added"] == 0
    found = await occurrences(fair, series_id)
    assert [(one["state"], len(one["days"])) for one in found][2:] == [("tentative", 2)] * 2
    await fair.assert_sequences_have_no_gap()


async def test_the_service_keeps_a_series_planned_month_after_month(fair: Fair) -> None:
    series_id = await make(fair, planned_ahead_days=62)
    handlers = {PLAN: plan_by_timer}
    assert not await run_due(fair.database, handlers, fair.clock.now())
    for month, planned in ((4, 2), (5, 3), (6, 4)):
        fair.clock.moment = datetime(2023, month, 1, tzinfo=UTC)
        assert await run_due(fair.database, handlers, fair.clock.now())
        assert not await run_due(fair.database, handlers, fair.clock.now())
        assert len(await occurrences(fair, series_id)) == planned
    await fair.done(f"/v1/series/{series_id}/change", {"version": 1, "series": described()})
    fair.clock.moment = datetime(2023, 8, 1, tzinfo=UTC)
    assert not await run_due(fair.database, handlers, fair.clock.now())


async def test_planning_and_announcing_at_once_agree(fair: Fair) -> None:
    series_id = await make(fair)
    await plan(fair, series_id, "2023-08-31")
    found = await occurrences(fair, series_id)
    await fair.crowd()
    await asyncio.gather(
        *(fair.done(f"/v1/bazaars/{one['bazaar_id']}/announce") for one in found[:4]),
        *(plan(fair, series_id, "2023-09-30") for _ in range(4)),
    )
    turns = [one["in_turn"][0] for one in await occurrences(fair, series_id)]
    assert turns == [TURNS[place % 3]["turn_id"] for place in range(7)]
    await fair.assert_sequences_have_no_gap()


async def test_a_series_is_for_officers_of_all_its_areas(fair: Fair) -> None:
    narrow, vendor = fair.officer("31.71.02"), fair.issuer.token("v", ["vendor"])
    for token, code in ((narrow, "outside-area"), (vendor, "role-missing")):
        assert await fair.refused("/v1/series", described(), token=token) == (403, code)
    # of a turn's area too, though every site is inside
    one_site = described(
        sites=SITES[:1], turns=[{"turn_id": "a", "sites": ["karang-anyar"], "area": "31.72"}], area=None
    )
    assert await fair.refused("/v1/series", one_site) == (403, "outside-area")
    series_id = await make(fair)
    assert (await fair.get(f"/v1/series/{series_id}", token=narrow)).status_code == 403
    for token, shown in ((fair.officer(), [series_id]), (narrow, [])):
        own = await fair.shown("/v1/series?own=true", token=token)
        assert [one["series_id"] for one in own["items"]] == shown
    assert (await fair.get("/v1/series?own=true", token=vendor)).status_code == 403
    assert (await fair.client.get("/v1/series?own=true")).status_code == 401
    for path, body in (("plan", {"until": "2023-05-31"}), ("change", {"version": 1, "series": one_site})):
        assert (await fair.refused(f"/v1/series/{series_id}/{path}", body, token=narrow))[1] == "outside-area"
    mine = described(sites=SITES[:1], turns=[], area="31.71.02")
    changing = {"version": 1, "series": mine}
    assert await fair.refused(f"/v1/series/{series_id}/change", changing, token=narrow) == (403, "outside-area")


async def test_what_cannot_be_planned_is_refused_with_its_reason(fair: Fair) -> None:
    assert await fair.refused("/v1/series", described(first_day="2023-03-21")) == (422, "recurrence-empty")
    weekly = described(recurrence="FREQ=DAILY")
    assert await fair.refused("/v1/series", weekly) == (422, "windows-overlap")
    response = await fair.post("/v1/series", described(recurrence="FREQ=HOURLY"))
    assert response.status_code == 422
    assert "finer than a day" in response.text
    series_id = await make(fair)
    assert await fair.refused(f"/v1/series/{series_id}/plan", {"until": "2025-03-03"}) == (422, "horizon-too-far")
    assert (await fair.refused(f"/v1/series/{new_id()}/plan", {"until": "2023-05-31"})) == (404, "series-unknown")


async def test_a_clone_has_the_same_sites_booths_and_policy_on_other_days(fair: Fair) -> None:
    sites = [site("one", 4, agency_desks=["ppkukm"], partner_booths=["Bulog"]), site("two", days=["2023-03-21"])]
    policy = {"rotation": [{"by": "rw", "measure": "turns"}], "caps": [{"group": "rw", "seats_each": 1}]}
    links = [{"kind": "maps", "title": "Peta", "url": "https://maps.example/a"}]
    bazaar_id = await fair.announce(sites, policy=policy, links=links, theme="Ramadan", area="31.71")
    body = {"days": ["2023-05-03", "2023-05-04"], "applications_close_at": "2023-04-25T17:00:00+07:00"}
    clone_id = (await fair.done(f"/v1/bazaars/{bazaar_id}/clone", body))["bazaar_id"]

    assert (await fair.client.get(f"/v1/bazaars/{clone_id}")).status_code == 404
    source, clone = await fair.shown(f"/v1/bazaars/{bazaar_id}"), await fair.shown(f"/v1/bazaars/{clone_id}")
    assert (clone["state"], clone["revision"], clone["days"]) == ("draft", 0, body["days"])
    for field in ("name", "theme", "partners", "policy", "links", "area", "offer_hours"):
        assert clone[field] == source[field], field
    strip = [{**one, "days": None} for one in source["sites"]]
    assert [{**one, "days": None} for one in clone["sites"]] == strip
    assert [one["days"] for one in clone["sites"]] == [body["days"], ["2023-05-04"]]
    one_day = {"days": ["2023-05-03"], "applications_close_at": "2023-04-25T17:00:00+07:00", "name": "Lagi"}
    other = await fair.shown(f"/v1/bazaars/{(await fair.done(f'/v1/bazaars/{clone_id}/clone', one_day))['bazaar_id']}")
    assert (other["name"], [one["days"] for one in other["sites"]]) == ("Lagi", [["2023-05-03"], ["2023-05-03"]])
    await fair.done(f"/v1/bazaars/{clone_id}/announce")
    outside = fair.officer("31.72")
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/clone", body, token=outside) == (403, "outside-area")


async def test_a_draft_is_edited_whole_until_it_is_announced(fair: Fair) -> None:
    bazaar_id = await fair.draft([site("one"), site("two")])
    body = {
        "name": "Bazar Ramadan",
        "organisers": ["Sudin"],
        "days": ["2023-03-21"],
        "sites": [site("three", 5)],
        "applications_close_at": "2023-03-14T17:00:00+07:00",
    }
    door = f"/v1/bazaars/{bazaar_id}"
    await fair.done(f"{door}/edit", body)
    shown = await fair.shown(door)
    assert (shown["name"], shown["days"], [one["site_id"] for one in shown["sites"]]) == (
        "Bazar Ramadan",
        ["2023-03-21"],
        ["three"],
    )
    assert len(shown["sites"][0]["stands"]) == 5
    assert await fair.published() == []
    # neither out of one's area, nor into it
    assert await fair.refused(f"{door}/edit", body, token=fair.officer("31.72")) == (403, "outside-area")
    away = {**body, "sites": [site("three", kelurahan="31.72.01.1001")]}
    assert await fair.refused(f"{door}/edit", away) == (403, "outside-area")
    await fair.done(f"{door}/announce")
    assert await fair.refused(f"{door}/edit", body) == (409, "wrong-moment")


async def test_an_officer_sees_the_drafts_of_its_area_and_nobody_else_does(fair: Fair) -> None:
    here, away = await fair.draft(), await fair.draft([site("one"), site("two", kelurahan=GAMBIR)])
    drafts = {"state": "draft"}
    assert (await fair.client.get("/v1/bazaars", params=drafts)).status_code == 401

    async def listed(area: str) -> list[str]:
        items = (await fair.shown("/v1/bazaars?state=draft", token=fair.officer(area)))["items"]
        return sorted(one["bazaar_id"] for one in items)

    assert await listed("31.71") == sorted([here, away])
    assert await listed("31.71.02") == [here]
    assert await listed("31.72") == []
    assert (await fair.get("/v1/bazaars?state=draft", token=fair.issuer.token("v", ["vendor"]))).status_code == 403
    assert (await fair.get(f"/v1/bazaars/{away}", token=fair.officer("31.71.02"))).status_code == 403
    assert (await fair.shown(f"/v1/bazaars/{here}", token=fair.officer("31.71.02")))["state"] == "draft"


async def test_links_are_replaced_as_a_whole_at_any_time(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    door = f"/v1/bazaars/{bazaar_id}"
    links = [
        {"kind": kind, "title": f"Kanal {kind}", "url": f"https://{kind}.example/lapak"}
        for kind in ("storefront", "stream", "social")
    ]
    await fair.done(f"{door}/links", {"links": links})
    assert (await fair.client.get(door)).json()["links"] == links
    await fair.done(f"{door}/links", {"links": links[:1]})
    assert (await fair.client.get(door)).json()["links"] == links[:1]
    bad = [{"kind": "stream", "title": "x", "url": "javascript:alert(1)"}]
    assert (await fair.post(f"{door}/links", {"links": bad})).status_code == 422
    assert await fair.refused(f"{door}/links", {"links": []}, token=fair.officer("31.72")) == (403, "outside-area")


async def test_a_season_of_article_002_in_the_service(fair: Fair) -> None:
    """Twice a month, six of eight kecamatan of Central Jakarta in turn (DOMAIN C1, C4)."""
    codes = [f"31.71.0{number}.1001" for number in range(1, 9)]
    sites = [site(f"k{place}", 30, kelurahan=code) for place, code in enumerate(codes)]
    turns = [{"turn_id": f"k{place}", "sites": [f"k{place}"]} for place in range(8)]
    series_id = await make(
        fair,
        sites=sites,
        turns=turns,
        turns_each=6,
        recurrence="RRULE:FREQ=MONTHLY;BYMONTHDAY=6,20",
        on_holiday="next-working-day",
    )
    assert (await plan(fair, series_id, "2024-03-31"))["added"] == 25
    found = await occurrences(fair, series_id)
    for one, following in pairwise(found):
        assert len(one["in_turn"]) == 6
        assert {f"k{place}" for place in range(8)} - set(one["in_turn"]) <= set(following["in_turn"])
    # 20 April 2023 is joint leave before Lebaran, which lasts until the 25th
    moved = next(one for one in found if one["series_day"] == "2023-04-20")
    assert moved["days"] == ["2023-04-26", "2023-04-27"]
    async with fair.database.read() as conn:
        booths = await conn.fetchval("SELECT count(*) FROM booth WHERE kind = 'vendor'")
    assert booths == 25 * 6 * 30
    assert found[-1]["days"] == ["2024-03-20", "2024-03-21"]

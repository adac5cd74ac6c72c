"""The ledger for officers, open figures for everyone, forecasts held against what happened."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

from services.bazaar.handlers.fairness import TIMER, count_by_timer
from shared.events.vendor import VendorMerged
from shared.ids import new_id
from shared.timers import run_due
from tests.integration.bazaar import CLOSING, DAYS, GAMBIR, KARANG_ANYAR, Fair, at, site

MONTH = timedelta(days=28)


async def count(fair: Fair) -> None:
    """Work off the timer of the open figures."""
    assert await run_due(fair.database, {TIMER: count_by_timer}, fair.clock.now())


async def test_the_ledger_adds_up_by_group(fair: Fair) -> None:
    here = await fair.register(4, rw="001", category="food-drink")
    there = await fair.register(2, kelurahan=GAMBIR, rw="002", category="health")
    bazaar_id = await fair.announce([site("one", booths=4)])
    applications = await fair.apply_all(bazaar_id, here + there)
    await fair.allocate(bazaar_id)
    states = dict(zip(applications, await fair.states(applications), strict=True))
    offered = [one for one, state in states.items() if state == "offered"]
    await fair.answer(offered[0], "confirm")
    await fair.answer(offered[1], "decline")

    found = await fair.shown("/v1/fairness/ledger?by=category&area=31.71")
    rows = {row["value"]: row for row in found["items"]}
    assert {value: row["vendors"] for value, row in rows.items()} == {"food-drink": 4, "health": 2}
    assert sum(row["applications"] for row in rows.values()) == 6
    assert sum(row["offered"] for row in rows.values()) == 5
    assert sum(row["promoted"] for row in rows.values()) == 1
    assert (sum(row["confirmed"] for row in rows.values()), sum(row["declined"] for row in rows.values())) == (1, 1)
    assert sum(row["turns"] for row in rows.values()) == 1
    assert {row["value"] for row in (await fair.shown("/v1/fairness/ledger?by=rw&area=31.71.01"))["items"]} == {
        f"{GAMBIR}.002"
    }
    later = await fair.shown("/v1/fairness/ledger?by=category&area=31.71&from=2023-04-01")
    assert later["items"] == []


async def test_a_person_counts_once_however_often_registered(fair: Fair) -> None:
    one, other = await fair.register(2, rw="001")
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, [one, other])
    assert (await fair.shown("/v1/fairness/ledger?by=rw&area=31.71"))["items"][0]["vendors"] == 2
    await fair.hear(VendorMerged(vendor_id=one, into=other, merge_id=new_id()))
    assert (await fair.shown("/v1/fairness/ledger?by=rw&area=31.71"))["items"][0]["vendors"] == 1


async def test_rws_are_served_or_not_yet(fair: Fair) -> None:
    vendors = [*await fair.register(1, rw="001"), *await fair.register(1, rw="002")]
    await fair.register(1, rw="003")
    bazaar_id = await fair.announce([site("one", booths=1)])
    await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    served = (await fair.shown("/v1/fairness/rws?area=31.71&served=true"))["items"]
    waiting = (await fair.shown("/v1/fairness/rws?area=31.71&served=false"))["items"]
    assert [row["offered"] for row in served] == [1]
    assert {(row["rw"][-3:], row["willing"]) for row in waiting} | {(served[0]["rw"][-3:], 1)} == {
        ("001", 1),
        ("002", 1),
        ("003", 0),
    }
    pages = []
    after = ""
    while True:
        shown = await fair.shown(f"/v1/fairness/rws?area=31.71&limit=1{after}")
        pages += [row["rw"] for row in shown["items"]]
        if shown["next"] is None:
            break
        after = f"&after={shown['next']}"
    assert pages == sorted(pages)
    assert len(pages) == 3


async def test_officers_see_their_own_area_only_and_vendors_nothing(fair: Fair) -> None:
    (vendor_id,) = await fair.register(1)
    await fair.apply(await fair.announce(), vendor_id)
    for path in ("ledger?by=rw&area=31.72", "vendors?area=31", "rws?area=31.74"):
        assert (await fair.get(f"/v1/fairness/{path}")).status_code == 403
    for path in ("ledger?by=rw&area=31.71", "vendors?area=31.71", "rws?area=31.71", "forecasts"):
        assert (await fair.get(f"/v1/fairness/{path}", token=fair.vendor(vendor_id))).status_code == 403
        assert (await fair.get(f"/v1/fairness/{path}")).status_code == 200
    listed = (await fair.shown("/v1/fairness/vendors?area=31.71"))["items"]
    assert [(row["vendor_id"], row["turns"], row["waiting_since"]) for row in listed] == [
        (str(vendor_id), 0, fair.clock.now().date().isoformat())
    ]


async def test_open_figures_hide_small_groups_and_name_no_vendor(fair: Fair) -> None:
    many = await fair.register(7, rw="001", category="food-drink")
    few = await fair.register(3, kelurahan=GAMBIR, rw="001", category="health")
    bazaar_id = await fair.announce([site("one", booths=3)])
    await fair.apply_all(bazaar_id, many + few)
    await fair.allocate(bazaar_id)
    assert (await fair.client.get("/v1/open-data/fairness")).status_code == 404
    fair.clock.moment = at(date(2023, 3, 22))
    await count(fair)

    answer = await fair.client.get("/v1/open-data/fairness")
    figures = answer.json()
    kecamatan = {row["value"]: row["hidden"] for row in figures["areas"] if row["value"].count(".") == 2}
    assert kecamatan == {KARANG_ANYAR[:8]: True, GAMBIR[:8]: True}
    city = next(row for row in figures["areas"] if row["value"] == "31.71")
    assert (city["vendors"], city["offered"]) == (10, 3)
    assert figures["turns"]["people"] == 10
    assert figures["coverage"] == {"with_vendors": 2, "willing": 2, "served": figures["coverage"]["served"]}
    assert not any(str(vendor_id) in answer.text for vendor_id in many + few)
    sheet = list(csv.DictReader(io.StringIO((await fair.client.get("/v1/open-data/fairness.csv")).text)))
    assert {row["value"] for row in sheet} == {row["value"] for row in figures["areas"]}
    assert all(row["vendors"] == "" for row in sheet if row["hidden"] == "True")


async def test_good_spots_are_held_against_each_other(fair: Fair) -> None:
    vendors = await fair.register(2, rw="001")
    bazaar_id = await fair.announce([site("one", booths=2)])
    applications = await fair.apply_all(bazaar_id, vendors)
    await fair.allocate(bazaar_id)
    for application_id in applications:
        await fair.answer(application_id, "confirm")
    fair.clock.moment = at(date(2023, 3, 22))
    await count(fair)
    figures = (await fair.client.get("/v1/open-data/fairness")).json()
    assert figures["good_spots"] == {"gini": None}, "a hall without good spots tells nothing"

    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE booth SET spot = 'good' WHERE number = 'A01'")
    fair.clock.moment = at(date(2023, 3, 23))
    await count(fair)
    figures = (await fair.client.get("/v1/open-data/fairness")).json()
    assert figures["good_spots"] == {"gini": 0.5}, "one of two has the only good spot"


async def test_the_figures_are_counted_again_each_night(fair: Fair) -> None:
    fair.clock.moment = at(date(2023, 3, 22))
    await count(fair)
    assert not await run_due(fair.database, {TIMER: count_by_timer}, fair.clock.now())
    fair.clock.moment = datetime(2023, 3, 22, 20, 0, tzinfo=UTC)  # 03.00 WIB of the next day
    await count(fair)
    days = (await fair.client.get("/v1/open-data/fairness")).json()["days"]
    assert days == ["2023-03-23", "2023-03-22"]
    assert (await fair.client.get("/v1/open-data/fairness?day=2023-03-22")).json()["day"] == "2023-03-22"


async def test_a_forecast_is_held_against_the_round_that_brought_the_booth(fair: Fair) -> None:
    vendors = await fair.register(3, rw="001")
    closing, days = CLOSING, DAYS
    for _ in range(3):
        bazaar_id = await fair.announce(
            [site("one", booths=1)],
            days=[day.isoformat() for day in days],
            applications_close_at=closing.isoformat(),
        )
        applications = []
        for vendor_id in vendors:  # a day apart, so that no lottery is needed between those who wait
            applications.append(await fair.apply(bazaar_id, vendor_id))
            fair.clock.advance(days=1)
        await fair.allocate(bazaar_id, closing=closing)
        for application_id, state in zip(applications, await fair.states(applications), strict=True):
            if state == "offered":
                await fair.answer(application_id, "confirm")
        closing, days = closing + MONTH, (days[0] + MONTH, days[1] + MONTH)
    found = await fair.shown("/v1/fairness/forecasts")
    # in each round two wait, told 1 and 2; of the six, those of the last round, and one of the second, are still open
    assert (found["made"], found["settled"], found["overdue"], found["open"]) == (6, 3, 0, 3)
    assert (found["exact"], found["mean_error"]) == (3, 0)
    assert [row["rounds"] for row in found["by_forecast"]] == [1, 2]

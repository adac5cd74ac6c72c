"""Jumat Beli Lokal: product groups in turn over real Fridays, with cancelled ones, and "when is mine?"."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from shared.ids import new_id
from tests.integration.bazaar import CATEGORIES, GAMBIR, Fair, at, site

FRIDAY = date(2023, 3, 10)
GROUPS = [
    {
        "code": "makanan-minuman",
        "name": {"id": "makanan dan minuman", "en": "food and drink"},
        "categories": ["food-drink"],
    },
    {
        "code": "busana",
        "name": {"id": "busana dan kerajinan", "en": "fashion and craft"},
        "categories": ["fashion-craft"],
    },
    {
        "code": "rumah-tangga",
        "name": {"id": "makanan berat dan rumah tangga", "en": "meals and household"},
        "categories": ["meals-household"],
    },
    {"code": "kesehatan", "name": {"id": "kesehatan", "en": "health"}, "categories": ["health"]},
]


async def jbl(fair: Fair, *, until: date = FRIDAY + timedelta(weeks=7)) -> tuple[str, dict[date, str]]:
    """The series of Fridays with its four groups, planned: its id, and each Friday's bazaar."""
    described = {
        "name": "Jumat Beli Lokal",
        "setting": "online",
        "organisers": ["Sudin PPKUKM Jakarta Pusat"],
        "sites": [site("etalase", venue_type="online", kelurahan=GAMBIR)],
        "policy": {"admits": [{"group": "area", "values": ["31"]}]},
        "recurrence": "RRULE:FREQ=WEEKLY;BYDAY=FR",
        "first_day": FRIDAY.isoformat(),
        "applications_close": {"days_before": 2, "at": "12:00"},
        "planned_ahead_days": 30,
    }
    series_id: str = (await fair.done("/v1/series", described))["series_id"]
    await fair.done(f"/v1/series/{series_id}/groups", {"groups": GROUPS})
    await fair.done(f"/v1/series/{series_id}/plan", {"until": until.isoformat()})
    async with fair.database.read() as conn:
        rows = await conn.fetch(
            "SELECT bazaar_id, days FROM bazaar WHERE series_id = $1 ORDER BY days", UUID(series_id)
        )
    return series_id, {row["days"][0]: str(row["bazaar_id"]) for row in rows}


async def settle(fair: Fair, bazaar_id: str, state: str) -> None:
    """Held or cancelled, without the story of its rounds."""
    async with fair.database.transaction() as conn:
        await conn.execute("UPDATE bazaar SET state = $2 WHERE bazaar_id = $1", UUID(bazaar_id), state)


async def categories_of(fair: Fair, bazaar_id: str) -> list[str]:
    """Whose turn this bazaar is, as everybody sees it."""
    shown = await fair.shown(f"/v1/bazaars/{bazaar_id}")
    return next(one["values"] for one in shown["policy"]["admits"] if one["group"] == "category")


async def test_groups_take_turns_and_a_cancelled_friday_skips_none(fair: Fair) -> None:
    _, fridays = await jbl(fair)
    held: list[str] = []
    for week, (day, bazaar_id) in enumerate(fridays.items()):
        fair.clock.moment = at(day - timedelta(days=4))
        await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
        [group] = await categories_of(fair, bazaar_id)
        # the second is cancelled on the very day, the fifth just after it was announced
        fair.clock.moment = at(day)
        if week in (1, 4):
            await settle(fair, bazaar_id, "cancelled")
        else:
            await settle(fair, bazaar_id, "finished")
            held.append(group)
    assert held == [*CATEGORIES, *CATEGORIES][: len(held)]
    assert len(held) == len(fridays) - 2
    announced = await fair.published("BazaarAnnounced")
    assert announced[0].body["categories"] == ["food-drink"]
    await fair.assert_sequences_have_no_gap()


async def test_only_the_group_whose_turn_it_is_may_apply_and_only_from_jakarta(fair: Fair) -> None:
    _, fridays = await jbl(fair)
    food, craft, *_ = await fair.register(4)
    [depok] = await fair.register(1, kelurahan="32.76.01.1006")
    first = fridays[FRIDAY]
    fair.clock.moment = at(FRIDAY - timedelta(days=4))
    await fair.done(f"/v1/bazaars/{first}/announce")
    choices = {"choices": [["etalase"]]}
    answer = await fair.post(f"/v1/bazaars/{first}/applications", choices, token=fair.vendor(craft))
    assert "whose category is food-drink" in answer.json()["detail"]
    assert await fair.refused(f"/v1/bazaars/{first}/applications", choices, token=fair.vendor(craft)) == (
        409,
        "not-admitted",
    )
    assert await fair.refused(f"/v1/bazaars/{first}/applications", choices, token=fair.vendor(depok)) == (
        409,
        "not-admitted",
    )
    await fair.apply(first, food, ["etalase"])


async def test_the_next_friday_waits_until_the_one_before_is_settled_also_when_two_announce_at_once(fair: Fair) -> None:
    _, fridays = await jbl(fair)
    first, second, third, *_ = fridays.values()
    fair.clock.moment = at(FRIDAY - timedelta(days=4))
    assert await fair.refused(f"/v1/bazaars/{second}/announce") == (409, "earlier-planned")
    await fair.done(f"/v1/bazaars/{first}/announce")
    assert await fair.refused(f"/v1/bazaars/{second}/announce") == (409, "turn-not-settled")
    await settle(fair, first, "finished")
    await settle(fair, third, "tentative")
    # both days are moved to the same Friday, so that neither is earlier than the other
    async with fair.database.transaction() as conn:
        await conn.execute(
            "UPDATE bazaar SET days = $2, applications_close_at = $3 WHERE bazaar_id = ANY($1::uuid[])",
            [UUID(second), UUID(third)],
            [FRIDAY + timedelta(weeks=1)],
            at(FRIDAY + timedelta(days=5)),
        )
    await fair.crowd()
    answers = await asyncio.gather(*(fair.post(f"/v1/bazaars/{one}/announce") for one in (second, third) * 4))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    async with fair.database.read() as conn:
        turns = [row["turn"] for row in await conn.fetch("SELECT turn FROM group_turn ORDER BY turn")]
    assert turns == [0, 1]


async def test_a_vendor_asks_when_its_group_is_next(fair: Fair) -> None:
    series_id, fridays = await jbl(fair)
    food, craft, meals, health = await fair.register(4)
    [beginner] = await fair.register(1, category=None)
    [baker] = await fair.register(1, category="bread")
    fair.clock.moment = at(FRIDAY - timedelta(days=4))
    await fair.done(f"/v1/bazaars/{fridays[FRIDAY]}/announce")

    async def asked(vendor_id: UUID) -> dict[str, Any]:
        shown = await fair.shown(f"/v1/vendors/{vendor_id}/next-friday", token=fair.vendor(vendor_id))
        answer: dict[str, Any] = shown["series"][0]
        return answer

    first = await asked(food)
    assert first["next"]["days"] == ["2023-03-10"]
    assert first["next"]["fixed"]
    assert first["answer"]["id"] == "Giliran kelompok makanan dan minuman berikutnya: Jumat, 10 Maret 2023."
    third = await asked(meals)
    assert third["next"]["days"] == ["2023-03-24"]
    assert "Friday, 24 March 2023" in third["answer"]["en"]
    assert (await asked(beginner))["because"] == "no-category"
    assert (await asked(baker))["because"] == "category-in-no-group"
    # the first is cancelled: its group comes next, and everybody behind it moves on by one Friday
    await settle(fair, fridays[FRIDAY], "cancelled")
    assert [(await asked(one))["next"]["days"][0] for one in (food, craft, meals, health)] == [
        "2023-03-17",
        "2023-03-24",
        "2023-03-31",
        "2023-04-07",
    ]
    public = await fair.client.get(f"/v1/series/{series_id}/groups/next", params={"category": "health"})
    assert public.json()["next"]["days"] == ["2023-04-07"]
    unknown = await fair.client.get(f"/v1/series/{series_id}/groups/next", params={"category": "bread"})
    assert unknown.json()["code"] == "category-in-no-group"
    assert (await fair.get(f"/v1/vendors/{food}/next-friday", token=fair.vendor(craft))).status_code == 403
    assert (await fair.get(f"/v1/vendors/{food}/next-friday", token=fair.officer("31.72"))).status_code == 403
    assert (await fair.get(f"/v1/vendors/{food}/next-friday")).is_success


async def test_other_groups_begin_when_those_before_have_gone_round(fair: Fair) -> None:
    series_id, fridays = await jbl(fair)
    fair.clock.moment = at(FRIDAY - timedelta(days=4))
    await fair.done(f"/v1/bazaars/{fridays[FRIDAY]}/announce")
    fifth = {"code": "kriya-anak", "name": {"id": "mainan", "en": "toys"}, "categories": ["toys"]}
    changed = await fair.done(f"/v1/series/{series_id}/groups", {"groups": [*GROUPS, fifth]})
    assert changed["from_turn"] == 4
    ahead = (await fair.shown(f"/v1/series/{series_id}/groups"))["ahead"]
    assert [one["group"]["code"] for one in ahead] == [
        *(group["code"] for group in GROUPS),
        *(group["code"] for group in GROUPS),
    ][: len(ahead)]
    assert await fair.refused(f"/v1/series/{series_id}/groups", {"groups": GROUPS}, token=fair.officer("31.72")) == (
        403,
        "outside-area",
    )
    assert (await fair.client.get(f"/v1/series/{new_id()}/groups")).status_code == 404

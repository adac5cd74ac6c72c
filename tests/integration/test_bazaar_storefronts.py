"""Online: storefronts that vendors want shown, live slots, pre-orders that are never promised twice, showcases."""

import asyncio
from datetime import date

from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.bazaar import DAYS, KARANG_ANYAR, Fair, site
from tests.integration.borju import SHOP, borju, public, show


async def test_a_storefront_is_shown_when_its_vendor_wants_it_and_an_officer_has_looked(fair: Fair) -> None:
    bazaar_id, vendors, applications = await borju(fair)
    path = f"/v1/applications/{applications[0]}/storefront"
    assert (await public(fair, bazaar_id))["storefronts"] == []
    token = fair.vendor(vendors[0])
    assert await fair.refused(path, {**SHOP, "shown_publicly": False}, token=token) == (422, "invalid")
    assert await fair.refused(path, SHOP, token=fair.vendor(vendors[1])) == (403, "not-own-data")
    assert (await fair.done(path, SHOP, token=token))["state"] == "submitted"
    assert (await public(fair, bazaar_id))["storefronts"] == []
    # the vendor changes it while the officer looks: what was not seen is not approved
    await fair.done(path, {**SHOP, "title": "Dapur Tini"}, token=token)
    assert await fair.refused(f"{path}/decide", {"version": 1, "decision": "approve"}) == (409, "storefront-changed")
    assert await fair.refused(f"{path}/decide", {"version": 2, "decision": "approve"}, token=token) == (
        403,
        "role-missing",
    )
    await fair.done(f"{path}/decide", {"version": 2, "decision": "approve"})
    [shown] = (await public(fair, bazaar_id))["storefronts"]
    assert (shown["title"], shown["category"]) == ("Dapur Tini", "food-drink")
    # a change waits for an officer again; hidden is hidden; withdrawn is forgotten
    await fair.done(path, SHOP, token=token)
    assert (await public(fair, bazaar_id))["storefronts"] == []
    await fair.done(f"{path}/decide", {"version": 3, "decision": "hide", "because": "wrong-link"})
    listed = await fair.shown(f"/v1/bazaars/{bazaar_id}/storefronts?state=hidden")
    assert [one["hidden_because"] for one in listed["items"]] == ["wrong-link"]
    await fair.done(f"{path}/withdraw", token=token)
    assert (await fair.get(path)).status_code == 404


async def test_one_shop_is_one_vendors_unless_each_has_a_code_of_its_own_also_at_once(fair: Fair) -> None:
    _, _, applications = await borju(fair, 4)
    await fair.crowd()
    answers = await asyncio.gather(*(fair.post(f"/v1/applications/{one}/storefront", SHOP) for one in applications))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "shop-taken"}
    for number, one in enumerate(applications):
        await fair.done(f"/v1/applications/{one}/storefront", {**SHOP, "sku_code": f"v{number}"})


async def test_who_has_no_confirmed_place_is_not_shown(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("etalase", 1, venue_type="online")], setting="online")
    first, second = await fair.register(2)
    waiting = await fair.apply_all(bazaar_id, [first, second], ["etalase"])
    assert await fair.refused(f"/v1/applications/{waiting[0]}/storefront", SHOP) == (409, "not-a-participant")


async def test_an_erased_vendor_is_shown_no_more(fair: Fair) -> None:
    bazaar_id, vendors, applications = await borju(fair)
    await show(fair, applications[0])
    preorder = {"title": "Keripik", "pieces_max": 5, "pick_up_day": DAYS[0].isoformat(), "pick_up_place": "RPTRA Enim"}
    await fair.done(f"/v1/applications/{applications[0]}/preorders", preorder)
    kept = await fair.shown(f"/v1/vendors/{vendors[0]}/data", token=fair.vendor(vendors[0]))
    assert "Warung Bu Tini" in str(kept)
    assert "RPTRA Enim" in str(kept)
    await fair.hear(VendorErased(vendor_id=vendors[0], erasure_id=new_id()))
    shown = await public(fair, bazaar_id)
    assert shown["storefronts"] == []
    assert shown["preorders"] == []
    receipt = (await fair.published("BazaarDataErased"))[-1].body
    assert (receipt["erased"]["storefronts"], receipt["erased"]["preorders"]) == (1, 1)
    assert not (await fair.post(f"/v1/applications/{applications[0]}/storefront", SHOP)).is_success


async def test_no_more_is_ordered_ahead_than_the_vendor_can_make_however_many_count_at_once(fair: Fair) -> None:
    bazaar_id, vendors, applications = await borju(fair, 1)
    token = fair.vendor(vendors[0])
    path = f"/v1/applications/{applications[0]}/preorders"
    wish = {"title": "Keripik", "pieces_max": 10, "pick_up_day": DAYS[1].isoformat(), "pick_up_place": "RPTRA Enim"}
    preorder_id = (await fair.done(path, wish, token=token))["preorder_id"]
    await fair.crowd()
    answers = await asyncio.gather(
        *(fair.post(f"/v1/preorders/{preorder_id}/count", {"pieces": 1}, token=token) for _ in range(16))
    )
    assert sum(answer.is_success for answer in answers) == 10
    assert {answer.json()["code"] for answer in answers if not answer.is_success} == {"preorders-full"}
    assert await fair.refused(path, {**wish, "pieces_max": 9}, token=token) == (409, "fewer-than-taken")
    assert (await fair.done(path, {**wish, "pieces_max": 12}, token=token)) == {
        "preorder_id": preorder_id,
        "pieces_left": 2,
    }
    assert await fair.refused(path, {**wish, "pick_up_day": "2023-05-01"}, token=token) == (422, "pick-up-day-refused")
    assert await fair.refused(f"/v1/preorders/{preorder_id}/withdraw", token=token) == (409, "fewer-than-taken")
    assert (await public(fair, bazaar_id))["preorders"] == []
    await show(fair, applications[0])
    [shown] = (await public(fair, bazaar_id))["preorders"]
    assert (shown["title"], shown["pieces_left"]) == ("Keripik", 2)
    await fair.done(f"/v1/preorders/{preorder_id}/count", {"pieces": -10}, token=token)
    await fair.done(f"/v1/preorders/{preorder_id}/withdraw", token=token)


async def test_live_slots_are_booths_of_their_channel_given_out_by_the_same_rule(fair: Fair) -> None:
    sites = [site("pagi", 3, venue_type="online"), site("malam", 2, venue_type="online")]
    bazaar_id = await fair.draft(sites, setting="online")
    shows = [
        {"day": "2023-03-20", "begins": "09:00", "ends": "10:10"},
        {"day": "2023-03-21", "begins": "09:00", "ends": "09:30"},
    ]
    programme = {
        "title": "Live JakPreneur",
        "url": "https://www.youtube.com/@jakpreneur",
        "slot_minutes": 30,
        "pause_minutes": 10,
        "shows": shows,
    }
    path = f"/v1/bazaars/{bazaar_id}/sites/pagi/programme"
    short = {**programme, "shows": shows[:1]}
    assert await fair.refused(path, short) == (422, "slots-do-not-fit")
    assert await fair.refused(path, programme, token=fair.officer("31.72")) == (403, "outside-area")
    assert await fair.refused(path, {**programme, "url": "https://example.com/x"}) == (422, "link-refused")
    assert len((await fair.done(path, programme))["slots"]) == 3
    await fair.done(f"/v1/bazaars/{bazaar_id}/announce")
    evening = {**programme, "pause_minutes": 0, "shows": [{"day": "2023-03-20", "begins": "19:00", "ends": "20:00"}]}
    await fair.done(f"/v1/bazaars/{bazaar_id}/sites/malam/programme", evening)
    vendors = await fair.register(6)
    applications = await fair.apply_all(bazaar_id, vendors, ["pagi"], ["malam"])
    await fair.allocate(bazaar_id)
    states = await fair.states(applications)
    assert sorted(states) == ["offered"] * 5 + ["queued"]
    for application_id, state in zip(applications, states, strict=True):
        if state == "offered":
            await fair.answer(application_id, "confirm")
    await show(fair, next(one for one, state in zip(applications, states, strict=True) if state == "offered"))
    slots = (await fair.shown(f"/v1/bazaars/{bazaar_id}/programme"))["slots"]
    assert [slot["starts_at"] for slot in slots] == [
        "2023-03-20T02:00:00Z",
        "2023-03-20T02:40:00Z",
        "2023-03-20T12:00:00Z",
        "2023-03-20T12:30:00Z",
        "2023-03-21T02:00:00Z",
    ]
    assert all(slot["taken"] for slot in slots)
    assert sum(slot["storefront"] == "Warung Bu Tini" for slot in slots) == 1
    assert len({slot["uid"] for slot in slots}) == 5
    assert await fair.refused(path, programme) == (409, "wrong-moment")


async def test_a_showcase_shows_and_sells_nothing(fair: Fair) -> None:
    bazaar_id, _, applications = await borju(fair, 3)
    await show(fair, applications[0])
    showcase = {
        "showcase_id": "lobi",
        "name": "Lobi kantor wali kota",
        "kelurahan": KARANG_ANYAR,
        "address": "Jl. Enim 5",
        "days": [DAYS[0].isoformat()],
        "opens": "09:00",
        "closes": "15:00",
        "places": 2,
    }
    path = f"/v1/bazaars/{bazaar_id}/showcases"
    await fair.done(path, showcase)
    assert await fair.refused(path, {**showcase, "days": ["2023-04-01"]}) == (422, "showcase-days-refused")
    assert await fair.refused(path, {**showcase, "kelurahan": "31.72.01.1001"}) == (403, "outside-area")
    assert await fair.refused(f"{path}/lobi/fill", {"application_ids": applications}) == (409, "no-place-left")
    stranger = {"application_ids": [str(new_id())]}
    assert await fair.refused(f"{path}/lobi/fill", stranger) == (404, "application-unknown")
    await fair.done(f"{path}/lobi/fill", {"application_ids": applications[:2]})
    assert await fair.refused(path, {**showcase, "places": 1}) == (409, "no-place-left")
    [shown] = (await public(fair, bazaar_id))["showcases"]
    # the second vendor wants no storefront, so only that its products are there is told
    assert (shown["shown"], shown["storefronts"]) == (2, ["Warung Bu Tini"])
    assert date.fromisoformat(shown["days"][0]) == DAYS[0]

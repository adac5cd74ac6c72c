"""Applying over HTTP: eligibility, one application per vendor, who may act for whom."""

import asyncio
from datetime import timedelta

from shared.ids import new_id
from tests.integration.bazaar import CLOSING, GAMBIR, Fair, site


async def test_who_is_not_eligible_is_told_why(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    door, wish = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}
    (untrained,) = await fair.register(1, trained=False)
    assert await fair.refused(door, wish, token=fair.vendor(new_id())) == (409, "unknown-vendor")
    assert await fair.refused(door, wish, token=fair.vendor(untrained)) == (409, "training-missing")
    await fair.train(untrained)
    assert await fair.refused(door, {"choices": [["two"]]}, token=fair.vendor(untrained)) == (409, "unknown-site")
    twice = {"choices": [["one"], ["one"]]}
    assert await fair.refused(door, twice, token=fair.vendor(untrained)) == (409, "site-named-twice")
    assert await fair.refused(door, {"choices": []}, token=fair.vendor(untrained)) == (422, "invalid")
    assert await fair.refused(door, {"choices": [[]]}, token=fair.vendor(untrained)) == (422, "invalid")
    fair.clock.moment = CLOSING
    assert await fair.refused(door, wish, token=fair.vendor(untrained)) == (409, "applications-closed")
    fair.clock.moment = CLOSING - timedelta(microseconds=1)
    await fair.done(door, wish, token=fair.vendor(untrained))


async def test_a_policy_may_do_without_training_and_ask_for_a_category(fair: Fair) -> None:
    policy = {"training_required": False, "rotation": [{"by": "category", "measure": "turns"}]}
    bazaar_id = await fair.announce(policy=policy)
    (without,) = await fair.register(1, trained=False, category=None)
    (with_one,) = await fair.register(1, trained=False, category="health")
    door, wish = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}
    assert await fair.refused(door, wish, token=fair.vendor(without)) == (409, "group-missing")
    await fair.done(door, wish, token=fair.vendor(with_one))


async def test_of_applications_of_one_vendor_at_once_one_wins(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    (vendor_id,) = await fair.register(1)
    await fair.crowd()
    door, wish = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}
    responses = await asyncio.gather(*(fair.post(door, wish, token=fair.vendor(vendor_id)) for _ in range(12)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 11
    assert {response.json()["code"] for response in responses if response.status_code == 409} == {"already-applied"}
    assert len(await fair.published("ApplicationReceived")) == 1


async def test_a_repeated_request_is_answered_and_not_repeated(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    (vendor_id,) = await fair.register(1)
    door, wish = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}
    first = await fair.post(door, wish, token=fair.vendor(vendor_id), key="the-same")
    again = await fair.post(door, wish, token=fair.vendor(vendor_id), key="the-same")
    assert first.json() == again.json()
    assert len(await fair.published("ApplicationReceived")) == 1


async def test_after_a_withdrawal_a_vendor_may_apply_again(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    (vendor_id,) = await fair.register(1)
    first = await fair.apply(bazaar_id, vendor_id)
    await fair.done(f"/v1/applications/{first}/withdraw", token=fair.vendor(vendor_id))
    assert await fair.refused(f"/v1/applications/{first}/withdraw") == (409, "not-withdrawable")
    second = await fair.apply(bazaar_id, vendor_id)
    assert first != second
    outcome = await fair.allocate(bazaar_id)
    assert (outcome["served"], outcome["waiting"]) == (1, 0)
    assert await fair.states([first, second]) == ["withdrawn", "offered"]
    assert await fair.refused(f"/v1/applications/{second}/withdraw") == (409, "not-withdrawable")
    await fair.assert_sequences_have_no_gap()


async def test_a_vendor_acts_for_itself_only(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    one, other = await fair.register(2)
    application_id = await fair.apply(bazaar_id, one)
    for_other = {"vendor_id": str(one), "choices": [["one"]]}
    door = f"/v1/bazaars/{bazaar_id}/applications"
    assert await fair.refused(door, for_other, token=fair.vendor(other)) == (403, "not-own-data")
    for act in ("withdraw", "confirm", "decline"):
        wish = f"/v1/applications/{application_id}/{act}"
        assert await fair.refused(wish, token=fair.vendor(other)) == (403, "not-own-data")
    assert (await fair.get(f"/v1/applications/{application_id}", token=fair.vendor(other))).status_code == 403
    assert (await fair.get(f"/v1/applications/{application_id}", token=fair.vendor(one))).status_code == 200


async def test_an_officer_acts_for_vendors_and_sites_of_its_area(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one"), site("two", 2, GAMBIR)])
    (vendor_id,) = await fair.register(1)
    door = f"/v1/bazaars/{bazaar_id}/applications"
    wish = {"vendor_id": str(vendor_id), "choices": [["one"]]}
    # Gambir alone: neither where the vendor lives nor all of the bazaar
    assert await fair.refused(door, wish, token=fair.officer("31.71.01")) == (403, "outside-area")
    assert await fair.refused(door, {"choices": [["one"]]}) == (422, "vendor-not-named")
    # Sawah Besar: where the vendor lives
    application_id = (await fair.done(door, wish, token=fair.officer("31.71.02")))["application_id"]
    for area in ("31.71.02", "31.71", "31"):
        response = await fair.get(f"/v1/applications/{application_id}", token=fair.officer(area))
        assert response.status_code == 200, area
    assert (await fair.get(f"/v1/applications/{application_id}", token=fair.officer("31.72"))).status_code == 403


async def test_an_officer_runs_bazaars_whose_every_site_is_in_its_area(fair: Fair) -> None:
    sites = [site("one"), site("two", 2, GAMBIR)]
    bazaar_id = await fair.draft(sites)
    (vendor_id,) = await fair.register(1)
    for door in ("announce", "freeze", "allocate", "finish"):
        path = f"/v1/bazaars/{bazaar_id}/{door}"
        assert await fair.refused(path, token=fair.officer("31.71.02")) == (403, "outside-area")
        assert await fair.refused(path, token=fair.vendor(vendor_id)) == (403, "role-missing")
    for door in ("queue", "summary"):
        path = f"/v1/bazaars/{bazaar_id}/{door}"
        assert (await fair.get(path, token=fair.officer("31.71.02"))).status_code == 403
        assert (await fair.get(path, token=fair.vendor(vendor_id))).status_code == 403
    body = {
        "name": "Bazar",
        "organisers": ["Sudin"],
        "days": ["2023-03-20"],
        "sites": sites,
        "applications_close_at": CLOSING.isoformat(),
    }
    assert await fair.refused("/v1/bazaars", body, token=fair.officer("31.71.02")) == (403, "outside-area")
    assert await fair.refused("/v1/bazaars", body, token=fair.vendor(vendor_id)) == (403, "role-missing")
    assert (await fair.client.post("/v1/bazaars", json=body)).status_code == 401


async def test_everyone_sees_announced_bazaars_and_nobody_sees_drafts(fair: Fair) -> None:
    draft = await fair.draft()
    assert (await fair.client.get(f"/v1/bazaars/{draft}")).status_code == 404
    announced = [await fair.announce([site("one", 3, agency_desks=["ppkukm"])]) for _ in range(3)]
    april = await fair.announce(days=["2023-04-03"], applications_close_at="2023-03-27T10:00:00Z")

    first = (await fair.client.get("/v1/bazaars", params={"limit": 2})).json()
    second = (await fair.client.get("/v1/bazaars", params={"limit": 2, "after": first["next"]})).json()

    listed = [one["bazaar_id"] for one in [*first["items"], *second["items"]]]
    assert listed == [april, *sorted(announced, reverse=True)]
    assert second["next"] is None
    shown = (await fair.client.get(f"/v1/bazaars/{announced[0]}")).json()
    assert shown["state"] == "announced"
    assert shown["sites"][0]["reserves"] == [{"group": "agency", "value": "ppkukm", "seats": 3}]
    assert [(one["number"], one["kind"], one["tent"], one["holder"]) for one in shown["sites"][0]["stands"]] == [
        ("A01", "vendor", 1, None),
        ("A02", "vendor", 1, None),
        ("A03", "vendor", 2, None),
        ("D01", "agency", None, "ppkukm"),
    ]


async def test_a_bazaar_is_announced_once(fair: Fair) -> None:
    bazaar_id = await fair.draft()
    await fair.crowd()
    responses = await asyncio.gather(*(fair.post(f"/v1/bazaars/{bazaar_id}/announce") for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 409, 409, 409, 409]
    assert len(await fair.published("BazaarAnnounced")) == 1
    fair.clock.moment = CLOSING
    late = await fair.draft()
    assert await fair.refused(f"/v1/bazaars/{late}/announce") == (409, "closing-passed")


async def test_officers_see_who_applied_page_by_page_and_by_state(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", booths=2)])
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    await fair.done(f"/v1/applications/{applications[0]}/withdraw")
    seen: list[str] = []
    after = ""
    while True:
        shown = await fair.shown(f"/v1/bazaars/{bazaar_id}/applications?limit=2{after}")
        seen += [row["application_id"] for row in shown["items"]]
        if shown["next"] is None:
            break
        after = f"&after={shown['next']}"
    assert seen == applications
    received = await fair.shown(f"/v1/bazaars/{bazaar_id}/applications?state=received")
    assert [row["application_id"] for row in received["items"]] == applications[1:]
    await fair.allocate(bazaar_id)
    offered = (await fair.shown(f"/v1/bazaars/{bazaar_id}/applications?state=offered"))["items"]
    assert sorted(row["booth"] for row in offered) == ["A01", "A02"]
    assert (await fair.get(f"/v1/bazaars/{bazaar_id}/applications", token=fair.officer("31.72"))).status_code == 403
    assert (await fair.get(f"/v1/bazaars/{bazaar_id}/applications?state=lost")).status_code == 422

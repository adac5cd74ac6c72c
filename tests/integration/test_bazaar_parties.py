"""Parties: made, joined by a code and own consent, led; races for the last place."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

from services.bazaar.allocation.stored import solve_stored
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.store.rounds import find_problem
from shared.events.rights import VendorErased
from shared.ids import new_id
from tests.integration.bazaar import CLOSING, Fair, site


async def make(fair: Fair, application_id: str, **more: object) -> str:
    """A party made by this application; its code."""
    answer = await fair.done(f"/v1/applications/{application_id}/party", {"if_apart": "none", **more})
    code: str = answer["code"]
    return code


async def join(fair: Fair, application_id: str, code: str) -> None:
    await fair.done(f"/v1/applications/{application_id}/party/join", {"code": code})


async def choices(fair: Fair, applications: list[str]) -> list[list[list[str]]]:
    return [(await fair.application(one))["choices"] for one in applications]


async def test_a_party_has_its_leaders_choices_and_the_first_who_joined_leads_after_it(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one"), site("two"), site("three")])
    vendors = await fair.register(4)
    leading, second, third = await fair.apply_all(bazaar_id, vendors[:3], ["one"])
    await fair.done(f"/v1/applications/{third}/change", {"choices": [["three"]]})
    code = await make(fair, leading)
    await join(fair, second, code.lower().replace("-", " "))
    await join(fair, third, code)
    body = {"party_code": code, "needs": ["water"]}
    door = f"/v1/bazaars/{bazaar_id}/applications"
    fourth = (await fair.done(door, body, token=fair.vendor(vendors[3])))["application_id"]
    everyone = [leading, second, third, fourth]
    assert await choices(fair, everyone) == [[["one"]]] * 4

    wish = {"choices": [["two"], ["one"]]}
    assert await fair.refused(f"/v1/applications/{third}/change", wish) == (409, "leader-decides")
    await fair.done(f"/v1/applications/{leading}/change", {**wish, "needs": ["power"]})
    assert await choices(fair, everyone) == [[["two"], ["one"]]] * 4
    assert (await fair.application(leading))["needs"] == ["power"]
    assert (await fair.application(fourth))["needs"] == ["water"]
    await fair.done(f"/v1/applications/{third}/change", {"needs": ["access"]})

    await fair.done(f"/v1/applications/{leading}/withdraw")
    shown = await fair.shown(f"/v1/applications/{second}/party")
    assert (shown["leads"], shown["members"]) == (True, 3)
    await fair.done(f"/v1/applications/{second}/change", {"choices": [["three"]]})
    assert await choices(fair, [second, third, fourth]) == [[["three"]]] * 3

    await fair.done(f"/v1/applications/{second}/party/leave")
    assert await fair.refused(f"/v1/applications/{second}/party/leave") == (409, "not-in-party")
    await fair.done(f"/v1/applications/{second}/change", {"choices": [["one"]]})
    assert await choices(fair, [second, third, fourth]) == [[["one"]], [["three"]], [["three"]]]
    assert (await fair.shown(f"/v1/applications/{third}/party"))["leads"] is True
    assert "rombongan 2 pelamar" in (await fair.application(third))["explanation"]["id"]
    await fair.assert_sequences_have_no_gap()


async def test_of_ten_who_join_a_party_of_nine_one_comes_in(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    applications = await fair.apply_at_once(bazaar_id, await fair.register(19))
    code = await make(fair, applications[0])
    for one in applications[1:9]:
        await join(fair, one, code)
    await fair.crowd()
    responses = await asyncio.gather(
        *(fair.post(f"/v1/applications/{one}/party/join", {"code": code}) for one in applications[9:])
    )
    found = Counter("joined" if one.is_success else one.json()["code"] for one in responses)
    assert found == {"joined": 1, "party-full": 9}
    async with fair.database.read() as conn:
        numbers = await conn.fetch("SELECT party_nth FROM application WHERE party_id IS NOT NULL ORDER BY party_nth")
    assert [row["party_nth"] for row in numbers] == list(range(1, 11))
    await fair.assert_sequences_have_no_gap()


async def test_joining_leaving_choosing_and_withdrawing_at_once_leave_one_list_of_choices(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one"), site("two")])
    applications = await fair.apply_at_once(bazaar_id, await fair.register(8), ["one"])
    first, other = await make(fair, applications[0]), await make(fair, applications[1])
    for one in applications[2:4]:
        await join(fair, one, first)
    await fair.crowd()
    doors: list[tuple[str, dict[str, Any] | None]] = [
        (f"{applications[0]}/change", {"choices": [["two"]]}),
        (f"{applications[1]}/change", {"choices": [["two"], ["one"]]}),
        (f"{applications[2]}/party/leave", None),
        (f"{applications[3]}/withdraw", None),
        *((f"{one}/party/join", {"code": code}) for one in applications[4:] for code in (first, other)),
        (f"{applications[0]}/party/join", {"code": other}),
        (f"{applications[1]}/party/join", {"code": first}),
    ]
    responses = await asyncio.gather(*(fair.post(f"/v1/applications/{path}", body) for path, body in doors))
    assert {one.status_code for one in responses} <= {200, 409}
    async with fair.database.read() as conn:
        parties = await conn.fetch(
            "SELECT count(DISTINCT choices) AS lists, count(*) AS members FROM application "
            "WHERE party_id IS NOT NULL AND state = 'received' GROUP BY party_id"
        )
    assert [row["lists"] for row in parties] == [1, 1]
    assert sum(row["members"] for row in parties) == 6
    await fair.assert_sequences_have_no_gap()


async def test_whoever_may_not_is_refused(fair: Fair) -> None:
    bazaar_id, elsewhere = await fair.announce(), await fair.announce()
    one, other = await fair.register(2)
    mine, theirs = await fair.apply(bazaar_id, one), await fair.apply(bazaar_id, other)
    there = await fair.apply(elsewhere, other)
    code = await make(fair, mine, size=2, if_apart="split")
    path = f"/v1/applications/{theirs}/party"
    # nobody is made a member by another, and a party is of one bazaar
    wish = {"code": code}
    assert await fair.refused(f"{path}/join", wish, token=fair.vendor(one)) == (403, "not-own-data")
    assert await fair.refused(f"/v1/applications/{there}/party/join", wish) == (404, "party-unknown")
    assert await fair.refused(f"{path}/join", {"code": "0000-0000-0000"}) == (404, "party-unknown")
    assert (await fair.get(path)).json()["code"] == "not-in-party"
    assert await fair.refused(f"/v1/applications/{mine}/party", {"if_apart": "none"}) == (409, "in-party-already")
    assert await fair.refused(path, {"if_apart": "none", "size": 11}) == (422, "invalid")
    both = {"choices": [["one"]], "party_code": code}
    assert await fair.refused(f"/v1/bazaars/{bazaar_id}/applications", both, token=fair.vendor(one)) == (422, "invalid")

    fresh = (await fair.done(f"/v1/applications/{mine}/party/code", token=fair.vendor(one)))["code"]
    assert await fair.refused(f"{path}/join", wish) == (404, "party-unknown")
    await join(fair, theirs, fresh)
    assert await fair.refused(f"{path}/code", token=fair.vendor(other)) == (409, "leader-decides")

    fair.clock.moment = CLOSING
    assert await fair.refused(f"/v1/applications/{mine}/change", {"needs": ["power"]}) == (409, "applications-closed")
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    assert await fair.refused(f"{path}/leave") == (409, "not-changeable")


async def test_everybody_gone_the_code_leads_nowhere_and_an_erased_leader_leaves_its_party_whole(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    vendors = await fair.register(4)
    leading, second, third, fourth = await fair.apply_all(bazaar_id, vendors)
    code = await make(fair, leading)
    await join(fair, second, code)
    await fair.hear(VendorErased(vendor_id=vendors[0], erasure_id=new_id()))
    shown = await fair.shown(f"/v1/applications/{second}/party")
    assert (shown["leads"], shown["members"]) == (True, 1)
    await join(fair, third, code)
    for one in (second, third):
        await fair.done(f"/v1/applications/{one}/party/leave")
    assert await fair.refused(f"/v1/applications/{fourth}/party/join", {"code": code}) == (404, "party-unknown")
    await fair.assert_sequences_have_no_gap()


async def test_a_change_keeps_the_moment_and_the_list_of_a_vendor_shows_all(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one"), site("two")])
    one, other = await fair.register(2)
    application_id = await fair.apply(bazaar_id, one)
    before = await fair.application(application_id)
    fair.clock.advance(hours=3)
    path = f"/v1/applications/{application_id}/change"
    assert await fair.refused(path, {"choices": [["nine"]]}) == (409, "unknown-site")
    assert await fair.refused(path, {}) == (422, "invalid")
    assert await fair.refused(path, {"needs": ["power"]}, token=fair.vendor(other)) == (403, "not-own-data")
    await fair.done(path, {"choices": [["two", "one"]], "needs": ["power", "access"]}, token=fair.vendor(one))
    after = await fair.application(application_id)
    assert after == {**before, "choices": [["two", "one"]], "needs": ["access", "power"]}
    (changed,) = await fair.published("ApplicationChanged")
    assert changed.body["choices"] == [["two", "one"]]

    second = await fair.apply(await fair.announce(), one)
    listing = f"/v1/vendors/{one}/applications"
    first_page = await fair.shown(f"{listing}?limit=1", token=fair.vendor(one))
    rest = await fair.shown(f"{listing}?after={first_page['next']}", token=fair.officer("31.71.02"))
    assert [item["application_id"] for item in (*first_page["items"], *rest["items"])] == [second, application_id]
    assert rest["items"][0]["explanation"]["id"].startswith("Lamaran Anda ke Bazar Jakpreneur")
    assert (await fair.get(listing, token=fair.vendor(other))).status_code == 403
    assert (await fair.get(listing, token=fair.officer("31.71.01"))).status_code == 403
    await fair.assert_sequences_have_no_gap()


async def test_a_party_without_room_for_all_is_told_so_and_company_moves_nobody_forward(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 2)])
    vendors = await fair.register(4)
    applications = await fair.apply_all(bazaar_id, vendors)
    code = await make(fair, applications[0])
    for one in applications[1:3]:
        await join(fair, one, code)
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "3-8-19", "source": "Undian terbuka di balai warga"})
    async with fair.database.transaction() as conn:
        # solved in this process, which saves a second
        solved = solve_stored(await find_problem(conn, UUID(bazaar_id), 1))
        await publish_round(conn, UUID(bazaar_id), solved, now=fair.clock.now())
    assert await fair.states(applications) == ["queued", "queued", "queued", "offered"]
    shown = await fair.application(applications[0])
    assert shown["because"]["code"] == "party-does-not-fit"
    assert "rombongan (3 pelamar)" in shown["explanation"]["id"]
    queued = await fair.published("ApplicantQueued")
    for event in queued:
        assert f"urutan ke-{event.body['place']} dari 3 pelamar" in event.body["explanation"]["id"]
        # the event and the page say the same until somebody leaves the queue
        assert (await fair.application(str(event.key)))["explanation"] == event.body["explanation"]
    offered = (await fair.application(applications[3]))["explanation"]
    assert "Giliran Anda tiba menurut aturan giliran" in offered["id"]

"""Rounds on a real database: freeze, seed, allocation, each asked for twice at once; the queue; the rotation."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.api import rounds as rounds_api
from services.bazaar.domain.round import RoundNotVerified
from services.bazaar.handlers.rounds import publish_round
from services.bazaar.numbering import Floor, SiteNumbers, number_stored
from shared.http import write_cursor
from tests.integration.bazaar import CLOSING, Fair, at, site


async def problem_of(fair: Fair, bazaar_id: str) -> dict[str, Any]:
    response = await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/problem")
    document: dict[str, Any] = json.loads(response.content)
    return document


async def test_each_step_of_a_round_has_its_moment(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    (vendor_id,) = await fair.register(1)
    await fair.apply(bazaar_id, vendor_id)
    freeze, seed, allocate = (f"/v1/bazaars/{bazaar_id}/{door}" for door in ("freeze", "seed", "allocate"))
    drawn = {"seed": "3-8-19", "source": "Undian"}
    fair.clock.moment = CLOSING - timedelta(microseconds=1)
    assert await fair.refused(freeze) == (409, "applications-open")
    assert await fair.refused(seed, drawn) == (409, "wrong-moment")
    assert await fair.refused(allocate) == (409, "wrong-moment")
    fair.clock.moment = CLOSING
    await fair.done(freeze)
    assert await fair.refused(freeze) == (409, "wrong-moment")
    assert await fair.refused(allocate) == (409, "wrong-moment")
    await fair.done(seed, drawn)
    assert await fair.refused(seed, {"seed": "another", "source": "Undian"}) == (409, "wrong-moment")
    await fair.done(allocate)
    assert await fair.refused(allocate) == (409, "round-published")
    types = [(event.type, event.sequence) for event in await fair.published() if str(event.key) == bazaar_id]
    assert types == [("BazaarAnnounced", 1), ("RoundFrozen", 2), ("SeedDrawn", 3), ("RoundPublished", 4)]


@pytest.mark.usefixtures("rounds_apart")
async def test_two_allocations_at_once_publish_once(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 3)])
    applications = await fair.apply_all(bazaar_id, await fair.register(5))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})
    await fair.crowd()

    responses = await asyncio.gather(*(fair.post(f"/v1/bazaars/{bazaar_id}/allocate") for _ in range(2)))

    assert sorted(response.status_code for response in responses) == [200, 409]
    assert next(one for one in responses if one.status_code == 409).json()["code"] == "round-published"
    assert len(await fair.published("RoundPublished")) == 1
    assert len(await fair.published("BoothAssigned")) == 3
    assert sorted(await fair.states(applications)) == ["offered"] * 3 + ["queued"] * 2
    await fair.assert_sequences_have_no_gap()


@pytest.mark.usefixtures("rounds_apart")
async def test_a_repeated_allocation_is_answered_as_before(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, await fair.register(3))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})
    first = await fair.post(f"/v1/bazaars/{bazaar_id}/allocate", key="allocate")
    again = await fair.post(f"/v1/bazaars/{bazaar_id}/allocate", key="allocate")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The problems whose solving has begun."""
    begun: list[bytes] = []

    async def note_and_solve(problem: bytes, floor: Floor) -> tuple[Solved, list[SiteNumbers]]:
        begun.append(problem)
        await asyncio.sleep(0)
        solved = solve_stored(problem)
        return solved, number_stored(solved.result, floor)

    monkeypatch.setattr(rounds_api, "solve_and_number", note_and_solve)
    return begun


async def _seeded(fair: Fair) -> str:
    """A round that is to be solved."""
    bazaar_id = await fair.announce()
    await fair.apply_all(bazaar_id, await fair.register(3))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})
    return bazaar_id


async def test_a_round_is_published_though_who_asked_left_while_it_was_solved(fair: Fair, solved: list[bytes]) -> None:
    bazaar_id = await _seeded(fair)

    async def body() -> AsyncIterator[bytes]:
        if solved:
            raise ConnectionResetError("the client is gone")
        yield b""

    path = f"/v1/bazaars/{bazaar_id}/allocate"
    headers = {"Authorization": f"Bearer {fair.officer()}", "Idempotency-Key": "allocate"}
    assert (await fair.client.post(path, content=body(), headers=headers)).status_code == 200
    assert len(await fair.published("RoundPublished")) == 1


async def test_who_asks_again_while_a_round_is_solved_gets_the_one_answer(fair: Fair, solved: list[bytes]) -> None:
    bazaar_id = await _seeded(fair)
    path = f"/v1/bazaars/{bazaar_id}/allocate"
    responses = await asyncio.gather(*(fair.post(path, key="allocate") for _ in range(3)))
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert len({response.text for response in responses}) == 1
    assert len(solved) == 1


async def test_what_the_verifier_objects_to_is_not_published(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    applications = await fair.apply_all(bazaar_id, await fair.register(3))
    fair.clock.moment = CLOSING
    await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")
    answer = await fair.done(f"/v1/bazaars/{bazaar_id}/seed", {"seed": "1", "source": "Undian"})
    wrong = Solved(answer["problem_sha256"], b'{"served":[],"waiting":[]}', 0, 0, ["served: nobody sits"])
    with pytest.raises(RoundNotVerified):
        async with fair.database.transaction() as conn:
            await publish_round(conn, UUID(bazaar_id), wrong, now=fair.clock.now())
    assert await fair.states(applications) == ["received"] * 3
    assert await fair.published("RoundPublished") == []


async def test_applications_and_the_freeze_at_once_agree_on_the_list(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 10)])
    vendors = await fair.register(40)
    fair.clock.moment = CLOSING - timedelta(microseconds=1)
    await fair.crowd()
    door, wish = f"/v1/bazaars/{bazaar_id}/applications", {"choices": [["one"]]}

    async def freeze() -> None:
        # requests already under way carry the moment before the closing
        await asyncio.sleep(0.05)
        fair.clock.moment = CLOSING
        await fair.done(f"/v1/bazaars/{bazaar_id}/freeze")

    responses, _ = await asyncio.gather(
        asyncio.gather(*(fair.post(door, wish, token=fair.vendor(vendor_id)) for vendor_id in vendors)), freeze()
    )

    taken = {one.json()["application_id"] for one in responses if one.status_code == 201}
    assert {one.json()["code"] for one in responses if one.status_code != 201} <= {"applications-closed"}
    committed = (await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/1/frozen")).content
    names = await fair.names(list(taken))
    assert sorted(one["id"] for one in json.loads(committed)["applicants"]) == sorted(names)


async def test_who_lost_its_training_meanwhile_is_left_out_and_told(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 5)])
    lost, kept = await fair.register(2, trained=False)
    class_id = await fair.train(lost)
    await fair.train(kept)
    applications = await fair.apply_all(bazaar_id, [lost, kept])
    await fair.untrain(lost, class_id)
    outcome = await fair.allocate(bazaar_id)
    assert outcome["served"] == 1
    assert await fair.states(applications) == ["ineligible", "offered"]
    shown = await fair.shown(f"/v1/applications/{applications[0]}", token=fair.vendor(lost))
    assert shown["ineligible_because"] == "training-missing"
    names = await fair.names([applications[1]])
    assert [one["id"] for one in (await problem_of(fair, bazaar_id))["applicants"]] == list(names)
    await fair.assert_sequences_have_no_gap()


async def test_one_who_waits_sees_place_reason_and_explanation(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    vendors = await fair.register(3)
    first = await fair.apply(bazaar_id, vendors[0])
    fair.clock.advance(hours=24)
    second = await fair.apply(bazaar_id, vendors[1])
    fair.clock.advance(hours=24)
    third = await fair.apply(bazaar_id, vendors[2])
    await fair.allocate(bazaar_id)

    shown = await fair.shown(f"/v1/applications/{third}", token=fair.vendor(vendors[2]))

    assert (shown["state"], shown["place"], shown["forecast"]) == ("queued", 2, 2)
    assert shown["because"] == {"code": "pools-full", "pools": ["one"]}
    assert shown["ahead"]["waited_longer"] == 1
    assert shown["offer"] is None
    assert shown["explanation"]["id"].startswith("Anda berada di urutan ke-2 dari 2 pelamar")
    assert "Rusun one" in shown["explanation"]["en"]
    queued = next(event for event in await fair.published("ApplicantQueued") if str(event.key) == third).body
    assert (queued["place"], queued["because"], queued["forecast_round"]) == (2, shown["because"], 2)
    await fair.answer(first, "decline")
    assert (await fair.application(third))["place"] == 1
    assert (await fair.application(second))["state"] == "offered"


async def test_the_queue_is_paged_in_order(fair: Fair) -> None:
    bazaar_id = await fair.announce([site("one", 1)])
    await fair.apply_all(bazaar_id, await fair.register(8))
    await fair.allocate(bazaar_id)
    served = (await fair.published("BoothAssigned"))[0]
    await fair.answer(str(served.key), "decline")
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await fair.shown(f"/v1/bazaars/{bazaar_id}/queue?limit=4{after}")
        items += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert [one["place"] for one in items] == list(range(1, 7))
    assert all(one["explanation"]["id"] and one["because"] for one in items)
    assert len({one["application_id"] for one in items}) == 6


async def test_rounds_and_places_that_cannot_be_are_refused(fair: Fair) -> None:
    bazaar_id = await fair.announce()
    for number, status in (("1", 404), ("0", 422), ("99999999999", 422), ("x", 422)):
        for file in ("", "/frozen", "/problem", "/result"):
            response = await fair.client.get(f"/v1/bazaars/{bazaar_id}/rounds/{number}{file}")
            assert response.status_code == status, (number, file)
    for key in (-1, 2**31, "x"):
        response = await fair.get(f"/v1/bazaars/{bazaar_id}/queue?after={write_cursor(key)}")
        assert (response.status_code, response.json()["code"]) == (422, "cursor-invalid")


async def test_a_large_round_is_written_in_pieces(fair: Fair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.bazaar.handlers.rounds.ROWS_PER_STATEMENT", 3)
    bazaar_id = await fair.announce([site("one", 4)])
    applications = await fair.apply_all(bazaar_id, await fair.register(10))
    await fair.allocate(bazaar_id)
    assert sorted(await fair.states(applications)) == ["offered"] * 4 + ["queued"] * 6
    await fair.assert_sequences_have_no_gap()


async def test_groups_enter_the_problem_with_their_own_ledger(fair: Fair) -> None:
    policy = {"rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}]}
    first = await fair.announce([site("one", 1)], policy=policy)
    (served,) = await fair.register(1, rw="003")
    application_id = await fair.apply(first, served)
    await fair.allocate(first)
    await fair.answer(application_id, "confirm")
    fair.clock.moment = at(date(2023, 3, 22))
    second = await fair.announce(
        [site("one", 1)], days=["2023-04-03"], applications_close_at="2023-03-27T10:00:00Z", policy=policy
    )
    (neighbour,) = await fair.register(1, rw="003")
    fair.clock.advance(hours=24)
    (elsewhere,) = await fair.register(1, rw="004")
    applications = await fair.apply_all(second, [neighbour])
    fair.clock.advance(hours=24)
    applications += await fair.apply_all(second, [elsewhere])
    await fair.allocate(second, closing=datetime(2023, 3, 27, 10, 0, tzinfo=UTC))
    # RW 003 had a turn in March, so the vendor of RW 004 comes first although it applied later
    assert await fair.states(applications) == ["queued", "offered"]
    assert (await problem_of(fair, second))["groups"] == {
        "rw": {
            "31.71.02.1002.003": {"turns": 1, "waiting_since": "2023-03-21"},
            "31.71.02.1002.004": {"turns": 0, "waiting_since": "2023-03-24"},
        }
    }


SEASON = [
    (date(2023, 3, 20), datetime(2023, 3, 13, 10, 0, tzinfo=UTC)),
    (date(2023, 4, 3), datetime(2023, 3, 27, 10, 0, tzinfo=UTC)),
    (date(2023, 4, 17), datetime(2023, 4, 10, 10, 0, tzinfo=UTC)),
]


async def open_offers(fair: Fair, applications: list[str]) -> set[str]:
    states = await fair.states(applications)
    return {one for one, state in zip(applications, states, strict=True) if state == "offered"}


async def play(
    fair: Fair, vendors: list[UUID], day: date, closing: datetime, answers: dict[UUID, str]
) -> dict[UUID, str]:
    """A bazaar of three booths from announcement to end, to which all apply. Vendor -> state at its end.

    `answers`: what a vendor does when it is offered a booth, else it confirms and comes.
    """
    bazaar_id = await fair.announce([site("one", 3)], days=[day.isoformat()], applications_close_at=closing.isoformat())
    fair.clock.moment = closing - timedelta(days=3)
    applications = {await fair.apply(bazaar_id, vendor_id): vendor_id for vendor_id in vendors}
    await fair.allocate(bazaar_id, closing=closing, seed=day.isoformat())
    answered: set[str] = set()
    coming: list[str] = []
    while offered := await open_offers(fair, list(applications)):
        for application_id in sorted(offered - answered):
            wish = answers.get(applications[application_id], "attend")
            if wish != "lapse":
                await fair.answer(application_id, "decline" if wish == "decline" else "confirm")
            if wish == "attend":
                coming.append(application_id)
        if offered <= answered:
            fair.clock.advance(hours=25)
            await fair.run_timers()
        answered |= offered
    fair.clock.moment = at(day)
    await fair.done(f"/v1/bazaars/{bazaar_id}/check-ins", {"day": day.isoformat(), "application_ids": coming})
    fair.clock.moment = at(day + timedelta(days=1))
    await fair.done(f"/v1/bazaars/{bazaar_id}/finish")
    states = await fair.states(list(applications))
    return dict(zip(applications.values(), states, strict=True))


async def test_over_three_bazaars_nobody_served_comes_before_one_who_waited(fair: Fair) -> None:
    vendors = await fair.register(12)
    decliner, lapser, misser = vendors[:3]
    behaviour = {decliner: "decline", lapser: "lapse", misser: "miss"}
    served_before: set[UUID] = set()
    for day, closing in SEASON:
        states = await play(fair, vendors, day, closing, behaviour)
        had_a_turn = {vendor for vendor, state in states.items() if state in ("attended", "missed", "lapsed")}
        waited = {vendor for vendor, state in states.items() if state == "queued"}
        if waited - served_before:
            assert not had_a_turn & served_before, "someone had a second turn while others waited for their first"
        served_before |= had_a_turn
    # twelve vendors, three booths, three bazaars and a booth re-offered after each lapse: nearly all have had a turn
    assert len(served_before) >= 9
    await fair.assert_sequences_have_no_gap()


async def test_a_decline_keeps_the_waiting_time_and_a_lapse_does_not(fair: Fair) -> None:
    vendors = await fair.register(9)
    (day, closing), (next_day, next_closing), _ = SEASON
    first = await play(fair, vendors, day, closing, dict.fromkeys(vendors, "decline"))
    assert set(first.values()) == {"declined"}
    fair.clock.moment = at(date(2023, 3, 23))
    bazaar_id = await fair.announce(
        [site("one", 3)], days=[next_day.isoformat()], applications_close_at=next_closing.isoformat()
    )
    applications = {await fair.apply(bazaar_id, vendor_id): vendor_id for vendor_id in vendors}
    await fair.allocate(bazaar_id, closing=next_closing)
    since = {one["waiting_since"] for one in (await problem_of(fair, bazaar_id))["applicants"]}
    assert since == {"2023-03-10"}
    fair.clock.advance(hours=25)
    await fair.run_timers()
    lapsed = [
        one for one, state in zip(applications, await fair.states(list(applications)), strict=True) if state == "lapsed"
    ]
    assert len(lapsed) == 3
    last = await fair.announce([site("one", 3)], days=["2023-04-17"], applications_close_at=SEASON[2][1].isoformat())
    again = {await fair.apply(last, vendor_id): vendor_id for vendor_id in vendors}
    fair.clock.moment = SEASON[2][1]
    await fair.done(f"/v1/bazaars/{last}/freeze")
    committed = (await fair.client.get(f"/v1/bazaars/{last}/rounds/1/frozen")).content
    names = await fair.names(list(again))
    standing = {
        again[names[one["id"]]]: (one["turns"], one["waiting_since"]) for one in json.loads(committed)["applicants"]
    }
    assert {standing[applications[one]] for one in lapsed} == {(1, "2023-03-28")}
    frozen = await fair.shown(f"/v1/bazaars/{last}/rounds/1")
    assert frozen["frozen_sha256"] == hashlib.sha256(committed).hexdigest()

"""Who has which mentor: computed, previewed, published in steps, filled up day by day, changed by hand."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.training.app import create
from services.training.handlers import matchings
from services.training.handlers.assignments import assign, unassign
from services.training.handlers.matchings import NEWCOMERS, PUBLISH, match_by_timer, put_into_effect
from services.training.matching import read_problem, read_result, verify
from services.training.store.trainees import lock_trainees
from shared.auth import LocalIssuer
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.programme import EnrolmentChanged, EnrolmentState
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorMoved, VendorUnmerged
from shared.ids import new_id
from shared.timers import run_due
from tests.conftest import MakeDatabase, Serve, StandingClock
from tests.integration.training import GAMBIR, GAMBIR_KELURAHAN, KARANG_ANYAR, SAWAH_BESAR, School, ok, registered

CITY = "31.71"
TIMERS = {PUBLISH: put_into_effect, NEWCOMERS: match_by_timer}


@pytest.fixture
async def school(
    make_database: MakeDatabase, serve: Serve, issuer: LocalIssuer, clock: StandingClock, sealer: Sealer
) -> School:
    fresh = await make_database("training")
    async with fresh.database.transaction() as conn:
        # nightly filling up is called by the tests of it
        await conn.execute("DELETE FROM timer WHERE kind = $1", NEWCOMERS)
    return School(fresh.database, serve(create, fresh), issuer, clock, sealer)


async def mentor(school: School, *areas: str, load_max: int = 10, **more: Any) -> UUID:
    body = {
        "kind": "employed",
        "name": "Rina Contoh",
        "agency": "ppkukm",
        "areas": list(areas) or [CITY],
        "fields": [],
        "load_max": load_max,
        **more,
    }
    return UUID(ok(await school.post("/v1/mentors", body), 201)["mentor_id"])


async def members(school: School, number: int, kelurahan: str = KARANG_ANYAR) -> list[UUID]:
    """Vendors who asked for mentoring."""
    vendors = await school.register(number, kelurahan)
    await school.hear(*((p3(vendor), 2) for vendor in vendors))
    return vendors


def p3(vendor_id: UUID, state: EnrolmentState = "asked") -> EnrolmentChanged:
    return EnrolmentChanged(vendor_id=vendor_id, service="P3", state=state)


async def compute(school: School, area: str = CITY, **more: Any) -> dict[str, Any]:
    return ok(await school.post("/v1/matchings", {"area": area, **more}), 201)


async def publish(school: School, matching: dict[str, Any]) -> dict[str, Any]:
    answer = ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 202)
    await work_off(school)
    return answer


async def work_off(school: School) -> None:
    while await run_due(school.database, TIMERS, school.clock.now()):
        pass


async def standing(school: School) -> dict[UUID, UUID]:
    async with school.database.read() as conn:
        rows = await conn.fetch("SELECT vendor_id, mentor_id FROM assignment WHERE until IS NULL AND kind = 'employed'")
    found = {row["vendor_id"]: row["mentor_id"] for row in rows}
    assert len(found) == len(rows)
    return found


async def give(school: School, vendor: UUID, to: UUID, **more: Any) -> None:
    async with school.database.transaction() as conn:
        await assign(conn, vendor, to, kind="employed", by="officer", now=school.clock.now(), **more)


async def pairs(school: School, matching: dict[str, Any], *changes: str) -> list[dict[str, Any]]:
    query = "&".join(f"change={one}" for one in changes)
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        shown = ok(await school.get(f"/v1/matchings/{matching['matching_id']}/pairs?limit=3&{query}{after}"))
        items += shown["items"]
        if shown["next"] is None:
            return items
        after = f"&after={shown['next']}"


async def gapless(school: School) -> None:
    """No event of any key is missing or told twice."""
    for sequences in (await school.sequences()).values():
        assert sequences == list(range(1, len(sequences) + 1))


# ---- a matching


async def test_a_matching_is_previewed_published_and_told(school: School) -> None:
    near, wide = await mentor(school, KARANG_ANYAR, load_max=2), await mentor(school, CITY, load_max=3)
    vendors = await members(school, 4)
    stranger = (await school.register(1))[0]
    matching = await compute(school)
    assert matching["counts"] == {"kept": 0, "moved": 0, "new": 4, "parted": 0, "unmatched": 0}
    assert matching["goals"]["unmatched"] == 0
    assert (matching["state"], matching["vendors"], matching["mentors"]) == ("previewed", 4, 2)
    assert await standing(school) == {}

    shown = await pairs(school, matching)
    assert {UUID(one["vendor_id"]) for one in shown} == set(vendors)
    told = await publish(school, matching)
    assert told["state"] == "publishing"
    now = await standing(school)
    assert now == {UUID(one["vendor_id"]): UUID(one["mentor_id"]) for one in shown}
    assert stranger not in now
    assert Counter(now.values()) == {near: 2, wide: 2}
    done = ok(await school.get(f"/v1/matchings/{matching['matching_id']}"))
    assert (done["state"], done["pairs"]) == ("published", {"applied": 4})

    (published,) = await school.published("MatchingPublished")
    assert (published.key, published.sequence) == (UUID(matching["matching_id"]), 1)
    assert published.body["new"] == 4
    assert published.body["problem_sha256"] == matching["problem_sha256"]
    given = await school.published("MentorAssigned")
    assert {event.key: UUID(event.body["mentor_id"]) for event in given} == now
    assert {event.body["by"] for event in given} == {"matching"}
    await gapless(school)


async def test_what_is_stored_can_be_checked_by_anyone_and_names_no_vendor(school: School) -> None:
    await mentor(school)
    vendors = await members(school, 3)
    path = f"/v1/matchings/{(await compute(school))['matching_id']}"
    problem = (await school.get(f"{path}/problem")).content
    result = (await school.get(f"{path}/result")).content
    assert verify(read_problem(problem), read_result(result)) == []
    assert not any(str(vendor).encode() in problem + result for vendor in vendors)


async def test_a_second_matching_keeps_who_may_stay_and_moves_the_others(school: School) -> None:
    here, there = await mentor(school, SAWAH_BESAR, load_max=2), await mentor(school, GAMBIR, load_max=2)
    one, other = await members(school, 2)
    await publish(school, await compute(school))
    assert await standing(school) == {one: here, other: here}
    moved = VendorMoved(vendor_id=other, kelurahan=GAMBIR_KELURAHAN, rw="001", rt="001")
    await school.hear((moved, 3))
    matching = await compute(school)
    assert matching["counts"] == {"kept": 1, "moved": 1, "new": 0, "parted": 0, "unmatched": 0}
    (difference,) = await pairs(school, matching, "moved", "new", "parted")
    assert (difference["vendor_id"], difference["previous_mentor_id"]) == (str(other), str(here))
    await publish(school, matching)
    assert await standing(school) == {one: here, other: there}
    event = (await school.published("MentorAssigned"))[-1]
    assert (event.key, event.body["previous_mentor_id"]) == (other, str(here))
    assert await school.published("MentorUnassigned") == []
    await gapless(school)


async def test_full_mentors_exchange_their_vendors_and_are_never_over_their_limit(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matchings, "PAIRS_AT_ONCE", 1)
    here, there = await mentor(school, SAWAH_BESAR, load_max=3), await mentor(school, GAMBIR, load_max=3)
    vendors = await members(school, 6)
    # three live where their mentor does not work any more
    async with school.database.transaction() as conn:
        await conn.execute("UPDATE vendor SET kelurahan = $1 WHERE vendor_id = ANY($2)", GAMBIR_KELURAHAN, vendors[:3])
    for vendor in vendors[:3]:
        await misplace(school, vendor, here, KARANG_ANYAR)
    for vendor in vendors[3:]:
        await misplace(school, vendor, there, GAMBIR_KELURAHAN)
    matching = await compute(school)
    assert matching["counts"]["moved"] == 6
    ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 202)
    while await run_due(school.database, TIMERS, school.clock.now()):
        assert set(Counter((await standing(school)).values()).values()) == {3}
    assert await standing(school) == {**dict.fromkeys(vendors[:3], there), **dict.fromkeys(vendors[3:], here)}


async def misplace(school: School, vendor: UUID, to: UUID, kelurahan: str) -> None:
    """Give a vendor a mentor of where it lived once."""
    async with school.database.transaction() as conn:
        home = await conn.fetchval("SELECT kelurahan FROM vendor WHERE vendor_id = $1", vendor)
        await conn.execute("UPDATE vendor SET kelurahan = $2 WHERE vendor_id = $1", vendor, kelurahan)
        await assign(conn, vendor, to, kind="employed", by="officer", now=school.clock.now())
        await conn.execute("UPDATE vendor SET kelurahan = $2 WHERE vendor_id = $1", vendor, home)


async def test_wishes_and_language_decide_and_the_reasons_are_told(school: School) -> None:
    kuliner = await mentor(school, fields=["kuliner"], languages=["id"], load_max=5)
    export = await mentor(school, fields=["export"], languages=["en", "id"], load_max=5)
    cook, exporter = new_id(), new_id()
    for vendor in (cook, exporter):
        await school.hear((registered(vendor, category="food-drink"), 1), (p3(vendor), 2))
    wish = {"fields": ["export"], "language": "en"}
    path = f"/v1/trainees/{exporter}/mentoring-wishes"
    assert (await school.post(path, wish, token=school.vendor(exporter))).status_code == 204
    assert ok(await school.post(path, {"fields": ["magic"]}), 422)["code"] == "unknown-field"
    assert ok(await school.get(f"/v1/trainees/{exporter}/mentors"))["wishes"] == wish
    matching = await compute(school)
    path = f"/v1/matchings/{matching['matching_id']}/pairs/{cook}"
    early = await school.get(path, token=school.vendor(cook))
    assert ok(early, 404)["code"] == "unknown-matching"
    await publish(school, matching)
    assert await standing(school) == {cook: kuliner, exporter: export}
    own = ok(await school.get(path, token=school.vendor(cook)))
    assert own["mentor_id"] == str(kuliner)
    assert [one["code"] for one in own["why"]["because"]] == ["field", "near", "load"]
    assert "others" not in own["why"]
    other = f"/v1/matchings/{matching['matching_id']}/pairs/{exporter}"
    assert (await school.get(other, token=school.vendor(cook))).status_code == 403
    seen = ok(await school.get(other))
    assert seen["why"]["because"][0]["en"] == "Knows what you asked for: Export."
    assert seen["why"]["because"][0]["id"] == "Ahli di bidang yang Anda minta: Ekspor."


async def test_a_graduate_is_matched_no_more(school: School) -> None:
    await mentor(school)
    one, other = await members(school, 2)
    async with school.database.transaction() as conn:
        await graduate(conn, one)
    assert {UUID(pair["vendor_id"]) for pair in await pairs(school, await compute(school))} == {other}


async def graduate(conn: Connection, vendor: UUID) -> None:
    """The row that an officer's decision leaves."""
    await conn.execute(
        "INSERT INTO candidacy (candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, decided_at, "
        "months_from, months_until, decided_by, decided_on, decided_until, evidence) "
        "SELECT $1, $2, name, version, 'graduated', now(), now(), '2022-09', '2023-02', 'officer', date '2023-03-01', "
        "'2023-02', '{}' FROM graduation_criteria LIMIT 1",
        new_id(),
        vendor,
    )


# ---- what overtakes a preview


async def test_a_preview_that_facts_have_overtaken_is_refused_and_says_by_what(school: School) -> None:
    first, second = await mentor(school, load_max=3), await mentor(school, load_max=3)
    vendors = await members(school, 5)

    async def refused(matching: dict[str, Any]) -> dict[str, int]:
        answer = ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 409)
        assert answer["code"] == "matching-outdated"
        counts: dict[str, int] = answer["details"]["counts"]
        return counts

    matching = await compute(school)
    await school.hear((VendorErased(vendor_id=vendors[0], erasure_id=new_id()), 3))
    assert await refused(matching) == {"vendor-erased": 1}

    matching = await compute(school)
    await school.hear((VendorMerged(vendor_id=vendors[1], into=vendors[2], merge_id=new_id()), 3))
    assert await refused(matching) == {"vendor-merged": 1}

    matching = await compute(school)
    await give(school, vendors[2], first)
    assert await refused(matching) == {"vendor-rematched": 1}

    matching = await compute(school)
    change = {"kind": "employed", "name": "Rina", "agency": "ppkukm", "areas": [CITY], "load_max": 0}
    ok(await school.post(f"/v1/mentors/{second}/change", change))
    assert (await refused(matching))["mentor-load"] == 1
    ok(await school.post(f"/v1/mentors/{second}/change", {**change, "load_max": 3}))

    matching = await compute(school)
    ok(
        await school.post(
            f"/v1/mentors/{second}/change", {**change, "load_max": 3, "areas": ["31.72"]}, token=province(school)
        )
    )
    assert (await refused(matching))["mentor-withdrawn"] == 1
    ok(await school.post(f"/v1/mentors/{second}/withdraw", token=province(school)))
    assert (await refused(matching))["mentor-withdrawn"] == 1

    matching = await compute(school)
    await publish(school, matching)
    again = await school.post(f"/v1/matchings/{matching['matching_id']}/publish")
    assert ok(again, 409)["code"] == "matching-settled"


def province(school: School) -> str:
    return school.officer("31")


async def test_what_changes_while_it_is_put_into_effect_is_skipped_and_said(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matchings, "PAIRS_AT_ONCE", 1)
    first, second = await mentor(school, load_max=9), await mentor(school, load_max=9)
    vendors = await members(school, 5)
    matching = await compute(school)
    ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 202)
    assert await run_due(school.database, TIMERS, school.clock.now())
    (done,) = await standing(school)
    erased, given, left, graduated = [vendor for vendor in vendors if vendor != done]
    await school.hear((VendorErased(vendor_id=erased, erasure_id=new_id()), 3))
    await give(school, given, second)
    await work_off(school)
    shown = {UUID(one["vendor_id"]): one for one in await pairs(school, matching)}
    assert erased not in shown
    assert shown[given]["skipped_because"] == "assigned-meanwhile"
    assert {shown[one]["state"] for one in (done, left, graduated)} == {"applied"}
    assert (await standing(school))[given] == second
    assert ok(await school.get(f"/v1/matchings/{matching['matching_id']}"))["state"] == "published"
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM seat_promised") == 0
    await gapless(school)
    assert first


async def test_a_crash_between_two_steps_loses_nothing_and_does_nothing_twice(
    school: School, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matchings, "PAIRS_AT_ONCE", 2)
    await mentor(school, load_max=7)
    vendors = await members(school, 7)
    matching = await compute(school)
    ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 202)
    calls = 0

    async def stumbling(conn: Connection, key: str, now: Any) -> None:
        nonlocal calls
        calls += 1
        await put_into_effect(conn, key, now)
        if calls % 2:
            raise ConnectionError("the process dies before it commits")

    for _ in range(12):
        try:
            await run_due(school.database, {PUBLISH: stumbling}, school.clock.now())
        except ConnectionError:
            clock.advance(minutes=11)
    assert set(await standing(school)) == set(vendors)
    assert len(await school.published("MentorAssigned")) == 7
    await gapless(school)


async def test_one_of_two_matchings_published_at_once_wins(school: School) -> None:
    await mentor(school, load_max=50)
    await members(school, 5)
    both = [await compute(school), await compute(school)]
    await school.crowd()
    answers = await asyncio.gather(
        *(school.post(f"/v1/matchings/{one['matching_id']}/publish") for one in both for _ in range(5))
    )
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 9}
    await work_off(school)
    assert len(await standing(school)) == 5
    await gapless(school)


# ---- seats


async def test_the_last_seat_of_a_mentor_is_taken_by_exactly_one_of_fifty(school: School) -> None:
    only = await mentor(school, load_max=1)
    vendors = await members(school, 50)
    await school.crowd()
    body = {"mentor_id": str(only), "reason": "field"}
    answers = await asyncio.gather(*(school.post(f"/v1/trainees/{vendor}/mentors", body) for vendor in vendors))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"mentor-full"}
    assert len(await standing(school)) == 1
    await gapless(school)


async def test_seats_promised_to_a_publication_are_given_to_nobody_else(school: School) -> None:
    only = await mentor(school, load_max=2)
    await members(school, 2)
    (stranger,) = await school.register(1)
    matching = await compute(school)
    ok(await school.post(f"/v1/matchings/{matching['matching_id']}/publish"), 202)
    refused = await school.post(f"/v1/trainees/{stranger}/mentors", {"mentor_id": str(only), "reason": "field"})
    assert (ok(refused, 409)["code"], refused.json()["details"]["promised"]) == ("mentor-full", 2)
    await work_off(school)
    assert Counter((await standing(school)).values()) == {only: 2}


async def test_matching_hands_and_newcomers_at_once_never_overfill_a_mentor(school: School) -> None:
    mentors = [await mentor(school, load_max=3) for _ in range(4)]
    vendors = await members(school, 30)
    by_hand, rest = vendors[:10], vendors[10:]
    await school.crowd()

    async def hand(vendor: UUID, to: UUID) -> int:
        return (
            await school.post(f"/v1/trainees/{vendor}/mentors", {"mentor_id": str(to), "reason": "other"})
        ).status_code

    async def fill() -> int:
        return (await school.post("/v1/matchings/newcomers", {"area": CITY})).status_code

    async def timers() -> int:
        worked = 0
        for _ in range(20):
            worked += await run_due(school.database, TIMERS, school.clock.now())
            await asyncio.sleep(0.01)
        return worked

    await asyncio.gather(
        *(hand(vendor, mentors[at % 4]) for at, vendor in enumerate(by_hand)), fill(), fill(), timers(), timers()
    )
    await work_off(school)
    assert all(load <= 3 for load in Counter((await standing(school)).values()).values())
    await fill()
    await work_off(school)
    assert Counter((await standing(school)).values()) == dict.fromkeys(mentors, 3)
    await gapless(school)
    assert rest


# ---- newcomers


async def test_newcomers_get_the_best_with_room_and_nobody_else_moves(school: School) -> None:
    near, wide = await mentor(school, KARANG_ANYAR, load_max=2), await mentor(school, CITY, load_max=9)
    old = await members(school, 1)
    await give(school, old[0], wide)
    new = await members(school, 3)
    (silent,) = await school.register(1)
    async with school.database.transaction() as conn:
        await match_by_timer(conn, "nightly", school.clock.now())
    await work_off(school)
    now = await standing(school)
    assert now[old[0]] == wide
    assert Counter(now[vendor] for vendor in new) == {near: 2, wide: 1}
    assert silent not in now
    assert {event.body["by"] for event in await school.published("MentorAssigned") if event.key in new} == {"newcomer"}
    assert await school.published("MatchingPublished") == []
    async with school.database.read() as conn:
        due = await conn.fetchval("SELECT due_at FROM timer WHERE kind = $1", NEWCOMERS)
        before = await conn.fetchval("SELECT count(*) FROM matching")
    assert due.isoformat() == "2023-03-01T19:00:00+00:00"
    # a night with nobody new stores nothing
    answer = ok(await school.post("/v1/matchings/newcomers", {"area": CITY}))
    assert answer == {"matching_id": None, "given": 0}
    # everyone, once the province says so
    forbidden = await school.post("/v1/mentoring-policy", {"newcomers": "everyone"})
    assert forbidden.status_code == 403
    ok(await school.post("/v1/mentoring-policy", {"newcomers": "everyone"}, token=province(school)))
    assert ok(await school.post("/v1/matchings/newcomers", {"area": CITY}))["given"] == 1
    await work_off(school)
    assert (await standing(school))[silent] == wide
    async with school.database.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM matching") == before + 1


async def test_those_whom_nobody_can_take_do_not_keep_others_waiting(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matchings, "NEWCOMERS_AT_ONCE", 2)
    await members(school, 4)
    only = await mentor(school, GAMBIR)
    later = await members(school, 3, GAMBIR_KELURAHAN)
    for _ in range(2):
        ok(await school.post("/v1/matchings/newcomers", {"area": CITY}))
        await work_off(school)
    assert await standing(school) == dict.fromkeys(later, only)


# ---- people


async def test_of_two_mentors_a_person_keeps_one_when_registrations_are_merged(school: School) -> None:
    first, second = await mentor(school), await mentor(school)
    one, other = await members(school, 2)
    await give(school, one, first)
    await give(school, other, second)
    merge = new_id()
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=merge), 3))
    assert await standing(school) == {other: second}
    (parted,) = await school.published("MentorUnassigned")
    assert (parted.key, parted.body["because"]) == (one, "merged")
    # the person has a mentor, whichever id is asked
    again = await school.post(f"/v1/trainees/{one}/mentors", {"mentor_id": str(second), "reason": "other"})
    assert ok(again, 409)["code"] == "mentor-standing"
    assert (await compute(school))["counts"]["kept"] == 1
    await school.hear((VendorUnmerged(vendor_id=one, out_of=other, merge_id=merge), 4))
    assert ok(await school.post("/v1/matchings/newcomers", {"area": CITY}))["given"] == 1
    await work_off(school)
    assert set(await standing(school)) == {one, other}
    await gapless(school)


async def test_a_mentor_that_was_another_id_s_is_told_to_have_left_that_id(school: School) -> None:
    """Who keeps mentors by id (the registry does) must not go on showing two, now or when they are parted again."""
    first, second = await mentor(school), await mentor(school)
    one, other = await members(school, 2)
    await give(school, one, first)
    await school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 3))
    await give(school, other, second)
    assert await standing(school) == {other: second}
    (parted,) = await school.published("MentorUnassigned")
    assert (parted.key, parted.body["mentor_id"], parted.body["because"]) == (one, str(first), "rematched")
    assert (await school.published("MentorAssigned"))[-1].body["previous_mentor_id"] == str(first)
    await gapless(school)


async def test_a_merge_and_an_assignment_at_once_leave_one_mentor(school: School) -> None:
    first, second = await mentor(school), await mentor(school)
    for _ in range(5):
        one, other = await members(school, 2)
        await give(school, one, first)
        await school.crowd()
        await asyncio.gather(
            school.hear((VendorMerged(vendor_id=one, into=other, merge_id=new_id()), 3)),
            school.post(f"/v1/trainees/{other}/mentors", {"mentor_id": str(second), "reason": "other"}),
        )
        assert len({one, other} & set(await standing(school))) == 1
    await gapless(school)


async def test_who_leaves_mentoring_has_no_mentor_any_more(school: School) -> None:
    only = await mentor(school)
    one, other = await members(school, 2)
    await give(school, one, only)
    await give(school, other, only)
    await school.hear((p3(one, "left"), 3))
    assert await standing(school) == {other: only}
    (parted,) = await school.published("MentorUnassigned")
    assert (parted.key, parted.body["because"]) == (one, "vendor-left")


async def test_a_batch_about_several_services_locks_people_in_the_order_of_ids(school: School) -> None:
    low, high = sorted(await members(school, 2))
    batch = [
        (EnrolmentChanged(vendor_id=high, service="P4", state="asked"), 3),
        (EnrolmentChanged(vendor_id=low, service="P3", state="left"), 3),
    ]
    async with school.database.transaction() as conn:
        await lock_trainees(conn, [low])
        hearing = asyncio.create_task(school.hear(*batch))
        done, _ = await asyncio.wait([hearing], timeout=0.2)
        assert not done
        await asyncio.wait_for(lock_trainees(conn, [high]), 0.5)
    await hearing
    assert [event.key for event in await school.published("HelpCaseOpened")] == [high]


async def test_an_erased_vendor_leaves_no_trace_of_its_mentors(school: School) -> None:
    only = await mentor(school)
    one, other = await members(school, 2)
    ok_empty(await school.post(f"/v1/trainees/{one}/mentoring-wishes", {"fields": ["export"]}))
    await publish(school, await compute(school))
    ask = await school.post(f"/v1/trainees/{one}/mentor-requests", {"reason": "field"}, token=school.vendor(one))
    ok(ask, 201)
    data = ok(await school.get(f"/v1/vendors/{one}/data", token=school.vendor(one)))["sections"]
    for section in ("assignments", "mentoring_wishes", "matched_pairs", "mentor_requests"):
        assert len(data[section]["data"]) == 1, section
    await school.hear((VendorErased(vendor_id=one, erasure_id=new_id()), 3))
    assert await standing(school) == {other: only}
    async with school.database.read() as conn:
        for table in ("assignment", "mentoring_wish", "matching_pair", "mentor_request"):
            left = await conn.fetchval(f"SELECT count(*) FROM {table} WHERE vendor_id = $1", one)  # noqa: S608 - names above
            assert left == 0, table


def ok_empty(answer: Any) -> None:
    assert answer.status_code == 204, answer.text


# ---- by hand


async def test_an_officer_gives_and_takes_by_hand_within_its_area(school: School) -> None:
    here, there = await mentor(school, SAWAH_BESAR), await mentor(school, GAMBIR)
    (vendor,) = await school.register(1)
    path = f"/v1/trainees/{vendor}/mentors"
    elsewhere = await school.post(path, {"mentor_id": str(there), "reason": "field"})
    assert ok(elsewhere, 409)["code"] == "mentor-area"
    stranger = await school.post(path, {"mentor_id": str(here), "reason": "field"}, token=school.officer("31.72"))
    assert stranger.status_code == 403
    own = school.issuer.token("officer", ["officer", "vendor"], area=CITY, vendor_id=vendor)
    assert (
        ok(await school.post(path, {"mentor_id": str(here), "reason": "field"}, token=own), 403)["code"] == "own-case"
    )
    ok(await school.post(path, {"mentor_id": str(here), "reason": "field"}))
    shown = ok(await school.get(path, token=school.vendor(vendor)))
    assert [(one["mentor_id"], one["by"], one["until"]) for one in shown["assignments"]] == [
        (str(here), "officer", None)
    ]
    assert [one["vendor_id"] for one in ok(await school.get(f"/v1/mentors/{here}/vendors"))["items"]] == [str(vendor)]
    ok_empty(await school.post(f"{path}/end", {"reason": "conflict"}))
    assert ok(await school.post(f"{path}/end", {"reason": "conflict"}), 404)["code"] == "no-mentor"
    assert ok(await school.get(path))["assignments"][0]["ended_because"] == "officer"


async def test_a_mentor_sees_its_own_vendors_only(school: School) -> None:
    one, other = await mentor(school, account="rina"), await mentor(school, account="sari")
    (vendor,) = await school.register(1)
    await give(school, vendor, one)
    token = school.issuer.token("rina", ["mentor"])
    assert len(ok(await school.get(f"/v1/mentors/{one}/vendors", token=token))["items"]) == 1
    assert (await school.get(f"/v1/mentors/{other}/vendors", token=token)).status_code == 404


async def test_a_vendor_asks_for_another_mentor_and_an_officer_answers_once(school: School) -> None:
    first, second, third = await mentor(school), await mentor(school), await mentor(school)
    (vendor,) = await school.register(1)
    path, own = f"/v1/trainees/{vendor}/mentor-requests", school.vendor(vendor)
    assert ok(await school.post(path, {"reason": "never-came"}, token=own), 404)["code"] == "no-mentor"
    await give(school, vendor, first)
    assert (await school.post(path, {"reason": "never-came"})).status_code == 403
    request = ok(await school.post(path, {"reason": "never-came"}, token=own), 201)["request_id"]
    again = await school.post(path, {"reason": "field"}, token=own)
    assert ok(again, 409)["code"] == "mentor-request-standing"
    (listed,) = ok(await school.get(f"/v1/mentor-requests?area={SAWAH_BESAR}"))["items"]
    assert (listed["request_id"], listed["mentor_id"]) == (request, str(first))
    assert ok(await school.get("/v1/mentor-requests", token=school.officer("31.72")))["items"] == []
    assert (await school.post(f"/v1/mentor-requests/{request}/answer", {"grant": True})).status_code == 422
    await school.crowd()
    bodies: Sequence[dict[str, Any]] = [
        {"grant": True, "mentor_id": str(second)},
        {"grant": True, "mentor_id": str(third)},
        {"grant": False},
    ]
    answers = await asyncio.gather(
        *(school.post(f"/v1/mentor-requests/{request}/answer", body) for body in bodies for _ in range(3))
    )
    assert Counter(answer.status_code < 300 for answer in answers) == {True: 1, False: 8}
    assert {answer.json()["code"] for answer in answers if answer.status_code >= 300} <= {
        "mentor-request-settled",
        "mentor-standing",
    }
    again = ok(await school.post(path, {"reason": "field"}, token=own), 201)["request_id"]
    ok_empty(await school.post(f"{path}/take-back", token=own))
    assert again != request
    await gapless(school)


async def test_only_officers_of_the_area_see_and_make_matchings(school: School) -> None:
    await mentor(school)
    (vendor,) = await members(school, 1)
    path = f"/v1/matchings/{(await compute(school))['matching_id']}"
    stranger = school.officer("31.72")
    assert (await school.post("/v1/matchings", {"area": CITY}, token=stranger)).status_code == 403
    assert (await school.post("/v1/matchings", {"area": CITY}, token=school.vendor(vendor))).status_code == 403
    for token in (stranger, school.officer(SAWAH_BESAR)):
        assert (await school.get(path, token=token)).status_code == 404
        assert (await school.post(f"{path}/publish", token=token)).status_code == 404
    assert ok(await school.get("/v1/matchings", token=stranger))["items"] == []
    assert len(ok(await school.get("/v1/matchings?state=previewed"))["items"]) == 1
    ok_empty(await school.post(f"{path}/drop"))
    assert ok(await school.post(f"{path}/publish"), 409)["code"] == "matching-settled"
    nobody = await school.post("/v1/matchings", {"area": "31.72"}, token=province(school))
    assert ok(nobody, 409)["code"] == "nobody-to-match"


async def test_parting_by_one_id_parts_the_person(school: School) -> None:
    only = await mentor(school)
    one, other = await members(school, 2)
    await give(school, one, only)
    await school.hear((VendorMerged(vendor_id=other, into=one, merge_id=new_id()), 3))
    async with school.database.transaction() as conn:
        parted = await unassign(conn, other, because="graduated", now=school.clock.now())
    assert [event.vendor_id for event in parted] == [one]
    assert await standing(school) == {}

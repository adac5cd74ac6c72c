"""The promise, round after round: who keeps applying to the same pools is served before anyone who began to wait
after it, unless a named reserve or cap binds."""

import json
import random
from datetime import date, timedelta
from typing import Any

import pytest

from services.bazaar.allocation import PoolsFull, Result, read_problem, solve, verify

Doc = dict[str, Any]

ROUNDS = 14
VENDORS = 70


def play(chance: random.Random, pools: list[Doc], problem_caps: list[Doc]) -> list[tuple[dict[str, Doc], Result]]:
    """A programme: everybody keeps applying to the same pools; a seat starts the waiting anew; newcomers join."""
    people: dict[str, Doc] = {}
    today = date(2023, 1, 1)
    rounds = []

    def join(count: int) -> None:
        for _ in range(count):
            name = f"v{len(people):03}"
            named = chance.sample([pool["id"] for pool in pools], chance.randint(1, 3))
            people[name] = {
                "id": name,
                "groups": {"agency": chance.choice("abc"), "category": chance.choice(["food", "craft"]),
                           "rw": str(chance.randint(1, 9))},
                "waiting_since": today.isoformat(),
                "choices": [named] if chance.random() < 0.5 else [[pool] for pool in named],
            }  # fmt: skip

    join(VENDORS)
    for number in range(ROUNDS):
        doc = {"seed": f"draw {number}", "pools": pools, "caps": problem_caps, "applicants": list(people.values())}
        problem = read_problem(json.dumps(doc).encode())
        result = solve(problem)
        assert verify(problem, result) == []
        rounds.append((json.loads(json.dumps(people)), result))
        today += timedelta(days=14)
        for one in result.served:
            people[one.applicant]["waiting_since"] = today.isoformat()
            people[one.applicant]["turns"] = people[one.applicant].get("turns", 0) + 1
        join(3)
    return rounds


def plain_pools() -> list[Doc]:
    return [{"id": f"p{number}", "capacity": 3} for number in range(5)]


@pytest.mark.parametrize("seed", range(8))
def test_without_reserves_and_caps_nobody_in_its_pools_began_to_wait_after_it(seed: int) -> None:
    for people, result in play(random.Random(seed), plain_pools(), []):
        for waiting in result.waiting:
            mine = people[waiting.applicant]
            named = {pool for tier in mine["choices"] for pool in tier}
            assert waiting.because == PoolsFull(tuple(pool for tier in mine["choices"] for pool in tier))
            for served in result.served:
                if served.pool in named:
                    assert people[served.applicant]["waiting_since"] <= mine["waiting_since"]


@pytest.mark.parametrize("seed", range(4))
def test_everyone_who_keeps_applying_is_served_and_then_in_its_turn_again(seed: int) -> None:
    """15 seats a round for 70 at first and 3 more each round: nobody waits longer than its pools' queue."""
    rounds = play(random.Random(100 + seed), plain_pools(), [])
    first = set(rounds[0][0])
    served = {one.applicant for _, result in rounds for one in result.served}

    assert first <= served
    # nobody is served a second time while someone with a pool in common, who has waited longer, never was
    for people, result in rounds:
        never = [people[one.applicant] for one in result.waiting if not people[one.applicant].get("turns")]
        for one in result.served:
            if people[one.applicant].get("turns"):
                for other in never:
                    if any(one.pool in tier for tier in other["choices"]):
                        assert people[one.applicant]["waiting_since"] <= other["waiting_since"]


@pytest.mark.parametrize("seed", range(6))
def test_whoever_went_before_in_spite_of_waiting_less_did_so_by_a_reserve_or_cap_that_is_named(seed: int) -> None:
    pools: list[Doc] = plain_pools()
    pools[0]["reserves"] = [{"group": "agency", "value": "a", "seats": 1}]
    pools[1]["caps"] = [{"group": "category", "value": "food", "seats": 1}]
    exceptions = 0
    for people, result in play(random.Random(200 + seed), pools, [{"group": "rw", "seats_each": 2}]):
        for waiting in result.waiting:
            mine = people[waiting.applicant]
            named = {pool for tier in mine["choices"] for pool in tier}
            for served in result.served:
                if served.pool in named and people[served.applicant]["waiting_since"] > mine["waiting_since"]:
                    exceptions += 1
                    assert served.phase == 1 or waiting.because.code in ("cap-reached", "group-had-its-seat")
                    assert served.phase == 2 or waiting.ahead.reserved or waiting.because.code != "pools-full"
    assert exceptions > 0


@pytest.mark.parametrize("seed", range(4))
def test_with_groups_in_turn_no_rw_is_two_turns_ahead_of_one_that_still_waits(seed: int) -> None:
    """E2: every RW in turn. All name the one hall, so only the turns of their RW decide, over the rounds too."""
    chance = random.Random(300 + seed)
    people = [
        {"id": f"v{n:03}", "groups": {"rw": str(chance.randint(1, 12))}, "choices": [["hall"]],
         "waiting_since": f"2022-0{chance.randint(1, 9)}-01"}
        for n in range(120)
    ]  # fmt: skip
    turns = {one["groups"]["rw"]: 0 for one in people}  # type: ignore[index]  # the literal above mixes value types
    for number in range(9):
        doc = {
            "seed": f"draw {number}",
            "pools": [{"id": "hall", "capacity": 10}],
            "rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
            "groups": {"rw": {rw: {"turns": count} for rw, count in turns.items()}},
            "applicants": people,
        }
        problem = read_problem(json.dumps(doc).encode())
        result = solve(problem)
        assert verify(problem, result) == []
        rw_of = {one.id: one.groups["rw"] for one in problem.applicants}
        for one in result.served:
            turns[rw_of[one.applicant]] += 1
        people = [one for one in people if one["id"] not in {served.applicant for served in result.served}]
        still = {rw_of[one.applicant] for one in result.waiting}
        assert max(turns.values()) <= min((turns[rw] for rw in still), default=99) + 1

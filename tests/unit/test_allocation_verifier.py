"""The verifier against results that somebody changed, each in one way."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from services.bazaar.allocation import Ahead, PoolsFull, Problem, Result, Served, read_problem, solve, verify

Doc = dict[str, Any]

RESERVE = {"group": "agency", "value": "ppkukm", "seats": 2}
CAP = {"group": "category", "value": "food", "seats": 2}


def _doc() -> Doc:
    chance = random.Random(11)
    return {
        "seed": "the draw of 1 May",
        "pools": [
            {"id": "p1", "capacity": 4, "reserves": [RESERVE]},
            {"id": "p2", "capacity": 4, "caps": [CAP]},
            {"id": "p3", "capacity": 3},
        ],
        "caps": [{"group": "rw", "seats_each": 2}],
        "rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
        "groups": {"rw": {"1": {"turns": 1}}},
        "applicants": [
            {
                "id": f"v{n:02}",
                "groups": {
                    "agency": chance.choice(["ppkukm", "kpkp"]),
                    "category": chance.choice(["food", "craft"]),
                    "rw": str(n % 8),
                },
                "waiting_since": f"2023-0{chance.randint(1, 9)}-01",
                "choices": [[pool] for pool in chance.sample(["p1", "p2", "p3"], 2)],
            }
            for n in range(40)
        ],
    }


@pytest.fixture(scope="module")
def doc() -> Doc:
    return _doc()


@pytest.fixture(scope="module")
def problem(doc: Doc) -> Problem:
    return read_problem(json.dumps(doc).encode())


@pytest.fixture(scope="module")
def result(problem: Problem) -> Result:
    return solve(problem)


def served_with(result: Result, at: int, **change: Any) -> Result:
    served = list(result.served)
    served[at] = replace(served[at], **change)
    return replace(result, served=tuple(served))


def waiting_with(result: Result, at: int, **change: Any) -> Result:
    waiting = list(result.waiting)
    waiting[at] = replace(waiting[at], **change)
    return replace(result, waiting=tuple(waiting))


def test_the_result_as_it_is_stands(problem: Problem, result: Result) -> None:
    assert len(result.served) == 11
    assert {one.because.code for one in result.waiting} == {"pools-full", "cap-reached", "group-had-its-seat"}
    assert verify(problem, result) == []


def test_two_applicants_swapped_are_found_out(problem: Problem, result: Result) -> None:
    """Every served with every waiting who named its pool: each swap names one that was passed over."""
    swaps = 0
    for at, one in enumerate(result.served):
        for place, other in enumerate(result.waiting):
            tiers = next(each for each in problem.applicants if each.id == other.applicant).choices
            tier = next((number for number, tier in enumerate(tiers) if one.pool in tier), None)
            if tier is not None:
                swaps += 1
                swapped = served_with(result, at, applicant=other.applicant, tier=tier)
                swapped = waiting_with(swapped, place, applicant=one.applicant)
                assert verify(problem, swapped) != []
    assert swaps > 100


def test_a_swap_of_the_last_served_names_who_was_passed_over(problem: Problem, result: Result) -> None:
    last = result.served[-1]
    choices = {one.id: one.choices for one in problem.applicants}
    place, tier = next(
        (place, tier)
        for place, one in reversed(list(enumerate(result.waiting)))
        for tier, pools in enumerate(choices[one.applicant])
        if last.pool in pools
    )
    swapped = served_with(result, -1, applicant=result.waiting[place].applicant, tier=tier)
    swapped = waiting_with(swapped, place, applicant=last.applicant)

    assert any(
        finding.startswith(f"applicant {last.applicant}: could have been seated at its turn")
        for finding in verify(problem, swapped)
    )


def test_a_served_left_out_is_missed(problem: Problem, result: Result) -> None:
    gone = result.served[3].applicant
    assert verify(problem, replace(result, served=result.served[:3] + result.served[4:])) == [
        f"applicant {gone}: is neither served nor waiting"
    ]


def test_a_served_put_among_the_waiting_is_found_out(problem: Problem, result: Result) -> None:
    gone = result.served[-1]
    moved = replace(result.waiting[0], applicant=gone.applicant, place=len(result.waiting) + 1)
    changed = replace(result, served=result.served[:-1], waiting=(*result.waiting, moved))

    assert any("could have been seated at its turn" in finding for finding in verify(problem, changed))


def test_someone_served_twice_or_unknown_is_found_out(problem: Problem, result: Result) -> None:
    twice = replace(result, served=(*result.served, result.served[0]))
    unknown = replace(result, served=(*result.served, Served("nobody", "p1", 0, 2)))

    assert verify(problem, twice) == [f"applicant {result.served[0].applicant}: stands in the result 2 times"]
    assert verify(problem, unknown) == ["applicant nobody: is in the result but not in the problem"]


def test_a_wrong_tier_is_found_out(problem: Problem, result: Result) -> None:
    one = result.served[0]
    findings = verify(problem, served_with(result, 0, tier=1 - one.tier))

    assert findings == [f"applicant {one.applicant}: tier is {1 - one.tier}, but {one.pool} is in its tier {one.tier}"]


def test_a_wrong_pool_is_found_out(problem: Problem, result: Result) -> None:
    for at, one in enumerate(result.served):
        choices = next(each for each in problem.applicants if each.id == one.applicant).choices
        for pool in ("p1", "p2", "p3", "p4"):
            tier = next((number for number, tier in enumerate(choices) if pool in tier), None)
            if pool != one.pool:
                findings = verify(problem, served_with(result, at, pool=pool, tier=tier or 0))
                if tier is None:
                    assert findings == [f"applicant {one.applicant}: sits in pool {pool}, which it did not name"]
                else:
                    assert findings != []


def test_a_wrong_phase_is_found_out(problem: Problem, result: Result) -> None:
    for at, one in enumerate(result.served):
        assert verify(problem, served_with(result, at, phase=3 - one.phase)) != []


def test_the_served_in_another_order_are_found_out(problem: Problem, result: Result) -> None:
    served = (result.served[1], result.served[0], *result.served[2:])

    assert verify(problem, replace(result, served=served)) == [
        f"served[0]: is {result.served[1].applicant}, but {result.served[0].applicant} was walked before it"
    ]


def test_a_wrong_place_is_found_out(problem: Problem, result: Result) -> None:
    one, two = result.waiting[0], result.waiting[1]
    swapped = replace(result, waiting=(replace(two, place=1), replace(one, place=2), *result.waiting[2:]))
    listed = replace(result, waiting=(two, one, *result.waiting[2:]))

    assert verify(problem, swapped) == [
        f"applicant {two.applicant}: place is 1, should be 2",
        f"applicant {one.applicant}: place is 2, should be 1",
    ]
    assert verify(problem, listed) == [
        f"waiting[0]: is {two.applicant}, whose place is 2",
        f"waiting[1]: is {one.applicant}, whose place is 1",
    ]


def test_a_wrong_reason_count_or_forecast_is_found_out(problem: Problem, result: Result) -> None:
    for at, one in enumerate(result.waiting):
        (because,) = verify(problem, waiting_with(result, at, because=PoolsFull(("p1", "p2", "p3"))))
        (ahead,) = verify(problem, waiting_with(result, at, ahead=Ahead(reserved=99)))
        (forecast,) = verify(problem, waiting_with(result, at, forecast_round=99))
        assert because.startswith(f"applicant {one.applicant}: because is PoolsFull")
        assert ahead.startswith(f"applicant {one.applicant}: ahead is Ahead(reserved=99")
        assert forecast.startswith(f"applicant {one.applicant}: forecast_round is 99, should be ")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "another draw"},
        {"caps": []},
        {"rotation": [{"by": "rw", "measure": "turns"}]},
        {"pools": [{"id": "p1", "capacity": 5}, {"id": "p2", "capacity": 4}, {"id": "p3", "capacity": 3}]},
    ],
)
def test_the_result_of_another_problem_is_found_out(doc: Doc, result: Result, change: Doc) -> None:
    other = read_problem(json.dumps({**doc, **change}).encode())
    findings = verify(other, result)

    assert findings[0].startswith("problem_sha256: the result is of problem ")
    # and not by the hash alone
    assert verify(other, replace(result, problem_sha256=other.sha256)) != []


def test_limits_that_are_passed_are_counted(doc: Doc, result: Result) -> None:
    tighter = json.loads(json.dumps(doc))
    tighter["pools"][2]["capacity"] = 2
    tighter["pools"][1]["caps"][0]["seats"] = 1
    tighter["caps"][0]["seats_each"] = 1
    problem = read_problem(json.dumps(tighter).encode())
    findings = verify(problem, replace(result, problem_sha256=problem.sha256))

    assert "pool p3: seats 3, its capacity is 2" in findings
    assert "pool p2: seats 2 of food, its cap is 1" in findings
    assert any(finding.endswith("the problem's cap is 1 each") for finding in findings)


def test_seats_that_could_be_filled_better_are_found_out() -> None:
    """Two who would both rather sit in the other's pool: a cycle of negative cost."""
    problem = read_problem(
        json.dumps(
            {
                "seed": "s",
                "pools": [{"id": "p1", "capacity": 1}, {"id": "p2", "capacity": 1}],
                "applicants": [
                    {"id": "a", "choices": [["p1"], ["p2"]]},
                    {"id": "b", "choices": [["p2"], ["p1"]]},
                ],
            }
        ).encode()
    )
    result = solve(problem)
    assert {one.tier for one in result.served} == {0}
    crossed = replace(
        result,
        served=tuple(replace(one, pool="p2" if one.pool == "p1" else "p1", tier=1) for one in result.served),
    )

    (finding,) = verify(problem, crossed)
    assert finding.startswith("where: seats can be filled better by moving ")
    assert "a to pool p1" in finding
    assert "b to pool p2" in finding

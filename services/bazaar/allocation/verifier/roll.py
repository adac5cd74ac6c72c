"""Everyone stands in the result once, the served in pools they named, and no limit is passed."""

from collections import Counter
from dataclasses import dataclass

from services.bazaar.allocation.problem import Applicant, Pool, Problem
from services.bazaar.allocation.result import Result

Box = tuple[str, str | None]
"""Where someone counts: a pool's id, and its value of the pool's group where the pool limits that value."""


@dataclass(frozen=True, slots=True)
class Roll:
    """The result, looked up by applicant id. `can_go_on`: its names resolve; `within_limits`: the seats exist."""

    findings: list[str]
    can_go_on: bool
    within_limits: bool
    applicants: dict[str, Applicant]
    pools: dict[str, Pool]
    boxes: dict[str, dict[Box, int]]
    """Per applicant, where it would count in each pool it named, and the tier of that pool."""
    seat: dict[str, Box]
    phase: dict[str, int]
    cap: dict[Box, int]
    """Most seats of each box; boxes without a cap of their own are left out."""
    reserve: dict[Box, int]


def call_the_roll(problem: Problem, result: Result) -> Roll:
    """Look everything up, and say what does not resolve or does not fit."""
    findings: list[str] = []
    applicants = {one.id: one for one in problem.applicants}
    pools = {pool.id: pool for pool in problem.pools}
    named = Counter([one.applicant for one in result.served] + [one.applicant for one in result.waiting])
    for name, times in named.items():
        if name not in applicants:
            findings.append(f"applicant {name}: is in the result but not in the problem")
        elif times > 1:
            findings.append(f"applicant {name}: stands in the result {times} times")
    findings += [f"applicant {name}: is neither served nor waiting" for name in applicants if name not in named]
    can_go_on = not findings

    limited = {pool.id: {limit.value for limit in (*pool.reserves, *pool.caps)} for pool in problem.pools}
    boxes: dict[str, dict[Box, int]] = {}
    for one in problem.applicants:
        mine: dict[Box, int] = {}
        for tier, ids in enumerate(one.choices):
            for pool_id in ids:
                group = pools[pool_id].group
                value = one.groups.get(group) if group is not None else None
                mine[pool_id, value if value in limited[pool_id] else None] = tier
        boxes[one.id] = mine
    seat: dict[str, Box] = {}
    for served in result.served:
        if served.applicant not in boxes:
            continue
        box = next((box for box in boxes[served.applicant] if box[0] == served.pool), None)
        if box is None:
            findings.append(f"applicant {served.applicant}: sits in pool {served.pool}, which it did not name")
            can_go_on = False
            continue
        seat[served.applicant] = box
        tier = boxes[served.applicant][box]
        if served.tier != tier:
            findings.append(
                f"applicant {served.applicant}: tier is {served.tier}, but {served.pool} is in its tier {tier}"
            )
    cap: dict[Box, int] = {(pool.id, limit.value): limit.seats for pool in problem.pools for limit in pool.caps}
    reserve: dict[Box, int] = {(pool.id, limit.value): limit.seats for pool in problem.pools for limit in pool.reserves}
    passed = _limits_passed(problem, applicants, seat, cap)
    return Roll(
        findings=findings + passed,
        can_go_on=can_go_on,
        within_limits=not passed,
        applicants=applicants,
        pools=pools,
        boxes=boxes,
        seat=seat,
        phase={one.applicant: one.phase for one in result.served},
        cap=cap,
        reserve=reserve,
    )


def _limits_passed(
    problem: Problem, applicants: dict[str, Applicant], seat: dict[str, Box], cap: dict[Box, int]
) -> list[str]:
    in_box = Counter(seat.values())
    in_pool = Counter(pool for pool, _ in seat.values())
    found = [
        f"pool {pool.id}: seats {in_pool[pool.id]}, its capacity is {pool.capacity}"
        for pool in problem.pools
        if in_pool[pool.id] > pool.capacity
    ]
    found += [
        f"pool {pool}: seats {in_box[pool, value]} of {value}, its cap is {seats}"
        for (pool, value), seats in cap.items()
        if in_box[pool, value] > seats
    ]
    for group, seats_each in problem.caps:
        of_value = Counter(applicants[name].groups.get(group) for name in seat)
        found += [
            f"group {group} {value}: holds {seats} seats, the problem's cap is {seats_each} each"
            for value, seats in of_value.items()
            if value is not None and seats > seats_each
        ]
    return found

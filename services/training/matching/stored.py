"""A stored problem solved, checked and summed up, bytes in, bytes out: what a process of its own is given to do."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from time import perf_counter
from typing import Any, NamedTuple

from services.training.matching.problem import Problem, read_problem
from services.training.matching.result import Result, result_to_json
from services.training.matching.steps import Planned, plan
from services.training.matching.verifier import verify

TENTHS = 10


class Solved(NamedTuple):
    """What the solver and then the verifier made of a problem; no `findings` means nothing better exists."""

    problem_sha256: str
    result: bytes
    result_sha256: str
    solver: str
    seconds: float
    summary: dict[str, Any]
    planned: list[Planned]
    findings: list[str]


def solve_stored(data: bytes, standing: Mapping[str, str]) -> Solved:
    """The best matching of a stored problem. `standing`: vendor -> the mentor it has, allowed or not."""
    from services.training.matching.flow import solve  # numpy: not for a service that only calls this in time of need

    problem = read_problem(data)
    began = perf_counter()
    result = solve(problem)
    seconds = perf_counter() - began
    planned = plan(problem, result, standing)
    stored = result_to_json(result)
    return Solved(
        problem.sha256,
        stored,
        hashlib.sha256(stored).hexdigest(),
        f"or-tools {version('ortools')} SimpleMinCostFlow",
        round(seconds, 3),
        _summary(problem, result, standing, planned),
        planned,
        verify(problem, result),
    )


def _summary(
    problem: Problem, result: Result, standing: Mapping[str, str], planned: Sequence[Planned]
) -> dict[str, Any]:
    before = Counter(mentor for mentor in standing.values())
    after = Counter(mentor for mentor in result.pairs.values() if mentor is not None)
    return {
        "vendors": len(problem.vendors),
        "mentors": len(problem.mentors),
        "goals": result.goals._asdict(),
        "counts": {
            **dict.fromkeys(("kept", "moved", "new", "parted", "unmatched"), 0),
            **Counter(one.change for one in planned),
        },
        "load_in_tenths": {"before": _in_tenths(problem, before), "after": _in_tenths(problem, after)},
    }


def _in_tenths(problem: Problem, given: Mapping[str, int]) -> list[int]:
    """Mentors by how full they are: under a tenth of what they can take, under two, ... ; the last: full or over."""
    counts = [0] * (TENTHS + 1)
    for one in problem.mentors:
        load = one.held + given.get(one.id, 0)
        counts[min(TENTHS, load * TENTHS // one.load_max) if one.load_max else TENTHS] += 1
    return counts

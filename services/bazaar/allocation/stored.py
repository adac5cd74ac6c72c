"""A stored problem solved and checked, bytes in, bytes out: what a process of its own is given to do.

It loads nothing but this package, so that such a process is at work in half the time.
"""

from typing import NamedTuple

from services.bazaar.allocation.problem import read_problem
from services.bazaar.allocation.result import result_to_json
from services.bazaar.allocation.verifier import verify
from services.bazaar.allocation.walk import solve


class Solved(NamedTuple):
    """What the solver and then the verifier made of a problem; no `findings` means correct."""

    problem_sha256: str
    result: bytes
    served: int
    waiting: int
    findings: list[str]


def solve_stored(data: bytes) -> Solved:
    """What the rule makes of a stored problem, and what the independent verifier finds wrong with it."""
    problem = read_problem(data)
    result = solve(problem)
    return Solved(
        problem_sha256=problem.sha256,
        result=result_to_json(result),
        served=len(result.served),
        waiting=len(result.waiting),
        findings=verify(problem, result),
    )

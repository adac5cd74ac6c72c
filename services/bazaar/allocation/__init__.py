"""Fair rotation: who gets a seat in a round, where, and why the others wait. Pure; no I/O.

    problem = read_problem(data)        # Malformed, with the path of every faulty field
    result = solve(problem)
    data = result_to_json(result)       # byte for byte the same on every run
    findings = verify(problem, result)  # [] = correct; written apart from `solve`

The rule is docs/rotation.md; who is served is unique under it, and so is where.
What it leaves open is settled in docs/decisions/0010-allocation.md, and for those who want to stand together in
`parties.py`. `problem.py` and `result.py` say what the two documents hold, `reasons.py` what place, because, ahead and
forecast mean. `cli.py` is `lapak allocate`.
"""

from services.bazaar.allocation.problem import Problem, problem_sha256, read_problem
from services.bazaar.allocation.result import (
    Ahead,
    Because,
    CapMet,
    CapReached,
    GroupHadItsSeat,
    PartyDoesNotFit,
    PoolsFull,
    Result,
    RoundCap,
    Served,
    Waiting,
    read_result,
    result_to_json,
)
from services.bazaar.allocation.verifier import verify
from services.bazaar.allocation.walk import solve
from shared.malformed import Malformed

__all__ = [
    "Ahead",
    "Because",
    "CapMet",
    "CapReached",
    "GroupHadItsSeat",
    "Malformed",
    "PartyDoesNotFit",
    "PoolsFull",
    "Problem",
    "Result",
    "RoundCap",
    "Served",
    "Waiting",
    "problem_sha256",
    "read_problem",
    "read_result",
    "result_to_json",
    "solve",
    "verify",
]

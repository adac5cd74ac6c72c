"""Solving a round in a process of its own.

The solver is pure Python at work for seconds on a large round: on the event loop, or in a thread beside it, it would
hold up every other request. A fresh process costs about a second, rounds come twice a month; it shares nothing with
the service, and should it die the request fails and nothing is published. No transaction is open meanwhile.
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from services.bazaar.allocation import read_problem, result_to_json, solve, verify
from services.bazaar.domain.round import Solved


async def solve_apart(problem: bytes) -> Solved:
    """Solve and verify a stored problem in another process."""
    executor = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, solve_stored, problem)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


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

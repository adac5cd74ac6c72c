"""Solving a round in a process of its own.

The solver is pure Python at work for seconds on a large round: on the event loop, or in a thread beside it, it would
hold up every other request. A fresh process costs about a second, rounds come twice a month; it shares nothing with
the service, and should it die the request fails and nothing is published. No transaction is open meanwhile.
"""

import asyncio
import json
import multiprocessing
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor

from services.bazaar.allocation import read_problem, result_to_json, solve, verify
from services.bazaar.domain.round import Solved
from services.bazaar.numbering import Floor, Served, SiteNumbers, number_round, number_round_in_order

NUMBERING_SECONDS_MAX = 120.0
"""Its effort is bounded; what takes this long hangs."""

NUMBERING_TROUBLE = (
    BrokenExecutor,
    TimeoutError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Whatever numbering may stumble over: a round never fails for it, its numbers are handed out in order."""


async def solve_and_number(problem: bytes, floor: Floor) -> tuple[Solved, list[SiteNumbers]]:
    """Solve and verify a stored problem in another process, and number the stands of those who are served."""
    executor = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
    loop = asyncio.get_running_loop()
    try:
        solved = await loop.run_in_executor(executor, solve_stored, problem)
        try:
            numbering = loop.run_in_executor(executor, number_stored, solved.result, floor)
            numbered = await asyncio.wait_for(numbering, NUMBERING_SECONDS_MAX)
        except NUMBERING_TROUBLE as trouble:
            # here only: the process apart reads this module too, and telemetry takes half a second to load
            from shared.telemetry import get_logger

            get_logger().error("numbering.failed", error=type(trouble).__name__)
            because = f"the numbering failed: {type(trouble).__name__}"
            numbered = await asyncio.to_thread(number_stored_in_order, solved.result, floor, because)
        return solved, numbered
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def number_stored(result: bytes, floor: Floor) -> list[SiteNumbers]:
    """The numbers of those whom a stored result serves."""
    return number_round(floor, _served(result))


def number_stored_in_order(result: bytes, floor: Floor, because: str) -> list[SiteNumbers]:
    """The same by the order of the rule alone."""
    return number_round_in_order(floor, _served(result), because)


def _served(result: bytes) -> list[Served]:
    return [Served(seat["applicant"], seat["pool"]) for seat in json.loads(result)["served"]]


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

"""Solving a round in a process of its own.

The solver is pure Python at work for seconds on a large round: on the event loop, or in a thread beside it, it would
hold up every other request. A fresh process costs about a second, rounds come twice a month; it shares nothing with
the service, and should it die the request fails and nothing is published. No transaction is open meanwhile.
"""

import asyncio
import multiprocessing
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from uuid import UUID
from weakref import WeakValueDictionary

from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.numbering import Floor, SiteNumbers, number_stored, number_stored_in_order
from shared.telemetry import get_logger

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

_turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()


def turn(bazaar_id: UUID) -> asyncio.Lock:
    """Held from solving a bazaar's round until it is published: who asks again meanwhile, for want of an answer, finds
    it done. A process for each would only make all of them slower.
    """
    return _turns.setdefault(bazaar_id, asyncio.Lock())


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
            get_logger().error("numbering.failed", error=type(trouble).__name__)
            because = f"the numbering failed: {type(trouble).__name__}"
            numbered = await asyncio.to_thread(number_stored_in_order, solved.result, floor, because)
        return solved, numbered
    finally:
        executor.shutdown(wait=False, cancel_futures=True)

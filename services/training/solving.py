"""Solving a matching apart from the event loop: a large one in a process of its own, a small one in a thread.

A large one keeps a core busy for seconds; beside the loop it would hold up every other request. A fresh process costs a
second or two, and shares nothing with the service. No transaction of an officer's request is open meanwhile.
"""

import asyncio
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor

from services.training.matching.stored import Solved, solve_stored

VENDORS_IN_A_THREAD_MAX = 1_000
"""Under a tenth of a second."""

TURN = asyncio.Semaphore(1)
"""One at a time in each replica: each takes a core, and some hundred megabytes."""


async def solve_apart(problem: bytes, standing: Mapping[str, str], *, vendors: int) -> Solved:
    """Solve and verify a stored problem of so many vendors."""
    async with TURN:
        if vendors <= VENDORS_IN_A_THREAD_MAX:
            return await asyncio.to_thread(solve_stored, problem, standing)
        executor = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, solve_stored, problem, dict(standing))
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

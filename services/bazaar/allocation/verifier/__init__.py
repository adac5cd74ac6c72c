"""Is this result the one that the rule gives? Written apart from the solver: it shares the reading of the two
documents and nothing else, searches for no seat of anyone served, and calls no optimiser.

It takes the result at its word and looks for the witness that it is not so:

- `roll.py`: everyone once, in a pool it named, no limit passed;
- `walk.py`: the order of the walk anew; for everyone passed over, a way to a free seat among those kept by then;
  for every party, the trial (`together.py`) of each pool that it would have preferred;
- `where.py`: a chain of moves that seats more reserved seats well, or lowers the tiers, or gives someone a better
  seat at nobody's cost who came before;
- `waiting.py`: places, reasons, counts and forecasts, computed anew.
"""

from services.bazaar.allocation.collector import collector_paused
from services.bazaar.allocation.problem import Problem
from services.bazaar.allocation.result import Result
from services.bazaar.allocation.verifier.roll import call_the_roll
from services.bazaar.allocation.verifier.waiting import check_waiting
from services.bazaar.allocation.verifier.walk import check_walk
from services.bazaar.allocation.verifier.where import check_where

FINDINGS_PER_KIND_MAX = 20


def verify(problem: Problem, result: Result) -> list[str]:
    """What is wrong with the result, a sentence each; [] means that it is exactly what the rule gives."""
    with collector_paused():
        return _verify(problem, result)


def _verify(problem: Problem, result: Result) -> list[str]:
    found: list[str] = []
    if result.problem_sha256 != problem.sha256:
        found.append(
            f"problem_sha256: the result is of problem {result.problem_sha256}, this problem is {problem.sha256}"
        )
    roll = call_the_roll(problem, result)
    found += _cut(roll.findings)
    if not roll.can_go_on:
        return found
    walk = check_walk(problem, roll)
    found += _cut(walk.findings)
    kept_order = [one.applicant for one in result.served]
    if kept_order != walk.kept:
        at = next(i for i, (mine, theirs) in enumerate(zip(walk.kept, kept_order, strict=True)) if mine != theirs)
        found.append(f"served[{at}]: is {kept_order[at]}, but {walk.kept[at]} was walked before it")
    if roll.within_limits:
        found += _cut(check_where(problem, roll, walk.kept, walk.fixed))
    found += _cut(check_waiting(problem, result, roll, walk))
    return found


def _cut(findings: list[str]) -> list[str]:
    if len(findings) <= FINDINGS_PER_KIND_MAX:
        return findings
    return [*findings[:FINDINGS_PER_KIND_MAX], f"... and {len(findings) - FINDINGS_PER_KIND_MAX} more of this kind"]


__all__ = ["verify"]

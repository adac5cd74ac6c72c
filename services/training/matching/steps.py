"""In what order a matching is put into effect, so that no mentor is over its limit between two steps.

First those who are left without a mentor, whose seats become free; then those who move, each once there is a seat; then
those who had none. Where vendors change places in a round, and every mentor of it is full, the round is one step.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from services.training.matching.problem import Problem
from services.training.matching.result import Result

Change: TypeAlias = Literal["kept", "moved", "new", "parted", "unmatched"]


class Planned(NamedTuple):
    """What becomes of a vendor; those of one step happen together, and nothing happens in step 0."""

    name: str
    mentor: str | None
    change: Change
    step: int


def plan(problem: Problem, result: Result, standing: Mapping[str, str]) -> list[Planned]:
    """What becomes of each vendor, in the order of names. `standing`: vendor -> the mentor it has, allowed or not."""
    changes = {one.id: change_of(standing.get(one.id), result.pairs[one.id]) for one in problem.vendors}
    load = Counter({one.id: one.held for one in problem.mentors})
    load.update(mentor for name, mentor in standing.items() if name in changes)
    parted = [name for name, change in changes.items() if change == "parted"]
    load.subtract(standing[name] for name in parted)
    steps = dict.fromkeys(parted, 1)
    step = 1
    limits = {one.id: one.load_max for one in problem.mentors}
    moves = {name: (standing[name], result.pairs[name] or "") for name, change in changes.items() if change == "moved"}
    for names in _rounds(moves, load, limits):
        step += 1
        steps |= dict.fromkeys(names, step)
    for name, change in changes.items():
        if change == "new":
            step += 1
            steps[name] = step
    return [Planned(name, result.pairs[name], change, steps.get(name, 0)) for name, change in changes.items()]


def change_of(standing: str | None, mentor: str | None) -> Change:
    """What a vendor's new mentor is to it."""
    if mentor is None:
        return "unmatched" if standing is None else "parted"
    return "new" if standing is None else "kept" if standing == mentor else "moved"


def _rounds(moves: Mapping[str, tuple[str, str]], load: Counter[str], limits: Mapping[str, int]) -> list[list[str]]:
    """Moves (name -> from, to) in an order that is never over a limit: one at a time, or a round of them at once."""
    into: defaultdict[str, list[str]] = defaultdict(list)
    out: defaultdict[str, list[str]] = defaultdict(list)
    for moving in sorted(moves, reverse=True):
        into[moves[moving][1]].append(moving)
        out[moves[moving][0]].append(moving)
    left = dict(moves)
    order: list[list[str]] = []
    open_to = [mentor for mentor in sorted(into) if load[mentor] < limits[mentor]]
    while left:
        while open_to:
            mentor = open_to.pop()
            while load[mentor] < limits[mentor] and (name := _next(into[mentor], left)) is not None:
                source, _ = left.pop(name)
                load[mentor] += 1
                load[source] -= 1
                order.append([name])
                if source in limits:  # else a mentor of elsewhere, to whom nobody here comes
                    open_to.append(source)
        if left:
            # every mentor that somebody goes to is full, so somebody goes from each: that leads round
            order.append(around := _around(next(iter(left)), out, left))
            for moving in around:
                del left[moving]
    return order


def _around(name: str, out: Mapping[str, list[str]], left: Mapping[str, tuple[str, str]]) -> list[str]:
    way = [name]
    at = {left[name][0]: 0}
    while (mentor := left[way[-1]][1]) not in at:
        at[mentor] = len(way)
        following = _next(out[mentor], left)
        assert following is not None, "a mentor gets more vendors than it can take"
        way.append(following)
    return way[at[mentor] :]


def _next(names: list[str], left: Mapping[str, tuple[str, str]]) -> str | None:
    while names and names[-1] not in left:
        names.pop()
    return names[-1] if names else None

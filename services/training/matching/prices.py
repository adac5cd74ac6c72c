"""Prices of mentors that prove a matching best: the shortest way from each mentor to a free seat.

A vendor that goes from its mentor to another one costs the difference, and sets a seat free; so mentors are joined by
ways as long as the cheapest vendor's move. A matching is the best there is exactly when no round of such moves gains;
then the lengths of the shortest ways are prices (Ahuja, Magnanti, Orlin: Network Flows, 9.1).
"""

from collections.abc import Mapping

import numpy as np

from services.training.matching.costs import Ints, Kinds, seat_costs
from services.training.matching.problem import Problem
from services.training.matching.result import Goals

FAR = np.int64(2) ** 61
MORE_THAN_ANY = Goals(2, 0, 0, 0)
"""The price of a mentor without a seat to give: dearer than going without."""


class NotBest(RuntimeError):
    """A round of moves would gain: what is to be proved best is not."""


def prices_of(problem: Problem, kinds: Kinds, seats: Ints, scales: tuple[int, int, int]) -> Mapping[str, Goals]:
    """The price of each mentor in a best matching; `seats`: each vendor's mentor as a column, the last for none.

    Raises `NotBest`.
    """
    lengths = _ways(kinds, seats, scales)
    mentors = len(problem.mentors)
    loads = np.bincount(seats, minlength=mentors + 1)
    # the next seat of each, and the last that it gave; nobody's seats cost nothing
    out, back = np.zeros(mentors + 1, dtype=np.int64), np.zeros(mentors + 1, dtype=np.int64)
    for at, mentor in enumerate(problem.mentors):
        load = int(loads[at])
        out[at] = seat_costs(mentor.load_max, mentor.held + load, 1)[0] if mentor.room > load else FAR
        back[at] = seat_costs(mentor.load_max, mentor.held + load - 1, 1)[0] if load else -FAR
    prices = _shortest(lengths, out)
    if (prices < back).any():
        raise NotBest("the matching is not the best there is: a move to a free seat gains")
    return {
        mentor.id: MORE_THAN_ANY if prices[at] >= FAR else _apart(int(prices[at]), scales)
        for at, mentor in enumerate(problem.mentors)
    }


def _ways(kinds: Kinds, seats: Ints, scales: tuple[int, int, int]) -> Ints:
    """How much dearer the cheapest vendor of each mentor (a row) would be with each other one (a column)."""
    unmatched, left, misfit = scales
    count = kinds.allowed.shape[1] + 1
    costs = np.full((len(kinds.allowed), count), FAR, dtype=np.int64)
    costs[:, :-1][kinds.allowed] = kinds.misfit[kinds.allowed] * misfit
    costs[:, -1] = unmatched
    lengths = np.full((count, count), FAR, dtype=np.int64)
    alike = np.unique(np.stack([kinds.of, kinds.present, seats], axis=1), axis=0)
    for kind, present, seat in alike.tolist():
        row = costs[kind]
        loss = left if present >= 0 else 0
        way = row + loss - (row[seat] + (loss if seat != present else 0))
        if present >= 0:
            way[present] -= loss
        np.minimum(lengths[seat], way, out=lengths[seat])
    return lengths


def _shortest(lengths: Ints, out: Ints) -> Ints:
    """The shortest way from each mentor to a free seat (Bellman and Ford). Raises `NotBest` where a round gains."""
    found = out
    for _ in range(len(out) + 1):
        better = np.minimum(found, np.where(lengths >= FAR // 2, FAR, lengths + found[None, :]).min(axis=1))
        if np.array_equal(better, found):
            return found
        found = better
    raise NotBest("the matching is not the best there is: a round of moves gains")


def _apart(price: int, scales: tuple[int, int, int]) -> Goals:
    """One cost told apart into the four numbers; each but the first lies nearer to nothing than half of its scale."""
    unmatched, left, misfit = scales
    first, rest = _nearest(price, unmatched)
    second, rest = _nearest(rest, left)
    third, rest = _nearest(rest, misfit)
    return Goals(first, second, third, rest)


def _nearest(number: int, scale: int) -> tuple[int, int]:
    times = (number + scale // 2) // scale
    return times, number - times * scale

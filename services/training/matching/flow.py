"""The best matching, as a flow of least cost found by OR-tools.

Vendors of one kind are one node. Those of a kind who have the same mentor now are a node before it: straight to that
mentor at no loss, or on to the kind's node at the price of one who left. Each seat of a mentor is an arc of its own, as
dear as the seat. "No mentor" is one more mentor, whose seats never end.

The four numbers become one cost, exactly: each weighs more than all the following can come to. They need only do so
along a way that meets no node twice, since a flow is the best if no such round improves it: a round meets each mentor
once, so it changes `misfit` by no more than (mentors + 2) times the worst pair, and `unevenness` by two seats. That
keeps the costs far inside 64 bits.
"""

from typing import NamedTuple

import numpy as np

from services.training.matching.costs import SCALE, Ints, Kinds, kinds_of, seat_costs
from services.training.matching.prices import prices_of
from services.training.matching.problem import Problem
from services.training.matching.result import Goals, Result


class SolverFailed(RuntimeError):
    """OR-tools gave up: the problem is larger than its whole numbers."""


class Scales(NamedTuple):
    """What one of each number weighs in the one cost; `unevenness` weighs 1."""

    unmatched: int
    left: int
    misfit: int


def scales_of(problem: Problem) -> Scales:
    """Weights under which one cost orders as the four numbers do, and that can be told apart again in a sum along a
    way: each is more than twice what the following can come to, either way."""
    weights = problem.weights
    worst = 2 * weights.field + weights.agency + 3 * weights.near
    visits = len(problem.mentors) + 2
    # a seat costs less than 2 * SCALE, unless a mentor is over its limit already; then it gives none
    misfit = 2 * (2 * 2 * SCALE) + 1
    left = misfit * (2 * visits * worst + 2)
    unmatched = left * (2 * visits + 2)
    return Scales(unmatched, left, misfit)


def solve(problem: Problem) -> Result:
    """The best matching of a problem, with the prices that prove it. Raises `SolverFailed`."""
    if not problem.vendors or not problem.mentors:
        return _without_choice(problem)
    kinds = kinds_of(problem)
    scales = scales_of(problem)
    network = _network(problem, kinds, scales)
    seats = _deal(kinds, network, _flow(network))
    pairs = {
        vendor.id: problem.mentors[at].id if at < len(problem.mentors) else None
        for vendor, at in zip(problem.vendors, seats.tolist(), strict=True)
    }
    prices = prices_of(problem, kinds, seats, scales)
    return Result(problem.sha256, _goals(problem, kinds, seats), pairs, prices)


def _without_choice(problem: Problem) -> Result:
    """Nobody to be given, or nobody to be given to."""
    goals = Goals(len(problem.vendors), 0, 0, 0)
    prices = {one.id: Goals(0, 0, 0, 0) for one in problem.mentors}
    return Result(problem.sha256, goals, dict.fromkeys((one.id for one in problem.vendors), None), prices)


class _Network(NamedTuple):
    """Arcs in rows: of kinds to mentors, of groups to their mentor, of groups to their kind, of kinds to nobody, of
    seats. `group_of`: each vendor's group, -1 where it has none."""

    tails: Ints
    heads: Ints
    room: Ints
    cost: Ints
    supply: Ints
    kind: Ints
    mentor: Ints
    group_of: Ints
    groups: int


def _network(problem: Problem, kinds: Kinds, scales: Scales) -> _Network:
    mentors, vendors, count = len(problem.mentors), len(problem.vendors), len(kinds.allowed)
    has = kinds.present >= 0
    keys, members = np.unique(kinds.of[has] * mentors + kinds.present[has], return_inverse=True)
    group_of = np.full(vendors, -1, dtype=np.int64)
    group_of[has] = members.reshape(-1)
    group_kind, group_mentor = keys // mentors, keys % mentors
    group = count + np.arange(len(keys))
    first = count + len(keys)
    nobody, sink = first + mentors, first + mentors + 1
    kind, mentor = np.nonzero(kinds.allowed)
    rooms = [min(one.room, vendors) for one in problem.mentors]
    seats = [seat_costs(one.load_max, one.held, room) for one, room in zip(problem.mentors, rooms, strict=True)]
    arcs = [
        # from, to, how many, at what cost each
        (kind, first + mentor, vendors, kinds.misfit[kind, mentor] * scales.misfit),
        (group, first + group_mentor, vendors, kinds.misfit[group_kind, group_mentor] * scales.misfit),
        (group, group_kind, vendors, scales.left),
        (np.arange(count), nobody, vendors, scales.unmatched),
        (first + np.repeat(np.arange(mentors), rooms), sink, 1, np.concatenate(seats)),
        (np.array([nobody]), sink, vendors, 0),
    ]
    tails, heads, room, cost = (
        np.concatenate([np.broadcast_to(arc[at], np.shape(arc[0])) for arc in arcs]).astype(np.int64) for at in range(4)
    )
    supply = np.zeros(sink + 1, dtype=np.int64)
    supply[:count] = np.bincount(kinds.of[~has], minlength=count)
    supply[count:first] = np.bincount(group_of[has], minlength=len(keys))
    supply[sink] = -vendors
    return _Network(tails, heads, room, cost, supply, kind, mentor, group_of, len(keys))


def _flow(network: _Network) -> Ints:
    """Vendors along each arc, at the least cost."""
    # with pandas, which it brings along, it takes a second to load: only where it is needed
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    flow = SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(network.tails, network.heads, network.room, network.cost)
    flow.set_nodes_supplies(np.arange(len(network.supply)), network.supply)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise SolverFailed(f"OR-tools' min-cost flow ended with {status.name} on {len(network.tails)} arcs")
    return np.asarray(flow.flows(np.arange(len(network.tails))), dtype=np.int64)


def _deal(kinds: Kinds, network: _Network, flows: Ints) -> Ints:
    """Each vendor's mentor as a column, the last for none. Of vendors that cost the same the first ids get the first
    mentors."""
    vendors, mentors = len(kinds.of), kinds.allowed.shape[1]
    pairs, groups, count = len(network.kind), network.groups, len(kinds.allowed)
    staying = flows[pairs : pairs + groups]
    seats = np.full(vendors, -1, dtype=np.int64)
    grouped = np.flatnonzero(network.group_of >= 0)
    ordered = grouped[np.argsort(network.group_of[grouped], kind="stable")]
    sizes = np.bincount(network.group_of[grouped], minlength=groups)
    place = np.arange(len(ordered)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stay = ordered[place < staying[network.group_of[ordered]]]
    seats[stay] = kinds.present[stay]
    # the others of a kind, to whom its flow leads; what flows to nobody comes last
    others = np.flatnonzero(seats < 0)
    others = others[np.argsort(kinds.of[others], kind="stable")]
    kind = np.concatenate([network.kind, np.arange(count)])
    mentor = np.concatenate([network.mentor, np.full(count, mentors)])
    many = np.concatenate([flows[:pairs], flows[pairs + 2 * groups : pairs + 2 * groups + count]])
    order = np.lexsort((mentor, kind))
    seats[others] = np.repeat(mentor[order], many[order])
    return seats


def _goals(problem: Problem, kinds: Kinds, seats: Ints) -> Goals:
    mentors = len(problem.mentors)
    matched = seats < mentors
    loads = np.bincount(seats[matched], minlength=mentors).tolist()
    return Goals(
        unmatched=int(np.count_nonzero(~matched)),
        left=int(np.count_nonzero((kinds.present >= 0) & (kinds.present != seats))),
        misfit=int(kinds.misfit[kinds.of[matched], seats[matched]].sum()),
        unevenness=sum(
            int(seat_costs(one.load_max, one.held, load).sum())
            for one, load in zip(problem.mentors, loads, strict=True)
        ),
    )

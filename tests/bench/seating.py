"""Allocation by the rule beside OR-tools' min-cost flow on the same network, for information."""

from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from services.bazaar.allocation import read_problem, solve
from services.bazaar.allocation.priority import Priority
from services.bazaar.allocation.problem import Pool, Problem
from tests.bench.measure import Comparison, Context, NotMeasured
from tests.bench.solving import APPLICANTS, KIND, POOLS, SEATS
from tests.unit.test_allocation_size import large_problem

__all__ = ["measure"]

RATIO_MAX = 5.0
"""The row informs, no aim was set for it. The flow knows neither reserves nor turns of groups, and tells nobody why
it went without: at so many times its time, at the most, the walk is still no reason to give up its answers."""


def measure(context: Context) -> list[Comparison]:
    """Processor seconds of solving, and of building the network and finding its flow."""
    _prove(large_problem(KIND, applicants=2_000, pools=8))
    problem = read_problem(large_problem(KIND, applicants=APPLICANTS, pools=POOLS))
    comparison = Comparison("allocation, beside OR-tools min-cost flow", "processor s", RATIO_MAX, "lower", digits=2)
    context.advance()
    for _ in range(context.rounds):
        start = process_time()
        result = solve(problem)
        solved = process_time()
        seated = _flow(problem, _ranks(problem))
        ended = process_time()
        if (len(result.served), len(seated)) != (SEATS, SEATS):
            raise NotMeasured(f"{len(result.served)} and {len(seated)} of {SEATS} seats were given")
        comparison.add(solved - start, ended - solved)
        context.advance()
    return [comparison]


def _ranks(problem: Problem) -> list[int]:
    """Each applicant's place in the order of priority; groups that are ranked by turns would move it meanwhile."""
    keys = Priority(problem).at_start
    ranks = [0] * len(keys)
    for rank, applicant in enumerate(sorted(range(len(keys)), key=keys.__getitem__)):
        ranks[applicant] = rank
    return ranks


def _flow(problem: Problem, ranks: Sequence[int]) -> set[str]:
    """Who is seated by the largest flow of least rank: source, applicant, (value of a capped group,) pool, sink.

    Reserves are left out, which promise seats to people rather than limit them: no flow of least cost knows of them.
    """
    people = len(problem.applicants)
    source, sink = people, people + 1
    tails, heads, room, cost = [source] * people, list(range(people)), [1] * people, list(ranks)

    def arc(tail: int, head: int, capacity: int) -> None:
        tails.append(tail)
        heads.append(head)
        room.append(capacity)
        cost.append(0)

    nodes = sink + 1
    doors: dict[str, tuple[Pool, int, dict[str, int]]] = {}
    for pool in problem.pools:
        entry, nodes = nodes, nodes + 1
        arc(entry, sink, pool.capacity)
        capped = {}
        for cap in pool.caps:
            capped[cap.value], nodes = nodes, nodes + 1
            arc(capped[cap.value], entry, cap.seats)
        doors[pool.id] = pool, entry, capped
    for at, applicant in enumerate(problem.applicants):
        for tier in applicant.choices:
            for name in tier:
                pool, entry, capped = doors[name]
                value = applicant.groups.get(pool.group) if pool.group and capped else None
                arc(at, entry if value is None else capped.get(value, entry), 1)
    flow = SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(np.array(tails), np.array(heads), np.array(room), np.array(cost))
    flow.set_nodes_supplies(np.array([source, sink]), np.array([people, -people]))
    if flow.solve_max_flow_with_min_cost() != flow.OPTIMAL:
        raise NotMeasured("OR-tools found no best flow")
    return {problem.applicants[at].id for at in range(people) if flow.flow(at)}


def _prove(data: bytes) -> None:
    """Raise unless the rule serves whom the flow of least rank seats: those who fit together form a matroid.

    Without reserves, and with caps so low that they bind.
    """
    problem = read_problem(data)
    pools = (p._replace(reserves=(), caps=tuple(cap._replace(seats=1) for cap in p.caps)) for p in problem.pools)
    problem = replace(problem, pools=tuple(pools))
    served, seated = {one.applicant for one in solve(problem).served}, _flow(problem, _ranks(problem))
    if served != seated:
        raise NotMeasured(f"the rule and the flow differ in {len(served ^ seated)} applicants: not the same network")

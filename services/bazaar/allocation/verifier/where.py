"""Where the served sit: no chain of moves may do better.

An arrangement is of least cost exactly if its residual network has no cycle of negative cost (Bellman-Ford looks
for one), and then each in turn has the best seat it can have exactly if no cycle of cost nought leads it to a
better one over people who came after it. The second is looked at from the last of the served to the first: the
network only grows that way, so what can be reached from where is kept up to date and never searched anew.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from services.bazaar.allocation.problem import Problem
from services.bazaar.allocation.verifier.roll import Box, Roll

_CYCLE_CHECK_ROUNDS = 8


class _Network:
    """Boxes, pools and the round as numbers; arcs (from, to) -> (cost of one more along it, who would move)."""

    def __init__(self, problem: Problem, roll: Roll, fixed: Collection[str]) -> None:
        self.names: list[str] = []
        self.box: dict[Box, int] = {}
        self.arcs: dict[tuple[int, int], tuple[int, str | None]] = {}
        self.tiers = {
            name: {
                self._number(box): tier
                for box, tier in roll.boxes[name].items()
                if name not in fixed or box == roll.seat[name]
            }
            for name in roll.seat
        }
        self.seat = {name: self.box[box] for name, box in roll.seat.items()}
        worth = 1 + sum(max(tiers.values()) for tiers in self.tiers.values())
        in_box, in_pool = Counter(roll.seat.values()), Counter(pool for pool, _ in roll.seat.values())
        pools = {pool.id: len(self.names) + at for at, pool in enumerate(problem.pools)}
        self.names += [f"pool {pool.id}" for pool in problem.pools] + ["the round"]
        self.end = len(self.names) - 1
        for box, number in self.box.items():
            pool, seated, reserve = pools[box[0]], in_box[box], roll.reserve.get(box, 0)
            if seated < roll.cap.get(box, roll.pools[box[0]].capacity):
                self.arcs[number, pool] = (-worth if seated < reserve else 0, None)
            if seated > 0:
                self.arcs[pool, number] = (worth if seated <= reserve else 0, None)
        for one in problem.pools:
            if in_pool[one.id] < one.capacity:
                self.arcs[pools[one.id], self.end] = (0, None)
            if in_pool[one.id] > 0:
                self.arcs[self.end, pools[one.id]] = (0, None)
        for name, tiers in self.tiers.items():
            here = self.seat[name]
            for there, tier in tiers.items():
                cost = tier - tiers[here]
                if there != here and ((here, there) not in self.arcs or cost < self.arcs[here, there][0]):
                    self.arcs[here, there] = (cost, name)

    def _number(self, box: Box) -> int:
        if box not in self.box:
            self.box[box] = len(self.names)
            self.names.append(f"pool {box[0]}")
        return self.box[box]


def check_where(problem: Problem, roll: Roll, order: Sequence[str], fixed: Collection[str]) -> list[str]:
    """Findings on the seats of the served, given in the order in which they were kept. `fixed`: who was kept with its
    party, and is not to be moved."""
    if not order:
        return []
    network = _Network(problem, roll, fixed)
    distance, cycle = _shortest(network)
    if cycle:
        moves = [
            f"{who} to {network.names[there]}"
            for here, there in cycle
            if (who := network.arcs[here, there][1]) is not None
        ]
        return [f"where: seats can be filled better by moving {', '.join(moves)}"]
    return _first_come(network, distance, order)


def _shortest(network: _Network) -> tuple[list[int], list[tuple[int, int]]]:
    """Least cost to each node from anywhere, or a cycle of negative cost as arcs."""
    distance = [0] * len(network.names)
    parent: dict[int, int] = {}
    arcs = [(here, there, cost) for (here, there), (cost, _) in network.arcs.items()]
    rounds = 0
    changed = True
    while changed:
        changed = False
        for here, there, cost in arcs:
            if distance[here] + cost < distance[there]:
                distance[there] = distance[here] + cost
                parent[there] = here
                changed = True
        rounds += 1
        if rounds % _CYCLE_CHECK_ROUNDS == 0 and (cycle := _cycle(parent)):
            return distance, cycle
    return distance, []


def _cycle(parent: dict[int, int]) -> list[tuple[int, int]]:
    """A cycle among the parents; there is one only where a cycle of negative cost is."""
    cleared: set[int] = set()
    for start in parent:
        trail: dict[int, None] = {}
        node: int | None = start
        while node is not None and node not in cleared and node not in trail:
            trail[node] = None
            node = parent.get(node)
        if node is not None and node in trail:
            ring = list(trail)[list(trail).index(node) :]
            return [(parent[one], one) for one in reversed(ring)]
        cleared.update(trail)
    return []


class _Reachable:
    """Which nodes can be reached from which, as arcs are added: a bit mask per node."""

    def __init__(self, count: int) -> None:
        self.masks = [1 << node for node in range(count)]

    def add(self, here: int, there: int) -> None:
        if self.masks[here] >> there & 1:
            return
        gained = self.masks[there]
        bit = 1 << here
        self.masks = [mask | gained if mask & bit else mask for mask in self.masks]


def _first_come(network: _Network, distance: list[int], order: Sequence[str]) -> list[str]:
    reachable = _Reachable(len(network.names))
    for (here, there), (cost, who) in network.arcs.items():
        if who is None and distance[here] + cost == distance[there]:
            reachable.add(here, there)
    found = []
    pool = {number: box[0] for box, number in network.box.items()}
    for name in reversed(order):
        here, tiers = network.seat[name], network.tiers[name]
        equal = [
            there
            for there, tier in tiers.items()
            if there != here and distance[here] + tier - tiers[here] == distance[there]
        ]
        found += [
            f"applicant {name}: sits in pool {pool[here]}, but pool {pool[there]} comes first for it and could be"
            " had at no cost to the whole or to anyone before it"
            for there in equal
            if (tiers[there], pool[there]) < (tiers[here], pool[here]) and reachable.masks[there] >> here & 1
        ]
        for there in equal:
            reachable.add(here, there)
    return found[::-1]

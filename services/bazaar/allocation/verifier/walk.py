"""The walk, done again over a result's own claims.

Those kept fit together because all the served do (their seats are the proof), and any part of them does too. So
only those passed over need a look: if, when someone is walked, a chain of moves leads from a pool it named to a
free seat - with those kept by then in their final seats - the result should have kept it. What a search without
success has seen stays out of reach for good, so that all searches together look at everything once.
"""

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from services.bazaar.allocation.problem import Applicant, Problem, Standing
from services.bazaar.allocation.verifier.roll import Box, Roll

Rank = tuple[str | int, ...]
FINDINGS_MAX = 100  # a wrong result may be wrong about everyone; each such finding costs a search


@dataclass(slots=True)
class Walked:
    """`kept` in the order of the walk; `rank`: of those walked in phase 2, at that moment; `rank_at_end`: of all;
    `stopped_by`: position of the problem-wide cap that stopped someone in phase 2."""

    findings: list[str]
    kept: list[str]
    rank: dict[str, Rank]
    rank_at_end: Callable[[str], Rank]
    stopped_by: dict[str, int]


class _Order:
    """Who is next: a heap of everyone, each put back when its rank turns out to have grown meanwhile."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._people = {one.id: one for one in problem.applicants}
        self._draw = {
            one.id: hashlib.sha256((problem.seed + ":" + one.id).encode()).hexdigest() for one in problem.applicants
        }
        self.turns_now: dict[tuple[str, str], int] = defaultdict(int)

    def rank(self, name: str) -> Rank:
        one = self._people[name]
        ranks: list[str | int] = []
        for by, measure in self._problem.rotation:
            standing: Applicant | Standing = one
            extra = 0
            if by != "vendor":
                value = one.groups[by]
                standing = self._problem.groups.get(by, {}).get(value, Standing(0, None))
                extra = self.turns_now.get((by, value), 0)
            if measure == "turns":
                ranks.append(standing.turns + extra)
            else:
                ranks.append("9999-99-99" if standing.waiting_since is None else standing.waiting_since)
        return (*ranks, self._draw[name])

    def count_seat(self, name: str) -> None:
        for group, value in self._people[name].groups.items():
            self.turns_now[group, value] += 1

    def walk(self, names: Iterable[str]) -> Iterator[tuple[str, Rank]]:
        heap = [(self.rank(name), name) for name in names]
        heapq.heapify(heap)
        while heap:
            rank, name = heapq.heappop(heap)
            if (now := self.rank(name)) != rank:
                heapq.heappush(heap, (now, name))
            else:
                yield name, rank


class _Reach:
    """Is there a way from a box to a free seat, moving those added so far?"""

    def __init__(self, cap: dict[Box, int], capacity: dict[str, int] | None) -> None:
        self._cap = cap
        self._capacity = capacity
        self._in_box: dict[Box, int] = defaultdict(int)
        self._in_pool: dict[str, int] = defaultdict(int)
        self._on: dict[Box, set[Box]] = defaultdict(set)
        self._boxes: dict[str, set[Box]] = defaultdict(set)
        self._hopeless: set[Box] = set()

    def add(self, box: Box, others: Iterable[Box]) -> None:
        self._in_box[box] += 1
        self._in_pool[box[0]] += 1
        self._boxes[box[0]].add(box)
        self._on[box].update(other for other in others if other != box)

    def way(self, starts: Iterable[Box]) -> Box | None:
        """A box among `starts` or beyond with a free seat; None if no chain of moves gets to one."""
        queue = deque(box for box in starts if box not in self._hopeless)
        seen = set(queue)
        while queue:
            box = queue.popleft()
            pool = box[0]
            leave = [box]
            if box not in self._cap or self._in_box[box] < self._cap[box]:
                if self._capacity is None or self._in_pool[pool] < self._capacity[pool]:
                    return box
                leave = list(self._boxes[pool])
            for left in leave:
                for other in self._on[left]:
                    if other not in seen and other not in self._hopeless:
                        seen.add(other)
                        queue.append(other)
        self._hopeless |= seen
        return None


class _Caps:
    def __init__(self, problem: Problem, people: dict[str, Applicant]) -> None:
        self._caps = problem.caps
        self._people = people
        self._held: dict[tuple[str, str], int] = defaultdict(int)

    def stops(self, name: str) -> int | None:
        groups = self._people[name].groups
        return next(
            (
                at
                for at, (group, most) in enumerate(self._caps)
                if group in groups and self._held[group, groups[group]] >= most
            ),
            None,
        )

    def keep(self, name: str) -> None:
        for group, value in self._people[name].groups.items():
            self._held[group, value] += 1


def check_walk(problem: Problem, roll: Roll) -> Walked:
    """Walk both phases over the result's claims; a finding for each that the rule would have decided otherwise."""
    order, caps = _Order(problem), _Caps(problem, roll.applicants)
    walked = Walked([], [], {}, order.rank, {})
    reserved = {
        name: [box for box in boxes if box in roll.reserve]
        for name, boxes in roll.boxes.items()
        if any(box in roll.reserve for box in boxes)
    }
    claimed = [name for name, phase in roll.phase.items() if phase == 1]
    for name in claimed:
        if name not in reserved:
            walked.findings.append(f"applicant {name}: phase is 1, but no pool it named reserves a seat for it")
    held = _in_reserved_seats([name for name in claimed if name in reserved], reserved, roll.reserve, walked.findings)

    reach = _Reach(roll.reserve, None)
    for name, _ in order.walk({*reserved, *claimed}):
        stopped = caps.stops(name)
        if roll.phase.get(name) == 1:
            if stopped is not None:
                walked.findings.append(_over_cap(problem, roll, name, stopped))
            if name in held:
                reach.add(held[name], reserved[name])
            _keep(name, walked, order, caps)
        elif stopped is None and len(walked.findings) < FINDINGS_MAX:
            free = reach.way(reserved[name])
            if free is not None:
                walked.findings.append(
                    f"applicant {name}: could have been kept in phase 1 (a reserved seat of pool {free[0]} was to be"
                    " had), but was not"
                )
    reach = _Reach(roll.cap, {pool.id: pool.capacity for pool in problem.pools})
    for name in walked.kept:
        reach.add(roll.seat[name], roll.boxes[name])
    for name, rank in order.walk(name for name in roll.applicants if roll.phase.get(name) != 1):
        walked.rank[name] = rank
        stopped = caps.stops(name)
        if name in roll.phase:
            if stopped is not None:
                walked.findings.append(_over_cap(problem, roll, name, stopped))
            reach.add(roll.seat[name], roll.boxes[name])
            _keep(name, walked, order, caps)
        elif stopped is not None:
            walked.stopped_by[name] = stopped
        elif len(walked.findings) < FINDINGS_MAX:
            free = reach.way(roll.boxes[name])
            if free is not None:
                walked.findings.append(
                    f"applicant {name}: could have been seated at its turn (a seat of pool {free[0]} was to be had),"
                    " but waits"
                )
    return walked


def _keep(name: str, walked: Walked, order: _Order, caps: _Caps) -> None:
    walked.kept.append(name)
    order.count_seat(name)
    caps.keep(name)


def _over_cap(problem: Problem, roll: Roll, name: str, at: int) -> str:
    group, most = problem.caps[at]
    value = roll.applicants[name].groups[group]
    return f"applicant {name}: is served, but {group} {value} already held its {most} seats"


def _in_reserved_seats(
    names: list[str], boxes: dict[str, list[Box]], seats: dict[Box, int], findings: list[str]
) -> dict[str, Box]:
    """A reserved seat for each of phase 1, all at once: a matching, one augmenting path after the other."""
    held: dict[str, Box] = {}
    holders: dict[Box, set[str]] = defaultdict(set)
    for name in names:
        came: dict[Box, str] = dict.fromkeys(boxes[name], name)  # box -> who would enter it
        queue = deque(came)
        while queue:
            box = queue.popleft()
            if len(holders[box]) < seats[box]:
                who: str | None = came[box]
                while who is not None:
                    left = held.get(who)
                    held[who] = box
                    holders[box].add(who)
                    if left is None:
                        break
                    holders[left].discard(who)
                    box, who = left, came[left]
                break
            for holder in holders[box]:
                for other in boxes[holder]:
                    if other not in came:
                        came[other] = holder
                        queue.append(other)
        else:
            findings.append(f"applicant {name}: phase is 1, but those of phase 1 do not all fit in reserved seats")
    return held

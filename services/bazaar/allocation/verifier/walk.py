"""The walk, done again over a result's own claims.

Those kept fit together because all the served do (their seats are the proof), and any part of them does too. So
only those passed over need a look: if, when someone is walked, a chain of moves leads from a pool it named to a
free seat - with those kept by then in their final seats - the result should have kept it. What a search without
success has seen stays out of reach for good, so that all searches together look at everything once.

A party is looked at when its last member is reached: in each pool that it would have preferred to what it got, a
trial (`together.py`) must fail.
"""

import hashlib
import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.bazaar.allocation.problem import Applicant, Party, Problem, Standing
from services.bazaar.allocation.verifier.roll import Box, Roll
from services.bazaar.allocation.verifier.together import Trial

Rank = tuple[str | int, ...]
FINDINGS_MAX = 100  # a wrong result may be wrong about everyone; each such finding costs a search


@dataclass(slots=True)
class Walked:
    """`kept` in the order of the walk; `rank`: of those walked in phase 2, at that moment (members of a party: when the
    last of it was reached, or later); `rank_at_end`: of all; `stopped_by`: position of the problem-wide cap that
    stopped someone in phase 2; `unfit`: those whose party was not to be split and could not be kept, and the group,
    its value and the seats of the problem-wide cap that stopped them, if any; `fixed`: who was kept with its party."""

    findings: list[str]
    kept: list[str]
    rank: dict[str, Rank]
    rank_at_end: Callable[[str], Rank]
    stopped_by: dict[str, int]
    unfit: dict[str, tuple[str, str, int] | None]
    fixed: set[str]


class _Order:
    """Who is next: a heap of everyone, each put back when its rank turns out to have grown meanwhile.

    Parties come when the last of them does. `again`: those who are to be walked once more, each for itself.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._people = {one.id: one for one in problem.applicants}
        self._draw = {
            one.id: hashlib.sha256((problem.seed + ":" + one.id).encode()).hexdigest() for one in problem.applicants
        }
        self.turns_now: dict[tuple[str, str], int] = defaultdict(int)
        self.again: list[str] = []
        self._came: dict[str, list[str]] = {}
        """Per member of a party that is not complete, those of it who came so far."""

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
                if name in self._came:
                    extra += sum(self._people[other].groups[by] == value for other in self._came[name])
            if measure == "turns":
                ranks.append(standing.turns + extra)
            else:
                ranks.append("9999-99-99" if standing.waiting_since is None else standing.waiting_since)
        return (*ranks, self._draw[name])

    def count_seat(self, name: str) -> None:
        for group, value in self._people[name].groups.items():
            self.turns_now[group, value] += 1

    def walk(self, names: Iterable[str], parties: Iterable[Party]) -> Iterator[tuple[list[str], Rank]]:
        """One after the other with its rank; the members of a party as one, in the order in which they came."""
        self._came = {}
        size = {}
        for party in parties:
            came: list[str] = []
            self._came.update(dict.fromkeys(party.members, came))
            size[id(came)] = len(party.members)
        heap = [(self.rank(name), name) for name in names]
        heapq.heapify(heap)
        while heap:
            rank, name = heapq.heappop(heap)
            if (now := self.rank(name)) != rank:
                heapq.heappush(heap, (now, name))
            elif name not in self._came:
                yield [name], rank
            else:
                came = self._came[name]
                came.append(name)
                if len(came) == size[id(came)]:
                    for each in came:
                        del self._came[each]
                    yield came, rank
                    for each in self.again:
                        heapq.heappush(heap, (self.rank(each), each))
                    self.again.clear()


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

    def stops_together(self, names: Sequence[str]) -> tuple[str, str, int] | None:
        """The first cap that all of these together would pass: its group, the least value, and its seats."""
        for group, most in self._caps:
            wanted = Counter(self._people[name].groups.get(group) for name in names)
            passed = [
                value
                for value, seats in wanted.items()
                if value is not None and self._held[group, value] + seats > most
            ]
            if passed:
                return group, min(passed), most
        return None

    def keep(self, name: str) -> None:
        for group, value in self._people[name].groups.items():
            self._held[group, value] += 1


def check_walk(problem: Problem, roll: Roll) -> Walked:
    """Walk both phases over the result's claims; a finding for each that the rule would have decided otherwise."""
    order, caps = _Order(problem), _Caps(problem, roll.applicants)
    walked = Walked([], [], {}, order.rank, {}, {}, set())
    claims = _Claims(problem, roll)
    reserved = {
        name: [box for box in boxes if box in roll.reserve]
        for name, boxes in roll.boxes.items()
        if any(box in roll.reserve for box in boxes)
    }
    taking_part = []
    for party in problem.parties:
        pools = [{pool for pool, _ in reserved.get(name, ())} for name in party.members]
        if set.intersection(*pools):
            taking_part.append(party)
        else:
            for name in party.members:
                reserved.pop(name, None)
    claimed = [name for name, phase in roll.phase.items() if phase == 1]
    for name in claimed:
        if name not in reserved:
            walked.findings.append(
                f"applicant {name}: phase is 1, but no pool it named reserves a seat for it"
                + (" and for each of its party" if name in claims.party else "")
            )
    options = {name: claims.boxes(name, reserved[name]) for name in claimed if name in reserved}
    held = _in_reserved_seats(list(options), options, roll.reserve, walked.findings)

    reach, trial = _Reach(roll.reserve, None), Trial(roll.reserve, None)
    for names, _ in order.walk({*reserved, *claimed}, taking_part):
        if len(names) > 1:
            _check_party(names, 1, reserved, claims, walked, caps, reach, trial)
        for name in names:
            stopped = caps.stops(name)
            if roll.phase.get(name) == 1:
                if stopped is not None:
                    walked.findings.append(_over_cap(problem, roll, name, stopped))
                if name in held:
                    reach.add(held[name], options[name])
                    trial.add(name, held[name], options[name])
                _keep(name, walked, order, caps)
            elif len(names) == 1 and stopped is None and len(walked.findings) < FINDINGS_MAX:
                free = reach.way(reserved[name])
                if free is not None:
                    walked.findings.append(
                        f"applicant {name}: could have been kept in phase 1 (a reserved seat of pool {free[0]} was to"
                        " be had), but was not"
                    )

    capacity = {pool.id: pool.capacity for pool in problem.pools}
    reach, trial = _Reach(roll.cap, capacity), Trial(roll.cap, capacity)

    def seat(name: str) -> None:
        boxes = claims.boxes(name, roll.boxes[name])
        reach.add(roll.seat[name], boxes)
        if problem.parties:
            trial.add(name, roll.seat[name], boxes)

    for name in walked.kept:
        seat(name)
    split: dict[str, Rank] = {}
    to_come = [name for name in roll.applicants if roll.phase.get(name) != 1]
    parties = [party for party in problem.parties if all(roll.phase.get(name) != 1 for name in party.members)]
    for names, rank in order.walk(to_come, parties):
        if len(names) > 1:
            walked.rank.update(dict.fromkeys(names, rank))
            _check_party(names, 2, roll.boxes, claims, walked, caps, reach, trial)
            if claims.pool(names, 2) is None:
                if claims.party[names[0]].apart == "split":
                    split.update(dict.fromkeys(names, rank))
                    order.again.extend(names)
                    continue
                walked.unfit.update(dict.fromkeys(names, caps.stops_together(names)))
        for name in names:
            if len(names) == 1:
                walked.rank[name] = max(rank, split.get(name, rank))
            stopped = caps.stops(name)
            if name in roll.phase:
                if stopped is not None:
                    walked.findings.append(_over_cap(problem, roll, name, stopped))
                seat(name)
                _keep(name, walked, order, caps)
            elif len(names) > 1:
                continue
            elif stopped is not None:
                walked.stopped_by[name] = stopped
            elif len(walked.findings) < FINDINGS_MAX:
                free = reach.way(roll.boxes[name])
                if free is not None:
                    walked.findings.append(
                        f"applicant {name}: could have been seated at its turn (a seat of pool {free[0]} was to be"
                        " had), but waits"
                    )
    walked.fixed.update(claims.fixed)
    return walked


class _Claims:
    """What the result says of parties: kept together in a pool, or not.

    Members who all sit in one pool since one phase could sit there together when their party was reached (their
    seats, and those of all kept by then, are the proof), so it was kept and they sit there fast.
    """

    def __init__(self, problem: Problem, roll: Roll) -> None:
        self._roll = roll
        self.party = {name: party for party in problem.parties for name in party.members}
        self.fixed: set[str] = set()
        for party in problem.parties:
            if any(self.pool(party.members, phase) is not None for phase in (1, 2)):
                self.fixed.update(party.members)

    def pool(self, members: Sequence[str], phase: int) -> str | None:
        """The pool in which all of them are said to have been kept in this phase."""
        if any(self._roll.phase.get(name) != phase for name in members):
            return None
        pools = {self._roll.seat[name][0] for name in members}
        return pools.pop() if len(pools) == 1 else None

    def phase(self, name: str) -> int | None:
        return self._roll.phase.get(name)

    def tiers(self, name: str) -> Mapping[Box, int]:
        return self._roll.boxes[name]

    def boxes(self, name: str, boxes: Iterable[Box]) -> list[Box]:
        """Of these, where one who is served may sit."""
        return [box for box in boxes if name not in self.fixed or box == self._roll.seat[name]]


def _check_party(
    names: list[str],
    phase: int,
    boxes: Mapping[str, Iterable[Box]],
    claims: _Claims,
    walked: Walked,
    caps: _Caps,
    reach: _Reach,
    trial: Trial,
) -> None:
    """A finding if the party, whose last member has been reached, was to be treated otherwise in this phase."""
    party = claims.party[names[0]]
    claimed = claims.pool(names, phase)
    kept_here = [name for name in names if claims.phase(name) == phase]
    if claimed is None and kept_here and (phase == 1 or party.apart == "none"):
        walked.findings.append(
            f"party {party.id}: {', '.join(kept_here)} served in phase {phase}, but not all of the party in one pool"
        )
    if caps.stops_together(names) is not None:
        if claimed is not None:
            walked.findings.append(f"party {party.id}: is kept, but together it passes a cap of the problem")
        return
    tier = {pool: tier for (pool, _), tier in claims.tiers(names[0]).items()}
    box = [{one[0]: one for one in boxes[name]} for name in names]
    for pool in sorted(tier, key=lambda pool: (tier[pool], pool)):
        if pool == claimed or len(walked.findings) >= FINDINGS_MAX:
            return
        wanted = [mine[pool] for mine in box if pool in mine]
        if len(wanted) < len(box) or any(reach.way([one]) is None for one in dict.fromkeys(wanted)):
            continue  # not even one of them could sit there: most are out of reach by the time, and this is quick
        if trial.seats(wanted):
            walked.findings.append(
                f"party {party.id}: could have been kept together in pool {pool} in phase {phase}, but "
                + ("was not" if claimed is None else f"sits in {claimed}")
            )
            return


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

"""Why someone waits: place, the constraint that binds, who went before, and a forecast. All near-linear.

**Place**: 1 is the first of all who wait, in the order of priority with turns as they stand at the end of the round.

**Because**: met at the moment it was walked in phase 2, in this order. A problem-wide cap that left its group no
seat (the first in the order of the problem's caps): `group-had-its-seat`. Else, counted on the final seats so that
anyone can check it with a pencil: each pool it named either has as many of its value seated as the cap allows, or
is full. One capped pool makes it `cap-reached`, none `pools-full`. (Where a pool is both, the cap is named.)
A member of a party that is not to be split is told `party-does-not-fit`, with the first problem-wide cap that the
party would have passed (the least value of its group), if any.

**Ahead**: of those who hold the seats it could have had - all in the full pools it named, those of its value in the
capped ones, or the served of its group - the ones who went before it. A member of a party went where the last of its
party did: before that, it was waiting for its company. (Of a party that is not to be split: all in the pools it named,
or the served of the group whose cap it would have passed.)

**Forecast**: the queue is served in order, every round gives the seats this one gives under the same caps, nobody
joins and nobody comes back. Each takes, among the pools it named, the one with the earliest round left: a pool
(and a capped value in it, and a group under a problem-wide cap) that gives `n` a round and was taken `k` times so
far has its next seat in round k // n + 1, and the latest of the three counts; equal rounds go to the pool named
first. Nothing that gives no seats is ever taken: None. Members of a party that is not to be split are dealt seats as
anyone, and told the latest of their rounds; None if no pool they named could seat them all even if it were empty.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.bazaar.allocation.parties import Parties, fits_empty
from services.bazaar.allocation.priority import Key, Priority
from services.bazaar.allocation.problem import VENDOR, Problem
from services.bazaar.allocation.result import (
    Ahead,
    Because,
    CapMet,
    CapReached,
    GroupHadItsSeat,
    PartyDoesNotFit,
    PoolsFull,
    RoundCap,
    Waiting,
)
from services.bazaar.allocation.seating import Sections


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk left behind, by position of the applicant.

    `keys`: of all walked in phase 2, as they were walked; `caps_met`: those a problem-wide cap stopped, and which;
    `seats`: section of each of the served; `reserved`: the served of phase 1; `unfit`: the members of parties that were
    not to be split and are not served, and the problem-wide cap (its position, a value) that stopped them, if any.
    """

    keys: Mapping[int, Key]
    caps_met: Mapping[int, int]
    seats: Mapping[int, int]
    reserved: frozenset[int]
    unfit: Mapping[int, tuple[int, str] | None]


def why_waiting(
    problem: Problem, sections: Sections, parties: Parties, priority: Priority, walk: Walk
) -> tuple[Waiting, ...]:
    """Everyone not served, in the order of the queue."""
    queue = sorted((priority.now(applicant), applicant) for applicant in walk.keys if applicant not in walk.seats)
    binding = _Binding(problem, sections, parties, walk)
    before = _Before(problem, walk)
    forecast = _Forecast(problem, sections)
    rounds = [forecast.next(applicant) for _, applicant in queue]
    if walk.unfit:
        rounds = _of_parties(problem, sections, parties, walk, [applicant for _, applicant in queue], rounds)
    waiting = []
    for place, (_, applicant) in enumerate(queue, start=1):
        because, holders = binding.of(applicant)
        waiting.append(
            Waiting(
                problem.applicants[applicant].id,
                place,
                because,
                before.of(applicant, holders),
                rounds[place - 1],
            )
        )
    return tuple(waiting)


def _of_parties(
    problem: Problem,
    sections: Sections,
    parties: Parties,
    walk: Walk,
    queue: Sequence[int],
    rounds: Sequence[int | None],
) -> list[int | None]:
    """The forecasts, where those who are not to be split wait for the last of them."""
    told = dict(zip(queue, rounds, strict=True))
    for number in {parties.of[member] for member in walk.unfit}:
        members = parties.members[number]
        mine = [found for member in members if (found := told[member]) is not None]
        fits = any(fits_empty(problem, sections, members, pool) for pool in parties.pools[number])
        told.update(dict.fromkeys(members, max(mine) if fits and len(mine) == len(members) else None))
    return list(told.values())


class _Binding:
    """The constraint that binds, and the sets of seats it is about. Those alike share one answer."""

    def __init__(self, problem: Problem, sections: Sections, parties: Parties, walk: Walk) -> None:
        self._problem = problem
        self._sections = sections
        self._parties = parties
        self._walk = walk
        self._known: dict[object, tuple[Because, list[list[int]]]] = {}
        self._in_section: list[list[int]] = [[] for _ in sections.pool]
        self._in_group: dict[tuple[str, str], list[int]] = {}
        for applicant, section in walk.seats.items():
            self._in_section[section].append(applicant)
            for group, _ in problem.caps:
                value = problem.applicants[applicant].groups.get(group)
                if value is not None:
                    self._in_group.setdefault((group, value), []).append(applicant)
        self._in_pool = [
            [applicant for section in members for applicant in self._in_section[section]]
            for members in sections.members
        ]

    def of(self, applicant: int) -> tuple[Because, list[list[int]]]:
        """The reason, and the lists of those who hold the seats in question (each the same object every time)."""
        cap = self._walk.caps_met.get(applicant)
        if cap is not None:
            group, seats_each = self._problem.caps[cap]
            value = self._problem.applicants[applicant].groups[group]
            if (group, value) not in self._known:
                holders = [self._in_group[group, value]] if seats_each else []
                self._known[group, value] = (GroupHadItsSeat(group, value, seats_each), holders)
            return self._known[group, value]
        options = self._sections.options[applicant]
        if applicant in self._walk.unfit:
            return self._of_party(applicant)
        if options not in self._known:
            self._known[options] = self._pools(options)
        return self._known[options]

    def _of_party(self, applicant: int) -> tuple[Because, list[list[int]]]:
        named = [self._sections.pool[section] for section in self._sections.options[applicant]]
        stopped = self._walk.unfit[applicant]
        cap = None
        holders = [self._in_pool[pool] for pool in named]
        if stopped is not None:
            (group, seats_each), value = self._problem.caps[stopped[0]], stopped[1]
            cap = RoundCap(group, value, seats_each)
            holders = [self._in_group[group, value]] if (group, value) in self._in_group else []
        size = len(self._parties.members[self._parties.of[applicant]])
        return PartyDoesNotFit(size, tuple([self._sections.pool_ids[pool] for pool in named]), cap), holders

    def _pools(self, options: tuple[int, ...]) -> tuple[Because, list[list[int]]]:
        sections = self._sections
        full: list[str] = []
        caps: dict[tuple[str, str], list[str]] = {}
        holders = []
        for section in options:
            pool = sections.pool[section]
            group, value = sections.group[pool], sections.value[section]
            if (
                group is not None
                and value is not None
                and sections.is_capped[section]
                and (len(self._in_section[section]) >= sections.cap[section])
            ):
                caps.setdefault((group, value), []).append(sections.pool_ids[pool])
                holders.append(self._in_section[section])
            else:
                full.append(sections.pool_ids[pool])
                holders.append(self._in_pool[pool])
        if not caps:
            return PoolsFull(tuple(full)), holders
        return CapReached(tuple(CapMet(*named, tuple(pools)) for named, pools in caps.items()), tuple(full)), holders


class _Before:
    """Counts of those who went before, by the level of priority that decided it."""

    def __init__(self, problem: Problem, walk: Walk) -> None:
        self._walk = walk
        self._levels = [
            ("" if level.by == VENDOR else "group_") + ("fewer_turns" if level.measure == "turns" else "waited_longer")
            for level in problem.rotation
        ]
        self._sorted: dict[int, tuple[int, list[Key]]] = {}

    def of(self, applicant: int, holders: list[list[int]]) -> Ahead:
        """A bisection per level and set: keys that agree up to a level and are smaller there lie side by side."""
        key = self._walk.keys[applicant]
        counts = dict.fromkeys(self._levels, 0)
        reserved = lottery = 0
        for held in holders:
            reserved_here, keys = self._keys(held)
            reserved += reserved_here
            start = 0
            for at, level in enumerate(self._levels, start=1):
                end = bisect_left(keys, key[:at], start)  # keys equal up to here come at `end` and after
                counts[level] += end - start
                start = end
            lottery += bisect_left(keys, key, start) - start
        return Ahead(reserved=reserved, lottery=lottery, **counts)

    def _keys(self, held: list[int]) -> tuple[int, list[Key]]:
        found = self._sorted.get(id(held))
        if found is None:
            keys = sorted(self._walk.keys[one] for one in held if one not in self._walk.reserved)
            found = self._sorted[id(held)] = (len(held) - len(keys), keys)
        return found


class _Forecast:
    """The seats of the rounds to come, handed out in the order of the queue."""

    def __init__(self, problem: Problem, sections: Sections) -> None:
        self._problem = problem
        self._sections = sections
        self._in_pool = [0] * len(sections.pool_ids)
        self._in_section = [0] * len(sections.pool)
        self._in_group: dict[tuple[str, str], int] = {}

    def next(self, applicant: int) -> int | None:
        """The round in which the next of the queue is served; to be asked in the order of the queue."""
        sections = self._sections
        groups = self._problem.applicants[applicant].groups
        held = []
        earliest = 1
        for group, seats_each in self._problem.caps:
            value = groups.get(group)
            if value is not None:
                if not seats_each:
                    return None
                held.append((group, value))
                earliest = max(earliest, self._in_group.get((group, value), 0) // seats_each + 1)
        best: int | None = None
        taken = -1
        for section in sections.options[applicant]:
            pool = sections.pool[section]
            cap = sections.cap[section]
            if cap:
                turn = max(
                    earliest,
                    self._in_pool[pool] // sections.capacity[pool] + 1,
                    self._in_section[section] // cap + 1,
                )
                if best is None or turn < best:
                    best, taken = turn, section
        if best is not None:
            self._in_pool[sections.pool[taken]] += 1
            self._in_section[taken] += 1
            for member in held:
                self._in_group[member] = self._in_group.get(member, 0) + 1
        return best

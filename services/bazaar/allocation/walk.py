"""The walk of the rule: phase 1 over the reserved seats, phase 2 over every seat. Who is served is unique.

Who comes with company is walked as `parties.py` says.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from services.bazaar.allocation.collector import collector_paused
from services.bazaar.allocation.parties import Gathering, Parties
from services.bazaar.allocation.place import place
from services.bazaar.allocation.priority import Key, Priority
from services.bazaar.allocation.problem import Problem
from services.bazaar.allocation.reasons import Walk, why_waiting
from services.bazaar.allocation.result import Result, Served
from services.bazaar.allocation.seating import Seats, Sections


class _GroupSeats:
    """Seats held under the problem-wide caps, by group and value."""

    def __init__(self, problem: Problem) -> None:
        self._caps = problem.caps
        self._applicants = problem.applicants
        self._held: dict[tuple[str, str], int] = {}

    def cap_met(self, applicant: int) -> int | None:
        """The first of the problem's caps (its position) that leaves the applicant's group no seat; None: free."""
        groups = self._applicants[applicant].groups
        for at, (group, seats_each) in enumerate(self._caps):
            value = groups.get(group)
            if value is not None and self._held.get((group, value), 0) >= seats_each:
                return at
        return None

    def cap_met_by_all(self, applicants: Sequence[int]) -> tuple[int, str] | None:
        """The first of the problem's caps (its position, and the least value) that all of these together would pass."""
        for at, (group, seats_each) in enumerate(self._caps):
            wanted = Counter(
                self._applicants[one].groups[group] for one in applicants if group in self._applicants[one].groups
            )
            passed = [
                value for value, seats in wanted.items() if self._held.get((group, value), 0) + seats > seats_each
            ]
            if passed:
                return at, min(passed)
        return None

    def hold(self, applicant: int) -> None:
        groups = self._applicants[applicant].groups
        for group, _ in self._caps:
            value = groups.get(group)
            if value is not None:
                self._held[group, value] = self._held.get((group, value), 0) + 1


def solve(problem: Problem) -> Result:
    """Allocate the round: who is served, where each sits, and for the others their place, reason and forecast.

    Everything but the hash is independent of the order in which applicants, pools and limits were listed.
    """
    with collector_paused():
        return _solve(problem)


def _solve(problem: Problem) -> Result:
    sections = Sections(problem)
    parties = Parties(problem, sections)
    priority = Priority(problem)
    held = _GroupSeats(problem)
    kept, fixed = _walk_reserves(sections, parties, priority, held)
    first = len(kept)

    seats = Seats(sections, sections.cap, sections.capacity)
    for applicant, section in kept.items():
        seats.sit(applicant, section, () if applicant in fixed else sections.options[applicant])
    walked: dict[int, Key] = {}
    caps_met: dict[int, int] = {}
    unfit: dict[int, tuple[int, str] | None] = {}
    floor: dict[int, Key] = {}
    gathering = Gathering(
        {member: number for member, number in parties.of.items() if member not in kept},
        dict(enumerate(parties.pools)),
    )
    rest = [applicant for applicant in range(len(problem.applicants)) if applicant not in kept]
    for applicant, key in priority.walk(rest, gathering.of):
        if seats.full():  # nobody more is kept and no turns grow: the order of the others decides nothing
            break
        if applicant in gathering.of:
            number = gathering.reach(applicant, parties, priority)
            if number is None:
                continue
            together = _seat_party(number, gathering, parties, seats, held)
            members = gathering.dissolve(number)
            if together:
                walked.update(dict.fromkeys(members, key))
                for member in members:
                    priority.seat(member)
                    held.hold(member)
                    kept[member] = seats.at[member]
                    fixed.add(member)
            elif parties.splits[number]:
                floor.update(dict.fromkeys(members, key))
                priority.put_back(members)
            else:
                walked.update(dict.fromkeys(members, key))
                unfit.update(dict.fromkeys(members, held.cap_met_by_all(members)))
            continue
        if applicant in floor:
            key = max(key, floor[applicant])
        walked[applicant] = key
        cap = held.cap_met(applicant)
        if cap is not None:
            caps_met[applicant] = cap
        elif seats.seat(applicant, sections.options[applicant]):
            priority.seat(applicant)
            held.hold(applicant)
            kept[applicant] = seats.at[applicant]
    for number in dict.fromkeys(gathering.of.values()):
        key = gathering.key_of_last(number, parties, priority)
        if parties.splits[number]:
            floor.update(dict.fromkeys(parties.members[number], key))
        else:
            walked.update(dict.fromkeys(parties.members[number], key))
            unfit.update(dict.fromkeys(parties.members[number], held.cap_met_by_all(parties.members[number])))
    for applicant in rest:
        if applicant not in walked:
            key = priority.now(applicant)
            walked[applicant] = max(key, floor[applicant]) if applicant in floor else key
            cap = held.cap_met(applicant)
            if cap is not None:
                caps_met[applicant] = cap

    order = list(kept)
    seat = place(problem, sections, order, {applicant: kept[applicant] for applicant in fixed})
    served = tuple(
        Served(
            problem.applicants[applicant].id,
            sections.pool_ids[sections.pool[seat[applicant]]],
            sections.tiers(problem, applicant)[seat[applicant]],
            1 if at < first else 2,
        )
        for at, applicant in enumerate(order)
    )
    walk = Walk(walked, caps_met, seat, frozenset(order[:first]), unfit)
    waiting = why_waiting(problem, sections, parties, priority, walk)
    return Result(problem.sha256, served, waiting)


def _seat_party(number: int, gathering: Gathering, parties: Parties, seats: Seats, held: _GroupSeats) -> bool:
    """Seat all of the party in the first of its pools where they can sit together; False if there is none."""
    members = gathering.came[number]
    return held.cap_met_by_all(members) is None and any(
        seats.seat_together(members, gathering.places(number, pool, parties)) for pool in gathering.pools[number]
    )


class _Reserved(NamedTuple):
    """Whom phase 1 kept, in that order, the section each sits in; and who of them sits there fast, with its party."""

    kept: dict[int, int]
    fixed: set[int]


def _walk_reserves(sections: Sections, parties: Parties, priority: Priority, held: _GroupSeats) -> _Reserved:
    """Phase 1: the reserves' own people."""
    own = (
        {
            applicant: reserved
            for applicant, options in enumerate(sections.options)
            if (reserved := tuple([section for section in options if sections.is_reserved[section]]))
        }
        if any(sections.is_reserved)
        else {}
    )
    pools = {number: parties.reserved_pools(number, sections) for number in range(len(parties.members))} if own else {}
    for number, together in pools.items():
        if not together:  # it comes with company for which no seat is reserved
            for member in parties.members[number]:
                own.pop(member, None)
    gathering = Gathering({member: number for member, number in parties.of.items() if member in own}, pools)
    seats = Seats(sections, sections.reserve, None)
    kept: list[int] = []
    fixed: set[int] = set()
    for applicant, _ in priority.walk(own, gathering.of):
        if seats.full():
            break
        if applicant in gathering.of:
            complete = gathering.reach(applicant, parties, priority)
            if complete is not None and _seat_party(complete, gathering, parties, seats, held):
                for member in gathering.came[complete]:
                    priority.seat(member)
                    held.hold(member)
                    kept.append(member)
                    fixed.add(member)
        elif held.cap_met(applicant) is None and seats.seat(applicant, own[applicant]):
            priority.seat(applicant)
            held.hold(applicant)
            kept.append(applicant)
    return _Reserved({applicant: seats.at[applicant] for applicant in kept}, fixed)

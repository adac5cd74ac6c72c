"""The walk of the rule: phase 1 over the reserved seats, phase 2 over every seat. Who is served is unique."""

from services.bazaar.allocation.collector import collector_paused
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
    priority = Priority(problem)
    held = _GroupSeats(problem)
    kept = _walk_reserves(sections, priority, held)
    first = len(kept)

    seats = Seats(sections, sections.cap, sections.capacity)
    for applicant, section in kept.items():
        seats.sit(applicant, section, sections.options[applicant])
    walked: dict[int, Key] = {}
    caps_met: dict[int, int] = {}
    rest = [applicant for applicant in range(len(problem.applicants)) if applicant not in kept]
    for applicant, key in priority.walk(rest):
        if seats.full():  # nobody more is kept and no turns grow: the order of the others decides nothing
            break
        walked[applicant] = key
        cap = held.cap_met(applicant)
        if cap is not None:
            caps_met[applicant] = cap
        elif seats.seat(applicant, sections.options[applicant]):
            priority.seat(applicant)
            held.hold(applicant)
            kept[applicant] = seats.at[applicant]
    for applicant in rest:
        if applicant not in walked:
            walked[applicant] = priority.now(applicant)
            cap = held.cap_met(applicant)
            if cap is not None:
                caps_met[applicant] = cap

    order = list(kept)
    seat = place(problem, sections, order)
    served = tuple(
        Served(
            problem.applicants[applicant].id,
            sections.pool_ids[sections.pool[seat[applicant]]],
            sections.tiers(problem, applicant)[seat[applicant]],
            1 if at < first else 2,
        )
        for at, applicant in enumerate(order)
    )
    waiting = why_waiting(problem, sections, priority, Walk(walked, caps_met, seat, frozenset(order[:first])))
    return Result(problem.sha256, served, waiting)


def _walk_reserves(sections: Sections, priority: Priority, held: _GroupSeats) -> dict[int, int]:
    """Phase 1: the reserves' own people, in the order in which they were kept, and the section each sits in."""
    own = (
        {
            applicant: reserved
            for applicant, options in enumerate(sections.options)
            if (reserved := tuple([section for section in options if sections.is_reserved[section]]))
        }
        if any(sections.is_reserved)
        else {}
    )
    seats = Seats(sections, sections.reserve, None)
    kept: list[int] = []
    for applicant, _ in priority.walk(own):
        if seats.full():
            break
        if held.cap_met(applicant) is None and seats.seat(applicant, own[applicant]):
            priority.seat(applicant)
            held.hold(applicant)
            kept.append(applicant)
    return {applicant: seats.at[applicant] for applicant in kept}

"""Priority: the total order in which applicants are walked, with the turns of groups as they stand."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace
from types import MappingProxyType

from services.bazaar.allocation.problem import NOTHING_YET, VENDOR, Applicant, Level, Problem

Key = tuple[int | str, ...]
"""A value per rotation level, then the lottery; the smaller is walked first. Turns are whole numbers, days text."""

NO_DAY = "~"
"""Stands for a missing `waiting_since`; sorts after every ISO day."""


NO_PARTIES: Mapping[int, int] = MappingProxyType({})

_Bundle = tuple[Key, tuple[int, ...], tuple[tuple[str, str], ...], int | None, list[int]]
"""The key of the next, the turns it was made with, the groups that grow, the party, and the people, next one last."""


class Priority:
    """The keys of all applicants (by position in `problem.applicants`), and how they grow as members are seated."""

    def __init__(self, problem: Problem) -> None:
        columns: list[list[int] | list[str]] = [_column(problem, level) for level in problem.rotation]
        columns.append(lottery(problem.seed, problem.applicants))
        self.at_start: list[Key] = list(zip(*columns, strict=True))
        """Key of each applicant before anyone is seated."""
        self._growing = [
            (at, level.by)
            for at, level in enumerate(problem.rotation)
            if level.measure == "turns" and level.by != VENDOR
        ]
        self._seated: dict[tuple[str, str], int] = {}
        self._aside: dict[tuple[int, tuple[str, str]], int] = {}
        self._back: list[int] = []
        self._applicants = problem.applicants

    def seat(self, applicant: int) -> None:
        """Count the applicant's seat as a turn of each group that the rotation ranks by turns."""
        groups = self._applicants[applicant].groups
        for _, group in self._growing:
            member = (group, groups[group])
            self._seated[member] = self._seated.get(member, 0) + 1

    def step_aside(self, applicant: int, party: int) -> None:
        """The applicant waits for the others of its party: for them alone, it counts as a turn of its groups."""
        for _, group in self._growing:
            waits = (party, (group, self._applicants[applicant].groups[group]))
            self._aside[waits] = self._aside.get(waits, 0) + 1

    def put_back(self, applicants: Iterable[int]) -> None:
        """These were walked as a party; they are walked once more, each for itself."""
        self._back.extend(applicants)

    def now(self, applicant: int, party: int | None = None) -> Key:
        """The applicant's key with turns as they stand; with `party`, as a member of it."""
        return self._grown(self.at_start[applicant], self._seated_of(self._ranked_groups(applicant), party))

    def _ranked_groups(self, applicant: int) -> tuple[tuple[str, str], ...]:
        groups = self._applicants[applicant].groups
        return tuple([(group, groups[group]) for _, group in self._growing])

    def _seated_of(self, ranked: tuple[tuple[str, str], ...], party: int | None) -> tuple[int, ...]:
        if party is None:
            return tuple([self._seated.get(member, 0) for member in ranked])
        return tuple([self._seated.get(member, 0) + self._aside.get((party, member), 0) for member in ranked])

    def _grown(self, key: Key, seated: tuple[int, ...]) -> Key:
        for (at, _), more in zip(self._growing, seated, strict=True):
            if more:
                turns = key[at]
                assert isinstance(turns, int)
                key = (*key[:at], turns + more, *key[at + 1 :])
        return key

    def walk(self, members: Iterable[int], parties: Mapping[int, int] = NO_PARTIES) -> Iterator[tuple[int, Key]]:
        """Each member once with the key at which it was walked: always the least of those left, as `seat` is called.

        `parties`: the party of each who belongs to one; who was `put_back` comes once more, without its party.

        Members of the same groups keep their order among themselves whatever the turns, so one of each such bundle
        stands in the heap. Keys only grow, so a key that went stale in the heap is put back where it belongs.
        """
        self._aside.clear()
        ordered = sorted(members, key=self.at_start.__getitem__)
        if not self._growing:
            for applicant in ordered:
                yield applicant, self.at_start[applicant]
                if self._back:  # all of them stand before the one that is next
                    back, self._back = sorted(self._back, key=self.at_start.__getitem__), []
                    for one in back:
                        yield one, self.at_start[one]
            return
        bundles: dict[tuple[tuple[tuple[str, str], ...], int | None], list[int]] = {}
        for applicant in reversed(ordered):  # so that the next one is popped off the end
            bundles.setdefault((self._ranked_groups(applicant), parties.get(applicant)), []).append(applicant)
        heap = [self._bundle(ranked, party, people) for (ranked, party), people in bundles.items()]
        heapify(heap)
        while heap:
            key, seated, ranked, party, people = heap[0]
            seated_now = self._seated_of(ranked, party)
            if seated_now == seated:
                yield people.pop(), key
                seated_now = self._seated_of(ranked, party)
            if people:
                grown = self._grown(self.at_start[people[-1]], seated_now)
                heapreplace(heap, (grown, seated_now, ranked, party, people))
            else:
                heappop(heap)
            if self._back:
                for one in self._back:
                    heappush(heap, self._bundle(self._ranked_groups(one), None, [one]))
                self._back.clear()

    def _bundle(self, ranked: tuple[tuple[str, str], ...], party: int | None, people: list[int]) -> _Bundle:
        seated = self._seated_of(ranked, party)
        return self._grown(self.at_start[people[-1]], seated), seated, ranked, party, people


def lottery(seed: str, applicants: Iterable[Applicant]) -> list[str]:
    """sha256(seed + ":" + applicant id) in hex, for each."""
    started = hashlib.sha256(f"{seed}:".encode())
    drawn = []
    for applicant in applicants:
        ticket = started.copy()
        ticket.update(applicant.id.encode())
        drawn.append(ticket.hexdigest())
    return drawn


def _column(problem: Problem, level: Level) -> list[int] | list[str]:
    by, measure = level
    applicants = problem.applicants
    if by == VENDOR:
        if measure == "turns":
            return [one.turns for one in applicants]
        return [one.waiting_since or NO_DAY for one in applicants]
    standings = problem.groups.get(by, {})
    if measure == "turns":
        turns = {value: standing.turns for value, standing in standings.items()}
        return [turns.get(one.groups[by], NOTHING_YET.turns) for one in applicants]
    days = {value: standing.waiting_since or NO_DAY for value, standing in standings.items()}
    return [days.get(one.groups[by], NO_DAY) for one in applicants]

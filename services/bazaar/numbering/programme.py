"""The integer programme of a site, for OR-tools' CP-SAT.

One worker, a fixed seed and a limit in the solver's own deterministic time: the same input gives the same numbers.

Three things make it small. Vendors alike in category, party and needs are one class, and the programme decides which
class stands where, not which vendor: that spares it their permutations. A party is laid on a row as a whole segment, so
that no half of it can be in two places. And what a vendor has had before meets only the *value* of a stand, so how many
of which balance in a class stand at stands of which value is a transport problem beside it. With the linear relaxation
at work at every node (`linearization_level` 2) the bounds of all this are close; without it they are worth nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

from ortools.sat.python import cp_model

from services.bazaar.numbering.neighbours import Edge
from services.bazaar.numbering.site import Needs, Seat, SiteStands

SEED = 5

ROUNDING = 1e-6
"""Bounds are whole numbers, and the solver gives them as fractions."""

Term = Any
"""A variable of the solver or a sum of them; its typed classes cannot be added up by `sum` in a typed way."""


class Solved(NamedTuple):
    """Numbers, the bound of the goal just solved, and the deterministic time it took."""

    booths: Mapping[str, str]
    bound: int
    effort: float


class _Class(NamedTuple):
    """Vendors alike in what decides who stands beside whom."""

    category: str | None
    party: str | None
    needs: Needs


class _Segment(NamedTuple):
    """Stands side by side in a row, held by one party."""

    party: str
    stands: tuple[int, ...]


def programme(site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs], *, whole: bool) -> "Programme":
    """The programme of a site with as many stands as vendors. `whole`: no party may be parted."""
    return Programme(site, edges, met, whole=whole)


class Programme:
    """Which class stands where, and what each goal adds up to."""

    def __init__(self, site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs], *, whole: bool) -> None:
        self._site, self._edges = site, edges
        self._model = cp_model.CpModel()
        self._class_of = {
            seat.applicant: _Class(seat.category, seat.party, needs)
            for seat, needs in zip(site.seats, met, strict=True)
        }
        self._members: dict[_Class, list[Seat]] = defaultdict(list)
        for seat in site.seats:
            self._members[self._class_of[seat.applicant]].append(seat)
        self._holds = self._seating()
        self._segments = self._parties(whole=whole)
        self._turns: dict[tuple[_Class, int, int], Term] = {}
        # each is written down when its turn comes: the fewer the variables, the faster the goals before it
        self._goals = {"pieces": self._pieces, "neighbours": self._neighbours, "spots": self._spots}

    # -- what is decided

    def _seating(self) -> dict[tuple[_Class, int], Term]:
        """Each stand has one vendor, of a class whose needs it meets; each vendor one stand."""
        stands = range(len(self._site.stands))
        holds = {
            (one, at): self._model.new_bool_var("")
            for one in self._members
            for at in stands
            if one.needs <= self._site.stands[at].offers
        }
        for at in stands:
            self._model.add_exactly_one(holds[one, at] for one in self._members if (one, at) in holds)
        for one, members in self._members.items():
            self._model.add(sum(holds[one, at] for at in stands if (one, at) in holds) == len(members))
        return holds

    def _parties(self, *, whole: bool) -> dict[_Segment, Term]:
        """Each party is laid on rows in segments that do not overlap; on one where it must stay whole."""
        sizes = Counter(seat.party for seat in self._site.seats if seat.party is not None)
        rows = _rows(len(self._site.stands), self._edges)
        laid: dict[_Segment, Term] = {}
        for party, size in sorted(sizes.items()):
            for length in [size] if whole else range(1, size + 1):
                for row in rows:
                    for start in range(len(row) - length + 1):
                        segment = _Segment(party, tuple(row[start : start + length]))
                        laid[segment] = self._model.new_bool_var("")
            for at in range(len(self._site.stands)):
                covering = [one for segment, one in laid.items() if segment.party == party and at in segment.stands]
                self._model.add(self._held_by(at, lambda one, party=party: one.party == party) == sum(covering))
        return laid

    def _transport(self) -> dict[tuple[_Class, int, int], Term]:
        """How many of a class with this balance stand at stands of this value."""
        values = sorted({stand.value for stand in self._site.stands})
        turns: dict[tuple[_Class, int, int], Term] = {}
        for one, members in self._members.items():
            balances = Counter(seat.balance for seat in members)
            for balance, number in sorted(balances.items()):
                for value in values:
                    turns[one, balance, value] = self._model.new_int_var(0, number, "")
                self._model.add(sum(turns[one, balance, value] for value in values) == number)
            for value in values:
                held = [
                    self._holds[one, at]
                    for at, stand in enumerate(self._site.stands)
                    if stand.value == value and (one, at) in self._holds
                ]
                self._model.add(sum(turns[one, balance, value] for balance in balances) == sum(held))
        return turns

    def _held_by(self, at: int, belongs: Any) -> Term:
        return sum(self._holds[one, at] for one in self._members if belongs(one) and (one, at) in self._holds)

    # -- what is made small

    def _pieces(self) -> Term:
        return sum(self._segments.values()) - len({segment.party for segment in self._segments})

    def _neighbours(self) -> Term:
        goal: Term = 0
        sizes: Counter[str] = Counter()
        parties: dict[str, set[str]] = defaultdict(set)
        for one, members in self._members.items():
            if one.category is not None:
                sizes[one.category] += len(members)
                if one.party is not None:
                    parties[one.category].add(one.party)
        for category in sorted(name for name, size in sizes.items() if size > 1):
            holds = []
            for at in range(len(self._site.stands)):
                held = self._model.new_bool_var("")
                self._model.add(held == self._held_by(at, lambda one, name=category: one.category == name))
                holds.append(held)
            for edge in self._edges:
                alike = self._model.new_bool_var("")
                excused = [self._together(edge, party) for party in sorted(parties[category])]
                self._model.add(alike >= holds[edge.first] + holds[edge.second] - 1 - sum(excused))
                goal += edge.weight * alike
        return goal

    def _together(self, edge: Edge, party: str) -> Term:
        """1 where both stands are the party's."""
        one, other = (
            {segment for segment in self._segments if segment.party == party and at in segment.stands}
            for at in (edge.first, edge.second)
        )
        joint = sum(self._segments[segment] for segment in sorted(one & other))
        if one <= other or other <= one or not (one - other and other - one):
            return joint
        if all(len(segment.stands) == self._party_size(party) for segment in self._segments if segment.party == party):
            return joint
        both = self._model.new_bool_var("")
        self._model.add(both <= sum(self._segments[segment] for segment in sorted(one)))
        self._model.add(both <= sum(self._segments[segment] for segment in sorted(other)))
        return both

    def _party_size(self, party: str) -> int:
        return sum(seat.party == party for seat in self._site.seats)

    def _spots(self) -> Term:
        self._turns = self._transport()
        return sum((balance + value) ** 2 * number for (_, balance, value), number in self._turns.items())

    # -- solving

    def start(self, booths: Mapping[str, str]) -> None:
        """Begin the search from these numbers."""
        at_number = {stand.number: at for at, stand in enumerate(self._site.stands)}
        seat_at = {at_number[booths[seat.applicant]]: seat for seat in self._site.seats}
        self._model.clear_hints()  # type: ignore[no-untyped-call] # OR-tools leaves it without types
        for (one, at), held in self._holds.items():
            self._model.add_hint(held, self._class_of[seat_at[at].applicant] == one)
        rows = _rows(len(self._site.stands), self._edges)
        pieces = {
            _Segment(party, tuple(run)) for row in rows for party, run in _runs([seat_at[at].party for at in row], row)
        }
        for segment, laid in self._segments.items():
            self._model.add_hint(laid, segment in pieces)

    def hold(self, goal: str, at_most: int) -> None:
        """Let this goal be no worse than what was reached."""
        self._model.add(self._goals[goal]() <= at_most)

    def minimise(self, goal: str, effort: float, *, at_most: int) -> Solved | None:
        """The best numbering for this goal, which holds from now on. `at_most`: what was reached without the solver.

        None when nothing better can be, because it is nothing already, or when the solver found no numbering in time.
        """
        if at_most == 0:
            self.hold(goal, 0)
            return None
        term = self._goals[goal]()
        self._model.add(term <= at_most)
        self._model.minimize(term)
        solver = _solver(effort)
        if solver.solve(self._model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        self._model.add(term <= round(solver.objective_value))
        bound = max(math.ceil(solver.best_objective_bound - ROUNDING), 0)
        booths = self._booths(solver)
        self.start(booths)
        return Solved(booths, bound, solver.response_proto.deterministic_time)

    def _booths(self, solver: cp_model.CpSolver) -> dict[str, str]:
        """Inside a class, by balance as decided; among equals by the order of the rule and of the numbers."""
        booths: dict[str, str] = {}
        for one, members in self._members.items():
            by_value: dict[int, list[str]] = defaultdict(list)
            for at, stand in enumerate(self._site.stands):
                if (one, at) in self._holds and solver.value(self._holds[one, at]):
                    by_value[stand.value].append(stand.number)
            free = {value: iter(some) for value, some in by_value.items()}
            given = [
                (balance, next(free[value]))
                for (other, balance, value), number in self._turns.items()
                if other == one
                for _ in range(solver.value(number))
            ]
            if not given:  # spots are not decided yet
                given = [(seat.balance, number) for seat, number in zip(members, chain(*free.values()), strict=True)]
            for seat in members:
                at = next(at for at, (balance, _) in enumerate(given) if balance == seat.balance)
                booths[seat.applicant] = given.pop(at)[1]
        return {seat.applicant: booths[seat.applicant] for seat in self._site.seats}


def _runs(parties: Sequence[str | None], row: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """The stretches of a row that one party holds."""
    for party, run in groupby(zip(parties, row, strict=True), key=lambda pair: pair[0]):
        if party is not None:
            yield party, [at for _, at in run]


def _rows(size: int, edges: Sequence[Edge]) -> list[list[int]]:
    """The lines in which stands stand side by side, each from one end; a stand by itself is a line too."""
    beside: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        if edge.row:
            beside[edge.first].append(edge.second)
            beside[edge.second].append(edge.first)
    rows: list[list[int]] = []
    placed: set[int] = set()
    for end in (at for at in range(size) if len(beside[at]) < 2):
        if end not in placed:
            row = [end]
            placed.add(end)
            while further := [at for at in beside[row[-1]] if at not in placed]:
                row.append(further[0])
                placed.add(further[0])
            rows.append(row)
    return rows


def _solver(effort: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.linearization_level = 2
    solver.parameters.max_deterministic_time = effort
    return solver

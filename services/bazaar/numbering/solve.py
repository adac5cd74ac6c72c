"""The numbers of a site: each goal in turn, held to what was reached for the goals before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, NamedTuple

from services.bazaar.numbering.goals import Goals, count
from services.bazaar.numbering.improve import improved
from services.bazaar.numbering.needs import met_needs, place_by_needs, stands_used
from services.bazaar.numbering.neighbours import Edge, neighbours
from services.bazaar.numbering.site import NEEDS, Needs, SiteStands

EFFORT = 0.6
"""Deterministic time of the solver for one site: about a second of one core, and the same work on every machine."""

ALL_TRIED_MAX = 5
"""Vendors of whom every numbering is tried: 120 of them."""

SHARES = {"pieces": 0.3, "neighbours": 0.6, "spots": 1.0}
"""Of the effort that the goals before left over, for each goal."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Who stands where: applicant -> number of its stand, and how good that is.

    `value` and `bound`: each goal, and what no numbering can be below, given the goals before it. `unmet`: applicant ->
    what it needs and its stand lacks. `method`: "all-tried" where every numbering of a few vendors was, "exchanges"
    where these alone led to what cannot be better, else "cp-sat"; or "order" where the numbers were handed out in
    order, `because` of what.
    """

    booths: Mapping[str, str]
    value: Goals
    bound: Goals
    unmet: Mapping[str, Sequence[str]]
    method: str
    because: str | None = None

    @property
    def optimal(self) -> bool:
        """Whether nothing better exists."""
        return self.value == self.bound

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "method": self.method,
            "because": self.because,
            "optimal": self.optimal,
            "objective": self.value._asdict(),
            "bound": self.bound._asdict(),
            "unmet": {applicant: list(needs) for applicant, needs in self.unmet.items()},
            "booths": dict(self.booths),
        }


def number_in_order(site: SiteStands, because: str) -> Numbering:
    """The numbers in order, as the rule kept the vendors, but for needs: what is done when nothing better was found."""
    met = met_needs(site)
    used = _used(site, met)
    seats = place_by_needs(used, met)
    booths = {site.seats[seat].applicant: stand.number for seat, stand in zip(seats, used.stands, strict=True)}
    value = count(site, neighbours(site.stands), booths)
    return Numbering(booths, value, Goals(0, 0, 0), _unmet(site, booths), "order", because)


def number_site(site: SiteStands, *, effort: float = EFFORT) -> Numbering:
    """The numbers of one site by the goals in their order.

    A goal that the start has brought to nothing needs no proof; for the others the solver goes on from it.
    """
    if not site.seats:
        return Numbering({}, Goals(0, 0, 0), Goals(0, 0, 0), {}, "all-tried")
    met = met_needs(site)
    used = _used(site, met)
    edges = _among(neighbours(site.stands), site, used)
    start = place_by_needs(used, met)
    first = {site.seats[seat].applicant: stand.number for seat, stand in zip(start, used.stands, strict=True)}
    if len(used.seats) <= ALL_TRIED_MAX:
        return _best_of_all(used, edges, met)
    least = Goals(0, 0, _least_spots(used, met))
    if all(seat.party is None for seat in site.seats):
        found = improved(used, edges, met, first)
        if count(used, edges, found) == least:
            return Numbering(found, least, least, _unmet(site, found), "exchanges")
    # with pandas, which it brings along, the solver takes seconds to load: only where it is needed
    from services.bazaar.numbering.programme import programme

    layout = _lay_out_parties(used, edges, met, first, effort)
    booths: Mapping[str, str] = improved(used, edges, met, layout.booths)
    model = programme(used, edges, met, whole=layout.pieces == 0)
    model.start(booths)
    model.hold("pieces", layout.pieces)
    left = effort - layout.effort
    bounds = {"pieces": layout.bound}
    for goal in ("neighbours", "spots"):
        solved = model.minimise(goal, left * SHARES[goal], at_most=getattr(count(used, edges, booths), goal))
        if solved is not None:
            booths = solved.booths
            left -= solved.effort
        bounds[goal] = 0 if solved is None else solved.bound
    bounds["spots"] = max(bounds["spots"], least.spots)
    return Numbering(booths, count(used, edges, booths), Goals(**bounds), _unmet(site, booths), "cp-sat")


def _least_spots(site: SiteStands, met: Sequence[Needs]) -> int:
    """What spots come to when nothing but needs is looked at: a bound that is always there."""
    values = {stand.value for stand in site.stands}
    if len(values) == 1:
        return sum((seat.balance + next(iter(values))) ** 2 for seat in site.seats)
    # with numpy it takes half a second to load: only where it is needed
    from ortools.graph.python.linear_sum_assignment import SimpleLinearSumAssignment

    assignment = SimpleLinearSumAssignment()
    for at, (seat, needs) in enumerate(zip(site.seats, met, strict=True)):
        for place, stand in enumerate(site.stands):
            if needs <= stand.offers:
                assignment.add_arc_with_cost(at, place, (seat.balance + stand.value) ** 2)
    return assignment.optimal_cost() if assignment.solve() == assignment.OPTIMAL else 0


def _best_of_all(site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs]) -> Numbering:
    """Of so few every numbering is tried; among equals the first in the order of the numbers."""
    offers = [stand.offers for stand in site.stands]
    best: dict[str, str] = {}
    least: Goals | None = None
    for places in permutations(range(len(site.stands))):
        if all(needs <= offers[at] for needs, at in zip(met, places, strict=True)):
            booths = {seat.applicant: site.stands[at].number for seat, at in zip(site.seats, places, strict=True)}
            goals = count(site, edges, booths)
            if least is None or goals < least:
                best, least = booths, goals
    assert least is not None
    return Numbering(best, least, least, _unmet(site, best), "all-tried")


class _Layout(NamedTuple):
    booths: Mapping[str, str]
    pieces: int
    bound: int
    effort: float


def _lay_out_parties(
    site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs], booths: Mapping[str, str], effort: float
) -> _Layout:
    """Where the parties stand, and everyone who needs something, as if nothing else mattered: the fewest pieces."""
    if all(seat.party is None for seat in site.seats):
        return _Layout(booths, 0, 0, 0.0)
    from services.bazaar.numbering.programme import programme

    bare = SiteStands(site.stands, tuple(replace(seat, category=None, balance=0) for seat in site.seats))
    whole = programme(bare, edges, met, whole=True)
    spent = 0.0
    for model in (whole, programme(bare, edges, met, whole=False)):
        if model is not whole:
            booths = improved(bare, edges, met, booths)
            model.start(booths)
        solved = model.minimise("pieces", effort * SHARES["pieces"], at_most=count(bare, edges, booths).pieces)
        if solved is not None:
            booths = solved.booths
            return _Layout(booths, count(bare, edges, booths).pieces, solved.bound, spent + solved.effort)
        spent += effort * SHARES["pieces"]
    return _Layout(booths, count(bare, edges, booths).pieces, 0, spent)


def _used(site: SiteStands, met: Sequence[Needs]) -> SiteStands:
    return SiteStands(tuple(site.stands[at] for at in stands_used(site, met)), site.seats)


def _among(edges: Sequence[Edge], site: SiteStands, used: SiteStands) -> list[Edge]:
    """The neighbours that remain when some stands stay empty."""
    place = {stand.number: at for at, stand in enumerate(used.stands)}
    numbers = [stand.number for stand in site.stands]
    return [
        edge._replace(first=place[numbers[edge.first]], second=place[numbers[edge.second]])
        for edge in edges
        if numbers[edge.first] in place and numbers[edge.second] in place
    ]


def _unmet(site: SiteStands, booths: Mapping[str, str]) -> dict[str, list[str]]:
    offers = {stand.number: stand.offers for stand in site.stands}
    lacking = {seat.applicant: seat.needs - offers[booths[seat.applicant]] for seat in site.seats}
    return {applicant: [need for need in NEEDS if need in needs] for applicant, needs in lacking.items() if needs}

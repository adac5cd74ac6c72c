"""A good numbering to begin with: exchanges of two stands that make it better, needs and all.

The solver proves; it is slow at finding. Exchanges find fast and prove nothing. Begun from here the solver spends its
time on the proof, and a site of which it cannot do more is numbered well all the same.
"""

import math
from collections.abc import Mapping, Sequence
from random import Random

from services.bazaar.numbering.goals import Goals, count
from services.bazaar.numbering.neighbours import Edge
from services.bazaar.numbering.site import Needs, SiteStands

EXCHANGES = 12_000
"""Tried for a site of sixty, a fifth of a second; in proportion for others."""

HOT, COLD = 12.0, 0.4
SEED = 5

PIECE, NEIGHBOUR, SPOT = 60.0, 6.0, 0.5
"""What the goals weigh against one another on the way. In the end their order alone decides which numbering is kept."""


def improved(
    site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs], booths: Mapping[str, str]
) -> dict[str, str]:
    """Better numbers than these, as far as exchanges lead: applicant -> stand. There are as many stands as vendors."""
    seat_of = {booths[seat.applicant]: at for at, seat in enumerate(site.seats)}
    exchange = _Exchange(site, edges, met, [seat_of[stand.number] for stand in site.stands])
    random = Random(SEED)
    size = len(site.seats)
    best = exchange.booths()
    best_goals = count(site, edges, best)
    tries = EXCHANGES * size // 60
    for attempt in range(tries if size > 1 else 0):
        heat = HOT * (COLD / HOT) ** (attempt / tries)
        one, other = random.randrange(size), random.randrange(size)
        if one == other or not exchange.allowed(one, other):
            continue
        worse = exchange.cost(one, other)
        if worse > 0 and random.random() >= math.exp(-worse / heat):
            exchange.undo(one, other)
        elif exchange.goals < best_goals:
            best, best_goals = exchange.booths(), exchange.goals
    return best


class _Exchange:
    """Who stands where at the moment, and what an exchange of two changes. Stands are named by their place."""

    def __init__(self, site: SiteStands, edges: Sequence[Edge], met: Sequence[Needs], seat_at: Sequence[int]) -> None:
        self._site, self._met, self._seat_at = site, met, list(seat_at)
        self._near: list[list[Edge]] = [[] for _ in site.stands]
        for edge in edges:
            self._near[edge.first].append(edge)
            self._near[edge.second].append(edge)
        self._offers = [stand.offers for stand in site.stands]
        self._value = [stand.value for stand in site.stands]
        self._before: Goals | None = None
        self.goals = count(site, edges, self.booths())

    def booths(self) -> dict[str, str]:
        """As numbers."""
        return {self._site.seats[seat].applicant: self._site.stands[at].number for at, seat in enumerate(self._seat_at)}

    def allowed(self, one: int, other: int) -> bool:
        """Whether both would still have what they need."""
        return (
            self._met[self._seat_at[one]] <= self._offers[other]
            and self._met[self._seat_at[other]] <= self._offers[one]
        )

    def cost(self, one: int, other: int) -> float:
        """Exchange who stands at these two; by how much it is worse now."""
        before = self._around(one, other)
        self._seat_at[one], self._seat_at[other] = self._seat_at[other], self._seat_at[one]
        after = self._around(one, other)
        self._before = self.goals
        self.goals = Goals(*(had - left + got for had, left, got in zip(self.goals, before, after, strict=True)))
        return (
            PIECE * (after.pieces - before.pieces)
            + NEIGHBOUR * (after.neighbours - before.neighbours)
            + SPOT * (after.spots - before.spots)
        )

    def undo(self, one: int, other: int) -> None:
        """Take the last exchange, which was of these two, back."""
        assert self._before is not None
        self._seat_at[one], self._seat_at[other] = self._seat_at[other], self._seat_at[one]
        self.goals = self._before

    def _around(self, one: int, other: int) -> Goals:
        """What these two stands add to the goals."""
        seats, seat_at = self._site.seats, self._seat_at
        pieces = neighbours = 0
        for edge in (*self._near[one], *self._near[other]):
            a, b = seats[seat_at[edge.first]], seats[seat_at[edge.second]]
            if a.party is not None and a.party == b.party:
                pieces -= edge.row
            elif a.category is not None and a.category == b.category:
                neighbours += edge.weight
        spots = sum((seats[seat_at[at]].balance + self._value[at]) ** 2 for at in (one, other))
        # an edge between the two was met twice, and is the same before and after
        return Goals(pieces, neighbours, spots)

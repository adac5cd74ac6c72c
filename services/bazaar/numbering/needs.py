"""Whose needs are met where there is too little of what is needed: by the order of the rule."""

from collections.abc import Sequence
from itertools import combinations

from services.bazaar.numbering.site import NEEDS, Needs, SiteStands


def met_needs(site: SiteStands) -> list[Needs]:
    """Of each seat, the needs that are met: all of them, unless those before it in the rule leave too little.

    There is always a stand for everyone with what is met here. The first seat's are met if any stand has them, the
    next one's if both can be had together, and so on, each giving way only within what it can still have (augmenting
    paths): so no vendor loses what it needs to one that comes after it. Where not all of a vendor's needs can be met,
    the most of them are.
    """
    holder: list[int | None] = [None] * len(site.stands)
    met: list[Needs] = []
    for at, seat in enumerate(site.seats):
        for wanted in _subsets(seat.needs):
            met.append(wanted)
            if not wanted or _place(site, met, holder, at, set()):
                break
            met.pop()
    return met


def _subsets(needs: Needs) -> list[Needs]:
    ordered = [need for need in NEEDS if need in needs]
    return [frozenset(some) for size in range(len(ordered), -1, -1) for some in combinations(ordered, size)]


def _place(site: SiteStands, met: Sequence[Needs], holder: list[int | None], seat: int, tried: set[int]) -> bool:
    """Give this seat a stand that has what it needs; who holds it may move to another that has what that one needs."""
    for at, stand in enumerate(site.stands):
        if at not in tried and met[seat] <= stand.offers:
            tried.add(at)
            current = holder[at]
            if current is None or _place(site, met, holder, current, tried):
                holder[at] = seat
                return True
    return False


def stands_used(site: SiteStands, met: Sequence[Needs]) -> list[int]:
    """The stands that are filled, as many as there are vendors: those that needs call for, then the first.

    Where fewer vendors come than there are stands the rest stays empty in one place, at the end, not in gaps.
    """
    taken = {at for at, seat in enumerate(_held(site, met)) if seat is not None}
    rest = [at for at in range(len(site.stands)) if at not in taken]
    return sorted([*taken, *rest[: len(site.seats) - len(taken)]])


def place_by_needs(site: SiteStands, met: Sequence[Needs]) -> list[int]:
    """Of each stand the seat, by its place: who needs something where it is, the others in order. All are filled."""
    holder = _held(site, met)
    placed = set(holder)
    rest = iter([seat for seat in range(len(site.seats)) if seat not in placed])
    return [next(rest) if seat is None else seat for seat in holder]


def _held(site: SiteStands, met: Sequence[Needs]) -> list[int | None]:
    holder: list[int | None] = [None] * len(site.stands)
    for seat, wanted in enumerate(met):
        if wanted:
            _place(site, met, holder, seat, set())
    return holder

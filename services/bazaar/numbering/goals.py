"""How good a numbering is: the goals counted on the finished numbers, with no solver in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.bazaar.numbering.neighbours import Edge
from services.bazaar.numbering.site import Seat, SiteStands


class Goals(NamedTuple):
    """What is made small, the first before the second, the second before the third.

    `pieces`: by how many the pieces in which parties stand exceed the number of parties. `neighbours`: the weights of
    neighbours of one category who are not of one party. `spots`: the squares of what each vendor has had after this
    turn, summed: least when everyone has had the same.
    """

    pieces: int
    neighbours: int
    spots: int


def count(site: SiteStands, edges: Sequence[Edge], booths: Mapping[str, str]) -> Goals:
    """The goals of these numbers: applicant -> number of its stand."""
    seat_of = {booths[seat.applicant]: seat for seat in site.seats}
    at = [seat_of.get(stand.number) for stand in site.stands]
    value = {stand.number: stand.value for stand in site.stands}
    pieces = 0
    for party in {seat.party for seat in site.seats if seat.party is not None}:
        members = sum(seat.party == party for seat in site.seats)
        joined = sum(edge.row and _party(at[edge.first]) == party == _party(at[edge.second]) for edge in edges)
        pieces += members - joined - 1
    alike = sum(edge.weight for edge in edges if _alike(at[edge.first], at[edge.second]))
    spots = sum((seat.balance + value[booths[seat.applicant]]) ** 2 for seat in site.seats)
    return Goals(pieces, alike, spots)


def _party(seat: Seat | None) -> str | None:
    return None if seat is None else seat.party


def _alike(one: Seat | None, other: Seat | None) -> bool:
    if one is None or other is None or one.category is None or one.category != other.category:
        return False
    return one.party is None or one.party != other.party

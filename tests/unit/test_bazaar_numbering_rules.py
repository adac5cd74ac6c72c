"""Booth numbers inside a site: needs, parties, neighbours, spots, against every numbering of tiny sites."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.numbering import (
    Place,
    Seat,
    SiteMalformed,
    SiteStands,
    Stand,
    neighbours,
    number_in_order,
    number_site,
)
from services.bazaar.numbering.goals import Goals, count
from services.bazaar.numbering.needs import met_needs
from services.bazaar.numbering.site import NEEDS, Spot, balance, read_site, site_document

SPOTS: tuple[Spot, ...] = ("good", "normal", "bad")
CATEGORIES = ("food-drink", "fashion-craft", "meals-household", "health")


def row(number: int, **more: object) -> tuple[Stand, ...]:
    """So many stands of two a tent, without a plan."""
    return tuple(Stand(f"A{at + 1:02d}", at // 2 + 1, **more) for at in range(number))  # type: ignore[arg-type]  # fields of a Stand


def hall(rows: int, tents: int) -> tuple[Stand, ...]:
    """A hall with rows of tents, an aisle between each two rows: power at the walls, no steps in the first row."""
    stands: list[Stand] = []
    for line in range(rows):
        for place in range(2 * tents):
            at_wall = place in (0, 2 * tents - 1)
            stands.append(
                Stand(
                    f"A{len(stands) + 1:02d}",
                    len(stands) // 2 + 1,
                    power=at_wall or line == 0,
                    access=line == 0,
                    water=place == 0,
                    corner=at_wall,
                    spot="good" if line == 0 else "bad" if line == rows - 1 else "normal",
                    place=Place(1.0 + 2 * place, 1.0 + 5 * line, 2.0, 2.0),
                )
            )
    return tuple(stands)


@st.composite
def sites(draw: st.DrawFn, stands_max: int = 7) -> SiteStands:
    """A tiny site, full or not, in one row or two, with every kind of wish."""
    number = draw(st.integers(1, stands_max))
    two_rows = draw(st.booleans())
    stands = [
        Stand(
            f"A{at + 1:02d}",
            at // 2 + 1 if draw(st.booleans()) else None,
            power=draw(st.booleans()),
            access=draw(st.booleans()),
            water=draw(st.booleans()),
            corner=draw(st.booleans()),
            spot=draw(st.sampled_from(SPOTS)),
            place=Place(1.0 + 2 * (at % 3), 1.0 + 4 * (at // 3), 2.0, 2.0) if two_rows else None,
        )
        for at in range(number)
    ]
    seats = [
        Seat(
            f"v{at}",
            draw(st.sampled_from([None, *CATEGORIES[:2]])),
            frozenset(draw(st.sets(st.sampled_from(NEEDS), max_size=2))),
            draw(st.sampled_from([None, "p1", "p2"])),
            draw(st.integers(-3, 3)),
        )
        for at in range(draw(st.integers(0, number)))
    ]
    return SiteStands(tuple(stands), tuple(seats))


def best_of_all(site: SiteStands) -> Goals:
    """The best goals of every numbering that meets the same needs at the same stands, tried one by one."""
    met = met_needs(site)
    used = sorted(number_site(site).booths.values())
    offers = {stand.number: stand.offers for stand in site.stands}
    filled = SiteStands(tuple(stand for stand in site.stands if stand.number in used), site.seats)
    edges = [
        edge._replace(
            first=used.index(site.stands[edge.first].number), second=used.index(site.stands[edge.second].number)
        )
        for edge in neighbours(site.stands)
        if site.stands[edge.first].number in used and site.stands[edge.second].number in used
    ]
    return min(
        count(filled, edges, dict(zip([seat.applicant for seat in site.seats], numbers, strict=True)))
        for numbers in permutations(used)
        if all(needs <= offers[number] for needs, number in zip(met, numbers, strict=True))
    )


@settings(max_examples=50, deadline=None)
@given(sites())
def test_no_numbering_of_a_tiny_site_is_better(site: SiteStands) -> None:
    found = number_site(site)
    assert len(set(found.booths.values())) == len(site.seats) == len(found.booths)
    assert found.optimal
    if site.seats:
        assert found.value == best_of_all(site)


@settings(max_examples=60, deadline=None)
@given(sites(stands_max=8))
def test_needs_are_met_by_the_order_of_the_rule_wherever_a_matching_exists(site: SiteStands) -> None:
    """Nobody's needs are met at the cost of one before it: with k vendors the first k fare as they do alone."""
    met = met_needs(site)
    for first in range(len(site.seats)):
        assert met_needs(replace(site, seats=site.seats[: first + 1])) == met[: first + 1]
    offers = {stand.number: stand.offers for stand in site.stands}
    found = number_site(site)
    for seat, needs in zip(site.seats, met, strict=True):
        assert needs <= offers[found.booths[seat.applicant]]
        if seat.needs <= offers[found.booths[seat.applicant]]:
            assert seat.applicant not in found.unmet


def test_where_power_is_short_it_goes_by_the_rule_and_the_rest_are_told() -> None:
    stands = (*row(3), Stand("A04", 2, power=True))
    seats = tuple(Seat(f"v{at}", needs=frozenset({"power"})) for at in range(3))
    found = number_site(SiteStands(stands, seats))
    assert found.booths["v0"] == "A04"
    assert found.unmet == {"v1": ["power"], "v2": ["power"]}


def test_a_party_stands_together_and_a_category_apart() -> None:
    seats = tuple(Seat(f"v{at:02d}", CATEGORIES[at % 2], party="p" if at in (0, 5, 10) else None) for at in range(12))
    site = SiteStands(row(12), seats)
    found = number_site(site)
    assert sorted(found.booths[one] for one in ("v00", "v05", "v10")) in [
        [f"A{start + at:02d}" for at in range(3)] for start in range(1, 11)
    ]
    assert found.value.neighbours == 0
    assert found.optimal


def test_a_party_too_long_for_every_row_is_parted_once() -> None:
    seats = tuple(Seat(f"v{at}", party="p" if at < 6 else None) for at in range(8))
    found = number_site(SiteStands(hall(2, 2), seats))
    assert (found.value.pieces, found.bound.pieces) == (1, 1)


def test_who_had_good_spots_stands_after_who_had_bad_ones() -> None:
    stands = tuple(Stand(f"A{at + 1:02d}", spot=spot) for at, spot in enumerate(SPOTS[at // 2] for at in range(6)))
    had = {"a": 4, "b": 2, "c": 0, "d": 0, "e": -2, "f": -4}
    found = number_site(SiteStands(stands, tuple(Seat(name, balance=worth) for name, worth in had.items())))
    spot = {stand.number: stand.value for stand in stands}
    assert {name: spot[number] for name, number in found.booths.items()} == {
        "a": -2, "b": -2, "c": 0, "d": 0, "e": 2, "f": 2,
    }  # fmt: skip


def test_over_many_turns_everyone_has_the_same() -> None:
    """Thirty vendors, thirty stands, a season of turns: what each has had never drifts apart."""
    stands = hall(3, 5)
    had = {f"v{at:02d}": 0 for at in range(30)}
    value = {stand.number: stand.value for stand in stands}
    for _ in range(12):
        seats = tuple(Seat(name, balance=worth) for name, worth in had.items())
        for name, number in number_site(SiteStands(stands, seats), effort=0.3).booths.items():
            had[name] += value[number]
    plain = {f"v{at:02d}": 12 * stand.value for at, stand in enumerate(stands)}
    assert max(had.values()) - min(had.values()) <= 4
    assert max(plain.values()) - min(plain.values()) == 60


def full_hall(seed: int = 1, *, parties: tuple[int, ...] = ()) -> SiteStands:
    """A site of sixty booths as article 002 fills them: more than half sell food."""
    chance = random.Random(seed)
    member = {}
    order = chance.sample(range(60), 60)
    for party, size in enumerate(parties):
        for _ in range(size):
            member[order.pop()] = f"p{party}"
    seats = tuple(
        Seat(
            f"v{at:02d}",
            chance.choices(CATEGORIES, (55, 25, 15, 5))[0],
            frozenset({"power"}) if chance.random() < 0.15 else frozenset(),
            member.get(at),
            chance.randint(-4, 4),
        )
        for at in range(60)
    )
    return SiteStands(hall(6, 5), seats)


def test_a_site_of_sixty_is_numbered_optimally_and_the_same_every_time() -> None:
    site = full_hall()
    found = number_site(site)
    assert found.optimal
    assert number_site(site) == found
    edges = neighbours(site.stands)
    assert count(site, edges, found.booths) == found.value < number_in_order(site, "to compare").value
    assert number_site(read_site(site_document(site))) == found


@pytest.mark.parametrize("parties", [(2, 3, 5), (10, 10)])
def test_with_parties_a_site_of_sixty_keeps_to_a_proven_bound(parties: tuple[int, ...]) -> None:
    site = full_hall(parties=parties)
    found = number_site(site)
    assert found.method == "cp-sat"
    assert found.value.pieces == found.bound.pieces
    assert all(value >= bound for value, bound in zip(found.value, found.bound, strict=True))
    assert found.value < number_in_order(site, "to compare").value


def test_what_is_out_of_order_is_refused() -> None:
    with pytest.raises(SiteMalformed, match="2 vendors are to stand at 1 stands"):
        SiteStands(row(1), (Seat("a"), Seat("b")))
    with pytest.raises(SiteMalformed, match="applicant is named twice"):
        SiteStands(row(2), (Seat("a"), Seat("a")))
    with pytest.raises(SiteMalformed, match="stand is named twice"):
        SiteStands((Stand("A01"), Stand("A01")), ())


def test_the_balance_of_past_spots_has_limits() -> None:
    assert balance([]) == 0
    assert balance([Stand("A01", spot="good", corner=True), Stand("A02", spot="bad")]) == 1
    assert balance([Stand("A01", spot="bad")] * 50) == -20


def test_neighbours_of_a_hall_are_tents_rows_and_aisles() -> None:
    edges = {(edge.first, edge.second): edge for edge in neighbours(hall(2, 2))}
    assert edges[0, 1].weight == 4
    assert edges[1, 2].weight == 2
    assert edges[0, 4].weight == 1
    assert not edges[0, 4].row
    assert (3, 4) not in edges
    assert (0, 2) not in edges

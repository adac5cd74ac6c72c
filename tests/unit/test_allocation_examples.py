"""The rule of allocation by hand: rounds small enough to work out on paper, as they come up in the programme."""

import hashlib
import json
from typing import Any

from services.bazaar.allocation import (
    Ahead,
    CapMet,
    CapReached,
    GroupHadItsSeat,
    PoolsFull,
    Result,
    problem_sha256,
    read_problem,
    solve,
    verify,
)

Doc = dict[str, Any]


def allocate(**doc: Any) -> Result:
    """Solve a problem given field by field; the verifier agrees with every example."""
    problem = read_problem(json.dumps({"seed": "draw", **doc}).encode())
    result = solve(problem)
    assert verify(problem, result) == []
    return result


def vendor(name: str, *tiers: str, since: str = "2023-01-01", turns: int = 0, **groups: str) -> Doc:
    """A vendor; each tier is pool ids separated by spaces."""
    return {
        "id": name, "choices": [tier.split() for tier in tiers], "waiting_since": since, "turns": turns,
        "groups": groups,
    }  # fmt: skip


def seats(result: Result) -> dict[str, str]:
    return {one.applicant: one.pool for one in result.served}


def test_the_longest_waiting_are_served_and_the_others_told_who_went_before() -> None:
    result = allocate(
        pools=[{"id": "senen", "capacity": 2}],
        applicants=[
            vendor("ani", "senen", since="2023-03-01"),
            vendor("budi", "senen", since="2022-01-01"),
            vendor("cici", "senen", since="2022-06-01"),
            vendor("dedi", "senen", since="2023-04-01"),
            vendor("euis", "senen", since="2023-05-01"),
        ],
    )

    assert [one.applicant for one in result.served] == ["budi", "cici"]
    assert [(one.applicant, one.place, one.forecast_round) for one in result.waiting] == [
        ("ani", 1, 1),
        ("dedi", 2, 1),
        ("euis", 3, 2),
    ]
    assert result.waiting[0].because == PoolsFull(("senen",))
    assert result.waiting[0].ahead == Ahead(waited_longer=2)


def test_the_lottery_decides_between_equals_and_anyone_can_recompute_it() -> None:
    names = [f"v{number}" for number in range(10)]
    result = allocate(pools=[{"id": "p", "capacity": 4}], applicants=[vendor(name, "p") for name in names])

    drawn = sorted(names, key=lambda name: hashlib.sha256(f"draw:{name}".encode()).hexdigest())
    assert [one.applicant for one in result.served] == drawn[:4]
    assert [one.applicant for one in result.waiting] == drawn[4:]
    assert {one.ahead for one in result.waiting} == {Ahead(lottery=4)}


def test_six_sites_of_thirty_booths_keep_five_for_each_agency() -> None:
    """20-21 March 2023: 180 vendors, 5 seats per site for each of six agencies, whoever else has waited longer."""
    sites = ["sawah-besar", "johar-baru", "cempaka-putih", "gambir", "tanah-abang", "senen"]
    agencies = ["ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi"]
    reserves = [{"group": "agency", "value": agency, "seats": 5} for agency in agencies]
    result = allocate(
        pools=[{"id": site, "capacity": 30, "reserves": reserves} for site in sites],
        applicants=[
            # PPKUKM's people began to wait long before all others and name every site
            *[
                vendor(f"ppkukm-{number:03}", " ".join(sites), since="2020-01-01", agency="ppkukm")
                for number in range(200)
            ],
            *[
                vendor(f"{agency}-{number:03}", sites[number % 6], since="2023-01-01", agency=agency)
                for agency in agencies[1:]
                for number in range(40)
            ],
        ],
    )

    held = [(one.pool, one.applicant.rpartition("-")[0]) for one in result.served]
    assert len(result.served) == 180
    assert {held.count((site, agency)) for site in sites for agency in agencies} == {5}
    assert {one.phase for one in result.served} == {1}


def test_a_reserve_is_no_chair_that_stays_empty() -> None:
    result = allocate(
        pools=[{"id": "p", "capacity": 3, "reserves": [{"group": "agency", "value": "kpkp", "seats": 2}]}],
        applicants=[vendor(name, "p", since=f"2023-01-0{day}") for day, name in enumerate("abcd", start=1)]
        + [vendor("k", "p", since="2023-09-09", agency="kpkp")],
    )

    assert [(one.applicant, one.phase) for one in result.served] == [("k", 1), ("a", 2), ("b", 2)]
    assert result.waiting[0].ahead == Ahead(reserved=1, waited_longer=2)


def test_every_rw_has_its_turn_before_any_has_a_second() -> None:
    """UP2K-PKK: RW 001 has had two turns already and nine vendors; 002 and 003 have had one, none."""
    result = allocate(
        pools=[{"id": "hall", "capacity": 6}],
        rotation=[{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
        groups={"rw": {"001": {"turns": 2}, "002": {"turns": 1}}},
        applicants=[vendor(f"a{n}", "hall", since="2020-01-01", rw="001") for n in range(9)]
        + [vendor(f"b{n}", "hall", since=f"2022-01-0{n + 1}", rw="002") for n in range(9)]
        + [vendor("c0", "hall", since="2023-01-01", rw="003"), vendor("c1", "hall", since="2023-01-02", rw="003")],
    )

    # c at 0 turns; b and c at 1, b waited longer; a and b at 2, a waited longer; then a and b at 3
    assert [one.applicant[0] for one in result.served] == ["c", "b", "c", "a", "b", "a"]
    assert result.waiting[0].ahead == Ahead(group_fewer_turns=5, group_waited_longer=0, waited_longer=1)


def test_a_problem_wide_cap_gives_each_rw_one_seat_and_says_so_to_the_next() -> None:
    result = allocate(
        pools=[{"id": "east", "capacity": 2}, {"id": "west", "capacity": 2}],
        caps=[{"group": "rw", "seats_each": 1}],
        applicants=[
            vendor("first", "east", "west", since="2022-01-01", rw="005"),
            vendor("second", "east", "west", since="2022-01-02", rw="005"),
            vendor("other", "east", "west", since="2023-01-01", rw="006"),
            vendor("outsider", "east", since="2023-01-01"),
        ],
    )

    assert set(seats(result)) == {"first", "other", "outsider"}
    (second,) = result.waiting
    assert second.because == GroupHadItsSeat("rw", "005", 1)
    assert second.ahead == Ahead(waited_longer=1)
    assert second.forecast_round == 1


def test_a_cap_on_a_category_holds_in_its_pool_only() -> None:
    result = allocate(
        pools=[
            {"id": "p1", "capacity": 3, "caps": [{"group": "category", "value": "food", "seats": 1}]},
            {"id": "p2", "capacity": 1},
        ],
        applicants=[
            vendor("f1", "p1", since="2022-01-01", category="food"),
            vendor("f2", "p1", "p2", since="2022-01-02", category="food"),
            vendor("f3", "p1", "p2", since="2022-01-03", category="food"),
            vendor("craft", "p1", since="2023-01-01", category="craft"),
        ],
    )

    assert seats(result) == {"f1": "p1", "f2": "p2", "craft": "p1"}
    assert result.waiting[0].because == CapReached((CapMet("category", "food", ("p1",)),), ("p2",))
    assert result.waiting[0].ahead == Ahead(waited_longer=2)


def test_the_kept_are_moved_so_that_nobody_is_turned_away_for_want_of_a_move() -> None:
    """First come, first seated would put `a` in p1 and turn away `b`, who can go nowhere else."""
    result = allocate(
        pools=[{"id": "p1", "capacity": 1}, {"id": "p2", "capacity": 1}, {"id": "p3", "capacity": 1}],
        applicants=[
            vendor("a", "p1", "p2", since="2022-01-01"),
            vendor("b", "p2", "p3", since="2022-01-02"),
            vendor("c", "p1", since="2022-01-03"),
        ],
    )

    assert seats(result) == {"a": "p2", "b": "p3", "c": "p1"}
    assert result.waiting == ()


def test_between_equal_arrangements_who_went_first_chooses_first() -> None:
    """Either gets its best pool at the other's cost; the sums are equal, so the one who waited longer has it."""
    result = allocate(
        pools=[{"id": "near", "capacity": 1}, {"id": "far", "capacity": 1}],
        applicants=[
            vendor("late", "near", "far", since="2023-01-02"),
            vendor("early", "near", "far", since="2023-01-01"),
        ],
    )

    assert seats(result) == {"early": "near", "late": "far"}


def test_reserved_seats_are_filled_with_their_own_before_wishes_are_heard() -> None:
    """`k` would rather sit in p2, but a reserved seat in p1 would then be held by nobody of its agency."""
    result = allocate(
        pools=[
            {"id": "p1", "capacity": 1, "reserves": [{"group": "agency", "value": "kpkp", "seats": 1}]},
            {"id": "p2", "capacity": 1},
        ],
        applicants=[vendor("k", "p2", "p1", agency="kpkp"), vendor("x", "p1 p2")],
    )

    assert seats(result) == {"k": "p1", "x": "p2"}


def test_nobody_forecasts_a_seat_where_there_will_be_none() -> None:
    result = allocate(pools=[{"id": "closed", "capacity": 0}], applicants=[vendor("v", "closed")])

    assert result.served == ()
    assert result.waiting[0].forecast_round is None


def test_without_a_rotation_the_longest_waiting_goes_first_and_a_missing_day_goes_last() -> None:
    never = vendor("never", "p")
    del never["waiting_since"]
    result = allocate(pools=[{"id": "p", "capacity": 1}], applicants=[never, vendor("v", "p", since="2023-12-31")])

    assert seats(result) == {"v": "p"}


def test_an_empty_round_is_a_round() -> None:
    assert allocate(pools=[], applicants=[]).served == ()


def test_equal_problems_have_equal_hashes_however_they_are_written() -> None:
    doc = {"seed": "é", "pools": [{"id": "p", "capacity": 1}], "applicants": []}
    compact = json.dumps(doc, separators=(",", ":"), ensure_ascii=False).encode()
    spaced = json.dumps(dict(reversed(doc.items())), indent=4).encode()

    by_hand = '{"applicants":[],"pools":[{"capacity":1,"id":"p"}],"seed":"é"}'.encode()
    assert problem_sha256(compact) == problem_sha256(spaced) == problem_sha256(doc)
    assert problem_sha256(doc) == hashlib.sha256(by_hand).hexdigest() == read_problem(spaced).sha256
    assert problem_sha256({**doc, "seed": "e"}) != problem_sha256(doc)

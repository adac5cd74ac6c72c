"""Those who want to stand together: by hand, as properties of the rule, and against a verifier that was lied to."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.allocation import (
    Ahead,
    Malformed,
    PartyDoesNotFit,
    Problem,
    Result,
    RoundCap,
    Served,
    read_problem,
    result_to_json,
    solve,
    verify,
)
from services.bazaar.allocation.parties import never_together
from tests.unit.test_allocation_by_definition import small_problem, with_parties

Doc = dict[str, Any]

seeds = st.integers(0, 2**48)
MANY = settings(max_examples=300, deadline=None, derandomize=True)


def read(doc: Doc) -> Problem:
    return read_problem(json.dumps(doc).encode())


def allocate(**doc: Any) -> Result:
    """Solve a problem given field by field; the verifier agrees with every example."""
    problem = read({"seed": "draw", **doc})
    result = solve(problem)
    assert verify(problem, result) == []
    return result


def vendor(name: str, *tiers: str, day: int, **groups: str) -> Doc:
    """A vendor who waits since this day of January; each tier is pool ids separated by spaces."""
    choices = [tier.split() for tier in tiers]
    return {"id": name, "choices": choices, "waiting_since": f"2023-01-{day:02}", "groups": groups}


def party(apart: str, *members: str) -> list[Doc]:
    return [{"id": "g", "members": list(members), "apart": apart}]


def seats(result: Result) -> dict[str, str]:
    return {one.applicant: one.pool for one in result.served}


# -- by hand


def test_a_party_is_walked_where_its_last_member_stands() -> None:
    """Ani waits longest, but for Dedi: Budi and Cici go before them, and one seat of three is left for two."""
    people = [vendor(name, "senen", day=day) for day, name in enumerate(["ani", "budi", "cici", "dedi"], start=1)]
    pools = [{"id": "senen", "capacity": 3}]

    result = allocate(pools=pools, applicants=people, parties=party("none", "ani", "dedi"))
    assert list(seats(result)) == ["budi", "cici"]
    assert {one.applicant: one.because for one in result.waiting} == {
        "ani": PartyDoesNotFit(2, ("senen",), None),
        "dedi": PartyDoesNotFit(2, ("senen",), None),
    }
    assert [(one.applicant, one.place, one.ahead) for one in result.waiting] == [
        ("ani", 1, Ahead(waited_longer=2)),  # counted from where its party stands
        ("dedi", 2, Ahead(waited_longer=2)),
    ]

    result = allocate(pools=pools, applicants=people, parties=party("split", "ani", "dedi"))
    assert list(seats(result)) == ["budi", "cici", "ani"]

    result = allocate(pools=pools, applicants=people, parties=party("none", "ani", "cici"))
    assert list(seats(result)) == ["budi", "ani", "cici"]


def test_a_party_sits_in_one_pool_the_best_where_it_can_and_others_make_room() -> None:
    """Budi would rather sit in p2, where the party of three needs all seats; he is moved, and the party is not."""
    result = allocate(
        pools=[{"id": "p1", "capacity": 2}, {"id": "p2", "capacity": 3}, {"id": "p3", "capacity": 3}],
        applicants=[
            vendor("budi", "p2", "p1", day=1),
            *[vendor(name, "p1", "p3 p2", day=2) for name in ("ani", "cici", "dedi")],
            vendor("euis", "p2", day=3),
        ],
        parties=party("none", "ani", "cici", "dedi"),
    )
    assert seats(result) == {"budi": "p1", "ani": "p2", "cici": "p2", "dedi": "p2"}
    assert {one.tier for one in result.served} == {1}


def test_a_party_cannot_be_moved_once_it_sits_and_who_comes_later_finds_the_pool_full() -> None:
    """p1 and p2 are equal to the party; it took p1 first, and Cici, who named only p1, is told that it is full."""
    result = allocate(
        pools=[{"id": "p1", "capacity": 2}, {"id": "p2", "capacity": 2}],
        applicants=[*[vendor(name, "p1 p2", day=1) for name in ("ani", "budi")], vendor("cici", "p1", day=2)],
        parties=party("none", "ani", "budi"),
    )
    assert seats(result) == {"ani": "p1", "budi": "p1"}
    assert result.waiting[0].because.code == "pools-full"


def test_two_of_one_rw_come_no_sooner_together_than_one_after_the_other() -> None:
    """RW by RW: alone, Ani sits, then Cici of the other RW, then Budi. In company Ani counts as a turn for Budi."""
    doc: Doc = {
        "rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
        "applicants": [
            vendor("ani", "hall", day=1, rw="001"),
            vendor("budi", "hall", day=2, rw="001"),
            vendor("cici", "hall", day=3, rw="002"),
        ],
        "pools": [{"id": "hall", "capacity": 2}],
    }
    assert list(seats(allocate(**doc))) == ["ani", "cici"]
    assert list(seats(allocate(**doc, parties=party("none", "ani", "budi")))) == ["cici"]
    assert list(seats(allocate(**doc, parties=party("split", "ani", "budi")))) == ["cici", "ani"]


def test_a_party_is_kept_in_reserved_seats_only_all_together() -> None:
    """p1 reserves two seats for kpkp. Two of kpkp get them; with a third who is not, they come as the others do."""
    pools = [{"id": "p1", "capacity": 3, "reserves": [{"group": "agency", "value": "kpkp", "seats": 2}]}]
    people = [
        vendor("ani", "p1", day=8, agency="kpkp"),
        vendor("budi", "p1", day=9, agency="kpkp"),
        vendor("cici", "p1", day=9, agency="ppapp"),
        vendor("dedi", "p1", day=1, agency="ppapp"),
    ]
    together = allocate(pools=pools, applicants=people, parties=party("none", "ani", "budi"))
    assert [(one.applicant, one.phase) for one in together.served] == [("ani", 1), ("budi", 1), ("dedi", 2)]

    mixed = allocate(pools=pools, applicants=people, parties=party("none", "budi", "cici"))
    assert [(one.applicant, one.phase) for one in mixed.served] == [("ani", 1), ("dedi", 2)]


def test_a_party_that_finds_no_reserved_seats_is_walked_again_and_only_then_split() -> None:
    """The reserve has one seat: it goes to neither of two who would rather stand together in the open seats."""
    doc: Doc = {
        "pools": [{"id": "p1", "capacity": 2, "reserves": [{"group": "agency", "value": "kpkp", "seats": 1}]}],
        "applicants": [
            vendor("ani", "p1", day=2, agency="kpkp"),
            vendor("budi", "p1", day=3, agency="kpkp"),
            vendor("cici", "p1", day=4),
        ],
    }
    result = allocate(**doc, parties=party("split", "ani", "budi"))
    assert [(one.applicant, one.phase) for one in result.served] == [("ani", 2), ("budi", 2)]

    doc["applicants"][2]["waiting_since"] = "2022-01-01"
    result = allocate(**doc, parties=party("split", "ani", "budi"))
    assert [(one.applicant, one.phase) for one in result.served] == [("cici", 2), ("ani", 2)]


def test_a_party_that_passes_a_cap_of_the_round_is_told_which_and_that_it_will_never_fit() -> None:
    doc: Doc = {
        "pools": [{"id": "p1", "capacity": 9}],
        "caps": [{"group": "rw", "seats_each": 1}],
        "applicants": [vendor("ani", "p1", day=1, rw="001"), vendor("budi", "p1", day=2, rw="001")],
    }
    result = allocate(**doc, parties=party("none", "ani", "budi"))
    assert result.served == ()
    for one in result.waiting:
        assert one.because == PartyDoesNotFit(2, ("p1",), RoundCap("rw", "001", 1))
        assert one.forecast_round is None
    assert [one.id for one in never_together(read({"seed": "s", **doc, "parties": party("none", "ani", "budi")}))] == [
        "g"
    ]
    result = allocate(**doc, parties=party("split", "ani", "budi"))
    assert list(seats(result)) == ["ani"]


def test_the_forecast_of_a_party_is_that_of_its_last_member() -> None:
    result = allocate(
        pools=[{"id": "p1", "capacity": 2}],
        applicants=[
            *[vendor(f"v{day}", "p1", day=day) for day in range(1, 6)],
            vendor("ani", "p1", day=2),
            vendor("budi", "p1", day=9),
        ],
        parties=party("none", "ani", "budi"),
    )
    told = {one.applicant: (one.place, one.forecast_round) for one in result.waiting}
    assert told["ani"][0] < told["budi"][0]
    assert told["ani"][1] == told["budi"][1] == 3


# -- refused


@pytest.mark.parametrize(
    ("parties", "finding"),
    [
        (party("none", "v1"), "parties[0].members: a party has 2 to 10 members, this one has 1"),
        (party("none", *[f"v{n}" for n in range(11)]), "parties[0].members: a party has 2 to 10 members, this one"),
        (party("none", "v1", "v99"), 'parties[0].members[1]: is "v99", but there is no such applicant'),
        (party("none", "v1", "v2", "v1"), 'parties[0].members[2]: is "v1" a second time'),
        (party("none", "v1", "odd"), 'parties[0].members[1]: is "odd", whose choices are not those of "v1"'),
        (party("maybe", "v1", "v2"), "parties[0].apart: must be 'none' or 'split', is \"maybe\""),
        (party("none", "v1", "v2") + party("split", "v3", "v4"), 'parties[1].id: is "g", as parties[0] is'),
        (
            [*party("none", "v1", "v2"), {"id": "h", "members": ["v3", "v2"], "apart": "none"}],
            'parties[1].members[1]: is "v2", a member of parties[0] already',
        ),
        ([{"id": "g", "members": ["v1", "v2"], "apart": "none", "size": 2}], "parties[0].size: is not a field here"),
    ],
)  # fmt: skip
def test_a_party_that_cannot_be_one_is_refused_by_path(parties: list[Doc], finding: str) -> None:
    people = [vendor(f"v{n}", "p1 p2", day=1) for n in range(12)] + [vendor("odd", "p1", "p2", day=1)]
    pools = [{"id": "p1", "capacity": 1}, {"id": "p2", "capacity": 1}]
    with pytest.raises(Malformed) as refused:
        read({"seed": "s", "pools": pools, "applicants": people, "parties": parties})
    assert len(refused.value.findings) == 1
    assert refused.value.findings[0].startswith(finding)


def test_the_order_of_pools_within_a_tier_does_not_make_choices_differ() -> None:
    pools = [{"id": "p1", "capacity": 1}, {"id": "p2", "capacity": 2}]
    people = [vendor("a", "p1 p2", day=1), vendor("b", "p2 p1", day=1)]
    assert seats(allocate(pools=pools, applicants=people, parties=party("none", "a", "b"))) == {"a": "p2", "b": "p2"}


# -- properties


def _round(seed: int, *, plain: bool = False) -> Doc:
    """A small round with at least one party; `plain`: without reserves, problem-wide caps and turns of groups."""
    chance = random.Random(seed)
    while True:
        doc = with_parties(chance, small_problem(chance))
        if plain:
            for pool in doc["pools"]:
                pool.pop("reserves", None)
            doc.pop("caps", None)
            rotation = doc.get("rotation", [{"by": "vendor", "measure": "waiting_since"}])
            doc["rotation"] = [one for one in rotation if one["by"] == "vendor" or one["measure"] != "turns"]
        if doc["parties"]:
            return doc


def _without(doc: Doc, members: list[str]) -> Doc:
    """The same round to which these did not apply."""
    return {
        **doc,
        "applicants": [one for one in doc["applicants"] if one["id"] not in members],
        "parties": [one for one in doc["parties"] if not set(one["members"]) & set(members)],
    }


@MANY
@given(seeds)
def test_parties_that_are_not_to_be_split_are_served_all_in_one_pool_or_not_at_all(seed: int) -> None:
    doc = _round(seed)
    result = solve(read(doc))
    seat, because = seats(result), {one.applicant: one.because for one in result.waiting}
    for one in doc["parties"]:
        if one["apart"] == "none":
            assert len({seat.get(name) for name in one["members"]}) == 1
            if one["members"][0] not in seat:
                assert {because[name].code for name in one["members"]} == {"party-does-not-fit"}


@MANY
@given(seeds)
def test_whoever_is_kept_before_a_party_is_kept_just_so_without_it(seed: int) -> None:
    """Company moves nobody forward: up to its first member the walk is the one of a round it never applied to."""
    doc = _round(seed)
    result = solve(read(doc))
    for one in doc["parties"]:
        alone = solve(read(_without(doc, one["members"])))
        at = next((at for at, served in enumerate(result.served) if served.applicant in one["members"]), None)
        kept = [(served.applicant, served.phase) for served in result.served[:at]]
        assert [(served.applicant, served.phase) for served in alone.served[: len(kept)]] == kept
        if at is None:
            assert alone.served == result.served, "a party that is not served changes nothing for anybody"


def served_of(doc: Doc, members: list[str]) -> set[str]:
    return {one.applicant for one in solve(read(doc)).served} & set(members)


@MANY
@given(seeds)
def test_nobody_is_served_for_its_company_who_would_not_be_served_alone(seed: int) -> None:
    """Without reserves, problem-wide caps and turns of groups. Why: let K be those kept before the party's last,
    without its members. The party is kept only if K and all of it can sit together, so no member is a consequence of
    K and the other members; walked one by one, each stands behind a part of K and of the others, and is kept."""
    doc = _round(seed, plain=True)
    one = doc["parties"][0]
    assert served_of(doc, one["members"]) <= served_of({**doc, "parties": doc["parties"][1:]}, one["members"])


def test_with_reserves_who_splits_may_leave_its_seat_to_a_companion_but_not_win_one() -> None:
    """What the rule does not promise: Ani, for whom the seat is reserved, comes with Budi, for whom it is not. Neither
    is in phase 1, so the seat goes by waiting, to Budi. It is Ani's to give up: she had it alone."""
    doc: Doc = {
        "seed": "s",
        "pools": [{"id": "p1", "capacity": 1, "reserves": [{"group": "agency", "value": "kpkp", "seats": 1}]}],
        "applicants": [vendor("ani", "p1", day=9, agency="kpkp"), vendor("budi", "p1", day=1)],
    }
    assert served_of(doc, ["ani", "budi"]) == {"ani"}
    assert served_of({**doc, "parties": party("split", "ani", "budi")}, ["ani", "budi"]) == {"budi"}


def test_with_turns_of_groups_waiting_for_company_may_let_another_of_the_group_go_first() -> None:
    """What the rule does not promise: Ani waits for Dedi, so Cici of another RW is not the second but the first of the
    agency both belong to; she takes p2, and Dedi is served where he would not have been."""
    doc: Doc = {
        "seed": "s",
        "pools": [{"id": "p1", "capacity": 1}, {"id": "p2", "capacity": 1}],
        "rotation": [{"by": "agency", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
        "applicants": [
            vendor("ani", "p1", day=1, agency="kpkp"),
            vendor("cici", "p2", day=2, agency="kpkp"),
            vendor("budi", "p2", day=8, agency="ppapp"),
            vendor("dedi", "p1", day=9, agency="ppapp"),
        ],
    }
    alone = served_of(doc, ["ani", "dedi"])
    together = served_of({**doc, "parties": party("split", "ani", "dedi")}, ["ani", "dedi"])
    assert (alone, together) == ({"ani"}, {"dedi"})


# -- a verifier that is lied to


@settings(max_examples=500, deadline=None, derandomize=True)
@given(seeds, seeds)
def test_the_verifier_accepts_no_other_result_of_a_round_with_parties(seed: int, other: int) -> None:
    """The result of the same round with other parties, another seed or a larger pool is found out, whatever else about
    it is plausible."""
    chance = random.Random(seed)
    doc = _round(seed)
    problem = read(doc)
    changed = json.loads(json.dumps(doc))
    lie = chance.choice(["parties", "apart", "seed", "pools", "one party less"])
    if lie == "parties":
        changed["parties"] = []
    elif lie == "one party less":
        changed["parties"].pop()
    elif lie == "apart":
        for one in changed["parties"]:
            one["apart"] = "split" if one["apart"] == "none" else "none"
    elif lie == "seed":
        changed["seed"] = str(other)
    else:
        for pool in changed["pools"]:
            pool["capacity"] += chance.choice([0, 1])
    claimed = replace(solve(read(changed)), problem_sha256=problem.sha256)

    assert (verify(problem, claimed) == []) == (claimed == solve(problem))


@MANY
@given(seeds)
def test_a_seat_moved_taken_or_swapped_is_found_out(seed: int) -> None:
    """One planted change in the seats of a true result: another pool, another person, another phase."""
    chance = random.Random(seed)
    doc = _round(seed)
    problem = read(doc)
    result = solve(problem)
    if not result.served:
        return
    at = chance.randrange(len(result.served))
    one = result.served[at]
    tiers = {pool: n for n, tier in enumerate(_choices(doc, one.applicant)) for pool in tier}
    moved = [replace(one, pool=pool, tier=tiers[pool]) for pool in tiers if pool != one.pool]
    changes: list[Served] = [*moved, replace(one, phase=2 if one.phase == 1 else 1)]
    for waiting in result.waiting:
        mine = {pool: n for n, tier in enumerate(_choices(doc, waiting.applicant)) for pool in tier}
        if one.pool in mine:
            changes.append(replace(one, applicant=waiting.applicant, tier=mine[one.pool]))
    for change in changes:
        served = (*result.served[:at], change, *result.served[at + 1 :])
        waits = tuple(
            replace(each, applicant=one.applicant) if each.applicant == change.applicant else each
            for each in result.waiting
        )
        assert verify(problem, replace(result, served=served, waiting=waits)) != []


def _choices(doc: Doc, name: str) -> list[list[str]]:
    found: list[list[str]] = next(one["choices"] for one in doc["applicants"] if one["id"] == name)
    return found


def test_a_party_in_a_pool_it_likes_less_or_not_together_is_named() -> None:
    problem = read(
        {
            "seed": "s",
            "pools": [{"id": "p1", "capacity": 2}, {"id": "p2", "capacity": 2}],
            "applicants": [vendor(name, "p1", "p2", day=1) for name in ("ani", "budi")],
            "parties": party("none", "ani", "budi"),
        }
    )
    result = solve(problem)
    elsewhere = replace(result, served=tuple(replace(one, pool="p2", tier=1) for one in result.served))
    apart = replace(result, served=(result.served[0], replace(result.served[1], pool="p2", tier=1)))

    assert (
        verify(problem, elsewhere)[0] == "party g: could have been kept together in pool p1 in phase 2, but sits in p2"
    )
    assert verify(problem, apart)[:2] == [
        f"party g: {result.served[0].applicant}, {result.served[1].applicant} served in phase 2, but not all of the"
        " party in one pool",
        "party g: could have been kept together in pool p1 in phase 2, but was not",
    ]


def test_large_rounds_with_parties_are_verified_and_the_order_of_the_input_decides_nothing() -> None:
    for seed in range(12):
        chance = random.Random(seed)
        doc = small_problem(chance, 150, 12, 9)
        left = [one["id"] for one in doc["applicants"]]
        by_id = {one["id"]: one for one in doc["applicants"]}
        parties: list[Doc] = []
        while len(left) > 60:
            members = [left.pop() for _ in range(chance.randint(2, 6))]
            for name in members:
                by_id[name]["choices"] = by_id[members[0]]["choices"]
            parties.append({"id": f"g{len(parties)}", "members": members, "apart": chance.choice(["none", "split"])})
        doc["parties"] = parties
        problem = read(doc)
        result = solve(problem)
        assert verify(problem, result) == []

        shuffled = json.loads(json.dumps(doc))
        for listed in ("applicants", "pools", "parties"):
            chance.shuffle(shuffled[listed])
        for one in shuffled["parties"]:
            chance.shuffle(one["members"])
        other = solve(read(shuffled))
        assert result_to_json(replace(other, problem_sha256=problem.sha256)) == result_to_json(result)

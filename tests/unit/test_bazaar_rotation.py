"""Next in rotation: who is offered a booth that was given back."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import Bazaar, Site
from services.bazaar.domain.policy import GroupCap, Level, Policy, SeatLimit
from services.bazaar.domain.rotation import Promotion, RoundSoFar, SeatedCount, front_decides, promote
from tests.unit.bazaar import a_bazaar, a_site, an_application


def waiting(number: int, *choices: list[str], **groups: str) -> Application:
    """One who waits, at the place of its number."""
    return an_application(number, choices or [["one"]], state="queued", place=number, groups=groups)


def reserve(value: str, seats: int) -> SeatLimit:
    return SeatLimit(group="agency", value=value, seats=seats)


def who(promotions: list[Promotion]) -> list[tuple[int, str, str]]:
    """(number of the applicant, site, booth) of each promotion."""
    return [(one.application_id.int - 1000, one.site_id, one.booth) for one in promotions]


def test_the_first_in_the_queue_who_named_the_site_is_offered_its_booth() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    queue = [waiting(1, ["two"]), waiting(2, ["two"], ["one"]), waiting(3, ["one"])]
    assert who(promote(bazaar, {"one": ["A02"]}, [], queue)) == [(2, "one", "A02")]


def test_nobody_is_offered_a_booth_at_a_site_it_did_not_name() -> None:
    assert promote(a_bazaar(a_site("one"), a_site("two")), {"one": ["A02"]}, [], [waiting(1, ["two"])]) == []


def test_with_several_free_booths_each_gets_its_best() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    queue = [waiting(1, ["two"], ["one"]), waiting(2, ["two"], ["one"]), waiting(3, ["one"])]
    free = {"one": ["A01"], "two": ["A05"]}
    assert who(promote(bazaar, free, [], queue)) == [(1, "two", "A05"), (2, "one", "A01")]


def test_a_reserved_seat_goes_to_the_waiting_members_first() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, agency="ppkukm")]
    one_member_left = [SeatedCount("one", "agency", "ppkukm", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, one_member_left, queue)) == [(2, "one", "A01")]


def test_a_seat_beyond_the_reserve_goes_to_whoever_is_next() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, agency="ppkukm")]
    two_members_left = [SeatedCount("one", "agency", "ppkukm", 2)]
    assert who(promote(bazaar, {"one": ["A01"]}, two_members_left, queue)) == [(1, "one", "A01")]


def test_a_reserved_seat_that_no_member_wants_does_not_stay_empty() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 2),)))
    assert who(promote(bazaar, {"one": ["A01"]}, [], [waiting(1, agency="kpkp")])) == [(1, "one", "A01")]


def test_a_member_of_a_reserve_is_offered_one_booth() -> None:
    bazaar = a_bazaar(a_site("one", 3, reserves=(reserve("ppkukm", 1),)))
    queue = [waiting(1, agency="ppkukm")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, [], queue)) == [(1, "one", "A01")]


def test_members_of_another_sites_reserve_have_no_precedence() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two", 2, reserves=(reserve("ppkukm", 2),)))
    queue = [waiting(1, agency="kpkp"), waiting(2, ["one"], ["two"], agency="ppkukm")]
    assert who(promote(bazaar, {"one": ["A01"]}, [], queue)) == [(1, "one", "A01")]


def test_a_cap_of_the_site_passes_over_whom_it_stops() -> None:
    cap = SeatLimit(group="category", value="food-drink", seats=1)
    bazaar = a_bazaar(a_site("one", 3, caps=(cap,)))
    queue = [waiting(1, category="food-drink"), waiting(2, category="health")]
    met = [SeatedCount("one", "category", "food-drink", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, met, queue)) == [(2, "one", "A01")]
    assert who(promote(bazaar, {"one": ["A01"]}, [], queue)) == [(1, "one", "A01")]


def test_a_cap_counts_those_promoted_together() -> None:
    cap = SeatLimit(group="category", value="food-drink", seats=1)
    bazaar = a_bazaar(a_site("one", 3, caps=(cap,)))
    queue = [waiting(1, category="food-drink"), waiting(2, category="food-drink"), waiting(3, category="health")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, [], queue)) == [(1, "one", "A01"), (3, "one", "A02")]


def test_a_cap_of_the_whole_bazaar_counts_every_site() -> None:
    policy = Policy(caps=[GroupCap(group="rw", seats_each=1)])
    bazaar = a_bazaar(a_site("one"), a_site("two"), policy=policy)
    queue = [waiting(1, rw="k.001"), waiting(2, rw="k.002"), waiting(3)]
    had_its_seat = [SeatedCount("two", "rw", "k.001", 1)]
    assert who(promote(bazaar, {"one": ["A01"]}, had_its_seat, queue)) == [(2, "one", "A01")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, had_its_seat, queue)) == [(2, "one", "A01"), (3, "one", "A02")]


# ---- groups in turn

SITES = ("one", "two", "three")
SEED = "3-8-19"
RW_FIRST = (Level(by="rw", measure="turns"), Level(by="vendor", measure="waiting_since"))
VENDOR_FIRST = (Level(by="vendor", measure="waiting_since"), Level(by="rw", measure="turns"))


class One(NamedTuple):
    """An applicant of a round in which RWs take turns: its number, its RW, and since which day of 2023 it waits."""

    number: int
    rw: str
    day: int


def so_far(
    rotation: Sequence[Level], everyone: Sequence[One], turns: Mapping[str, int], turned: Sequence[One] = ()
) -> RoundSoFar:
    """The round of these applicants. `turns`: those of each RW at the freeze."""
    problem = {
        "seed": SEED,
        "pools": [{"id": site, "capacity": 1} for site in SITES],
        "rotation": [level.model_dump() for level in rotation],
        "groups": {"rw": {rw: {"turns": had} for rw, had in turns.items()}},
        "applicants": [
            {
                "id": str(UUID(int=1000 + one.number)),
                "groups": {"rw": one.rw},
                "waiting_since": since(one).isoformat(),
                "choices": [["one"]],
            }
            for one in everyone
        ],
    }
    return RoundSoFar(canonical_json(problem), [str(UUID(int=1000 + one.number)) for one in turned])


def since(one: One) -> date:
    return date(2023, 1, 1) + timedelta(one.day - 1)


def in_turn(
    rotation: Sequence[Level],
    queue: Sequence[One],
    booths: int,
    *,
    turns: Mapping[str, int] | None = None,
    turned: Sequence[One] = (),
) -> list[int]:
    """Numbers of those promoted, in order. `queue`: as its places were stored."""
    bazaar = a_bazaar(a_site("one", 9), policy=Policy(rotation=list(rotation)))
    waiting = [
        an_application(one.number, [["one"]], state="queued", place=place, groups={"rw": one.rw})
        for place, one in enumerate(queue, start=1)
    ]
    free = {"one": [f"A{number:02d}" for number in range(1, booths + 1)]}
    found = promote(bazaar, free, [], waiting, so_far(rotation, [*queue, *turned], turns or {}, turned))
    assert [one.booth for one in found] == free["one"][: len(found)]
    return [number for number, _, _ in who(found)]


def test_no_rw_is_promoted_twice_before_another_that_had_as_many_turns() -> None:
    queue = [One(1, "001", 1), One(2, "001", 2), One(3, "002", 3)]
    assert in_turn(RW_FIRST, queue, 2) == [1, 3]
    assert in_turn(RW_FIRST, queue, 3) == [1, 3, 2]


def test_offers_of_this_round_that_count_as_turns_count_for_the_next_in_rotation() -> None:
    queue, seated = [One(1, "001", 1), One(2, "002", 2)], One(3, "001", 1)
    assert in_turn(RW_FIRST, queue, 1) == [1]
    assert in_turn(RW_FIRST, queue, 1, turned=[seated]) == [2]
    assert in_turn(RW_FIRST, queue, 1, turned=[seated], turns={"002": 1}) == [1]


def test_among_rws_that_became_equal_the_next_level_decides_and_not_the_stored_place() -> None:
    queue = [One(1, "001", 8), One(2, "001", 9), One(3, "002", 1)]  # by place: RW 002 has had a turn more
    assert in_turn(RW_FIRST, queue, 2, turns={"002": 1}) == [1, 3]


def test_where_waiting_comes_first_turns_of_the_rw_decide_only_among_those_who_wait_as_long() -> None:
    queue = [One(1, "001", 1), One(2, "001", 2), One(3, "002", 2), One(4, "002", 3)]
    assert in_turn(VENDOR_FIRST, queue, 4) == [1, 3, 2, 4]
    assert in_turn(VENDOR_FIRST, [queue[0], queue[1], queue[3]], 2) == [1, 2]


def test_one_who_has_no_booth_left_to_go_to_costs_its_rw_nothing() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"), policy=Policy(rotation=list(RW_FIRST)))
    everyone = [One(1, "001", 1), One(2, "001", 2), One(3, "002", 3)]
    queue = [waiting(1, ["two"], rw="001"), waiting(2, ["one"], rw="001"), waiting(3, ["one"], rw="002")]
    promoted = promote(bazaar, {"one": ["A01"]}, [], queue, so_far(RW_FIRST, everyone, {}))
    assert who(promoted) == [(2, "one", "A01")]


def test_seats_of_reserves_count_for_those_beyond_them() -> None:
    site = a_site("one", 3, reserves=(reserve("ppkukm", 1),))
    bazaar = a_bazaar(site, policy=Policy(rotation=list(RW_FIRST)))
    everyone = [One(1, "001", 1), One(2, "001", 2), One(3, "002", 3)]
    queue = [
        waiting(1, rw="001", agency="kpkp"),
        waiting(2, rw="001", agency="ppkukm"),
        waiting(3, rw="002", agency="kpkp"),
    ]
    promoted = promote(bazaar, {"one": ["A01", "A02"]}, [], queue, so_far(RW_FIRST, everyone, {}))
    assert who(promoted) == [(2, "one", "A01"), (3, "one", "A02")]


def test_where_groups_take_turns_the_stored_places_alone_are_refused() -> None:
    bazaar = a_bazaar(policy=Policy(rotation=list(RW_FIRST)))
    with pytest.raises(AssertionError, match="stored places"):
        promote(bazaar, {"one": ["A01"]}, [], [waiting(1, rw="001")])


def test_a_group_ranked_by_waiting_alone_does_not_move() -> None:
    bazaar = a_bazaar(policy=Policy(rotation=[Level(by="rw", measure="waiting_since")]))
    queue = [waiting(1, rw="001"), waiting(2, rw="001"), waiting(3, rw="002")]
    assert who(promote(bazaar, {"one": ["A01", "A02"]}, [], queue)) == [(1, "one", "A01"), (2, "one", "A02")]


@given(
    st.sampled_from([RW_FIRST, VENDOR_FIRST, RW_FIRST[:1]]),
    st.lists(st.builds(One, st.just(0), st.sampled_from(["001", "002", "003"]), st.integers(1, 3)), max_size=10),
    st.dictionaries(st.sampled_from(["001", "002", "003"]), st.integers(0, 3)),
    st.integers(0, 4),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_whoever_is_promoted_is_the_least_by_the_rule_at_that_moment(
    rotation: Sequence[Level],
    drawn: list[One],
    at_freeze: dict[str, int],
    seated: int,
    booths: int,
    chance: random.Random,
) -> None:
    """The rule, read word by word; whatever the order in which the places were stored."""
    everyone = [one._replace(number=number) for number, one in enumerate(drawn, start=1)]
    turned, queue = everyone[:seated], everyone[seated:]
    chance.shuffle(queue)
    turns = Counter(at_freeze) + Counter(one.rw for one in turned)

    def key(one: One) -> tuple[object, ...]:
        levels = [turns[one.rw] if level.by == "rw" else since(one) for level in rotation]
        return (*levels, sha256(f"{SEED}:{UUID(int=1000 + one.number)}".encode()).hexdigest())

    promoted = in_turn(rotation, queue, booths, turns=at_freeze, turned=turned)

    expected: list[int] = []
    while queue and len(expected) < booths:
        one = min(queue, key=key)
        queue.remove(one)
        turns[one.rw] += 1
        expected.append(one.number)
    assert promoted == expected


# ---- any bazaar, any queue

VALUES = ("ppkukm", "kpkp", "sosial")


@st.composite
def situations(draw: st.DrawFn) -> tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]]:
    """A bazaar after some were seated, with booths given back and a queue."""
    sites: list[Site] = []
    free: dict[str, list[str]] = {}
    seated: list[SeatedCount] = []
    for site_id in SITES:
        booths = draw(st.integers(1, 4))
        taken = draw(st.lists(st.sampled_from(VALUES), max_size=booths))
        value = draw(st.sampled_from(VALUES))
        limits = (SeatLimit(group="agency", value=value, seats=draw(st.integers(0, booths))),)
        kind = draw(st.sampled_from(["reserves", "caps", "none"]))
        sites.append(a_site(site_id, booths, **({} if kind == "none" else {kind: limits})))
        seated += [SeatedCount(site_id, "agency", one, count) for one, count in Counter(taken).items()]
        free[site_id] = [f"A{number:02d}" for number in range(len(taken) + 1, booths + 1)]
    caps = [GroupCap(group="agency", seats_each=draw(st.integers(0, 6)))] if draw(st.booleans()) else []
    queue = [
        waiting(
            number,
            *[[site_id] for site_id in draw(st.permutations(SITES))[: draw(st.integers(1, 3))]],
            agency=draw(st.sampled_from(VALUES)),
        )
        for number in range(1, draw(st.integers(0, 8)) + 1)
    ]
    return a_bazaar(*sites, policy=Policy(caps=caps)), free, seated, queue


@given(situations())
def test_limits_hold_and_no_booth_stays_free_for_one_who_may_have_it(
    situation: tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]],
) -> None:
    bazaar, free, seated, queue = situation

    promotions = promote(bazaar, free, seated, queue)

    by_id = {application.application_id: application for application in queue}
    booths = [(one.site_id, one.booth) for one in promotions]
    assert len(set(booths)) == len(booths)
    assert all(booth in free[site_id] for site_id, booth in booths)
    assert len({one.application_id for one in promotions}) == len(promotions)
    assert all(one.site_id in by_id[one.application_id].site_ids for one in promotions)
    before = Counter({(one.site_id, one.value): one.seats for one in seated})
    after = before + Counter((one.site_id, by_id[one.application_id].groups["agency"]) for one in promotions)
    promoted = {one.application_id for one in promotions}

    def allowed(site: Site, value: str, counts: Counter[tuple[str, str]]) -> bool:
        in_round = sum(counts[site_id, value] for site_id in SITES)
        return all(in_round < cap.seats_each for cap in bazaar.policy.caps) and all(
            cap.value != value or counts[site.site_id, value] < cap.seats for cap in site.caps
        )

    for value in {by_id[application_id].groups["agency"] for application_id in promoted}:
        in_round = sum(after[site_id, value] for site_id in SITES)
        assert all(in_round <= cap.seats_each for cap in bazaar.policy.caps)
    for site in bazaar.sites:
        gained = {value for value in VALUES if after[site.site_id, value] > before[site.site_id, value]}
        assert all(cap.value not in gained or after[site.site_id, cap.value] <= cap.seats for cap in site.caps)
        left = len(free[site.site_id]) - sum(one.site_id == site.site_id for one in promotions)
        for application in queue:
            if left and application.application_id not in promoted and site.site_id in application.site_ids:
                assert not allowed(site, application.groups["agency"], after)


@given(situations())
def test_a_single_booth_goes_to_the_first_it_may_go_to(
    situation: tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]],
) -> None:
    bazaar, free, seated, queue = situation
    site = bazaar.sites[0]
    if not free[site.site_id]:
        return
    alone = {site.site_id: free[site.site_id][:1]}
    possible = [one for one in queue if promote(bazaar, alone, seated, [one])]
    counts = Counter({one.value: one.seats for one in seated if one.site_id == site.site_id})
    short = {one.value for one in site.reserves if counts[one.value] < one.seats}
    ranked = sorted(possible, key=lambda one: (one.groups["agency"] not in short, one.place))

    promotions = promote(bazaar, alone, seated, queue)

    expected: list[UUID] = [one.application_id for one in ranked[:1]]
    assert [one.application_id for one in promotions] == expected


@given(situations(), st.integers(1, 8))
def test_where_the_front_of_the_queue_decides_who_stands_behind_it_does_not_matter(
    situation: tuple[Bazaar, dict[str, list[str]], list[SeatedCount], list[Application]], front: int
) -> None:
    bazaar, free, seated, queue = situation
    promotions = promote(bazaar, free, seated, queue[:front])
    if front_decides(bazaar, free) and len(promotions) == sum(map(len, free.values())):
        assert promotions == promote(bazaar, free, seated, queue)


def test_the_front_of_the_queue_does_not_decide_where_reserves_are_filled_first_or_groups_take_turns() -> None:
    bazaar = a_bazaar(a_site("one", reserves=(reserve("ppkukm", 1),)), a_site("two"))
    assert front_decides(bazaar, ["two"])
    assert not front_decides(bazaar, ["two", "one"])
    in_turn = Policy(rotation=[Level(by="rw", measure="turns")])
    assert not front_decides(a_bazaar(a_site("one"), policy=in_turn), ["one"])

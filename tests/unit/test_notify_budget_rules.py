"""Who may leave when a provider cannot take all: rules of budgets, against a plain model."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.budgets import Known, Level, ProviderBudget, Want, grant, refill, share
from services.notify.plans import Lane

OPEN = ProviderBudget("wa", "wa")
LANES = st.sampled_from(list(Lane))


def want(number: int, lane: int = Lane.BROADCAST, *, who: int | None = None, opens: bool = True) -> Want:
    """A message to the person `who`."""
    return Want(UUID(int=number), lane, bytes([who if who is not None else number]), opens)


def numbers(ids: frozenset[UUID]) -> set[int]:
    """Which of the messages."""
    return {one.int for one in ids}


@pytest.mark.parametrize(
    ("lane", "most"), [(Lane.OFFER, 250), (Lane.PERSONAL, 225), (Lane.ROUTINE, 200), (Lane.BROADCAST, 200)]
)
def test_half_of_the_reserve_is_for_offers_alone_and_half_for_personal_matters_too(lane: Lane, most: int) -> None:
    assert share(250, 20, lane) == most


@given(st.integers(0, 10**9), st.integers(0, 100))
def test_the_reserve_is_rounded_in_favour_of_the_urgent(limit: int, percent: int) -> None:
    offers, personal, others = (share(limit, percent, lane) for lane in (Lane.OFFER, Lane.PERSONAL, Lane.BROADCAST))
    assert limit == offers >= personal >= others >= 0
    assert (limit - others) * 100 >= limit * percent


def test_the_most_urgent_go_first_whatever_the_order_they_come_in() -> None:
    budget = replace(OPEN, per_second=2.0)
    taken = grant(budget, Level(tokens=2.0), Known(), [want(1), want(2, Lane.ROUTINE), want(3, Lane.OFFER)]).taken
    assert numbers(taken.granted) == {3, 2}
    assert taken.waits == {UUID(int=1): pytest.approx(0.5)}


def test_an_offer_finds_a_token_where_the_rest_finds_none() -> None:
    budget = replace(OPEN, per_second=80.0, reserve_percent=20)
    level = Level(tokens=16.9)
    assert grant(budget, level, Known(), [want(1)]).taken.granted == frozenset()
    assert grant(budget, level, Known(), [want(1, Lane.OFFER)]).taken.granted == {UUID(int=1)}
    assert grant(budget, Level(tokens=17.0), Known(), [want(1)]).taken.granted == {UUID(int=1)}


def test_the_bucket_of_a_slow_number_is_open_to_all() -> None:
    budget = replace(OPEN, per_second=0.1, reserve_percent=100)
    assert grant(budget, Level(tokens=1.0), Known(), [want(1)]).taken.granted == {UUID(int=1)}


def test_one_person_gets_one_message_at_a_time() -> None:
    budget = replace(OPEN, pair_seconds=6.0)
    known = Known(free_seconds={bytes([7]): 25.0, bytes([8]): 2.0, bytes([9]): -1.0})
    wants = [want(1, who=7), want(2, who=8), want(3, who=9), want(4, Lane.OFFER, who=9)]
    taken = grant(budget, Level(), known, wants).taken
    assert numbers(taken.granted) == {4}
    assert {one.int: seconds for one, seconds in taken.waits.items()} == {1: 6.0, 2: 2.0, 3: 6.0}
    assert not taken.used_up


def test_a_person_who_counts_already_is_free_and_so_is_an_answer() -> None:
    budget = replace(OPEN, tier=2)
    level = Level(recipients=2, frees_seconds=90.0)
    wants = [want(1, who=1), want(2, who=2), want(3, who=3, opens=False)]
    granting = grant(budget, level, Known(counted=frozenset({bytes([1])})), wants)
    assert numbers(granting.taken.granted) == {1, 3}
    assert granting.taken.used_up == {UUID(int=2)}
    assert granting.taken.waits == {UUID(int=2): 90.0}
    assert granting.taken.closed == {Lane.BROADCAST: 90.0}
    assert granting.newly_counted == frozenset()


def test_personal_matters_are_not_closed_by_a_full_tier_for_some_of_them_cost_nothing() -> None:
    taken = grant(replace(OPEN, tier=1), Level(recipients=1), Known(), [want(1, Lane.PERSONAL)]).taken
    assert not taken.closed
    assert taken.used_up == frozenset({UUID(int=1)})


@pytest.mark.parametrize(("spent", "lane", "goes"), [(700, 3, True), (701, 3, False), (701, 1, True), (900, 0, True)])
def test_money_is_kept_back_for_the_urgent(spent: int, lane: int, goes: bool) -> None:
    budget = replace(OPEN, daily_millirupiah=1_000, price_millirupiah=100, reserve_percent=20)
    taken = grant(budget, Level(spent_millirupiah=spent, day_ends_seconds=50.0), Known(), [want(1, lane)]).taken
    assert bool(taken.granted) is goes
    assert taken.closed == ({} if goes else {lane: 50.0})


def test_nobody_waits_for_hours_without_asking_again() -> None:
    budget = replace(OPEN, tier=1)
    taken = grant(budget, Level(recipients=1, frees_seconds=80_000.0), Known(), [want(1)]).taken
    assert taken.waits == {UUID(int=1): 300.0}


@given(st.floats(0, 200), st.floats(-1e6, 1e6), st.floats(0.01, 1e4))
def test_a_bucket_never_holds_more_than_a_second_and_a_clock_that_went_back_adds_nothing(
    tokens: float, elapsed: float, per_second: float
) -> None:
    budget = replace(OPEN, per_second=per_second)
    filled = refill(budget, tokens, elapsed)
    assert filled <= max(1.0, per_second)
    if elapsed <= 0:
        assert filled <= tokens


@given(
    budget=st.builds(
        ProviderBudget,
        st.just("wa"),
        st.just("wa"),
        per_second=st.none() | st.floats(0.5, 20),
        pair_seconds=st.sampled_from([0.0, 6.0]),
        tier=st.none() | st.integers(1, 12),
        daily_millirupiah=st.none() | st.integers(0, 900),
        price_millirupiah=st.integers(0, 200),
        reserve_percent=st.integers(0, 100),
    ),
    used=st.builds(Level, st.floats(0, 20), st.integers(0, 12), st.integers(0, 900)),
    counted=st.frozensets(st.integers(0, 9)),
    wanted=st.lists(st.tuples(LANES, st.integers(0, 9), st.booleans()), max_size=30),
)
def test_no_limit_is_ever_passed_and_nobody_is_passed_over_who_could_go(
    budget: ProviderBudget, used: Level, counted: frozenset[int], wanted: list[tuple[Lane, int, bool]]
) -> None:
    level = replace(used, tokens=min(used.tokens, budget.burst))
    wants = [want(number, lane, who=who, opens=opens) for number, (lane, who, opens) in enumerate(wanted)]
    known = Known(counted=frozenset(bytes([one]) for one in counted))
    granting = grant(budget, level, known, wants)
    granted = granting.taken.granted
    assert granted | granting.taken.waits.keys() == {one.notification_id for one in wants}
    assert not granted & granting.taken.waits.keys()
    assert all(0 <= seconds <= 300 for seconds in granting.taken.waits.values())
    gone = [one for one in wants if one.notification_id in granted]
    if budget.per_second is not None:
        assert granting.tokens == pytest.approx(level.tokens - len(gone))
        assert granting.tokens >= -1e-9
    if budget.pair_seconds:
        assert len({one.address_key for one in gone}) == len(gone)
    new = {one.address_key for one in gone if one.opens_conversation} - known.counted
    for lane in Lane:
        upto = [one for one in gone if one.lane >= lane]
        if budget.tier is not None:
            assert granting.newly_counted == new
            # what this urgency and all less urgent bring the count to lies within its share
            counting = {one.address_key for one in upto} & new
            assert not counting or level.recipients + len(counting) <= share(budget.tier, budget.reserve_percent, lane)
        if budget.daily_millirupiah is not None and upto:
            cost = len(upto) * budget.price_millirupiah
            assert level.spent_millirupiah + cost <= share(budget.daily_millirupiah, budget.reserve_percent, lane)
    if not budget.limited:
        assert len(gone) == len(wants)
    if budget.tier is None and budget.daily_millirupiah is None and not budget.pair_seconds and granting.taken.waits:
        # only the bucket is in the way: nobody who waits is more urgent than one who left
        waiting = [one.lane for one in wants if one.notification_id in granting.taken.waits]
        assert min(waiting) >= max((one.lane for one in gone), default=Lane.OFFER)

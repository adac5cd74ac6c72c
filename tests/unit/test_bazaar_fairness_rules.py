"""The measures of fairness against what anyone can work out by hand, and against their own definitions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.fairness import (
    Spread,
    coverage,
    gini,
    jain_index,
    repeat_rate,
    spread,
    times_served,
    waits,
)

amounts = st.lists(st.integers(0, 50), min_size=1, max_size=40)


def test_jain_is_the_share_of_people_who_would_have_all_if_they_shared_equally() -> None:
    assert jain_index([3, 3, 3]) == 1
    assert jain_index([1, 0, 0, 0]) == 0.25
    assert jain_index([1, 1, 0, 0]) == 0.5
    assert jain_index([]) is None
    assert jain_index([0, 0]) is None


def test_gini_is_nothing_among_equals_and_almost_one_where_one_has_everything() -> None:
    assert gini([3, 3, 3]) == 0
    assert gini([0, 0, 0, 1]) == 0.75
    assert gini([1, 3]) == 0.25
    assert gini([]) is None
    assert gini([0, 0]) is None


@given(amounts)
def test_gini_is_half_the_mean_difference_of_two_people_over_the_mean(have: list[int]) -> None:
    found = gini(have)
    if not any(have):
        assert found is None
        return
    differences = sum(abs(one - other) for one in have for other in have)
    assert found == pytest.approx(float(Fraction(differences, 2 * len(have) * sum(have))))


@given(amounts, st.integers(1, 5))
def test_the_order_the_unit_and_a_copy_of_everyone_change_neither_index(have: list[int], factor: int) -> None:
    for index in (jain_index, gini):
        plain = index(have)
        for same in (have[::-1], [amount * factor for amount in have], have * factor):
            assert index(same) == (None if plain is None else pytest.approx(plain))


@given(amounts, st.data())
def test_giving_from_one_who_has_more_to_one_who_has_less_is_fairer_by_both(
    have: list[int], data: st.DataObject
) -> None:
    rich, poor = max(range(len(have)), key=have.__getitem__), min(range(len(have)), key=have.__getitem__)
    if have[rich] - have[poor] < 2:
        return
    gift = data.draw(st.integers(1, (have[rich] - have[poor]) // 2))
    given_away = list(have)
    given_away[rich] -= gift
    given_away[poor] += gift

    before, after = jain_index(have), jain_index(given_away)
    assert before is not None
    assert after is not None
    assert after > before
    before, after = gini(have), gini(given_away)
    assert before is not None
    assert after is not None
    assert after < before


def test_coverage_counts_who_has_had_at_least_one_turn() -> None:
    assert coverage([0, 1, 5, 0]) == 0.5
    assert coverage([]) is None


def test_times_served_never_once_twice_and_more() -> None:
    assert times_served([0, 0, 1, 2, 3, 9, 1, 1]) == [0.25, 0.375, 0.125, 0.25]
    assert times_served([]) == []


def test_the_repeat_rate_is_the_share_of_the_later_who_were_there_before() -> None:
    assert repeat_rate(["a", "b", "c"], ["b", "c", "d", "e"]) == 0.5
    assert repeat_rate([], ["a", "a"]) == 0
    assert repeat_rate(["a"], []) is None


def test_a_spread_names_waits_that_somebody_has() -> None:
    assert spread(range(1, 101)) == Spread(50, 90, 99, 100)
    assert spread([7]) == Spread(7, 7, 7, 7)
    assert spread([3, 1]) == Spread(1, 3, 3, 3)
    assert spread([]) == Spread(None, None, None, None)


def test_the_waits_of_one_who_keeps_applying_end_with_each_turn_and_the_last_is_open() -> None:
    assert waits([4, 9], began=1, now=11) == [3, 5, 2]
    assert waits([], began=1, now=6) == [5]
    assert waits([2, 1], began=0, now=3) == [1, 1, 1]


@pytest.mark.parametrize("measure", [jain_index, gini, coverage, spread])
def test_amounts_below_nothing_are_refused(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="0 or more"):
        measure([1, -1])

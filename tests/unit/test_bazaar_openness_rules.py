"""Open figures: no figure tells of one person, and forecasts are held against what happened."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.openness import PEOPLE_MIN, Forecast, LedgerRow, assess, conceal


def row(value: str, vendors: int) -> LedgerRow:
    return LedgerRow(value, vendors, vendors, 0, 0, 0, 0, 0, 0, 0, 0, 0, None)


def test_a_small_group_is_hidden_and_so_is_another_beside_it() -> None:
    rows = [row("a", 40), row("b", 3), row("c", 12), row("d", 0)]
    assert conceal(rows, {}) == {"b", "c"}


def test_two_small_groups_hide_each_other_when_they_are_enough_together() -> None:
    assert conceal([row("a", 40), row("b", 3), row("c", 2)], {}) == {"b", "c"}
    assert conceal([row("a", 40), row("b", 1), row("c", 2)], {}) == {"a", "b", "c"}


def test_under_a_hidden_area_everything_is_hidden() -> None:
    rows = [row("31.71", 50), row("31.72", 4), row("31.73", 60), row("31.72.01", 4), row("31.71.01", 50)]
    parents = {"31.72.01": "31.72", "31.71.01": "31.71"}
    assert conceal(rows, parents) == {"31.72", "31.71", "31.72.01", "31.71.01"}


def test_nothing_is_hidden_among_large_groups() -> None:
    assert conceal([row("a", PEOPLE_MIN), row("b", 9), row("c", 0)], {}) == set()


@given(
    st.dictionaries(
        st.sampled_from([f"31.7{city}" for city in range(4)]),
        st.dictionaries(st.integers(1, 6), st.integers(0, 12), min_size=1, max_size=6),
        min_size=1,
    )
)
def test_no_subtraction_brings_a_hidden_group_back(cities: dict[str, dict[int, int]]) -> None:
    rows = [row(city, sum(kecamatan.values())) for city, kecamatan in cities.items()]
    parents = {}
    for city, kecamatan in cities.items():
        for number, vendors in kecamatan.items():
            rows.append(row(f"{city}.0{number}", vendors))
            parents[f"{city}.0{number}"] = city
    hidden = conceal(rows, parents)
    siblings: dict[str, list[LedgerRow]] = defaultdict(list)
    for one in rows:
        assert one.value in hidden or one.vendors == 0 or one.vendors >= PEOPLE_MIN
        siblings[parents.get(one.value, "")].append(one)
    for parent, family in siblings.items():
        unseen = [one for one in family if one.value in hidden]
        if unseen and parent not in hidden and parent:
            assert len(unseen) > 1
            assert sum(one.vendors for one in unseen) >= PEOPLE_MIN


def test_forecasts_are_held_against_what_happened() -> None:
    each = [(2, 2, 5), (1, 3, 5), (3, 2, 5), (2, None, 3), (4, None, 1), (1, 0, 0)]
    found = assess(Forecast(*one) for one in each)
    assert (found.made, found.settled, found.overdue, found.open) == (6, 4, 1, 1)
    assert (found.exact, found.within_one) == (1, 3)
    assert found.mean_error == (0 + 2 - 1 - 1) / 4
    assert found.mean_absolute_error == (0 + 2 + 1 + 1) / 4


def test_without_a_forecast_settled_there_is_no_error() -> None:
    found = assess([Forecast(1, None, 1)])
    assert (found.mean_error, found.overdue, found.open) == (None, 0, 1)


@given(st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_forecasts_that_went_alike_may_be_counted_together(each: list[tuple[int, int | None, int]]) -> None:
    together = [Forecast(*one, times=each.count(one)) for one in sorted(set(each), key=str)]
    assert assess(together) == assess(Forecast(*one) for one in each)

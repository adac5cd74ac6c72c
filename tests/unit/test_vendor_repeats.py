"""Who stands in a sheet twice: the table of numbers is a dict, only smaller."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from services.vendor.repeats import FirstLines


@given(st.lists(st.integers(1, 9_999_999_999_999_999) | st.integers(1, 40), max_size=200))
def test_the_first_line_of_a_nik_is_what_a_dict_remembers(niks: list[int]) -> None:
    seen, known = FirstLines(), dict[int, int]()
    for line, nik in enumerate(niks, 2):
        assert seen.note(nik, line) == known.setdefault(nik, line)


def test_many_niks_are_remembered_through_every_growth_in_a_few_bytes_each() -> None:
    seen = FirstLines()
    niks = [3171024507900001 + number * 10**4 for number in range(50_000)]  # alike but for some digits, as of one area
    assert [seen.note(nik, line) for line, nik in enumerate(niks)] == list(range(50_000))
    assert [seen.note(nik, 0) for nik in niks] == list(range(50_000))
    assert sys.getsizeof(seen._niks) + sys.getsizeof(seen._lines) < 50_000 * 64

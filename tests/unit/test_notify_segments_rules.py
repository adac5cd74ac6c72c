"""How many parts a text message takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.segments import BASIC, EXTENDED, Segments, count

FACE = "\U0001f44d"  # thumbs up: two code units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("gsm-7", 0, 1)),
        ("a" * 160, Segments("gsm-7", 160, 1)),
        ("a" * 161, Segments("gsm-7", 161, 2)),
        ("a" * 306, Segments("gsm-7", 306, 2)),
        ("a" * 307, Segments("gsm-7", 307, 3)),
        ("€" * 80, Segments("gsm-7", 160, 1)),
        ("€" * 81, Segments("gsm-7", 162, 2)),
        # 153 is odd: of two septets the second would fall into the next part, so the pair goes there
        ("€" * 152, Segments("gsm-7", 304, 2)),
        ("€" * 153, Segments("gsm-7", 306, 3)),
        ("a" * 152 + "€" + "a" * 151, Segments("gsm-7", 305, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("gsm-7", 306, 3)),
        ("ñ" * 70, Segments("gsm-7", 70, 1)),
        ("ç" * 70, Segments("ucs-2", 70, 1)),
        ("ç" * 71, Segments("ucs-2", 71, 2)),
        ("ç" * 134, Segments("ucs-2", 134, 2)),
        ("ç" * 135, Segments("ucs-2", 135, 3)),
        (FACE * 35, Segments("ucs-2", 70, 1)),
        (FACE * 36, Segments("ucs-2", 72, 2)),
        (FACE * 66, Segments("ucs-2", 132, 2)),
        (FACE * 67, Segments("ucs-2", 134, 3)),
        ("Rp120.000 – Sabtu", Segments("ucs-2", 17, 1)),
        ("`", Segments("ucs-2", 1, 1)),
        ("\x1b", Segments("ucs-2", 1, 1)),
    ],
)
def test_both_sides_of_each_limit(text: str, expected: Segments) -> None:
    assert count(text) == expected


def test_the_alphabet_has_127_characters_and_10_more_by_escape() -> None:
    """128 codes, of which one is the escape itself."""
    assert len(set(BASIC)) == 127
    assert len(set(EXTENDED)) == 10
    assert not set(BASIC) & set(EXTENDED)


def cut(text: str) -> list[str]:
    """The text in parts, by the definition: as many whole characters as fit into each."""
    gsm = all(one in BASIC + EXTENDED for one in text)

    def size(part: str) -> int:
        return sum(2 if one in EXTENDED else 1 for one in part) if gsm else len(part.encode("utf-16-le")) // 2

    if size(text) <= (160 if gsm else 70):
        return [text]
    parts, most = [""], 153 if gsm else 67
    for one in text:
        if size(parts[-1] + one) > most:
            parts.append("")
        parts[-1] += one
    return parts


@given(
    st.one_of(
        st.text(st.sampled_from("ab€[ \n"), max_size=500),
        st.text(st.sampled_from("aç" + FACE), max_size=250),
        st.text(max_size=250),
    )
)
def test_parts_are_those_of_the_definition(text: str) -> None:
    assert count(text).parts == len(cut(text))

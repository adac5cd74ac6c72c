"""How a name is searched: its words folded, patterns for beginnings, and expressions that forgive one slip."""

import re

import pytest

from services.vendor.domain.searching import (
    MISSPELT_LETTERS_MAX,
    WORDS_MAX,
    SearchInvalid,
    beginnings,
    candidates,
    fold_words,
    misspellings,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Siti Aminah", ("siti", "aminah")),
        ("  SITI\taminah ", ("siti", "aminah")),
        ("Nur'aini", ("nuraini",)),
        ("Nur’aini", ("nuraini",)),
        ("\u00c9lla Jos\u00e9", ("ella", "jose")),
        ("E\u0301lla", ("ella",)),
        ("H. Abd.Rahman-Saleh", ("h", "abd", "rahman", "saleh")),
        ("siti SITI", ("siti",)),
        ("%_[a]*", ("a",)),
        ("a\x00b", ("a", "b")),
    ],
)
def test_a_name_folds_to_its_words(text: str, words: tuple[str, ...]) -> None:
    assert fold_words(text) == words


@pytest.mark.parametrize("text", ["", "  ", "'", ".,-", "\x00", "\u0301"])
def test_a_name_without_a_letter_is_refused(text: str) -> None:
    with pytest.raises(SearchInvalid) as refused:
        fold_words(text)
    assert refused.value.details["errors"][0]["code"] == "name-letters"


def test_a_search_takes_so_many_words_and_no_more() -> None:
    words = [f"w{number}" for number in range(WORDS_MAX)]
    assert len(fold_words(" ".join(words))) == WORDS_MAX
    with pytest.raises(SearchInvalid) as refused:
        fold_words(" ".join([*words, "more"]))
    assert refused.value.details["errors"][0]["code"] == "name-words"


def test_beginnings_are_patterns_of_whole_words_starts() -> None:
    assert beginnings(("siti", "am")) == ["% siti%", "% am%"]


def forgives(typed: str, name: str) -> bool:
    (expression,) = misspellings((typed,))
    return re.search(expression, f" {name} ") is not None


@pytest.mark.parametrize(
    "typed",
    [
        "aminah",
        "amnah",
        "aminnah",
        "amimah",
        "amniah",
        "aminha",
        "maminah",
        "minah",
        "aminaah",
        "amina",
        "xminah",
    ],
)
def test_one_slip_is_forgiven(typed: str) -> None:
    assert forgives(typed, "siti aminah")


@pytest.mark.parametrize("typed", ["amnh", "maniah", "mainha", "amminnah", "amirat", "aminahxy"])
def test_two_slips_are_not(typed: str) -> None:
    assert not forgives(typed, "siti aminah")


def test_a_slip_counts_against_whole_words_and_beginnings_need_none() -> None:
    assert forgives("ami", "aminah")
    assert forgives("amin", "aminah")
    assert not forgives("anin", "aminah"), "a slip in a mere beginning would fit half the names"
    assert not forgives("inah", "fatinah")


def test_three_letters_are_taken_as_they_are() -> None:
    assert forgives("nur", "nur")
    assert not forgives("nru", "nur")
    assert not forgives("nut", "nur")
    assert forgives("nuur", "nur"), "four letters may have one too many"


@pytest.mark.parametrize("word", ["siti", "nurhayat", "nurhayati", "kurniawati", "abcdefghijklmnopqrst"])
def test_every_word_that_one_slip_makes_is_among_the_candidates(word: str) -> None:
    (candidate,) = candidates((word,))
    assert re.search(candidate, f" ibu {word}x ") if len(word) > 8 else re.search(candidate, f" ibu {word} ")
    letters = range(len(word))
    slips = {
        *(word[:n] + "z" + word[n + 1 :] for n in letters),
        *(word[:n] + "z" + word[n:] for n in range(len(word) + 1)),
        *(word[:n] + word[n + 1 :] for n in letters),
        *(word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in letters[:-1]),
    }
    for slip in slips:
        assert forgives(word, slip), slip
        assert re.search(candidate, f" ibu {slip} "), slip


def test_a_word_longer_than_any_name_is_taken_as_it_is() -> None:
    longest = "a" * (MISSPELT_LETTERS_MAX - 1) + "b"
    assert forgives(longest, longest.replace("b", "c"))
    assert not forgives("a" + longest, "a" + longest.replace("b", "c"))

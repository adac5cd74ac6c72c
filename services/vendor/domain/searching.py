"""Searching vendors: a name as people type it, and what a search may ask for."""

import unicodedata
from collections.abc import Sequence
from typing import ClassVar, Literal

from services.vendor.checks import FieldRefused
from shared.errors import Refused

__all__ = [
    "MISSPELT_LETTERS_MAX",
    "WORDS_MAX",
    "SearchInvalid",
    "VendorState",
    "beginnings",
    "candidates",
    "fold_words",
    "misspellings",
]

VendorState = Literal["active", "suspended", "merged"]

WORDS_MAX = 6
"""Words of a name that a search takes; the longest names on a KTP have about as many."""
MISSPELT_LETTERS_MIN = 4
"""A shorter word with a letter changed is any word."""
MISSPELT_LETTERS_MAX = 20
"""The expression for a word grows with its square, and PostgreSQL takes none that is too long; no name has more."""
WHOLE_LETTERS_MAX = 8
"""Of a longer word the trigrams of all its slips are more than the index looks up; those of its halves are few."""
_DROPPED = frozenset("'’‘`")


class SearchInvalid(Refused):
    """A search that can find nothing as it was asked; names the field, never its value."""

    code: ClassVar[str] = "search-invalid"
    status: ClassVar[int] = 422

    def __init__(self, problem: FieldRefused) -> None:
        super().__init__(
            f"The search was not made: {problem.field} {problem.reason}; {problem.fix}.",
            errors=[{"field": problem.field, "code": problem.code, "reason": problem.reason, "fix": problem.fix}],
        )


def fold_words(text: str) -> tuple[str, ...]:
    """The words of a name in small letters, without accents, apostrophes and punctuation, as the database folds names.

    Raises `SearchInvalid` when there is none, or more than `WORDS_MAX`.
    """
    plain = [c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn" and c not in _DROPPED]
    words = "".join(c if c.isalnum() else " " for c in "".join(plain).lower()).split()
    if not words:
        raise SearchInvalid(FieldRefused("name", "name-letters", "holds no letter", "give a word of the name, or more"))
    if len(words) > WORDS_MAX:
        fix = f"give {WORDS_MAX} at most"
        raise SearchInvalid(FieldRefused("name", "name-words", f"has more than {WORDS_MAX} words", fix))
    return tuple(dict.fromkeys(words))


def beginnings(words: Sequence[str]) -> list[str]:
    """LIKE patterns: each finds the folded names in which a word begins so."""
    return [f"% {word}%" for word in words]


def misspellings(words: Sequence[str]) -> list[str]:
    """Regular expressions: each finds the folded names in which a word begins so, or is this word but for one slip.

    A slip is a letter that is wrong, missing or too many, or two neighbours that changed places: four of five slips of
    people who type are one of these (Damerau 1964).
    """
    return [f" (?:{'|'.join(_one_slip(word))}) " for word in words]


def candidates(words: Sequence[str]) -> list[str]:
    """Regular expressions that an index of trigrams answers: each finds all that `misspellings` does, and some more.

    Of a long word a slip spoils the beginning or the end, never both.
    """
    return [_halves(word) if len(word) > WHOLE_LETTERS_MAX else misspellings([word])[0] for word in words]


def _halves(word: str) -> str:
    """The word without its middle two letters: one slip leaves its beginning or its end as it is, and one letter fewer
    at most.
    """
    middle = len(word) // 2
    begins, ends = word[: middle - 1], word[middle + 1 :]
    least = len(word) - 1
    return f" (?:{begins}[^ ]{{{least - len(begins)},}}|[^ ]{{{least - len(ends)},}}{ends}) "


def _one_slip(word: str) -> list[str]:
    forms = [f"{word}[^ ]*"]
    if MISSPELT_LETTERS_MIN <= len(word) <= MISSPELT_LETTERS_MAX:
        places = range(len(word))
        forms += [f"{word[:n]}[^ ]{word[n + 1 :]}" for n in places]
        forms += [f"{word[:n]}[^ ]{word[n:]}" for n in range(len(word) + 1)]
        forms += [word[:n] + word[n + 1 :] for n in places]
        forms += [word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in places[:-1]]
    return list(dict.fromkeys(forms))

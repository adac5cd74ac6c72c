"""Duplicates: how likely two registrations are one person, and why; what officers decide about such a pair.

Pure. A NIK is registered once, so one person registered twice has two NIK: one mistyped, or one of somebody else. What
remains to compare is the name, the phone, the date of birth that the NIK tells, and the address.
"""

import json
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from shared.errors import NotFound, Refused

__all__ = [
    "FACTS",
    "SCORE_MAX",
    "SCORE_MIN",
    "DismissReason",
    "Duplicate",
    "DuplicateSettled",
    "DuplicateUnknown",
    "Evidence",
    "Likeness",
    "Person",
    "addresses_alike",
    "compare",
    "dismiss",
    "facts_text",
    "found",
    "names_alike",
    "reopen",
]

SCORE_MAX = 100
POINTS_EACH = 25
"""Name, phone, date of birth and address weigh the same: each is wrong or shared too often to prove anything alone."""
SCORE_MIN = 45
"""Worth an officer's look: two facts that agree in full or nearly (25 + 20), and no other that speaks against it more
than `POINTS_BIRTH_DIFFERS`. One fact alone, whichever it is, never comes so far."""
NAME_ALIKE_MIN = 0.7
"""Below it the names are those of two people. Whatever else agrees, they are then a household: spouses share a phone
and an address, twins the date of birth besides."""
SCORE_OF_OTHER_NAMES_MAX = 30
POINTS_BIRTH_NEAR = 15
"""One digit mistyped, or two that changed places, in the six that tell the date."""
POINTS_BIRTH_DIFFERS = -5
"""A mistyped NIK explains it, so it does not outweigh two facts that agree: 25 + 25 - 5 is still `SCORE_MIN`."""
POINTS_SAME_KELURAHAN = 5
POINTS_SAME_RT = 10
POINTS_SAME_RT_NO_STREET = 15
"""The street of one of them is unknown; an RT has some 13 of 400,000 vendors."""
STREET_ALIKE_MIN = 85
"""Of `fuzz.token_sort_ratio`, once abbreviations are written out and house numbers are compared apart."""

TYPO_LETTERS_MIN = 6
"""A letter more, less, other or swapped is a typing mistake in a word this long. In a shorter one it makes another
name: Rina and Rini are twins more often than a mistake."""
TYPO_WEIGHT = 0.9
INITIAL_WEIGHT = 0.8
"""`A. Rahman` and `Abdul Rahman`."""
WORD_ALONE = 0.8
"""One word is a whole name for many, and a common one."""
WORD_OF_MORE = 0.72
"""One word, of a name that has more on the other side (Aminah, Siti Aminah): alike, and just so."""
WORDS_COMPARED_MAX = 12
WORDS_LEFT_OUT_WEIGHT = 0.4
"""What share of a name's likeness rests on words that one registration leaves out (Siti Nur Aminah, Siti Aminah)."""

# How people write a name or leave parts of it out on forms. Titles and terms of address are no part of it.
_TITLE = re.compile(
    "h|hj|haji|haj+ah|kh|ust|ustadz?|ustadzah|sdri?|saudar[ai]|bpk?|bapak|pak|ibu|bu|ny|nyonya|nn|nona|tn|tuan"
    "|dr[sag]?|ir|prof|almarhum|almh?|rr|raden"
)
_DEGREES = re.compile(r",.*$")
"""`, S.E., M.M.`: academic degrees follow a comma."""
_MUHAMMAD = re.compile("m[uo](ch?|k)?ham+[ae]d|m[uo]hd?|moch|mhd|mch")
_WORDS = {
    **dict.fromkeys(("abd", "abdl"), "abdul"),
    **dict.fromkeys(("achmad", "akhmad", "ahmat", "achmat"), "ahmad"),
    **dict.fromkeys(("sitti", "st"), "siti"),
    **dict.fromkeys(("noer", "nor"), "nur"),
}
_OLD_SPELLING = (("oe", "u"), ("dj", "j"), ("tj", "c"))
"""Van Ophuijsen spelling, on older papers: Soekarno, Djoko, Tjahja."""

_STREET_WORDS = {
    **dict.fromkeys(("jl", "jln", "jalan"), "jalan"),
    **dict.fromkeys(("gg", "gang"), "gang"),
    **dict.fromkeys(("komp", "komplek", "kompleks"), "kompleks"),
    **dict.fromkeys(("blk", "blok"), "blok"),
    **dict.fromkeys(("kp", "kamp", "kampung"), "kampung"),
    **dict.fromkeys(("perum", "perumahan"), "perumahan"),
    **dict.fromkeys(("no", "nomor", "nomer", "nmr"), ""),
}
_RT_RW = re.compile(r"\br[tw][ .:/]*\d{1,3}\b(?:[ ./]*\d{1,3}\b)?")
_NOT_WORDS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\d+[a-z]?")

NameFinding = Literal["same", "alike", "different"]
BirthFinding = Literal["same", "near", "different", "unknown"]
AddressFinding = Literal["same-street", "same-rt", "same-kelurahan", "different"]
DismissReason = Literal["different-people", "twins", "same-household", "shared-phone", "same-name"]
State = Literal["open", "dismissed", "merged"]


class Person(NamedTuple):
    """What people are compared by."""

    vendor_id: UUID
    name: str
    phone: str
    born_on: date | None
    kelurahan: str
    rw: str
    rt: str
    street: str


Fact = Literal["name", "phone", "birth", "address"]
FACTS: tuple[Fact, ...] = ("name", "phone", "birth", "address")


class Evidence(NamedTuple):
    """What one fact says about a pair: a finding and its points. Never the fact itself: it is personal data."""

    fact: Fact
    finding: str
    points: int
    percent: int | None = None
    """How alike, where that is a matter of degree."""


class Likeness(NamedTuple):
    """How likely two registrations are one person, 0 to `SCORE_MAX`, and why."""

    score: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A pair that is likely one person; `one` is the smaller id, hence the earlier registration."""

    duplicate_id: UUID
    one: UUID
    other: UUID
    score: int
    evidence: tuple[Evidence, ...]
    state: State
    reason: str | None
    found_at: datetime
    decided_at: datetime | None
    decided_by: str | None


class DuplicateUnknown(NotFound):
    """No such pair, or one that does not lie in the caller's area."""

    code: ClassVar[str] = "duplicate-unknown"

    def __init__(self, duplicate_id: UUID) -> None:
        super().__init__("No pair of registrations with this id is known to you.", duplicate_id=str(duplicate_id))


class DuplicateSettled(Refused):
    """The pair is not in the state from which this is done."""

    code: ClassVar[str] = "duplicate-settled"

    def __init__(self, duplicate: Duplicate, wanted: State) -> None:
        way_out = {
            "open": "it is in the queue already",
            "dismissed": "reopen it to decide anew",
            "merged": "undo the merge first",
        }[duplicate.state]
        super().__init__(
            f"The pair is {duplicate.state}, so it cannot become {wanted}: {way_out}.",
            duplicate_id=str(duplicate.duplicate_id),
            state=duplicate.state,
        )


def compare(one: Person, other: Person) -> Likeness:
    """How likely two registrations are one person. The order of the two does not matter."""
    name = names_alike(one.name, other.name)
    evidence = (_name(name), _phone(one, other), _birth(one.born_on, other.born_on), _address(one, other))
    score = max(0, sum(part.points for part in evidence))
    if name < NAME_ALIKE_MIN:
        score = min(score, SCORE_OF_OTHER_NAMES_MAX)
    return Likeness(score, evidence)


def _name(likeness: float) -> Evidence:
    finding: NameFinding = "same" if likeness == 1 else "alike" if likeness >= NAME_ALIKE_MIN else "different"
    return Evidence("name", finding, round(likeness * POINTS_EACH), round(likeness * 100))


def _phone(one: Person, other: Person) -> Evidence:
    same = bool(one.phone) and one.phone == other.phone
    return Evidence("phone", "same" if same else "different", POINTS_EACH if same else 0)


def _birth(one: date | None, other: date | None) -> Evidence:
    finding: BirthFinding
    if one is None or other is None:
        finding, points = "unknown", 0
    elif one == other:
        finding, points = "same", POINTS_EACH
    elif _a_slip_apart(one.strftime("%d%m%y"), other.strftime("%d%m%y")):
        finding, points = "near", POINTS_BIRTH_NEAR
    else:
        finding, points = "different", POINTS_BIRTH_DIFFERS
    return Evidence("birth", finding, points)


def _address(one: Person, other: Person) -> Evidence:
    finding: AddressFinding
    if one.kelurahan != other.kelurahan:
        finding, points = "different", 0
    elif (one.rw, one.rt) != (other.rw, other.rt):
        finding, points = "same-kelurahan", POINTS_SAME_KELURAHAN
    elif not one.street or not other.street:
        finding, points = "same-rt", POINTS_SAME_RT_NO_STREET
    elif addresses_alike(one.street, other.street):
        finding, points = "same-street", POINTS_EACH
    else:
        finding, points = "same-rt", POINTS_SAME_RT
    return Evidence("address", finding, points)


def names_alike(one: str, other: str) -> float:
    """How alike two names are, 0 to 1, word by word and in any order: 1 is the same name, written as people do.

    Words that both have decide; a word that only one leaves out costs little; where each has a word the other lacks
    they are two people's names (`NAME_ALIKE_MIN`).
    """
    first, second = sorted((_name_words(one), _name_words(other)))
    if not first or not second:
        return 0.0
    if "".join(first) == "".join(second):  # Nur Hayati, Nurhayati
        return WORD_ALONE if len(first) == len(second) == 1 else 1.0
    pairs = sorted(
        ((_words_alike(a, b), i, j) for i, a in enumerate(first) for j, b in enumerate(second)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    weight, left, right = 0.0, set(range(len(first))), set(range(len(second)))
    for likeness, i, j in pairs:
        if likeness and i in left and j in right:
            weight += likeness
            left.discard(i)
            right.discard(j)
    matched = len(first) - len(left)
    if not matched:
        return 0.0
    if left and right:
        return min(weight / max(len(first), len(second)), NAME_ALIKE_MIN - 0.01)
    shared = weight / matched
    if matched == 1:
        return shared * (WORD_OF_MORE if left or right else WORD_ALONE)
    return shared * (1 - WORDS_LEFT_OUT_WEIGHT * (1 - matched / max(len(first), len(second))))


def _words_alike(one: str, other: str) -> float:
    if one == other:
        return 1.0
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) == 1:
        return INITIAL_WEIGHT if longer.startswith(shorter) else 0.0
    return TYPO_WEIGHT if len(shorter) >= TYPO_LETTERS_MIN and _a_slip_apart(one, other) else 0.0


def _a_slip_apart(one: str, other: str) -> bool:
    """Whether they differ by one character more, less, other or swapped, or not at all."""
    from rapidfuzz.distance import OSA  # 3 MB, for the first pair

    return OSA.distance(one, other, score_cutoff=1) <= 1


@lru_cache(maxsize=8192)
def _name_words(name: str) -> tuple[str, ...]:
    words = _plain(_DEGREES.sub("", name)).split()
    kept = ([word for word in words if not _TITLE.fullmatch(word)] or words)[:WORDS_COMPARED_MAX]
    if len(kept) > 1 and kept[0] == "m":  # M. Yusuf
        kept[0] = "muhammad"
    return tuple(map(_one_way, kept))


def _one_way(word: str) -> str:
    if _MUHAMMAD.fullmatch(word):
        return "muhammad"
    word = _WORDS.get(word, word)
    for old, new in _OLD_SPELLING:
        word = word.replace(old, new)
    return word


def addresses_alike(one: str, other: str) -> bool:
    """Whether two streets with house numbers are the same, written as people do. House numbers must not contradict."""
    (words, numbers), (other_words, other_numbers) = _street(one), _street(other)
    if numbers and other_numbers and numbers != other_numbers:
        return False
    from rapidfuzz import fuzz  # as above

    return fuzz.token_sort_ratio(words, other_words) >= STREET_ALIKE_MIN


@lru_cache(maxsize=8192)
def _street(street: str) -> tuple[str, tuple[str, ...]]:
    """The words of a street, and its numbers apart, in order: of house, gang and block."""
    tokens = [_STREET_WORDS.get(token, token) for token in _plain(_RT_RW.sub(" ", street.casefold())).split()]
    numbers = tuple(token.lstrip("0") for token in tokens if _NUMBER.fullmatch(token))
    return " ".join(token for token in tokens if token and not _NUMBER.fullmatch(token)), numbers


def _plain(text: str) -> str:
    """Lower case without accents, dots and dashes."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _NOT_WORDS.sub(" ", bare.casefold().replace("'", "").replace("`", "").replace("’", ""))


def found(one: Person, other: Person) -> Likeness | None:
    """The likeness of a pair that officers should see; None for the others."""
    likeness = compare(one, other)
    return likeness if likeness.score >= SCORE_MIN else None


def facts_text(one: Person, other: Person) -> str:
    """All that a pair was compared by, as one text whose keyed hash tells later whether anything of it changed."""
    people = sorted((one, other))
    return json.dumps([[str(fact) for fact in person] for person in people], ensure_ascii=False)


def dismiss(duplicate: Duplicate, reason: DismissReason, by: str, now: datetime) -> Duplicate:
    """Two people after all, until a fact of one of them changes. Raises `DuplicateSettled`."""
    if duplicate.state != "open":
        raise DuplicateSettled(duplicate, "dismissed")
    return replace(duplicate, state="dismissed", reason=reason, decided_at=now, decided_by=by)


def reopen(duplicate: Duplicate, by: str, now: datetime) -> Duplicate:
    """To be decided anew. Raises `DuplicateSettled`."""
    if duplicate.state != "dismissed":
        raise DuplicateSettled(duplicate, "open")
    return replace(duplicate, state="open", reason=None, decided_at=now, decided_by=by)

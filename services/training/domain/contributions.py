"""What each agency did for a vendor over time (DOMAIN E5), and how a graduate is shared among agencies.

A graduate counts as one, whoever worked on it: it is shared in proportion to the calendar months in which an agency
did something for it (coached it, visited it, solved a case), in thousandths that add up to 1000. So graduates can be
added up over agencies without counting anybody twice. What foster mentors and providers gave is on record beside it,
and costs no agency a part of its share.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.training.domain.criteria import Month, month_of
from shared.clock import day_in_jakarta

WHOLE = 1000

WordKind: TypeAlias = Literal["coached", "ended", "merged", "unmerged"]


class Word(NamedTuple):
    """What the registry said of who coaches an id, with its version of the id; it holds until the next word."""

    vendor_id: UUID
    registry_version: int
    word: WordKind
    agency: str | None
    since: datetime


class Spell(NamedTuple):
    """An agency coached from a day to a day, both included; None: it still does."""

    agency: str
    first: date
    last: date | None


class Deed(NamedTuple):
    """Something an agency did for the vendor on a day."""

    agency: str
    kind: Literal["visit", "case"]
    day: date


class FosterSpell(NamedTuple):
    """A foster mentor (bapak or ibu angkat) had the vendor in its group; without public money (DOMAIN E4)."""

    mentor_id: UUID
    funding: str
    first: date
    last: date | None
    visits: int


class Course(NamedTuple):
    """A class that the vendor completed, and who gave it."""

    class_id: UUID
    course: str
    completed_on: date
    provider_id: UUID | None


class Figure(NamedTuple):
    """The figures of a month, as the registry told them last."""

    month: str
    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    entered_by: str
    queried: bool


@dataclass(frozen=True, slots=True)
class Record:
    """All that is on record of what was done for a person, over all its ids."""

    spells: Sequence[Spell] = ()
    deeds: Sequence[Deed] = ()
    fosters: Sequence[FosterSpell] = ()
    trainings: Sequence[Course] = ()


def spells(words: Iterable[Word]) -> list[Spell]:
    """Who coached a person, from the words on all its ids, each agency's spells in order and joined where they meet.

    While an id is retired by a merge nobody coaches it: the id that stands for the person is coached instead.
    """
    found: list[Spell] = []
    by_vendor: dict[UUID, list[Word]] = {}
    for word in sorted(words, key=lambda one: (one.vendor_id, one.registry_version)):
        by_vendor.setdefault(word.vendor_id, []).append(word)
    for own in by_vendor.values():
        found += _spells_of(own)
    return _joined(found)


def _spells_of(words: Sequence[Word]) -> list[Spell]:
    agency: str | None = None
    retired = False
    moments: list[tuple[str | None, date]] = []
    for word in words:
        match word.word:
            case "merged":
                retired = True
            case "unmerged":
                retired = False
            case _:
                agency = word.agency
        moments.append((None if retired else agency, day_in_jakarta(word.since)))
    # a word that changes nothing goes on with the spell that it falls into: `_joined` puts the two together
    ended = [Spell(one, first, max(first, until)) for (one, first), (_, until) in pairwise(moments) if one is not None]
    last = moments[-1]
    return ended if last[0] is None else [*ended, Spell(last[0], last[1], None)]


def _joined(found: Iterable[Spell]) -> list[Spell]:
    joined: list[Spell] = []
    for spell in sorted(found, key=lambda one: (one.agency, one.first, one.last or date.max)):
        before = joined[-1] if joined else None
        if before is not None and before.agency == spell.agency and (before.last is None or before.last >= spell.first):
            last = None if before.last is None or spell.last is None else max(before.last, spell.last)
            joined[-1] = before._replace(last=last)
        else:
            joined.append(spell)
    return joined


def active_months(record: Record, until: date) -> dict[str, int]:
    """Agency -> in how many calendar months until that day it did something for the vendor."""
    months: dict[str, set[Month]] = {}
    for spell in record.spells:
        last = min(spell.last or until, until)
        if spell.first <= last:
            months.setdefault(spell.agency, set()).update(range(month_of(spell.first), month_of(last) + 1))
    for deed in record.deeds:
        if deed.day <= until:
            months.setdefault(deed.agency, set()).add(month_of(deed.day))
    return {agency: len(some) for agency, some in sorted(months.items())}


def shares(months: Mapping[str, int]) -> dict[str, int]:
    """Agency -> its part of one graduate in thousandths, 1000 in all; by largest remainder, ties to the earlier code.

    Empty where no agency did anything.
    """
    total = sum(months.values())
    if not total:
        return {}
    parts = {agency: WHOLE * count // total for agency, count in months.items()}
    left = WHOLE - sum(parts.values())
    by_remainder = sorted(months, key=lambda agency: (-(WHOLE * months[agency] % total), agency))
    for agency in by_remainder[:left]:
        parts[agency] += 1
    return parts


def describe(record: Record) -> dict[str, Any]:
    """What was done, agency by agency, ready for JSON. The same facts give the same text."""
    agencies = sorted({spell.agency for spell in record.spells} | {deed.agency for deed in record.deeds})
    return {
        "agencies": [_agency(agency, record) for agency in agencies],
        "foster_mentors": [
            {
                "mentor_id": str(one.mentor_id),
                "funding": one.funding,
                "from": one.first.isoformat(),
                "until": None if one.last is None else one.last.isoformat(),
                "visits": one.visits,
            }
            for one in sorted(record.fosters, key=lambda one: (one.first, one.mentor_id))
        ],
        "trainings": [
            {
                "class_id": str(one.class_id),
                "course": one.course,
                "completed_on": one.completed_on.isoformat(),
                "provider_id": None if one.provider_id is None else str(one.provider_id),
            }
            for one in sorted(record.trainings, key=lambda one: (one.completed_on, one.class_id))
        ],
    }


def _agency(agency: str, record: Record) -> dict[str, Any]:
    visits = sorted(deed.day for deed in record.deeds if deed.agency == agency and deed.kind == "visit")
    cases = sum(deed.agency == agency and deed.kind == "case" for deed in record.deeds)
    return {
        "agency": agency,
        "coached": [
            {"from": spell.first.isoformat(), "until": None if spell.last is None else spell.last.isoformat()}
            for spell in record.spells
            if spell.agency == agency
        ],
        "visits": len(visits),
        "first_visit_on": visits[0].isoformat() if visits else None,
        "last_visit_on": visits[-1].isoformat() if visits else None,
        "cases_solved": cases,
    }

"""Days off in Indonesia: national holidays and cuti bersama (joint leave).

From the yearly joint decree of three ministers (`lokal`) for the years it holds. For other years from the `holidays`
package, which knows past decrees, and for years to come reckons the lunar days and knows no joint leave yet. The first
question about such a year takes a tenth of a second: ask it in a thread.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from lokal.holidays import HOLIDAY_YEARS, get_holidays

__all__ = ["DayOff", "day_off", "is_idul_fitri", "is_weekend"]

DayOff = Literal["holiday", "joint-leave"]

SATURDAY = 5
IDUL_FITRI = ("Idulfitri", "Eid al-Fitr")
"""As `lokal` and as `holidays` write it."""


def day_off(day: date) -> DayOff | None:
    """Whether this day is a national holiday, joint leave, or neither. A Sunday alone is neither."""
    found = _of_year(day.year).get(day)
    return None if found is None else found.kind


def is_idul_fitri(day: date) -> bool:
    """Whether it is one of the first two days of Syawal, as decreed; of years to come as reckoned."""
    found = _of_year(day.year).get(day)
    return found is not None and found.kind == "holiday" and any(name in found.name for name in IDUL_FITRI)


def is_weekend(day: date) -> bool:
    """Saturdays and Sundays."""
    return day.weekday() >= SATURDAY


class _Found(NamedTuple):
    kind: DayOff
    name: str


@cache
def _of_year(year: int) -> MappingProxyType[date, _Found]:
    return MappingProxyType(dict(_decreed(year) if year in HOLIDAY_YEARS else _reckoned(year)))


def _decreed(year: int) -> Iterator[tuple[date, _Found]]:
    for one in get_holidays(year).holidays:
        yield (
            date.fromisoformat(one.date),
            _Found("holiday" if one.type == "libur_nasional" else "joint-leave", one.name),
        )


def _reckoned(year: int) -> Iterator[tuple[date, _Found]]:
    from holidays.constants import GOVERNMENT, PUBLIC  # with the days of 250 other countries: 11 MB, 0.1 s
    from holidays.countries.indonesia import Indonesia

    kinds: tuple[tuple[str, DayOff], ...] = ((GOVERNMENT, "joint-leave"), (PUBLIC, "holiday"))  # the latter wins
    for category, kind in kinds:
        for day, name in Indonesia(years=year, categories=(category,), language="en_US").items():
            yield day, _Found(kind, name)

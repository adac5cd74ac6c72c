"""Days off in Indonesia: national holidays and cuti bersama (joint leave).

From the yearly joint decree of three ministers (`lokal`) for the years it holds. For other years from the `holidays`
package, which knows past decrees, and for years to come reckons the lunar days and knows no joint leave yet.
"""

from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Literal

from holidays.constants import GOVERNMENT, PUBLIC
from holidays.countries.indonesia import Indonesia
from lokal.holidays import HOLIDAY_YEARS, get_holidays

DayOff = Literal["holiday", "joint-leave"]

SATURDAY = 5


def day_off(day: date) -> DayOff | None:
    """Whether this day is a national holiday, joint leave, or neither. A Sunday alone is neither."""
    return _of_year(day.year).get(day)


def is_weekend(day: date) -> bool:
    """Saturdays and Sundays."""
    return day.weekday() >= SATURDAY


@cache
def _of_year(year: int) -> MappingProxyType[date, DayOff]:
    found: dict[date, DayOff] = {}
    if year in HOLIDAY_YEARS:
        for one in get_holidays(year).holidays:
            found[date.fromisoformat(one.date)] = "holiday" if one.type == "libur_nasional" else "joint-leave"
    else:
        found.update(dict.fromkeys(Indonesia(years=year, categories=(GOVERNMENT,)), "joint-leave"))
        found.update(dict.fromkeys(Indonesia(years=year, categories=(PUBLIC,)), "holiday"))
    return MappingProxyType(found)

"""On which days something recurs: a recurrence of RFC 5545 over calendar days.

`python-dateutil` expands the rule; what it would misread (a part whose limits it does not know, a number of 0, a
weekday numbered in a week) is refused before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile

from dateutil.rrule import rrulestr

RECURRENCE_CHARACTERS_MAX = 2_000
DAYS_LISTED_MAX = 200
COUNT_MAX = 1_000

LATER_YEARS = 7_600
"""A rule is expanded so much later, and its days taken back. The calendar repeats exactly every 400 years, so nothing
changes; but dateutil looks for the next day up to the year 9999, and a rule that never matches (30 February) would
search for eight thousand years: 3.2 s, and 0.16 s so."""

WEEKDAYS = frozenset({"MO", "TU", "WE", "TH", "FR", "SA", "SU"})
FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
FINER = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
FINER_PARTS = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
NUMBERS_MAX = {"BYMONTH": 12, "BYWEEKNO": 53, "BYYEARDAY": 366, "BYMONTHDAY": 31, "BYSETPOS": 366}
PARTS = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *NUMBERS_MAX})
NOT_WITH = {
    "BYWEEKNO": {"DAILY", "WEEKLY", "MONTHLY"},
    "BYYEARDAY": {"DAILY", "WEEKLY", "MONTHLY"},
    "BYMONTHDAY": {"WEEKLY"},
}
"""Parts that RFC 5545 (3.3.10) does not know in rules of these frequencies."""

_LINE = re.compile(r"(?P<name>[A-Z]+)(?P<parameters>(?:;[A-Z-]+=[A-Za-z0-9/_+-]+)*):(?P<value>.*)")
_BYDAY = re.compile(r"(?P<number>[+-]?\d{1,2})?(?P<weekday>[A-Z]{2})")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule (empty: none), the days added and the days taken out. `last`: the rule ends with this day (UNTIL)."""

    rule: str
    last: date | None
    added: frozenset[date]
    dropped: frozenset[date]


def read_recurrence(text: str) -> Recurrence:
    """Read lines of RRULE, RDATE and EXDATE; a line without a name is the RRULE. Raises ValueError with the way out."""
    rule, added, dropped = "", set[date](), set[date]()
    for line in re.sub(r"\r?\n[ \t]", "", text.strip()).splitlines():
        match = _LINE.fullmatch(line.strip()) or _LINE.fullmatch(f"RRULE:{line.strip()}")
        name, value = (match["name"], match["value"]) if match else ("", "")
        match name:
            case "RRULE" if rule:
                raise ValueError("there are two RRULE lines; give one rule, and further days as RDATE")
            case "RRULE":
                rule = value.strip().upper()
            case "RDATE":
                added |= set(_read_days(name, value))
            case "EXDATE":
                dropped |= set(_read_days(name, value))
            case "DTSTART":
                raise ValueError("DTSTART is not given here; the first day is the field first_day")
            case _:
                raise ValueError("a recurrence has lines RRULE:..., RDATE:... and EXDATE:..., nothing else (RFC 5545)")
    if not rule and not added:
        raise ValueError("a recurrence needs a rule such as RRULE:FREQ=WEEKLY;BYDAY=FR, or days as RDATE:20260102")
    last = None
    if rule:
        parts = _read_rule(rule)
        if "UNTIL" in parts:
            last, *more = _read_days("UNTIL", parts.pop("UNTIL"))
            if more:
                raise ValueError("UNTIL names one day")
        rule = ";".join(f"{part}={value}" for part, value in parts.items())
    return Recurrence(rule, last, frozenset(added), frozenset(dropped))


def _read_days(name: str, value: str) -> list[date]:
    texts = value.strip().split(",")
    if len(texts) > DAYS_LISTED_MAX:
        raise ValueError(f"{name} lists more than {DAYS_LISTED_MAX} days")
    days = []
    for text in texts:
        try:
            if re.fullmatch(r"\d{8}", text) is None:
                raise ValueError
            days.append(date(int(text[:4]), int(text[4:6]), int(text[6:])))
        except ValueError:
            raise ValueError(f"{name} names days without a time, as 20261231; {text[:40]!r} is none") from None
    return days


def _read_rule(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for text in rule.split(";"):
        part, _, value = text.partition("=")
        if part in FINER_PARTS:
            raise ValueError(f"{part} is finer than a day; a bazaar recurs by days")
        if part not in PARTS or not value:
            raise ValueError(f"{text[:40]!r} is no part of a rule; parts are {', '.join(sorted(PARTS))}, as NAME=VALUE")
        if part in parts:
            raise ValueError(f"{part} is given twice")
        parts[part] = value
    frequency = parts.get("FREQ")
    if frequency in FINER:
        raise ValueError(f"FREQ={frequency} is finer than a day; a bazaar recurs by days")
    if frequency not in FREQUENCIES:
        raise ValueError("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
    if {"COUNT", "UNTIL"} <= parts.keys():
        raise ValueError("COUNT and UNTIL cannot both end a rule; leave one out")
    _check_numbers(parts)
    _check_weekdays(parts, frequency)
    for part, frequencies in NOT_WITH.items():
        if part in parts and frequency in frequencies:
            raise ValueError(f"{part} has no meaning with FREQ={frequency} (RFC 5545)")
    if "BYSETPOS" in parts and not any(part.startswith("BY") and part != "BYSETPOS" for part in parts):
        raise ValueError("BYSETPOS chooses among the days of another BY... part; there is none")
    return parts


def _check_numbers(parts: dict[str, str]) -> None:
    for part, most in (("INTERVAL", 1_000), ("COUNT", COUNT_MAX)):
        if part in parts and not (re.fullmatch(r"\d{1,6}", parts[part]) and 1 <= int(parts[part]) <= most):
            raise ValueError(f"{part} must be a number from 1 to {most}")
    for part, most in NUMBERS_MAX.items():
        sign = "" if part == "BYMONTH" else "[+-]?"
        for text in parts[part].split(",") if part in parts else ():
            if re.fullmatch(rf"{sign}\d{{1,3}}", text) is None or not 1 <= abs(int(text)) <= most:
                raise ValueError(f"{part} names numbers from 1 to {most}, from the end with a minus; {text!r} is none")


def _check_weekdays(parts: dict[str, str], frequency: str) -> None:
    if parts.get("WKST", "MO") not in WEEKDAYS:
        raise ValueError("WKST must be one of MO, TU, WE, TH, FR, SA, SU")
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        match = _BYDAY.fullmatch(text)
        if match is None or match["weekday"] not in WEEKDAYS:
            raise ValueError(f"BYDAY names weekdays as FR, or as 3MO and -1FR in a month or year; {text!r} is none")
        if match["number"] is None:
            continue
        if frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts:
            raise ValueError(f"BYDAY={text}: a number needs FREQ=MONTHLY or YEARLY without BYWEEKNO (RFC 5545)")
        most = 5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53
        if not 1 <= abs(int(match["number"])) <= most:
            raise ValueError(f"BYDAY={text}: there are at most {most} of a weekday here")


def first_of(recurrence: Recurrence, first_day: date) -> date | None:
    """The first day from this one on that the recurrence names, before any is taken out; None when there is none."""
    ruled = next(_ruled(recurrence, first_day), None)
    return min((day for day in (ruled, *recurrence.added) if day is not None and day >= first_day), default=None)


def expand(recurrence: Recurrence, first_day: date, until: date) -> list[date]:
    """The days of a recurrence that begins on `first_day`, up to and with `until`, in order."""
    days = set(takewhile(lambda day: day <= until, _ruled(recurrence, first_day)))
    days |= {day for day in recurrence.added if first_day <= day <= until}
    return sorted(days - recurrence.dropped)


def _ruled(recurrence: Recurrence, first_day: date) -> Iterator[date]:
    if not recurrence.rule:
        return
    start = datetime.combine(first_day.replace(year=first_day.year + LATER_YEARS), time.min)
    for moment in rrulestr(recurrence.rule, dtstart=start):
        day = date(moment.year - LATER_YEARS, moment.month, moment.day)
        if recurrence.last is not None and day > recurrence.last:
            return
        yield day


def window(day: date, offsets: tuple[int, ...]) -> tuple[date, ...]:
    """The days of one occurrence, by their distance from the day that the rule gives."""
    return tuple(day + timedelta(days=offset) for offset in offsets)

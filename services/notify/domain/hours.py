"""When people are written to: quiet hours, Friday prayer, feast days, moments of digests. Pure; all in Asia/Jakarta.

What is not time-critical waits for the end of a pause. Pauses that touch are one, so a message waits once. An offer
leaves at once when waiting would leave its reader less than `ANSWER_TIME` to act on it; of what must be told nothing
waits past its deadline.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal, TypeAlias

from services.notify.plans import Lane
from shared.clock import JAKARTA
from shared.days_off import is_idul_fitri

__all__ = [
    "ALWAYS",
    "ANSWER_TIME",
    "DIGEST_MARGIN",
    "Hours",
    "Often",
    "Pause",
    "Span",
    "next_digest",
    "opens",
    "read_span",
    "read_times",
    "wait",
]

Span: TypeAlias = tuple[time, time]
"""From one time of the day to another, which may be past midnight; both the same: never."""

Pause: TypeAlias = Literal["quiet-hours", "friday-prayer", "feast"]

Often: TypeAlias = Literal["off", "daily", "weekly"]

ANSWER_TIME = timedelta(hours=3)
"""A person needs so long by day to read an offer and to answer it."""

DIGEST_MARGIN = timedelta(hours=1)
"""A digest may need so long to leave; what would be worthless by then does not wait for it."""

FRIDAY = 4
DIGEST_WEEKDAY = 0  # Monday: who hears weekly has the week before it
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Hours:
    """The pauses. None: there is none."""

    quiet: Span | None = None
    friday: Span | None = None
    feasts: bool = False
    """On the days of Idul Fitri no news is sent."""


ALWAYS = Hours()


def wait(
    hours: Hours, now: datetime, *, lane: Lane, must: bool, news: bool, deadline: datetime, matters_by: datetime
) -> tuple[datetime, Pause] | None:
    """Until when a message waits, and why; None: it leaves now.

    `matters_by`: the moment by which its reader must have acted, its deadline or earlier. What must not wait past its
    deadline leaves now; other messages wait although they will expire.
    """
    end, because = opens(hours, now, news=news)
    if because is None:
        return None
    if lane == Lane.OFFER and matters_by < end + ANSWER_TIME:
        return None
    if must and deadline <= end:
        return None
    return end, because


def opens(hours: Hours, moment: datetime, *, news: bool = False) -> tuple[datetime, Pause | None]:
    """The first moment from this one on that lies in no pause, and the pause that this one lies in."""
    first: Pause | None = None
    while (found := _pause(hours, moment, news)) is not None:
        moment, because = found
        first = first or because
    return moment, first


def next_digest(hours: Hours, times: tuple[time, ...], often: Often, now: datetime) -> datetime | None:
    """When a person's next digest is due, outside of the pauses; None where there are none."""
    if often == "off" or not times:
        return None
    today = now.astimezone(JAKARTA).date()
    for days in range(-1, 9):  # what falls into the quiet hours of last evening comes this morning
        day = today + timedelta(days=days)
        if often == "weekly" and day.weekday() != DIGEST_WEEKDAY:
            continue
        for at in sorted(times)[: 1 if often == "weekly" else None]:
            moment, _ = opens(hours, datetime.combine(day, at, JAKARTA))
            if moment > now:
                return moment
    return None


def read_span(value: Any) -> Any:
    """A span as settings write it: `21:00-06:00`; `off`: none. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "off":
        return None
    begins, dash, ends = value.partition("-")
    if not dash:
        raise ValueError("must be two times like 21:00-06:00, or off")
    span = (_read_time(begins), _read_time(ends))
    if span[0] == span[1]:
        raise ValueError("begins when it ends; write off for no pause at all")
    return span


def read_times(value: Any) -> Any:
    """Times of the day as settings write them: `10:00,16:00`; `off`: none. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "off":
        return ()
    return tuple(sorted({_read_time(part) for part in value.split(",")}))


def _read_time(text: str) -> time:
    try:
        return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007 - a time of the day, no moment
    except ValueError:
        raise ValueError("must be times like 16:00, or off") from None


def _pause(hours: Hours, moment: datetime, news: bool) -> tuple[datetime, Pause] | None:
    local = moment.astimezone(JAKARTA)
    if news and hours.feasts and is_idul_fitri(local.date()):
        return datetime.combine(local.date() + DAY, time(), JAKARTA), "feast"
    end = _end(hours.quiet, local)
    if end is not None:
        return end, "quiet-hours"
    if local.weekday() == FRIDAY and (end := _end(hours.friday, local)) is not None:
        return end, "friday-prayer"
    return None


def _end(span: Span | None, local: datetime) -> datetime | None:
    """The end of the span of this day, or of the night, that this moment lies in."""
    if span is None:
        return None
    begins, ends = span
    at = local.time()
    if begins <= ends:
        return datetime.combine(local.date(), ends, JAKARTA) if begins <= at < ends else None
    if at >= begins:
        return datetime.combine(local.date() + DAY, ends, JAKARTA)
    return datetime.combine(local.date(), ends, JAKARTA) if at < ends else None

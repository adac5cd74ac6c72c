"""Calendars that phones and computers read: RFC 5545, written by `icalendar`.

A bazaar is an event of whole days for each run of days it lasts, so that no time zone can shift it. The same bazaar
gives the same bytes: its stamp is the moment of its last change, its SEQUENCE counts the changes of what residents see.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from icalendar import Calendar, Event, vText

from services.bazaar.domain.calendars import Entry
from shared.clock import JAKARTA

PRODID = "-//Lapak//Bazar//ID"
HOST = "lapak"
"""After the at sign of every UID: our name, whatever host the calendar was read from."""

REFRESH = timedelta(hours=6)
OPENING_LASTS = timedelta(hours=1)


class Words(vText):
    """A text, escaped as RFC 5545 (3.3.11) says. `icalendar` takes a backslash before an N for the end of a line, and
    does not escape NAME at all."""

    def to_ical(self) -> bytes:
        """The text as it stands in the file."""
        text = self.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
        return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n").encode()


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar as written, and its entity tag."""

    body: bytes
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", f'"{hashlib.sha256(self.body).hexdigest()[:32]}"')


def runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """The runs of consecutive days, each as its first day and the day after its last."""
    found: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if found and found[-1][1] == day:
            found[-1] = (found[-1][0], day + timedelta(days=1))
        else:
            found.append((day, day + timedelta(days=1)))
    return found


def write_calendar(name: str, entries: Sequence[Entry]) -> Feed:
    """The calendar as bytes. Takes about 0.3 ms for each event."""
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", Words(name))
    calendar.add("x-wr-calname", Words(name))
    calendar.add("x-wr-timezone", JAKARTA.key)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT6H")
    for entry in entries:
        for place, (begin, end) in enumerate(runs(entry.days)):
            event = _event(entry, "" if place == 0 else f"-{place + 1}", entry.name)
            event.add("dtstart", begin)
            event.add("dtend", end)
            event.add("transp", "TRANSPARENT")
            if entry.places:
                event.add("location", Words("; ".join(entry.places)))
            calendar.add_component(event)
        if entry.opening is not None:
            event = _event(entry, "-opening", entry.opening.title)
            event.add("dtstart", entry.opening.at)
            event.add("dtend", entry.opening.at + OPENING_LASTS)
            event.add("location", entry.opening.url)
            calendar.add_component(event)
    return Feed(calendar.to_ical())


def _event(entry: Entry, suffix: str, title: str) -> Event:
    event = Event()
    event.add("uid", f"{entry.uid}{suffix}@{HOST}")
    event.add("summary", Words(title))
    event.add("status", entry.status)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.changed_at.replace(microsecond=0))
    event.add("created", entry.created_at.replace(microsecond=0))
    event.add("last-modified", entry.changed_at.replace(microsecond=0))
    if entry.lines:
        event.add("description", Words("\n".join(entry.lines)))
    if entry.url is not None:
        event.add("url", entry.url)
    return event

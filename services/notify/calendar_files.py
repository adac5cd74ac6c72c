"""Calendar files (RFC 5545) that go with an e-mail: the days of a booth, the sessions of a class.

The same booth or class has the same UID in every message about it, and a later message a higher SEQUENCE (the moment
its notification was planned, which its id tells), so a calendar that has taken the first replaces it by the last.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.notify.domain.contents import Attachment

if TYPE_CHECKING:
    from icalendar import Event

__all__ = ["TEMPLATES", "attachments", "load"]

PRODID = "-//Lapak//Pesan//ID"
HOST = "lapak"
SEQUENCES_FROM = datetime(2020, 1, 1, tzinfo=UTC)

BOOTHS = ("booth-confirmed", "booth-swapped", "booth-days-added", "application-rescheduled")
CLASSES = ("training-enrolled", "training-class-moved")
"""Templates that tell when somebody is to be where, for sure. An offer is not sure yet."""

TEMPLATES = frozenset({*BOOTHS, *CLASSES})

_NAMES = {"id": ("jadwal.ics", "Lapak {}: {}", "Pelatihan: {}"), "en": ("schedule.ics", "Booth {}: {}", "Class: {}")}


def load() -> None:
    """Load `icalendar`, 3 MB. It takes up to 0.1 s: in a thread, where messages leave."""
    import_module("icalendar")


def attachments(
    template: str, params: Mapping[str, Any], *, language: str, notification_id: UUID
) -> tuple[Attachment, ...]:
    """The calendar file that goes with a message of this template and these parameters (JSON values); none where there
    is nothing sure to note. Takes about 0.3 ms for each event.
    """
    name, booth, session = _NAMES.get(language, _NAMES["id"])
    if template in BOOTHS and params.get("booth") and "application_id" in params:
        title = booth.format(params["booth"], params["bazaar_name"])
        days = [date.fromisoformat(day) for day in params["days"]]
        events = _days(params["application_id"], title, params.get("site_name"), days)
    elif template in CLASSES and "class_id" in params:
        title = session.format(params["title"])
        moments = [datetime.fromisoformat(moment).astimezone(UTC) for moment in params.get("starts_at") or ()]
        days = [date.fromisoformat(day) for day in params["days"]]
        if moments:
            events = _sessions(params["class_id"], title, params.get("venue"), moments)
        else:
            events = _days(params["class_id"], title, params.get("venue"), days)
    else:
        return ()
    body = _written(events, planned_at(notification_id))
    return (Attachment(name, "text/calendar; method=PUBLISH; charset=utf-8", body),) if events else ()


def planned_at(notification_id: UUID) -> datetime:
    """When the notification was written down, to the second, as its id (UUIDv7) tells."""
    return datetime.fromtimestamp((notification_id.int >> 80) // 1000, UTC)


def _days(key: str, title: str, place: str | None, days: Iterable[date]) -> list["Event"]:
    """Whole days: an event for each run of them, so that no time zone can shift them."""
    runs: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if runs and runs[-1][1] == day:
            runs[-1] = (runs[-1][0], day + timedelta(days=1))
        else:
            runs.append((day, day + timedelta(days=1)))
    events = []
    for number, (begin, end) in enumerate(runs):
        event = _event(key, number, title, place)
        event.add("dtstart", begin)
        event.add("dtend", end)
        events.append(event)
    return events


def _sessions(key: str, title: str, place: str | None, moments: Iterable[datetime]) -> list["Event"]:
    """Moments; when a session ends nobody says."""
    events = []
    for number, moment in enumerate(sorted(set(moments))):
        event = _event(key, number, title, place)
        event.add("dtstart", moment)
        events.append(event)
    return events


def _event(key: str, number: int, title: str, place: str | None) -> "Event":
    from icalendar import Event

    event = Event()
    event.add("uid", f"{key}{f'-{number + 1}' if number else ''}@{HOST}")
    event.add("summary", _text(title))
    if place:
        event.add("location", _text(place))
    return event


def _text(value: str) -> str:
    """One line; without the backslash, which `icalendar` takes for the end of a line where an N follows it."""
    return " ".join(value.replace("\\", "/").split())


def _written(events: Iterable["Event"], moment: datetime) -> bytes:
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for event in events:
        event.add("dtstamp", moment)
        event.add("sequence", max(int((moment - SEQUENCES_FROM).total_seconds()), 0))
        event.add("status", "CONFIRMED")
        event.add("transp", "OPAQUE")
        calendar.add_component(event)
    body: bytes = calendar.to_ical()
    return body

"""Calendars that phones and computers read: RFC 5545, written by `icalendar`.

A bazaar is an event of whole days for each run of days it lasts, so that no time zone can shift it. The same bazaar
gives the same bytes: its stamp is the moment of its last change, its SEQUENCE counts the changes of what residents see.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from icalendar import Calendar, Event, vText

from services.bazaar.domain.application import ApplicationState
from services.bazaar.domain.bazaar import BazaarState, Opening
from shared.clock import JAKARTA
from shared.errors import NotFound

CalendarStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]

PRODID = "-//Lapak//Bazar//ID"
HOST = "lapak"
"""After the at sign of every UID: our name, whatever host the calendar was read from."""

REFRESH = timedelta(hours=6)
OPENING_LASTS = timedelta(hours=1)
SHOWN_BACK = timedelta(days=120)
"""What is longer over is in no calendar any more."""

EVER = date(2000, 1, 1)
"""Before this day there is no bazaar."""

ENTRIES_MAX = 1_000


class Words(vText):
    """A text, escaped as RFC 5545 (3.3.11) says. `icalendar` takes a backslash before an N for the end of a line, and
    does not escape NAME at all."""

    def to_ical(self) -> bytes:
        """The text as it stands in the file."""
        text = self.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
        return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n").encode()


class CalendarUnknown(NotFound):
    """There is no calendar at this address, or its link was revoked."""

    code = "calendar-unknown"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a calendar shows of one thing. `uid` is the same for ever; `sequence` rises with every change."""

    uid: UUID
    name: str
    days: tuple[date, ...]
    status: CalendarStatus
    sequence: int
    created_at: datetime
    changed_at: datetime
    lines: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    url: str | None = None
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar as written, and its entity tag."""

    body: bytes
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", f'"{hashlib.sha256(self.body).hexdigest()[:32]}"')


def status_of_bazaar(state: BazaarState) -> CalendarStatus:
    """How sure it is that it takes place."""
    if state == "cancelled":
        return "CANCELLED"
    return "TENTATIVE" if state in ("draft", "tentative") else "CONFIRMED"


def status_of_application(state: ApplicationState, bazaar: BazaarState) -> CalendarStatus:
    """How sure it is that the vendor stands there. What came to nothing stays visible as cancelled."""
    if bazaar == "cancelled":
        return "CANCELLED"
    if state in ("confirmed", "attended", "missed"):
        return "CONFIRMED"
    return "TENTATIVE" if state in ("received", "queued", "offered") else "CANCELLED"


SAID_OF_APPLICATION: dict[ApplicationState, str] = {
    "received": "Lamaran",
    "queued": "Daftar tunggu",
    "offered": "Tawaran lapak",
    "confirmed": "Lapak Anda",
    "attended": "Lapak Anda",
    "missed": "Lapak Anda",
    "withdrawn": "Lamaran ditarik",
    "ineligible": "Lamaran tidak memenuhi syarat",
    "declined": "Tawaran ditolak",
    "lapsed": "Tawaran lewat waktu",
    "released": "Lapak dikembalikan",
    "cancelled": "Bazar dibatalkan",
}
"""What a vendor's own calendar says before the bazaar's name."""


def moment_in_words(moment: datetime) -> str:
    """A moment as vendors read it: 13-03-2023 17.00 WIB."""
    return f"{moment.astimezone(JAKARTA):%d-%m-%Y %H.%M} WIB"


def entry_of_bazaar(row: Mapping[str, Any]) -> Entry:
    """A bazaar as everyone sees it, from what is kept of it."""
    state: BazaarState = row["state"]
    status = status_of_bazaar(state)
    lines = [row["theme"], f"Penyelenggara: {', '.join(row['organisers'])}"]
    if status == "TENTATIVE":
        lines.append("Tanggal masih dapat berubah.")
    elif status == "CANCELLED":
        lines.append("Dibatalkan.")
    else:
        lines.append(f"Lamaran lapak sampai {moment_in_words(row['applications_close_at'])}.")
    opening = None if row["opening"] is None else Opening.model_validate(row["opening"])
    return Entry(
        uid=row["bazaar_id"],
        name=row["name"],
        days=tuple(row["days"]),
        status=status,
        sequence=row["revision"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        lines=tuple(line for line in lines if line),
        places=tuple(row["places"] or ()) if row["setting"] == "physical" else (),
        url=row["url"],
        opening=opening,
    )


def entry_of_application(row: Mapping[str, Any]) -> Entry:
    """What a vendor's own calendar shows of one application, from what is kept of it."""
    state: ApplicationState = row["state"]
    status = status_of_application(state, row["bazaar"])
    lines = []
    if row["booth"] is not None and status != "CANCELLED":
        lines.append(f"Lapak {row['booth']}, {row['site']}")
    if state == "offered" and status != "CANCELLED":
        lines.append(f"Jawab sebelum {moment_in_words(row['respond_by'])}.")
    if state == "received" and status != "CANCELLED":
        lines.append(f"Lamaran dapat ditarik sampai {moment_in_words(row['applications_close_at'])}.")
    said = SAID_OF_APPLICATION["cancelled" if row["bazaar"] == "cancelled" else state]
    return Entry(
        uid=row["application_id"],
        name=f"{said}: {row['name']}",
        days=tuple(row["days"]),
        status=status,
        # both only rise
        sequence=row["version"] + row["revision"],
        created_at=row["applied_at"],
        changed_at=row["changed_at"],
        lines=tuple(lines),
        places=() if row["site"] is None else (row["site"],),
    )


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

"""What calendars of bazaars show, and of a vendor's own days; `calendar_files` writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from services.bazaar.domain.application import ApplicationState
from services.bazaar.domain.bazaar import BazaarState, Opening
from shared.clock import JAKARTA
from shared.errors import NotFound

CalendarStatus = Literal["TENTATIVE", "CONFIRMED", "CANCELLED"]

SHOWN_BACK = timedelta(days=120)
"""What is longer over is in no calendar any more."""

EVER = date(2000, 1, 1)
"""Before this day there is no bazaar."""

ENTRIES_MAX = 1_000


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

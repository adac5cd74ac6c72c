"""Scans at the door of a class: several devices, offline, sending later (`shared.gate.scans`)."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.attendance import require_held
from services.training.domain.classes import TrainingClass
from shared.clock import day_in_jakarta
from shared.errors import Refused
from shared.gate import scans
from shared.gate.scans import SCANS_MAX, DeviceId, DeviceMoment, ScanText, Seen

SYNC_DAYS_AFTER = 30
"""Scans are taken until so many days after the last session: phones come back late. Then officers correct."""

OTHER_DAY = "not-a-session-day"


class SyncTooLate(Refused):
    """The class has been over for so long that what devices still hold is put right by officers."""

    code = "sync-too-late"


class OwnScan(Refused):
    """An officer does not type its own number as a vendor."""

    code = "own-case"


class Scan(BaseModel):
    """One scan: what a ticket's code said, or the vendor whose number an officer typed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan_id: UUID
    ticket: ScanText | None = None
    vendor_id: UUID | None = None
    scanned_at: DeviceMoment

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ticket is None) == (self.vendor_id is None):
            raise ValueError("give either ticket or vendor_id")
        return self


class SyncScans(BaseModel):
    """Command: what a device has scanned. `sent_at`: what its clock shows as it sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: DeviceId
    sent_at: DeviceMoment
    scans: list[Scan] = Field(max_length=SCANS_MAX)


def require_sync(a_class: TrainingClass, now: datetime) -> None:
    """Refuse scans of a class that is not held, and when it has been over for long."""
    require_held(a_class)
    last = a_class.days[-1] + timedelta(days=SYNC_DAYS_AFTER)
    if day_in_jakarta(now) > last:
        raise SyncTooLate(
            f"Scans of this class were taken until {last.isoformat()}. Correct the attendance of whom they concern: "
            "POST /v1/classes/{class_id}/attendance/corrections.",
            until=last.isoformat(),
        )


def corrected(scan: Scan, sent_at: datetime, now: datetime) -> datetime:
    """When a scan was made, by our clock."""
    return scan.scanned_at + (now - sent_at)


def see(a_class: TrainingClass, scan: Scan, sent_at: datetime, now: datetime, issued_at: datetime | None) -> Seen:
    """When and on which session day a scan was made; `issued_at`: of the ticket that was scanned."""
    return scans.see(scan.scanned_at, sent_at, now, a_class.days, issued_at, other_day=OTHER_DAY)

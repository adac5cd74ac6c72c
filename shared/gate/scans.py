"""Scans of tickets, as a set that several devices add to.

A device may send a scan again and again, among others, after others; several devices may have scanned the same ticket.
What is kept follows from the set alone.

A device's clock may be wrong. It says in `sent_at` what it shows when it sends, so the difference to ours, which the
network's delay makes a little too large, corrects every moment of that sending. Retries differ by their delays: the
earliest moment counts. What is not plausible then is neither taken nor lost: an officer decides.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.clock import day_in_jakarta
from shared.errors import NotFound, Refused

__all__ = [
    "CLOCK_TOLERANCE",
    "SCANS_MAX",
    "DeviceId",
    "DeviceMoment",
    "KeptScan",
    "RefusedScan",
    "ScanIdReused",
    "ScanText",
    "ScanUnknown",
    "Seen",
    "see",
    "united",
]

CLOCK_TOLERANCE = timedelta(minutes=15)
"""So far a corrected moment may lie outside a day, before its ticket was issued, or after its own sending."""

SCANS_MAX = 500
"""Of one sending; checking their signatures takes 60 ms of one processor."""

DeviceMoment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
"""What a device's clock shows, which may be wrong by decades: a clock without a battery begins in 1970."""

DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
ScanText = Annotated[str, StringConstraints(max_length=500)]
"""What a code held, which need not be a ticket."""


class ScanUnknown(NotFound):
    """No scan with this id waits for an officer."""

    code = "scan-unknown"


class ScanIdReused(Refused):
    """The device gave the id of one scan to another; ids of scans are random and used once."""

    code = "scan-id-reused"


class Seen(NamedTuple):
    """A genuine scan with its clock corrected: when, on which day, and why an officer must look at it."""

    moment: datetime
    day: date
    flagged_because: str | None = None


class KeptScan(NamedTuple):
    """A scan of a genuine ticket (serial 0: its subject was typed), as it is kept.

    `state`: accepted; flagged, an officer decides; dismissed by one.
    """

    scan_id: UUID
    device_id: str
    subject: UUID
    serial: int
    moment: datetime
    day: date
    state: Literal["flagged", "accepted", "dismissed"]
    flagged_because: str | None


class RefusedScan(NamedTuple):
    """One scan that counts for nothing, and why; `details` say what would be valid now."""

    scan_id: UUID
    code: str
    reason: str
    details: Mapping[str, object]


def united(one: KeptScan, other: KeptScan) -> KeptScan:
    """Of two sendings of one scan the one that counts: an officer's word, else what is plausible, else the earlier.

    That is an order, so of any number of sendings the same one counts, whichever came first.
    """
    return min(one, other, key=_rank)


def _rank(scan: KeptScan) -> tuple[int, datetime, date, str, str]:
    worth = ("dismissed", "accepted", "flagged").index(scan.state)
    return worth, scan.moment, scan.day, scan.flagged_because or "", scan.device_id


def see(
    scanned_at: datetime,
    sent_at: datetime,
    now: datetime,
    days: Sequence[date],
    issued_at: datetime | None,
    *,
    other_day: str,
) -> Seen:
    """When and on which day a scan was made. `days`: those it may be of; `issued_at`: of the ticket that was scanned.

    `other_day`: why an officer must look at a scan of a day that is not among them.
    """
    moment = scanned_at + (now - sent_at)
    day = _day(moment, days)
    if scanned_at > sent_at + CLOCK_TOLERANCE:
        return Seen(moment, day or day_in_jakarta(moment), "scanned-after-sent")
    if day is None:
        return Seen(moment, day_in_jakarta(moment), other_day)
    if issued_at is not None and moment < issued_at - CLOCK_TOLERANCE:
        return Seen(moment, day, "before-ticket")
    return Seen(moment, day)


def _day(moment: datetime, days: Collection[date]) -> date | None:
    around = (moment, moment + CLOCK_TOLERANCE, moment - CLOCK_TOLERANCE)
    return next((day for day in map(day_in_jakarta, around) if day in days), None)

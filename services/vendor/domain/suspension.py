"""Suspension: an officer keeps a vendor from what the programme offers, until a day or until further notice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from services.vendor.domain.registration import Vendor
from shared.clock import JAKARTA
from shared.errors import Refused
from shared.events.vendor import VendorEvent, VendorReinstated, VendorSuspended

__all__ = [
    "AlreadySuspended",
    "NotSuspended",
    "ReasonUnknown",
    "Suspension",
    "UntilRefused",
    "end",
    "ends_at",
    "lift",
    "suspend",
]

SUSPENSION_DAYS_MAX = 3 * 366


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a vendor was suspended, until which day (Asia/Jakarta; None: until an officer ends it), and how it ended."""

    suspension_id: UUID
    vendor_id: UUID
    reason: str
    until: date | None
    suspended_by: str
    suspended_at: datetime
    ended: Literal["reinstated", "expired"] | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None


class AlreadySuspended(Refused):
    """One suspension at a time."""

    code: ClassVar[str] = "already-suspended"

    def __init__(self, reason: str) -> None:
        super().__init__("The vendor is suspended already; reinstate it first to change the reason.", reason=reason)


class NotSuspended(Refused):
    """There is no suspension to end."""

    code: ClassVar[str] = "not-suspended"

    def __init__(self) -> None:
        super().__init__("The vendor is not suspended; nothing was changed.")


class ReasonUnknown(Refused):
    """A reason the programme does not have; names those it has."""

    code: ClassVar[str] = "reason-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no such reason; known are {', '.join(names)}.", known=names)


class UntilRefused(Refused):
    """A last day that is past, or too far."""

    code: ClassVar[str] = "until-refused"
    status: ClassVar[int] = 422

    def __init__(self, today: date, latest: date) -> None:
        super().__init__(
            f"The last day of a suspension lies from {today} to {latest}; leave it out to end it by hand.",
            earliest=today.isoformat(),
            latest=latest.isoformat(),
        )


def suspend(
    vendor: Vendor,
    reason: str,
    until: date | None,
    reasons: frozenset[str],
    *,
    suspension_id: UUID,
    officer: str,
    today: date,
    now: datetime,
) -> tuple[Vendor, Suspension, list[VendorEvent]]:
    """The vendor, suspended. Raises `ReasonUnknown`, `UntilRefused` or `AlreadySuspended`."""
    if reason not in reasons:
        raise ReasonUnknown(reasons)
    latest = today + timedelta(days=SUSPENSION_DAYS_MAX)
    if until is not None and not today <= until <= latest:
        raise UntilRefused(today, latest)
    if vendor.suspended_because is not None:
        raise AlreadySuspended(vendor.suspended_because)
    suspension = Suspension(suspension_id, vendor.vendor_id, reason, until, officer, now)
    event = VendorSuspended(vendor_id=vendor.vendor_id, reason=reason)
    return replace(vendor, suspended_because=reason), suspension, [event]


def lift(
    family: Sequence[Vendor], running: Sequence[Suspension], ending: Sequence[Suspension]
) -> list[tuple[Vendor, Vendor, list[VendorEvent]]]:
    """The registrations of a person that change, before and after, when `ending` of the `running` suspensions end.

    `family` begins with the registration that stands for the person, which is suspended as long as any of them is: a
    merge carries the suspension of either over to it.
    """
    left = {one.vendor_id: one.reason for one in running if one not in ending}
    changed = []
    for vendor in family:
        reason = left.get(vendor.vendor_id)
        if reason is None and vendor is family[0] and left:
            reason = next(iter(left.values()))
        if reason != vendor.suspended_because:
            event: VendorEvent = (
                VendorReinstated(vendor_id=vendor.vendor_id)
                if reason is None
                else VendorSuspended(vendor_id=vendor.vendor_id, reason=reason)
            )
            changed.append((vendor, replace(vendor, suspended_because=reason), [event]))
    return changed


def end(suspension: Suspension, officer: str | None, now: datetime) -> Suspension:
    """The suspension, ended: by an officer's word, or (None) because its last day is over."""
    return replace(suspension, ended="expired" if officer is None else "reinstated", ended_by=officer, ended_at=now)


def ends_at(until: date) -> datetime:
    """The moment a suspension with this last day ends: the midnight after it, in Jakarta."""
    return datetime.combine(until + timedelta(days=1), time(), JAKARTA)

"""The gate: what devices scanned and send later, when it closes, and who gets the booths of those who did not come.

Scans are a set (`shared.gate.scans`): a vendor was there on a day when one scan of that day is accepted, since the
earliest of them.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.bazaar.domain.application import Application, Offer, Step, Vendor, require_eligible
from services.bazaar.domain.bazaar import Bazaar, Site
from services.bazaar.domain.days import NotABazaarDay, booth_given_away
from services.bazaar.domain.ledger import Standing
from services.bazaar.domain.policy import Policy
from services.bazaar.domain.values import Exact
from shared.clock import JAKARTA, day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.bazaar import ApplicationReceived, BoothConfirmed, GateClosingChanged
from shared.gate import scans
from shared.gate.scans import SCANS_MAX, DeviceId, DeviceMoment, ScanText, Seen

CLOSES_AT_DEFAULT = time(10, 0)
"""In Jakarta, on the first day of a site: who has not come by then may lose its booth to one who waits at the gate."""

SYNC_DAYS_AFTER = 7
"""Scans are taken until so many days after the last day of the bazaar: phones come back late."""


class SyncTooLate(Refused):
    """The bazaar has been over for so long that its check-ins are settled for good."""

    code = "sync-too-late"


class GateOpen(Refused):
    """The gate has not closed yet, so nobody is late."""

    code = "gate-open"


class GateEarlier(Refused):
    """Once the applicants are frozen, a gate is not made to close earlier."""

    code = "gate-earlier"


class GateUnknown(NotFound):
    """The bazaar has no such site."""

    code = "unknown-site"


class NoBoothFree(Refused):
    """Every booth of the site is held."""

    code = "no-booth-free"


class NotAWalkIn(Refused):
    """The vendor's application to this bazaar is over, so it cannot have a booth at the gate."""

    code = "not-a-walk-in"


class Scan(Exact):
    """One scan: what a ticket's code said, or the application whose booth number an officer typed."""

    scan_id: UUID
    ticket: ScanText | None = None
    application_id: UUID | None = None
    scanned_at: DeviceMoment

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ticket is None) == (self.application_id is None):
            raise ValueError("give either ticket or application_id")
        return self


class SyncScans(Exact):
    """Command: what a device has scanned. `sent_at`: what its clock shows as it sends."""

    device_id: DeviceId
    sent_at: DeviceMoment
    scans: list[Scan] = Field(max_length=SCANS_MAX)


class Gate(NamedTuple):
    """When a site's gate closes on its first day, and since when the absent have lost their booths."""

    closes_at: time = CLOSES_AT_DEFAULT
    released_at: datetime | None = None


def require_sync(bazaar: Bazaar, now: datetime) -> None:
    """Refuse scans before the booths are given and when all has been settled for good."""
    if bazaar.state != "finished":
        bazaar.require("allocated", "check in its booths")
    last = max(bazaar.days) + timedelta(days=SYNC_DAYS_AFTER)
    if day_in_jakarta(now) > last:
        raise SyncTooLate(
            f"Scans of this bazaar were taken until {last.isoformat()}. What was not sent by then can be put right "
            "by an appeal of the vendor.",
            until=last.isoformat(),
        )


def see(
    scanned_at: datetime, sent_at: datetime, now: datetime, days: Sequence[date], issued_at: datetime | None
) -> Seen:
    """When and on which day a scan was made. `days`: those of the site; `issued_at`: of the ticket that was scanned."""
    return scans.see(scanned_at, sent_at, now, days, issued_at, other_day="not-a-bazaar-day")


def came_too_late_for(application: Application, seen: Seen, gate: Gate) -> Seen:
    """A vendor whose booth was given away was scanned. Raises `BoothGivenAway` when that was after the gate's closing.

    Was it before, and the phone sent it too late, an officer must find a way; the vendor is no no-show.
    """
    if gate.released_at is None or seen.moment >= gate.released_at:
        raise booth_given_away(application)
    return seen._replace(flagged_because="booth-given-away")


def site_of(bazaar: Bazaar, site_id: str) -> Site:
    """The site with this id. Raises `GateUnknown`."""
    found = next((site for site in bazaar.sites if site.site_id == site_id), None)
    if found is None:
        raise GateUnknown(f"The bazaar has no site {site_id!r}.", site_id=site_id)
    return found


def require_gate(bazaar: Bazaar, gate: Gate, closes_at: time) -> None:
    """Refuse, once the applicants are frozen, a closing earlier than what held then and than is usual: else whoever has
    a booth could be made late unawares, and the booth be given to somebody who stands there."""
    earliest = min(gate.closes_at, CLOSES_AT_DEFAULT)
    if bazaar.round and closes_at < earliest:
        raise GateEarlier(
            f"closes_at: the list of applicants is frozen, so this gate closes at {earliest:%H.%M} WIB or later; an "
            "earlier time is set before the freeze.",
            closes_at_min=f"{earliest:%H:%M}",
        )


def closing(site: Site, gate: Gate) -> datetime:
    """The moment in which the gate closes."""
    return datetime.combine(site.days[0], gate.closes_at, JAKARTA)


def closing_for(site: Site, gate: Gate, days: Sequence[date], now: datetime) -> datetime | None:
    """By when a vendor with a ticket for these days has to be there; None: that is over, or does not concern it."""
    closes = closing(site, gate)
    is_over = gate.released_at is not None or closes <= now
    return None if is_over or days[0] != site.days[0] else closes


def change_closing(application: Application, bazaar: Bazaar, site: Site, before: Gate, closes: datetime) -> Step:
    """A vendor with a ticket is told by when it has to be there now."""
    held = application.offer
    assert held is not None, "who has a ticket has a booth"
    event = GateClosingChanged(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        site_id=site.site_id,
        site_name=site.name,
        booth=held.booth,
        days=list(site.days),
        closes_at_before=closing(site, before),
        closes_at=closes,
    )
    return Step(replace(application, version=application.version + 1), event)


def require_closed(bazaar: Bazaar, site: Site, gate: Gate, now: datetime) -> None:
    """Refuse to take anybody for absent before the gate has closed."""
    bazaar.require("allocated", "release the booths of the absent")
    closes = closing(site, gate)
    if now < closes:
        raise GateOpen(
            f"The gate closes on {site.days[0].isoformat()} at {gate.closes_at:%H.%M} WIB; until then nobody is late.",
            closes_at=closes.isoformat(),
        )


def require_selling(bazaar: Bazaar, site: Site, now: datetime) -> date:
    """Today, if the site is open today; who walks in stands there at once. Raises `NotABazaarDay`."""
    bazaar.require("allocated", "take walk-ins")
    today = day_in_jakarta(now)
    if today not in site.days:
        raise NotABazaarDay(f"This site is not open today, {today.isoformat()}.", days=[str(day) for day in site.days])
    return today


class Newcomer(NamedTuple):
    """One who waits at the gate and did not apply, and its standing."""

    vendor: Vendor
    standing: Standing


def in_order(newcomers: Sequence[Newcomer], bazaar_id: UUID) -> list[Newcomer]:
    """The order in which they get booths: fewer turns, then longer waiting, then by lot."""
    return sorted(newcomers, key=lambda one: (one.standing.turns, one.standing.waiting_since, _lot(one, bazaar_id)))


def _lot(one: Newcomer, bazaar_id: UUID) -> str:
    return hashlib.sha256(f"{bazaar_id}:{one.vendor.vendor_id}".encode()).hexdigest()


def require_walk_in(policy: Policy, vendor: Vendor | None, states: Collection[str]) -> Vendor:
    """The vendor, if it may have a booth at the gate. `states`: of its applications to this bazaar under any id."""
    over = sorted(state for state in states if state != "withdrawn")
    if over:
        raise NotAWalkIn(
            f"This vendor has an application to this bazaar that is {over[0]}; a booth at the gate goes to those who "
            "wait in the queue, and to those who did not apply.",
            state=over[0],
        )
    require_eligible(policy, vendor)
    assert vendor is not None
    return vendor


def without_turns_of_groups(bazaar: Bazaar) -> Bazaar:
    """The same bazaar, with an order at the gate that the turns of groups do not move any more.

    They are counted in the files of the round, in which newcomers are not; caps and reserves hold as ever.
    """
    levels = [level for level in bazaar.policy.rotation if level.by == "vendor"]
    return replace(bazaar, policy=bazaar.policy.model_copy(update={"rotation": levels}))


def at_this_site(application: Application, site_id: str) -> Application:
    """One who stands at the gate of a site that it did not name takes a booth there."""
    return replace(application, choices=((site_id,),))


def walk_in(bazaar: Bazaar, vendor: Vendor, site_id: str, *, application_id: UUID, now: datetime) -> Step:
    """A vendor that did not apply asks for a booth at the gate."""
    after = Application(
        application_id=application_id,
        bazaar_id=bazaar.bazaar_id,
        vendor_id=vendor.vendor_id,
        version=1,
        state="received",
        choices=((site_id,),),
        applied_at=now,
        groups=vendor.groups,
        origin="walk-in",
    )
    event = ApplicationReceived(
        application_id=application_id,
        bazaar_id=bazaar.bazaar_id,
        vendor_id=vendor.vendor_id,
        bazaar_name=bazaar.name,
        choices=[[site_id]],
        origin="walk-in",
    )
    return Step(after, event)


def give_booth(application: Application, bazaar: Bazaar, site: Site, booth: str, now: datetime) -> Step:
    """One who waits at the gate takes a booth that nobody holds, at once; `promoted`, as somebody had it before."""
    after = replace(
        application,
        state="confirmed",
        version=application.version + 1,
        offer=Offer(site.site_id, booth, respond_by=now, promoted=True),
    )
    event = BoothConfirmed(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        site_id=site.site_id,
        site_name=site.name,
        booth=booth,
        days=[day for day in site.days if day >= day_in_jakarta(now)],
    )
    return Step(after, event)

"""Affiliations: the PKK of an area, Kadin's registered small businesses, and what else vendors belong to.

A membership with a term runs out and is renewed by a payment that an officer notes; no money passes here. Nothing in
the programme asks for an affiliation: it never blocks a service of the city (DOMAIN B6).
"""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from services.vendor import areas
from shared.errors import NotFound, Refused
from shared.events.programme import (
    AffiliationEnded,
    AffiliationEvent,
    AffiliationExpiring,
    AffiliationLapsed,
    AffiliationStarted,
)

__all__ = [
    "Affiliation",
    "AffiliationAreaInvalid",
    "AffiliationHeld",
    "AffiliationOver",
    "AffiliationUnknown",
    "FeeMismatch",
    "MembershipOpen",
    "Organisation",
    "OrganisationUnknown",
    "Payment",
    "PaymentInFuture",
    "PaymentMissing",
    "PaymentNotTaken",
    "PaymentNoted",
    "RenewedTooFar",
    "StartImplausible",
    "check_due",
    "end",
    "next_due",
    "renew",
    "start",
]

REMINDER_DAYS = (30, 7)
"""Days before the last day of a membership on which its vendor is reminded."""

RENEWED_AHEAD_YEARS_MAX = 5
"""Nobody pays further ahead; a date beyond is a slip."""

Level = Literal["rw", "kelurahan", "kecamatan", "kota", "province"]
LEVELS: dict[int, Level] = {2: "province", 5: "kota", 8: "kecamatan", 13: "kelurahan"}


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation vendors may belong to. `months` and `fee_rupiah`: a membership of that length at that price."""

    code: str
    name: str
    of_area: bool
    months: int | None
    fee_rupiah: int | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as an officer noted it: what was paid, when, and the organisation's own reference."""

    paid_on: date
    amount_rupiah: int
    reference: str


@dataclass(frozen=True, slots=True)
class Affiliation:
    """A vendor belongs to an organisation. `expires_on` is the last day; `told_days` the reminder told last."""

    affiliation_id: UUID
    vendor_id: UUID
    organisation: str
    area: str | None
    rw: str | None
    state: Literal["active", "lapsed", "ended"]
    started_on: date
    expires_on: date | None
    ended_on: date | None
    told_days: int | None
    entered_by: str

    @property
    def level(self) -> Level | None:
        """PKK is organised at five levels, down to the RW."""
        if self.area is None:
            return None
        return "rw" if self.rw is not None else LEVELS[len(self.area)]


class OrganisationUnknown(Refused):
    """The programme knows no such organisation; names those it knows."""

    code: ClassVar[str] = "organisation-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"The programme knows no such organisation; known are {', '.join(names)}.", known=names)


class AffiliationUnknown(NotFound):
    """No such affiliation, or none of a vendor the caller may know of."""

    code: ClassVar[str] = "affiliation-unknown"

    def __init__(self, affiliation_id: UUID) -> None:
        super().__init__("No affiliation with this id is known to you.", affiliation_id=str(affiliation_id))


class AffiliationHeld(Refused):
    """The vendor belongs to it already; one that lapsed is renewed."""

    code: ClassVar[str] = "affiliation-held"

    def __init__(self, held: Affiliation) -> None:
        way_out = "renew it" if held.state == "lapsed" else "there is nothing to begin"
        super().__init__(
            f"The vendor has this affiliation already and it is {held.state}; {way_out}.",
            affiliation_id=str(held.affiliation_id),
            state=held.state,
        )


class AffiliationAreaInvalid(Refused):
    """The area does not fit the organisation."""

    code: ClassVar[str] = "affiliation-area-invalid"
    status: ClassVar[int] = 422


class StartImplausible(Refused):
    """The day on which it began lies in the future, or so far back that the membership ran out since."""

    code: ClassVar[str] = "start-implausible"
    status: ClassVar[int] = 422


class PaymentMissing(Refused):
    """This membership is paid for, and no payment was named."""

    code: ClassVar[str] = "payment-missing"
    status: ClassVar[int] = 422


class PaymentNotTaken(Refused):
    """This organisation takes no fee."""

    code: ClassVar[str] = "payment-not-taken"
    status: ClassVar[int] = 422


class PaymentInFuture(Refused):
    """A payment is noted once it was made."""

    code: ClassVar[str] = "payment-in-future"
    status: ClassVar[int] = 422


class FeeMismatch(Refused):
    """The amount is not the organisation's fee."""

    code: ClassVar[str] = "fee-mismatch"
    status: ClassVar[int] = 422


class PaymentNoted(Refused):
    """This reference was noted for this affiliation before."""

    code: ClassVar[str] = "payment-noted"


class AffiliationOver(Refused):
    """The vendor left; a new affiliation can be started."""

    code: ClassVar[str] = "affiliation-over"


class MembershipOpen(Refused):
    """This affiliation has no term, so there is nothing to renew."""

    code: ClassVar[str] = "membership-open"


class RenewedTooFar(Refused):
    """The membership is paid for years ahead already."""

    code: ClassVar[str] = "renewed-too-far"


def start(
    affiliation_id: UUID,
    vendor_id: UUID,
    organisation: Organisation,
    held: Iterable[Affiliation],
    *,
    area: str | None,
    rw: str | None,
    started_on: date,
    payment: Payment | None,
    today: date,
    by: str,
) -> tuple[Affiliation, AffiliationStarted]:
    """The vendor belongs to the organisation from `started_on`; `held`: the affiliations of all its registrations."""
    _check_area(organisation, area, rw)
    _check_payment(organisation, payment, today)
    if started_on > today:
        raise StartImplausible("It cannot have begun after today.", today=today.isoformat())
    for one in held:
        if (one.organisation, one.area, one.rw) == (organisation.code, area, rw) and one.state != "ended":
            raise AffiliationHeld(one)
    expires_on = None if organisation.months is None else _last_day(started_on, organisation.months)
    if expires_on is not None and expires_on < today:
        raise StartImplausible(
            f"A membership that began then ran out on {expires_on}; enter the day of the current one.",
            expired_on=expires_on.isoformat(),
        )
    affiliation = Affiliation(
        affiliation_id, vendor_id, organisation.code, area, rw, "active", started_on, expires_on, None, None, by
    )
    return affiliation, _started(affiliation)


def renew(
    affiliation: Affiliation, organisation: Organisation, payment: Payment, references: Iterable[str], today: date
) -> tuple[Affiliation, AffiliationStarted]:
    """The membership goes on for another term from the later of today and the day after its last.

    So who renews early loses nothing, and who renews late pays for no day that is gone. `references` are the payments
    noted before.
    """
    if affiliation.state == "ended":
        raise AffiliationOver("The vendor left this organisation; start a new affiliation instead.")
    if organisation.months is None or affiliation.expires_on is None:
        raise MembershipOpen("This affiliation has no term; there is nothing to renew.")
    _check_payment(organisation, payment, today)
    if payment.reference in set(references):
        raise PaymentNoted("A payment with this reference was noted before; nothing was changed.")
    begins = max(today, affiliation.expires_on + timedelta(days=1))
    if begins > _plus_months(today, 12 * RENEWED_AHEAD_YEARS_MAX):
        raise RenewedTooFar(
            f"It is paid until {affiliation.expires_on} already; a term begins {RENEWED_AHEAD_YEARS_MAX} years ahead "
            "at most.",
            expires_on=affiliation.expires_on.isoformat(),
        )
    renewed = replace(affiliation, state="active", expires_on=_last_day(begins, organisation.months), told_days=None)
    return renewed, _started(renewed)


def end(affiliation: Affiliation, today: date) -> tuple[Affiliation, AffiliationEnded]:
    """The vendor left the organisation."""
    if affiliation.state == "ended":
        raise AffiliationOver("The vendor left this organisation before; nothing was changed.")
    event = AffiliationEnded(
        vendor_id=affiliation.vendor_id,
        affiliation_id=affiliation.affiliation_id,
        organisation=affiliation.organisation,
    )
    return replace(affiliation, state="ended", ended_on=today), event


def check_due(affiliation: Affiliation, today: date) -> tuple[Affiliation, AffiliationEvent | None]:
    """What this day brings an affiliation: a reminder 30 and 7 days before its last day, each once; its lapse the day
    after. A day that was slept over is told late, with the days that are left; of two reminders missed, the later."""
    if affiliation.state != "active" or affiliation.expires_on is None:
        return affiliation, None
    days_left = (affiliation.expires_on - today).days
    named = {
        "vendor_id": affiliation.vendor_id,
        "affiliation_id": affiliation.affiliation_id,
        "organisation": affiliation.organisation,
    }
    if days_left < 0:
        lapsed = AffiliationLapsed(**named, expired_on=affiliation.expires_on)
        return replace(affiliation, state="lapsed"), lapsed
    due = [days for days in REMINDER_DAYS if days_left <= days]
    if not due or (affiliation.told_days is not None and affiliation.told_days <= min(due)):
        return affiliation, None
    expiring = AffiliationExpiring(**named, expires_on=affiliation.expires_on, days_left=days_left)
    return replace(affiliation, told_days=min(due)), expiring


def next_due(affiliation: Affiliation, today: date) -> date | None:
    """The next day on which `check_due` may have something to say; None: never."""
    if affiliation.state != "active" or affiliation.expires_on is None:
        return None
    told = affiliation.told_days
    for days in REMINDER_DAYS:
        if told is None or days < told:
            return max(today, affiliation.expires_on - timedelta(days=days))
    return affiliation.expires_on + timedelta(days=1)


def _check_area(organisation: Organisation, area: str | None, rw: str | None) -> None:
    if not organisation.of_area:
        if area is not None or rw is not None:
            raise AffiliationAreaInvalid(f"{organisation.code} is not organised by area; leave area and rw out.")
        return
    if area is None:
        raise AffiliationAreaInvalid(f"{organisation.code} is organised by area; name the area of its level.")
    if area != areas.PROVINCE and area not in areas.areas():
        raise AffiliationAreaInvalid("The area is no official code of this province; look it up first.", area=area)
    if rw is not None and LEVELS[len(area)] != "kelurahan":
        raise AffiliationAreaInvalid("An RW is a number within a kelurahan; name the kelurahan as area.", area=area)
    if rw == "000":
        raise AffiliationAreaInvalid("No RW is 000; they count from 001.", area=area)


def _check_payment(organisation: Organisation, payment: Payment | None, today: date) -> None:
    fee = organisation.fee_rupiah
    if fee is None:
        if payment is not None:
            raise PaymentNotTaken(f"{organisation.code} takes no fee; leave the payment out.")
        return
    if payment is None:
        raise PaymentMissing(
            f"A membership of {organisation.code} is paid for; note the payment of Rp{fee}.", fee_rupiah=fee
        )
    if payment.amount_rupiah != fee:
        raise FeeMismatch(f"The fee of {organisation.code} is Rp{fee}; note one payment per term.", fee_rupiah=fee)
    if payment.paid_on > today:
        raise PaymentInFuture("A payment is noted once it was made; its day lies after today.")


def _started(affiliation: Affiliation) -> AffiliationStarted:
    return AffiliationStarted(
        vendor_id=affiliation.vendor_id,
        affiliation_id=affiliation.affiliation_id,
        organisation=affiliation.organisation,
        area=affiliation.area,
        rw=affiliation.rw,
        expires_on=affiliation.expires_on,
    )


def _last_day(first: date, months: int) -> date:
    return _plus_months(first, months) - timedelta(days=1)


def _plus_months(day: date, months: int) -> date:
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, calendar.monthrange(years, month + 1)[1]))

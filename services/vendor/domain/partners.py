"""Partners: organisations that work with the programme under agreements for an area, topics and days (DOMAIN B1).

A partner has at most one agreement for an area on any day; one for a larger area beside it is no overlap, as the
chamber of the province and its branch of a city agree on different things. One that is ended early holds no longer on
that day, so that the next may begin then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from services.vendor import areas
from shared.errors import Forbidden, NotFound, Refused
from shared.events.programme import PartnerAgreementEnded, PartnerAgreementMade

__all__ = [
    "Agreement",
    "AgreementOver",
    "AgreementOverlaps",
    "AgreementPeriodInvalid",
    "AgreementUnknown",
    "AreaTooSmall",
    "Partner",
    "PartnerAreaUnknown",
    "PartnerKind",
    "PartnerKnown",
    "PartnerUnknown",
    "end_early",
    "lapse",
    "make",
    "require_wide",
]

PartnerKind = Literal["chamber", "bank", "university", "marketplace", "agency", "other"]

AGREEMENT_YEARS_MAX = 10
"""Longer than any agreement of the programme; a date beyond is a slip."""

CITY_CODE_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner organisation. `version` counts its events."""

    partner_id: UUID
    version: int
    code: str
    name: str
    kind: PartnerKind


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a partner agreed to. `ended_on`: its last day when it ran out (`lapsed`), else the day it was ended on."""

    agreement_id: UUID
    partner_id: UUID
    area: str
    valid_from: date
    valid_until: date
    topics: tuple[str, ...]
    ended_on: date | None = None
    lapsed: bool | None = None

    @property
    def held_until(self) -> date:
        """The first day on which it holds no longer."""
        if self.ended_on is not None and not self.lapsed:
            return max(self.valid_from, self.ended_on)
        return self.valid_until + timedelta(days=1)

    def holds_on(self, day: date) -> bool:
        """Whether it is in force that day."""
        return self.valid_from <= day < self.held_until


class PartnerUnknown(NotFound):
    """No such partner."""

    code: ClassVar[str] = "partner-unknown"

    def __init__(self, partner_id: UUID) -> None:
        super().__init__(
            "There is no partner with this id; the list of partners names them.", partner_id=str(partner_id)
        )


class PartnerKnown(Refused):
    """The code belongs to another partner."""

    code: ClassVar[str] = "partner-known"

    def __init__(self, code: str) -> None:
        super().__init__(
            f"A partner with the code {code} was entered before; use that one, or another code.", partner=code
        )


class AgreementUnknown(NotFound):
    """No such agreement."""

    code: ClassVar[str] = "agreement-unknown"

    def __init__(self, agreement_id: UUID) -> None:
        super().__init__("There is no agreement with this id.", agreement_id=str(agreement_id))


class AgreementPeriodInvalid(Refused):
    """The days of an agreement do not make sense."""

    code: ClassVar[str] = "agreement-period-invalid"
    status: ClassVar[int] = 422


class AgreementOverlaps(Refused):
    """The partner has an agreement for this area on some of these days already."""

    code: ClassVar[str] = "agreement-overlaps"

    def __init__(self, other: Agreement) -> None:
        last = other.held_until - timedelta(days=1)
        super().__init__(
            f"The partner has an agreement for {other.area} from {other.valid_from} until {last}; begin after it, or "
            "end it first.",
            agreement_id=str(other.agreement_id),
            held_until=last.isoformat(),
        )


class AgreementOver(Refused):
    """It ended before."""

    code: ClassVar[str] = "agreement-over"


class PartnerAreaUnknown(Refused):
    """The area is no official code of the province."""

    code: ClassVar[str] = "area-unknown"
    status: ClassVar[int] = 422


class AreaTooSmall(Forbidden):
    """Partners are a matter of the province and its cities."""

    code: ClassVar[str] = "area-too-small"

    def __init__(self, area: str) -> None:
        super().__init__(
            f"Partners are entered by officers of the province or a city; {area} is smaller. Ask one of them.",
            area=area,
        )


def require_wide(area: str) -> None:
    """Refuse officers of anything smaller than a city or regency."""
    if len(area) > CITY_CODE_LENGTH:
        raise AreaTooSmall(area)


def make(
    partner: Partner,
    agreement_id: UUID,
    others: Iterable[Agreement],
    *,
    area: str,
    valid_from: date,
    valid_until: date,
    topics: Iterable[str],
    today: date,
) -> tuple[Agreement, PartnerAgreementMade]:
    """The partner agrees; `others` are all its agreements. Raises `AgreementOverlaps`, or what a field lacks."""
    if area != areas.PROVINCE and area not in areas.areas():
        raise PartnerAreaUnknown("The area is no official code of this province; look it up first.", area=area)
    if valid_until < valid_from:
        raise AgreementPeriodInvalid("An agreement cannot end before it begins.")
    if valid_until < today:
        raise AgreementPeriodInvalid("These days are over; an agreement is entered while it holds, or before.")
    if valid_until.year - valid_from.year > AGREEMENT_YEARS_MAX:
        raise AgreementPeriodInvalid(f"An agreement runs for {AGREEMENT_YEARS_MAX} years at most; renew it then.")
    made = Agreement(agreement_id, partner.partner_id, area, valid_from, valid_until, tuple(sorted(set(topics))))
    for other in others:
        both_from, both_until = max(valid_from, other.valid_from), min(made.held_until, other.held_until)
        if other.area == area and both_from < both_until:
            raise AgreementOverlaps(other)
    event = PartnerAgreementMade(
        partner_id=partner.partner_id,
        agreement_id=agreement_id,
        name=partner.name,
        kind=partner.kind,
        area=area,
        valid_from=valid_from,
        valid_until=valid_until,
        code=partner.code,
        topics=list(made.topics),
    )
    return made, event


def end_early(agreement: Agreement, today: date) -> tuple[Agreement, PartnerAgreementEnded]:
    """The agreement holds no longer, from this day on."""
    if agreement.ended_on is not None or today > agreement.valid_until:
        raise AgreementOver(
            f"This agreement ended on {agreement.ended_on or agreement.valid_until}; nothing was changed."
        )
    return _ended(agreement, today, lapsed=False)


def lapse(agreement: Agreement, today: date) -> tuple[Agreement, PartnerAgreementEnded] | None:
    """What the day after its last brings an agreement; None when it ended before, or still holds."""
    if agreement.ended_on is not None or today <= agreement.valid_until:
        return None
    return _ended(agreement, agreement.valid_until, lapsed=True)


def _ended(agreement: Agreement, day: date, *, lapsed: bool) -> tuple[Agreement, PartnerAgreementEnded]:
    event = PartnerAgreementEnded(
        partner_id=agreement.partner_id, agreement_id=agreement.agreement_id, ended_on=day, lapsed=lapsed
    )
    return replace(agreement, ended_on=day, lapsed=lapsed), event

"""Export and exhibitions (DOMAIN B7): readiness as an officer assessed it, referral to a partner, invitations to
exhibitions, festivals and like events that are not our own bazaars.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from services.vendor import areas
from services.vendor.domain.partners import Agreement
from services.vendor.domain.readiness import Weighting, score
from services.vendor.domain.registration import Vendor
from shared.errors import NotFound, Refused
from shared.events.programme import ExhibitionAnswered, ExhibitionInvited, ExportReadinessAssessed, ExportReferred

__all__ = [
    "INVITED_PER_CALL_MAX",
    "AlreadyReferred",
    "AnswerTooLate",
    "Assessment",
    "ConsentMissing",
    "Exhibition",
    "ExhibitionAreaUnknown",
    "ExhibitionDatesInvalid",
    "ExhibitionKind",
    "ExhibitionPartnersUnknown",
    "ExhibitionUnknown",
    "Invitation",
    "InvitationUnknown",
    "InvitationsClosed",
    "NoExportAgreement",
    "NotExportReady",
    "Referral",
    "TooManyInvited",
    "answer",
    "assess",
    "check_count",
    "check_open",
    "enter_exhibition",
    "invite",
    "refer",
]

EXPORT = "export"
"""Topic of the agreements under which vendors are referred for export."""

INVITED_PER_CALL_MAX = 500
"""Each invitation is an event and a message; one transaction stays short."""

ExhibitionKind = Literal["exhibition", "festival", "forum", "other"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """How ready for export a vendor was found; `criteria_met` are codes.

    `score`: of 100, by the version `weighting`; none for assessments of before there were scores.
    """

    assessment_id: UUID
    vendor_id: UUID
    ready: bool
    criteria_met: tuple[str, ...]
    note: str | None
    assessed_on: date
    at: datetime
    by: str
    score: int | None = None
    weighting: int | None = None


@dataclass(frozen=True, slots=True)
class Referral:
    """A vendor was referred to a partner under one of its agreements."""

    referral_id: UUID
    vendor_id: UUID
    partner_id: UUID
    agreement_id: UUID
    referred_on: date
    by: str


@dataclass(frozen=True, slots=True)
class Exhibition:
    """An event outside our own bazaars. `partners` organise it, beside the programme (DOMAIN B8)."""

    exhibition_id: UUID
    title: str
    place: str
    kind: ExhibitionKind
    area: str
    days: tuple[date, ...]
    answer_by: date
    partners: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Invitation:
    """A vendor was invited; `accepted` is its answer, None while it has not given one."""

    invitation_id: UUID
    exhibition_id: UUID
    vendor_id: UUID
    invited_on: date
    invited_by: str
    accepted: bool | None
    answered_at: datetime | None


class NotExportReady(Refused):
    """Only a vendor that was found ready is referred."""

    code: ClassVar[str] = "not-export-ready"


class ConsentMissing(Refused):
    """A partner gets to know of a vendor only if the vendor agreed to that."""

    code: ClassVar[str] = "consent-missing"


class NoExportAgreement(Refused):
    """The partner has no agreement on export in force for where the vendor lives."""

    code: ClassVar[str] = "no-export-agreement"


class AlreadyReferred(Refused):
    """The vendor was referred under this agreement before."""

    code: ClassVar[str] = "already-referred"


class ExhibitionUnknown(NotFound):
    """No such exhibition, or none of the officer's area."""

    code: ClassVar[str] = "exhibition-unknown"

    def __init__(self, exhibition_id: UUID) -> None:
        super().__init__("No exhibition with this id is known to you.", exhibition_id=str(exhibition_id))


class ExhibitionDatesInvalid(Refused):
    """The days of the exhibition, or the day to answer by, do not make sense."""

    code: ClassVar[str] = "exhibition-dates-invalid"
    status: ClassVar[int] = 422


class ExhibitionAreaUnknown(Refused):
    """The area is no official code of the province."""

    code: ClassVar[str] = "area-unknown"
    status: ClassVar[int] = 422


class ExhibitionPartnersUnknown(Refused):
    """An organiser is named that is no partner."""

    code: ClassVar[str] = "partners-unknown"
    status: ClassVar[int] = 422


class InvitationsClosed(Refused):
    """Nobody is invited once the day to answer by is over."""

    code: ClassVar[str] = "invitations-closed"


class TooManyInvited(Refused):
    """The choice fits more vendors than are invited in one go."""

    code: ClassVar[str] = "too-many-invited"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} vendors fit; {INVITED_PER_CALL_MAX} are invited at most in one go. Narrow the choice.",
            count=count,
            most=INVITED_PER_CALL_MAX,
        )


class InvitationUnknown(NotFound):
    """No such invitation, or somebody else's."""

    code: ClassVar[str] = "invitation-unknown"

    def __init__(self, invitation_id: UUID) -> None:
        super().__init__("No invitation with this id is known to you.", invitation_id=str(invitation_id))


class AnswerTooLate(Refused):
    """The last day to answer is over."""

    code: ClassVar[str] = "answer-too-late"


def assess(
    assessment_id: UUID,
    vendor_id: UUID,
    *,
    ready: bool,
    criteria_met: Iterable[str],
    criteria: Iterable[str],
    weighting: Weighting,
    note: str | None,
    today: date,
    now: datetime,
    by: str,
) -> tuple[Assessment, ExportReadinessAssessed]:
    """An officer's word on whether a vendor is ready for export, with the criteria met. The last one counts.

    The score only proposes: what the officer says stands. Raises `CriterionUnknown`.
    """
    met = tuple(sorted(set(criteria_met)))
    reached = score(weighting, met, criteria)
    assessment = Assessment(
        assessment_id, vendor_id, ready, met, note, today, now, by, score=reached, weighting=weighting.version
    )
    return assessment, ExportReadinessAssessed(vendor_id=vendor_id, ready=ready, assessed_on=today, score=reached)


def refer(
    referral_id: UUID,
    vendor: Vendor,
    latest: Assessment | None,
    partner_id: UUID,
    agreements: Iterable[Agreement],
    earlier: Iterable[Referral],
    *,
    consented: bool,
    today: date,
    by: str,
) -> tuple[Referral, ExportReferred]:
    """Refer a vendor that is ready to a partner with an agreement on export in force where it lives.

    `earlier` are the referrals of all the person's registrations; `consented`: to be named to partners (UU PDP).
    """
    if latest is None or not latest.ready:
        raise NotExportReady("The vendor was not found ready for export; assess it first.")
    if not consented:
        raise ConsentMissing(
            "The vendor has not agreed to be named to partners; ask it, and note its consent for the purpose partners.",
            purpose="partners",
        )
    fitting = [
        agreement
        for agreement in agreements
        if agreement.holds_on(today) and EXPORT in agreement.topics and areas.contains(agreement.area, vendor.kelurahan)
    ]
    if not fitting:
        raise NoExportAgreement(
            "The partner has no agreement on export in force where the vendor lives; the list of partners by area, day "
            "and topic names those that have.",
            partner_id=str(partner_id),
        )
    agreement = max(fitting, key=lambda one: (len(one.area), one.agreement_id))  # the nearest one
    if any(referral.agreement_id == agreement.agreement_id for referral in earlier):
        raise AlreadyReferred("The vendor was referred under this agreement before; nothing was changed.")
    referral = Referral(referral_id, vendor.vendor_id, partner_id, agreement.agreement_id, today, by)
    return referral, ExportReferred(vendor_id=vendor.vendor_id, referral_id=referral_id, partner_id=partner_id)


def enter_exhibition(exhibition: Exhibition, known_partners: int, today: date) -> Exhibition:
    """An exhibition whose area, days and organisers make sense, its days in order and once."""
    if exhibition.area != areas.PROVINCE and exhibition.area not in areas.areas():
        raise ExhibitionAreaUnknown("The area is no official code of this province; look it up first.")
    days, partners = sorted(set(exhibition.days)), sorted(set(exhibition.partners))
    if not today <= exhibition.answer_by <= days[0]:
        raise ExhibitionDatesInvalid("The day to answer by lies between today and the first day of the event.")
    if known_partners != len(partners):
        raise ExhibitionPartnersUnknown("An organiser is no partner; the list of partners names them.")
    return replace(exhibition, days=tuple(days), partners=tuple(partners))


def check_open(exhibition: Exhibition, today: date) -> None:
    """Refuse to invite when nobody could answer any more."""
    if today > exhibition.answer_by:
        raise InvitationsClosed(f"Answers were due by {exhibition.answer_by}; nobody can be invited any more.")


def check_count(count: int) -> None:
    """Refuse to invite more vendors than one transaction should."""
    if count > INVITED_PER_CALL_MAX:
        raise TooManyInvited(count)


def invite(
    exhibition: Exhibition, invitation_id: UUID, vendor_id: UUID, today: date, by: str
) -> tuple[Invitation, ExhibitionInvited]:
    """A vendor is invited."""
    invitation = Invitation(invitation_id, exhibition.exhibition_id, vendor_id, today, by, None, None)
    event = ExhibitionInvited(
        vendor_id=vendor_id,
        invitation_id=invitation_id,
        exhibition_id=exhibition.exhibition_id,
        title=exhibition.title,
        place=exhibition.place,
        days=list(exhibition.days),
        answer_by=exhibition.answer_by,
    )
    return invitation, event


def answer(
    invitation: Invitation, answer_by: date, accepted: bool, today: date, now: datetime
) -> tuple[Invitation, Sequence[ExhibitionAnswered]]:
    """The vendor says whether it comes; it may change its mind until the last day to answer, that day included."""
    if today > answer_by:
        raise AnswerTooLate(f"Answers were due by {answer_by}; ask the officer who invited you.")
    if invitation.accepted == accepted:
        return invitation, []
    event = ExhibitionAnswered(
        vendor_id=invitation.vendor_id,
        invitation_id=invitation.invitation_id,
        exhibition_id=invitation.exhibition_id,
        accepted=accepted,
    )
    return replace(invitation, accepted=accepted, answered_at=now), [event]

"""Contracts of the programme's services P1..P7, affiliations, partners, invitations and the register of issues."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.values import AgencyCode, AreaCode
from shared.events.vendor import VendorEvent

__all__ = [
    "AffiliationEnded",
    "AffiliationExpiring",
    "AffiliationLapsed",
    "AffiliationStarted",
    "EnrolmentChanged",
    "ExhibitionAnswered",
    "ExhibitionInvited",
    "ExportReadinessAssessed",
    "ExportReferred",
    "IssueAssigned",
    "IssueClosed",
    "IssueRaised",
    "PartnerAgreementEnded",
    "PartnerAgreementMade",
    "ProgrammeService",
]

ProgrammeService = Literal["P1", "P2", "P3", "P4", "P5", "P6", "P7"]
"""Registration, training, mentoring, licensing, marketing, financial reports, capital: independent of each other."""

EnrolmentState = Literal["asked", "active", "completed", "left"]


class EnrolmentChanged(VendorEvent):
    """The vendor's standing in one service of the programme changed."""

    service: ProgrammeService
    state: EnrolmentState
    previous_state: EnrolmentState | None = None
    step: int | None = Field(default=None, description="Number of this change among the vendor's in the service")
    followed: bool = Field(
        default=False, description="True: the registry followed what training said; training need not follow it again"
    )


class AffiliationEvent(VendorEvent):
    """A fact about one affiliation of a vendor. None of them ever blocks a service of the city (DOMAIN B6)."""

    affiliation_id: UUID
    organisation: str = Field(description="pkk, kadin, or another organisation's code")


class AffiliationStarted(AffiliationEvent):
    """The vendor belongs to an organisation, or its membership was renewed."""

    area: AreaCode | None = Field(default=None, description="PKK: the area of its level")
    rw: str | None = Field(default=None, description="PKK at RW level: three digits within the kelurahan")
    expires_on: date | None = Field(default=None, description="Last day it is valid, Asia/Jakarta; none: open")


class AffiliationExpiring(AffiliationEvent):
    """A membership will lapse unless it is renewed."""

    expires_on: date
    days_left: int


class AffiliationLapsed(AffiliationEvent):
    """A membership was not renewed in time."""

    expired_on: date


class AffiliationEnded(AffiliationEvent):
    """The vendor left the organisation."""


class ExportReadinessAssessed(VendorEvent):
    """Whether the vendor is ready to export, as an officer assessed it (DOMAIN B7)."""

    ready: bool
    assessed_on: date
    score: int | None = Field(default=None, ge=0, le=100, description="Of 100, by the weights of the criteria then")


class ExportReferred(VendorEvent):
    """The vendor was referred to a partner for export (DOMAIN B7)."""

    referral_id: UUID
    partner_id: UUID


class ExhibitionInvited(VendorEvent):
    """The vendor is invited to an exhibition, festival or like event outside our own bazaars (DOMAIN B7)."""

    invitation_id: UUID
    exhibition_id: UUID
    title: str
    place: str
    days: list[date]
    answer_by: date


class ExhibitionAnswered(VendorEvent):
    """The vendor said whether it comes."""

    invitation_id: UUID
    exhibition_id: UUID
    accepted: bool


class PartnerEvent(Event):
    """A fact about one partner organisation (DOMAIN B1)."""

    topic: ClassVar[str] = "lapak.vendor.events.v1"
    key: ClassVar[str] = "partner_id"

    partner_id: UUID


class PartnerAgreementMade(PartnerEvent):
    """A partner works with the programme in an area between two days."""

    agreement_id: UUID
    name: str = Field(description="Name of the organisation")
    kind: str = Field(description="chamber, bank, university, marketplace, agency or other")
    area: AreaCode
    valid_from: date
    valid_until: date
    code: str | None = Field(default=None, description="Code of the organisation; referrals to a bank name it by this")
    topics: list[str] | None = Field(default=None, description="What it is about, codes, for example capital, training")


class PartnerAgreementEnded(PartnerEvent):
    """An agreement ran out or was ended early."""

    agreement_id: UUID
    ended_on: date
    lapsed: bool = Field(description="True: it ran out; false: it was ended early")


class IssueEvent(Event):
    """A fact about one problem of vendors, as the register of issues keeps it (DOMAIN B2)."""

    topic: ClassVar[str] = "lapak.vendor.events.v1"
    key: ClassVar[str] = "issue_id"

    issue_id: UUID


class IssueRaised(IssueEvent):
    """A problem of vendors was entered."""

    category: str
    area: AreaCode
    vendors: list[UUID]


class IssueAssigned(IssueEvent):
    """An agency owns it from now on."""

    owner: AgencyCode


class IssueClosed(IssueEvent):
    """It is solved, or will not be."""

    outcome: Literal["solved", "declined", "duplicate"]

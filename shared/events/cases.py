"""Contracts of help: cases of P4 to P7, and what banks answer to referrals (P7)."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Command, Event
from shared.events.training import TOPIC, TraineeEvent
from shared.events.values import AgencyCode, AreaCode, CategoryCode, VendorKind

__all__ = [
    "AnswerCapitalReferral",
    "CapitalPacketSent",
    "CapitalReferralAnswerRefused",
    "HelpCaseClosed",
    "HelpCaseMoved",
    "HelpCaseOpened",
    "HelpService",
]

HelpService = Literal["P4", "P5", "P6", "P7"]
"""Licensing, sales, financial reports, capital (DOMAIN A4)."""


class HelpCaseEvent(TraineeEvent):
    """A fact about one case of a vendor."""

    case_id: UUID
    service: HelpService
    step_seen: int | None = Field(
        default=None,
        description="The last `EnrolmentChanged.step` of this vendor and service that was known when it happened: what "
        "was changed by hand in the registry after it stands",
    )


class HelpCaseOpened(HelpCaseEvent):
    """The vendor asked for help and a case was opened for it."""

    owner: AgencyCode | None = Field(default=None, description="Agency that works on it")
    due_on: date = Field(description="Last day to have it solved, Asia/Jakarta")


class HelpCaseMoved(HelpCaseEvent):
    """The case is worked on, waits for the vendor, or has another owner or deadline."""

    state: Literal["open", "working", "waiting-vendor"]
    owner: AgencyCode | None = None
    due_on: date
    wanted: list[str] = Field(default_factory=list, description="What the vendor is to bring, codes, while it waits")
    overdue: bool = False


class HelpCaseClosed(HelpCaseEvent):
    """The case ended."""

    outcome: Literal["solved", "not-possible", "withdrawn", "referred"]


class CapitalPacketSent(TraineeEvent):
    """A bank is asked to look at a vendor that consented to it: what the programme has on record, nothing judged.

    Whose referral it is the bank learns from the registry, not from this event (DOMAIN B3).
    """

    referral_id: UUID
    bank: str
    consented_at: datetime
    kind: VendorKind | None = Field(default=None, description="None: not on record here")
    category: CategoryCode | None = None
    kelurahan_area: AreaCode = Field(description="Kecamatan of the vendor; not finer")
    member_since: date | None = Field(default=None, description="None: not on record here")
    documents_valid: list[str] = Field(default_factory=list, description="Kinds of documents verified and not lapsed")
    trainings_completed: list[str] = Field(default_factory=list, description="Courses")
    months: list[str] = Field(default_factory=list, description="Months with figures, oldest first")
    turnover_rupiah: list[int | None] = Field(default_factory=list, description="By month, as `months`")
    assets_rupiah: int | None = None
    workers: int | None = None
    answer_by: date


class CapitalReferralAnswerRefused(Event):
    """A bank's `AnswerCapitalReferral` was not taken: unknown referral, not its own, or contrary to what stands."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "command_id"

    command_id: UUID = Field(description="ce_id of the refused command")
    referral_id: UUID | None = None
    code: str
    reason: str


class AnswerCapitalReferral(Command):
    """A bank says how far it is with a referral. The loan is the bank's to decide (DOMAIN B3)."""

    topic: ClassVar[str] = "lapak.training.commands.v1"
    key: ClassVar[str] = "referral_id"

    referral_id: str
    bank: str
    answer: str = Field(description="received, approved or declined")
    answered_at: str = Field(description="When the bank decided so, RFC 3339; of two answers the later one counts")

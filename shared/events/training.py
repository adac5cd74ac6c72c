"""Contracts of training: classes, and how far each vendor has come."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.values import AreaCode

__all__ = [
    "CapitalReferralMoved",
    "ClassOpened",
    "TrainingCompleted",
    "TrainingEnrolled",
    "TrainingInvited",
    "TrainingNotCompleted",
]


class ClassOpened(Event):
    """A class of a course takes enrolments."""

    topic: ClassVar[str] = "lapak.training.events.v1"
    key: ClassVar[str] = "class_id"

    class_id: UUID
    course: str = Field(description="Code of the course, for example dasar-kewirausahaan")
    title: str
    area: AreaCode
    days: list[date] = Field(description="Session days, calendar days in Asia/Jakarta")
    places: int


class TraineeEvent(Event):
    """A fact about one vendor's training; the aggregate is the vendor's training record, keyed by the vendor."""

    topic: ClassVar[str] = "lapak.training.events.v1"
    key: ClassVar[str] = "vendor_id"

    vendor_id: UUID


class TrainingInvited(TraineeEvent):
    """Every new member is invited to training automatically (DOMAIN A2); with a class when one fits, else to wait."""

    course: str
    class_id: UUID | None = None
    title: str | None = None
    days: list[date] = Field(default_factory=list)


class TrainingEnrolled(TraineeEvent):
    """The vendor has a place in a class."""

    class_id: UUID
    course: str
    title: str
    days: list[date]


class TrainingCompleted(TraineeEvent):
    """The vendor met the completion rule of its class: eligible where a policy wants one training (DOMAIN A2, D5)."""

    class_id: UUID
    course: str
    title: str
    completed_on: date
    sessions_attended: int
    sessions_held: int


class TrainingNotCompleted(TraineeEvent):
    """The class ended and the vendor did not meet its completion rule, or a correction took the completion back."""

    class_id: UUID
    course: str
    title: str
    sessions_attended: int
    sessions_held: int


class CapitalReferralMoved(TraineeEvent):
    """A referral of this vendor to a bank (P7) came into a new state; the loan is the bank's to decide (DOMAIN B3)."""

    referral_id: UUID
    bank: str = Field(description="Code of the partner bank")
    state: Literal["sent", "received", "approved", "declined", "withdrawn"]

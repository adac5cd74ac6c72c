"""Contracts of mentoring: mentors, who accompanies whom, and visits."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.products import Month
from shared.events.training import TOPIC, TraineeEvent
from shared.events.values import AgencyCode, AreaCode, Language

__all__ = [
    "MatchingPublished",
    "MentorAssigned",
    "MentorListed",
    "MentorUnassigned",
    "MentorWithdrawn",
    "VisitLogged",
    "VisitStruck",
]


class MentorEvent(Event):
    """A fact about one mentor (pendamping). Its name is on its card only."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "mentor_id"

    mentor_id: UUID


class MentorListed(MentorEvent):
    """A mentor works with vendors, or its entry changed.

    employed: by an agency. foster: bapak or ibu angkat, who adopts a group without public money (DOMAIN E4).
    """

    kind: Literal["employed", "foster"]
    funding: Literal["APBD", "NON_APBD"]
    agency: AgencyCode | None = None
    areas: list[AreaCode]
    fields: list[str] = Field(description="Fields of competence, codes as those of courses")
    languages: list[Language]
    load_max: int = Field(description="So many vendors at once at the most")
    alumnus: bool = Field(default=False, description="A member who graduated and mentors now (DOMAIN E5)")


class MentorWithdrawn(MentorEvent):
    """The mentor takes no more vendors; whom it had is parted from it by events of their own."""


class MatchingPublished(Event):
    """An assignment of vendors to mentors was computed, previewed and published by an officer."""

    topic: ClassVar[str] = TOPIC
    key: ClassVar[str] = "matching_id"

    matching_id: UUID
    area: AreaCode
    problem_sha256: str
    vendors: int
    mentors: int
    kept: int = Field(description="Vendors that stay with the mentor they had")
    moved: int = Field(description="Vendors that come to another mentor")
    new: int = Field(description="Vendors that had none")
    unmatched: int = Field(description="Vendors for whom no mentor has room")


class MentorAssigned(TraineeEvent):
    """The vendor has this mentor from now on; one of each kind (employed, foster) at a time."""

    assignment_id: UUID
    mentor_id: UUID
    kind: Literal["employed", "foster"]
    by: Literal["matching", "newcomer", "officer"]
    previous_mentor_id: UUID | None = None


class MentorUnassigned(TraineeEvent):
    """The vendor has no mentor of this kind any more."""

    assignment_id: UUID
    mentor_id: UUID
    kind: Literal["employed", "foster"]
    because: Literal["mentor-left", "officer", "graduated", "vendor-left", "merged", "rematched"]


class VisitLogged(TraineeEvent):
    """A mentor was with a vendor, entered or corrected; the last one of a visit counts.

    Figures of a month feed the registry, which answers with `IndicatorsReported`.
    """

    visit_id: UUID
    mentor_id: UUID
    visited_on: date
    mode: Literal["visit", "call", "group"]
    next_action_on: date | None = None
    month: Month | None = Field(default=None, description="Month of the figures; none: without figures")
    turnover_rupiah: int | None = Field(default=None, ge=0)
    assets_rupiah: int | None = Field(default=None, ge=0)
    workers: int | None = Field(default=None, ge=0)


class VisitStruck(TraineeEvent):
    """A visit was entered by mistake. Figures that it fed to the registry are corrected there."""

    visit_id: UUID
    mentor_id: UUID

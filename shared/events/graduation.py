"""Contracts of graduation (pengentasan, naik kelas): candidates, decisions, alumni (DOMAIN E5)."""

from datetime import date
from uuid import UUID

from pydantic import Field

from shared.events.training import TraineeEvent

__all__ = [
    "GraduationAppealed",
    "GraduationDecided",
    "GraduationProposalWithdrawn",
    "GraduationProposed",
    "GraduationRevoked",
]


class GraduationEvent(TraineeEvent):
    """A fact about one candidacy of a vendor."""

    candidacy_id: UUID
    criteria: str = Field(description="Name of the criteria, for example naik-kelas")
    criteria_version: int


class GraduationProposed(GraduationEvent):
    """The vendor's figures met the criteria for as many months as they ask: a person will decide."""

    months_from: str = Field(description="First of the months that met them, for example 2023-01")
    months_until: str


class GraduationProposalWithdrawn(GraduationEvent):
    """Nobody had decided yet, and the figures do not meet the criteria any more; it may be proposed again later."""


class GraduationDecided(GraduationEvent):
    """A person decided. Who graduated is an alumnus: it keeps its history and may mentor."""

    graduated: bool
    decided_on: date
    reason: str | None = Field(default=None, description="Code, when it did not graduate, for example figures-doubtful")


class GraduationAppealed(GraduationEvent):
    """The vendor objects to the decision; another person looks at it."""


class GraduationRevoked(GraduationEvent):
    """The decision was a mistake or was objected to with success: the vendor is a member as before."""

    reason: str

"""Contracts of bazaars: announcements, rounds of allocation, and the life of each application."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.envelope import Command, Event
from shared.events.values import KelurahanCode

__all__ = [
    "ApplicantQueued",
    "ApplicationReceived",
    "ApplicationWithdrawn",
    "BazaarAnnounced",
    "BazaarSite",
    "BoothAssigned",
    "BoothCheckedIn",
    "BoothConfirmed",
    "BoothDeclined",
    "BoothMissed",
    "BoothOfferLapsed",
    "OfferResponseRefused",
    "RespondToOffer",
    "RoundFrozen",
    "RoundPublished",
    "SalesReported",
    "SeedDrawn",
]


class BazaarSite(BaseModel):
    """One location of a bazaar."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    site_id: str
    name: str
    kelurahan: KelurahanCode
    booths: int = Field(description="Booths for vendors")


class BazaarEvent(Event):
    """A fact about one bazaar."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "bazaar_id"

    bazaar_id: UUID


class BazaarAnnounced(BazaarEvent):
    """Residents and vendors may know of it; vendors may apply until `applications_close_at`."""

    name: str
    days: list[date]
    sites: list[BazaarSite]
    applications_close_at: datetime


class RoundFrozen(BazaarEvent):
    """Commit: the list of applicants and the rule are fixed and hashed, before any seed is known."""

    round: int
    applicants: int
    frozen_sha256: str = Field(description="sha256 of the canonical problem without its seed")


class SeedDrawn(BazaarEvent):
    """Reveal: the seed of the lottery, drawn in public after the freeze."""

    round: int
    seed: str
    source: str = Field(description="Who drew it and how, so that anyone can check")


class RoundPublished(BazaarEvent):
    """The round is decided by the rule and was checked by the verifier; anyone may recompute it."""

    round: int
    problem_sha256: str
    result_sha256: str
    served: int
    waiting: int


class ApplicationEvent(Event):
    """A fact about one application of one vendor to one bazaar; the aggregate is the application."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "application_id"

    application_id: UUID
    bazaar_id: UUID
    vendor_id: UUID


class ApplicationReceived(ApplicationEvent):
    """A vendor applied. `choices` are tiers of site ids, best first."""

    bazaar_name: str
    choices: list[list[str]]


class ApplicationWithdrawn(ApplicationEvent):
    """The vendor took its application back before the round was frozen; it costs no turn."""


class BoothAssigned(ApplicationEvent):
    """A booth is offered to this vendor, by the round or as the next in rotation when somebody declined."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str = Field(description="Number of the booth inside the site, for example A07")
    days: list[date]
    respond_by: datetime = Field(description="The offer lapses after this moment")
    promoted: bool = Field(default=False, description="True when the booth was freed by somebody before")


class ApplicantQueued(ApplicationEvent):
    """No booth this round: the place in the queue, why, who went before, and when the turn is forecast."""

    bazaar_name: str
    place: int = Field(description="1 is next")
    because: dict[str, object] = Field(description="The constraint that binds, as the allocation's result says it")
    ahead: dict[str, int] = Field(description="Who went before and why, as counts")
    forecast_round: int | None = Field(default=None, description="Rounds from now at this rate; 1 is the next round")


class BoothConfirmed(ApplicationEvent):
    """The vendor takes the booth."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    days: list[date]


class BoothDeclined(ApplicationEvent):
    """The vendor gave the booth back before the deadline; it costs no turn."""

    bazaar_name: str
    site_id: str


class BoothOfferLapsed(ApplicationEvent):
    """No answer came in time; the booth goes to the next in rotation."""

    bazaar_name: str
    site_id: str


class BoothCheckedIn(ApplicationEvent):
    """The vendor stood at its booth on this day."""

    site_id: str
    day: date


class BoothMissed(ApplicationEvent):
    """The vendor confirmed and did not come on any day."""

    bazaar_name: str
    site_id: str


class SalesReported(ApplicationEvent):
    """Turnover of one day at the booth."""

    site_id: str
    day: date
    turnover_rupiah: int
    transactions: int


class RespondToOffer(Command):
    """Confirm or decline an offered booth on behalf of the vendor (for example by a reply to a message)."""

    topic: ClassVar[str] = "lapak.bazaar.commands.v1"
    key: ClassVar[str] = "application_id"

    application_id: UUID
    vendor_id: UUID
    answer: Literal["confirm", "decline"]


class OfferResponseRefused(Event):
    """Answer to a `RespondToOffer` command that a rule refused."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "command_id"

    command_id: UUID
    application_id: UUID
    code: str
    reason: str

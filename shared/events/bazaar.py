"""Contracts of bazaars: announcements, rounds of allocation, and the life of each application."""

from datetime import date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.envelope import Command, Event
from shared.events.values import AreaCode, CategoryCode, KelurahanCode

__all__ = [
    "AppealDecided",
    "AppealFiled",
    "ApplicantQueued",
    "ApplicationCancelled",
    "ApplicationChanged",
    "ApplicationDropped",
    "ApplicationReceived",
    "ApplicationRescheduled",
    "ApplicationWithdrawn",
    "BazaarAnnounced",
    "BazaarCancelled",
    "BazaarGrown",
    "BazaarHeld",
    "BazaarMoved",
    "BazaarPlanned",
    "BazaarRequestDecided",
    "BazaarRequested",
    "BazaarSite",
    "BoothAssigned",
    "BoothCheckedIn",
    "BoothConfirmed",
    "BoothDaysAdded",
    "BoothDeclined",
    "BoothMissed",
    "BoothOfferExpiring",
    "BoothOfferLapsed",
    "BoothReleased",
    "BoothSwapProposed",
    "BoothSwapRefused",
    "BoothSwapped",
    "InterestExpiring",
    "OfferResponseRefused",
    "RespondToOffer",
    "RoundFrozen",
    "RoundPublished",
    "SalesQueried",
    "SalesReported",
    "SeedDrawn",
    "TicketIssued",
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
    setting: Literal["physical", "online"] = "physical"
    series_id: UUID | None = None
    area: AreaCode | None = Field(default=None, description="Whom it is for, where more than the sites' kelurahan")
    categories: list[CategoryCode] = Field(
        default_factory=list, description="Product groups that may apply; empty: all (DOMAIN D3, D4)"
    )


class BazaarPlanned(BazaarEvent):
    """Its days are known and may still change (DOMAIN C4): for calendars; nobody can apply yet."""

    name: str
    days: list[date]
    series_id: UUID | None = None


class BazaarMoved(BazaarEvent):
    """It is held on other days. Each application concerned has an event of its own."""

    name: str
    days_before: list[date]
    days: list[date]
    reason: str = Field(description="Code of the reason: holiday, weather, venue, organiser, safety")


class BazaarGrown(BazaarEvent):
    """More booths or days; who is confirmed stays where it is (DOMAIN E1)."""

    name: str
    site_id: str
    site_name: str
    booths: int = Field(description="Booths for vendors at this site from now on")
    days: list[date] = Field(description="Days of this site from now on")
    extends: str | None = Field(default=None, description="The site it adds to, where it is a new one")


class BazaarCancelled(BazaarEvent):
    """It does not take place. Each application concerned has an event of its own; no turn is used."""

    name: str
    days: list[date]
    reason: str = Field(
        description="Code of the reason: holiday, weather, venue, organiser, safety; series: its series has it no more"
    )


class BazaarHeld(BazaarEvent):
    """It is over and settled."""

    name: str
    days: list[date]
    attended: int
    missed: int


class BazaarRequested(Event):
    """A kelurahan asks for a bazaar; the aggregate is the request."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "request_id"

    request_id: UUID
    kelurahan: KelurahanCode
    days: list[date]


class BazaarRequestDecided(Event):
    """The request of a kelurahan was approved, and became a bazaar, or was refused."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "request_id"

    request_id: UUID
    kelurahan: KelurahanCode
    approved: bool
    bazaar_id: UUID | None = None


class RoundFrozen(BazaarEvent):
    """Commit: the list of applicants and the rule are fixed and hashed, before any seed is known."""

    round: int
    applicants: int
    frozen_sha256: str = Field(description="sha256 of the canonical problem without its seed")
    applicants_root: str | None = Field(
        default=None, description="Root of the hash tree over the applicants (RFC 9162), which receipts lead to"
    )


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
    origin: Literal["vendor", "officer", "standing", "walk-in"] = Field(
        default="vendor", description="standing: made from the vendor's standing interest; walk-in: at the gate"
    )
    party_id: UUID | None = Field(default=None, description="The group it wants to stand together with")


class ApplicationChanged(ApplicationEvent):
    """What it asks for is another from now on; it keeps its moment. In a party the leader's choices are everyone's."""

    bazaar_name: str
    choices: list[list[str]]
    needs: list[str] = Field(default_factory=list, description="power, access, water")
    party_id: UUID | None = Field(default=None, description="The group it wants to stand together with")


class InterestExpiring(Event):
    """A vendor's standing interest ends on `valid_until` unless it is confirmed; the aggregate is the interest."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"
    key: ClassVar[str] = "interest_id"

    interest_id: UUID
    vendor_id: UUID
    valid_until: date


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
    phase: Literal[1, 2] | None = Field(default=None, description="1: on seats reserved for its agency or group")


class ApplicantQueued(ApplicationEvent):
    """No booth this round: the place in the queue, why, who went before, and when the turn is forecast."""

    bazaar_name: str
    place: int = Field(description="1 is next")
    because: dict[str, object] = Field(description="The constraint that binds, as the allocation's result says it")
    ahead: dict[str, int] = Field(description="Who went before and why, as counts")
    forecast_round: int | None = Field(default=None, description="Rounds from now at this rate; 1 is the next round")
    explanation: dict[str, str] = Field(
        default_factory=dict, description='The decision in plain words: {"id": Indonesian, "en": English}'
    )


class ApplicationDropped(ApplicationEvent):
    """At the freeze the vendor was not eligible any more, so it is not in the round; its waiting goes on."""

    bazaar_name: str
    because: str = Field(description="Code of the rule, for example training-missing, vendor-suspended, same-person")


class ApplicationRescheduled(ApplicationEvent):
    """The bazaar was moved. A booth is kept; until `release_by` it can be given back at no cost."""

    bazaar_name: str
    days_before: list[date]
    days: list[date]
    site_id: str | None = Field(default=None, description="Site and booth, where it has one")
    site_name: str | None = None
    booth: str | None = None
    release_by: datetime | None = None
    respond_by: datetime | None = Field(default=None, description="Where an offer is open: until when it is now")


class ApplicationCancelled(ApplicationEvent):
    """The bazaar does not take place; a turn it had cost is given back."""

    bazaar_name: str
    days: list[date]
    reason: str = Field(description="Code of the reason: holiday, weather, venue, organiser, safety")
    had_booth: bool
    turn_returned: bool


class BoothOfferExpiring(ApplicationEvent):
    """A reminder: the offer still waits for an answer, and lapses at `respond_by`."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    days: list[date]
    respond_by: datetime


class BoothReleased(ApplicationEvent):
    """A confirmed booth was given back, for the next in rotation or whoever comes on the day."""

    bazaar_name: str
    site_id: str
    costs_turn: bool = Field(
        default=False, description="Given back after the deadline: the turn stays used; it is no no-show"
    )


class BoothDaysAdded(ApplicationEvent):
    """The site of a confirmed booth has more days: the booth is the vendor's on those too, if it wants."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    added: list[date]
    days: list[date]


class BoothSwapProposed(ApplicationEvent):
    """Another confirmed vendor would like to swap booths with this one, which may agree or not."""

    swap_id: UUID
    bazaar_name: str
    site_name: str = Field(description="What this vendor would get")
    booth: str
    days: list[date]
    answer_by: datetime


class BoothSwapRefused(ApplicationEvent):
    """A swap that this vendor took part in does not take place; both keep their booths."""

    swap_id: UUID
    bazaar_name: str
    because: str = Field(description="declined, lapsed, not-approved, withdrawn, booth-gone")


class BoothSwapped(ApplicationEvent):
    """A swap was approved: this is the vendor's booth now."""

    swap_id: UUID
    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    days: list[date]


class TicketIssued(ApplicationEvent):
    """The signed ticket of a confirmed booth; the one with the highest `serial` is valid."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    days: list[date]
    serial: int
    ticket: str = Field(description="What the QR code holds: checkable offline with the published key")
    gate_closes_at: datetime | None = Field(
        default=None,
        description="On the first day: who has not come by then may lose the booth to one who waits at the gate, and "
        "counts as a no-show. None: that is over, or the first day is not this vendor's",
    )


class GateClosingChanged(ApplicationEvent):
    """The gate closes at another time than this vendor's ticket was issued with; it has not closed yet."""

    bazaar_name: str
    site_id: str
    site_name: str
    booth: str
    days: list[date]
    closes_at_before: datetime
    closes_at: datetime


class AppealFiled(ApplicationEvent):
    """The vendor objects to a decision on this application; a human decides (UU PDP, Law 27/2022)."""

    appeal_id: UUID
    about: str = Field(description="not-served, lapsed, no-show, ineligible, other")


class AppealDecided(ApplicationEvent):
    """A human decided on an appeal. Published rounds stand; what was granted counts from the next round on."""

    appeal_id: UUID
    bazaar_name: str
    upheld: bool
    remedy: str = Field(description="none, turn-returned, waiting-restored, priority-granted")


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
    """Turnover of one day at the booth. Of several for one day the last holds: it corrects those before it."""

    site_id: str
    day: date
    turnover_rupiah: int
    transactions: int
    units: int | None = Field(default=None, description="Pieces sold")


class SalesQueried(ApplicationEvent):
    """Sales reported are far from what is usual; the vendor or an officer confirms or corrects them."""

    bazaar_name: str
    day: date
    because: str = Field(description="turnover-high, turnover-low, per-transaction-high, per-unit-high")


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

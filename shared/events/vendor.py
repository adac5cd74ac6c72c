"""Contracts of the vendor registry: its events, the contact cards, and the commands it takes."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Command, Event
from shared.events.values import AgencyCode, CategoryCode, KelurahanCode, Language, RwRt, VendorKind

__all__ = [
    "ContactCard",
    "EligibilityDecided",
    "RegisterVendor",
    "VendorCategoryChosen",
    "VendorCategoryCleared",
    "VendorCoached",
    "VendorCoachingEnded",
    "VendorEvent",
    "VendorKindChosen",
    "VendorMerged",
    "VendorMoved",
    "VendorRegistered",
    "VendorRegistrationRefused",
    "VendorReinstated",
    "VendorSuspended",
    "VendorUnmerged",
]


class VendorEvent(Event):
    """A fact about one vendor; the aggregate is the vendor's registration."""

    topic: ClassVar[str] = "lapak.vendor.events.v1"
    key: ClassVar[str] = "vendor_id"

    vendor_id: UUID


class VendorRegistered(VendorEvent):
    """A person joined the programme (P1). Product, business and category may come later (DOMAIN A1)."""

    kind: VendorKind
    kelurahan: KelurahanCode = Field(description="Where the vendor lives by its KTP address, not by the NIK prefix")
    rw: RwRt
    rt: RwRt
    category: CategoryCode | None = None
    agency: AgencyCode | None = Field(default=None, description="Coaching agency, when one is known already")
    origin: Literal["self", "officer", "service", "file"]
    registered_on: date = Field(description="Calendar day in Asia/Jakarta")


class VendorCategoryChosen(VendorEvent):
    """The vendor's product category became known, or changed."""

    category: CategoryCode


class VendorCategoryCleared(VendorEvent):
    """The vendor has no product category any more: the merge that brought it was undone."""


class VendorCoached(VendorEvent):
    """An agency coaches this vendor from now on; one at a time."""

    agency: AgencyCode
    previous_agency: AgencyCode | None = None


class VendorCoachingEnded(VendorEvent):
    """No agency coaches this vendor any more: the merge that brought the one before was undone."""

    previous_agency: AgencyCode


class VendorMoved(VendorEvent):
    """The KTP address changed or was corrected: these codes hold from now on."""

    kelurahan: KelurahanCode
    rw: RwRt
    rt: RwRt


class VendorKindChosen(VendorEvent):
    """A newcomer (pemula) has a business now, or the other way round."""

    kind: VendorKind


class VendorSuspended(VendorEvent):
    """An officer suspended the vendor from the programme's offers; what it holds already stays."""

    reason: str = Field(description="Code of the reason, for example no-show, false-data")


class VendorReinstated(VendorEvent):
    """The suspension ended."""


class VendorMerged(VendorEvent):
    """Two registrations are one person: this one is retired, `into` stands for both until they are un-merged.

    Nothing moves: whoever counts for a person counts what both ids have. What the surviving registration takes over
    (address, category, agency) follows as events of its own under its own id, and so does what undoing gives back.
    """

    into: UUID
    merge_id: UUID


class VendorUnmerged(VendorEvent):
    """The merge was a mistake: this registration stands for itself again, as before `VendorMerged`."""

    out_of: UUID
    merge_id: UUID


class EligibilityDecided(VendorEvent):
    """A rule of the programme was applied to the facts known of this vendor; the registry keeps both and explains."""

    decision_id: UUID
    rule: str = Field(description="Name of the rule, for example bazaar")
    rule_version: int
    eligible: bool
    failed: list[str] = Field(default_factory=list, description="Codes of the conditions that were not met")


class VendorRegistrationRefused(Event):
    """Answer to a `RegisterVendor` command that a rule or its fields refused. Carries no personal data."""

    topic: ClassVar[str] = "lapak.vendor.events.v1"
    key: ClassVar[str] = "command_id"

    command_id: UUID = Field(description="ce_id of the refused command")
    code: str
    reason: str
    fields: list[str] = Field(default_factory=list, description="Fields at fault, where the reason is a field")


class ContactCard(Event):
    """How to reach a vendor. Compacted topic: the last card per vendor stays; a tombstone erases it."""

    topic: ClassVar[str] = "lapak.vendor.contact.v1"
    key: ClassVar[str] = "vendor_id"

    vendor_id: UUID
    name: str = Field(max_length=200)
    phone: str = Field(description="E.164")
    email: str | None = None
    language: Language = "id"


class RegisterVendor(Command):
    """Register a person with identity and contact only; the rest when it comes (DOMAIN A1).

    The fields are free text here, so that a bad one is answered by `VendorRegistrationRefused` naming it.
    """

    topic: ClassVar[str] = "lapak.vendor.commands.v1"
    key: ClassVar[str] = "reference"

    reference: str = Field(max_length=100, description="The sender's own id for this person; the Kafka key")
    nik: str
    name: str
    phone: str
    email: str | None = None
    kelurahan: str
    rw: str
    rt: str
    street: str = ""
    kind: str = "pemula"
    category: str | None = None
    agency: str | None = None
    language: str = "id"

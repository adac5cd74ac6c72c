"""Contracts of personal data rights (UU PDP, Law 27/2022): consent, and erasure with its receipts."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event
from shared.events.vendor import VendorEvent

__all__ = [
    "BazaarDataErased",
    "ConsentGiven",
    "ConsentPurpose",
    "ConsentWithdrawn",
    "NotifyDataErased",
    "TrainingDataErased",
    "VendorErased",
    "VendorErasureCompleted",
]

ConsentPurpose = Literal["messages", "capital-referral", "partners", "publicity"]
"""messages: news that is no notice about one's own matters; capital-referral: facts handed to a bank (P7);
partners: contact handed to partner organisations; publicity: name and photos shown in public."""


class ConsentGiven(VendorEvent):
    """The vendor allows the use of its data for this purpose, until it withdraws."""

    purpose: ConsentPurpose


class ConsentWithdrawn(VendorEvent):
    """The vendor allows it no longer; what was done before stays lawful."""

    purpose: ConsentPurpose


class VendorErased(VendorEvent):
    """The person behind this id is erased from the registry: every service erases what it keeps, and answers.

    What is left under the id is statistics: it leads to nobody any more. The contact card is erased by its tombstone.
    """

    erasure_id: UUID


class VendorErasureCompleted(VendorEvent):
    """Every service has answered; the receipt can be had by the erasure's id."""

    erasure_id: UUID


class ErasureReceipt(Event):
    """Answer to `VendorErased`: what this service erased. The aggregate is the erasure in this service, version 1."""

    key: ClassVar[str] = "erasure_id"

    erasure_id: UUID
    vendor_id: UUID
    erased: dict[str, int] = Field(description="Kind of record -> how many were erased or stripped of the person")
    kept: dict[str, int] = Field(
        default_factory=dict, description="Kind of record -> how many stay, without the person"
    )


class TrainingDataErased(ErasureReceipt):
    """Training erased the person."""

    topic: ClassVar[str] = "lapak.training.events.v1"


class BazaarDataErased(ErasureReceipt):
    """Bazaars erased the person."""

    topic: ClassVar[str] = "lapak.bazaar.events.v1"


class NotifyDataErased(ErasureReceipt):
    """Notify erased the person's address, its messages' texts and what they were made from."""

    topic: ClassVar[str] = "lapak.notify.events.v1"

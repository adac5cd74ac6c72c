"""Contracts of vendors' documents: what became of each. No number, no name, no file; those stay in the registry."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.events.vendor import VendorEvent

__all__ = [
    "DocumentExpiring",
    "DocumentKind",
    "DocumentLapsed",
    "DocumentRejected",
    "DocumentReturned",
    "DocumentSubmitted",
    "DocumentVerified",
]

DocumentKind = Literal["nib", "pirt", "halal", "bpom", "hki", "ktp"]
"""nib: business number; pirt: P-IRT, home-industry food; halal: certificate; bpom: food and drug agency's permit;
hki: intellectual property; ktp: identity card."""


class DocumentEvent(VendorEvent):
    """A fact about one document of a vendor; it counts among the vendor's events."""

    document_id: UUID
    kind: DocumentKind


class DocumentSubmitted(DocumentEvent):
    """A document awaits an officer's look, for the first time or corrected."""


class DocumentVerified(DocumentEvent):
    """An officer found it good."""

    expires_on: date | None = Field(default=None, description="Last day it is valid, Asia/Jakarta; none: for ever")


class DocumentRejected(DocumentEvent):
    """An officer refused it for good."""

    reason: str = Field(description="Code of the reason, for example wrong-person")


class DocumentReturned(DocumentEvent):
    """An officer sent it back to be corrected."""

    reason: str = Field(description="Code of the reason, for example unreadable")
    correct_by: date = Field(description="Last day for the correction, Asia/Jakarta")


class DocumentExpiring(DocumentEvent):
    """A verified document will lapse: told 60 and 14 days before."""

    expires_on: date
    days_left: int


class DocumentLapsed(DocumentEvent):
    """A verified document is valid no longer."""

    expired_on: date = Field(description="The last day on which it was valid, Asia/Jakarta")

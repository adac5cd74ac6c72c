"""Consents (UU PDP, articles 20 to 22): given and withdrawn per purpose, each under a text, each time with its source.

Pure. A consent holds until it is withdrawn; what was done before stays lawful.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from shared.errors import Refused
from shared.events.rights import ConsentGiven, ConsentPurpose, ConsentWithdrawn
from shared.events.vendor import VendorEvent

__all__ = [
    "Consent",
    "ConsentText",
    "ConsentTextUnknown",
    "EvidenceMissing",
    "decide",
    "standing",
]

Source = Literal["self", "officer"]


@dataclass(frozen=True, slots=True)
class Consent:
    """One time that a person gave or withdrew consent."""

    consent_id: UUID
    vendor_id: UUID
    purpose: ConsentPurpose
    given: bool
    text_version: int
    source: Source
    actor: str
    evidence: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ConsentText:
    """What a person is asked for a purpose, in Indonesian and in English."""

    purpose: ConsentPurpose
    version: int
    text_id: str
    text_en: str


class ConsentTextUnknown(Refused):
    """Consent is given to a text; this one does not exist, or is no longer the one that is asked."""

    code: ClassVar[str] = "consent-text-unknown"
    status: ClassVar[int] = 422

    def __init__(self, purpose: ConsentPurpose, current: int) -> None:
        super().__init__(
            f"Consent for {purpose} is asked with text {current} now; show that one and send its version.",
            purpose=purpose,
            current_version=current,
        )


class EvidenceMissing(Refused):
    """An officer who notes a consent for a person says what it rests on."""

    code: ClassVar[str] = "evidence-missing"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("An officer notes a consent with its evidence, for example where the signed form lies.")


def standing(history: list[Consent]) -> dict[ConsentPurpose, Consent]:
    """The last word on each purpose, of a history in the order of time."""
    return {consent.purpose: consent for consent in history}


def decide(wish: Consent, last: Consent | None, current: ConsentText) -> list[VendorEvent] | None:
    """What follows from a wish, or None when it stands like that already.

    Consent is given to the text that is asked now; a newer text is agreed to anew. Withdrawing needs no text: it is as
    easy as can be. Raises `ConsentTextUnknown`, `EvidenceMissing`.
    """
    if wish.source == "officer" and not wish.evidence:
        raise EvidenceMissing
    if not wish.given:
        if last is None or not last.given:
            return None
        return [ConsentWithdrawn(vendor_id=wish.vendor_id, purpose=wish.purpose)]
    if wish.text_version != current.version:
        raise ConsentTextUnknown(wish.purpose, current.version)
    if last is not None and last.given and last.text_version == wish.text_version:
        return None
    return [ConsentGiven(vendor_id=wish.vendor_id, purpose=wish.purpose)]

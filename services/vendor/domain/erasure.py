"""Erasure (UU PDP, articles 8 and 43 to 45): what is left of a registration, which receipts are wanted, when all is in.

Pure. The periods rest on the topics' settings in `shared.kafka`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from services.vendor.domain.registration import Vendor
from shared.errors import NotFound
from shared.events.rights import VendorErased, VendorErasureCompleted

__all__ = [
    "COMPACTED_WITHIN",
    "DUE_WITHIN",
    "SECOND_TOMBSTONE_AFTER",
    "SERVICES",
    "Erasure",
    "ErasureUnknown",
    "Receipt",
    "canonical",
    "completed",
    "erased_event",
    "mentions",
    "missing",
    "strip",
    "traces",
    "write_receipt",
]

SERVICES = ("vendor", "training", "bazaar", "notify")
DUE_WITHIN = timedelta(hours=3 * 24)
"""The period the law sets for corrections (article 30), access (32) and the end of processing (40): 3 x 24 hours."""
SECOND_TOMBSTONE_AFTER = timedelta(hours=7)
"""Longer than a segment of the contact topic lives (`shared.kafka.ROLL_AFTER`): a second tombstone closes the segment
that holds the cards and the first one, also on a partition where nobody else writes."""
COMPACTED_WITHIN = timedelta(hours=24 + 1)
"""From the second tombstone on: the topic's longest lag of compaction, and an hour for the cleaner to do it."""
HIDDEN = "000"
"""RW and RT of an erased registration; the kelurahan stays, for statistics."""
PHONE_DIGITS_MIN = 8

_SEPARATORS = str.maketrans("", "", " ().-")

ErasureOrigin = Literal["self", "registrar"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one service erased, and what it keeps without the person."""

    service: str
    erased: Mapping[str, int]
    kept: Mapping[str, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of one registration; `leads` is that of the registration that stood for the person."""

    erasure_id: UUID
    leads: UUID
    vendor_id: UUID
    origin: ErasureOrigin
    reason: str
    erased_at: datetime
    due_at: datetime
    card_version: int
    published_at: datetime | None = None
    """The tombstone was seen to have left the outbox."""
    repeated_at: datetime | None = None
    """A second one was written, to close the segment that holds the first."""
    sealed_at: datetime | None = None
    """That had left too: from now on compaction removes the cards."""
    commands_deleted_at: datetime | None = None
    completed_at: datetime | None = None
    receipt: str | None = None
    receipt_sha256: str | None = None


class ErasureUnknown(NotFound):
    """No such erasure, or none the caller may know of."""

    code: ClassVar[str] = "erasure-unknown"

    def __init__(self, erasure_id: UUID) -> None:
        super().__init__("No erasure with this id is known to you.", erasure_id=str(erasure_id))


def strip(vendor: Vendor, now: datetime) -> Vendor:
    """What is left under the id: statistics. The card's next version is its tombstone."""
    return replace(
        vendor,
        card_version=vendor.card_version + 1,
        name="",
        phone="",
        email=None,
        street="",
        rw=HIDDEN,
        rt=HIDDEN,
        born_on=None,
        suspended_because=None,
        erased_at=now,
    )


def erased_event(erasure: Erasure) -> VendorErased:
    """What the other services must know."""
    return VendorErased(vendor_id=erasure.vendor_id, erasure_id=erasure.erasure_id)


def completed(erasure: Erasure) -> VendorErasureCompleted:
    """Every receipt is in."""
    return VendorErasureCompleted(vendor_id=erasure.vendor_id, erasure_id=erasure.erasure_id)


def missing(erasure: Erasure, receipts: Sequence[Receipt]) -> list[str]:
    """What an erasure still waits for: services, and topics."""
    there = {receipt.service for receipt in receipts}
    waits = [service for service in SERVICES if service not in there]
    if erasure.sealed_at is None:
        waits.append("topic lapak.vendor.contact.v1")
    if erasure.commands_deleted_at is None:
        waits.append("topic lapak.vendor.commands.v1")
    return waits


def write_receipt(erasure: Erasure, receipts: Sequence[Receipt], now: datetime) -> Erasure:
    """The completed erasure with its receipt: what was erased where and when, and the hash that proves it."""
    assert erasure.published_at is not None
    assert erasure.sealed_at is not None
    assert erasure.commands_deleted_at is not None
    content = {
        "erasure_id": str(erasure.erasure_id),
        "vendor_id": str(erasure.vendor_id),
        "leads": str(erasure.leads),
        "origin": erasure.origin,
        "erased_at": _text(erasure.erased_at),
        "completed_at": _text(now),
        "services": [
            {
                "service": receipt.service,
                "erased": dict(receipt.erased),
                "kept": dict(receipt.kept),
                "at": _text(receipt.at),
            }
            for receipt in sorted(receipts, key=lambda receipt: SERVICES.index(receipt.service))
        ],
        "topics": [
            {
                "topic": "lapak.vendor.contact.v1",
                "tombstone_published_by": _text(erasure.published_at),
                "cards_gone_by": _text(erasure.sealed_at + COMPACTED_WITHIN),
            },
            {"topic": "lapak.vendor.commands.v1", "consumed_deleted_at": _text(erasure.commands_deleted_at)},
        ],
    }
    receipt = canonical(content)
    return replace(
        erasure, completed_at=now, receipt=receipt, receipt_sha256=hashlib.sha256(receipt.encode()).hexdigest()
    )


def canonical(content: Mapping[str, Any]) -> str:
    """JSON in one way: sorted names, no spaces. Whoever has the receipt computes its hash from these very bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def traces(nik: str | None, phone: str | None, email: str | None) -> tuple[str, ...]:
    """What of a person is looked for in records that nobody could read: NIK, phone without its country, email.

    A name is not among them: many share one.
    """
    national = (phone or "").removeprefix("+62")
    return tuple(
        text
        for text in (nik or "", national if len(national) >= PHONE_DIGITS_MIN else "", (email or "").casefold())
        if text
    )


def mentions(raw: bytes, wanted: Sequence[str]) -> bool:
    """Whether these bytes hold one of the `traces` of a person, however it is spaced; as UTF-8 or UTF-16."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        text = raw.decode(encoding, "replace").casefold()
        compact = text.translate(_SEPARATORS)
        if any(trace in text or trace in compact for trace in wanted):
            return True
    return False

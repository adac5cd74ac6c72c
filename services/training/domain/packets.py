"""What a bank is sent about a vendor: facts on record here, nothing judged, nobody named (DOMAIN B3). Pure."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from shared.events.cases import CapitalPacketSent
from shared.events.values import VendorKind

MONTHS_MAX = 12
KECAMATAN_CODE_LENGTH = 8


class Figures(NamedTuple):
    """What the registry says of one month; `queried`: somebody doubts it."""

    month: str
    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    queried: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is on record of a person, over all its ids. `figures`: one of each month, the oldest first."""

    kelurahan: str
    kind: VendorKind | None
    category: str | None
    member_since: date | None
    documents: Collection[str]
    courses: Collection[str]
    figures: Sequence[Figures]


def assemble(
    facts: Facts, vendor_id: UUID, referral_id: UUID, bank: str, *, consented_at: datetime, answer_by: date
) -> CapitalPacketSent:
    """The packet. Figures of the last twelve months that have any; those that are doubted are left out."""
    figures = [month for month in facts.figures if not month.queried][-MONTHS_MAX:]
    return CapitalPacketSent(
        vendor_id=vendor_id,
        referral_id=referral_id,
        bank=bank,
        consented_at=consented_at,
        kind=facts.kind,
        category=facts.category,
        kelurahan_area=facts.kelurahan[:KECAMATAN_CODE_LENGTH],
        member_since=facts.member_since,
        documents_valid=sorted(set(facts.documents)),
        trainings_completed=sorted(set(facts.courses)),
        months=[month.month for month in figures],
        turnover_rupiah=[month.turnover_rupiah for month in figures],
        assets_rupiah=_last([month.assets_rupiah for month in figures]),
        workers=_last([month.workers for month in figures]),
        answer_by=answer_by,
    )


def digest(packet: bytes) -> str:
    """sha256 of a packet's bytes, in hex: what the vendor saw is what is sent."""
    return hashlib.sha256(packet).hexdigest()


def _last(values: Sequence[int | None]) -> int | None:
    return next((value for value in reversed(values) if value is not None), None)

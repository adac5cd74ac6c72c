"""What a service keeps about a person, section by section, in words for the person (UU PDP, Law 27/2022)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from shared.auth import Caller, covers
from shared.db import Connection
from shared.errors import NotFound, Refused

__all__ = ["MERGES", "LookReason", "ReasonMissing", "Section", "VendorNotKept", "collect", "require_entitled"]


LookReason: TypeAlias = Literal["asked-by-person", "to-decide", "complaint", "legal-order"]
"""Why a registrar looks at a person's data; kept with who looked."""


class ReasonMissing(Refused):
    """Who acts on another person's data says why."""

    code = "reason-missing"
    status = 422

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(f"A registrar names the reason: {', '.join(reasons)}.", reasons=list(reasons))


class VendorNotKept(NotFound):
    """Nothing is kept here of such a vendor, it is erased, or it lives outside the caller's area."""

    code = "vendor-unknown"


class Section(NamedTuple):
    """A section: what it means to the person, in Indonesian and English, and where it is read ($1: its ids)."""

    meaning_id: str
    meaning_en: str
    query: str


MERGES = Section(
    "Pendaftaran Anda yang digabung karena orangnya sama.",
    "Registrations of yours that were merged because they are one person.",
    """
    SELECT vendor_id, into_id AS merged_into FROM merge
    WHERE vendor_id = ANY($1::uuid[]) OR into_id = ANY($1::uuid[]) ORDER BY vendor_id
    """,
)
"""Of the table that `shared.families` keeps."""


async def collect(conn: Connection, sections: Mapping[str, Section], vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """All that is kept under these ids, by section. What is copied from another service is said to be a copy."""
    return {
        name: {
            "meaning": {"id": section.meaning_id, "en": section.meaning_en},
            "data": [dict(row) for row in await conn.fetch(section.query, list(vendor_ids))],
        }
        for name, section in sections.items()
    }


def require_entitled(caller: Caller, vendor_id: UUID, kelurahan: str | None) -> bool:
    """Refuse everybody but the vendor itself (True) and a registrar of where it lives (False)."""
    if caller.has("vendor") and caller.vendor_id == vendor_id:
        return True
    if not caller.has("officer"):
        caller.require_vendor(vendor_id)
    caller.require("registrar")
    if kelurahan is None or caller.area is None or not covers(caller.area, kelurahan):
        raise VendorNotKept("No vendor of your area has this id.")
    return False

"""A person's complete data: what every noun of the registry keeps, opened, with its meaning."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.vendor.domain.registration import VendorUnknown
from services.vendor.handlers.erasure import find_letters_of
from services.vendor.store import person as store
from services.vendor.store.audit import add_entry
from services.vendor.store.merging import find_family
from shared.crypto import Sealer
from shared.db import Connection

__all__ = ["collect_person"]

OWN_SECTIONS = {
    "registrations": (
        "Pendaftaran Anda: identitas, kontak dan alamat, termasuk pendaftaran lain yang digabung karena orangnya sama.",
        "Your registrations: identity, contact and address, with those that were merged because they are one person.",
    ),
    "unreadable_messages": (
        "Pesan layanan lain tentang Anda yang tidak dapat diproses dan disimpan untuk diperiksa petugas.",
        "Messages of other services about you that could not be handled and are kept for operators.",
    ),
    "who_looked": (
        "Catatan audit: siapa melihat atau mengubah data Anda, dan kapan.",
        "The audit log: who saw or changed your data, and when.",
    ),
}


async def collect_person(
    conn: Connection, vendor_id: UUID, *, actor: str, reason: str | None, now: datetime, sealer: Sealer
) -> dict[str, Any]:
    """Everything the registry keeps about the person behind this id, under every registration of theirs, in the clear.

    That it was handed out is noted in the audit log, in the same transaction. Raises `VendorUnknown`.
    """
    family = await find_family(conn, vendor_id)
    registrations = await store.collect_registrations(conn, family)
    if not any(one["vendor_id"] == str(vendor_id) for one in registrations):
        raise VendorUnknown(vendor_id)
    sections = {"registrations": _section(*OWN_SECTIONS["registrations"], [_opened(r, sealer) for r in registrations])}
    for noun in store.NOUNS:
        sections[noun.name] = _section(noun.meaning_id, noun.meaning_en, await noun.kept(conn, family, sealer))
    letters = await find_letters_of(conn, family, sealer)
    sections["unreadable_messages"] = _section(
        *OWN_SECTIONS["unreadable_messages"],
        [
            {
                "type": letter.type,
                "state": letter.state,
                "received_at": letter.created_at.isoformat(),
                "text": sealer.open(letter.value, letter.letter_id.bytes).decode(errors="replace"),
            }
            for letter in letters
        ],
    )
    await add_entry(conn, actor, "data-handed-out", vendor_id, {"reason": reason or "own-data"}, now)
    sections["who_looked"] = _section(*OWN_SECTIONS["who_looked"], await store.collect_audit(conn, family))
    return {
        "service": "vendor",
        "vendor_id": str(vendor_id),
        "registrations_of_the_person": [str(one) for one in family],
        "collected_at": now.isoformat(),
        "sections": sections,
    }


def _section(meaning_id: str, meaning_en: str, data: Any) -> dict[str, Any]:
    return {"meaning": {"id": meaning_id, "en": meaning_en}, "data": data}


def _opened(registration: dict[str, Any], sealer: Sealer) -> dict[str, Any]:
    """A registration with its NIK in the clear: it is handed to the person."""
    sealed = registration["nik_sealed"]
    nik = None if sealed is None else sealer.open(sealed, UUID(registration["vendor_id"]).bytes).decode()
    return {"nik": nik, **{name: value for name, value in registration.items() if name != "nik_sealed"}}

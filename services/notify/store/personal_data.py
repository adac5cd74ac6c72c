"""Everything kept about a person, and who was shown it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared import personal_data
from shared.db import Connection
from shared.ids import new_id
from shared.personal_data import MERGES, Section


async def collect(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """All that is kept under these ids, by section. What is copied from the registry is said to be a copy."""
    return await personal_data.collect(conn, SECTIONS, vendor_ids)


async def add_disclosure(conn: Connection, vendor_id: UUID, actor: str, reason: str, now: datetime) -> None:
    """Keep that somebody else was shown a person's contact and messages in full."""
    await conn.execute(
        "INSERT INTO disclosure (disclosure_id, vendor_id, actor, reason, at) VALUES ($1, $2, $3, $4, $5)",
        new_id(),
        vendor_id,
        actor,
        reason,
        now,
    )


SECTIONS = {
    "contact_copy": Section(
        "Salinan kontak Anda, supaya pesan sampai kepada Anda.",
        "A copy of your contact, so that messages reach you.",
        """
        SELECT vendor_id, name, phone, email, language, remembered_at FROM contact
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
        """,
    ),
    "registration_copy": Section(
        "Salinan dari pendaftaran Anda: tempat tinggal.",
        "A copy of your registration: where you live.",
        "SELECT vendor_id, kelurahan FROM vendor WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id",
    ),
    "merges": MERGES,
    "messages": Section(
        "Pesan kepada Anda, isinya, dan apakah sudah terkirim.",
        "The messages to you, their words, and what became of them.",
        """
        SELECT id AS notification_id, vendor_id, template, template_version, params, state, reason, channel, language,
            attempts, cause_at, planned_at, deadline, sent_at, settled_at
        FROM notification WHERE vendor_id = ANY($1::uuid[]) ORDER BY id
        """,
    ),
    "attempts": Section(
        "Setiap upaya mengirim pesan itu.",
        "Every attempt to send them.",
        """
        SELECT a.notification_id, a.number, a.channel, a.began_at, a.ended_at, a.outcome, a.code, a.note
        FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id
        WHERE n.vendor_id = ANY($1::uuid[]) ORDER BY a.notification_id, a.number
        """,
    ),
    "who_looked": Section(
        "Siapa selain Anda yang melihat kontak dan pesan Anda, dan kapan.",
        "Who besides you was shown your contact and messages, and when.",
        "SELECT vendor_id, actor, reason, at FROM disclosure WHERE vendor_id = ANY($1::uuid[]) ORDER BY disclosure_id",
    ),
}

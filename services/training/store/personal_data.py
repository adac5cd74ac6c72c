"""Everything kept about a person."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared import personal_data
from shared.db import Connection
from shared.personal_data import MERGES, Section


async def collect(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """All that is kept under these ids, by section. What is copied from the registry is said to be a copy."""
    return await personal_data.collect(conn, SECTIONS, vendor_ids)


SECTIONS = {
    "registration_copy": Section(
        "Salinan dari pendaftaran Anda: tempat tinggal, kategori dan pengampu.",
        "A copy of your registration: where you live, your category, who coaches you.",
        """
        SELECT vendor_id, kelurahan, rw, category, agency FROM vendor WHERE vendor_id = ANY($1::uuid[])
        ORDER BY vendor_id
    """,
    ),
    "merges": MERGES,
    "invitations": Section(
        "Undangan pelatihan untuk Anda.",
        "Your invitations to training.",
        """
        SELECT vendor_id, course, class_id, invited_at, class_invited_at FROM invitation
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY invited_at, course, vendor_id
    """,
    ),
    "enrolments": Section(
        "Kelas yang Anda ikuti dan hasilnya.",
        "The classes you had a place in, and the results.",
        """
        SELECT e.class_id, c.course, c.title, c.days, c.state, e.vendor_id, e.enrolled_at, e.result, e.result_at
        FROM enrolment e JOIN training_class c ON c.class_id = e.class_id
        WHERE e.vendor_id = ANY($1::uuid[]) ORDER BY e.class_id, e.vendor_id
    """,
    ),
    "attendances": Section(
        "Pertemuan yang Anda hadiri.",
        "The sessions you attended.",
        """
        SELECT class_id, vendor_id, day, recorded_at FROM attendance WHERE vendor_id = ANY($1::uuid[])
        ORDER BY day, class_id
    """,
    ),
}

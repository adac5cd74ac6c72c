"""Everything kept about a person."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared import personal_data
from shared.db import Connection
from shared.personal_data import MERGES, Section


async def collect(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """All that is kept under these ids, by section. What is copied from other services is said to be a copy."""
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
    "suspensions": Section(
        "Penangguhan Anda dari program, dengan kode alasannya.",
        "Your suspension from the programme, with the code of its reason.",
        "SELECT vendor_id, reason FROM suspension WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id",
    ),
    "trainings_completed_copy": Section(
        "Salinan: pelatihan yang sudah Anda selesaikan.",
        "A copy: the trainings you completed.",
        """
        SELECT vendor_id, class_id FROM completion WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id, class_id
    """,
    ),
    "first_applications": Section(
        "Hari lamaran pertama Anda; sejak itu Anda menunggu giliran.",
        "The day of your first application; you wait for a turn since then.",
        """
        SELECT vendor_id, day FROM first_application WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
    """,
    ),
    "applications": Section(
        "Lamaran Anda ke bazar dan keputusan atasnya.",
        "Your applications to bazaars and what was decided on them.",
        """
        SELECT a.application_id, a.bazaar_id, b.name AS bazaar_name, a.vendor_id, a.state, a.choices, a.applied_at,
            a.groups, a.ineligible_because, a.place, a.because, a.ahead, a.forecast_round, a.site_id,
            site.name AS site_name, a.booth, a.respond_by, a.promoted
        FROM application AS a JOIN bazaar AS b USING (bazaar_id)
        LEFT JOIN site ON site.bazaar_id = a.bazaar_id AND site.site_id = a.site_id
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY a.application_id
    """,
    ),
    "check_ins": Section(
        "Hari-hari Anda hadir di lapak.",
        "The days on which you were at your booth.",
        """
        SELECT c.application_id, c.day, c.checked_in_at FROM check_in AS c JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY c.application_id, c.day
    """,
    ),
    "sales": Section(
        "Penjualan yang Anda laporkan.",
        "The sales you reported.",
        """
        SELECT s.application_id, s.day, s.turnover_rupiah, s.transactions, s.reported_at
        FROM sales AS s JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY s.application_id, s.day
    """,
    ),
    "turns": Section(
        "Giliran yang sudah Anda dapat.",
        "The turns you have had.",
        """
        SELECT application_id, vendor_id, day FROM turn WHERE vendor_id = ANY($1::uuid[]) ORDER BY day, application_id
    """,
    ),
}

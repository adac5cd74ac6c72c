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
            a.groups, a.ineligible_because, a.place, a.because, a.ahead, a.forecast_round, a.origin, a.needs,
            a.party_id, a.site_id, site.name AS site_name, a.booth, a.respond_by, a.promoted, a.remind_at, a.release_by,
            a.pseudonym, convert_from(a.entry, 'UTF8') AS entry, a.seat
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
        SELECT s.application_id, s.day, s.turnover_rupiah, s.transactions, s.units, s.queried_because, s.reported_at
        FROM sales AS s JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY s.application_id, s.day
    """,
    ),
    "sales_reports": Section(
        "Setiap laporan penjualan Anda, termasuk yang kemudian diperbaiki, dan siapa yang melaporkan.",
        "Every report of your sales, also those corrected later, and who made it.",
        """
        SELECT r.application_id, r.day, r.report, r.turnover_rupiah, r.transactions, r.units, r.origin,
            r.queried_because, r.confirmed_at, r.confirmed_by, r.reported_at
        FROM sales_report AS r JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY r.application_id, r.day, r.report
    """,
    ),
    "sales_links": Section(
        "Tautan rahasia untuk melaporkan penjualan Anda: sampai kapan berlaku.",
        "The secret link by which your sales are reported: until when it is good.",
        """
        SELECT l.application_id, l.link_id, l.expires_at
        FROM sales_link AS l JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY l.application_id
    """,
    ),
    "tickets": Section(
        "Tiket lapak yang diterbitkan untuk Anda.",
        "Tickets of booths that were issued to you.",
        """
        SELECT t.application_id, t.serial, t.site_id, t.booth, t.days, t.issued_at
        FROM ticket AS t JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY t.application_id, t.serial
    """,
    ),
    "scans": Section(
        "Kapan tiket Anda dipindai di gerbang, dan oleh ponsel yang mana.",
        "When your tickets were scanned at the gate, and by which phone.",
        """
        SELECT s.scan_id, s.application_id, s.device_id, s.moment, s.day, s.state, s.flagged_because, s.received_at
        FROM scan AS s JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY s.application_id, s.moment, s.scan_id
    """,
    ),
    "booth_numbering": Section(
        "Apa yang dilihat ketika nomor lapak Anda ditentukan: kategori, kebutuhan, kelompok, dan lapak Anda dulu.",
        "What was looked at when your booth was numbered: category, needs, party, and the stands you had before.",
        """
        SELECT n.bazaar_id, n.round, n.site_id, seat.looked_at, n.result -> 'booths' ->> who.name AS booth
        FROM application AS a
        CROSS JOIN LATERAL (SELECT coalesce(a.pseudonym, a.application_id::text) AS name) AS who
        JOIN numbering AS n ON n.bazaar_id = a.bazaar_id
        CROSS JOIN LATERAL jsonb_array_elements(n.input -> 'seats') AS seat (looked_at)
        WHERE a.vendor_id = ANY($1::uuid[]) AND seat.looked_at ->> 'applicant' = who.name
        ORDER BY n.bazaar_id, n.round, n.site_id
    """,
    ),
    "swaps": Section(
        "Pertukaran lapak yang Anda ajukan atau yang diajukan kepada Anda.",
        "Swaps of booths that you proposed or that were proposed to you.",
        """
        SELECT s.swap_id, s.bazaar_id, a.application_id, a.application_id = s.proposer_id AS proposed_by_you, s.state,
            s.proposer_site_id, s.proposer_booth, s.other_site_id, s.other_booth, s.answer_by, s.approve_by,
            s.proposed_at, s.ended_at
        FROM swap AS s JOIN application AS a ON a.application_id IN (s.proposer_id, s.other_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY s.swap_id, a.application_id
    """,
    ),
    "added_days": Section(
        "Hari yang ditambahkan ke lapak Anda, dan hari yang tidak Anda ambil.",
        "Days that were added to your booth, and those you did not take.",
        """
        SELECT d.application_id, d.day, d.declined_at FROM added_day AS d JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY d.application_id, d.day
    """,
    ),
    "standing_adjustments": Section(
        "Yang ditambahkan pada giliran dan masa tunggu Anda: karena tidak hadir, atau karena keberatan Anda diterima.",
        "What was added to your turns and waiting: for not coming, or because an appeal of yours was granted.",
        """
        SELECT adjustment_id, vendor_id, application_id, because, appeal_id, turns, wait_days, from_day, until_day,
            made_at
        FROM turn_adjustment WHERE vendor_id = ANY($1::uuid[]) ORDER BY from_day, adjustment_id
    """,
    ),
    "calendar_links": Section(
        "Alamat rahasia kalender Anda: kapan dibuat dan kapan dicabut.",
        "Secret addresses of your calendar: when they were made and revoked.",
        """
        SELECT link_id, vendor_id, made_at, revoked_at FROM calendar_link WHERE vendor_id = ANY($1::uuid[])
        ORDER BY made_at, link_id
    """,
    ),
    "interests": Section(
        "Minat tetap Anda: bazar mana yang ingin Anda ikuti tanpa melamar satu per satu, dan apa jadinya.",
        "Your standing interests: bazaars you want to be in without applying to each, and what became of them.",
        """
        SELECT i.interest_id, i.vendor_id, i.state, i.origin, i.series_id, i.setting, i.weekdays, i.categories, i.areas,
            i.venue_ids, i.any_site, i.needs, i.valid_until, i.declared_at, i.confirmed_at,
            (SELECT jsonb_agg(jsonb_build_object('bazaar_id', o.bazaar_id, 'application_id', o.application_id,
                'because', o.because, 'at', o.at) ORDER BY o.at, o.bazaar_id)
                FROM interest_outcome AS o WHERE o.interest_id = i.interest_id) AS outcomes
        FROM interest AS i WHERE i.vendor_id = ANY($1::uuid[]) ORDER BY i.interest_id
    """,
    ),
    "appeals": Section(
        "Keberatan yang Anda ajukan dan keputusannya; isi dan jawabannya dapat dibaca pada tiap keberatan.",
        "Appeals you filed and what was decided; what was written and answered is read at each appeal.",
        """
        SELECT appeal_id, application_id, vendor_id, about, state, filed_at, reason, remedy, decided_at FROM appeal
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY appeal_id
    """,
    ),
    "storefronts": Section(
        "Etalase yang Anda minta untuk ditampilkan, dan keputusan petugas atasnya.",
        "Storefronts that you asked to be shown, and what an officer decided on them.",
        """
        SELECT s.application_id, s.bazaar_id, s.version, s.state, s.hidden_because, s.marketplace, s.url, s.shop,
            s.sku_code, s.title, s.highlights, s.submitted_at, s.decided_at
        FROM storefront AS s JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY s.application_id
    """,
    ),
    "preorders": Section(
        "Barang yang dapat dipesan dahulu dari Anda, dan berapa yang sudah dipesan.",
        "Products that can be ordered ahead of you, and how many were.",
        """
        SELECT p.preorder_id, p.application_id, p.title, p.pieces_max, p.pieces_taken, p.pick_up_day, p.pick_up_place
        FROM preorder AS p JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY p.application_id, p.title
    """,
    ),
    "showcase_places": Section(
        "Tempat pajangan yang memuat barang Anda.",
        "Showcases in which your products stand.",
        """
        SELECT p.bazaar_id, p.showcase_id, p.place, p.application_id
        FROM showcase_place AS p JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY p.application_id, p.showcase_id
    """,
    ),
    "order_lines": Section(
        "Penjualan Anda dari berkas toko daring: satu baris untuk tiap barang dalam tiap pesanan, tanpa pembelinya.",
        "Your sales from marketplaces' files: a line for each product of each order, without its buyer.",
        """
        SELECT l.application_id, l.marketplace, l.day, l.counted, l.pieces, l.amount_rupiah, l.import_id
        FROM order_line AS l JOIN application AS a USING (application_id)
        WHERE a.vendor_id = ANY($1::uuid[]) ORDER BY l.application_id, l.day, l.marketplace, l.line_sha256
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

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
    "waits": Section(
        "Kursus yang Anda tunggu, dan sejak kapan.",
        "The courses you wait for, and since when.",
        """
        SELECT vendor_id, course, class_id, since FROM waiting WHERE vendor_id = ANY($1::uuid[])
        ORDER BY since, course, vendor_id
    """,
    ),
    "withdrawals": Section(
        "Tempat di kelas yang Anda lepas.",
        "Places in classes that were given up.",
        """
        SELECT class_id, vendor_id, by, enrolled_at, sessions_attended, withdrawn_at FROM withdrawal
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY withdrawn_at, class_id
    """,
    ),
    "booth_copies": Section(
        "Salinan dari bazar: hari-hari ketika Anda punya lapak, agar kelas tidak bentrok.",
        "A copy from the bazaars: days on which you have a booth, so that classes do not clash.",
        """
        SELECT application_id, vendor_id, days, held FROM booth_day WHERE vendor_id = ANY($1::uuid[])
        ORDER BY application_id
    """,
    ),
    "certificates": Section(
        "Sertifikat Anda. Nama Anda tercetak padanya.",
        "Your certificates. Your name is printed on them.",
        """
        SELECT certificate_id, vendor_id, class_id, number, course, title, issued_on, completed_on, revoked_at,
            revoked_because
        FROM certificate WHERE vendor_id = ANY($1::uuid[]) ORDER BY issued_at, certificate_id
    """,
    ),
    "name_copy": Section(
        "Salinan nama Anda dari pendaftaran, tersegel: dicetak pada sertifikat, tidak untuk hal lain.",
        "A copy of your name from the registry, sealed: printed on certificates, used for nothing else.",
        """
        SELECT vendor_id FROM vendor_name WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
    """,
    ),
    "course_requests": Section(
        "Kursus yang Anda minta, dan apa yang terjadi dengan permintaan itu.",
        "The courses you asked for, and what came of it.",
        """
        SELECT request_id, vendor_id, course, state, class_id, requested_at, settled_at FROM course_request
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY request_id
    """,
    ),
    "programme_copy": Section(
        "Salinan dari pendaftaran: layanan program yang Anda minta atau ikuti.",
        "A copy from the registry: the services of the programme that you asked for or take part in.",
        """
        SELECT vendor_id, service, state, changed_at FROM programme_enrolment WHERE vendor_id = ANY($1::uuid[])
        ORDER BY service, vendor_id
    """,
    ),
    "consent_copy": Section(
        "Salinan dari pendaftaran: persetujuan Anda agar data diserahkan ke bank.",
        "A copy from the registry: your consent to have facts handed to a bank.",
        """
        SELECT vendor_id, given, said_at FROM capital_consent WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
    """,
    ),
    "document_copies": Section(
        "Salinan dari pendaftaran: dokumen Anda yang sudah diperiksa.",
        "Copies from the registry: documents of yours that were looked at.",
        """
        SELECT vendor_id, document_id, kind, verified, expires_on FROM vendor_document
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY document_id
    """,
    ),
    "help_cases": Section(
        "Bantuan yang Anda minta. Catatannya dapat dibaca di setiap kasus.",
        "Help that you asked for. What was noted can be read in each case.",
        """
        SELECT case_id, vendor_id, service, state, outcome, owner, due_on, wanted, door, opened_at, closed_at
        FROM help_case WHERE vendor_id = ANY($1::uuid[]) ORDER BY opened_at, case_id
    """,
    ),
    "case_acts": Section(
        "Apa yang dilakukan untuk bantuan itu.",
        "What was done about that help.",
        """
        SELECT a.case_id, a.nth, a.act, a.side, a.at, a.state, a.owner, a.due_on, a.wanted, a.outcome,
            a.note_sealed IS NOT NULL AS has_note
        FROM case_act a JOIN help_case c ON c.case_id = a.case_id WHERE c.vendor_id = ANY($1::uuid[])
        ORDER BY a.case_id, a.nth
    """,
    ),
    "capital_referrals": Section(
        "Permohonan modal ke bank, dengan data yang dikirim.",
        "Referrals to banks, with what was sent.",
        """
        SELECT referral_id, vendor_id, bank, state, convert_from(packet, 'UTF8') AS packet, answer_by, prepared_at,
            shown, sent_at, withdrawn_at, withdrawn_because
        FROM capital_referral WHERE vendor_id = ANY($1::uuid[]) ORDER BY prepared_at, referral_id
    """,
    ),
    "capital_answers": Section(
        "Jawaban bank.",
        "What banks answered.",
        """
        SELECT a.referral_id, a.answer, a.answered_at, a.taken_at, a.side, a.after_withdrawal
        FROM capital_answer a JOIN capital_referral r ON r.referral_id = a.referral_id
        WHERE r.vendor_id = ANY($1::uuid[]) ORDER BY a.referral_id, a.answered_at, a.answer
    """,
    ),
    "visits": Section(
        "Kunjungan pendamping kepada Anda. Catatannya dapat dibaca di setiap kunjungan.",
        "Visits of mentors to you. What was noted can be read in each visit.",
        """
        SELECT visit_id, vendor_id, mentor_id, visited_on, mode, next_action, next_action_on, month, turnover_rupiah,
            assets_rupiah, workers, note IS NOT NULL AS has_note, state, entry, logged_at
        FROM visit WHERE vendor_id = ANY($1::uuid[]) ORDER BY visited_on, visit_id
    """,
    ),
    "visit_entries": Section(
        "Catatan kunjungan sebelum dibetulkan.",
        "What stood of visits before it was corrected.",
        """
        SELECT e.visit_id, e.entry, e.visited_on, e.mode, e.next_action, e.next_action_on, e.month, e.turnover_rupiah,
            e.assets_rupiah, e.workers, e.note IS NOT NULL AS has_note, e.logged_at
        FROM visit_entry e JOIN visit v ON v.visit_id = e.visit_id WHERE v.vendor_id = ANY($1::uuid[])
        ORDER BY e.visit_id, e.entry
    """,
    ),
    "foster_groups": Section(
        "Kelompok bapak/ibu angkat yang Anda ikuti.",
        "Groups of foster mentors that you are or were in.",
        """
        SELECT group_id, vendor_id, assignment_id FROM foster_member WHERE vendor_id = ANY($1::uuid[])
        ORDER BY assignment_id
    """,
    ),
    "assignments": Section(
        "Pendamping Anda, sejak dan sampai kapan.",
        "Your mentors, from when until when.",
        """
        SELECT assignment_id, vendor_id, mentor_id, kind, by, matching_id, since, until, ended_because, reason,
            ended_reason
        FROM assignment WHERE vendor_id = ANY($1::uuid[]) ORDER BY since, assignment_id
    """,
    ),
    "mentoring_wishes": Section(
        "Apa yang Anda harapkan dari pendamping: bidang dan bahasa.",
        "What you wish of a mentor: fields and language.",
        """
        SELECT vendor_id, fields, language, said_at FROM mentoring_wish WHERE vendor_id = ANY($1::uuid[])
        ORDER BY vendor_id
    """,
    ),
    "matched_pairs": Section(
        "Pendamping yang dihitungkan untuk Anda, dan apakah itu dijalankan.",
        "The mentors that were computed for you, and whether that came about.",
        """
        SELECT matching_id, vendor_id, mentor_id, previous_mentor_id, change, state, skipped_because FROM matching_pair
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY matching_id, vendor_id
    """,
    ),
    "mentor_requests": Section(
        "Permintaan Anda akan pendamping lain, dan jawabannya.",
        "Your requests for another mentor, and the answers.",
        """
        SELECT request_id, vendor_id, mentor_id, reason, state, asked_at, answered_at FROM mentor_request
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY request_id
    """,
    ),
    "mentor_entries": Section(
        "Anda sebagai pendamping anggota lain.",
        "You as a mentor of others.",
        """
        SELECT mentor_id, vendor_id, kind, areas, fields, languages, load_max, account, state, listed_at, withdrawn_at
        FROM mentor WHERE vendor_id = ANY($1::uuid[]) ORDER BY mentor_id
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
    "attendance_marks": Section(
        "Catatan petugas tentang kehadiran Anda.",
        "What officers noted about your attendance.",
        """
        SELECT class_id, vendor_id, day, present, source, marked_at FROM attendance_mark
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY mark_id
    """,
    ),
    "scans": Section(
        "Pindaian tiket Anda di pintu kelas.",
        "Scans of your tickets at the doors of classes.",
        """
        SELECT class_id, vendor_id, serial, moment, day, state, flagged_because FROM class_scan
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY moment, scan_id
    """,
    ),
    "tickets": Section(
        "Tiket kelas Anda.",
        "Your tickets for classes.",
        """
        SELECT class_id, vendor_id, serial, number, days, issued_at FROM class_ticket
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY issued_at, class_id, vendor_id
    """,
    ),
    "scores": Section(
        "Nilai ujian Anda.",
        "Your scores in tests.",
        """
        SELECT class_id, vendor_id, score, entered_at FROM test_score WHERE vendor_id = ANY($1::uuid[])
        ORDER BY score_id
    """,
    ),
    "figures_copy": Section(
        "Salinan: omzet, aset dan tenaga kerja Anda per bulan.",
        "A copy: your turnover, assets and workers by month.",
        """
        SELECT vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, queried, entered_at FROM indicator
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY month, vendor_id
    """,
    ),
    "coaching_copy": Section(
        "Salinan: dinas pengampu yang membina Anda, sejak kapan.",
        "A copy: the agencies that coach or coached you, since when.",
        """
        SELECT vendor_id, word, agency, since FROM coaching_word WHERE vendor_id = ANY($1::uuid[])
        ORDER BY since, vendor_id, registry_version
    """,
    ),
    "graduation": Section(
        "Pencalonan naik kelas, keputusan petugas, dan bukti yang dilihatnya.",
        "Candidacies for graduation, what an officer decided, and the evidence that was seen.",
        """
        SELECT candidacy_id, vendor_id, criteria, criteria_version, state, proposed_at, months_from, months_until,
            taken_back_because, decided_on, reason, kelurahan, evidence
        FROM candidacy WHERE vendor_id = ANY($1::uuid[]) AND erased_at IS NULL ORDER BY candidacy_id
    """,
    ),
    "graduation_appeals": Section(
        "Keberatan Anda atas keputusan naik kelas; isi dan jawabannya dapat dibaca pada pencalonannya.",
        "Your objections to decisions on graduation; what was written and answered is read at the candidacy.",
        """
        SELECT appeal_id, candidacy_id, vendor_id, state, filed_at, decided_at FROM graduation_appeal
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY appeal_id
    """,
    ),
    "looks_due": Section(
        "Apakah kemajuan Anda sedang menunggu untuk dilihat kembali.",
        "Whether your progress waits to be looked at again.",
        "SELECT vendor_id FROM graduation_due WHERE vendor_id = ANY($1::uuid[]) ORDER BY due_id",
    ),
}

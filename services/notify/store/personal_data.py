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
            attempts, cause_at, planned_at, deadline, sent_at, settled_at, bodies_gone_at
        FROM notification WHERE vendor_id = ANY($1::uuid[]) ORDER BY id
        """,
    ),
    "attempts": Section(
        "Setiap upaya mengirim pesan itu.",
        "Every attempt to send them.",
        """
        SELECT a.notification_id, a.number, a.channel, a.provider, a.began_at, a.ended_at, a.outcome, a.code, a.note,
            a.status, a.status_at, a.failure
        FROM attempt AS a JOIN notification AS n ON n.id = a.notification_id
        WHERE n.vendor_id = ANY($1::uuid[]) ORDER BY a.notification_id, a.number
        """,
    ),
    "attached_files": Section(
        "Berkas yang dilampirkan pada pesan itu; berkasnya sendiri disimpan tujuh hari.",
        "Files that went along with them; the files themselves are kept for seven days.",
        """
        SELECT a.notification_id, a.attachment_id, a.number, a.name_sealed, a.size,
            encode(a.sha256, 'hex') AS sha256, a.content_sealed IS NOT NULL AS kept
        FROM attachment AS a JOIN notification AS n ON n.id = a.notification_id
        WHERE n.vendor_id = ANY($1::uuid[]) AND n.files > 0 ORDER BY a.notification_id, a.number
        """,
    ),
    "sent_again": Section(
        "Pesan yang dikirim ulang kepada Anda oleh petugas.",
        "Messages that an operator sent to you again.",
        """
        SELECT r.notification_id, n.resend_of, r.at FROM resend AS r JOIN notification AS n ON n.id = r.notification_id
        WHERE n.vendor_id = ANY($1::uuid[]) ORDER BY r.notification_id
        """,
    ),
    "wishes": Section(
        "Pesan mana yang Anda inginkan atau hentikan, dan lewat apa. Yang tidak disebut tetap dikirim.",
        "Which messages you want or ended, and by which channel. What is not named is sent.",
        """
        SELECT vendor_id, topic, channel, wanted, said_at, said_by FROM wish
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id, topic, channel
        """,
    ),
    "preferences": Section(
        "Cara Anda ingin dihubungi: urutan saluran, bahasa, rangkuman.",
        "How you want to be reached: the order of channels, the language, digests.",
        """
        SELECT vendor_id, channels, channels_said_at, language, language_said_at, digest, digest_said_at
        FROM preference WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
        """,
    ),
    "wish_changes": Section(
        "Siapa yang mengubah pilihan Anda tentang pesan, dan mengapa.",
        "Who changed your wishes about messages, and why.",
        """
        SELECT vendor_id, by, actor, reason, at FROM wish_change
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY change_id
        """,
    ),
    "consent_copy": Section(
        "Salinan persetujuan Anda untuk menerima kabar umum.",
        "A copy of your consent to receive news.",
        """
        SELECT vendor_id, given, said_at FROM news_consent WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
        """,
    ),
    "digests": Section(
        "Rangkuman yang dibuat untuk Anda: beberapa pesan dalam satu.",
        "Digests made for you: several messages told in one.",
        "SELECT digest_id, person_id, moment FROM digest WHERE person_id = ANY($1::uuid[]) ORDER BY digest_id",
    ),
    "replies": Section(
        "Pesan yang Anda kirim kepada kami dan jawaban petugas; isinya disimpan tujuh hari.",
        "What you wrote to us, and officers' answers; the words are kept for seven days.",
        """
        SELECT reply_id, vendor_id, channel, intent, about_notification_id, application_id, state, text_sealed,
            answer_sealed, said_at, received_at, settled_at, settled_by, settled_because
        FROM reply WHERE vendor_id = ANY($1::uuid[]) ORDER BY reply_id
        """,
    ),
    "replies_perhaps_yours": Section(
        "Pesan dari nomor telepon yang dipakai beberapa orang, mungkin dari Anda.",
        "Messages from a phone that several people have, perhaps yours.",
        """
        SELECT c.reply_id, c.vendor_id, r.received_at FROM reply_candidate AS c JOIN reply AS r USING (reply_id)
        WHERE c.vendor_id = ANY($1::uuid[]) ORDER BY c.reply_id
        """,
    ),
    "questions": Section(
        "Pertanyaan kami tentang tawaran mana yang Anda maksud.",
        "Our question which offer you meant.",
        """
        SELECT vendor_id, answer, application_ids, until FROM reply_question
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id
        """,
    ),
    "offer_answers": Section(
        "Jawaban Anda atas tawaran lapak yang kami teruskan.",
        "Your answers to booth offers that we passed on.",
        """
        SELECT reply_id, vendor_id, application_id, answer, sent_at, outcome, settled_at FROM offer_answer
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY command_id
        """,
    ),
    "applications_followed": Section(
        "Salinan keadaan lamaran Anda, supaya pertanyaan Anda dapat dijawab.",
        "A copy of where your applications stand, so that your questions can be answered.",
        """
        SELECT vendor_id, application_id, bazaar_name, state, site_name, booth, days, respond_by, place, explanation,
            queued_at FROM application_standing WHERE vendor_id = ANY($1::uuid[]) ORDER BY application_id
        """,
    ),
    "classes_followed": Section(
        "Salinan tempat Anda di pelatihan, supaya pertanyaan Anda dapat dijawab.",
        "A copy of your places in classes, so that your questions can be answered.",
        """
        SELECT vendor_id, class_id, title, days, starts_at, venue FROM class_standing
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id, class_id
        """,
    ),
    "broadcasts": Section(
        "Pesan untuk banyak orang yang dikirim atau akan dikirim juga kepada Anda.",
        "Messages to many that were or will be sent to you too.",
        """
        SELECT r.vendor_id, r.broadcast_id, b.template, b.state, b.approved_at
        FROM broadcast_recipient AS r JOIN broadcast AS b USING (broadcast_id)
        WHERE r.vendor_id = ANY($1::uuid[]) ORDER BY r.broadcast_id, r.vendor_id
        """,
    ),
    "broadcast_lists": Section(
        "Daftar penerima pesan yang memuat Anda.",
        "Lists of recipients that you are on.",
        """
        SELECT vendor_id, broadcast_id FROM broadcast_listed
        WHERE vendor_id = ANY($1::uuid[]) ORDER BY broadcast_id, vendor_id
        """,
    ),
    "who_looked": Section(
        "Siapa selain Anda yang melihat kontak dan pesan Anda, dan kapan.",
        "Who besides you was shown your contact and messages, and when.",
        "SELECT vendor_id, actor, reason, at FROM disclosure WHERE vendor_id = ANY($1::uuid[]) ORDER BY disclosure_id",
    ),
}

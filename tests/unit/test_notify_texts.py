"""Every message in both languages: what it must say, in the reader's form, and nothing that breaks out of it."""

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.notify.domain.people import Contact
from services.notify.domain.planning import Cause, draft
from services.notify.plans import PLANS, TEMPLATES
from services.notify.rendering import Template, TemplateFault, Text, current_templates, render
from services.notify.wording import FILTERS, LANGUAGES
from shared.events import bazaar, documents, graduation, training, vendor
from shared.events.envelope import Event
from tests.unit.notify_samples import APPLICATION, EVENTS, MENTOR, NOW, NUMBER, OF_DOCUMENT, SITES, VENDOR

FACTS: dict[str, tuple[list[str], list[str]]] = {
    "welcome": (["Selamat datang", "Belum punya usaha"], ["Welcome", "No business or product yet"]),
    "vendor-suspended": (
        ["tidak hadir tanpa kabar", "tetap milik Anda", "berhak meminta"],
        ["stayed away several times", "stays yours", "the right to have it looked at again"],
    ),
    "vendor-reinstated": (["melamar lapak lagi"], ["apply for booths again"]),
    "document-verified": (
        ["sertifikat halal", "Berlaku sampai: Sabtu, 16 Oktober 2027"],
        ["halal certificate", "Valid until: Saturday, 16 October 2027"],
    ),
    "document-returned": (
        ["sertifikat halal", "Berkasnya tidak terbaca.", "Paling lambat: Jumat, 31 Maret 2023"],
        ["halal certificate", "The file cannot be read.", "At the latest: Friday, 31 March 2023"],
    ),
    "document-rejected": (
        ["sertifikat halal", "Nama di dokumen bukan nama Anda.", "memeriksanya kembali"],
        ["halal certificate", "The name in the document is not yours.", "look at it again"],
    ),
    "document-expiring": (
        ["60 hari lagi", "Berlaku sampai: Selasa, 16 Mei 2023"],
        ["in 60 days", "Valid until: Tuesday, 16 May 2023"],
    ),
    "document-lapsed": (
        ["Hari terakhir berlaku: Kamis, 16 Maret 2023", "tetap anggota program"],
        ["Last valid day: Thursday, 16 March 2023", "remain a member"],
    ),
    "affiliation-expiring": (
        ["Kadin (Kamar Dagang dan Industri)", "Minggu, 16 April 2023, yaitu 30 hari lagi", "semua layanan kota"],
        ["Kadin (Chamber of Commerce and Industry)", "Sunday, 16 April 2023, that is 30 more days", "every service"],
    ),
    "affiliation-lapsed": (
        ["Kadin", "Kamis, 16 Maret 2023", "emua layanan kota tetap terbuka"],
        ["Kadin", "Thursday, 16 March 2023", "very service of the city stays open"],
    ),
    "exhibition-invited": (
        ["Pameran UMKM G20", "Balai Kota", "paling lambat Sabtu, 18 Maret 2023", "Senin, 20 Maret 2023"],
        ["Pameran UMKM G20", "Balai Kota", "by Saturday, 18 March 2023", "Monday, 20 March 2023"],
    ),
    "training-invited": (
        ["mengundang", "Dasar Kewirausahaan", "Senin, 20 Maret 2023 dan Selasa, 21 Maret 2023"],
        ["invite", "Dasar Kewirausahaan", "Monday, 20 March 2023 and Tuesday, 21 March 2023"],
    ),
    "training-enrolled": (
        ["Dasar Kewirausahaan", "Senin, 20 Maret 2023, pukul 09.00 WIB", "Balai Rakyat", "pada Selasa, 21 Maret 2023"],
        ["Dasar Kewirausahaan", "Monday, 20 March 2023, 09:00 WIB", "Balai Rakyat", "on Tuesday, 21 March 2023"],
    ),
    "training-waitlisted": (
        ["sudah penuh", "urutan ke-3", "urutan Anda tidak hilang"],
        ["is full", "at place 3", "you keep your place in the queue"],
    ),
    "training-ticket-issued": (["LPK1:ABC", "menggantikan tiket sebelumnya"], ["LPK1:ABC", "replaces your earlier"]),
    "training-session-near": (
        ["Waktu: Senin, 20 Maret 2023, pukul 09.00 WIB", "Balai Rakyat Sawah Besar"],
        ["When: Monday, 20 March 2023, 09:00 WIB", "Balai Rakyat Sawah Besar"],
    ),
    "training-withdrawn": (["dilepas oleh petugas", "keliru"], ["given up by an officer", "a mistake"]),
    "training-class-moved": (
        ["Selasa, 21 Maret 2023, pukul 09.00 WIB", "Sebelumnya: Senin, 13 Maret 2023.", "tidak hilang"],
        ["Tuesday, 21 March 2023, 09:00 WIB", "Before: Monday, 13 March 2023.", "keep your place"],
    ),
    "training-class-cancelled": (
        ["tidak jadi diadakan. Tempatnya tidak dapat dipakai.", "menunggu kelas berikutnya"],
        ["will not be held. The venue cannot be used.", "wait for the next class"],
    ),
    "class-drafted": (
        ["24 pelaku usaha di Sawah Besar", "100 peserta"],
        ["24 vendors in Sawah Besar", "100 people"],
    ),
    "certificate-issued": (["LPK/2023/000123", "Jumat, 10 Maret 2023"], ["LPK/2023/000123", "Friday, 10 March 2023"]),
    "certificate-revoked": (
        ["tidak berlaku lagi. Catatan kehadiran", "berhak meminta"],
        ["no longer valid. The record of your attendance", "right to have it looked at"],
    ),
    "capital-referral-moved": (
        ["Bank DKI belum dapat menyetujui", "sepenuhnya di tangan bank"],
        ["Bank DKI could not approve", "for the bank alone to decide"],
    ),
    "mentor-assigned": (
        ["Nama: Ibu Ratna", "Telepon: +6281234567890", "meminta pendamping lain"],
        ["Name: Ibu Ratna", "Phone: +6281234567890", "ask for another one"],
    ),
    "mentor-unassigned": (["tidak lagi bertugas", "pendamping yang baru"], ["has left this work", "a new mentor"]),
    "help-case-opened": (
        ["Bantuan: perizinan", "Target selesai: Minggu, 16 April 2023"],
        ["Help with: licensing", "To be solved by: Sunday, 16 April 2023"],
    ),
    "help-case-waiting": (["perizinan", "- Fotokopi KTP"], ["licensing", "- A copy of your KTP"]),
    "help-case-closed": (["sudah selesai dikerjakan"], ["has been dealt with"]),
    "graduation-decided": (
        ["Selamat!", "per Jumat, 10 Maret 2023"],
        ["Congratulations!", "as of Friday, 10 March 2023"],
    ),
    "graduation-appealed": (["Petugas lain"], ["Another officer"]),
    "graduation-revoked": (["sudah dibatalkan.", "berhak meminta"], ["taken back.", "right to have it looked at"]),
    "training-completed": (
        ["Selamat", "Jumat, 10 Maret 2023", "4 dari 5 pertemuan"],
        ["Congratulations", "Friday, 10 March 2023", "4 of 5 sessions"],
    ),
    "training-not-completed": (["1 dari 5 pertemuan", "mendaftar lagi"], ["1 of 5 sessions", "enrol again"]),
    "application-received": (
        ["Pilihan 1: Rusun Karang Anyar atau RPTRA Johar Baru", "Pilihan 2: gb", str(APPLICATION)],
        ["Choice 1: Rusun Karang Anyar or RPTRA Johar Baru", "Choice 2: gb", str(APPLICATION)],
    ),
    "booth-assigned": (
        [
            "Lapak: A07",
            "Lokasi: Rusun Karang Anyar",
            "Senin, 20 Maret 2023 dan Selasa, 21 Maret 2023",
            "paling lambat Sabtu, 18 Maret 2023, pukul 15.00 WIB",
            "Mengapa Anda?",
            str(APPLICATION),
        ],
        [
            "Booth: A07",
            "Location: Rusun Karang Anyar",
            "Monday, 20 March 2023 and Tuesday, 21 March 2023",
            "by Saturday, 18 March 2023, 15:00 WIB",
            "Why you?",
            str(APPLICATION),
        ],
    ),
    "applicant-queued": (
        ["Semua lapak di lokasi pilihan Anda sudah terisi.", "meminta petugas", str(APPLICATION)],
        ["All booths went to others.", "ask an officer", str(APPLICATION)],
    ),
    "application-changed": (
        ["Pilihan 1: Rusun Karang Anyar atau RPTRA Johar Baru", "ketua kelompok"],
        ["Choice 1: Rusun Karang Anyar or RPTRA Johar Baru", "its leader"],
    ),
    "interest-expiring": (["berakhir pada Minggu, 16 April 2023"], ["ends on Sunday, 16 April 2023"]),
    "application-dropped": (
        ["sudah menyelesaikan satu pelatihan", "giliran Anda tidak berkurang"],
        ["have completed a training", "you lose no turn"],
    ),
    "application-rescheduled": (
        ["Semula: Senin, 20 Maret 2023", "Menjadi: Senin, 27 Maret 2023", "A07", "Sabtu, 18 Maret 2023, pukul 15.00"],
        ["Before: Monday, 20 March 2023", "Now: Monday, 27 March 2023", "A07", "by Saturday, 18 March 2023, 15:00"],
    ),
    "application-cancelled": (
        ["tidak jadi diadakan", "Cuaca tidak memungkinkan.", "giliran Anda kami kembalikan"],
        ["does not take place", "The weather does not allow it.", "your turn is given back"],
    ),
    "booth-offer-expiring": (
        ["A07", "paling lambat Sabtu, 18 Maret 2023, pukul 15.00 WIB"],
        ["A07", "by Saturday, 18 March 2023, 15:00 WIB"],
    ),
    "ticket-issued": (
        ["LPK1:ABC", "A07", "menggantikan", "- Datang paling lambat: Senin, 20 Maret 2023, pukul 10.00 WIB"],
        ["LPK1:ABC", "A07", "replaces", "- Be there by: Monday, 20 March 2023, 10:00 WIB"],
    ),
    "gate-closing-changed": (
        [
            "A07",
            "- Datang paling lambat: Senin, 20 Maret 2023, pukul 11.30 WIB",
            "- Semula: Senin, 20 Maret 2023, pukul 10",
        ],
        ["A07", "- Be there by: Monday, 20 March 2023, 11:30 WIB", "- Before: Monday, 20 March 2023, 10:00 WIB"],
    ),
    "booth-released": (["Rusun Karang Anyar", "tidak berkurang"], ["Rusun Karang Anyar", "lose no turn"]),
    "booth-days-added": (
        ["Hari tambahan: Rabu, 22 Maret 2023", "A07"],
        ["Added: Wednesday, 22 March 2023", "A07"],
    ),
    "booth-swap-proposed": (
        ["A03", "RPTRA Johar Baru", "bebas menolak", "Sabtu, 18 Maret 2023"],
        ["A03", "RPTRA Johar Baru", "free to decline", "Saturday, 18 March 2023"],
    ),
    "booth-swap-refused": (["memilih tetap di lapaknya"], ["prefers to keep its booth"]),
    "booth-swapped": (["Lapak: A07", "tidak berlaku lagi"], ["Booth: A07", "no longer valid"]),
    "appeal-filed": (["bukan komputer", str(UUID(int=12))], ["not a computer", str(UUID(int=12))]),
    "appeal-decided": (["kami terima", "kami kembalikan"], ["was accepted", "given back"]),
    "sales-queried": (["Senin, 20 Maret 2023", "jauh lebih tinggi"], ["Monday, 20 March 2023", "far above"]),
    "booth-confirmed": (["A07", "Rusun Karang Anyar", "sudah pasti"], ["A07", "Rusun Karang Anyar", "is yours"]),
    "booth-declined": (
        ["Rusun Karang Anyar", "Giliran Anda tidak berkurang"],
        ["Rusun Karang Anyar", "You lose no turn"],
    ),
    "booth-offer-lapsed": (
        ["Rusun Karang Anyar", "terhitung satu giliran"],
        ["Rusun Karang Anyar", "counts as one turn"],
    ),
    "booth-missed": (["Rusun Karang Anyar", "tidak hadir"], ["Rusun Karang Anyar", "not at your booth"]),
}


def written(event: Event, language: str, name: str = "Siti Aminah", party: Contact | None = MENTOR) -> Text:
    made = draft(event, Cause(UUID(int=9), NOW), SITES, NOW)
    assert made is not None
    template = current_templates()[made.template]
    return render(template, language, made.params, name=name, notification_id=NUMBER, party=party)


def cases() -> list[tuple[str, str]]:
    return [(template, language) for template in TEMPLATES for language in LANGUAGES]


def test_a_message_that_was_planned_before_its_event_had_a_field_is_still_told() -> None:
    made = draft(EVENTS["ticket-issued"], Cause(UUID(int=9), NOW), SITES, NOW)
    assert made is not None
    planned = {name: value for name, value in made.params.items() if name != "gate_closes_at"}
    told = render(current_templates()["ticket-issued"], "id", planned, name="Siti Aminah", notification_id=NUMBER)
    assert "LPK1:ABC" in told.body
    assert "Datang paling lambat" not in told.body


def test_every_event_that_is_told_is_tried_here() -> None:
    assert {type(event) for event in EVENTS.values()} == set(PLANS)
    assert set(EVENTS) == set(FACTS) == set(TEMPLATES)


@pytest.mark.parametrize(("template", "language"), cases())
def test_a_message_says_what_it_must(template: str, language: str) -> None:
    text = written(EVENTS[template], language)
    for fact in FACTS[template][LANGUAGES.index(language)]:
        assert fact in text.body, text.body
    assert "Siti Aminah" in text.body
    assert str(NUMBER) in text.body
    assert text.subject
    assert "\n" not in text.subject


@pytest.mark.parametrize(("template", "language"), cases())
def test_a_message_is_tidy(template: str, language: str) -> None:
    text = written(EVENTS[template], language)
    assert not any(mark in text.subject + text.body for mark in ("{", "}", "None", "[]", "\n\n\n"))
    assert all(line == line.rstrip() for line in text.body.split("\n"))
    assert text.body.startswith("Halo " if language == "id" else "Hello ")
    other = "Hello" if language == "id" else "Halo"
    assert other not in text.body


@pytest.mark.parametrize(("template", "language"), cases())
def test_a_name_cannot_break_out_of_the_message(template: str, language: str) -> None:
    text = written(EVENTS[template], language, "<script>alert(1)</script>\r\nBcc: x@example.com\n\n{{ 7 * 7 }}&\u202e")
    assert "<script>" not in text.html
    assert "&lt;script&gt;" in text.html
    assert "\n" not in text.subject
    assert "\r" not in text.subject + text.body
    assert "\nBcc:" not in text.body
    assert "49" not in text.body.partition("\n")[0]
    assert "\u202e" not in text.body


def test_the_html_says_the_same_as_the_text() -> None:
    text = written(EVENTS["booth-assigned"], "id")
    assert "<li>Lapak: A07</li><li>Lokasi: Rusun Karang Anyar</li>" in text.html
    assert '<html lang="id">' in text.html
    shown = re.sub("</?a[^>]*>", "", text.html).replace("&quot;", '"')
    for paragraph in text.body.strip().split("\n\n"):
        for line in paragraph.split("\n"):
            assert line in ("--", "") or line.removeprefix("- ") in shown


@pytest.mark.parametrize(
    ("line", "html"),
    [
        ("Buka https://a.test/x?b=1&c=2.", '<a href="https://a.test/x?b=1&amp;c=2">https://a.test/x?b=1&amp;c=2</a>.'),
        ("(https://a.test:8104/stop/A_-b/)", '(<a href="https://a.test:8104/stop/A_-b/">'),
        ('https://a.test/"onclick="x"', '<a href="https://a.test/">https://a.test/</a>&quot;onclick='),
        ("https://a.test/<b>", '<a href="https://a.test/">https://a.test/</a>&lt;b&gt;'),
        ("javascript://a.test", "<p>javascript://a.test</p>"),
        ("Tanya: https://", "<p>Tanya: https://</p>"),
    ],
)
def test_addresses_in_an_email_are_links_and_nothing_else_is(line: str, html: str) -> None:
    source = "Perihal\n\n{{ words }}\n"
    assert (
        html
        in render(Template("x", "v1", {"id": source}), "id", {"words": line}, name="Siti", notification_id=NUMBER).html
    )


def test_an_invitation_without_a_class_asks_to_wait() -> None:
    invited = training.TrainingInvited(vendor_id=VENDOR, course="dasar-kewirausahaan")
    assert "belum dibuka" in written(invited, "id").body
    assert "No class near your home is open yet" in written(invited, "en").body


def test_somebody_with_a_business_is_not_told_that_none_is_needed() -> None:
    registered = EVENTS["welcome"].model_copy(update={"kind": "usaha"})
    assert "Belum punya usaha" not in written(registered, "id").body


def test_a_reason_that_is_not_known_is_no_code_but_a_way_to_ask() -> None:
    for event in (
        vendor.VendorSuspended(vendor_id=VENDOR, reason="brand-new-code"),
        documents.DocumentRejected(**OF_DOCUMENT, reason="brand-new-code"),
        documents.DocumentReturned(**OF_DOCUMENT, reason="brand-new-code", correct_by=date(2023, 3, 31)),
    ):
        indonesian, english = written(event, "id").body, written(event, "en").body
        assert "brand-new-code" not in indonesian + english
        assert "dapat menjelaskan alasannya kepada Anda" in indonesian
        assert "can explain the reason to you" in english


def test_a_document_that_never_expires_promises_no_reminder() -> None:
    for_ever = documents.DocumentVerified(**OF_DOCUMENT)
    assert "Berlaku sampai" not in written(for_ever, "id").body
    assert "mengingatkan" not in written(for_ever, "id").body
    assert "remind" not in written(for_ever, "en").body


def test_the_last_day_is_told_in_the_singular() -> None:
    tomorrow = EVENTS["document-expiring"].model_copy(update={"days_left": 1})
    assert "in 1 day:" in written(tomorrow, "en").body
    tomorrow = EVENTS["affiliation-expiring"].model_copy(update={"days_left": 1})
    assert "that is 1 more day." in written(tomorrow, "en").body


def test_a_freed_booth_says_so() -> None:
    promoted = EVENTS["booth-assigned"].model_copy(update={"promoted": True})
    assert "ditawarkan kepada pedagang lain" in written(promoted, "id").body
    assert "offered to another vendor" in written(promoted, "en").body


def test_a_booth_given_back_late_costs_its_turn() -> None:
    late = EVENTS["booth-released"].model_copy(update={"costs_turn": True})
    assert "terhitung satu giliran" in written(late, "id").body
    assert "counts as one turn" in written(late, "en").body


def test_a_confirmed_booth_is_a_turn_whether_one_comes_or_not() -> None:
    confirmed = EVENTS["booth-confirmed"]
    assert "Lapak ini terhitung satu giliran. Kalau berhalangan, kembalikan lebih awal" in written(confirmed, "id").body
    assert "The booth counts as one turn. If you cannot come, give it back early" in written(confirmed, "en").body


def test_who_stayed_away_stands_further_back_and_is_not_told_that_it_waits_longer() -> None:
    """To have waited longer is what puts one in front."""
    missed = EVENTS["booth-missed"]
    assert "urutan Anda lebih belakang" in written(missed, "id").body
    assert "you stand further back in the queue" in written(missed, "en").body
    assert "menunggu lebih lama" not in written(missed, "id").body


def test_an_open_offer_of_a_moved_bazaar_has_a_new_deadline() -> None:
    moved = EVENTS["application-rescheduled"].model_copy(
        update={"release_by": None, "respond_by": datetime(2023, 3, 25, 8, 0, tzinfo=UTC)}
    )
    assert "Batas waktu menjawab tawaran itu sekarang Sabtu, 25 Maret 2023" in written(moved, "id").body


def test_a_booth_on_reserved_seats_says_so() -> None:
    reserved = EVENTS["booth-assigned"].model_copy(update={"phase": 1})
    assert "disediakan untuk binaan pengampu" in written(reserved, "id").body
    assert "set aside for vendors of your agency" in written(reserved, "en").body


def test_one_who_was_applied_for_is_told() -> None:
    standing = EVENTS["application-received"].model_copy(update={"origin": "standing"})
    assert "sesuai minat yang Anda simpan" in written(standing, "id").body
    assert "the interest you keep with us" in written(standing, "en").body


def test_a_decision_without_an_explanation_still_names_the_place() -> None:
    queued = EVENTS["applicant-queued"].model_copy(update={"explanation": {}})
    assert "urutan ke-12 dalam antrean" in written(queued, "id").body
    assert "number 12 in the queue" in written(queued, "en").body


def test_who_has_no_booth_yet_is_told_until_when_it_may_withdraw_when_the_days_change() -> None:
    """A bazaar is moved in any state; once the list is frozen nobody withdraws any more, an offer is declined."""
    waiting = EVENTS["application-rescheduled"].model_copy(
        update={"site_id": None, "site_name": None, "booth": None, "release_by": None}
    )
    assert "tariklah lamaran sebelum daftar pelamar ditutup; sesudah itu, cukup tolak" in written(waiting, "id").body
    assert "withdraw it before the list of applicants closes; after that, simply decline" in written(waiting, "en").body
    assert "Lapak Anda tetap" not in written(waiting, "id").body


@pytest.mark.parametrize(
    ("remedy", "upheld", "indonesian"),
    [
        ("none", False, "keputusan semula tetap berlaku"),
        ("waiting-restored", True, "Waktu tunggu Anda kami pulihkan"),
        ("priority-granted", True, "kami dahulukan mulai putaran berikutnya"),
    ],
)
def test_an_objection_is_answered(remedy: str, upheld: bool, indonesian: str) -> None:
    decided = EVENTS["appeal-decided"].model_copy(update={"remedy": remedy, "upheld": upheld})
    assert indonesian in written(decided, "id").body


CODES = {
    bazaar.ApplicationDropped: (
        ["unknown-vendor", "training-missing", "vendor-suspended", "group-missing", "not-admitted", "same-person"]
    ),
    bazaar.ApplicationCancelled: ["holiday", "weather", "venue", "organiser", "safety"],
    bazaar.BoothSwapRefused: ["declined", "lapsed", "not-approved", "withdrawn", "booth-gone"],
    training.TrainingClassCancelled: ["trainer-ill", "too-few", "venue", "weather", "safety", "holiday", "organiser"],
    training.CertificateRevoked: ["completion-corrected", "issued-in-error", "fraud", "replaced"],
    graduation.GraduationDecided: ["figures-doubtful", "not-lasting", "still-needs-help", "own-wish"],
    graduation.GraduationRevoked: ["decided-in-error", "figures-false", "own-wish", "appeal-upheld"],
    bazaar.SalesQueried: ["turnover-high", "turnover-low", "per-transaction-high", "per-unit-high"],
}


@pytest.mark.parametrize("code", sorted({code for codes in CODES.values() for code in codes}))
def test_every_code_of_a_reason_is_a_sentence_of_its_own(code: str) -> None:
    for language in LANGUAGES:
        sentence = FILTERS[language]["reason"](code)
        assert sentence != FILTERS[language]["reason"]("a-code-that-nobody-knows")
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("language", "name", "value", "words"),
    [
        ("id", "day", "2023-03-20", "Senin, 20 Maret 2023"),
        ("en", "day", "2023-03-20", "Monday, 20 March 2023"),
        ("id", "day", date(2023, 8, 17), "Kamis, 17 Agustus 2023"),
        ("id", "days", ["2023-03-20"], "Senin, 20 Maret 2023"),
        (
            "id",
            "days",
            ["2023-08-29", "2023-08-30", "2023-08-31"],
            "Selasa, 29 Agustus 2023; Rabu, 30 Agustus 2023; dan Kamis, 31 Agustus 2023",
        ),
        ("id", "moment", "2023-03-18T08:00:00Z", "Sabtu, 18 Maret 2023, pukul 15.00 WIB"),
        ("id", "moment", "2023-03-18T17:30:00+00:00", "Minggu, 19 Maret 2023, pukul 00.30 WIB"),
        ("en", "moment", "2023-03-18T08:00:00Z", "Saturday, 18 March 2023, 15:00 WIB"),
        ("id", "rupiah", 120_000, "Rp120.000"),
        ("en", "rupiah", 1_500_000, "Rp1,500,000"),
        ("id", "span", ["2023-03-20", "2023-03-21"], "Senin, 20 Maret 2023 dan Selasa, 21 Maret 2023"),
        (
            "id",
            "span",
            [f"2023-03-{day}" for day in range(20, 25)],
            "Senin, 20 Maret 2023 sampai Jumat, 24 Maret 2023 (5 hari)",
        ),
        (
            "en",
            "span",
            [f"2023-03-{day}" for day in range(20, 25)],
            "Monday, 20 March 2023 to Friday, 24 March 2023 (5 days)",
        ),
        ("id", "span", [], "menyusul"),
        ("en", "span", [], "to follow"),
        ("id", "short_day", "2023-03-18", "Sab 18 Mar"),
        ("en", "short_day", date(2023, 5, 6), "Sat 6 May"),
        ("id", "short_day", date(2023, 5, 7), "Min 7 Mei"),
        ("id", "short_days", ["2023-03-18"], "Sab 18 Mar"),
        ("id", "short_days", ["2023-03-18", "2023-03-19"], "Sab 18 & Min 19 Mar"),
        ("en", "short_days", ["2023-03-31", "2023-04-01"], "Fri 31 Mar & Sat 1 Apr"),
        ("id", "short_days", ["2023-03-18", "2024-03-18"], "Sab 18 Mar & Sen 18 Mar"),
        ("id", "short_days", ["2023-08-29", "2023-08-30", "2023-08-31"], "Sel 29, Rab 30 & Kam 31 Agu"),
        ("id", "short_days", [f"2023-03-{day}" for day in range(20, 24)], "Sen 20 Mar sampai Kam 23 Mar (4 hari)"),
        ("en", "short_days", ["2023-03-20", "2023-03-20"], "Mon 20 Mar"),
        ("id", "short_days", [], "menyusul"),
        ("id", "short_moment", "2023-03-18T10:00:00Z", "Sab 18 Mar 17.00"),
        ("en", "short_moment", "2023-03-18T17:30:00Z", "Sun 19 Mar 00:30"),
        ("id", "short_moments", ["2023-03-20T02:00:00Z", "2023-03-21T02:00:00Z"], "Sen 20 & Sel 21 Mar pukul 09.00"),
        ("en", "short_moments", ["2023-03-20T02:00:00Z"], "Mon 20 Mar at 09:00"),
        (
            "id",
            "short_moments",
            ["2023-03-20T02:00:00Z", "2023-03-21T06:00:00Z"],
            "Sen 20 Mar 09.00 & Sel 21 Mar 13.00",
        ),
        (
            "id",
            "short_moments",
            [f"2023-03-{day}T{day - 15:02}:00:00Z" for day in range(20, 24)],
            "Sen 20 Mar 12.00 sampai Kam 23 Mar (4 hari)",
        ),
        ("id", "brief", "Bazar  Jakpreneur\n", "Bazar Jakpreneur"),
        ("id", "brief", "a" * 50, "a" * 50),
        ("id", "brief", "a" * 51, "a" * 47 + "..."),
        ("en", "brief", "Bazar Jakpreneur " * 4, "Bazar Jakpreneur Bazar Jakpreneur Bazar..."),
        ("id", "listed", ["a", "b"], "a dan b"),
        ("en", "listed", ["a", "b", "a", "c"], "a; b; and c"),
    ],
)
def test_dates_times_and_amounts_have_the_readers_form(language: str, name: str, value: Any, words: str) -> None:
    assert FILTERS[language][name](value) == words


def test_an_unknown_language_is_answered_in_indonesian() -> None:
    assert written(EVENTS["welcome"], "jv").body == written(EVENTS["welcome"], "id").body


def test_the_version_is_the_text() -> None:
    version = current_templates()["welcome"].version
    assert version != current_templates()["booth-missed"].version
    assert len(version) == 16


@pytest.mark.parametrize(
    "source", ["{{ absent }}\n\nx", "{% if %}\n\nx", "{{ 'x' | day }}\n\nx", "{{ ''.__class__.mro() }}\n\nx"]
)
def test_a_faulty_template_is_a_fault_that_tells_no_value(source: str) -> None:
    template = Template("faulty", "v1", {"id": source})
    with pytest.raises(TemplateFault) as fault:
        render(template, "id", {"secret": "Siti"}, name="Siti Aminah", notification_id=NUMBER)
    assert "faulty v1" in str(fault.value)
    assert "Siti" not in str(fault.value)


# ---- training and mentoring


def test_a_place_from_the_waiting_list_says_so() -> None:
    promoted = EVENTS["training-enrolled"].model_copy(update={"promoted": True, "clashes": [], "starts_at": []})
    assert "berikutnya dalam daftar tunggu" in written(promoted, "id").body
    assert "next on the waiting list" in written(promoted, "en").body
    assert "Hari: Senin, 20 Maret 2023 dan Selasa" in written(promoted, "id").body
    assert "lapak atau kelas lain" not in written(promoted, "id").body


def test_who_waits_for_any_class_of_a_course_is_not_told_that_one_is_full() -> None:
    waits = EVENTS["training-waitlisted"].model_copy(update={"class_id": None, "title": None})
    assert "penuh" not in written(waits, "id").body
    assert "Anda menunggu kelas berikutnya, di urutan ke-3" in written(waits, "id").body


@pytest.mark.parametrize(("by", "waited_only"), [("vendor", False), ("vendor", True), ("officer", True)])
def test_who_gave_up_a_place_is_thanked_and_who_lost_it_is_told_where_to_ask(by: str, waited_only: bool) -> None:
    gone = EVENTS["training-withdrawn"].model_copy(update={"by": by, "waited_only": waited_only})
    text = written(gone, "en").body
    assert ("Thank you for telling us" in text) is (by == "vendor")
    assert ("waiting list" in text) is waited_only


def test_a_mentor_without_a_card_is_not_named() -> None:
    for language in LANGUAGES:
        text = written(EVENTS["mentor-assigned"], language, party=None).body
        assert "Ratna" not in text
        assert "None" not in text
        assert "\n\n\n" not in text


def test_a_foster_mentor_is_called_so() -> None:
    adopted = EVENTS["mentor-assigned"].model_copy(update={"kind": "foster"})
    assert written(adopted, "id").subject == "Bapak/ibu angkat Anda"
    parted = EVENTS["mentor-unassigned"].model_copy(update={"kind": "foster"})
    assert "mencarikan pendamping" not in written(parted, "id").body


@pytest.mark.parametrize(("kind", "by"), [("employed", "newcomer"), ("employed", "officer"), ("foster", "officer")])
def test_reasons_are_promised_only_of_a_mentor_that_was_computed(kind: str, by: str) -> None:
    given = EVENTS["mentor-assigned"].model_copy(update={"kind": kind, "by": by})
    text = written(given, "en").body
    assert ("why this mentor was chosen" in text) is (by != "officer")
    assert ("ask for another one" in text) is (kind == "employed")


@pytest.mark.parametrize("state", ["sent", "received", "approved", "declined", "withdrawn"])
def test_a_bank_decides_and_we_say_so(state: str) -> None:
    moved = EVENTS["capital-referral-moved"].model_copy(update={"state": state})
    assert "Keputusan kredit sepenuhnya di tangan bank" in written(moved, "id").body


@pytest.mark.parametrize("outcome", ["solved", "not-possible", "withdrawn", "referred"])
def test_every_end_of_a_case_leaves_a_way_on(outcome: str) -> None:
    closed = EVENTS["help-case-closed"].model_copy(update={"outcome": outcome})
    assert "open it again" in written(closed, "en").body


def test_who_does_not_graduate_may_object() -> None:
    declined = EVENTS["graduation-decided"].model_copy(update={"graduated": False, "reason": None})
    assert "belum dinyatakan naik kelas." in written(declined, "id").body
    assert "you may object" in written(declined, "en").body

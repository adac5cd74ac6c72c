"""Submissions of documents: what each kind must carry. Pure.

The kinds and their rules are data (`KINDS`). A number is refused only where its format is certain; where issuers wrote
it in several ways, an unusual one is taken with a warning, because an officer looks at every document.
"""

import calendar
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from services.vendor.checks import FieldRefused, Warned
from services.vendor.domain.registration import Problem
from shared.errors import Refused
from shared.events.documents import DocumentKind

__all__ = ["KINDS", "AdmittedDocument", "DocumentInvalid", "Kind", "NumberForm", "Submission", "admit"]

Rule = Literal["never", "optional", "required"]

NUMBER_CHARACTERS_MAX = 40
ISSUED_FROM = date(1950, 1, 1)
VALID_YEARS_MAX = 50
"""No document of these kinds is issued for longer; a later expiry is a slip of the pen."""
DIGITS_UNUSUAL_MIN = 4
"""A number without even this many digits is no number of a document."""


class NumberForm(NamedTuple):
    """How a number is written. `known` are the forms that are certain.

    What `claims` one of them must have it; another number is taken with a warning, unless `strict`.
    """

    label: re.Pattern[str]
    known: re.Pattern[str]
    shown: str
    claims: re.Pattern[str] | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: its names, its number, its dates, and whether a person has but one of it."""

    name_id: str
    name_en: str
    number: NumberForm
    issued: Rule
    expires: Rule
    single: bool = False
    years: int | None = None
    """Valid for so long by rule: the expiry when none is given, and the latest one."""


def _form(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


# Labels are what people copy along in front of a number: "P-IRT No. 2053171011234-28", "BPOM RI MD 1234...".
KINDS: Mapping[DocumentKind, Kind] = {
    # 13 digits (PP 24/2018 art. 25; PP 5/2021); valid as long as the business runs (the same articles).
    "nib": Kind(
        "Nomor Induk Berusaha (NIB)",
        "Business number (NIB)",
        NumberForm(_form(r"(?:NIB|NO)+"), _form(r"\d{13}"), "13 digits", strict=True),
        issued="optional",
        expires="never",
        single=True,
    ),
    # 15 digits (HK.03.1.23.04.12.2205 of 2012; PerBPOM 22/2018), the last two are the year of expiry; five years
    # (PerBPOM 22/2018). DOMAIN says the same.
    "pirt": Kind(
        "Sertifikat P-IRT",
        "Home-industry food permit (P-IRT)",
        NumberForm(_form(r"(?:SPP|PIRT|NO)+"), _form(r"\d{15}"), "15 digits", strict=True),
        issued="required",
        expires="optional",
        years=5,
    ),
    # BPJPH: "ID" and 17 digits, as its certificates carry it. Since PP 42/2024 a certificate is valid as long as
    # composition and process stay, so an expiry is optional. The MUI's, until BPJPH took over (UU 33/2014, from
    # 17 October 2019), were digits only and always had an expiry.
    "halal": Kind(
        "Sertifikat halal",
        "Halal certificate",
        NumberForm(_form(r"(?:NO)+"), _form(r"ID\d{17}"), "ID and 17 digits", claims=_form(r"ID.*")),
        issued="required",
        expires="optional",
    ),
    # Food MD (domestic) or ML (imported) and 12 digits; cosmetics NA to NE (continent) and 11 digits; traditional
    # medicine and supplements two letters and 9 digits. As printed on labels; other forms of BPOM are taken.
    "bpom": Kind(
        "Izin edar BPOM",
        "Food and drug agency's permit (BPOM)",
        NumberForm(
            _form(r"(?:BPOM|POM|RI|NO)+"),
            _form(r"M[DL]\d{12}|N[A-E]\d{11}|(?:TR|TI|TL|HT|FF|SD|SI|SL)\d{9}"),
            "MD or ML and 12 digits, NA to NE and 11 digits, or TR, SD ... and 9 digits",
            claims=_form(r"N[A-E]\d+"),
        ),
        issued="required",
        expires="required",
    ),
    # Registered trademarks IDM, patents IDP and IDS and 9 digits, designs IDD, copyright records EC00 and the year, as
    # the directorate general (DJKI) prints them. A trademark lasts ten years from its filing (UU 20/2016 art. 35),
    # which is not the day of issue, so the expiry is as the certificate says.
    "hki": Kind(
        "Kekayaan intelektual (HKI)",
        "Intellectual property (HKI)",
        NumberForm(
            _form(r"(?:NO)+"),
            _form(r"ID[MPS]\d{9}|IDD\d{9,10}|EC00\d{9,10}"),
            "IDM, IDP or IDS and 9 digits, IDD or EC00 and 9 or 10 digits",
        ),
        issued="required",
        expires="optional",
    ),
    # Its number is the NIK: 16 digits (DOMAIN), compared with the one registered and never kept beside the scan.
    # Valid for life (UU 24/2013 art. 64 (7)), also where an older card names a day.
    "ktp": Kind(
        "KTP",
        "Identity card (KTP)",
        NumberForm(_form(r"(?:NIK|NO)+"), _form(r"\d{16}"), "the 16 digits of the NIK", strict=True),
        issued="optional",
        expires="never",
        single=True,
    ),
}
MUI_NUMBER = _form(r"\d{10,18}")
_SEPARATORS = str.maketrans("", "", " .-/:")


class Submission(NamedTuple):
    """The wish to submit a document, as it came. `replaces` names the one it renews; `beside` says that it is another
    one: a second product's permit, a second trademark."""

    kind: DocumentKind
    number: str
    issued_on: date | None = None
    expires_on: date | None = None
    replaces: UUID | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class AdmittedDocument:
    """A submission whose fields are good; its number written one way."""

    kind: DocumentKind
    number: str
    issued_on: date | None
    expires_on: date | None
    warnings: tuple[Warned, ...]


class DocumentInvalid(Refused):
    """Fields that cannot be kept; names every one of them."""

    code: ClassVar[str] = "document-invalid"
    status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{problem.field} {problem.reason}" for problem in problems)
        super().__init__(f"The document was not taken: {said}.", errors=[p._asdict() for p in problems])
        self.problems = tuple(problems)


def admit(wish: Submission, today: date) -> AdmittedDocument:
    """Check number and dates by the rules of the kind. Raises `DocumentInvalid` with all problems at once."""
    kind = KINDS[wish.kind]
    problems: list[Problem] = []
    warnings: list[Warned] = []

    def refuse(field: str, code: str, reason: str, fix: str) -> None:
        problems.append(Problem(field, code, reason, fix))

    number = ""
    try:
        number = _check_number(wish.number, kind.number, warnings)
    except FieldRefused as error:
        refuse(error.field, error.code, error.reason, error.fix)
    issued_on, expires_on = wish.issued_on, wish.expires_on
    if issued_on is None:
        if kind.issued == "required":
            refuse("issued_on", "missing", "is missing", "give the day of issue as the document says")
    elif issued_on > today:
        refuse("issued_on", "issued-in-future", "lies in the future", "compare the day of issue with the document")
    elif issued_on < ISSUED_FROM:
        refuse("issued_on", "issued-too-early", f"lies before {ISSUED_FROM.year}", "compare it with the document")
    since = issued_on if issued_on is not None and ISSUED_FROM <= issued_on <= today else None
    if expires_on is not None:
        _check_expiry(expires_on, kind, since, today, refuse)
    elif kind.years is not None:
        expires_on = None if since is None else _years_later(since, kind.years)
        if expires_on is not None and expires_on < today:
            refuse("issued_on", "expired", f"is more than {kind.years} years ago", "submit the renewed document")
    elif kind.expires == "required" or (wish.kind == "halal" and MUI_NUMBER.fullmatch(number)):
        refuse("expires_on", "missing", "is missing", "give the last day it is valid, as the document says")
    if problems:
        raise DocumentInvalid(problems)
    if wish.kind == "pirt" and expires_on is not None and int(number[-2:]) != expires_on.year % 100:
        message = "the last two digits of a P-IRT number are the year in which it expires; here they are not"
        warnings.append(Warned("number", "pirt-year-differs", message))
    return AdmittedDocument(wish.kind, number, issued_on, expires_on, tuple(warnings))


def _check_number(text: str, form: NumberForm, warnings: list[Warned]) -> str:
    """The number without labels and separators, in capitals."""
    if not "".join(c for c in text if unicodedata.category(c) != "Cf").isprintable():
        raise FieldRefused("number", "unprintable", "holds control characters", "type it anew instead of pasting it")
    plain = unicodedata.normalize("NFKC", "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Pd")))
    value = "".join(plain.upper().translate(_SEPARATORS).split())
    label = form.label.match(value)
    if label is not None and label.end() < len(value):
        value = value[label.end() :]
    if not value:
        raise FieldRefused("number", "missing", "is missing", f"copy it from the document: {form.shown}")
    if form.known.fullmatch(value):
        return value
    fix = f"copy all of it from the document: {form.shown}"
    if form.strict or (form.claims is not None and form.claims.fullmatch(value)):
        raise FieldRefused("number", "number-format", f"is not {form.shown}", fix)
    if not (value.isascii() and value.isalnum()) or len(value) > NUMBER_CHARACTERS_MAX:
        raise FieldRefused("number", "number-format", "holds more than letters and digits, or too many", fix)
    if sum(map(str.isdigit, value)) < DIGITS_UNUSUAL_MIN:
        raise FieldRefused("number", "number-format", "holds hardly a digit", fix)
    warnings.append(Warned("number", "number-unusual", f"the number is not {form.shown}: an officer will compare it"))
    return value


def _check_expiry(
    expires_on: date, kind: Kind, issued_on: date | None, today: date, refuse: Callable[[str, str, str, str], None]
) -> None:
    field, compare = "expires_on", "compare the last day it is valid with the document"
    if kind.expires == "never":
        refuse(field, "never-expires", "is not wanted: this kind does not expire", "leave it out")
    elif issued_on is not None and expires_on <= issued_on:
        refuse(field, "expiry-before-issue", "is not after the day of issue", compare)
    elif expires_on < today:
        refuse(field, "expired", "is past", "submit the renewed document")
    elif kind.years is not None and issued_on is not None and expires_on > _years_later(issued_on, kind.years):
        refuse(field, "expiry-too-late", f"is more than {kind.years} years after the day of issue", compare)
    elif expires_on > _years_later(today, VALID_YEARS_MAX):
        refuse(field, "expiry-too-late", f"is more than {VALID_YEARS_MAX} years ahead", compare)


def _years_later(day: date, years: int) -> date:
    """The same day so many years later; 28 February where the year has no 29th."""
    year = day.year + years
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))

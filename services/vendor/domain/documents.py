"""Documents of vendors: what each kind must carry, and what becomes of one between submission and expiry. Pure.

The kinds and their rules are data (`KINDS`). A number is refused only where its format is certain; where issuers wrote
it in several ways, an unusual one is taken with a warning, because an officer looks at every document.
"""

import calendar
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple, TypedDict
from uuid import UUID

from services.vendor.checks import FieldRefused, Warned
from services.vendor.domain.registration import Problem
from shared.errors import Conflict, Forbidden, NotFound, Refused
from shared.events.documents import (
    DocumentEvent,
    DocumentExpiring,
    DocumentKind,
    DocumentLapsed,
    DocumentRejected,
    DocumentReturned,
    DocumentSubmitted,
    DocumentVerified,
)

__all__ = [
    "CORRECTION_DAYS",
    "CORRECTION_DAYS_MAX",
    "KINDS",
    "NOT_CORRECTED",
    "AdmittedDocument",
    "CorrectionDayRefused",
    "Decision",
    "Document",
    "DocumentChanged",
    "DocumentExpired",
    "DocumentInvalid",
    "DocumentNotReplaceable",
    "DocumentNotReturned",
    "DocumentNotSubmitted",
    "DocumentSealed",
    "DocumentUnknown",
    "DocumentWaiting",
    "Kind",
    "NikDiffers",
    "NumberForm",
    "Reason",
    "ReasonUnknown",
    "State",
    "Submission",
    "admit",
    "fall_due",
    "give_back",
    "next_due",
    "reject",
    "replaced_by",
    "resubmit",
    "submit",
    "verify",
]

State = Literal["submitted", "returned", "verified", "rejected", "lapsed", "replaced"]
Submitter = Literal["vendor", "officer"]
Rule = Literal["never", "optional", "required"]

REMINDERS_DAYS_BEFORE = (60, 14)
CORRECTION_DAYS = 14
CORRECTION_DAYS_MAX = 60
WAITING_MAX = 10
"""Documents of a kind that may wait for an officer at once, where a person may have several of the kind."""
NOT_CORRECTED = "not-corrected"
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


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it stands. `version` counts its submissions; `number` is None for a KTP."""

    document_id: UUID
    vendor_id: UUID
    kind: DocumentKind
    state: State
    version: int
    number: str | None
    issued_on: date | None
    expires_on: date | None
    file_id: UUID
    submitted_by: Submitter
    submitted_at: datetime
    replaces: UUID | None = None
    reason: str | None = None
    note: str = ""
    correct_by: date | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reminded: int | None = None
    """The last reminder of the expiry that was told, in days before."""


class Reason(NamedTuple):
    """Why officers reject a document, or return it."""

    code: str
    rejects: bool
    returns: bool
    name_id: str
    name_en: str


class Decision(NamedTuple):
    """Who decides about which version, when, and what it says to the vendor."""

    version: int
    actor: str
    now: datetime
    reason: str = ""
    note: str = ""


class DocumentInvalid(Refused):
    """Fields that cannot be kept; names every one of them."""

    code: ClassVar[str] = "document-invalid"
    status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{problem.field} {problem.reason}" for problem in problems)
        super().__init__(f"The document was not taken: {said}.", errors=[p._asdict() for p in problems])
        self.problems = tuple(problems)


class DocumentUnknown(NotFound):
    """No such document, or none the caller may know of."""

    code: ClassVar[str] = "document-unknown"

    def __init__(self, document_id: UUID) -> None:
        super().__init__("No document with this id is known to you.", document_id=str(document_id))


class NikDiffers(Refused):
    """The number of the KTP is not the NIK that is registered."""

    code: ClassVar[str] = "nik-differs"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__(
            "The number of the KTP is not the NIK of this registration; compare all 16 digits, or have the "
            "registered NIK corrected first."
        )


class DocumentWaiting(Refused):
    """As many documents of this kind as may wait are waiting already."""

    code: ClassVar[str] = "document-waiting"

    def __init__(self, kind: DocumentKind, most: int) -> None:
        super().__init__(
            f"{most} of this kind may wait for an officer at once, and as many do; wait for the decision, or correct "
            "the one that was returned.",
            kind=kind,
            waiting_max=most,
        )


class DocumentNotReplaceable(Refused):
    """It is not clear, or not possible, which document a new one replaces."""

    code: ClassVar[str] = "document-not-replaceable"
    status: ClassVar[int] = 422


class DocumentNotSubmitted(Conflict):
    """Only a submitted document can be decided."""

    code: ClassVar[str] = "document-not-submitted"

    def __init__(self, document: Document) -> None:
        super().__init__(
            f"The document is {document.state} already; look at it again.",
            document_id=str(document.document_id),
            state=document.state,
        )


class DocumentNotReturned(Conflict):
    """Only a returned document can be corrected."""

    code: ClassVar[str] = "document-not-returned"

    def __init__(self, document: Document) -> None:
        super().__init__(
            f"The document is {document.state}, and only one that was returned can be corrected; submit a new one.",
            document_id=str(document.document_id),
            state=document.state,
        )


class DocumentChanged(Conflict):
    """It was corrected since the officer looked."""

    code: ClassVar[str] = "document-changed"

    def __init__(self, document: Document) -> None:
        super().__init__(
            f"The document was corrected since you looked; look at version {document.version}, then decide.",
            document_id=str(document.document_id),
            version=document.version,
        )


class DocumentExpired(Refused):
    """It expired while it waited."""

    code: ClassVar[str] = "document-expired"

    def __init__(self, document: Document) -> None:
        super().__init__(
            "The document expired while it waited; reject it as expired, so that the vendor submits the renewed one.",
            document_id=str(document.document_id),
        )


class DocumentSealed(Forbidden):
    """A KTP is shown to, and decided by, a registrar only."""

    code: ClassVar[str] = "document-sealed"

    def __init__(self) -> None:
        super().__init__("A KTP is shown to registrars only, who also decide about it; ask the registrar of the area.")


class ReasonUnknown(Refused):
    """No such reason, or not one for this; names those there are."""

    code: ClassVar[str] = "reason-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        codes = sorted(known)
        super().__init__(f"This is no reason for it; there are {', '.join(codes)}.", known=codes)


class CorrectionDayRefused(Refused):
    """The day for the correction is past, or far away."""

    code: ClassVar[str] = "correction-day"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__(
            f"The last day for a correction lies 1 to {CORRECTION_DAYS_MAX} days ahead; choose such a day.",
            days_min=1,
            days_max=CORRECTION_DAYS_MAX,
        )


# ---- fields


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


# ---- what becomes of it


def submit(
    admitted: AdmittedDocument,
    wish: Submission,
    ids: tuple[UUID, UUID],
    file_id: UUID,
    by: Submitter,
    family: Sequence[Document],
    now: datetime,
) -> tuple[Document, list[DocumentEvent]]:
    """A new document that waits for an officer. `ids` are its own and its vendor's, `family` what the person has of
    this kind already. Raises `DocumentWaiting` or `DocumentNotReplaceable`."""
    kind = KINDS[admitted.kind]
    most = 1 if kind.single else WAITING_MAX
    if sum(other.state in ("submitted", "returned") for other in family) >= most:
        raise DocumentWaiting(admitted.kind, most)
    document = Document(
        document_id=ids[0],
        vendor_id=ids[1],
        kind=admitted.kind,
        state="submitted",
        version=1,
        number=None if admitted.kind == "ktp" else admitted.number,
        issued_on=admitted.issued_on,
        expires_on=admitted.expires_on,
        file_id=file_id,
        submitted_by=by,
        submitted_at=now,
        replaces=_replaces(wish, kind, family),
    )
    return document, [DocumentSubmitted(**_named(document))]


def _replaces(wish: Submission, kind: Kind, family: Sequence[Document]) -> UUID | None:
    """Which document the new one will replace once it is verified."""
    standing = [other.document_id for other in family if other.state == "verified"]
    renewable = {other.document_id for other in family if other.state in ("verified", "lapsed")}
    if wish.beside and (kind.single or wish.replaces is not None):
        raise DocumentNotReplaceable(
            "A person has one of this kind; leave `beside` out."
            if kind.single
            else "It cannot both stand beside the others and replace one; send `beside` or `replaces`."
        )
    if wish.replaces is not None:
        if wish.replaces not in renewable:
            raise DocumentNotReplaceable(
                "`replaces` names no verified or lapsed document of this kind and vendor; compare the id."
            )
        return wish.replaces
    if wish.beside or not standing:
        return None
    if len(standing) > 1:
        raise DocumentNotReplaceable(
            "Several of this kind are valid; say which one this renews (`replaces`), or that it is another (`beside`).",
            standing=[str(one) for one in standing],
        )
    return standing[0]


def resubmit(
    document: Document, admitted: AdmittedDocument, file_id: UUID | None, by: Submitter, now: datetime
) -> tuple[Document, list[DocumentEvent]]:
    """A returned document, corrected: it waits again. Without a new file it keeps its own.

    Raises `DocumentNotReturned`.
    """
    if document.state != "returned":
        raise DocumentNotReturned(document)
    corrected = replace(
        document,
        state="submitted",
        version=document.version + 1,
        number=None if document.kind == "ktp" else admitted.number,
        issued_on=admitted.issued_on,
        expires_on=admitted.expires_on,
        file_id=file_id or document.file_id,
        submitted_by=by,
        submitted_at=now,
        reason=None,
        note="",
        correct_by=None,
        decided_by=None,
        decided_at=None,
    )
    return corrected, [DocumentSubmitted(**_named(corrected))]


def verify(document: Document, decision: Decision, today: date) -> tuple[Document, list[DocumentEvent]]:
    """The document found good. Raises `DocumentNotSubmitted`, `DocumentChanged` or `DocumentExpired`."""
    _check_waiting(document, decision)
    if document.expires_on is not None and document.expires_on < today:
        raise DocumentExpired(document)
    verified = _decided(document, "verified", decision)
    return verified, [DocumentVerified(**_named(document), expires_on=document.expires_on)]


def replaced_by(document: Document, family: Sequence[Document]) -> list[Document]:
    """Documents of the person that a verified one replaces: the one it names, and any other where one is all one has.

    They are told of no more; that a newer one was verified says it.
    """
    single = KINDS[document.kind].single
    return [
        replace(other, state="replaced")
        for other in family
        if other.document_id != document.document_id
        and (
            (other.document_id == document.replaces and other.state in ("verified", "lapsed"))
            or (single and other.state == "verified")
        )
    ]


def reject(document: Document, decision: Decision, reasons: Sequence[Reason]) -> tuple[Document, list[DocumentEvent]]:
    """The document refused for good. Raises `ReasonUnknown`, `DocumentNotSubmitted` or `DocumentChanged`."""
    known = {reason.code for reason in reasons if reason.rejects}
    if decision.reason not in known:
        raise ReasonUnknown(known)
    _check_waiting(document, decision)
    rejected = _decided(document, "rejected", decision)
    return rejected, [DocumentRejected(**_named(document), reason=decision.reason)]


def give_back(
    document: Document, decision: Decision, correct_by: date | None, reasons: Sequence[Reason], today: date
) -> tuple[Document, list[DocumentEvent]]:
    """The document sent back to be corrected until the end of a day, two weeks ahead unless said otherwise.

    Raises as `reject` does, or `CorrectionDayRefused`.
    """
    known = {reason.code for reason in reasons if reason.returns}
    if decision.reason not in known:
        raise ReasonUnknown(known)
    last = today + timedelta(days=CORRECTION_DAYS) if correct_by is None else correct_by
    if not 1 <= (last - today).days <= CORRECTION_DAYS_MAX:
        raise CorrectionDayRefused
    _check_waiting(document, decision)
    returned = replace(_decided(document, "returned", decision), correct_by=last)
    return returned, [DocumentReturned(**_named(document), reason=decision.reason, correct_by=last)]


def _check_waiting(document: Document, decision: Decision) -> None:
    if document.state != "submitted":
        raise DocumentNotSubmitted(document)
    if document.version != decision.version:
        raise DocumentChanged(document)


def _decided(document: Document, state: State, decision: Decision) -> Document:
    return replace(
        document,
        state=state,
        reason=decision.reason or None,
        note=decision.note,
        decided_by=decision.actor,
        decided_at=decision.now,
    )


# ---- days


def next_due(document: Document) -> date | None:
    """The day on which something is to be told or done about the document, if there will be one; it may be past."""
    if document.state == "returned" and document.correct_by is not None:
        return document.correct_by + timedelta(days=1)
    if document.state != "verified" or document.expires_on is None:
        return None
    for days in REMINDERS_DAYS_BEFORE:
        if document.reminded is None or document.reminded > days:
            return document.expires_on - timedelta(days=days)
    return document.expires_on + timedelta(days=1)


def fall_due(document: Document, today: date, now: datetime) -> tuple[Document, list[DocumentEvent]]:
    """What the day brings for a document: a reminder, its lapse, or the end of the time for a correction.

    Each is told once, however often this is asked. After days of which nobody knew only the latest is told, with the
    days that are truly left.
    """
    due = next_due(document)
    if due is None or today < due:
        return document, []
    if document.state == "returned":
        rejected = replace(document, state="rejected", reason=NOT_CORRECTED, note="", decided_by=None, decided_at=now)
        return rejected, [DocumentRejected(**_named(document), reason=NOT_CORRECTED)]
    assert document.expires_on is not None, "one that is due expires"
    days_left = (document.expires_on - today).days
    if days_left < 0:
        return replace(document, state="lapsed"), [DocumentLapsed(**_named(document), expired_on=document.expires_on)]
    told = min(days for days in REMINDERS_DAYS_BEFORE if days >= days_left)
    reminder = DocumentExpiring(**_named(document), expires_on=document.expires_on, days_left=days_left)
    return replace(document, reminded=told), [reminder]


class _Named(TypedDict):
    vendor_id: UUID
    document_id: UUID
    kind: DocumentKind


def _named(document: Document) -> _Named:
    return {"vendor_id": document.vendor_id, "document_id": document.document_id, "kind": document.kind}

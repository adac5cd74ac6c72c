"""Documents of vendors: what becomes of one between its submission and its expiry. Pure.

What a submission must carry is in `submissions`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple, TypedDict
from uuid import UUID

from services.vendor.domain.submissions import KINDS, AdmittedDocument, Kind, Submission
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
    "NOT_CORRECTED",
    "CorrectionDayRefused",
    "Decision",
    "Document",
    "DocumentChanged",
    "DocumentExpired",
    "DocumentNotReplaceable",
    "DocumentNotReturned",
    "DocumentNotSubmitted",
    "DocumentSealed",
    "DocumentUnknown",
    "DocumentWaiting",
    "NikDiffers",
    "Reason",
    "ReasonUnknown",
    "State",
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

REMINDERS_DAYS_BEFORE = (60, 14)
CORRECTION_DAYS = 14
CORRECTION_DAYS_MAX = 60
WAITING_MAX = 10
"""Documents of a kind that may wait for an officer at once, where a person may have several of the kind."""
NOT_CORRECTED = "not-corrected"


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

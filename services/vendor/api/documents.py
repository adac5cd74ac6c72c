"""Documents over HTTP: submitted with their file, the officers' queue and decisions, downloads."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response, UploadFile
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.vendor.api.access import officer_area, officer_reach, reach_of, require_reach, see_vendor
from services.vendor.api.texts import Note
from services.vendor.domain.documents import (
    CORRECTION_DAYS,
    CORRECTION_DAYS_MAX,
    Decision,
    Document,
    DocumentSealed,
    DocumentUnknown,
    Reason,
    State,
)
from services.vendor.domain.submissions import KINDS, Submission
from services.vendor.handlers import documents as handlers
from services.vendor.handlers.documents import Correction, Submitted
from services.vendor.handlers.reach import Reach, reaches
from services.vendor.store import documents as store
from services.vendor.store.audit import add_entry
from services.vendor.store.documents import Paper, Version
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.documents import DocumentKind
from shared.events.values import AreaCode
from shared.files import storage as files
from shared.files.storage import FORM_BYTES_MAX, SCANS
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, large_body, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["documents"])

Number = Annotated[str, Field(max_length=100, examples=["1234567890123"])]
ReasonCode = Annotated[str, Field(max_length=40, pattern=r"^[a-z]+(-[a-z]+)*$")]
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
"""Of a cursor: PostgreSQL takes no moment beyond the year 9999, and a cursor can be made up."""
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class SubmissionForm(BaseModel):
    """A document and its file."""

    model_config = ConfigDict(extra="forbid")

    kind: DocumentKind
    number: Number = Field(description="As on the document; of a KTP the NIK, which is compared and not kept")
    issued_on: date | None = Field(default=None, examples=["2022-11-03"])
    expires_on: date | None = Field(default=None, description="Last day it is valid; a P-IRT's follows from its issue")
    replaces: UUID | None = Field(default=None, description="The document this one renews, where there are several")
    beside: bool = Field(default=False, description="Another one of its kind: a second product, a second trademark")
    file: UploadFile = Field(description="PDF, JPEG, PNG or WebP, 5 MiB at most")


class CorrectionForm(BaseModel):
    """A returned document as it shall be. Without a file the one that is there stays."""

    model_config = ConfigDict(extra="forbid")

    number: Number
    issued_on: date | None = None
    expires_on: date | None = None
    file: UploadFile | None = None


class VerifyBody(BaseModel):
    """Which version the officer looked at."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class RejectBody(VerifyBody):
    """Why it is refused; the note is for the vendor."""

    reason: ReasonCode = Field(examples=["wrong-person"])
    note: Note | None = None


class ReturnBody(RejectBody):
    """Why it goes back, and the last day for the correction."""

    reason: ReasonCode = Field(examples=["unreadable"])
    correct_by: date | None = Field(
        default=None, description=f"1 to {CORRECTION_DAYS_MAX} days ahead; {CORRECTION_DAYS} unless given"
    )


class WarningAnswer(BaseModel):
    """Something odd that was taken nevertheless."""

    field: str
    code: str
    message: str


class SubmittedAnswer(BaseModel):
    """What became of a submission."""

    document_id: UUID
    state: State
    version: int
    warnings: list[WarningAnswer]

    @classmethod
    def of(cls, submitted: Submitted) -> "SubmittedAnswer":
        """From what the handler answers."""
        document = submitted.document
        return cls(
            document_id=document.document_id,
            state=document.state,
            version=document.version,
            warnings=[WarningAnswer(**warning._asdict()) for warning in submitted.warnings],
        )


class DecidedAnswer(BaseModel):
    """The document after a decision."""

    document_id: UUID
    state: State
    version: int

    @classmethod
    def of(cls, document: Document) -> "DecidedAnswer":
        """From the document."""
        return cls(document_id=document.document_id, state=document.state, version=document.version)


class VersionAnswer(BaseModel):
    """One submission of a document, and what was said about it."""

    version: int
    number: str | None
    issued_on: date | None
    expires_on: date | None
    submitted_by: str
    submitted_at: datetime
    reason: str | None
    note: str
    correct_by: date | None
    decided_at: datetime | None


class DocumentAnswer(VersionAnswer):
    """A document as it stands."""

    document_id: UUID
    vendor_id: UUID
    kind: DocumentKind
    state: State
    replaces: UUID | None
    media_type: str
    bytes: int

    @classmethod
    def of(cls, paper: Paper) -> "DocumentAnswer":
        """From the row."""
        return cls(**_document(paper))


class DocumentDetail(DocumentAnswer):
    """A document with what it was before its corrections."""

    earlier: list[VersionAnswer]
    held_by_others: int | None = Field(description="To officers: how many other vendors submitted this number")

    @classmethod
    def whole(cls, paper: Paper, earlier: Sequence[Version], others: int | None) -> "DocumentDetail":
        """From the rows."""
        versions = [VersionAnswer.model_validate(version, from_attributes=True) for version in earlier]
        return cls(**_document(paper), earlier=versions, held_by_others=others)


class DocumentPage(BaseModel):
    """A page of documents."""

    items: list[DocumentAnswer]
    next: str | None


class KindAnswer(BaseModel):
    """A kind of document and what it must carry."""

    kind: DocumentKind
    name_id: str
    name_en: str
    number: str = Field(description="How its number is written")
    issued_on: Literal["never", "optional", "required"]
    expires_on: Literal["never", "optional", "required"]
    valid_years: int | None = Field(description="Valid for so long by rule")
    one_per_person: bool


class ReasonAnswer(BaseModel):
    """Why a document is rejected or returned."""

    code: str
    rejects: bool
    returns: bool
    name_id: str
    name_en: str


class RulesAnswer(BaseModel):
    """The kinds of documents and the reasons of decisions."""

    kinds: list[KindAnswer]
    reasons: list[ReasonAnswer]


def _document(paper: Paper) -> dict[str, Any]:
    document = paper.document
    shown = {name: getattr(document, name) for name in DocumentAnswer.model_fields if hasattr(document, name)}
    return {**shown, "media_type": paper.media_type, "bytes": paper.bytes}


# ---- submitting


@router.post("/v1/vendors/{vendor_id}/documents", status_code=201, responses={201: {"model": SubmittedAnswer}})
@large_body(FORM_BYTES_MAX)
async def submit(
    vendor_id: UUID, form: Annotated[SubmissionForm, Form(media_type="multipart/form-data")], edge: EdgeDep
) -> Response:
    """Submit a document with its file: the vendor itself, or an officer of its area for it."""
    within = require_reach(edge.caller, vendor_id)
    wish = Submission(form.kind, form.number, form.issued_on, form.expires_on, form.replaces, form.beside)
    async with files.upload(edge.platform, form.file, SCANS, now=edge.now) as file_id:

        async def act(conn: Connection) -> BaseModel:
            submitted = await handlers.submit(
                conn,
                vendor_id,
                wish,
                file_id,
                by="vendor" if within is None else "officer",
                sealer=edge.platform.sealer,
                now=edge.now,
                within=within,
            )
            return SubmittedAnswer.of(submitted)

        return await edge.once(act, status=201)


@router.post("/v1/documents/{document_id}/resubmit", responses={200: {"model": SubmittedAnswer}})
@large_body(FORM_BYTES_MAX)
async def resubmit(
    document_id: UUID, form: Annotated[CorrectionForm, Form(media_type="multipart/form-data")], edge: EdgeDep
) -> Response:
    """Submit the correction of a returned document: the vendor itself, or an officer of its area for it."""
    reach = reach_of(edge.caller)

    async def act(conn: Connection, file_id: UUID | None) -> BaseModel:
        correction = Correction(form.number, form.issued_on, form.expires_on, file_id)
        submitted = await handlers.resubmit(
            conn,
            document_id,
            correction,
            by="officer" if reach.own is None else "vendor",
            reach=reach,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return SubmittedAnswer.of(submitted)

    if form.file is None:
        return await edge.once(lambda conn: act(conn, None))
    async with files.upload(edge.platform, form.file, SCANS, now=edge.now) as file_id:
        return await edge.once(lambda conn: act(conn, file_id))


# ---- deciding


@router.post("/v1/documents/{document_id}/verify", responses={200: {"model": DecidedAnswer}})
async def verify(document_id: UUID, body: VerifyBody, edge: EdgeDep) -> Response:
    """Find a document good; the one it renews is replaced. A KTP needs a registrar."""
    reach = officer_reach(edge.caller)
    decision = Decision(body.version, edge.caller.subject, edge.now)

    async def act(conn: Connection) -> BaseModel:
        return DecidedAnswer.of(await handlers.verify(conn, document_id, decision, reach=reach))

    return await edge.once(act)


@router.post("/v1/documents/{document_id}/reject", responses={200: {"model": DecidedAnswer}})
async def reject(document_id: UUID, body: RejectBody, edge: EdgeDep) -> Response:
    """Refuse a document for good, with a reason. A KTP needs a registrar."""
    reach = officer_reach(edge.caller)
    decision = Decision(body.version, edge.caller.subject, edge.now, body.reason, body.note or "")

    async def act(conn: Connection) -> BaseModel:
        return DecidedAnswer.of(await handlers.reject(conn, document_id, decision, reach=reach))

    return await edge.once(act)


@router.post("/v1/documents/{document_id}/return", responses={200: {"model": DecidedAnswer}})
async def give_back(document_id: UUID, body: ReturnBody, edge: EdgeDep) -> Response:
    """Send a document back to be corrected by a day; without a correction it is rejected then."""
    reach = officer_reach(edge.caller)
    decision = Decision(body.version, edge.caller.subject, edge.now, body.reason, body.note or "")

    async def act(conn: Connection) -> BaseModel:
        document = await handlers.give_back(conn, document_id, decision, body.correct_by, reach=reach)
        return DecidedAnswer.of(document)

    return await edge.once(act)


# ---- reading


@router.get("/v1/document-kinds")
async def list_kinds(edge: EdgeDep) -> RulesAnswer:
    """The kinds of documents with their rules, and the reasons that officers give."""
    async with edge.read() as conn:
        reasons: list[Reason] = await store.find_reasons(conn)
    kinds = [
        KindAnswer(
            kind=code,
            name_id=kind.name_id,
            name_en=kind.name_en,
            number=kind.number.shown,
            issued_on=kind.issued,
            expires_on=kind.expires,
            valid_years=kind.years,
            one_per_person=kind.single,
        )
        for code, kind in KINDS.items()
    ]
    return RulesAnswer(kinds=kinds, reasons=[ReasonAnswer(**reason._asdict()) for reason in reasons])


@router.get("/v1/documents")
async def list_queue(
    edge: EdgeDep,
    state: Annotated[Literal["submitted", "returned"], Query(description="What they wait for")] = "submitted",
    area: AreaCode | None = None,
    kind: DocumentKind | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> DocumentPage:
    """Documents of the officer's area that wait for an officer, or for their correction; oldest first."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, tuple[Moment, UUID])
    async with edge.read() as conn:
        rows = await store.find_queue(conn, state, area or own, kind, last, limit + 1)
    found = page(rows, limit, lambda paper: (paper.document.submitted_at, paper.document.document_id))
    return DocumentPage(items=[DocumentAnswer.of(paper) for paper in found["items"]], next=found["next"])


@router.get("/v1/vendors/{vendor_id}/documents")
async def list_documents(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> DocumentPage:
    """All documents of a person, oldest first: to the vendor itself and to officers of its area."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id)
        family = await find_family(conn, vendor_id)
        rows = await store.find_documents_of(conn, family, last, limit + 1)
    found = page(rows, limit, lambda paper: paper.document.document_id)
    return DocumentPage(items=[DocumentAnswer.of(paper) for paper in found["items"]], next=found["next"])


@router.get("/v1/documents/{document_id}")
async def get_document(document_id: UUID, edge: EdgeDep) -> DocumentDetail:
    """One document, with what it was before its corrections: to the vendor itself and to officers of its area."""
    reach = reach_of(edge.caller)
    async with edge.read() as conn:
        paper, family = await _see_document(conn, reach, document_id)
        earlier = await store.find_versions(conn, document_id)
        others = None if reach.own else await store.count_same_number(conn, paper.document, family)
    return DocumentDetail.whole(paper, earlier, others)


@router.get("/v1/documents/{document_id}/file", response_class=Response)
async def get_file(
    document_id: UUID,
    edge: EdgeDep,
    version: Annotated[VersionNumber | None, Query(description="An earlier version; none: the present one")] = None,
) -> Response:
    """The file of a document: to the vendor itself; to officers of its area, a KTP to registrars only, on record."""
    reach = reach_of(edge.caller)
    async with edge.read() as conn:
        paper, _ = await _see_document(conn, reach, document_id)
        document = paper.document
        if reach.own is None and document.kind == "ktp" and not reach.registrar:
            raise DocumentSealed
        wanted = document.version if version is None else version
        file_id = await store.find_file_of(conn, document_id, wanted)
    if file_id is None:
        raise DocumentUnknown(document_id)
    content = await files.read_file(edge.platform, file_id)
    if reach.own is None:
        await _note_reading(edge, document, wanted)
    return files.answer(content, f"{document.kind}-{document_id}")


async def _see_document(conn: Connection, reach: Reach, document_id: UUID) -> tuple[Paper, list[UUID]]:
    """A document the caller may know of, and all registrations of its person. Raises `DocumentUnknown`."""
    paper = await store.find_document(conn, document_id)
    if paper is None or not await reaches(conn, reach, paper.document.vendor_id):
        raise DocumentUnknown(document_id)
    return paper, await find_family(conn, paper.document.vendor_id)


async def _note_reading(edge: Edge, document: Document, version: int) -> None:
    """Who read which file, before it is sent."""
    detail = {"document_id": str(document.document_id), "kind": document.kind, "version": version}
    async with edge.platform.database.transaction() as conn:
        await add_entry(conn, edge.caller.subject, "document-file-read", document.vendor_id, detail, edge.now)

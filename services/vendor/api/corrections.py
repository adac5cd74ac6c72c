"""Corrections over HTTP: asked, decided by officers, and their history."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas, checks
from services.vendor.api.access import officer_area, require_reach, see_vendor
from services.vendor.api.answers import Text
from services.vendor.api.texts import Note
from services.vendor.domain.corrections import FIELDS, Correction
from services.vendor.domain.registration import AlreadyRegistered
from services.vendor.handlers import corrections as handlers
from services.vendor.handlers.corrections import Asked
from services.vendor.store import corrections as store
from services.vendor.store.audit import add_entry
from services.vendor.store.corrections import KeptCorrection
from services.vendor.store.merging import find_family
from shared.auth import Caller
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor
from shared.personal_data import LookReason

__all__ = ["router"]

router = APIRouter(tags=["corrections"])


class CorrectionBody(BaseModel):
    """What shall stand there instead; only the fields that are wrong. An empty email or street removes it."""

    model_config = ConfigDict(extra="forbid")

    nik: Text | None = Field(default=None, examples=["3171024507900001"])
    name: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    street: Text | None = None
    kelurahan: Text | None = Field(default=None, description="With it rw and rt, as on the KTP")
    rw: Text | None = Field(default=None, description="With it rt")
    rt: Text | None = None
    kind: Text | None = None
    language: Text | None = None
    note: Note | None = Field(default=None, description="For who decides, or what the officer saw")

    def wish(self) -> dict[str, str]:
        """The fields named."""
        named = {field: getattr(self, field) for field in FIELDS}
        return {field: text for field, text in named.items() if text is not None}


class ApprovalBody(BaseModel):
    """What the decision rests on, if it should be kept."""

    model_config = ConfigDict(extra="forbid")

    note: Note | None = None


class RefusalBody(BaseModel):
    """Why it is refused; the vendor reads it."""

    model_config = ConfigDict(extra="forbid")

    reason: Note


class WarningAnswer(BaseModel):
    """Something odd that was taken nevertheless."""

    field: str
    code: str
    message: str


class StateAnswer(BaseModel):
    """Where a correction stands. Holds no personal data, because it is kept to be replayed."""

    correction_id: UUID
    fields: list[str]
    state: Literal["waiting", "done", "refused", "replaced"]

    @classmethod
    def of(cls, correction: Correction) -> "StateAnswer":
        """From the correction."""
        return cls(correction_id=correction.correction_id, fields=list(correction.fields), state=correction.state)


class AskedAnswer(BaseModel):
    """What was done at once, what waits for an officer, and what looked odd."""

    vendor_id: UUID
    corrections: list[StateAnswer]
    warnings: list[WarningAnswer]

    @classmethod
    def of(cls, vendor_id: UUID, asked: Asked) -> "AskedAnswer":
        """From what the handler answers."""
        return cls(
            vendor_id=vendor_id,
            corrections=[StateAnswer.of(one) for one in (asked.done, asked.waiting) if one is not None],
            warnings=[WarningAnswer(**warning._asdict()) for warning in asked.warnings],
        )


class ChangeAnswer(BaseModel):
    """One field, before and after; masked unless the caller is entitled to it."""

    field: str
    before: str | None
    after: str | None


class CorrectionAnswer(StateAnswer):
    """A correction and its history."""

    vendor_id: UUID
    changes: list[ChangeAnswer]
    asked_by: str | None = Field(description="Shown to officers")
    origin: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str | None

    @classmethod
    def shown(cls, kept: KeptCorrection, sealer: Sealer, *, in_full: bool, staff: bool) -> "CorrectionAnswer":
        """To who may see it in full, or masked as vendors are to officers; who acted is shown to `staff` alone."""
        correction = kept.correction
        changes = [
            ChangeAnswer(field=field, before=_shown(field, before, in_full), after=_shown(field, after, in_full))
            for field, (before, after) in handlers.open_values(kept, sealer).items()
        ]
        return cls(
            correction_id=correction.correction_id,
            vendor_id=correction.vendor_id,
            fields=list(correction.fields),
            state=correction.state,
            changes=changes,
            asked_by=correction.asked_by if staff else None,
            origin=correction.origin,
            asked_at=correction.asked_at,
            decided_by=correction.decided_by if staff else None,
            decided_at=correction.decided_at,
            note=correction.note,
        )


class CorrectionPage(BaseModel):
    """A page of corrections."""

    items: list[CorrectionAnswer]
    next: str | None


Reason = Annotated[LookReason | None, Field(description="A registrar names it to see the values in full")]


def _shown(field: str, value: str | None, in_full: bool) -> str | None:
    if value is None or in_full or field not in ("nik", "phone", "email"):
        return value
    return checks.mask(field, value)


@router.post("/v1/vendors/{vendor_id}/corrections", status_code=201, responses={201: {"model": AskedAnswer}})
async def ask(vendor_id: UUID, body: CorrectionBody, edge: EdgeDep) -> Response:
    """Correct a registration: an officer of its area at once; the vendor itself at once what its KTP has no say in
    (phone, email, kind, language), the rest waits for an officer. A newer wish replaces the one that waits."""
    within = require_reach(edge.caller, vendor_id)

    async def act(conn: Connection) -> AskedAnswer:
        try:
            asked = await handlers.ask(
                conn,
                vendor_id,
                body.wish(),
                actor=edge.caller.subject,
                by_officer=within is not None,
                note=body.note,
                now=edge.now,
                sealer=edge.platform.sealer,
                within=within,
            )
        except AlreadyRegistered as refusal:
            raise _named_to(edge.caller, refusal) from None
        return AskedAnswer.of(vendor_id, asked)

    return await edge.once(act, status=201)


@router.post("/v1/vendors/{vendor_id}/corrections/{correction_id}/approve", responses={200: {"model": StateAnswer}})
async def approve(vendor_id: UUID, correction_id: UUID, body: ApprovalBody, edge: EdgeDep) -> Response:
    """Do what the vendor asked for, as an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> StateAnswer:
        try:
            done = await handlers.approve(
                conn,
                vendor_id,
                correction_id,
                actor=edge.caller.subject,
                note=body.note,
                now=edge.now,
                sealer=edge.platform.sealer,
                within=within,
            )
        except AlreadyRegistered as refusal:
            raise _named_to(edge.caller, refusal) from None
        return StateAnswer.of(done)

    return await edge.once(act)


@router.post("/v1/vendors/{vendor_id}/corrections/{correction_id}/refuse", responses={200: {"model": StateAnswer}})
async def refuse(vendor_id: UUID, correction_id: UUID, body: RefusalBody, edge: EdgeDep) -> Response:
    """Refuse what the vendor asked for, with the reason it reads, as an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> StateAnswer:
        refused = await handlers.refuse(
            conn,
            vendor_id,
            correction_id,
            actor=edge.caller.subject,
            reason=body.reason,
            now=edge.now,
            within=within,
        )
        return StateAnswer.of(refused)

    return await edge.once(act)


@router.get("/v1/vendors/{vendor_id}/corrections")
async def list_corrections(
    vendor_id: UUID, edge: EdgeDep, reason: Reason = None, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> CorrectionPage:
    """A person's corrections, oldest first: in full to the person and to a registrar who says why (which is noted),
    masked to other officers of the area."""
    last = None if after is None else read_cursor(after, UUID)
    own = edge.caller.has("vendor") and edge.caller.vendor_id == vendor_id
    async with edge.platform.database.transaction() as conn:
        await see_vendor(conn, edge.caller, vendor_id)
        rows = await store.find_corrections(conn, await find_family(conn, vendor_id), last, limit + 1)
        in_full = own or await _entitled(conn, edge, reason, [vendor_id])
    return _page(rows, limit, edge.platform.sealer, in_full=in_full, staff=not own)


@router.get("/v1/corrections")
async def list_waiting(
    edge: EdgeDep,
    area: AreaCode | None = None,
    reason: Reason = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> CorrectionPage:
    """Corrections that wait for an officer of this area, oldest first; each is due 3 x 24 hours after it was asked
    (UU PDP, article 30). NIK, phone and email are masked, but to a registrar who says why (which is noted)."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.platform.database.transaction() as conn:
        rows = await store.find_waiting(conn, area or own, last, limit + 1)
        shown = sorted({row.correction.vendor_id for row in rows[:limit]})
        in_full = await _entitled(conn, edge, reason, shown)
    return _page(rows, limit, edge.platform.sealer, in_full=in_full, staff=True)


async def _entitled(conn: Connection, edge: Edge, reason: LookReason | None, vendor_ids: list[UUID]) -> bool:
    """Whether the caller is a registrar who says why it looks; notes whom it saw."""
    if reason is None:
        return False
    edge.caller.require("registrar")
    for vendor_id in vendor_ids:
        await add_entry(conn, edge.caller.subject, "corrections-seen", vendor_id, {"reason": reason}, edge.now)
    return True


def _page(rows: list[KeptCorrection], limit: int, sealer: Sealer, *, in_full: bool, staff: bool) -> CorrectionPage:
    found: dict[str, Any] = page(rows, limit, lambda kept: kept.correction.correction_id)
    items = [CorrectionAnswer.shown(kept, sealer, in_full=in_full, staff=staff) for kept in found["items"]]
    return CorrectionPage(items=items, next=found["next"])


def _named_to(caller: Caller, refusal: AlreadyRegistered) -> AlreadyRegistered:
    entitled = caller.has("officer") and caller.area is not None and areas.contains(caller.area, refusal.kelurahan)
    return refusal.naming() if entitled else refusal

"""A person's complete data and its erasure over HTTP, with the receipts."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from services.vendor import areas
from services.vendor.api.access import officer_area, see_vendor
from services.vendor.domain.erasure import Erasure, ErasureUnknown, Receipt, missing
from services.vendor.handlers import erasure as handlers
from services.vendor.handlers import person
from services.vendor.store import erasure as store
from services.vendor.store.merging import find_family
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.personal_data import LookReason, ReasonMissing

__all__ = ["router"]

router = APIRouter(tags=["rights"])

ErasureReason = Literal["own-wish", "asked-by-person", "consent-withdrawn", "registered-unlawfully", "court-order"]


class ErasureBody(BaseModel):
    """Why; a vendor need not say."""

    model_config = ConfigDict(extra="forbid")

    reason: ErasureReason | None = Field(default=None, description="Wanted of a registrar")


class ErasureAsked(BaseModel):
    """The registry is erased; the others answer, and the receipt says when. Keep the id: it is the person's proof."""

    erasure_id: UUID
    due_at: datetime


class ReceiptAnswer(BaseModel):
    """What a service erased, and what it keeps without the person: kind of record -> how many."""

    service: str
    erased: dict[str, int]
    kept: dict[str, int]
    at: datetime


class ErasureAnswer(BaseModel):
    """How far an erasure has come. Holds no personal data."""

    erasure_id: UUID
    vendor_id: UUID
    person: UUID = Field(description="The erasure that leads, of the registration that stood for the person")
    origin: str
    reason: str
    erased_at: datetime
    due_at: datetime
    overdue: bool
    completed_at: datetime | None
    waits_for: list[str]
    receipts: list[ReceiptAnswer]

    @classmethod
    def of(cls, erasure: Erasure, receipts: Sequence[Receipt], now: datetime) -> "ErasureAnswer":
        """From the erasure and the answers so far."""
        return cls(
            erasure_id=erasure.erasure_id,
            vendor_id=erasure.vendor_id,
            person=erasure.leads,
            origin=erasure.origin,
            reason=erasure.reason,
            erased_at=erasure.erased_at,
            due_at=erasure.due_at,
            overdue=erasure.completed_at is None and now > erasure.due_at,
            completed_at=erasure.completed_at,
            waits_for=[] if erasure.completed_at is not None else missing(erasure, receipts),
            receipts=[
                ReceiptAnswer(service=one.service, erased=dict(one.erased), kept=dict(one.kept), at=one.at)
                for one in receipts
            ],
        )


class Proof(ErasureAnswer):
    """One erasure with its receipt: `receipt_text` hashed by sha256 gives `receipt_sha256`, which stands in the audit
    log's chain of hashes since the day it was completed."""

    also: list[UUID] = Field(description="Erasures of the person's other registrations")
    receipt: dict[str, Any] | None
    receipt_text: str | None
    receipt_sha256: str | None


class ErasurePage(BaseModel):
    """A page of erasures."""

    items: list[ErasureAnswer]
    next: str | None


@router.get("/v1/vendors/{vendor_id}/data", response_class=Response)
async def get_data(
    vendor_id: UUID,
    edge: EdgeDep,
    reason: Annotated[LookReason | None, Field(description="Wanted of a registrar")] = None,
) -> Response:
    """Everything the registry keeps about a person, in the clear: to the person, and to a registrar of its area who
    says why. That it was handed out is noted in the audit log, which is part of it (UU PDP, articles 7 and 32)."""
    caller = edge.caller
    async with edge.platform.database.transaction() as conn:
        if not (caller.has("vendor") and caller.vendor_id in await find_family(conn, vendor_id)):
            caller.require("registrar")
            if reason is None:
                raise ReasonMissing(get_args(LookReason))
            await see_vendor(conn, caller, vendor_id)
        collected = await person.collect_person(
            conn, vendor_id, actor=caller.subject, reason=reason, now=edge.now, sealer=edge.platform.sealer
        )
    return Response(to_json(collected), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post("/v1/vendors/{vendor_id}/erasure", status_code=202, responses={202: {"model": ErasureAsked}})
async def erase(vendor_id: UUID, body: ErasureBody, edge: EdgeDep) -> Response:
    """Erase a person from every service: asked by the person, or by a registrar of its area on its behalf. It cannot be
    undone. Statistics stay without the person; who registers again is a new vendor."""
    caller = edge.caller
    own = caller.has("vendor") and caller.vendor_id == vendor_id
    if not own:
        caller.require("registrar")
        if body.reason is None:
            raise ReasonMissing(get_args(ErasureReason))
    within = None if own else officer_area(caller)

    async def act(conn: Connection) -> ErasureAsked:
        erasure = await handlers.erase_person(
            conn,
            vendor_id,
            origin="self" if own else "registrar",
            reason=body.reason or "own-wish",
            actor=caller.subject,
            now=edge.now,
            sealer=edge.platform.sealer,
            within=within,
        )
        return ErasureAsked(erasure_id=erasure.erasure_id, due_at=erasure.due_at)

    return await edge.once(act, status=202)


@router.get("/v1/erasures")
async def list_erasures(
    edge: EdgeDep,
    state: Literal["open", "overdue", "completed"] | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> ErasurePage:
    """Erasures, oldest first, for operators: those that still wait for something, or are overdue, say for what."""
    edge.caller.require("operator")
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_erasures(
            conn,
            completed=None if state is None else state == "completed",
            due_before=edge.now if state == "overdue" else None,
            after=last,
            limit=limit + 1,
        )
        found: dict[str, Any] = page(rows, limit, lambda erasure: erasure.erasure_id)
        receipts = await store.find_receipts(conn, [erasure.erasure_id for erasure in found["items"]])
    items = [ErasureAnswer.of(erasure, receipts[erasure.erasure_id], edge.now) for erasure in found["items"]]
    return ErasurePage(items=items, next=found["next"])


@router.get("/v1/erasures/{erasure_id}")
async def get_erasure(erasure_id: UUID, edge: EdgeDep) -> Proof:
    """One erasure and its receipt: to operators, registrars of the area, and the person while its token lives."""
    async with edge.read() as conn:
        found = await store.find_erasure(conn, erasure_id)
        if found is None:
            raise ErasureUnknown(erasure_id)
        erasure, kelurahan = found
        family = await store.find_by_leads(conn, erasure.leads)
        if not _may_see(edge.caller, family, kelurahan):
            raise ErasureUnknown(erasure_id)
        receipts = (await store.find_receipts(conn, [erasure_id]))[erasure_id]
    answer = ErasureAnswer.of(erasure, receipts, edge.now)
    return Proof(
        **answer.model_dump(),
        also=[one.erasure_id for one in family if one.erasure_id != erasure_id],
        receipt=None if erasure.receipt is None else json.loads(erasure.receipt),
        receipt_text=erasure.receipt,
        receipt_sha256=erasure.receipt_sha256,
    )


def _may_see(caller: Caller, family: Sequence[Erasure], kelurahan: str) -> bool:
    if caller.has("operator"):
        return True
    if caller.has("registrar") and caller.area is not None and areas.contains(caller.area, kelurahan):
        return True
    return caller.vendor_id is not None and any(one.vendor_id == caller.vendor_id for one in family)

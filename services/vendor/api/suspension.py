"""Suspensions over HTTP."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor.api.access import officer_area, see_vendor
from services.vendor.domain.suspension import Suspension
from services.vendor.handlers import suspension as handlers
from services.vendor.store import suspension as store
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.values import CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["suspensions"])


class ReasonAnswer(BaseModel):
    """Why vendors are suspended."""

    code: str
    name_id: str
    name_en: str


class SuspendBody(BaseModel):
    """Why a vendor is suspended, and until when."""

    model_config = ConfigDict(extra="forbid")

    reason: CategoryCode = Field(examples=["no-show"], description="A code of GET /v1/suspension-reasons")
    until: date | None = Field(default=None, description="Last day, Asia/Jakarta; left out: until an officer ends it")


class ReinstatedAnswer(BaseModel):
    """A vendor that is suspended no longer, and the suspensions that ended."""

    vendor_id: UUID
    ended: list[UUID]


class SuspendedAnswer(BaseModel):
    """A suspension that began or ended."""

    suspension_id: UUID
    reason: str
    until: date | None
    ended: str | None

    @classmethod
    def of(cls, suspension: Suspension) -> "SuspendedAnswer":
        """From the suspension."""
        return cls(
            suspension_id=suspension.suspension_id,
            reason=suspension.reason,
            until=suspension.until,
            ended=suspension.ended,
        )


class SuspensionAnswer(SuspendedAnswer):
    """A suspension and how it went."""

    vendor_id: UUID
    suspended_at: datetime
    ended_at: datetime | None


class SuspensionPage(BaseModel):
    """A page of suspensions, the latest first."""

    items: list[SuspensionAnswer]
    next: str | None


@router.get("/v1/suspension-reasons")
async def list_reasons(edge: PublicEdgeDep) -> list[ReasonAnswer]:
    """The reasons for which vendors are suspended; everyone may read this."""
    async with edge.read() as conn:
        return [ReasonAnswer(**reason._asdict()) for reason in await store.find_reasons(conn)]


@router.post("/v1/vendors/{vendor_id}/suspend", status_code=201, responses={201: {"model": SuspendedAnswer}})
async def suspend(vendor_id: UUID, body: SuspendBody, edge: EdgeDep) -> Response:
    """Keep a vendor from what the programme offers; what it holds already stays. By an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        suspension = await handlers.suspend(
            conn, vendor_id, body.reason, body.until, officer=edge.caller.subject, now=edge.now, within=within
        )
        return SuspendedAnswer.of(suspension)

    return await edge.once(act, status=201)


@router.post("/v1/vendors/{vendor_id}/reinstate", responses={200: {"model": ReinstatedAnswer}})
async def reinstate(vendor_id: UUID, edge: EdgeDep) -> Response:
    """End the suspension of a vendor: an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        ended = await handlers.reinstate(conn, vendor_id, officer=edge.caller.subject, now=edge.now, within=within)
        return ReinstatedAnswer(vendor_id=vendor_id, ended=[suspension.suspension_id for suspension in ended])

    return await edge.once(act)


@router.get("/v1/vendors/{vendor_id}/suspensions")
async def list_suspensions(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> SuspensionPage:
    """Every suspension of a person, the latest first: to itself, and to officers of its area."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id)
        rows = await store.find_suspensions(conn, await find_family(conn, vendor_id), last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda suspension: suspension.suspension_id)
    items = [
        SuspensionAnswer(
            **SuspendedAnswer.of(one).model_dump(),
            vendor_id=one.vendor_id,
            suspended_at=one.suspended_at,
            ended_at=one.ended_at,
        )
        for one in found["items"]
    ]
    return SuspensionPage(items=items, next=found["next"])

"""Vendors over HTTP: register, search, look up, and what becomes known later."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.vendor import areas
from services.vendor.api.access import officer_area, require_reach, wanted_by
from services.vendor.api.answers import (
    AgencyBody,
    CategoryBody,
    ListQuery,
    RegisterBody,
    RegisteredAnswer,
    RevealBody,
    SearchBody,
    VendorAnswer,
    VendorDetail,
    VendorPage,
)
from services.vendor.domain.registration import AlreadyRegistered, Origin, Registered, VendorUnknown
from services.vendor.handlers import reading, registration
from services.vendor.handlers import vendors as handlers
from services.vendor.handlers.reach import lies_in
from services.vendor.store import vendors as store
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import Place, VendorFilter
from shared.auth import Caller
from shared.db import Connection
from shared.errors import Forbidden
from shared.http import Edge, EdgeDep, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["vendors"])

READS_ONLY = {"x-reads-only": True}
"""A POST because what it asks for must not stand in an address; it changes nothing and needs no Idempotency-Key."""


@router.post("/v1/vendors", status_code=201, responses={201: {"model": RegisteredAnswer}})
async def register(body: RegisterBody, edge: EdgeDep) -> Response:
    """Register a person: itself (a vendor token without a vendor), by an officer of the area, or by a service."""
    origin, within = _door(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        sealer = edge.platform.sealer
        if origin == "self":
            outcome = await registration.register_self(
                conn, body.wish(), edge.caller.subject, now=edge.now, sealer=sealer
            )
        else:
            (outcome,) = await registration.register_vendors(
                conn, [body.wish()], origin=origin, now=edge.now, sealer=sealer, within=within
            )
        if isinstance(outcome, Registered):
            return RegisteredAnswer.of(outcome)
        raise _named_to(edge.caller, outcome) if isinstance(outcome, AlreadyRegistered) else outcome

    return await edge.once(act, status=201)


def _door(caller: Caller) -> tuple[Origin, str | None]:
    """Who registers, and inside which area (None: anywhere)."""
    if caller.has("officer"):
        return "officer", officer_area(caller)
    if caller.has("service"):
        return "service", caller.area
    caller.require("officer", "service", "vendor")
    if caller.vendor_id is not None:
        raise Forbidden("This token belongs to a registered vendor; it cannot register somebody else.")
    return "self", None


def _named_to(caller: Caller, refusal: AlreadyRegistered) -> AlreadyRegistered:
    entitled = caller.has("officer") and caller.area is not None and areas.contains(caller.area, refusal.kelurahan)
    return refusal.naming() if entitled else refusal


@router.get("/v1/vendors")
async def list_vendors(edge: EdgeDep, asked: Annotated[ListQuery, Query()]) -> VendorPage:
    """Vendors of the officer's area, in the order of their registration; what is personal is masked."""
    return await _page(edge, wanted_by(edge, asked), asked.after, asked.limit)


@router.post("/v1/vendors/search", openapi_extra=READS_ONLY)
async def search_vendors(body: SearchBody, edge: EdgeDep) -> VendorPage:
    """Search by name, phone, NIK and every filter of the list; what is personal is masked.

    A name is found by any of its words, or by how they begin, in any order. Where nobody has such a name, those come
    whose names are a slip away (`similar`). This reads only: it takes no Idempotency-Key and nothing of it is kept.
    """
    return await _page(edge, wanted_by(edge, body), body.after, body.limit)


async def _page(edge: Edge, wanted: VendorFilter, after: str | None, limit: int) -> VendorPage:
    last = None if after is None else Place(*read_cursor(after, tuple[date, UUID]))
    async with edge.read() as conn:
        rows = await store.find_vendors(conn, wanted, last, limit + 1)
        similar = wanted.words and last is None and not rows
        if similar:
            rows = await store.find_similar_vendors(conn, wanted, limit)
    found: dict[str, Any] = page(rows, limit, lambda kept: (kept.vendor.registered_on, kept.vendor.vendor_id))
    items = [VendorAnswer.masked(kept, edge.platform.sealer) for kept in found["items"]]
    return VendorPage(items=items, next=found["next"], similar=bool(similar and items))


@router.get("/v1/vendors/{vendor_id}")
async def get_vendor(vendor_id: UUID, edge: EdgeDep) -> VendorDetail:
    """One vendor: to an officer of its area, masked; to the vendor itself, its own data in full but for the NIK."""
    within = require_reach(edge.caller, vendor_id)
    async with edge.read() as conn:
        kept = await store.find_vendor(conn, vendor_id)
        if kept is None or kept.vendor.erased_at is not None:
            raise VendorUnknown(vendor_id)
        if within is not None and not await lies_in(conn, kept.vendor, within):
            raise VendorUnknown(vendor_id)
        family = await find_family(conn, vendor_id)
    if within is None:
        return VendorDetail.of(VendorAnswer.own(kept, edge.platform.sealer), family)
    return VendorDetail.of(VendorAnswer.masked(kept, edge.platform.sealer), family)


@router.post("/v1/vendors/{vendor_id}/reveal", openapi_extra=READS_ONLY)
async def reveal(vendor_id: UUID, body: RevealBody, edge: EdgeDep, response: Response) -> VendorDetail:
    """One vendor with nothing masked, to a registrar of its area who says why; each time it is noted in the audit log.

    It takes no Idempotency-Key, and the answer is kept nowhere.
    """
    edge.caller.require("registrar")
    within = officer_area(edge.caller)
    async with edge.platform.database.transaction() as conn:
        kept, family = await reading.reveal_vendor(
            conn,
            vendor_id,
            within,
            actor=edge.caller.subject,
            reason=body.reason,
            reference=body.reference,
            now=edge.now,
        )
    response.headers["Cache-Control"] = "no-store"
    return VendorDetail.of(VendorAnswer.in_full(kept, edge.platform.sealer), family)


@router.post("/v1/vendors/{vendor_id}/category", responses={200: {"model": CategoryBody}})
async def choose_category(vendor_id: UUID, body: CategoryBody, edge: EdgeDep) -> Response:
    """Set the product category of a vendor."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        vendor = await handlers.choose_category(conn, vendor_id, body.category, now=edge.now, within=within)
        return {"vendor_id": vendor.vendor_id, "category": vendor.category}

    return await edge.once(act)


@router.post("/v1/vendors/{vendor_id}/agency", responses={200: {"model": AgencyBody}})
async def coach(vendor_id: UUID, body: AgencyBody, edge: EdgeDep) -> Response:
    """Let an agency coach a vendor from now on."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        vendor = await handlers.coach(conn, vendor_id, body.agency, now=edge.now, within=within, by=edge.caller.subject)
        return {"vendor_id": vendor.vendor_id, "agency": vendor.agency}

    return await edge.once(act)

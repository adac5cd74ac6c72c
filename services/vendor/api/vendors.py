"""Vendors over HTTP: register, look up, and what becomes known later."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.vendor import areas
from services.vendor.api.access import officer_area
from services.vendor.api.answers import (
    AgencyBody,
    CategoryBody,
    RegisterBody,
    RegisteredAnswer,
    VendorAnswer,
    VendorPage,
)
from services.vendor.domain.registration import AlreadyRegistered, Origin, Registered, VendorUnknown
from services.vendor.handlers import registration
from services.vendor.handlers import vendors as handlers
from services.vendor.store import vendors as store
from services.vendor.store.vendors import VendorFilter
from shared.auth import Caller
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AgencyCode, AreaCode, CategoryCode, VendorKind
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["vendors"])


@router.post("/v1/vendors", status_code=201, responses={201: {"model": RegisteredAnswer}})
async def register(body: RegisterBody, edge: EdgeDep) -> Response:
    """Register a person: itself (a vendor token without a vendor), by an officer of the area, or by a service."""
    origin, within = _door(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        (outcome,) = await registration.register_vendors(
            conn, [body.wish()], origin=origin, now=edge.now, sealer=edge.platform.sealer, within=within
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
async def list_vendors(
    edge: EdgeDep,
    area: AreaCode | None = None,
    category: CategoryCode | None = None,
    agency: AgencyCode | None = None,
    kind: VendorKind | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> VendorPage:
    """Vendors of the officer's area, in the order of their registration; NIK, phone and email are masked."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    wanted = VendorFilter(area or own, category, agency, kind)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_vendors(conn, wanted, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda kept: kept.vendor.vendor_id)
    items = [VendorAnswer.masked(kept, edge.platform.sealer) for kept in found["items"]]
    return VendorPage(items=items, next=found["next"])


@router.get("/v1/vendors/{vendor_id}")
async def get_vendor(vendor_id: UUID, edge: EdgeDep) -> VendorAnswer:
    """One vendor: to an officer of its area, masked; to the vendor itself, its own phone and email in full."""
    edge.caller.require_vendor(vendor_id)
    async with edge.read() as conn:
        kept = await store.find_vendor(conn, vendor_id)
    if kept is None or kept.vendor.erased_at is not None:
        raise VendorUnknown(vendor_id)
    if edge.caller.vendor_id == vendor_id:
        return VendorAnswer.own(kept, edge.platform.sealer)
    if not areas.contains(officer_area(edge.caller), kept.vendor.kelurahan):
        raise VendorUnknown(vendor_id)
    return VendorAnswer.masked(kept, edge.platform.sealer)


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
        vendor = await handlers.coach(conn, vendor_id, body.agency, now=edge.now, within=within)
        return {"vendor_id": vendor.vendor_id, "agency": vendor.agency}

    return await edge.once(act)

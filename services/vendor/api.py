"""The HTTP door of the vendor registry."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response, UploadFile
from pydantic import BaseModel
from pydantic_core import from_json

from services.vendor import areas, handlers, store
from services.vendor.answers import (
    AgencyBody,
    CategoryBody,
    ImportReport,
    ProgressAnswer,
    RegisterBody,
    RegisteredAnswer,
    VendorAnswer,
    VendorPage,
)
from services.vendor.domain import AlreadyRegistered, ImportUnknown, Origin, Registered, VendorUnknown
from services.vendor.imports import run_import
from services.vendor.sheets import Sheet, open_sheet
from services.vendor.store import Digest, ImportRun, VendorFilter
from shared.auth import Caller
from shared.db import Connection
from shared.errors import Forbidden
from shared.events.values import AgencyCode, AreaCode, CategoryCode, VendorKind
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, large_body, page, read_cursor
from shared.ids import new_id

__all__ = ["router"]

SHEET_BYTES_MAX = 256 * 1024 * 1024

router = APIRouter(tags=["vendors"])

Key = Annotated[str, Path(pattern=r"^[\x21-\x7e]{1,200}$", description="An Idempotency-Key")]


@router.post("/v1/vendors", status_code=201, responses={201: {"model": RegisteredAnswer}})
async def register(body: RegisterBody, edge: EdgeDep) -> Response:
    """Register a person: itself (a vendor token without a vendor), by an officer of the area, or by a service."""
    origin, within = _door(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        (outcome,) = await handlers.register_vendors(
            conn, [body.wish()], origin=origin, now=edge.now, sealer=edge.platform.sealer, within=within
        )
        if isinstance(outcome, Registered):
            return RegisteredAnswer.of(outcome)
        raise _named_to(edge.caller, outcome) if isinstance(outcome, AlreadyRegistered) else outcome

    return await edge.once(act, status=201)


def _door(caller: Caller) -> tuple[Origin, str | None]:
    """Who registers, and inside which area (None: anywhere)."""
    if caller.has("officer"):
        return "officer", _officer_area(caller)
    if caller.has("service"):
        return "service", caller.area
    caller.require("officer", "service", "vendor")
    if caller.vendor_id is not None:
        raise Forbidden("This token belongs to a registered vendor; it cannot register somebody else.")
    return "self", None


def _officer_area(caller: Caller) -> str:
    caller.require("officer")
    if caller.area is None:
        raise Forbidden("This token names no area; an officer answers for one.")
    return caller.area


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
    own = _officer_area(edge.caller)
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
    if kept is None:
        raise VendorUnknown(vendor_id)
    if edge.caller.vendor_id == vendor_id:
        return VendorAnswer.own(kept, edge.platform.sealer)
    if not areas.contains(_officer_area(edge.caller), kept.vendor.kelurahan):
        raise VendorUnknown(vendor_id)
    return VendorAnswer.masked(kept, edge.platform.sealer)


@router.post("/v1/vendors/{vendor_id}/category", responses={200: {"model": CategoryBody}})
async def choose_category(vendor_id: UUID, body: CategoryBody, edge: EdgeDep) -> Response:
    """Set the product category of a vendor."""
    within = _officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        vendor = await handlers.choose_category(conn, vendor_id, body.category, now=edge.now, within=within)
        return {"vendor_id": vendor.vendor_id, "category": vendor.category}

    return await edge.once(act)


@router.post("/v1/vendors/{vendor_id}/agency", responses={200: {"model": AgencyBody}})
async def coach(vendor_id: UUID, body: AgencyBody, edge: EdgeDep) -> Response:
    """Let an agency coach a vendor from now on."""
    within = _officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        vendor = await handlers.coach(conn, vendor_id, body.agency, now=edge.now, within=within)
        return {"vendor_id": vendor.vendor_id, "agency": vendor.agency}

    return await edge.once(act)


@router.post("/v1/vendors/import")
@large_body(SHEET_BYTES_MAX)
async def import_vendors(
    edge: EdgeDep,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Report what would happen, and register nobody")] = False,
) -> ImportReport:
    """Register the people of a CSV sheet, all that can be; the report names every row that was not taken, and why.

    The same Idempotency-Key again goes on where a broken run stopped, or repeats the report of one that ended.
    """
    within = _officer_area(edge.caller)
    sheet: Sheet | None = None

    async def begin(conn: Connection) -> dict[str, Any]:
        nonlocal sheet
        sheet = await asyncio.to_thread(open_sheet, file.file)  # a file that is refused leaves the key unused
        run = ImportRun(new_id(), dry_run, edge.now)
        await store.add_import(conn, run, edge.caller.subject, edge.request.headers["idempotency-key"])
        return {"import_id": run.import_id}

    begun = await edge.once(begin)
    import_id = UUID(from_json(bytes(begun.body))["import_id"])
    if sheet is None:
        sheet = await asyncio.to_thread(open_sheet, file.file)
    async with edge.read() as conn:
        run = await store.get_import(conn, import_id)
    run = await run_import(edge.platform, run, sheet, within=within)
    async with edge.read() as conn:
        return ImportReport.of(run, await store.find_rejections(conn, import_id), sheet)


@router.get("/v1/vendors/imports/{key}")
async def get_progress(key: Key, edge: EdgeDep) -> ProgressAnswer:
    """How far the caller's import with this Idempotency-Key has come."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        run = await store.find_import(conn, edge.caller.subject, key)
    if run is None:
        raise ImportUnknown("You started no import with this Idempotency-Key.")
    return ProgressAnswer.of(run)


@router.get("/v1/sources")
async def sources(edge: EdgeDep) -> dict[str, Any]:
    """Digests of what other services keep copies of, to compare with theirs."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        vendors, contacts = await store.digest_vendors(conn), await store.digest_contacts(conn)
    return {"vendors": _digest(vendors), "contacts": _digest(contacts)}


def _digest(digest: Digest) -> dict[str, Any]:
    return {"count": digest.count, "sha256": digest.sha256}

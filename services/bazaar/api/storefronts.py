"""Storefronts: submitted by the vendor, approved or hidden by an officer of the bazaar."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.bazaar.api.access import require_not_own, require_organiser, require_side
from services.bazaar.domain.storefronts import DecideStorefront, StorefrontState, SubmitStorefront
from services.bazaar.handlers import storefronts as handlers
from services.bazaar.marketplaces import marketplaces
from services.bazaar.store import applications
from services.bazaar.store import storefronts as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["storefronts"])


async def require_side_of(conn: Connection, edge: Edge, application_id: UUID) -> None:
    """Refuse everybody but the application's vendor, an officer of where it lives, and one of the whole bazaar."""
    found = await applications.find_application(conn, application_id)
    await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)


@router.get("/marketplaces")
async def list_marketplaces(edge: PublicEdgeDep) -> dict[str, Any]:
    """Marketplaces that storefronts may lead to, and the headings and words of their sales files."""
    return {
        "items": [{"marketplace": code, **found.model_dump()} for code, found in marketplaces().items()],
        "next": None,
    }


@router.post("/applications/{application_id}/storefront")
async def submit_storefront(edge: EdgeDep, application_id: UUID, command: SubmitStorefront) -> Response:
    """Have a page of a marketplace shown with the bazaar; the vendor itself or an officer, by the vendor's wish."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side_of(conn, edge, application_id)
        storefront = await handlers.submit_storefront(conn, application_id, command, now=edge.now)
        return {"application_id": application_id, "version": storefront.version, "state": storefront.state}

    return await edge.once(act)


@router.post("/applications/{application_id}/storefront/withdraw")
async def withdraw_storefront(edge: EdgeDep, application_id: UUID) -> Response:
    """Have it shown no longer; the vendor's consent ends."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side_of(conn, edge, application_id)
        await handlers.withdraw_storefront(conn, application_id)
        return {"application_id": application_id, "state": "withdrawn"}

    return await edge.once(act)


@router.post("/applications/{application_id}/storefront/decide")
async def decide_storefront(edge: EdgeDep, application_id: UUID, command: DecideStorefront) -> Response:
    """Let everybody see it, or hide it; an officer of the bazaar."""

    async def act(conn: Connection) -> dict[str, Any]:
        found = await applications.find_application(conn, application_id)
        await require_organiser(conn, edge.caller, found.bazaar_id)
        await require_not_own(conn, edge.caller, found.vendor_id)
        storefront = await handlers.decide_storefront(conn, application_id, command, now=edge.now)
        return {"application_id": application_id, "version": storefront.version, "state": storefront.state}

    return await edge.once(act)


@router.get("/applications/{application_id}/storefront")
async def show_storefront(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """The storefront as it was submitted, and what became of it."""
    async with edge.read() as conn:
        await require_side_of(conn, edge, application_id)
        found = await store.get_storefront(conn, application_id)
    return {
        "application_id": application_id,
        "bazaar_id": found.bazaar_id,
        "version": found.version,
        "state": found.state,
        "hidden_because": found.hidden_because,
        "marketplace": found.marketplace,
        "url": found.url,
        "shop": found.shop,
        "sku_code": found.sku_code,
        "title": found.title,
        "highlights": found.highlights,
    }


@router.get("/bazaars/{bazaar_id}/storefronts")
async def list_storefronts(
    edge: EdgeDep,
    bazaar_id: UUID,
    state: Annotated[StorefrontState | None, Query(description="Only those in this state")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Storefronts of a bazaar, for its officers."""
    key = read_cursor(after, UUID) if after else UUID(int=0)
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_storefronts(conn, bazaar_id, state, key, limit)
    return page(rows, limit, lambda row: row["application_id"])

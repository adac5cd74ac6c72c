"""Pre-orders: what can be ordered ahead of a vendor, and how much was."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.storefronts import require_side_of
from services.bazaar.domain.preorders import CountPreorders, OfferPreorder
from services.bazaar.handlers import preorders as handlers
from services.bazaar.store import preorders as store
from shared.db import Connection
from shared.http import EdgeDep
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["preorders"])


@router.post("/applications/{application_id}/preorders")
async def offer_preorder(edge: EdgeDep, application_id: UUID, command: OfferPreorder) -> Response:
    """Offer a product ahead, or change it; the vendor itself or an officer."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side_of(conn, edge, application_id)
        preorder = await handlers.offer_preorder(conn, application_id, command, preorder_id=new_id())
        return {"preorder_id": preorder.preorder_id, "pieces_left": preorder.pieces_max - preorder.pieces_taken}

    return await edge.once(act)


@router.get("/applications/{application_id}/preorders")
async def list_preorders(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """What this vendor offers ahead, and how much of it is taken."""
    async with edge.read() as conn:
        await require_side_of(conn, edge, application_id)
        return {"items": [asdict(one) for one in await store.find_preorders(conn, application_id)], "next": None}


@router.post("/preorders/{preorder_id}/count")
async def count_preorders(edge: EdgeDep, preorder_id: UUID, command: CountPreorders) -> Response:
    """Count orders that came in at the marketplace, or (below 0) were cancelled; never above the limit."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side_of(conn, edge, await store.find_application_id(conn, preorder_id))
        preorder = await handlers.count_preorders(conn, preorder_id, command)
        return {
            "preorder_id": preorder_id,
            "pieces_taken": preorder.pieces_taken,
            "pieces_left": preorder.pieces_max - preorder.pieces_taken,
        }

    return await edge.once(act)


@router.post("/preorders/{preorder_id}/withdraw")
async def withdraw_preorder(edge: EdgeDep, preorder_id: UUID) -> Response:
    """Offer it no longer, while nothing of it is ordered."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side_of(conn, edge, await store.find_application_id(conn, preorder_id))
        await handlers.withdraw_preorder(conn, preorder_id)
        return {"preorder_id": preorder_id, "state": "withdrawn"}

    return await edge.once(act)

"""Requests of a kelurahan for a bazaar."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import own_area, require_officer_of
from services.bazaar.domain.requests import (
    ApproveRequest,
    RefuseRequest,
    RequestBazaar,
    RequestState,
    RequestUnknown,
    require_own,
)
from services.bazaar.handlers import requests as handlers
from services.bazaar.store import requests as store
from shared.auth import covers
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1/requests", tags=["requests"])


@router.post("", status_code=201)
async def request_bazaar(edge: EdgeDep, command: RequestBazaar) -> Response:
    """Ask for a bazaar; an officer of that kelurahan."""
    require_officer_of(edge.caller, [command.kelurahan])
    require_own(edge.caller.area, command.kelurahan)

    async def act(conn: Connection) -> dict[str, Any]:
        request_id = new_id()
        await handlers.request_bazaar(
            conn,
            command,
            request_id=request_id,
            by=edge.caller.subject,
            now=edge.now,
            sealer=edge.platform.sealer,
        )
        return {"request_id": request_id, "state": "waiting"}

    return await edge.once(act, status=201)


@router.post("/{request_id}/approve")
async def approve_request(edge: EdgeDep, request_id: UUID, command: ApproveRequest) -> Response:
    """Make a draft of it; an officer whose area is wider than the kelurahan, never who asked."""
    edge.caller.require("officer")

    async def act(conn: Connection) -> dict[str, Any]:
        bazaar_id = new_id()
        await handlers.approve_request(
            conn,
            request_id,
            command,
            bazaar_id=bazaar_id,
            by=edge.caller.subject,
            area=edge.caller.area,
            now=edge.now,
        )
        return {"request_id": request_id, "state": "approved", "bazaar_id": bazaar_id}

    return await edge.once(act)


@router.post("/{request_id}/refuse")
async def refuse_request(edge: EdgeDep, request_id: UUID, command: RefuseRequest) -> Response:
    """Turn it down with a reason; an officer whose area is wider than the kelurahan, never who asked."""
    edge.caller.require("officer")

    async def act(conn: Connection) -> dict[str, Any]:
        await handlers.refuse_request(
            conn,
            request_id,
            command,
            by=edge.caller.subject,
            area=edge.caller.area,
            now=edge.now,
            sealer=edge.platform.sealer,
        )
        return {"request_id": request_id, "state": "refused"}

    return await edge.once(act)


@router.get("")
async def list_requests(
    edge: EdgeDep, state: RequestState | None = None, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Requests of the kelurahan in the officer's area, the latest first."""
    within = await own_area(edge, "Requests")
    key = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        rows = await store.list_requests(conn, within, state, key, limit)
    return page(rows, limit, lambda row: row["request_id"])


@router.get("/{request_id}")
async def show_request(edge: EdgeDep, request_id: UUID) -> dict[str, Any]:
    """A request with what was written; an officer whose area covers the kelurahan."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        request = await store.find_request(conn, request_id)
        if edge.caller.area is None or not covers(edge.caller.area, request.kelurahan):
            raise RequestUnknown("There is no such request in your area.")
        texts = await handlers.read_texts(conn, request_id, edge.platform.sealer)
    return {
        "request_id": request.request_id,
        "state": request.state,
        "kelurahan": request.kelurahan,
        "days": request.days,
        "venue": request.venue,
        "venue_type": request.venue_type,
        "venue_id": request.venue_id,
        "booths": request.booths,
        "reasons": request.reasons,
        "requested_at": request.requested_at,
        "decided_at": request.decided_at,
        "refused_because": request.refused_because,
        "bazaar_id": request.bazaar_id,
        **texts,
    }

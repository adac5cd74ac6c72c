"""Swaps of booths: proposed by one vendor, agreed to by another, approved by an officer of the bazaar.

Neither vendor learns who the other is; they know each other by the numbers of their booths.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.bazaar.api.access import require_not_own, require_organiser, require_side
from services.bazaar.domain.swaps import ProposeSwap, Swap, SwapState
from services.bazaar.handlers import swaps as handlers
from services.bazaar.store import applications
from services.bazaar.store import swaps as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["swaps"])

Side = Literal["proposer", "other", "officer"]


@router.post("/applications/{application_id}/swaps", status_code=201)
async def propose_swap(edge: EdgeDep, application_id: UUID, command: ProposeSwap) -> Response:
    """Propose to change places with whoever has confirmed this booth."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_side(conn, edge, application_id)
        swap = await handlers.propose_swap(conn, application_id, command, swap_id=new_id(), now=edge.now)
        return {
            "swap_id": swap.swap_id,
            "state": swap.state,
            "answer_by": swap.answer_by,
            "approve_by": swap.approve_by,
        }

    return await edge.once(act, status=201)


async def _require_side(conn: Connection, edge: Edge, application_id: UUID) -> None:
    found = await applications.find_application(conn, application_id)
    await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)


Step = Callable[..., Awaitable[Swap]]


async def _step(edge: Edge, swap_id: UUID, side: Side, handler: Step) -> Response:
    async def act(conn: Connection) -> dict[str, Any]:
        swap = await store.find_swap(conn, swap_id)
        if side == "officer":
            await require_organiser(conn, edge.caller, swap.bazaar_id)
            sides = [await applications.find_application(conn, one) for one in (swap.proposer_id, swap.other_id)]
            await require_not_own(conn, edge.caller, *(one.vendor_id for one in sides))
        else:
            await _require_side(conn, edge, swap.proposer_id if side == "proposer" else swap.other_id)
        after = await handler(conn, swap_id, now=edge.now)
        return {"swap_id": swap_id, "state": after.state}

    return await edge.once(act)


@router.post("/swaps/{swap_id}/accept")
async def accept(edge: EdgeDep, swap_id: UUID) -> Response:
    """The other vendor agrees; an officer decides now."""
    return await _step(edge, swap_id, "other", handlers.accept_swap)


@router.post("/swaps/{swap_id}/decline")
async def decline(edge: EdgeDep, swap_id: UUID) -> Response:
    """The other vendor does not want to; it is not asked by this one again."""
    return await _step(edge, swap_id, "other", handlers.decline_swap)


@router.post("/swaps/{swap_id}/withdraw")
async def withdraw(edge: EdgeDep, swap_id: UUID) -> Response:
    """The vendor that proposed it wants it no longer."""
    return await _step(edge, swap_id, "proposer", handlers.withdraw_swap)


@router.post("/swaps/{swap_id}/approve")
async def approve(edge: EdgeDep, swap_id: UUID) -> Response:
    """An officer of the bazaar approves; both booths change hands at once."""
    return await _step(edge, swap_id, "officer", handlers.approve_swap)


@router.post("/swaps/{swap_id}/refuse")
async def refuse(edge: EdgeDep, swap_id: UUID) -> Response:
    """An officer of the bazaar does not approve; both keep their booths."""
    return await _step(edge, swap_id, "officer", handlers.refuse_swap)


@router.get("/applications/{application_id}/swaps")
async def list_swaps(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """Swaps in which this application takes part, the latest first, as seen from it."""
    async with edge.read() as conn:
        await _require_side(conn, edge, application_id)
        return {"items": await store.list_of_application(conn, application_id)}


@router.get("/bazaars/{bazaar_id}/swaps")
async def list_swaps_of_bazaar(
    edge: EdgeDep,
    bazaar_id: UUID,
    state: Annotated[SwapState | None, Query(description="Only those in this state")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Swaps of a bazaar in the order of being proposed; those `accepted` wait for an officer."""
    last = read_cursor(after, UUID) if after else UUID(int=0)
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_of_bazaar(conn, bazaar_id, state, last, limit)
    return page(rows, limit, lambda row: row["swap_id"])

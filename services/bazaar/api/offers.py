"""What becomes of a confirmed booth before the day: given back, or kept without a day that was added."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from services.bazaar.api.access import require_side
from services.bazaar.domain.values import Exact
from services.bazaar.handlers import growth, offers
from services.bazaar.store import applications as store
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1/applications/{application_id}", tags=["applications"])


class DeclineDays(Exact):
    """Days that were added to the site after the booth was offered, on which the vendor cannot come."""

    days: Annotated[list[date], Field(min_length=1, max_length=31)]


@router.post("/release")
async def release(edge: EdgeDep, application_id: UUID) -> Response:
    """Give a confirmed booth back. In time it costs no turn; later, until the first day is over, it costs the turn but
    is no no-show. The next in rotation is offered it."""

    async def act(conn: Connection) -> dict[str, Any]:
        found = await store.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        costs_turn = await offers.release_booth(conn, application_id, now=edge.now)
        return {"application_id": application_id, "state": "released", "costs_turn": costs_turn}

    return await edge.once(act)


@router.post("/decline-days")
async def decline_days(edge: EdgeDep, application_id: UUID, wish: DeclineDays) -> Response:
    """Keep the booth on the days it was offered for, without days that were added; it costs nothing."""

    async def act(conn: Connection) -> dict[str, Any]:
        found = await store.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        days = await growth.decline_days(conn, application_id, wish.days, now=edge.now)
        return {"application_id": application_id, "days": days}

    return await edge.once(act)

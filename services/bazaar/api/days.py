"""The days of the bazaar: check-ins by list, and its end."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from services.bazaar.api.access import require_organiser
from services.bazaar.domain.values import Exact
from services.bazaar.handlers import days as handlers
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["days"])


class CheckIn(Exact):
    """Who stood at its booth on this day; nobody is a list too."""

    day: date
    application_ids: Annotated[list[UUID], Field(max_length=5000)]


@router.post("/bazaars/{bazaar_id}/check-ins")
async def check_in(edge: EdgeDep, bazaar_id: UUID, wish: CheckIn) -> Response:
    """Check vendors in; repeating it changes nothing, and who cannot be checked in is listed with the reason."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        outcome = await handlers.check_in(conn, bazaar_id, wish.day, wish.application_ids, now=edge.now)
        return {
            "checked_in": outcome.checked_in,
            "already": outcome.already,
            "refused": [refused._asdict() for refused in outcome.refused],
        }

    return await edge.once(act)


@router.post("/bazaars/{bazaar_id}/finish")
async def finish_bazaar(edge: EdgeDep, bazaar_id: UUID) -> Response:
    """Settle the bazaar after its last day: who confirmed and never came has missed it."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        return (await handlers.finish_bazaar(conn, bazaar_id, now=edge.now))._asdict()

    return await edge.once(act)

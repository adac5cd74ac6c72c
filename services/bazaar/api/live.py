"""Live selling: the programme of each channel."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_organiser
from services.bazaar.domain import live as domain
from services.bazaar.domain.bazaar import BazaarUnknown
from services.bazaar.domain.live import SetProgramme
from services.bazaar.domain.values import SiteId
from services.bazaar.handlers import live as handlers
from services.bazaar.store import bazaars
from services.bazaar.store import live as store
from shared.db import Connection
from shared.http import EdgeDep, PublicEdgeDep

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["live"])


@router.post("/sites/{site_id}/programme")
async def set_programme(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId, command: SetProgramme) -> Response:
    """Make a site of an online bazaar a live channel, with a slot for each booth; an officer of the bazaar."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        slots = await handlers.set_programme(conn, bazaar_id, site_id, command)
        return {"bazaar_id": bazaar_id, "site_id": site_id, "slots": [slot._asdict() for slot in slots]}

    return await edge.once(act)


@router.get("/programme")
async def show_programme(edge: PublicEdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """Who is on air when, as far as vendors want to be shown; of the others only that the slot is taken."""
    async with edge.read() as conn:
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        if bazaar.state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
        rows = await store.find_programme(conn, bazaar_id)
    return {
        "bazaar_id": bazaar_id,
        "state": bazaar.state,
        "slots": [{"uid": domain.uid(bazaar_id, row["site_id"], row["booth"]), **row} for row in rows],
    }

"""A bazaar grows, is moved, or does not take place; by officers of all of it."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_organiser
from services.bazaar.domain.changes import CancelBazaar, MoveBazaar
from services.bazaar.domain.growth import GrowBazaar
from services.bazaar.handlers import changes, growth
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["bazaars"])


@router.post("/grow")
async def grow(edge: EdgeDep, bazaar_id: UUID, command: GrowBazaar) -> Response:
    """More booths at a site, more days of it, or a further site at its venue; new booths are offered at once."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        grown = await growth.grow_bazaar(conn, bazaar_id, command, now=edge.now)
        return {
            "bazaar_id": bazaar_id,
            "site_id": grown.site.site_id,
            "booths": grown.site.booths,
            "days": grown.site.days,
            "extends": grown.site.extends,
            "added": [booth.number for booth in grown.booths],
        }

    return await edge.once(act)


@router.post("/cancel")
async def cancel(edge: EdgeDep, bazaar_id: UUID, command: CancelBazaar) -> Response:
    """It does not take place; everyone who applied hears, and every turn it cost is given back."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        cancelled = await changes.cancel_bazaar(conn, bazaar_id, command, now=edge.now)
        return {"bazaar_id": bazaar_id, "state": "cancelled", **cancelled._asdict()}

    return await edge.once(act)


@router.post("/move")
async def move(edge: EdgeDep, bazaar_id: UUID, command: MoveBazaar) -> Response:
    """It is held on other days; who has a booth keeps it, or gives it back at no cost."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        told = await changes.move_bazaar(conn, bazaar_id, command, now=edge.now)
        return {"bazaar_id": bazaar_id, "days": command.days, "told": told}

    return await edge.once(act)

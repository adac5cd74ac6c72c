"""Showcases: where products of an online bazaar can be looked at."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_officer_of, require_organiser
from services.bazaar.domain.showcases import FillShowcase, SetShowcase
from services.bazaar.domain.values import SiteId
from services.bazaar.handlers import showcases as handlers
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["showcases"])


@router.post("/showcases")
async def set_showcase(edge: EdgeDep, bazaar_id: UUID, command: SetShowcase) -> Response:
    """Set up a showcase, or change it; an officer of the bazaar and of where the showcase is."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        require_officer_of(edge.caller, [command.kelurahan])
        await handlers.set_showcase(conn, bazaar_id, command)
        return {"bazaar_id": bazaar_id, "showcase_id": command.showcase_id}

    return await edge.once(act)


@router.post("/showcases/{showcase_id}/fill")
async def fill_showcase(edge: EdgeDep, bazaar_id: UUID, showcase_id: SiteId, command: FillShowcase) -> Response:
    """Say whose products stand there; an officer of the bazaar."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.fill_showcase(conn, bazaar_id, showcase_id, command)
        return {"bazaar_id": bazaar_id, "showcase_id": showcase_id, "filled": len(command.application_ids)}

    return await edge.once(act)

"""Bazaars: set up, announced, and as everyone may see them."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_officer_of, require_organiser
from services.bazaar.domain.bazaar import BazaarUnknown, DraftBazaar
from services.bazaar.handlers import bazaars as handlers
from services.bazaar.store import bazaars as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1/bazaars", tags=["bazaars"])


@router.post("", status_code=201)
async def draft_bazaar(edge: EdgeDep, command: DraftBazaar) -> Response:
    """Set up a bazaar; an officer of an area that covers every site."""
    areas = [site.kelurahan for site in command.sites]
    require_officer_of(edge.caller, areas if command.area is None else [*areas, command.area])

    async def act(conn: Connection) -> dict[str, Any]:
        bazaar_id = new_id()
        await handlers.draft_bazaar(conn, command, bazaar_id=bazaar_id, now=edge.now)
        return {"bazaar_id": bazaar_id}

    return await edge.once(act, status=201)


@router.post("/{bazaar_id}/announce")
async def announce_bazaar(edge: EdgeDep, bazaar_id: UUID) -> Response:
    """Make it known and open applications."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.announce_bazaar(conn, bazaar_id, now=edge.now)
        return {"bazaar_id": bazaar_id, "state": "announced"}

    return await edge.once(act)


@router.get("")
async def list_bazaars(edge: PublicEdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT) -> dict[str, Any]:
    """Announced bazaars, the latest days first."""
    key = read_cursor(after, tuple[date, UUID]) if after else None
    async with edge.read() as conn:
        rows = await store.list_public_bazaars(conn, key, limit)
    return page(rows, limit, lambda row: (row["days"][0], row["bazaar_id"]))


@router.get("/{bazaar_id}")
async def show_bazaar(edge: PublicEdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """A bazaar with its sites and their booths; a draft is nobody's business yet."""
    async with edge.read() as conn:
        bazaar = await store.find_bazaar(conn, bazaar_id)
        if bazaar.state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
        booths = await store.find_booths(conn, bazaar_id)
    return {
        "bazaar_id": bazaar.bazaar_id,
        "state": bazaar.state,
        "phase": bazaar.phase(edge.now),
        "setting": bazaar.setting,
        "area": bazaar.area,
        "series_id": bazaar.series_id,
        "name": bazaar.name,
        "theme": bazaar.theme,
        "organisers": bazaar.organisers,
        "days": bazaar.days,
        "moved_from": bazaar.moved_from,
        "cancelled_because": bazaar.cancelled_because,
        "applications_open_at": bazaar.applications_open_at,
        "applications_close_at": bazaar.applications_close_at,
        "offer_hours": bazaar.offer_hours,
        "policy": bazaar.policy,
        "round": bazaar.round,
        "sites": [
            {
                "site_id": site.site_id,
                "name": site.name,
                "venue_type": site.venue_type,
                "kelurahan": site.kelurahan,
                "days": site.days,
                "venue_id": site.venue_id,
                "extends": site.extends,
                "booths": site.booths,
                "reserves": site.reserves,
                "caps": site.caps,
                "stands": [
                    {"number": booth.number, "kind": booth.kind, "tent": booth.tent, "holder": booth.holder}
                    for booth in booths
                    if booth.site_id == site.site_id
                ],
            }
            for site in bazaar.sites
        ],
    }


@router.get("/{bazaar_id}/summary")
async def summarise(edge: EdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """Figures per site: booths, offers and what became of them, who came, what was sold."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.summarise_sites(conn, bazaar_id)
    return {"bazaar_id": bazaar_id, "sites": rows}

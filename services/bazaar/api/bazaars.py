"""Bazaars: set up, announced, and as everyone may see them."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.bazaar.api.access import known_caller, own_area, require_officer_of, require_organiser
from services.bazaar.domain.bazaar import LINKS_MAX, BazaarUnknown, CloneBazaar, DraftBazaar, Link, Setting
from services.bazaar.handlers import bazaars as handlers
from services.bazaar.handlers import drafts
from services.bazaar.store import bazaars as store
from services.bazaar.store.series import find_in_turn
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1/bazaars", tags=["bazaars"])


ShownState = Literal["draft", "tentative", "announced", "frozen", "seeded", "allocated", "finished", "cancelled"]


class Links(BaseModel):
    """Where residents find a bazaar online, in order."""

    links: list[Link] = Field(max_length=LINKS_MAX)


@router.post("", status_code=201)
async def draft_bazaar(edge: EdgeDep, command: DraftBazaar) -> Response:
    """Set up a bazaar; an officer of an area that covers every site."""
    require_officer_of(edge.caller, command.areas)

    async def act(conn: Connection) -> dict[str, Any]:
        bazaar_id = new_id()
        await drafts.draft_bazaar(conn, command, bazaar_id=bazaar_id, now=edge.now)
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


@router.post("/{bazaar_id}/edit")
async def edit_bazaar(edge: EdgeDep, bazaar_id: UUID, command: DraftBazaar) -> Response:
    """Describe a bazaar that is not announced anew, whole; an officer of where it was and of where it will be."""
    require_officer_of(edge.caller, command.areas)

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.edit_bazaar(conn, bazaar_id, command, now=edge.now)
        return {"bazaar_id": bazaar_id}

    return await edge.once(act)


@router.post("/{bazaar_id}/clone", status_code=201)
async def clone_bazaar(edge: EdgeDep, bazaar_id: UUID, command: CloneBazaar) -> Response:
    """A new draft with the same sites, booths, policy and organisers on other days."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        new_bazaar_id = new_id()
        await handlers.clone_bazaar(conn, bazaar_id, command, new_bazaar_id=new_bazaar_id, now=edge.now)
        return {"bazaar_id": new_bazaar_id, "cloned_from": bazaar_id}

    return await edge.once(act, status=201)


@router.post("/{bazaar_id}/links")
async def edit_links(edge: EdgeDep, bazaar_id: UUID, command: Links) -> Response:
    """Storefronts, streams and the like, instead of those that were; at any time."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.edit_links(conn, bazaar_id, command.links)
        return {"bazaar_id": bazaar_id, "links": len(command.links)}

    return await edge.once(act)


@router.get("")
async def list_bazaars(
    edge: PublicEdgeDep,
    state: Annotated[ShownState | None, Query(description="`draft`: an officer's own area; needs its token")] = None,
    series_id: UUID | None = None,
    setting: Setting | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Announced bazaars, the latest days first; tentative ones and drafts when asked for."""
    key = read_cursor(after, tuple[date, UUID]) if after else None
    within = await own_area(edge, "Drafts") if state == "draft" else None
    async with edge.read() as conn:
        rows = await store.list_bazaars(
            conn, key, limit, state=state, series_id=series_id, setting=setting, within=within
        )
    return page(rows, limit, lambda row: (row["days"][0], row["bazaar_id"]))


@router.get("/{bazaar_id}")
async def show_bazaar(edge: PublicEdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """A bazaar with its sites and their booths; a draft is its officers' business alone."""
    async with edge.read() as conn:
        bazaar = await store.find_bazaar(conn, bazaar_id)
        if bazaar.state == "draft":
            if "authorization" not in edge.request.headers:
                raise BazaarUnknown("There is no such bazaar.")
            await require_organiser(conn, await known_caller(edge), bazaar_id)
        booths = await store.find_booths(conn, bazaar_id)
        links = await store.find_links(conn, bazaar_id)
        in_turn = await find_in_turn(conn, bazaar_id)
    return {
        "bazaar_id": bazaar.bazaar_id,
        "state": bazaar.state,
        "phase": bazaar.phase(edge.now),
        "setting": bazaar.setting,
        "area": bazaar.area,
        "series_id": bazaar.series_id,
        "series_day": bazaar.series_day,
        "in_turn": in_turn,
        "revision": bazaar.revision,
        "name": bazaar.name,
        "theme": bazaar.theme,
        "organisers": bazaar.organisers,
        "partners": bazaar.partners,
        "funding": bazaar.funding,
        "opening": bazaar.opening,
        "links": links,
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

"""Venues and their floor plans over HTTP; the plans of bazaars' sites, as everyone may see them."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response, UploadFile

from services.bazaar.api.access import require_officer_of, require_organiser
from services.bazaar.domain.bazaar import BazaarUnknown
from services.bazaar.domain.drawings import Form, Marks, draw
from services.bazaar.domain.plans import DrawPlan, Plan, PlanUnknown, StandNumber, UsePlan, document
from services.bazaar.domain.values import SiteId
from services.bazaar.domain.venues import DescribeVenue, EditVenue, Kind, PhotoUnknown, RetireVenue, Venue
from services.bazaar.handlers import venues as handlers
from services.bazaar.store import bazaars
from services.bazaar.store import venues as store
from shared.db import Connection
from shared.events.values import AreaCode
from shared.files.storage import FORM_BYTES_MAX, PICTURES, answer, read_file, upload
from shared.http import (
    LIMIT_DEFAULT,
    After,
    Edge,
    EdgeDep,
    Limit,
    PublicEdge,
    PublicEdgeDep,
    large_body,
    page,
    read_cursor,
)
from shared.ids import new_id
from shared.wording import MONTHS

router = APIRouter(tags=["venues"])

PlanNumber = Annotated[int | None, Query(ge=1, lt=2**31, description="An older plan; left out: the one that holds")]
Highlight = Annotated[StandNumber | None, Query(description="A stand to be found at a glance")]
SvgForm = Annotated[Form, Query(description="`print`: a page of A4")]


@router.post("/v1/venues", status_code=201)
async def set_up_venue(edge: EdgeDep, command: DescribeVenue) -> Response:
    """A new venue; an officer of an area that covers its kelurahan."""
    require_officer_of(edge.caller, [command.kelurahan])

    async def act(conn: Connection) -> dict[str, Any]:
        venue = await handlers.set_up_venue(conn, command, venue_id=new_id(), now=edge.now)
        return {"venue_id": venue.venue_id, "version": venue.version}

    return await edge.once(act, status=201)


@router.get("/v1/venues")
async def list_venues(
    edge: PublicEdgeDep,
    area: AreaCode | None = None,
    kind: Kind | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Venues that are used, of an area and of a type."""
    key = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        found = await store.list_venues(conn, area, kind, key, limit)
        photos = await store.find_photos(conn, [venue.venue_id for venue in found])
    shown = page(found, limit, lambda venue: venue.venue_id)
    shown["items"] = [_shown(venue, photos.get(venue.venue_id, [])) for venue in shown["items"]]
    return shown


@router.get("/v1/venues/{venue_id}")
async def show_venue(edge: PublicEdgeDep, venue_id: UUID) -> dict[str, Any]:
    """A venue, also one that is used no more."""
    async with edge.read() as conn:
        venue = await store.find_venue(conn, venue_id)
        photos = await store.find_photos(conn, [venue_id])
    return _shown(venue, photos.get(venue_id, []))


def _shown(venue: Venue, photos: Sequence[UUID]) -> dict[str, Any]:
    return {
        "venue_id": venue.venue_id,
        "version": venue.version,
        "kind": venue.kind,
        "name": venue.name,
        "kelurahan": venue.kelurahan,
        "capacity": venue.capacity,
        "address": venue.address,
        "position": venue.position,
        "facilities": venue.facilities,
        "plan": venue.plan or None,
        "retired_at": venue.retired_at,
        "photos": [f"/v1/venues/{venue.venue_id}/photos/{photo}" for photo in photos],
    }


@router.post("/v1/venues/{venue_id}/edit")
async def edit_venue(edge: EdgeDep, venue_id: UUID, command: EditVenue) -> Response:
    """All of a venue, anew; an officer of where it was and of where it is said to be."""
    require_officer_of(edge.caller, [command.kelurahan])

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_officer_of_venue(conn, edge, venue_id)
        venue = await handlers.edit_venue(conn, venue_id, command)
        return {"venue_id": venue_id, "version": venue.version}

    return await edge.once(act)


@router.post("/v1/venues/{venue_id}/retire")
async def retire_venue(edge: EdgeDep, venue_id: UUID, command: RetireVenue) -> Response:
    """It is used no more; bazaars that name it keep it."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_officer_of_venue(conn, edge, venue_id)
        venue = await handlers.retire_venue(conn, venue_id, command, now=edge.now)
        return {"venue_id": venue_id, "version": venue.version}

    return await edge.once(act)


async def _require_officer_of_venue(conn: Connection, edge: Edge, venue_id: UUID) -> None:
    edge.caller.require("officer")
    require_officer_of(edge.caller, [(await store.find_venue(conn, venue_id)).kelurahan])


# -- photos


@router.post("/v1/venues/{venue_id}/photos", status_code=201)
@large_body(FORM_BYTES_MAX)
async def add_photo(edge: EdgeDep, venue_id: UUID, file: UploadFile) -> Response:
    """A photo of the venue: JPEG, PNG or WebP. What the camera noted beside it is removed; everyone may see it."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        await _require_officer_of_venue(conn, edge, venue_id)
    async with upload(edge.platform, file, PICTURES, now=edge.now, public=True) as photo_id:

        async def act(conn: Connection) -> dict[str, Any]:
            await _require_officer_of_venue(conn, edge, venue_id)
            await handlers.add_photo(conn, venue_id, photo_id, now=edge.now)
            return {"venue_id": venue_id, "photo_id": photo_id}

        return await edge.once(act, status=201)


@router.post("/v1/venues/{venue_id}/photos/{photo_id}/remove")
async def remove_photo(edge: EdgeDep, venue_id: UUID, photo_id: UUID) -> Response:
    """The venue has this photo no more; its file goes."""

    async def act(conn: Connection) -> None:
        await _require_officer_of_venue(conn, edge, venue_id)
        await handlers.remove_photo(conn, venue_id, photo_id)

    return await edge.once(act)


@router.get("/v1/venues/{venue_id}/photos/{photo_id}", response_class=Response)
async def show_photo(edge: PublicEdgeDep, venue_id: UUID, photo_id: UUID) -> Response:
    """The photo."""
    async with edge.read() as conn:
        if not await store.has_photo(conn, venue_id, photo_id):
            raise PhotoUnknown("This venue has no such photo.")
    return answer(await read_file(edge.platform, photo_id), f"venue-{photo_id}", public=True)


# -- floor plans


@router.post("/v1/venues/{venue_id}/plans", status_code=201)
async def draw_plan(edge: EdgeDep, venue_id: UUID, command: DrawPlan) -> Response:
    """The next floor plan, stand by stand or as a grid of tents; a refusal names every stand that cannot be so."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_officer_of_venue(conn, edge, venue_id)
        stored = await handlers.draw_plan(conn, venue_id, command, now=edge.now)
        return {"venue_id": venue_id, "plan": stored.number, "stands": len(stored.plan.stands)}

    return await edge.once(act, status=201)


@router.get("/v1/venues/{venue_id}/plan")
async def show_plan(edge: PublicEdgeDep, venue_id: UUID, number: PlanNumber = None) -> dict[str, Any]:
    """The floor plan as data."""
    async with edge.read() as conn:
        venue = await store.find_venue(conn, venue_id)
        stored = await store.find_plan(conn, venue_id, number or venue.plan)
    return {"venue_id": venue_id, "plan": stored.number, **document(stored.plan)}


@router.get("/v1/venues/{venue_id}/plan.svg", response_class=Response)
async def show_drawing(
    edge: PublicEdgeDep,
    venue_id: UUID,
    number: PlanNumber = None,
    booth: Highlight = None,
    form: SvgForm = "screen",
) -> Response:
    """The floor plan as a picture."""
    async with edge.read() as conn:
        venue = await store.find_venue(conn, venue_id)
        stored = await store.find_plan(conn, venue_id, number or venue.plan)
    return await _drawing(edge, stored.plan, Marks(venue.name, highlight=_known(stored.plan, booth)), form)


@router.post("/v1/bazaars/{bazaar_id}/sites/{site_id}/plan")
async def use_plan(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId, command: UsePlan) -> Response:
    """Set the stands of a site up by a plan of its venue, before the list is frozen."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.use_plan(conn, bazaar_id, site_id, command)
        return {"bazaar_id": bazaar_id, "site_id": site_id, "plan": command.plan}

    return await edge.once(act)


@router.get("/v1/bazaars/{bazaar_id}/sites/{site_id}/plan.svg", response_class=Response)
async def show_drawing_of_site(
    edge: PublicEdgeDep, bazaar_id: UUID, site_id: SiteId, booth: Highlight = None, form: SvgForm = "screen"
) -> Response:
    """A site of a bazaar as a picture: which stands are taken, by nobody's name."""
    async with edge.read() as conn:
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        if bazaar.state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
        stored = await store.find_plan_of_site(conn, bazaar_id, site_id)
        if stored is None:
            raise PlanUnknown("There is no floor plan of this site.", site_id=site_id)
        taken = await store.find_taken(conn, bazaar_id, site_id)
        booths = [one for one in await bazaars.find_booths(conn, bazaar_id) if one.site_id == site_id]
    site = bazaar.site(site_id)
    days = ", ".join(f"{day.day} {MONTHS[day.month - 1].id} {day.year}" for day in site.days)
    marks = Marks(
        title=site.name,
        subtitle=f"{bazaar.name}, {days}",
        taken=frozenset(taken),
        highlight=_known(stored.plan, booth),
        holders={one.number: one.holder for one in booths if one.holder is not None},
    )
    return await _drawing(edge, stored.plan, marks, form)


def _known(plan: Plan, booth: str | None) -> str | None:
    if booth is not None and all(stand.number != booth for stand in plan.stands):
        raise PlanUnknown(f"The plan has no stand {booth}.", booth=booth)
    return booth


async def _drawing(edge: PublicEdge, plan: Plan, marks: Marks, form: Form) -> Response:
    """A picture that runs nothing and loads nothing; the same one again costs the reader nothing."""
    content = await asyncio.to_thread(draw, plan, marks, form)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=60",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if edge.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/svg+xml", headers=headers)

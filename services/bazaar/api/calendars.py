"""Calendar feeds (iCalendar) that phones and computers subscribe to: public ones, and a vendor's own by secret link."""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic_core import from_json, to_json

from services.bazaar.domain import calendars as domain
from services.bazaar.domain.bazaar import BazaarUnknown, Setting
from services.bazaar.domain.calendars import Entry
from services.bazaar.domain.series import SeriesUnknown
from services.bazaar.handlers import calendars as handlers
from services.bazaar.store import calendars as store
from services.bazaar.store import series
from shared import families
from shared.auth import Caller, NotOwnData
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import AreaCode
from shared.http import EdgeDep, PublicEdge, PublicEdgeDep
from shared.ids import new_id

if TYPE_CHECKING:
    from services.bazaar.domain.calendar_files import Feed

router = APIRouter(prefix="/v1", tags=["calendars"])

MEDIA_TYPE = "text/calendar; charset=utf-8"
IfNoneMatch = Annotated[str | None, Header(max_length=1_000)]


@router.get("/calendar.ics", response_class=Response)
async def public_calendar(
    edge: PublicEdgeDep,
    area: Annotated[AreaCode | None, Query(description="Held there, or for it")] = None,
    series_id: UUID | None = None,
    setting: Setting | None = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Bazaars of the city: tentative, announced, cancelled; up to four months back."""
    async with edge.read() as conn:
        rows = await store.find_public(
            conn, _since(edge), domain.ENTRIES_MAX, area=area, series_id=series_id, setting=setting
        )
    return await _feed("Bazar Lapak", _bazaars(rows), if_none_match)


@router.get("/series/{series_id}/calendar.ics", response_class=Response)
async def calendar_of_series(edge: PublicEdgeDep, series_id: UUID, if_none_match: IfNoneMatch = None) -> Response:
    """The occurrences of a series."""
    async with edge.read() as conn:
        found = await series.find_series(conn, series_id)
        if not await series.is_public(conn, series_id):
            raise SeriesUnknown("There is no such series.")
        rows = await store.find_public(conn, _since(edge), domain.ENTRIES_MAX, series_id=series_id)
    return await _feed(found.described.name, _bazaars(rows), if_none_match)


@router.get("/bazaars/{bazaar_id}/calendar.ics", response_class=Response)
async def calendar_of_bazaar(edge: PublicEdgeDep, bazaar_id: UUID, if_none_match: IfNoneMatch = None) -> Response:
    """One bazaar, whenever it was."""
    async with edge.read() as conn:
        rows = await store.find_public(conn, domain.EVER, 1, bazaar_id=bazaar_id)
    if not rows:
        raise BazaarUnknown("There is no such bazaar.")
    return await _feed(rows[0]["name"], _bazaars(rows), if_none_match)


@router.post("/vendors/{vendor_id}/calendar-link", status_code=201)
async def make_link(edge: EdgeDep, vendor_id: UUID) -> Response:
    """A secret address of the vendor's own calendar, for the vendor itself; the one before leads nowhere any more."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_self(conn, edge.caller, vendor_id)
        link_id = new_id()
        await handlers.make_link(conn, vendor_id, link_id=link_id, now=edge.now, sealer=edge.platform.sealer)
        return {"link_id": link_id}

    answer = await edge.once(act, status=201)
    # the answer is stored to be replayed: the secret joins it only on its way out
    link_id = UUID(from_json(bytes(answer.body))["link_id"])
    path = f"/v1/vendors/{vendor_id}/calendar.ics?key={handlers.secret_of(link_id, edge.platform.sealer)}"
    return Response(
        to_json({"link_id": link_id, "path": path}),
        status_code=answer.status_code,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


@router.post("/vendors/{vendor_id}/calendar-link/revoke")
async def revoke_link(edge: EdgeDep, vendor_id: UUID) -> Response:
    """No link leads to the vendor's calendar any more; for the vendor itself."""

    async def act(conn: Connection) -> None:
        await _require_self(conn, edge.caller, vendor_id)
        await handlers.revoke_link(conn, vendor_id, now=edge.now)

    return await edge.once(act)


@router.get("/vendors/{vendor_id}/calendar.ics", response_class=Response)
async def calendar_of_vendor(
    edge: PublicEdgeDep,
    vendor_id: UUID,
    key: Annotated[str, Query(max_length=100, description="Secret of the vendor's calendar link")],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A vendor's own applications, offers and booths, by its secret link: calendar apps send no token."""
    async with edge.read() as conn:
        family = await handlers.follow_link(conn, vendor_id, key)
        rows = await store.find_of_vendors(conn, family, _since(edge), domain.ENTRIES_MAX)
    return await _feed("Lapak saya", [domain.entry_of_application(row) for row in rows], if_none_match, private=True)


async def _require_self(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    if not caller.has("vendor") or caller.vendor_id not in await families.find_family(conn, vendor_id):
        raise NotOwnData("A calendar link is for the vendor itself.")


def _since(edge: PublicEdge) -> date:
    return day_in_jakarta(edge.now) - domain.SHOWN_BACK


def _bazaars(rows: Sequence[dict[str, Any]]) -> list[Entry]:
    return [domain.entry_of_bazaar(row) for row in rows]


def _written(name: str, entries: Sequence[Entry]) -> "Feed":
    from services.bazaar.domain.calendar_files import write_calendar  # icalendar: 3 MB and 0.1 s, in this thread

    return write_calendar(name, entries)


async def _feed(name: str, entries: list[Entry], known: str | None, *, private: bool = False) -> Response:
    feed = await asyncio.to_thread(_written, name, entries)
    headers = {"etag": feed.tag, "cache-control": "private, no-cache" if private else "public, max-age=300"}
    tags = [] if known is None else [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if feed.tag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(feed.body, media_type=MEDIA_TYPE, headers=headers)

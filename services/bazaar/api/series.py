"""Series of bazaars: described, changed, planned, and as everyone may see them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.bazaar.api.access import known_caller, own_area, require_officer_of
from services.bazaar.domain.series import DescribeSeries, SeriesUnknown
from services.bazaar.domain.values import Day, Exact
from services.bazaar.handlers import series as handlers
from services.bazaar.store import series as store
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1/series", tags=["series"])

OCCURRENCES_SHOWN = 200


class ChangeSeries(Exact):
    """A series described anew, whole; `version`: the one that was read."""

    version: int = Field(ge=1)
    series: DescribeSeries


class PlanSeries(Exact):
    """Plan occurrences up to and with this day."""

    until: Day


@router.post("", status_code=201)
async def describe_series(edge: EdgeDep, command: DescribeSeries) -> Response:
    """Set up a series; an officer of an area that covers every site and area it names."""
    require_officer_of(edge.caller, command.areas)

    async def act(conn: Connection) -> dict[str, Any]:
        series_id = new_id()
        await handlers.describe_series(conn, command, series_id=series_id, now=edge.now)
        return {"series_id": series_id, "version": 1}

    return await edge.once(act, status=201)


@router.post("/{series_id}/change")
async def change_series(edge: EdgeDep, series_id: UUID, command: ChangeSeries) -> Response:
    """Describe it anew: later tentative occurrences follow, announced ones stay."""
    require_officer_of(edge.caller, command.series.areas)

    async def act(conn: Connection) -> dict[str, Any]:
        require_officer_of(edge.caller, await store.find_areas(conn, series_id))
        done = await handlers.change_series(conn, series_id, command.series, command.version, now=edge.now)
        return {"series_id": series_id, "version": command.version + 1, **done._asdict()}

    return await edge.once(act)


@router.post("/{series_id}/plan")
async def plan_series(edge: EdgeDep, series_id: UUID, command: PlanSeries) -> Response:
    """Plan tentative occurrences up to a day; again and again changes nothing."""

    async def act(conn: Connection) -> dict[str, Any]:
        require_officer_of(edge.caller, await store.find_areas(conn, series_id))
        done = await handlers.plan_series(conn, series_id, command.until, now=edge.now)
        return {"series_id": series_id, **done._asdict()}

    return await edge.once(act)


@router.get("")
async def list_series(
    edge: PublicEdgeDep,
    own: Annotated[bool, Query(description="Every series of the officer's own area; needs its token")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Series with an occurrence that is known outside, the newest first."""
    key = read_cursor(after, UUID) if after else None
    within = await own_area(edge, "Series of one's own") if own else None
    async with edge.read() as conn:
        rows = await store.list_series(conn, key, limit, within)
    return page(rows, limit, lambda row: row["series_id"])


@router.get("/{series_id}")
async def show_series(edge: PublicEdgeDep, series_id: UUID) -> dict[str, Any]:
    """A series and its occurrences, the latest first; one without any is its officers' business alone."""
    async with edge.read() as conn:
        series = await store.find_series(conn, series_id)
        if not await store.is_public(conn, series_id):
            if "authorization" not in edge.request.headers:
                raise SeriesUnknown("There is no such series.")
            require_officer_of(await known_caller(edge), series.described.areas)
        occurrences = await store.list_occurrences(conn, series_id, OCCURRENCES_SHOWN)
    return {
        "series_id": series_id,
        "version": series.version,
        **series.described.model_dump(),
        "occurrences": occurrences,
    }

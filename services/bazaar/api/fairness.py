"""How booths are shared out: the ledger for officers, open figures for everyone."""

import csv
import io
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.bazaar.api.access import require_officer_of
from services.bazaar.domain.openness import By, assess
from services.bazaar.store import fairness as store
from shared.errors import NotFound, Refused
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["fairness"])

CACHED = {"Cache-Control": "public, max-age=300"}
CSV_FIELDS = (
    "value", "name", "hidden", "vendors", "applications", "offered", "promoted", "confirmed", "declined", "lapsed",
    "released", "attended", "missed", "turns", "waiting_since",
)  # fmt: skip
NOTHING = UUID(int=0)

Area = Annotated[AreaCode, Query(description="Code of an area; only who lives there")]
RwCursor = Annotated[str, Field(pattern=r"^[0-9.]{0,20}$")]


class FiguresMissing(NotFound):
    """There are no open figures of this day."""

    code = "figures-missing"


class PeriodReversed(Refused):
    """The first day of a period lies after its last."""

    code = "period-reversed"
    status = 422


@router.get("/fairness/ledger")
async def sum_ledger(
    edge: EdgeDep,
    by: By,
    area: Area,
    first: Annotated[date, Query(alias="from")] = date(2000, 1, 1),
    last: Annotated[date, Query(alias="to")] = date(2199, 12, 31),
) -> dict[str, Any]:
    """What became of the applications to bazaars that began in these days, by group; an officer of the area."""
    require_officer_of(edge.caller, [area])
    if first > last:
        raise PeriodReversed("'from' lies after 'to': exchange the two days.", first=str(first), last=str(last))
    async with edge.read() as conn:
        rows = await store.sum_ledger(conn, by, first, last, area)
    return {"by": by, "area": area, "from": first, "to": last, "items": [asdict(row) for row in rows]}


@router.get("/fairness/vendors")
async def list_vendors(edge: EdgeDep, area: Area, after: After = None, limit: Limit = LIMIT_DEFAULT) -> dict[str, Any]:
    """Vendors of an area who ever applied: what each was offered, used and missed, since when it waits; its officer."""
    require_officer_of(edge.caller, [area])
    key = read_cursor(after, UUID) if after else NOTHING
    async with edge.read() as conn:
        rows = await store.list_vendors(conn, area, key, limit)
    return page(rows, limit, lambda row: row["vendor_id"])


@router.get("/fairness/rws")
async def list_rws(
    edge: EdgeDep,
    area: Area,
    served: bool | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """RWs of an area, served or not yet (DOMAIN E2): vendors, willing ones, offers so far; its officer."""
    require_officer_of(edge.caller, [area])
    key = read_cursor(after, RwCursor) if after else ""
    async with edge.read() as conn:
        rows = await store.list_rws(conn, area, served, key, limit)
    return page(rows, limit, lambda row: row["rw"])


@router.get("/fairness/forecasts")
async def show_forecasts(edge: EdgeDep) -> dict[str, Any]:
    """How good the forecasts told to those who waited were, in all and by what was forecast; any officer."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        found = await store.find_forecasts(conn)
    return {
        **asdict(assess(found)),
        "by_forecast": [
            {"rounds": rounds, **asdict(assess(one for one in found if one.rounds == rounds))}
            for rounds in sorted({one.rounds for one in found})
        ],
    }


@router.get("/open-data/fairness")
async def show_figures(edge: PublicEdgeDep, response: Response, day: date | None = None) -> dict[str, Any]:
    """The open figures of a day, the latest unless one is named: by area, category, agency; no figure of so few people
    that it would tell of one."""
    async with edge.read() as conn:
        found = await store.find_figures(conn, day)
        days = await store.find_figure_days(conn)
    if found is None:
        raise FiguresMissing("There are no open figures of this day; leave 'day' out for the latest.")
    response.headers.update(CACHED)
    return {**found[2], "counted_at": found[1], "days": days}


@router.get("/open-data/fairness.csv")
async def show_sheet(
    edge: PublicEdgeDep, table: Literal["areas", "categories", "agencies"] = "areas", day: date | None = None
) -> Response:
    """One table of the open figures as CSV."""
    async with edge.read() as conn:
        found = await store.find_figures(conn, day)
    if found is None:
        raise FiguresMissing("There are no open figures of this day; leave 'day' out for the latest.")
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, CSV_FIELDS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found[2][table])
    headers = {**CACHED, "Content-Disposition": f'attachment; filename="lapak-{table}-{found[0]}.csv"'}
    return Response(sheet.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

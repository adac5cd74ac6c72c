"""Who coaches: the history of one vendor, and how many each agency coaches."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from services.vendor.api.access import officer_area, see_family
from services.vendor.store import coaching as store
from shared.events.values import AreaCode
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["coaching"])


class SpanAnswer(BaseModel):
    """An agency coached this registration from then until then (null: still)."""

    vendor_id: UUID
    agency: str
    since: datetime
    until: datetime | None
    by: str | None


class CoachingAnswer(BaseModel):
    """Spans of the registration that stands for the person, oldest first; then of those merged into it."""

    vendor_id: UUID
    spans: list[SpanAnswer]


class AgencyCount(BaseModel):
    """How many vendors an agency coaches; null: nobody coaches these."""

    agency: str | None
    vendors: int


class CoachingReport(BaseModel):
    """Vendors of an area per agency; each person counts once."""

    area: str
    total: int
    agencies: list[AgencyCount]


@router.get("/v1/vendors/{vendor_id}/coaching")
async def get_coaching(vendor_id: UUID, edge: EdgeDep) -> CoachingAnswer:
    """Which agency coached a vendor when; who transferred it is shown to officers."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        spans = await store.find_spans(conn, family)
    named = edge.caller.has("officer")
    shown = [SpanAnswer(**{**span._asdict(), "by": span.by if named else None}) for span in spans]
    return CoachingAnswer(vendor_id=family[0], spans=shown)


@router.get("/v1/reports/coaching")
async def report_coaching(edge: EdgeDep, area: AreaCode | None = None) -> CoachingReport:
    """How many vendors of the area each agency coaches; the officer's own area unless a smaller one is named."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    async with edge.read() as conn:
        counts = await store.count_coached(conn, area or own)
    return CoachingReport(
        area=area or own,
        total=sum(count.vendors for count in counts),
        agencies=[AgencyCount(**count._asdict()) for count in counts],
    )

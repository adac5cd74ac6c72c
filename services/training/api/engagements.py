"""Where a vendor is expected, day by day."""

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.training.api.access import require_side
from services.training.domain.clashes import Engagement, EngagementKind, collide
from services.training.domain.classes import Hours
from services.training.store import engagements
from shared.clock import day_in_jakarta
from shared.errors import Refused
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])

DAYS_SHOWN = 60
DAYS_SHOWN_MAX = 366
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]


class RangeInvalid(Refused):
    """The days asked for are none, or too many."""

    code = "range-invalid"
    status = 422


class EngagementView(BaseModel):
    """A session, or a booth: offered, or held. `ref`: the class, or the application of the booth."""

    kind: EngagementKind
    ref: UUID
    title: str | None
    hours: Hours | None
    venue: str | None


class DayView(BaseModel):
    """A day with what the vendor is expected at. `clash`: it cannot be at all of it."""

    day: date
    clash: bool
    engagements: list[EngagementView]


class DaysAnswer(BaseModel):
    """The days on which a vendor is expected somewhere."""

    vendor_id: UUID
    items: list[DayView]


@router.get("/trainees/{vendor_id}/days", response_model=DaysAnswer)
async def show_days(
    edge: EdgeDep,
    vendor_id: UUID,
    since: Annotated[Day | None, Query(description="First day; none: today")] = None,
    until: Annotated[Day | None, Query(description=f"Last day; none: {DAYS_SHOWN} days on")] = None,
) -> DaysAnswer:
    """The sessions and booths of a vendor by day, under whichever of its ids, and where they clash: for the vendor
    itself and for officers of where it lives.
    """
    first = day_in_jakarta(edge.now) if since is None else since
    last = first + timedelta(days=DAYS_SHOWN) if until is None else until
    if not 0 <= (last - first).days <= DAYS_SHOWN_MAX:
        raise RangeInvalid(f"`until` must be `since` or later, and {DAYS_SHOWN_MAX} days later at the most.")
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        found = (await engagements.find_engagements(conn, [vendor_id], first, last)).get(vendor_id, [])
    by_day: dict[date, list[Engagement]] = {}
    for each in found:
        by_day.setdefault(each.day, []).append(each)
    return DaysAnswer(vendor_id=vendor_id, items=[_day(day, expected) for day, expected in by_day.items()])


def _day(day: date, expected: list[Engagement]) -> DayView:
    return DayView(
        day=day,
        clash=any(collide(one, other) for one in expected for other in expected),
        engagements=[
            EngagementView(kind=each.kind, ref=each.ref, title=each.title, hours=each.hours, venue=each.venue)
            for each in expected
        ],
    )

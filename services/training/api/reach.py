"""Whom mentors reach: each mentor's month beside its agency's, and vendors whose visit is overdue."""

from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.training.api.access import find_own_mentor
from services.training.api.mentors import officer_area
from services.training.domain.mentors import MentorKind
from services.training.domain.values import KnownArea
from services.training.domain.visits import OVERDUE_DAYS
from services.training.store import reach as store
from services.training.store.reach import Overdue, OverdueFilter, Reach, ReachFilter
from shared.clock import JAKARTA, day_in_jakarta
from shared.events.values import AgencyCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["mentors"])

Month = Annotated[
    str | None,
    Query(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2023-02"], description="None: the present month"),
]
CODE_CHARACTERS = {"city": 5, "kecamatan": 8, "kelurahan": 13}


class OverdueView(BaseModel):
    """A vendor whose mentor should have been there by `due_on`. Without `last_visit_on` this mentor never was."""

    vendor_id: UUID
    mentor_id: UUID
    assignment_id: UUID
    kelurahan: str
    since_on: date = Field(description="The mentor has the vendor since")
    last_visit_on: date | None
    next_action_on: date | None = Field(description="Agreed at the last visit")
    due_on: date
    overdue_days: int


class OverduePage(BaseModel):
    """Overdue visits, the longest overdue first."""

    items: list[OverdueView]
    next: str | None


class ReachView(BaseModel):
    """A mentor's month: `held` vendors, `visited` of them at least once, `visits` to them in all. Shares are of those
    held; averages are over the mentors of its agency, in the same area where one was asked for.
    """

    mentor_id: UUID
    agency: str | None
    load_max: int
    held: int
    visited: int
    visits: int
    share: float | None
    agency_held: float
    agency_visited: float
    agency_share: float | None


class ReachPage(BaseModel):
    """The month of mentors; who had whom is counted at `counted_at`."""

    month: str
    counted_at: datetime
    items: list[ReachView]
    next: str | None


class AreaView(BaseModel):
    """A part of an area: vendors who have a mentor, how many of them were visited, by how many mentors they are had."""

    area: str
    held: int
    visited: int
    share: float
    mentors: int


class AreasAnswer(BaseModel):
    """The month by parts of an area."""

    month: str
    counted_at: datetime
    areas: list[AreaView]


@router.get("/visits/overdue", response_model=OverduePage)
async def list_overdue(
    edge: EdgeDep,
    area: KnownArea | None = None,
    mentor_id: UUID | None = None,
    agency: AgencyCode | None = None,
    kind: MentorKind = "employed",
    never: Annotated[bool, Query(description="Only whom their mentor never visited")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Vendors whose mentor was not there for more than 35 days (since it has them, where it never was), or not by the
    day that was agreed. For officers those of their area, for a mentor its own; the longest overdue first.
    """
    below = None if after is None else read_cursor(after, tuple[date, UUID])
    today = day_in_jakarta(edge.now)
    async with edge.read() as conn:
        if edge.caller.has("officer"):
            area = _area(edge, area)
        else:
            mentor = await find_own_mentor(conn, edge.caller)
            mentor_id, kind = mentor.mentor_id, mentor.kind
        wanted = OverdueFilter(area, mentor_id, agency, kind, never)
        found = await store.find_overdue(conn, wanted, today, OVERDUE_DAYS, below, limit + 1)
    return page([_overdue_view(one, today) for one in found], limit, lambda view: (view.due_on, view.assignment_id))


@router.get("/mentors/reach", response_model=ReachPage)
async def list_reach(
    edge: EdgeDep,
    month: Month = None,
    area: KnownArea | None = None,
    agency: AgencyCode | None = None,
    kind: MentorKind = "employed",
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Load and reach of each mentor in a month, with the averages of its agency: for officers the mentors of their
    area and what they do there; a mentor sees itself.
    """
    last = None if after is None else read_cursor(after, UUID)
    mentor_id = None
    async with edge.read() as conn:
        if edge.caller.has("officer"):
            area = _area(edge, area)
        else:
            mentor = await find_own_mentor(conn, edge.caller)
            mentor_id, kind, area, agency = mentor.mentor_id, mentor.kind, None, None
        wanted = _month(edge.now, month)._replace(area=area, agency=agency, kind=kind, mentor_id=mentor_id)
        found = await store.find_reach(conn, wanted, last, limit + 1)
    told = page([_reach_view(one) for one in found], limit, lambda view: view.mentor_id)
    return {"month": f"{wanted.first:%Y-%m}", "counted_at": wanted.moment, **told}


@router.get("/mentors/reach/areas", response_model=AreasAnswer)
async def list_area_reach(
    edge: EdgeDep,
    month: Month = None,
    area: KnownArea | None = None,
    agency: AgencyCode | None = None,
    kind: MentorKind = "employed",
    by: Literal["city", "kecamatan", "kelurahan"] = "kecamatan",
) -> AreasAnswer:
    """The month by parts of the officer's area."""
    wanted = _month(edge.now, month)._replace(area=_area(edge, area), agency=agency, kind=kind)
    async with edge.read() as conn:
        found = await store.find_area_reach(conn, wanted, CODE_CHARACTERS[by])
    return AreasAnswer(
        month=f"{wanted.first:%Y-%m}",
        counted_at=wanted.moment,
        areas=[AreaView(**one._asdict(), share=one.visited / one.held) for one in found],
    )


def _area(edge: Edge, area: str | None) -> str:
    """The area asked for, or the officer's own. Raises `OutsideArea`."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    return area or own


def _month(now: datetime, month: str | None) -> ReachFilter:
    """The days of a month, and the moment at which is counted who has whom: its end, or now while it lasts."""
    first = date.fromisoformat(f"{month}-01") if month is not None else day_in_jakarta(now).replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    end = datetime.combine(after, time_of_day(), JAKARTA).astimezone(UTC)
    # who is parted at that very moment had the vendor until then
    return ReachFilter(first, after - timedelta(days=1), min(now, end - timedelta(microseconds=1)))


def _overdue_view(one: Overdue, today: date) -> OverdueView:
    return OverdueView(**one._asdict(), overdue_days=(today - one.due_on).days)


def _reach_view(one: Reach) -> ReachView:
    return ReachView(**one._asdict(), share=one.visited / one.held if one.held else None)

"""What people ask for: by a vendor for itself, or by an officer of where it lives for it; in figures, for officers."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.training.api.access import require_side
from services.training.domain.courses import Course, CourseCode, CourseLevel
from services.training.domain.demand import AskForCourse, CourseRequest, RequestState, people_missing
from services.training.handlers import demand as handlers
from services.training.store import courses
from services.training.store import demand as store
from services.training.store import demand_figures as figures
from shared import families
from shared.auth import OutsideArea
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["demand"])


class RequestView(BaseModel):
    """A request. `area`: where it is counted; `missing`: so many people more, and a class is prepared there (none: one
    is, or the request is over).
    """

    request_id: UUID
    course: str
    area: str
    state: RequestState
    class_id: UUID | None
    requested_at: datetime
    expires_on: date | None
    missing: int | None


class RequestPage(BaseModel):
    """Requests of a person, the latest first."""

    items: list[RequestView]
    next: str | None


class TakenBack(BaseModel):
    """A request that was taken back."""

    request_id: UUID
    state: RequestState


class DraftView(BaseModel):
    """A class that is prepared. Without a provider: none fits, an officer names one or mends what is missing."""

    class_id: UUID
    area: str
    provider_id: UUID | None
    requests: int


class DemandView(BaseModel):
    """A course that is asked for in an area: people who wait, those for whom a class is prepared, and since when."""

    course: str
    level: CourseLevel
    field: str
    area: str
    waiting: int
    needed: int
    missing: int
    drafted: int
    since: datetime
    drafts: list[DraftView]


class DemandPage(BaseModel):
    """Demand by course and area."""

    items: list[DemandView]
    next: str | None


@router.post("/trainees/{vendor_id}/course-requests", status_code=201, response_model=RequestView)
async def ask_for_course(edge: EdgeDep, vendor_id: UUID, command: AskForCourse) -> Response:
    """Ask for a course that is not given nearby. Enough people of an area, and a class is prepared there."""

    async def act(conn: Connection) -> RequestView:
        await require_side(conn, edge.caller, vendor_id)
        asked = await handlers.ask_for_course(conn, vendor_id, command.course, request_id=new_id(), now=edge.now)
        missing = asked.missing if asked.request.state == "waiting" else None
        return _view(asked.request, asked.area, missing)

    return await edge.once(act, status=201)


@router.post("/trainees/{vendor_id}/course-requests/{request_id}/take-back", response_model=TakenBack)
async def take_back(edge: EdgeDep, vendor_id: UUID, request_id: UUID) -> Response:
    """Ask for it no more. Again, it changes nothing."""

    async def act(conn: Connection) -> TakenBack:
        await require_side(conn, edge.caller, vendor_id)
        taken = await handlers.take_back(conn, vendor_id, request_id, now=edge.now)
        return TakenBack(request_id=request_id, state=taken.state)

    return await edge.once(act)


@router.get("/trainees/{vendor_id}/course-requests", response_model=RequestPage)
async def list_requests(
    edge: EdgeDep, vendor_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """What a person asked for, under whichever of its ids, the latest first; and how many are still missing."""
    last = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        family = await families.find_family(conn, vendor_id)
        found = await store.find_requests(conn, family, after=last, limit=limit + 1)
        views = await _views(conn, found)
    return page(views, limit, lambda view: view.request_id)


@router.get("/demand", response_model=DemandPage)
async def show_demand(
    edge: EdgeDep,
    course: CourseCode | None = None,
    level: CourseLevel | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Which courses are asked for where, for officers: in their area, and in the one around it for courses that are
    counted there. With the classes that are prepared for it.
    """
    edge.caller.require("officer")
    if edge.caller.area is None:
        raise OutsideArea("Demand is shown to officers of an area; this token names none.")
    last = read_cursor(after, tuple[str, str]) if after is not None else None
    async with edge.read() as conn:
        found = await figures.find_demand(
            conn, edge.caller.area, course=course, level=level, after=last, limit=limit + 1
        )
        drafts = await figures.find_drafts(conn, [row["course"] for row in found])
    return page([_demand(row, drafts) for row in found], limit, lambda view: (view.course, view.area))


async def _views(conn: Connection, requests: Sequence[tuple[CourseRequest, str]]) -> list[RequestView]:
    known: dict[str, Course] = {}
    for code in {request.course for request, _ in requests}:
        course = await courses.find_course(conn, code)
        assert course is not None  # a request rests on its course
        known[code] = course
    counted_in = {request.request_id: known[request.course].area_of(kelurahan) for request, kelurahan in requests}
    waiting = [request for request, _ in requests if request.state == "waiting"]
    people = await figures.count_waiting(
        conn, {request.request_id: (request.course, counted_in[request.request_id]) for request in waiting}
    )
    missing = {
        request.request_id: people_missing(known[request.course], people[request.request_id]) for request in waiting
    }
    return [_view(request, counted_in[request.request_id], missing.get(request.request_id)) for request, _ in requests]


def _view(request: CourseRequest, area: str, missing: int | None) -> RequestView:
    return RequestView(
        request_id=request.request_id,
        course=request.course,
        area=area,
        state=request.state,
        class_id=request.class_id,
        requested_at=request.requested_at,
        expires_on=request.expires_on if request.state == "waiting" else None,
        missing=missing,
    )


def _demand(row: dict[str, Any], drafts: Sequence[figures.Draft]) -> DemandView:
    return DemandView(
        course=row["course"],
        level=row["level"],
        field=row["field"],
        area=row["area"],
        waiting=row["waiting"],
        needed=row["requests_needed"],
        missing=max(0, row["requests_needed"] - row["waiting"]),
        drafted=row["drafted"],
        since=row["since"],
        drafts=[
            DraftView(class_id=draft.class_id, area=draft.area, provider_id=draft.provider_id, requests=draft.requests)
            for draft in drafts
            if draft.course == row["course"] and draft.area == row["area"]
        ],
    )

"""Classes: opened, listed, shown, finished. Officers act within their area."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import find_class, require_class_area, serves
from services.training.domain.classes import ClassKind, ClassState, OpenClass, TrainingClass
from services.training.domain.completion import Result
from services.training.domain.enrolments import Enrolment
from services.training.handlers import classes as handlers
from services.training.store import classes, rosters
from shared.db import Connection
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["training"])


class ClassAnswer(BaseModel):
    """A class that was opened."""

    class_id: UUID


class ClassView(BaseModel):
    """A class; `taken` of its `places` are given."""

    class_id: UUID
    course: str
    title: str
    area: str
    kind: ClassKind
    days: list[date]
    places: int
    taken: int
    state: ClassState
    completion_rule: int


class SeatView(BaseModel):
    """A vendor's place in a class."""

    vendor_id: UUID
    attended: list[date]
    result: Result | None


class ClassDetail(ClassView):
    """A class; officers of its area see who has a place in it."""

    roster: list[SeatView] | None = None


class ClassPage(BaseModel):
    """Classes, the last opened first."""

    items: list[ClassView]
    next: str | None


class FinishAnswer(BaseModel):
    """How the class ended."""

    completed: int
    not_completed: int


@router.post("/classes", status_code=201, response_model=ClassAnswer)
async def open_class(edge: EdgeDep, command: OpenClass) -> Response:
    """Open a class for enrolment. Vendors of its area who wait for one of this course are invited to it."""
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> ClassAnswer:
        opened = await handlers.open_class(conn, command, class_id=new_id(), now=edge.now)
        return ClassAnswer(class_id=opened.class_id)

    return await edge.once(act, status=201)


@router.get("/classes", response_model=ClassPage)
async def list_classes(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Classes of this area and all below it")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Classes, the last opened first."""
    last = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        found = await classes.find_classes(conn, area=area, after=last, limit=limit + 1)
    return page([_class_view(*each) for each in found], limit, lambda view: view.class_id)


@router.get("/classes/{class_id}", response_model=ClassDetail)
async def show_class(edge: EdgeDep, class_id: UUID) -> ClassDetail:
    """A class; officers of its area also see its roster."""
    async with edge.read() as conn:
        a_class = await find_class(conn, class_id)
        roster = await rosters.find_roster(conn, class_id)
        taken = await rosters.count_enrolled(conn, class_id)
    view = _class_view(a_class, taken)
    return ClassDetail(**view.model_dump(), roster=_roster_view(roster) if serves(edge.caller, a_class.area) else None)


@router.post("/classes/{class_id}/finish", response_model=FinishAnswer)
async def finish_class(edge: EdgeDep, class_id: UUID) -> Response:
    """End a class and judge everybody in it by its completion rule. Finishing it again changes nothing."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> FinishAnswer:
        await require_class_area(conn, caller, class_id)
        completed, not_completed = await handlers.finish_class(conn, class_id, now=edge.now)
        return FinishAnswer(completed=completed, not_completed=not_completed)

    return await edge.once(act)


def _class_view(a_class: TrainingClass, taken: int) -> ClassView:
    return ClassView(
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        area=a_class.area,
        kind=a_class.kind,
        days=list(a_class.days),
        places=a_class.places,
        taken=taken,
        state=a_class.state,
        completion_rule=a_class.rule,
    )


def _roster_view(roster: Sequence[Enrolment]) -> list[SeatView]:
    return [SeatView(vendor_id=e.vendor_id, attended=sorted(e.attended), result=e.result) for e in roster]

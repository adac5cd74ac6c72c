"""Classes: prepared, opened, listed, shown, finished. Officers act within their area."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import find_class, own_ids, require_class_officer, serves
from services.training.api.enrolments import Warned, warned
from services.training.domain import coverage as domain
from services.training.domain.classes import (
    ClassKind,
    ClassNotFound,
    ClassState,
    EditDraft,
    Hours,
    OpenClass,
    TrainingClass,
)
from services.training.domain.completion import Result
from services.training.domain.courses import CourseCode
from services.training.domain.enrolments import Enrolment
from services.training.handlers import classes as handlers
from services.training.store import classes, coverage, rosters
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import AreaCode, CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["training"])


class ClassAnswer(BaseModel):
    """A class that was prepared or opened, and what is unusual about it."""

    class_id: UUID
    warnings: list[Warned] = []


class SessionView(BaseModel):
    """When a class meets. Hours are local time in Jakarta; none: not known."""

    day: date
    hours: Hours | None


class ClassView(BaseModel):
    """A class; `taken` of its `places` are given. The link of an online class is for those in it."""

    class_id: UUID
    course: str
    title: str
    area: str
    kind: ClassKind
    days: list[date]
    sessions: list[SessionView]
    places: int
    taken: int
    state: ClassState
    completion_rule: int
    provider_id: UUID | None
    category: str | None
    venue: str | None
    requests: int


class SeatView(BaseModel):
    """A vendor's place in a class."""

    vendor_id: UUID
    attended: list[date]
    result: Result | None


class ClassDetail(ClassView):
    """A class; officers of its area see who has a place in it, and who teaches."""

    roster: list[SeatView] | None = None
    trainer_account: str | None = None


class ClassPage(BaseModel):
    """Classes, the last made first."""

    items: list[ClassView]
    next: str | None


class FinishAnswer(BaseModel):
    """How the class ended."""

    completed: int
    not_completed: int


class CoverageView(BaseModel):
    """The classes of a kecamatan. `categories`: how many are meant for which commodity; `anybody`: for everybody."""

    area: str
    name: str
    classes: int
    missing: int
    places: int
    taken: int
    completed: int
    categories: dict[str, int]
    anybody: int


class CoverageAnswer(BaseModel):
    """Which kecamatan have which classes in a year."""

    year: int
    course: str | None
    classes_per_kecamatan: int
    items: list[CoverageView]


@router.post("/classes", status_code=201, response_model=ClassAnswer)
async def open_class(edge: EdgeDep, command: OpenClass) -> Response:
    """Open a class for enrolment, or prepare it (`draft`). When it opens, whoever waits for a place in one of this
    course gets one, and others of its area who asked for the course or were invited to wait are invited to it.
    """
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> ClassAnswer:
        add = handlers.enter_draft if command.draft else handlers.open_class
        added, cautions = await add(conn, command, class_id=new_id(), now=edge.now)
        return ClassAnswer(class_id=added.class_id, warnings=warned(cautions))

    return await edge.once(act, status=201)


@router.post("/classes/{class_id}/draft", response_model=ClassAnswer)
async def edit_draft(edge: EdgeDep, class_id: UUID, command: EditDraft) -> Response:
    """Change what is prepared: what is sent is set, the rest stays."""

    async def act(conn: Connection) -> ClassAnswer:
        await require_class_officer(conn, edge.caller, class_id)
        edited, cautions = await handlers.edit_draft(conn, class_id, command, now=edge.now)
        return ClassAnswer(class_id=edited.class_id, warnings=warned(cautions))

    return await edge.once(act)


@router.post("/classes/{class_id}/open", response_model=ClassAnswer)
async def open_draft(edge: EdgeDep, class_id: UUID) -> Response:
    """Open a class that was prepared, for enrolment."""

    async def act(conn: Connection) -> ClassAnswer:
        await require_class_officer(conn, edge.caller, class_id)
        opened, cautions = await handlers.open_draft(conn, class_id, now=edge.now)
        return ClassAnswer(class_id=opened.class_id, warnings=warned(cautions))

    return await edge.once(act)


@router.get("/classes", response_model=ClassPage)
async def list_classes(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Classes of this area and all below it")] = None,
    course: Annotated[CourseCode | None, Query(description="Code of the course")] = None,
    state: ClassState | None = None,
    category: Annotated[CategoryCode | None, Query(description="Meant for this commodity")] = None,
    provider_id: UUID | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Classes, the last made first. What is only prepared, officers of its area see."""
    last = read_cursor(after, UUID) if after is not None else None
    drafts_in = edge.caller.area if edge.caller.has("officer") else None
    async with edge.read() as conn:
        found = await classes.find_classes(
            conn,
            area=area,
            course=course,
            state=state,
            category=category,
            provider_id=provider_id,
            drafts_in=drafts_in,
            after=last,
            limit=limit + 1,
        )
    views = [_class_view(a_class, taken, shows_link=serves(edge.caller, a_class.area)) for a_class, taken in found]
    return page(views, limit, lambda view: view.class_id)


@router.get("/classes/coverage", response_model=CoverageAnswer)
async def show_coverage(
    edge: EdgeDep,
    year: Annotated[
        int | None, Query(ge=2000, le=2999, description="Classes that begin in it; none: this year")
    ] = None,
    area: Annotated[AreaCode, Query(description="Kecamatan inside this area")] = domain.PROVINCE,
    course: Annotated[CourseCode | None, Query(description="Of this course; none: of every one")] = None,
) -> CoverageAnswer:
    """Which kecamatan have which classes, open or held, for officers: two each are meant, by commodity."""
    edge.caller.require("officer")
    of_year = day_in_jakarta(edge.now).year if year is None else year
    async with edge.read() as conn:
        given = await coverage.find_given(conn, area, of_year, course)
    items = [CoverageView(missing=one.missing, **vars(one)) for one in domain.cover(given, area)]
    return CoverageAnswer(year=of_year, course=course, classes_per_kecamatan=domain.CLASSES_PER_KECAMATAN, items=items)


@router.get("/classes/{class_id}", response_model=ClassDetail)
async def show_class(edge: EdgeDep, class_id: UUID) -> ClassDetail:
    """A class; officers of its area also see its roster, and it while it is only prepared."""
    async with edge.read() as conn:
        a_class = await find_class(conn, class_id)
        officer = serves(edge.caller, a_class.area)
        if a_class.state == "draft" and not officer:
            raise ClassNotFound("No class has this id.", class_id=str(class_id))
        roster = await rosters.find_roster(conn, class_id)
        taken = await rosters.count_enrolled(conn, class_id)
        own = await own_ids(conn, edge.caller)
    in_it = any(enrolment.vendor_id in own for enrolment in roster)
    view = _class_view(a_class, taken, shows_link=officer or in_it)
    return ClassDetail(
        **view.model_dump(),
        roster=_roster_view(roster) if officer else None,
        trainer_account=a_class.trainer_account if officer else None,
    )


@router.post("/classes/{class_id}/finish", response_model=FinishAnswer)
async def finish_class(edge: EdgeDep, class_id: UUID) -> Response:
    """End a class and judge everybody in it by its completion rule. Finishing it again changes nothing."""

    async def act(conn: Connection) -> FinishAnswer:
        await require_class_officer(conn, edge.caller, class_id)
        completed, not_completed = await handlers.finish_class(conn, class_id, now=edge.now)
        return FinishAnswer(completed=completed, not_completed=not_completed)

    return await edge.once(act)


def _class_view(a_class: TrainingClass, taken: int, *, shows_link: bool) -> ClassView:
    return ClassView(
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        area=a_class.area,
        kind=a_class.kind,
        days=list(a_class.days),
        sessions=[SessionView(day=day, hours=a_class.hours_of(day)) for day in a_class.days],
        places=a_class.places,
        taken=taken,
        state=a_class.state,
        completion_rule=a_class.rule,
        provider_id=a_class.provider_id,
        category=a_class.category,
        venue=a_class.venue if a_class.kind == "venue" or shows_link else None,
        requests=a_class.requests,
    )


def _roster_view(roster: Sequence[Enrolment]) -> list[SeatView]:
    return [SeatView(vendor_id=e.vendor_id, attended=sorted(e.attended), result=e.result) for e in roster]

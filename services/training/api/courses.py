"""The catalogue: courses and fields for everybody; officers of the province keep it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from services.training.domain.courses import (
    Course,
    CourseCode,
    CourseLevel,
    CourseNotFound,
    CourseState,
    DescribeCourse,
    ListCourse,
    NameField,
    require_province,
)
from services.training.domain.values import FieldCode
from services.training.handlers import courses as handlers
from services.training.store import courses as store
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["catalogue"])

Code = Annotated[CourseCode, Path(description="Code of the course, for example ekspor-dasar")]


class Names(BaseModel):
    """A name in Indonesian and English."""

    id: str
    en: str


class FieldView(BaseModel):
    """A field of competence of courses, providers and mentors."""

    field: str
    name: Names


class FieldList(BaseModel):
    """All fields, by code."""

    items: list[FieldView]


class CourseView(BaseModel):
    """A course. `counted_in`: the area in which requests for it are counted; `requests_needed` make a class."""

    course: str
    name: Names
    level: CourseLevel
    field: str
    sessions: int
    prerequisites: list[str]
    counted_in: Literal["kecamatan", "province"]
    requests_needed: int
    state: CourseState


class CoursePage(BaseModel):
    """Courses, by code."""

    items: list[CourseView]
    next: str | None


class CourseAnswer(BaseModel):
    """A course that was listed or withdrawn."""

    course: str
    state: CourseState


@router.get("/fields", response_model=FieldList)
async def list_fields(edge: PublicEdgeDep) -> FieldList:
    """The fields of competence, with their names."""
    async with edge.read() as conn:
        fields = await store.find_fields(conn)
    return FieldList(
        items=[FieldView(field=one["field"], name=Names(id=one["name_id"], en=one["name_en"])) for one in fields]
    )


@router.post("/fields")
async def name_field(edge: EdgeDep, command: NameField) -> Response:
    """Add a field, or name it anew; an officer of the province."""
    _require_keeper(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        await handlers.name_field(conn, command)
        return {"field": command.field}

    return await edge.once(act)


@router.get("/courses", response_model=CoursePage)
async def list_courses(
    edge: PublicEdgeDep,
    level: CourseLevel | None = None,
    field: FieldCode | None = None,
    withdrawn: Annotated[bool, Query(description="Also those that are given no more")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """The courses of the catalogue, by code."""
    last = read_cursor(after, str) if after is not None else None
    async with edge.read() as conn:
        found = await store.find_courses(
            conn, level=level, field=field, withdrawn=withdrawn, after=last, limit=limit + 1
        )
    return page([_view(course) for course in found], limit, lambda view: view.course)


@router.get("/courses/{course}", response_model=CourseView)
async def show_course(edge: PublicEdgeDep, course: Code) -> CourseView:
    """A course, also one that was withdrawn."""
    async with edge.read() as conn:
        found = await store.find_course(conn, course)
    if found is None:
        raise CourseNotFound(course)
    return _view(found)


@router.post("/courses", status_code=201, response_model=CourseAnswer)
async def list_course(edge: EdgeDep, command: ListCourse) -> Response:
    """A new course; an officer of the province."""
    _require_keeper(edge.caller)

    async def act(conn: Connection) -> CourseAnswer:
        course = await handlers.list_course(conn, command, now=edge.now)
        return CourseAnswer(course=course.course, state=course.state)

    return await edge.once(act, status=201)


@router.post("/courses/{course}/edit", response_model=CourseAnswer)
async def change_course(edge: EdgeDep, course: Code, command: DescribeCourse) -> Response:
    """All of a course anew; one that was withdrawn is listed again. Classes under way stay as they are."""
    _require_keeper(edge.caller)

    async def act(conn: Connection) -> CourseAnswer:
        changed = await handlers.change_course(conn, course, command, now=edge.now)
        return CourseAnswer(course=changed.course, state=changed.state)

    return await edge.once(act)


@router.post("/courses/{course}/withdraw", response_model=CourseAnswer)
async def withdraw_course(edge: EdgeDep, course: Code) -> Response:
    """No more classes of it; those under way go on. Refused while a listed course asks for it to be completed first."""
    _require_keeper(edge.caller)

    async def act(conn: Connection) -> CourseAnswer:
        await handlers.withdraw_course(conn, course, now=edge.now)
        return CourseAnswer(course=course, state="withdrawn")

    return await edge.once(act)


def _require_keeper(caller: Caller) -> None:
    caller.require("officer")
    require_province(caller.area)


def _view(course: Course) -> CourseView:
    return CourseView(
        course=course.course,
        name=Names(id=course.name_id, en=course.name_en),
        level=course.level,
        field=course.field,
        sessions=course.sessions,
        prerequisites=list(course.prerequisites),
        counted_in="kecamatan" if course.level == "basic" else "province",
        requests_needed=course.requests_needed,
        state=course.state,
    )

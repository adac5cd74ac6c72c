"""The catalogue is kept: courses are listed, changed and withdrawn, fields are named."""

from datetime import datetime

from services.training.domain import courses as domain
from services.training.domain.courses import (
    Course,
    CourseKnown,
    CourseNotFound,
    DescribeCourse,
    ListCourse,
    NameField,
)
from services.training.store import courses, demand
from services.training.store.trainees import lock_inviting
from shared import outbox
from shared.db import Connection

__all__ = [
    "TELL",
    "change_course",
    "find_listed_course",
    "list_course",
    "name_field",
    "tell_catalogue",
    "withdraw_course",
]

TELL = "tell-catalogue"
"""Kind of the timer by which the first catalogue, which came with a migration, is told."""


async def list_course(conn: Connection, command: ListCourse, *, now: datetime) -> Course:
    """A new course. Raises `CourseKnown` and as `domain.list_course` does."""
    catalogue = await courses.lock_catalogue(conn)
    if command.course in catalogue:
        raise CourseKnown(command.course)
    return await _describe(conn, command.course, command, catalogue, now=now)


async def change_course(conn: Connection, code: str, command: DescribeCourse, *, now: datetime) -> Course:
    """All of a course anew; one that was withdrawn is listed again. Raises `CourseNotFound` and as
    `domain.list_course` does.
    """
    catalogue = await courses.lock_catalogue(conn)
    if code not in catalogue:
        raise CourseNotFound(code)
    return await _describe(conn, code, command, catalogue, now=now)


async def _describe(
    conn: Connection, code: str, command: DescribeCourse, catalogue: dict[str, Course], *, now: datetime
) -> Course:
    fields = [field["field"] for field in await courses.find_fields(conn)]
    course, event = domain.list_course(code, command, catalogue.get(code), catalogue, fields)
    await courses.save_course(conn, course, now=now)
    await outbox.record(conn, [outbox.Fact(event, course.version)], now=now)
    return course


async def withdraw_course(conn: Connection, code: str, *, now: datetime) -> None:
    """No more classes of a course; whoever asked for it need not wait. Again, it changes nothing. Raises
    `CourseNotFound`, `CourseNeeded`.
    """
    # nobody opens a class of it, or asks for it, meanwhile
    await lock_inviting(conn, code)
    catalogue = await courses.lock_catalogue(conn)
    if code not in catalogue:
        raise CourseNotFound(code)
    withdrawn = domain.withdraw_course(catalogue[code], catalogue)
    if withdrawn is None:
        return
    course, event = withdrawn
    await courses.save_course(conn, course, now=now)
    await demand.drop_waiting(conn, code, now=now)
    await outbox.record(conn, [outbox.Fact(event, course.version)], now=now)


async def tell_catalogue(conn: Connection, _: str, now: datetime) -> None:
    """Timer: courses that came with a migration and that nobody was told of yet are told, each once."""
    untold = [course for course in (await courses.lock_catalogue(conn)).values() if course.version == 0]
    await courses.save_told(conn, [course.course for course in untold])
    await outbox.record(conn, [outbox.Fact(domain.listed(course), 1) for course in untold], now=now)


async def name_field(conn: Connection, command: NameField) -> None:
    """A field of competence, new or named anew."""
    await courses.save_field(conn, command.field, command.name_id, command.name_en)


async def find_listed_course(conn: Connection, code: str) -> Course:
    """A course that classes are given of. Raises `CourseNotFound`, `CourseNotListed`."""
    course = await courses.find_course(conn, code)
    if course is None:
        raise CourseNotFound(code)
    domain.require_listed(course)
    return course

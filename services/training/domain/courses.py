"""Courses of the catalogue: what can be learnt, at which level, in which field, and what has to be learnt before.

A basic course is given at the kecamatan, an advanced one at the province (DOMAIN B5): requests for it are counted
together there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.training.domain.values import FieldCode, Name
from shared.errors import Forbidden, NotFound, Refused
from shared.events.training import CourseListed, CourseWithdrawn

REQUESTS_NEEDED_DEFAULT = 20
SESSIONS_MAX = 60
PREREQUISITES_MAX = 10
PROVINCE_CODE_LENGTH = 2
AREA_LENGTHS: Mapping["CourseLevel", int] = {"basic": len("31.71.02"), "advanced": PROVINCE_CODE_LENGTH}
"""Characters of the area code in which requests for a course of a level are counted together."""

CourseLevel: TypeAlias = Literal["basic", "advanced"]
CourseState: TypeAlias = Literal["listed", "withdrawn"]
CourseCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class CourseNotFound(NotFound):
    """The catalogue has no such course."""

    code = "course-not-found"

    def __init__(self, course: str) -> None:
        super().__init__(f"The catalogue has no course {course}; GET /v1/courses lists them.", course=course)


class CourseKnown(Refused):
    """The code belongs to another course."""

    code = "course-known"

    def __init__(self, course: str) -> None:
        super().__init__(f"There is a course {course} already; edit that one, or choose another code.", course=course)


class CourseNotListed(Refused):
    """The course was withdrawn from the catalogue."""

    code = "course-withdrawn"

    def __init__(self, course: str) -> None:
        super().__init__(
            f"The course {course} was withdrawn from the catalogue; choose another, or have it listed again.",
            course=course,
        )


class FieldUnknown(Refused):
    """A field of competence is named that there is not."""

    code = "field-unknown"
    status = 422

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"There is no field {', '.join(unknown)}; known are {', '.join(known)}. An officer of the province adds "
            "others.",
            unknown=list(unknown),
            known=list(known),
        )


class PrerequisiteUnknown(Refused):
    """A course is to be completed before that the catalogue does not have, or has no more."""

    code = "prerequisite-unknown"
    status = 422


class PrerequisiteCycle(Refused):
    """Courses would have to be completed before themselves."""

    code = "prerequisite-cycle"
    status = 422


class CourseNeeded(Refused):
    """Other courses ask for this one to be completed first."""

    code = "course-needed"


class ProvinceOnly(Forbidden):
    """The catalogue is a matter of the province."""

    code = "province-only"


class DescribeCourse(BaseModel):
    """All of a course but its code. `requests_needed`: so many people of an area who ask for it make a class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name_id: Name
    name_en: Name
    level: CourseLevel
    field: FieldCode
    sessions: int = Field(ge=1, le=SESSIONS_MAX)
    prerequisites: Annotated[
        list[CourseCode], Field(max_length=PREREQUISITES_MAX), AfterValidator(lambda codes: sorted(set(codes)))
    ] = []
    requests_needed: int = Field(default=REQUESTS_NEEDED_DEFAULT, ge=1, le=1_000)


class ListCourse(DescribeCourse):
    """A new course of the catalogue."""

    course: CourseCode


class NameField(BaseModel):
    """A field of competence, new or named anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: FieldCode
    name_id: Name
    name_en: Name


@dataclass(frozen=True)
class Course:
    """A course. `prerequisites`: codes of the courses to be completed before it."""

    course: str
    name_id: str
    name_en: str
    level: CourseLevel
    field: str
    sessions: int
    prerequisites: tuple[str, ...]
    requests_needed: int
    state: CourseState
    version: int

    def area_of(self, kelurahan: str) -> str:
        """The area in which the wish of somebody who lives there is counted: its kecamatan, or the province."""
        return kelurahan[: AREA_LENGTHS[self.level]]


def require_province(area: str | None) -> None:
    """Refuse officers of anything smaller than the province."""
    if area is None or len(area) != PROVINCE_CODE_LENGTH:
        raise ProvinceOnly("The catalogue is kept by officers of the province; ask one of them.", area=area)


def require_listed(course: Course) -> None:
    """Refuse what was withdrawn."""
    if course.state != "listed":
        raise CourseNotListed(course.course)


def list_course(
    code: str,
    command: DescribeCourse,
    before: Course | None,
    catalogue: Mapping[str, Course],
    fields: Sequence[str],
) -> tuple[Course, CourseListed]:
    """The course as described, new or in place of what stood `before`; one that was withdrawn is listed again.

    `catalogue`: all courses by code, `fields`: all fields. Raises `FieldUnknown`, `PrerequisiteUnknown`,
    `PrerequisiteCycle`.
    """
    if command.field not in fields:
        raise FieldUnknown([command.field], fields)
    unknown = [
        one for one in command.prerequisites if one != code and (one not in catalogue or not _listed(catalogue[one]))
    ]
    if unknown:
        raise PrerequisiteUnknown(
            f"`prerequisites` names {', '.join(unknown)}, which the catalogue does not have (any more); list it first.",
            unknown=unknown,
        )
    needs = {one.course: one.prerequisites for one in catalogue.values()}
    cycle = find_cycle(code, {**needs, code: command.prerequisites})
    if cycle:
        raise PrerequisiteCycle(
            f"Nobody could begin: {' needs '.join(cycle)}. Take one of these out of `prerequisites`.", cycle=cycle
        )
    course = Course(
        course=code,
        name_id=command.name_id,
        name_en=command.name_en,
        level=command.level,
        field=command.field,
        sessions=command.sessions,
        prerequisites=tuple(command.prerequisites),
        requests_needed=command.requests_needed,
        state="listed",
        version=(before.version if before is not None else 0) + 1,
    )
    return course, listed(course)


def find_cycle(start: str, prerequisites: Mapping[str, Sequence[str]]) -> list[str]:
    """A way along the prerequisites from this course back to it, for example [a, b, a]; empty where there is none."""
    came_from: dict[str, str] = {}
    to_see = [start]
    while to_see:
        course = to_see.pop()
        for before in prerequisites.get(course, ()):
            if before == start:
                path = [start, course]
                while course != start:
                    course = came_from[course]
                    path.append(course)
                return path[::-1]
            if before not in came_from:
                came_from[before] = course
                to_see.append(before)
    return []


def withdraw_course(course: Course, catalogue: Mapping[str, Course]) -> tuple[Course, CourseWithdrawn] | None:
    """No more classes of it; None where it was withdrawn before. Raises `CourseNeeded`."""
    if course.state == "withdrawn":
        return None
    needing = sorted(one.course for one in catalogue.values() if _listed(one) and course.course in one.prerequisites)
    if needing:
        raise CourseNeeded(
            f"{', '.join(needing)} asks for {course.course} to be completed first; change that before.", courses=needing
        )
    withdrawn = replace(course, state="withdrawn", version=course.version + 1)
    return withdrawn, CourseWithdrawn(course=course.course)


def listed(course: Course) -> CourseListed:
    """What is told of a course as it stands."""
    return CourseListed(
        course=course.course,
        level=course.level,
        field=course.field,
        sessions=course.sessions,
        prerequisites=list(course.prerequisites),
    )


def missing_prerequisites(course: Course, completed: set[str]) -> list[str]:
    """The courses that a person who completed these has still to complete before this one."""
    return [one for one in course.prerequisites if one not in completed]


def _listed(course: Course) -> bool:
    return course.state == "listed"

"""What people ask for (DOMAIN B5): a course that is not given where they live. Enough requests of an area, each person
counted once, and a class is prepared there.

A request waits, and counts; or a class is prepared for it (drafted); then its person is invited to that class before
anybody else. It is done when the person has a place in a class of the course. A draft that is cancelled gives its
requests back, in their old order.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.training.domain.classes import PLACES_DEFAULT
from services.training.domain.courses import Course, CourseCode, missing_prerequisites
from services.training.domain.enrolments import Standing
from shared.clock import JAKARTA, day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.training import CourseRequested

REQUESTS_PER_PERSON_MAX = 10
"""Open at once: a wish for everything says nothing."""

RequestState: TypeAlias = Literal["waiting", "drafted", "invited", "done", "taken-back", "expired", "course-withdrawn"]


class AlreadyRequested(Refused):
    """The person asked for this course before, under this id or another of its ids."""

    code = "already-requested"


class AlreadyCompleted(Refused):
    """The person completed the course."""

    code = "already-completed"


class AlreadyEnrolled(Refused):
    """The person has a place in a class of the course."""

    code = "already-enrolled"


class PrerequisitesMissing(Refused):
    """Other courses have to be completed first."""

    code = "prerequisites-missing"


class TooManyRequests(Refused):
    """The person asked for as many courses as one may at once."""

    code = "requests-full"


class ClassHasRoom(Refused):
    """There is a class with free places already."""

    code = "class-has-room"


class RequestNotFound(NotFound):
    """No such request of this vendor."""

    code = "request-not-found"


class RequestSettled(Refused):
    """The request came to its end before."""

    code = "request-settled"


class AskForCourse(BaseModel):
    """Ask for a course."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    course: CourseCode


@dataclass(frozen=True)
class CourseRequest:
    """A vendor's wish for a course. `class_id`: the class that is or was prepared for it."""

    request_id: UUID
    vendor_id: UUID
    course: str
    state: RequestState
    class_id: UUID | None
    requested_at: datetime
    settled_at: datetime | None = None

    @property
    def expires_on(self) -> date:
        """The day on which it is over if it still waits: twelve months later."""
        asked = day_in_jakarta(self.requested_at)
        return date(asked.year + 1, 3, 1) if (asked.month, asked.day) == (2, 29) else asked.replace(year=asked.year + 1)


@dataclass(frozen=True)
class Asker:
    """How the person who asks stands: in the course, with what it completed, and its open requests under all its ids.

    `roomy_class`: an open class of the course with free places that takes people of where it lives.
    """

    standing: Standing
    completed: Collection[str]
    requests: Collection[CourseRequest]
    roomy_class: UUID | None = None


def ask(
    request_id: UUID, vendor_id: UUID, course: Course, asker: Asker, *, kelurahan: str, now: datetime
) -> tuple[CourseRequest, CourseRequested]:
    """The vendor asks for a course. Raises `AlreadyCompleted`, `AlreadyEnrolled`, `AlreadyRequested`,
    `PrerequisitesMissing`, `ClassHasRoom`, `TooManyRequests`.
    """
    code = course.course
    if asker.standing.completed:
        raise AlreadyCompleted(f"The course {code} is completed; there is nothing to ask for.", course=code)
    if asker.standing.open_class is not None:
        raise AlreadyEnrolled(
            f"There is a place in a class of {code} already; withdraw from it first, or keep it.",
            class_id=str(asker.standing.open_class),
        )
    for before in asker.requests:
        if before.course == code:
            raise AlreadyRequested(
                f"The course {code} was asked for before; that request counts. Take it back to ask anew.",
                request_id=str(before.request_id),
            )
    missing = missing_prerequisites(course, set(asker.completed))
    if missing:
        raise PrerequisitesMissing(
            f"{', '.join(missing)} is to be completed before {code}; ask for that first.", missing=missing
        )
    if asker.roomy_class is not None:
        raise ClassHasRoom(
            f"A class of {code} has free places; enrol in it instead of waiting for another.",
            class_id=str(asker.roomy_class),
        )
    if len(asker.requests) >= REQUESTS_PER_PERSON_MAX:
        raise TooManyRequests(
            f"{REQUESTS_PER_PERSON_MAX} courses are asked for at most at once; take one back first.",
            most=REQUESTS_PER_PERSON_MAX,
        )
    request = CourseRequest(request_id, vendor_id, code, "waiting", None, now)
    return request, CourseRequested(vendor_id=vendor_id, course=code, area=course.area_of(kelurahan))


def take_back(request: CourseRequest, *, now: datetime) -> CourseRequest:
    """The vendor asks no more; again, it changes nothing. Raises `RequestSettled`."""
    if request.state == "taken-back":
        return request
    if request.state not in ("waiting", "drafted"):
        raise RequestSettled(f"This request is {request.state}; there is nothing to take back.", state=request.state)
    return replace(request, state="taken-back", class_id=None, settled_at=now)


def year_before(now: datetime) -> datetime:
    """Twelve months ago: requests of that moment or before are over. A leap day counts as 28 February."""
    here = now.astimezone(JAKARTA)
    return here.replace(year=here.year - 1, day=28 if (here.month, here.day) == (2, 29) else here.day)


def people_missing(course: Course, people: int) -> int:
    """So many people more who ask, and a class is prepared; 0: with the next request."""
    return max(0, course.requests_needed - people)


def places_of(course: Course) -> int:
    """The places of a class that is prepared on request: as of any class, and not fewer than asked for it."""
    return max(PLACES_DEFAULT, course.requests_needed)

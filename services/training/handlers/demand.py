"""Courses are asked for, and where enough people of an area ask, a class is prepared (DOMAIN B5)."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.training.domain import demand as domain
from services.training.domain import providers
from services.training.domain.courses import Course
from services.training.domain.demand import Asker, CourseRequest, RequestNotFound
from services.training.domain.enrolments import Standing, TraineeNotFound
from services.training.handlers.classes import draft_class
from services.training.handlers.courses import find_listed_course
from services.training.handlers.providers import rank_providers
from services.training.handlers.trainees import record
from services.training.store import courses, registry, trainees
from services.training.store import demand as store
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.timers import set_timer

__all__ = ["EXPIRE", "Asked", "ask_for_course", "expire_requests", "take_back"]

EXPIRE = "expire-course-requests"
"""Kind of the timer that looks every day for requests that are twelve months old; a migration sets it first."""


class Asked(NamedTuple):
    """A request that was made, where it is counted, and how many people more are missing (0: a class is prepared)."""

    request: CourseRequest
    area: str
    missing: int


async def ask_for_course(conn: Connection, vendor_id: UUID, code: str, *, request_id: UUID, now: datetime) -> Asked:
    """A vendor asks for a course. With it a class may be prepared, for all who wait for one in its area; or it joins
    those for whom one is prepared already.

    Raises `CourseNotFound`, `CourseNotListed`, `TraineeNotFound`, and as `domain.ask` does.
    """
    # one at a time for each course: of many requests at once exactly one reaches the number
    await trainees.lock_inviting(conn, code)
    course = await find_listed_course(conn, code)
    kelurahan = await registry.find_kelurahan(conn, vendor_id)
    if kelurahan is None:
        raise TraineeNotFound("Training does not know this vendor; register it first, or try again shortly.")
    area = course.area_of(kelurahan)
    draft = await store.lock_draft(conn, vendor_id, code, area)
    family = await families.find_family(conn, vendor_id)
    versions = await trainees.lock_trainees(conn, family)
    if vendor_id not in versions:
        raise TraineeNotFound("Training does not know this vendor; register it first, or try again shortly.")
    asker = await _look_at(conn, vendor_id, family, code, area, now=now)
    request, event = domain.ask(request_id, vendor_id, course, asker, kelurahan=kelurahan, now=now)
    await store.add_request(conn, request)
    await record(conn, versions, [event], now=now)
    if draft is not None:
        await store.save_drafted(conn, draft, [request_id])
        missing = 0
    else:
        missing = await _prepare_class(conn, course, area, now=now)
    saved = await store.find_request(conn, request_id)
    assert saved is not None
    return Asked(saved, area, missing)


async def _look_at(
    conn: Connection, vendor_id: UUID, family: list[UUID], code: str, area: str, *, now: datetime
) -> Asker:
    standings = await trainees.find_standings(conn, code, [vendor_id])
    completed = await courses.find_completed_courses(conn, [vendor_id])
    return Asker(
        standing=standings.get(vendor_id, Standing()),
        completed=completed[vendor_id],
        requests=await store.find_open_requests(conn, family),
        roomy_class=await store.find_roomy_class(conn, vendor_id, code, area, day_in_jakarta(now)),
    )


async def _prepare_class(conn: Connection, course: Course, area: str, *, now: datetime) -> int:
    """Prepare a class where enough people wait. Returns how many are missing."""
    waiting = await store.find_waiting(conn, course.course, area)
    people = list(dict.fromkeys(request.person_id for request in waiting))
    missing = domain.people_missing(course, len(people))
    if missing > 0:
        return missing
    served = set(people[: domain.places_of(course)])
    provider = providers.choose(await rank_providers(conn, course, area, now=now))
    drafted = await draft_class(
        conn,
        course=course,
        area=area,
        places=domain.places_of(course),
        provider_id=None if provider is None else provider.provider_id,
        requests=len(served),
        now=now,
    )
    theirs = [request.request_id for request in waiting if request.person_id in served]
    await store.save_drafted(conn, drafted.class_id, theirs)
    return 0


async def take_back(conn: Connection, vendor_id: UUID, request_id: UUID, *, now: datetime) -> CourseRequest:
    """A vendor asks no more. Raises `RequestNotFound`, `RequestSettled`."""
    family = await families.find_family(conn, vendor_id)
    request = await store.lock_request(conn, request_id)
    if request is None or request.vendor_id not in family:
        raise RequestNotFound("This vendor has no request with this id.", request_id=str(request_id))
    taken = domain.take_back(request, now=now)
    await store.save_request(conn, taken)
    return taken


async def expire_requests(conn: Connection, key: str, now: datetime) -> None:
    """Timer: requests that wait since twelve months are over; whoever still wants the course asks again."""
    await store.expire_waiting(conn, domain.year_before(now), now=now)
    await set_timer(conn, EXPIRE, key, now + timedelta(days=1))

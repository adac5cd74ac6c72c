"""Vendors get places in classes, wait for them, and give them up."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.training.domain import enrolments as domain
from services.training.domain.classes import Caution, TrainingClass
from services.training.domain.courses import Course, missing_prerequisites
from services.training.domain.enrolments import (
    About,
    EnrolmentRefusal,
    EnrolVendors,
    NotWaiting,
    Standing,
    Withdrawing,
    WithdrawVendors,
)
from services.training.domain.waiting import Wait
from services.training.handlers.classes import lock_places
from services.training.handlers.promotion import look_for_places
from services.training.handlers.reminders import find_places_in_line
from services.training.handlers.seating import (
    Seating,
    find_clashes,
    give_places,
    opening_of,
    seat_those_who_wait,
)
from services.training.handlers.trainees import record
from services.training.store import courses, registry, rosters, trainees, waiting
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TrainingEnrolled, TrainingWaitlisted, TrainingWithdrawn

__all__ = ["Enrolled", "enrol_vendors", "stop_waiting", "withdraw_vendors"]


@dataclass(frozen=True)
class Enrolled:
    """What came of a request for places, each list in the order asked. `promoted`: who waited and was due first."""

    enrolled: list[TrainingEnrolled]
    waiting: list[TrainingWaitlisted]
    refused: list[EnrolmentRefusal]
    cautions: list[Caution]
    promoted: list[TrainingEnrolled]


async def enrol_vendors(
    conn: Connection, class_id: UUID, command: EnrolVendors, *, by_officer: bool, now: datetime
) -> Enrolled:
    """Give vendors places, in the order asked; says for each that got none why. Whoever waits goes first.

    Raises `ClassNotFound`.
    """
    a_class = await lock_places(conn, class_id)
    asked = list(dict.fromkeys(command.vendor_ids))
    taken = await rosters.count_enrolled(conn, class_id)
    seating = await seat_those_who_wait(conn, a_class.course, opening_of(a_class, taken, now=now), asked)
    waits = await waiting.find_waits(conn, a_class.course, [*asked, *(event.vendor_id for event in seating.promoted)])
    await give_places(conn, a_class.course, seating.promoted, waits, now=now)
    promoted = {event.vendor_id for event in seating.promoted}
    outcome = domain.enrol(
        a_class,
        taken + len(promoted),
        [vendor_id for vendor_id in asked if vendor_id not in promoted],
        await _look_at(conn, a_class, asked, seating, waits),
        today=day_in_jakarta(now),
        by_officer=by_officer,
        waitlist=command.waitlist,
        spoken_for=seating.spoken_for,
    )
    await give_places(conn, a_class.course, outcome.enrolled, waits, now=now)
    waitlisted = await _wait(conn, a_class, outcome.waiting, now=now)
    await record(conn, seating.versions, [*seating.promoted, *outcome.enrolled, *waitlisted], now=now)
    mine = [event for event in seating.promoted if event.vendor_id in asked]
    return Enrolled([*mine, *outcome.enrolled], waitlisted, outcome.refused, outcome.cautions, seating.promoted)


async def _look_at(
    conn: Connection, a_class: TrainingClass, asked: list[UUID], seating: Seating, waits: dict[UUID, Wait]
) -> About:
    persons = await families.find_persons(conn, [*asked, *(event.vendor_id for event in seating.promoted)])
    seated = {persons.get(event.vendor_id, event.vendor_id) for event in seating.promoted}
    here = {vendor_id: Standing(a_class.class_id) for vendor_id in asked if persons.get(vendor_id, vendor_id) in seated}
    course = await courses.find_course(conn, a_class.course)
    clashes = await find_clashes(conn, [(vendor_id, a_class) for vendor_id in asked])
    return About(
        known=seating.versions.keys(),
        standings={**seating.standings, **here},
        persons=persons,
        waits=waits,
        lacking=await _lacking(conn, course, asked),
        categories=await registry.find_categories(conn, asked) if a_class.category is not None else {},
        engagements=dict(zip(asked, clashes, strict=True)),
    )


async def _lacking(conn: Connection, course: Course | None, asked: list[UUID]) -> dict[UUID, list[str]]:
    if course is None or not course.prerequisites:
        return {}
    completed = await courses.find_completed_courses(conn, asked)
    return {vendor_id: missing_prerequisites(course, completed[vendor_id]) for vendor_id in asked}


async def _wait(
    conn: Connection, a_class: TrainingClass, vendor_ids: list[UUID], *, now: datetime
) -> list[TrainingWaitlisted]:
    """Have these wait, in this order: for the class, or once it has begun for the next one of the course."""
    if not vendor_ids:
        return []
    class_id = domain.awaited(a_class, day_in_jakarta(now))
    # behind everybody who waits already, whatever the moment at which the request came in
    last = await waiting.find_last_since(conn, a_class.course)
    first = now if last is None else max(now, last + timedelta(microseconds=1))
    since = {vendor_id: first + timedelta(microseconds=number) for number, vendor_id in enumerate(vendor_ids)}
    await waiting.save_waits(conn, a_class.course, class_id, since)
    if class_id is None:
        # another class of the course may have room where the vendor lives
        await look_for_places(conn, a_class.course, now=now)
        homes = await registry.find_homes(conn, vendor_ids)
        places = await find_places_in_line(conn, a_class.course, set(homes.values()))
    else:
        queue = await waiting.find_queue(conn, a_class.course, class_id, a_class.area)
        places = {waiter.vendor_id: place for place, waiter in enumerate(queue, start=1)}
    return [
        domain.waitlisted_event(a_class, vendor_id, class_id, places.get(vendor_id, len(places) + 1))
        for vendor_id in vendor_ids
    ]


async def withdraw_vendors(
    conn: Connection, class_id: UUID, command: WithdrawVendors, *, by_officer: bool, now: datetime
) -> Withdrawing:
    """Take places back, or let people wait no longer; places that come free go to those who wait.

    Raises `ClassNotFound`.
    """
    a_class = await lock_places(conn, class_id)
    places = await rosters.find_places(conn, class_id, command.vendor_ids)
    waits = await waiting.find_waits(conn, a_class.course, command.vendor_ids)
    outcome = domain.withdraw(
        a_class,
        command.vendor_ids,
        places,
        {
            vendor_id: wait.vendor_id
            for vendor_id, wait in waits.items()
            if wait.class_id == class_id or (wait.class_id is None and vendor_id in places)
        },
        today=day_in_jakarta(now),
        by_officer=by_officer,
    )
    given_up = [event.vendor_id for event in outcome.withdrawn if not event.waited_only]
    taken = await rosters.count_enrolled(conn, class_id) - len(given_up)
    leaving = [event.vendor_id for event in outcome.withdrawn]
    await waiting.delete_waits(
        conn, a_class.course, [event.vendor_id for event in outcome.withdrawn if event.waited_only]
    )
    seating = await seat_those_who_wait(conn, a_class.course, opening_of(a_class, taken, now=now), leaving)
    await rosters.delete_enrolments(conn, class_id, given_up, by="officer" if by_officer else "vendor", now=now)
    waited = await waiting.find_waits(conn, a_class.course, [event.vendor_id for event in seating.promoted])
    await give_places(conn, a_class.course, seating.promoted, waited, now=now)
    known = [event for event in outcome.withdrawn if event.vendor_id in seating.versions]
    await record(conn, seating.versions, [*known, *seating.promoted], now=now)
    if given_up and await waiting.find_waits(conn, a_class.course, given_up):
        # by another of its ids: the place it had was what kept it from its turn
        await look_for_places(conn, a_class.course, now=now)
    return outcome


async def stop_waiting(
    conn: Connection, vendor_ids: Collection[UUID], course: str, *, by_officer: bool, now: datetime
) -> None:
    """A person, by these its ids, waits for this course no longer. Raises `NotWaiting`."""
    await waiting.lock_queue(conn, course)
    waits = [(code, wait) for code, wait in await waiting.find_waits_of(conn, list(vendor_ids)) if code == course]
    if not waits:
        raise NotWaiting(f"The vendor does not wait for {course}; its record lists what it waits for.", course=course)
    versions = await trainees.lock_trainees(conn, [wait.vendor_id for _, wait in waits])
    await waiting.delete_waits(conn, course, [wait.vendor_id for _, wait in waits])
    events = [
        TrainingWithdrawn(
            vendor_id=wait.vendor_id,
            class_id=wait.class_id,
            course=course,
            by="officer" if by_officer else "vendor",
            waited_only=True,
        )
        for _, wait in waits
        if wait.vendor_id in versions
    ]
    await record(conn, versions, events, now=now)

"""Places that are free go to those who wait, before anybody else gets them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.training.domain.clashes import Engagement, clashes_with
from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Standing, enrolled_event
from services.training.domain.openings import Opening
from services.training.domain.waiting import Wait, seat_waiting
from services.training.handlers import tickets
from services.training.handlers.promotion import look_for_places
from services.training.handlers.requesters import close_requests
from services.training.handlers.results import recall
from services.training.handlers.trainees import record
from services.training.store import classes, engagements, rosters, trainees, waiting
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TrainingEnrolled

__all__ = [
    "Seating",
    "find_clashes",
    "give_places",
    "opening_of",
    "promote_waiting",
    "seat_those_who_wait",
]


@dataclass
class Seating:
    """Who is promoted, nothing of it recorded yet; `versions` and `standings`: of all whose records were locked.

    `spoken_for`: places are left that others wait for, who could not be seen yet.
    """

    promoted: list[TrainingEnrolled]
    versions: dict[UUID, int]
    standings: dict[UUID, Standing]
    spoken_for: bool = False


def opening_of(a_class: TrainingClass, taken: int, *, now: datetime) -> list[Opening]:
    """The class as an opening for those who wait; none where it has begun or is full."""
    room = a_class.places - taken
    return [Opening(a_class, room)] if room > 0 and a_class.is_ahead(day_in_jakarta(now)) else []


async def seat_those_who_wait(
    conn: Connection, course: str, openings: Sequence[Opening], also: Collection[UUID] = ()
) -> Seating:
    """Find who gets the places of these classes, and lock their training records and `also` these.

    The course's queue and the classes are locked. Record with `give_places`.
    """
    queue = await waiting.find_next(conn, openings)
    vendor_ids = {*also, *(waiter.vendor_id for waiter in queue)}
    versions = await trainees.lock_trainees(conn, vendor_ids)
    standings = await trainees.find_standings(conn, course, vendor_ids)
    # erased, or judged to have completed the course, since the queue was read
    free = [
        waiter
        for waiter in queue
        if waiter.vendor_id in versions and standings.get(waiter.vendor_id, Standing()) == Standing()
    ]
    seated = seat_waiting(free, openings)
    booked = await find_clashes(conn, [(waiter.vendor_id, place) for waiter, place in seated])
    promoted = [
        enrolled_event(place, waiter.vendor_id, clashes, promoted=True)
        for (waiter, place), clashes in zip(seated, booked, strict=True)
    ]
    return Seating(promoted, versions, standings, len(free) < len(queue) and len(seated) < _room(openings))


async def find_clashes(conn: Connection, places: Sequence[tuple[UUID, TrainingClass]]) -> list[list[Engagement]]:
    """For each vendor and the class it is to have a place in: what clashes with it."""
    days = [day for _, a_class in places for day in a_class.days]
    if not days:
        return [[] for _ in places]
    vendor_ids = list({vendor_id for vendor_id, _ in places})
    found = await engagements.find_engagements(conn, vendor_ids, min(days), max(days))
    return [clashes_with(a_class, found.get(vendor_id, ())) for vendor_id, a_class in places]


def _room(openings: Sequence[Opening]) -> int:
    return sum(opening.room for opening in openings)


async def give_places(
    conn: Connection, course: str, enrolled: Sequence[TrainingEnrolled], waits: Mapping[UUID, Wait], *, now: datetime
) -> None:
    """Save that these have places and wait no longer, with the moment since when they did: should their class be
    cancelled, they wait on as if they had never had one.
    """
    if not enrolled:
        return
    vendor_ids = [event.vendor_id for event in enrolled]
    since = {vendor_id: wait.since for vendor_id, wait in waits.items()}
    await rosters.add_enrolments(conn, enrolled, since, now=now)
    await waiting.delete_waits(conn, course, vendor_ids)
    await close_requests(conn, course, vendor_ids, now=now)
    await recall(conn, enrolled, now=now)
    for class_id in {event.class_id for event in enrolled}:
        await tickets.issue(conn, class_id, now=now)


async def promote_waiting(conn: Connection, key: str, now: datetime) -> None:
    """Timer: places of any class of this course that are free go to those who wait."""
    course = key.split("/")[0]
    await waiting.lock_queue(conn, course)
    openings = await classes.lock_roomy(conn, course, day_in_jakarta(now))
    seating = await seat_those_who_wait(conn, course, openings)
    waits = await waiting.find_waits(conn, course, [event.vendor_id for event in seating.promoted])
    await give_places(conn, course, seating.promoted, waits, now=now)
    await record(conn, seating.versions, seating.promoted, now=now)
    if seating.promoted:
        # whoever came behind these may find a place in another class now
        await look_for_places(conn, course, now=now)

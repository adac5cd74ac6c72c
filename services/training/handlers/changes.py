"""Classes that people have places in are moved, grown or shrunk, and cancelled."""

from datetime import datetime
from uuid import UUID

from services.training.domain import changes as domain
from services.training.domain.changes import CancelClass, MoveClass, ResizeClass
from services.training.domain.clashes import caution_of_clashes
from services.training.domain.classes import Caution, TrainingClass
from services.training.handlers import tickets
from services.training.handlers.classes import lock_class, lock_places
from services.training.handlers.reminders import find_bound, release, set_class_timers
from services.training.handlers.requesters import give_back
from services.training.handlers.seating import find_clashes, give_places, opening_of, seat_those_who_wait
from services.training.handlers.trainees import record
from services.training.store import attendance, classes, rosters, trainees, waiting
from shared import outbox
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TrainingClassCancelled, TrainingClassMoved

__all__ = ["cancel_class", "move_class", "resize_class"]


async def move_class(
    conn: Connection, class_id: UUID, command: MoveClass, *, now: datetime
) -> tuple[TrainingClass, list[Caution]]:
    """Move a class to other days, hours or another place; everybody keeps its place and hears of it, with what it has
    besides on the new days. Moved to where it is, nothing happens.

    Raises `ClassNotFound`, and as `domain.move` does.
    """
    before = await lock_places(conn, class_id)
    taken_days = await attendance.find_taken_days(conn, class_id)
    change = domain.move(before, command, taken_days, today=day_in_jakarta(now))
    if change is None:
        return before, []
    moved, event = change
    await classes.save_class(conn, moved, now=now)
    await outbox.record(conn, [outbox.Fact(event, moved.version)], now=now)
    await set_class_timers(conn, moved, now=now)
    await tickets.issue(conn, class_id, now=now)
    roster = [enrolment.vendor_id for enrolment in await rosters.find_roster(conn, class_id)]
    taken = await rosters.count_enrolled(conn, class_id)
    # moved from a day that had come, a class may take people again
    seating = await seat_those_who_wait(conn, moved.course, opening_of(moved, taken, now=now), roster)
    waits = await waiting.find_waits(conn, moved.course, [one.vendor_id for one in seating.promoted])
    await give_places(conn, moved.course, seating.promoted, waits, now=now)
    there = [vendor_id for vendor_id in roster if vendor_id in seating.versions]
    clashes = await find_clashes(conn, [(vendor_id, moved) for vendor_id in there])
    told = [
        TrainingClassMoved(
            vendor_id=vendor_id,
            class_id=class_id,
            course=moved.course,
            title=moved.title,
            days=list(moved.days),
            days_before=list(before.days),
            starts_at=moved.starts_at,
            venue=moved.venue,
            clashes=sorted({each.day for each in of_one}),
        )
        for vendor_id, of_one in zip(there, clashes, strict=True)
    ]
    await record(conn, seating.versions, [*told, *seating.promoted], now=now)
    cautions = [
        caution_of_clashes(vendor_id, of_one) for vendor_id, of_one in zip(there, clashes, strict=True) if of_one
    ]
    return moved, cautions


async def resize_class(conn: Connection, class_id: UUID, command: ResizeClass, *, now: datetime) -> TrainingClass:
    """Give a class more places, or fewer; those that come free go to those who wait.

    Raises `ClassNotFound`, `ClassNotOpen`, `PlacesTaken`.
    """
    before = await lock_places(conn, class_id)
    taken = await rosters.count_enrolled(conn, class_id)
    resized = domain.resize(before, command, taken)
    await classes.save_class(conn, resized, now=now)
    seating = await seat_those_who_wait(conn, resized.course, opening_of(resized, taken, now=now))
    waits = await waiting.find_waits(conn, resized.course, [one.vendor_id for one in seating.promoted])
    await give_places(conn, resized.course, seating.promoted, waits, now=now)
    await record(conn, seating.versions, seating.promoted, now=now)
    return resized


async def cancel_class(conn: Connection, class_id: UUID, command: CancelClass, *, now: datetime) -> None:
    """Cancel a class, prepared or open. Nobody loses its turn: who had a place waits for the next class of the course
    as if it had waited since it enrolled, who waited waits on, who was invited or asked for it is invited to the next.

    Raises `ClassNotFound`, `ClassNotOpen`. Again, it changes nothing.
    """
    found = await classes.find_class(conn, class_id)
    if found is not None:
        await trainees.lock_inviting(conn, found.course)
        await waiting.lock_queue(conn, found.course)
    before = await lock_class(conn, class_id)
    change = domain.cancel(before, command)
    if change is None:
        return
    cancelled, event = change
    bound = await find_bound(conn, before)
    roster = [enrolment.vendor_id for enrolment in await rosters.find_roster(conn, class_id)]
    versions = await trainees.lock_trainees(conn, [*roster, *(waiter.vendor_id for waiter in bound)])
    await classes.save_class(conn, cancelled, now=now, reason=command.reason)
    await outbox.record(conn, [outbox.Fact(event, cancelled.version)], now=now)
    await waiting.add_waits_of_cancelled(conn, class_id)
    waitlisted = await release(conn, cancelled, bound, versions, now=now)
    await trainees.take_invitations_back(conn, class_id)
    await give_back(conn, class_id, now=now)
    told = [
        TrainingClassCancelled(
            vendor_id=vendor_id,
            class_id=class_id,
            course=cancelled.course,
            title=cancelled.title,
            reason=command.reason,
        )
        for vendor_id in roster
        if vendor_id in versions
    ]
    await record(conn, versions, [*told, *waitlisted], now=now)

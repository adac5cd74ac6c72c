"""Classes are opened and finished."""

from datetime import datetime
from uuid import UUID

from services.training.domain import classes as domain
from services.training.domain import invitations
from services.training.domain.classes import ClassNotFound, OpenClass, TrainingClass
from services.training.handlers.results import judge
from services.training.handlers.trainees import record
from services.training.store import classes, rosters, trainees
from shared import outbox
from shared.clock import day_in_jakarta
from shared.db import Connection


async def open_class(conn: Connection, command: OpenClass, *, class_id: UUID, now: datetime) -> TrainingClass:
    """Open a class, and invite to it those in its area who wait for one of this course."""
    await trainees.lock_inviting(conn, command.course)
    opened, event = domain.open_class(class_id, command)
    await classes.add_class(conn, opened, now=now)
    await outbox.record(conn, [outbox.Fact(event, opened.version)], now=now)
    today = day_in_jakarta(now)
    if invitations.takes_invitations(opened, today):
        waiting = await trainees.find_waiting(conn, opened)
        versions = await trainees.lock_trainees(conn, waiting)
        standings = await trainees.find_standings(conn, opened.course, waiting)
        invited = invitations.invite_waiting(opened, waiting, standings)
        await trainees.save_invitations(conn, invited, now=now)
        await record(conn, versions, invited, now=now)
    return opened


async def finish_class(conn: Connection, class_id: UUID, *, now: datetime) -> tuple[int, int]:
    """Finish a class and judge everybody in it; again, it changes nothing. Returns how many completed and did
    not.

    Raises `ClassNotFound`, `ClassRunning`, `AttendanceMissing`.
    """
    a_class = await lock_class(conn, class_id)
    taken_days = await rosters.find_taken_days(conn, class_id)
    finished = domain.finish(a_class, taken_days, today=day_in_jakarta(now))
    if finished != a_class:
        await classes.save_finished(conn, class_id, now=now)
        await judge(conn, finished, await rosters.find_roster(conn, class_id), now=now)
    return await rosters.count_results(conn, class_id)


async def lock_class(conn: Connection, class_id: UUID) -> TrainingClass:
    """The class, locked. Raises `ClassNotFound`."""
    a_class = await classes.lock_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class

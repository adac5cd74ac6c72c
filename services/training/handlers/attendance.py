"""Attendance is taken, and corrected."""

from datetime import datetime
from uuid import UUID

from services.training.domain import attendance as domain
from services.training.domain.attendance import TakeAttendance
from services.training.handlers.classes import lock_class
from services.training.handlers.results import judge
from services.training.store import rosters
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TraineeEvent


async def take_attendance(
    conn: Connection, class_id: UUID, command: TakeAttendance, *, taken_by: str, now: datetime
) -> list[TraineeEvent]:
    """Set who attended one day. In a finished class results are judged anew; returns what changed for whom.

    Raises `ClassNotFound`, `NoSuchSession`, `SessionAhead`, `NotEnrolled`.
    """
    a_class = await lock_class(conn, class_id)
    roster = await rosters.find_roster(conn, class_id)
    roster = domain.take_attendance(a_class, roster, command, today=day_in_jakarta(now))
    await rosters.save_attendance(conn, class_id, command.day, command.vendor_ids, taken_by=taken_by, now=now)
    return await judge(conn, a_class, roster, now=now)

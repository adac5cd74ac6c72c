"""Attendance is taken, and corrected."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.training.domain import attendance as domain
from services.training.domain.attendance import CorrectAttendance, Mark, MarkSource, TakeAttendance
from services.training.domain.classes import TrainingClass
from services.training.handlers.classes import lock_class
from services.training.handlers.results import settle
from services.training.store import attendance as store
from services.training.store import rosters
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TraineeEvent


async def take_attendance(
    conn: Connection, class_id: UUID, command: TakeAttendance, *, taken_by: str, now: datetime
) -> list[TraineeEvent]:
    """Set who attended one day. In a finished class results are judged anew; returns what changed for whom.

    Raises `ClassNotFound`, `NotHeld`, `NoSuchSession`, `SessionAhead`, `NotEnrolled`.
    """
    a_class = await lock_class(conn, class_id)
    places = list(await store.find_seats(conn, class_id))
    asked = await find_at_places(conn, class_id, command.vendor_ids, places)
    listed = TakeAttendance.model_construct(day=command.day, vendor_ids=sorted(set(asked.values())))
    marks = domain.whole_list(a_class, places, listed, today=day_in_jakarta(now))
    attended = sum(mark.present for mark in marks)
    await store.add_list(conn, class_id, command.day, attended=attended, taken_by=taken_by, now=now)
    return await mark(conn, a_class, marks, "list", marked_by=taken_by, now=now)


async def correct_attendance(
    conn: Connection, class_id: UUID, command: CorrectAttendance, *, corrected_by: str, now: datetime
) -> list[TraineeEvent]:
    """Set whether one vendor attended one day; returns and raises as `take_attendance` does."""
    a_class = await lock_class(conn, class_id)
    places = list(await store.find_seats(conn, class_id))
    asked = await find_at_places(conn, class_id, [command.vendor_id], places)
    found = command.model_copy(update={"vendor_id": asked[command.vendor_id]})
    marked = domain.correction(a_class, places, found, today=day_in_jakarta(now))
    return await mark(conn, a_class, [marked], "officer", marked_by=corrected_by, now=now)


async def find_at_places(
    conn: Connection, class_id: UUID, vendor_ids: Sequence[UUID], places: Collection[UUID]
) -> dict[UUID, UUID]:
    """Each of these ids -> the id under which its person has a place in the class; itself where it has none."""
    asked = {vendor_id: vendor_id for vendor_id in vendor_ids}
    return asked if set(asked) <= set(places) else asked | await rosters.find_places(conn, class_id, vendor_ids)


async def mark(
    conn: Connection,
    a_class: TrainingClass,
    marks: Sequence[Mark],
    source: MarkSource,
    *,
    marked_by: str,
    now: datetime,
) -> list[TraineeEvent]:
    """Keep these words of a person on who was there, in a locked class; what follows is settled."""
    await store.add_marks(conn, a_class.class_id, marks, source, marked_by=marked_by, now=now)
    return await settle(conn, a_class, {mark.day for mark in marks}, now=now)

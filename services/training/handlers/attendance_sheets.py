"""A sheet of attendance is taken: all of it, or nothing."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.training.domain import attendance, attendance_sheets
from services.training.domain.attendance_sheets import Fault, SheetFaulty, SheetRow
from services.training.handlers.attendance import find_at_places, mark
from services.training.handlers.classes import lock_class
from services.training.store import attendance as store
from services.training.store import tickets
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TraineeEvent


class Taken(NamedTuple):
    """What a sheet says: so many marks, present ones by day, and what is wrong with it (then nothing is recorded)."""

    marks: int
    present: dict[date, int]
    faults: list[Fault]
    events: list[TraineeEvent]


async def take_sheet(
    conn: Connection,
    class_id: UUID,
    rows: Sequence[SheetRow],
    faults: Sequence[Fault],
    *,
    own: Collection[UUID],
    taken_by: str,
    dry_run: bool,
    now: datetime,
) -> Taken:
    """Mark who was there as the rows say; `faults`: of rows that could not be read. In a finished class results are
    judged anew. `dry_run`: say what is wrong, record nothing.

    Raises `ClassNotFound`, `NotHeld`; without `dry_run` also `SheetFaulty`.
    """
    a_class = await lock_class(conn, class_id)
    attendance.require_held(a_class)
    seats = await store.find_seats(conn, class_id)
    numbers = await tickets.find_numbers(conn, class_id)
    named = {row.vendor_id for row in rows if row.vendor_id is not None}
    asked = await find_at_places(conn, class_id, sorted({*named, *numbers.values()}), seats)
    places = {vendor_id: place for vendor_id, place in asked.items() if place in seats}
    reading = attendance_sheets.read_rows(a_class, rows, places, numbers, own, today=day_in_jakarta(now))
    wrong = sorted([*faults, *reading.faults])
    if wrong and not dry_run:
        raise SheetFaulty(wrong)
    events: list[TraineeEvent] = []
    if not wrong and not dry_run:
        events = await mark(conn, a_class, reading.marks, "sheet", marked_by=taken_by, now=now)
    present: dict[date, int] = {}
    for one in reading.marks:
        present[one.day] = present.get(one.day, 0) + one.present
    return Taken(len(reading.marks), dict(sorted(present.items())), wrong, events)

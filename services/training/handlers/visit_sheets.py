"""Visits of a sheet, all that can be; what became of each row."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.training.domain.areas import covers
from services.training.domain.visits import Problem, Wish
from services.training.handlers import visits as handlers
from services.training.store import assignments
from services.training.visit_sheets import VisitRow
from shared.crypto import Sealer
from shared.db import Connection


class RowOutcome(NamedTuple):
    """A row that was taken now, or was there already (`already`), or has problems."""

    row: VisitRow
    visit_id: UUID | None
    already: bool = False
    problems: tuple[Problem, ...] = ()


class Sender(NamedTuple):
    """Who sends a sheet: a mentor its own; or an officer of the area `within`, for the mentor `mentor_id` where a row
    names none. `own_ids`: who the officer is as a vendor besides.
    """

    subject: str
    mentor_id: UUID | None
    within: str | None = None
    own_ids: Collection[UUID] = ()

    @property
    def is_officer(self) -> bool:
        """Whether an officer sends it."""
        return self.within is not None


async def log_sheet(
    conn: Connection, rows: Sequence[VisitRow], sender: Sender, *, sealer: Sealer, now: datetime
) -> list[RowOutcome]:
    """Log the rows of a sheet, all that can be; an outcome for each, in the order of the sheet.

    The same row again changes nothing, in this sheet or in a later one.
    """
    known = {row.vendor_id for row in rows if row.vendor_id is not None}
    homes = await assignments.find_homes(conn, known) if sender.is_officer else {}
    outcomes: list[RowOutcome] = []
    wishes: list[tuple[int, Wish]] = []
    for place, row in enumerate(rows):
        problem = None if row.problems else _fault(row, sender, homes)
        problems = row.problems if problem is None else (problem,)
        outcomes.append(RowOutcome(row, None, problems=problems))
        mentor_id = row.mentor_id or sender.mentor_id
        if not problems and row.vendor_id is not None and row.entry is not None and mentor_id is not None:
            wishes.append((place, Wish(row.vendor_id, mentor_id, row.reference, row.entry)))
    logged = await handlers.log_visits(
        conn,
        [wish for _, wish in wishes],
        by=sender.subject,
        by_officer=sender.is_officer,
        sealer=sealer,
        now=now,
    )
    for (place, _), outcome in zip(wishes, logged, strict=True):
        visit_id = outcome.already if outcome.visit is None else outcome.visit.visit_id
        already = outcome.visit is None and not outcome.problems
        outcomes[place] = RowOutcome(rows[place], visit_id, already, outcome.problems)
    return outcomes


def _fault(row: VisitRow, sender: Sender, homes: dict[UUID, str]) -> Problem | None:
    if not sender.is_officer:
        if row.mentor_id not in (None, sender.mentor_id):
            fix = "leave the column out: a mentor sends visits of its own"
            return Problem("mentor_id", "mentor-other", "is another mentor", fix)
        return None
    if row.mentor_id is None and sender.mentor_id is None:
        fix = "fill in the column, or say for which mentor the sheet is"
        return Problem("mentor_id", "mentor-missing", "is missing", fix)
    home = None if row.vendor_id is None else homes.get(row.vendor_id)
    if home is None or sender.within is None or not covers(sender.within, home):
        return Problem("vendor_id", "outside-area", "is no vendor of your area", "ask an officer of its area")
    if row.vendor_id in sender.own_ids:
        return Problem("vendor_id", "own-case", "is you yourself", "another officer of the area enters it")
    return None

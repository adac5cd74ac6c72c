"""Criteria of graduation: a new version is added, and tried out before."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import NamedTuple

from services.training.domain import criteria as domain
from services.training.domain.criteria import (
    AddCriteria,
    CriteriaDocument,
    CriteriaVersionTaken,
    Progress,
    code_of,
    month_of,
    month_text,
)
from services.training.handlers.graduation import EVERYONE
from services.training.store import criteria as store
from services.training.store import figures
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.timers import set_timer


class Foreseen(NamedTuple):
    """Of the people of an area with figures lately enough: how many would be candidates; at which conditions the others
    fail (one may fail at several).
    """

    people: int
    met: int
    failed: dict[str, int]


async def add_criteria(conn: Connection, command: AddCriteria, *, made_by: str, now: datetime) -> None:
    """Add the next version; everybody is looked at when it comes into force. What stands already is judged by its own.

    Raises `EffectiveDayRefused` or `CriteriaVersionTaken`.
    """
    domain.check_effective(command.effective_on, day_in_jakarta(now))
    if not await store.add_criteria(conn, command, made_by, now):
        raise CriteriaVersionTaken(
            f"{command.version} is not the version that follows the last one; read them again and build on that.",
            version=command.version,
        )
    due_at = datetime.combine(command.effective_on, time(0, 30), JAKARTA)
    await set_timer(conn, EVERYONE, f"{command.name}/{command.version}", max(now, due_at))


async def foresee(conn: Connection, document: CriteriaDocument, area: str, *, today: date) -> Foreseen:
    """How many people of an area would be candidates by these criteria today, whatever was decided about them before.

    Read some at a time, each person once; the counting is done beside the event loop.
    """
    since = month_text(month_of(today) - document.late_months)
    people = met = 0
    failed: Counter[str] = Counter()
    needs = domain.needs_of([document], today)
    async for some in figures.find_everyone(conn, area, since):
        progress = await figures.find_progress(conn, some, needs)
        counted = await asyncio.to_thread(_count, document, list(progress.values()), today)
        people, met = people + counted.people, met + counted.met
        failed.update(counted.failed)
    return Foreseen(people, met, dict(sorted(failed.items())))


def _count(document: CriteriaDocument, people: Iterable[Progress], today: date) -> Foreseen:
    seen = met = 0
    failed: Counter[str] = Counter()
    for one in people:
        evaluation = domain.evaluate(document, one, today)
        if not evaluation.run:
            continue
        seen += 1
        met += evaluation.met
        failed.update(code_of(check.condition) for check in evaluation.checks if not check.met)
    return Foreseen(seen, met, dict(failed))

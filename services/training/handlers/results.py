"""Those who had a place in a class are judged by what they attended."""

from collections.abc import Sequence
from datetime import datetime

from services.training.domain import results as domain
from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Enrolment
from services.training.handlers.trainees import record
from services.training.store import rosters, trainees
from shared.db import Connection
from shared.events.training import TraineeEvent


async def judge(
    conn: Connection, a_class: TrainingClass, roster: Sequence[Enrolment], *, now: datetime
) -> list[TraineeEvent]:
    """Save and record whose result is new or has changed; nothing while the class runs. Returns what was recorded."""
    changed = domain.evaluate(a_class, roster)
    if not changed:
        return []
    versions = await trainees.lock_trainees(conn, [enrolment.vendor_id for enrolment, _ in changed])
    # who was erased since the roster was read is judged no more
    judged = [enrolment for enrolment, _ in changed if enrolment.vendor_id in versions]
    events = [event for _, event in changed if event.vendor_id in versions]
    await rosters.save_results(conn, a_class.class_id, judged, now=now)
    await record(conn, versions, events, now=now)
    return events

"""Who attended is settled by what is known, and those who had a place in a finished class are judged by it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from services.training.domain import completion as completing
from services.training.domain import results as domain
from services.training.domain.attendance import attended
from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Enrolment
from services.training.handlers.certificates import settle_soon
from services.training.handlers.promotion import look_for_places
from services.training.handlers.trainees import record
from services.training.store import attendance, completion, graduation, rosters, trainees, waiting
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.training import TraineeEvent, TrainingEnrolled


async def settle(
    conn: Connection, a_class: TrainingClass, days: Collection[date], *, now: datetime
) -> list[TraineeEvent]:
    """Set who attended these days of a locked class to what is known of them now. In a finished class results are
    judged anew; returns what changed for whom.
    """
    if not days:
        return []
    evidence = await attendance.find_evidence(conn, a_class.class_id, days)
    await attendance.save_attended(conn, a_class.class_id, days, attended(evidence), now=now)
    if a_class.state != "finished":
        return []
    return await judge(conn, a_class, await rosters.find_roster(conn, a_class.class_id), now=now)


async def recall(conn: Connection, enrolled: Sequence[TrainingEnrolled], *, now: datetime) -> None:
    """Who gets a place in a class that has begun may have had one before: what is known of its attendance counts."""
    today = day_in_jakarta(now)
    begun = {event.class_id: [day for day in event.days if day <= today] for event in enrolled}
    for class_id, days in sorted(begun.items()):
        if days:
            evidence = await attendance.find_evidence(conn, class_id, days)
            await attendance.save_attended(conn, class_id, days, attended(evidence), now=now)


async def judge(
    conn: Connection, a_class: TrainingClass, roster: Sequence[Enrolment], *, now: datetime
) -> list[TraineeEvent]:
    """Save and record whose result is new or has changed; nothing while the class runs. Returns what was recorded."""
    if a_class.state != "finished":
        return []
    rule = await completion.find_rule(conn, a_class.rule)
    scores = {} if rule.score_min is None else await completion.find_scores(conn, a_class.class_id)
    changed = domain.evaluate(a_class, roster, rule, scores)
    if not changed:
        return []
    versions = await trainees.lock_trainees(conn, [enrolment.vendor_id for enrolment, _ in changed])
    # who was erased since the roster was read is judged no more
    judged = [enrolment for enrolment, _ in changed if enrolment.vendor_id in versions]
    events = [event for _, event in changed if event.vendor_id in versions]
    await rosters.save_results(conn, a_class.class_id, judged, now=now)
    await record(conn, versions, events, now=now)
    await settle_soon(conn, a_class.class_id, now=now)
    # criteria of graduation may ask for trainings
    await graduation.add_due(conn, [event.vendor_id for event in events])
    if await waiting.find_waits(conn, a_class.course, list(versions)):
        # by another of its ids: who did not complete the course may have its turn now
        await look_for_places(conn, a_class.course, now=now)
    return events


async def require_scores(conn: Connection, a_class: TrainingClass, roster: Sequence[Enrolment]) -> None:
    """Refuse to judge a class by a test of which no score was entered. Raises `ScoresMissing`."""
    rule = await completion.find_rule(conn, a_class.rule)
    if rule.score_min is not None:
        scores = await completion.find_scores(conn, a_class.class_id)
        completing.require_scores(rule, scores.values(), len(roster))

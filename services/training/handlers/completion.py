"""Completion rules are made, and scores of tests entered."""

from datetime import datetime
from uuid import UUID

from services.training.domain import attendance as places_of
from services.training.domain import completion as domain
from services.training.domain.completion import CompletionRule, EnterScores, MakeRule, Score
from services.training.domain.courses import CourseNotFound
from services.training.handlers.attendance import find_at_places
from services.training.handlers.classes import lock_class
from services.training.handlers.results import judge
from services.training.store import attendance, courses, rosters
from services.training.store import completion as store
from shared.db import Connection
from shared.events.training import TraineeEvent


async def make_rule(conn: Connection, command: MakeRule, *, made_by: str, now: datetime) -> CompletionRule:
    """Have classes opened from now on judged by a new rule; classes under way keep theirs. Raises `CourseNotFound`."""
    if command.course is not None and await courses.find_course(conn, command.course) is None:
        raise CourseNotFound(command.course)
    rule = domain.make_rule(command, await store.lock_rules(conn) + 1)
    await store.add_rule(conn, rule, made_by=made_by, now=now)
    return rule


async def enter_scores(
    conn: Connection, class_id: UUID, command: EnterScores, *, entered_by: str, now: datetime
) -> list[TraineeEvent]:
    """Enter or correct scores. In a finished class results are judged anew; returns what changed for whom.

    Raises `ClassNotFound`, `NotHeld`, `NoTest`, `NotEnrolled`.
    """
    a_class = await lock_class(conn, class_id)
    places_of.require_held(a_class)
    domain.require_test(await store.find_rule(conn, a_class.rule))
    places = await attendance.find_seats(conn, class_id)
    asked = await find_at_places(conn, class_id, [one.vendor_id for one in command.scores], places)
    places_of.require_places(asked.values(), places)
    scores = [Score(vendor_id=asked[one.vendor_id], score=one.score) for one in command.scores]
    await store.add_scores(conn, class_id, scores, entered_by=entered_by, now=now)
    return await judge(conn, a_class, await rosters.find_roster(conn, class_id), now=now)

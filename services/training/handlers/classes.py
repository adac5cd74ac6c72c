"""Classes are drafted, opened and finished."""

from datetime import datetime
from uuid import UUID

from services.training.domain import classes as domain
from services.training.domain import invitations
from services.training.domain.classes import Caution, ClassNotFound, EditDraft, OpenClass, TrainingClass
from services.training.domain.courses import Course
from services.training.handlers.courses import find_listed_course
from services.training.handlers.providers import require_provider
from services.training.handlers.reminders import set_class_timers
from services.training.handlers.requesters import find_requesters, invite_requesters
from services.training.handlers.results import judge, require_scores
from services.training.handlers.seating import give_places, opening_of, seat_those_who_wait
from services.training.handlers.trainees import record
from services.training.store import attendance, classes, completion, rosters, trainees, waiting
from shared import families, outbox
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id

__all__ = [
    "draft_class",
    "edit_draft",
    "enter_draft",
    "finish_class",
    "lock_class",
    "lock_places",
    "open_class",
    "open_draft",
]


async def draft_class(
    conn: Connection,
    *,
    course: Course,
    area: str,
    places: int,
    provider_id: UUID | None,
    requests: int,
    now: datetime,
) -> TrainingClass:
    """Prepare a class because so many people of the area asked for the course (DOMAIN B5)."""
    command = OpenClass(
        draft=True, course=course.course, title=course.name_id, area=area, places=places, provider_id=provider_id
    )
    return await _add_draft(conn, new_id(), command, requests=requests, now=now)


async def enter_draft(
    conn: Connection, command: OpenClass, *, class_id: UUID, now: datetime
) -> tuple[TrainingClass, list[Caution]]:
    """Prepare a class as an officer describes it; with what is unusual about it. Raises as `open_class` does."""
    course = await _check(conn, command.course, command.area, command.provider_id, now=now)
    draft = await _add_draft(conn, class_id, command, requests=0, now=now)
    return draft, domain.cautions_of_class(draft, course)


async def _add_draft(
    conn: Connection, class_id: UUID, command: OpenClass, *, requests: int, now: datetime
) -> TrainingClass:
    draft, event = domain.draft_class(class_id, command, requests=requests)
    await classes.add_class(conn, draft, now=now)
    await outbox.record(conn, [outbox.Fact(event, draft.version)], now=now)
    return draft


async def edit_draft(
    conn: Connection, class_id: UUID, command: EditDraft, *, now: datetime
) -> tuple[TrainingClass, list[Caution]]:
    """Change what is prepared. Raises `ClassNotFound`, as `domain.edit_draft` and `open_class` do."""
    draft = await lock_class(conn, class_id)
    edited = domain.edit_draft(draft, command)
    asked = edited.provider_id if edited.provider_id != draft.provider_id else None
    course = await _check(conn, draft.course, draft.area, asked, now=now)
    await classes.save_class(conn, edited, now=now)
    return edited, domain.cautions_of_class(edited, course)


async def open_class(
    conn: Connection, command: OpenClass, *, class_id: UUID, now: datetime
) -> tuple[TrainingClass, list[Caution]]:
    """Open a class: those in its area who wait for a place in one of this course get one, the others who asked for it
    or were invited to wait are invited to it. Gives it with what is unusual about it.

    Raises `CourseNotFound`, `CourseNotListed`, `ProviderNotFound`, `ProviderUnfit`.
    """
    await trainees.lock_inviting(conn, command.course)
    await waiting.lock_queue(conn, command.course)
    course = await _check(conn, command.course, command.area, command.provider_id, now=now)
    rule = await completion.find_rule_in_force(conn, command.course)
    opened, event = domain.open_class(class_id, command, rule=rule)
    await classes.add_class(conn, opened, now=now)
    await outbox.record(conn, [outbox.Fact(event, opened.version)], now=now)
    await _fill(conn, opened, now=now)
    return opened, domain.cautions_of_class(opened, course)


async def open_draft(conn: Connection, class_id: UUID, *, now: datetime) -> tuple[TrainingClass, list[Caution]]:
    """Open a class that was prepared, as `open_class` does. Raises `ClassNotFound`, `ClassNotDraft`,
    `DraftIncomplete`, and as `open_class` does.
    """
    code = (await _find_class(conn, class_id)).course
    await trainees.lock_inviting(conn, code)
    await waiting.lock_queue(conn, code)
    draft = await lock_class(conn, class_id)
    opened, event = domain.open_draft(draft, rule=await completion.find_rule_in_force(conn, code))
    course = await _check(conn, code, draft.area, draft.provider_id, now=now)
    await classes.save_class(conn, opened, now=now)
    await outbox.record(conn, [outbox.Fact(event, opened.version)], now=now)
    await _fill(conn, opened, now=now)
    return opened, domain.cautions_of_class(opened, course)


async def _check(conn: Connection, code: str, area: str, provider_id: UUID | None, *, now: datetime) -> Course:
    course = await find_listed_course(conn, code)
    if provider_id is not None:
        await require_provider(conn, provider_id, course, area, now=now)
    return course


async def _fill(conn: Connection, opened: TrainingClass, *, now: datetime) -> None:
    """A class takes people from now on. The longest waiting get places; then whoever asked for the course is invited,
    then whoever was invited to wait. Each person once.
    """
    await set_class_timers(conn, opened, now=now)
    openings = opening_of(opened, 0, now=now)
    if not openings:
        # it has begun: those it was prepared for wait for another
        await invite_requesters(conn, opened, [], now=now)
        return
    asked = await find_requesters(conn, opened)
    hopeful = [*asked, *await trainees.find_waiting(conn, opened)]
    seating = await seat_those_who_wait(conn, opened.course, openings, hopeful)
    waits = await waiting.find_waits(conn, opened.course, [event.vendor_id for event in seating.promoted])
    await give_places(conn, opened.course, seating.promoted, waits, now=now)
    persons = await families.find_persons(conn, [*hopeful, *(event.vendor_id for event in seating.promoted)])
    seen = {persons.get(event.vendor_id, event.vendor_id) for event in seating.promoted}
    others = []
    for vendor_id in hopeful:
        person_id = persons.get(vendor_id, vendor_id)
        if person_id not in seen and vendor_id in seating.versions:
            seen.add(person_id)
            others.append(vendor_id)
    room = opened.places - len(seating.promoted)
    invited = invitations.invite_waiting(opened, others, seating.standings, room)
    await trainees.save_invitations(conn, invited, now=now)
    await invite_requesters(conn, opened, [event.vendor_id for event in invited], now=now)
    await record(conn, seating.versions, [*seating.promoted, *invited], now=now)


async def finish_class(conn: Connection, class_id: UUID, *, now: datetime) -> tuple[int, int]:
    """Finish a class and judge everybody in it; again, it changes nothing. Returns how many completed and did
    not.

    Raises `ClassNotFound`, `ClassNotOpen`, `ClassRunning`, `AttendanceMissing`, `ScoresMissing`.
    """
    a_class = await lock_class(conn, class_id)
    taken_days = await attendance.find_taken_days(conn, class_id)
    finished = domain.finish(a_class, taken_days, today=day_in_jakarta(now))
    if finished == a_class:
        return await rosters.count_results(conn, class_id)
    roster = await rosters.find_roster(conn, class_id)
    await require_scores(conn, finished, roster)
    await classes.save_class(conn, finished, now=now)
    await judge(conn, finished, roster, now=now)
    completed, not_completed = await rosters.count_results(conn, class_id)
    event = domain.finished(finished, completed, not_completed)
    await outbox.record(conn, [outbox.Fact(event, finished.version)], now=now)
    return completed, not_completed


async def lock_class(conn: Connection, class_id: UUID) -> TrainingClass:
    """The class, locked. Raises `ClassNotFound`."""
    a_class = await classes.lock_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class


async def lock_places(conn: Connection, class_id: UUID) -> TrainingClass:
    """The class, locked after the queue of its course: to give and to free its places. Raises `ClassNotFound`."""
    # a class never changes its course
    await waiting.lock_queue(conn, (await _find_class(conn, class_id)).course)
    return await lock_class(conn, class_id)


async def _find_class(conn: Connection, class_id: UUID) -> TrainingClass:
    a_class = await classes.find_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class

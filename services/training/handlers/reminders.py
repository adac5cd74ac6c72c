"""What a class does when its time comes: the day before each session it reminds, and once it begins nobody waits for it
any longer.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

from services.training.domain import enrolments
from services.training.domain.classes import TrainingClass
from services.training.domain.waiting import Waiter, area_in_line, places_in_line
from services.training.handlers.promotion import look_for_places
from services.training.handlers.trainees import record
from services.training.store import classes, courses, rosters, trainees, waiting
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection
from shared.events.training import TrainingSessionNear, TrainingWaitlisted
from shared.timers import set_timer

__all__ = [
    "BEGIN",
    "REMIND",
    "begin_class",
    "find_bound",
    "find_places_in_line",
    "release",
    "remind_of_session",
    "set_class_timers",
]

REMIND = "training-session-near"
"""Kind of the timer of each session, keyed `<class_id>/<day>/<version of the class>`."""
BEGIN = "training-class-begins"
"""Kind of the timer of each class's first day, keyed `<class_id>/<version of the class>`."""
REMINDED_AT = time(9, tzinfo=JAKARTA)


async def set_class_timers(conn: Connection, a_class: TrainingClass, *, now: datetime) -> None:
    """Have an open class remind of its sessions, and begin. Those of an earlier version find nothing to do: none is
    cancelled, as whoever holds a class must not wait for a timer that is being worked off and waits for that class.
    """
    for day in a_class.days:
        due_at = datetime.combine(day - timedelta(days=1), REMINDED_AT)
        # who gets a place later than that has just been told of the day
        if due_at > now:
            await set_timer(conn, REMIND, f"{a_class.class_id}/{day.isoformat()}/{a_class.version}", due_at)
    begins_at = datetime.combine(a_class.days[0], time(0, tzinfo=JAKARTA))
    await set_timer(conn, BEGIN, f"{a_class.class_id}/{a_class.version}", begins_at)


async def remind_of_session(conn: Connection, key: str, now: datetime) -> None:
    """Timer: tomorrow the class meets. Everybody with a place hears of it, once for each session."""
    named, on_day, _ = key.split("/")
    class_id, day = UUID(named), date.fromisoformat(on_day)
    a_class = await classes.lock_class(conn, class_id)
    if a_class is None or a_class.state != "open" or day <= day_in_jakarta(now):
        return
    if not await classes.add_reminded(conn, class_id, day):
        return
    roster = await rosters.find_roster(conn, class_id)
    versions = await trainees.lock_trainees(conn, [enrolment.vendor_id for enrolment in roster])
    hours = a_class.hours_of(day)
    events = [
        TrainingSessionNear(
            vendor_id=vendor_id,
            class_id=class_id,
            title=a_class.title,
            day=day,
            starts_at=datetime.combine(day, hours.starts, JAKARTA) if hours is not None else None,
            venue=a_class.venue,
        )
        for vendor_id in versions
    ]
    await record(conn, versions, events, now=now)


async def begin_class(conn: Connection, key: str, now: datetime) -> None:
    """Timer: the class begins today. Who waits for it waits for the next one of the course."""
    class_id = UUID(key.split("/")[0])
    found = await classes.find_class(conn, class_id)
    if found is None:
        return
    await waiting.lock_queue(conn, found.course)
    a_class = await classes.lock_class(conn, class_id)
    if a_class is None or a_class.state != "open" or a_class.is_ahead(day_in_jakarta(now)):
        return
    bound = await find_bound(conn, a_class)
    versions = await trainees.lock_trainees(conn, [waiter.vendor_id for waiter in bound])
    await record(conn, versions, await release(conn, a_class, bound, versions, now=now), now=now)


async def find_bound(conn: Connection, a_class: TrainingClass) -> list[Waiter]:
    """Those who wait for a place in this class and no other."""
    queue = await waiting.find_queue(conn, a_class.course, a_class.class_id, a_class.area)
    return [waiter for waiter in queue if waiter.class_id == a_class.class_id]


async def release(
    conn: Connection, a_class: TrainingClass, bound: Sequence[Waiter], locked: Collection[UUID], *, now: datetime
) -> list[TrainingWaitlisted]:
    """Whoever waits for this class waits for the next one of its course from now on; those of them (`bound`) whose
    records are `locked` are to be told so. The timer `PROMOTE` looks for places in other classes.
    """
    await waiting.release_waits(conn, a_class.class_id)
    places = await find_places_in_line(conn, a_class.course, {waiter.kelurahan for waiter in bound})
    await look_for_places(conn, a_class.course, now=now)
    return [
        enrolments.waitlisted_event(a_class, waiter.vendor_id, None, places[waiter.vendor_id])
        for waiter in bound
        if waiter.vendor_id in locked and waiter.vendor_id in places
    ]


async def find_places_in_line(conn: Connection, code: str, homes: Collection[str]) -> dict[UUID, int]:
    """The places of those who wait for the next class of a course where people of these kelurahan are counted."""
    course = await courses.find_course(conn, code)
    areas = {area_in_line(kelurahan, course) for kelurahan in homes}
    queue = [waiter for area in sorted(areas) for waiter in await waiting.find_queue(conn, code, None, area)]
    return places_in_line(queue, course)

"""Rules of training: opening a class, enrolling, attendance, completion. Pure: ids and days are arguments.

Two aggregates. A *class* offers places on session days. A *trainee* is the training record of one vendor:
each of its events adds one to its version, whichever class it concerns. Days are calendar days in
Asia/Jakarta.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from lokal import wilayah
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.errors import NotFound, Refused
from shared.events.training import (
    ClassOpened,
    TraineeEvent,
    TrainingCompleted,
    TrainingEnrolled,
    TrainingNotCompleted,
)
from shared.events.values import AreaCode

COMPLETION_RULE = 1
"""Version of the completion rule that classes opened from now on carry."""

ATTENDANCE_PERCENT_MIN: Mapping[int, int] = {1: 80}
"""Completion rules by version: the share of its class's sessions a trainee attends at least, in percent."""

DAYS_PER_CLASS_MAX = 60
PLACES_PER_CLASS_MAX = 1_000
VENDORS_PER_REQUEST_MAX = 1_000

ClassState: TypeAlias = Literal["open", "finished"]
ClassKind: TypeAlias = Literal["venue", "online"]
Result: TypeAlias = Literal["completed", "not-completed"]
RefusalCode: TypeAlias = Literal[
    "class-closed", "unknown-vendor", "already-completed", "already-enrolled", "class-full"
]


def _known_area(code: str) -> str:
    if wilayah.wilayah_name(code) is None:
        raise ValueError("is not an official area code, for example 31.71.02")
    return code


def _session_days(days: list[date]) -> list[date]:
    if len(set(days)) != len(days):
        raise ValueError("names a day twice; each session day stands once")
    return sorted(days)


# --- what is asked of us


class OpenClass(BaseModel):
    """Open a class of a course for enrolment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    course: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    area: Annotated[AreaCode, AfterValidator(_known_area)]
    days: Annotated[list[date], Field(min_length=1, max_length=DAYS_PER_CLASS_MAX), AfterValidator(_session_days)]
    places: int = Field(ge=1, le=PLACES_PER_CLASS_MAX)
    kind: ClassKind = "venue"


class EnrolVendors(BaseModel):
    """Give these vendors places in a class, in this order while places last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_ids: list[UUID] = Field(min_length=1, max_length=VENDORS_PER_REQUEST_MAX)


class TakeAttendance(BaseModel):
    """Who attended the session of one day: the whole list, so that another one corrects it. Empty: nobody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    vendor_ids: list[UUID] = Field(max_length=VENDORS_PER_REQUEST_MAX)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.vendor_ids)) != len(self.vendor_ids):
            raise ValueError("vendor_ids names a vendor twice")
        return self


# --- refusals


class ClassNotFound(NotFound):
    """No class has this id."""

    code = "class-not-found"


class TraineeNotFound(NotFound):
    """Training has not heard of this vendor (yet): `VendorRegistered` makes it known."""

    code = "unknown-vendor"


class NoSuchSession(Refused):
    """The class has no session on that day."""

    code = "no-such-session"


class SessionAhead(Refused):
    """The session has not been held yet."""

    code = "session-ahead"


class NotEnrolled(Refused):
    """The attendance list names vendors without a place in the class; nothing of it was recorded."""

    code = "not-enrolled"


class ClassRunning(Refused):
    """A class is finished on its last session day or later."""

    code = "class-running"


class AttendanceMissing(Refused):
    """Finishing would judge people by sessions whose attendance nobody took."""

    code = "attendance-missing"


# --- state


@dataclass(frozen=True)
class TrainingClass:
    """A class. `days` are sorted; `rule` is the version of the completion rule it was opened under."""

    class_id: UUID
    course: str
    title: str
    area: str
    kind: ClassKind
    days: tuple[date, ...]
    places: int
    rule: int
    state: ClassState
    version: int

    @property
    def completed_on(self) -> date:
        """Whoever completes the class does so on its last session day: late paperwork costs nobody its eligibility."""
        return self.days[-1]


@dataclass(frozen=True)
class Enrolment:
    """A vendor's place in a class, the days it attended, and its result (none before the class is over)."""

    vendor_id: UUID
    attended: frozenset[date] = frozenset()
    result: Result | None = None


@dataclass(frozen=True)
class Standing:
    """How a vendor stands in a course: the open class it has a place in; whether it completed the course."""

    open_class: UUID | None = None
    completed: bool = False


# --- decisions


def open_class(class_id: UUID, command: OpenClass) -> tuple[TrainingClass, ClassOpened]:
    """A new class, under today's completion rule. Days may be past: some are recorded late."""
    opened = TrainingClass(
        class_id=class_id,
        course=command.course,
        title=command.title,
        area=command.area,
        kind=command.kind,
        days=tuple(command.days),
        places=command.places,
        rule=COMPLETION_RULE,
        state="open",
        version=1,
    )
    event = ClassOpened(
        class_id=class_id,
        course=opened.course,
        title=opened.title,
        area=opened.area,
        days=list(opened.days),
        places=opened.places,
    )
    return opened, event


@dataclass(frozen=True)
class EnrolmentRefusal:
    """Why one vendor got no place."""

    vendor_id: UUID
    code: RefusalCode
    reason: str


@dataclass
class Enrolling:
    """What became of a request for places; both lists in the order asked."""

    enrolled: list[TrainingEnrolled] = field(default_factory=list)
    refused: list[EnrolmentRefusal] = field(default_factory=list)


def enrol(
    a_class: TrainingClass,
    taken: int,
    vendor_ids: Iterable[UUID],
    known: Collection[UUID],
    standings: Mapping[UUID, Standing],
    *,
    today: date,
    by_officer: bool,
    persons: Mapping[UUID, UUID] | None = None,
) -> Enrolling:
    """Give out places in the order asked; `taken` places are gone. A vendor named twice counts once.

    Vendors enrol themselves up to the first session day; officers until the class is finished. A person has a
    place in one open class of a course, and none in a course it completed: `standings` are the person's, and `persons`
    says which of the ids asked for are one person (id -> the id that stands for it).
    """
    closed = a_class.state == "finished" or (not by_officer and today > a_class.days[0])
    outcome = Enrolling()
    here: set[UUID] = set()
    for vendor_id in dict.fromkeys(vendor_ids):
        full = taken + len(outcome.enrolled) >= a_class.places
        person_id = (persons or {}).get(vendor_id, vendor_id)
        standing = Standing(a_class.class_id) if person_id in here else standings.get(vendor_id, Standing())
        refusal = _enrolment_refusal(a_class, vendor_id in known, standing, closed=closed, full=full)
        if refusal is not None:
            outcome.refused.append(EnrolmentRefusal(vendor_id, *refusal))
            continue
        here.add(person_id)
        outcome.enrolled.append(
            TrainingEnrolled(
                vendor_id=vendor_id,
                class_id=a_class.class_id,
                course=a_class.course,
                title=a_class.title,
                days=list(a_class.days),
            )
        )
    return outcome


def _enrolment_refusal(
    a_class: TrainingClass, known: bool, standing: Standing, *, closed: bool, full: bool
) -> tuple[RefusalCode, str] | None:
    if closed:
        return "class-closed", "The class no longer takes enrolments; choose one that has not begun."
    if not known:
        return (
            "unknown-vendor",
            "Training does not know this vendor; register it first, or try again shortly.",
        )
    if standing.completed:
        return "already-completed", f"The vendor has completed the course {a_class.course}."
    if standing.open_class == a_class.class_id:
        return "already-enrolled", "The vendor has a place in this class."
    if standing.open_class is not None:
        return (
            "already-enrolled",
            f"The vendor has a place in class {standing.open_class} of the same course.",
        )
    if full:
        return "class-full", f"All {a_class.places} places are taken; choose another class."
    return None


def take_attendance(
    a_class: TrainingClass, roster: Sequence[Enrolment], command: TakeAttendance, *, today: date
) -> list[Enrolment]:
    """The roster with this day's attendance set to exactly the list; results are as before (see `evaluate`).

    Refused for a day that is no session of the class or lies ahead, and for vendors without a place. Taken
    again at any time, also after the class was finished.
    """
    if command.day not in a_class.days:
        days = [day.isoformat() for day in a_class.days]
        raise NoSuchSession(f"The class has no session on {command.day}; its days are in `days`.", days=days)
    if command.day > today:
        raise SessionAhead(f"The session of {command.day} has not been held; take its attendance then.")
    present = set(command.vendor_ids)
    strangers = present - {enrolment.vendor_id for enrolment in roster}
    if strangers:
        raise NotEnrolled(
            "Nothing was recorded: vendors in `vendor_ids` have no place in this class; enrol them first.",
            vendor_ids=sorted(str(vendor) for vendor in strangers),
        )
    day = frozenset({command.day})
    return [
        replace(each, attended=each.attended | day if each.vendor_id in present else each.attended - day)
        for each in roster
    ]


def finish(a_class: TrainingClass, taken_days: Collection[date], *, today: date) -> TrainingClass:
    """The class finished; one that is finished already is returned as it is.

    Refused before its last session day, and while the attendance of a session was never taken: people would
    be judged by a list nobody wrote.
    """
    if a_class.state == "finished":
        return a_class
    if today < a_class.days[-1]:
        raise ClassRunning(f"The class has a session on {a_class.days[-1]}; finish it on that day or later.")
    missing = [day.isoformat() for day in a_class.days if day not in taken_days]
    if missing:
        raise AttendanceMissing(
            "Take the attendance of the days in `days` first; an empty list says that nobody came.",
            days=missing,
        )
    return replace(a_class, state="finished")


def completes(rule: int, attended: int, sessions: int) -> bool:
    """The completion rule, in whole numbers: attended * 100 >= percent * sessions. No rounding decides."""
    return attended * 100 >= ATTENDANCE_PERCENT_MIN[rule] * sessions


def evaluate(a_class: TrainingClass, roster: Iterable[Enrolment]) -> list[tuple[Enrolment, TraineeEvent]]:
    """Those of a finished class whose result is new or has changed, each with the event that says so.

    None while the class runs. Judging again without a changed attendance gives nothing, so it may be repeated.
    """
    if a_class.state != "finished":
        return []
    changed: list[tuple[Enrolment, TraineeEvent]] = []
    for enrolment in roster:
        met = completes(a_class.rule, len(enrolment.attended), len(a_class.days))
        result: Result = "completed" if met else "not-completed"
        if result != enrolment.result:
            judged = replace(enrolment, result=result)
            changed.append((judged, _result_event(a_class, judged)))
    return changed


def _result_event(a_class: TrainingClass, judged: Enrolment) -> TraineeEvent:
    if judged.result == "completed":
        return TrainingCompleted(
            vendor_id=judged.vendor_id,
            class_id=a_class.class_id,
            course=a_class.course,
            title=a_class.title,
            completed_on=a_class.completed_on,
            sessions_attended=len(judged.attended),
            sessions_held=len(a_class.days),
        )
    return TrainingNotCompleted(
        vendor_id=judged.vendor_id,
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        sessions_attended=len(judged.attended),
        sessions_held=len(a_class.days),
    )

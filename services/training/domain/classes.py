"""Classes of a course: an aggregate that offers places on session days. How they are opened and finished."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from lokal import wilayah
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.training.domain.completion import COMPLETION_RULE
from shared.errors import NotFound, Refused
from shared.events.training import ClassOpened
from shared.events.values import AreaCode

DAYS_PER_CLASS_MAX = 60
PLACES_PER_CLASS_MAX = 1_000

ClassState: TypeAlias = Literal["open", "finished"]
ClassKind: TypeAlias = Literal["venue", "online"]


class ClassNotFound(NotFound):
    """No class has this id."""

    code = "class-not-found"


class ClassRunning(Refused):
    """A class is finished on its last session day or later."""

    code = "class-running"


class AttendanceMissing(Refused):
    """Finishing would judge people by sessions whose attendance nobody took."""

    code = "attendance-missing"


def _known_area(code: str) -> str:
    if wilayah.wilayah_name(code) is None:
        raise ValueError("is not an official area code, for example 31.71.02")
    return code


def _session_days(days: list[date]) -> list[date]:
    if len(set(days)) != len(days):
        raise ValueError("names a day twice; each session day stands once")
    return sorted(days)


class OpenClass(BaseModel):
    """Open a class of a course for enrolment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    course: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    area: Annotated[AreaCode, AfterValidator(_known_area)]
    days: Annotated[list[date], Field(min_length=1, max_length=DAYS_PER_CLASS_MAX), AfterValidator(_session_days)]
    places: int = Field(ge=1, le=PLACES_PER_CLASS_MAX)
    kind: ClassKind = "venue"


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

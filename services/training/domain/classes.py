"""Classes of a course: an aggregate that offers places on session days. How they are drafted, opened and finished.

What becomes of a class that takes enrolments already (moved, cancelled, grown) stands in `changes`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from services.training.domain.completion import COMPLETION_RULE
from services.training.domain.courses import Course, CourseCode
from services.training.domain.values import Account, KnownArea, Name
from shared.clock import JAKARTA
from shared.errors import NotFound, Refused
from shared.events.training import ClassDrafted, ClassFinished, ClassOpened
from shared.events.values import CategoryCode

DAYS_PER_CLASS_MAX = 60
PLACES_PER_CLASS_MAX = 1_000
PLACES_DEFAULT = 100
CITY_CODE_LENGTH = len("31.71")
KECAMATAN_CODE_LENGTH = len("31.71.02")

ClassState: TypeAlias = Literal["draft", "open", "cancelled", "finished"]
ClassKind: TypeAlias = Literal["venue", "online"]


class ClassNotFound(NotFound):
    """No class has this id."""

    code = "class-not-found"


class ClassNotOpen(Refused):
    """Only a class that is open takes this."""

    code = "class-not-open"


class ClassNotDraft(Refused):
    """Only a draft is edited and opened."""

    code = "class-not-draft"


class DraftIncomplete(Refused):
    """A draft has something missing that a class needs before people can enrol."""

    code = "draft-incomplete"


class ClassRunning(Refused):
    """A class is finished on its last session day or later."""

    code = "class-running"


class AttendanceMissing(Refused):
    """Finishing would judge people by sessions whose attendance nobody took."""

    code = "attendance-missing"


def session_days(days: list[date]) -> list[date]:
    """Days in order. Raises `ValueError` where one stands twice: a class meets at most once a day."""
    if len(set(days)) != len(days):
        raise ValueError("names a day twice; each session day stands once")
    return sorted(days)


class Hours(BaseModel):
    """From when to when a session lasts, local time in Jakarta."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starts: time
    ends: time

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.starts.tzinfo is not None or self.ends.tzinfo is not None:
            raise ValueError("starts and ends are local times without a zone, for example 09:00")
        if self.starts >= self.ends:
            raise ValueError("ends is not after starts")
        return self

    def overlap(self, other: Self) -> bool:
        """Whether nobody can be at both, on one day."""
        return self.starts < other.ends and other.starts < self.ends


AskedHours: TypeAlias = Hours | dict[date, Hours]
"""The same hours on every day, or the hours of some days."""

Days = Annotated[list[date], Field(max_length=DAYS_PER_CLASS_MAX), AfterValidator(session_days)]
Venue = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def check_hours(hours: AskedHours | None, days: Sequence[date]) -> None:
    """Raises `ValueError` for hours of a day without a session."""
    if isinstance(hours, dict) and (strange := sorted(hours.keys() - set(days))):
        raise ValueError(f"names {strange[0]}, which is none of `days`")


def check_venue(venue: str | None, kind: ClassKind) -> None:
    """Raises `ValueError` where an online class has no link for a venue."""
    if kind == "online" and venue is not None and not venue.startswith("https://"):
        raise ValueError("of an online class is a link that begins with https://")


class OpenClass(BaseModel):
    """Open a class of a course for enrolment; `draft`: prepare it, with days or without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draft: bool = False
    course: CourseCode
    title: Name
    area: KnownArea
    days: Days = Field(default=[], validate_default=True)
    places: int = Field(default=PLACES_DEFAULT, ge=1, le=PLACES_PER_CLASS_MAX)
    kind: ClassKind = "venue"
    provider_id: UUID | None = None
    trainer_account: Account | None = Field(default=None, description="`sub` of the tokens of whoever teaches")
    category: CategoryCode | None = Field(default=None, description="Commodity it is meant for; none: everybody")
    hours: AskedHours | None = Field(default=None, description="The same on every day, or of some days")
    venue: Venue | None = Field(default=None, description="Where it meets; of an online class a link (https)")

    @field_validator("days")
    @classmethod
    def _needs_a_day(cls, days: list[date], info: ValidationInfo) -> list[date]:
        if not days and not info.data.get("draft"):
            raise ValueError("is empty; a class meets on one day at least (a draft may have none)")
        return days

    @field_validator("hours")
    @classmethod
    def _of_its_days(cls, hours: AskedHours | None, info: ValidationInfo) -> AskedHours | None:
        check_hours(hours, info.data.get("days", []))
        return hours

    @field_validator("venue")
    @classmethod
    def _link_if_online(cls, venue: str | None, info: ValidationInfo) -> str | None:
        check_venue(venue, info.data.get("kind", "venue"))
        return venue


class EditDraft(BaseModel):
    """Set what is sent, leave the rest; course and area stay. Hours of days that the draft has no more fall away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Name | None = None
    days: Days | None = None
    places: int | None = Field(default=None, ge=1, le=PLACES_PER_CLASS_MAX)
    kind: ClassKind | None = None
    provider_id: UUID | None = None
    trainer_account: Account | None = None
    category: CategoryCode | None = None
    hours: AskedHours | None = None
    venue: Venue | None = None

    @model_validator(mode="after")
    def _only_optional_ones_are_cleared(self) -> Self:
        for name in ("title", "days", "places", "kind"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be empty; leave it out to keep it")
        return self


@dataclass(frozen=True)
class Caution:
    """What an officer or vendor is told beside a yes: nothing is refused. `vendor_id`: whom it concerns."""

    code: str
    reason: str
    vendor_id: UUID | None = None
    days: tuple[date, ...] = ()


@dataclass(frozen=True)
class TrainingClass:
    """A class. `days` are sorted; `rule` is the version of the completion rule it was opened under.

    `hours` are as many as days, None where they are not known; empty: not known of any day.
    """

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
    provider_id: UUID | None = None
    trainer_account: str | None = None
    category: str | None = None
    hours: tuple[Hours | None, ...] = ()
    venue: str | None = None
    requests: int = 0

    @property
    def completed_on(self) -> date:
        """Whoever completes the class does so on its last session day: late paperwork costs nobody its eligibility."""
        return self.days[-1]

    @property
    def starts_at(self) -> list[datetime]:
        """When each session begins; empty unless it is known of all."""
        known = [hours for hours in self.hours if hours is not None]
        if not self.days or len(known) != len(self.days):
            return []
        return [datetime.combine(day, hours.starts, JAKARTA) for day, hours in zip(self.days, known, strict=True)]

    def hours_of(self, day: date) -> Hours | None:
        """From when to when it meets on this day, where that is known."""
        return dict(zip(self.days, self.hours, strict=False)).get(day)

    def is_ahead(self, today: date) -> bool:
        """Whether it takes people and its first session is on a later day."""
        return self.state == "open" and self.days[0] > today


def hours_by_day(asked: AskedHours | None, days: Sequence[date]) -> tuple[Hours | None, ...]:
    """As many hours as days; empty where none is known."""
    if asked is None or not days:
        return ()
    found = tuple(asked.get(day) if isinstance(asked, dict) else asked for day in days)
    return found if any(found) else ()


def open_class(class_id: UUID, command: OpenClass, *, rule: int = COMPLETION_RULE) -> tuple[TrainingClass, ClassOpened]:
    """A new class, under this version of the completion rule. Days may be past: some are recorded late."""
    opened = replace(_described(class_id, command), state="open", rule=rule)
    return opened, _opened(opened)


def draft_class(class_id: UUID, command: OpenClass, *, requests: int = 0) -> tuple[TrainingClass, ClassDrafted]:
    """A class that is prepared: nobody can enrol yet. `requests`: so many people asked for it (DOMAIN B5)."""
    draft = replace(_described(class_id, command), requests=requests)
    event = ClassDrafted(
        class_id=class_id,
        course=draft.course,
        title=draft.title,
        area=draft.area,
        provider_id=draft.provider_id,
        requests=requests,
        places=draft.places,
    )
    return draft, event


def _described(class_id: UUID, command: OpenClass) -> TrainingClass:
    return TrainingClass(
        class_id=class_id,
        course=command.course,
        title=command.title,
        area=command.area,
        kind=command.kind,
        days=tuple(command.days),
        places=command.places,
        rule=COMPLETION_RULE,
        state="draft",
        version=1,
        provider_id=command.provider_id,
        trainer_account=command.trainer_account,
        category=command.category,
        hours=hours_by_day(command.hours, command.days),
        venue=command.venue,
    )


def _opened(a_class: TrainingClass) -> ClassOpened:
    return ClassOpened(
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        area=a_class.area,
        days=list(a_class.days),
        places=a_class.places,
        provider_id=a_class.provider_id,
        category=a_class.category,
        online=a_class.kind == "online",
    )


def edit_draft(draft: TrainingClass, command: EditDraft) -> TrainingClass:
    """The draft with what was sent. Raises `ClassNotDraft`, `DraftIncomplete` (hours or a link that do not fit)."""
    _require_draft(draft, "edited")
    sent = {name: getattr(command, name) for name in command.model_fields_set - {"days", "hours"}}
    days = tuple(command.days) if command.days is not None else draft.days
    if "hours" in command.model_fields_set:
        hours = command.hours
    else:
        known = zip(draft.days, draft.hours, strict=False)
        hours = {day: of_day for day, of_day in known if of_day is not None and day in days} or None
    edited = replace(draft, **sent, days=days, hours=hours_by_day(hours, days))
    try:
        check_hours(hours, days)
        check_venue(edited.venue, edited.kind)
    except ValueError as error:
        field = "hours" if "days" in str(error) else "venue"
        raise DraftIncomplete(f"`{field}` {error}.", field=field) from None
    return edited


def open_draft(draft: TrainingClass, *, rule: int = COMPLETION_RULE) -> tuple[TrainingClass, ClassOpened]:
    """The draft, open for enrolment, under this version of the completion rule. Raises `ClassNotDraft`,
    `DraftIncomplete`.
    """
    _require_draft(draft, "opened")
    if not draft.days:
        raise DraftIncomplete("The draft has no `days` yet; set them first.", field="days")
    opened = replace(draft, state="open", rule=rule, version=draft.version + 1)
    return opened, _opened(opened)


def _require_draft(a_class: TrainingClass, what: str) -> None:
    if a_class.state != "draft":
        raise ClassNotDraft(
            f"Only a draft is {what}; this class is {a_class.state}. An open one is moved, grown or cancelled.",
            state=a_class.state,
        )


def cautions_of_class(a_class: TrainingClass, course: Course) -> list[Caution]:
    """Where a class differs from how its course is meant: basic ones at the kecamatan, advanced ones for a city or the
    province (DOMAIN B5), and as many sessions as the catalogue says.
    """
    found = []
    if course.level == "basic" and len(a_class.area) < KECAMATAN_CODE_LENGTH:
        reason = f"{course.course} is a basic course, meant for one kecamatan; {a_class.area} is wider."
        found.append(Caution("area-wide", reason))
    if course.level == "advanced" and len(a_class.area) > CITY_CODE_LENGTH:
        reason = f"{course.course} is an advanced course, meant for a city or the province; {a_class.area} is narrower."
        found.append(Caution("area-narrow", reason))
    if a_class.days and len(a_class.days) != course.sessions:
        reason = f"The course has {course.sessions} sessions in the catalogue; `days` names {len(a_class.days)}."
        found.append(Caution("sessions-differ", reason))
    return found


def finish(a_class: TrainingClass, taken_days: Collection[date], *, today: date) -> TrainingClass:
    """The class finished; one that is finished already is returned as it is.

    Refused before its last session day, and while the attendance of a session was never taken: people would
    be judged by a list nobody wrote. Raises `ClassNotOpen`, `ClassRunning`, `AttendanceMissing`.
    """
    if a_class.state == "finished":
        return a_class
    require_open(a_class)
    if today < a_class.days[-1]:
        raise ClassRunning(f"The class has a session on {a_class.days[-1]}; finish it on that day or later.")
    missing = [day.isoformat() for day in a_class.days if day not in taken_days]
    if missing:
        raise AttendanceMissing(
            "Take the attendance of the days in `days` first; an empty list says that nobody came.",
            days=missing,
        )
    return replace(a_class, state="finished", version=a_class.version + 1)


def finished(a_class: TrainingClass, completed: int, not_completed: int) -> ClassFinished:
    """That the class is over, and how."""
    return ClassFinished(class_id=a_class.class_id, completed=completed, not_completed=not_completed)


def require_open(a_class: TrainingClass) -> None:
    """Refuse drafts, and classes that are over or cancelled."""
    if a_class.state != "open":
        ways = {
            "draft": "open it first (POST /v1/classes/{class_id}/open)",
            "cancelled": "it is not held; choose another class",
            "finished": "it is over; choose another class",
        }
        raise ClassNotOpen(f"This class is {a_class.state}: {ways[a_class.state]}.", state=a_class.state)

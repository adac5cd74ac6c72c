"""Where a person stands, as far as answers need it: offers, booths and classes to come, its place in a queue. Pure.

What events of bazaar and training say of it becomes changes of one row per application or class. An event may come of
an application of which nothing was heard before: then it says what there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from shared.clock import day_in_jakarta
from shared.events import bazaar, training
from shared.events.bazaar import ApplicationEvent
from shared.events.training import TraineeEvent

__all__ = [
    "APPLICATION_EVENTS",
    "CLASS_EVENTS",
    "KEPT",
    "ApplicationChange",
    "ApplicationStanding",
    "ApplicationState",
    "ClassChange",
    "ClassStanding",
    "change_of",
    "class_change_of",
]

ApplicationState: TypeAlias = Literal[
    "waiting", "offered", "confirmed", "declined", "lapsed", "released", "cancelled", "missed", "over"
]

KEPT = timedelta(days=7)
"""Rows go so long after their last day."""
QUEUE_ASKED_FOR = timedelta(days=90)
"""So long after a round somebody may ask why it was not its turn."""


@dataclass(frozen=True)
class ApplicationStanding:
    """An application and what it has."""

    application_id: UUID
    vendor_id: UUID
    bazaar_name: str
    state: ApplicationState
    site_name: str | None
    booth: str | None
    days: Sequence[date]
    respond_by: datetime | None
    place: int | None
    explanation: Mapping[str, str] | None
    queued_at: datetime | None
    changed_at: datetime

    def open_at(self, now: datetime) -> bool:
        """Whether an offer waits for an answer. At the deadline itself it still does."""
        return self.state == "offered" and (self.respond_by is None or now <= self.respond_by)


@dataclass(frozen=True)
class ApplicationChange:
    """What an event changes: the state where it says one, and the fields that it names; the rest stays."""

    application_id: UUID
    vendor_id: UUID
    state: ApplicationState | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    last_day: date | None = None


_STATES: Mapping[type[ApplicationEvent], ApplicationState | None] = {
    bazaar.ApplicantQueued: "waiting",
    bazaar.BoothAssigned: "offered",
    bazaar.ApplicationRescheduled: None,
    bazaar.BoothConfirmed: "confirmed",
    bazaar.BoothDaysAdded: None,
    bazaar.BoothSwapped: None,
    bazaar.BoothDeclined: "declined",
    bazaar.BoothOfferLapsed: "lapsed",
    bazaar.BoothReleased: "released",
    bazaar.ApplicationCancelled: "cancelled",
    bazaar.ApplicationWithdrawn: "over",
    bazaar.ApplicationDropped: "over",
    bazaar.BoothMissed: "missed",
}
APPLICATION_EVENTS: tuple[type[ApplicationEvent], ...] = tuple(_STATES)
_FIELDS = ("bazaar_name", "site_name", "booth", "days", "respond_by", "place", "explanation")


def change_of(event: ApplicationEvent, happened_at: datetime) -> ApplicationChange:
    """What this event changes."""
    said = {name: value for name in _FIELDS if (value := getattr(event, name, None)) is not None}
    if isinstance(event, bazaar.ApplicantQueued):
        said["queued_at"] = happened_at
        if not event.explanation:
            said.pop("explanation", None)
    last = max(said.get("days") or (), default=None)
    if isinstance(event, bazaar.ApplicantQueued):
        last = day_in_jakarta(happened_at) + QUEUE_ASKED_FOR
    return ApplicationChange(event.application_id, event.vendor_id, _STATES[type(event)], said, last)


@dataclass(frozen=True)
class ClassStanding:
    """A class in which a vendor has a place. `starts_at`: as many as days, or none where the hours are not known."""

    vendor_id: UUID
    class_id: UUID
    title: str
    days: Sequence[date]
    starts_at: Sequence[datetime]
    venue: str | None


@dataclass(frozen=True)
class ClassChange:
    """What an event changes: a place in a class as it is now; `standing` None: there is none any more."""

    vendor_id: UUID
    class_id: UUID
    standing: ClassStanding | None
    moves: bool = False
    """It tells of a class only where the vendor has a place in it."""


_GONE: tuple[type[TraineeEvent], ...] = (
    training.TrainingWithdrawn,
    training.TrainingClassCancelled,
    training.TrainingCompleted,
    training.TrainingNotCompleted,
)
CLASS_EVENTS: tuple[type[TraineeEvent], ...] = (training.TrainingEnrolled, training.TrainingClassMoved, *_GONE)


def class_change_of(event: TraineeEvent) -> ClassChange | None:
    """What this event changes; None where it changes no place in a class."""
    match event:
        case training.TrainingEnrolled() | training.TrainingClassMoved():
            standing = ClassStanding(
                event.vendor_id, event.class_id, event.title, event.days, event.starts_at, event.venue
            )
            return ClassChange(
                event.vendor_id, event.class_id, standing, moves=isinstance(event, training.TrainingClassMoved)
            )
        case training.TrainingWithdrawn(class_id=UUID() as class_id, waited_only=False):
            return ClassChange(event.vendor_id, class_id, None)
        case (
            training.TrainingClassCancelled(class_id=class_id)
            | training.TrainingCompleted(class_id=class_id)
            | training.TrainingNotCompleted(class_id=class_id)
        ):
            return ClassChange(event.vendor_id, class_id, None)
        case _:
            return None

"""What becomes of a class that people have places in: moved to other days or hours or elsewhere, grown or shrunk,
cancelled.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.classes import (
    PLACES_PER_CLASS_MAX,
    AskedHours,
    ClassNotOpen,
    Days,
    Hours,
    TrainingClass,
    Venue,
    check_hours,
    check_venue,
    hours_by_day,
    require_open,
)
from shared.errors import Refused
from shared.events.training import ClassCancelled, ClassMoved

CancelReason: TypeAlias = Literal["trainer-ill", "too-few", "venue", "weather", "safety", "holiday", "organiser"]


class SessionHeld(Refused):
    """A session that was held, or whose attendance was taken, stays where it is."""

    code = "session-held"


class SessionPast(Refused):
    """A class is not moved into the past."""

    code = "session-past"


class MoveUnfit(Refused):
    """Hours or a venue do not fit the class as it would be."""

    code = "move-unfit"
    status = 422


class PlacesTaken(Refused):
    """More people have a place than the class would have places."""

    code = "places-taken"


class MoveClass(BaseModel):
    """Other days, hours or another place; what is left out stays. `days`: all of them, also those already held.

    A new day has the hours of all others where those are the same; else name them in `hours`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[Days, Field(min_length=1)] | None = None
    hours: AskedHours | None = None
    venue: Venue | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.days is None and self.hours is None and self.venue is None:
            raise ValueError("name days, hours or venue")
        return self


class ResizeClass(BaseModel):
    """So many places from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    places: int = Field(ge=1, le=PLACES_PER_CLASS_MAX)


class CancelClass(BaseModel):
    """The class is not held, for this reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: CancelReason


def move(
    a_class: TrainingClass, command: MoveClass, taken_days: Collection[date], *, today: date
) -> tuple[TrainingClass, ClassMoved] | None:
    """The class at its new days, hours and place; None where that is what it has.

    Only sessions ahead are moved: those of days past, and those whose attendance was taken (`taken_days`), stay, and
    no session is put before today. Raises `ClassNotOpen`, `SessionHeld`, `SessionPast`, `MoveUnfit`.
    """
    require_open(a_class)
    days = tuple(command.days) if command.days is not None else a_class.days
    held = [day for day in a_class.days if day not in days and (day < today or day in taken_days)]
    if held:
        named = ", ".join(day.isoformat() for day in held)
        raise SessionHeld(
            f"`days` leaves out {named}, when a session was held; name it too, attendance stays with it.",
            days=[day.isoformat() for day in held],
        )
    past = [day for day in days if day < today and day not in a_class.days]
    if past:
        raise SessionPast(f"`days` names {past[0]}, which is over; choose today or later.", days=[past[0].isoformat()])
    venue = command.venue if command.venue is not None else a_class.venue
    try:
        check_hours(command.hours, days)
        check_venue(venue, a_class.kind)
    except ValueError as error:
        field = "hours" if "days" in str(error) else "venue"
        raise MoveUnfit(f"`{field}` {error}.", field=field) from None
    moved = replace(a_class, days=days, hours=_hours_after(a_class, command.hours, days), venue=venue)
    if moved == a_class:
        return None
    event = ClassMoved(class_id=a_class.class_id, days=list(days), days_before=list(a_class.days))
    return replace(moved, version=a_class.version + 1), event


def _hours_after(a_class: TrainingClass, asked: AskedHours | None, days: tuple[date, ...]) -> tuple[Hours | None, ...]:
    known = {day: hours for day, hours in zip(a_class.days, a_class.hours, strict=False) if hours is not None}
    usual = set(known.values())
    if len(usual) == 1 and len(known) == len(a_class.days):
        known = dict.fromkeys(days, usual.pop())
    of_days = asked if isinstance(asked, dict) else dict.fromkeys(days, asked) if asked is not None else {}
    return hours_by_day({day: hours for day, hours in {**known, **of_days}.items() if day in days}, days)


def resize(a_class: TrainingClass, command: ResizeClass, taken: int) -> TrainingClass:
    """The class, a draft or open, with so many places. Raises `PlacesTaken`, `ClassNotOpen`."""
    if a_class.state != "draft":
        require_open(a_class)
    if command.places < taken:
        raise PlacesTaken(
            f"{taken} people have a place; a class cannot shrink to {command.places}. Name at least {taken}, or "
            "withdraw somebody first.",
            taken=taken,
        )
    return replace(a_class, places=command.places)


def cancel(a_class: TrainingClass, command: CancelClass) -> tuple[TrainingClass, ClassCancelled] | None:
    """The class, a draft or open, cancelled; None where it is already. Raises `ClassNotOpen` for one that is over."""
    if a_class.state == "cancelled":
        return None
    if a_class.state == "finished":
        raise ClassNotOpen("This class was held and is finished; it cannot be cancelled.", state=a_class.state)
    cancelled = replace(a_class, state="cancelled", version=a_class.version + 1)
    return cancelled, ClassCancelled(class_id=a_class.class_id, reason=command.reason)

"""Who attended the sessions of a class.

What people say (a list, a sheet, a correction, a decision on a scan) and what devices scanned are kept side by side.
Of the words of people on a vendor's day the last one counts, and it counts before any scan: a person saw more than a
code. Where nobody said anything, a scan that was accepted shows that the vendor was there. So scans may come in any
order, as often as they like, before a word or after it, and lead to the same.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Literal, NamedTuple, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import VENDORS_PER_REQUEST_MAX
from shared.errors import NotFound, Refused

MarkSource: TypeAlias = Literal["list", "sheet", "officer", "scan"]
"""Whence a word of a person came; `scan`: its decision on a scan that was not plausible."""


class NoSuchSession(Refused):
    """The class has no session on that day."""

    code = "no-such-session"


class SessionAhead(Refused):
    """The session has not been held yet."""

    code = "session-ahead"


class NotEnrolled(Refused):
    """Vendors without a place in the class are named; nothing was recorded."""

    code = "not-enrolled"


class PlaceUnknown(NotFound):
    """The vendor has no place in this class."""

    code = "place-unknown"


class NotHeld(Refused):
    """A draft and a class that was cancelled have no attendance."""

    code = "class-not-held"


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


class CorrectAttendance(BaseModel):
    """Whether one vendor attended the session of one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_id: UUID
    day: date
    present: bool


class Mark(NamedTuple):
    """A word of a person on a vendor's day."""

    vendor_id: UUID
    day: date
    present: bool


class Evidence(NamedTuple):
    """What is known of a vendor's day: the last word of a person (None: nobody said anything), and whether a scan of it
    was accepted.
    """

    vendor_id: UUID
    day: date
    word: bool | None
    scanned: bool

    @property
    def attended(self) -> bool:
        """Whether the vendor was there."""
        return self.scanned if self.word is None else self.word

    @property
    def contradicted(self) -> bool:
        """Whether a person said that it was not there, and it was scanned."""
        return self.scanned and self.word is False


def attended(evidence: Iterable[Evidence]) -> list[tuple[UUID, date]]:
    """Each vendor with each day that it attended."""
    return [(one.vendor_id, one.day) for one in evidence if one.attended]


def whole_list(a_class: TrainingClass, places: Sequence[UUID], command: TakeAttendance, *, today: date) -> list[Mark]:
    """A mark for everybody with a place: present who is on the list, absent who is not.

    Raises `NotHeld`, `NoSuchSession`, `SessionAhead`, `NotEnrolled`. Taken again at any time, also after the class was
    finished.
    """
    require_session(a_class, command.day, today)
    present = set(command.vendor_ids)
    require_places(present, places)
    return [Mark(vendor_id, command.day, vendor_id in present) for vendor_id in places]


def correction(a_class: TrainingClass, places: Collection[UUID], command: CorrectAttendance, *, today: date) -> Mark:
    """The mark of one vendor. Raises as `whole_list` does."""
    require_session(a_class, command.day, today)
    require_places([command.vendor_id], places)
    return Mark(command.vendor_id, command.day, command.present)


def require_held(a_class: TrainingClass) -> None:
    """Refuse drafts and classes that were cancelled."""
    if a_class.state not in ("open", "finished"):
        raise NotHeld(f"This class is {a_class.state}, so it has no attendance.", state=a_class.state)


def require_session(a_class: TrainingClass, day: date, today: date) -> None:
    """Refuse a day that is none of the class's, or still ahead."""
    require_held(a_class)
    if day not in a_class.days:
        days = [one.isoformat() for one in a_class.days]
        raise NoSuchSession(f"The class has no session on {day}; its days are in `days`.", days=days)
    if day > today:
        raise SessionAhead(f"The session of {day} has not been held; take its attendance then.")


def require_places(vendor_ids: Collection[UUID], places: Collection[UUID]) -> None:
    """Refuse vendors without a place in the class."""
    strangers = set(vendor_ids) - set(places)
    if strangers:
        raise NotEnrolled(
            "Nothing was recorded: vendors in `vendor_ids` have no place in this class; enrol them first.",
            vendor_ids=sorted(str(vendor) for vendor in strangers),
        )

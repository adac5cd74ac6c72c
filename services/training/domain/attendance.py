"""Who attended the sessions of a class."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import VENDORS_PER_REQUEST_MAX, Enrolment
from shared.errors import Refused


class NoSuchSession(Refused):
    """The class has no session on that day."""

    code = "no-such-session"


class SessionAhead(Refused):
    """The session has not been held yet."""

    code = "session-ahead"


class NotEnrolled(Refused):
    """The attendance list names vendors without a place in the class; nothing of it was recorded."""

    code = "not-enrolled"


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


def take_attendance(
    a_class: TrainingClass, roster: Sequence[Enrolment], command: TakeAttendance, *, today: date
) -> list[Enrolment]:
    """The roster with this day's attendance set to exactly the list; results are as before (see `results.evaluate`).

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

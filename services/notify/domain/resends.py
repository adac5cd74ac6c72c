"""Sending a message again, with a reason: when it may be, and until when it is worth something."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.notify.domain.delivery import State
from services.notify.domain.keys import Mail, Phone
from shared.errors import Refused

__all__ = ["FindPeople", "ResendNotification", "ResendRefused", "deadline_of", "require_resendable"]

DEADLINE_MAX = timedelta(days=7)

Reach: TypeAlias = Literal["not", "maybe", "waits", "elsewhere"]

_REACHED: dict[State, Reach] = {
    "rejected": "not",
    "expired": "not",
    "cancelled": "not",
    "sent": "maybe",
    "delivered": "maybe",
    "unknown": "maybe",
    "digested": "elsewhere",
}


class ResendNotification(BaseModel):
    """An operator sends a message again. The reason is kept, sealed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]
    again: bool = Field(
        default=False, description="It was sent, or nobody knows: the person may get it twice, and that is meant"
    )
    deadline: AwareDatetime | None = Field(
        default=None, description="Until when it is worth something; none: the deadline it had, if that is ahead"
    )


class FindPeople(BaseModel):
    """An address of somebody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phone: Phone | None = None
    email: Mail | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "FindPeople":
        if (self.phone is None) == (self.email is None):
            raise ValueError("takes exactly one of phone and email")
        return self


class ResendRefused(Refused):
    """The message is not sent again; `because` says why."""

    code = "resend-refused"


def require_resendable(state: State, *, again: bool, has_body: bool, resent: Collection[object]) -> None:
    """Refuse to send again what still waits, what was told in a digest, what may have been read, what is not kept any
    more, and what was sent again already. Raises `ResendRefused`.
    """
    reached = _REACHED.get(state, "waits")
    if reached == "waits":
        raise ResendRefused(f"This message is {state}: it has not ended yet, and leaves by itself.", because="waits")
    if reached == "elsewhere":
        raise ResendRefused(
            "This message was told within a digest; send that one again (digest_id).", because="digested"
        )
    if reached == "maybe" and not again:
        way_out = (
            "settle it first (POST /v1/notifications/{id}/settle), or send `again: true`"
            if state == "unknown"
            else "send `again: true`"
        )
        raise ResendRefused(
            f"This message is {state}, so the person may get it twice. If that is meant, {way_out}.", because="reached"
        )
    if not has_body:
        raise ResendRefused(
            "What this message was made of is removed, and so is every file it had: it cannot be written again.",
            because="body-gone",
        )
    if resent:
        raise ResendRefused(
            "This message was sent again already; look what came of that one, and send it again if need be.",
            because="resent",
            notification_id=str(next(iter(resent))),
        )


def deadline_of(wanted: datetime | None, before: datetime, now: datetime) -> datetime:
    """Until when the new message may leave. Raises `ResendRefused`."""
    if wanted is None and before <= now:
        raise ResendRefused(
            "The deadline of this message is past. If it is still worth something, give a new `deadline`.",
            because="deadline",
        )
    deadline = before if wanted is None else wanted
    if wanted is not None and not now < deadline <= now + DEADLINE_MAX:
        raise ResendRefused("deadline must be after now and within seven days.", because="deadline")
    return deadline

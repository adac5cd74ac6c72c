"""What becomes of each message: pure decisions.

The life of a notification rests on one order of writes (DESIGN, "Messages reach vendors once"):

1. the row is there before any provider is called, unique by (event, template, recipient);
2. an attempt is committed (`sending`) before the call;
3. its outcome is committed after the call.

So a crash leaves one of three things behind. Before 2: the row is `queued` or `retry` with a lapsed claim; no call was
made, anyone may take it. Between 2 and 3: the row is `sending` with a lapsed lease; whether the call was made nobody
can tell, so it becomes `unknown`, is listed, and is never resent by itself. After 3: nothing is open.
`unknown` is a lack of knowledge, not an end: the same attempt's outcome may still come (its worker was slow, not dead),
or an operator who looked at the provider's log settles it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.notify.domain.reports import RejectionKind
from services.notify.plans import Lane
from shared.errors import NotFound, Refused
from shared.events.notify import (
    Channel,
    NotificationEvent,
    NotificationExpired,
    NotificationFailed,
    NotificationSent,
    NotificationUnknown,
)

State: TypeAlias = Literal[
    "planned",
    "waiting_contact",
    "deferred",
    "held",
    "queued",
    "retry",
    "sending",
    "sent",
    "delivered",
    "rejected",
    "unknown",
    "expired",
    "digested",
    "cancelled",
]

STATES: tuple[State, ...] = get_args(State)

RETRY_DELAY_SECONDS_FIRST = 5.0

RETRY_DELAY_SECONDS_MAX = 900.0

RETRY_DELAY_SECONDS_MAX_OFFER = 60.0


@dataclass(frozen=True)
class Accepted:
    """The provider took the message over. `message_id` is its own id of it."""

    code: str
    message_id: str | None = None
    segments: int | None = None
    cost_millirupiah: int = 0


@dataclass(frozen=True)
class Rejected:
    """It will never be taken, on this channel, for this recipient; a later try would say the same."""

    code: str
    kind: RejectionKind = "other"


@dataclass(frozen=True)
class Deferred:
    """Not taken this time, and certainly not taken: trying again cannot make two of it.

    `scope`: what stood in the way, this message, this recipient (a rate per pair), the provider (its rate, our account,
    an outage: all others would meet it too). `seconds`: how long it asked us to wait.
    """

    code: str
    scope: Literal["message", "recipient", "provider"] = "message"
    seconds: float | None = None


@dataclass(frozen=True)
class Ambiguous:
    """The message was handed over and no answer came: it may or may not have been taken."""

    code: str


Outcome: TypeAlias = Accepted | Rejected | Deferred | Ambiguous


@dataclass(frozen=True)
class Standing:
    """Where a notification stands. `version` counts its events; `attempts` the attempts begun."""

    id: UUID
    event_id: UUID
    vendor_id: UUID
    template: str
    lane: int
    state: State
    version: int
    attempts: int
    channel: Channel | None


@dataclass(frozen=True)
class Settlement:
    """What a notification becomes. `event` tells it to others; `retry_seconds` from now the next try is due."""

    id: UUID
    state: State
    version: int
    reason: str | None = None
    retry_seconds: float | None = None
    event: NotificationEvent | None = None


def settle(one: Standing, outcome: Outcome, *, chance: float) -> Settlement:
    """What an attempt's outcome makes of its notification, which is `sending`, or `unknown` by that same attempt.

    `chance` in [0, 1) spreads the retries.
    """
    if one.state not in ("sending", "unknown"):
        raise ValueError(f"{one.state}: only an attempt under way has an outcome")
    match outcome:
        case Accepted():
            return _told(one, "sent", NotificationSent(**_about(one), channel=_channel(one)))
        case Rejected(code):
            return _told(one, "rejected", NotificationFailed(**_about(one), reason=code), code)
        case Deferred(code):
            wait = retry_delay_seconds(one.attempts, one.lane, chance)
            return Settlement(one.id, "retry", one.version, reason=code, retry_seconds=wait)
        case Ambiguous(code):
            return lose(one, code)


def lose(one: Standing, reason: str) -> Settlement:
    """Nobody knows whether the message was taken. Said once: an attempt already unknown stays so silently."""
    if one.state == "unknown":
        return Settlement(one.id, "unknown", one.version, reason=reason)
    return _told(one, "unknown", NotificationUnknown(**_about(one), channel=_channel(one)), reason)


def expire(one: Standing) -> Settlement:
    """The deadline passed before the message could leave."""
    if one.state not in ("waiting_contact", "queued", "retry"):
        raise ValueError(f"{one.state}: only a message that has not left expires")
    reason = "no-contact" if one.state == "waiting_contact" else "deadline"
    return _told(one, "expired", NotificationExpired(**_about(one)), reason)


def drop(one: Standing) -> Settlement:
    """The person is erased before the message could leave: it never does."""
    return _told(one, "rejected", NotificationFailed(**_about(one), reason="erased"), "erased")


def settle_by_hand(one: Standing, command: "SettleNotification") -> Settlement:
    """An operator found out what became of an unknown message. Raises `NotUnknown`."""
    if one.state != "unknown":
        raise NotUnknown(f"This notification is {one.state}; only an unknown one is settled by hand.", state=one.state)
    if command.outcome == "sent":
        return _told(one, "sent", NotificationSent(**_about(one), channel=_channel(one)), "by-hand")
    return Settlement(one.id, "retry", one.version, reason="by-hand", retry_seconds=0.0)


def retry_delay_seconds(attempts: int, lane: int, chance: float) -> float:
    """Exponential, half of it by chance so that many do not come back together; offers are pressed harder."""
    most = RETRY_DELAY_SECONDS_MAX_OFFER if lane == Lane.OFFER else RETRY_DELAY_SECONDS_MAX
    full = min(most, RETRY_DELAY_SECONDS_FIRST * 2.0 ** (max(attempts, 1) - 1))
    return full * (0.5 + chance / 2)


def _about(one: Standing) -> dict[str, Any]:
    return {
        "notification_id": one.id,
        "vendor_id": one.vendor_id,
        "template": one.template,
        "cause_event_id": one.event_id,
    }


def _channel(one: Standing) -> Channel:
    if one.channel is None:
        raise ValueError("an attempt has a channel")
    return one.channel


def _told(one: Standing, state: State, event: NotificationEvent, reason: str | None = None) -> Settlement:
    return Settlement(one.id, state, one.version + 1, reason=reason, event=event)


class SettleNotification(BaseModel):
    """What an operator found out about an unknown notification, and how (kept beside the attempt)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["sent", "not-sent"]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class NotificationNotFound(NotFound):
    """No notification has this id."""

    code = "notification-not-found"


class NotUnknown(Refused):
    """The notification's outcome is known, or it has not been tried yet."""

    code = "not-unknown"

"""What becomes of each message: pure decisions.

The life of a notification rests on one order of writes (DESIGN, "Messages reach vendors once"):

1. the row is there before any provider is called, unique by (event, template, recipient);
2. an attempt is committed (`sending`) before the call;
3. its outcome is committed after the call.

So a crash leaves one of three things behind. Before 2: the row is `queued` or `retry` with a lapsed claim; no call was
made, anyone may take it. Between 2 and 3: the row is `sending` with a lapsed lease; whether the call was made nobody
can tell, so it becomes `unknown`, is listed, and is never resent by itself. After 3: nothing is open.
`unknown` is a lack of knowledge, not an end: the same attempt's outcome may still come (its worker was slow, not dead),
its receipt may, the provider may be asked where it can be, or an operator who looked at its log settles it.

A message has one state and any number of attempts, one after the other, on the channels of its route. Two things let it
leave again: the provider itself said that it did not take it or could not deliver it, or, for offers only, no receipt
came in time. Whatever attempt reaches the person first ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.notify.domain.reports import RejectionKind, Status
from services.notify.plans import Lane
from shared.errors import NotFound, Refused
from shared.events.notify import (
    Channel,
    NotificationChannelFailed,
    NotificationDelivered,
    NotificationEvent,
    NotificationExpired,
    NotificationFailed,
    NotificationRead,
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

UNSENT: tuple[State, ...] = ("planned", "waiting_contact", "deferred", "held", "queued", "retry")
"""States of messages that wait to leave (by their first channel, or by the next)."""

RANKS: Mapping[Status, int] = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}
"""A receipt counts only if it ranks above what is known of its attempt, so their order does not matter: whatever
reached the person never becomes undone, and a failure is not undone by an earlier `sent`.
"""

TAKEN_AFTER_ALL: tuple[State, ...] = ("sending", "unknown", "retry")
"""States in which it counts that the last attempt was taken: where it was thought not to be (an operator was wrong, a
provider said so untruly) the message must not leave a second time.
"""

NO_RECEIPT = "no-receipt"

BY_HAND = "by-hand"

BEFORE_CONTENT = "before-content"
"""Codes of what ended before the message was handed over begin so."""

OWN_REFUSALS = frozenset(
    {"no-contact", "no-address", "no-form", "template-fault", "content-malformed", "address-malformed", "too-late"}
)
"""Codes of what we refused ourselves, before any provider heard of it."""

NOT_NOW_SECONDS = 6 * 3600.0
"""A provider chose not to deliver for the moment (WhatsApp 131049): not to be repeated at once."""

ASK_SECONDS_FIRST = 5.0

ASK_SECONDS_MAX = 1800.0

ASKS_MAX = 56
"""From 5 seconds doubling to half an hour: a provider is asked for a day what became of a message."""

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
    an outage: all others would meet it too). `seconds`: how long it asked us to wait. `pause`: our account is in
    trouble; nothing more leaves through this provider until an operator resumes it.
    """

    code: str
    scope: Literal["message", "recipient", "provider"] = "message"
    seconds: float | None = None
    pause: bool = False


@dataclass(frozen=True)
class Ambiguous:
    """The message was handed over and no answer came: it may or may not have been taken."""

    code: str


Outcome: TypeAlias = Accepted | Rejected | Deferred | Ambiguous


@dataclass(frozen=True)
class Standing:
    """Where a notification stands. `version` counts its events; `attempts` the attempts begun; `route`: the channels
    still to try after the present one, None where none was chosen.

    `sent`, `delivered`, `read`: what was told of it already. `silent`: a channel took it and gave no receipt in time,
    and so others are tried; should they fail it counts as sent.
    """

    id: UUID
    event_id: UUID
    vendor_id: UUID
    template: str
    lane: int
    state: State
    version: int
    attempts: int
    channel: Channel | None
    route: tuple[Channel, ...] | None = None
    deadline: datetime | None = None
    reason: str | None = None
    sent: bool = False
    delivered: bool = False
    read: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Settlement:
    """What a notification becomes. `events` tell it to others, `version` is that of the last; `due_seconds` from now
    the next step is due (a try, a question); None: as it was. `channel`: where it is another one than before.
    """

    id: UUID
    state: State
    version: int
    reason: str | None = None
    due_seconds: float | None = 0.0
    events: tuple[NotificationEvent, ...] = ()
    channel: Channel | None = None
    read: bool = False
    silent: bool = False


# --- what an attempt makes of its message


def settle(
    one: Standing, outcome: Outcome, *, chance: float, now: datetime | None = None, elsewhere: bool = False
) -> Settlement:
    """What an attempt's outcome makes of its notification, which is `sending`, or `unknown` by that same attempt, or in
    `retry` after it if it was taken after all.

    `chance` in [0, 1) spreads the retries. `elsewhere`: another provider of the channel is there to take it.
    """
    if not has_outcome(one, outcome):
        raise ValueError(f"{one.state}: only an attempt under way has an outcome")
    match outcome:
        case Accepted():
            return _accept(one)
        case Rejected(code, "not-now") if not _is_urgent(one) and _outlasts(one, now, NOT_NOW_SECONDS):
            return _retry(one, code, NOT_NOW_SECONDS * (1 + chance / 2))
        case Rejected(code):
            return fall_back(one, code)
        case Deferred(code, "provider") if elsewhere:
            return _retry(one, code, chance)
        case Deferred(code, _, seconds):
            wait = retry_delay_seconds(one.attempts, one.lane, chance)
            return _retry(one, code, wait if seconds is None else max(wait, seconds * (1 + chance / 2)))
        case Ambiguous(code):
            return lose(one, code)


def reached_provider(outcome: Rejected | Deferred) -> bool:
    """Whether a provider may have counted a try that it did not take: not where it never heard of it."""
    return outcome.code not in OWN_REFUSALS and not outcome.code.startswith(BEFORE_CONTENT)


def has_outcome(one: Standing, outcome: Outcome) -> bool:
    """Whether this outcome of its last attempt still says something about a notification."""
    return one.state in ("sending", "unknown") or (one.state in TAKEN_AFTER_ALL and isinstance(outcome, Accepted))


def lose(one: Standing, reason: str) -> Settlement:
    """Nobody knows whether the message was taken. Said once: an attempt already unknown stays so silently."""
    if one.state == "unknown":
        return Settlement(one.id, "unknown", one.version, reason, due_seconds=ASK_SECONDS_FIRST, silent=one.silent)
    unknown = NotificationUnknown(**_about(one), channel=_channel(one))
    return _told(one, "unknown", unknown, reason=reason, due_seconds=ASK_SECONDS_FIRST)


def fall_back(one: Standing, reason: str) -> Settlement:
    """Its channel did not reach the person: the next one of its route is tried; with none left it has failed."""
    if not one.route:
        return refuse(one, reason)
    failed = NotificationChannelFailed(**_about(one), channel=_channel(one), reason=reason)
    return _told(one, "planned", failed, reason=reason)


def give_up_waiting(one: Standing) -> Settlement:
    """No receipt came in time: the next channel is tried too. The one case in which a person may get it twice."""
    if one.state != "sent" or not one.route:
        raise ValueError(f"{one.state}: only a message that was sent and has channels left is tried on another")
    return replace(fall_back(one, NO_RECEIPT), silent=True)


def hear(
    one: Standing, status: Status, *, channel: Channel, current: bool, code: str | None = None, hope: bool = False
) -> Settlement | None:
    """What a receipt makes of a notification; None: nothing. `status` is higher than what was known of its attempt, by
    RANKS; `current`: the attempt is the notification's last; `hope`: another one that was given up for its silence has
    not failed so far.

    The first attempt that reached the person ends it, whatever was planned beside it: what is true is said, even late.
    """
    match status:
        case "sent":
            return _accept(one) if current and one.state in TAKEN_AFTER_ALL else None
        case "failed":
            if current and one.state in ("sending", "unknown", "sent"):
                return fall_back(one, code or "failed")
            if not one.silent or hope:
                return None
            if one.state == "sent" and one.reason not in (None, BY_HAND):  # all others had failed before
                return refuse(replace(one, silent=False), code or "failed")
            return Settlement(one.id, one.state, one.version, one.reason, due_seconds=None)
        case "delivered" | "read":
            events: list[NotificationEvent] = []
            if not one.sent:
                events.append(NotificationSent(**_about(one), channel=channel))
            if not one.delivered:
                events.append(NotificationDelivered(**_about(one), channel=channel))
            if status == "read" and not one.read:
                events.append(NotificationRead(**_about(one), channel=channel))
            if not events:
                return None
            return _told(one, "delivered", *events, channel=channel, read=status == "read")


def after(one: Standing, settlement: Settlement) -> Standing:
    """Where a notification stands once it is settled so."""
    delivered = settlement.state == "delivered"
    return replace(
        one,
        state=settlement.state,
        version=settlement.version,
        reason=settlement.reason,
        silent=settlement.silent,
        channel=settlement.channel or one.channel,
        sent=one.sent or delivered or settlement.state == "sent",
        delivered=one.delivered or delivered,
        read=one.read or settlement.read,
    )


def joined(first: Settlement, second: Settlement) -> Settlement:
    """Two settlements of one notification, the second decided after the first, as one."""
    return replace(
        second,
        events=first.events + second.events,
        channel=second.channel or first.channel,
        read=first.read or second.read,
        due_seconds=first.due_seconds if second.due_seconds is None else second.due_seconds,
    )


# --- what ends a message that has not left


def refuse(one: Standing, reason: str) -> Settlement:
    """No channel reaches the person, or none may. Where an earlier channel took it and kept silent, it was sent."""
    if one.silent:
        return Settlement(one.id, "sent", one.version, reason, silent=True)
    return _told(one, "rejected", NotificationFailed(**_about(one), reason=reason), reason=reason)


def place_in_inbox(one: Standing) -> Settlement:
    """It waits in the person's inbox, and needs no provider."""
    sent = () if one.sent else (NotificationSent(**_about(one), channel="inbox"),)
    return _told(one, "sent", *sent, channel="inbox")


def cancel(one: Standing, reason: str = "stopped") -> Settlement:
    """It is not to leave any more: its broadcast was stopped, or for another reason."""
    if one.state not in UNSENT:
        raise ValueError(f"{one.state}: only a message that has not left is cancelled")
    return _told(one, "cancelled", NotificationFailed(**_about(one), reason=reason), reason=reason)


def expire(one: Standing) -> Settlement:
    """The deadline passed before the message could leave."""
    if one.state not in UNSENT:
        raise ValueError(f"{one.state}: only a message that has not left expires")
    if one.silent:
        return refuse(one, "deadline")
    reason = "no-contact" if one.state == "waiting_contact" else "deadline"
    return _told(one, "expired", NotificationExpired(**_about(one)), reason=reason)


def drop(one: Standing) -> Settlement:
    """The person is erased before the message could leave: it never does."""
    return refuse(one, "erased")


def settle_by_hand(one: Standing, command: "SettleNotification") -> Settlement:
    """An operator found out what became of an unknown message. Raises `NotUnknown`."""
    if one.state != "unknown":
        raise NotUnknown(f"This notification is {one.state}; only an unknown one is settled by hand.", state=one.state)
    if command.outcome == "sent":
        return replace(_accept(one), reason=BY_HAND)
    return _retry(one, BY_HAND, 0.0)


def retry_delay_seconds(attempts: int, lane: int, chance: float) -> float:
    """Exponential, half of it by chance so that many do not come back together; offers are pressed harder."""
    most = RETRY_DELAY_SECONDS_MAX_OFFER if lane == Lane.OFFER else RETRY_DELAY_SECONDS_MAX
    full = min(most, RETRY_DELAY_SECONDS_FIRST * 2.0 ** (min(max(attempts, 1), 64) - 1))
    return full * (0.5 + chance / 2)


def _accept(one: Standing) -> Settlement:
    sent = () if one.sent else (NotificationSent(**_about(one), channel=_channel(one)),)
    return _told(one, "sent", *sent)


def _retry(one: Standing, reason: str, seconds: float) -> Settlement:
    return Settlement(one.id, "retry", one.version, reason, due_seconds=seconds, silent=one.silent)


def _is_urgent(one: Standing) -> bool:
    return one.lane == Lane.OFFER


def _outlasts(one: Standing, now: datetime | None, seconds: float) -> bool:
    """Whether its deadline leaves time to wait so long, half as much again."""
    return one.deadline is None or now is None or (one.deadline - now).total_seconds() > seconds * 1.5


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


def _told(
    one: Standing,
    state: State,
    *events: NotificationEvent,
    reason: str | None = None,
    due_seconds: float = 0.0,
    channel: Channel | None = None,
    read: bool = False,
) -> Settlement:
    return Settlement(
        one.id,
        state,
        one.version + len(events),
        reason,
        due_seconds=due_seconds,
        events=events,
        channel=channel,
        read=read,
        silent=one.silent and state != "delivered",
    )


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

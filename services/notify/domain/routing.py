"""Which way a message goes, and when: pure decisions.

In this order: may the person be told at all (consent, wishes); which of its channels are left, in which order; is it
time. A channel that the person stopped, or whose address is known to lead nowhere, is never used, not even for what
must be told; a topic it ended is not told, except what must be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias, get_args
from uuid import UUID

from services.notify.domain.hours import ALWAYS, DIGEST_MARGIN, Hours, Pause, next_digest, wait
from services.notify.domain.people import Contact
from services.notify.domain.wishes import NO_WISHES, Outward, Wishes
from services.notify.plans import DIGEST, Lane, Topic
from shared.clock import JAKARTA
from shared.events.notify import Channel

__all__ = [
    "ANSWER",
    "WRITTEN_BACK",
    "Case",
    "Decision",
    "Inbox",
    "Person",
    "Queue",
    "Refuse",
    "Rules",
    "Wait",
    "address_key",
    "addresses",
    "decide",
    "matters_by",
    "must_wait",
    "normalised",
]

ANSWER = "reply-"
"""Templates that answer what a person just wrote begin so: they go back where it came from, at once."""

WRITTEN_BACK = frozenset({"booth-confirmed", "booth-declined"})
"""What bazaar made of a YA or TIDAK: where it was written a moment ago, its writer is awake and waits for this."""

PAID: frozenset[Channel] = frozenset({"sms"})
"""Channels that a broadcast uses only where it says so."""


NOON = 12


@dataclass(frozen=True)
class Rules:
    """What holds for everybody: the outward channels there are, in the usual order; the pauses; the digests."""

    channels: tuple[Outward, ...] = ("email",)
    hours: Hours = ALWAYS
    digest_times: tuple[time, ...] = ()


@dataclass(frozen=True)
class Case:
    """A message to be routed. `route`: the channels it may still go by; None where none was chosen yet. `gathered`: its
    digest's moment has come; `has_files`: files go along; `application_id`: what it is about, where it is about one.
    """

    id: UUID
    template: str
    lane: Lane
    topic: Topic
    must: bool
    digest: bool
    mode: str
    attempts: int
    route: tuple[Outward, ...] | None
    reason: str | None
    deadline: datetime
    matters_by: datetime
    gathered: bool = False
    has_files: bool = False
    application_id: UUID | None = None

    @property
    def is_answer(self) -> bool:
        """Whether it answers what the person wrote."""
        return self.template.startswith(ANSWER)


@dataclass(frozen=True)
class Person:
    """The recipient. `reached`: channels with an address; `closed`: those whose address is suppressed, why; `unfit`:
    channels on which this message cannot go (no approved form of it); `wrote`: this message is what came of an answer
    that it wrote a moment ago.
    """

    reached: frozenset[Channel] = frozenset()
    closed: Mapping[Channel, frozenset[str]] = field(default_factory=dict)
    unfit: frozenset[Channel] = frozenset()
    wishes: Wishes = NO_WISHES
    consented: bool = False
    wrote: bool = False


@dataclass(frozen=True)
class Queue:
    """It leaves by this channel; by the next ones, in order, should that fail."""

    channel: Outward
    route: tuple[Outward, ...]


@dataclass(frozen=True)
class Wait:
    """It leaves not before this moment."""

    until: datetime
    because: Pause | str


@dataclass(frozen=True)
class Inbox:
    """No other channel reaches the person: it is in the inbox."""


@dataclass(frozen=True)
class Refuse:
    """It is not sent, for this reason."""

    reason: str


Decision: TypeAlias = Queue | Wait | Inbox | Refuse


def decide(case: Case, person: Person | None, rules: Rules, now: datetime) -> Decision:
    """Where a message goes. `person` is None where there is no card: it is erased."""
    if case.mode == "test":
        first, *rest = case.route or rules.channels  # simulated providers are there for every channel
        return Queue(first, tuple(rest))
    if person is None:
        return Refuse("no-contact")
    if case.topic == "news" and not person.consented and not case.is_answer:
        return Refuse("no-consent")
    wanted = _wanted(case, person, rules)
    if wanted is None:
        return Refuse("stopped")
    open_to = [
        one for one in wanted if one in person.reached and one not in person.unfit and _is_open(case, person, one)
    ]
    if not open_to:
        # the inbox shows words only: what has files did not arrive there
        return Inbox() if case.attempts == 0 and not case.has_files else Refuse(_failure(case))
    if case.is_answer or person.wrote:
        return Queue(open_to[0], tuple(open_to[1:]))
    moment = _digest_moment(case, person, rules, now)
    if moment is not None:
        return Wait(moment, DIGEST)
    pause = wait(
        rules.hours,
        now,
        lane=case.lane,
        must=case.must,
        news=case.topic == "news",
        deadline=case.deadline,
        matters_by=case.matters_by,
    )
    return Queue(open_to[0], tuple(open_to[1:])) if pause is None else Wait(*pause)


def must_wait(
    hours: Hours,
    now: datetime,
    *,
    template: str,
    lane: Lane,
    topic: str,
    must: bool,
    deadline: datetime,
    params: Mapping[str, Any],
) -> bool:
    """Whether a message that was queued before a pause began has to wait for its end now, by the rule of `decide`."""
    if hours == ALWAYS or template.startswith(ANSWER) or template in WRITTEN_BACK:
        return False
    by = matters_by(lane, deadline, params, now)
    return wait(hours, now, lane=lane, must=must, news=topic == "news", deadline=deadline, matters_by=by) is not None


def _failure(case: Case) -> str:
    """Why its last channel failed, unless it waited since."""
    return "unreachable" if case.reason is None or case.reason in (*get_args(Pause), DIGEST) else case.reason


def _wanted(case: Case, person: Person, rules: Rules) -> list[Outward] | None:
    """The channels that rule and wish allow, the first to be tried first; None where the person ended them all."""
    there = list(rules.channels)
    if case.route is not None:
        there = [one for one in case.route if one in there]
    else:
        if person.wishes.channels is not None:
            preferred = person.wishes.channels
            there.sort(key=lambda one: preferred.index(one) if one in preferred else len(preferred))
        if case.lane == Lane.BROADCAST:
            there = [one for one in there if one not in PAID]
    if case.is_answer or case.template == DIGEST:  # the messages of a digest were asked one by one
        return there
    liked = [one for one in there if person.wishes.wants(case.topic, one)]
    return liked if liked or not there else there if case.must else None


def _is_open(case: Case, person: Person, channel: Channel) -> bool:
    """Whether its address is written to. The answer to STOP is the one message that passes a stop."""
    reasons = person.closed.get(channel, frozenset())
    return not (reasons - {"stopped"} if case.is_answer else reasons)


def _digest_moment(case: Case, person: Person, rules: Rules, now: datetime) -> datetime | None:
    if not case.digest or case.gathered or case.attempts > 0 or case.route is not None:
        return None
    moment = next_digest(rules.hours, rules.digest_times, person.wishes.digest or "daily", now)
    return moment if moment is not None and moment + DIGEST_MARGIN <= case.deadline else None


def matters_by(lane: Lane, deadline: datetime, params: Mapping[str, Any], now: datetime) -> datetime:
    """By when the reader must have acted: an urgent message that is about days matters before the next of them."""
    if lane != Lane.OFFER:
        return deadline
    days = [day for name in ("days_before", "days") for day in params.get(name) or () if isinstance(day, str)]
    local = now.astimezone(JAKARTA)
    first = local.date() if local.hour < NOON else local.date() + timedelta(days=1)
    coming = [day for text in days if (day := _day(text)) is not None and day >= first]
    return min([deadline, *(datetime.combine(day, time(), JAKARTA) for day in coming)])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


# --- addresses


def addresses(contact: Contact) -> dict[Outward, str]:
    """Where each channel reaches a person, as it is written in its card."""
    found: dict[Outward, str] = {}
    if contact.phone:
        found["whatsapp"] = found["sms"] = contact.phone
    if contact.email:
        found["email"] = contact.email
    return found


def normalised(channel: Channel, address: str) -> str:
    """One spelling of each address: e-mail in small letters, phone numbers with a plus and digits only."""
    if channel == "email":
        return address.strip().lower()
    return "+" + "".join(char for char in address if char in "0123456789")


def address_key(blind_index: Callable[[str], bytes], channel: Channel, address: str) -> bytes:
    """By what an address is remembered without the person: keyed, so it tells nothing by itself, and the same after
    keys were rotated.
    """
    return blind_index(f"{channel}:{normalised(channel, address)}")

"""What people want to hear, on which channels, in which language: pure decisions.

What nobody said is wanted. The inbox always has everything; it cannot be switched off, and needs nobody's leave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.notify.domain.hours import Often
from services.notify.plans import TOPICS, Topic
from shared.errors import NotFound, Refused
from shared.events.notify import Channel

__all__ = [
    "NO_WISHES",
    "OUTWARD",
    "UNREACHABLE_DAYS",
    "AddSuppression",
    "AddressMissing",
    "Because",
    "ChangeWishes",
    "LiftReason",
    "LiftSuppression",
    "Outward",
    "ReasonNeeded",
    "SuppressionLifted",
    "SuppressionNotFound",
    "SuppressionReason",
    "Told",
    "VendorNotKnown",
    "Voice",
    "Wish",
    "Wishes",
    "changed",
    "changes_told",
    "lasts_until",
    "person_wishes",
]

Outward: TypeAlias = Literal["whatsapp", "sms", "email"]
"""Channels that leave the house."""

OUTWARD: tuple[Outward, ...] = get_args(Outward)

Voice: TypeAlias = Literal["reply", "link", "person", "officer", "provider"]
"""Through whom a person said it."""

SuppressionReason: TypeAlias = Literal["bounced", "complained", "unreachable", "stopped", "invalid"]

LiftReason: TypeAlias = Literal["asked-by-person", "address-works", "provider-error", "noted-by-mistake"]

Because: TypeAlias = Literal["asked-by-phone", "asked-at-office", "asked-in-writing", "complaint"]
"""Why an officer changes a person's wishes."""

UNREACHABLE_DAYS = 30


@dataclass(frozen=True)
class Wish:
    """A word of a person on one topic on one channel."""

    topic: Topic
    channel: Outward
    wanted: bool


@dataclass(frozen=True)
class Wishes:
    """What a person wants, over all its ids."""

    unwanted: frozenset[tuple[Topic, Outward]] = frozenset()
    channels: tuple[Outward, ...] | None = None
    """In the order in which it prefers them."""
    language: str | None = None
    digest: Often | None = None

    def wants(self, topic: Topic, channel: Channel) -> bool:
        """Whether it wants to hear of this topic over this channel."""
        return (topic, channel) not in self.unwanted


NO_WISHES = Wishes()


@dataclass(frozen=True)
class Told:
    """What is told to others of a change: these messages are stopped, or wanted again. None: on every channel; of every
    topic.
    """

    stopped: bool
    channel: Outward | None
    topic: Topic | None


class ChangeWishes(BaseModel):
    """A person's wishes. What is not named stays as it was said before; null takes a preference back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topics: dict[Topic, dict[Outward, bool]] = Field(
        default_factory=dict, description="Topic -> channel -> whether it is wanted"
    )
    channels: Annotated[list[Outward], Field(min_length=1, max_length=3)] | None = Field(
        default=None, description="Channels in the order in which they are tried; those not named come last"
    )
    language: Literal["id", "en"] | None = Field(default=None, description="null: as in the registration")
    digest: Often | None = Field(default=None, description="What may wait comes together; null: daily")
    because: Because | None = Field(default=None, description="Needed of an officer")

    @field_validator("channels")
    @classmethod
    def _check_channels(cls, value: list[Outward] | None) -> list[Outward] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names a channel twice; name each once")
        return value

    def wishes(self) -> list[Wish]:
        """Each word on a topic and a channel."""
        return [
            Wish(topic, channel, wanted)
            for topic, channels in self.topics.items()
            for channel, wanted in channels.items()
        ]


class AddSuppression(BaseModel):
    """Somebody said that an address is not to be written to: by the address, or by whose it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Outward
    reason: Literal["complained", "stopped", "invalid"]
    address: Annotated[str, Field(min_length=3, max_length=254)] | None = None
    vendor_id: UUID | None = None


class LiftSuppression(BaseModel):
    """Why an address may be written to again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    because: LiftReason


class ReasonNeeded(Refused):
    """Who changes another person's wishes says why."""

    code = "reason-missing"
    status = 422

    def __init__(self) -> None:
        reasons = list(get_args(Because))
        super().__init__(f"because: an officer names why, one of {', '.join(reasons)}.", reasons=reasons)


class VendorNotKnown(NotFound):
    """Notify knows no such vendor, or it is erased."""

    code = "vendor-unknown"


class SuppressionNotFound(NotFound):
    """No suppression has this id."""

    code = "suppression-not-found"


class SuppressionLifted(Refused):
    """It was lifted before."""

    code = "suppression-lifted"


class AddressMissing(Refused):
    """Neither an address is named nor a vendor that has one on this channel, or both are."""

    code = "address-missing"
    status = 422


def person_wishes(
    said: Iterable[tuple[Topic, Outward, bool, datetime]],
    channels: Sequence[tuple[Sequence[Outward] | None, datetime]] = (),
    language: Sequence[tuple[str | None, datetime]] = (),
    digest: Sequence[tuple[Often | None, datetime]] = (),
) -> Wishes:
    """What was said under all ids of a person: of each thing the last word counts; of two of one moment the no."""
    last: dict[tuple[Topic, Outward], tuple[datetime, bool]] = {}
    for topic, channel, wanted, at in said:
        word = (at, not wanted)
        if (topic, channel) not in last or word > last[topic, channel]:
            last[topic, channel] = word
    order = max(channels, key=lambda one: one[1])[0] if channels else None
    return Wishes(
        frozenset(key for key, (_, refused) in last.items() if refused),
        None if order is None else tuple(order),
        max(language, key=lambda one: one[1])[0] if language else None,
        max(digest, key=lambda one: one[1])[0] if digest else None,
    )


def changed(before: Wishes, wishes: Iterable[Wish]) -> list[Wish]:
    """Those that are news."""
    return [one for one in wishes if before.wants(one.topic, one.channel) != one.wanted]


def changes_told(news: Sequence[Wish]) -> list[Told]:
    """The fewest words that say it: a topic on every channel, a channel with every topic, else each by itself."""
    told: list[Told] = []
    for stopped in (True, False):
        left = {(one.topic, one.channel) for one in news if one.wanted != stopped}
        everything = {(topic, channel) for topic in TOPICS for channel in OUTWARD}
        if left == everything:
            told.append(Told(stopped, None, None))
            continue
        for topic in TOPICS:
            row = {(topic, channel) for channel in OUTWARD}
            if row <= left:
                told.append(Told(stopped, None, topic))
                left -= row
        for one in OUTWARD:
            column = {(topic, one) for topic in TOPICS}
            if column <= left:
                told.append(Told(stopped, one, None))
                left -= column
        told += [Told(stopped, channel, topic) for topic, channel in sorted(left)]
    return told


def lasts_until(reason: SuppressionReason, now: datetime) -> datetime | None:
    """A phone that could not be reached may be reached later; the others stay until somebody lifts them."""
    return now + timedelta(days=UNREACHABLE_DAYS) if reason == "unreachable" else None

"""One message to many, in steps: drafted, submitted, approved by a second person where it goes to many, run, ended.

    draft -> submitted -> running <-> paused
    submitted -> draft (rejected or taken back)
    running, paused -> stopped; running -> completed

What is submitted is fixed: the words (a template's version with its parameters) and the people. So what a second person
approves is what is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from services.notify.domain.templates import TemplateName
from services.notify.plans import Topic
from shared.errors import Forbidden, NotFound, Refused
from shared.events.notify import (
    BroadcastApproved,
    BroadcastCompleted,
    BroadcastEvent,
    BroadcastPaused,
    BroadcastResumed,
    BroadcastStopped,
    BroadcastSubmitted,
)
from shared.events.values import AreaCode, Language

__all__ = [
    "LISTED_MAX",
    "Act",
    "ApproveBroadcast",
    "AudienceEmpty",
    "Broadcast",
    "BroadcastChanged",
    "BroadcastNotFound",
    "BroadcastNotIn",
    "BroadcastOver",
    "BroadcastUnfit",
    "BroadcastWay",
    "DraftBroadcast",
    "EndBroadcast",
    "ListMissing",
    "Moved",
    "SecondPersonNeeded",
    "approve",
    "complete",
    "pause",
    "reject",
    "resume",
    "route_of",
    "stop",
    "submit",
]

State: TypeAlias = Literal["draft", "submitted", "running", "paused", "stopped", "completed"]
Act: TypeAlias = Literal[
    "draft", "list", "submit", "approve", "reject", "pause", "resume", "stop", "complete", "overdue"
]
BroadcastWay: TypeAlias = Literal["whatsapp", "sms", "email"]

LISTED_MAX = 400_000
LASTS_DAYS_DEFAULT = 30
LASTS_DAYS_MAX = 90

USUAL: tuple[BroadcastWay, ...] = ("whatsapp", "email")
"""Channels of a broadcast that names none. SMS costs, so it is named."""

Note: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class DraftBroadcast(BaseModel):
    """What is to be told to whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: TemplateName = Field(description="A template for broadcasts: its name begins with broadcast-")
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters, as the template declares them")
    areas: Annotated[list[AreaCode], Field(min_length=1, max_length=300)] = Field(
        description="Where the people live; each within the officer's area"
    )
    by_list: bool = Field(
        default=False,
        description="Only people of a list (given apart, POST .../list) who live in these areas",
    )
    language: Language | None = Field(default=None, description="Only people who read this language")
    topic: Topic = Field(default="news", description="news is told to whoever consented to it; nothing here is a must")
    channels: Annotated[list[BroadcastWay], Field(min_length=1, max_length=3)] = Field(
        default=list(USUAL), description="Channels that may be used; SMS costs, so it is used only where it is named"
    )
    not_before: AwareDatetime | None = None
    deadline: AwareDatetime | None = Field(
        default=None, description="After it nothing leaves; none: 30 days from now, at most 90"
    )

    @field_validator("channels", "areas")
    @classmethod
    def _check_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("names one twice; name each once")
        return value


class ApproveBroadcast(BaseModel):
    """The broadcast as it was looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1)] = Field(description="`version` of the broadcast that was read and is approved")


class EndBroadcast(BaseModel):
    """Why it is rejected, paused or stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Note


@dataclass(frozen=True)
class Broadcast:
    """A broadcast. `version` counts its events."""

    broadcast_id: UUID
    state: State
    version: int
    template: str
    template_version: str | None
    params: Mapping[str, Any]
    topic: str
    channels: tuple[str, ...]
    areas: tuple[str, ...]
    by_list: bool
    language: str | None
    not_before: datetime | None
    deadline: datetime
    drafted_by: str
    drafted_at: datetime
    submitted_by: str | None = None
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    recipients: int = 0
    audience_sha256: str | None = None


@dataclass(frozen=True)
class Moved:
    """A broadcast after a step, and what is told of it, in order."""

    broadcast: Broadcast
    events: tuple[BroadcastEvent, ...] = ()


def draft(
    broadcast_id: UUID, command: DraftBroadcast, params: Mapping[str, Any], *, by: str, now: datetime
) -> Broadcast:
    """A new draft. Raises `BroadcastUnfit`."""
    deadline = command.deadline or max(now, command.not_before or now) + timedelta(days=LASTS_DAYS_DEFAULT)
    if deadline <= max(now, command.not_before or now):
        raise BroadcastUnfit("deadline: must lie after not_before and in the future; name a later one.")
    if deadline > now + timedelta(days=LASTS_DAYS_MAX):
        raise BroadcastUnfit(f"deadline: must come within {LASTS_DAYS_MAX} days; name an earlier one.")
    return Broadcast(
        broadcast_id=broadcast_id,
        state="draft",
        version=0,
        template=command.template,
        template_version=None,
        params=params,
        topic=command.topic,
        channels=tuple(command.channels),
        areas=tuple(command.areas),
        by_list=command.by_list,
        language=command.language,
        not_before=command.not_before,
        deadline=deadline,
        drafted_by=by,
        drafted_at=now,
    )


def submit(
    one: Broadcast,
    *,
    template_version: str,
    recipients: int,
    audience_sha256: str,
    approval_over: int,
    by: str,
    now: datetime,
) -> Moved:
    """It is meant. To so few people that nobody needs to approve it, it begins. Raises `BroadcastNotIn`,
    `AudienceEmpty`, `BroadcastOver`.
    """
    _require(one, "submitted", "draft")
    _require_time(one, now)
    if recipients == 0:
        raise AudienceEmpty(
            "Nobody would hear it: no vendor of these areas (and of the list, if there is one) who consented to this "
            "topic (news: consent `messages` in the registry). Name other areas, or another list."
        )
    needed = recipients > approval_over
    meant = replace(
        one,
        state="submitted",
        version=one.version + 1,
        template_version=template_version,
        submitted_by=by,
        recipients=recipients,
        audience_sha256=audience_sha256,
    )
    told = BroadcastSubmitted(
        broadcast_id=one.broadcast_id, template=one.template, recipients=recipients, approval_needed=needed
    )
    if needed:
        return Moved(meant, (told,))
    begun = _begin(meant, second_person=False, now=now)
    return Moved(begun.broadcast, (told, *begun.events))


def approve(one: Broadcast, command: ApproveBroadcast, *, by: str, now: datetime) -> Moved:
    """A second person agrees. Raises `BroadcastNotIn`, `BroadcastChanged`, `SecondPersonNeeded`, `BroadcastOver`."""
    _require(one, "approved", "submitted")
    if command.version != one.version:
        raise BroadcastChanged(
            f"version: it is {one.version} now, so something else was submitted since; read it again, then approve it.",
            version=one.version,
        )
    if _same(by, one.submitted_by) or _same(by, one.drafted_by):
        raise SecondPersonNeeded(
            "Who drafted or submitted it cannot approve it: another officer of the area reads it (GET "
            "/v1/broadcasts/{id}) and approves it, with a token of its own."
        )
    _require_time(one, now)
    return _begin(one, second_person=True, now=now)


def _begin(one: Broadcast, *, second_person: bool, now: datetime) -> Moved:
    begun = replace(one, state="running", version=one.version + 1, approved_at=now)
    return Moved(begun, (BroadcastApproved(broadcast_id=one.broadcast_id, second_person=second_person),))


def reject(one: Broadcast) -> Moved:
    """It is a draft again, without its audience: not agreed to, or taken back. Raises `BroadcastNotIn`."""
    _require(one, "rejected", "submitted")
    return Moved(
        replace(one, state="draft", template_version=None, submitted_by=None, recipients=0, audience_sha256=None)
    )


def pause(one: Broadcast) -> Moved:
    """What has not left waits. Raises `BroadcastNotIn`."""
    _require(one, "paused", "running")
    paused = replace(one, state="paused", version=one.version + 1)
    return Moved(paused, (BroadcastPaused(broadcast_id=one.broadcast_id),))


def resume(one: Broadcast) -> Moved:
    """It goes on. Raises `BroadcastNotIn`."""
    _require(one, "resumed", "paused")
    resumed = replace(one, state="running", version=one.version + 1)
    return Moved(resumed, (BroadcastResumed(broadcast_id=one.broadcast_id),))


def stop(one: Broadcast, *, cancelled: int, now: datetime) -> Moved:
    """What has not left, `cancelled` of it, never does. Raises `BroadcastNotIn`."""
    _require(one, "stopped", "running", "paused")
    stopped = replace(one, state="stopped", version=one.version + 1, ended_at=now)
    return Moved(stopped, (BroadcastStopped(broadcast_id=one.broadcast_id, cancelled=cancelled),))


def complete(one: Broadcast, *, accepted: int, failed: int, now: datetime) -> Moved:
    """All of it has left or never will. Raises `BroadcastNotIn`."""
    _require(one, "completed", "running", "paused")
    done = replace(one, state="completed", version=one.version + 1, ended_at=now)
    told = BroadcastCompleted(
        broadcast_id=one.broadcast_id, recipients=one.recipients, accepted=accepted, failed=failed
    )
    return Moved(done, (told,))


def route_of(channels: tuple[str, ...]) -> list[str] | None:
    """The channels that its messages may go by, where they are not the usual ones in the person's own order."""
    if set(channels) == set(USUAL):
        return None
    return [one for one in ("whatsapp", "email", "sms") if one in channels]


def _same(one: str, other: str | None) -> bool:
    """Whether two subjects are one person: providers of identity differ in how they write them."""
    return other is not None and one.strip().casefold() == other.strip().casefold()


def _require(one: Broadcast, step: str, *states: State) -> None:
    if one.state not in states:
        raise BroadcastNotIn(
            f"This broadcast is {one.state}; it can be {step} only while it is {' or '.join(states)}.", state=one.state
        )


def _require_time(one: Broadcast, now: datetime) -> None:
    if one.deadline <= now:
        raise BroadcastOver("deadline: it has passed; draft it anew with a later one.")


class BroadcastNotFound(NotFound):
    """No broadcast of the caller's area has this id."""

    code = "broadcast-not-found"


class BroadcastNotIn(Refused):
    """The step does not follow from where the broadcast stands."""

    code = "broadcast-state"


class BroadcastChanged(Refused):
    """What is to be approved is not what was read."""

    code = "broadcast-changed"


class SecondPersonNeeded(Forbidden):
    """Nobody approves what is its own."""

    code = "second-person-needed"


class AudienceEmpty(Refused):
    """Nobody would hear it."""

    code = "audience-empty"


class ListMissing(Refused):
    """A broadcast by list has none yet, or one that goes by areas was given one."""

    code = "list-missing"


class BroadcastOver(Refused):
    """Its deadline has passed."""

    code = "broadcast-over"


class BroadcastUnfit(Refused):
    """Its moments do not fit."""

    code = "broadcast-unfit"
    status = 422

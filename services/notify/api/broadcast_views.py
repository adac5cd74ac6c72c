"""What the door of broadcasts answers."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.notify.domain.broadcasts import Broadcast, State
from services.notify.store.broadcasts import Done, Listed
from shared.crypto import Sealer

LISTED_IN_BODY_MAX = 10_000


class ForecastDay(BaseModel):
    """How many leave over a channel on a day."""

    day: date
    channel: str
    messages: int
    rupiah: int


class LeftForUrgent(BaseModel):
    """What a channel keeps for offers and personal matters on every day; null: there is no limit."""

    channel: str
    people_a_day: int | None
    rupiah_a_day: int | None


class ForecastTier(BaseModel):
    """When it would be done at this tier of WhatsApp (null: unlimited)."""

    tier: int | None
    done_at: datetime | None
    days: float | None
    too_late: int


class ForecastAnswer(BaseModel):
    """When it will be done (null: never), day by day. `too_late`: how many would leave after the deadline, and so never
    do. Left out: whatever more urgent comes meanwhile.
    """

    begins_at: datetime
    done_at: datetime | None
    rupiah: int
    too_late: int
    days: list[ForecastDay]
    days_not_shown: int
    left_for_urgent: list[LeftForUrgent]
    tiers: list[ForecastTier]


class PlanAnswer(BaseModel):
    """Whom a draft would reach, by the channel each will most likely get it by; and when."""

    recipients: int
    by_channel: dict[str, int]
    approval_needed: bool
    forecast: ForecastAnswer


class BroadcastAnswer(BaseModel):
    """Where a broadcast stands after a step. Kept to be replayed: ids and codes alone."""

    broadcast_id: UUID
    state: State
    version: int
    recipients: int


class PeopleList(BaseModel):
    """People by their ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_ids: Annotated[list[UUID], Field(min_length=1, max_length=LISTED_IN_BODY_MAX)]


class Nobody(BaseModel):
    """A line that names nobody of these areas. `vendor_id` is null where the line holds no id."""

    line: int
    vendor_id: UUID | None


class ListAnswer(BaseModel):
    """How many people the list has now; which of its lines are nobody's (the first 500)."""

    broadcast_id: UUID
    listed: int
    repeated: int
    nobodies: list[Nobody]
    nobodies_count: int


class BroadcastRow(BaseModel):
    """A broadcast as lists show it. `done`: messages that have left or never will; `cost_rupiah`: so far."""

    broadcast_id: UUID
    state: State
    version: int
    template: str
    topic: str
    channels: list[str]
    areas: list[str]
    by_list: bool
    language: str | None
    not_before: datetime | None
    deadline: datetime
    drafted_by: str
    drafted_at: datetime
    submitted_by: str | None
    approved_at: datetime | None
    ended_at: datetime | None
    recipients: int
    done: int
    per_minute: float | None
    cost_rupiah: int
    measured_at: datetime | None


class BroadcastPage(BaseModel):
    """A page of broadcasts, the last drafted first."""

    items: list[BroadcastRow]
    next: str | None


class ActView(BaseModel):
    """Who did what, when; null: time did it."""

    act: str
    by: str | None
    at: datetime
    state: State
    note: str | None


class ChannelView(BaseModel):
    """One channel: how many people, and for how many of them a message was planned."""

    channel: str
    recipients: int
    planned: int


class BroadcastDetail(BroadcastRow):
    """A broadcast with its words, its people as a hash, what was foreseen, how far it is, and its history."""

    params: dict[str, Any]
    template_version: str | None
    audience_sha256: str | None = Field(description="sha256 of the sorted ids of its people, each with a newline")
    forecast: ForecastAnswer | None = Field(description="As it was when it was submitted")
    by_channel: list[ChannelView]
    by_state: dict[str, int]
    ends: ForecastAnswer | None = Field(description="When the rest will be done, as it looks now")
    history: list[ActView]


def answer(one: Broadcast) -> BroadcastAnswer:
    """Where it stands now."""
    return BroadcastAnswer(
        broadcast_id=one.broadcast_id, state=one.state, version=one.version, recipients=one.recipients
    )


def row(listed: Listed) -> dict[str, Any]:
    """The fields of a `BroadcastRow`."""
    one = listed.broadcast
    return {
        **{name: getattr(one, name) for name in BroadcastRow.model_fields if hasattr(one, name)},
        "done": listed.done,
        "per_minute": listed.per_minute,
        "cost_rupiah": -(-listed.cost_millirupiah // 1000),
        "measured_at": listed.measured_at,
    }


def act_view(sealer: Sealer, done: Done) -> ActView:
    """What was done, with what was written beside it."""
    note = None if done.note_sealed is None else sealer.open(done.note_sealed, done.act_id.bytes).decode()
    return ActView.model_validate({"act": done.act, "by": done.by, "at": done.at, "state": done.state, "note": note})

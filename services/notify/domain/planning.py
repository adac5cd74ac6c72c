"""What is told to whom because of an event: pure decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from services.notify.plans import PLANS, Lane, Plan, Topic
from shared.clock import JAKARTA
from shared.events.envelope import Event

TIME_TO_LIVE = timedelta(days=7)
"""A message that could not leave by then is worth nothing any more, unless its event names an earlier moment."""

Sites: TypeAlias = Mapping[tuple[UUID, str], str]
"""Names of locations by (bazaar, site id)."""


@dataclass(frozen=True)
class Cause:
    """The event behind a message: its id, when it happened, and the trace it belongs to."""

    event_id: UUID
    happened_at: datetime
    traceparent: str | None = None


@dataclass(frozen=True)
class Draft:
    """A message to be: who is told what. `params` are JSON values and carry no personal data. `vendor_id` is the
    recipient's id, which is a provider's where one is told.
    """

    cause: Cause
    template: str
    vendor_id: UUID
    params: Mapping[str, Any]
    lane: Lane
    deadline: datetime
    topic: Topic = "programme"
    must: bool = False
    digest: bool = False


def draft(event: Event, cause: Cause, sites: Sites, now: datetime) -> Draft | None:
    """The message that this event makes, if any. Locations are named where their names are known, else by their id."""
    plan = PLANS[type(event)]
    values = event.model_dump(mode="json")
    recipient = values[plan.recipient]
    if recipient is None or (plan.when is not None and not plan.when(event)):
        return None

    def named(site_id: str) -> str:
        return sites.get((UUID(values["bazaar_id"]), site_id), site_id)

    params = {name: values[name] for name in plan.fields if name != "site_id"}
    if "site_id" in plan.fields:
        params["site_name"] = named(values["site_id"])
    if "choices" in params:
        params["choices"] = [[named(site) for site in tier] for tier in values["choices"]]
    deadline = _deadline(event, plan, now)
    return Draft(cause, plan.template, UUID(recipient), params, plan.lane, deadline, plan.topic, plan.must, plan.digest)


def _deadline(event: Event, plan: Plan, now: datetime) -> datetime:
    """The moment the event names; or the end of the day it names, in Jakarta, when that comes before the usual time."""
    named = next((moment for name in plan.deadline if (moment := getattr(event, name)) is not None), None)
    if isinstance(named, datetime):
        return named
    if isinstance(named, date):
        return min(now + TIME_TO_LIVE, datetime.combine(named + timedelta(days=1), time(), JAKARTA))
    return now + TIME_TO_LIVE


def told_once(drafts: Sequence[Draft], persons: Mapping[UUID, UUID]) -> list[Draft]:
    """The drafts without those that tell one person the same thing twice for one cause. `persons`: vendor -> the id
    that stands for the person, of those whose registrations were merged.

    Events of one cause happen at the same moment (a class opens, and both of a person's ids are invited to it).
    """
    kept: list[Draft] = []
    told: list[tuple[Any, ...]] = []
    for one in drafts:
        if one.vendor_id in persons:
            same = (persons[one.vendor_id], one.template, one.cause.happened_at, one.params)
            if same in told:
                continue
            told.append(same)
        kept.append(one)
    return kept

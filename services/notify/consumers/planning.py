"""Events that make messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.notify.domain.planning import Cause
from services.notify.handlers import copies, planning
from services.notify.plans import PLANS
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.vendor import VendorRegistered


async def plan_notifications(conn: Connection, received: Sequence[Received[Any]], now: datetime) -> None:
    """Each of these events makes one message."""
    events = [(one.body, Cause(one.envelope.id, one.envelope.time, one.envelope.traceparent)) for one in received]
    await planning.plan_notifications(conn, events, now=now)


async def welcome(conn: Connection, received: Sequence[Received[VendorRegistered]], now: datetime) -> None:
    """Newcomers: where they live, and a message for each."""
    await copies.remember_areas(conn, [one.body for one in received])
    await plan_notifications(conn, received, now)


def planned(topic: str) -> dict[type[Message], Many]:
    """The events of a topic that make messages."""
    return {kind: plan_notifications for kind in PLANS if kind.topic == topic}

"""What notify listens to: contact cards and locations to remember, events that make messages."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notify import handlers
from services.notify.domain import PLANS, Cause
from shared.consume import Received, Subscription
from shared.db import Connection
from shared.events.bazaar import BazaarAnnounced, BazaarEvent
from shared.events.envelope import Event, Message
from shared.events.training import TraineeEvent
from shared.events.vendor import ContactCard, VendorEvent

__all__ = ["subscriptions"]


async def plan_notifications(conn: Connection, received: Sequence[Received[Event]], now: datetime) -> None:
    """Each of these events makes one message."""
    events = [(one.body, Cause(one.envelope.id, one.envelope.time, one.envelope.traceparent)) for one in received]
    await handlers.plan_notifications(conn, events, now=now)


async def remember_contacts(conn: Connection, received: Sequence[Received[ContactCard]], now: datetime) -> None:
    """Cards as they change."""
    await handlers.remember_contacts(conn, [one.body for one in received], now=now)


async def forget_contact(conn: Connection, key: str, now: datetime) -> None:
    """A tombstone: the vendor is erased."""
    await handlers.forget_contact(conn, UUID(key))


async def remember_sites(conn: Connection, received: Sequence[Received[BazaarAnnounced]], now: datetime) -> None:
    """Locations of announced bazaars."""
    await handlers.remember_sites(conn, [one.body for one in received])


def subscriptions() -> list[Subscription]:
    """One per topic."""
    return [
        Subscription(ContactCard.topic, on_many={ContactCard: remember_contacts}, on_tombstone=forget_contact),
        Subscription(VendorEvent.topic, on_many=_planned(VendorEvent.topic)),
        Subscription(TraineeEvent.topic, on_many=_planned(TraineeEvent.topic)),
        Subscription(BazaarEvent.topic, on_many={BazaarAnnounced: remember_sites, **_planned(BazaarEvent.topic)}),
    ]


def _planned(topic: str) -> dict[type[Message], Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]]:
    return {kind: plan_notifications for kind in PLANS if kind.topic == topic}

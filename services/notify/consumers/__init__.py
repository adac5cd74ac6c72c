"""What notify listens to: contact cards and locations to remember, events that make messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.notify.consumers import consents, copies, people, planning, standings
from shared.consume import Many, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.bazaar import BazaarEvent
from shared.events.envelope import Message
from shared.events.training import TraineeEvent
from shared.events.vendor import VendorEvent, VendorRegistered


def together(*tables: Mapping[type[Message], Many]) -> dict[type[Message], Many]:
    """What several nouns do with the events of a topic: of one type each in turn, in one transaction."""
    found: dict[type[Message], list[Many]] = {}
    for table in tables:
        for kind, handle in table.items():
            found.setdefault(kind, []).append(handle)
    return {kind: handlers[0] if len(handlers) == 1 else _in_turn(handlers) for kind, handlers in found.items()}


def _in_turn(handlers: Sequence[Many]) -> Many:
    async def handle(conn: Connection, received: Sequence[Any], now: datetime) -> None:
        for one in handlers:
            await one(conn, received, now)

    return handle


SUBSCRIPTIONS = [
    *copies.CARDS,
    Subscription(
        VendorEvent.topic,
        on_many={
            **planning.planned(VendorEvent.topic),
            VendorRegistered: planning.welcome,
            **copies.VENDOR_EVENTS,
            **people.ON_MANY,
            **consents.ON_MANY,
        },
    ),
    Subscription(TraineeEvent.topic, on_many=together(standings.TRAINING_EVENTS, planning.planned(TraineeEvent.topic))),
    Subscription(
        BazaarEvent.topic,
        on_many=together(copies.BAZAAR_EVENTS, standings.BAZAAR_EVENTS, planning.planned(BazaarEvent.topic)),
    ),
]
"""One per topic."""


def subscriptions(_: Sealer) -> list[Subscription]:
    """What notify listens to. Nothing of it is sealed."""
    return SUBSCRIPTIONS

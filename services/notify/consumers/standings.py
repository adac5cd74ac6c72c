"""What answers to people rest on: their offers, booths, classes and places in queues, and refusals of their answers."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.domain.standings import APPLICATION_EVENTS, CLASS_EVENTS
from services.notify.handlers import replies, standings
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.bazaar import ApplicationEvent, OfferResponseRefused
from shared.events.envelope import Message
from shared.events.training import TraineeEvent


async def note_applications(conn: Connection, received: Sequence[Received[ApplicationEvent]], now: datetime) -> None:
    """Applications stand elsewhere."""
    await standings.note_applications(conn, [(one.body, one.envelope.time) for one in received], now=now)


async def note_classes(conn: Connection, received: Sequence[Received[TraineeEvent]], now: datetime) -> None:
    """Places in classes were given or taken."""
    await standings.note_classes(conn, [one.body for one in received])


async def explain_refusals(conn: Connection, received: Sequence[Received[OfferResponseRefused]], now: datetime) -> None:
    """Answers that we passed on were refused."""
    await replies.explain_refusals(conn, [one.body for one in received], now=now)


BAZAAR_EVENTS: dict[type[Message], Many] = {
    **dict.fromkeys(APPLICATION_EVENTS, note_applications),
    OfferResponseRefused: explain_refusals,
}
TRAINING_EVENTS: dict[type[Message], Many] = dict.fromkeys(CLASS_EVENTS, note_classes)

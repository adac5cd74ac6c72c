"""What training does with what bazaars tell: sessions that clash with a booth are warned of."""

from collections.abc import Sequence
from datetime import datetime

from services.training.handlers import booths
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.bazaar import (
    ApplicationCancelled,
    ApplicationRescheduled,
    BoothAssigned,
    BoothConfirmed,
    BoothDaysAdded,
    BoothDeclined,
    BoothOfferLapsed,
    BoothReleased,
    BoothSwapped,
)
from shared.events.envelope import Message


async def on_booth(
    conn: Connection,
    received: Sequence[Received[BoothAssigned | BoothConfirmed | BoothDaysAdded | BoothSwapped]],
    _: datetime,
) -> None:
    """A booth is offered or held on these days."""
    await booths.remember_booths(conn, [one.body for one in received])


async def on_rescheduled(conn: Connection, received: Sequence[Received[ApplicationRescheduled]], _: datetime) -> None:
    """A bazaar is on other days."""
    await booths.move_booths(conn, {one.body.application_id: one.body.days for one in received})


async def on_gone(
    conn: Connection,
    received: Sequence[Received[ApplicationCancelled | BoothDeclined | BoothOfferLapsed | BoothReleased]],
    _: datetime,
) -> None:
    """The vendor has no booth there any more."""
    await booths.forget_booths(conn, [one.body.application_id for one in received])


ON_MANY: dict[type[Message], Many] = {
    BoothAssigned: on_booth,
    BoothConfirmed: on_booth,
    BoothDaysAdded: on_booth,
    BoothSwapped: on_booth,
    ApplicationRescheduled: on_rescheduled,
    ApplicationCancelled: on_gone,
    BoothDeclined: on_gone,
    BoothOfferLapsed: on_gone,
    BoothReleased: on_gone,
}

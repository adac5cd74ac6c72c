"""What training does with messages of other services."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from services.training import handlers
from shared.consume import Received, Subscription
from shared.db import Connection
from shared.events.vendor import VendorCategoryChosen, VendorCoached, VendorEvent, VendorRegistered

V = TypeVar("V", bound=VendorEvent)


async def on_registered(conn: Connection, received: Sequence[Received[VendorRegistered]], now: datetime) -> None:
    """New vendors are invited to training."""
    traces = {one.body.vendor_id: one.envelope.traceparent for one in received}
    await handlers.invite_registered(conn, _with_versions(received), now=now, traces=traces)


async def on_category_chosen(conn: Connection, received: Sequence[Received[VendorCategoryChosen]], _: datetime) -> None:
    """What vendors sell."""
    await handlers.remember_categories(conn, _with_versions(received))


async def on_coached(conn: Connection, received: Sequence[Received[VendorCoached]], _: datetime) -> None:
    """Who coaches vendors."""
    await handlers.remember_agencies(conn, _with_versions(received))


def _with_versions(received: Sequence[Received[V]]) -> list[tuple[V, int]]:
    # events without a version are refused before they come here
    return [(each.body, each.envelope.sequence or 0) for each in received]


SUBSCRIPTIONS = [
    Subscription(
        topic=VendorEvent.topic,
        on_many={
            VendorRegistered: on_registered,
            VendorCategoryChosen: on_category_chosen,
            VendorCoached: on_coached,
        },
    ),
]

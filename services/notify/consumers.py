"""What notify listens to: contact cards and locations to remember, events that make messages."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notify import handlers
from services.notify.domain import Cause
from services.notify.plans import PLANS
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.consume import Received, Subscription
from shared.db import Connection
from shared.events.bazaar import BazaarAnnounced, BazaarEvent, BazaarGrown
from shared.events.envelope import Message
from shared.events.rights import VendorErased
from shared.events.training import OrganisationCard, TraineeEvent
from shared.events.vendor import (
    ContactCard,
    VendorEvent,
    VendorMerged,
    VendorMoved,
    VendorRegistered,
    VendorUnmerged,
)

__all__ = ["subscriptions"]


async def plan_notifications(conn: Connection, received: Sequence[Received[Any]], now: datetime) -> None:
    """Each of these events makes one message."""
    events = [(one.body, Cause(one.envelope.id, one.envelope.time, one.envelope.traceparent)) for one in received]
    await handlers.plan_notifications(conn, events, now=now)


async def welcome(conn: Connection, received: Sequence[Received[VendorRegistered]], now: datetime) -> None:
    """Newcomers: where they live, and a message for each."""
    await handlers.remember_areas(conn, [one.body for one in received])
    await plan_notifications(conn, received, now)


async def remember_areas(conn: Connection, received: Sequence[Received[VendorMoved]], now: datetime) -> None:
    """Vendors live elsewhere."""
    await handlers.remember_areas(conn, [one.body for one in received])


async def remember_merges(conn: Connection, received: Sequence[Received[VendorMerged]], now: datetime) -> None:
    """Registrations are one person."""
    await families.remember_merges(conn, PEOPLE, [one.body for one in received])


async def forget_merges(conn: Connection, received: Sequence[Received[VendorUnmerged]], now: datetime) -> None:
    """They are not, after all."""
    await families.part(conn, PEOPLE, {one.body.vendor_id for one in received})


async def erase_vendors(conn: Connection, received: Sequence[Received[VendorErased]], now: datetime) -> None:
    """People are erased."""
    await handlers.erase_vendors(conn, [one.body for one in received], now=now)


async def remember_contacts(conn: Connection, received: Sequence[Received[ContactCard]], now: datetime) -> None:
    """Cards as they change."""
    await handlers.remember_contacts(conn, [one.body for one in received], now=now)


async def forget_contact(conn: Connection, key: str, now: datetime) -> None:
    """A tombstone: the vendor is erased."""
    await handlers.forget_contact(conn, UUID(key))


async def remember_organisations(
    conn: Connection, received: Sequence[Received[OrganisationCard]], now: datetime
) -> None:
    """Cards of providers and mentors as they change."""
    await handlers.remember_contacts(conn, [one.body for one in received], now=now)


async def forget_organisation(conn: Connection, key: str, now: datetime) -> None:
    """A tombstone: the provider or mentor has withdrawn."""
    await handlers.forget_organisation(conn, UUID(key))


async def remember_sites(conn: Connection, received: Sequence[Received[BazaarAnnounced]], now: datetime) -> None:
    """Locations of announced bazaars."""
    await handlers.remember_sites(
        conn, {(one.body.bazaar_id, site.site_id): site.name for one in received for site in one.body.sites}
    )


async def remember_site(conn: Connection, received: Sequence[Received[BazaarGrown]], now: datetime) -> None:
    """A location that was added later."""
    await handlers.remember_sites(
        conn, {(one.body.bazaar_id, one.body.site_id): one.body.site_name for one in received}
    )


def subscriptions() -> list[Subscription]:
    """One per topic."""
    return [
        Subscription(ContactCard.topic, on_many={ContactCard: remember_contacts}, on_tombstone=forget_contact),
        Subscription(
            VendorEvent.topic,
            on_many={
                **_planned(VendorEvent.topic),
                VendorRegistered: welcome,
                VendorMoved: remember_areas,
                VendorMerged: remember_merges,
                VendorUnmerged: forget_merges,
                VendorErased: erase_vendors,
            },
        ),
        Subscription(TraineeEvent.topic, on_many=_planned(TraineeEvent.topic)),
        Subscription(
            OrganisationCard.topic,
            on_many={OrganisationCard: remember_organisations},
            on_tombstone=forget_organisation,
        ),
        Subscription(
            BazaarEvent.topic,
            on_many={
                BazaarAnnounced: remember_sites,
                BazaarGrown: remember_site,
                **_planned(BazaarEvent.topic),
            },
        ),
    ]


def _planned(topic: str) -> dict[type[Message], Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]]:
    return {kind: plan_notifications for kind in PLANS if kind.topic == topic}

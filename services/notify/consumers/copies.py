"""Contact cards, locations and where vendors live, as they change."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notify.handlers import copies
from shared.consume import Many, Received, Subscription
from shared.db import Connection
from shared.events.bazaar import BazaarAnnounced, BazaarGrown
from shared.events.envelope import Message
from shared.events.training import OrganisationCard
from shared.events.vendor import ContactCard, VendorMoved


async def remember_areas(conn: Connection, received: Sequence[Received[VendorMoved]], now: datetime) -> None:
    """Vendors live elsewhere."""
    await copies.remember_areas(conn, [one.body for one in received])


async def remember_contacts(conn: Connection, received: Sequence[Received[ContactCard]], now: datetime) -> None:
    """Cards as they change."""
    await copies.remember_contacts(conn, [one.body for one in received], now=now)


async def forget_contact(conn: Connection, key: str, now: datetime) -> None:
    """A tombstone: the vendor is erased."""
    await copies.forget_contact(conn, UUID(key))


async def remember_organisations(
    conn: Connection, received: Sequence[Received[OrganisationCard]], now: datetime
) -> None:
    """Cards of providers and mentors as they change."""
    await copies.remember_contacts(conn, [one.body for one in received], now=now)


async def forget_organisation(conn: Connection, key: str, now: datetime) -> None:
    """A tombstone: the provider or mentor has withdrawn."""
    await copies.forget_organisation(conn, UUID(key))


async def remember_sites(conn: Connection, received: Sequence[Received[BazaarAnnounced]], now: datetime) -> None:
    """Locations of announced bazaars."""
    await copies.remember_sites(
        conn, {(one.body.bazaar_id, site.site_id): site.name for one in received for site in one.body.sites}
    )


async def remember_site(conn: Connection, received: Sequence[Received[BazaarGrown]], now: datetime) -> None:
    """A location that was added later."""
    await copies.remember_sites(conn, {(one.body.bazaar_id, one.body.site_id): one.body.site_name for one in received})


VENDOR_EVENTS: dict[type[Message], Many] = {VendorMoved: remember_areas}
BAZAAR_EVENTS: dict[type[Message], Many] = {BazaarAnnounced: remember_sites, BazaarGrown: remember_site}
CARDS = [
    Subscription(ContactCard.topic, on_many={ContactCard: remember_contacts}, on_tombstone=forget_contact),
    Subscription(
        OrganisationCard.topic,
        on_many={OrganisationCard: remember_organisations},
        on_tombstone=forget_organisation,
    ),
]

"""Copies of what other services own: contact cards, names of locations, where vendors live."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.handlers.changes import follow_cards
from services.notify.store import changes, copies, routing
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.training import OrganisationCard
from shared.events.vendor import ContactCard, VendorMoved, VendorRegistered


async def remember_contacts(
    conn: Connection, cards: Sequence[ContactCard | OrganisationCard], *, now: datetime
) -> None:
    """Keep the cards, queue the messages that waited for them, and let what was on its way by an older card go by
    these.
    """
    await families.share_people(conn, PEOPLE)
    last = {UUID(card.subject): card for card in cards}
    news = await changes.find_card_changes(conn, last)
    await copies.save_contacts(conn, list(last.values()), now)
    await follow_cards(conn, last, news, now=now)


async def forget_contact(conn: Connection, vendor_id: UUID) -> None:
    """Erase how to reach a vendor. What is not yet sent to it finds no contact and is rejected, also what a worker
    holds with the card as it was.
    """
    await copies.remove_contact(conn, vendor_id)
    ids, _ = await routing.lock_open(conn, [vendor_id])
    await routing.route_anew(conn, ids)


async def forget_organisation(conn: Connection, party_id: UUID) -> None:
    """Forget a provider or a mentor. Texts that would have named it do not."""
    await copies.remove_organisation(conn, party_id)


async def remember_sites(conn: Connection, names: Mapping[tuple[UUID, str], str]) -> None:
    """Keep the names of locations, by bazaar and site."""
    if names:
        await copies.save_sites(conn, names)


async def remember_areas(conn: Connection, events: Sequence[VendorRegistered | VendorMoved]) -> None:
    """Keep where vendors live; of several of one vendor the last counts."""
    await copies.save_areas(conn, {event.vendor_id: event.kelurahan for event in events})

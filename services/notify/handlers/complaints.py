"""Complaints: a person told its provider that our message was unwanted. The edge owns the transaction."""

from datetime import datetime
from uuid import UUID

from services.notify.domain.reports import Complaint
from services.notify.domain.routing import address_key
from services.notify.domain.wishes import VendorNotKnown
from services.notify.handlers import wishes
from services.notify.handlers.changes import ROUTE_ANEW
from services.notify.store import bounces as store
from services.notify.store import lookups
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.timers import set_timer

NEIGHBOURS_MAX = 50


async def note_complaint(conn: Connection, complaint: Complaint, *, sealer: Sealer, now: datetime) -> None:
    """Write no more to the address that the message went to, as after a STOP: not even what must be told.

    The message itself arrived, so nothing becomes of it. A complaint of no message of ours says nothing.
    """
    await families.share_people(conn, PEOPLE)
    found = await store.find_attempt(conn, complaint.provider, complaint.reference)
    if found is None or found.address_key is None:  # erased: there is nobody left to write to
        return
    evidence = f"{found.attempt_id} {complaint.code}"
    try:
        is_news = await wishes.stop_channel(
            conn,
            found.vendor_id,
            found.channel,
            found.address_key,
            by="provider",
            evidence=evidence,
            now=now,
            reason="complained",
        )
    except VendorNotKnown:  # a mentor, an address that a key wrote to
        await wishes.suppress(conn, found.channel, found.address_key, "complained", evidence=evidence, now=now)
        return
    if is_news:
        await _tell_neighbours(conn, found.vendor_id, found.address_key, sealer=sealer, now=now)


async def _tell_neighbours(conn: Connection, vendor_id: UUID, key: bytes, *, sealer: Sealer, now: datetime) -> None:
    """Several people with one address: what waits for the others is decided anew too."""
    contact = await lookups.find_contact(conn, vendor_id)
    if contact is None or contact.email is None or address_key(sealer.blind_index, "email", contact.email) != key:
        return
    for other in await lookups.find_vendors_at(conn, None, contact.email, NEIGHBOURS_MAX):
        if other != vendor_id:
            await set_timer(conn, ROUTE_ANEW, str(other), now)

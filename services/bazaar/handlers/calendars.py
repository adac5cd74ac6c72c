"""Links to a vendor's own calendar: made, revoked, followed.

A secret is a keyed hash of its link's random id: an answer that is stored to be replayed holds the id alone, and the
database the secret's hash alone. Whoever reads either cannot open a calendar.
"""

import base64
import hashlib
from datetime import datetime
from uuid import UUID

from services.bazaar.domain.calendars import CalendarUnknown
from services.bazaar.store import calendars as store
from services.bazaar.store import vendors
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.personal_data import VendorNotKept


def secret_of(link_id: UUID, sealer: Sealer) -> str:
    """What the address of a calendar ends with: 43 characters that cannot be guessed."""
    return base64.urlsafe_b64encode(sealer.blind_index(f"calendar link {link_id}")).decode().rstrip("=")


async def make_link(conn: Connection, vendor_id: UUID, *, link_id: UUID, now: datetime, sealer: Sealer) -> None:
    """A new link to this vendor's calendar; the one before leads nowhere any more. Raises `VendorNotKept`."""
    if await vendors.share_vendor(conn, vendor_id) is None:
        raise VendorNotKept("Nothing is kept here of this vendor.")
    family = await families.find_family(conn, vendor_id)
    await store.add_link(conn, link_id, vendor_id, _digest(secret_of(link_id, sealer)), family, now=now)


async def revoke_link(conn: Connection, vendor_id: UUID, *, now: datetime) -> None:
    """No link leads to this vendor's calendar any more."""
    await store.revoke_links(conn, await families.find_family(conn, vendor_id), now=now)


async def follow_link(conn: Connection, vendor_id: UUID, secret: str) -> list[UUID]:
    """The ids of the person whose calendar it is. Raises `CalendarUnknown`."""
    family = await families.find_family(conn, vendor_id)
    if not await store.leads_to(conn, _digest(secret), family):
        raise CalendarUnknown("There is no calendar at this address, or its link was revoked. Make a new link.")
    return family


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

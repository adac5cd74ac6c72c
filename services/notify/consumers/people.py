"""Which ids are one person, and who is erased."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.handlers import changes, erasures
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.rights import VendorErased
from shared.events.vendor import VendorMerged, VendorUnmerged


async def remember_merges(conn: Connection, received: Sequence[Received[VendorMerged]], now: datetime) -> None:
    """Registrations are one person."""
    await changes.remember_merges(conn, [one.body for one in received], now=now)


async def forget_merges(conn: Connection, received: Sequence[Received[VendorUnmerged]], now: datetime) -> None:
    """They are not, after all."""
    await changes.forget_merges(conn, {one.body.vendor_id for one in received}, now=now)


async def erase_vendors(conn: Connection, received: Sequence[Received[VendorErased]], now: datetime) -> None:
    """People are erased."""
    await erasures.erase_vendors(conn, [one.body for one in received], now=now)


ON_MANY: dict[type[Message], Many] = {
    VendorMerged: remember_merges,
    VendorUnmerged: forget_merges,
    VendorErased: erase_vendors,
}

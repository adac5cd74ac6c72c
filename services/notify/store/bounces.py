"""The attempts that mails about them name."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.events.notify import Channel


class Attempted(NamedTuple):
    """An attempt, its message and whom that is for. `address_key` is gone once the person is erased."""

    attempt_id: UUID
    notification_id: UUID
    vendor_id: UUID
    channel: Channel
    address_key: bytes | None
    began_at: datetime


async def find_attempt(conn: Connection, provider: str, attempt_id: UUID) -> Attempted | None:
    """This attempt, if that provider made it."""
    row = await conn.fetchrow(
        "SELECT a.id, a.notification_id, n.vendor_id, a.channel, a.address_key, a.began_at FROM attempt AS a "
        "JOIN notification AS n ON n.id = a.notification_id WHERE a.id = $1 AND a.provider = $2",
        attempt_id,
        provider,
    )
    return None if row is None else Attempted(*row)

"""The inbox: what a person read."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.delivery import NotificationNotFound
from services.notify.store import inbox
from shared.db import Connection
from shared.events.notify import NotificationRead
from shared.outbox import Fact, record


async def read_message(
    conn: Connection, notification_id: UUID, vendor_ids: Sequence[UUID], *, now: datetime
) -> datetime:
    """A person opened a message in its inbox; when it was first read, there or where a channel told so.

    What is on its way elsewhere still goes. Raises `NotificationNotFound`.
    """
    found = await inbox.lock_message(conn, notification_id, vendor_ids)
    if found is None:
        raise NotificationNotFound("No message to you has this id.", notification_id=str(notification_id))
    if found["read_at"] is not None:
        first: datetime = found["read_at"]
        return first
    version = found["version"] + 1
    await inbox.save_read(conn, notification_id, version, now)
    read = NotificationRead(
        notification_id=notification_id,
        vendor_id=found["vendor_id"],
        template=found["template"],
        cause_event_id=found["event_id"],
        channel="inbox",
    )
    await record(conn, [Fact(read, version)], now=now)
    return now

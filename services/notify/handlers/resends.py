"""Messages are sent again. The edge owns the transaction."""

from datetime import datetime
from uuid import UUID

from services.notify.domain.delivery import NotificationNotFound
from services.notify.domain.resends import ResendNotification, ResendRefused, deadline_of, require_resendable
from services.notify.handlers.attachments import copy_files
from services.notify.store import attachments
from services.notify.store import resends as store
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.ids import new_id


async def resend(
    conn: Connection, notification_id: UUID, command: ResendNotification, *, sealer: Sealer, by: str, now: datetime
) -> UUID:
    """Plan the same message anew; the id of the new one. Raises `NotificationNotFound`, `ResendRefused`."""
    await families.share_people(conn, PEOPLE)
    row = await store.lock_resent(conn, notification_id)
    if row is None:
        raise NotificationNotFound("No notification has this id.", notification_id=str(notification_id))
    if row["erased"]:
        raise ResendRefused("This person is erased; nothing is sent to it any more.", because="erased")
    if row["mode"] != "normal":
        raise ResendRefused(
            "This message was sent with a test or team key; send a new one with that key.", because="key"
        )
    # read once more under the lock: who waited for it saw the row as it was before
    resent = await store.find_resent(conn, notification_id)
    require_resendable(
        row["state"], again=command.again, has_body=row["has_body"], resent=() if resent is None else (resent,)
    )
    files = await attachments.find_kept(conn, notification_id) if row["files"] else []
    if len(files) < row["files"]:
        raise ResendRefused(
            "The files that went along with this message are removed, and its words alone would not say what is so; "
            "have it sent anew by whoever has the files.",
            because="files-gone",
        )
    deadline = deadline_of(command.deadline, row["deadline"], now)
    fresh = new_id()
    sealed = sealer.seal(command.reason.encode(), fresh.bytes)
    await store.add_resend(conn, fresh, notification_id, deadline, by=by, reason_sealed=sealed, now=now)
    if files:
        await copy_files(conn, files, fresh, sealer)
    return fresh

"""Who consented to news, as the registry says."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.handlers import wishes
from services.notify.store.wishes import Said
from shared.consume import Many, Received
from shared.db import Connection
from shared.events.envelope import Message
from shared.events.rights import ConsentGiven, ConsentWithdrawn

PURPOSE = "messages"


async def remember_consents(
    conn: Connection, received: Sequence[Received[ConsentGiven | ConsentWithdrawn]], now: datetime
) -> None:
    """Consent to news; other purposes are no matter of ours."""
    said = [
        Said(one.body.vendor_id, isinstance(one.body, ConsentGiven), one.envelope.time, one.envelope.sequence or 0)
        for one in received
        if one.body.purpose == PURPOSE
    ]
    if said:
        await wishes.remember_consents(conn, said, now=now)


ON_MANY: dict[type[Message], Many] = {ConsentGiven: remember_consents, ConsentWithdrawn: remember_consents}

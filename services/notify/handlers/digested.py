"""What became of messages that were told within a digest: its outcome is theirs, each said for itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.notify.domain.delivery import Settlement
from services.notify.plans import DIGEST
from services.notify.store import digests
from services.notify.store.digests import Child, Outcome
from shared.db import Connection
from shared.events.notify import (
    NotificationChannelFailed,
    NotificationDelivered,
    NotificationEvent,
    NotificationRead,
    NotificationSent,
)
from shared.outbox import Fact, record

ENDS = frozenset({"rejected", "expired", "cancelled"})


async def follow(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    """Let the messages told within these, where they are digests, share what became of them; in the transaction in
    which that is written, so it is said once and never missed.
    """
    of_digests = {one.id: one for one in settlements if any(_counts(event) for event in one.events)}
    if not of_digests:
        return
    outcomes, facts = [], []
    for child in await digests.lock_children(conn, list(of_digests)):
        settlement = of_digests[child.digest_id]
        events = [_for_child(event, child) for event in settlement.events if _counts(event)]
        said = (NotificationSent,) * child.sent + (NotificationRead,) * child.read
        events = [event for event in events if not isinstance(event, said)]
        facts += [Fact(event, child.version + number) for number, event in enumerate(events, start=1)]
        kinds = {type(event) for event in events}
        outcomes.append(
            Outcome(
                notification_id=child.notification_id,
                version=child.version + len(events),
                state=settlement.state if settlement.state in ENDS else "digested",
                channel=next((event.channel for event in events if isinstance(event, NotificationSent)), None),
                reason=settlement.reason,
                sent=NotificationSent in kinds,
                delivered=NotificationDelivered in kinds,
                read=NotificationRead in kinds,
            )
        )
    await digests.save_outcomes(conn, outcomes, now)
    await record(conn, facts, now=now)


def _counts(event: NotificationEvent) -> bool:
    """That one of its channels failed is the digest's own matter."""
    return event.template == DIGEST and not isinstance(event, NotificationChannelFailed)


def _for_child(event: NotificationEvent, child: Child) -> NotificationEvent:
    about: dict[str, Any] = {
        "notification_id": child.notification_id,
        "vendor_id": child.vendor_id,
        "template": child.template,
        "cause_event_id": child.event_id,
    }
    return event.model_copy(update=about)

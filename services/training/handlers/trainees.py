"""What happens to trainees, recorded: each event with the version that its training record has after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.training.store import trainees
from shared import outbox
from shared.db import Connection
from shared.events.training import TraineeEvent


async def record(
    conn: Connection,
    versions: Mapping[UUID, int],
    events: Sequence[TraineeEvent],
    *,
    now: datetime,
    traces: Mapping[UUID, str | None] | None = None,
) -> None:
    """Record events of locked trainees, each with the version its trainee has after it."""
    if not events:
        return
    after: dict[UUID, int] = {}
    facts = []
    for event in events:
        after[event.vendor_id] = after.get(event.vendor_id, versions[event.vendor_id]) + 1
        facts.append(outbox.Fact(event, after[event.vendor_id], (traces or {}).get(event.vendor_id)))
    await trainees.save_trainee_versions(conn, after)
    await outbox.record(conn, facts, now=now)

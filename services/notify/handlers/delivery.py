"""Attempts and their outcomes: what becomes of each message. The edge owns the transaction."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain import delivery as domain
from services.notify.domain.delivery import NotificationNotFound, Outcome, Settlement, SettleNotification
from services.notify.store import delivery
from services.notify.store.delivery import Ended, Start
from shared.db import Connection
from shared.outbox import Fact, record

SWEEP_ROWS_MAX = 500


class End(NamedTuple):
    """An attempt and its outcome."""

    notification_id: UUID
    attempt_id: UUID
    outcome: Outcome


async def begin_attempts(
    conn: Connection, starts: Sequence[Start], *, lease_seconds: float, now: datetime
) -> set[UUID]:
    """Record attempts before their calls; the notifications that may be sent now."""
    return await delivery.begin_attempts(conn, starts, lease_seconds=lease_seconds, now=now)


async def end_attempts(
    conn: Connection, ends: Sequence[End], *, now: datetime, chance: Callable[[], float] = random.random
) -> None:
    """Record outcomes, settle their notifications and tell of it. An outcome that came too late to count is dropped."""
    by_id = {end.notification_id: end for end in ends}
    standings = await delivery.lock_attempted(conn, list(by_id), [end.attempt_id for end in by_id.values()])
    settlements = [domain.settle(one, by_id[one.id].outcome, chance=chance()) for one in standings]
    await delivery.end_attempts(conn, [_ended(by_id[one.id]) for one in standings], now)
    await save_settlements(conn, settlements, now)


async def settle_lost(conn: Connection, *, now: datetime) -> int:
    """Attempts whose lease lapsed without an outcome: unknown, and listed. How many."""
    lost = await delivery.lock_lost(conn, SWEEP_ROWS_MAX)
    await delivery.lose_attempts(conn, [one.id for one in lost], now)
    await save_settlements(conn, [domain.lose(one, "lease-lapsed") for one in lost], now)
    return len(lost)


async def expire_overdue(conn: Connection, *, now: datetime) -> int:
    """Messages that have not left by their deadline: expired. How many."""
    overdue = await delivery.lock_overdue(conn, now, SWEEP_ROWS_MAX)
    await save_settlements(conn, [domain.expire(one) for one in overdue], now)
    return len(overdue)


async def settle_by_hand(
    conn: Connection, notification_id: UUID, command: SettleNotification, *, by: str, now: datetime
) -> Settlement:
    """Settle an unknown notification by what an operator found out. Raises `NotificationNotFound`, `NotUnknown`."""
    found = await delivery.lock_notification(conn, notification_id)
    if found is None:
        raise NotificationNotFound("No notification has this id.", notification_id=str(notification_id))
    standing, attempt_id = found
    settlement = domain.settle_by_hand(standing, command)
    if attempt_id is not None:
        outcome = "accepted" if command.outcome == "sent" else "deferred"
        await delivery.note_attempt(conn, attempt_id, outcome, f"{by}: {command.reason}", now)
    await save_settlements(conn, [settlement], now)
    return settlement


async def save_settlements(conn: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    if not settlements:
        return
    await delivery.save_settlements(conn, settlements, now)
    facts = [Fact(one.event, one.version) for one in settlements if one.event is not None]
    await record(conn, facts, now=now)


def _ended(end: End) -> Ended:
    return Ended(end.attempt_id, type(end.outcome).__name__.lower(), end.outcome.code)

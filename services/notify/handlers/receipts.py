"""Receipts: providers say how far messages came, in any order, more than once, late, or untruly. The edge owns the
transaction.

Everything is decided under the lock of the notification, taken in the order of ids: so a receipt, an outcome, a sweep
and a claim of one message come one after the other, and none waits for another in a circle.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain import delivery as domain
from services.notify.domain.delivery import NO_RECEIPT, RANKS, Settlement, Standing
from services.notify.domain.reports import Receipt
from services.notify.handlers import budgets
from services.notify.handlers.budgets import Spent
from services.notify.handlers.delivery import SWEEP_ROWS_MAX, save_settlements, suppress
from services.notify.store import delivery
from services.notify.store import receipts as store
from services.notify.store.receipts import Known
from shared.db import Connection
from shared.telemetry import get_logger

STRAY_DAYS = 7

logger = get_logger()


async def apply_receipts(conn: Connection, receipts: Sequence[Receipt], *, now: datetime) -> None:
    """Keep what providers report, and settle the messages it is about. What is about none of ours is a stray."""
    if not receipts:
        return
    found = await store.find_attempts(conn, receipts)
    strays = [one for one, attempt in zip(receipts, found, strict=True) if attempt is None]
    ours = [(attempt, one) for one, attempt in zip(receipts, found, strict=True) if attempt is not None]
    if strays:
        await store.add_strays(conn, strays, now)
    if not ours:
        return
    standings = await delivery.lock_attempted(conn, list({notification_id for (_, notification_id), _ in ours}))
    known = {one.attempt_id: one for one in await store.read_attempts(conn, list({ids[0] for ids, _ in ours}))}
    highest = _highest([(attempt_id, one) for (attempt_id, _), one in ours], known)
    await store.add_receipts(conn, [(attempt_id, one) for (attempt_id, _), one in ours], now)
    await store.raise_attempts(conn, list(highest.items()), now)
    silent = [one.id for one, _ in standings if one.silent]
    hopes = await store.find_hopes(conn, silent, NO_RECEIPT) if silent else set()
    await save_settlements(conn, _settlements(standings, highest, known, hopes), now)
    await _follow_up(conn, highest, known, now)


def _highest(reported: Sequence[tuple[UUID, Receipt]], known: dict[UUID, Known]) -> dict[UUID, Receipt]:
    """The receipt of each attempt that says most, if it says more than is known."""
    highest: dict[UUID, Receipt] = {}
    for attempt_id, one in reported:
        before = highest[attempt_id].status if attempt_id in highest else known[attempt_id].status
        if before is None or RANKS[one.status] > RANKS[before]:
            highest[attempt_id] = one
    return highest


def _settlements(
    standings: Sequence[tuple[Standing, UUID | None]],
    highest: dict[UUID, Receipt],
    known: dict[UUID, Known],
    hopes: set[UUID],
) -> list[Settlement]:
    """What receipts make of these notifications; of several attempts of one, the one that came furthest first."""
    by_notification: dict[UUID, list[UUID]] = {}
    for attempt_id in sorted(highest, key=lambda one: -RANKS[highest[one].status]):
        by_notification.setdefault(known[attempt_id].notification_id, []).append(attempt_id)
    settled = []
    for standing, last in standings:
        one, whole = standing, None
        for attempt_id in by_notification.get(standing.id, []):
            receipt = highest[attempt_id]
            step = domain.hear(
                one,
                receipt.status,
                channel=known[attempt_id].channel,
                current=attempt_id == last,
                code=receipt.code,
                hope=standing.id in hopes,
            )
            if step is not None:
                one, whole = domain.after(one, step), step if whole is None else domain.joined(whole, step)
        if whole is not None:
            settled.append(whole)
    return settled


async def _follow_up(conn: Connection, highest: dict[UUID, Receipt], known: dict[UUID, Known], now: datetime) -> None:
    """What receipts mean beyond their messages: addresses that lead nowhere, our own defects, the final price."""
    spent = []
    for attempt_id, one in sorted(highest.items(), key=lambda item: known[item[0]].address_key or b""):
        attempt = known[attempt_id]
        if one.status == "failed" and one.kind == "defect":
            logger.error("channel.defect", provider=one.provider, code=one.code, template=attempt.template)
        if attempt.address_key is None:
            continue
        if one.status == "failed" and one.kind is not None:
            evidence = f"{attempt_id} {one.code}"
            await suppress(conn, attempt.channel, attempt.address_key, one.kind, evidence, now=now)
        if (one.cost_millirupiah or 0) > attempt.cost_millirupiah:
            more = (one.cost_millirupiah or 0) - attempt.cost_millirupiah
            spent.append(Spent(attempt.provider, attempt.address_key, more))
    await budgets.book(conn, spent, now)


async def settle_strays(conn: Connection, *, now: datetime) -> int:
    """Receipts that came before we knew their message: applied once we do. How many."""
    found = await store.take_strays(conn, SWEEP_ROWS_MAX)
    await apply_receipts(conn, found, now=now)
    return len(found)


async def forget_strays(conn: Connection, *, now: datetime) -> int:
    """Strays are kept a week. How many went."""
    return await store.remove_old_strays(conn, STRAY_DAYS)

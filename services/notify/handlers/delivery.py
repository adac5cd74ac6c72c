"""Attempts and their outcomes: what becomes of each message. The edge owns the transaction."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.notify.domain import delivery as domain
from services.notify.domain.delivery import (
    ASK_SECONDS_FIRST,
    ASK_SECONDS_MAX,
    ASKS_MAX,
    NO_RECEIPT,
    Accepted,
    Deferred,
    NotificationNotFound,
    Outcome,
    Rejected,
    Settlement,
    SettleNotification,
)
from services.notify.domain.reports import AccountAlert, RejectionKind
from services.notify.domain.wishes import SuppressionReason
from services.notify.handlers import budgets, changes, digested, providers, wishes
from services.notify.handlers.budgets import Refused, Spent
from services.notify.store import delivery, pauses
from services.notify.store.delivery import Ended, Question, Start
from shared.db import Connection
from shared.events.notify import Channel
from shared.outbox import Fact, record

SWEEP_ROWS_MAX = 500

SILENCE_SECONDS_MIN = 60.0
"""However near the deadline is: a receipt that is on its way has this long."""


class End(NamedTuple):
    """An attempt and its outcome. `address_key`: blind index of where it went; `elsewhere`: another provider of the
    channel is there to take it; `portfolio`: of whose budgets something was put aside for it.
    """

    notification_id: UUID
    attempt_id: UUID
    outcome: Outcome
    channel: Channel = "email"
    provider: str = "smtp"
    address_key: bytes | None = None
    elsewhere: bool = False
    portfolio: str = ""


async def begin_attempts(
    conn: Connection, starts: Sequence[Start], *, lease_seconds: float, now: datetime
) -> set[UUID]:
    """Record attempts before their calls; ids of those that may be made now."""
    return await delivery.begin_attempts(conn, starts, lease_seconds=lease_seconds, now=now)


async def end_attempts(
    conn: Connection, ends: Sequence[End], *, now: datetime, chance: Callable[[], float] = random.random
) -> None:
    """Record outcomes, settle their notifications and tell of it. An outcome that came too late to count, because a
    receipt or somebody else settled the message, is only recorded.
    """
    by_attempt = {end.attempt_id: end for end in ends}
    standings = await delivery.lock_attempted(conn, list({end.notification_id for end in by_attempt.values()}))
    accepted = await delivery.end_attempts(conn, [_ended(end) for end in by_attempt.values()], now)
    settlements, refused = [], []
    for one, attempt_id in standings:
        end = None if attempt_id is None else by_attempt.get(attempt_id)
        if end is not None and domain.has_outcome(one, end.outcome):
            settlements.append(domain.settle(one, end.outcome, chance=chance(), now=now, elsewhere=end.elsewhere))
            refused += _refused(end, lately=one.state == "sending")
    lapsed = await delivery.find_lapsed(conn, [one.notification_id for one in refused]) if refused else set()
    await save_settlements(conn, settlements, now)
    await _follow_up(list(by_attempt.values()), accepted, conn, now)
    await budgets.give_back(
        conn, [one._replace(lately=one.lately and one.notification_id not in lapsed) for one in refused]
    )


def _refused(end: End, *, lately: bool) -> list[Refused]:
    """What an attempt gives back, if it surely was not taken."""
    match end.outcome:
        case Rejected() | Deferred() as outcome if end.address_key is not None:
            asked = outcome.seconds if isinstance(outcome, Deferred) and outcome.scope == "recipient" else None
            reached = domain.reached_provider(outcome)
            about = (end.notification_id, end.provider, end.portfolio, end.address_key)
            return [Refused(*about, reached, asked or 0.0, lately)]
    return []


async def _follow_up(ends: Sequence[End], accepted: set[UUID], conn: Connection, now: datetime) -> None:
    """What outcomes mean beyond their messages: addresses that lead nowhere, accounts in trouble, money spent."""
    alerts = []
    spent = []
    for end in sorted(ends, key=lambda one: one.address_key or b""):  # one order, or two of them wait in a circle
        match end.outcome:
            case Rejected(code, kind) if end.address_key is not None:
                await suppress(conn, end.channel, end.address_key, kind, f"{end.attempt_id} {code}", now=now)
            case Deferred(code, pause=True):
                alerts.append(AccountAlert(end.provider, code, pause=True))
            case Accepted(cost_millirupiah=cost) if end.address_key is not None and end.attempt_id in accepted:
                spent.append(Spent(end.provider, end.address_key, cost))
    await providers.note_alerts(conn, alerts, now=now)
    await budgets.book(conn, spent, now)


async def suppress(
    conn: Connection, channel: Channel, address_key: bytes, kind: RejectionKind, evidence: str, *, now: datetime
) -> None:
    """Write to an address no more by this channel, where a provider said that it leads nowhere or wants nothing."""
    reason: SuppressionReason
    match kind:
        case "address":
            reason = "bounced" if channel == "email" else "invalid"
        case "unreachable":
            reason = "unreachable"
        case "opted-out":
            reason = "stopped"
        case _:
            return
    await wishes.suppress(conn, channel, address_key, reason, evidence=evidence, now=now)


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


async def leave_silent(conn: Connection, channel: Channel, seconds: float, *, now: datetime) -> int:
    """Urgent messages without a receipt after so long: tried on their next channel too. How many."""
    silent = await delivery.lock_silent(
        conn,
        channel,
        seconds=seconds,
        least_seconds=min(seconds, SILENCE_SECONDS_MIN),
        now=now,
        limit=SWEEP_ROWS_MAX,
    )
    await delivery.fail_attempts(conn, [one.id for one in silent], NO_RECEIPT)
    await save_settlements(conn, [domain.give_up_waiting(one) for one in silent], now)
    return len(silent)


async def leave_channel(conn: Connection, channel: Channel, reason: str, *, now: datetime) -> int:
    """Urgent messages that wait for a channel of which nothing works: tried on their next one. How many."""
    stuck = await delivery.lock_stuck(conn, channel, SWEEP_ROWS_MAX)
    await save_settlements(conn, [domain.fall_back(one, reason) for one in stuck], now)
    return len(stuck)


async def leave_used_up(conn: Connection, notification_ids: Sequence[UUID], *, now: datetime) -> None:
    """Urgent messages for which the day's money or recipients of their channel are used up: their next one, if any."""
    found = await delivery.lock_attempted(conn, notification_ids)
    await save_settlements(conn, [domain.fall_back(one, "budget") for one, _ in found if one.route], now)


async def take_questions(conn: Connection, names: Sequence[str]) -> list[Question]:
    """Unknown messages to ask these providers about now; each less and less often, for a day."""
    return await delivery.take_questions(
        conn,
        names,
        limit=SWEEP_ROWS_MAX,
        first_seconds=ASK_SECONDS_FIRST,
        most_seconds=ASK_SECONDS_MAX,
        asks_max=ASKS_MAX,
    )


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
    """Write what these notifications, which are locked, have become, and tell of it."""
    if not settlements:
        return
    await delivery.save_settlements(conn, settlements, now)
    if retried := [one.id for one in settlements if one.state == "retry"]:
        await pauses.hold_again(conn, retried)
    facts = [
        Fact(event, one.version - len(one.events) + number)
        for one in settlements
        for number, event in enumerate(one.events, start=1)
    ]
    await record(conn, facts, now=now)
    if back := [one.id for one in settlements if one.state in ("retry", "planned")]:
        await changes.heed_marks(conn, back, now=now)  # what this tells comes after what was told above
    await digested.follow(conn, settlements, now)


def _ended(end: End) -> Ended:
    outcome = end.outcome
    name = type(outcome).__name__.lower()
    if isinstance(outcome, Accepted):
        return Ended(end.attempt_id, name, outcome.code, outcome.message_id, outcome.segments, outcome.cost_millirupiah)
    return Ended(end.attempt_id, name, outcome.code)

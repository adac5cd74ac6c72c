"""What can be foreseen of a broadcast, from the budgets as they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.notify.domain.budgets import WINDOW, ProviderBudget
from services.notify.domain.hours import Hours
from services.notify.domain.planner import Forecast, Usage, Way, combine, plan, plan_tiers
from services.notify.store import audiences, budgets
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.notify import Channel

__all__ = ["Foreseen", "Means", "foresee", "summary"]

DAYS_SHOWN = 60

WAYS: tuple[Channel, ...] = ("whatsapp", "sms", "email")


@dataclass(frozen=True)
class Means:
    """What this programme has to send with: providers by channel, the channels there are, the pauses; and from how many
    recipients on a second person must agree.
    """

    budgets: Mapping[Channel, Sequence[ProviderBudget]]
    channels: Sequence[str]
    hours: Hours
    approval_over: int


@dataclass(frozen=True)
class Foreseen:
    """The forecast at the tier that there is, and at each there could be."""

    present: Forecast
    tiers: Sequence[tuple[int | None, Forecast]]


async def foresee(
    conn: Connection,
    audience: Mapping[str, int],
    means: Means,
    *,
    not_before: datetime | None,
    deadline: datetime,
    own: Mapping[str, int] | None = None,
    now: datetime,
) -> Foreseen:
    """When so many people by channel will have been told. `own`: of what is queued, what is counted in `audience`."""
    waiting = await audiences.count_waiting(conn)
    ways = []
    for channel in WAYS:
        ahead = max(0, waiting.get(channel, 0) - (own or {}).get(channel, 0))
        ways.append(await _way(conn, channel, means.budgets.get(channel, ()), ahead, now))
    counts: dict[Channel, int] = {channel: audience.get(channel, 0) for channel in WAYS}
    begins_at = max(now, not_before or now)
    reserves = [one.reserve_percent for one in means.budgets.get("whatsapp", ())]
    return Foreseen(
        plan(counts, ways, means.hours, begins_at, deadline),
        plan_tiers(counts, ways, means.hours, begins_at, deadline, max(reserves, default=0))
        if counts["whatsapp"]
        else [],
    )


async def _way(
    conn: Connection, channel: Channel, providers: Sequence[ProviderBudget], ahead: int, now: datetime
) -> Way:
    used = {}
    for one in providers:
        counted_after, today = now - WINDOW, day_in_jakarta(now)
        figures = await budgets.find_usage(conn, one, counted_after=counted_after, today=today)
        counted = (
            () if one.tier is None else await budgets.find_counted(conn, one.portfolio, counted_after=counted_after)
        )
        used[one.provider] = Usage(tuple(counted), figures["spent_millirupiah"] + figures["held_millirupiah"])
    return combine(channel, providers, used, ahead=ahead)


def summary(foreseen: Foreseen) -> dict[str, Any]:
    """The forecast as it is kept and shown: days by channel (the first two months of them), money in rupiah."""
    present = foreseen.present
    return {
        "begins_at": present.begins_at,
        "done_at": present.done_at,
        "rupiah": _rupiah(present.millirupiah),
        "too_late": present.too_late,
        "days": [
            {
                "day": one.day,
                "channel": one.channel,
                "messages": one.messages,
                "rupiah": _rupiah(one.millirupiah),
            }
            for one in present.days[:DAYS_SHOWN]
        ],
        "days_not_shown": max(0, len(present.days) - DAYS_SHOWN),
        "left_for_urgent": [
            {
                "channel": one.channel,
                "people_a_day": one.people_a_day,
                "rupiah_a_day": None if one.millirupiah_a_day is None else one.millirupiah_a_day // 1000,
            }
            for one in present.left
        ],
        "tiers": [
            {
                "tier": tier,
                "done_at": found.done_at,
                "days": None if found.done_at is None else _days(found.done_at - found.begins_at),
                "too_late": found.too_late,
            }
            for tier, found in foreseen.tiers
        ],
    }


def _rupiah(millirupiah: int) -> int:
    """Rounded up: a forecast of money errs to the dear side."""
    return -(-millirupiah // 1000)


def _days(length: timedelta) -> float:
    return round(length / timedelta(days=1), 2)

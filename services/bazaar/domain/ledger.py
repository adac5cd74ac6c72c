"""The ledger of fair rotation: what a vendor's standing is, from the turns it had and what was added to them.

A turn costs its vendor its place: it waits from that day on. A no-show weighs more than a turn used, for a while; an
appeal gives back what a decision took. Both are *adjustments*: so many turns and so many days of waiting, which fade in
a straight line from their first day to nothing on their last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

Because = Literal["no-show", "appeal"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is added to a vendor's standing. `turns` and `wait_days` above 0 put it back, below 0 forward.

    `until_day`: the day on which nothing is left of it; None: it stays.
    """

    adjustment_id: UUID
    vendor_id: UUID
    because: Because
    turns: int
    wait_days: int
    from_day: date
    until_day: date | None = None
    application_id: UUID | None = None
    appeal_id: UUID | None = None


class Standing(NamedTuple):
    """Where a vendor stands: turns had, and since when it waits."""

    turns: int
    waiting_since: date


def adjusted(standing: Standing, adjustments: Iterable[Adjustment], day: date) -> Standing:
    """The standing on this day with what is left of each adjustment, rounded towards nothing.

    Turns never fall below 0. Nobody waits since a day that has not come.
    """
    turns, wait_days = standing.turns, 0
    for one in adjustments:
        turns += _left(one.turns, one, day)
        wait_days += _left(one.wait_days, one, day)
    return Standing(max(0, turns), min(day, standing.waiting_since + timedelta(days=wait_days)))


def _left(amount: int, adjustment: Adjustment, day: date) -> int:
    if day < adjustment.from_day:
        return 0
    if adjustment.until_day is None:
        return amount
    remaining = max(0, (adjustment.until_day - day).days)
    return int(amount * remaining / (adjustment.until_day - adjustment.from_day).days)

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

NO_SHOW_TURNS = 1
"""What a no-show weighs beside the turn that it used: a booth stood empty that somebody else was refused."""

NO_SHOW_WAIT_DAYS = 60
"""And in a rotation by waiting: as if its turn had been two months later, some four rounds at two a month (DOMAIN C4).
More would keep a vendor out for good over one bad day, less is not felt where everybody waits for months."""

NO_SHOW_FADES_DAYS = 365
"""After a year nothing is left of it: the season has come round once, and who came since has made up for it. The added
turn is one turn or none, so it counts for the first half of the year."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is added to a vendor's standing. `turns` and `wait_days` above 0 put it back, below 0 forward.

    `until_day`: the day on which nothing is left of it; None: it counts until the vendor's next turn.
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
    """The standing on this day with what is left of each adjustment, rounded to the nearest.

    Turns never fall below 0. Nothing that is added makes anybody wait since a day that has not come; a turn of such a
    day, of a booth that is confirmed, does, with or without it.
    """
    turns, wait_days = standing.turns, 0
    for one in in_force(standing.waiting_since, adjustments):
        turns += _left(one.turns, one, day)
        wait_days += _left(one.wait_days, one, day)
    latest = max(day, standing.waiting_since)
    return Standing(max(0, turns), min(latest, standing.waiting_since + timedelta(days=wait_days)))


def in_force(waiting_since: date, adjustments: Iterable[Adjustment]) -> list[Adjustment]:
    """Those that count for a vendor that waits since this day: one without a last day is over with its next turn,
    since everybody waits anew from a turn on."""
    return [one for one in adjustments if one.until_day is not None or waiting_since <= one.from_day]


def _left(amount: int, adjustment: Adjustment, day: date) -> int:
    if day < adjustment.from_day:
        return 0
    if adjustment.until_day is None:
        return amount
    remaining = max(0, (adjustment.until_day - day).days)
    whole = (adjustment.until_day - adjustment.from_day).days
    # of two as near the greater: so one turn counts for half of its time; rounded down it would last a day
    left = (2 * abs(amount) * remaining + whole) // (2 * whole)
    return left if amount > 0 else -left


def no_show(adjustment_id: UUID, vendor_id: UUID, application_id: UUID, day: date) -> Adjustment:
    """What a vendor carries that confirmed its booth and came on no day. `day`: from when it counts."""
    return Adjustment(
        adjustment_id=adjustment_id,
        vendor_id=vendor_id,
        because="no-show",
        turns=NO_SHOW_TURNS,
        wait_days=NO_SHOW_WAIT_DAYS,
        from_day=day,
        until_day=day + timedelta(days=NO_SHOW_FADES_DAYS),
        application_id=application_id,
    )


class Remaining(NamedTuple):
    """What is left of an adjustment on a day."""

    turns: int
    wait_days: int


def remaining(adjustment: Adjustment, day: date) -> Remaining:
    """What is left of it on this day, rounded to the nearest."""
    return Remaining(_left(adjustment.turns, adjustment, day), _left(adjustment.wait_days, adjustment, day))

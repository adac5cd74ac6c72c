"""When a message to many will be done, day by day, and what it leaves for offers: a forecast, pure.

Each channel is a stream: so many messages a second, so many people in a rolling day, so much money a day, and pauses in
which nothing leaves. The stream is followed from one moment at which something changes to the next, not message by
message. What comes besides (offers, news of events) is not foreseen: it goes first, and the reserve is there for it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from math import inf

from services.notify.domain.budgets import WINDOW, ProviderBudget, share
from services.notify.domain.hours import DAY, FRIDAY, Hours, opens
from services.notify.plans import Lane
from shared.clock import JAKARTA, day_in_jakarta
from shared.days_off import is_idul_fitri
from shared.events.notify import Channel

__all__ = ["TIERS", "DayPlan", "Forecast", "Left", "Usage", "Way", "combine", "plan", "plan_tiers"]

TIERS: tuple[int | None, ...] = (250, 2_000, 10_000, 100_000, None)
"""The tiers of WhatsApp's portfolios; None: unlimited."""

UNMETERED_PER_SECOND = 50.0
"""Assumed of a way without a rate of its own (the mail server)."""

STEP_SECONDS = 900.0
"""People counted within so long are taken to count no more at the same moment, its end."""

HORIZON = timedelta(days=3_660)
"""What is not done in ten years is never done."""


@dataclass(frozen=True)
class Usage:
    """What is used of a provider and its portfolio when the plan is made. `counted`: when people were counted, how
    many.
    """

    counted: Sequence[tuple[datetime, int]] = ()
    spent_millirupiah: int = 0


@dataclass(frozen=True)
class Way:
    """A channel as a broadcast may use it: all its providers together, what is kept back taken off.

    `ahead`: messages of the same urgency that wait already.
    """

    channel: Channel
    per_second: float
    people: int | None = None
    money_millirupiah: int | None = None
    price_millirupiah: int = 0
    counted: tuple[tuple[datetime, int], ...] = ()
    spent_millirupiah: int = 0
    ahead: int = 0
    kept_people: int = 0
    kept_millirupiah: int = 0


@dataclass(frozen=True)
class DayPlan:
    """How many leave over a channel on a day, and what they cost."""

    day: date
    channel: Channel
    messages: int
    millirupiah: int


@dataclass(frozen=True)
class Left:
    """What a channel keeps for offers and personal matters on every day; None: there is no limit to keep from."""

    channel: Channel
    people_a_day: int | None
    millirupiah_a_day: int | None


@dataclass(frozen=True)
class Forecast:
    """When all of it has left (None: never), day by day, at what cost; how many will not have by the deadline."""

    begins_at: datetime
    done_at: datetime | None
    days: tuple[DayPlan, ...]
    millirupiah: int
    too_late: int
    left: tuple[Left, ...]


def combine(channel: Channel, budgets: Sequence[ProviderBudget], usage: Mapping[str, Usage], *, ahead: int = 0) -> Way:
    """The providers of a channel as one way. A portfolio that several share counts once. `usage` by provider."""
    if not budgets:
        return Way(channel, UNMETERED_PER_SECOND, ahead=ahead)
    portfolios = {one.portfolio: one for one in budgets}.values()
    limited = all(one.tier is not None for one in portfolios)
    dear = all(one.daily_millirupiah is not None for one in budgets)
    people = [(one.tier or 0, one.reserve_percent) for one in portfolios]
    money = [(one.daily_millirupiah or 0, one.reserve_percent) for one in budgets]
    rate = sum(one.per_second or UNMETERED_PER_SECOND for one in budgets)
    return Way(
        channel,
        rate,
        people=_shares(people) if limited else None,
        money_millirupiah=_shares(money) if dear else None,
        price_millirupiah=round(
            sum(one.price_millirupiah * (one.per_second or UNMETERED_PER_SECOND) for one in budgets) / rate
        ),
        counted=tuple(sorted(entry for one in portfolios for entry in usage[one.provider].counted)),
        spent_millirupiah=sum(usage[one.provider].spent_millirupiah for one in budgets),
        ahead=ahead,
        kept_people=sum(limit for limit, _ in people) - _shares(people),
        kept_millirupiah=sum(limit for limit, _ in money) - _shares(money),
    )


def _shares(limits: Iterable[tuple[int, int]]) -> int:
    return sum(share(limit, reserve, Lane.BROADCAST) for limit, reserve in limits)


def plan(
    audience: Mapping[Channel, int], ways: Sequence[Way], hours: Hours, begins_at: datetime, deadline: datetime
) -> Forecast:
    """When a broadcast to so many over each channel will be done. What goes to the inbox is there at once."""
    days: list[DayPlan] = []
    ends: list[datetime | None] = [begins_at]
    too_late = 0
    for way in ways:
        if count := audience.get(way.channel, 0):
            found, done_at, late = _follow(way, count, hours, begins_at, deadline)
            days += found
            ends.append(done_at)
            too_late += late
    moments = [moment for moment in ends if moment is not None]
    return Forecast(
        begins_at,
        max(moments) if len(moments) == len(ends) else None,
        tuple(sorted(days, key=lambda one: (one.day, one.channel))),
        sum(one.millirupiah for one in days),
        too_late,
        tuple(
            Left(
                way.channel,
                None if way.people is None else way.kept_people,
                None if way.money_millirupiah is None else way.kept_millirupiah,
            )
            for way in ways
        ),
    )


def plan_tiers(
    audience: Mapping[Channel, int],
    ways: Sequence[Way],
    hours: Hours,
    begins_at: datetime,
    deadline: datetime,
    reserve_percent: int,
) -> list[tuple[int | None, Forecast]]:
    """The same at each tier that WhatsApp's portfolios have, as if one portfolio had it."""
    found = []
    for tier in TIERS:
        people = None if tier is None else share(tier, reserve_percent, Lane.BROADCAST)
        kept = 0 if tier is None or people is None else tier - people
        there = [replace(way, people=people, kept_people=kept) if way.channel == "whatsapp" else way for way in ways]
        found.append((tier, plan(audience, there, hours, begins_at, deadline)))
    return found


def _follow(
    way: Way, count: int, hours: Hours, begins_at: datetime, deadline: datetime
) -> tuple[list[DayPlan], datetime | None, int]:
    """One stream: what leaves on which day, when the last of it does, how many leave after the deadline."""
    stream = _Stream(way, hours, begins_at)
    left = count
    too_late = 0
    by_day: dict[date, int] = {}
    ahead = way.ahead
    while left + ahead > 0:
        sent = stream.step(left + ahead)
        if sent is None:
            return _days(way, by_day), None, too_late + left
        gone_ahead = min(ahead, sent)
        ahead -= gone_ahead
        own = sent - gone_ahead
        left -= own
        if own:
            day = day_in_jakarta(stream.began)
            by_day[day] = by_day.get(day, 0) + own
            if stream.at > deadline:
                too_late += own
    return _days(way, by_day), stream.at, too_late


def _days(way: Way, by_day: Mapping[date, int]) -> list[DayPlan]:
    return [DayPlan(day, way.channel, messages, messages * way.price_millirupiah) for day, messages in by_day.items()]


class _Stream:
    """Where a stream is: the moment, who counts, what was spent on its day. `began`: when the last step began."""

    def __init__(self, way: Way, hours: Hours, begins_at: datetime) -> None:
        self.way = way
        self.hours = hours
        self.at = self.began = begins_at
        self._end = begins_at + HORIZON
        self._day = day_in_jakarta(begins_at)
        self._spent = way.spent_millirupiah
        self._counted = deque((at + WINDOW, n) for at, n in way.counted)
        self._people = sum(n for _, n in self._counted)
        self._closes_at: datetime | None = None

    def step(self, wanted: int) -> int | None:
        """Go on until something has left; how many. None: nothing more ever will."""
        while self.at < self._end:
            self._move(opens(self.hours, self.at, news=True)[0])
            until = min(self._closing(), _midnight(self.at))
            room = self._money()
            if room <= 0:
                self._move(_midnight(self.at))
                continue
            if self.way.people is not None:
                room = min(room, self.way.people - self._people)
            if room <= 0:
                if not self._counted:
                    return None
                self._move(self._counted[0][0])
                continue
            seconds = min((until - self.at).total_seconds(), STEP_SECONDS)
            sent = min(wanted, room, int(self.way.per_second * seconds))
            if sent < 1:
                self._move(until)
                continue
            self._send(int(sent), until)
            return int(sent)
        return None

    def _send(self, sent: int, until: datetime) -> None:
        self.began = self.at
        end = min(self.at + timedelta(seconds=sent / self.way.per_second), until)
        self._spent += sent * self.way.price_millirupiah
        if self.way.people is not None:
            self._counted.append((end + WINDOW, sent))
            self._people += sent
        self._move(end)

    def _move(self, to: datetime) -> None:
        self.at = max(to, self.at)
        if (day := day_in_jakarta(self.at)) != self._day:
            self._day, self._spent = day, 0
        while self._counted and self._counted[0][0] <= self.at:
            self._people -= self._counted.popleft()[1]

    def _money(self) -> float:
        if self.way.money_millirupiah is None or self.way.price_millirupiah == 0:
            return inf
        return (self.way.money_millirupiah - self._spent) // self.way.price_millirupiah

    def _closing(self) -> datetime:
        """When the next pause begins."""
        if self._closes_at is None or self._closes_at <= self.at:
            self._closes_at = _closes(self.hours, self.at)
        return self._closes_at


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(day_in_jakarta(moment) + DAY, time(), JAKARTA)


def _closes(hours: Hours, moment: datetime) -> datetime:
    """When the next pause begins after this moment, which lies in none; the end of the next week where none does."""
    today = day_in_jakarta(moment)
    for days in range(9):
        day = today + timedelta(days=days)
        begins = [hours.quiet[0]] if hours.quiet is not None and hours.quiet[0] != hours.quiet[1] else []
        if hours.friday is not None and day.weekday() == FRIDAY:
            begins.append(hours.friday[0])
        if hours.feasts and is_idul_fitri(day):
            begins.append(time())
        later = [at for each in begins if (at := datetime.combine(day, each, JAKARTA)) > moment]
        if later:
            return min(later)
    return datetime.combine(today + timedelta(days=9), time(), JAKARTA)

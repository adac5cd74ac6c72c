"""What providers may be asked for, and who goes first when it is not enough for all: pure decisions.

Four limits, spent on the most urgent first: messages a second of a provider (a token bucket), one person at a time (a
pair of number and person), people we write to first in a rolling day (the tier of a business portfolio), money a day.
Of people and money a reserve is kept back: half of it for offers alone, the other half for offers and personal matters,
so that what goes to many never uses up what one person needs. Of the bucket too, so that an offer finds a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from services.notify.plans import Lane

__all__ = [
    "WINDOW",
    "Granting",
    "Known",
    "Level",
    "ProviderBudget",
    "Refused",
    "Spent",
    "Taken",
    "Want",
    "grant",
    "refill",
    "share",
]

WINDOW = timedelta(hours=24, minutes=2)
"""How long a person counts. Two minutes more than providers say: they count from the sending, we from the claim."""

WAIT_SECONDS_MAX = 300.0
"""Nobody waits longer without asking again: a tier may rise meanwhile, an operator may allow more money."""

RATE_WAIT_SECONDS_MAX = 5.0

PAIR_FLIGHT_SECONDS = 30.0
"""How long a message that has not been heard of keeps the next one to the same person back."""

HELD_SECONDS = 300.0
"""How long money is put aside for a message that has not been heard of: longer than an attempt may take."""


@dataclass(frozen=True)
class ProviderBudget:
    """What one provider may be asked for. None: no limit. Prices in thousandths of a rupiah.

    `portfolio`: what the tier belongs to; numbers of one portfolio share it. The provider's own name where it shares
    none.
    """

    provider: str
    portfolio: str
    per_second: float | None = None
    pair_seconds: float = 0.0
    tier: int | None = None
    daily_millirupiah: int | None = None
    price_millirupiah: int = 0
    reserve_percent: int = 0

    @property
    def limited(self) -> bool:
        """Whether there is anything to keep within."""
        return not (
            self.per_second is None and self.tier is None and self.daily_millirupiah is None and self.pair_seconds == 0
        )

    @property
    def burst(self) -> float:
        """How many may leave at once after a silence: those of one second."""
        return 0.0 if self.per_second is None else max(1.0, self.per_second)


class Want(NamedTuple):
    """A message that would leave now. `opens_conversation`: we write first, so the person counts for the tier."""

    notification_id: UUID
    lane: int
    address_key: bytes
    opens_conversation: bool = True


class Spent(NamedTuple):
    """A message that a provider took, and its price."""

    provider: str
    address_key: bytes
    cost_millirupiah: int


class Refused(NamedTuple):
    """A message that a provider surely did not take. `portfolio`: the provider's. `reached_provider`: it may have
    counted the try. `asked_seconds`: how long it asked us to leave this person alone. `lately`: what was put aside for
    this try still is.
    """

    notification_id: UUID
    provider: str
    portfolio: str
    address_key: bytes
    reached_provider: bool = True
    asked_seconds: float = 0.0
    lately: bool = True


@dataclass(frozen=True)
class Level:
    """How much is used: tokens there now, people counted, money spent or put aside today; and in how many seconds the
    first of the people counts no more (None: there is none), and the day ends.
    """

    tokens: float = 0.0
    recipients: int = 0
    spent_millirupiah: int = 0
    frees_seconds: float | None = None
    day_ends_seconds: float = WAIT_SECONDS_MAX


@dataclass(frozen=True)
class Known:
    """What is known of these addresses: in how many seconds each may be written to again; whose row counts already."""

    free_seconds: Mapping[bytes, float] = field(default_factory=dict)
    counted: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class Taken:
    """What a claim got.

    `waits`: of those that got nothing, seconds until it makes sense to ask again. `closed`: lane -> seconds for which
    claiming that lane for this provider is useless. `used_up`: those which wait for the day's people or money and not
    for a moment: another channel may serve them better.
    """

    granted: frozenset[UUID]
    waits: Mapping[UUID, float]
    closed: Mapping[int, float]
    used_up: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Granting:
    """`taken`, and what is to be written: who got a message, who counts anew, how many tokens are left."""

    taken: Taken
    granted: tuple[Want, ...]
    newly_counted: frozenset[bytes]
    tokens: float


def refill(budget: ProviderBudget, tokens: float, elapsed_seconds: float) -> float:
    """The tokens of a bucket after so many seconds; a clock that went back adds none."""
    if budget.per_second is None:
        return 0.0
    return min(budget.burst, tokens + max(0.0, elapsed_seconds) * budget.per_second)


def share(limit: int, reserve_percent: int, lane: int) -> int:
    """How much of a limit messages of this urgency may bring it to."""
    if lane <= Lane.OFFER:
        return limit
    kept_back = -(-limit * reserve_percent // (200 if lane == Lane.PERSONAL else 100))
    return limit - kept_back


def grant(budget: ProviderBudget, level: Level, known: Known, wants: Sequence[Want]) -> Granting:
    """Who may leave now: the most urgent first, within a lane in the order given."""
    purse = _Purse(budget, level, known)
    granted = [want for want in sorted(wants, key=lambda one: one.lane) if purse.spend(want)]
    taken = Taken(
        frozenset(want.notification_id for want in granted), purse.waits, purse.closed, frozenset(purse.used_up)
    )
    return Granting(taken, tuple(granted), frozenset(purse.newly_counted), purse.tokens)


class _Purse:
    """What is left while wants are served one after the other."""

    def __init__(self, budget: ProviderBudget, level: Level, known: Known) -> None:
        self.budget = budget
        self.level = level
        self.known = known
        self.tokens = level.tokens
        self.recipients = level.recipients
        self.spent_millirupiah = level.spent_millirupiah
        self.newly_counted: set[bytes] = set()
        self.waits: dict[UUID, float] = {}
        self.closed: dict[int, float] = {}
        self.used_up: set[UUID] = set()
        self._busy: set[bytes] = set()
        self._rate_refused = 0

    def spend(self, want: Want) -> bool:
        """Serve one; nothing is used when it cannot be served."""
        budget = self.budget
        if budget.pair_seconds and (wait := self._pair_wait(want.address_key)):
            return self._refuse(want, wait)
        counts = budget.tier is not None and want.opens_conversation and not self._is_counted(want.address_key)
        if counts and self._is_full(want.lane):
            return self._refuse_for_the_day(want, self.level.frees_seconds, closes=want.lane >= Lane.ROUTINE)
        if self._is_dear(want.lane):
            return self._refuse_for_the_day(want, self.level.day_ends_seconds, closes=True)
        if budget.per_second is not None and self.tokens < 1 + self._floor(want.lane):
            return self._refuse_rate(want)
        if budget.per_second is not None:
            self.tokens -= 1
        if counts:
            self.newly_counted.add(want.address_key)
            self.recipients += 1
        self.spent_millirupiah += budget.price_millirupiah
        self._busy.add(want.address_key)
        return True

    def _is_counted(self, address_key: bytes) -> bool:
        return address_key in self.known.counted or address_key in self.newly_counted

    def _pair_wait(self, address_key: bytes) -> float:
        if address_key in self._busy:
            return self.budget.pair_seconds
        # a message under way keeps longer than it needs to: once it is heard of, the next may go after the pair's time
        return min(max(0.0, self.known.free_seconds.get(address_key, 0.0)), self.budget.pair_seconds)

    def _is_full(self, lane: int) -> bool:
        assert self.budget.tier is not None
        return self.recipients >= share(self.budget.tier, self.budget.reserve_percent, lane)

    def _is_dear(self, lane: int) -> bool:
        limit = self.budget.daily_millirupiah
        if limit is None:
            return False
        return self.spent_millirupiah + self.budget.price_millirupiah > share(limit, self.budget.reserve_percent, lane)

    def _floor(self, lane: int) -> float:
        """Tokens that are left for offers."""
        if lane <= Lane.OFFER:
            return 0.0
        return min(self.budget.burst * self.budget.reserve_percent / 100, self.budget.burst - 1)

    def _refuse_rate(self, want: Want) -> bool:
        assert self.budget.per_second is not None
        self._rate_refused += 1
        missing = self._rate_refused + self._floor(want.lane) - self.tokens
        if want.lane > Lane.OFFER:
            # claims of a few rows each cost more than they bring: let a quarter of a second's worth come together
            batch = max(1.0, self.budget.burst / 4)
            enough = min(self._floor(want.lane) + batch, self.budget.burst)
            self._close(want.lane, max(0.0, enough - self.tokens) / self.budget.per_second)
        return self._refuse(want, min(missing / self.budget.per_second, RATE_WAIT_SECONDS_MAX))

    def _refuse_for_the_day(self, want: Want, seconds: float | None, *, closes: bool) -> bool:
        wait = WAIT_SECONDS_MAX if seconds is None else min(max(seconds, 1.0), WAIT_SECONDS_MAX)
        if closes:
            self._close(want.lane, wait)
        self.used_up.add(want.notification_id)
        return self._refuse(want, wait)

    def _refuse(self, want: Want, seconds: float) -> bool:
        self.waits[want.notification_id] = seconds
        return False

    def _close(self, lane: int, seconds: float) -> None:
        if seconds > 0:
            self.closed[lane] = max(seconds, self.closed.get(lane, 0.0))

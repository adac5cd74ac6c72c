"""Budgets are spent by claims and booked by outcomes. The edge owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from services.notify.domain import budgets as domain
from services.notify.domain.budgets import WINDOW, Known, Level, ProviderBudget, Refused, Spent, Taken, Want
from services.notify.plans import Lane
from services.notify.store import budgets as store
from shared.clock import JAKARTA, day_in_jakarta
from shared.db import Connection

__all__ = [
    "Look",
    "ProviderBudget",
    "Refused",
    "Spent",
    "Taken",
    "Want",
    "book",
    "forget_old",
    "give_back",
    "look",
    "take",
]


async def take(conn: Connection, provider: ProviderBudget, wants: Sequence[Want], *, now: datetime) -> Taken:
    """Let the most urgent of these have what is left of a provider's budgets.

    In the claim's own transaction: rolled back, nothing was used. Others who claim for the portfolio wait until it
    ends, so it should end soon; whoever takes for several providers in one transaction takes in the order of their
    `portfolio`. What was granted and surely not taken is given back (`give_back`), but for the bucket; what was granted
    and never tried stands aside for some minutes (money), and counts for a day (people): never too little is counted.
    """
    if not wants or not provider.limited:
        return Taken(frozenset(want.notification_id for want in wants), {}, {})
    recipients = await store.lock_portfolio(conn, provider.portfolio)
    counted_after = now - WINDOW
    used = await store.read_used(conn, provider, counted_after=counted_after, today=day_in_jakarta(now))
    known = await _known(conn, provider, wants, counted_after)
    fresh = provider.burst if used.tokens is None else used.tokens
    level = Level(
        tokens=domain.refill(provider, fresh, used.elapsed_seconds or 0.0),
        recipients=recipients - used.removed,
        spent_millirupiah=used.spent_millirupiah,
        frees_seconds=None if used.oldest_at is None else (used.oldest_at - counted_after).total_seconds(),
        day_ends_seconds=(_midnight(now) - now).total_seconds(),
    )
    granting = domain.grant(provider, level, known, wants)
    await store.save_grants(conn, provider, granting, used.removed, now)
    if used.bookings > store.BOOKINGS_MAX:
        await store.add_up(conn, provider.provider)
    return granting.taken


async def book(conn: Connection, spent: Sequence[Spent], now: datetime) -> None:
    """Messages were accepted: note their price, and let the next to the same person follow after the pair's time.

    Best the last act of its transaction: a claim that writes to the same person waits for its end.
    """
    if spent:
        await store.save_spent(conn, spent, day_in_jakarta(now))


async def give_back(conn: Connection, refused: Sequence[Refused]) -> None:
    """Messages were surely not taken: their person may be written to again, soon if the provider heard of it and at
    once if not; the money put aside for them is free; who was counted for one of them alone counts no more.

    What a claim holds at this moment is passed over and lapses by itself: so this waits for nobody.
    """
    if refused:
        await store.free_recent(conn, [one for one in refused if one.lately])
        await store.free_people(conn, refused)


async def forget_old(conn: Connection, *, now: datetime) -> int:
    """Remove the addresses that no longer count, and add up what was spent. How many addresses."""
    await store.add_up(conn)
    return await store.forget_old(conn, counted_before=now - WINDOW)


@dataclass(frozen=True)
class Look:
    """What is used of a provider's budget at a moment."""

    budget: ProviderBudget
    tokens: float
    recipients: int
    spent_millirupiah: int
    held_millirupiah: int
    messages: int

    def people_left(self, *, urgent: bool) -> int | None:
        """How many more people may be written to, in offers or in messages to many; None: any number."""
        if self.budget.tier is None:
            return None
        return max(0, self._share(self.budget.tier, urgent=urgent) - self.recipients)

    def rupiah_left(self, *, urgent: bool) -> int | None:
        """How much more may be spent today; None: there is no limit."""
        if self.budget.daily_millirupiah is None:
            return None
        used = self.spent_millirupiah + self.held_millirupiah
        return max(0, self._share(self.budget.daily_millirupiah, urgent=urgent) - used) // 1000

    def _share(self, limit: int, *, urgent: bool) -> int:
        return domain.share(limit, self.budget.reserve_percent, Lane.OFFER if urgent else Lane.BROADCAST)


async def look(conn: Connection, budget: ProviderBudget, *, now: datetime) -> Look:
    """What is used of a provider's budget now; takes nothing and waits for nobody."""
    used = await store.find_usage(conn, budget, counted_after=now - WINDOW, today=day_in_jakarta(now))
    tokens = budget.burst if used["tokens"] is None else used["tokens"]
    return Look(
        budget,
        domain.refill(budget, tokens, used["elapsed_seconds"] or 0.0),
        used["recipients"],
        used["spent_millirupiah"],
        used["held_millirupiah"],
        used["messages"],
    )


async def _known(conn: Connection, provider: ProviderBudget, wants: Sequence[Want], counted_after: datetime) -> Known:
    if not provider.pair_seconds and provider.tier is None:
        return Known()
    keys = list({want.address_key for want in wants})
    found = await store.find_addresses(conn, provider, keys, counted_after=counted_after)
    return Known(
        {key: seconds for key, seconds, _ in found if seconds is not None},
        frozenset(key for key, _, counted in found if counted),
    )


def _midnight(now: datetime) -> datetime:
    """When the day in Jakarta ends."""
    return datetime.combine(day_in_jakarta(now) + timedelta(days=1), time(), JAKARTA)

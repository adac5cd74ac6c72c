"""What notify tells monitoring: how much waits by lane and channel, how old it is, how providers are and what is left
of their budgets, what is open.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import Gauge

from services.notify.domain.budgets import ProviderBudget
from services.notify.handlers import budgets as handlers
from services.notify.plans import Lane
from services.notify.store import measures
from shared.clock import Clock
from shared.db import Database

__all__ = ["measure", "measure_budgets", "measure_once"]

MEASURE_SECONDS = 10.0

WAITING = Gauge("lapak_notify_waiting", "Messages that wait: planned, queued, retry", ["state", "channel", "lane"])
OLDEST_SECONDS = Gauge("lapak_notify_oldest_due_seconds", "For how long the first message is due", ["channel", "lane"])
PROVIDER_SHARE = Gauge("lapak_notify_provider_share_percent", "Of its weight; 0 while paused or open", ["provider"])
PROVIDER_PAUSED = Gauge("lapak_notify_provider_paused", "1: paused by an operator, or an alert is open", ["provider"])
LEFT = ["provider", "use"]
RATE_LEFT = Gauge("lapak_notify_budget_rate_left", "Messages that could leave at this moment", ["provider"])
PEOPLE_LEFT = Gauge("lapak_notify_budget_people_left", "People who may be written to first today, by use", LEFT)
RUPIAH_LEFT = Gauge("lapak_notify_budget_rupiah_left", "What may be spent today, by use", LEFT)
HELD = Gauge("lapak_notify_held", "Messages held back: their template or broadcast is paused")
TEMPLATES_PAUSED = Gauge("lapak_notify_templates_paused", "Templates that are paused")
UNKNOWN = Gauge("lapak_notify_unknown", "Messages of which nobody knows whether they left")
REPLIES_OPEN = Gauge("lapak_notify_replies_open", "Replies that wait for an officer")
WEBHOOKS_DUE = Gauge("lapak_notify_webhooks_due", "Events that subscribers are owed")


async def measure(
    database: Database, clock: Clock, budgets: Mapping[str, ProviderBudget], stopping: asyncio.Event
) -> None:
    """Keep the gauges true until stopping."""
    while not stopping.is_set():
        await measure_once(database)
        await measure_budgets(database, clock, budgets)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), MEASURE_SECONDS)


async def measure_once(database: Database) -> None:
    """Look once."""
    async with database.read() as conn:
        waiting = await measures.measure_waiting(conn)
        providers = await measures.measure_providers(conn)
        unknown, replies, webhooks, held, templates = await measures.count_open(conn)
    WAITING.clear()
    OLDEST_SECONDS.clear()
    oldest: dict[tuple[str, str], float] = {}
    for one in waiting:
        lane = Lane(one.lane).name.lower()
        WAITING.labels(one.state, one.channel, lane).set(one.n)
        if one.channel:
            oldest[one.channel, lane] = max(one.oldest_seconds, oldest.get((one.channel, lane), 0.0))
    for labels, seconds in oldest.items():
        OLDEST_SECONDS.labels(*labels).set(seconds)
    for provider in providers:
        shut = provider.paused or provider.open_seconds > 0
        PROVIDER_SHARE.labels(provider.provider).set(0 if shut else provider.share_percent)
        PROVIDER_PAUSED.labels(provider.provider).set(provider.paused)
    UNKNOWN.set(unknown)
    REPLIES_OPEN.set(replies)
    WEBHOOKS_DUE.set(webhooks)
    HELD.set(held)
    TEMPLATES_PAUSED.set(templates)


async def measure_budgets(database: Database, clock: Clock, budgets: Mapping[str, ProviderBudget]) -> None:
    """Look once what is left of every provider's budgets; what has no limit has no gauge."""
    now = clock.now()
    for name, budget in budgets.items():
        async with database.read() as conn:
            look = await handlers.look(conn, budget, now=now)
        if budget.per_second is not None:
            RATE_LEFT.labels(name).set(look.tokens)
        for use, urgent in (("offers", True), ("broadcasts", False)):
            if (people := look.people_left(urgent=urgent)) is not None:
                PEOPLE_LEFT.labels(name, use).set(people)
            if (rupiah := look.rupiah_left(urgent=urgent)) is not None:
                RUPIAH_LEFT.labels(name, use).set(rupiah)

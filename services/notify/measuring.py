"""What notify tells monitoring: how much waits by lane and channel, how old it is, how providers are, what is open."""

import asyncio
from contextlib import suppress

from prometheus_client import Gauge

from services.notify.plans import Lane
from services.notify.store import measures
from shared.db import Database

__all__ = ["measure", "measure_once"]

MEASURE_SECONDS = 10.0

WAITING = Gauge("lapak_notify_waiting", "Messages that wait: planned, queued, retry", ["state", "channel", "lane"])
OLDEST_SECONDS = Gauge("lapak_notify_oldest_due_seconds", "For how long the first message is due", ["channel", "lane"])
PROVIDER_SHARE = Gauge("lapak_notify_provider_share_percent", "Of its weight; 0 while paused or open", ["provider"])
UNKNOWN = Gauge("lapak_notify_unknown", "Messages of which nobody knows whether they left")
REPLIES_OPEN = Gauge("lapak_notify_replies_open", "Replies that wait for an officer")
WEBHOOKS_DUE = Gauge("lapak_notify_webhooks_due", "Events that subscribers are owed")


async def measure(database: Database, stopping: asyncio.Event) -> None:
    """Keep the gauges true until stopping."""
    while not stopping.is_set():
        await measure_once(database)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), MEASURE_SECONDS)


async def measure_once(database: Database) -> None:
    """Look once."""
    async with database.read() as conn:
        waiting = await measures.measure_waiting(conn)
        providers = await measures.measure_providers(conn)
        unknown, replies, webhooks = await measures.count_open(conn)
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
    UNKNOWN.set(unknown)
    REPLIES_OPEN.set(replies)
    WEBHOOKS_DUE.set(webhooks)

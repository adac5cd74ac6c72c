"""Puts notify together."""

import asyncio

from services.notify import pages
from services.notify.api import ROUTERS
from services.notify.channels.assembly import providers
from services.notify.channels.simulated import simulated_providers
from services.notify.consumers import subscriptions
from services.notify.delivery import Delivery, Outlet
from services.notify.expansion import Expansion
from services.notify.extras import stop_links
from services.notify.handlers.changes import ROUTE_ANEW, route_anew
from services.notify.handlers.queue import FORGET, forget
from services.notify.handlers.retention import COUNT_FIGURES, RETENTION, count_figures, forgets
from services.notify.measuring import measure
from services.notify.settings import NotifySettings
from services.notify.simulation import simulate
from services.notify.submissions import keep_templates
from services.notify.telling import Telling
from shared.crypto import Sealer
from shared.service import Platform, Service
from shared.settings import load

__all__ = ["create"]

SIMULATED_LINES = 4


def create() -> Service:
    """The service, from the environment."""
    settings = load(NotifySettings)

    async def deliver(platform: Platform, stopping: asyncio.Event) -> None:
        """The delivery of messages, as a background of the service."""
        delivery = Delivery(
            platform.database,
            platform.clock,
            _outlets(settings, platform),
            settings.pace(),
            sealer=platform.sealer,
            rules=settings.rules(),
            extras=stop_links(settings.public_url, platform.sealer, platform.clock),
        )
        await delivery.run(stopping)

    async def templates(platform: Platform, stopping: asyncio.Event) -> None:
        """Versions of templates and their approval by WhatsApp, as a background of the service."""
        await keep_templates(platform, settings, stopping)

    async def broadcasts(platform: Platform, stopping: asyncio.Event) -> None:
        """Messages to many, a chunk after the other, as a background of the service."""
        await Expansion(platform.database, platform.clock).run(stopping)

    async def simulated(platform: Platform, stopping: asyncio.Event) -> None:
        """What simulated providers report of the messages of test keys, as a background of the service."""
        await simulate(platform.database, platform.clock, stopping)

    async def webhooks(platform: Platform, stopping: asyncio.Event) -> None:
        """Subscribers are told of our events, as a background of the service."""
        telling = Telling(platform.database, platform.clock, platform.sealer, development=settings.development)
        await telling.run(stopping)

    async def measures(platform: Platform, stopping: asyncio.Event) -> None:
        """What waits and how old it is, for monitoring, as a background of the service."""
        await measure(platform.database, platform.clock, settings.budgets(), stopping)

    return Service(
        "notify",
        settings,
        routers=[*ROUTERS, pages.router],
        subscriptions=subscriptions(Sealer(settings.secret_keys)),
        timers={
            ROUTE_ANEW: route_anew,
            FORGET: forget,
            COUNT_FIGURES: count_figures,
            RETENTION: forgets(settings.bodies_days, settings.messages_days),
        },
        background=[deliver, templates, broadcasts, simulated, webhooks, measures],
    )


def _outlets(settings: NotifySettings, platform: Platform) -> list[Outlet]:
    """All providers, each with its limits."""
    limits = {one.name: one for one in settings.providers}
    budgets = settings.budgets()
    found = []
    for provider in providers(settings, platform.sealer):
        limit = limits.get(provider.name)
        if limit is None:
            found.append(Outlet(provider))
        else:
            found.append(Outlet(provider, limit.lines, limit.weight, budgets[provider.name]))
    found += [Outlet(provider, lines=SIMULATED_LINES) for provider in simulated_providers()]
    return found

"""Puts notify together."""

import asyncio

from services.notify.api import ROUTERS
from services.notify.channels.email import Email
from services.notify.consumers import SUBSCRIPTIONS
from services.notify.delivery import Delivery
from services.notify.settings import NotifySettings
from shared.service import Platform, Service
from shared.settings import load

__all__ = ["create"]


def create() -> Service:
    """The service, from the environment."""
    settings = load(NotifySettings)

    async def deliver(platform: Platform, stopping: asyncio.Event) -> None:
        """The delivery of messages, as a background of the service."""
        delivery = Delivery(platform.database, platform.clock, Email(settings.server()), settings.pace())
        await delivery.run(stopping)

    return Service(
        "notify",
        settings,
        routers=ROUTERS,
        subscriptions=SUBSCRIPTIONS,
        background=[deliver],
    )

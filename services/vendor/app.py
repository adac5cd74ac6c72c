"""Puts the vendor registry together."""

from services.vendor import api, areas, consumers
from shared.crypto import Sealer
from shared.service import Service
from shared.settings import ServiceSettings, load

__all__ = ["create"]


def create() -> Service:
    """The service, from the environment."""
    settings = load(ServiceSettings)
    areas.areas()  # read once now, not in the first request
    return Service(
        "vendor",
        settings,
        routers=[api.router],
        subscriptions=consumers.subscriptions(Sealer(settings.secret_keys)),
    )

"""Puts the vendor registry together."""

from services.vendor import areas, consumers
from services.vendor.api import ROUTERS
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
        routers=ROUTERS,
        subscriptions=consumers.subscriptions(Sealer(settings.secret_keys)),
    )

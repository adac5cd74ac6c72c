"""The training service, put together."""

from services.training import api, consumers
from shared.service import Service
from shared.settings import ServiceSettings, load


def create() -> Service:
    """The service with its settings from the environment."""
    return Service("training", load(ServiceSettings), routers=[api.router], subscriptions=consumers.SUBSCRIPTIONS)

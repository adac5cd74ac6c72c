"""The composition root of the training service."""

from services.training.api import ROUTERS
from services.training.consumers import SUBSCRIPTIONS
from shared.service import Service
from shared.settings import ServiceSettings, load


def create() -> Service:
    """The service, from the settings in the environment."""
    return Service("training", load(ServiceSettings), routers=ROUTERS, subscriptions=SUBSCRIPTIONS)

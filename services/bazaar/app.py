"""The composition root of the bazaar service."""

from services.bazaar.api import ROUTERS
from services.bazaar.consumers import SUBSCRIPTIONS
from services.bazaar.handlers.offers import LAPSE, lapse_offers
from shared.service import Service
from shared.settings import ServiceSettings, load


def create() -> Service:
    """The service, from the settings in the environment."""
    return Service(
        "bazaar",
        load(ServiceSettings),
        routers=ROUTERS,
        subscriptions=SUBSCRIPTIONS,
        timers={LAPSE: lapse_offers},
    )

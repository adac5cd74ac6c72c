"""The composition root of the bazaar service."""

from services.bazaar import pages
from services.bazaar.api import ROUTERS
from services.bazaar.consumers import subscriptions
from services.bazaar.handlers.ceremonies import CEREMONY, keep_deadline
from services.bazaar.handlers.fairness import TIMER as OPEN_FIGURES
from services.bazaar.handlers.fairness import count_by_timer
from services.bazaar.handlers.interests import APPLY as APPLY_FOR_INTERESTED
from services.bazaar.handlers.interests import REMIND as REMIND_OF_INTEREST
from services.bazaar.handlers.interests import apply_for_interested, remind_of_interest
from services.bazaar.handlers.offers import LAPSE, REMIND, lapse_offers, remind_of_offers
from services.bazaar.handlers.series import PLAN, plan_by_timer
from services.bazaar.handlers.swaps import LAPSE as LAPSE_SWAP
from services.bazaar.handlers.swaps import lapse_swap
from services.bazaar.handlers.tickets import ISSUE, issuer
from shared.crypto import Sealer
from shared.files.rows import REMOVE_FILE
from shared.files.storage import FileSettings, remover
from shared.service import Service
from shared.settings import load


class BazaarSettings(FileSettings):
    """What bazaars need besides: where photos of venues are kept."""


def create() -> Service:
    """The service, from the settings in the environment."""
    settings = load(BazaarSettings)
    sealer = Sealer(settings.secret_keys)
    return Service(
        "bazaar",
        settings,
        routers=[*ROUTERS, pages.router],
        subscriptions=subscriptions(sealer),
        timers={
            REMOVE_FILE: remover(settings),
            PLAN: plan_by_timer,
            APPLY_FOR_INTERESTED: apply_for_interested,
            REMIND_OF_INTEREST: remind_of_interest,
            CEREMONY: keep_deadline,
            LAPSE: lapse_offers,
            LAPSE_SWAP: lapse_swap,
            REMIND: remind_of_offers,
            OPEN_FIGURES: count_by_timer,
            ISSUE: issuer(sealer),
        },
    )

"""The composition root of the training service."""

from services.training import pages
from services.training.api import ROUTERS
from services.training.consumers import subscriptions
from services.training.handlers.cases import OVERDUE, fall_due
from services.training.handlers.certificates import SETTLE, settler
from services.training.handlers.courses import TELL, tell_catalogue
from services.training.handlers.demand import EXPIRE, expire_requests
from services.training.handlers.graduation import EVERYONE, REVIEW, everyone_by_timer, review_by_timer
from services.training.handlers.matchings import NEWCOMERS, PUBLISH, match_by_timer, put_into_effect
from services.training.handlers.promotion import PROMOTE
from services.training.handlers.reminders import BEGIN, begin_class, remind_of_session
from services.training.handlers.reminders import REMIND as REMIND_OF_SESSION
from services.training.handlers.seating import promote_waiting
from services.training.handlers.tickets import ISSUE as ISSUE_TICKETS
from services.training.handlers.tickets import issuer as ticket_issuer
from services.training.settings import TrainingSettings
from shared.crypto import Sealer
from shared.service import Service
from shared.settings import load


def create() -> Service:
    """The service, from the settings in the environment."""
    settings = load(TrainingSettings)
    sealer = Sealer(settings.secret_keys)
    return Service(
        "training",
        settings,
        routers=[*ROUTERS, pages.router],
        subscriptions=subscriptions(sealer),
        timers={
            SETTLE: settler(sealer, settings.certificate_issuer),
            TELL: tell_catalogue,
            EXPIRE: expire_requests,
            OVERDUE: fall_due,
            REMIND_OF_SESSION: remind_of_session,
            BEGIN: begin_class,
            PROMOTE: promote_waiting,
            PUBLISH: put_into_effect,
            NEWCOMERS: match_by_timer,
            REVIEW: review_by_timer,
            EVERYONE: everyone_by_timer,
            ISSUE_TICKETS: ticket_issuer(sealer),
        },
    )

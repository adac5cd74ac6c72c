"""Puts the vendor registry together."""

from services.vendor import areas, consumers
from services.vendor.api import ROUTERS
from services.vendor.handlers.affiliations import watch_affiliation
from services.vendor.handlers.documents import fall_due
from services.vendor.handlers.duplicates import TIMER as FIND_DUPLICATES
from services.vendor.handlers.duplicates import walk_by_timer
from services.vendor.handlers.erasure import TIMER as ERASURE
from services.vendor.handlers.erasure import follow_topic
from services.vendor.handlers.partners import TIMER as PARTNER_AGREEMENT
from services.vendor.handlers.partners import lapse_agreement
from services.vendor.handlers.suspension import end_suspension
from services.vendor.keys import check_index_key
from services.vendor.store.affiliations import TIMER as AFFILIATION
from services.vendor.store.documents import DOCUMENT_DUE
from services.vendor.store.suspension import SUSPENSION_END
from services.vendor.sweeping import sweep_commands
from shared.crypto import Sealer
from shared.files.rows import REMOVE_FILE
from shared.files.storage import FileSettings, remover
from shared.service import Service
from shared.settings import load

__all__ = ["VendorSettings", "create"]


class VendorSettings(FileSettings):
    """What the registry needs besides: where files are kept."""


def create() -> Service:
    """The service, from the environment."""
    settings = load(VendorSettings)
    areas.areas()  # read once now, not in the first request
    return Service(
        "vendor",
        settings,
        routers=ROUTERS,
        checks=[check_index_key],
        subscriptions=consumers.subscriptions(Sealer(settings.secret_keys)),
        timers={
            FIND_DUPLICATES: walk_by_timer(Sealer(settings.secret_keys)),
            REMOVE_FILE: remover(settings),
            DOCUMENT_DUE: fall_due,
            ERASURE: follow_topic,
            AFFILIATION: watch_affiliation,
            PARTNER_AGREEMENT: lapse_agreement,
            SUSPENSION_END: end_suspension,
        },
        background=[sweep_commands],
    )

"""What the bazaar service keeps sealed in its database, for `lapak rotate-keys`."""

from services.bazaar.store.appeals import SEALED_ANSWERS, SEALED_TEXTS
from services.bazaar.store.requests import NOTES, WHY
from services.bazaar.store.tickets import SEALED_TICKET_KEYS

COLUMNS = (WHY, NOTES, SEALED_TEXTS, SEALED_ANSWERS, SEALED_TICKET_KEYS)
"""Every sealed column but the dead letters', which each service has."""

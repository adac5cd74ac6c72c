"""What the training service keeps sealed in its database, for `lapak rotate-keys`."""

from services.training.store.cases import SEALED_NOTES
from services.training.store.certificates import SEALED_HOLDERS
from services.training.store.credentials import SEALED_CREDENTIAL_KEYS
from services.training.store.graduation import APPEAL_ANSWERS, APPEAL_TEXTS
from services.training.store.mentors import SEALED_CARDS
from services.training.store.names import SEALED_NAMES
from services.training.store.providers import SEALED_CONTACTS
from services.training.store.tickets import SEALED_TICKET_KEYS
from services.training.store.visits import EARLIER_VISIT_NOTES, VISIT_NOTES
from shared.resealing import SealedColumn

COLUMNS: tuple[SealedColumn, ...] = (
    SEALED_TICKET_KEYS,
    SEALED_CONTACTS,
    SEALED_NOTES,
    SEALED_CARDS,
    VISIT_NOTES,
    EARLIER_VISIT_NOTES,
    SEALED_NAMES,
    SEALED_HOLDERS,
    SEALED_CREDENTIAL_KEYS,
    APPEAL_TEXTS,
    APPEAL_ANSWERS,
)
"""Every sealed column but the dead letters', which each service has."""

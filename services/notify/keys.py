"""What notify keeps sealed in its database, for `lapak rotate-keys`."""

from services.notify.store.attachments import SEALED_FILE_NAMES, SEALED_FILES
from services.notify.store.broadcasts import SEALED_BROADCAST_NOTES
from services.notify.store.replies import SEALED_ANSWERS, SEALED_TEXTS
from services.notify.store.resends import SEALED_REASONS
from services.notify.store.subscribers import SEALED_SECRETS
from shared.resealing import SealedColumn

COLUMNS: tuple[SealedColumn, ...] = (
    SEALED_TEXTS,
    SEALED_ANSWERS,
    SEALED_BROADCAST_NOTES,
    SEALED_REASONS,
    SEALED_SECRETS,
    SEALED_FILE_NAMES,
    SEALED_FILES,
)
"""Every sealed column but the dead letters', which each service has."""

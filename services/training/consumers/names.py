"""What training does with contact cards: of all they say it keeps the name, sealed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.training.handlers import names
from shared.consume import Received, Subscription
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.vendor import ContactCard


def subscription(sealer: Sealer) -> Subscription:
    """The topic of contact cards, with what seals the names."""

    async def on_cards(conn: Connection, received: Sequence[Received[ContactCard]], _: datetime) -> None:
        """Cards as they change."""
        await names.remember_names(conn, [one.body for one in received], sealer=sealer)

    return Subscription(ContactCard.topic, on_many={ContactCard: on_cards}, on_tombstone=_on_tombstone)


async def _on_tombstone(conn: Connection, key: str, _: datetime) -> None:
    await names.forget_name(conn, UUID(key))

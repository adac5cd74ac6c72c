"""What vendors are called: kept sealed, as their contact cards say it, and nothing else of a card."""

from collections.abc import Sequence
from uuid import UUID

from services.training.domain.certificates import tidy_name
from services.training.store import names as store
from services.training.store.erasures import PEOPLE
from shared import families
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.vendor import ContactCard


async def remember_names(conn: Connection, cards: Sequence[ContactCard], *, sealer: Sealer) -> None:
    """Keep the names on these cards; of several of one vendor the last counts. No erased person comes back."""
    await families.share_people(conn, PEOPLE)
    names = {card.vendor_id: tidy_name(card.name) for card in cards}
    await store.save_names(
        conn, {vendor_id: sealer.seal(name.encode(), vendor_id.bytes) for vendor_id, name in names.items() if name}
    )


async def forget_name(conn: Connection, vendor_id: UUID) -> None:
    """The card was withdrawn: the name goes. On certificates it goes when the person is erased."""
    await store.remove_name(conn, vendor_id)


async def find_names(conn: Connection, vendor_ids: Sequence[UUID], *, sealer: Sealer) -> dict[UUID, str]:
    """What those of these vendors are called whose name is known."""
    sealed = await store.find_names(conn, vendor_ids)
    return {asked: sealer.open(name, of.bytes).decode() for asked, (of, name) in sealed.items()}

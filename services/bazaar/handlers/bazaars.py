"""Setting up a bazaar and announcing it."""

from datetime import datetime
from uuid import UUID

from services.bazaar.domain import bazaar as domain
from services.bazaar.domain.bazaar import DraftBazaar
from services.bazaar.store import bazaars as store
from shared.db import Connection
from shared.outbox import Fact, record


async def draft_bazaar(conn: Connection, command: DraftBazaar, *, bazaar_id: UUID, now: datetime) -> None:
    """Set up a bazaar with its sites and booths. Nobody outside sees it yet, so nothing is recorded."""
    bazaar, booths = domain.draft(command, bazaar_id)
    await store.add_bazaar(conn, bazaar, booths, now=now)


async def announce_bazaar(conn: Connection, bazaar_id: UUID, *, now: datetime) -> None:
    """Make it known, and open applications."""
    bazaar = await store.lock_bazaar(conn, bazaar_id)
    after, event = domain.announce(bazaar, now)
    await store.save_bazaar(conn, after)
    await record(conn, [Fact(event, after.version)], now=now)

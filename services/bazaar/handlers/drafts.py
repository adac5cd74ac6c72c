"""Setting up a bazaar and describing it anew, whoever asks for it: an officer, a series, a kelurahan's request."""

from datetime import date, datetime
from uuid import UUID

from services.bazaar.domain import bazaar as domain
from services.bazaar.domain.bazaar import Bazaar, Booth, DraftBazaar
from services.bazaar.handlers.policies import settle_policy
from services.bazaar.handlers.venues import require_sites_fit
from services.bazaar.store import bazaars as store
from services.bazaar.store import policies
from shared.db import Connection
from shared.outbox import Fact, record


async def set_up(conn: Connection, command: DraftBazaar, bazaar: Bazaar, booths: list[Booth], *, now: datetime) -> None:
    """Keep a new bazaar that was made from this command."""
    await require_sites_fit(conn, bazaar.sites)
    await store.add_bazaar(conn, bazaar, booths, now=now)
    await store.save_links(conn, bazaar.bazaar_id, command.links)


async def draft_bazaar(conn: Connection, command: DraftBazaar, *, bazaar_id: UUID, now: datetime) -> None:
    """Set up a bazaar with its sites and booths. Nobody outside sees it yet, so nothing is recorded."""
    command, named = await settle_policy(conn, command)
    bazaar, booths = domain.draft(command, bazaar_id)
    await set_up(conn, command, bazaar, booths, now=now)
    if named is not None:
        await policies.save_used(conn, bazaar_id, named)


async def plan_bazaar(
    conn: Connection, command: DraftBazaar, series_id: UUID, series_day: date, *, bazaar_id: UUID, now: datetime
) -> None:
    """Set up a tentative occurrence of a series."""
    command, named = await settle_policy(conn, command)
    draft, booths = domain.draft(command, bazaar_id)
    bazaar, event = domain.plan(draft, series_id, series_day)
    await set_up(conn, command, bazaar, booths, now=now)
    await policies.save_used(conn, bazaar_id, named)
    await record(conn, [Fact(event, bazaar.version)], now=now)


async def describe_anew(conn: Connection, bazaar: Bazaar, command: DraftBazaar, *, now: datetime) -> None:
    """All of a bazaar that is not announced, anew. It is locked."""
    command, named = await settle_policy(conn, command)
    await policies.save_used(conn, bazaar.bazaar_id, named)
    after, booths, event = domain.redraft(bazaar, command, now)
    await require_sites_fit(conn, after.sites)
    await store.replace_bazaar(conn, after, booths)
    await store.save_links(conn, bazaar.bazaar_id, command.links)
    if event is not None:
        await record(conn, [Fact(event, after.version)], now=now)

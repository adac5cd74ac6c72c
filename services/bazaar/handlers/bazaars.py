"""A bazaar before it is held: described anew, announced, cloned; its links."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.bazaar.domain import bazaar as domain
from services.bazaar.domain.bazaar import CloneBazaar, DraftBazaar, Link
from services.bazaar.handlers.drafts import describe_anew
from services.bazaar.handlers.fridays import fix_group
from services.bazaar.handlers.interests import await_opening
from services.bazaar.handlers.series import follow_series
from services.bazaar.handlers.venues import require_sites_fit
from services.bazaar.store import bazaars as store
from services.bazaar.store.series import mark_edited
from shared.db import Connection
from shared.outbox import Fact, record


async def announce_bazaar(conn: Connection, bazaar_id: UUID, *, now: datetime) -> None:
    """Make it known, and open applications."""
    found = await store.find_bazaar(conn, bazaar_id)
    if found.state == "tentative" and found.series_id is not None:
        # a cancelled occurrence has not used its turn: the next one that is announced has it. The series is locked
        # first, as whoever plans does.
        await follow_series(conn, found.series_id, now=now)
    bazaar = await fix_group(conn, await store.lock_bazaar(conn, bazaar_id), now=now)
    after, event = domain.announce(bazaar, now)
    await store.save_bazaar(conn, after)
    await await_opening(conn, after, now=now)
    await record(conn, [Fact(event, after.version)], now=now)


async def edit_bazaar(conn: Connection, bazaar_id: UUID, command: DraftBazaar, *, now: datetime) -> None:
    """All of a bazaar that is not announced, anew. An occurrence that was edited follows its series no longer."""
    await describe_anew(conn, await store.lock_bazaar(conn, bazaar_id), command, now=now)
    await mark_edited(conn, bazaar_id)


async def clone_bazaar(
    conn: Connection, bazaar_id: UUID, command: CloneBazaar, *, new_bazaar_id: UUID, now: datetime
) -> None:
    """A new draft with the sites, booths, policy, organisers and links of this one."""
    bazaar = await store.share_bazaar(conn, bazaar_id)
    clone = domain.clone(bazaar, command, new_bazaar_id)
    await require_sites_fit(conn, clone.sites)
    await store.add_bazaar(conn, clone, [], now=now)
    await store.copy_stands(conn, new_bazaar_id, bazaar_id)
    await store.save_links(conn, new_bazaar_id, await store.find_links(conn, bazaar_id))


async def edit_links(conn: Connection, bazaar_id: UUID, links: Sequence[Link]) -> None:
    """Where residents find it online from now on."""
    await store.lock_bazaar(conn, bazaar_id)
    await store.save_links(conn, bazaar_id, links)

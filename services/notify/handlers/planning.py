"""Intents: who is to be told what, written before anything is sent."""

from collections.abc import Sequence
from datetime import datetime

from services.notify.domain import planning as domain
from services.notify.domain.planning import Cause, Draft
from services.notify.handlers.templates import choose_versions
from services.notify.store import copies, intents
from services.notify.store.erasures import PEOPLE
from shared import families
from shared.db import Connection
from shared.events.envelope import Event
from shared.events.rights import VendorErased


async def plan_notifications(conn: Connection, events: Sequence[tuple[Event, Cause]], *, now: datetime) -> None:
    """Write down who is to be told of these events, and with which version of which text.

    A person with several ids is told once for one cause; somebody who is erased, nothing.
    """
    if any(event.topic != VendorErased.topic for event, _ in events):
        await families.share_people(conn, PEOPLE)
    bazaar_ids = {bazaar_id for event, _ in events if (bazaar_id := getattr(event, "bazaar_id", None))}
    sites = await copies.find_sites(conn, list(bazaar_ids)) if bazaar_ids else {}
    wanted = [domain.draft(event, cause, sites, now) for event, cause in events]
    drafts = await _told_once(conn, [draft for draft in wanted if draft is not None])
    if not drafts:
        return
    versions = await choose_versions(conn, {draft.template for draft in drafts}, now=now)
    await intents.add_notifications(conn, drafts, versions, now)


async def _told_once(conn: Connection, drafts: Sequence[Draft]) -> list[Draft]:
    persons = await families.find_persons(conn, [draft.vendor_id for draft in drafts])
    if not persons:
        return list(drafts)
    of_families = [draft for draft in drafts if draft.vendor_id in persons]
    told = await intents.find_told(conn, of_families)
    once = domain.told_once(drafts, persons)
    return [draft for draft in once if draft.cause.event_id not in told]


async def release_reachable(conn: Connection) -> int:
    """Queue what waits though the contact card is there (card and event were written side by side). How many."""
    return await intents.release_reachable(conn)

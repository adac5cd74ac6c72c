"""A bazaar grows: more booths, more days, a further site; and vendors who cannot come on a day that was added."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from services.bazaar.domain import growth as domain
from services.bazaar.domain.application import SEATED
from services.bazaar.domain.growth import GrowBazaar, Growth
from services.bazaar.handlers import tickets
from services.bazaar.handlers.applications import keep
from services.bazaar.handlers.offers import offer_free_booths
from services.bazaar.handlers.venues import require_room
from services.bazaar.store import applications, bazaars
from services.bazaar.store import growth as store
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.outbox import Fact, record


async def grow_bazaar(conn: Connection, bazaar_id: UUID, command: GrowBazaar, *, now: datetime) -> Growth:
    """Add to a site; those whose booth gets more days hear, and new booths are offered to those who wait, at once."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    growth = domain.grow(bazaar, command, await bazaars.find_booths(conn, bazaar_id), now)
    await require_room(conn, growth.bazaar.sites)
    await bazaars.save_bazaar(conn, replace(growth.bazaar, changed_at=now))
    if growth.is_new:
        await store.add_site(conn, bazaar_id, growth.site)
    await store.save_sites(conn, growth.bazaar)
    await store.add_booths(conn, bazaar_id, growth.booths)
    await record(conn, [Fact(growth.event, growth.bazaar.version)], now=now)
    if growth.added_days:
        await _add_days(conn, growth, now=now)
    await offer_free_booths(conn, growth.bazaar, now=now)
    return growth


async def _add_days(conn: Connection, growth: Growth, *, now: datetime) -> None:
    held = [
        one
        for state in SEATED
        for one in await applications.lock_in_state(conn, growth.bazaar.bazaar_id, state)
        if one.offer is not None and one.offer.site_id == growth.site.site_id
    ]
    steps = [domain.add_days(application, growth) for application in held]
    await keep(conn, steps, now=now)
    ids = [application.application_id for application in held]
    await store.add_added_days(conn, ids, growth.added_days)
    await applications.save_turn_days(conn, [(one, growth.site.days[-1]) for one in ids])
    await tickets.issue(conn, [step.after for step in steps if step.after.state != "offered"], now=now)


async def decline_days(conn: Connection, application_id: UUID, days: Sequence[date], *, now: datetime) -> list[date]:
    """A vendor cannot come on days that were added: it keeps its booth on the others, at no cost. Gives its days."""
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.share_bazaar(conn, found.bazaar_id)
    application = await applications.lock_application(conn, application_id)
    added = [one.day for one in await store.find_added_days(conn, application_id)]
    domain.require_declinable(application, days, added, day_in_jakarta(now))
    assert application.offer is not None
    site = bazaar.site(application.offer.site_id)
    await store.save_declined_days(conn, application_id, days, now=now)
    declined = {one.day for one in await store.find_added_days(conn, application_id) if one.declined}
    await applications.save_turn_days(conn, [(application_id, domain.last_day_of(site, declined))])
    await tickets.issue(conn, [application], now=now)
    return [day for day in site.days if day not in declined]

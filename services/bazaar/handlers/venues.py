"""Venues: set up, edited, retired; their photos and floor plans, and the stands of a site by one of these."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.bazaar.domain import plans, venues
from services.bazaar.domain.bazaar import Bazaar, BoothKind, Site, WrongMoment
from services.bazaar.domain.plans import DrawPlan, PlanOutdated, PlanUnknown, StoredPlan, UsePlan
from services.bazaar.domain.venues import (
    PHOTOS_MAX,
    DescribeVenue,
    EditVenue,
    PhotosFull,
    PhotoUnknown,
    RetireVenue,
    Venue,
)
from services.bazaar.store import bazaars
from services.bazaar.store import venues as store
from shared.db import Connection
from shared.files import storage as files

BEFORE_THE_FREEZE = ("draft", "tentative", "announced")
"""States of a bazaar in which nobody holds a booth yet, so that its stands may still be set up otherwise."""


class SiteWithoutPlan(PlanUnknown):
    """The site does not exist, or names no venue."""


async def set_up_venue(conn: Connection, command: DescribeVenue, *, venue_id: UUID, now: datetime) -> Venue:
    """A new venue."""
    venue = venues.describe(command, venue_id)
    await store.add_venue(conn, venue, now=now)
    return venue


async def edit_venue(conn: Connection, venue_id: UUID, command: EditVenue) -> Venue:
    """All of a venue, anew."""
    after = venues.edit(await store.lock_venue(conn, venue_id), command)
    await store.save_venue(conn, after)
    return after


async def retire_venue(conn: Connection, venue_id: UUID, command: RetireVenue, *, now: datetime) -> Venue:
    """It is used no more."""
    after = venues.retire(await store.lock_venue(conn, venue_id), command, now)
    await store.save_venue(conn, after)
    return after


async def require_sites_fit(conn: Connection, sites: Sequence[Site]) -> None:
    """Refuse sites that name a venue which is not known, not used any more, elsewhere, or too small for them."""
    venues.require_sites_fit(sites, await store.share_venues(conn, _named(sites)))


async def require_room(conn: Connection, sites: Sequence[Site]) -> None:
    """Refuse sites that have grown beyond what their venues hold."""
    venues.require_room(sites, await store.share_venues(conn, _named(sites)))


def _named(sites: Sequence[Site]) -> set[UUID]:
    return {site.venue_id for site in sites if site.venue_id is not None}


async def add_photo(conn: Connection, venue_id: UUID, photo_id: UUID, *, now: datetime) -> None:
    """Keep an uploaded photo of a venue. Refuses one more than are kept of one."""
    (await store.lock_venue(conn, venue_id)).require_used()
    if len((await store.find_photos(conn, [venue_id])).get(venue_id, [])) >= PHOTOS_MAX:
        raise PhotosFull(f"A venue has at most {PHOTOS_MAX} photos; remove one first.", photos_max=PHOTOS_MAX)
    await files.keep(conn, photo_id)
    await store.add_photo(conn, venue_id, photo_id, now=now)


async def remove_photo(conn: Connection, venue_id: UUID, photo_id: UUID) -> None:
    """The venue has this photo no more."""
    if not await store.remove_photo(conn, venue_id, photo_id):
        raise PhotoUnknown("This venue has no such photo.")


async def draw_plan(conn: Connection, venue_id: UUID, command: DrawPlan, *, now: datetime) -> StoredPlan:
    """The next floor plan of a venue, checked. Bazaars that are set up already keep theirs."""
    # checked before the lock and in a thread: a hall of five hundred stands takes a tenth of a second
    plan = await asyncio.to_thread(_drawn, command)
    venue = await store.lock_venue(conn, venue_id)
    venue.require_used()
    if command.after != venue.plan:
        raise PlanOutdated(
            f"The last plan of this venue has the number {venue.plan}; look at it, and send its number as `after`.",
            plan=venue.plan,
        )
    stored = StoredPlan(venue_id, venue.plan + 1, plan)
    await store.add_plan(conn, stored, now=now)
    await store.save_venue(conn, venues.planned(venue, stored.number))
    return stored


def _drawn(command: DrawPlan) -> plans.Plan:
    from services.bazaar.domain.plan_checks import require_sound  # shapely and numpy: 0.1 s, in this thread

    plan = command.plan if command.grid is None else plans.lay_out(command.grid)
    assert plan is not None
    require_sound(plan)
    return plan


async def use_plan(conn: Connection, bazaar_id: UUID, site_id: str, command: UsePlan) -> None:
    """Set the stands of a site up by a plan of its venue; as long as nobody can hold one of them."""
    bazaar = await bazaars.lock_bazaar(conn, bazaar_id)
    if bazaar.state not in BEFORE_THE_FREEZE:
        raise WrongMoment(
            f"The stands of a site are set up before the list is frozen; this bazaar is {bazaar.state}.",
            state=bazaar.state,
        )
    site = _site_with_venue(bazaar, site_id)
    assert site.venue_id is not None
    stored = await store.find_plan(conn, site.venue_id, command.plan)
    holders: dict[BoothKind, list[str]] = defaultdict(list)
    for booth in await bazaars.find_booths(conn, bazaar_id):
        if booth.site_id == site_id and booth.holder is not None:
            holders[booth.kind].append(booth.holder)
    placed = plans.place(site, holders, stored.plan)
    await store.replace_stands(conn, bazaar_id, site_id, stored.number, [_row(one) for one in placed])


def _site_with_venue(bazaar: Bazaar, site_id: str) -> Site:
    site = next((site for site in bazaar.sites if site.site_id == site_id), None)
    if site is None:
        raise SiteWithoutPlan("This bazaar has no such site.", site_id=site_id)
    if site.venue_id is None:
        raise SiteWithoutPlan("This site names no venue, so that there is no plan of it.", site_id=site_id)
    return site


def _row(placed: plans.PlacedStand) -> dict[str, Any]:
    return {**placed.stand.model_dump(), "holder": placed.holder}

"""Rows of a bazaar that grows: sites, booths, days; and the days added to booths that are held."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.bazaar.domain.bazaar import Bazaar, Booth, Site
from shared.db import Connection


async def save_sites(conn: Connection, bazaar: Bazaar) -> None:
    """Booths and days of the sites that were there; the bazaar is locked. Their days are written out from now on."""
    await conn.execute(
        "UPDATE site SET booths = n.booths, days = n.days FROM jsonb_to_recordset($2) "
        "AS n (site_id text, booths int, days date[]) WHERE site.bazaar_id = $1 AND site.site_id = n.site_id",
        bazaar.bazaar_id,
        [{"site_id": site.site_id, "booths": site.booths, "days": site.days} for site in bazaar.sites],
    )


async def add_site(conn: Connection, bazaar_id: UUID, site: Site) -> None:
    """A further site, behind the others."""
    await conn.execute(
        "INSERT INTO site (bazaar_id, site_id, position, name, venue_type, kelurahan, booths, days, reserves, caps, "
        "venue_id, extends) "
        "SELECT $1, site_id, (SELECT max(position) + 1 FROM site WHERE bazaar_id = $1), name, venue_type, kelurahan, "
        "booths, days, reserves, caps, venue_id, extends "
        "FROM jsonb_to_record($2) AS s (site_id text, name text, venue_type text, kelurahan text, "
        "booths int, days date[], reserves jsonb, caps jsonb, venue_id uuid, extends text)",
        bazaar_id,
        asdict(site),
    )


async def add_booths(conn: Connection, bazaar_id: UUID, booths: Sequence[Booth]) -> None:
    """More booths, behind the others."""
    await conn.execute(
        "INSERT INTO booth (bazaar_id, site_id, number, position, kind, tent) "
        "SELECT $1, n.site_id, n.number, last.position + n.nth, 'vendor', n.tent "
        "FROM unnest($2::text[], $3::text[], $4::int[]) WITH ORDINALITY AS n (site_id, number, tent, nth), "
        "(SELECT max(position) AS position FROM booth WHERE bazaar_id = $1) AS last",
        bazaar_id,
        [booth.site_id for booth in booths],
        [booth.number for booth in booths],
        [booth.tent for booth in booths],
    )


# ---- days added to booths that are held


class AddedDay(NamedTuple):
    """A day that a site got after this booth was offered; `declined`: the vendor does not stand there on it."""

    day: date
    declined: bool


async def add_added_days(conn: Connection, application_ids: Sequence[UUID], days: Sequence[date]) -> None:
    """The booths of these applications are theirs on these days too."""
    await conn.execute(
        "INSERT INTO added_day (application_id, day) "
        "SELECT a.id, d.day FROM unnest($1::uuid[]) AS a (id), unnest($2::date[]) AS d (day) ON CONFLICT DO NOTHING",
        list(application_ids),
        list(days),
    )


async def find_added_days(conn: Connection, application_id: UUID) -> list[AddedDay]:
    """Days that were added to the booth of this application, in order."""
    rows = await conn.fetch(
        "SELECT day, declined_at IS NOT NULL AS declined FROM added_day WHERE application_id = $1 ORDER BY day",
        application_id,
    )
    return [AddedDay(row["day"], row["declined"]) for row in rows]


async def save_declined_days(conn: Connection, application_id: UUID, days: Sequence[date], *, now: datetime) -> None:
    """The vendor does not stand at its booth on these days."""
    await conn.execute(
        "UPDATE added_day SET declined_at = coalesce(declined_at, $3) "
        "WHERE application_id = $1 AND day = ANY($2::date[])",
        application_id,
        list(days),
        now,
    )


async def remove_added_days(conn: Connection, application_ids: Sequence[UUID]) -> None:
    """These applications have other booths, or other days: nothing of them was added later."""
    await conn.execute("DELETE FROM added_day WHERE application_id = ANY($1::uuid[])", list(application_ids))

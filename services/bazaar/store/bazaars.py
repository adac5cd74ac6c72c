"""Rows of bazaars, their sites and booths."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.bazaar import Bazaar, BazaarUnknown, Booth, Policy, SeatLimit, Site
from shared.db import Connection


async def add_bazaar(conn: Connection, bazaar: Bazaar, booths: Sequence[Booth], *, now: datetime) -> None:
    """A new bazaar with its sites and booths."""
    await conn.execute(
        "INSERT INTO bazaar (bazaar_id, version, state, name, theme, organisers, days, applications_close_at, "
        "offer_hours, policy, round, created_at, setting, area, applications_open_at, series_id, series_day, revision) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        bazaar.bazaar_id,
        bazaar.version,
        bazaar.state,
        bazaar.name,
        bazaar.theme,
        list(bazaar.organisers),
        list(bazaar.days),
        bazaar.applications_close_at,
        bazaar.offer_hours,
        bazaar.policy.model_dump(),
        bazaar.round,
        now,
        bazaar.setting,
        bazaar.area,
        bazaar.applications_open_at,
        bazaar.series_id,
        bazaar.series_day,
        bazaar.revision,
    )
    # as one JSON document: asyncpg would take a list of lists for an array of two dimensions
    await conn.execute(
        "INSERT INTO site (bazaar_id, site_id, position, name, venue_type, kelurahan, booths, days, reserves, caps, "
        "venue_id, extends) "
        "SELECT $1, site_id, position, name, venue_type, kelurahan, booths, "
        "CASE WHEN days <> $3 THEN days END, reserves, caps, venue_id, extends "
        "FROM jsonb_to_recordset($2) AS s (site_id text, position int, name text, venue_type text, kelurahan text, "
        "booths int, days date[], reserves jsonb, caps jsonb, venue_id uuid, extends text)",
        bazaar.bazaar_id,
        [{"position": position, **asdict(site)} for position, site in enumerate(bazaar.sites)],
        list(bazaar.days),
    )
    await conn.execute(
        "INSERT INTO booth (bazaar_id, site_id, number, position, kind, tent, holder) "
        "SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::int[], $7::text[])",
        bazaar.bazaar_id,
        [booth.site_id for booth in booths],
        [booth.number for booth in booths],
        list(range(len(booths))),
        [booth.kind for booth in booths],
        [booth.tent for booth in booths],
        [booth.holder for booth in booths],
    )


async def find_bazaar(conn: Connection, bazaar_id: UUID) -> Bazaar:
    """The bazaar as it stands. Raises `BazaarUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, version, state, name, theme, organisers, days, applications_close_at, offer_hours, policy, "
        "round, setting, area, applications_open_at, series_id, series_day, cancelled_because, moved_from, revision, "
        "(SELECT jsonb_agg(to_jsonb(site) ORDER BY site.position) FROM site "
        "WHERE site.bazaar_id = bazaar.bazaar_id) AS sites FROM bazaar WHERE bazaar_id = $1",
        bazaar_id,
    )
    return _bazaar(row)


async def lock_bazaar(conn: Connection, bazaar_id: UUID) -> Bazaar:
    """The bazaar, held against everyone else who locks or shares it. Raises `BazaarUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, version, state, name, theme, organisers, days, applications_close_at, offer_hours, policy, "
        "round, setting, area, applications_open_at, series_id, series_day, cancelled_because, moved_from, revision, "
        "(SELECT jsonb_agg(to_jsonb(site) ORDER BY site.position) FROM site "
        "WHERE site.bazaar_id = bazaar.bazaar_id) AS sites FROM bazaar WHERE bazaar_id = $1 FOR NO KEY UPDATE",
        bazaar_id,
    )
    return _bazaar(row)


async def share_bazaar(conn: Connection, bazaar_id: UUID) -> Bazaar:
    """The bazaar, kept in its state until the transaction ends, by any number at once. Raises `BazaarUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, version, state, name, theme, organisers, days, applications_close_at, offer_hours, policy, "
        "round, setting, area, applications_open_at, series_id, series_day, cancelled_because, moved_from, revision, "
        "(SELECT jsonb_agg(to_jsonb(site) ORDER BY site.position) FROM site "
        "WHERE site.bazaar_id = bazaar.bazaar_id) AS sites FROM bazaar WHERE bazaar_id = $1 FOR SHARE",
        bazaar_id,
    )
    return _bazaar(row)


def _bazaar(row: Record | None) -> Bazaar:
    if row is None:
        raise BazaarUnknown("There is no such bazaar.")
    return Bazaar(
        bazaar_id=row["bazaar_id"],
        version=row["version"],
        state=row["state"],
        name=row["name"],
        theme=row["theme"],
        organisers=tuple(row["organisers"]),
        days=tuple(row["days"]),
        sites=tuple(_site(site, row["days"]) for site in row["sites"]),
        applications_close_at=row["applications_close_at"],
        offer_hours=row["offer_hours"],
        policy=Policy.model_validate(row["policy"]),
        round=row["round"],
        setting=row["setting"],
        area=row["area"],
        applications_open_at=row["applications_open_at"],
        series_id=row["series_id"],
        series_day=row["series_day"],
        cancelled_because=row["cancelled_because"],
        moved_from=None if row["moved_from"] is None else tuple(row["moved_from"]),
        revision=row["revision"],
    )


def _site(row: Mapping[str, Any], all_days: Sequence[date]) -> Site:
    days = all_days if row["days"] is None else [date.fromisoformat(day) for day in row["days"]]
    return Site(
        site_id=row["site_id"],
        name=row["name"],
        venue_type=row["venue_type"],
        kelurahan=row["kelurahan"],
        booths=row["booths"],
        days=tuple(days),
        reserves=tuple(SeatLimit(**limit) for limit in row["reserves"]),
        caps=tuple(SeatLimit(**limit) for limit in row["caps"]),
        venue_id=None if row["venue_id"] is None else UUID(row["venue_id"]),
        extends=row["extends"],
    )


async def save_bazaar(conn: Connection, bazaar: Bazaar) -> None:
    """What changes in the life of a bazaar; its row is locked."""
    await conn.execute(
        "UPDATE bazaar SET version = $2, state = $3, round = $4, days = $5, applications_close_at = $6, "
        "applications_open_at = $7, cancelled_because = $8, moved_from = $9, revision = $10 WHERE bazaar_id = $1",
        bazaar.bazaar_id,
        bazaar.version,
        bazaar.state,
        bazaar.round,
        list(bazaar.days),
        bazaar.applications_close_at,
        bazaar.applications_open_at,
        bazaar.cancelled_because,
        None if bazaar.moved_from is None else list(bazaar.moved_from),
        bazaar.revision,
    )


async def find_site_areas(conn: Connection, bazaar_id: UUID) -> list[str]:
    """Codes of the areas that its officers must cover: the kelurahan of every site, and its own area where it has one.

    Raises `BazaarUnknown`.
    """
    rows = await conn.fetch(
        "SELECT kelurahan AS area FROM site WHERE bazaar_id = $1 "
        "UNION SELECT area FROM bazaar WHERE bazaar_id = $1 AND area IS NOT NULL ORDER BY area",
        bazaar_id,
    )
    if not rows:
        raise BazaarUnknown("There is no such bazaar.")
    return [row["area"] for row in rows]


async def find_site_names(conn: Connection, bazaar_id: UUID) -> dict[str, str]:
    """Name of each site by its id."""
    rows = await conn.fetch("SELECT site_id, name FROM site WHERE bazaar_id = $1", bazaar_id)
    return {row["site_id"]: row["name"] for row in rows}


async def find_booths(conn: Connection, bazaar_id: UUID) -> list[Booth]:
    """Every stand of every site, in order."""
    rows = await conn.fetch(
        "SELECT site_id, number, kind, tent, holder FROM booth WHERE bazaar_id = $1 ORDER BY position", bazaar_id
    )
    return [Booth(row["site_id"], row["number"], row["kind"], row["tent"], row["holder"]) for row in rows]


async def find_free_booths(conn: Connection, bazaar_id: UUID) -> dict[str, list[str]]:
    """Numbers of the vendor booths that nobody holds, per site, in order."""
    rows = await conn.fetch(
        "SELECT b.site_id, array_agg(b.number ORDER BY b.position) AS numbers FROM booth AS b "
        "WHERE b.bazaar_id = $1 AND b.kind = 'vendor' AND NOT EXISTS ("
        "SELECT FROM application AS a WHERE a.bazaar_id = b.bazaar_id AND a.site_id = b.site_id "
        "AND a.booth = b.number AND a.state IN ('offered', 'confirmed', 'attended')) "
        "GROUP BY b.site_id",
        bazaar_id,
    )
    return {row["site_id"]: row["numbers"] for row in rows}


async def list_public_bazaars(conn: Connection, after: tuple[date, UUID] | None, limit: int) -> list[dict[str, Any]]:
    """Announced bazaars, the latest days first; one row more than `limit` when there are more."""
    first_day, bazaar_id = after or (date.max, UUID(int=2**128 - 1))
    rows = await conn.fetch(
        "SELECT bazaar_id, state, name, theme, organisers, days, applications_close_at FROM bazaar "
        "WHERE state NOT IN ('draft', 'tentative') AND (days[1], bazaar_id) < ($1::date, $2::uuid) "
        "ORDER BY days[1] DESC, bazaar_id DESC LIMIT $3",
        first_day,
        bazaar_id,
        limit + 1,
    )
    return [dict(row) for row in rows]


async def summarise_sites(conn: Connection, bazaar_id: UUID) -> list[dict[str, Any]]:
    """Figures per site, in order: offers made and what became of them, who came, what was sold."""
    rows = await conn.fetch(
        "WITH a AS (SELECT site_id, "
        "count(*) AS offered, "
        "count(*) FILTER (WHERE state = 'offered') AS open, "
        "count(*) FILTER (WHERE state IN ('confirmed', 'attended', 'missed')) AS confirmed, "
        "count(*) FILTER (WHERE state = 'declined') AS declined, "
        "count(*) FILTER (WHERE state = 'lapsed') AS lapsed, "
        "count(*) FILTER (WHERE promoted) AS promoted, "
        "count(*) FILTER (WHERE state = 'attended') AS checked_in, "
        "count(*) FILTER (WHERE state = 'missed') AS missed "
        "FROM application WHERE bazaar_id = $1 AND site_id IS NOT NULL GROUP BY site_id), "
        "s AS (SELECT a.site_id, sum(sales.turnover_rupiah)::bigint AS turnover, sum(sales.transactions)::bigint "
        "AS transactions FROM sales JOIN application AS a USING (application_id) WHERE a.bazaar_id = $1 "
        "GROUP BY a.site_id), "
        "w AS (SELECT named.site_id, count(*) AS waiting FROM application AS q, unnest(q.site_ids) AS named (site_id) "
        "WHERE q.bazaar_id = $1 AND q.state = 'queued' GROUP BY named.site_id) "
        "SELECT site.site_id, site.name, site.kelurahan, site.booths, "
        "coalesce((SELECT sum((reserve ->> 'seats')::int) FROM jsonb_array_elements(site.reserves) AS reserve), 0) "
        "AS reserved, coalesce(a.offered, 0) AS offered, coalesce(a.open, 0) AS open, "
        "coalesce(a.confirmed, 0) AS confirmed, coalesce(a.declined, 0) AS declined, coalesce(a.lapsed, 0) AS lapsed, "
        "coalesce(a.promoted, 0) AS promoted, coalesce(a.checked_in, 0) AS checked_in, "
        "coalesce(a.missed, 0) AS missed, coalesce(w.waiting, 0) AS waiting, coalesce(s.turnover, 0) AS turnover, "
        "coalesce(s.transactions, 0) AS transactions "
        "FROM site LEFT JOIN a USING (site_id) LEFT JOIN s USING (site_id) LEFT JOIN w USING (site_id) "
        "WHERE site.bazaar_id = $1 ORDER BY site.position",
        bazaar_id,
    )
    return [dict(row) for row in rows]

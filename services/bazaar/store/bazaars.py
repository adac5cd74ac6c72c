"""Rows of bazaars, their sites and booths."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.bazaar import Bazaar, BazaarUnknown, Booth, Funding, Link, Opening, Organiser, Site
from services.bazaar.domain.policy import Policy, SeatLimit
from services.bazaar.domain.wording import site_title
from shared.db import Connection
from shared.wording import Words


async def add_bazaar(conn: Connection, bazaar: Bazaar, booths: Sequence[Booth], *, now: datetime) -> None:
    """A new bazaar with its sites and booths."""
    await conn.execute(
        "INSERT INTO bazaar (bazaar_id, version, state, name, theme, organisers, days, applications_close_at, "
        "offer_hours, policy, round, created_at, setting, area, applications_open_at, series_id, series_day, revision, "
        "release_hours, partners, opening, funding) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
        "$14, $15, $16, $17, $18, $19, $20, $21, $22)",
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
        bazaar.release_hours,
        bazaar.partners,
        bazaar.opening,
        bazaar.funding,
    )
    await _add_stands(conn, bazaar, booths)


async def _add_stands(conn: Connection, bazaar: Bazaar, booths: Sequence[Booth]) -> None:
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
        "release_hours, partners, opening, funding, changed_at, "
        "(SELECT jsonb_agg(to_jsonb(site) ORDER BY site.position) FROM site "
        "WHERE site.bazaar_id = bazaar.bazaar_id) AS sites FROM bazaar WHERE bazaar_id = $1",
        bazaar_id,
    )
    return _bazaar(row)


async def lock_bazaar(conn: Connection, bazaar_id: UUID) -> Bazaar:
    """The bazaar, held against everyone else who locks or shares it. Raises `BazaarUnknown`.

    Locked first and read then: a statement that had to wait for the lock would see the sites as they were before.
    """
    await conn.execute("SELECT FROM bazaar WHERE bazaar_id = $1 FOR NO KEY UPDATE", bazaar_id)
    return await find_bazaar(conn, bazaar_id)


async def share_bazaar(conn: Connection, bazaar_id: UUID) -> Bazaar:
    """The bazaar, kept as it is until the transaction ends, by any number at once. Raises `BazaarUnknown`."""
    await conn.execute("SELECT FROM bazaar WHERE bazaar_id = $1 FOR SHARE", bazaar_id)
    return await find_bazaar(conn, bazaar_id)


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
        release_hours=row["release_hours"],
        partners=tuple(Organiser.model_validate(partner) for partner in row["partners"]),
        opening=None if row["opening"] is None else Opening.model_validate(row["opening"]),
        funding=None if row["funding"] is None else Funding.model_validate(row["funding"]),
        changed_at=row["changed_at"],
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
        "applications_open_at = $7, cancelled_because = $8, moved_from = $9, revision = $10, changed_at = $11, "
        "opening = $12 WHERE bazaar_id = $1",
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
        bazaar.changed_at,
        bazaar.opening,
    )


async def replace_bazaar(conn: Connection, bazaar: Bazaar, booths: Sequence[Booth]) -> None:
    """All of a bazaar that is not announced; its row is locked, and nobody has named its sites yet."""
    await save_bazaar(conn, bazaar)
    await conn.execute(
        "UPDATE bazaar SET name = $2, theme = $3, organisers = $4, offer_hours = $5, policy = $6, setting = $7, "
        "area = $8, release_hours = $9, partners = $10, funding = $11 WHERE bazaar_id = $1",
        bazaar.bazaar_id,
        bazaar.name,
        bazaar.theme,
        list(bazaar.organisers),
        bazaar.offer_hours,
        bazaar.policy.model_dump(),
        bazaar.setting,
        bazaar.area,
        bazaar.release_hours,
        bazaar.partners,
        bazaar.funding,
    )
    await conn.execute("DELETE FROM booth WHERE bazaar_id = $1", bazaar.bazaar_id)
    await conn.execute("DELETE FROM site WHERE bazaar_id = $1", bazaar.bazaar_id)
    await _add_stands(conn, bazaar, booths)


async def copy_stands(conn: Connection, bazaar_id: UUID, from_id: UUID) -> None:
    """The stands of another bazaar, of which this one has all sites, as they are: also by a floor plan."""
    await conn.execute(
        "INSERT INTO booth (bazaar_id, site_id, number, position, kind, tent, holder, zone, power, access, water, "
        "corner, spot, x, y, width, depth, rotation) "
        "SELECT $1, site_id, number, position, kind, tent, holder, zone, power, access, water, corner, spot, x, y, "
        "width, depth, rotation FROM booth WHERE bazaar_id = $2",
        bazaar_id,
        from_id,
    )
    await conn.execute(
        "UPDATE site SET plan = s.plan FROM site AS s "
        "WHERE site.bazaar_id = $1 AND s.bazaar_id = $2 AND s.site_id = site.site_id",
        bazaar_id,
        from_id,
    )


async def save_links(conn: Connection, bazaar_id: UUID, links: Sequence[Link]) -> None:
    """These links instead of those that were; its bazaar is locked or new."""
    await conn.execute("DELETE FROM bazaar_link WHERE bazaar_id = $1", bazaar_id)
    await conn.execute(
        "INSERT INTO bazaar_link (bazaar_id, position, kind, title, url) "
        "SELECT $1, position - 1, kind, title, url FROM unnest($2::text[], $3::text[], $4::text[]) "
        "WITH ORDINALITY AS l (kind, title, url, position)",
        bazaar_id,
        [link.kind for link in links],
        [link.title for link in links],
        [link.url for link in links],
    )


async def find_links(conn: Connection, bazaar_id: UUID) -> list[Link]:
    """Its links, in order."""
    rows = await conn.fetch(
        "SELECT kind, title, url FROM bazaar_link WHERE bazaar_id = $1 ORDER BY position", bazaar_id
    )
    return [Link.model_validate(dict(row)) for row in rows]


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


async def find_site_titles(conn: Connection, bazaar_ids: Sequence[UUID]) -> dict[UUID, dict[str, Words]]:
    """What each site of these bazaars is called, by bazaar and site."""
    rows = await conn.fetch(
        "SELECT bazaar_id, site_id, site.name, coalesce(site.days, bazaar.days) AS days, bazaar.days AS all_days "
        "FROM site JOIN bazaar USING (bazaar_id) WHERE bazaar_id = ANY($1::uuid[])",
        list(bazaar_ids),
    )
    titles: dict[UUID, dict[str, Words]] = {bazaar_id: {} for bazaar_id in bazaar_ids}
    for row in rows:
        titles[row["bazaar_id"]][row["site_id"]] = site_title(row["name"], row["days"], row["all_days"])
    return titles


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


async def list_bazaars(
    conn: Connection,
    after: tuple[date, UUID] | None,
    limit: int,
    *,
    state: str | None = None,
    series_id: UUID | None = None,
    setting: str | None = None,
    within: str | None = None,
) -> list[dict[str, Any]]:
    """Bazaars, the latest days first; one row more than `limit` when there are more. Without a state: the announced.

    `within`: only those whose every site, and whose area, lies in this one.
    """
    first_day, bazaar_id = after or (date.max, UUID(int=2**128 - 1))
    rows = await conn.fetch(
        "SELECT bazaar_id, state, name, theme, organisers, days, applications_close_at, setting, series_id, area "
        "FROM bazaar AS b WHERE (CASE WHEN $4::text IS NULL THEN state NOT IN ('draft', 'tentative') "
        "ELSE state = $4 END) AND ($5::uuid IS NULL OR series_id = $5) AND ($6::text IS NULL OR setting = $6) "
        "AND ($7::text IS NULL OR (area IS NULL OR area = $7 OR starts_with(area, $7 || '.')) "
        "AND NOT EXISTS (SELECT FROM site AS s WHERE s.bazaar_id = b.bazaar_id "
        "AND s.kelurahan <> $7 AND NOT starts_with(s.kelurahan, $7 || '.'))) "
        "AND (days[1], bazaar_id) < ($1::date, $2::uuid) "
        "ORDER BY days[1] DESC, bazaar_id DESC LIMIT $3",
        first_day,
        bazaar_id,
        limit + 1,
        state,
        series_id,
        setting,
        within,
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

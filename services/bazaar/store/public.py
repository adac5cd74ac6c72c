"""What residents may know of bazaars: no draft, and of vendors only those that want it, by storefront."""

from datetime import date
from typing import Any
from uuid import UUID

from services.bazaar.domain.public import Facts
from services.bazaar.store import bazaars, live, showcases
from shared.db import Connection

Row = dict[str, Any]


async def find_facts(conn: Connection, bazaar_id: UUID) -> Facts:
    """All that is shown of one bazaar. Raises `BazaarUnknown`."""
    bazaar = await bazaars.find_bazaar(conn, bazaar_id)
    return Facts(
        bazaar=bazaar,
        links=await bazaars.find_links(conn, bazaar_id),
        group=await _find_group(conn, bazaar_id),
        venues=await _find_venues(conn, bazaar_id),
        storefronts=await _find_storefronts(conn, bazaar_id),
        categories=await _count_categories(conn, bazaar_id),
        preorders=await _find_preorders(conn, bazaar_id),
        slots=await live.find_programme(conn, bazaar_id),
        showcases=await showcases.find_showcases(conn, bazaar_id),
        rounds=await _find_rounds(conn, bazaar_id),
    )


async def _find_group(conn: Connection, bazaar_id: UUID) -> Row | None:
    """The product group whose turn it is: its code and its name as it was when the occurrence was announced."""
    group: Row | None = await conn.fetchval(
        "SELECT jsonb_build_object('code', g ->> 'code', 'name', g -> 'name') FROM group_turn AS t "
        "JOIN group_rotation AS r ON r.series_id = t.series_id AND r.from_turn <= t.turn "
        "CROSS JOIN jsonb_array_elements(r.groups) AS g "
        "WHERE t.bazaar_id = $1 AND g ->> 'code' = t.group_code ORDER BY r.from_turn DESC LIMIT 1",
        bazaar_id,
    )
    return group


async def _find_venues(conn: Connection, bazaar_id: UUID) -> dict[str, Row]:
    """Of each site: where its venue stands, and whether there is a plan of it."""
    rows = await conn.fetch(
        "SELECT s.site_id, v.address, v.latitude, v.longitude, s.plan IS NOT NULL AS planned "
        "FROM site AS s LEFT JOIN venue AS v USING (venue_id) WHERE s.bazaar_id = $1",
        bazaar_id,
    )
    return {row["site_id"]: dict(row) for row in rows}


async def _find_storefronts(conn: Connection, bazaar_id: UUID) -> list[Row]:
    rows = await conn.fetch(
        "SELECT s.title, s.marketplace, s.url, s.highlights, a.groups ->> 'category' AS category, a.site_id, a.booth "
        "FROM storefront AS s JOIN application AS a USING (application_id) WHERE s.bazaar_id = $1 "
        "AND s.state = 'approved' AND a.state IN ('confirmed', 'attended') ORDER BY lower(s.title), s.application_id",
        bazaar_id,
    )
    return [dict(row) for row in rows]


async def _count_categories(conn: Connection, bazaar_id: UUID) -> dict[str | None, int]:
    """How many vendors take part, by what they sell."""
    rows = await conn.fetch(
        "SELECT groups ->> 'category' AS category, count(*) AS vendors FROM application "
        "WHERE bazaar_id = $1 AND state IN ('confirmed', 'attended') GROUP BY 1 ORDER BY 2 DESC, 1",
        bazaar_id,
    )
    return {row["category"]: row["vendors"] for row in rows}


async def _find_preorders(conn: Connection, bazaar_id: UUID) -> list[Row]:
    rows = await conn.fetch(
        "SELECT s.title AS storefront, s.url, p.title, p.pieces_max - p.pieces_taken AS pieces_left, p.pick_up_day, "
        "p.pick_up_place FROM preorder AS p JOIN storefront AS s USING (application_id) "
        "JOIN application AS a USING (application_id) WHERE s.bazaar_id = $1 AND s.state = 'approved' "
        "AND a.state IN ('confirmed', 'attended') ORDER BY lower(s.title), p.title",
        bazaar_id,
    )
    return [dict(row) for row in rows]


async def _find_rounds(conn: Connection, bazaar_id: UUID) -> list[Row]:
    rows = await conn.fetch(
        "SELECT round, applicants, served, waiting, frozen_sha256, problem_sha256, result_sha256 "
        "FROM allocation_round WHERE bazaar_id = $1 ORDER BY round",
        bazaar_id,
    )
    return [dict(row) for row in rows]


async def list_coming(conn: Connection, today: date, after: tuple[date, UUID] | None, limit: int) -> list[Row]:
    """Bazaars that are not over, the next first; one row more than `limit` when there are more."""
    first_day, bazaar_id = after or (date.min, UUID(int=0))
    rows = await conn.fetch(LIST_COMING, today, first_day, bazaar_id, limit + 1)
    return [dict(row) for row in rows]


LIST_COMING = """
SELECT b.bazaar_id, b.name, b.theme, b.state, b.setting, b.days, b.moved_from, b.cancelled_because, b.series_id,
    ARRAY(SELECT site.name FROM site WHERE site.bazaar_id = b.bazaar_id ORDER BY site.position) AS sites,
    ARRAY(SELECT DISTINCT site.kelurahan FROM site WHERE site.bazaar_id = b.bazaar_id ORDER BY site.kelurahan)
        AS kelurahan
FROM bazaar AS b
WHERE b.state <> 'draft' AND b.days[cardinality(b.days)] >= $1 AND (b.days[1], b.bazaar_id) > ($2::date, $3::uuid)
ORDER BY b.days[1], b.bazaar_id LIMIT $4
"""


async def list_past(conn: Connection, today: date, after: tuple[date, UUID] | None, limit: int) -> list[Row]:
    """Bazaars that are over, the last first; one row more than `limit` when there are more. What was only planned, and
    never announced, is left out."""
    first_day, bazaar_id = after or (date.max, UUID(int=2**128 - 1))
    rows = await conn.fetch(LIST_PAST, today, first_day, bazaar_id, limit + 1)
    return [dict(row) for row in rows]


LIST_PAST = """
SELECT b.bazaar_id, b.name, b.theme, b.state, b.setting, b.days, b.moved_from, b.cancelled_because, b.series_id,
    ARRAY(SELECT site.name FROM site WHERE site.bazaar_id = b.bazaar_id ORDER BY site.position) AS sites,
    ARRAY(SELECT DISTINCT site.kelurahan FROM site WHERE site.bazaar_id = b.bazaar_id ORDER BY site.kelurahan)
        AS kelurahan
FROM bazaar AS b
WHERE b.state NOT IN ('draft', 'tentative') AND b.days[cardinality(b.days)] < $1
    AND (b.days[1], b.bazaar_id) < ($2::date, $3::uuid)
ORDER BY b.days[1] DESC, b.bazaar_id DESC LIMIT $4
"""

"""What calendars show, read in one statement each; and the secret links of vendors' calendars."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.db import Connection


async def find_public(
    conn: Connection,
    since: date,
    limit: int,
    *,
    area: str | None = None,
    series_id: UUID | None = None,
    setting: str | None = None,
    bazaar_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """Bazaars known outside that last until this day or longer, the next first.

    Of an area: those with a site in it, and those that are for it, for part of it, or for more.
    """
    rows = await conn.fetch(
        "SELECT b.bazaar_id, b.name, b.theme, b.organisers, b.days, b.state, b.revision, b.created_at, "
        "coalesce(b.changed_at, b.created_at) AS changed_at, b.opening, b.cancelled_because, b.setting, "
        "b.applications_close_at, "
        "(SELECT array_agg(s.name ORDER BY s.position) FROM site AS s WHERE s.bazaar_id = b.bazaar_id) AS places, "
        "(SELECT l.url FROM bazaar_link AS l WHERE l.bazaar_id = b.bazaar_id ORDER BY l.position LIMIT 1) AS url "
        "FROM bazaar AS b WHERE b.state <> 'draft' AND b.days[cardinality(b.days)] >= $1 "
        "AND ($3::text IS NULL OR b.area = $3 OR starts_with(b.area, $3 || '.') OR starts_with($3, b.area || '.') "
        "OR EXISTS (SELECT FROM site AS s WHERE s.bazaar_id = b.bazaar_id "
        "AND (s.kelurahan = $3 OR starts_with(s.kelurahan, $3 || '.')))) "
        "AND ($4::uuid IS NULL OR b.series_id = $4) AND ($5::text IS NULL OR b.setting = $5) "
        "AND ($6::uuid IS NULL OR b.bazaar_id = $6) "
        "ORDER BY b.days[cardinality(b.days)], b.bazaar_id LIMIT $2",
        since,
        limit,
        area,
        series_id,
        setting,
        bazaar_id,
    )
    return [dict(row) for row in rows]


async def find_of_vendors(
    conn: Connection, vendor_ids: Sequence[UUID], since: date, limit: int
) -> list[dict[str, Any]]:
    """Applications under these ids to bazaars that last until this day or longer. A booth's days are its site's."""
    rows = await conn.fetch(
        "SELECT a.application_id, a.version, a.state, a.applied_at, a.booth, a.respond_by, b.name, b.state AS bazaar, "
        "b.revision, coalesce(s.days, b.days) AS days, b.applications_close_at, "
        "greatest(a.applied_at, b.changed_at) AS changed_at, s.name AS site "
        "FROM application AS a JOIN bazaar AS b USING (bazaar_id) "
        "LEFT JOIN site AS s ON s.bazaar_id = a.bazaar_id AND s.site_id = a.site_id "
        "WHERE a.vendor_id = ANY($1::uuid[]) AND b.days[cardinality(b.days)] >= $2 "
        "ORDER BY b.days[cardinality(b.days)], a.application_id LIMIT $3",
        list(vendor_ids),
        since,
        limit,
    )
    return [dict(row) for row in rows]


async def add_link(
    conn: Connection, link_id: UUID, vendor_id: UUID, secret_sha256: bytes, family: Sequence[UUID], *, now: datetime
) -> None:
    """A new link; those the person had are revoked. One is made at a time for each of these ids."""
    await conn.execute(
        "SELECT FROM vendor WHERE vendor_id = ANY($1::uuid[]) ORDER BY vendor_id FOR NO KEY UPDATE", list(family)
    )
    await revoke_links(conn, family, now=now)
    await conn.execute(
        "INSERT INTO calendar_link (link_id, vendor_id, secret_sha256, made_at) VALUES ($1, $2, $3, $4)",
        link_id,
        vendor_id,
        secret_sha256,
        now,
    )


async def revoke_links(conn: Connection, vendor_ids: Sequence[UUID], *, now: datetime) -> None:
    """No link to the calendar of these ids leads anywhere any more."""
    await conn.execute(
        "UPDATE calendar_link SET revoked_at = $2 WHERE vendor_id = ANY($1::uuid[]) AND revoked_at IS NULL",
        list(vendor_ids),
        now,
    )


async def leads_to(conn: Connection, secret_sha256: bytes, vendor_ids: Sequence[UUID]) -> bool:
    """Whether a link with this secret leads to the calendar of one of these ids."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM calendar_link WHERE secret_sha256 = $1 AND vendor_id = ANY($2::uuid[]) "
        "AND revoked_at IS NULL)",
        secret_sha256,
        list(vendor_ids),
    )
    return found

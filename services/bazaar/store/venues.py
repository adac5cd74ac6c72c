"""Rows of venues, their photos and floor plans."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.plans import Plan, PlanUnknown, StoredPlan, document
from services.bazaar.domain.venues import Position, Venue, VenueUnknown
from shared.db import Connection
from shared.files.rows import release_files


async def add_venue(conn: Connection, venue: Venue, *, now: datetime) -> None:
    """A new venue."""
    await conn.execute(
        "INSERT INTO venue (venue_id, version, kind, name, kelurahan, address, capacity, latitude, longitude, "
        "facilities, plan, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        venue.venue_id,
        venue.version,
        venue.kind,
        venue.name,
        venue.kelurahan,
        venue.address,
        venue.capacity,
        venue.position and venue.position.latitude,
        venue.position and venue.position.longitude,
        list(venue.facilities),
        venue.plan,
        now,
    )


async def find_venue(conn: Connection, venue_id: UUID) -> Venue:
    """A venue. Raises `VenueUnknown`."""
    row = await conn.fetchrow(
        "SELECT venue_id, version, kind, name, kelurahan, address, capacity, latitude, longitude, facilities, plan, "
        "retired_at FROM venue WHERE venue_id = $1",
        venue_id,
    )
    return _venue(row)


async def lock_venue(conn: Connection, venue_id: UUID) -> Venue:
    """A venue, held against everyone else who changes it. Raises `VenueUnknown`."""
    row = await conn.fetchrow(
        "SELECT venue_id, version, kind, name, kelurahan, address, capacity, latitude, longitude, facilities, plan, "
        "retired_at FROM venue WHERE venue_id = $1 FOR NO KEY UPDATE",
        venue_id,
    )
    return _venue(row)


async def share_venues(conn: Connection, venue_ids: Collection[UUID]) -> dict[UUID, Venue]:
    """These venues by id, kept as they are until the transaction ends; one that is not known is left out."""
    if not venue_ids:
        return {}
    rows = await conn.fetch(
        "SELECT venue_id, version, kind, name, kelurahan, address, capacity, latitude, longitude, facilities, plan, "
        "retired_at FROM venue WHERE venue_id = ANY($1::uuid[]) ORDER BY venue_id FOR SHARE",
        list(venue_ids),
    )
    return {row["venue_id"]: _venue(row) for row in rows}


def _venue(row: Record | None) -> Venue:
    if row is None:
        raise VenueUnknown("There is no such venue.")
    position = None
    if row["latitude"] is not None:
        position = Position(latitude=row["latitude"], longitude=row["longitude"])
    return Venue(
        row["venue_id"],
        row["version"],
        row["kind"],
        row["name"],
        row["kelurahan"],
        row["capacity"],
        row["address"],
        position,
        tuple(row["facilities"]),
        row["plan"],
        row["retired_at"],
    )


async def save_venue(conn: Connection, venue: Venue) -> None:
    """All of a venue; its row is locked."""
    await conn.execute(
        "UPDATE venue SET version = $2, kind = $3, name = $4, kelurahan = $5, address = $6, capacity = $7, "
        "latitude = $8, longitude = $9, facilities = $10, plan = $11, retired_at = $12 WHERE venue_id = $1",
        venue.venue_id,
        venue.version,
        venue.kind,
        venue.name,
        venue.kelurahan,
        venue.address,
        venue.capacity,
        venue.position and venue.position.latitude,
        venue.position and venue.position.longitude,
        list(venue.facilities),
        venue.plan,
        venue.retired_at,
    )


async def list_venues(
    conn: Connection, area: str | None, kind: str | None, after: UUID | None, limit: int
) -> list[Venue]:
    """Venues that are used, in the order in which they were set up; one more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT venue_id, version, kind, name, kelurahan, address, capacity, latitude, longitude, facilities, plan, "
        "retired_at FROM venue WHERE retired_at IS NULL AND ($1::text IS NULL OR kelurahan = $1 "
        "OR kelurahan LIKE $1 || '.%') AND ($2::text IS NULL OR kind = $2) AND ($3::uuid IS NULL OR venue_id > $3) "
        "ORDER BY venue_id LIMIT $4",
        area,
        kind,
        after,
        limit + 1,
    )
    return [_venue(row) for row in rows]


# -- photos


async def add_photo(conn: Connection, venue_id: UUID, photo_id: UUID, *, now: datetime) -> None:
    """A photo whose file is kept in this transaction."""
    await conn.execute(
        "INSERT INTO venue_photo (file_id, venue_id, added_at) VALUES ($1, $2, $3)", photo_id, venue_id, now
    )


async def remove_photo(conn: Connection, venue_id: UUID, photo_id: UUID) -> bool:
    """The venue has this photo no more. False: it had none such."""
    removed = await conn.fetchval(
        "DELETE FROM venue_photo WHERE venue_id = $1 AND file_id = $2 RETURNING file_id", venue_id, photo_id
    )
    if removed is not None:
        await release_files(conn, [removed])
    return removed is not None


async def has_photo(conn: Connection, venue_id: UUID, photo_id: UUID) -> bool:
    """Whether the venue has this photo."""
    return bool(
        await conn.fetchval("SELECT true FROM venue_photo WHERE venue_id = $1 AND file_id = $2", venue_id, photo_id)
    )


async def find_photos(conn: Connection, venue_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Ids of the photos of these venues, the first added first."""
    rows = await conn.fetch(
        "SELECT venue_id, array_agg(file_id ORDER BY added_at, file_id) AS photos FROM venue_photo "
        "WHERE venue_id = ANY($1::uuid[]) GROUP BY venue_id",
        list(venue_ids),
    )
    return {row["venue_id"]: row["photos"] for row in rows}


# -- plans


async def add_plan(conn: Connection, stored: StoredPlan, *, now: datetime) -> None:
    """The next plan of a venue."""
    await conn.execute(
        "INSERT INTO floor_plan (venue_id, plan, document, made_at) VALUES ($1, $2, $3, $4)",
        stored.venue_id,
        stored.number,
        document(stored.plan),
        now,
    )


async def find_plan(conn: Connection, venue_id: UUID, number: int) -> StoredPlan:
    """A plan of a venue. Raises `PlanUnknown`."""
    found = await conn.fetchval("SELECT document FROM floor_plan WHERE venue_id = $1 AND plan = $2", venue_id, number)
    if found is None:
        raise PlanUnknown("This venue has no such floor plan." if number else "This venue has no floor plan yet.")
    return StoredPlan(venue_id, number, Plan.model_validate(found))


async def find_plan_of_site(conn: Connection, bazaar_id: UUID, site_id: str) -> StoredPlan | None:
    """The plan by which a site's stands are set up; None where there is none, or no such site."""
    row = await conn.fetchrow(
        "SELECT p.venue_id, p.plan, p.document FROM site JOIN floor_plan AS p USING (venue_id, plan) "
        "WHERE site.bazaar_id = $1 AND site.site_id = $2",
        bazaar_id,
        site_id,
    )
    return None if row is None else StoredPlan(row["venue_id"], row["plan"], Plan.model_validate(row["document"]))


async def find_taken(conn: Connection, bazaar_id: UUID, site_id: str) -> list[str]:
    """Numbers of the stands that a vendor holds. Of offers that are not answered nothing is told."""
    rows = await conn.fetch(
        "SELECT booth FROM application WHERE bazaar_id = $1 AND site_id = $2 AND state IN ('confirmed', 'attended')",
        bazaar_id,
        site_id,
    )
    return [row["booth"] for row in rows]


async def replace_stands(
    conn: Connection, bazaar_id: UUID, site_id: str, plan: int, stands: Collection[dict[str, Any]]
) -> None:
    """The stands of a site, by a plan of its venue, instead of those it had; nobody holds one yet."""
    await conn.execute("DELETE FROM booth WHERE bazaar_id = $1 AND site_id = $2", bazaar_id, site_id)
    await conn.execute(ADD_STANDS, bazaar_id, site_id, list(stands))
    await conn.execute("UPDATE site SET plan = $3 WHERE bazaar_id = $1 AND site_id = $2", bazaar_id, site_id, plan)


ADD_STANDS = """
INSERT INTO booth (bazaar_id, site_id, number, position, kind, tent, holder, zone, power, access, water, corner, spot,
    x, y, width, depth, rotation)
SELECT $1, $2, b.number, last.position + b.nth, b.kind, b.tent, b.holder, b.zone, b.power, b.access, b.water, b.corner,
    b.spot, b.x, b.y, b.width, b.depth, b.rotation
FROM ROWS FROM (jsonb_to_recordset($3) AS (number text, kind text, tent int, holder text, zone text, power boolean,
    access boolean, water boolean, corner boolean, spot text, x float8, y float8, width float8, depth float8,
    rotation float8)) WITH ORDINALITY AS b (number, kind, tent, holder, zone, power, access, water, corner, spot, x, y,
    width, depth, rotation, nth),
    (SELECT coalesce(max(position), 0) AS position FROM booth WHERE bazaar_id = $1) AS last
"""

"""The copy of what the vendor registry says of vendors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.events.vendor import VendorMoved, VendorRegistered


class Said(NamedTuple):
    """A code of a vendor, or None for none, as the registry said it at this version of the vendor."""

    code: str | None
    version: int


async def save_vendors(conn: Connection, registered: Sequence[tuple[VendorRegistered, int]]) -> None:
    """Remember vendors as registered; the number is the registry's version. A later version known already
    stays, and one that is erased meanwhile is not brought back.
    """
    await conn.execute(
        """
        INSERT INTO vendor (vendor_id, kelurahan, rw, category, agency, registry_version, kind, registered_on)
        SELECT new.vendor_id, new.kelurahan, new.rw, new.category, new.agency, new.version, new.kind, new.registered_on
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::date[])
            AS new (vendor_id, kelurahan, rw, category, agency, version, kind, registered_on)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ON CONFLICT (vendor_id) DO UPDATE SET
            kelurahan = excluded.kelurahan, rw = excluded.rw, category = excluded.category,
            agency = excluded.agency, registry_version = excluded.registry_version, kind = excluded.kind,
            registered_on = excluded.registered_on
        WHERE vendor.registry_version < excluded.registry_version
        """,
        [event.vendor_id for event, _ in registered],
        [event.kelurahan for event, _ in registered],
        [event.rw for event, _ in registered],
        [event.category for event, _ in registered],
        [event.agency for event, _ in registered],
        [version for _, version in registered],
        [event.kind for event, _ in registered],
        [event.registered_on for event, _ in registered],
    )


async def save_categories(conn: Connection, said: Mapping[UUID, Said]) -> set[UUID]:
    """Set vendors' categories. Returns the vendors that are known."""
    rows = await conn.fetch(
        """
        UPDATE vendor SET
            category = CASE WHEN registry_version < new.version THEN new.category ELSE vendor.category END,
            registry_version = greatest(registry_version, new.version)
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS new (vendor_id, category, version)
        WHERE vendor.vendor_id = new.vendor_id
        RETURNING vendor.vendor_id
        """,
        list(said),
        [one.code for one in said.values()],
        [one.version for one in said.values()],
    )
    return {row["vendor_id"] for row in rows}


async def save_agencies(conn: Connection, said: Mapping[UUID, Said]) -> set[UUID]:
    """Set vendors' coaching agencies. Returns the vendors that are known."""
    rows = await conn.fetch(
        """
        UPDATE vendor SET
            agency = CASE WHEN registry_version < new.version THEN new.agency ELSE vendor.agency END,
            registry_version = greatest(registry_version, new.version)
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS new (vendor_id, agency, version)
        WHERE vendor.vendor_id = new.vendor_id
        RETURNING vendor.vendor_id
        """,
        list(said),
        [one.code for one in said.values()],
        [one.version for one in said.values()],
    )
    return {row["vendor_id"] for row in rows}


async def save_addresses(conn: Connection, moved: Sequence[tuple[VendorMoved, int]]) -> set[UUID]:
    """Set where vendors live, each vendor once. Returns the vendors that are known."""
    rows = await conn.fetch(
        """
        UPDATE vendor SET
            kelurahan = CASE WHEN registry_version < new.version THEN new.kelurahan ELSE vendor.kelurahan END,
            rw = CASE WHEN registry_version < new.version THEN new.rw ELSE vendor.rw END,
            registry_version = greatest(registry_version, new.version)
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) AS new (vendor_id, kelurahan, rw, version)
        WHERE vendor.vendor_id = new.vendor_id
        RETURNING vendor.vendor_id
        """,
        [event.vendor_id for event, _ in moved],
        [event.kelurahan for event, _ in moved],
        [event.rw for event, _ in moved],
        [version for _, version in moved],
    )
    return {row["vendor_id"] for row in rows}


async def find_kelurahan(conn: Connection, vendor_id: UUID) -> str | None:
    """Where the vendor lives; None for a vendor that is not known."""
    kelurahan: str | None = await conn.fetchval("SELECT kelurahan FROM vendor WHERE vendor_id = $1", vendor_id)
    return kelurahan


async def find_homes(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The kelurahan in which these vendors live."""
    rows = await conn.fetch("SELECT vendor_id, kelurahan FROM vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {row["vendor_id"]: row["kelurahan"] for row in rows}


async def find_categories(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """What these vendors sell, if anything."""
    rows = await conn.fetch("SELECT vendor_id, category FROM vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {row["vendor_id"]: row["category"] for row in rows}


async def digest_vendors(conn: Connection) -> tuple[int, str]:
    """Vendors known, and the sha256 over their lines "vendor_id|kelurahan|rw|category|agency", by vendor_id."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS vendors, encode(sha256(convert_to(coalesce(string_agg(
            concat_ws('|', vendor_id, kelurahan, rw, coalesce(category, ''), coalesce(agency, '')) || E'\\n', ''
            ORDER BY vendor_id), ''), 'UTF8')), 'hex') AS digest
        FROM vendor
        """
    )
    assert row is not None
    return row["vendors"], row["digest"]

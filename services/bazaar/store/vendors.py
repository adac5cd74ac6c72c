"""What other services' events tell of vendors: where they live, what they sell, who coaches them, who is trained or
suspended.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Vendor
from shared.db import Connection


class VendorMissing(RuntimeError):
    """A fault: an event about a vendor came before its registration, which its topic's order forbids.

    Of an id that is erased nothing is kept, and whatever comes late is dropped: that is no fault.
    """


FIND_VENDOR = """
WITH who AS (
    SELECT $1::uuid AS vendor_id
    UNION SELECT m.vendor_id FROM family AS f JOIN family AS m ON m.person_id = f.person_id WHERE f.vendor_id = $1
)
SELECT v.vendor_id, v.kelurahan, v.rw, v.category, v.agency,
    EXISTS (SELECT FROM completion JOIN who USING (vendor_id)) AS trained,
    (SELECT min(reason) FROM suspension JOIN who USING (vendor_id)) AS suspended_because
FROM vendor AS v WHERE v.vendor_id = $1
"""


class RegisteredVendor(NamedTuple):
    """A vendor as its registration tells of it."""

    vendor_id: UUID
    kelurahan: str
    rw: str
    category: str | None
    agency: str | None


async def add_vendors(conn: Connection, vendors: Sequence[RegisteredVendor]) -> None:
    """Vendors that registered. One that is erased meanwhile is not brought back."""
    await conn.execute(
        "INSERT INTO vendor (vendor_id, kelurahan, rw, category, agency) "
        "SELECT n.vendor_id, n.kelurahan, n.rw, n.category, n.agency "
        "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) "
        "AS n (vendor_id, kelurahan, rw, category, agency) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = n.vendor_id)",
        [vendor.vendor_id for vendor in vendors],
        [vendor.kelurahan for vendor in vendors],
        [vendor.rw for vendor in vendors],
        [vendor.category for vendor in vendors],
        [vendor.agency for vendor in vendors],
    )


async def save_categories(conn: Connection, categories: Mapping[UUID, str | None]) -> None:
    """What vendors sell; None: nothing yet. Raises `VendorMissing`."""
    status = await conn.execute(
        "UPDATE vendor AS v SET category = n.category FROM unnest($1::uuid[], $2::text[]) AS n (vendor_id, category) "
        "WHERE v.vendor_id = n.vendor_id",
        list(categories),
        list(categories.values()),
    )
    await _require_all(conn, status, list(categories))


async def save_agencies(conn: Connection, agencies: Mapping[UUID, str | None]) -> None:
    """Who coaches vendors; None: nobody. Raises `VendorMissing`."""
    status = await conn.execute(
        "UPDATE vendor AS v SET agency = n.agency FROM unnest($1::uuid[], $2::text[]) AS n (vendor_id, agency) "
        "WHERE v.vendor_id = n.vendor_id",
        list(agencies),
        list(agencies.values()),
    )
    await _require_all(conn, status, list(agencies))


async def save_addresses(conn: Connection, addresses: Mapping[UUID, tuple[str, str]]) -> None:
    """Where vendors live: (kelurahan, rw). Raises `VendorMissing`."""
    status = await conn.execute(
        "UPDATE vendor AS v SET kelurahan = n.kelurahan, rw = n.rw "
        "FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n (vendor_id, kelurahan, rw) "
        "WHERE v.vendor_id = n.vendor_id",
        list(addresses),
        [kelurahan for kelurahan, _ in addresses.values()],
        [rw for _, rw in addresses.values()],
    )
    await _require_all(conn, status, list(addresses))


async def _require_all(conn: Connection, status: str, vendor_ids: Sequence[UUID]) -> None:
    if status == f"UPDATE {len(vendor_ids)}":
        return
    missing: int = await conn.fetchval(
        "SELECT count(*) FROM unnest($1::uuid[]) AS n (vendor_id) "
        "WHERE NOT EXISTS (SELECT FROM vendor AS v WHERE v.vendor_id = n.vendor_id) "
        "AND NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = n.vendor_id)",
        vendor_ids,
    )
    if missing:
        raise VendorMissing(f"{missing} of {len(vendor_ids)} vendors")


async def save_suspensions(conn: Connection, reasons: Mapping[UUID, str]) -> None:
    """Vendors are suspended, each with the code of the reason. One that is erased stays erased."""
    await conn.execute(
        "INSERT INTO suspension (vendor_id, reason) SELECT n.vendor_id, n.reason "
        "FROM unnest($1::uuid[], $2::text[]) AS n (vendor_id, reason) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = n.vendor_id) "
        "ON CONFLICT (vendor_id) DO UPDATE SET reason = excluded.reason",
        list(reasons),
        list(reasons.values()),
    )


async def remove_suspensions(conn: Connection, vendor_ids: Sequence[UUID]) -> None:
    """Vendors are suspended no longer."""
    await conn.execute("DELETE FROM suspension WHERE vendor_id = ANY($1::uuid[])", vendor_ids)


async def add_completions(conn: Connection, completions: Sequence[tuple[UUID, UUID]]) -> None:
    """Vendors completed classes: (vendor, class). Counted once however often it is said; not of one that is erased."""
    await conn.execute(
        "INSERT INTO completion (vendor_id, class_id) SELECT n.vendor_id, n.class_id "
        "FROM unnest($1::uuid[], $2::uuid[]) AS n (vendor_id, class_id) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = n.vendor_id) "
        "ON CONFLICT DO NOTHING",
        [vendor_id for vendor_id, _ in completions],
        [class_id for _, class_id in completions],
    )


async def remove_completions(conn: Connection, completions: Sequence[tuple[UUID, UUID]]) -> None:
    """Vendors did not complete classes, or it was taken back; most never had."""
    await conn.execute(
        "DELETE FROM completion AS c USING unnest($1::uuid[], $2::uuid[]) AS n (vendor_id, class_id) "
        "WHERE c.vendor_id = n.vendor_id AND c.class_id = n.class_id",
        [vendor_id for vendor_id, _ in completions],
        [class_id for _, class_id in completions],
    )


async def find_vendor(conn: Connection, vendor_id: UUID) -> Vendor | None:
    """What is known of a vendor; None when nothing is, which is the domain's to judge.

    Trained, or suspended, by whichever of its ids: they are one person.
    """
    row = await conn.fetchrow(FIND_VENDOR, vendor_id)
    return None if row is None else Vendor(*row.values())


async def share_vendor(conn: Connection, vendor_id: UUID) -> Vendor | None:
    """As `find_vendor`; besides, this id is not erased until the transaction ends."""
    await conn.execute("SELECT FROM vendor WHERE vendor_id = $1 FOR KEY SHARE", vendor_id)
    return await find_vendor(conn, vendor_id)


async def fingerprint_projections(conn: Connection) -> dict[str, Mapping[str, Any]]:
    """Count and sha256 of each projection, over lines as its source writes them, to compare a copy with its source."""
    vendors = await conn.fetchrow(
        "SELECT count(*) AS count, encode(sha256(convert_to(coalesce(string_agg("
        "vendor_id || '|' || kelurahan || '|' || rw || '|' || coalesce(category, '') || '|' || coalesce(agency, '') "
        "|| E'\\n', '' ORDER BY vendor_id), ''), 'UTF8')), 'hex') AS sha256 FROM vendor"
    )
    completions = await conn.fetchrow(
        "SELECT count(*) AS count, encode(sha256(convert_to(coalesce(string_agg("
        "vendor_id || E'\\n', '' ORDER BY vendor_id), ''), 'UTF8')), 'hex') AS sha256 "
        "FROM (SELECT DISTINCT vendor_id FROM completion) AS trained"
    )
    return {"vendors": dict(vendors or {}), "completions": dict(completions or {})}

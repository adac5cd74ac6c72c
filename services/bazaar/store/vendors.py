"""What other services' events tell of vendors: where they live, what they sell, who coaches them, who is trained."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.bazaar.domain.application import Vendor
from shared.db import Connection


class VendorMissing(RuntimeError):
    """A fault: an event about a vendor came before its registration, which its topic's order forbids."""


class RegisteredVendor(NamedTuple):
    """A vendor as its registration tells of it."""

    vendor_id: UUID
    kelurahan: str
    rw: str
    category: str | None
    agency: str | None


async def add_vendors(conn: Connection, vendors: Sequence[RegisteredVendor]) -> None:
    """Vendors that registered."""
    await conn.execute(
        "INSERT INTO vendor (vendor_id, kelurahan, rw, category, agency) "
        "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])",
        [vendor.vendor_id for vendor in vendors],
        [vendor.kelurahan for vendor in vendors],
        [vendor.rw for vendor in vendors],
        [vendor.category for vendor in vendors],
        [vendor.agency for vendor in vendors],
    )


async def save_categories(conn: Connection, categories: Mapping[UUID, str]) -> None:
    """What vendors sell. Raises `VendorMissing`."""
    status = await conn.execute(
        "UPDATE vendor AS v SET category = n.category FROM unnest($1::uuid[], $2::text[]) AS n (vendor_id, category) "
        "WHERE v.vendor_id = n.vendor_id",
        list(categories),
        list(categories.values()),
    )
    _require_all(status, len(categories))


async def save_agencies(conn: Connection, agencies: Mapping[UUID, str]) -> None:
    """Who coaches vendors. Raises `VendorMissing`."""
    status = await conn.execute(
        "UPDATE vendor AS v SET agency = n.agency FROM unnest($1::uuid[], $2::text[]) AS n (vendor_id, agency) "
        "WHERE v.vendor_id = n.vendor_id",
        list(agencies),
        list(agencies.values()),
    )
    _require_all(status, len(agencies))


def _require_all(status: str, expected: int) -> None:
    if status != f"UPDATE {expected}":
        raise VendorMissing(f"{status} of {expected} vendors")


async def add_completions(conn: Connection, completions: Sequence[tuple[UUID, UUID]]) -> None:
    """Vendors completed classes: (vendor, class). Counted once however often it is said."""
    await conn.execute(
        "INSERT INTO completion (vendor_id, class_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) "
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
    """What is known of a vendor; None when nothing is, which is the domain's to judge."""
    row = await conn.fetchrow(
        "SELECT v.vendor_id, v.kelurahan, v.rw, v.category, v.agency, "
        "EXISTS (SELECT FROM completion AS c WHERE c.vendor_id = v.vendor_id) AS trained "
        "FROM vendor AS v WHERE v.vendor_id = $1",
        vendor_id,
    )
    return None if row is None else Vendor(*row.values())


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

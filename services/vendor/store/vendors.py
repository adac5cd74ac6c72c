"""Vendors: who is registered, found by NIK, id and area."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.registration import Codes, Vendor
from shared.db import Connection

__all__ = [
    "Digest",
    "Holder",
    "Kept",
    "VendorFilter",
    "add_vendors",
    "digest_contacts",
    "digest_vendors",
    "find_codes",
    "find_holders",
    "find_vendor",
    "find_vendors",
    "lock_vendor",
    "save_vendor",
]


class Holder(NamedTuple):
    """Which vendor a NIK belongs to, and where that vendor lives."""

    vendor_id: UUID
    kelurahan: str


class Kept(NamedTuple):
    """A vendor as it is stored, with its NIK, still sealed; None once it is erased."""

    vendor: Vendor
    nik_sealed: bytes | None


class VendorFilter(NamedTuple):
    """Which vendors to list; None does not filter. `area` is the code of any area that holds them."""

    area: str | None = None
    category: str | None = None
    agency: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows, and the sha256 over their sorted lines, to compare a copy with its source."""

    count: int
    sha256: str


async def find_codes(conn: Connection) -> Codes:
    """The categories and agencies of the programme as they stand now."""
    row = await conn.fetchrow(
        "SELECT ARRAY(SELECT code FROM category) AS categories, ARRAY(SELECT code FROM agency) AS agencies"
    )
    assert row is not None
    return Codes(frozenset(row["categories"]), frozenset(row["agencies"]))


async def find_holders(conn: Connection, nik_indexes: Sequence[bytes]) -> dict[bytes, Holder]:
    """Who holds these NIKs, by blind index; those nobody holds are left out."""
    rows = await conn.fetch(
        "SELECT nik_index, vendor_id, kelurahan FROM vendor WHERE nik_index = ANY($1::bytea[])", nik_indexes
    )
    return {row["nik_index"]: Holder(row["vendor_id"], row["kelurahan"]) for row in rows}


ADD_VENDORS = """
INSERT INTO vendor (
    vendor_id, version, card_version, nik_index, nik_sealed, name, phone, email, street, kelurahan, rw, rt,
    kind, category, agency, language, origin, registered_on, registered_at, born_on
)
SELECT * FROM unnest(
    $1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
    $18::date[], $19::timestamptz[], $20::date[]
)
ON CONFLICT (nik_index) DO NOTHING
RETURNING vendor_id
"""


async def add_vendors(conn: Connection, vendors: Sequence[tuple[bytes, bytes, Vendor]]) -> set[UUID]:
    """Insert vendors given as (blind index, sealed NIK, vendor); returns the ids of those that came in.

    One whose NIK somebody else registered first is left out. Sorted by index, so that two batches that share NIKs wait
    for each other in one order and never deadlock.
    """
    ordered = sorted(vendors, key=lambda row: row[0])
    people = [vendor for _, _, vendor in ordered]
    rows = await conn.fetch(
        ADD_VENDORS,
        [vendor.vendor_id for vendor in people],
        [vendor.version for vendor in people],
        [vendor.card_version for vendor in people],
        [index for index, _, _ in ordered],
        [sealed for _, sealed, _ in ordered],
        [vendor.name for vendor in people],
        [vendor.phone for vendor in people],
        [vendor.email for vendor in people],
        [vendor.street for vendor in people],
        [vendor.kelurahan for vendor in people],
        [vendor.rw for vendor in people],
        [vendor.rt for vendor in people],
        [vendor.kind for vendor in people],
        [vendor.category for vendor in people],
        [vendor.agency for vendor in people],
        [vendor.language for vendor in people],
        [vendor.origin for vendor in people],
        [vendor.registered_on for vendor in people],
        [vendor.registered_at for vendor in people],
        [vendor.born_on for vendor in people],
    )
    return {row["vendor_id"] for row in rows}


FIND_VENDOR = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor WHERE vendor_id = $1
"""

LOCK_VENDOR = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor WHERE vendor_id = $1 FOR UPDATE
"""

# The area is a range of codes: "31.71" holds everything from "31.71." up to, not with, "31.71/" ("/" follows ".").
FIND_VENDORS = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor
WHERE erased_at IS NULL AND merged_into IS NULL
  AND ($1::text IS NULL OR kelurahan = $1 OR (kelurahan > $1 || '.' AND kelurahan < $1 || '/'))
  AND ($2::text IS NULL OR category = $2)
  AND ($3::text IS NULL OR agency = $3)
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::uuid IS NULL OR vendor_id > $5)
ORDER BY vendor_id
LIMIT $6
"""


def _kept(row: asyncpg.Record) -> Kept:
    values = dict(row)
    sealed = values.pop("nik_sealed")
    return Kept(Vendor(**values), sealed)


async def find_vendor(conn: Connection, vendor_id: UUID) -> Kept | None:
    """One vendor."""
    row = await conn.fetchrow(FIND_VENDOR, vendor_id)
    return None if row is None else _kept(row)


async def lock_vendor(conn: Connection, vendor_id: UUID) -> Vendor | None:
    """One vendor, whose row stays locked until the transaction ends."""
    row = await conn.fetchrow(LOCK_VENDOR, vendor_id)
    return None if row is None else _kept(row).vendor


async def find_vendors(conn: Connection, wanted: VendorFilter, after: UUID | None, limit: int) -> list[Kept]:
    """Vendors in the order of their ids (which is the order of registration), those after `after`, at most `limit`."""
    rows = await conn.fetch(FIND_VENDORS, wanted.area, wanted.category, wanted.agency, wanted.kind, after, limit)
    return [_kept(row) for row in rows]


SAVE_VENDOR = """
UPDATE vendor
SET version = $2, card_version = $3, name = $4, phone = $5, email = $6, street = $7, kelurahan = $8, rw = $9, rt = $10,
    kind = $11, category = $12, agency = $13, language = $14, born_on = $15, merged_into = $16,
    suspended_because = $17, erased_at = $18
WHERE vendor_id = $1
"""


async def save_vendor(conn: Connection, vendor: Vendor) -> None:
    """Write what may change about a vendor, but its NIK; the row is locked."""
    await conn.execute(
        SAVE_VENDOR,
        vendor.vendor_id,
        vendor.version,
        vendor.card_version,
        vendor.name,
        vendor.phone,
        vendor.email,
        vendor.street,
        vendor.kelurahan,
        vendor.rw,
        vendor.rt,
        vendor.kind,
        vendor.category,
        vendor.agency,
        vendor.language,
        vendor.born_on,
        vendor.merged_into,
        vendor.suspended_because,
        vendor.erased_at,
    )


# Digests are taken in one statement, hence over one snapshot. concat_ws would leave out NULL, hence coalesce.
DIGEST_VENDORS = """
SELECT count(*) AS count,
       encode(sha256(convert_to(coalesce(string_agg(line, '' ORDER BY line), ''), 'UTF8')), 'hex') AS sha256
FROM (
    SELECT (vendor_id::text || '|' || kelurahan || '|' || rw || '|' || coalesce(category, '') || '|'
            || coalesce(agency, '') || E'\n') COLLATE "C" AS line
    FROM vendor WHERE erased_at IS NULL
) AS lines
"""

DIGEST_CONTACTS = """
SELECT count(*) AS count,
       encode(sha256(convert_to(coalesce(string_agg(line, '' ORDER BY line), ''), 'UTF8')), 'hex') AS sha256
FROM (
    SELECT (vendor_id::text || '|' || name || '|' || phone || '|' || coalesce(email, '') || '|' || language || E'\n')
           COLLATE "C" AS line
    FROM vendor WHERE erased_at IS NULL
) AS lines
"""


async def digest_vendors(conn: Connection) -> Digest:
    """Over `vendor_id|kelurahan|rw|category|agency`: what bazaar and training keep a copy of."""
    row = await conn.fetchrow(DIGEST_VENDORS)
    assert row is not None
    return Digest(row["count"], row["sha256"])


async def digest_contacts(conn: Connection) -> Digest:
    """Over `vendor_id|name|phone|email|language`: what notify keeps a copy of."""
    row = await conn.fetchrow(DIGEST_CONTACTS)
    assert row is not None
    return Digest(row["count"], row["sha256"])

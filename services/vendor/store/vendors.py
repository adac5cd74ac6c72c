"""Vendors: who is registered, found by NIK, id and area."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.registration import Codes, Vendor
from services.vendor.domain.searching import VendorState, beginnings, candidates, misspellings
from shared.copying import RowFormat, copy_rows
from shared.db import Connection

__all__ = [
    "PLAN_FOR_THESE_VALUES",
    "Digest",
    "Holder",
    "Kept",
    "NewVendor",
    "Place",
    "VendorFilter",
    "add_vendors",
    "copy_vendors",
    "count_vendors",
    "digest_contacts",
    "digest_vendors",
    "encode_vendor",
    "find_codes",
    "find_holders",
    "find_last_place",
    "find_similar_vendors",
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


class Place(NamedTuple):
    """Where a vendor stands in the order of registration."""

    registered_on: date
    vendor_id: UUID


class VendorFilter(NamedTuple):
    """Which vendors to find; what is None or empty does not filter. `area` is the code of any area that holds them.

    Retired registrations are found when they are asked for by `state`, or by the NIK they hold; erased ones never.
    """

    area: str | None = None
    category: str | None = None
    agency: str | None = None
    kind: str | None = None
    origin: str | None = None
    state: VendorState | None = None
    registered_from: date | None = None
    registered_until: date | None = None
    phone: str | None = None
    nik_index: bytes | None = None
    words: tuple[str, ...] = ()
    """Of a name, folded; each begins a word of the name, in any order."""


class NewVendor(NamedTuple):
    """The columns of a vendor that comes in."""

    vendor_id: UUID
    version: int
    card_version: int
    nik_index: bytes
    nik_sealed: bytes
    name: str
    phone: str
    email: str | None
    street: str
    kelurahan: str
    rw: str
    rt: str
    kind: str
    category: str | None
    agency: str | None
    language: str
    origin: str
    registered_on: date
    registered_at: datetime
    born_on: date | None

    @classmethod
    def of(cls, vendor: Vendor, nik_index: bytes, nik_sealed: bytes) -> "NewVendor":
        """Of a vendor, with what its NIK is kept as."""
        niks = {"nik_index": nik_index, "nik_sealed": nik_sealed}
        return cls._make([niks[name] if name in niks else getattr(vendor, name) for name in cls._fields])


VENDOR_FORMAT = RowFormat(
    vendor_id="uuid",
    version="bigint",
    card_version="bigint",
    nik_index="bytea",
    nik_sealed="bytea",
    name="text",
    phone="text",
    email="text",
    street="text",
    kelurahan="text",
    rw="text",
    rt="text",
    kind="text",
    category="text",
    agency="text",
    language="text",
    origin="text",
    registered_on="date",
    registered_at="timestamptz",
    born_on="date",
)
_nik_index = attrgetter("nik_index")


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


FIND_LEADS = """
WITH RECURSIVE up AS (
    SELECT vendor_id AS retired, vendor_id, kelurahan, merged_into FROM vendor WHERE vendor_id = ANY($1::uuid[])
    UNION ALL
    SELECT u.retired, v.vendor_id, v.kelurahan, v.merged_into
    FROM up AS u JOIN vendor AS v ON v.vendor_id = u.merged_into
)
SELECT retired, vendor_id, kelurahan FROM up WHERE merged_into IS NULL
"""


async def find_holders(conn: Connection, nik_indexes: Sequence[bytes]) -> dict[bytes, Holder]:
    """Who holds these NIKs, by blind index; those nobody holds are left out.

    The NIK of a retired registration leads to the one that stands for the person.
    """
    rows = await conn.fetch(
        "SELECT nik_index, vendor_id, kelurahan, merged_into FROM vendor WHERE nik_index = ANY($1::bytea[])",
        nik_indexes,
    )
    holders = {row["nik_index"]: Holder(row["vendor_id"], row["kelurahan"]) for row in rows}
    retired = [row["vendor_id"] for row in rows if row["merged_into"] is not None]
    if retired:
        found = await conn.fetch(FIND_LEADS, retired)
        leads = {row["retired"]: Holder(row["vendor_id"], row["kelurahan"]) for row in found}
        return {index: leads.get(holder.vendor_id, holder) for index, holder in holders.items()}
    return holders


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


async def add_vendors(conn: Connection, rows: Sequence[NewVendor]) -> set[UUID]:
    """Insert vendors; returns the ids of those that came in.

    One whose NIK somebody else registered first is left out. Sorted by index, so that two batches that share NIKs wait
    for each other in one order and never deadlock.
    """
    ordered = sorted(rows, key=_nik_index)
    added = await conn.fetch(ADD_VENDORS, *map(list, zip(*ordered, strict=True)))
    return {row["vendor_id"] for row in added}


BESIDE = "CREATE TEMP TABLE entrant (LIKE vendor INCLUDING DEFAULTS) ON COMMIT DROP"
ADD_FROM_BESIDE = """
INSERT INTO vendor (
    vendor_id, version, card_version, nik_index, nik_sealed, name, phone, email, street, kelurahan, rw, rt,
    kind, category, agency, language, origin, registered_on, registered_at, born_on
)
SELECT vendor_id, version, card_version, nik_index, nik_sealed, name, phone, email, street, kelurahan, rw, rt,
       kind, category, agency, language, origin, registered_on, registered_at, born_on
FROM entrant ORDER BY nik_index
ON CONFLICT (nik_index) DO NOTHING
RETURNING vendor_id
"""


def encode_vendor(vendor: NewVendor) -> bytes:
    """A vendor as `copy_vendors` takes it."""
    return VENDOR_FORMAT.encode(vendor)


async def copy_vendors(conn: Connection, rows: Sequence[bytes]) -> set[bytes] | None:
    """Insert encoded vendors, sorted by NIK index: what `add_vendors` does at a third of its cost. None: all came in.

    COPY takes all or none. When somebody else registers one of these NIKs meanwhile, it is undone; the rows are then
    laid beside the table and inserted from there, and the answer is the ids (16 bytes each) of those that came in.
    """
    try:
        async with conn.transaction():
            await copy_rows(conn, "vendor", VENDOR_FORMAT, rows)
    except asyncpg.UniqueViolationError:
        await conn.execute(BESIDE)
        await copy_rows(conn, "entrant", VENDOR_FORMAT, rows)
        return {row["vendor_id"].bytes for row in await conn.fetch(ADD_FROM_BESIDE)}
    return None


FIND_VENDOR = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor WHERE vendor_id = $1
"""

# With whatever was merged into it, in the order of ids: a change of how it is reached changes them too.
LOCK_VENDOR = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor
WHERE vendor_id = ANY (ARRAY(
    WITH RECURSIVE below AS (
        SELECT $1::uuid AS vendor_id
        UNION
        SELECT v.vendor_id FROM below AS b JOIN vendor AS v ON v.merged_into = b.vendor_id
    )
    SELECT vendor_id FROM below
))
ORDER BY vendor_id FOR UPDATE
"""

# What every search filters by, in three statements. The area is one range of codes: from "31.71" itself over all that
# begin with "31.71." up to, not with, "31.71/" ("/" follows "." and comes before digits). A filter that is not given is
# folded away in the planning.
_FITS = """
    erased_at IS NULL
    AND ($1::text IS NULL OR (kelurahan >= $1 AND kelurahan < $1 || '/'))
    AND ($2::text IS NULL OR category = $2)
    AND ($3::text IS NULL OR agency = $3)
    AND ($4::text IS NULL OR kind = $4)
    AND ($5::text IS NULL OR origin = $5)
    AND (merged_into IS NULL OR $6::text = 'merged' OR ($6 IS NULL AND $10::bytea IS NOT NULL))
    AND ($6 IS DISTINCT FROM 'merged' OR merged_into IS NOT NULL)
    AND ($6 IS DISTINCT FROM 'suspended' OR suspended_because IS NOT NULL)
    AND ($6 IS DISTINCT FROM 'active' OR suspended_because IS NULL)
    AND ($7::date IS NULL OR registered_on >= $7)
    AND ($8::date IS NULL OR registered_on <= $8)
    AND ($9::text IS NULL OR phone = $9)
    AND ($10 IS NULL OR nik_index = $10)
"""

_BEGINS = """
    AND (($11::text[])[1] IS NULL OR name_folded LIKE ($11::text[])[1])
    AND (($11::text[])[2] IS NULL OR name_folded LIKE ($11::text[])[2])
    AND (($11::text[])[3] IS NULL OR name_folded LIKE ($11::text[])[3])
    AND (($11::text[])[4] IS NULL OR name_folded LIKE ($11::text[])[4])
    AND (($11::text[])[5] IS NULL OR name_folded LIKE ($11::text[])[5])
    AND (($11::text[])[6] IS NULL OR name_folded LIKE ($11::text[])[6])
"""

# The index finds candidates; the expressions that tell are kept from it (`|| ''`), for it would take long to read them.
_RESEMBLES = """
    AND (($11::text[])[1] IS NULL OR name_folded ~ ($11::text[])[1])
    AND (($11::text[])[2] IS NULL OR name_folded ~ ($11::text[])[2])
    AND (($11::text[])[3] IS NULL OR name_folded ~ ($11::text[])[3])
    AND (($11::text[])[4] IS NULL OR name_folded ~ ($11::text[])[4])
    AND (($11::text[])[5] IS NULL OR name_folded ~ ($11::text[])[5])
    AND (($11::text[])[6] IS NULL OR name_folded ~ ($11::text[])[6])
    AND (($12::text[])[1] IS NULL OR name_folded || '' ~ ($12::text[])[1])
    AND (($12::text[])[2] IS NULL OR name_folded || '' ~ ($12::text[])[2])
    AND (($12::text[])[3] IS NULL OR name_folded || '' ~ ($12::text[])[3])
    AND (($12::text[])[4] IS NULL OR name_folded || '' ~ ($12::text[])[4])
    AND (($12::text[])[5] IS NULL OR name_folded || '' ~ ($12::text[])[5])
    AND (($12::text[])[6] IS NULL OR name_folded || '' ~ ($12::text[])[6])
"""

# Ids first: the index of areas alone tells which vendors fit, and only the rows of one page are fetched. "From this
# place on, but not this one": of "behind it" the planner would believe that it leaves out the whole day, and where a
# sheet brought everybody on one day it would walk through them all, expecting nobody.
FIND_IDS = " ".join(
    (
        "SELECT vendor_id FROM vendor WHERE",
        _FITS,
        _BEGINS,
        "AND ($12::date IS NULL OR ((registered_on, vendor_id) >= ($12, $13::uuid) AND vendor_id <> $13))",
        "AND ($14::date IS NULL OR (registered_on, vendor_id) <= ($14, $15::uuid))",
        "ORDER BY registered_on, vendor_id LIMIT $16",
    )
)

FIND_SIMILAR_IDS = " ".join(("SELECT vendor_id FROM vendor WHERE", _FITS, _RESEMBLES, "LIMIT $13"))

COUNT_VENDORS = " ".join(("SELECT count(*) FROM vendor WHERE", _FITS, _BEGINS))

FIND_LAST = """
SELECT registered_on, vendor_id FROM vendor ORDER BY registered_on DESC, vendor_id DESC LIMIT 1
"""

GET_VENDORS = """
SELECT vendor_id, version, card_version, nik_sealed, name, phone, email, street, kelurahan, rw, rt, kind, category,
       agency, language, origin, registered_on, registered_at, born_on, merged_into, suspended_because, erased_at
FROM vendor WHERE vendor_id = ANY($1::uuid[]) ORDER BY registered_on, vendor_id
"""

# A plan made for any filter would be a walk through everybody. To start other processes takes longer than a search.
PLAN_FOR_THESE_VALUES = """
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL max_parallel_workers_per_gather = 0
"""

# How many names are one slip away from a word is beyond the planner's statistics: it would walk, hoping for many. The
# trigrams of the words find the candidates whichever it is, and the limit ends the reading of rows where they are many.
PLAN_BY_TRIGRAMS = """
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off
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
    """One vendor, whose row stays locked until the transaction ends, and with it all that were merged into it."""
    rows = await conn.fetch(LOCK_VENDOR, vendor_id)
    return next((_kept(row).vendor for row in rows if row["vendor_id"] == vendor_id), None)


async def find_vendors(
    conn: Connection, wanted: VendorFilter, after: Place | None, limit: int, *, last: Place | None = None
) -> list[Kept]:
    """Vendors in the order of their registration: those after `after`, at most `limit`; none after `last`, if given."""
    bounds = (*(after or (None, None)), *(last or (None, None)))
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        found = await conn.fetch(FIND_IDS, *wanted[:-1], beginnings(wanted.words), *bounds, limit)
        return await _get_vendors(conn, found)


async def find_similar_vendors(conn: Connection, wanted: VendorFilter, limit: int) -> list[Kept]:
    """Vendors that fit but for a slip in each word of the name: any that do, at most `limit`."""
    async with conn.transaction():
        await conn.execute(PLAN_BY_TRIGRAMS)
        expressions = candidates(wanted.words), misspellings(wanted.words)
        found = await conn.fetch(FIND_SIMILAR_IDS, *wanted[:-1], *expressions, limit)
    return await _get_vendors(conn, found)


async def _get_vendors(conn: Connection, found: Sequence[asyncpg.Record]) -> list[Kept]:
    rows = await conn.fetch(GET_VENDORS, [row["vendor_id"] for row in found]) if found else []
    return [_kept(row) for row in rows]


async def count_vendors(conn: Connection, wanted: VendorFilter) -> int:
    """How many vendors fit."""
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        count: int = await conn.fetchval(COUNT_VENDORS, *wanted[:-1], beginnings(wanted.words))
        return count


async def find_last_place(conn: Connection) -> Place | None:
    """Where the last vendor stands in the order of registration; None when there is nobody."""
    row = await conn.fetchrow(FIND_LAST)
    return None if row is None else Place(row["registered_on"], row["vendor_id"])


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

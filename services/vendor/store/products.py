"""Products, their photos and their curation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.products import Criterion, Curation, Entry, Product
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection
from shared.files.rows import release_files

__all__ = [
    "Offered",
    "Photo",
    "add_criteria",
    "add_curation",
    "add_photo",
    "add_product",
    "collect_products",
    "count_photos",
    "count_products",
    "erase_products",
    "find_criteria",
    "find_curations",
    "find_offered",
    "find_offers",
    "find_photos",
    "find_product",
    "find_products",
    "remove_photo",
    "save_product",
]


class Photo(NamedTuple):
    """A photo of a product; the bytes are the file's."""

    photo_id: UUID
    file_id: UUID


class Offered(NamedTuple):
    """A product as the public catalogue shows it, with the kelurahan it comes from."""

    product: Product
    kelurahan: str


async def add_product(conn: Connection, product: Product) -> None:
    """Insert a product."""
    await conn.execute(
        "INSERT INTO product (product_id, vendor_id, state, name, description, category, price_min_rupiah, "
        "price_max_rupiah, unit, capacity_per_month, drafted_at, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        product.product_id,
        product.vendor_id,
        product.state,
        *product.entry,
        product.drafted_at,
        product.changed_at,
    )


async def save_product(conn: Connection, product: Product) -> None:
    """Write what may change about a product; its vendor's row is locked."""
    await conn.execute(
        "UPDATE product SET state = $2, name = $3, description = $4, category = $5, price_min_rupiah = $6, "
        "price_max_rupiah = $7, unit = $8, capacity_per_month = $9, changed_at = $10, score = $11, "
        "criteria_version = $12 WHERE product_id = $1",
        product.product_id,
        product.state,
        *product.entry,
        product.changed_at,
        product.score,
        product.criteria_version,
    )


async def count_products(conn: Connection, vendor_id: UUID) -> int:
    """How many products a vendor has, in whatever state."""
    return int(await conn.fetchval("SELECT count(*) FROM product WHERE vendor_id = $1", vendor_id))


FIND_PRODUCT = """
SELECT product_id, vendor_id, state, name, description, category, price_min_rupiah, price_max_rupiah, unit,
       capacity_per_month, drafted_at, changed_at, score, criteria_version
FROM product WHERE product_id = $1
"""

FIND_PRODUCTS = """
SELECT product_id, vendor_id, state, name, description, category, price_min_rupiah, price_max_rupiah, unit,
       capacity_per_month, drafted_at, changed_at, score, criteria_version
FROM product WHERE vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR product_id > $2)
ORDER BY product_id LIMIT $3
"""

# What a suspended vendor has listed is not shown to the public meanwhile; nor is what belongs to a registration that
# was merged into one that is suspended. The area is a range of codes, as in `vendors.FIND_IDS`.
FIND_OFFERS = """
SELECT p.product_id, p.vendor_id, p.state, p.name, p.description, p.category, p.price_min_rupiah, p.price_max_rupiah,
       p.unit, p.capacity_per_month, p.drafted_at, p.changed_at, p.score, p.criteria_version, v.kelurahan
FROM product AS p JOIN vendor AS v ON v.vendor_id = p.vendor_id
WHERE p.state = 'listed' AND v.suspended_because IS NULL AND v.erased_at IS NULL
  AND NOT EXISTS (SELECT FROM vendor AS s WHERE s.vendor_id = v.merged_into AND s.suspended_because IS NOT NULL)
  AND ($1::text IS NULL OR v.kelurahan = $1 OR (v.kelurahan > $1 || '.' AND v.kelurahan < $1 || '/'))
  AND ($2::text IS NULL OR p.category = $2)
  AND ($3::uuid IS NULL OR p.product_id > $3)
ORDER BY p.product_id LIMIT $4
"""

FIND_OFFERED = """
SELECT p.product_id, p.vendor_id, p.state, p.name, p.description, p.category, p.price_min_rupiah, p.price_max_rupiah,
       p.unit, p.capacity_per_month, p.drafted_at, p.changed_at, p.score, p.criteria_version, v.kelurahan
FROM product AS p JOIN vendor AS v ON v.vendor_id = p.vendor_id
WHERE p.product_id = $1 AND p.state = 'listed' AND v.suspended_because IS NULL AND v.erased_at IS NULL
  AND NOT EXISTS (SELECT FROM vendor AS s WHERE s.vendor_id = v.merged_into AND s.suspended_because IS NOT NULL)
"""


def _product(row: asyncpg.Record) -> Product:
    return Product(
        product_id=row["product_id"],
        vendor_id=row["vendor_id"],
        state=row["state"],
        entry=Entry(*(row[name] for name in Entry._fields)),
        drafted_at=row["drafted_at"],
        changed_at=row["changed_at"],
        score=row["score"],
        criteria_version=row["criteria_version"],
    )


async def find_product(conn: Connection, product_id: UUID) -> Product | None:
    """One product, in whatever state."""
    row = await conn.fetchrow(FIND_PRODUCT, product_id)
    return None if row is None else _product(row)


async def find_products(conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int) -> list[Product]:
    """Products of a person's registrations in the order they were drafted, those after `after`, at most `limit`."""
    return [_product(row) for row in await conn.fetch(FIND_PRODUCTS, vendor_ids, after, limit)]


async def find_offers(
    conn: Connection, area: str | None, category: str | None, after: UUID | None, limit: int
) -> list[Offered]:
    """Listed products of an area and a category in the order they were drafted; None does not filter."""
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        rows = await conn.fetch(FIND_OFFERS, area, category, after, limit)
    return [Offered(_product(row), row["kelurahan"]) for row in rows]


async def find_offered(conn: Connection, product_id: UUID) -> Offered | None:
    """One product, if the public may see it."""
    row = await conn.fetchrow(FIND_OFFERED, product_id)
    return None if row is None else Offered(_product(row), row["kelurahan"])


# ---- photos


async def add_photo(conn: Connection, product_id: UUID, photo: Photo, now: datetime) -> None:
    """Add a photo to a product whose vendor's row is locked; the file is kept."""
    await conn.execute(
        "INSERT INTO product_photo (photo_id, product_id, file_id, added_at) VALUES ($1, $2, $3, $4)",
        photo.photo_id,
        product_id,
        photo.file_id,
        now,
    )


async def count_photos(conn: Connection, product_id: UUID) -> int:
    """How many photos a product has."""
    return int(await conn.fetchval("SELECT count(*) FROM product_photo WHERE product_id = $1", product_id))


async def find_photos(conn: Connection, product_ids: Sequence[UUID]) -> dict[UUID, list[Photo]]:
    """The photos of products in the order they were added; a product without any is left out."""
    rows = await conn.fetch(
        "SELECT product_id, photo_id, file_id FROM product_photo WHERE product_id = ANY($1::uuid[]) ORDER BY photo_id",
        product_ids,
    )
    found: dict[UUID, list[Photo]] = {}
    for row in rows:
        found.setdefault(row["product_id"], []).append(Photo(row["photo_id"], row["file_id"]))
    return found


async def remove_photo(conn: Connection, product_id: UUID, photo_id: UUID) -> bool:
    """Take a photo off a product and have its file removed. False: the product has no such photo."""
    file_id = await conn.fetchval(
        "DELETE FROM product_photo WHERE product_id = $1 AND photo_id = $2 RETURNING file_id", product_id, photo_id
    )
    if file_id is None:
        return False
    await release_files(conn, [file_id])
    return True


# ---- curation


async def find_criteria(conn: Connection, version: int | None = None) -> tuple[int, list[Criterion]]:
    """The criteria of a version that exists, or those that hold now, and their version."""
    row = await conn.fetchrow(
        "SELECT version, criteria FROM curation_criteria WHERE $1::int IS NULL OR version = $1 "
        "ORDER BY version DESC LIMIT 1",
        version,
    )
    assert row is not None, "the first version comes with the migration, and none is ever removed"
    return row["version"], [Criterion(**criterion) for criterion in row["criteria"]]


async def add_criteria(
    conn: Connection, version: int, criteria: Sequence[Criterion], made_by: str, now: datetime
) -> bool:
    """Add the version that follows the last one. False: it does not follow, or somebody else added it."""
    added = await conn.fetchval(
        "INSERT INTO curation_criteria (version, criteria, made_by, made_at) SELECT $1, $2, $3, $4 "
        "WHERE $1 = (SELECT max(version) + 1 FROM curation_criteria) ON CONFLICT DO NOTHING RETURNING true",
        version,
        [criterion._asdict() for criterion in criteria],
        made_by,
        now,
    )
    return bool(added)


async def add_curation(conn: Connection, curation: Curation) -> None:
    """Note a curator's scores."""
    await conn.execute(
        "INSERT INTO curation (curation_id, product_id, criteria_version, scores, total, curated_by, curated_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        curation.curation_id,
        curation.product_id,
        curation.criteria_version,
        curation.scores,
        curation.total,
        curation.curated_by,
        curation.curated_at,
    )


async def find_curations(
    conn: Connection, product_id: UUID, before: UUID | None, limit: int
) -> list[tuple[Curation, list[Criterion]]]:
    """How a product was scored, each time with the criteria of then; the latest first, those older than `before`."""
    rows = await conn.fetch(
        "SELECT c.curation_id, c.product_id, c.criteria_version, c.scores, c.total, c.curated_by, c.curated_at, "
        "k.criteria FROM curation AS c JOIN curation_criteria AS k ON k.version = c.criteria_version "
        "WHERE c.product_id = $1 AND ($2::uuid IS NULL OR c.curation_id < $2) ORDER BY c.curation_id DESC LIMIT $3",
        product_id,
        before,
        limit,
    )
    found = []
    for row in rows:
        values = dict(row)
        criteria = [Criterion(**criterion) for criterion in values.pop("criteria")]
        found.append((Curation(**values), criteria))
    return found


# ---- everything of a person


COLLECT_PRODUCTS = """
SELECT p.product_id::text, p.vendor_id::text, p.state, p.name, p.description, p.category, p.price_min_rupiah,
       p.price_max_rupiah, p.unit, p.capacity_per_month, p.drafted_at, p.changed_at,
       ARRAY(SELECT f.file_id::text FROM product_photo AS f WHERE f.product_id = p.product_id ORDER BY f.photo_id)
           AS photo_files,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('criteria_version', c.criteria_version, 'scores', c.scores,
                   'total', c.total, 'curated_at', c.curated_at) ORDER BY c.curation_id), '[]')
        FROM curation AS c WHERE c.product_id = p.product_id) AS curations
FROM product AS p WHERE p.vendor_id = ANY($1::uuid[]) ORDER BY p.product_id
"""


async def collect_products(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about the products of these registrations, JSON-ready; photos by the ids of their files."""
    products = []
    for row in await conn.fetch(COLLECT_PRODUCTS, vendor_ids):
        values = dict(row)
        for name in ("drafted_at", "changed_at"):
            values[name] = values[name].isoformat()
        products.append(values)
    return {"products": products}


async def erase_products(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the products of these registrations with their curation, and have their photos removed."""
    photos = await conn.fetch(
        "DELETE FROM product_photo USING product WHERE product.product_id = product_photo.product_id "
        "AND product.vendor_id = ANY($1::uuid[]) RETURNING product_photo.file_id",
        vendor_ids,
    )
    await release_files(conn, [row["file_id"] for row in photos])
    curations = await conn.fetch(
        "DELETE FROM curation USING product WHERE product.product_id = curation.product_id "
        "AND product.vendor_id = ANY($1::uuid[]) RETURNING 1",
        vendor_ids,
    )
    products = await conn.fetch("DELETE FROM product WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids)
    return {"products": len(products), "product_photos": len(photos), "curations": len(curations)}

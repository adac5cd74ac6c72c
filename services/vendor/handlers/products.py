"""Products: drafted, changed, listed, withdrawn, shown in photos, curated."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor.domain import products as domain
from services.vendor.domain.products import (
    CriteriaOutdated,
    CriteriaTaken,
    Criterion,
    Curation,
    Entry,
    PhotoUnknown,
    Product,
    ProductUnknown,
)
from services.vendor.domain.registration import Vendor, VendorUnknown, choose_category
from services.vendor.handlers.reach import Reach
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import products as store
from services.vendor.store import vendors as vendors_store
from services.vendor.store.merging import find_family
from services.vendor.store.products import Photo
from shared.db import Connection
from shared.events.vendor import VendorEvent
from shared.files import storage as files
from shared.ids import new_id

__all__ = [
    "Drafted",
    "add_photo",
    "curate",
    "draft_product",
    "list_product",
    "make_criteria",
    "remove_photo",
    "revise_product",
    "withdraw_product",
]


class Drafted(NamedTuple):
    """A new product; `category_offered` is what the vendor, who has no category yet, may choose for itself."""

    product: Product
    category_offered: str | None


async def draft_product(
    conn: Connection, vendor_id: UUID, entry: Entry, *, adopt_category: bool, now: datetime, within: str | None = None
) -> Drafted:
    """A new product of a vendor. With `adopt_category` a vendor without a category takes that of the product (A1).

    Raises as `lock_vendor` does, `ProductLimit` or `CategoryUnknown`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    codes = await vendors_store.find_codes(conn)
    number = await store.count_products(conn, vendor_id)
    product = domain.draft(vendor, new_id(), entry, codes.categories, number, now)
    await store.add_product(conn, product)
    if vendor.category is not None:
        return Drafted(product, None)
    if not adopt_category:
        return Drafted(product, entry.category)
    changed, events = choose_category(vendor, entry.category, codes)
    await save_vendor(conn, vendor, changed, events, now=now)
    return Drafted(product, None)


async def revise_product(conn: Connection, product_id: UUID, entry: Entry, *, reach: Reach, now: datetime) -> Product:
    """Change what the catalogue says of a product. Raises `ProductUnknown` or `CategoryUnknown`."""
    vendor, product = await _lock_product(conn, product_id, reach)
    codes = await vendors_store.find_codes(conn)
    changed, events = domain.revise(product, entry, codes.categories, now)
    return await _save(conn, vendor, changed, events, now)


async def list_product(conn: Connection, product_id: UUID, *, reach: Reach, now: datetime) -> Product:
    """Show a product to the public. Raises `ProductUnknown`, or `VendorSuspendedNow` when the person is suspended."""
    vendor, product = await _lock_product(conn, product_id, reach)
    person = vendor
    if vendor.merged_into is not None:
        survivor = await vendors_store.find_vendor(conn, (await find_family(conn, vendor.vendor_id))[0])
        assert survivor is not None, "a registration is merged into one that stays"
        person = survivor.vendor
    changed, events = domain.enlist(person, product, now)
    return await _save(conn, vendor, changed, events, now)


async def withdraw_product(conn: Connection, product_id: UUID, *, reach: Reach, now: datetime) -> Product:
    """Take a product out of the catalogue. Raises `ProductUnknown` or `ProductNotListed`."""
    vendor, product = await _lock_product(conn, product_id, reach)
    changed, events = domain.withdraw(product, now)
    return await _save(conn, vendor, changed, events, now)


async def add_photo(conn: Connection, product_id: UUID, file_id: UUID, *, reach: Reach, now: datetime) -> UUID:
    """Show a product in one more photo, whose file was written. Raises `ProductUnknown` or `PhotoLimit`."""
    _, product = await _lock_product(conn, product_id, reach)
    domain.admit_photo(await store.count_photos(conn, product_id))
    await files.keep(conn, file_id)
    photo = Photo(new_id(), file_id)
    await store.add_photo(conn, product.product_id, photo, now)
    return photo.photo_id


async def remove_photo(conn: Connection, product_id: UUID, photo_id: UUID, *, reach: Reach) -> None:
    """Take a photo off a product. Raises `ProductUnknown` or `PhotoUnknown`."""
    await _lock_product(conn, product_id, reach)
    if not await store.remove_photo(conn, product_id, photo_id):
        raise PhotoUnknown(photo_id)


async def curate(
    conn: Connection,
    product_id: UUID,
    version: int,
    scores: Mapping[str, int],
    *,
    within: str,
    curator: str,
    now: datetime,
) -> Curation:
    """Score a product by the criteria that hold now.

    Raises `ProductUnknown`, `CriteriaOutdated` when `version` holds no longer, `ScoresInvalid` or
    `ProductWithdrawnAlready`.
    """
    vendor, product = await _lock_product(conn, product_id, Reach(within=within))
    current, criteria = await store.find_criteria(conn)
    if version != current:
        raise CriteriaOutdated(version, current)
    changed, curation, events = domain.curate(product, new_id(), version, criteria, scores, curator, now)
    await store.add_curation(conn, curation)
    await _save(conn, vendor, changed, events, now)
    return curation


async def make_criteria(
    conn: Connection, version: int, criteria: Sequence[Criterion], *, made_by: str, now: datetime
) -> None:
    """Publish the next version of the criteria. Raises `CriteriaInvalid`, or `CriteriaTaken` (not the next)."""
    domain.check_criteria(criteria)
    if not await store.add_criteria(conn, version, criteria, made_by, now):
        raise CriteriaTaken(version)


async def _lock_product(conn: Connection, product_id: UUID, reach: Reach) -> tuple[Vendor, Product]:
    """A product and its vendor, whose row is locked: that orders whatever happens to the products of a vendor.

    A retired registration keeps its products, and the person they belong to goes on changing them.
    """
    product = await store.find_product(conn, product_id)
    if product is None:
        raise ProductUnknown(product_id)
    if reach.own is not None and product.vendor_id not in await find_family(conn, reach.own):
        raise ProductUnknown(product_id)
    try:
        vendor = await lock_vendor(conn, product.vendor_id, reach.within, retired=True)
    except VendorUnknown:
        raise ProductUnknown(product_id) from None
    product = await store.find_product(conn, product_id)  # as it stands under the lock
    if product is None:
        raise ProductUnknown(product_id)
    return vendor, product


async def _save(
    conn: Connection, vendor: Vendor, product: Product, events: Sequence[VendorEvent], now: datetime
) -> Product:
    await store.save_product(conn, product)
    await save_vendor(conn, vendor, vendor, events, now=now)
    return product

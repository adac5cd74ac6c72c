"""Products of a vendor: drafted, listed in the public catalogue, withdrawn; and how a curator scores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from services.vendor.domain.registration import Vendor
from shared.errors import Conflict, NotFound, Refused
from shared.events.products import ProductCurated, ProductListed, ProductWithdrawn
from shared.events.vendor import VendorEvent

__all__ = [
    "CAPACITY_PER_MONTH_MAX",
    "PHOTOS_PER_PRODUCT_MAX",
    "PRICE_RUPIAH_MAX",
    "PRODUCTS_PER_VENDOR_MAX",
    "SCORE_MAX",
    "CategoryUnknown",
    "CriteriaInvalid",
    "CriteriaOutdated",
    "CriteriaTaken",
    "Criterion",
    "Curation",
    "Entry",
    "Mark",
    "PhotoLimit",
    "PhotoUnknown",
    "Product",
    "ProductLimit",
    "ProductNotListed",
    "ProductUnknown",
    "ProductWithdrawnAlready",
    "ScoresInvalid",
    "VendorSuspendedNow",
    "admit_photo",
    "check_criteria",
    "curate",
    "draft",
    "enlist",
    "explain",
    "revise",
    "withdraw",
]

PRODUCTS_PER_VENDOR_MAX = 100
PHOTOS_PER_PRODUCT_MAX = 5
PRICE_RUPIAH_MAX = 10**12
CAPACITY_PER_MONTH_MAX = 10**9
SCORE_MAX = 10
"""Of one criterion."""
ADVICE_BELOW = 8
"""A criterion with this score or more needs no advice."""

State = Literal["draft", "listed", "withdrawn"]


class Entry(NamedTuple):
    """What the catalogue says of a product. Prices are the lowest and the highest, in rupiah for one `unit`."""

    name: str
    description: str
    category: str
    price_min_rupiah: int
    price_max_rupiah: int
    unit: str
    capacity_per_month: int | None


@dataclass(frozen=True, slots=True)
class Product:
    """A product of a vendor; `score` and `criteria_version` are of its latest curation."""

    product_id: UUID
    vendor_id: UUID
    state: State
    entry: Entry
    drafted_at: datetime
    changed_at: datetime
    score: int | None = None
    criteria_version: int | None = None


class Criterion(NamedTuple):
    """What a product is scored by, and what to do where it is weak; weights of a version sum to 100."""

    code: str
    name_id: str
    name_en: str
    weight: int
    advice_id: str
    advice_en: str


@dataclass(frozen=True, slots=True)
class Curation:
    """A curator's scores, criterion -> 0..10, by the criteria of a version, and their total of 100."""

    curation_id: UUID
    product_id: UUID
    criteria_version: int
    scores: Mapping[str, int]
    total: int
    curated_by: str
    curated_at: datetime


class Mark(NamedTuple):
    """How one criterion counted: `points` of `weight`."""

    code: str
    name_id: str
    name_en: str
    weight: int
    score: int
    points: float


class ProductUnknown(NotFound):
    """No such product, or none the caller may know of."""

    code: ClassVar[str] = "product-unknown"

    def __init__(self, product_id: UUID) -> None:
        super().__init__("No product with this id is known to you.", product_id=str(product_id))


class PhotoUnknown(NotFound):
    """No such photo of this product."""

    code: ClassVar[str] = "photo-unknown"

    def __init__(self, photo_id: UUID) -> None:
        super().__init__("This product has no such photo.", photo_id=str(photo_id))


class CategoryUnknown(Refused):
    """A category the programme does not have."""

    code: ClassVar[str] = "category-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: frozenset[str]) -> None:
        names = sorted(known)
        super().__init__(f"The programme has no such category; known are {', '.join(names)}.", known=names)


class ProductLimit(Refused):
    """A vendor has as many products as it may."""

    code: ClassVar[str] = "product-limit"

    def __init__(self) -> None:
        super().__init__(
            f"A vendor keeps at most {PRODUCTS_PER_VENDOR_MAX} products; change one of them instead.",
            products_max=PRODUCTS_PER_VENDOR_MAX,
        )


class PhotoLimit(Refused):
    """A product has as many photos as it may."""

    code: ClassVar[str] = "photo-limit"

    def __init__(self) -> None:
        super().__init__(
            f"A product has at most {PHOTOS_PER_PRODUCT_MAX} photos; remove one first.",
            photos_max=PHOTOS_PER_PRODUCT_MAX,
        )


class VendorSuspendedNow(Refused):
    """A suspended vendor lists nothing new."""

    code: ClassVar[str] = "vendor-suspended"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The vendor is suspended and cannot list products; the officer of its area can end the suspension.",
            reason=reason,
        )


class ProductNotListed(Refused):
    """Only a product of the catalogue can leave it."""

    code: ClassVar[str] = "product-not-listed"

    def __init__(self, state: State) -> None:
        super().__init__("The product was withdrawn already; nothing was changed.", state=state)


class ProductWithdrawnAlready(Refused):
    """A withdrawn product is not scored."""

    code: ClassVar[str] = "product-withdrawn"

    def __init__(self) -> None:
        super().__init__("The product is withdrawn; list it again before it is curated.")


class CriteriaInvalid(Refused):
    """Criteria that cannot be used: codes twice, or weights that do not sum to 100."""

    code: ClassVar[str] = "criteria-invalid"
    status: ClassVar[int] = 422


class CriteriaTaken(Conflict):
    """Somebody else published a version first."""

    code: ClassVar[str] = "criteria-version-taken"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"{version} is not the version that follows the last one; read the criteria again and build on them.",
            version=version,
        )


class CriteriaOutdated(Conflict):
    """Scores by criteria that no longer hold."""

    code: ClassVar[str] = "criteria-outdated"

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(
            f"Version {current} of the criteria holds, not {asked}; score by that one.", asked=asked, current=current
        )


class ScoresInvalid(Refused):
    """Not one score for each criterion of the version."""

    code: ClassVar[str] = "scores-invalid"
    status: ClassVar[int] = 422

    def __init__(self, wanted: Sequence[str]) -> None:
        super().__init__(
            f"Each criterion of this version needs one score, and nothing else: {', '.join(wanted)}.",
            criteria=list(wanted),
        )


def draft(
    vendor: Vendor, product_id: UUID, entry: Entry, categories: frozenset[str], products: int, now: datetime
) -> Product:
    """A new product of a vendor who has `products` already. Raises `ProductLimit` or `CategoryUnknown`."""
    if products >= PRODUCTS_PER_VENDOR_MAX:
        raise ProductLimit
    _require_category(entry, categories)
    return Product(product_id, vendor.vendor_id, "draft", entry, now, now)


def revise(
    product: Product, entry: Entry, categories: frozenset[str], now: datetime
) -> tuple[Product, list[VendorEvent]]:
    """The product with another entry; told where it is listed, and where something changed. Raises `CategoryUnknown`"""
    _require_category(entry, categories)
    if entry == product.entry:
        return product, []
    changed = replace(product, entry=entry, changed_at=now)
    return changed, [_listed(changed)] if product.state == "listed" else []


def enlist(vendor: Vendor, product: Product, now: datetime) -> tuple[Product, list[VendorEvent]]:
    """The product in the public catalogue; no event when it is there already. Raises `VendorSuspendedNow`."""
    if product.state == "listed":
        return product, []
    if vendor.suspended_because is not None:
        raise VendorSuspendedNow(vendor.suspended_because)
    listed = replace(product, state="listed", changed_at=now)
    return listed, [_listed(listed)]


def withdraw(product: Product, now: datetime) -> tuple[Product, list[VendorEvent]]:
    """The product out of the catalogue; a draft was never in it, so nobody is told. Raises `ProductNotListed`."""
    if product.state == "withdrawn":
        raise ProductNotListed(product.state)
    gone = replace(product, state="withdrawn", changed_at=now)
    told = product.state == "listed"
    return gone, [ProductWithdrawn(vendor_id=gone.vendor_id, product_id=gone.product_id)] if told else []


def admit_photo(photos: int) -> None:
    """Let a product that has `photos` have one more. Raises `PhotoLimit`."""
    if photos >= PHOTOS_PER_PRODUCT_MAX:
        raise PhotoLimit


def check_criteria(criteria: Sequence[Criterion]) -> None:
    """Raises `CriteriaInvalid`, naming what is wrong."""
    codes = [criterion.code for criterion in criteria]
    if len(set(codes)) != len(codes):
        raise CriteriaInvalid("A criterion stands there twice; each code may be used once.")
    total = sum(criterion.weight for criterion in criteria)
    if total != 100:
        raise CriteriaInvalid(f"The weights sum to {total}; they must sum to 100.", weights=total)


def curate(
    product: Product,
    curation_id: UUID,
    version: int,
    criteria: Sequence[Criterion],
    scores: Mapping[str, int],
    curator: str,
    now: datetime,
) -> tuple[Product, Curation, list[VendorEvent]]:
    """The product with a curator's scores by the criteria of this version.

    The total is the weighted mean of the scores on a scale of 100, a half rounded up. Raises `ScoresInvalid` or
    `ProductWithdrawnAlready`.
    """
    if product.state == "withdrawn":
        raise ProductWithdrawnAlready
    wanted = [criterion.code for criterion in criteria]
    if set(scores) != set(wanted):
        raise ScoresInvalid(wanted)
    tenths = sum(criterion.weight * scores[criterion.code] for criterion in criteria)
    total = (tenths + SCORE_MAX // 2) // SCORE_MAX
    curation = Curation(curation_id, product.product_id, version, scores, total, curator, now)
    event = ProductCurated(
        vendor_id=product.vendor_id, product_id=product.product_id, score=total, criteria_version=version
    )
    return replace(product, score=total, criteria_version=version), curation, [event]


def explain(curation: Curation, criteria: Sequence[Criterion]) -> tuple[list[Mark], dict[str, str]]:
    """How each criterion counted, and the whole in plain sentences, {"id": ..., "en": ...}.

    Advice is on the criteria that cost the most points, the costliest first.
    """
    marks = [
        Mark(c.code, c.name_id, c.name_en, c.weight, curation.scores[c.code], c.weight * curation.scores[c.code] / 10)
        for c in criteria
    ]
    weak = sorted((c for c in criteria if curation.scores[c.code] < ADVICE_BELOW), key=lambda c: _lost(c, curation))
    indonesian = [f"Nilai produk ini {curation.total} dari 100 menurut kriteria versi {curation.criteria_version}."]
    english = [f"This product scores {curation.total} of 100 by version {curation.criteria_version} of the criteria."]
    for c in weak:
        score = curation.scores[c.code]
        indonesian.append(f"{c.name_id} ({score} dari 10): {c.advice_id}")
        english.append(f"{c.name_en} ({score} of 10): {c.advice_en}")
    if not weak:
        indonesian.append("Semua kriteria sudah baik. Pertahankan.")
        english.append("Every criterion is good. Keep it up.")
    return marks, {"id": " ".join(indonesian), "en": " ".join(english)}


def _lost(criterion: Criterion, curation: Curation) -> int:
    return -criterion.weight * (SCORE_MAX - curation.scores[criterion.code])


def _listed(product: Product) -> ProductListed:
    return ProductListed(vendor_id=product.vendor_id, product_id=product.product_id, category=product.entry.category)


def _require_category(entry: Entry, categories: frozenset[str]) -> None:
    if entry.category not in categories:
        raise CategoryUnknown(categories)

"""Products over HTTP: the public catalogue, what a vendor keeps in it, photos, and curation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.vendor import areas
from services.vendor.api.access import officer_area, reach_of, require_province, require_reach, see_vendor
from services.vendor.api.texts import Line, Note
from services.vendor.domain.products import (
    CAPACITY_PER_MONTH_MAX,
    PRICE_RUPIAH_MAX,
    SCORE_MAX,
    Criterion,
    Curation,
    Entry,
    PhotoUnknown,
    Product,
    ProductUnknown,
    explain,
)
from services.vendor.handlers import products as handlers
from services.vendor.handlers.reach import reaches
from services.vendor.store import products as store
from services.vendor.store.merging import find_family
from services.vendor.store.products import Offered, Photo
from shared.db import Connection
from shared.events.values import AreaCode, CategoryCode
from shared.files.storage import FORM_BYTES_MAX, PICTURES, answer, read_file, upload
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, large_body, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["products"])

Rupiah = Annotated[int, Field(strict=True, ge=0, le=PRICE_RUPIAH_MAX)]
Version = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Score = Annotated[int, Field(strict=True, ge=0, le=SCORE_MAX)]


class EntryBody(BaseModel):
    """What the catalogue says of a product."""

    model_config = ConfigDict(extra="forbid")

    name: Line = Field(examples=["Keripik tempe"])
    description: Note | None = Field(default=None, examples=["Renyah, tanpa pengawet."])
    category: CategoryCode = Field(examples=["food-drink"])
    price_min_rupiah: Rupiah = Field(examples=[15000])
    price_max_rupiah: Rupiah = Field(examples=[25000])
    unit: Line = Field(examples=["bungkus 200 g"], description="What the price is for")
    capacity_per_month: Annotated[int, Field(strict=True, ge=0, le=CAPACITY_PER_MONTH_MAX)] | None = Field(
        default=None, description="Units that can be made in a month"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "EntryBody":
        if self.price_min_rupiah > self.price_max_rupiah:
            raise ValueError("price_max_rupiah must not be below price_min_rupiah")
        return self

    def entry(self) -> Entry:
        """As the handler takes it."""
        values = self.model_dump(include=set(Entry._fields))
        return Entry(**{**values, "description": self.description or ""})


class DraftBody(EntryBody):
    """A new product."""

    adopt_category: bool = Field(
        default=False, description="Let a vendor without a category take the product's as its own"
    )


class DraftedAnswer(BaseModel):
    """The new product; `category_offered` when the vendor has no category yet and could take this one."""

    product_id: UUID
    state: Literal["draft"]
    category_offered: str | None


class StateAnswer(BaseModel):
    """Where a product stands."""

    product_id: UUID
    state: str


class PhotoAnswer(BaseModel):
    """A new photo."""

    photo_id: UUID


class ProductAnswer(BaseModel):
    """A product as its vendor and the officers of its area see it."""

    product_id: UUID
    vendor_id: UUID
    state: str
    name: str
    description: str
    category: str
    price_min_rupiah: int
    price_max_rupiah: int
    unit: str
    capacity_per_month: int | None
    photos: list[str] = Field(description="Where each photo is shown once the product is listed")
    score: int | None = Field(description="Of 100, of the latest curation")
    criteria_version: int | None
    changed_at: datetime

    @classmethod
    def of(cls, product: Product, photos: Sequence[Photo]) -> "ProductAnswer":
        """From what is stored."""
        return cls(
            product_id=product.product_id,
            vendor_id=product.vendor_id,
            state=product.state,
            **product.entry._asdict(),
            photos=_addresses(product.product_id, photos),
            score=product.score,
            criteria_version=product.criteria_version,
            changed_at=product.changed_at,
        )


class ProductPage(BaseModel):
    """A page of a vendor's products."""

    items: list[ProductAnswer]
    next: str | None


class OfferAnswer(BaseModel):
    """A product as everyone sees it: nothing that names the person."""

    product_id: UUID
    vendor_id: UUID
    name: str
    description: str
    category: str
    price_min_rupiah: int
    price_max_rupiah: int
    unit: str
    capacity_per_month: int | None
    photos: list[str]
    kelurahan: str
    kelurahan_name: str

    @classmethod
    def of(cls, offered: Offered, photos: Sequence[Photo]) -> "OfferAnswer":
        """From what is stored."""
        product = offered.product
        return cls(
            product_id=product.product_id,
            vendor_id=product.vendor_id,
            **product.entry._asdict(),
            photos=_addresses(product.product_id, photos),
            kelurahan=offered.kelurahan,
            kelurahan_name=areas.areas().get(offered.kelurahan, offered.kelurahan),
        )


class OfferPage(BaseModel):
    """A page of the catalogue."""

    items: list[OfferAnswer]
    next: str | None


class CriterionBody(BaseModel):
    """What products are scored by."""

    model_config = ConfigDict(extra="forbid")

    code: CategoryCode = Field(examples=["packaging"])
    name_id: Line = Field(examples=["Kemasan"])
    name_en: Line = Field(examples=["Packaging"])
    weight: Annotated[int, Field(strict=True, ge=1, le=100)]
    advice_id: Line
    advice_en: Line


class CriteriaBody(BaseModel):
    """The next version of the criteria; weights sum to 100."""

    model_config = ConfigDict(extra="forbid")

    version: Version = Field(description="The version that follows the last one")
    criteria: list[CriterionBody] = Field(min_length=1, max_length=20)


class CriteriaAnswer(BaseModel):
    """The criteria of a version."""

    version: int
    criteria: list[CriterionBody]


class CurationBody(BaseModel):
    """A curator's scores."""

    model_config = ConfigDict(extra="forbid")

    criteria_version: Version
    scores: dict[CategoryCode, Score] = Field(
        max_length=20,
        examples=[{"quality": 8, "packaging": 6, "labelling": 5, "price": 9, "capacity": 7}],
        description="Criterion -> 0 to 10, each criterion once",
    )


class CuratedAnswer(BaseModel):
    """What the scores come to."""

    curation_id: UUID
    total: int
    criteria_version: int


class MarkAnswer(BaseModel):
    """How one criterion counted."""

    code: str
    name_id: str
    name_en: str
    weight: int
    score: int
    points: float


class CurationAnswer(BaseModel):
    """One curation, explained."""

    curation_id: UUID
    total: int
    criteria_version: int
    curated_at: datetime
    marks: list[MarkAnswer]
    explanation: dict[str, str] = Field(description="Plain sentences: id, en")

    @classmethod
    def of(cls, curation: Curation, criteria: Sequence[Criterion]) -> "CurationAnswer":
        """From what is stored."""
        marks, explanation = explain(curation, criteria)
        return cls(
            curation_id=curation.curation_id,
            total=curation.total,
            criteria_version=curation.criteria_version,
            curated_at=curation.curated_at,
            marks=[MarkAnswer(**mark._asdict()) for mark in marks],
            explanation=explanation,
        )


class CurationPage(BaseModel):
    """A page of curations, the latest first."""

    items: list[CurationAnswer]
    next: str | None


def _addresses(product_id: UUID, photos: Sequence[Photo]) -> list[str]:
    return [f"/v1/products/{product_id}/photos/{photo.photo_id}" for photo in photos]


# ---- the public catalogue


@router.get("/v1/products")
async def list_offers(
    edge: PublicEdgeDep,
    area: AreaCode | None = None,
    category: CategoryCode | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> OfferPage:
    """Listed products, by where the vendor lives and by category; everyone may read this."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_offers(conn, area, category, last, limit + 1)
        found: dict[str, Any] = page(rows, limit, lambda offered: offered.product.product_id)
        photos = await store.find_photos(conn, [offered.product.product_id for offered in found["items"]])
    items = [OfferAnswer.of(offered, photos.get(offered.product.product_id, [])) for offered in found["items"]]
    return OfferPage(items=items, next=found["next"])


@router.get("/v1/products/{product_id}")
async def get_offer(product_id: UUID, edge: PublicEdgeDep) -> OfferAnswer:
    """One listed product."""
    async with edge.read() as conn:
        offered = await store.find_offered(conn, product_id)
        if offered is None:
            raise ProductUnknown(product_id)
        photos = await store.find_photos(conn, [product_id])
    return OfferAnswer.of(offered, photos.get(product_id, []))


@router.get("/v1/products/{product_id}/photos/{photo_id}", response_class=Response)
async def show_photo(product_id: UUID, photo_id: UUID, edge: PublicEdgeDep) -> Response:
    """A photo of a listed product."""
    async with edge.read() as conn:
        if await store.find_offered(conn, product_id) is None:
            raise ProductUnknown(product_id)
        photos = {photo.photo_id: photo for photo in (await store.find_photos(conn, [product_id])).get(product_id, [])}
    if photo_id not in photos:
        raise PhotoUnknown(photo_id)
    return answer(await read_file(edge.platform, photos[photo_id].file_id), f"produk-{photo_id}", public=True)


# ---- a vendor's products


@router.post("/v1/vendors/{vendor_id}/products", status_code=201, responses={201: {"model": DraftedAnswer}})
async def draft_product(vendor_id: UUID, body: DraftBody, edge: EdgeDep) -> Response:
    """Draft a product: the vendor itself, or an officer of its area."""
    within = require_reach(edge.caller, vendor_id)

    async def act(conn: Connection) -> BaseModel:
        product, offered = await handlers.draft_product(
            conn, vendor_id, body.entry(), adopt_category=body.adopt_category, now=edge.now, within=within
        )
        return DraftedAnswer(product_id=product.product_id, state="draft", category_offered=offered)

    return await edge.once(act, status=201)


@router.get("/v1/vendors/{vendor_id}/products")
async def list_products(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> ProductPage:
    """All products of a person, in whatever state: to itself, and to officers of its area."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id)
        rows = await store.find_products(conn, await find_family(conn, vendor_id), last, limit + 1)
        found: dict[str, Any] = page(rows, limit, lambda product: product.product_id)
        photos = await store.find_photos(conn, [product.product_id for product in found["items"]])
    items = [ProductAnswer.of(product, photos.get(product.product_id, [])) for product in found["items"]]
    return ProductPage(items=items, next=found["next"])


@router.post("/v1/products/{product_id}/entry", responses={200: {"model": StateAnswer}})
async def revise_product(product_id: UUID, body: EntryBody, edge: EdgeDep) -> Response:
    """Say something else of a product; the whole entry is replaced."""
    reach = reach_of(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        product = await handlers.revise_product(conn, product_id, body.entry(), reach=reach, now=edge.now)
        return StateAnswer(product_id=product_id, state=product.state)

    return await edge.once(act)


@router.post("/v1/products/{product_id}/list", responses={200: {"model": StateAnswer}})
async def list_product(product_id: UUID, edge: EdgeDep) -> Response:
    """Show a product in the public catalogue."""
    reach = reach_of(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        product = await handlers.list_product(conn, product_id, reach=reach, now=edge.now)
        return StateAnswer(product_id=product_id, state=product.state)

    return await edge.once(act)


@router.post("/v1/products/{product_id}/withdraw", responses={200: {"model": StateAnswer}})
async def withdraw_product(product_id: UUID, edge: EdgeDep) -> Response:
    """Take a product out of the public catalogue; it can be listed again."""
    reach = reach_of(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        product = await handlers.withdraw_product(conn, product_id, reach=reach, now=edge.now)
        return StateAnswer(product_id=product_id, state=product.state)

    return await edge.once(act)


@router.post("/v1/products/{product_id}/photos", status_code=201, responses={201: {"model": PhotoAnswer}})
@large_body(FORM_BYTES_MAX)
async def add_photo(product_id: UUID, file: UploadFile, edge: EdgeDep) -> Response:
    """Add a photo (JPEG, PNG or WebP); everyone can see it while the product is listed."""
    reach = reach_of(edge.caller)
    async with upload(edge.platform, file, PICTURES, now=edge.now, public=True) as file_id:

        async def act(conn: Connection) -> BaseModel:
            photo_id = await handlers.add_photo(conn, product_id, file_id, reach=reach, now=edge.now)
            return PhotoAnswer(photo_id=photo_id)

        return await edge.once(act, status=201)


@router.post("/v1/products/{product_id}/photos/{photo_id}/remove", status_code=204)
async def remove_photo(product_id: UUID, photo_id: UUID, edge: EdgeDep) -> Response:
    """Take a photo off a product."""
    reach = reach_of(edge.caller)

    async def act(conn: Connection) -> None:
        await handlers.remove_photo(conn, product_id, photo_id, reach=reach)

    return await edge.once(act)


# ---- curation


@router.get("/v1/curation-criteria")
async def get_criteria(edge: PublicEdgeDep) -> CriteriaAnswer:
    """What products are scored by at present; everyone may read this."""
    async with edge.read() as conn:
        version, criteria = await store.find_criteria(conn)
    return CriteriaAnswer(version=version, criteria=[CriterionBody(**criterion._asdict()) for criterion in criteria])


@router.post("/v1/curation-criteria", status_code=201)
async def make_criteria(body: CriteriaBody, edge: EdgeDep) -> Response:
    """Publish the next version of the criteria: an officer of the province, or an operator."""
    require_province(edge.caller)
    criteria = [Criterion(**criterion.model_dump()) for criterion in body.criteria]

    async def act(conn: Connection) -> dict[str, Any]:
        await handlers.make_criteria(conn, body.version, criteria, made_by=edge.caller.subject, now=edge.now)
        return {"version": body.version}

    return await edge.once(act, status=201)


@router.post("/v1/products/{product_id}/curations", status_code=201, responses={201: {"model": CuratedAnswer}})
async def curate(product_id: UUID, body: CurationBody, edge: EdgeDep) -> Response:
    """Score a product by the criteria that hold now: an officer of its area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        curation = await handlers.curate(
            conn,
            product_id,
            body.criteria_version,
            body.scores,
            within=within,
            curator=edge.caller.subject,
            now=edge.now,
        )
        return CuratedAnswer(
            curation_id=curation.curation_id, total=curation.total, criteria_version=curation.criteria_version
        )

    return await edge.once(act, status=201)


@router.get("/v1/products/{product_id}/curations")
async def list_curations(
    product_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> CurationPage:
    """How a product was scored and why, the latest first: to its vendor, and to officers of its area."""
    reach = reach_of(edge.caller)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        product = await store.find_product(conn, product_id)
        if product is None or not await reaches(conn, reach, product.vendor_id):
            raise ProductUnknown(product_id)
        rows = await store.find_curations(conn, product_id, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda row: row[0].curation_id)
    items = [CurationAnswer.of(curation, criteria) for curation, criteria in found["items"]]
    return CurationPage(items=items, next=found["next"])

"""Contracts of what vendors sell, and of their figures by month (P6)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.events.values import CategoryCode
from shared.events.vendor import VendorEvent

__all__ = ["IndicatorsReported", "ProductCurated", "ProductListed", "ProductWithdrawn"]

Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]


class ProductEvent(VendorEvent):
    """A fact about one product of a vendor."""

    product_id: UUID


class ProductListed(ProductEvent):
    """A product is in the catalogue, or its entry was changed."""

    category: CategoryCode


class ProductCurated(ProductEvent):
    """A curator scored it by the criteria of this version."""

    score: int = Field(ge=0, le=100, description="Of 100")
    criteria_version: int


class ProductWithdrawn(ProductEvent):
    """A product left the catalogue."""


class IndicatorsReported(VendorEvent):
    """Turnover, assets and workers of one month, entered or corrected; the last one of a month counts."""

    month: Month = Field(description="Calendar month, Asia/Jakarta", examples=["2023-03"])
    turnover_rupiah: int | None = Field(default=None, ge=0)
    assets_rupiah: int | None = Field(default=None, ge=0)
    workers: int | None = Field(default=None, ge=0)
    entered_by: Literal["vendor", "mentor", "officer"]
    queried: bool = Field(default=False, description="True: far from the months before; somebody should ask")
    entered_at: datetime | None = Field(
        default=None, description="When it was entered: of a person's several registrations the last entered counts"
    )

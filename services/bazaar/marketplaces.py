"""Marketplaces as data: at which addresses their shops stand, and how the sales files they export are to be read.

`marketplaces.json` names for each the hosts, the headings of each field (folded: small letters, single spaces) and the
words of its order states: those that count as sold, those that undo it, those that are not paid yet. `other` is a plain
sheet for any marketplace without an export of its own. `STREAM_HOSTS`: where live selling is shown.
"""

import json
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

__all__ = ["REQUIRED", "STREAM_HOSTS", "Field", "Marketplace", "Outcome", "marketplaces"]

Field = Literal["order", "product", "variation", "sku", "shop", "pieces", "unit_price", "amount", "paid_at", "status"]
Outcome = Literal["counted", "void", "unpaid"]

REQUIRED: tuple[Field, ...] = ("order", "product", "pieces", "paid_at", "status")
"""Besides, a file has `amount` (of the line) or `unit_price`."""

STREAM_HOSTS = (
    "facebook.com",
    "instagram.com",
    "shopee.co.id",
    "tiktok.com",
    "tokopedia.com",
    "www.facebook.com",
    "www.instagram.com",
    "www.tiktok.com",
    "www.tokopedia.com",
    "www.youtube.com",
    "youtu.be",
    "youtube.com",
)


class Marketplace(BaseModel):
    """One marketplace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    hosts: list[str]
    columns: dict[Field, list[str]]
    statuses: dict[Outcome, list[str]]


@cache
def marketplaces() -> dict[str, Marketplace]:
    """Every marketplace by its code."""
    text = Path(__file__).with_name("marketplaces.json").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Marketplace]).validate_python(json.loads(text))

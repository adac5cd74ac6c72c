"""Areas of the province over HTTP, for anyone: by code, by name as people write it, by what lies inside."""

from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.vendor import areas
from services.vendor.areas import AreaLevel, AreaMatch
from shared.errors import NotFound
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, Limit, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["areas"])

Wanted = Annotated[
    str | None,
    Query(alias="q", min_length=1, max_length=100, description="A code or a name", examples=["Tj. Priok", "Jaksel"]),
]


class AreaUnknown(NotFound):
    """The province has no area with this code."""

    code: ClassVar[str] = "area-unknown"


class AreaName(BaseModel):
    """An area by code and name."""

    code: str
    name: str


class NameTrap(BaseModel):
    """The name is easily mistaken for another's."""

    code: str = "area-name-trap"
    message: str
    other: str = Field(description="Code of the area it is mistaken for")


class AreaAnswer(BaseModel):
    """An area, and where it lies."""

    code: str
    name: str
    level: AreaLevel
    within: list[AreaName] = Field(description="What holds it, the largest first")
    inside: int = Field(description="How many areas of the next level lie inside")
    match: AreaMatch | None = Field(default=None, description="Why a search found it; none where nothing was searched")
    warning: NameTrap | None = None

    @classmethod
    def of(cls, code: str, match: AreaMatch | None = None) -> "AreaAnswer":
        """An area of the province by its code. Raises `AreaUnknown`."""
        name = areas.name_of(code)
        if name is None:
            raise AreaUnknown(f"Province {areas.PROVINCE} has no area with this code; GET /v1/areas?q= searches.")
        holders = [code[:length] for length in areas.CODE_LENGTHS if length < len(code)]
        other = areas.name_traps().get(code)
        return cls(
            code=code,
            name=name,
            level=areas.level_of(code),
            within=[AreaName(code=holder, name=areas.name_of(holder) or holder) for holder in holders],
            inside=len(areas.areas_inside(code)),
            match=match,
            warning=None
            if other is None
            else NameTrap(message=f"{areas.describe(code)} is not {areas.describe(other)}", other=other),
        )


class AreaPage(BaseModel):
    """Areas that were found, the surest first; or those inside another, by code, page by page."""

    items: list[AreaAnswer]
    next: str | None


@router.get("/v1/areas")
async def find_areas(
    wanted: Wanted = None,
    within: AreaCode = areas.PROVINCE,
    level: AreaLevel | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> AreaPage:
    """Search areas by code or name (short forms, other spellings, small slips), or list what lies inside one.

    A search answers with one page of the surest; without `q` come all areas inside `within`, of the next level down or
    of `level`.
    """
    AreaAnswer.of(within)
    if wanted is not None:
        found = areas.search_areas(wanted, within, level)[:limit]
        return AreaPage(items=[AreaAnswer.of(*one) for one in found], next=None)
    last = "" if after is None else read_cursor(after, str)
    codes = [code for code in areas.areas_inside(within, level) if code > last]
    rows: dict[str, Any] = page(codes, limit, lambda code: code)
    return AreaPage(items=[AreaAnswer.of(code) for code in rows["items"]], next=rows["next"])


@router.get("/v1/areas/{code}")
async def get_area(code: AreaCode) -> AreaAnswer:
    """One area by its official code."""
    return AreaAnswer.of(code)

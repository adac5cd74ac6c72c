"""Product groups in turn: which they are, whose turn comes when, and when a vendor's group is next."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.bazaar.api.access import require_officer_of
from services.bazaar.domain import fridays as domain
from services.bazaar.domain.application import VendorUnknown
from services.bazaar.domain.fridays import Coming, GroupsUnknown, ProductGroup, Rotation, SetGroups
from services.bazaar.handlers import fridays as handlers
from services.bazaar.store import fridays as store
from services.bazaar.store import series, vendors
from shared import families
from shared.auth import OutsideArea, covers
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.values import CategoryCode
from shared.http import Edge, EdgeDep, PublicEdge, PublicEdgeDep

router = APIRouter(prefix="/v1", tags=["fridays"])


@router.post("/series/{series_id}/groups")
async def set_groups(edge: EdgeDep, series_id: UUID, command: SetGroups) -> Response:
    """Have these groups take turns; others that do already go round first. An officer of the whole series."""

    async def act(conn: Connection) -> dict[str, Any]:
        require_officer_of(edge.caller, await series.find_areas(conn, series_id))
        rotation = await handlers.set_groups(conn, series_id, command, now=edge.now)
        return {"series_id": series_id, "from_turn": rotation.from_turn}

    return await edge.once(act)


@router.get("/series/{series_id}/groups")
async def show_groups(edge: PublicEdgeDep, series_id: UUID) -> dict[str, Any]:
    """The groups in the order of their turns, and the occurrences ahead with the group of each."""
    async with edge.read() as conn:
        rotations, coming = await _ahead(conn, edge, series_id)
    return {
        "series_id": series_id,
        "groups": [{"from_turn": rotation.from_turn, "groups": list(rotation.groups)} for rotation in rotations],
        "ahead": [_shown(one) for one in coming],
    }


@router.get("/series/{series_id}/groups/next")
async def show_next(
    edge: PublicEdgeDep,
    series_id: UUID,
    category: Annotated[CategoryCode, Query(description="What is sold, for example food-drink")],
) -> dict[str, Any]:
    """When the group of this category is next, as a day and in words."""
    async with edge.read() as conn:
        rotations, coming = await _ahead(conn, edge, series_id)
    group = domain.require_category(category, rotations)
    return _answer(series_id, group, domain.next_of(category, coming))


@router.get("/vendors/{vendor_id}/next-friday")
async def show_next_friday(edge: EdgeDep, vendor_id: UUID) -> dict[str, Any]:
    """When the vendor's group is next, in every series whose groups take turns; or why it has no turn there."""
    async with edge.read() as conn:
        category = await _category(conn, edge, vendor_id)
        items = []
        for series_id in await store.find_series_with_groups(conn):
            rotations, coming = await _ahead(conn, edge, series_id)
            items.append(_answer_vendor(series_id, category, rotations, coming))
    return {"vendor_id": vendor_id, "category": category, "series": items}


async def _category(conn: Connection, edge: Edge, vendor_id: UUID) -> str | None:
    """What the vendor sells, for itself and for an officer of where it lives."""
    family = await families.find_family(conn, vendor_id)
    own = edge.caller.has("vendor") and edge.caller.vendor_id in family
    if not own:
        edge.caller.require_vendor(vendor_id)
    vendor = await vendors.find_vendor(conn, family[0]) or await vendors.find_vendor(conn, vendor_id)
    if not own and vendor is not None and not covers(edge.caller.area or "", vendor.kelurahan):
        raise OutsideArea("This vendor does not live in your area.", area=edge.caller.area)
    if vendor is None:
        raise VendorUnknown("This vendor is not registered; just after registering, try again in a few seconds.")
    return vendor.category


async def _ahead(conn: Connection, edge: PublicEdge, series_id: UUID) -> tuple[list[Rotation], list[Coming]]:
    rotations = await store.find_rotations(conn, series_id)
    if not rotations:
        raise GroupsUnknown("No product groups take turns in this series.")
    occurrences = await store.find_occurrences(conn, series_id)
    return rotations, domain.ahead(rotations, occurrences, day_in_jakarta(edge.now))


def _answer_vendor(
    series_id: UUID, category: str | None, rotations: list[Rotation], coming: list[Coming]
) -> dict[str, Any]:
    if category is None:
        return _without(series_id, "no-category", domain.no_category().both())
    try:
        group = domain.require_category(category, rotations)
    except domain.CategoryInNoGroup as refused:
        return _without(series_id, refused.code, domain.category_in_no_group(category).both())
    return _answer(series_id, group, domain.next_of(category, coming))


def _without(series_id: UUID, because: str, answer: dict[str, str]) -> dict[str, Any]:
    return {"series_id": series_id, "group": None, "next": None, "because": because, "answer": answer}


def _answer(series_id: UUID, group: ProductGroup, next_one: Coming | None) -> dict[str, Any]:
    return {
        "series_id": series_id,
        "group": group,
        "next": None if next_one is None else _shown(next_one),
        "because": "not-planned" if next_one is None else None,
        "answer": domain.in_words(group, next_one).both(),
    }


def _shown(one: Coming) -> dict[str, Any]:
    return {
        "bazaar_id": one.occurrence.bazaar_id,
        "name": one.occurrence.name,
        "days": one.occurrence.days,
        "group": {"code": one.group.code, "name": one.group.name},
        "fixed": one.fixed,
    }

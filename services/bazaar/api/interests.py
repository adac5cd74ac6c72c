"""Standing interests: what a vendor wants to be in without applying to each bazaar."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_vendor_side
from services.bazaar.api.applications import VendorNotNamed
from services.bazaar.domain.explanation import ineligible_in_words
from services.bazaar.domain.interests import DeclareInterest, Interest, InterestState
from services.bazaar.domain.values import Day, Exact
from services.bazaar.handlers import interests as handlers
from services.bazaar.store import interests as store
from shared import families
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["standing interests"])

OUTCOMES_SHOWN = 100


class Declaration(DeclareInterest):
    """`vendor_id` when an officer declares it for a vendor."""

    vendor_id: UUID | None = None


class Confirmation(Exact):
    """Until when it is wanted: a year at most."""

    valid_until: Day


@router.post("/interests", status_code=201)
async def declare_interest(edge: EdgeDep, wish: Declaration) -> Response:
    """A vendor says what it wants, or an officer of where it lives for it."""
    vendor_id = wish.vendor_id or edge.caller.vendor_id
    if vendor_id is None:
        raise VendorNotNamed("Name the vendor in vendor_id.")
    command = DeclareInterest.model_validate(wish.model_dump(exclude={"vendor_id"}))

    async def act(conn: Connection) -> dict[str, Any]:
        await require_vendor_side(conn, edge.caller, vendor_id)
        own = edge.caller.has("vendor") and edge.caller.vendor_id in await families.find_family(conn, vendor_id)
        interest_id = new_id()
        await handlers.declare_interest(
            conn, vendor_id, command, interest_id=interest_id, origin="vendor" if own else "officer", now=edge.now
        )
        return {"interest_id": interest_id}

    return await edge.once(act, status=201)


async def _move(edge: Edge, interest_id: UUID, state: InterestState) -> Response:
    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, interest_id)
        await handlers.move_interest(conn, interest_id, state)
        return {"interest_id": interest_id, "state": state}

    return await edge.once(act)


async def _require_own(conn: Connection, edge: Edge, interest_id: UUID) -> Interest:
    interest = await store.find_interest(conn, interest_id)
    await require_vendor_side(conn, edge.caller, interest.vendor_id)
    return interest


@router.post("/interests/{interest_id}/pause")
async def pause_interest(edge: EdgeDep, interest_id: UUID) -> Response:
    """No applications are made from it until it is taken up again."""
    return await _move(edge, interest_id, "paused")


@router.post("/interests/{interest_id}/resume")
async def resume_interest(edge: EdgeDep, interest_id: UUID) -> Response:
    """It counts again, for bazaars whose applications open from now on."""
    return await _move(edge, interest_id, "active")


@router.post("/interests/{interest_id}/end")
async def end_interest(edge: EdgeDep, interest_id: UUID) -> Response:
    """It counts no more, for good; applications that were made stay."""
    return await _move(edge, interest_id, "ended")


@router.post("/interests/{interest_id}/confirm")
async def confirm_interest(edge: EdgeDep, interest_id: UUID, wish: Confirmation) -> Response:
    """The vendor still wants it, until this day."""

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_own(conn, edge, interest_id)
        await handlers.confirm_interest(conn, interest_id, wish.valid_until, now=edge.now)
        return {"interest_id": interest_id, "valid_until": wish.valid_until}

    return await edge.once(act)


@router.get("/interests/{interest_id}")
async def show_interest(edge: EdgeDep, interest_id: UUID) -> dict[str, Any]:
    """An interest, and what became of it at the latest bazaars it met: an application, or why there is none."""
    async with edge.read() as conn:
        interest = await _require_own(conn, edge, interest_id)
        outcomes = await store.list_outcomes(conn, interest_id, OUTCOMES_SHOWN)
    for one in outcomes:
        one["explanation"] = None if one["because"] is None else ineligible_in_words(one["because"]).both()
    return {**_shown(edge, interest), "outcomes": outcomes}


@router.get("/vendors/{vendor_id}/interests")
async def list_interests(
    edge: EdgeDep, vendor_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Interests of a vendor, by any of its ids, the latest first."""
    last = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        await require_vendor_side(conn, edge.caller, vendor_id)
        rows = await store.list_interests(conn, await families.find_family(conn, vendor_id), last, limit)
    shown = page(rows, limit, lambda interest: interest.interest_id)
    shown["items"] = [_shown(edge, interest) for interest in shown["items"]]
    return shown


def _shown(edge: Edge, interest: Interest) -> dict[str, Any]:
    shown = asdict(interest)
    del shown["version"]
    return {**shown, "expired": interest.valid_until < day_in_jakarta(edge.now)}

"""Applications: apply, withdraw, confirm, decline, and how one stands."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from services.bazaar.api.access import require_side
from services.bazaar.domain.bazaar import Exact, SiteId
from services.bazaar.domain.explanation import Standing, explain
from services.bazaar.handlers import applications as handlers
from services.bazaar.handlers import offers
from services.bazaar.store import applications as store
from services.bazaar.store import bazaars
from shared.auth import Caller
from shared.db import Connection
from shared.errors import Refused
from shared.http import Edge, EdgeDep
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["applications"])


class VendorNotNamed(Refused):
    """Who applies for somebody else says for whom."""

    code = "vendor-not-named"
    status = 422


class Apply(Exact):
    """Tiers of site ids, best first; `vendor_id` when an officer applies for a vendor."""

    vendor_id: UUID | None = None
    choices: Annotated[list[Annotated[list[SiteId], Field(min_length=1)]], Field(min_length=1, max_length=100)]


@router.post("/bazaars/{bazaar_id}/applications", status_code=201)
async def apply(edge: EdgeDep, bazaar_id: UUID, wish: Apply) -> Response:
    """A vendor applies to a bazaar, or an officer for it."""
    vendor_id = _applicant(edge.caller, wish)

    async def act(conn: Connection) -> dict[str, Any]:
        await require_side(conn, edge.caller, vendor_id=vendor_id, bazaar_id=bazaar_id)
        application_id = new_id()
        await handlers.apply(conn, bazaar_id, vendor_id, wish.choices, application_id=application_id, now=edge.now)
        return {"application_id": application_id}

    return await edge.once(act, status=201)


def _applicant(caller: Caller, wish: Apply) -> UUID:
    vendor_id = wish.vendor_id or caller.vendor_id
    if vendor_id is None:
        raise VendorNotNamed("Name the vendor that applies in vendor_id.")
    return vendor_id


Answer = Callable[..., Awaitable[None]]


async def _answer(edge: Edge, application_id: UUID, handler: Answer, state: str) -> Response:
    async def act(conn: Connection) -> dict[str, Any]:
        found = await store.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        await handler(conn, application_id, now=edge.now)
        return {"application_id": application_id, "state": state}

    return await edge.once(act)


@router.post("/applications/{application_id}/withdraw")
async def withdraw(edge: EdgeDep, application_id: UUID) -> Response:
    """Take an application back before the list is frozen."""
    return await _answer(edge, application_id, handlers.withdraw, "withdrawn")


@router.post("/applications/{application_id}/confirm")
async def confirm(edge: EdgeDep, application_id: UUID) -> Response:
    """Take the offered booth."""
    return await _answer(edge, application_id, offers.confirm_booth, "confirmed")


@router.post("/applications/{application_id}/decline")
async def decline(edge: EdgeDep, application_id: UUID) -> Response:
    """Give the offered booth back in time; it costs no turn, and the next in rotation is offered it."""
    return await _answer(edge, application_id, offers.decline_booth, "declined")


@router.get("/applications/{application_id}")
async def show_application(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """How an application stands: its offer, or its place in the queue and why."""
    async with edge.read() as conn:
        row = await store.show_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=row["vendor_id"], bazaar_id=row["bazaar_id"])
        site_names = await bazaars.find_site_names(conn, row["bazaar_id"])
    shown: dict[str, Any] = {
        "application_id": row["application_id"],
        "bazaar_id": row["bazaar_id"],
        "bazaar_name": row["bazaar_name"],
        "vendor_id": row["vendor_id"],
        "state": row["state"],
        "choices": row["choices"],
        "applied_at": row["applied_at"],
        "ineligible_because": row["ineligible_because"],
        "offer": _offer(row),
        "checked_in": row["checked_in"],
    }
    if row["state"] == "queued":
        shown |= waiting(row, site_names, bazaar_name=row["bazaar_name"], waiting=row["waiting"], over=_over(row))
    return shown


def _over(row: Mapping[str, Any]) -> bool:
    return bool(row["bazaar_state"] == "finished")


def _offer(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["site_id"] is None:
        return None
    return {
        "site_id": row["site_id"],
        "site_name": row["site_name"],
        "booth": row["booth"],
        "days": row["days"],
        "respond_by": row["respond_by"],
        "promoted": row["promoted"],
    }


def waiting(
    row: Mapping[str, Any], site_names: Mapping[str, str], *, bazaar_name: str, waiting: int, over: bool
) -> dict[str, Any]:
    """What one who waits is told: its place now, and the stored decision in figures and in words."""
    standing = Standing(
        bazaar_name, row["place"], waiting, row["because"], row["ahead"], row["forecast_round"], over=over
    )
    return {
        "place": row["place"],
        "because": row["because"],
        "ahead": row["ahead"],
        "forecast": row["forecast_round"],
        "explanation": explain(standing, site_names),
    }

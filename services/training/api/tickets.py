"""Tickets of places in classes: the keys that check them, and a vendor's own as text and as a QR code."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.training.api.access import require_side
from services.training.domain.tickets import TicketUnknown, spot_of
from services.training.store import tickets as store
from services.training.store.tickets import Held
from shared import families, signing_keys
from shared.db import Connection
from shared.http import Edge, EdgeDep, PublicEdgeDep
from shared.http.codes import draw_code, paint_code
from shared.tickets import show_keys

router = APIRouter(prefix="/v1", tags=["tickets"])


class TicketView(BaseModel):
    """A ticket that counts: what it says, and the text that its code holds."""

    class_id: UUID
    vendor_id: UUID
    course: str
    title: str
    days: list[date]
    number: str
    serial: int
    ticket: str


class TicketsView(BaseModel):
    """The tickets of a vendor for classes that are not over, under each of its ids."""

    vendor_id: UUID
    items: list[TicketView]


@router.get("/tickets/keys")
async def list_keys(edge: PublicEdgeDep) -> dict[str, Any]:
    """The public keys that check tickets offline, as a JWKS; the first signs, older ones stay good."""
    async with edge.read() as conn:
        return show_keys(await signing_keys.find_public_keys(conn, store.KEYS))


@router.post("/tickets/keys", status_code=201)
async def rotate_key(edge: EdgeDep) -> Response:
    """Have a new key sign from now on; an operator. Tickets of older keys stay good, so phones need all the keys."""
    edge.caller.require("operator")

    async def act(conn: Connection) -> dict[str, Any]:
        return {"key_id": await signing_keys.rotate_key(conn, store.KEYS, edge.platform.sealer, now=edge.now)}

    return await edge.once(act, status=201)


@router.get("/trainees/{vendor_id}/tickets", response_model=TicketsView)
async def list_tickets(edge: EdgeDep, vendor_id: UUID) -> TicketsView:
    """A vendor's tickets, for itself and for officers of where it lives."""
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        held = await store.find_held(conn, await families.find_family(conn, vendor_id))
    return TicketsView(vendor_id=vendor_id, items=[_view(one) for one in held if one.open])


@router.get("/trainees/{vendor_id}/tickets/{class_id}.svg")
async def draw_ticket(edge: EdgeDep, vendor_id: UUID, class_id: UUID) -> Response:
    """The ticket's QR code as SVG."""
    return draw_code((await _ticket(edge, vendor_id, class_id)).text)


@router.get("/trainees/{vendor_id}/tickets/{class_id}.png")
async def paint_ticket(edge: EdgeDep, vendor_id: UUID, class_id: UUID) -> Response:
    """The ticket's QR code as PNG."""
    return paint_code((await _ticket(edge, vendor_id, class_id)).text)


async def _ticket(edge: Edge, vendor_id: UUID, class_id: UUID) -> Held:
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        held = [one for one in await store.find_held(conn, vendor_ids, class_id) if one.open]
    if not held:
        raise TicketUnknown(
            "There is no ticket of this class: no place, the class is over, it is online, or the ticket is being "
            "signed, which takes seconds.",
            class_id=str(class_id),
        )
    return held[0]


def _view(held: Held) -> TicketView:
    return TicketView(
        class_id=held.class_id,
        vendor_id=held.ticket.vendor_id,
        course=held.course,
        title=held.title,
        days=list(held.ticket.days),
        number=spot_of(held.ticket.number),
        serial=held.ticket.serial,
        ticket=held.text,
    )

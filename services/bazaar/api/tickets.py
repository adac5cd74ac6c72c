"""Tickets: the keys that check them, and a vendor's own as text and as a QR code."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import require_side
from services.bazaar.domain.tickets import HOLDS_TICKET, Issued, TicketUnknown
from services.bazaar.store import applications, bazaars
from services.bazaar.store import tickets as store
from shared import signing_keys
from shared.db import Connection
from shared.http import Edge, EdgeDep, PublicEdgeDep
from shared.http.codes import draw_code, paint_code
from shared.tickets import show_keys

router = APIRouter(prefix="/v1", tags=["tickets"])


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


@router.get("/applications/{application_id}/ticket")
async def show_ticket(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """The ticket of a confirmed booth: what it says, and the text that its code holds."""
    issued, text, names = await _ticket(edge, application_id)
    return {
        "application_id": application_id,
        **names,
        "site_id": issued.site_id,
        "booth": issued.booth,
        "days": issued.days,
        "serial": issued.serial,
        "ticket": text,
    }


@router.get("/applications/{application_id}/ticket.svg")
async def draw_ticket(edge: EdgeDep, application_id: UUID) -> Response:
    """The ticket's QR code as SVG."""
    _, text, _ = await _ticket(edge, application_id)
    return draw_code(text)


@router.get("/applications/{application_id}/ticket.png")
async def paint_ticket(edge: EdgeDep, application_id: UUID) -> Response:
    """The ticket's QR code as PNG."""
    _, text, _ = await _ticket(edge, application_id)
    return paint_code(text)


async def _ticket(edge: Edge, application_id: UUID) -> tuple[Issued, str, dict[str, Any]]:
    async with edge.read() as conn:
        found = await applications.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        ticket = await store.find_ticket(conn, application_id)
        bazaar = await bazaars.find_bazaar(conn, found.bazaar_id)
    held = found.offer
    if found.state not in HOLDS_TICKET or held is None or ticket is None:
        raise TicketUnknown(
            f"There is no ticket: the application is {found.state}. One is signed within seconds of confirming.",
            state=found.state,
        )
    issued, text = ticket
    if (issued.site_id, issued.booth) != (held.site_id, held.booth):
        raise TicketUnknown("The booth has just been swapped; the new ticket is being signed. Try again in seconds.")
    names = {"bazaar_id": bazaar.bazaar_id, "bazaar_name": bazaar.name, "site_name": bazaar.site(issued.site_id).name}
    return issued, text, names

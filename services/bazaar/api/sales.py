"""Sales: by the vendor signed in, by the vendor's link without signing in, or by an officer."""

import base64
import binascii
import hmac
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader
from pydantic_core import from_json, to_json

from services.bazaar.api.access import is_own, require_organiser, require_side
from services.bazaar.domain.sales import Origin, ReportSales, SalesLinkInvalid
from services.bazaar.domain.values import Exact
from services.bazaar.handlers import sales as handlers
from services.bazaar.store import applications, bazaars
from services.bazaar.store import sales as store
from shared.auth import Caller
from shared.crypto import Sealer
from shared.db import Connection
from shared.errors import Refused
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdge, PublicEdgeDep, idempotency, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["sales"])

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent.parent / "templates"), autoescape=True)
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
}

Token = Annotated[str, InPath(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")]
Language = Annotated[Literal["id", "en"], Query(description="Language of the page")]


async def _require_side(conn: Connection, caller: Caller, application_id: UUID) -> Origin:
    """Refuse whoever is not of the application's side; who speaks. The vendor speaks as such, though an officer too."""
    found = await applications.find_application(conn, application_id)
    await require_side(conn, caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
    return "vendor" if await is_own(conn, caller, found.vendor_id) else "officer"


@router.post("/applications/{application_id}/sales")
async def report_sales(edge: EdgeDep, application_id: UUID, command: ReportSales) -> Response:
    """Sales of one day, by the vendor itself or an officer. `queried`: why they are doubted, if they are."""

    async def act(conn: Connection) -> dict[str, Any]:
        origin = await _require_side(conn, edge.caller, application_id)
        because = await handlers.report_sales(conn, application_id, command, origin=origin, now=edge.now)
        return {"application_id": application_id, "day": command.day, "queried": because}

    return await edge.once(act)


@router.post("/applications/{application_id}/sales/correct")
async def correct_sales(edge: EdgeDep, application_id: UUID, command: ReportSales) -> Response:
    """Other figures for a day that was reported; those before stay as its history."""

    async def act(conn: Connection) -> dict[str, Any]:
        origin = await _require_side(conn, edge.caller, application_id)
        because = await handlers.correct_sales(conn, application_id, command, origin=origin, now=edge.now)
        return {"application_id": application_id, "day": command.day, "queried": because}

    return await edge.once(act)


class ConfirmSales(Exact):
    """The figures of this day are right."""

    day: date


@router.post("/applications/{application_id}/sales/confirm")
async def confirm_sales(edge: EdgeDep, application_id: UUID, wish: ConfirmSales) -> Response:
    """Say that figures which are doubted are right."""

    async def act(conn: Connection) -> dict[str, Any]:
        origin = await _require_side(conn, edge.caller, application_id)
        await handlers.confirm_sales(conn, application_id, wish.day, origin=origin, now=edge.now)
        return {"application_id": application_id, "day": wish.day}

    return await edge.once(act)


@router.get("/applications/{application_id}/sales")
async def show_sales(edge: EdgeDep, application_id: UUID) -> dict[str, Any]:
    """Each day of a booth: what holds, whether it is doubted, and every report of it."""
    async with edge.read() as conn:
        await _require_side(conn, edge.caller, application_id)
        return {"application_id": application_id, "days": await store.list_days(conn, application_id)}


@router.get("/bazaars/{bazaar_id}/sales")
async def sum_sales(edge: EdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """Sums per site and day; what is doubted stands apart."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        return {"bazaar_id": bazaar_id, "days": await store.sum_sales(conn, bazaar_id)}


@router.get("/bazaars/{bazaar_id}/sales/queries")
async def list_queries(
    edge: EdgeDep, bazaar_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Sales that are far from usual and were neither confirmed nor corrected."""
    key = read_cursor(after, tuple[UUID, date]) if after else None
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_queries(conn, bazaar_id, key, limit)
    return page(rows, limit, lambda row: (row["application_id"], row["day"]))


# ---- the vendor's link


@router.post("/applications/{application_id}/sales-link")
async def make_link(edge: EdgeDep, application_id: UUID) -> Response:
    """A link by which the vendor reports without signing in; the one before ends.

    The answer that is stored for repeats names the link only; the secret follows from it and our key, and is put in as
    the answer leaves.
    """

    async def act(conn: Connection) -> dict[str, Any]:
        await _require_side(conn, edge.caller, application_id)
        link_id = new_id()
        expires_at = await handlers.make_link(conn, application_id, link_id=link_id, now=edge.now)
        return {"link_id": link_id, "expires_at": expires_at}

    answer = await edge.once(act)
    stored = from_json(bytes(answer.body))
    token = _token(edge.platform.sealer, UUID(stored["link_id"]))
    shown = {"token": token, "path": f"/v1/sales/{token}", "expires_at": stored["expires_at"]}
    answer.body = to_json(shown)
    answer.headers["Content-Length"] = str(len(answer.body))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _token(sealer: Sealer, link_id: UUID) -> str:
    secret = sealer.blind_index(f"sales-link/{link_id}")[:16]
    return base64.urlsafe_b64encode(link_id.bytes + secret).decode().rstrip("=")


def _sender(token: str) -> str:
    """Who sends, as it is kept beside its Idempotency-Keys: of the link its id, and nothing of its secret."""
    return f"sales-link/{token[:21]}"


async def _application_of(conn: Connection, edge: PublicEdge, token: str) -> UUID:
    """The application that a link is of. Raises `SalesLinkInvalid`, whatever is wrong with it."""
    try:
        link_id = UUID(bytes=base64.urlsafe_b64decode(token + "=")[:16])
    except (binascii.Error, ValueError):
        link_id = UUID(int=0)
    genuine = hmac.compare_digest(_token(edge.platform.sealer, link_id), token)
    found = await store.find_link(conn, link_id, edge.now) if genuine else None
    if found is None:
        raise SalesLinkInvalid("This link is not good any more; ask your officer for a new one, or sign in.")
    return found


async def _shown(conn: Connection, application_id: UUID) -> dict[str, Any]:
    found = await applications.find_application(conn, application_id)
    bazaar = await bazaars.find_bazaar(conn, found.bazaar_id)
    held = found.offer
    assert held is not None
    reported = {row["day"]: row for row in await store.list_days(conn, application_id)}
    if bazaar.setting == "online":
        for day in bazaar.site(held.site_id).days:
            reported.setdefault(day, {"turnover_rupiah": None, "transactions": None, "units": None})
    return {
        "bazaar_name": bazaar.name,
        "site_name": bazaar.site(held.site_id).name,
        "booth": held.booth,
        "days": [
            {
                "day": day,
                "turnover_rupiah": row["turnover_rupiah"],
                "transactions": row["transactions"],
                "units": row["units"],
                "queried": list(row.get("queried_because", ())),
            }
            for day, row in sorted(reported.items())
        ],
    }


@router.get("/sales/{token}")
async def show_link(edge: PublicEdgeDep, token: Token, lang: Language = "id", said: str | None = None) -> Response:
    """The days of the link's booth: a page with a form for browsers, JSON for others."""
    async with edge.read() as conn:
        shown = await _shown(conn, await _application_of(conn, edge, token))
    if "text/html" not in edge.request.headers.get("accept", ""):
        return Response(to_json(shown), media_type="application/json", headers={"Cache-Control": "private, no-store"})
    content = TEMPLATES.get_template("sales.html").render(**shown, lang=lang, said=said, form=f"/v1/sales/{token}/form")
    return HTMLResponse(content, headers=PAGE_HEADERS)


@router.post("/sales/{token}")
async def report_by_link(edge: PublicEdgeDep, token: Token, command: ReportSales) -> Response:
    """Report a day, or correct what was reported."""

    async def act(conn: Connection) -> dict[str, Any]:
        application_id = await _application_of(conn, edge, token)
        because = await handlers.enter_sales(conn, application_id, command, origin="link", now=edge.now)
        return {"day": command.day, "queried": because}

    return await idempotency.once(edge.request, edge.platform, _sender(token), edge.now, act, 200)


@router.post("/sales/{token}/confirm")
async def confirm_by_link(edge: PublicEdgeDep, token: Token, wish: ConfirmSales) -> Response:
    """Say that figures which are doubted are right."""

    async def act(conn: Connection) -> dict[str, Any]:
        application_id = await _application_of(conn, edge, token)
        await handlers.confirm_sales(conn, application_id, wish.day, origin="link", now=edge.now)
        return {"day": wish.day}

    return await idempotency.once(edge.request, edge.platform, _sender(token), edge.now, act, 200)


@router.post("/sales/{token}/form", include_in_schema=False)
async def submit_form(
    edge: PublicEdgeDep,
    token: Token,
    day: Annotated[str, Form(max_length=10)],
    act: Annotated[Literal["report", "confirm"], Form()] = "report",
    turnover_rupiah: Annotated[str, Form(max_length=30)] = "",
    transactions: Annotated[str, Form(max_length=30)] = "",
    units: Annotated[str, Form(max_length=30)] = "",
    lang: Language = "id",
) -> Response:
    """The form of the page. A browser sends no key against repeats: the same figures sent again change nothing."""
    wish: ReportSales | ConfirmSales | None
    try:
        on = date.fromisoformat(day)
        if act == "confirm":
            wish = ConfirmSales(day=on)
        else:
            wish = ReportSales(
                day=on,
                turnover_rupiah=_whole(turnover_rupiah),
                transactions=_whole(transactions),
                units=_whole(units) if units.strip() else None,
            )
    except ValueError:  # pydantic's is one too
        wish = None
    said = "saved"
    try:
        async with edge.platform.database.transaction() as conn:
            application_id = await _application_of(conn, edge, token)
            if wish is None:
                said = "invalid"
            elif isinstance(wish, ConfirmSales):
                await handlers.confirm_sales(conn, application_id, wish.day, origin="link", now=edge.now)
            elif await handlers.enter_sales(conn, application_id, wish, origin="link", now=edge.now):
                said = "queried"
    except SalesLinkInvalid:
        raise
    except Refused as error:
        said = error.code
    return RedirectResponse(f"/v1/sales/{token}?lang={lang}&said={said}", status_code=303)


def _whole(text: str) -> int:
    """A whole number as people write it: 1.250.000, Rp1250000, 1 250 000. Raises `ValueError`."""
    digits = text.strip().removeprefix("Rp").replace(".", "").replace(",", "").replace(" ", "")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("not a whole number")
    return int(digits)

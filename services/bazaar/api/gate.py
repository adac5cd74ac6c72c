"""At the gate: the page that officers' phones scan with, what they send later, the absent, and walk-ins."""

import base64
import hashlib
import re
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from services.bazaar.api.access import require_not_own, require_organiser
from services.bazaar.domain.bazaar import BazaarUnknown
from services.bazaar.domain.gate import SCANS_MAX, Gate, SyncScans, site_of
from services.bazaar.domain.values import Exact, SiteId
from services.bazaar.handlers import gate as handlers
from services.bazaar.store import applications, bazaars
from services.bazaar.store import days as store
from services.bazaar.store import tickets as ticket_rows
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.tickets import show_keys

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["gate"])

TEMPLATES = Path(__file__).parent.parent / "templates"


@cache
def _page() -> tuple[bytes, dict[str, str]]:
    """The page and what its browser may do: run the one script and style in it, ask this service, use the camera."""
    content = (TEMPLATES / "gate.html").read_bytes()
    allowed = {
        name: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(inside).digest()).decode()}'"
            for inside in re.findall(rb"<%s>(.*?)</%s>" % (name.encode(), name.encode()), content, re.DOTALL)
        )
        for name in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; "
        "worker-src 'self'; media-src blob: mediastream:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Permissions-Policy": "camera=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    }
    return content, headers


@router.get("/gate", response_class=Response)
async def show_gate(edge: PublicEdgeDep, bazaar_id: UUID) -> Response:
    """The page for phones at the gate. It holds no data: with an officer's token it loads what it needs offline."""
    async with edge.read() as conn:
        if (await bazaars.find_bazaar(conn, bazaar_id)).state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
    content, headers = _page()
    return Response(content, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/gate-worker.js", response_class=Response, include_in_schema=False)
async def show_worker(_: PublicEdgeDep, bazaar_id: UUID) -> Response:
    """The script that keeps the page of this bazaar's gate on the phone; its address bounds what it may touch."""
    content = (TEMPLATES / "gate-worker.js").read_bytes()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="text/javascript; charset=utf-8", headers=headers)


@router.get("/gate/list")
async def list_expected(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId | None = None) -> dict[str, Any]:
    """What a phone needs offline: the keys, and who is expected at each site or at one, by booth and without a name."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        sites = bazaar.sites if site_id is None else (site_of(bazaar, site_id),)
        expected = {site.site_id: await store.list_expected(conn, bazaar_id, site.site_id) for site in sites}
        gates = await store.find_gates(conn, bazaar_id)
        keys = await ticket_rows.find_public_keys(conn)
    return {
        "bazaar_id": bazaar_id,
        "bazaar_name": bazaar.name,
        "as_of": edge.now,
        "scans_max": SCANS_MAX,
        "keys": show_keys(keys)["keys"],
        "sites": [
            {
                "site_id": site.site_id,
                "name": site.name,
                "days": site.days,
                "closes_at": f"{gates.get(site.site_id, Gate()).closes_at:%H:%M}",
                "released_at": gates.get(site.site_id, Gate()).released_at,
                "expected": [one._asdict() for one in expected[site.site_id]],
            }
            for site in sites
        ],
    }


@router.post("/check-ins/sync")
async def sync_scans(edge: EdgeDep, bazaar_id: UUID, command: SyncScans) -> Response:
    """Send what a device scanned, in any order and as often as it takes; each scan is answered for."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        outcome = await handlers.sync_scans(conn, bazaar_id, command, now=edge.now)
        return {
            "accepted": outcome.accepted,
            "checked_in": outcome.checked_in,
            "flagged": outcome.flagged,
            "refused": [refused._asdict() for refused in outcome.refused],
        }

    return await edge.once(act)


@router.get("/check-ins")
async def count_check_ins(edge: EdgeDep, bazaar_id: UUID) -> dict[str, Any]:
    """Per site and day: how many came, and how often they were scanned."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        return {"bazaar_id": bazaar_id, "days": await store.count_scans(conn, bazaar_id)}


@router.get("/check-ins/flagged")
async def list_flagged(
    edge: EdgeDep, bazaar_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Scans that were not plausible and wait for an officer."""
    key = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        rows = await store.list_flagged(conn, bazaar_id, key, limit)
    return page(rows, limit, lambda row: row["scan_id"])


class DecideScan(Exact):
    """The vendor was there, on this day where the scan's own is wrong; or it was not."""

    accept: bool
    day: date | None = None


@router.post("/check-ins/flagged/{scan_id}")
async def decide_scan(edge: EdgeDep, bazaar_id: UUID, scan_id: UUID, wish: DecideScan) -> Response:
    """Decide on a scan that was not plausible."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        for scan in (await store.find_scans(conn, bazaar_id, [scan_id])).values():
            found = await applications.find_application(conn, scan.application_id)
            await require_not_own(conn, edge.caller, found.vendor_id)
        await handlers.decide_scan(conn, bazaar_id, scan_id, accept=wish.accept, day=wish.day, now=edge.now)
        return {"scan_id": scan_id, "state": "accepted" if wish.accept else "dismissed"}

    return await edge.once(act)


class SetGate(Exact):
    """When the gate closes on the first day of the site, in Jakarta."""

    closes_at: time


@router.post("/sites/{site_id}/gate")
async def set_gate(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId, wish: SetGate) -> Response:
    """Set when the gate of a site closes: from then on the booths of the absent can be released."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.set_gate(conn, bazaar_id, site_id, wish.closes_at.replace(tzinfo=None))
        return {"site_id": site_id, "closes_at": f"{wish.closes_at:%H:%M}"}

    return await edge.once(act)


@router.post("/sites/{site_id}/release-absent")
async def release_absent(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId) -> Response:
    """After the gate has closed: who confirmed and is not there has missed it, and walk-ins may have the booths.

    Have every phone send its scans first.
    """

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        return {"missed": await handlers.release_absent(conn, bazaar_id, site_id, now=edge.now)}

    return await edge.once(act)


class TakeWalkIns(Exact):
    """Who stands at the gate of a site without a booth. In which order they are named does not matter."""

    site_id: SiteId
    present: Annotated[list[UUID], Field(min_length=1, max_length=200)]


@router.post("/walk-ins")
async def take_walk_ins(edge: EdgeDep, bazaar_id: UUID, wish: TakeWalkIns) -> Response:
    """Give free booths to those present: the queue first, in its order, then by standing; the rest are told why not."""

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        outcome = await handlers.take_walk_ins(conn, bazaar_id, wish.site_id, wish.present, now=edge.now)
        return {
            "assigned": [one._asdict() for one in outcome.assigned],
            "turned_away": [one._asdict() for one in outcome.turned_away],
        }

    return await edge.once(act)

"""At the gate: the page that officers' phones scan with, what they send later, the absent, and walk-ins."""

from datetime import date, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from services.bazaar.api.access import require_not_own, require_organiser
from services.bazaar.domain.bazaar import BazaarUnknown
from services.bazaar.domain.gate import Gate, SyncScans, site_of
from services.bazaar.domain.tickets import BOOTH
from services.bazaar.domain.values import Exact, SiteId
from services.bazaar.handlers import gate as handlers
from services.bazaar.store import applications, bazaars
from services.bazaar.store import days as store
from services.bazaar.store import tickets as ticket_rows
from shared.db import Connection
from shared.gate.page import GatePage, GateSetting, worker
from shared.gate.scans import SCANS_MAX
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.signing_keys import find_public_keys
from shared.tickets import show_keys

router = APIRouter(prefix="/v1/bazaars/{bazaar_id}", tags=["gate"])

PAGE = GatePage(
    GateSetting(
        kind=BOOTH,
        name="bazaar_name",
        subject="application_id",
        spot="booth",
        words={
            "id": {
                "title": "Gerbang bazar",
                "site": "Lokasi",
                "spot": "Lapak",
                "typing": "Tanpa kamera: tempel isi tiket (LPK1:...), atau ketik nomor lapak, misalnya A07.",
                "elsewhere": "Tiket untuk bazar lain.",
                "key": "Kunci tiket tidak dikenal. Muat ulang daftar, atau ketik nomor lapak.",
                "newer": "Ada tiket yang lebih baru. Minta tiket terbaru, atau ketik nomor lapak.",
                "late": "Datang setelah gerbang tutup; lapaknya mungkin sudah diberikan. Tanyakan petugas.",
                "nobody": "Tidak ada yang mengonfirmasi lapak ini.",
                "nocrypto": "Peramban ini tidak bisa memeriksa tiket (Ed25519). Perbarui peramban, atau ketik nomor "
                "lapak.",
            },
            "en": {
                "title": "Gate of the bazaar",
                "site": "Site",
                "spot": "Booth",
                "typing": "Without a camera: paste the ticket's text (LPK1:...), or type the number of the booth, for "
                "example A07.",
                "elsewhere": "A ticket for another bazaar.",
                "key": "The ticket's key is unknown. Load the list again, or type the number of the booth.",
                "newer": "There is a newer ticket. Ask for it, or type the number of the booth.",
                "late": "Came after the gate had closed; the booth may be given away. Ask an officer.",
                "nobody": "Nobody confirmed this booth.",
                "nocrypto": "This browser cannot check tickets (Ed25519). Update it, or type the number of the booth.",
            },
        },
    )
)


@router.get("/gate", response_class=Response)
async def show_gate(edge: PublicEdgeDep, bazaar_id: UUID) -> Response:
    """The page for phones at the gate. It holds no data: with an officer's token it loads what it needs offline."""
    async with edge.read() as conn:
        if (await bazaars.find_bazaar(conn, bazaar_id)).state == "draft":
            raise BazaarUnknown("There is no such bazaar.")
    return PAGE.answer()


@router.get("/gate-worker.js", response_class=Response, include_in_schema=False)
async def show_worker(_: PublicEdgeDep, bazaar_id: UUID) -> Response:
    """The script that keeps the page of this bazaar's gate on the phone; its address bounds what it may touch."""
    return worker()


@router.get("/gate/list")
async def list_expected(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId | None = None) -> dict[str, Any]:
    """What a phone needs offline: the keys, and who is expected at each site or at one, by booth and without a name."""
    async with edge.read() as conn:
        await require_organiser(conn, edge.caller, bazaar_id)
        bazaar = await bazaars.find_bazaar(conn, bazaar_id)
        sites = bazaar.sites if site_id is None else (site_of(bazaar, site_id),)
        expected = {site.site_id: await store.list_expected(conn, bazaar_id, site.site_id) for site in sites}
        gates = await store.find_gates(conn, bazaar_id)
        keys = await find_public_keys(conn, ticket_rows.KEYS)
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
            found = await applications.find_application(conn, scan.subject)
            await require_not_own(conn, edge.caller, found.vendor_id)
        await handlers.decide_scan(conn, bazaar_id, scan_id, accept=wish.accept, day=wish.day, now=edge.now)
        return {"scan_id": scan_id, "state": "accepted" if wish.accept else "dismissed"}

    return await edge.once(act)


class SetGate(Exact):
    """When the gate closes on the first day of the site, in Jakarta."""

    closes_at: time


@router.post("/sites/{site_id}/gate")
async def set_gate(edge: EdgeDep, bazaar_id: UUID, site_id: SiteId, wish: SetGate) -> Response:
    """Set when the gate of a site closes: from then on the booths of the absent can be released. Vendors are told with
    their tickets; who has one hears of the change.
    """

    async def act(conn: Connection) -> dict[str, Any]:
        await require_organiser(conn, edge.caller, bazaar_id)
        await handlers.set_gate(conn, bazaar_id, site_id, wish.closes_at.replace(tzinfo=None), now=edge.now)
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

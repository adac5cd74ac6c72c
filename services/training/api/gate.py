"""At the door of a class: the page that officers' phones scan with, what they send later, and what was odd in it."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from services.training.api.access import find_class, own_ids, require_class_officer, require_not_own
from services.training.api.attendance import Changed
from services.training.domain.attendance import require_held
from services.training.domain.classes import ClassNotFound
from services.training.domain.scans import SyncScans
from services.training.domain.tickets import PLACE_IN_CLASS, spot_of
from services.training.handlers import scans as handlers
from services.training.store import attendance, tickets
from services.training.store import scans as store
from shared.db import Connection
from shared.gate.page import GatePage, GateSetting, worker
from shared.gate.scans import SCANS_MAX
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.signing_keys import find_public_keys
from shared.tickets import show_keys

router = APIRouter(prefix="/v1/classes/{class_id}", tags=["attendance"])

PAGE = GatePage(
    GateSetting(
        kind=PLACE_IN_CLASS,
        name="title",
        subject="vendor_id",
        spot="number",
        words={
            "id": {
                "title": "Daftar hadir kelas",
                "site": "Kelas",
                "spot": "Nomor",
                "typing": "Tanpa kamera: tempel isi tiket (LPK1:...), atau ketik nomor peserta, misalnya P7.",
                "elsewhere": "Tiket untuk kelas lain.",
                "key": "Kunci tiket tidak dikenal. Muat ulang daftar, atau ketik nomor peserta.",
                "newer": "Ada tiket yang lebih baru. Minta tiket terbaru, atau ketik nomor peserta.",
                "nobody": "Tidak ada peserta dengan nomor ini.",
                "nocrypto": "Peramban ini tidak bisa memeriksa tiket (Ed25519). Perbarui peramban, atau ketik nomor "
                "peserta.",
            },
            "en": {
                "title": "Attendance of the class",
                "site": "Class",
                "spot": "Number",
                "typing": "Without a camera: paste the ticket's text (LPK1:...), or type the number of the trainee, "
                "for example P7.",
                "elsewhere": "A ticket for another class.",
                "key": "The ticket's key is unknown. Load the list again, or type the number of the trainee.",
                "newer": "There is a newer ticket. Ask for it, or type the number of the trainee.",
                "nobody": "No trainee has this number.",
                "nocrypto": "This browser cannot check tickets (Ed25519). Update it, or type the number of the "
                "trainee.",
            },
        },
    )
)


@router.get("/gate", response_class=Response)
async def show_gate(edge: PublicEdgeDep, class_id: UUID) -> Response:
    """The page for phones at the door. It holds no data: with an officer's token it loads what it needs offline."""
    async with edge.read() as conn:
        if (await find_class(conn, class_id)).state == "draft":
            raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return PAGE.answer()


@router.get("/gate-worker.js", response_class=Response, include_in_schema=False)
async def show_worker(_: PublicEdgeDep, class_id: UUID) -> Response:
    """The script that keeps the page of this class's door on the phone; its address bounds what it may touch."""
    return worker()


@router.get("/gate/list")
async def list_expected(edge: EdgeDep, class_id: UUID) -> dict[str, Any]:
    """What a phone needs offline: the keys, and who is expected, by number and without a name."""
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        a_class = await find_class(conn, class_id)
        require_held(a_class)
        expected = await store.list_expected(conn, class_id)
        keys = await find_public_keys(conn, tickets.KEYS)
    return {
        "class_id": class_id,
        "title": a_class.title,
        "as_of": edge.now,
        "scans_max": SCANS_MAX,
        "keys": show_keys(keys)["keys"],
        # one door, where the tickets of bazaars name one of several sites
        "sites": [
            {
                "site_id": "",
                "name": a_class.title,
                "days": a_class.days,
                "expected": [
                    {**one._asdict(), "number": None if one.number is None else spot_of(one.number)} for one in expected
                ],
            }
        ],
    }


@router.post("/check-ins/sync")
async def sync_scans(edge: EdgeDep, class_id: UUID, command: SyncScans) -> Response:
    """Send what a device scanned, in any order and as often as it takes; each scan is answered for."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> dict[str, Any]:
        await require_class_officer(conn, caller, class_id)
        outcome = await handlers.sync_scans(
            conn, class_id, command, account=caller.subject, own=await own_ids(conn, caller), now=edge.now
        )
        return {
            "accepted": outcome.accepted,
            "flagged": outcome.flagged,
            "refused": [refused._asdict() for refused in outcome.refused],
            **Changed.by(outcome.events),
        }

    return await edge.once(act)


@router.get("/check-ins")
async def count_check_ins(edge: EdgeDep, class_id: UUID) -> dict[str, Any]:
    """How a class's attendance stands: per session how many came and how often they were scanned, whether it is known
    who attended, and the devices that sent scans.
    """
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        a_class = await find_class(conn, class_id)
        counts = await attendance.count_days(conn, class_id)
        taken = await attendance.find_taken_days(conn, class_id)
        devices = await store.list_devices(conn, class_id)
    days = [(day, *counts.get(day, (0, 0))) for day in a_class.days]
    return {
        "class_id": class_id,
        "days": [
            {"day": day, "attended": attended, "scans": scans, "taken": day in taken} for day, attended, scans in days
        ],
        "devices": devices,
    }


@router.get("/check-ins/flagged")
async def list_flagged(
    edge: EdgeDep, class_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Scans that were not plausible and wait for an officer."""
    key = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        rows = await store.list_flagged(conn, class_id, key, limit + 1)
    return page(rows, limit, lambda row: row["scan_id"])


@router.get("/check-ins/refused")
async def list_refused(
    edge: EdgeDep, class_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Scans that were refused, and why: forgeries, tickets of other classes or that do not count any more."""
    key = read_cursor(after, tuple[UUID, str]) if after is not None else None
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        rows = await store.list_refused(conn, class_id, key, limit + 1)
    return page(rows, limit, lambda row: (row["scan_id"], row["device_id"]))


class DecideScan(BaseModel):
    """The vendor was there, on this day where the scan's own is wrong; or the scan is void."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept: bool
    day: date | None = None


@router.post("/check-ins/flagged/{scan_id}")
async def decide_scan(edge: EdgeDep, class_id: UUID, scan_id: UUID, wish: DecideScan) -> Response:
    """Decide on a scan that was not plausible."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> dict[str, Any]:
        await require_class_officer(conn, caller, class_id)
        await require_not_own(conn, caller, (await handlers.find_flagged(conn, class_id, scan_id)).subject)
        events = await handlers.decide_scan(
            conn, class_id, scan_id, accept=wish.accept, day=wish.day, decided_by=caller.subject, now=edge.now
        )
        return {"scan_id": scan_id, "state": "accepted" if wish.accept else "dismissed", **Changed.by(events)}

    return await edge.once(act)

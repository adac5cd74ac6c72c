"""Appeals: a vendor objects, an officer of the bazaar decides, the vendor reads the answer; figures for everyone."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response

from services.bazaar.api.access import is_own, require_organiser, require_side
from services.bazaar.domain import appeals as domain
from services.bazaar.domain.appeals import AppealUnknown, DecideAppeal, FileAppeal
from services.bazaar.handlers import appeals as handlers
from services.bazaar.store import appeals as store
from services.bazaar.store import applications
from shared.auth import OutsideArea
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["appeals"])


@router.post("/applications/{application_id}/appeals", status_code=201)
async def file_appeal(edge: EdgeDep, application_id: UUID, command: FileAppeal) -> Response:
    """Object to a decision on an application, within 30 days of it; a human decides."""

    async def act(conn: Connection) -> dict[str, Any]:
        found = await applications.find_application(conn, application_id)
        await require_side(conn, edge.caller, vendor_id=found.vendor_id, bazaar_id=found.bazaar_id)
        appeal_id = new_id()
        await handlers.file_appeal(
            conn,
            application_id,
            command,
            appeal_id=appeal_id,
            by=edge.caller.subject,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return {"appeal_id": appeal_id}

    return await edge.once(act, status=201)


@router.get("/appeals")
async def list_appeals(
    edge: EdgeDep,
    state: Literal["open", "upheld", "rejected"] = "open",
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Appeals at bazaars that lie wholly in the officer's area, the oldest first, without what was written."""
    edge.caller.require("officer")
    if edge.caller.area is None:
        raise OutsideArea("This token has no area.", area=None)
    last = read_cursor(after, UUID) if after else None
    async with edge.read() as conn:
        rows = await store.list_appeals(conn, edge.caller.area, state, last, limit)
    return page(rows, limit, lambda row: row["appeal_id"])


@router.get("/appeals/{appeal_id}")
async def show_appeal(edge: EdgeDep, appeal_id: UUID) -> dict[str, Any]:
    """An appeal with what was written and answered: for the vendor itself, and for officers of the whole bazaar."""
    async with edge.read() as conn:
        appeal = await store.find_appeal(conn, appeal_id)
        if edge.caller.has("officer") and not await is_own(conn, edge.caller, appeal.vendor_id):
            await require_organiser(conn, edge.caller, appeal.bazaar_id)
        else:
            await require_side(conn, edge.caller, vendor_id=appeal.vendor_id, bazaar_id=appeal.bazaar_id)
        if appeal.state == "dropped":
            raise AppealUnknown("There is no such appeal.")
        written = await store.find_written(conn, appeal_id)
    return {
        "appeal_id": appeal.appeal_id,
        "application_id": appeal.application_id,
        "bazaar_id": appeal.bazaar_id,
        "vendor_id": appeal.vendor_id,
        "about": appeal.about,
        "state": appeal.state,
        "filed_at": appeal.filed_at,
        "text": _opened(edge, appeal_id, written.text_sealed),
        "reason": appeal.reason,
        "remedy": appeal.remedy,
        "answer": _opened(edge, appeal_id, written.answer_sealed),
        "decided_at": appeal.decided_at,
    }


def _opened(edge: Edge, appeal_id: UUID, sealed: bytes | None) -> str | None:
    return None if sealed is None else edge.platform.sealer.open(sealed, appeal_id.bytes).decode()


@router.post("/appeals/{appeal_id}/decide")
async def decide_appeal(edge: EdgeDep, appeal_id: UUID, command: DecideAppeal) -> Response:
    """Decide as an officer of the whole bazaar; what is granted counts from the next round on."""

    async def act(conn: Connection) -> dict[str, Any]:
        appeal = await store.find_appeal(conn, appeal_id)
        await require_organiser(conn, edge.caller, appeal.bazaar_id)
        await handlers.decide_appeal(
            conn,
            appeal_id,
            command,
            by=edge.caller.subject,
            by_vendor=edge.caller.vendor_id,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return {"appeal_id": appeal_id, "state": "upheld" if command.upheld else "rejected"}

    return await edge.once(act)


@router.get("/statistics/appeals")
async def show_figures(edge: PublicEdgeDep) -> dict[str, Any]:
    """How many appeals there were about what, and how they ended; counts under 5 are not told (null)."""
    async with edge.read() as conn:
        counts = await store.count_appeals(conn)
    return {"suppressed_below": domain.FIGURES_MIN, "items": [one._asdict() for one in domain.publishable(counts)]}

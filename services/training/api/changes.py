"""Classes that take people are moved, grown or shrunk, and cancelled, by officers of their area."""

from datetime import date
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.training.api.access import require_class_officer
from services.training.api.enrolments import Warned, warned
from services.training.domain.changes import CancelClass, MoveClass, ResizeClass
from services.training.handlers import changes as handlers
from shared.db import Connection
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])


class MoveAnswer(BaseModel):
    """The days of the class now, and whose other plans clash with them."""

    class_id: UUID
    days: list[date]
    warnings: list[Warned]


class ResizeAnswer(BaseModel):
    """The places of the class now."""

    class_id: UUID
    places: int


@router.post("/classes/{class_id}/move", response_model=MoveAnswer)
async def move_class(edge: EdgeDep, class_id: UUID, command: MoveClass) -> Response:
    """Meet on other days, at other hours or elsewhere. Sessions that were held stay, as does their attendance;
    everybody keeps its place and hears of it.
    """

    async def act(conn: Connection) -> MoveAnswer:
        await require_class_officer(conn, edge.caller, class_id)
        moved, cautions = await handlers.move_class(conn, class_id, command, now=edge.now)
        return MoveAnswer(class_id=class_id, days=list(moved.days), warnings=warned(cautions))

    return await edge.once(act)


@router.post("/classes/{class_id}/places", response_model=ResizeAnswer)
async def resize_class(edge: EdgeDep, class_id: UUID, command: ResizeClass) -> Response:
    """Have more places, which go to those who wait first; or fewer, though not fewer than are taken."""

    async def act(conn: Connection) -> ResizeAnswer:
        await require_class_officer(conn, edge.caller, class_id)
        resized = await handlers.resize_class(conn, class_id, command, now=edge.now)
        return ResizeAnswer(class_id=class_id, places=resized.places)

    return await edge.once(act)


@router.post("/classes/{class_id}/cancel", status_code=204)
async def cancel_class(edge: EdgeDep, class_id: UUID, command: CancelClass) -> Response:
    """Do not hold a class, prepared or open. Who had a place or waited for one waits for the next class of the course,
    in the old order. Cancelling it again changes nothing.
    """

    async def act(conn: Connection) -> None:
        await require_class_officer(conn, edge.caller, class_id)
        await handlers.cancel_class(conn, class_id, command, now=edge.now)

    return await edge.once(act)

"""Who attended a session of a class, for officers of its area."""

from datetime import date
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from services.training.api.access import require_class_area
from services.training.domain.attendance import TakeAttendance
from services.training.handlers import attendance as handlers
from shared.db import Connection
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])


class AttendanceAnswer(BaseModel):
    """The list as it stands; in a finished class also whose result the correction changed."""

    day: date
    attended: int
    completed: list[UUID]
    not_completed: list[UUID]


@router.post("/classes/{class_id}/attendance", response_model=AttendanceAnswer)
async def take_attendance(edge: EdgeDep, class_id: UUID, command: TakeAttendance) -> Response:
    """Set who attended the session of a day: the whole list. Another list corrects it, also after the class ended."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> AttendanceAnswer:
        await require_class_area(conn, caller, class_id)
        events = await handlers.take_attendance(conn, class_id, command, taken_by=caller.subject, now=edge.now)
        return AttendanceAnswer(
            day=command.day,
            attended=len(command.vendor_ids),
            completed=[event.vendor_id for event in events if isinstance(event, TrainingCompleted)],
            not_completed=[event.vendor_id for event in events if isinstance(event, TrainingNotCompleted)],
        )

    return await edge.once(act)

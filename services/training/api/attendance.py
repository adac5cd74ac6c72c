"""Who attended the sessions of a class: lists, corrections, and what is known, for officers of its area."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response, UploadFile
from pydantic import BaseModel, Field

from services.training.api.access import (
    find_class,
    own_ids,
    require_class_officer,
    require_no_own_place,
    require_not_own,
)
from services.training.attendance_sheets import (
    SHEET_BYTES_MAX,
    AttendanceSheetRefused,
    EmptyCells,
    read_sheet,
    write_sheet,
)
from services.training.domain.attendance import CorrectAttendance, TakeAttendance
from services.training.domain.attendance_sheets import FAULTS_SHOWN_MAX
from services.training.domain.tickets import spot_of
from services.training.handlers import attendance as handlers
from services.training.handlers import attendance_sheets
from services.training.store import attendance as store
from shared.db import Connection
from shared.events.training import TraineeEvent, TrainingCompleted, TrainingNotCompleted
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, large_body, page, read_cursor

router = APIRouter(prefix="/v1/classes/{class_id}/attendance", tags=["training"])


class Changed(BaseModel):
    """In a finished class: whose result changed. Nobody, while the class runs."""

    completed: list[UUID]
    not_completed: list[UUID]

    @classmethod
    def by(cls, events: Sequence[TraineeEvent]) -> dict[str, list[UUID]]:
        """What these events say, as the fields of this model."""
        return {
            "completed": [event.vendor_id for event in events if isinstance(event, TrainingCompleted)],
            "not_completed": [event.vendor_id for event in events if isinstance(event, TrainingNotCompleted)],
        }


class AttendanceAnswer(Changed):
    """The list as it stands; in a finished class also whose result the correction changed."""

    day: date
    attended: int


class CorrectionAnswer(Changed):
    """That the correction was taken; in a finished class also whether it changed the result."""

    vendor_id: UUID
    day: date
    present: bool


class DayView(BaseModel):
    """A vendor's day. `word`: the last that a person said, which counts before scans; none: nobody said anything."""

    vendor_id: UUID
    number: str | None
    attended: bool
    word: bool | None
    source: Literal["list", "sheet", "officer", "scan"] | None
    marked_by: str | None
    marked_at: datetime | None
    scans: int
    contradicted: bool = Field(description="Scanned, though a person said that it was not there")


class DayPage(BaseModel):
    """Everybody with a place, by id."""

    items: list[DayView]
    next: str | None


@router.post("", response_model=AttendanceAnswer)
async def take_attendance(edge: EdgeDep, class_id: UUID, command: TakeAttendance) -> Response:
    """Set who attended the session of a day: the whole list. Another list corrects it, also after the class ended."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> AttendanceAnswer:
        await require_class_officer(conn, caller, class_id)
        await require_no_own_place(conn, caller, class_id)
        events = await handlers.take_attendance(conn, class_id, command, taken_by=caller.subject, now=edge.now)
        return AttendanceAnswer(day=command.day, attended=len(command.vendor_ids), **Changed.by(events))

    return await edge.once(act)


@router.post("/corrections", response_model=CorrectionAnswer)
async def correct_attendance(edge: EdgeDep, class_id: UUID, command: CorrectAttendance) -> Response:
    """Set whether one vendor attended one day, also after the class ended. It counts until somebody says otherwise."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> CorrectionAnswer:
        await require_class_officer(conn, caller, class_id)
        await require_not_own(conn, caller, command.vendor_id)
        events = await handlers.correct_attendance(conn, class_id, command, corrected_by=caller.subject, now=edge.now)
        return CorrectionAnswer(**command.model_dump(), **Changed.by(events))

    return await edge.once(act)


class FaultView(BaseModel):
    """What is wrong with a row of a sheet, and how to mend it."""

    line: int
    field: str
    value: str
    reason: str
    fix: str


class SheetAnswer(Changed):
    """What became of a sheet: how many vendors' days it says something of, and of each day how many were present.

    `faults`: of a dry run, the first of them; a sheet with faults is refused, and nothing of it recorded.
    """

    dry_run: bool
    marks: int
    present: dict[date, int]
    faults: list[FaultView]
    faults_in_all: int


@router.post("/sheet", response_model=SheetAnswer)
@large_body(SHEET_BYTES_MAX + 64 * 1024)
async def take_sheet(
    edge: EdgeDep,
    class_id: UUID,
    file: UploadFile,
    dry_run: Annotated[bool, Query(description="Say what would happen, and record nothing")] = False,
    empty: Annotated[
        EmptyCells, Query(description="What an empty cell under a day says: nothing, or absent")
    ] = "unmarked",
) -> Response:
    """Mark who was there by a sheet, CSV or XLSX: all of it, or nothing where a row is wrong. Whom and what it does not
    name stays as it is. Sent again, it changes nothing.
    """
    caller = edge.caller
    caller.require("officer")
    content = await file.read(SHEET_BYTES_MAX + 1)
    if len(content) > SHEET_BYTES_MAX:
        raise AttendanceSheetRefused("The sheet has more than 1 MiB; send it in parts.", bytes_max=SHEET_BYTES_MAX)

    async def act(conn: Connection) -> SheetAnswer:
        await require_class_officer(conn, caller, class_id)
        rows, faults = await asyncio.to_thread(read_sheet, content, empty)
        taken = await attendance_sheets.take_sheet(
            conn,
            class_id,
            rows,
            faults,
            own=await own_ids(conn, caller),
            taken_by=caller.subject,
            dry_run=dry_run,
            now=edge.now,
        )
        return SheetAnswer(
            dry_run=dry_run,
            marks=taken.marks,
            present=taken.present,
            faults=[FaultView(**fault._asdict()) for fault in taken.faults[:FAULTS_SHOWN_MAX]],
            faults_in_all=len(taken.faults),
            **Changed.by(taken.events),
        )

    return await edge.once(act)


@router.get("/sheet.csv", response_class=Response)
async def show_sheet(edge: EdgeDep, class_id: UUID) -> Response:
    """A sheet to be filled and sent back: everybody with a place by id and number, a column for each day."""
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        a_class = await find_class(conn, class_id)
        lines = await store.list_sheet(conn, class_id)
    headers = {"Content-Disposition": f'attachment; filename="hadir-{class_id}.csv"', "Cache-Control": "no-store"}
    return Response(write_sheet(a_class.days, lines), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("", response_model=DayPage)
async def show_day(
    edge: EdgeDep,
    class_id: UUID,
    day: date,
    contradicted: Annotated[
        bool, Query(description="Only who was scanned though a person said that it was not there")
    ] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """What is known of a session: who attended, by whose word or by scans, and where these contradict each other."""
    key = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        await require_class_officer(conn, edge.caller, class_id)
        rows = await store.list_day(conn, class_id, day, contradicted=contradicted, after=key, limit=limit + 1)
    views = [
        DayView(
            vendor_id=row.vendor_id,
            number=None if row.number is None else spot_of(row.number),
            attended=row.attended,
            word=row.word,
            source=row.source,
            marked_by=row.marked_by,
            marked_at=row.marked_at,
            scans=row.scans,
            contradicted=row.scans > 0 and row.word is False,
        )
        for row in rows
    ]
    return page(views, limit, lambda view: view.vendor_id)

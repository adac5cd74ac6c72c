"""HTTP routes of training. Officers act within their area; a vendor sees and enrols itself."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training import handlers
from services.training.domain import (
    ClassKind,
    ClassNotFound,
    ClassState,
    Enrolment,
    EnrolVendors,
    OpenClass,
    RefusalCode,
    Result,
    TakeAttendance,
    TraineeNotFound,
    TrainingClass,
)
from services.training.store import classes, personal_data, registry, rosters, trainees
from shared import families
from shared.auth import Caller, covers
from shared.db import Connection
from shared.events.training import TrainingCompleted, TrainingNotCompleted
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor
from shared.ids import new_id
from shared.personal_data import VendorNotKept, require_entitled

router = APIRouter(prefix="/v1", tags=["training"])


# --- answers


class ClassAnswer(BaseModel):
    """A class that was opened."""

    class_id: UUID


class ClassView(BaseModel):
    """A class; `taken` of its `places` are given."""

    class_id: UUID
    course: str
    title: str
    area: str
    kind: ClassKind
    days: list[date]
    places: int
    taken: int
    state: ClassState
    completion_rule: int


class SeatView(BaseModel):
    """A vendor's place in a class."""

    vendor_id: UUID
    attended: list[date]
    result: Result | None


class ClassDetail(ClassView):
    """A class; officers of its area see who has a place in it."""

    roster: list[SeatView] | None = None


class ClassPage(BaseModel):
    """Classes, the last opened first."""

    items: list[ClassView]
    next: str | None


class RefusedVendor(BaseModel):
    """Why one vendor got no place."""

    vendor_id: UUID
    code: RefusalCode
    reason: str


class EnrolmentAnswer(BaseModel):
    """Who got a place and who did not, in the order asked."""

    enrolled: list[UUID]
    refused: list[RefusedVendor]


class AttendanceAnswer(BaseModel):
    """The list as it stands; in a finished class also whose result the correction changed."""

    day: date
    attended: int
    completed: list[UUID]
    not_completed: list[UUID]


class FinishAnswer(BaseModel):
    """How the class ended."""

    completed: int
    not_completed: int


class InvitationView(BaseModel):
    """An invitation to a course; without a class the vendor waits for one."""

    course: str
    class_id: UUID | None
    invited_at: datetime


class EnrolmentView(BaseModel):
    """A place in a class and what came of it; `result` is none before the class is finished."""

    class_id: UUID
    course: str
    title: str
    days: list[date]
    state: ClassState
    sessions_attended: int
    sessions_held: int
    result: Result | None
    completed_on: date | None


class TraineeView(BaseModel):
    """The training record of a vendor. `completed`: it has at least one valid completion."""

    vendor_id: UUID
    completed: bool
    invitations: list[InvitationView]
    enrolments: list[EnrolmentView]


class CopyView(BaseModel):
    """Rows and the sha256 over their sorted lines, to compare a copy with its source."""

    count: int
    sha256: str


# --- classes


@router.post("/classes", status_code=201, response_model=ClassAnswer)
async def open_class(edge: EdgeDep, command: OpenClass) -> Response:
    """Open a class for enrolment. Vendors of its area who wait for one of this course are invited to it."""
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> ClassAnswer:
        opened = await handlers.open_class(conn, command, class_id=new_id(), now=edge.now)
        return ClassAnswer(class_id=opened.class_id)

    return await edge.once(act, status=201)


@router.get("/classes", response_model=ClassPage)
async def list_classes(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Classes of this area and all below it")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Classes, the last opened first."""
    last = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        found = await classes.find_classes(conn, area=area, after=last, limit=limit + 1)
    return page([_class_view(*each) for each in found], limit, lambda view: view.class_id)


@router.get("/classes/{class_id}", response_model=ClassDetail)
async def show_class(edge: EdgeDep, class_id: UUID) -> ClassDetail:
    """A class; officers of its area also see its roster."""
    async with edge.read() as conn:
        a_class = await _find_class(conn, class_id)
        roster = await rosters.find_roster(conn, class_id)
        taken = await rosters.count_enrolled(conn, class_id)
    view = _class_view(a_class, taken)
    return ClassDetail(**view.model_dump(), roster=_roster_view(roster) if _serves(edge.caller, a_class.area) else None)


@router.post("/classes/{class_id}/enrolments", response_model=EnrolmentAnswer)
async def enrol_vendors(edge: EdgeDep, class_id: UUID, command: EnrolVendors) -> Response:
    """Give vendors places while they last; each that gets none is told why. A vendor enrols only itself."""
    caller = edge.caller
    caller.require("officer", "vendor")
    by_officer = caller.has("officer")
    for vendor_id in command.vendor_ids:
        caller.require_vendor(vendor_id)

    async def act(conn: Connection) -> EnrolmentAnswer:
        if by_officer:
            await _require_class_area(conn, caller, class_id)
        outcome = await handlers.enrol_vendors(conn, class_id, command, by_officer=by_officer, now=edge.now)
        return EnrolmentAnswer(
            enrolled=[event.vendor_id for event in outcome.enrolled],
            refused=[RefusedVendor(vendor_id=r.vendor_id, code=r.code, reason=r.reason) for r in outcome.refused],
        )

    return await edge.once(act)


@router.post("/classes/{class_id}/attendance", response_model=AttendanceAnswer)
async def take_attendance(edge: EdgeDep, class_id: UUID, command: TakeAttendance) -> Response:
    """Set who attended the session of a day: the whole list. Another list corrects it, also after the class ended."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> AttendanceAnswer:
        await _require_class_area(conn, caller, class_id)
        events = await handlers.take_attendance(conn, class_id, command, taken_by=caller.subject, now=edge.now)
        return AttendanceAnswer(
            day=command.day,
            attended=len(command.vendor_ids),
            completed=[event.vendor_id for event in events if isinstance(event, TrainingCompleted)],
            not_completed=[event.vendor_id for event in events if isinstance(event, TrainingNotCompleted)],
        )

    return await edge.once(act)


@router.post("/classes/{class_id}/finish", response_model=FinishAnswer)
async def finish_class(edge: EdgeDep, class_id: UUID) -> Response:
    """End a class and judge everybody in it by its completion rule. Finishing it again changes nothing."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> FinishAnswer:
        await _require_class_area(conn, caller, class_id)
        completed, not_completed = await handlers.finish_class(conn, class_id, now=edge.now)
        return FinishAnswer(completed=completed, not_completed=not_completed)

    return await edge.once(act)


# --- trainees


@router.get("/trainees/{vendor_id}", response_model=TraineeView)
async def show_trainee(edge: EdgeDep, vendor_id: UUID) -> TraineeView:
    """A vendor's training record, under whichever of its ids: for the vendor itself and for officers of where it
    lives.
    """
    caller = edge.caller
    caller.require("officer", "vendor")
    async with edge.read() as conn:
        vendor_ids = await families.find_family(conn, vendor_id)
        itself = caller.has("vendor") and caller.vendor_id in vendor_ids
        if not itself:
            caller.require_vendor(vendor_id)
        kelurahan = await registry.find_kelurahan(conn, vendor_id)
        if kelurahan is None:
            raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(vendor_id))
        if not itself:
            caller.require_area(kelurahan)
        invitations = await trainees.find_invitations(conn, vendor_ids)
        record = await rosters.find_record(conn, vendor_ids)
    return TraineeView(
        vendor_id=vendor_id,
        completed=any(enrolment.result == "completed" for _, enrolment in record),
        invitations=[InvitationView(**invitation._asdict()) for invitation in invitations],
        enrolments=[_enrolment_view(*each) for each in record],
    )


@router.get("/vendors/{vendor_id}/data", tags=["personal data"])
async def show_personal_data(edge: EdgeDep, vendor_id: UUID) -> dict[str, Any]:
    """All that training keeps about a person, under each of its ids: for the person itself and a registrar of where it
    lives (UU PDP, Law 27/2022). A section that is empty says so.
    """
    async with edge.read() as conn:
        await _require_entitled(conn, edge.caller, vendor_id)
        vendor_ids = await families.find_family(conn, vendor_id)
        sections = await personal_data.collect(conn, vendor_ids)
    return {
        "service": "training",
        "vendor_id": vendor_id,
        "registrations_of_the_person": vendor_ids,
        "collected_at": edge.now,
        "sections": sections,
    }


# --- copies and sources


@router.get("/sources", response_model=dict[str, CopyView])
async def show_sources(edge: EdgeDep) -> dict[str, CopyView]:
    """What other services copy from here, to compare."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, sha256 = await rosters.digest_completions(conn)
    return {"completions": CopyView(count=count, sha256=sha256)}


@router.get("/projections", response_model=dict[str, CopyView])
async def show_projections(edge: EdgeDep) -> dict[str, CopyView]:
    """What is copied here from other services, to compare."""
    edge.caller.require("operator")
    async with edge.read() as conn:
        count, sha256 = await registry.digest_vendors(conn)
    return {"vendors": CopyView(count=count, sha256=sha256)}


# ---


async def _find_class(conn: Connection, class_id: UUID) -> TrainingClass:
    a_class = await classes.find_class(conn, class_id)
    if a_class is None:
        raise ClassNotFound("No class has this id.", class_id=str(class_id))
    return a_class


async def _require_class_area(conn: Connection, caller: Caller, class_id: UUID) -> None:
    # a class never changes its area, so this needs no lock
    caller.require_area((await _find_class(conn, class_id)).area)


async def _require_entitled(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    if await families.find_erased(conn, [vendor_id]):
        raise VendorNotKept("Nothing is kept here of this vendor.")
    require_entitled(caller, vendor_id, await registry.find_kelurahan(conn, vendor_id))


def _serves(caller: Caller, area: str) -> bool:
    return caller.has("officer") and caller.area is not None and covers(caller.area, area)


def _class_view(a_class: TrainingClass, taken: int) -> ClassView:
    return ClassView(
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        area=a_class.area,
        kind=a_class.kind,
        days=list(a_class.days),
        places=a_class.places,
        taken=taken,
        state=a_class.state,
        completion_rule=a_class.rule,
    )


def _roster_view(roster: Sequence[Enrolment]) -> list[SeatView]:
    return [SeatView(vendor_id=e.vendor_id, attended=sorted(e.attended), result=e.result) for e in roster]


def _enrolment_view(a_class: TrainingClass, enrolment: Enrolment) -> EnrolmentView:
    return EnrolmentView(
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        days=list(a_class.days),
        state=a_class.state,
        sessions_attended=len(enrolment.attended),
        sessions_held=len(a_class.days),
        result=enrolment.result,
        completed_on=a_class.completed_on if enrolment.result == "completed" else None,
    )

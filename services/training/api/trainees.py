"""Training records, for the vendor itself and for officers of where it lives."""

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from services.training.api.certificates import CertificateView, view_of
from services.training.domain.classes import ClassState, TrainingClass
from services.training.domain.completion import Result
from services.training.domain.enrolments import Enrolment, TraineeNotFound
from services.training.store import certificates, registry, rosters, trainees
from shared import families
from shared.http import EdgeDep

router = APIRouter(prefix="/v1", tags=["training"])


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
    certificates: list[CertificateView]


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
        certified = await certificates.find_of_vendors(conn, vendor_ids)
    return TraineeView(
        vendor_id=vendor_id,
        completed=any(enrolment.result == "completed" for _, enrolment in record),
        invitations=[InvitationView(**invitation._asdict()) for invitation in invitations],
        enrolments=[_enrolment_view(*each) for each in record],
        certificates=[view_of(edge, one, own=itself) for one in certified],
    )


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

"""How a vendor gets on in the programme, in one answer: for the vendor itself and officers of its area."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.vendor.api.access import see_family
from services.vendor.domain.programme import SERVICES, Step
from services.vendor.domain.progress import Mentor, describe
from services.vendor.handlers.progress import put_together
from shared.events.programme import EnrolmentState, ProgrammeService
from shared.http import EdgeDep

__all__ = ["router"]

router = APIRouter(tags=["progress"])


class ServiceAnswer(BaseModel):
    """Where the vendor stands in a service of the programme; null: it never asked."""

    service: ProgrammeService
    state: EnrolmentState | None
    since: datetime | None


class TrainingAnswer(BaseModel):
    """A class."""

    class_id: UUID
    course: str
    state: str
    completed_on: date | None


class CertificateAnswer(BaseModel):
    """A certificate; `valid` until it is revoked."""

    certificate_id: UUID
    number: str
    course: str
    title: str
    issued_on: date | None
    valid: bool


class MentorAnswer(BaseModel):
    """Who accompanies the vendor, since when."""

    mentor_id: UUID
    since: datetime


class VisitAnswer(BaseModel):
    """When a mentor was there last, and when something is to follow."""

    visited_on: date
    next_action_on: date | None


class CaseAnswer(BaseModel):
    """Help that is under way; `wanted`: codes of what the vendor is to bring."""

    case_id: UUID
    service: ProgrammeService
    state: str
    due_on: date | None
    wanted: list[str]


class ReferralAnswer(BaseModel):
    """The last referral to a bank; the loan is the bank's to decide."""

    referral_id: UUID
    bank: str
    bank_name: str | None
    state: str
    moved_at: datetime


class MonthAnswer(BaseModel):
    """The figures of a month."""

    month: str
    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    queried: bool


class GraduationAnswer(BaseModel):
    """Where the vendor stands with graduation; `objected`: an objection waits for an answer."""

    state: str
    criteria: str
    decided_on: date | None
    objected: bool


class ExportAnswer(BaseModel):
    """How ready for export the vendor was found last; the score is null for assessments of before there were any."""

    ready: bool
    score: int | None
    assessed_on: date


class ProgressAnswer(BaseModel):
    """How a vendor gets on, over everything and all its registrations; `summary` says the same in plain sentences."""

    vendor_id: UUID
    summary: dict[str, list[str]] = Field(description="id and en: a sentence about each part")
    services: list[ServiceAnswer]
    trainings: list[TrainingAnswer]
    certificates: list[CertificateAnswer]
    mentor: MentorAnswer | None
    foster_mentor: MentorAnswer | None
    last_visit: VisitAnswer | None
    open_cases: list[CaseAnswer]
    capital_referral: ReferralAnswer | None
    figures: list[MonthAnswer] = Field(description="Of the last months, oldest first")
    graduation: GraduationAnswer | None
    export: ExportAnswer | None


@router.get("/v1/vendors/{vendor_id}/progress")
async def get_progress(vendor_id: UUID, edge: EdgeDep) -> ProgressAnswer:
    """P1 to P7, trainings, mentor, open cases, capital, figures, graduation and export readiness of a vendor."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        one = await put_together(conn, family)
    return ProgressAnswer(
        vendor_id=family[0],
        summary=describe(one),
        services=[_service(service, one.services) for service in SERVICES],
        trainings=[
            TrainingAnswer(
                class_id=place.class_id, course=place.course, state=place.state, completed_on=place.completed_on
            )
            for place in one.places
        ],
        certificates=[CertificateAnswer(**certificate._asdict()) for certificate in one.certificates],
        mentor=_mentor(one.mentor),
        foster_mentor=_mentor(one.foster),
        last_visit=None if one.visit is None else VisitAnswer(**one.visit._asdict()),
        open_cases=[CaseAnswer.model_validate(case._asdict()) for case in one.cases],
        capital_referral=None
        if one.referral is None
        else ReferralAnswer(
            referral_id=one.referral.referral_id,
            bank=one.referral.bank,
            bank_name=one.bank_name,
            state=one.referral.state,
            moved_at=one.referral.moved_at,
        ),
        figures=[
            MonthAnswer(month=f"{report.month:%Y-%m}", **report.figures._asdict(), queried=report.query_state == "open")
            for report in one.figures
        ],
        graduation=None if one.graduation is None else GraduationAnswer(**one.graduation._asdict()),
        export=None
        if one.assessment is None
        else ExportAnswer(
            ready=one.assessment.ready, score=one.assessment.score, assessed_on=one.assessment.assessed_on
        ),
    )


def _service(service: ProgrammeService, steps: Mapping[ProgrammeService, Step]) -> ServiceAnswer:
    step = steps.get(service)
    return ServiceAnswer(
        service=service, state=None if step is None else step.state, since=None if step is None else step.at
    )


def _mentor(mentor: Mentor | None) -> MentorAnswer | None:
    return None if mentor is None else MentorAnswer(**mentor._asdict())

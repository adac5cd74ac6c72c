"""Export and exhibitions over HTTP (DOMAIN B7)."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.vendor import areas
from services.vendor.api.access import may_reach, officer_area, see_family
from services.vendor.api.texts import Day, Line, Note
from services.vendor.domain.invitations import (
    Exhibition,
    ExhibitionKind,
    ExhibitionUnknown,
    InvitationUnknown,
)
from services.vendor.handlers import invitations as handlers
from services.vendor.store import invitations as store
from services.vendor.store.invitations import Choice
from shared.auth import Caller
from shared.db import Connection
from shared.events.values import AreaCode, CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

__all__ = ["router"]

DAYS_MAX = 60
PARTNERS_MAX = 20
CRITERIA_MAX = 50
VENDORS_MAX = 500

router = APIRouter(tags=["export and exhibitions"])


class AssessmentBody(BaseModel):
    """An officer's assessment."""

    model_config = ConfigDict(extra="forbid")

    ready: bool
    criteria_met: Annotated[list[CategoryCode], Field(max_length=CRITERIA_MAX)] = Field(default_factory=list)
    note: Note | None = None


class ReferralBody(BaseModel):
    """The partner to refer to."""

    model_config = ConfigDict(extra="forbid")

    partner_id: UUID


class ExhibitionBody(BaseModel):
    """An exhibition, festival or like event; `partners` organise it."""

    model_config = ConfigDict(extra="forbid")

    title: Line = Field(examples=["Pameran UMKM G20"])
    place: Line
    kind: ExhibitionKind
    area: AreaCode
    days: Annotated[list[Day], Field(min_length=1, max_length=DAYS_MAX)]
    answer_by: Day
    partners: Annotated[list[UUID], Field(max_length=PARTNERS_MAX)] = Field(default_factory=list)


class InviteBody(BaseModel):
    """Whom to invite: vendors of an area (the officer's own unless named), narrowed by what is given."""

    model_config = ConfigDict(extra="forbid")

    area: AreaCode | None = None
    category: CategoryCode | None = None
    ready: bool | None = Field(default=None, description="For export, by the last assessment")
    score_min: int | None = Field(default=None, ge=0, le=100, description="Of the last assessment, at least")
    vendors: Annotated[list[UUID], Field(min_length=1, max_length=VENDORS_MAX)] | None = None


class AnswerBody(BaseModel):
    """Whether the vendor comes."""

    model_config = ConfigDict(extra="forbid")

    accepted: bool


class AssessedAnswer(BaseModel):
    """An assessment that was noted."""

    assessment_id: UUID
    vendor_id: UUID
    ready: bool
    score: int
    ready_proposed: bool = Field(description="What the score proposes; the officer's word stands")


class ReferredAnswer(BaseModel):
    """A referral that was made."""

    referral_id: UUID
    vendor_id: UUID
    partner_id: UUID
    agreement_id: UUID


class EnteredAnswer(BaseModel):
    """An exhibition that was entered."""

    exhibition_id: UUID


class InvitedAnswer(BaseModel):
    """How many vendors were invited; those invited before are not counted again."""

    exhibition_id: UUID
    invited: int


class PreviewAnswer(BaseModel):
    """How many vendors a choice would invite now."""

    count: int


class AnsweredAnswer(BaseModel):
    """What was answered."""

    invitation_id: UUID
    accepted: bool | None


class CriterionAnswer(BaseModel):
    """A criterion of export readiness."""

    code: str
    name_id: str
    name_en: str


class CriterionList(BaseModel):
    """The criteria of export readiness."""

    items: list[CriterionAnswer]


class AssessmentAnswer(BaseModel):
    """How ready for export a vendor was found, and when."""

    ready: bool
    criteria_met: list[str]
    score: int | None = Field(description="Of 100; null: of before there were scores")
    note: str | None
    assessed_on: date
    by: str | None


class ReferralAnswer(BaseModel):
    """A referral to a partner."""

    referral_id: UUID
    partner_id: UUID
    agreement_id: UUID
    referred_on: date


class ExportAnswer(BaseModel):
    """Whether a vendor is ready for export (null: nobody looked yet); assessments, the latest first; referrals."""

    vendor_id: UUID
    ready: bool | None
    assessments: list[AssessmentAnswer]
    referrals: list[ReferralAnswer]


class ExhibitionAnswer(BaseModel):
    """An exhibition."""

    exhibition_id: UUID
    title: str
    place: str
    kind: ExhibitionKind
    area: str
    days: list[date]
    answer_by: date
    partners: list[UUID]

    @classmethod
    def of(cls, exhibition: Exhibition) -> "ExhibitionAnswer":
        """From what is stored."""
        return cls(**_shown(exhibition))


class ExhibitionDetail(ExhibitionAnswer):
    """An exhibition, how many were invited, and what they said."""

    invited: int
    accepted: int
    declined: int


class ExhibitionPage(BaseModel):
    """A page of exhibitions."""

    items: list[ExhibitionAnswer]
    next: str | None


class InvitationAnswer(BaseModel):
    """An invitation; `accepted` is null while it is not answered."""

    invitation_id: UUID
    vendor_id: UUID
    invited_on: date
    accepted: bool | None
    answered_at: datetime | None


class OwnInvitation(InvitationAnswer):
    """An invitation with what it is to."""

    exhibition: ExhibitionAnswer


class InvitationPage(BaseModel):
    """A page of invitations to one exhibition."""

    items: list[InvitationAnswer]
    next: str | None


class OwnInvitations(BaseModel):
    """All invitations of a vendor, the latest first."""

    items: list[OwnInvitation]


# ---- export


@router.get("/v1/export-criteria")
async def list_criteria(edge: PublicEdgeDep) -> CriterionList:
    """The criteria of export readiness."""
    async with edge.read() as conn:
        known = await store.find_criteria(conn)
    return CriterionList(items=[CriterionAnswer(**criterion._asdict()) for criterion in known])


@router.get("/v1/vendors/{vendor_id}/export")
async def get_export(vendor_id: UUID, edge: EdgeDep) -> ExportAnswer:
    """Whether a vendor is ready for export, and whom it was referred to."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        assessments = await store.find_assessments(conn, family)
        referrals = await store.find_referrals(conn, family)
    named = edge.caller.has("officer")
    return ExportAnswer(
        vendor_id=family[0],
        ready=assessments[0].ready if assessments else None,
        assessments=[
            AssessmentAnswer(
                ready=one.ready,
                criteria_met=list(one.criteria_met),
                score=one.score,
                note=one.note,
                assessed_on=one.assessed_on,
                by=one.by if named else None,
            )
            for one in assessments
        ],
        referrals=[
            ReferralAnswer(
                referral_id=one.referral_id,
                partner_id=one.partner_id,
                agreement_id=one.agreement_id,
                referred_on=one.referred_on,
            )
            for one in referrals
        ],
    )


@router.post("/v1/vendors/{vendor_id}/export/assess", responses={200: {"model": AssessedAnswer}})
async def assess_vendor(vendor_id: UUID, body: AssessmentBody, edge: EdgeDep) -> Response:
    """Note whether a vendor is ready for export; the last assessment counts."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        assessed = await handlers.assess_vendor(
            conn,
            vendor_id,
            ready=body.ready,
            criteria_met=body.criteria_met,
            note=body.note,
            by=edge.caller.subject,
            now=edge.now,
            within=within,
        )
        return {
            "assessment_id": assessed.assessment.assessment_id,
            "vendor_id": vendor_id,
            "ready": assessed.assessment.ready,
            "score": assessed.assessment.score,
            "ready_proposed": assessed.ready_proposed,
        }

    return await edge.once(act)


@router.post("/v1/vendors/{vendor_id}/export/refer", responses={200: {"model": ReferredAnswer}})
async def refer_vendor(vendor_id: UUID, body: ReferralBody, edge: EdgeDep) -> Response:
    """Refer a vendor that is ready to a partner with an agreement on export in force where it lives."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> dict[str, Any]:
        referral = await handlers.refer_vendor(
            conn, vendor_id, body.partner_id, by=edge.caller.subject, now=edge.now, within=within
        )
        return {
            "referral_id": referral.referral_id,
            "vendor_id": vendor_id,
            "partner_id": referral.partner_id,
            "agreement_id": referral.agreement_id,
        }

    return await edge.once(act)


# ---- exhibitions


@router.post("/v1/exhibitions", status_code=201, responses={201: {"model": EnteredAnswer}})
async def enter_exhibition(body: ExhibitionBody, edge: EdgeDep) -> Response:
    """Enter an exhibition of the officer's area."""
    officer_area(edge.caller)
    edge.caller.require_area(body.area)

    async def act(conn: Connection) -> dict[str, Any]:
        exhibition = Exhibition(
            new_id(),
            body.title,
            body.place,
            body.kind,
            body.area,
            tuple(body.days),
            body.answer_by,
            tuple(set(body.partners)),
        )
        entered = await handlers.enter_exhibition(conn, exhibition, by=edge.caller.subject, now=edge.now)
        return {"exhibition_id": entered.exhibition_id}

    return await edge.once(act, status=201)


@router.get("/v1/exhibitions")
async def list_exhibitions(edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT) -> ExhibitionPage:
    """Exhibitions of the officer's area, the latest entered first."""
    own = officer_area(edge.caller)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_exhibitions(conn, own, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda exhibition: exhibition.exhibition_id)
    return ExhibitionPage(items=[ExhibitionAnswer.of(one) for one in found["items"]], next=found["next"])


@router.get("/v1/exhibitions/{exhibition_id}")
async def get_exhibition(exhibition_id: UUID, edge: EdgeDep) -> ExhibitionDetail:
    """One exhibition of the officer's area, with the answers counted."""
    async with edge.read() as conn:
        exhibition = await _own_exhibition(conn, edge.caller, exhibition_id)
        counts = await store.count_answers(conn, exhibition_id)
    return ExhibitionDetail(**_shown(exhibition), **counts._asdict())


@router.get("/v1/exhibitions/{exhibition_id}/preview")
async def preview_invitations(
    exhibition_id: UUID,
    edge: EdgeDep,
    area: AreaCode | None = None,
    category: CategoryCode | None = None,
    ready: Annotated[bool | None, Query(description="For export, by the last assessment")] = None,
    score_min: Annotated[int | None, Query(ge=0, le=100, description="Of the last assessment, at least")] = None,
) -> PreviewAnswer:
    """How many vendors would be invited by this choice now."""
    choice = Choice(_area(edge.caller, area), category, ready, score_min=score_min)
    async with edge.read() as conn:
        await _own_exhibition(conn, edge.caller, exhibition_id)
        count = await handlers.preview_invitations(conn, exhibition_id, choice)
    return PreviewAnswer(count=count)


@router.post("/v1/exhibitions/{exhibition_id}/invite", responses={200: {"model": InvitedAnswer}})
async def invite_vendors(exhibition_id: UUID, body: InviteBody, edge: EdgeDep) -> Response:
    """Invite vendors of the officer's area; each person once, suspended ones not at all."""
    within = officer_area(edge.caller)
    choice = Choice(_area(edge.caller, body.area), body.category, body.ready, body.vendors, body.score_min)

    async def act(conn: Connection) -> dict[str, Any]:
        invited = await handlers.invite_vendors(
            conn, exhibition_id, choice, by=edge.caller.subject, now=edge.now, within=within
        )
        return {"exhibition_id": exhibition_id, "invited": invited}

    return await edge.once(act)


@router.get("/v1/exhibitions/{exhibition_id}/invitations")
async def list_invited(
    exhibition_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> InvitationPage:
    """Who of the officer's area was invited, and what each said."""
    own = officer_area(edge.caller)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await _own_exhibition(conn, edge.caller, exhibition_id)
        rows = await store.find_invited(conn, exhibition_id, own, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda invitation: invitation.invitation_id)
    items = [
        InvitationAnswer(
            invitation_id=one.invitation_id,
            vendor_id=one.vendor_id,
            invited_on=one.invited_on,
            accepted=one.accepted,
            answered_at=one.answered_at,
        )
        for one in found["items"]
    ]
    return InvitationPage(items=items, next=found["next"])


@router.get("/v1/vendors/{vendor_id}/invitations")
async def list_own_invitations(vendor_id: UUID, edge: EdgeDep) -> OwnInvitations:
    """What a vendor was invited to, and what it answered."""
    async with edge.read() as conn:
        family = await see_family(conn, edge.caller, vendor_id)
        found = await store.find_invitations(conn, family)
    items = [
        OwnInvitation(
            invitation_id=invitation.invitation_id,
            vendor_id=invitation.vendor_id,
            invited_on=invitation.invited_on,
            accepted=invitation.accepted,
            answered_at=invitation.answered_at,
            exhibition=ExhibitionAnswer.of(exhibition),
        )
        for invitation, exhibition in found
    ]
    return OwnInvitations(items=items)


@router.post("/v1/invitations/{invitation_id}/answer", responses={200: {"model": AnsweredAnswer}})
async def answer_invitation(invitation_id: UUID, body: AnswerBody, edge: EdgeDep) -> Response:
    """Say whether the vendor comes: the vendor itself, or an officer of its area whom it told."""
    edge.caller.require("officer", "vendor")

    async def act(conn: Connection) -> dict[str, Any]:
        invitation = await store.find_invitation(conn, invitation_id)
        if invitation is None or not await may_reach(conn, edge.caller, invitation.vendor_id):
            raise InvitationUnknown(invitation_id)
        answered = await handlers.answer_invitation(conn, invitation_id, body.accepted, now=edge.now)
        if not await may_reach(conn, edge.caller, invitation.vendor_id):  # locked now: it may have moved in between
            raise InvitationUnknown(invitation_id)
        return {"invitation_id": invitation_id, "accepted": answered.accepted}

    return await edge.once(act)


async def _own_exhibition(conn: Connection, caller: Caller, exhibition_id: UUID) -> Exhibition:
    own = officer_area(caller)
    exhibition = await store.find_exhibition(conn, exhibition_id)
    if exhibition is None or not areas.contains(own, exhibition.area):
        raise ExhibitionUnknown(exhibition_id)
    return exhibition


def _area(caller: Caller, area: str | None) -> str:
    own = officer_area(caller)
    if area is not None:
        caller.require_area(area)
    return area or own


def _shown(exhibition: Exhibition) -> dict[str, Any]:
    return {
        "exhibition_id": exhibition.exhibition_id,
        "title": exhibition.title,
        "place": exhibition.place,
        "kind": exhibition.kind,
        "area": exhibition.area,
        "days": list(exhibition.days),
        "answer_by": exhibition.answer_by,
        "partners": list(exhibition.partners),
    }

"""Who has which mentor: shown, given and taken by officers by hand; what a vendor wishes of its mentor."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import require_home, require_side
from services.training.api.mentors import officer_area
from services.training.domain.assignments import Assignment, By, Kind, MentorNotFound, NoMentor
from services.training.domain.mentoring import (
    AnswerRequest,
    AskForAnother,
    GiveMentor,
    RequestNotFound,
    RequestReason,
    RequestState,
    TakeMentor,
    WishMentoring,
)
from services.training.domain.values import KnownArea
from services.training.handlers import assignments as handlers
from services.training.handlers import mentoring
from services.training.store import assignments as store
from services.training.store import mentoring as mentoring_store
from services.training.store import mentors
from shared import families
from shared.auth import Caller, NotOwnData
from shared.db import Connection
from shared.events.values import Language
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["assignments"])


class AssignmentAnswer(BaseModel):
    """The vendor has this mentor now."""

    assignment_id: UUID
    mentor_id: UUID
    previous_mentor_id: UUID | None


class AssignmentView(BaseModel):
    """That a vendor has, or had, a mentor. `matching_id` leads to the reasons, where it was computed."""

    assignment_id: UUID
    vendor_id: UUID
    mentor_id: UUID
    kind: Kind
    by: By
    matching_id: UUID | None
    since: datetime
    until: datetime | None
    ended_because: str | None


class WishesView(BaseModel):
    """What the vendor wishes of its mentor."""

    fields: list[str]
    language: Language


class MentoringView(BaseModel):
    """A vendor's mentors, those it has first, and what it wishes."""

    vendor_id: UUID
    assignments: list[AssignmentView]
    wishes: WishesView | None
    asked_for_another: bool


class VendorsPage(BaseModel):
    """Whom a mentor has."""

    items: list[AssignmentView]
    next: str | None


class RequestAnswer(BaseModel):
    """A request for another mentor."""

    request_id: UUID


class RequestView(BaseModel):
    """A vendor asks for another mentor than the one it had then."""

    request_id: UUID
    vendor_id: UUID
    mentor_id: UUID | None
    reason: RequestReason
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None


class RequestPage(BaseModel):
    """Requests, the oldest first."""

    items: list[RequestView]
    next: str | None


@router.get("/trainees/{vendor_id}/mentors", response_model=MentoringView)
async def show_mentors(edge: EdgeDep, vendor_id: UUID) -> MentoringView:
    """Whom a vendor has and had as mentors, and what it wishes: for itself and officers of where it lives."""
    async with edge.read() as conn:
        await require_side(conn, edge.caller, vendor_id)
        family = await families.find_family(conn, vendor_id)
        history = await store.find_history(conn, family)
        wishes = await mentoring_store.find_wishes(conn, family)
        requests = await mentoring_store.find_open_requests(conn, family)
    return MentoringView(
        vendor_id=vendor_id,
        assignments=[_view(one) for one in sorted(history, key=lambda one: one.until is not None)],
        wishes=None if wishes is None else WishesView(fields=list(wishes.fields), language=wishes.language),
        asked_for_another=bool(requests),
    )


@router.post("/trainees/{vendor_id}/mentors", responses={200: {"model": AssignmentAnswer}})
async def give_mentor(edge: EdgeDep, vendor_id: UUID, command: GiveMentor) -> Response:
    """Give a vendor this mentor by hand; the one of its kind that it had is its mentor no more."""
    caller = edge.caller

    async def act(conn: Connection) -> AssignmentAnswer:
        await require_home(conn, caller, vendor_id)
        mentor = await mentors.find_mentor(conn, command.mentor_id)
        if mentor is None:
            raise MentorNotFound("mentor_id: no mentor has this id.", mentor_id=str(command.mentor_id))
        given = await handlers.assign(
            conn,
            vendor_id,
            command.mentor_id,
            kind=mentor.kind,
            by="officer",
            now=edge.now,
            assigned_by=caller.subject,
            reason=command.reason,
        )
        return AssignmentAnswer(
            assignment_id=given.assignment_id,
            mentor_id=given.mentor_id,
            previous_mentor_id=given.previous_mentor_id,
        )

    return await edge.once(act)


@router.post("/trainees/{vendor_id}/mentors/end", status_code=204, response_class=Response)
async def take_mentor(edge: EdgeDep, vendor_id: UUID, command: TakeMentor) -> Response:
    """Part a vendor from its mentor of a kind by hand."""
    caller = edge.caller

    async def act(conn: Connection) -> None:
        await require_home(conn, caller, vendor_id)
        parted = await handlers.unassign(
            conn,
            vendor_id,
            because="officer",
            now=edge.now,
            kind=command.kind,
            ended_by=caller.subject,
            reason=command.reason,
        )
        if not parted:
            raise NoMentor(f"The vendor has no mentor of the kind {command.kind}.", kind=command.kind)

    return await edge.once(act)


@router.get("/mentors/{mentor_id}/vendors", response_model=VendorsPage)
async def list_vendors(
    edge: EdgeDep, mentor_id: UUID, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> dict[str, Any]:
    """Whom a mentor has: for the mentor itself, and officers whose area covers its areas."""
    caller = edge.caller
    caller.require("officer", "mentor")
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        mentor = await mentors.find_mentor(conn, mentor_id)
        own = caller.has("mentor") and mentor is not None and mentor.account == caller.subject
        if mentor is None or not (own or caller.has("officer")):
            raise MentorNotFound("No mentor of yours has this id.", mentor_id=str(mentor_id))
        if not own:
            for area in mentor.areas:
                caller.require_area(area)
        found = await store.find_vendors_of(conn, mentor_id, after=last, limit=limit + 1)
    return page([_view(one) for one in found], limit, lambda view: view.vendor_id)


@router.post("/trainees/{vendor_id}/mentoring-wishes", status_code=204, response_class=Response)
async def wish(edge: EdgeDep, vendor_id: UUID, command: WishMentoring) -> Response:
    """Say in which fields and which language the vendor wants a mentor; the next matching looks at it."""

    async def act(conn: Connection) -> None:
        await require_side(conn, edge.caller, vendor_id)
        await mentoring.wish(conn, vendor_id, command, now=edge.now)

    return await edge.once(act)


@router.post("/trainees/{vendor_id}/mentor-requests", status_code=201, responses={201: {"model": RequestAnswer}})
async def ask_for_another(edge: EdgeDep, vendor_id: UUID, command: AskForAnother) -> Response:
    """The vendor asks for another mentor; an officer answers."""

    async def act(conn: Connection) -> RequestAnswer:
        await _require_itself(conn, edge.caller, vendor_id)
        request = await mentoring.ask_for_another(conn, vendor_id, command, now=edge.now)
        return RequestAnswer(request_id=request.request_id)

    return await edge.once(act, status=201)


@router.post("/trainees/{vendor_id}/mentor-requests/take-back", status_code=204, response_class=Response)
async def take_back(edge: EdgeDep, vendor_id: UUID) -> Response:
    """The vendor asks no longer."""

    async def act(conn: Connection) -> None:
        await _require_itself(conn, edge.caller, vendor_id)
        await mentoring.take_back(conn, vendor_id, now=edge.now)

    return await edge.once(act)


@router.get("/mentor-requests", response_model=RequestPage)
async def list_requests(
    edge: EdgeDep,
    area: Annotated[KnownArea | None, Query(description="Of vendors who live in this area")] = None,
    state: RequestState = "open",
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Vendors of the officer's area who ask for another mentor, the oldest first."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        found = await mentoring_store.list_requests(conn, area or own, state, after=last, limit=limit + 1)
    return page(
        [
            RequestView(
                request_id=one.request_id,
                vendor_id=one.vendor_id,
                mentor_id=one.mentor_id,
                reason=one.reason,
                state=one.state,
                asked_at=one.asked_at,
                answered_at=one.answered_at,
            )
            for one in found
        ],
        limit,
        lambda view: view.request_id,
    )


@router.post(
    "/mentor-requests/{request_id}/answer",
    responses={200: {"model": AssignmentAnswer}, 204: {"description": "It is declined: the vendor keeps its mentor"}},
)
async def answer_request(edge: EdgeDep, request_id: UUID, command: AnswerRequest) -> Response:
    """Grant a request, naming the mentor whom the vendor has from now on, or decline it."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> AssignmentAnswer | None:
        request = await mentoring_store.find_request(conn, request_id)
        if request is None:
            raise RequestNotFound("No request has this id.", request_id=str(request_id))
        await require_home(conn, caller, request.vendor_id)
        given = await mentoring.answer(conn, request_id, command, by=caller.subject, now=edge.now)
        if given is None:
            return None
        return AssignmentAnswer(
            assignment_id=given.assignment_id,
            mentor_id=given.mentor_id,
            previous_mentor_id=given.previous_mentor_id,
        )

    return await edge.once(act)


async def _require_itself(conn: Connection, caller: Caller, vendor_id: UUID) -> None:
    """Refuse everybody but the vendor itself, by any of its ids."""
    caller.require("vendor")
    if caller.vendor_id not in await families.find_family(conn, vendor_id):
        raise NotOwnData("This is for the vendor itself.")


def _view(one: Assignment) -> AssignmentView:
    return AssignmentView(
        assignment_id=one.assignment_id,
        vendor_id=one.vendor_id,
        mentor_id=one.mentor_id,
        kind=one.kind,
        by=one.by,
        matching_id=one.matching_id,
        since=one.since,
        until=one.until,
        ended_because=one.ended_because,
    )

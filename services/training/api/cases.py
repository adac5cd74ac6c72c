"""Help as cases: asked for by the vendor, its mentor or an officer; worked on by officers of where the vendor lives."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.training.api.access import find_own_mentor, require_home, require_side
from services.training.domain.cases import (
    AddNote,
    Case,
    CaseState,
    CloseCase,
    Door,
    HandOver,
    OpenCase,
    Outcome,
    SetDeadline,
    TakeCase,
    WaitForVendor,
    Wish,
)
from services.training.domain.enrolments import TraineeNotFound
from services.training.handlers import assignments
from services.training.handlers import cases as handlers
from services.training.handlers.cases import Actor
from services.training.store import cases as store
from services.training.store import registry
from services.training.store.cases import CaseFilter, Done
from shared import families
from shared.auth import Caller, NotOwnData, OutsideArea
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.cases import HelpService
from shared.events.values import AgencyCode, AreaCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

router = APIRouter(prefix="/v1", tags=["cases"])

C = TypeVar("C")


class ServiceView(BaseModel):
    """A service in which help is given, and in how many days it should be."""

    service: HelpService
    name_id: str
    name_en: str
    days: int
    owner: str


class ItemView(BaseModel):
    """Something that a vendor may be asked to bring."""

    code: str
    name_id: str
    name_en: str


class HelpView(BaseModel):
    """What can be helped with, and what a vendor may be asked to bring."""

    services: list[ServiceView]
    wanted: list[ItemView]


class CaseAnswer(BaseModel):
    """How a case stands now. Kept to be replayed: ids and codes alone."""

    case_id: UUID
    state: CaseState
    owner: str | None
    due_on: date
    outcome: Outcome | None


class CaseView(BaseModel):
    """A case. Who works on it is shown to officers."""

    case_id: UUID
    vendor_id: UUID
    service: HelpService
    state: CaseState
    outcome: Outcome | None
    owner: str | None
    officer: str | None
    due_on: date
    overdue: bool
    wanted: list[ItemView] = Field(description="What the vendor is to bring, while it waits for it")
    door: Door
    opened_at: datetime
    closed_at: datetime | None


class ListedCase(CaseView):
    """A case of a list, with where the vendor lives."""

    kelurahan: str


class CasePage(BaseModel):
    """Cases, those due first."""

    items: list[ListedCase]
    next: str | None


class ActView(BaseModel):
    """Something that was done: on which side, when, what was said, and how the case stood then."""

    act: str
    side: str
    by: str | None
    at: datetime
    state: CaseState
    owner: str | None
    due_on: date
    wanted: list[str]
    outcome: Outcome | None
    note: str | None


class CaseDetail(CaseView):
    """A case with its whole history, the oldest first."""

    history: list[ActView]


class CaseList(BaseModel):
    """All cases of a person, the last opened first."""

    items: list[CaseView]


@router.get("/help-services")
async def show_help(edge: PublicEdgeDep) -> HelpView:
    """What can be helped with, and what a vendor may be asked to bring, in both languages."""
    async with edge.read() as conn:
        services = await store.list_services(conn)
        wanted = await store.list_wanted(conn)
    return HelpView(services=[ServiceView(**one) for one in services], wanted=[ItemView(**one) for one in wanted])


@router.post("/trainees/{vendor_id}/cases", status_code=201, responses={201: {"model": CaseAnswer}})
async def open_case(edge: EdgeDep, vendor_id: UUID, command: OpenCase) -> Response:
    """Ask for help: the vendor itself, its mentor, or an officer of where it lives. A person has one open case of a
    service."""

    async def act(conn: Connection) -> CaseAnswer:
        side = await side_of(conn, edge.caller, vendor_id)
        case = await handlers.open_case(
            conn,
            vendor_id,
            command,
            door=side,
            by=edge.caller.subject,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return _answer(case)

    return await edge.once(act, status=201)


@router.get("/trainees/{vendor_id}/cases")
async def list_own_cases(edge: EdgeDep, vendor_id: UUID) -> CaseList:
    """All cases of a person: for itself, its mentor, and officers of where it lives."""
    async with edge.read() as conn:
        side = await side_of(conn, edge.caller, vendor_id)
        found = await store.find_cases(conn, await families.find_family(conn, vendor_id))
        items = await _items(conn)
    return CaseList(items=[_view(case, items, named=side == "officer") for case in found])


@router.get("/cases")
async def list_cases(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Where the vendor lives; not named: the token's area")] = None,
    owner: Annotated[AgencyCode | None, Query(description="Agency that works on it")] = None,
    mine: Annotated[bool, Query(description="Only those that the caller works on")] = False,
    service: HelpService | None = None,
    state: Annotated[
        CaseState | Literal["standing"], Query(description="standing: all that are not closed")
    ] = "standing",
    overdue: bool | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> CasePage:
    """Cases of vendors of the officer's area, those due first."""
    caller = edge.caller
    caller.require("officer")
    if caller.area is None:
        raise OutsideArea("This token has no area.", area=None)
    if area is not None:
        caller.require_area(area)
    wanted = CaseFilter(
        area=area or caller.area,
        owner=owner,
        officer=caller.subject if mine else None,
        service=service,
        state=None if state == "standing" else state,
        overdue=overdue,
        standing=state != "closed",
    )
    last = None if after is None else read_cursor(after, tuple[date, UUID])
    async with edge.read() as conn:
        rows = await store.list_cases(conn, wanted, last, limit + 1)
        items = await _items(conn)
    views = [ListedCase(**_view(case, items, named=True).model_dump(), kelurahan=home) for case, home in rows]
    return CasePage(**page(views, limit, lambda view: (view.due_on, view.case_id)))


@router.get("/cases/{case_id}")
async def show_case(edge: EdgeDep, case_id: UUID) -> CaseDetail:
    """A case with everything that was done and said: for the vendor itself, its mentor, and officers of where it
    lives."""
    async with edge.read() as conn:
        case = await store.find_case(conn, case_id)
        side = await side_of(conn, edge.caller, case.vendor_id)
        items = await _items(conn)
        acts = await store.find_acts(conn, case_id)
    named = side == "officer"
    history = [_act_view(edge.platform.sealer, one, named=named) for one in acts]
    return CaseDetail(**_view(case, items, named=named).model_dump(), history=history)


@router.post("/cases/{case_id}/take", responses={200: {"model": CaseAnswer}})
async def take_case(edge: EdgeDep, case_id: UUID, command: TakeCase) -> Response:
    """Work on it from now on, also where another officer did."""
    return await _work(edge, case_id, command, handlers.take)


@router.post("/cases/{case_id}/hand-over", responses={200: {"model": CaseAnswer}})
async def hand_over_case(edge: EdgeDep, case_id: UUID, command: HandOver) -> Response:
    """Give it to another agency."""
    return await _work(edge, case_id, command, handlers.hand_over)


@router.post("/cases/{case_id}/wait", responses={200: {"model": CaseAnswer}})
async def wait_for_vendor(edge: EdgeDep, case_id: UUID, command: WaitForVendor) -> Response:
    """Ask the vendor to bring something; the deadline stands still until it did."""
    return await _work(edge, case_id, command, handlers.wait)


@router.post("/cases/{case_id}/deadline", responses={200: {"model": CaseAnswer}})
async def set_deadline(edge: EdgeDep, case_id: UUID, command: SetDeadline) -> Response:
    """Set another last day."""
    return await _work(edge, case_id, command, handlers.set_deadline)


@router.post("/cases/{case_id}/resume", responses={200: {"model": CaseAnswer}})
async def resume_case(edge: EdgeDep, case_id: UUID, command: Wish) -> Response:
    """The vendor brought what was wanted: an officer says so, or the vendor itself."""
    return await _work(edge, case_id, command, handlers.resume, also="vendor")


@router.post("/cases/{case_id}/notes", responses={200: {"model": CaseAnswer}})
async def add_note(edge: EdgeDep, case_id: UUID, command: AddNote) -> Response:
    """Say something about it: whoever may see it."""
    return await _work(edge, case_id, command, handlers.add_note, also="everybody")


@router.post("/cases/{case_id}/close", responses={200: {"model": CaseAnswer}})
async def close_case(edge: EdgeDep, case_id: UUID, command: CloseCase) -> Response:
    """It ended: an officer says how; the vendor takes its wish back (withdrawn)."""
    return await _work(edge, case_id, command, handlers.close, also="vendor")


@router.post("/cases/{case_id}/reopen", responses={200: {"model": CaseAnswer}})
async def reopen_case(edge: EdgeDep, case_id: UUID, command: Wish) -> Response:
    """It was not over after all, within 90 days: the vendor or an officer says so."""
    return await _work(edge, case_id, command, handlers.reopen, also="vendor")


class NotYourPart(NotOwnData):
    """This is done by officers."""

    code = "officers-only"


async def side_of(conn: Connection, caller: Caller, vendor_id: UUID) -> Door:
    """On which side somebody stands in matters of a vendor: itself, its mentor, or an officer of where it lives.

    An officer who is the vendor itself stands on the vendor's. Raises `TraineeNotFound`, `Forbidden`.
    """
    caller.require("officer", "vendor", "mentor")
    if caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id):
        if await registry.find_kelurahan(conn, vendor_id) is None:
            raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(vendor_id))
        return "vendor"
    if caller.has("officer"):
        await require_home(conn, caller, vendor_id)
        return "officer"
    if caller.has("mentor"):
        mentor = await find_own_mentor(conn, caller)
        if any(one.mentor_id == mentor.mentor_id for one in await assignments.find_standing(conn, [vendor_id])):
            return "mentor"
        raise NotOwnData("This is for mentors of this vendor.")
    await require_side(conn, caller, vendor_id)
    return "vendor"


async def _work(
    edge: Edge,
    case_id: UUID,
    command: C,
    handler: Callable[..., Awaitable[Case]],
    *,
    also: Literal["vendor", "everybody"] | None = None,
) -> Response:
    async def act(conn: Connection) -> CaseAnswer:
        found = await store.find_case(conn, case_id)
        side = await side_of(conn, edge.caller, found.vendor_id)
        if side != "officer" and also != "everybody" and side != also:
            raise NotYourPart("This is done by officers of where the vendor lives.")
        actor = Actor(side, edge.caller.subject, edge.platform.sealer)
        return _answer(await handler(conn, case_id, command, actor, now=edge.now))

    return await edge.once(act)


async def _items(conn: Connection) -> dict[str, ItemView]:
    return {one["code"]: ItemView(**one) for one in await store.list_wanted(conn)}


def _answer(case: Case) -> CaseAnswer:
    return CaseAnswer(
        case_id=case.case_id, state=case.state, owner=case.owner, due_on=case.due_on, outcome=case.outcome
    )


def _view(case: Case, items: dict[str, ItemView], *, named: bool) -> CaseView:
    return CaseView(
        case_id=case.case_id,
        vendor_id=case.vendor_id,
        service=case.service,
        state=case.state,
        outcome=case.outcome,
        owner=case.owner,
        officer=case.officer if named else None,
        due_on=case.due_on,
        overdue=case.overdue,
        wanted=[items.get(code, ItemView(code=code, name_id=code, name_en=code)) for code in case.wanted],
        door=case.door,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
    )


def _act_view(sealer: Sealer, done: Done, *, named: bool) -> ActView:
    note = None if done.note_sealed is None else sealer.open(done.note_sealed, done.act_id.bytes).decode()
    return ActView(
        act=done.act,
        side=done.side,
        by=done.by if named else None,
        at=done.at,
        state=done.state,
        owner=done.owner,
        due_on=done.due_on,
        wanted=done.wanted,
        outcome=done.outcome,
        note=note,
    )

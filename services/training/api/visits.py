"""Visits: logged, corrected and struck by the mentor whose they are, or by officers; read by these and the vendor."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.training.api.access import find_own_mentor, require_home, require_not_own
from services.training.api.mentors import officer_area
from services.training.domain.values import KnownArea
from services.training.domain.visits import (
    NEXT_ACTIONS,
    CorrectVisit,
    Entry,
    LogVisit,
    NextAction,
    Problem,
    StrikeReason,
    StrikeVisit,
    Visit,
    VisitInvalid,
    VisitMode,
    VisitUnknown,
)
from services.training.handlers import visits as handlers
from services.training.store import registry
from services.training.store import visits as store
from services.training.store.visits import KeptVisit, VisitFilter
from shared import families
from shared.auth import Caller, NotOwnData, covers
from shared.crypto import Sealer
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["visits"])


class VisitAnswer(BaseModel):
    """A visit that is in the log; `already`: it was there before, as sent."""

    visit_id: UUID
    already: bool = False


class CorrectedAnswer(BaseModel):
    """A visit as it stands: its `entry`th entry counts, unless it is struck."""

    visit_id: UUID
    entry: int
    state: str


class EntryView(BaseModel):
    """What was entered of a visit, and when."""

    entry: int
    visited_on: date
    mode: VisitMode
    next_action: NextAction | None
    next_action_on: date | None
    month: str | None
    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    logged_at: datetime


class VisitView(EntryView):
    """A visit as it stands."""

    visit_id: UUID
    vendor_id: UUID
    mentor_id: UUID
    reference: str | None
    state: str
    struck_because: StrikeReason | None


class VisitDetail(VisitView):
    """A visit with what was written, and the entries that were corrected since, the latest first."""

    note: str | None
    earlier: list["EarlierView"]


class EarlierView(EntryView):
    """An entry that was corrected since."""

    note: str | None
    logged_by: str | None = Field(description="For officers: subject of the token that entered it")


class VisitPage(BaseModel):
    """Visits, the latest day first."""

    items: list[VisitView]
    next: str | None


class ActionView(BaseModel):
    """What may be agreed at a visit, in Indonesian and English."""

    code: str
    id: str
    en: str


@router.post("/visits", status_code=201, responses={201: {"model": VisitAnswer}})
async def log_visit(edge: EdgeDep, command: LogVisit) -> Response:
    """Log a visit: the mentor to a vendor whom it has, up to 90 days back; an officer for a mentor, of any day.

    Figures of a month feed the registry. The same visit again is logged once.
    """
    caller = edge.caller
    caller.require("mentor", "officer")

    async def act(conn: Connection) -> VisitAnswer:
        mentor_id, by_officer = await _for_whom(conn, caller, command)
        visit_id, already = await handlers.log_visit(
            conn,
            command.wish(mentor_id),
            by=caller.subject,
            by_officer=by_officer,
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return VisitAnswer(visit_id=visit_id, already=already)

    return await edge.once(act, status=201)


@router.get("/visits", response_model=VisitPage)
async def list_visits(
    edge: EdgeDep,
    vendor_id: UUID | None = None,
    mentor_id: UUID | None = None,
    area: Annotated[KnownArea | None, Query(description="Visits to vendors who live here")] = None,
    first: date | None = None,
    last: date | None = None,
    struck: Annotated[bool, Query(description="Those entered by mistake, instead")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Visits, the latest day first: a mentor's own, a vendor's own, or those to vendors of the officer's area."""
    caller = edge.caller
    below = None if after is None else read_cursor(after, tuple[date, UUID])
    async with edge.read() as conn:
        if caller.has("officer"):
            own = officer_area(caller)
            if area is not None:
                caller.require_area(area)
            area = area or own
        elif caller.has("mentor"):
            mentor_id = (await find_own_mentor(conn, caller)).mentor_id
        else:
            caller.require("vendor")
            vendor_id = vendor_id or caller.vendor_id
            if vendor_id is None or caller.vendor_id not in await families.find_family(conn, vendor_id):
                raise NotOwnData("A vendor sees the visits to itself.")
        ids = None if vendor_id is None else await families.find_family(conn, vendor_id)
        found = await store.list_visits(conn, VisitFilter(ids, mentor_id, area, first, last, struck), below, limit + 1)
    views = [_view(each.visit) for each in found]
    return page(views, limit, lambda view: (view.visited_on, view.visit_id))


@router.get("/visits/actions", response_model=list[ActionView])
async def list_actions(edge: EdgeDep) -> list[ActionView]:
    """What may be agreed as the next step."""
    edge.caller.require("mentor", "officer", "vendor")
    return [ActionView(code=code, id=indonesian, en=english) for code, (indonesian, english) in NEXT_ACTIONS.items()]


@router.get("/visits/{visit_id}", response_model=VisitDetail)
async def show_visit(edge: EdgeDep, visit_id: UUID) -> VisitDetail:
    """A visit with its note and history: for its mentor, for the vendor itself, and for officers of where it lives."""
    async with edge.read() as conn:
        kept = await _see(conn, edge.caller, visit_id)
        earlier = await store.find_earlier(conn, visit_id)
    sealer = edge.platform.sealer
    return VisitDetail(
        **_view(kept.visit).model_dump(),
        note=handlers.open_note(sealer, visit_id, kept.note_sealed),
        earlier=[_earlier_view(sealer, one, named=edge.caller.has("officer")) for one in earlier],
    )


@router.post("/visits/{visit_id}/correct", responses={200: {"model": CorrectedAnswer}})
async def correct_visit(edge: EdgeDep, visit_id: UUID, command: CorrectVisit) -> Response:
    """Enter a visit anew, the whole of it; what stood before stays to be seen. The registry follows its figures."""

    async def act(conn: Connection) -> CorrectedAnswer:
        await _see(conn, edge.caller, visit_id, to_change=True)
        visit = await handlers.correct_visit(
            conn,
            visit_id,
            command.entry(),
            by=edge.caller.subject,
            by_officer=edge.caller.has("officer"),
            sealer=edge.platform.sealer,
            now=edge.now,
        )
        return CorrectedAnswer(visit_id=visit_id, entry=visit.number, state=visit.state)

    return await edge.once(act)


@router.post("/visits/{visit_id}/strike", responses={200: {"model": CorrectedAnswer}})
async def strike_visit(edge: EdgeDep, visit_id: UUID, command: StrikeVisit) -> Response:
    """A visit was entered by mistake. Figures that it fed to the registry are taken back there."""

    async def act(conn: Connection) -> CorrectedAnswer:
        await _see(conn, edge.caller, visit_id, to_change=True)
        visit = await handlers.strike_visit(
            conn, visit_id, command.reason, by_officer=edge.caller.has("officer"), now=edge.now
        )
        return CorrectedAnswer(visit_id=visit_id, entry=visit.number, state=visit.state)

    return await edge.once(act)


async def _for_whom(conn: Connection, caller: Caller, command: LogVisit) -> tuple[UUID, bool]:
    """Whose visit is logged, and whether an officer logs it."""
    if caller.has("officer"):
        await require_home(conn, caller, command.vendor_id)
        if command.mentor_id is None:
            fix = "say whose visit it was; GET /v1/mentors lists them"
            raise VisitInvalid([Problem("mentor_id", "mentor-missing", "is missing", fix)])
        return command.mentor_id, True
    mentor = await find_own_mentor(conn, caller)
    if command.mentor_id not in (None, mentor.mentor_id):
        fix = "leave it out: a mentor logs visits of its own"
        raise VisitInvalid([Problem("mentor_id", "mentor-other", "is another mentor", fix)])
    return mentor.mentor_id, False


async def _see(conn: Connection, caller: Caller, visit_id: UUID, *, to_change: bool = False) -> KeptVisit:
    """A visit that the caller may see, or change. Raises `VisitUnknown`: who may not see it does not learn of it."""
    caller.require("mentor", "officer", *([] if to_change else ["vendor"]))
    kept = await store.find_visit(conn, visit_id)
    if kept is None or await families.find_erased(conn, [kept.visit.vendor_id]):
        raise VisitUnknown
    visit = kept.visit
    if caller.has("officer"):
        kelurahan = await registry.find_kelurahan(conn, visit.vendor_id)
        if caller.area is None or kelurahan is None or not covers(caller.area, kelurahan):
            raise VisitUnknown
        if to_change:
            await require_not_own(conn, caller, visit.vendor_id)
        return kept
    if caller.has("mentor") and (await find_own_mentor(conn, caller)).mentor_id == visit.mentor_id:
        return kept
    itself = caller.has("vendor") and caller.vendor_id in await families.find_family(conn, visit.vendor_id)
    if itself and not to_change:
        return kept
    raise VisitUnknown


def _entry_fields(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in entry._asdict().items() if name != "note"}


def _view(visit: Visit) -> VisitView:
    return VisitView(
        visit_id=visit.visit_id,
        vendor_id=visit.vendor_id,
        mentor_id=visit.mentor_id,
        reference=visit.reference,
        state=visit.state,
        struck_because=visit.struck_because,
        entry=visit.number,
        logged_at=visit.logged_at,
        **_entry_fields(visit.entry),
    )


def _earlier_view(sealer: Sealer, one: store.EarlierEntry, *, named: bool) -> EarlierView:
    return EarlierView(
        entry=one.number,
        note=handlers.open_note(sealer, one.entry_id, one.note_sealed),
        logged_by=one.logged_by if named else None,
        logged_at=one.logged_at,
        **_entry_fields(one.entry),
    )

"""Mentors: entered, changed, withdrawn and listed by officers. A mentor sees its own entry."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.training.api.access import find_own_mentor, require_not_own
from services.training.domain.assignments import MentorNotFound
from services.training.domain.mentors import Funding, ListMentor, Mentor, MentorKind
from services.training.domain.values import FieldCode, KnownArea
from services.training.handlers import mentors as handlers
from services.training.store import mentors as store
from services.training.store.mentors import MentorFilter
from shared.auth import Caller, OutsideArea
from shared.crypto import Sealer
from shared.db import Connection
from shared.events.values import AgencyCode, Language
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["mentors"])


class MentorAnswer(BaseModel):
    """A mentor that was entered, changed or withdrawn."""

    mentor_id: UUID
    version: int


class MentorView(BaseModel):
    """A mentor; `load` is how many vendors it has of the `load_max` it can take. Its name is for officers and itself;
    of one that was withdrawn it is gone.
    """

    mentor_id: UUID
    kind: MentorKind
    funding: Funding
    agency: str | None
    areas: list[str]
    fields: list[str]
    languages: list[Language]
    load: int
    load_max: int
    alumnus: bool = Field(description="A member who graduated and mentors now")
    account: str | None
    name: str | None
    phone: str | None
    email: str | None
    listed_at: datetime
    withdrawn_at: datetime | None


class MentorPage(BaseModel):
    """Mentors, in the order in which they were entered."""

    items: list[MentorView]
    next: str | None


@router.post("/mentors", status_code=201, responses={201: {"model": MentorAnswer}})
async def enter_mentor(edge: EdgeDep, command: ListMentor) -> Response:
    """Enter a mentor: employed by an agency, or a foster mentor (bapak/ibu angkat), who costs no public money."""
    require_areas(edge.caller, command.areas)

    async def act(conn: Connection) -> MentorAnswer:
        await require_not_own(conn, edge.caller, *filter(None, [command.vendor_id]))
        mentor = await handlers.enter_mentor(conn, command, sealer=edge.platform.sealer, now=edge.now)
        return MentorAnswer(mentor_id=mentor.mentor_id, version=mentor.version)

    return await edge.once(act, status=201)


@router.get("/mentors", response_model=MentorPage)
async def list_mentors(
    edge: EdgeDep,
    area: Annotated[KnownArea | None, Query(description="Mentors who serve this area or a part of it")] = None,
    kind: MentorKind | None = None,
    agency: AgencyCode | None = None,
    field: FieldCode | None = None,
    language: Language | None = None,
    with_room: Annotated[bool, Query(description="Only who can take another vendor")] = False,
    withdrawn: Annotated[bool, Query(description="Those who mentored once, instead")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Mentors who serve the officer's area, or a part of it."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    wanted = MentorFilter(area or own, kind, agency, field, language, with_room, withdrawn)
    async with edge.read() as conn:
        found = await store.list_mentors(conn, wanted, last, limit + 1)
    sealer = edge.platform.sealer
    views = [_view(sealer, one.mentor, one.load, one.card_sealed) for one in found]
    return page(views, limit, lambda view: view.mentor_id)


@router.get("/mentors/me", response_model=MentorView)
async def show_own_entry(edge: EdgeDep) -> MentorView:
    """The entry of the mentor who asks."""
    async with edge.read() as conn:
        mentor = await find_own_mentor(conn, edge.caller)
        return await _show(conn, edge.platform.sealer, mentor)


@router.get("/mentors/{mentor_id}", response_model=MentorView)
async def show_mentor(edge: EdgeDep, mentor_id: UUID) -> MentorView:
    """A mentor, for officers of an area that it serves."""
    own = officer_area(edge.caller)
    async with edge.read() as conn:
        mentor = await _find(conn, mentor_id)
        if not serves_part_of(mentor, own):
            raise OutsideArea(f"This mentor does not work in {own}.", area=own)
        return await _show(conn, edge.platform.sealer, mentor)


@router.post("/mentors/{mentor_id}/change", responses={200: {"model": MentorAnswer}})
async def change_mentor(edge: EdgeDep, mentor_id: UUID, command: ListMentor) -> Response:
    """Write a mentor's entry anew, the whole of it. Its vendors stay with it, also beyond a limit that was lowered."""
    require_areas(edge.caller, command.areas)

    async def act(conn: Connection) -> MentorAnswer:
        mentor = await _find(conn, mentor_id)
        require_areas(edge.caller, mentor.areas)
        await require_not_own(conn, edge.caller, *filter(None, [command.vendor_id, mentor.vendor_id]))
        after = await handlers.change_mentor(conn, mentor_id, command, sealer=edge.platform.sealer, now=edge.now)
        return MentorAnswer(mentor_id=mentor_id, version=after.version)

    return await edge.once(act)


@router.post("/mentors/{mentor_id}/withdraw", responses={200: {"model": MentorAnswer}})
async def withdraw_mentor(edge: EdgeDep, mentor_id: UUID) -> Response:
    """The mentor mentors no more: its vendors are parted from it, its name is deleted, its account opens nothing."""
    edge.caller.require("officer")

    async def act(conn: Connection) -> MentorAnswer:
        require_areas(edge.caller, (await _find(conn, mentor_id)).areas)
        after = await handlers.withdraw_mentor(conn, mentor_id, by=edge.caller.subject, now=edge.now)
        return MentorAnswer(mentor_id=mentor_id, version=after.version)

    return await edge.once(act)


def officer_area(caller: Caller) -> str:
    """The area of the officer who calls. Raises `RoleMissing`, `OutsideArea`."""
    caller.require("officer")
    if caller.area is None:
        raise OutsideArea("This token names no area; an officer has one.")
    return caller.area


def require_areas(caller: Caller, areas: Iterable[str]) -> None:
    """Refuse everybody but an officer whose area covers all of these."""
    caller.require("officer")
    for area in areas:
        caller.require_area(area)


def serves_part_of(mentor: Mentor, area: str) -> bool:
    """Whether one of the mentor's areas is this one, contains it or lies in it."""
    return any(f"{one}.".startswith(f"{area}.") or f"{area}.".startswith(f"{one}.") for one in mentor.areas)


async def _find(conn: Connection, mentor_id: UUID) -> Mentor:
    mentor = await store.find_mentor(conn, mentor_id)
    if mentor is None:
        raise MentorNotFound("No mentor has this id; `GET /v1/mentors` lists them.", mentor_id=str(mentor_id))
    return mentor


async def _show(conn: Connection, sealer: Sealer, mentor: Mentor) -> MentorView:
    loads = await store.count_loads(conn, [mentor.mentor_id])
    sealed = await store.find_card(conn, mentor.mentor_id)
    return _view(sealer, mentor, loads.get(mentor.mentor_id, 0), sealed)


def _view(sealer: Sealer, mentor: Mentor, load: int, sealed: bytes | None) -> MentorView:
    card = None if sealed is None else handlers.open_card(sealer, mentor.mentor_id, sealed)
    return MentorView(
        mentor_id=mentor.mentor_id,
        kind=mentor.kind,
        funding=mentor.funding,
        agency=mentor.agency,
        areas=list(mentor.areas),
        fields=list(mentor.fields),
        languages=list(mentor.languages),
        load=load,
        load_max=mentor.load_max,
        alumnus=mentor.vendor_id is not None,
        account=mentor.account,
        name=card and card.name,
        phone=card and card.phone,
        email=card and card.email,
        listed_at=mentor.listed_at,
        withdrawn_at=mentor.withdrawn_at,
    )

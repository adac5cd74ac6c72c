"""Providers of training: listed for everybody, kept by officers of their area; what is asked of one, for its people."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.courses import Code
from services.training.domain.classes import ClassState
from services.training.domain.courses import CourseNotFound
from services.training.domain.providers import (
    Candidate,
    DescribeProvider,
    NoProviderOfAccount,
    Provider,
    ProviderKind,
    ProviderNotFound,
    ProviderState,
    Unfit,
)
from services.training.domain.values import FieldCode, KnownArea
from services.training.handlers import providers as handlers
from services.training.store import courses
from services.training.store import providers as store
from shared.auth import Caller, covers
from shared.db import Connection
from shared.events.values import AreaCode, Language
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor
from shared.ids import new_id

router = APIRouter(prefix="/v1", tags=["providers"])


class ProviderView(BaseModel):
    """A provider. `in_force`: it may be asked today, as an agency, or by an agreement of its partner somewhere in its
    area; `valid_until`: the last day of those agreements.
    """

    provider_id: UUID
    name: str
    kind: ProviderKind
    fields: list[str]
    area: str
    partner_id: UUID | None
    valid_until: date | None
    in_force: bool
    state: ProviderState


class ProviderPage(BaseModel):
    """Providers, in the order in which they were entered."""

    items: list[ProviderView]
    next: str | None


class ProviderDetail(ProviderView):
    """A provider with how to reach it, for officers of its area."""

    account: str | None
    phone: str | None
    email: str | None
    language: Language


class ProviderAnswer(BaseModel):
    """A provider that was entered, changed or withdrawn."""

    provider_id: UUID
    state: ProviderState


class CandidateView(BaseModel):
    """A provider for a class: `fits`, or why not; the first that fits is the one that is asked."""

    provider_id: UUID
    name: str
    area: str
    fits: bool
    because: list[Unfit]
    classes_under_way: int


class CandidateList(BaseModel):
    """Providers for a class, the one to be asked first in front."""

    items: list[CandidateView]


class AskedClassView(BaseModel):
    """A class that is asked of a provider, or that it gives."""

    class_id: UUID
    course: str
    title: str
    area: str
    state: ClassState
    days: list[date]
    places: int
    taken: int
    requests: int


class OwnView(ProviderView):
    """A provider's own entry, with the classes that are asked of it, prepared ones first."""

    classes: list[AskedClassView]


@router.get("/providers", response_model=ProviderPage)
async def list_providers(
    edge: PublicEdgeDep,
    area: Annotated[AreaCode | None, Query(description="Providers that give classes there, or in a part of it")] = None,
    field: FieldCode | None = None,
    kind: ProviderKind | None = None,
    withdrawn: Annotated[bool, Query(description="Also those that give no more classes")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Providers of training, in the order in which they were entered."""
    wanted = store.ProviderFilter(area, field, kind, withdrawn)
    last = read_cursor(after, UUID) if after is not None else None
    async with edge.read() as conn:
        found = await store.find_providers(conn, wanted, after=last, limit=limit + 1)
        in_force = await handlers.find_in_force(conn, found, now=edge.now)
    views = [_view(provider, provider.provider_id in in_force) for provider in found]
    return page(views, limit, lambda view: view.provider_id)


@router.get("/providers/me", response_model=OwnView)
async def show_own(edge: EdgeDep) -> OwnView:
    """A provider's own entry and what is asked of it: for its people (role `provider`)."""
    edge.caller.require("provider")
    async with edge.read() as conn:
        provider = await store.find_provider_of(conn, edge.caller.subject)
        if provider is None:
            raise NoProviderOfAccount("No provider has your account; ask an officer of the programme to enter it.")
        in_force = await handlers.find_in_force(conn, [provider], now=edge.now)
        classes = await store.find_asked_classes(conn, provider.provider_id)
    view = _view(provider, provider.provider_id in in_force)
    return OwnView(**view.model_dump(), classes=[AskedClassView(**one) for one in classes])


@router.get("/providers/{provider_id}", response_model=ProviderDetail)
async def show_provider(edge: EdgeDep, provider_id: UUID) -> ProviderDetail:
    """A provider, also one that was withdrawn, with how to reach it; an officer of its area, of a part of it, or of one
    around it.
    """
    edge.caller.require("officer")
    async with edge.read() as conn:
        provider = await store.find_provider(conn, provider_id)
        if provider is None:
            raise ProviderNotFound(provider_id)
        if edge.caller.area is None or not covers(provider.area, edge.caller.area):
            edge.caller.require_area(provider.area)
        in_force = await handlers.find_in_force(conn, [provider], now=edge.now)
        contact = await handlers.read_contact(conn, provider_id, edge.platform.sealer)
    return ProviderDetail(
        **_view(provider, provider_id in in_force).model_dump(),
        account=provider.account,
        phone=contact.phone if contact is not None else None,
        email=contact.email if contact is not None else None,
        language=provider.language,
    )


@router.post("/providers", status_code=201, response_model=ProviderAnswer)
async def enter_provider(edge: EdgeDep, command: DescribeProvider) -> Response:
    """A new provider; an officer whose area covers its area."""
    _require_keeper(edge.caller, command.area)

    async def act(conn: Connection) -> ProviderAnswer:
        provider = await handlers.enter_provider(
            conn, command, provider_id=new_id(), now=edge.now, sealer=edge.platform.sealer
        )
        return ProviderAnswer(provider_id=provider.provider_id, state=provider.state)

    return await edge.once(act, status=201)


@router.post("/providers/{provider_id}/edit", response_model=ProviderAnswer)
async def change_provider(edge: EdgeDep, provider_id: UUID, command: DescribeProvider) -> Response:
    """All of the entry anew; one that was withdrawn is listed again. An officer whose area covers the old area and the
    new.
    """
    _require_keeper(edge.caller, command.area)

    async def act(conn: Connection) -> ProviderAnswer:
        await _require_keeper_of(conn, edge.caller, provider_id)
        provider = await handlers.change_provider(conn, provider_id, command, now=edge.now, sealer=edge.platform.sealer)
        return ProviderAnswer(provider_id=provider_id, state=provider.state)

    return await edge.once(act)


@router.post("/providers/{provider_id}/withdraw", response_model=ProviderAnswer)
async def withdraw_provider(edge: EdgeDep, provider_id: UUID) -> Response:
    """It gives no more classes; those under way go on. Its contact is forgotten."""

    async def act(conn: Connection) -> ProviderAnswer:
        await _require_keeper_of(conn, edge.caller, provider_id)
        await handlers.withdraw_provider(conn, provider_id, now=edge.now)
        return ProviderAnswer(provider_id=provider_id, state="withdrawn")

    return await edge.once(act)


@router.get("/courses/{course}/providers", response_model=CandidateList)
async def rank_providers(edge: EdgeDep, course: Code, area: KnownArea) -> CandidateList:
    """Who can be asked for a class of this course in this area, in order, and why others cannot; officers of the
    area.
    """
    _require_keeper(edge.caller, area)
    async with edge.read() as conn:
        found = await courses.find_course(conn, course)
        if found is None:
            raise CourseNotFound(course)
        candidates = await handlers.rank_providers(conn, found, area, now=edge.now)
    return CandidateList(items=[_candidate(one) for one in candidates])


def _require_keeper(caller: Caller, area: str) -> None:
    caller.require("officer")
    caller.require_area(area)


async def _require_keeper_of(conn: Connection, caller: Caller, provider_id: UUID) -> None:
    caller.require("officer")
    provider = await store.find_provider(conn, provider_id)
    if provider is None:
        raise ProviderNotFound(provider_id)
    caller.require_area(provider.area)


def _view(provider: Provider, in_force: bool) -> ProviderView:
    return ProviderView(
        provider_id=provider.provider_id,
        name=provider.name,
        kind=provider.kind,
        fields=list(provider.fields),
        area=provider.area,
        partner_id=provider.partner_id,
        valid_until=provider.valid_until,
        in_force=in_force,
        state=provider.state,
    )


def _candidate(one: Candidate) -> CandidateView:
    return CandidateView(
        provider_id=one.provider.provider_id,
        name=one.provider.name,
        area=one.provider.area,
        fits=not one.because,
        because=list(one.because),
        classes_under_way=one.under_way,
    )

"""Matchings of vendors to mentors: computed, looked at, published, followed, explained."""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.training.api.access import OwnCase, own_ids, require_side
from services.training.api.mentors import officer_area
from services.training.domain.areas import covers
from services.training.domain.matchings import (
    ComputeMatching,
    Matching,
    MatchingKind,
    MatchingNotFound,
    MatchingState,
    Newcomers,
    Pair,
    PairState,
)
from services.training.domain.values import KnownArea
from services.training.handlers import matchings as handlers
from services.training.matching.reasons import explain
from services.training.matching.steps import Change
from services.training.solving import solve_apart
from services.training.store import courses
from services.training.store import matchings as store
from shared import families
from shared.auth import Caller
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["matchings"])

PROVINCE = "31"


class Counts(BaseModel):
    """What becomes of the vendors of a matching. parted: it had a mentor and has none now; unmatched: it had none."""

    kept: int
    moved: int
    new: int
    parted: int
    unmatched: int


class GoalsView(BaseModel):
    """The four numbers that are least, in the order in which they count; see `lapak match --help`."""

    unmatched: int
    left: int
    misfit: int
    unevenness: int


class Loads(BaseModel):
    """How many mentors are filled to under a tenth, under two, and so on; the last: full, or over the limit."""

    before: list[int]
    after: list[int]


class MatchingView(BaseModel):
    """A matching. `pairs`: how many are planned, applied and skipped by now."""

    matching_id: UUID
    kind: MatchingKind
    area: str
    state: MatchingState
    vendors: int
    mentors: int
    counts: Counts
    goals: GoalsView
    load_in_tenths: Loads
    problem_sha256: str
    result_sha256: str
    solver: str
    seconds: float
    made_by: str
    made_at: datetime
    published_by: str | None
    published_at: datetime | None
    finished_at: datetime | None
    pairs: dict[PairState, int] | None = None


class MatchingPage(BaseModel):
    """Matchings, the last first."""

    items: list[MatchingView]
    next: str | None


class PairView(BaseModel):
    """A vendor and its mentor, as planned and as it came about."""

    vendor_id: UUID
    mentor_id: UUID | None
    previous_mentor_id: UUID | None
    change: Change
    state: PairState
    skipped_because: str | None


class PairPage(BaseModel):
    """Pairs of a matching."""

    items: list[PairView]
    next: str | None


class MatchNewcomers(BaseModel):
    """Give those of an area who have no mentor the best that has room."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    area: KnownArea


class NewcomersAnswer(BaseModel):
    """The matching of newcomers that is being put into effect; none where there is nobody, or no room."""

    matching_id: UUID | None
    given: int


class SetPolicy(BaseModel):
    """Who is given a mentor day by day: who asked for mentoring (P3), everyone, or nobody."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    newcomers: Newcomers


class PolicyView(BaseModel):
    """The setting that holds, and its number."""

    newcomers: Newcomers
    version: int = Field(ge=1)


@router.post("/matchings", status_code=201, responses={201: {"model": MatchingView}})
async def compute_matching(edge: EdgeDep, command: ComputeMatching) -> Response:
    """Match the vendors of an area to mentors, the best there is, with its proof. Nothing changes before it is
    published: look at it, its pairs, and what differs from today."""
    caller = edge.caller
    caller.require("officer")
    caller.require_area(command.area)
    async with edge.read() as conn:
        draft = await handlers.draft_matching(conn, command)
    solved = await solve_apart(draft.problem, draft.standing, vendors=len(draft.vendors))

    async def act(conn: Connection) -> MatchingView:
        matching = await handlers.keep_matching(
            conn, draft, solved, kind="area", area=command.area, by=caller.subject, now=edge.now
        )
        return _view(matching)

    return await edge.once(act, status=201)


@router.get("/matchings", response_model=MatchingPage)
async def list_matchings(
    edge: EdgeDep,
    area: Annotated[KnownArea | None, Query(description="Matchings of this area and all below it")] = None,
    state: MatchingState | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Matchings of the officer's area, the last first."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        found = await store.list_matchings(conn, area or own, state, after=last, limit=limit + 1)
    return page([_view(one) for one in found], limit, lambda view: view.matching_id)


@router.get("/matchings/{matching_id}", response_model=MatchingView)
async def show_matching(edge: EdgeDep, matching_id: UUID) -> MatchingView:
    """A matching, and how far it is put into effect."""
    async with edge.read() as conn:
        matching = await _find(conn, edge.caller, matching_id)
        counts = await store.count_pairs(conn, matching_id)
    return _view(matching, counts)


@router.get("/matchings/{matching_id}/pairs", response_model=PairPage)
async def list_pairs(
    edge: EdgeDep,
    matching_id: UUID,
    change: Annotated[
        list[Change] | None, Query(description="Only these; moved, new and parted: the difference")
    ] = None,
    state: PairState | None = None,
    mentor_id: Annotated[UUID | None, Query(description="Who comes to it, stays with it or leaves it")] = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Who would have, or has, which mentor."""
    last = None if after is None else read_cursor(after, str)
    async with edge.read() as conn:
        await _find(conn, edge.caller, matching_id)
        found = await store.list_pairs(
            conn, matching_id, changes=change, state=state, mentor_id=mentor_id, after=last, limit=limit + 1
        )
    shown = page(found, limit, lambda pair: pair.name)
    return {**shown, "items": [_pair_view(pair) for pair in shown["items"]]}


@router.get("/matchings/{matching_id}/pairs/{vendor_id}")
async def explain_pair(edge: EdgeDep, matching_id: UUID, vendor_id: UUID) -> dict[str, Any]:
    """Why this mentor, and who was nearer or fitted better and why not it; in both languages. A vendor sees its own of
    what is being or was put into effect, the others as counts."""
    caller = edge.caller
    async with edge.read() as conn:
        await require_side(conn, caller, vendor_id)
        officer = caller.has("officer")
        if officer:
            await _find(conn, caller, matching_id)
        matching = await store.find_matching(conn, matching_id)
        pair = await store.find_pair(conn, matching_id, await families.find_family(conn, vendor_id))
        if matching is None or pair is None or not (officer or matching.state in ("publishing", "published")):
            raise MatchingNotFound("No matching with this id is about this vendor.", matching_id=str(matching_id))
        documents = await store.find_documents(conn, matching_id)
        names = {one["field"]: (one["name_id"], one["name_en"]) for one in await courses.find_fields(conn)}
    found = await asyncio.to_thread(explain, documents.problem, documents.result, pair.name, names)
    if not officer:
        del found["others"]
    return {**_pair_view(pair).model_dump(), "why": found}


@router.get("/matchings/{matching_id}/problem")
async def show_problem(edge: EdgeDep, matching_id: UUID) -> Response:
    """The problem as it was solved, for `lapak match`; vendors bear numbers."""
    return await _document(edge, matching_id, "problem")


@router.get("/matchings/{matching_id}/result")
async def show_result(edge: EdgeDep, matching_id: UUID) -> Response:
    """The result with its prices: check it with `lapak match --verify PROBLEM RESULT`."""
    return await _document(edge, matching_id, "result")


@router.post("/matchings/{matching_id}/publish", status_code=202, responses={202: {"model": MatchingView}})
async def publish_matching(edge: EdgeDep, matching_id: UUID) -> Response:
    """Publish exactly what was previewed; refused where facts changed since that matter, and says which. It is put into
    effect in steps: `GET` the matching to follow."""

    async def act(conn: Connection) -> MatchingView:
        await _find(conn, edge.caller, matching_id)
        own = await own_ids(conn, edge.caller)
        if own and await store.find_pair(conn, matching_id, list(own)) is not None:
            raise OwnCase("This matching concerns you as a vendor: another officer of the area publishes it.")
        await handlers.publish_matching(conn, matching_id, by=edge.caller.subject, now=edge.now)
        return _view(await _find(conn, edge.caller, matching_id))

    return await edge.once(act, status=202)


@router.post("/matchings/{matching_id}/drop", status_code=204, response_class=Response)
async def drop_matching(edge: EdgeDep, matching_id: UUID) -> Response:
    """A preview that will not be published."""

    async def act(conn: Connection) -> None:
        await _find(conn, edge.caller, matching_id)
        await handlers.drop_matching(conn, matching_id, now=edge.now)

    return await edge.once(act)


@router.post("/matchings/newcomers", responses={200: {"model": NewcomersAnswer}})
async def match_newcomers(edge: EdgeDep, command: MatchNewcomers) -> Response:
    """Give those who have no mentor the best that has room, now instead of tonight; nobody else moves."""
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> NewcomersAnswer:
        matching = await handlers.match_newcomers(conn, command.area, by=edge.caller.subject, now=edge.now)
        if matching is None:
            return NewcomersAnswer(matching_id=None, given=0)
        return NewcomersAnswer(matching_id=matching.matching_id, given=matching.summary["counts"]["new"])

    return await edge.once(act)


@router.get("/mentoring-policy", response_model=PolicyView)
async def show_policy(edge: EdgeDep) -> PolicyView:
    """Who is given a mentor day by day."""
    edge.caller.require("officer")
    async with edge.read() as conn:
        newcomers, version = await store.find_policy(conn)
    return PolicyView(newcomers=newcomers, version=version)


@router.post("/mentoring-policy", responses={200: {"model": PolicyView}})
async def set_policy(edge: EdgeDep, command: SetPolicy) -> Response:
    """Say who is given a mentor day by day; for officers of the province."""
    edge.caller.require("officer")
    edge.caller.require_area(PROVINCE)

    async def act(conn: Connection) -> PolicyView:
        version = await store.add_policy(conn, command.newcomers, by=edge.caller.subject, now=edge.now)
        return PolicyView(newcomers=command.newcomers, version=version)

    return await edge.once(act)


async def _find(conn: Connection, caller: Caller, matching_id: UUID) -> Matching:
    """A matching of the officer's area; of another area it is not found."""
    own = officer_area(caller)
    matching = await store.find_matching(conn, matching_id)
    if matching is None or not covers(own, matching.area):
        raise MatchingNotFound("No matching of your area has this id.", matching_id=str(matching_id))
    return matching


async def _document(edge: Edge, matching_id: UUID, name: str) -> Response:
    async with edge.read() as conn:
        matching = await _find(conn, edge.caller, matching_id)
        documents = await store.find_documents(conn, matching_id)
    sha256 = matching.problem_sha256 if name == "problem" else matching.result_sha256
    content = documents.problem if name == "problem" else documents.result
    return Response(content, media_type="application/json", headers={"ETag": f'"{sha256}"'})


def _view(matching: Matching, pairs: dict[PairState, int] | None = None) -> MatchingView:
    return MatchingView(
        matching_id=matching.matching_id,
        kind=matching.kind,
        area=matching.area,
        state=matching.state,
        vendors=matching.summary["vendors"],
        mentors=matching.summary["mentors"],
        counts=Counts(**matching.summary["counts"]),
        goals=GoalsView(**matching.summary["goals"]),
        load_in_tenths=Loads(**matching.summary["load_in_tenths"]),
        problem_sha256=matching.problem_sha256,
        result_sha256=matching.result_sha256,
        solver=matching.solver,
        seconds=matching.seconds,
        made_by=matching.made_by,
        made_at=matching.made_at,
        published_by=matching.published_by,
        published_at=matching.published_at,
        finished_at=matching.finished_at,
        pairs=pairs,
    )


def _pair_view(pair: Pair) -> PairView:
    return PairView(
        vendor_id=pair.vendor_id,
        mentor_id=pair.mentor_id,
        previous_mentor_id=pair.previous_mentor_id,
        change=pair.change,
        state=pair.state,
        skipped_because=pair.skipped_because,
    )

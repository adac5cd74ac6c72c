"""Broadcasts over HTTP: officers draft, a second one approves; everybody of the area sees how far it is."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response, UploadFile

from services.notify.api.broadcast_views import (
    BroadcastAnswer,
    BroadcastDetail,
    BroadcastPage,
    BroadcastRow,
    ChannelView,
    ForecastAnswer,
    ListAnswer,
    Nobody,
    PeopleList,
    PlanAnswer,
    act_view,
    answer,
    row,
)
from services.notify.domain.broadcasts import (
    LISTED_MAX,
    ApproveBroadcast,
    Broadcast,
    BroadcastNotFound,
    DraftBroadcast,
    EndBroadcast,
    State,
)
from services.notify.handlers import broadcasts as handlers
from services.notify.handlers import forecasts
from services.notify.handlers.broadcasts import Actor
from services.notify.handlers.forecasts import Means
from services.notify.settings import NotifySettings
from services.notify.store import audiences
from services.notify.store import broadcasts as store
from shared.auth import Caller, OutsideArea, covers
from shared.db import Connection
from shared.errors import Refused
from shared.events.values import AreaCode
from shared.http import LIMIT_DEFAULT, After, Edge, EdgeDep, Limit, large_body, page, read_cursor

router = APIRouter(prefix="/v1", tags=["broadcasts"])

C = TypeVar("C")

LIST_BYTES_MAX = 32 * 1024 * 1024
NOBODIES_SHOWN = 500
READS_ONLY = {"x-reads-only": True}


class ListUnreadable(Refused):
    """The file is no list of ids."""

    code = "list-unreadable"
    status = 422


@router.post("/broadcasts/plan", openapi_extra=READS_ONLY)
async def plan_broadcast(edge: EdgeDep, command: DraftBroadcast) -> PlanAnswer:
    """Whom a draft would reach and when, at this tier and at the others. Nothing is kept or sent."""
    _require_areas(edge.caller, command.areas)
    means = _means(edge)
    async with edge.read() as conn:
        counts, foreseen = await handlers.foresee(conn, command, means, sealer=edge.platform.sealer, now=edge.now)
    recipients = sum(counts.values())
    return PlanAnswer(
        recipients=recipients,
        by_channel=counts,
        approval_needed=recipients > means.approval_over,
        forecast=ForecastAnswer(**forecasts.summary(foreseen)),
    )


@router.post("/broadcasts", status_code=201, responses={201: {"model": BroadcastAnswer}})
async def draft_broadcast(edge: EdgeDep, command: DraftBroadcast) -> Response:
    """Write down what is to be told to whom. Nobody is told before it is submitted."""
    _require_areas(edge.caller, command.areas)

    async def act(conn: Connection) -> BroadcastAnswer:
        return answer(await handlers.draft(conn, command, _actor(edge), now=edge.now))

    return await edge.once(act, status=201)


@router.post("/broadcasts/{broadcast_id}/list", responses={200: {"model": ListAnswer}})
async def list_people(edge: EdgeDep, broadcast_id: UUID, command: PeopleList) -> Response:
    """Give a draft that goes by a list its people; a list it had is replaced. Who is nobody's is named."""
    lines = list(enumerate(command.vendor_ids, start=1))
    return await _list(edge, broadcast_id, [(line, vendor_id) for line, vendor_id in lines])


@router.post("/broadcasts/{broadcast_id}/list-file", responses={200: {"model": ListAnswer}})
@large_body(LIST_BYTES_MAX)
async def list_people_of_file(edge: EdgeDep, broadcast_id: UUID, file: UploadFile) -> Response:
    """The same from a file: a vendor's id at the beginning of each line (text, or CSV whose first column it is)."""
    lines = await asyncio.to_thread(_read_list, await file.read())
    return await _list(edge, broadcast_id, lines)


@router.post("/broadcasts/{broadcast_id}/submit", responses={200: {"model": BroadcastAnswer}})
async def submit_broadcast(edge: EdgeDep, broadcast_id: UUID) -> Response:
    """Fix its words and its people, and have it approved; to few people it begins at once."""

    async def act(conn: Connection) -> BroadcastAnswer:
        await _find(conn, edge.caller, broadcast_id)
        return answer(await handlers.submit(conn, broadcast_id, _actor(edge), _means(edge), now=edge.now))

    return await edge.once(act)


@router.post("/broadcasts/{broadcast_id}/approve", responses={200: {"model": BroadcastAnswer}})
async def approve_broadcast(edge: EdgeDep, broadcast_id: UUID, command: ApproveBroadcast) -> Response:
    """Agree to it: somebody else than who drafted or submitted it."""
    return await _step(edge, broadcast_id, command, handlers.approve)


@router.post("/broadcasts/{broadcast_id}/reject", responses={200: {"model": BroadcastAnswer}})
async def reject_broadcast(edge: EdgeDep, broadcast_id: UUID, command: EndBroadcast) -> Response:
    """Do not agree, or take it back: it is a draft again."""
    return await _step(edge, broadcast_id, command, handlers.reject)


@router.post("/broadcasts/{broadcast_id}/pause", responses={200: {"model": BroadcastAnswer}})
async def pause_broadcast(edge: EdgeDep, broadcast_id: UUID, command: EndBroadcast) -> Response:
    """Nothing more leaves; what is being sent at this moment ends."""
    return await _step(edge, broadcast_id, command, handlers.pause, also_operator=True)


@router.post("/broadcasts/{broadcast_id}/resume", responses={200: {"model": BroadcastAnswer}})
async def resume_broadcast(edge: EdgeDep, broadcast_id: UUID, command: EndBroadcast) -> Response:
    """Let it go on."""
    return await _step(edge, broadcast_id, command, handlers.resume, also_operator=True)


@router.post("/broadcasts/{broadcast_id}/stop", responses={200: {"model": BroadcastAnswer}})
async def stop_broadcast(edge: EdgeDep, broadcast_id: UUID, command: EndBroadcast) -> Response:
    """End it for good: what has not left never does."""
    return await _step(edge, broadcast_id, command, handlers.stop, also_operator=True)


@router.get("/broadcasts")
async def list_broadcasts(
    edge: EdgeDep,
    area: Annotated[AreaCode | None, Query(description="Whose people all live within it")] = None,
    state: State | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> BroadcastPage:
    """Broadcasts of the officer's area, the last drafted first; an operator sees all."""
    caller = edge.caller
    caller.require("officer", "operator")
    if not caller.has("operator"):
        if caller.area is None:
            raise OutsideArea("This token has no area.", area=None)
        if area is not None:
            caller.require_area(area)
        area = area or caller.area
    before = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.list_broadcasts(conn, area=area, state=state, before=before, limit=limit + 1)
    return BroadcastPage(**page([BroadcastRow(**row(one)) for one in rows], limit, lambda row: row.broadcast_id))


@router.get("/broadcasts/{broadcast_id}")
async def show_broadcast(edge: EdgeDep, broadcast_id: UUID) -> BroadcastDetail:
    """One broadcast: its words, how far it is, when the rest will be done, who did what."""
    edge.caller.require("officer", "operator")
    async with edge.read() as conn:
        await _find(conn, edge.caller, broadcast_id, also_operator=True)
        (listed,) = await store.list_broadcasts(conn, area=None, broadcast_id=broadcast_id, limit=1)
        ways = await audiences.find_ways(conn, broadcast_id)
        by_state = await store.count_states(conn, broadcast_id)
        acts = await store.find_acts(conn, broadcast_id)
        ends = await handlers.foresee_rest(conn, listed.broadcast, ways, _means(edge), now=edge.now)
    one = listed.broadcast
    return BroadcastDetail(
        **row(listed),
        params=dict(one.params),
        template_version=one.template_version,
        audience_sha256=one.audience_sha256,
        forecast=None if listed.forecast is None else ForecastAnswer(**listed.forecast),
        by_channel=[ChannelView(channel=way.channel, recipients=way.recipients, planned=way.expanded) for way in ways],
        by_state=by_state,
        ends=None if ends is None else ForecastAnswer(**forecasts.summary(ends)),
        history=[act_view(edge.platform.sealer, one) for one in acts],
    )


async def _step(
    edge: Edge,
    broadcast_id: UUID,
    command: C,
    handler: Callable[..., Awaitable[Broadcast]],
    *,
    also_operator: bool = False,
) -> Response:
    async def act(conn: Connection) -> BroadcastAnswer:
        await _find(conn, edge.caller, broadcast_id, also_operator=also_operator)
        return answer(await handler(conn, broadcast_id, command, _actor(edge), now=edge.now))

    return await edge.once(act)


async def _list(edge: Edge, broadcast_id: UUID, lines: list[tuple[int, UUID | None]]) -> Response:
    async def act(conn: Connection) -> ListAnswer:
        await _find(conn, edge.caller, broadcast_id)
        given = {vendor_id for _, vendor_id in lines if vendor_id is not None}
        listed, unknown = await handlers.list_people(conn, broadcast_id, list(given), _actor(edge), now=edge.now)
        nobodies = [
            Nobody(line=line, vendor_id=vendor_id)
            for line, vendor_id in lines
            if vendor_id is None or vendor_id in unknown
        ]
        return ListAnswer(
            broadcast_id=broadcast_id,
            listed=listed,
            repeated=sum(vendor_id is not None for _, vendor_id in lines) - len(given),
            nobodies=nobodies[:NOBODIES_SHOWN],
            nobodies_count=len(nobodies),
        )

    return await edge.once(act)


def _read_list(content: bytes) -> list[tuple[int, UUID | None]]:
    """The ids of a file with their lines; None where a line holds none. A heading is passed over."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ListUnreadable(
            "file: is no text in UTF-8; save it as CSV (UTF-8) with the ids in the first column."
        ) from None
    found: list[tuple[int, UUID | None]] = []
    for number, line in enumerate(io.StringIO(text), start=1):
        cell = line.replace(";", ",").partition(",")[0].strip().strip('"')
        if cell and not (number == 1 and cell.casefold() == "vendor_id"):
            found.append((number, _read_id(cell)))
        if len(found) > LISTED_MAX:
            raise ListUnreadable(f"file: has more than {LISTED_MAX} lines; name areas instead of a list.")
    if all(vendor_id is None for _, vendor_id in found):
        raise ListUnreadable("file: names nobody; put a vendor's id at the beginning of each line.")
    return found


def _read_id(cell: str) -> UUID | None:
    try:
        return UUID(cell)
    except ValueError:
        return None


async def _find(conn: Connection, caller: Caller, broadcast_id: UUID, *, also_operator: bool = False) -> Broadcast:
    """A broadcast that the caller may act on: all of its areas are the officer's. Raises `BroadcastNotFound`."""
    if also_operator and caller.has("operator"):
        return await store.find_broadcast(conn, broadcast_id)
    caller.require("officer")
    one = await store.find_broadcast(conn, broadcast_id)
    if caller.area is None or not all(covers(caller.area, area) for area in one.areas):
        raise BroadcastNotFound("No broadcast of your area has this id.", broadcast_id=str(broadcast_id))
    return one


def _require_areas(caller: Caller, areas: list[str]) -> None:
    caller.require("officer")
    for area in areas:
        caller.require_area(area)


def _actor(edge: Edge) -> Actor:
    return Actor(edge.caller.subject, edge.platform.sealer)


def _means(edge: Edge) -> Means:
    settings = edge.platform.settings
    assert isinstance(settings, NotifySettings)
    return settings.means()

"""Groups that foster mentors adopted, for officers of their area; a vendor may leave its own."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.training.api.access import find_own_mentor, require_home, require_not_own
from services.training.api.mentors import officer_area
from services.training.domain.groups import AddMembers, AdoptGroup, FosterGroup, GroupUnknown, Member
from services.training.domain.values import KnownArea
from services.training.handlers import groups as handlers
from services.training.store import groups as store
from services.training.store.groups import GroupFilter
from shared import families
from shared.auth import Caller, OutsideArea, covers
from shared.db import Connection
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, page, read_cursor

router = APIRouter(prefix="/v1", tags=["foster groups"])


class GroupAnswer(BaseModel):
    """A group that was adopted."""

    group_id: UUID


class GroupView(BaseModel):
    """A group with its members counted. No public money goes into it."""

    group_id: UUID
    mentor_id: UUID
    area: str
    field: str | None
    members: int
    members_max: int
    funding: Literal["NON_APBD"] = "NON_APBD"
    adopted_at: datetime
    ended_at: datetime | None


class GroupPage(BaseModel):
    """Groups, in the order in which they were adopted."""

    items: list[GroupView]
    next: str | None


class MemberView(BaseModel):
    """A member, and since when; `until` of one who left."""

    vendor_id: UUID
    assignment_id: UUID
    since: datetime
    until: datetime | None


class MemberPage(BaseModel):
    """Members of a group."""

    items: list[MemberView]
    next: str | None


class RefusedMember(BaseModel):
    """Why one vendor did not join."""

    vendor_id: UUID
    code: str
    reason: str


class JoinAnswer(BaseModel):
    """Who is in the group now and who is not, in the order asked."""

    joined: list[UUID]
    refused: list[RefusedMember]


class EndAnswer(BaseModel):
    """How many members have no foster mentor any more."""

    parted: int


@router.post("/mentors/{mentor_id}/groups", status_code=201, responses={201: {"model": GroupAnswer}})
async def adopt_group(edge: EdgeDep, mentor_id: UUID, command: AdoptGroup) -> Response:
    """A foster mentor adopts a group of vendors (bapak/ibu angkat)."""
    edge.caller.require("officer")
    edge.caller.require_area(command.area)

    async def act(conn: Connection) -> GroupAnswer:
        group = await handlers.adopt_group(conn, mentor_id, command, now=edge.now)
        return GroupAnswer(group_id=group.group_id)

    return await edge.once(act, status=201)


@router.get("/foster-groups", response_model=GroupPage)
async def list_groups(
    edge: EdgeDep,
    area: KnownArea | None = None,
    mentor_id: UUID | None = None,
    ended: Annotated[bool, Query(description="Those given up, instead")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Groups of the officer's area; of a foster mentor its own."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        if edge.caller.has("officer"):
            own = officer_area(edge.caller)
            if area is not None:
                edge.caller.require_area(area)
            area = area or own
        else:
            mentor_id = (await find_own_mentor(conn, edge.caller)).mentor_id
        found = await store.list_groups(conn, GroupFilter(area, mentor_id, ended), last, limit + 1)
    return page([_view(group) for group in found], limit, lambda view: view.group_id)


@router.get("/foster-groups/{group_id}", response_model=GroupView)
async def show_group(edge: EdgeDep, group_id: UUID) -> GroupView:
    """A group, for officers of its area and its mentor."""
    async with edge.read() as conn:
        return _view(await _see(conn, edge.caller, group_id))


@router.get("/foster-groups/{group_id}/members", response_model=MemberPage)
async def list_members(
    edge: EdgeDep,
    group_id: UUID,
    past: Annotated[bool, Query(description="Those who left, instead")] = False,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> dict[str, Any]:
    """Who is in a group, for officers of its area and its mentor."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await _see(conn, edge.caller, group_id)
        found = await store.find_members(conn, group_id, past=past, after=last, limit=limit + 1)
    return page([_member_view(member) for member in found], limit, lambda view: view.assignment_id)


@router.post("/foster-groups/{group_id}/members", responses={200: {"model": JoinAnswer}})
async def add_members(edge: EdgeDep, group_id: UUID, command: AddMembers) -> Response:
    """Vendors join while places last; each that does not is told why."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> JoinAnswer:
        await _require_area(conn, caller, group_id)
        for vendor_id in command.vendor_ids:
            await require_home(conn, caller, vendor_id)
        joining = await handlers.add_members(conn, group_id, command.vendor_ids, by=caller.subject, now=edge.now)
        return JoinAnswer(
            joined=[vendor_id for vendor_id in command.vendor_ids if vendor_id not in joining.refused],
            refused=[
                RefusedMember(vendor_id=vendor_id, code=joining.refused[vendor_id].code, reason=str(why))
                for vendor_id in command.vendor_ids
                if (why := joining.refused.get(vendor_id)) is not None
            ],
        )

    return await edge.once(act)


@router.post("/foster-groups/{group_id}/members/{vendor_id}/leave", status_code=204)
async def leave_group(edge: EdgeDep, group_id: UUID, vendor_id: UUID) -> Response:
    """A member leaves: by an officer of the group's area, or by itself."""
    caller = edge.caller
    caller.require("officer", "vendor")

    async def act(conn: Connection) -> None:
        itself = caller.has("vendor") and caller.vendor_id in await families.find_family(conn, vendor_id)
        if not itself:
            caller.require_vendor(vendor_id)
            await _require_area(conn, caller, group_id)
            await require_not_own(conn, caller, vendor_id)
        because: Literal["vendor-left", "officer"] = "vendor-left" if itself else "officer"
        await handlers.leave_group(conn, group_id, vendor_id, because=because, by=caller.subject, now=edge.now)

    return await edge.once(act)


@router.post("/foster-groups/{group_id}/end", responses={200: {"model": EndAnswer}})
async def end_group(edge: EdgeDep, group_id: UUID) -> Response:
    """A group is given up; its members have no foster mentor any more."""
    caller = edge.caller
    caller.require("officer")

    async def act(conn: Connection) -> EndAnswer:
        await _require_area(conn, caller, group_id)
        return EndAnswer(parted=await handlers.end_group(conn, group_id, by=caller.subject, now=edge.now))

    return await edge.once(act)


async def _find(conn: Connection, group_id: UUID) -> FosterGroup:
    group = await store.find_group(conn, group_id)
    if group is None:
        raise GroupUnknown("No group has this id.", group_id=str(group_id))
    return group


async def _require_area(conn: Connection, caller: Caller, group_id: UUID) -> None:
    caller.require_area((await _find(conn, group_id)).area)


async def _see(conn: Connection, caller: Caller, group_id: UUID) -> FosterGroup:
    caller.require("officer", "mentor")
    group = await _find(conn, group_id)
    if caller.has("officer"):
        if caller.area is None or not covers(caller.area, group.area):
            raise OutsideArea(f"This group is outside the area {caller.area or '(none)'}.", area=caller.area)
    elif (await find_own_mentor(conn, caller)).mentor_id != group.mentor_id:
        raise GroupUnknown("No group of yours has this id.", group_id=str(group_id))
    return group


def _view(group: FosterGroup) -> GroupView:
    return GroupView(
        group_id=group.group_id,
        mentor_id=group.mentor_id,
        area=group.area,
        field=group.field,
        members=group.members,
        members_max=group.members_max,
        adopted_at=group.adopted_at,
        ended_at=group.ended_at,
    )


def _member_view(member: Member) -> MemberView:
    return MemberView(**member._asdict())

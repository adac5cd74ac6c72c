"""Groups adopted by foster mentors; members join and leave. The mentor's row is the lock of its groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.training.domain import groups as domain
from services.training.domain.assignments import Because, MentorStanding, Wanted
from services.training.domain.groups import AdoptGroup, FosterGroup, GroupUnknown, MemberUnknown
from services.training.handlers.assignments import LockedPeople, assign_many, lock_people, unassign_many
from services.training.store import assignments
from services.training.store import groups as store
from shared import families
from shared.db import Connection
from shared.errors import Refused
from shared.ids import new_id


@dataclass
class Joining:
    """What became of a wish for many to join: who is in the group now, and for the others why not."""

    joined: list[UUID] = field(default_factory=list)
    refused: dict[UUID, Refused] = field(default_factory=dict)


async def adopt_group(conn: Connection, mentor_id: UUID, command: AdoptGroup, *, now: datetime) -> FosterGroup:
    """A foster mentor adopts a group. Raises as `domain.adopt` does."""
    rooms = await assignments.lock_rooms(conn, [mentor_id])
    group = domain.adopt(rooms.get(mentor_id), mentor_id, command, group_id=new_id(), now=now)
    await store.add_group(conn, group)
    return group


async def add_members(
    conn: Connection, group_id: UUID, vendor_ids: Sequence[UUID], *, by: str, now: datetime
) -> Joining:
    """Vendors join, in this order while places last; each has the group's mentor as its foster mentor from now on,
    in place of another it had. Who has the mentor already, but is in none of its groups, joins as it is.

    Raises `GroupUnknown`, `GroupEnded`.
    """
    group = await _lock(conn, group_id)
    domain.require_standing(group)
    # all of them before the first is taken: locks of records are taken in one order
    locked = await lock_people(conn, vendor_ids)
    joining = Joining()
    waiting, members = list(vendor_ids), group.members
    while waiting and members < group.members_max:
        some, waiting = waiting[: group.members_max - members], waiting[group.members_max - members :]
        joined = await _take(conn, group, some, locked, joining, by=by, now=now)
        members += len(joined)
        joining.joined += joined
    joining.refused |= {vendor_id: domain.full(group) for vendor_id in waiting}
    return joining


async def _take(
    conn: Connection,
    group: FosterGroup,
    vendor_ids: Sequence[UUID],
    locked: LockedPeople,
    joining: Joining,
    *,
    by: str,
    now: datetime,
) -> list[UUID]:
    rooms = await assignments.lock_rooms(conn, [group.mentor_id])
    wanted = [Wanted(vendor_id, group.mentor_id) for vendor_id in vendor_ids]
    outcome = await assign_many(conn, wanted, rooms, kind="foster", by="officer", assigned_by=by, now=now)
    members = [(event.assignment_id, event.vendor_id) for event in outcome.assigned]
    joined = [event.vendor_id for event in outcome.assigned]
    for vendor_id, refusal in outcome.refused.items():
        held = []
        if isinstance(refusal, MentorStanding):
            # who joined just now under another of its ids is a member already
            grouped = {assignment_id for assignment_id, _ in members}
            held = [
                one
                for one in await assignments.find_standing(conn, locked.people[vendor_id], "foster")
                if one.assignment_id not in grouped | set(await store.find_grouped(conn, [one.assignment_id]))
            ]
        if held:
            members.append((held[0].assignment_id, held[0].vendor_id))
            joined.append(vendor_id)
        else:
            joining.refused[vendor_id] = refusal
    await store.add_members(conn, group.group_id, members)
    return joined


async def leave_group(
    conn: Connection, group_id: UUID, vendor_id: UUID, *, because: Because, by: str, now: datetime
) -> None:
    """A member leaves, and has no foster mentor any more. Raises `GroupUnknown`, `MemberUnknown`."""
    await _lock(conn, group_id)
    family = await families.find_family(conn, vendor_id)
    if not await store.find_standing_members(conn, group_id, family):
        raise MemberUnknown("This vendor is not in the group.", vendor_id=str(vendor_id))
    await unassign_many(conn, [vendor_id], because=because, kind="foster", ended_by=by, now=now)


async def end_group(conn: Connection, group_id: UUID, *, by: str, now: datetime) -> int:
    """A group is given up: its members have no foster mentor any more; how many these were. Again changes nothing.

    Raises `GroupUnknown`.
    """
    group = await _lock(conn, group_id)
    if group.ended_at is not None:
        return 0
    members = await store.find_standing_members(conn, group_id, None)
    await unassign_many(conn, members, because="officer", kind="foster", ended_by=by, now=now)
    await store.end_group(conn, group_id, now=now)
    return len(members)


async def _lock(conn: Connection, group_id: UUID) -> FosterGroup:
    """A group under the lock of its mentor, read as it stands then."""
    group = await store.find_group(conn, group_id)
    if group is not None:
        await assignments.lock_rooms(conn, [group.mentor_id])
        group = await store.find_group(conn, group_id)
    if group is None:
        raise GroupUnknown("No group has this id.", group_id=str(group_id))
    return group

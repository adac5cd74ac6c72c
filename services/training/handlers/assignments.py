"""Vendors get mentors and are parted from them: one by one, many at once, and when a mentor or a vendor leaves.

Order of locks: mentors in the order of ids, then trainees. What counts for a person counts over all its ids.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.training.domain import assignments as domain
from services.training.domain.assignments import Assignment, Because, By, Kind, PersonChanged, Room, Wanted
from services.training.domain.enrolments import TraineeNotFound
from services.training.handlers.trainees import record
from services.training.store import assignments as store
from services.training.store import trainees
from shared import families
from shared.db import Connection
from shared.errors import Refused
from shared.events.mentoring import MentorAssigned, MentorUnassigned
from shared.ids import new_id


@dataclass
class Assigning:
    """What became of a wish for many: who has a mentor now, and for the others why not."""

    assigned: list[MentorAssigned] = field(default_factory=list)
    refused: dict[UUID, Refused] = field(default_factory=dict)


async def find_standing(conn: Connection, vendor_ids: Iterable[UUID], kind: Kind | None = None) -> list[Assignment]:
    """The assignments that stand for the people of these ids, under whichever of their ids."""
    of = await store.find_families(conn, vendor_ids)
    return await store.find_standing(conn, {one for ids in of.values() for one in ids}, kind)


async def assign(
    conn: Connection,
    vendor_id: UUID,
    mentor_id: UUID,
    *,
    kind: Kind,
    by: By,
    now: datetime,
    assigned_by: str | None = None,
    reason: str | None = None,
) -> MentorAssigned:
    """Give a vendor this mentor; one of the kind that it had is its mentor no more.

    Raises `MentorNotFound`, `MentorOfOtherKind`, `MentorGone`, `MentorStanding`, `OwnMentor`, `MentorElsewhere`,
    `MentorFull`, `TraineeNotFound`, `PersonChanged`.
    """
    rooms = await store.lock_rooms(conn, [mentor_id])
    wanted = [Wanted(vendor_id, mentor_id)]
    outcome = await assign_many(conn, wanted, rooms, kind=kind, by=by, now=now, assigned_by=assigned_by, reason=reason)
    for refusal in outcome.refused.values():
        raise refusal
    return outcome.assigned[0]


async def assign_many(
    conn: Connection,
    wanted: Sequence[Wanted],
    rooms: Mapping[UUID, Room],
    *,
    kind: Kind,
    by: By,
    now: datetime,
    matching_id: UUID | None = None,
    assigned_by: str | None = None,
    reason: str | None = None,
    seat_secured: bool = False,
) -> Assigning:
    """Give each vendor the mentor wanted for it, in this order while seats last; each refused one is told why.

    `rooms` are the mentors, locked (`store.lock_rooms`). `seat_secured`: the caller saw to it that there are seats.
    """
    locked = await lock_people(conn, [one.vendor_id for one in wanted])
    homes = await store.find_homes(conn, locked.versions)
    standing: dict[UUID, Assignment] = {
        one.vendor_id: one for one in await store.find_standing(conn, locked.versions, kind)
    }
    seats = dict(rooms)
    outcome = Assigning()
    given = []
    for one in wanted:
        ids = locked.people.get(one.vendor_id, [])
        held = next((standing[each] for each in ids if each in standing), None)
        try:
            locked.require(one.vendor_id)
            fresh = domain.give(
                one,
                seats.get(one.mentor_id),
                held,
                kind=kind,
                by=by,
                kelurahan=homes.get(one.vendor_id),
                person_ids=ids,
                assignment_id=new_id(),
                now=now,
                matching_id=matching_id,
                seat_secured=seat_secured,
            )
        except Refused as refusal:
            outcome.refused[one.vendor_id] = refusal
            continue
        if held is not None:
            del standing[held.vendor_id]
            if (left := seats.get(held.mentor_id)) is not None:
                seats[held.mentor_id] = left._replace(held=left.held - 1)
        standing[one.vendor_id] = fresh.assignment
        taken = seats[one.mentor_id]
        seats[one.mentor_id] = taken._replace(held=taken.held + 1)
        given.append(fresh)
    await store.save_given(conn, given, assigned_by=assigned_by, reason=reason, now=now)
    outcome.assigned = [
        MentorAssigned(
            vendor_id=one.assignment.vendor_id,
            assignment_id=one.assignment.assignment_id,
            mentor_id=one.assignment.mentor_id,
            kind=kind,
            by=by,
            previous_mentor_id=None if one.replaced is None else one.replaced.mentor_id,
        )
        for one in given
    ]
    # whoever follows one id only must hear that its mentor now is another id's
    parted = [
        _parted(one.replaced, "rematched")
        for one in given
        if one.replaced is not None and one.replaced.vendor_id != one.assignment.vendor_id
    ]
    await record(conn, locked.versions, [*parted, *outcome.assigned], now=now)
    return outcome


async def unassign(
    conn: Connection,
    vendor_id: UUID,
    *,
    because: Because,
    now: datetime,
    kind: Kind | None = None,
    ended_by: str | None = None,
    reason: str | None = None,
) -> list[MentorUnassigned]:
    """Part a person from its mentor of this kind (None: of either kind), whichever of its ids has it."""
    return await unassign_many(conn, [vendor_id], because=because, now=now, kind=kind, ended_by=ended_by, reason=reason)


async def unassign_many(
    conn: Connection,
    vendor_ids: Sequence[UUID],
    *,
    because: Because,
    now: datetime,
    kind: Kind | None = None,
    ended_by: str | None = None,
    reason: str | None = None,
) -> list[MentorUnassigned]:
    """Part these people from their mentors of this kind; who has none is passed over."""
    locked = await lock_people(conn, vendor_ids)
    ending = await store.find_standing(conn, locked.versions, kind)
    return await _end(conn, ending, locked.versions, because, ended_by=ended_by, reason=reason, now=now)


async def unassign_all(
    conn: Connection, mentor_id: UUID, *, because: Because, now: datetime, ended_by: str | None = None
) -> list[MentorUnassigned]:
    """Part a mentor, locked by the caller, from everybody it has."""
    held = await store.find_of_mentor(conn, mentor_id)
    versions = await trainees.lock_trainees(conn, [one.vendor_id for one in held])
    # who was parted while the lock was waited for is none of ours
    ending = [one for one in await store.find_of_mentor(conn, mentor_id) if one.vendor_id in versions]
    return await _end(conn, ending, versions, because, ended_by=ended_by, reason=None, now=now)


async def part_who_left(conn: Connection, vendor_ids: Sequence[UUID], *, now: datetime) -> list[MentorUnassigned]:
    """Part those of these people who left mentoring (P3), under every id, from their employed mentors."""
    left = await store.find_who_left(conn, vendor_ids) if vendor_ids else []
    return await unassign_many(conn, left, because="vendor-left", now=now, kind="employed") if left else []


async def end_doubles(conn: Connection, vendor_ids: Collection[UUID], *, now: datetime) -> list[MentorUnassigned]:
    """After registrations were merged: the person keeps one mentor of each kind, and is not its own."""
    locked = await lock_people(conn, list(vendor_ids))
    persons = await families.find_persons(conn, list(locked.versions))
    standing = await store.find_standing(conn, locked.versions)
    rooms = await store.find_rooms(conn, {one.mentor_id for one in standing})
    ending = domain.surplus(standing, persons, {one.mentor_id: one.vendor_id for one in rooms.values()})
    return await _end(conn, ending, locked.versions, "merged", ended_by=None, reason=None, now=now)


async def _end(
    conn: Connection,
    ending: Sequence[Assignment],
    versions: Mapping[UUID, int],
    because: Because,
    *,
    ended_by: str | None,
    reason: str | None,
    now: datetime,
) -> list[MentorUnassigned]:
    ids = [one.assignment_id for one in ending]
    await store.end_assignments(conn, ids, because, ended_by=ended_by, reason=reason, now=now)
    events = [_parted(one, because) for one in ending]
    await record(conn, versions, events, now=now)
    return events


def _parted(ended: Assignment, because: Because) -> MentorUnassigned:
    return MentorUnassigned(
        vendor_id=ended.vendor_id,
        assignment_id=ended.assignment_id,
        mentor_id=ended.mentor_id,
        kind=ended.kind,
        because=because,
    )


@dataclass(frozen=True)
class LockedPeople:
    """People under their locks: versions of every id that has a record, and all ids of who was asked for."""

    versions: Mapping[UUID, int]
    people: Mapping[UUID, Sequence[UUID]]
    changed: frozenset[UUID]

    def require(self, vendor_id: UUID) -> None:
        """Refuse who is not known, or changed under our hands. Raises `TraineeNotFound`, `PersonChanged`."""
        if vendor_id in self.changed:
            raise PersonChanged(
                "Registrations of this vendor are being merged or parted; try again.", vendor_id=str(vendor_id)
            )
        if vendor_id not in self.versions:
            raise TraineeNotFound("Training does not know this vendor.", vendor_id=str(vendor_id))


async def lock_people(conn: Connection, vendor_ids: Sequence[UUID]) -> LockedPeople:
    """Lock the training records of these people, under all their ids.

    Merging locks the same records after it has changed who is one person, so who is a person is read again under the
    locks: an id that joined meanwhile is not locked, and whoever it joined is given up this time.
    """
    before = await store.find_families(conn, vendor_ids)
    versions = await trainees.lock_trainees(conn, {one for ids in before.values() for one in ids})
    after = await store.find_families(conn, vendor_ids)
    changed = frozenset(one for one in before if not set(after[one]) <= set(before[one]))
    return LockedPeople(versions, after, changed)

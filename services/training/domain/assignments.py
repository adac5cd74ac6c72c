"""Who accompanies whom: a vendor has one mentor of each kind at a time, and a mentor so many vendors at the most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from services.training.domain.areas import covers
from shared.errors import Conflict, NotFound, Refused

Kind: TypeAlias = Literal["employed", "foster"]
By: TypeAlias = Literal["matching", "newcomer", "officer"]
Because: TypeAlias = Literal["mentor-left", "officer", "graduated", "vendor-left", "merged", "rematched"]
Reason: TypeAlias = Literal[
    "vendor-wish", "mentor-wish", "workload", "field", "language", "distance", "conflict", "other"
]
"""Why an officer gives or takes a mentor by hand: codes only, no words about people."""


class MentorNotFound(NotFound):
    """No mentor has this id."""

    code = "unknown-mentor"


class MentorFull(Refused):
    """The mentor has as many vendors as it can take."""

    code = "mentor-full"


class MentorGone(Refused):
    """The mentor takes no more vendors."""

    code = "mentor-withdrawn"


class MentorOfOtherKind(Refused):
    """Employed mentors and foster mentors are given separately."""

    code = "mentor-kind"


class MentorElsewhere(Refused):
    """The vendor lives outside the areas of the mentor."""

    code = "mentor-area"


class OwnMentor(Refused):
    """Nobody mentors itself."""

    code = "own-mentor"


class MentorStanding(Refused):
    """The vendor has this mentor already."""

    code = "mentor-standing"


class NoMentor(NotFound):
    """The vendor has no mentor of this kind."""

    code = "no-mentor"


class PersonChanged(Conflict):
    """Registrations of this vendor were merged or parted at this moment."""

    code = "person-changed"


@dataclass(frozen=True, slots=True)
class Assignment:
    """That a vendor has, or had, a mentor."""

    assignment_id: UUID
    vendor_id: UUID
    mentor_id: UUID
    kind: Kind
    by: By
    since: datetime
    matching_id: UUID | None = None
    until: datetime | None = None
    ended_because: str | None = None


class Room(NamedTuple):
    """A mentor as assigning knows it: `held` vendors now, `promised` to a publication under way."""

    mentor_id: UUID
    kind: Kind
    listed: bool
    areas: Sequence[str]
    load_max: int
    held: int
    promised: int
    vendor_id: UUID | None = None

    @property
    def free(self) -> int:
        """Seats that anybody may be given."""
        return max(0, self.load_max - self.held - self.promised)


class Wanted(NamedTuple):
    """That this vendor is to have this mentor."""

    vendor_id: UUID
    mentor_id: UUID


class Given(NamedTuple):
    """A new assignment, and the standing one that it takes the place of."""

    assignment: Assignment
    replaced: Assignment | None


def require_listed(room: Room | None, mentor_id: UUID, kind: Kind) -> Room:
    """The mentor, which must take vendors of this kind. Raises `MentorNotFound`, `MentorOfOtherKind`, `MentorGone`."""
    if room is None:
        raise MentorNotFound("No mentor has this id; `GET /v1/mentors` lists them.", mentor_id=str(mentor_id))
    if room.kind != kind:
        raise MentorOfOtherKind(f"This mentor is {room.kind}; {kind} was asked for.", mentor_id=str(mentor_id))
    if not room.listed:
        raise MentorGone("This mentor was withdrawn; choose one that is listed.", mentor_id=str(mentor_id))
    return room


def give(
    wanted: Wanted,
    room: Room | None,
    standing: Assignment | None,
    *,
    kind: Kind,
    by: By,
    kelurahan: str | None,
    person_ids: Sequence[UUID],
    assignment_id: UUID,
    now: datetime,
    matching_id: UUID | None = None,
    seat_secured: bool = False,
) -> Given:
    """Give the vendor this mentor. `standing` is what the person has of this kind, by whichever of its ids.

    `seat_secured`: the caller saw to it that there is a seat. Raises what says why not.
    """
    room = require_listed(room, wanted.mentor_id, kind)
    if standing is not None and standing.mentor_id == room.mentor_id:
        raise MentorStanding("The vendor has this mentor already.", mentor_id=str(room.mentor_id))
    if room.vendor_id in person_ids:
        raise OwnMentor("This mentor is the vendor itself; choose another.", mentor_id=str(room.mentor_id))
    if kelurahan is not None and not any(covers(area, kelurahan) for area in room.areas):
        raise MentorElsewhere(
            f"The mentor works in {', '.join(room.areas)}; the vendor lives in {kelurahan}. "
            "Choose a mentor of that area, or add the area to the mentor.",
            mentor_id=str(room.mentor_id),
            areas=list(room.areas),
        )
    if not seat_secured and room.free < 1:
        raise MentorFull(
            f"The mentor has {room.held} of {room.load_max} vendors"
            + (f", and {room.promised} more on the way to it" if room.promised else "")
            + "; choose another, or raise its limit.",
            mentor_id=str(room.mentor_id),
            held=room.held,
            promised=room.promised,
            load_max=room.load_max,
        )
    assignment = Assignment(
        assignment_id, wanted.vendor_id, room.mentor_id, kind, by, since=now, matching_id=matching_id
    )
    return Given(assignment, standing)


def surplus(
    standing: Sequence[Assignment], persons: Mapping[UUID, UUID], mentors: Mapping[UUID, UUID | None]
) -> list[Assignment]:
    """Of people who turned out to be one: the assignments that end, so that one of each kind is left, and nobody
    mentors itself.

    The one of the id that stands for the person stays, else the oldest. `persons`: id -> id that stands for it;
    `mentors`: which of them are members themselves, by which id.
    """
    kept: dict[tuple[UUID, Kind], Assignment] = {}
    for one in sorted(
        standing, key=lambda one: (persons.get(one.vendor_id) != one.vendor_id, one.since, one.vendor_id)
    ):
        person_id, itself = persons.get(one.vendor_id, one.vendor_id), mentors.get(one.mentor_id)
        if itself is None or persons.get(itself, itself) != person_id:
            kept.setdefault((person_id, one.kind), one)
    stay = {one.assignment_id for one in kept.values()}
    return [one for one in standing if one.assignment_id not in stay]

"""Groups of vendors that a foster mentor (bapak/ibu angkat) adopted, without public money (DOMAIN E4).

A member has the group's mentor as its foster mentor, beside the employed one it may have; that assignment is the
membership, and ends with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.training.domain.areas import covers
from services.training.domain.assignments import MentorElsewhere, Room, require_listed
from services.training.domain.values import FieldCode, KnownArea
from shared.errors import NotFound, Refused

MEMBERS_MAX = 200

__all__ = [
    "AddMembers",
    "AdoptGroup",
    "FosterGroup",
    "GroupEnded",
    "GroupFull",
    "GroupUnknown",
    "Member",
    "MemberUnknown",
    "adopt",
    "require_standing",
]


class GroupUnknown(NotFound):
    """No group has this id."""

    code = "group-unknown"


class MemberUnknown(NotFound):
    """The vendor is not in the group."""

    code = "member-unknown"


class GroupEnded(Refused):
    """The group was given up."""

    code = "group-ended"


class GroupFull(Refused):
    """The group has as many members as were agreed."""

    code = "group-full"


def _once(vendor_ids: list[UUID]) -> list[UUID]:
    if len(set(vendor_ids)) < len(vendor_ids):
        raise ValueError("names a vendor twice")
    return vendor_ids


class AdoptGroup(BaseModel):
    """A foster mentor adopts a group of an area, and perhaps of a field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    area: KnownArea
    field: FieldCode | None = None
    members_max: int = Field(strict=True, ge=1, le=MEMBERS_MAX)


class AddMembers(BaseModel):
    """These vendors join, in this order while places last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_ids: Annotated[list[UUID], Field(min_length=1, max_length=MEMBERS_MAX), AfterValidator(_once)]


@dataclass(frozen=True, slots=True)
class FosterGroup:
    """A group; `members` at present."""

    group_id: UUID
    mentor_id: UUID
    area: str
    field: str | None
    members_max: int
    adopted_at: datetime
    ended_at: datetime | None = None
    members: int = 0


class Member(NamedTuple):
    """That a vendor is, or was, in a group."""

    assignment_id: UUID
    vendor_id: UUID
    since: datetime
    until: datetime | None


def adopt(room: Room | None, mentor_id: UUID, command: AdoptGroup, *, group_id: UUID, now: datetime) -> FosterGroup:
    """The group that the mentor adopts. Raises `MentorNotFound`, `MentorOfOtherKind`, `MentorGone`,
    `MentorElsewhere`.
    """
    room = require_listed(room, mentor_id, "foster")
    if not _works_in(room.areas, command.area):
        raise MentorElsewhere(
            f"area: the mentor works in {', '.join(room.areas)}; choose an area of these, or add {command.area} to it.",
            areas=list(room.areas),
        )
    return FosterGroup(group_id, mentor_id, command.area, command.field, command.members_max, now)


def require_standing(group: FosterGroup) -> None:
    """Refuse to change a group that was given up. Raises `GroupEnded`."""
    if group.ended_at is not None:
        raise GroupEnded("This group was given up; let the mentor adopt another.", group_id=str(group.group_id))


def full(group: FosterGroup) -> GroupFull:
    """What is said to those for whom no place is left."""
    return GroupFull(
        f"The group has its {group.members_max} members; another group, or a larger one, can take more.",
        group_id=str(group.group_id),
        members_max=group.members_max,
    )


def _works_in(areas: Sequence[str], area: str) -> bool:
    return any(covers(one, area) for one in areas)

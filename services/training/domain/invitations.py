"""Who is invited to which class.

Every new member is invited to the introductory course automatically (DOMAIN A2). A vendor is invited to a
course at most twice: once to wait for a class, once to a class. An invitation reserves no place: enrolment
gives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Standing
from shared.events.training import TrainingInvited

INTRODUCTORY_COURSE = "dasar-kewirausahaan"
"""The course every new member is invited to (DOMAIN A2). Other courses are chosen, not sent."""


@dataclass(frozen=True)
class Newcomer:
    """A vendor to be invited, and where it lives."""

    vendor_id: UUID
    kelurahan: str


@dataclass(frozen=True)
class Opening:
    """A class that can still be offered to `room` more vendors: places without those enrolled or invited."""

    offered: TrainingClass
    room: int


def takes_invitations(a_class: TrainingClass, today: date) -> bool:
    """People are invited only to a class whose first session is still ahead."""
    return a_class.state == "open" and a_class.days[0] > today


def invitation(vendor_id: UUID, course: str, offered: TrainingClass | None) -> TrainingInvited:
    """An invitation to a course: to a class of it, or to wait for one."""
    if offered is None:
        return TrainingInvited(vendor_id=vendor_id, course=course)
    return TrainingInvited(
        vendor_id=vendor_id,
        course=course,
        class_id=offered.class_id,
        title=offered.title,
        days=list(offered.days),
    )


def invite_newcomers(newcomers: Iterable[Newcomer], openings: Iterable[Opening]) -> list[TrainingInvited]:
    """One invitation to the introductory course for each newcomer, in this order.

    It names the nearest class with room: of the vendor's kelurahan, else its kecamatan, city, province; among
    those of one area the one that begins first. A class is offered to at most as many vendors as it has room
    for, so that an invitation is worth something; it reserves no place. Without such a class the vendor is
    invited to wait.
    """
    by_area: dict[str, list[TrainingClass]] = {}
    room: dict[UUID, int] = {}
    for opening in sorted(openings, key=lambda each: (each.offered.days[0], each.offered.class_id)):
        by_area.setdefault(opening.offered.area, []).append(opening.offered)
        room[opening.offered.class_id] = opening.room
    invited = []
    for newcomer in newcomers:
        nearest = _nearest(newcomer.kelurahan, by_area, room)
        if nearest is not None:
            room[nearest.class_id] -= 1
        invited.append(invitation(newcomer.vendor_id, INTRODUCTORY_COURSE, nearest))
    return invited


def _nearest(
    kelurahan: str, by_area: Mapping[str, Sequence[TrainingClass]], room: Mapping[UUID, int]
) -> TrainingClass | None:
    segments = kelurahan.split(".")
    for length in range(len(segments), 0, -1):
        for offered in by_area.get(".".join(segments[:length]), ()):
            if room[offered.class_id] > 0:
                return offered
    return None


def invite_waiting(
    opened: TrainingClass, waiting: Iterable[UUID], standings: Mapping[UUID, Standing]
) -> list[TrainingInvited]:
    """Invite those who wait for a class of this course, in this order, up to its places.

    Left out are those who found a place or completed the course meanwhile.
    """
    free = [vendor for vendor in waiting if standings.get(vendor, Standing()) == Standing()]
    return [invitation(vendor, opened.course, opened) for vendor in free[: opened.places]]

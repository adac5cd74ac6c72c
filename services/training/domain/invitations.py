"""Who is invited to which class.

Every new member is invited to the introductory course automatically (DOMAIN A2). A vendor is invited to a
course at most twice: once to wait for a class, once to a class. An invitation reserves no place: enrolment
gives it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.training.domain.classes import TrainingClass
from services.training.domain.enrolments import Standing
from services.training.domain.openings import Opening, Openings
from shared.events.training import TrainingInvited

INTRODUCTORY_COURSE = "dasar-kewirausahaan"
"""The course every new member is invited to (DOMAIN A2). Other courses are chosen, not sent."""


@dataclass(frozen=True)
class Newcomer:
    """A vendor to be invited, where it lives and what it sells."""

    vendor_id: UUID
    kelurahan: str
    category: str | None = None


def takes_invitations(a_class: TrainingClass, today: date) -> bool:
    """People are invited only to a class whose first session is still ahead."""
    return a_class.is_ahead(today)


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

    It names the nearest class with room (see `Openings.take_nearest`). A class is offered to at most as many vendors as
    it has room for, so that an invitation is worth something; it reserves no place. Without such a class the vendor is
    invited to wait.
    """
    free = Openings(openings)
    return [
        invitation(newcomer.vendor_id, INTRODUCTORY_COURSE, free.take_nearest(newcomer.kelurahan, newcomer.category))
        for newcomer in newcomers
    ]


def invite_waiting(
    opened: TrainingClass, waiting: Iterable[UUID], standings: Mapping[UUID, Standing], room: int | None = None
) -> list[TrainingInvited]:
    """Invite those who wait for a class of this course, in this order, up to its places (or what `room` is left).

    Left out are those who found a place or completed the course meanwhile.
    """
    free = [vendor for vendor in dict.fromkeys(waiting) if standings.get(vendor, Standing()) == Standing()]
    return [invitation(vendor, opened.course, opened) for vendor in free[: opened.places if room is None else room]]

"""When a person should be in two places: a session on a day on which it has a booth at a bazaar or another class.

A clash is told, never refused: people decide themselves, and plans change. Booths take the whole day; two classes on
one day clash unless their hours are known and apart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias
from uuid import UUID

from services.training.domain.classes import Caution, Hours, TrainingClass

EngagementKind: TypeAlias = Literal["class", "booth", "booth-offered"]


@dataclass(frozen=True)
class Engagement:
    """Where a person is expected on a day. `ref`: the class, or the application of the booth."""

    day: date
    kind: EngagementKind
    ref: UUID
    title: str | None = None
    hours: Hours | None = None
    venue: str | None = None


def collide(one: Engagement, other: Engagement) -> bool:
    """Whether nobody can be at both."""
    if one.day != other.day or (one.kind, one.ref) == (other.kind, other.ref):
        return False
    if one.hours is None or other.hours is None:
        return True
    return one.hours.overlap(other.hours)


def sessions_of(a_class: TrainingClass) -> list[Engagement]:
    """The sessions of a class, as where people with a place in it are expected."""
    return [
        Engagement(day, "class", a_class.class_id, a_class.title, a_class.hours_of(day), a_class.venue)
        for day in a_class.days
    ]


def clashes_with(a_class: TrainingClass, engagements: Iterable[Engagement]) -> list[Engagement]:
    """What a person has beside this class that clashes with one of its sessions, by day."""
    sessions = sessions_of(a_class)
    found = [each for each in engagements if any(collide(session, each) for session in sessions)]
    return sorted(found, key=lambda each: (each.day, each.kind, each.ref))


def caution_of_clashes(vendor_id: UUID, clashes: Sequence[Engagement]) -> Caution:
    """The clashes of a vendor, in words."""
    words = {"class": "another class", "booth": "a booth", "booth-offered": "a booth offered to it"}
    said = "; ".join(
        f"{day.isoformat()}: {', '.join(sorted({words[each.kind] for each in clashes if each.day == day}))}"
        for day in sorted({each.day for each in clashes})
    )
    days = tuple(sorted({each.day for each in clashes}))
    return Caution("clash", f"The vendor is expected elsewhere too ({said}).", vendor_id, days)

"""The waiting list, which follows the person: who waits for a course is served in the order in which it began to wait,
whichever class it waits in.

Somebody waits for a place in one class; once that has begun or is cancelled, for the next class of the course where it
lives. A place that comes free, and each of a new class, goes to whoever waits before anybody else gets it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.training.domain.classes import KECAMATAN_CODE_LENGTH, TrainingClass
from services.training.domain.courses import Course
from services.training.domain.openings import Opening, Openings


@dataclass(frozen=True)
class Wait:
    """That a vendor waits for a course, since when, and for which class (None: the next one)."""

    vendor_id: UUID
    class_id: UUID | None
    since: datetime


@dataclass(frozen=True)
class Waiter:
    """A person that waits, by one of its ids. `class_id`: the class it waits for; None: the next of the course.

    `since` is the person's: of several ids the one that began first.
    """

    vendor_id: UUID
    person_id: UUID
    class_id: UUID | None
    since: datetime
    kelurahan: str
    category: str | None = None

    @property
    def turn(self) -> tuple[datetime, UUID]:
        """Its turn: whoever began to wait earlier goes first."""
        return self.since, self.person_id


def seat_waiting(queue: Iterable[Waiter], openings: Sequence[Opening]) -> list[tuple[Waiter, TrainingClass]]:
    """Who of the queue gets a place where, in the order in which they began to wait; each person once.

    Whoever waits for a class gets a place there or none, whoever waits for the next class one in the nearest with room.
    """
    free = Openings(openings)
    seated: list[tuple[Waiter, TrainingClass]] = []
    persons: set[UUID] = set()
    for waiter in sorted(queue, key=lambda each: each.turn):
        if waiter.person_id in persons:
            continue
        if waiter.class_id is not None:
            place = free.take(waiter.class_id)
        else:
            place = free.take_nearest(waiter.kelurahan, waiter.category)
        if place is not None:
            persons.add(waiter.person_id)
            seated.append((waiter, place))
    return seated


def area_in_line(kelurahan: str, course: Course | None) -> str:
    """The area in which those who wait for the next class are counted together: that for which classes of the course
    are meant, its kecamatan or the province (DOMAIN B5); the kecamatan for a course from before there was a catalogue.
    """
    return kelurahan[:KECAMATAN_CODE_LENGTH] if course is None else course.area_of(kelurahan)


def places_in_line(queue: Iterable[Waiter], course: Course | None) -> dict[UUID, int]:
    """Of those who wait for the next class of a course: the place of each among those of its area, 1 is next."""
    before: dict[str, int] = {}
    places: dict[UUID, int] = {}
    for waiter in sorted(queue, key=lambda each: each.turn):
        area = area_in_line(waiter.kelurahan, course)
        before[area] = places[waiter.vendor_id] = before.get(area, 0) + 1
    return places

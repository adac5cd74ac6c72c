"""Classes that still have room, and which of them fits somebody best."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from services.training.domain.classes import TrainingClass


@dataclass(frozen=True)
class Opening:
    """A class that can still be offered or given to `room` more people."""

    offered: TrainingClass
    room: int


class Openings:
    """Classes of one course with room, used up as people are sent to them."""

    def __init__(self, openings: Iterable[Opening]) -> None:
        self._room: dict[UUID, int] = {}
        self._by_id: dict[UUID, TrainingClass] = {}
        self._by_area: dict[str, list[TrainingClass]] = {}
        for opening in sorted(openings, key=lambda each: (each.offered.days[0], each.offered.class_id)):
            self._room[opening.offered.class_id] = opening.room
            self._by_id[opening.offered.class_id] = opening.offered
            self._by_area.setdefault(opening.offered.area, []).append(opening.offered)

    def take(self, class_id: UUID) -> TrainingClass | None:
        """One of the places of this class; None where it has none left."""
        if self._room.get(class_id, 0) <= 0:
            return None
        self._room[class_id] -= 1
        return self._by_id[class_id]

    def take_nearest(self, kelurahan: str, category: str | None) -> TrainingClass | None:
        """A place in the nearest class: of the kelurahan, else its kecamatan, city, province. Among those of one area
        in one that fits what the person sells, and among these in the one that begins first. None without such a class.
        """
        segments = kelurahan.split(".")
        for length in range(len(segments), 0, -1):
            near = self._by_area.get(".".join(segments[:length]), ())
            with_room = [offered for offered in near if self._room[offered.class_id] > 0]
            if with_room:
                # `min` keeps the order of days among equals
                best = min(with_room, key=lambda offered: misfit(offered, category))
                return self.take(best.class_id)
        return None


def misfit(offered: TrainingClass, category: str | None) -> int:
    """How badly a class fits what somebody sells: 0 its commodity, 1 meant for everybody, 2 another commodity.

    Whoever has no category yet fits best where everybody is meant.
    """
    if offered.category is None:
        return 0 if category is None else 1
    return 0 if offered.category == category else 2

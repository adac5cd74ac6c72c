"""Which of the 44 kecamatan have which classes: about two each, by commodity."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from lokal import wilayah

from services.training.domain.classes import KECAMATAN_CODE_LENGTH

CLASSES_PER_KECAMATAN = 2
PROVINCE = "31"


@dataclass(frozen=True)
class Given:
    """Classes of one area and commodity (None: meant for everybody) that were opened and not cancelled."""

    area: str
    category: str | None
    classes: int
    places: int
    taken: int
    completed: int


@dataclass
class Covered:
    """What a kecamatan has. `missing`: so many classes fewer than it should have."""

    area: str
    name: str
    classes: int = 0
    places: int = 0
    taken: int = 0
    completed: int = 0
    categories: dict[str, int] = field(default_factory=dict)
    anybody: int = 0

    @property
    def missing(self) -> int:
        """So many classes it still should have."""
        return max(0, CLASSES_PER_KECAMATAN - self.classes)


@cache
def kecamatan() -> tuple[tuple[str, str], ...]:
    """The kecamatan of the province by code, with their names."""
    return tuple(
        (district.code, district.name)
        for city in wilayah.list_wilayah(PROVINCE)
        for district in wilayah.list_wilayah(city.code)
    )


def cover(given: Iterable[Given], area: str) -> list[Covered]:
    """The kecamatan inside this area, or the one around it, with their classes. Those for a whole city or the province
    count for no kecamatan.
    """
    wanted = area[:KECAMATAN_CODE_LENGTH]
    found = {code: Covered(code, name) for code, name in kecamatan() if code == wanted or code.startswith(wanted + ".")}
    for one in given:
        covered = found.get(one.area[:KECAMATAN_CODE_LENGTH])
        if covered is None:
            continue
        covered.classes += one.classes
        covered.places += one.places
        covered.taken += one.taken
        covered.completed += one.completed
        if one.category is None:
            covered.anybody += one.classes
        else:
            covered.categories[one.category] = covered.categories.get(one.category, 0) + one.classes
    return list(found.values())

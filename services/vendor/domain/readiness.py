"""The score of export readiness (DOMAIN B7): how the criteria weigh, in versions that are never changed.

The score of an assessment is the sum of the weights of the criteria that were met, by the weighting in force that day.
From a score on, readiness is proposed; whether the vendor is ready the officer decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from shared.errors import Conflict, Refused

__all__ = [
    "WHOLE",
    "CriterionUnknown",
    "Weighting",
    "WeightingInvalid",
    "WeightingVersionTaken",
    "check_weighting",
    "proposes",
    "score",
]

WHOLE = 100
AHEAD_DAYS_MAX = 3 * 366


@dataclass(frozen=True, slots=True)
class Weighting:
    """How much each criterion counts, 100 in all, and from which score on readiness is proposed."""

    version: int
    effective_on: date
    weights: Mapping[str, int]
    ready_from: int


class CriterionUnknown(Refused):
    """A criterion is named that there is not."""

    code: ClassVar[str] = "criterion-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no such criterion; known are {', '.join(names)}.", known=names)


class WeightingInvalid(Refused):
    """A weighting that cannot be used."""

    code: ClassVar[str] = "weighting-invalid"
    status: ClassVar[int] = 422


class WeightingVersionTaken(Conflict):
    """Not the version that follows the last one."""

    code: ClassVar[str] = "weighting-version-taken"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"{version} is not the version that follows the last one; read them again and build on that.",
            version=version,
        )


def check_weighting(weighting: Weighting, criteria: Iterable[str], today: date) -> None:
    """Refuse one of a past day, of unknown criteria, or whose weights are not 100 in all. Raises `WeightingInvalid`."""
    known = set(criteria)
    if not today <= weighting.effective_on <= today + timedelta(days=AHEAD_DAYS_MAX):
        raise WeightingInvalid("`effective_on` lies between today and three years ahead; choose such a day.")
    if unknown := sorted(weighting.weights.keys() - known):
        raise WeightingInvalid(f"`weights` names {unknown[0]}; known are {', '.join(sorted(known))}.")
    total = sum(weighting.weights.values())
    if total != WHOLE:
        raise WeightingInvalid(f"`weights` are {total} in all; make them {WHOLE}.", total=total)


def score(weighting: Weighting, met: Iterable[str], criteria: Iterable[str]) -> int:
    """The score of the criteria that are met; one that has no weight counts nothing.

    `criteria`: those there are. Raises `CriterionUnknown`.
    """
    named, known = set(met), set(criteria)
    if not named <= known:
        raise CriterionUnknown(known)
    return sum(weighting.weights.get(criterion, 0) for criterion in named)


def proposes(weighting: Weighting, reached: int) -> bool:
    """Whether readiness is proposed for this score."""
    return reached >= weighting.ready_from

"""Figures of delivery: what is counted, and what the counts tell. Pure.

Counts are kept by day and by what a person may ask for; how long things took stands in a histogram, so that percentiles
of any months can be told after the messages themselves are gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from shared.errors import Refused

__all__ = [
    "BOUNDS_SECONDS",
    "DIMENSIONS",
    "Dimension",
    "FiguresRefused",
    "Tally",
    "dimensions",
    "not_told",
    "percentile",
    "rates",
]

Dimension: TypeAlias = Literal["day", "channel", "provider", "template", "lane", "code"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

BOUNDS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0)
"""Upper bounds of the histogram; one more bucket holds what took longer."""


@dataclass(frozen=True)
class Tally:
    """Counts of one group. `histogram`: of those that have a duration."""

    n: int
    timed: int
    seconds: float
    histogram: tuple[int, ...]
    segments: int
    cost_millirupiah: int


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """The duration that this share (0 to 1) stays within, by straight lines inside a bucket; None of nothing. What took
    longer than the last bound counts as that bound.
    """
    total = sum(histogram)
    if total == 0:
        return None
    wanted = share * total
    seen = 0
    for place, count in enumerate(histogram):
        if count and seen + count >= wanted:
            if place >= len(BOUNDS_SECONDS):
                return BOUNDS_SECONDS[-1]
            low = BOUNDS_SECONDS[place - 1] if place else 0.0
            return low + (BOUNDS_SECONDS[place] - low) * max(0.0, wanted - seen) / count
        seen += count
    return BOUNDS_SECONDS[-1]


def dimensions(text: str) -> tuple[Dimension, ...]:
    """By what is counted, from names with commas. Raises `FiguresRefused`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if wrong := [name for name in names if name not in DIMENSIONS]:
        raise FiguresRefused(
            "by: takes any of " + ", ".join(DIMENSIONS) + ", with commas between them.",
            errors=[{"field": "by", "reason": f"{len(wrong)} of these names are none of them"}],
        )
    return tuple(one for one in DIMENSIONS if one in names)


def rates(outcomes: Mapping[str, int], unreported: Mapping[str, int]) -> dict[str, float]:
    """Of attempts that a provider took, the share that it reported as delivered, and as failed; what cannot be known is
    left out. `unreported`: those outcomes that came from providers that report no delivery, but bounces.
    """
    taken, silent = _taken(outcomes), _taken(unreported)
    if not taken:
        return {}
    told = {"failed": outcomes.get("failed", 0) / taken}
    if taken > silent:
        delivered = sum(outcomes.get(one, 0) - unreported.get(one, 0) for one in ("delivered", "read"))
        told["delivered"] = delivered / (taken - silent)
    return told


def not_told(unreported: Mapping[str, int]) -> int:
    """How many were taken by a provider that reports no delivery, and did not come back: more is not known of them."""
    return unreported.get("accepted", 0) + unreported.get("sent", 0)


def _taken(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(one, 0) for one in ("accepted", "sent", "delivered", "read", "failed"))


class FiguresRefused(Refused):
    """What is asked for cannot be counted so."""

    code = "figures-refused"
    status = 422

"""Which stands are neighbours, and how close: in one tent, side by side in a row, or across an aisle."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from services.bazaar.numbering.site import Place, Stand

TENT, BESIDE, ACROSS = 4, 2, 1
"""What two vendors of one category cost as neighbours of this kind."""

BESIDE_GAP_MAX = 0.6
"""Metres between two stands of a row that still stand side by side: the poles of two tents."""

ACROSS_GAP_MAX = 4.0
"""Metres of an aisle across which one sees what the other sells."""

ROW_OFFSET_MAX = 0.5
"""Metres by which a stand may stick out of its row."""

SAME_WAY = 1.0
"""Degrees by which two stands of a row may be turned differently."""


class Edge(NamedTuple):
    """Two neighbours, by their places in the list of stands, the first before the second. `row`: side by side."""

    first: int
    second: int
    weight: int
    row: bool


def neighbours(stands: Sequence[Stand]) -> list[Edge]:
    """Pairs of neighbours. From a plan, by where they stand; without one A01 and A02 share a tent, A02 and A03 stand
    side by side, and so on in the order of numbers.

    Edges of a row make lines, never rings: whoever stands together does so along one row.
    """
    places = [stand.place for stand in stands if stand.place is not None]
    if len(places) < len(stands):
        return [
            Edge(at, at + 1, TENT if _share_tent(stands[at], stands[at + 1]) else BESIDE, row=True)
            for at in range(len(stands) - 1)
        ]
    beside: list[tuple[float, int, int]] = []
    across: dict[tuple[int, int], int] = {}
    for first, one in enumerate(stands):
        for second in range(first + 1, len(stands)):
            other = stands[second]
            along, out = _gap(places[first], places[second])
            if _share_tent(one, other) or (along <= BESIDE_GAP_MAX and out <= ROW_OFFSET_MAX):
                beside.append((0.0 if _share_tent(one, other) else max(along, 0.0), first, second))
            elif _across(places[first], places[second]):
                across[first, second] = ACROSS
    rows = _lines(len(stands), beside)
    edges = []
    for _, first, second in beside:
        weight = TENT if _share_tent(stands[first], stands[second]) else BESIDE
        edges.append(Edge(first, second, weight, row=(first, second) in rows))
    edges.extend(Edge(first, second, weight, row=False) for (first, second), weight in across.items())
    return sorted(edges)


def _share_tent(one: Stand, other: Stand) -> bool:
    return one.tent is not None and one.tent == other.tent


def _gap(one: Place, other: Place) -> tuple[float, float]:
    """Of two stands turned the same way: metres between them along the row, and by how much they are out of line."""
    turned = abs(one.rotation - other.rotation) % 180
    if min(turned, 180 - turned) > SAME_WAY:
        return math.inf, math.inf
    angle = math.radians(one.rotation)
    dx, dy = other.x - one.x, other.y - one.y
    along = abs(dx * math.cos(angle) + dy * math.sin(angle)) - (one.width + other.width) / 2
    return along, abs(dy * math.cos(angle) - dx * math.sin(angle))


def _across(one: Place, other: Place) -> bool:
    """They face each other, or stand back to back: one next to the other at right angles to the row."""
    angle = math.radians(one.rotation)
    dx, dy = other.x - one.x, other.y - one.y
    along = abs(dx * math.cos(angle) + dy * math.sin(angle))
    away = abs(dy * math.cos(angle) - dx * math.sin(angle)) - (one.depth + other.depth) / 2
    return along < (one.width + other.width) / 4 and away <= ACROSS_GAP_MAX


def _lines(size: int, beside: Sequence[tuple[float, int, int]]) -> set[tuple[int, int]]:
    """The closest pairs that together make lines: no stand has more than two in its row, and no line closes."""
    degree = [0] * size
    line = list(range(size))

    def end(at: int) -> int:
        while line[at] != at:
            line[at] = line[line[at]]
            at = line[at]
        return at

    kept: set[tuple[int, int]] = set()
    for _, first, second in sorted(beside):
        if degree[first] < 2 and degree[second] < 2 and end(first) != end(second):
            kept.add((first, second))
            degree[first] += 1
            degree[second] += 1
            line[end(first)] = end(second)
    return kept

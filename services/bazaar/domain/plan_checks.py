"""Whether a floor plan can be so: stands named once, inside, beside one another, off pillars and out of the way."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import TypeAlias

import shapely
from shapely import Polygon, STRtree, affinity

from services.bazaar.domain.bazaar import BOOTHS_PER_TENT
from services.bazaar.domain.plans import TOUCHING, Finding, Plan, PlanInvalid, PlannedStand, to_cm

ENTRANCE_CLEAR = 1.0
"""Metres in front of an entrance in which nothing may stand."""

ENTRANCE_OFF_MAX = 0.5
"""Metres from the outline within which an entrance still lies in it."""

FINDINGS_LOOKED_FOR = 500
"""With so many the rest is not looked at: a thousand stands on one spot overlap in half a million ways, and to measure
each took minutes."""

Shape: TypeAlias = Polygon


def require_sound(plan: Plan) -> None:
    """Raise `PlanInvalid` with everything that is wrong with a plan, each by name and measure."""
    findings = list(islice(check(plan), FINDINGS_LOOKED_FOR))
    if findings:
        raise PlanInvalid(findings)


def check(plan: Plan) -> Iterator[Finding]:
    """Everything that is wrong with a plan."""
    yield from _check_names(plan)
    outline = Polygon(plan.outline)
    if not outline.is_valid or outline.area <= 0:
        yield Finding("outline", [], None, f"The outline is no simple polygon: {shapely.is_valid_reason(outline)}.")
        return
    shapes = [_shape(stand) for stand in plan.stands]
    yield from _check_inside(plan, shapes, outline)
    yield from _check_overlaps(plan, shapes)
    yield from _check_tents(plan, shapes)
    yield from _check_ground(plan, shapes)
    yield from _check_entrances(plan, shapes, outline)


def _shape(stand: PlannedStand) -> Shape:
    half, deep = stand.width / 2, stand.depth / 2
    box = shapely.box(stand.x - half, stand.y - deep, stand.x + half, stand.y + deep)
    # on paper y goes down, so that what turns counter-clockwise for shapely turns clockwise for the reader
    return affinity.rotate(box, stand.rotation, origin=(stand.x, stand.y)) if stand.rotation else box


def _check_names(plan: Plan) -> Iterator[Finding]:
    for number, times in Counter(stand.number for stand in plan.stands).items():
        if times > 1:
            yield Finding("number-twice", [number], None, f"{times} stands have the number {number}.")
    for code, times in Counter(zone.code for zone in plan.zones).items():
        if times > 1:
            yield Finding("zone-twice", [], None, f"{times} zones have the code {code}.")
    known = {zone.code for zone in plan.zones}
    for stand in plan.stands:
        if stand.zone is not None and stand.zone not in known:
            yield Finding(
                "zone-unknown",
                [stand.number],
                None,
                f"Stand {stand.number} is in zone {stand.zone}, which is not named.",
            )


def _check_inside(plan: Plan, shapes: Sequence[Shape], outline: Polygon) -> Iterator[Finding]:
    for stand, shape in zip(plan.stands, shapes, strict=True):
        outside = shapely.difference(shape, outline)
        if not outside.is_empty:
            by = max(outline.distance(shapely.Point(corner)) for corner in shape.exterior.coords)
            if by > TOUCHING or outside.area > TOUCHING * max(stand.width, stand.depth):
                yield Finding(
                    "outside",
                    [stand.number],
                    to_cm(by),
                    f"Stand {stand.number} sticks out of the outline by {to_cm(by)} m.",
                )


def _check_overlaps(plan: Plan, shapes: Sequence[Shape]) -> Iterator[Finding]:
    """Stands that cover the same ground, or leave less than an aisle between them. Edges and corners may touch."""
    tree = STRtree(shapes)
    reach = 0.0 if plan.aisle_min is None else plan.aisle_min
    firsts, seconds = tree.query(shapes, predicate="dwithin", distance=reach)
    once = firsts < seconds
    for first, second in sorted(zip(firsts[once].tolist(), seconds[once].tolist(), strict=True)):
        one, other = plan.stands[first], plan.stands[second]
        depth = _depth(shapes[first], shapes[second])
        if depth > TOUCHING:
            yield Finding(
                "overlap",
                [one.number, other.number],
                to_cm(depth),
                f"Stands {one.number} and {other.number} overlap by {to_cm(depth)} m.",
            )
            continue
        gap = shapes[first].distance(shapes[second])
        if plan.aisle_min is not None and TOUCHING < gap < plan.aisle_min - TOUCHING:
            yield Finding(
                "aisle",
                [one.number, other.number],
                to_cm(plan.aisle_min - gap),
                f"Between {one.number} and {other.number} there are {to_cm(gap)} m, "
                f"{to_cm(plan.aisle_min - gap)} m less than the aisle of {plan.aisle_min} m.",
            )


def _depth(one: Shape, other: Shape) -> float:
    """By how much one would have to be moved to stand free of the other: 0 where only edges touch."""
    if not one.intersects(other):
        return 0.0
    depths = []
    for shape in (one, other):
        corners = list(shape.exterior.coords)
        for (ax, ay), (bx, by) in pairwise(corners):
            length = math.hypot(bx - ax, by - ay)
            axis = ((by - ay) / length, (ax - bx) / length)
            spans = [[x * axis[0] + y * axis[1] for x, y in each.exterior.coords] for each in (one, other)]
            depths.append(min(max(spans[0]) - min(spans[1]), max(spans[1]) - min(spans[0])))
    return max(min(depths), 0.0)


def _check_tents(plan: Plan, shapes: Sequence[Shape]) -> Iterator[Finding]:
    tents: dict[int, list[int]] = defaultdict(list)
    for at, stand in enumerate(plan.stands):
        if stand.tent is not None:
            tents[stand.tent].append(at)
    for tent, places in sorted(tents.items()):
        numbers = [plan.stands[at].number for at in places]
        if len(places) != BOOTHS_PER_TENT:
            yield Finding(
                "tent", numbers, None, f"Tent {tent} has {len(places)} stands ({', '.join(numbers)}), and holds two."
            )
            continue
        gap = shapes[places[0]].distance(shapes[places[1]])
        if gap > TOUCHING:
            yield Finding(
                "tent-apart",
                numbers,
                to_cm(gap),
                f"{numbers[0]} and {numbers[1]} share tent {tent}, but are {to_cm(gap)} m apart.",
            )


def _check_ground(plan: Plan, shapes: Sequence[Shape]) -> Iterator[Finding]:
    grounds = [("obstacle", area.label or "an obstacle", area) for area in plan.obstacles]
    if plan.stage is not None:
        grounds.append(("stage", plan.stage.label or "the stage", plan.stage))
    for code, name, area in grounds:
        ground = Polygon(area.outline)
        if not ground.is_valid:
            yield Finding(code, [], None, f"The outline of {name} is no simple polygon.")
            continue
        for stand, shape in zip(plan.stands, shapes, strict=True):
            covered = shape.intersection(ground).area
            if covered > TOUCHING:
                yield Finding(
                    code,
                    [stand.number],
                    None,
                    f"Stand {stand.number} stands on {name}, by {to_cm(covered)} square metres.",
                )


def _check_entrances(plan: Plan, shapes: Sequence[Shape], outline: Polygon) -> Iterator[Finding]:
    for entrance in plan.entrances:
        point = shapely.Point(entrance.x, entrance.y)
        off = outline.exterior.distance(point)
        if off > ENTRANCE_OFF_MAX:
            by = to_cm(off)
            message = f"The entrance at {entrance.x}, {entrance.y} is {by} m off the outline."
            yield Finding("entrance", [], by, message)
            continue
        clear = point.buffer(max(entrance.width / 2, ENTRANCE_CLEAR))
        for stand, shape in zip(plan.stands, shapes, strict=True):
            if shape.intersection(clear).area > TOUCHING:
                by = to_cm(max(entrance.width / 2, ENTRANCE_CLEAR) - shape.distance(point))
                yield Finding(
                    "entrance-blocked", [stand.number], by, f"Stand {stand.number} stands {by} m into the entrance."
                )

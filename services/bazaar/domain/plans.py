"""Floor plans: where every stand of a venue is, and whether it can be so.

Measured in metres from a corner of the outline's box, x to the right, y downwards as on paper. A stand is a rectangle
named by its centre, its width along the row and its depth; turned clockwise by `rotation` degrees.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator

from services.bazaar.domain.bazaar import BOOTHS_PER_TENT, BoothKind, Site
from services.bazaar.domain.values import BOOTHS_MAX, Exact, Label
from shared.errors import NotFound, Refused

METRES_MAX = 500.0
STANDS_MAX = 2 * BOOTHS_MAX
TOUCHING = 0.01
"""Metres by which drawings are out: stands that overlap by less only touch, a tent's halves so far apart do too."""

FINDINGS_MAX = 50
"""Told at once; who has put right so many asks again."""

Metres = Annotated[float, Field(ge=0, le=METRES_MAX, allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0.2, le=METRES_MAX, allow_inf_nan=False)]
Point = tuple[Metres, Metres]
Outline = Annotated[list[Point], Field(min_length=3, max_length=200)]
StandNumber = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}[0-9]{1,3}$")]
ZoneCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
Spot = Literal["good", "normal", "bad"]
Side = Literal["top", "right", "bottom", "left"]


class PlanUnknown(NotFound):
    """The venue has no floor plan, or none of this number; or the site stands by none."""

    code = "plan-unknown"


class PlanOutdated(Refused):
    """Somebody else drew a newer plan meanwhile; look at it first."""

    code = "plan-outdated"


class PlanMisfit(Refused):
    """The plan does not have the stands that the site needs."""

    code = "plan-misfit"


class PlanInvalid(Refused):
    """The plan cannot be so: stands overlap, stick out, stand in the way, or are named twice."""

    code: ClassVar[str] = "plan-invalid"
    status: ClassVar[int] = 422

    def __init__(self, findings: Sequence["Finding"]) -> None:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(
            f"{findings[0].message}{more} Put it right and send the plan again.",
            findings=[finding._asdict() for finding in findings[:FINDINGS_MAX]],
            count=len(findings),
        )


class Finding(NamedTuple):
    """What is wrong with a plan: a code, the stands concerned, by how many metres, and a sentence."""

    code: str
    stands: Sequence[str]
    metres: float | None
    message: str


class PlannedStand(Exact):
    """A stand. `tent`: the two vendors' stands with the same number share it."""

    number: StandNumber
    kind: BoothKind = "vendor"
    x: Metres
    y: Metres
    width: Length = 2.0
    depth: Length = 2.0
    rotation: Annotated[float, Field(ge=0, lt=360, allow_inf_nan=False)] = 0.0
    tent: Annotated[StrictInt, Field(ge=1, le=STANDS_MAX)] | None = None
    zone: ZoneCode | None = None
    power: StrictBool = False
    access: StrictBool = False
    water: StrictBool = False
    corner: StrictBool = False
    spot: Spot = "normal"

    @model_validator(mode="after")
    def _share_tents(self) -> Self:
        if self.tent is not None and self.kind != "vendor":
            raise ValueError("only vendors share tents")
        return self


class Zone(Exact):
    """A part of the venue, by its letter."""

    code: ZoneCode
    name: Label


class Entrance(Exact):
    """A way in, in the outline; `steps`: whether one must climb."""

    x: Metres
    y: Metres
    width: Length = 2.0
    steps: StrictBool = False


class Area(Exact):
    """Ground on which nothing can stand: a pillar, a tree, the stage."""

    label: Label | None = None
    outline: Outline


class Plan(Exact):
    """Command: a floor plan. `aisle_min`: metres that stay free between stands that do not touch; `north`: degrees by
    which north is turned clockwise from the top of the paper."""

    outline: Outline
    stands: list[PlannedStand] = Field(min_length=1, max_length=STANDS_MAX)
    entrances: list[Entrance] = Field(min_length=1, max_length=20)
    zones: list[Zone] = Field(default_factory=list, max_length=30)
    obstacles: list[Area] = Field(default_factory=list, max_length=100)
    stage: Area | None = None
    aisle_min: Length | None = None
    north: Annotated[float, Field(ge=0, lt=360, allow_inf_nan=False)] | None = None

    def stands_of(self, kind: BoothKind) -> list[PlannedStand]:
        """Its stands of one kind, in order."""
        return [stand for stand in self.stands if stand.kind == kind]

    @property
    def size(self) -> tuple[float, float]:
        """Width and depth in metres, from the corner at which measuring begins."""
        return max(x for x, _ in self.outline), max(y for _, y in self.outline)


class GridPlan(Exact):
    """Command: draw a plan for a rectangular hall: rows of tents in pairs back to back, aisles in front of them.

    Officers name the hall and how many tents stand in how many rows; desks and partners' stands follow along the wall
    opposite the entrance. Power is at the walls unless it is everywhere or nowhere; the good spots are the fifth of the
    stands nearest the entrance, the bad ones the fifth farthest from it.
    """

    width: Length
    depth: Length
    rows: StrictInt = Field(ge=1, le=50)
    tents_per_row: StrictInt = Field(ge=1, le=100)
    stand_width: Length = 2.0
    stand_depth: Length = 2.0
    aisle: Length = 2.5
    back_to_back: StrictBool = True
    desks: StrictInt = Field(default=0, ge=0, le=50)
    partners: StrictInt = Field(default=0, ge=0, le=50)
    power: Literal["everywhere", "walls", "nowhere"] = "walls"
    access: StrictBool = True
    rows_per_zone: StrictInt = Field(default=2, ge=1, le=50)

    @model_validator(mode="after")
    def _within_reason(self) -> Self:
        if BOOTHS_PER_TENT * self.rows * self.tents_per_row > BOOTHS_MAX:
            raise ValueError(f"rows x tents_per_row makes more than {BOOTHS_MAX} stands for vendors")
        return self


class DrawPlan(Exact):
    """Command: the next plan of a venue, drawn stand by stand or as a grid. `after`: the number of the last one, 0 for
    the first."""

    after: Annotated[StrictInt, Field(ge=0, lt=2**31)]
    plan: Plan | None = None
    grid: GridPlan | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.plan is None) == (self.grid is None):
            raise ValueError("name either plan or grid")
        return self


class UsePlan(Exact):
    """Command: set a site's stands up by this plan of its venue."""

    plan: Annotated[StrictInt, Field(ge=1, lt=2**31)]


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan of a venue, by its number; never changed."""

    venue_id: UUID
    number: int
    plan: Plan


# -- a grid


def lay_out(grid: GridPlan) -> Plan:
    """The plan of a grid. Raises `PlanInvalid` when it does not fit into the hall, saying by how much."""
    lines = _row_lines(grid)
    along = BOOTHS_PER_TENT * grid.tents_per_row * grid.stand_width
    left = (grid.width - along) / 2
    desk_row = (grid.desks + grid.partners > 0) * (grid.stand_depth + grid.aisle)
    needed = desk_row + lines[-1] + grid.stand_depth + grid.aisle
    _require_room("wide", along, grid.width, f"a row of {grid.tents_per_row} tents")
    _require_room("deep", needed, grid.depth, f"{grid.rows} rows with their aisles")
    others = (grid.desks + grid.partners) * grid.stand_width
    _require_room("wide", others, grid.width, "the desks and partners' stands side by side")
    stands = [
        *_rows_of_tents(grid, left, desk_row),
        *_along_the_wall(grid, (grid.width - others) / 2),
    ]
    zones = sorted({stand.zone for stand in stands if stand.zone is not None})
    return Plan(
        outline=[(0.0, 0.0), (grid.width, 0.0), (grid.width, grid.depth), (0.0, grid.depth)],
        stands=_with_spots(stands, (grid.width / 2, grid.depth)),
        entrances=[Entrance(x=to_cm(grid.width / 2), y=grid.depth, width=min(3.0, grid.width), steps=not grid.access)],
        zones=[Zone(code=code, name=f"Zona {code}") for code in zones],
    )


def _require_room(how: str, needed: float, there: float, what: str) -> None:
    if needed > there + TOUCHING:
        by = to_cm(needed - there)
        message = f"For {what} the hall must be {to_cm(needed)} m {how}, and it is {there} m: {by} m too little."
        raise PlanInvalid([Finding("too-small", [], by, message)])


def _row_lines(grid: GridPlan) -> list[float]:
    """Where each row begins, behind the first aisle: two rows back to back, then an aisle."""
    lines = []
    at = 0.0
    for row in range(grid.rows):
        lines.append(at)
        at += grid.stand_depth
        if not grid.back_to_back or row % 2 == 1:
            at += grid.aisle
    return [grid.aisle + line for line in lines]


def _rows_of_tents(grid: GridPlan, left: float, top: float) -> Iterator[PlannedStand]:
    number = 0
    in_row = BOOTHS_PER_TENT * grid.tents_per_row
    for row, line in enumerate(_row_lines(grid)):
        for place in range(in_row):
            number += 1
            end = place in (0, in_row - 1)
            yield PlannedStand(
                number=f"A{number:02d}",
                x=to_cm(left + (place + 0.5) * grid.stand_width),
                y=to_cm(top + line + grid.stand_depth / 2),
                width=grid.stand_width,
                depth=grid.stand_depth,
                tent=(number + 1) // BOOTHS_PER_TENT,
                zone=ZONE_CODES[row // grid.rows_per_zone % len(ZONE_CODES)],
                power=grid.power == "everywhere" or (grid.power == "walls" and end),
                access=grid.access,
                corner=end,
            )


ZONE_CODES = "ABCDEFGHJKLMNQRSTUVWXYZ"


def _along_the_wall(grid: GridPlan, left: float) -> Iterator[PlannedStand]:
    """Desks of agencies (D01...), then partners (P01...), along the top."""
    kinds: list[tuple[str, BoothKind]] = [(f"D{number:02d}", "agency") for number in range(1, grid.desks + 1)]
    kinds += [(f"P{number:02d}", "partner") for number in range(1, grid.partners + 1)]
    for place, (number, kind) in enumerate(kinds):
        yield PlannedStand(
            number=number,
            kind=kind,
            x=to_cm(left + (place + 0.5) * grid.stand_width),
            y=to_cm(grid.stand_depth / 2),
            width=grid.stand_width,
            depth=grid.stand_depth,
            power=grid.power != "nowhere",
            access=grid.access,
        )


def _with_spots(stands: Sequence[PlannedStand], entrance: tuple[float, float]) -> list[PlannedStand]:
    ranked = sorted(
        (stand for stand in stands if stand.kind == "vendor"),
        key=lambda stand: (math.dist((stand.x, stand.y), entrance), stand.number),
    )
    fifth = len(ranked) // 5
    spots: dict[str, Spot] = {stand.number: "good" for stand in ranked[:fifth]}
    spots.update({stand.number: "bad" for stand in ranked[len(ranked) - fifth :]})
    return [stand.model_copy(update={"spot": spots.get(stand.number, "normal")}) for stand in stands]


def to_cm(metres: float) -> float:
    """Metres to the centimetre, as people are told them."""
    return round(metres, 2)


# -- a site by its plan


class PlacedStand(NamedTuple):
    """A stand of a site as its plan has it, with its holder where it is no vendor's."""

    stand: PlannedStand
    holder: str | None


def place(site: Site, holders: Mapping[BoothKind, Sequence[str]], plan: Plan) -> list[PlacedStand]:
    """The stands of a site by a plan: vendors' first, then each holder at a stand of its kind, in order.

    Refused unless the plan has just as many stands for vendors as the site has booths, and enough of the others.
    """
    vendors = plan.stands_of("vendor")
    if len(vendors) != site.booths:
        raise PlanMisfit(
            f"The plan has {len(vendors)} stands for vendors, and site {site.site_id} has {site.booths} booths; "
            "draw another plan, or change the booths of the site.",
            stands=len(vendors),
            booths=site.booths,
        )
    placed = [PlacedStand(stand, None) for stand in vendors]
    for kind, names in holders.items():
        stands = plan.stands_of(kind)
        if len(names) > len(stands):
            raise PlanMisfit(
                f"The plan has {len(stands)} stands of kind {kind}, and site {site.site_id} needs {len(names)}.",
                kind=kind,
                stands=len(stands),
                needed=len(names),
            )
        placed += [PlacedStand(stand, name) for stand, name in zip(stands, names, strict=False)]
    return placed


def document(plan: Plan) -> dict[str, Any]:
    """As JSON."""
    return plan.model_dump(mode="json")

"""What is numbered: the stands of a site, and the vendors who get them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Needs: TypeAlias = frozenset[str]
"""What a stand must have, of power, access and water."""

Spot = Literal["good", "normal", "bad"]

NEEDS = ("access", "power", "water")
"""In the order in which they are met where not all of one vendor's can be: a way in comes before a socket."""

SPOT_VALUES: Mapping[str, int] = {"good": 2, "normal": 0, "bad": -2}
CORNER_VALUE = 1
"""A corner is open to two sides: worth something, less than a good spot."""

BALANCE_MAX = 20
"""Past turns beyond this weigh no more: ten good spots in a row are as much as anyone needs to be put right."""


class SiteMalformed(ValueError):
    """More vendors than stands, or one that is named twice."""


class Place(NamedTuple):
    """Where a stand is: its centre and size in metres, and by how many degrees it is turned."""

    x: float
    y: float
    width: float
    depth: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class Stand:
    """A stand for a vendor. `place` is None where no plan says where it is."""

    number: str
    tent: int | None = None
    power: bool = False
    access: bool = False
    water: bool = False
    corner: bool = False
    spot: Spot = "normal"
    place: Place | None = None

    @property
    def offers(self) -> Needs:
        """What it has of what a vendor may need."""
        return frozenset(need for need in NEEDS if getattr(self, need))

    @property
    def value(self) -> int:
        """How good it is to stand here, around 0."""
        return SPOT_VALUES[self.spot] + CORNER_VALUE * self.corner


@dataclass(frozen=True, slots=True)
class Seat:
    """A vendor who gets a stand. `balance`: the sum of the values of the stands of its past turns."""

    applicant: str
    category: str | None = None
    needs: Needs = frozenset()
    party: str | None = None
    balance: int = 0


@dataclass(frozen=True, slots=True)
class SiteStands:
    """The free stands of a site in the order of their numbers, and who gets them in the order of the rule."""

    stands: tuple[Stand, ...]
    seats: tuple[Seat, ...]

    def __post_init__(self) -> None:
        if len({stand.number for stand in self.stands}) < len(self.stands):
            raise SiteMalformed("a stand is named twice")
        if len({seat.applicant for seat in self.seats}) < len(self.seats):
            raise SiteMalformed("an applicant is named twice")
        if len(self.seats) > len(self.stands):
            raise SiteMalformed(f"{len(self.seats)} vendors are to stand at {len(self.stands)} stands")


def balance(past: Iterable[Stand]) -> int:
    """What a vendor has had so far: the values of the stands of its past turns, within limits."""
    return max(-BALANCE_MAX, min(BALANCE_MAX, sum(stand.value for stand in past)))


def site_document(site: SiteStands) -> dict[str, Any]:
    """The input as JSON, with which the numbering can be repeated."""
    return {
        "stands": [
            {
                "number": stand.number,
                "tent": stand.tent,
                "has": sorted(stand.offers),
                "corner": stand.corner,
                "spot": stand.spot,
                "place": stand.place,
            }
            for stand in site.stands
        ],
        "seats": [
            {
                "applicant": seat.applicant,
                "category": seat.category,
                "needs": sorted(seat.needs),
                "party": seat.party,
                "balance": seat.balance,
            }
            for seat in site.seats
        ],
    }


def read_site(document: Mapping[str, Any]) -> SiteStands:
    """The input as it was before `site_document`."""
    return SiteStands(
        tuple(
            Stand(
                stand["number"],
                stand["tent"],
                power="power" in stand["has"],
                access="access" in stand["has"],
                water="water" in stand["has"],
                corner=stand["corner"],
                spot=stand["spot"],
                place=None if stand["place"] is None else Place(*stand["place"]),
            )
            for stand in document["stands"]
        ),
        tuple(
            Seat(seat["applicant"], seat["category"], frozenset(seat["needs"]), seat["party"], seat["balance"])
            for seat in document["seats"]
        ),
    )

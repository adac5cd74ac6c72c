"""Venues: where bazaars are held, of which type, for how many booths (DOMAIN C6)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from lokal.wilayah import wilayah_name
from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from services.bazaar.domain.bazaar import Site
from services.bazaar.domain.values import BOOTHS_MAX, Exact, Label
from shared.errors import Conflict, NotFound, Refused
from shared.events.values import KelurahanCode

PHOTOS_MAX = 12
"""Of one venue: what an officer who was never there needs to see of it."""

FACILITIES_MAX = 30

VENUE_KINDS = ("rusun", "rptra", "office", "hall", "market", "street", "park", "school", "online")
"""Types that the programme has used so far; an officer may name another."""


class VenueUnknown(NotFound):
    """No venue has this id."""

    code = "venue-unknown"


class VenueOutdated(Conflict):
    """Somebody else changed the venue since it was looked at."""

    code = "venue-outdated"


class VenueRetired(Refused):
    """The venue is not used any more."""

    code = "venue-retired"


class VenueElsewhere(Refused):
    """A site names a venue, but lies in another kelurahan."""

    code = "venue-elsewhere"


class VenueTooSmall(Refused):
    """A site has more booths than its venue holds."""

    code = "venue-too-small"


class PhotosFull(Refused):
    """A venue has as many photos as are kept of one."""

    code = "photos-full"


class PhotoUnknown(NotFound):
    """The venue has no such photo."""

    code = "photo-unknown"


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise ValueError("one is named twice")
    return values


def _real_kelurahan(code: str) -> str:
    if wilayah_name(code) is None:
        raise ValueError("no kelurahan has this code")
    return code


Kelurahan = Annotated[KelurahanCode, AfterValidator(_real_kelurahan)]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
Facility = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
Address = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Position(Exact):
    """Where it is on the map, in degrees; within Indonesia, so that the two cannot be mixed up."""

    latitude: Annotated[float, Field(ge=-11.5, le=6.5, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=94.5, le=141.5, allow_inf_nan=False)]


class DescribeVenue(Exact):
    """Command: a new venue. `kind`: its type as data (`VENUE_KINDS` and others); `capacity`: booths for vendors."""

    kind: Kind = Field(examples=["rusun"])
    name: Label = Field(examples=["Rusun Karang Anyar"])
    kelurahan: Kelurahan = Field(examples=["31.71.02.1002"])
    capacity: Annotated[StrictInt, Field(ge=1, le=BOOTHS_MAX)]
    address: Address | None = None
    position: Position | None = None
    facilities: Annotated[list[Facility], AfterValidator(_distinct)] = Field(
        default_factory=list, max_length=FACILITIES_MAX, examples=[["power", "toilet", "parking"]]
    )


class EditVenue(DescribeVenue):
    """Command: all of a venue, anew. `version`: the one that was looked at."""

    version: Annotated[StrictInt, Field(ge=1, lt=2**62)]


class RetireVenue(Exact):
    """Command: the venue is used no more; bazaars that name it keep it."""

    version: Annotated[StrictInt, Field(ge=1, lt=2**62)]


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue. `plan`: the number of the floor plan that holds now, 0 without one."""

    venue_id: UUID
    version: int
    kind: str
    name: str
    kelurahan: str
    capacity: int
    address: str | None
    position: Position | None
    facilities: tuple[str, ...]
    plan: int = 0
    retired_at: datetime | None = None

    def require_used(self) -> None:
        """Refuse whatever needs a venue that is still used."""
        if self.retired_at is not None:
            raise VenueRetired(f"{self.name} is used no more; set up another venue.", venue_id=str(self.venue_id))

    def require_version(self, version: int) -> None:
        """Refuse a change by somebody who looked at an older state."""
        if version != self.version:
            raise VenueOutdated(
                f"{self.name} was changed meanwhile; look at it again and send version {self.version}.",
                version=self.version,
            )


def describe(command: DescribeVenue, venue_id: UUID) -> Venue:
    """A new venue."""
    return Venue(
        venue_id,
        1,
        command.kind,
        command.name,
        command.kelurahan,
        command.capacity,
        command.address,
        command.position,
        tuple(command.facilities),
    )


def edit(venue: Venue, command: EditVenue) -> Venue:
    """The venue as it is described now. Its sites in bazaars that are set up already stay as they are."""
    venue.require_used()
    venue.require_version(command.version)
    return replace(
        describe(command, venue.venue_id), version=venue.version + 1, plan=venue.plan, retired_at=venue.retired_at
    )


def retire(venue: Venue, command: RetireVenue, now: datetime) -> Venue:
    """It is used no more."""
    venue.require_used()
    venue.require_version(command.version)
    return replace(venue, version=venue.version + 1, retired_at=now)


def planned(venue: Venue, number: int) -> Venue:
    """It has a floor plan with this number now."""
    return replace(venue, version=venue.version + 1, plan=number)


def require_sites_fit(sites: Iterable[Site], venues: Mapping[UUID, Venue]) -> None:
    """Refuse sites whose venue is not known, not used any more, in another kelurahan, or too small."""
    sites = [site for site in sites if site.venue_id is not None]
    for site in sites:
        assert site.venue_id is not None
        venue = venues.get(site.venue_id)
        if venue is None:
            raise VenueUnknown(
                f"Site {site.site_id} names a venue_id that no venue has.", site_id=site.site_id, field="venue_id"
            )
        venue.require_used()
        if venue.kelurahan != site.kelurahan:
            raise VenueElsewhere(
                f"Site {site.site_id} is said to lie in kelurahan {site.kelurahan}, and its venue {venue.name} lies in "
                f"{venue.kelurahan}; correct the kelurahan or the venue_id.",
                site_id=site.site_id,
                kelurahan=venue.kelurahan,
            )
    require_room(sites, venues)


def require_room(sites: Iterable[Site], venues: Mapping[UUID, Venue]) -> None:
    """Refuse more booths at a venue than it holds. Several sites of it share its room on the days that they share."""
    held: Counter[tuple[UUID, date]] = Counter()
    for site in sites:
        if site.venue_id is None or site.venue_id not in venues:
            continue
        venue = venues[site.venue_id]
        for day in site.days:
            held[venue.venue_id, day] += site.booths
            booths = held[venue.venue_id, day]
            if booths > venue.capacity:
                raise VenueTooSmall(
                    f"With site {site.site_id} there are {booths} booths at {venue.name} on {day.isoformat()}, and it "
                    f"holds {venue.capacity}; set up fewer booths or another venue.",
                    site_id=site.site_id,
                    booths=booths,
                    capacity=venue.capacity,
                )

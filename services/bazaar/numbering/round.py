"""The numbers of a whole round: each site by itself, of those the rule served there."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.bazaar.numbering.site import Needs, Seat, SiteStands, Stand, site_document
from services.bazaar.numbering.solve import EFFORT, Numbering, number_in_order, number_site

EFFORT_OF_ROUND = 30.0
"""Deterministic time for all sites together: a round of 64 sites gets half of what one alone would."""


class Traits(NamedTuple):
    """What numbering looks at of an applicant."""

    category: str | None
    needs: Needs
    party: str | None
    balance: int


class Floor(NamedTuple):
    """The free stands of each site in order, and the applicants of the round by their names in it."""

    stands: Mapping[str, Sequence[Stand]]
    traits: Mapping[str, Traits]


class SiteNumbers(NamedTuple):
    """The numbers of one site: applicant -> stand, and the documents that are kept of how they came about."""

    site_id: str
    booths: Mapping[str, str]
    input: Mapping[str, Any]
    result: Mapping[str, Any]


class Served(NamedTuple):
    """One whom the rule served at a site."""

    applicant: str
    site_id: str


def number_round(floor: Floor, served: Sequence[Served]) -> list[SiteNumbers]:
    """The numbers of every site at which somebody is served. `served`: in the order of the rule."""
    sites = _sites(floor, served)
    effort = min(EFFORT, EFFORT_OF_ROUND / max(len(sites), 1))
    return [_numbers(site_id, site, number_site(site, effort=effort)) for site_id, site in sites.items()]


def number_round_in_order(floor: Floor, served: Sequence[Served], because: str) -> list[SiteNumbers]:
    """The numbers in the order of the rule, but for needs, and why it was done so."""
    return [_numbers(site_id, site, number_in_order(site, because)) for site_id, site in _sites(floor, served).items()]


def number_stored(result: bytes, floor: Floor) -> list[SiteNumbers]:
    """The numbers of those whom a stored result serves."""
    return number_round(floor, _served(result))


def number_stored_in_order(result: bytes, floor: Floor, because: str) -> list[SiteNumbers]:
    """The same by the order of the rule alone."""
    return number_round_in_order(floor, _served(result), because)


def _served(result: bytes) -> list[Served]:
    return [Served(seat["applicant"], seat["pool"]) for seat in json.loads(result)["served"]]


def still_free(numbers: SiteNumbers, free: Mapping[str, Sequence[str]]) -> bool:
    """Whether every stand that was given is still free."""
    return set(numbers.booths.values()) <= set(free.get(numbers.site_id, ()))


def numbered_too_late(numbers: SiteNumbers) -> SiteNumbers:
    """Of a site whose stands were set up otherwise meanwhile: nothing of its numbers holds."""
    because = "the stands of the site changed while the round was solved"
    result = {**numbers.result, "method": "order", "because": because, "optimal": False, "unmet": {}, "booths": {}}
    return numbers._replace(booths={}, result=result)


def _sites(floor: Floor, served: Sequence[Served]) -> dict[str, SiteStands]:
    seats: dict[str, list[Seat]] = defaultdict(list)
    for one in served:
        traits = floor.traits.get(one.applicant, Traits(None, frozenset(), None, 0))
        seats[one.site_id].append(Seat(one.applicant, *traits))
    return {
        site_id: SiteStands(tuple(floor.stands.get(site_id, ())), tuple(here))
        for site_id, here in sorted(seats.items())
    }


def _numbers(site_id: str, site: SiteStands, found: Numbering) -> SiteNumbers:
    return SiteNumbers(site_id, found.booths, site_document(site), found.document())

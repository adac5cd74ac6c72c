"""The booth numbers of a round as they are handed out when it is published."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any


def hand_out(
    served: Sequence[Mapping[str, Any]], free: Mapping[str, Sequence[str]], numbers: Mapping[str, str]
) -> dict[str, str]:
    """Name of each served applicant -> its booth: the one it was numbered at, or, at a site where not everyone has one
    that is free, in the order in which the rule kept them. `free`: numbers of free booths per site, in order."""
    by_site: dict[str, list[str]] = defaultdict(list)
    for seat in served:
        by_site[seat["pool"]].append(seat["applicant"])
    handed: dict[str, str] = {}
    for site_id, applicants in by_site.items():
        given = [numbers.get(applicant, "") for applicant in applicants]
        if len(set(given)) < len(given) or not set(given) <= set(free[site_id]):
            given = list(free[site_id][: len(applicants)])
        handed.update(zip(applicants, given, strict=True))
    return handed

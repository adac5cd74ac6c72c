"""Policies by name: how booths are shared out, written down once, in versions that never change, and used by many.

A bazaar that names a policy takes its document when it is set up and keeps it: a later version changes no bazaar.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from services.bazaar.domain.bazaar import DraftBazaar, Site, SiteDraft
from services.bazaar.domain.policy import Policy, PolicyCode, SeatLimit, require_limits
from services.bazaar.domain.values import Exact
from shared.errors import Conflict, NotFound
from shared.events.values import AreaCode

LIMITS_MAX = 50

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PolicyUnknown(NotFound):
    """No policy has this name, or not in this version."""

    code = "policy-unknown"


class PolicyOwnedElsewhere(Conflict):
    """The name belongs to a policy of another area."""

    code = "policy-owned-elsewhere"


class InBothLanguages(Exact):
    """A text for people."""

    id: Words
    en: Words


class PolicyDocument(Exact):
    """A policy with what it sets at each site: seats reserved for a group, caps. Both name one group between them."""

    policy: Policy = Field(default_factory=Policy)
    site_reserves: list[SeatLimit] = Field(default_factory=list, max_length=LIMITS_MAX)
    site_caps: list[SeatLimit] = Field(default_factory=list, max_length=LIMITS_MAX)

    @model_validator(mode="after")
    def _keep_limits_together(self) -> Self:
        require_limits(self.site_reserves, self.site_caps)
        return self

    def limits(self, booths: int) -> tuple[list[SeatLimit], list[SeatLimit]]:
        """Reserves and caps of a site with so many booths. Where they do not all go in, each reserve is cut to an equal
        part of the booths, as an agency's usual share is."""
        if sum(reserve.seats for reserve in self.site_reserves) <= booths:
            return self.site_reserves, self.site_caps
        part = booths // len(self.site_reserves)
        cut = [reserve.model_copy(update={"seats": min(reserve.seats, part)}) for reserve in self.site_reserves]
        return cut, self.site_caps


class DefinePolicy(Exact):
    """Command: a policy by a new name, or the next version of one. `area`: whose it is; its officers may change it."""

    code: PolicyCode
    area: AreaCode
    title: InBothLanguages
    description: InBothLanguages
    document: PolicyDocument


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """One version of a policy."""

    code: str
    version: int
    area: str
    title: InBothLanguages
    description: InBothLanguages
    document: PolicyDocument
    created_at: datetime


def require_same_area(latest: NamedPolicy, command: DefinePolicy) -> None:
    """Refuse a version by others than those whose policy it is."""
    if latest.area != command.area:
        raise PolicyOwnedElsewhere(
            f"The policy {command.code} is of area {latest.area}; take another name for one of {command.area}.",
            area=latest.area,
        )


def set_up_with(command: DraftBazaar, document: PolicyDocument) -> DraftBazaar:
    """A bazaar's description with this policy in place of its name. A site that sets limits of its own keeps them."""
    sites = [_limited(site, document) for site in command.sites]
    return command.model_copy(update={"policy": document.policy, "sites": sites})


def _limited(site: SiteDraft, document: PolicyDocument) -> SiteDraft:
    if site.reserves is not None or site.caps or not (document.site_reserves or document.site_caps):
        return site
    reserves, caps = document.limits(site.booths)
    return site.model_copy(update={"reserves": reserves, "caps": caps})


def limited_by(site: Site, document: PolicyDocument) -> tuple[tuple[SeatLimit, ...], tuple[SeatLimit, ...]]:
    """What a site that stands already would reserve and cap under this policy; its own where the policy sets none."""
    if not (document.site_reserves or document.site_caps):
        return site.reserves, site.caps
    reserves, caps = document.limits(site.booths)
    return tuple(reserves), tuple(caps)

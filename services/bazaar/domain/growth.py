"""A bazaar grows (DOMAIN E1: 56 booths on day one, more on days two and three): more booths at a site, more days of a
site, a further site at the same venue on other days.

Growth adds and never takes: nobody who holds a booth is moved or renumbered, and what the round decided stands. New
booths go to those who wait, by the rule of the round. A site that is added *extends* another: who named that one is
taken to have named the new one just behind it, unless it ranks the new one itself.

Between the freeze and the publication a bazaar does not grow: what was hashed is what is decided on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import BOOTHS_PER_TENT, Bazaar, Booth, Site, SiteDraft, WrongMoment
from services.bazaar.domain.policy import SeatLimit
from services.bazaar.domain.values import BOOTHS_MAX, Day, Exact, SiteId
from shared.clock import day_in_jakarta
from shared.errors import Refused
from shared.events.bazaar import BazaarGrown, BoothDaysAdded


class SiteNotThere(Refused):
    """The site that is to grow is none of the bazaar's."""

    code = "unknown-site"


class SiteThereAlready(Refused):
    """A new site needs an id of its own."""

    code = "site-exists"


class DayNotAddable(Refused):
    """A day that is added has not begun, and lies behind the first day of its site."""

    code = "day-not-addable"


class TooManyBooths(Refused):
    """No site of the province has so many booths."""

    code = "too-many-booths"


class DayNotDeclinable(Refused):
    """Only a day that was added later can be declined while the booth is kept."""

    code = "day-not-declinable"


class FurtherSite(Exact):
    """A site at the venue of another, on days of its own. Its booth numbers go on behind those of the other."""

    site_id: SiteId
    days: list[Day] = Field(min_length=1, max_length=31)
    booths: StrictInt = Field(ge=1, le=BOOTHS_MAX)
    reserves: list[SeatLimit] = Field(default_factory=list)
    caps: list[SeatLimit] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if sorted(set(self.days)) != self.days:
            raise ValueError("days are given in order, each once")
        return self


class GrowBazaar(Exact):
    """Command: one site grows by more booths, by more days, or by a further site that extends it."""

    site_id: SiteId
    more_booths: Annotated[StrictInt, Field(ge=1, le=BOOTHS_MAX)] | None = None
    more_days: Annotated[list[Day], Field(min_length=1, max_length=31)] | None = None
    further_site: FurtherSite | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = [one for one in (self.more_booths, self.more_days, self.further_site) if one is not None]
        if len(given) != 1:
            raise ValueError("name one of more_booths, more_days, further_site")
        if self.more_days is not None and sorted(set(self.more_days)) != self.more_days:
            raise ValueError("more_days are given in order, each once")
        return self


class Extensions:
    """Which sites were added to which, and what applicants are therefore taken to have named."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._of: dict[str, list[str]] = {}
        for site in sites:
            if site.extends is not None:
                self._of.setdefault(site.extends, []).append(site.site_id)

    def named(self, site_ids: Sequence[str]) -> Iterator[str]:
        """These sites, best first, each followed by the sites that extend it and are not named themselves."""
        for site_id in site_ids:
            yield site_id
            yield from (further for further in self._of.get(site_id, ()) if further not in site_ids)

    def tiers(self, choices: Sequence[Sequence[str]]) -> list[list[str]]:
        """The same of choices in tiers: a site that extends one of a tier is named in the tier behind it."""
        if not self._of:
            return [list(tier) for tier in choices]
        named = {site_id for tier in choices for site_id in tier}
        tiers: list[list[str]] = []
        for tier in choices:
            tiers.append(list(tier))
            further = [more for site_id in tier for more in self._of.get(site_id, ()) if more not in named]
            if further:
                tiers.append(further)
        return tiers


def sites_named_by(bazaar: Bazaar, site_ids: Iterable[str]) -> list[str]:
    """Whoever named one of these sites is taken to have named one of `site_ids`."""
    wanted = set(site_ids)
    return sorted(wanted | {site.extends for site in bazaar.sites if site.extends and site.site_id in wanted})


@dataclass(frozen=True, slots=True)
class Growth:
    """What growth decides: the bazaar after it, the booths it adds, the days it adds to which site."""

    bazaar: Bazaar
    event: BazaarGrown
    site: Site
    is_new: bool
    booths: Sequence[Booth]
    added_days: tuple[date, ...]


def grow(bazaar: Bazaar, command: GrowBazaar, booths: Sequence[Booth], now: datetime) -> Growth:
    """The bazaar with what is added. `booths`: all of its stands, in order."""
    if bazaar.state not in ("announced", "allocated"):
        raise WrongMoment(
            f"A bazaar grows while it is announced, and again once its round is published; this one is {bazaar.state}."
            + (" Edit the draft instead." if bazaar.state in ("draft", "tentative") else ""),
            state=bazaar.state,
            needed="announced or allocated",
        )
    site = next((one for one in bazaar.sites if one.site_id == command.site_id), None)
    if site is None:
        raise SiteNotThere(
            f"The bazaar has no site {command.site_id!r}.",
            site_id=command.site_id,
            sites=[one.site_id for one in bazaar.sites],
        )
    if command.more_booths is not None:
        grown = _with_booths(site, command.more_booths)
        added = _booths_behind(bazaar, booths, site, site.site_id, command.more_booths)
        return _growth(bazaar, grown, added, ())
    if command.more_days is not None:
        return _growth(bazaar, *_with_days(site, command.more_days, day_in_jakarta(now)))
    assert command.further_site is not None
    further = _further(bazaar, site, command.further_site, day_in_jakarta(now))
    added = _booths_behind(bazaar, booths, site, further.site_id, further.booths)
    return _growth(bazaar, further, added, (), is_new=True)


def _with_booths(site: Site, more: int) -> Site:
    if site.booths + more > BOOTHS_MAX:
        raise TooManyBooths(
            f"A site has at most {BOOTHS_MAX} booths; {site.site_id} has {site.booths} and can get "
            f"{BOOTHS_MAX - site.booths} more. For others set up a further site.",
            booths=site.booths,
            booths_max=BOOTHS_MAX,
        )
    return replace(site, booths=site.booths + more)


def _with_days(site: Site, more: Sequence[date], today: date) -> tuple[Site, list[Booth], tuple[date, ...]]:
    for day in more:
        if day in site.days:
            raise DayNotAddable(f"{site.site_id} is held on {day.isoformat()} already.", day=day.isoformat())
        if day <= today or day < site.days[0]:
            raise DayNotAddable(
                f"{day.isoformat()} cannot be added to {site.site_id}: a day that is added lies behind today and "
                f"behind the site's first day, {site.days[0].isoformat()}. For an earlier day set up a further site.",
                day=day.isoformat(),
                first_day=site.days[0].isoformat(),
            )
    return replace(site, days=tuple(sorted((*site.days, *more)))), [], tuple(more)


def _further(bazaar: Bazaar, site: Site, wanted: FurtherSite, today: date) -> Site:
    if any(one.site_id == wanted.site_id for one in bazaar.sites):
        raise SiteThereAlready(f"The bazaar has a site {wanted.site_id!r} already.", site_id=wanted.site_id)
    if wanted.days[0] <= today:
        raise DayNotAddable(
            f"{wanted.days[0].isoformat()} has begun; a further site is held on days to come.",
            day=wanted.days[0].isoformat(),
        )
    # an officer's draft of it is held to the same rules as the sites of the first hour
    draft = SiteDraft.model_validate(
        {
            "name": site.name,
            "venue_type": site.venue_type,
            "kelurahan": site.kelurahan,
            **wanted.model_dump(),
        }
    )
    return Site(
        site_id=draft.site_id,
        name=site.name,
        venue_type=site.venue_type,
        kelurahan=site.kelurahan,
        booths=draft.booths,
        days=tuple(wanted.days),
        reserves=draft.share(),
        caps=tuple(draft.caps),
        venue_id=site.venue_id,
        extends=site.extends or site.site_id,
    )


def _booths_behind(bazaar: Bazaar, booths: Sequence[Booth], site: Site, site_id: str, more: int) -> list[Booth]:
    """So many new booths, whose numbers go on behind all of this venue: of the site, what it extends, what extends it.

    Tents go on with a new one where the last is full.
    """
    root = site.extends or site.site_id
    here = {one.site_id for one in bazaar.sites if root in (one.site_id, one.extends)}
    mine = [booth for booth in booths if booth.site_id in here and booth.kind == "vendor"]
    taken = {booth.number for booth in booths if booth.site_id in here}
    serial = max((_serial(booth.number) for booth in mine), default=0)
    own = [booth.tent for booth in mine if booth.site_id == site_id and booth.tent is not None]
    tent = max((booth.tent for booth in mine if booth.tent is not None), default=0)
    places_left = (BOOTHS_PER_TENT - own.count(tent)) if own and max(own) == tent else 0
    made: list[Booth] = []
    while len(made) < more:
        serial += 1
        if f"A{serial:02d}" in taken:
            continue
        if places_left == 0:
            tent, places_left = tent + 1, BOOTHS_PER_TENT
        places_left -= 1
        made.append(Booth(site_id, f"A{serial:02d}", "vendor", tent=tent))
    return made


def _serial(number: str) -> int:
    """The figure in a booth's number, 0 where there is none."""
    digits = "".join(sign for sign in number if sign.isdigit())
    return int(digits) if digits else 0


def _growth(
    bazaar: Bazaar, site: Site, booths: Sequence[Booth], added_days: tuple[date, ...], *, is_new: bool = False
) -> Growth:
    sites = (
        (*bazaar.sites, site) if is_new else tuple(site if one.site_id == site.site_id else one for one in bazaar.sites)
    )
    days = tuple(sorted({*bazaar.days, *site.days}))
    after = replace(bazaar, sites=sites, days=days, version=bazaar.version + 1, revision=bazaar.revision + 1)
    event = BazaarGrown(
        bazaar_id=bazaar.bazaar_id,
        name=bazaar.name,
        site_id=site.site_id,
        site_name=site.name,
        booths=site.booths,
        days=list(site.days),
        extends=site.extends,
    )
    return Growth(after, event, site, is_new, booths, added_days)


def add_days(application: Application, growth: Growth) -> Step:
    """The site of a booth that is held has more days: the booth is the vendor's on those too, if it wants."""
    held = application.offer
    assert held is not None
    return Step(
        replace(application, version=application.version + 1),
        BoothDaysAdded(
            application_id=application.application_id,
            bazaar_id=application.bazaar_id,
            vendor_id=application.vendor_id,
            bazaar_name=growth.bazaar.name,
            site_id=held.site_id,
            site_name=growth.site.name,
            booth=held.booth,
            added=list(growth.added_days),
            days=list(growth.site.days),
        ),
    )


def require_declinable(application: Application, days: Sequence[date], added: Sequence[date], today: date) -> None:
    """Refuse to give up a day that the vendor took with its booth, or that has come. `added`: those added later."""
    if application.state not in ("confirmed", "attended"):
        raise DayNotDeclinable(
            f"Only a confirmed booth has days to decline; this application is {application.state}.",
            state=application.state,
        )
    for day in days:
        if day not in added or day <= today:
            raise DayNotDeclinable(
                f"{day.isoformat()} is not a day that was added later and is still to come. To give up a day that was "
                "offered with the booth, release the booth.",
                day=day.isoformat(),
                added=[one.isoformat() for one in added],
            )


def last_day_of(site: Site, declined: Iterable[date]) -> date:
    """The last day on which a vendor stands at this site; its turn is on that day."""
    given_up = set(declined)
    return next(day for day in reversed(site.days) if day not in given_up)


__all__ = [
    "DayNotAddable",
    "DayNotDeclinable",
    "Extensions",
    "FurtherSite",
    "GrowBazaar",
    "Growth",
    "SiteNotThere",
    "SiteThereAlready",
    "TooManyBooths",
    "add_days",
    "grow",
    "last_day_of",
    "require_declinable",
    "sites_named_by",
]

"""A bazaar: its days, its sites with their booths, the policy of its rotation, and until when vendors may apply."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    StrictInt,
    model_validator,
)

from services.bazaar.domain.policy import Policy, PolicyChoice, PolicyReference, SeatLimit, require_limits
from services.bazaar.domain.values import (
    BOOTHS_MAX,
    Day,
    Exact,
    HttpsUrl,
    Label,
    Moment,
    SiteId,
    distinct,
    real_kelurahan,
)
from shared.clock import JAKARTA, day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.bazaar import BazaarAnnounced, BazaarPlanned, BazaarSite
from shared.events.values import AgencyCode, AreaCode, CategoryCode, KelurahanCode

BazaarState = Literal["draft", "tentative", "announced", "frozen", "seeded", "allocated", "finished", "cancelled"]
"""draft: nobody outside knows of it; tentative: its days are known, and may change (DOMAIN C4)."""

Phase = Literal["draft", "tentative", "announced", "open", "closed", "allocated", "held", "cancelled"]
"""What residents and vendors are told of it: the state, and the moments between which applications are taken."""

BoothKind = Literal["vendor", "agency", "partner", "sponsor", "showcase"]
Setting = Literal["physical", "online"]
Role = Literal["organiser", "co-organiser", "partner", "sponsor", "supporter", "media"]
LinkKind = Literal["storefront", "stream", "social", "maps", "other"]

SEATS_PER_AGENCY_DEFAULT = 5
"""Share of each coaching agency with a desk at a site, unless set otherwise (DOMAIN C2)."""

LINKS_MAX = 30
"""Of one bazaar: a storefront and a stream for each platform and site."""

BOOTHS_PER_TENT = 2
OFFER_WINDOW_MIN = timedelta(minutes=60)
"""Nobody is made an offer with less time than this to answer it: letting it lapse would cost a turn."""

LAST_ANSWER_AT = time(23, 59)
"""On the day before the bazaar begins, in Jakarta: whatever is not answered then finds no vendor in time."""

RELEASE_HOURS_DEFAULT = 48
"""Before the first day of its site: until then a confirmed booth is given back at no cost."""


class BazaarUnknown(NotFound):
    """No bazaar has this id, or it is still a draft."""

    code = "bazaar-unknown"


class WrongMoment(Refused):
    """The bazaar is not in the state that this step needs."""

    code = "wrong-moment"


class ClosingPassed(Refused):
    """A bazaar is announced while vendors can still apply to it."""

    code = "closing-passed"


class ApplicationsClosed(Refused):
    """Applications are not, not yet, or no longer taken."""

    code = "applications-closed"


class Organiser(Exact):
    """Who stands behind a bazaar, and in which role (DOMAIN B8, E3). `agency`: its code, where it is a coaching one."""

    name: Label
    role: Role = "organiser"
    agency: AgencyCode | None = None


class Funding(Exact):
    """Who pays: the province's budget (APBD) of a year, a sponsor by name, or nobody."""

    source: Literal["apbd", "sponsor", "none"]
    year: StrictInt | None = Field(default=None, ge=2000, le=2199)
    sponsor: Label | None = None

    @model_validator(mode="after")
    def _name_what_it_is(self) -> Self:
        if (self.source == "apbd") != (self.year is not None):
            raise ValueError("funding from apbd, and only that, names its year")
        if (self.source == "sponsor") != (self.sponsor is not None):
            raise ValueError("funding from a sponsor, and only that, names the sponsor")
        return self


class Opening(Exact):
    """The opening act: all sites see it by one link (DOMAIN C5)."""

    at: Moment
    title: Label
    url: HttpsUrl

    def later(self, by: timedelta) -> Self:
        """The same act so much later, when the bazaar is moved."""
        return self.model_copy(update={"at": self.at + by})


class Link(Exact):
    """Where residents find it online (DOMAIN D2, A5)."""

    kind: LinkKind
    title: Label
    url: HttpsUrl


class SiteDraft(Exact):
    """One location as an officer describes it. `reserves` left out means the agencies' usual share.

    A site is a pool of the round: a venue on its `days`, all of the bazaar's unless some are named. Of an online site
    `kelurahan` is that of the organiser's office.
    """

    site_id: SiteId
    venue_id: UUID | None = None
    days: list[Day] | None = Field(default=None, min_length=1, max_length=31)
    name: Label
    venue_type: Label
    kelurahan: Annotated[KelurahanCode, AfterValidator(real_kelurahan)]
    booths: StrictInt = Field(ge=1, le=BOOTHS_MAX)
    agency_desks: Annotated[list[AgencyCode], AfterValidator(distinct)] = Field(default_factory=list, max_length=50)
    partner_booths: Annotated[list[Label], AfterValidator(distinct)] = Field(default_factory=list, max_length=50)
    reserves: list[SeatLimit] | None = None
    caps: list[SeatLimit] = Field(default_factory=list)

    @model_validator(mode="after")
    def _keep_limits_together(self) -> Self:
        require_limits(self.reserves or [], self.caps)
        reserved = sum(limit.seats for limit in self.reserves or [])
        if reserved > self.booths:
            raise ValueError(f"reserves {reserved} seats, but the site has {self.booths} booths")
        return self

    def share(self) -> tuple[SeatLimit, ...]:
        """The reserves: as set, else the usual share of each agency with a desk here, as far as the booths go."""
        if self.reserves is not None:
            return tuple(self.reserves)
        if not self.agency_desks or self.caps:
            return ()
        seats = min(SEATS_PER_AGENCY_DEFAULT, self.booths // len(self.agency_desks))
        return tuple(SeatLimit(group="agency", value=agency, seats=seats) for agency in self.agency_desks)


class CloneBazaar(Exact):
    """Command: set up a bazaar like another, on other days."""

    name: Label | None = None
    days: list[Day] = Field(min_length=1, max_length=31)
    applications_close_at: Moment
    applications_open_at: Moment | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        require_moments(self.days, self.applications_open_at, self.applications_close_at)
        return self


def require_moments(days: Sequence[date], open_at: datetime | None, close_at: datetime) -> None:
    """Raise ValueError unless the days are in order, and applications open before they close, in time for offers."""
    if sorted(set(days)) != list(days):
        raise ValueError("days are given in order, each once")
    if close_at >= offers_end_at(days[0]):
        raise ValueError("applications must close while offers can be answered: by 23.59 on the day before day one")
    if open_at is not None and open_at >= close_at:
        raise ValueError("applications_open_at must lie before applications_close_at")


class DraftBazaar(Exact):
    """Command: set up a bazaar that nobody outside sees yet.

    `area`: whom it is for, where that is more than the kelurahan of its sites; `applications_open_at`: from when
    applications are taken, at once when announced unless set. Of `organisers` a plain name is an organiser's.
    """

    name: Label
    theme: Label | None = None
    setting: Setting = "physical"
    area: AreaCode | None = None
    applications_open_at: Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))] | None = None
    organisers: list[Label | Organiser] = Field(min_length=1, max_length=20)
    funding: Funding | None = None
    opening: Opening | None = None
    links: list[Link] = Field(default_factory=list, max_length=LINKS_MAX)
    days: list[Day] = Field(min_length=1, max_length=31)
    sites: list[SiteDraft] = Field(min_length=1, max_length=100)
    applications_close_at: Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC))]
    offer_hours: StrictInt = Field(default=24, ge=1, le=14 * 24)
    release_hours: StrictInt = Field(default=RELEASE_HOURS_DEFAULT, ge=0, le=14 * 24)
    policy: PolicyChoice = Field(default_factory=Policy)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        require_moments(self.days, self.applications_open_at, self.applications_close_at)
        if len({site.site_id for site in self.sites}) < len(self.sites):
            raise ValueError("two sites have the same site_id")
        for site in self.sites:
            if site.days is not None and (sorted(set(site.days)) != site.days or not set(site.days) <= set(self.days)):
                raise ValueError(f"the days of site {site.site_id} are some of the bazaar's, in order, each once")
        if self.opening is not None and day_in_jakarta(self.opening.at) > self.days[-1]:
            raise ValueError("opening.at must not lie after the last day")
        require_organiser_among(self.partners)
        return self

    @property
    def areas(self) -> list[str]:
        """Codes of the areas that its officers must cover."""
        return [*(site.kelurahan for site in self.sites), *([] if self.area is None else [self.area])]

    @property
    def partners(self) -> tuple[Organiser, ...]:
        """Everyone behind it, with a role."""
        return with_roles(self.organisers)


def with_roles(organisers: Sequence[str | Organiser]) -> tuple[Organiser, ...]:
    """Everyone named, with a role: a plain name is an organiser's."""
    return tuple(Organiser(name=one) if isinstance(one, str) else one for one in organisers)


def require_organiser_among(partners: Sequence[Organiser]) -> None:
    """Raise ValueError unless one of them organises and none is named twice in one role."""
    if not any(partner.role == "organiser" for partner in partners):
        raise ValueError("organisers must name at least one with the role organiser")
    if len({(partner.name, partner.role) for partner in partners}) < len(partners):
        raise ValueError("organisers name one twice in the same role")


@dataclass(frozen=True, slots=True)
class Site:
    """One location on its `days`: `booths` for vendors, and the limits on who gets them.

    `extends`: the site it was added to after applications closed; who named that one is taken to have named this one.
    """

    site_id: str
    name: str
    venue_type: str
    kelurahan: str
    booths: int
    days: tuple[date, ...]
    reserves: tuple[SeatLimit, ...] = ()
    caps: tuple[SeatLimit, ...] = ()
    venue_id: UUID | None = None
    extends: str | None = None


class Booth(NamedTuple):
    """A stand of a site. Only the `vendor` kind is allocated; a desk or partner booth has its `holder` from the start.

    `tent`: vendors stand two to a tent, so A01 and A02 share tent 1.
    """

    site_id: str
    number: str
    kind: BoothKind
    tent: int | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Bazaar:
    """A bazaar. `round` is the number of its round of allocation, 0 before the freeze.

    `series_day`: the day that the rule of its series gave it, the same for ever. `revision` counts the changes of what
    residents see of it, and `changed_at` is the moment of the last one. `organisers`: names of those of the `partners`
    who organise.
    """

    bazaar_id: UUID
    version: int
    state: BazaarState
    name: str
    theme: str | None
    organisers: tuple[str, ...]
    days: tuple[date, ...]
    sites: tuple[Site, ...]
    applications_close_at: datetime
    offer_hours: int
    policy: Policy
    round: int = 0
    setting: Setting = "physical"
    area: str | None = None
    applications_open_at: datetime | None = None
    series_id: UUID | None = None
    series_day: date | None = None
    cancelled_because: str | None = None
    moved_from: tuple[date, ...] | None = None
    revision: int = 0
    release_hours: int = RELEASE_HOURS_DEFAULT
    partners: tuple[Organiser, ...] = ()
    opening: Opening | None = None
    funding: Funding | None = None
    changed_at: datetime | None = None

    def revised(self, now: datetime) -> Self:
        """The bazaar after something that residents see of it has changed, which an event tells of."""
        return replace(self, version=self.version + 1, revision=self.revision + 1, changed_at=now)

    def phase(self, now: datetime) -> Phase:
        """What residents and vendors are told of it at this moment."""
        match self.state:
            case "announced" if self.applications_open_at is not None and now < self.applications_open_at:
                return "announced"
            case "announced" if now < self.applications_close_at:
                return "open"
            case "announced" | "frozen" | "seeded":
                return "closed"
            case "finished":
                return "held"
            case "draft" | "tentative" | "allocated" | "cancelled":
                return self.state

    def site(self, site_id: str) -> Site:
        """The site with this id, which is known to exist."""
        return next(site for site in self.sites if site.site_id == site_id)

    def require(self, state: BazaarState, step: str) -> None:
        """Refuse a step that belongs to another state."""
        if self.state != state:
            raise WrongMoment(
                f"To {step}, a bazaar must be {state}; this one is {self.state}.", state=self.state, needed=state
            )


def _looked_up(policy: Policy | PolicyReference) -> Policy:
    assert isinstance(policy, Policy), "a policy that is named is looked up before the bazaar is drafted"
    return policy


def draft(command: DraftBazaar, bazaar_id: UUID) -> tuple[Bazaar, list[Booth]]:
    """A new bazaar and all its booths. Nothing is announced, so there is no event yet."""
    sites = tuple(
        Site(
            site_id=site.site_id,
            name=site.name,
            venue_type=site.venue_type,
            kelurahan=site.kelurahan,
            booths=site.booths,
            days=tuple(site.days or command.days),
            reserves=site.share(),
            caps=tuple(site.caps),
            venue_id=site.venue_id,
        )
        for site in command.sites
    )
    bazaar = Bazaar(
        bazaar_id=bazaar_id,
        version=0,
        state="draft",
        name=command.name,
        theme=command.theme,
        organisers=tuple(partner.name for partner in command.partners if partner.role in ("organiser", "co-organiser")),
        days=tuple(command.days),
        sites=sites,
        applications_close_at=command.applications_close_at,
        offer_hours=command.offer_hours,
        policy=_looked_up(command.policy),
        setting=command.setting,
        area=command.area,
        applications_open_at=command.applications_open_at,
        release_hours=command.release_hours,
        partners=command.partners,
        opening=command.opening,
        funding=command.funding,
    )
    return bazaar, [booth for site in command.sites for booth in _booths(site)]


def _booths(site: SiteDraft) -> Iterator[Booth]:
    for number in range(1, site.booths + 1):
        yield Booth(site.site_id, f"A{number:02d}", "vendor", tent=(number + 1) // BOOTHS_PER_TENT)
    for number, agency in enumerate(site.agency_desks, start=1):
        yield Booth(site.site_id, f"D{number:02d}", "agency", holder=agency)
    for number, partner in enumerate(site.partner_booths, start=1):
        yield Booth(site.site_id, f"P{number:02d}", "partner", holder=partner)


def plan(bazaar: Bazaar, series_id: UUID, series_day: date) -> tuple[Bazaar, BazaarPlanned]:
    """A new bazaar is an occurrence of its series: its days are known and may still change."""
    after = replace(bazaar, state="tentative", series_id=series_id, series_day=series_day, version=bazaar.version + 1)
    return after, planned(after)


def planned(bazaar: Bazaar) -> BazaarPlanned:
    """What is told of a tentative bazaar."""
    return BazaarPlanned(
        bazaar_id=bazaar.bazaar_id, name=bazaar.name, days=list(bazaar.days), series_id=bazaar.series_id
    )


def redraft(bazaar: Bazaar, command: DraftBazaar, now: datetime) -> tuple[Bazaar, list[Booth], BazaarPlanned | None]:
    """A bazaar that is not announced, described anew. Of a tentative one everybody hears."""
    if bazaar.state not in ("draft", "tentative"):
        raise WrongMoment(
            f"Only a bazaar that is not announced can be described anew; this one is {bazaar.state}. It can be moved, "
            "grown or cancelled.",
            state=bazaar.state,
        )
    fresh, booths = draft(command, bazaar.bazaar_id)
    kept = replace(
        fresh,
        version=bazaar.version,
        state=bazaar.state,
        series_id=bazaar.series_id,
        series_day=bazaar.series_day,
        moved_from=bazaar.moved_from,
        revision=bazaar.revision,
        changed_at=bazaar.changed_at,
    )
    if bazaar.state == "draft":
        return kept, booths, None
    after = kept.revised(now)
    return after, booths, planned(after)


def announce(bazaar: Bazaar, now: datetime) -> tuple[Bazaar, BazaarAnnounced]:
    """Residents and vendors may know of it; a tentative one is confirmed. Refused once the time to apply has passed."""
    if bazaar.state != "tentative":
        bazaar.require("draft", "announce it")
    if now >= bazaar.applications_close_at:
        raise ClosingPassed(
            "Vendors could no longer apply: the closing moment has passed. Set up the bazaar with a later one.",
            applications_close_at=bazaar.applications_close_at.isoformat(),
        )
    after = replace(bazaar.revised(now), state="announced")
    return after, BazaarAnnounced(
        bazaar_id=bazaar.bazaar_id,
        name=bazaar.name,
        days=list(bazaar.days),
        sites=[
            BazaarSite(site_id=site.site_id, name=site.name, kelurahan=site.kelurahan, booths=site.booths)
            for site in bazaar.sites
        ],
        applications_close_at=bazaar.applications_close_at,
        setting=bazaar.setting,
        series_id=bazaar.series_id,
        area=bazaar.area,
        categories=_categories(bazaar.policy),
    )


def _categories(policy: Policy) -> list[CategoryCode]:
    """Product groups that may apply; empty: all."""
    return [value for admission in policy.admits if admission.group == "category" for value in admission.values]


def clone(bazaar: Bazaar, command: CloneBazaar, bazaar_id: UUID) -> Bazaar:
    """A new draft like this one on other days: sites, policy, organisers. The booths are copied as they are.

    A site that was there on some days is there on the days of the same place in the new list, on all where that has
    none of them. What belongs to that one occasion (opening act, funding, series) is left out.
    """
    places = {day: place for place, day in enumerate(bazaar.days)}
    days = tuple(command.days)

    def days_of(site: Site) -> tuple[date, ...]:
        same = tuple(days[places[day]] for day in site.days if day in places and places[day] < len(days))
        return days if not same or site.days == bazaar.days else same

    return replace(
        bazaar,
        bazaar_id=bazaar_id,
        version=0,
        state="draft",
        name=command.name or bazaar.name,
        days=days,
        sites=tuple(replace(site, days=days_of(site), extends=None) for site in bazaar.sites),
        applications_close_at=command.applications_close_at,
        applications_open_at=command.applications_open_at,
        round=0,
        series_id=None,
        series_day=None,
        cancelled_because=None,
        moved_from=None,
        revision=0,
        opening=None,
        funding=None,
        changed_at=None,
    )


def require_open(bazaar: Bazaar, now: datetime) -> None:
    """Refuse applications before the announcement, before they open, and from the closing moment on."""
    phase = bazaar.phase(now)
    if phase == "draft":
        raise BazaarUnknown("There is no such bazaar.")
    if phase in ("tentative", "announced"):
        opens = bazaar.applications_open_at
        raise ApplicationsClosed(
            "This bazaar does not take applications yet.", applications_open_at=opens and opens.isoformat()
        )
    if phase != "open":
        raise ApplicationsClosed(
            "This bazaar takes no more applications; the next one will be announced.",
            applications_close_at=bazaar.applications_close_at.isoformat(),
        )


def offers_end_at(first_day: date) -> datetime:
    """The last moment at which an offer for a bazaar that begins on this day can be answered."""
    return datetime.combine(first_day - timedelta(days=1), LAST_ANSWER_AT, JAKARTA)


def answer_until(bazaar: Bazaar, now: datetime, site: Site | None = None) -> datetime | None:
    """Until when an offer made now for a booth of this site can be answered; None when too little time is left.

    Without a site: for the one that begins first.
    """
    first_day = min(one.days[0] for one in bazaar.sites) if site is None else site.days[0]
    end = min(now + timedelta(hours=bazaar.offer_hours), offers_end_at(first_day))
    return end if end - now >= OFFER_WINDOW_MIN else None

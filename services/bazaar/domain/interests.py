"""Standing interest: "any Friday, craft". What a vendor wants to be in without applying to each bazaar.

When applications of a bazaar open, the service applies for every vendor whose interest it meets: as the vendor could
have done itself, at that moment and no earlier, so it stands in line like everybody. A vendor that applied itself, or
took an application to that bazaar back, is left alone. Whoever may not take part is told why, on the interest.

An interest lasts a year at most; a month before it ends the vendor is asked, and confirms it or lets it end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from services.bazaar.domain.application import Need, Step, Vendor, VendorUnknown, apply
from services.bazaar.domain.bazaar import Bazaar, Setting, Site
from services.bazaar.domain.values import Day, Exact
from shared.clock import JAKARTA, day_in_jakarta
from shared.errors import NotFound, Refused
from shared.events.bazaar import InterestExpiring
from shared.events.values import AreaCode, CategoryCode

InterestState = Literal["active", "paused", "ended"]

INTERESTS_PER_PERSON_MAX = 5
"""Not ended, of one person: room for a Friday series, a market at home and some more."""

VALID_DAYS_MAX = 365
REMIND_DAYS_BEFORE = 30
REMIND_AT = time(9)

ALREADY_APPLIED = "already-applied"
WITHDRAWN_BEFORE = "withdrawn-before"
CATEGORY_CHANGED = "category-changed"


class InterestUnknown(NotFound):
    """There is no such interest, or it is another vendor's."""

    code = "interest-unknown"


class InterestEnded(Refused):
    """What has ended is declared anew."""

    code = "interest-ended"


class InterestsFull(Refused):
    """A person has a few interests, not one for every bazaar."""

    code = "interests-full"


class ValidityWrong(Refused):
    """An interest is valid until a day within the year to come."""

    code = "validity-wrong"


class SeriesUnknown(Refused):
    """An interest names a series that does not exist."""

    code = "unknown-series"


def _distinct(values: list[object]) -> list[object]:
    if len(set(values)) < len(values):
        raise ValueError("one is named twice")
    return values


class DeclareInterest(Exact):
    """Command: what the vendor wants. What is left out, or empty, does not choose.

    `weekdays`: 1 Monday to 7 Sunday; all days of a site must be among them. `categories`: the vendor's own must be one
    of them when applications open. `areas`: of the sites. `venue_ids`: best first; with `any_site` every other site
    comes after them, equal among themselves.
    """

    series_id: UUID | None = None
    setting: Setting | None = None
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], AfterValidator(_distinct)] = Field(
        default_factory=list, max_length=7
    )
    categories: Annotated[list[CategoryCode], AfterValidator(_distinct)] = Field(default_factory=list, max_length=20)
    areas: Annotated[list[AreaCode], AfterValidator(_distinct)] = Field(default_factory=list, max_length=50)
    venue_ids: Annotated[list[UUID], AfterValidator(_distinct)] = Field(default_factory=list, max_length=50)
    any_site: bool = True
    needs: Annotated[list[Need], AfterValidator(_distinct)] = Field(default_factory=list, max_length=3)
    valid_until: Day

    @model_validator(mode="after")
    def _want_something(self) -> Self:
        if not self.venue_ids and not self.any_site:
            raise ValueError("name venues in venue_ids, or want any_site")
        return self


@dataclass(frozen=True, slots=True)
class Interest:
    """A vendor's standing interest. `version` counts its events."""

    interest_id: UUID
    version: int
    vendor_id: UUID
    state: InterestState
    origin: Literal["vendor", "officer"]
    series_id: UUID | None
    setting: Setting | None
    weekdays: tuple[int, ...]
    categories: tuple[str, ...]
    areas: tuple[str, ...]
    venue_ids: tuple[UUID, ...]
    any_site: bool
    needs: tuple[Need, ...]
    valid_until: date
    declared_at: datetime
    confirmed_at: datetime


def declare(
    command: DeclareInterest,
    vendor_id: UUID,
    vendor: Vendor | None,
    had: int,
    *,
    interest_id: UUID,
    origin: Literal["vendor", "officer"],
    now: datetime,
) -> Interest:
    """A vendor says what it wants. `had`: how many interests of this person have not ended."""
    if vendor is None:
        raise VendorUnknown("This vendor is not registered; just after registering, try again in a few seconds.")
    if had >= INTERESTS_PER_PERSON_MAX:
        raise InterestsFull(
            f"This person has {had} standing interests; end one of them first.", most=INTERESTS_PER_PERSON_MAX
        )
    _require_valid(command.valid_until, now)
    return Interest(
        interest_id=interest_id,
        version=0,
        vendor_id=vendor_id,
        state="active",
        origin=origin,
        series_id=command.series_id,
        setting=command.setting,
        weekdays=tuple(sorted(command.weekdays)),
        categories=tuple(sorted(command.categories)),
        areas=tuple(sorted(command.areas)),
        venue_ids=tuple(command.venue_ids),
        any_site=command.any_site,
        needs=tuple(sorted(command.needs)),
        valid_until=command.valid_until,
        declared_at=now,
        confirmed_at=now,
    )


def _require_valid(until: date, now: datetime) -> None:
    today = day_in_jakarta(now)
    latest = today + timedelta(days=VALID_DAYS_MAX)
    if not today <= until <= latest:
        raise ValidityWrong(
            f"valid_until must be a day from today to {latest.isoformat()}; confirm the interest again later.",
            earliest=today.isoformat(),
            latest=latest.isoformat(),
        )


def move(interest: Interest, state: InterestState) -> Interest:
    """Pause it, take it up again, or end it for good. Again the same changes nothing."""
    if interest.state == "ended" and state != "ended":
        raise InterestEnded("This interest has ended; declare a new one.")
    return replace(interest, state=state)


def confirm(interest: Interest, valid_until: date, now: datetime) -> Interest:
    """The vendor still wants it, until this day. One that was let run out lives again; one that was ended does not."""
    if interest.state == "ended":
        raise InterestEnded("This interest has ended; declare a new one.")
    _require_valid(valid_until, now)
    return replace(interest, valid_until=valid_until, confirmed_at=now)


def remind_at(interest: Interest) -> datetime:
    """When the vendor is asked whether it still wants it."""
    return datetime.combine(interest.valid_until - timedelta(days=REMIND_DAYS_BEFORE), REMIND_AT, JAKARTA)


def remind(interest: Interest, now: datetime) -> tuple[Interest, InterestExpiring] | None:
    """The vendor is asked; None where there is nothing to ask: it was ended, confirmed meanwhile, or is over."""
    if interest.state == "ended" or now < remind_at(interest) or day_in_jakarta(now) > interest.valid_until:
        return None
    after = replace(interest, version=interest.version + 1)
    return after, InterestExpiring(
        interest_id=interest.interest_id, vendor_id=interest.vendor_id, valid_until=interest.valid_until
    )


def choices_at(interest: Interest, bazaar: Bazaar) -> list[list[str]]:
    """The sites of this bazaar that the vendor wants, in tiers, best first; none where it is not of its kind."""
    if interest.series_id not in (None, bazaar.series_id) or interest.setting not in (None, bazaar.setting):
        return []
    wanted = [site for site in bazaar.sites if _wanted(interest, site)]
    tiers = [[site.site_id for site in wanted if site.venue_id == venue_id] for venue_id in interest.venue_ids]
    if interest.any_site:
        tiers.append([site.site_id for site in wanted if site.venue_id not in interest.venue_ids])
    return [tier for tier in tiers if tier]


def _wanted(interest: Interest, site: Site) -> bool:
    if interest.weekdays and not {day.isoweekday() for day in site.days} <= set(interest.weekdays):
        return False
    return not interest.areas or any(f"{site.kelurahan}.".startswith(f"{area}.") for area in interest.areas)


class Interested(NamedTuple):
    """An interest when applications of a bazaar open, and what is known of its vendor then.

    `person_id`: the id that stands for the person; `prior`: whether the person, by any id, has applied to the bazaar
    already, or has and took it back.
    """

    interest: Interest
    vendor: Vendor | None
    person_id: UUID
    prior: Literal["applied", "withdrawn"] | None


def apply_for(
    one: Interested, bazaar: Bazaar, choices: Sequence[Sequence[str]], *, application_id: UUID, now: datetime
) -> Step | str:
    """The application of a vendor whose interest this bazaar meets; or the code of why there is none."""
    if one.prior is not None:
        return ALREADY_APPLIED if one.prior == "applied" else WITHDRAWN_BEFORE
    if one.interest.categories and (one.vendor is None or one.vendor.category not in one.interest.categories):
        return CATEGORY_CHANGED
    try:
        return apply(
            bazaar,
            one.interest.vendor_id,
            one.vendor,
            choices,
            application_id=application_id,
            now=now,
            origin="standing",
            needs=one.interest.needs,
        )
    except Refused as refused:
        return refused.code

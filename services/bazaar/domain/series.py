"""A series of bazaars: when it recurs, what each occurrence is like, and the turns its occurrences take.

Everything is decided here from what is described and what is there: which tentative occurrences to add, change or drop,
and whose turn each of them is. Planning again changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StrictInt, StringConstraints, model_validator

from services.bazaar.domain import bazaar as bazaars
from services.bazaar.domain.bazaar import (
    LINKS_MAX,
    RELEASE_HOURS_DEFAULT,
    Bazaar,
    BazaarState,
    DraftBazaar,
    Funding,
    Link,
    Opening,
    Organiser,
    Setting,
    SiteDraft,
)
from services.bazaar.domain.policy import Policy, PolicyChoice
from services.bazaar.domain.recurrence import (
    RECURRENCE_CHARACTERS_MAX,
    expand,
    first_of,
    read_recurrence,
    window,
)
from services.bazaar.domain.values import Day, Exact, HttpsUrl, Label, SiteId
from shared.clock import JAKARTA, day_in_jakarta
from shared.days_off import day_off, is_weekend
from shared.errors import Conflict, NotFound, Refused
from shared.events.bazaar import BazaarCancelled
from shared.events.values import AreaCode

WINDOW_DAYS_MAX = 31
MOVE_DAYS_MAX = 14
"""So far an occurrence is moved to find a working day; beyond it falls out. Lebaran with its joint leave takes ten."""

WEEKS_MAX = 4
HORIZON = timedelta(days=2 * 366)
OCCURRENCES_MAX = 120
"""Planned at once: every Friday for two years, with room."""

PLANNING_AT = time(3)
CANCELLED_BY_SERIES = "series"
"""Why an occurrence does not take place that its series no longer has."""

OnHoliday = Literal["keep", "skip", "next-working-day", "previous-working-day", "week-later"]


class SeriesUnknown(NotFound):
    """No series has this id, or nothing of it is public."""

    code = "series-unknown"


class RecurrenceEmpty(Refused):
    """The recurrence names no day, or not the one it begins with."""

    code = "recurrence-empty"
    status = 422


class WindowsOverlap(Refused):
    """An occurrence would still last when the next one begins."""

    code = "windows-overlap"
    status = 422


class HorizonTooFar(Refused):
    """Nobody plans so far ahead."""

    code = "horizon-too-far"
    status = 422


class SeriesChanged(Conflict):
    """Somebody else has changed the series since it was read."""

    code = "series-changed"


def _local(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("this is a time in Jakarta, without an offset: 17:00")
    return at


LocalTime = Annotated[time, AfterValidator(_local)]
"""A time of day in Jakarta."""


class Before(Exact):
    """A moment so many days before the first day of an occurrence, at this time in Jakarta."""

    days_before: StrictInt = Field(ge=1, le=180)
    at: LocalTime

    def of(self, day: date) -> datetime:
        """The moment before an occurrence that begins on this day."""
        return datetime.combine(day - timedelta(days=self.days_before), self.at, JAKARTA)


class OpeningTime(Exact):
    """The opening act of each occurrence: on its first day, at this time in Jakarta."""

    at: LocalTime
    title: Label
    url: HttpsUrl


class Turn(Exact):
    """Whose turn it may be: some of the sites, and the area they are for (by city, by kecamatan in turn)."""

    turn_id: SiteId
    name: Label | None = None
    sites: Annotated[list[SiteId], Field(min_length=1, max_length=100)]
    area: AreaCode | None = None


def _readable(text: str) -> str:
    read_recurrence(text)
    return text


class DescribeSeries(Exact):
    """Command: a series of bazaars, whole.

    `recurrence`: lines of RFC 5545 (RRULE, RDATE, EXDATE) over days in Jakarta, from `first_day` on, which is its first
    day. `window`: so many consecutive days, or their distances from the day of the rule. `on_holiday`: what becomes of
    an occurrence with a day off in it; `joint_leave_counts`: whether cuti bersama is a day off. Of `turns` each
    occurrence takes the next `turns_each`. `planned_ahead_days`: so far ahead the service keeps it planned by itself.
    """

    name: Label
    theme: Label | None = None
    setting: Setting = "physical"
    area: AreaCode | None = None
    organisers: list[Label | Organiser] = Field(min_length=1, max_length=20)
    funding: Funding | None = None
    opening: OpeningTime | None = None
    links: list[Link] = Field(default_factory=list, max_length=LINKS_MAX)
    sites: list[SiteDraft] = Field(min_length=1, max_length=100)
    policy: PolicyChoice = Field(default_factory=Policy)
    offer_hours: StrictInt = Field(default=24, ge=1, le=14 * 24)
    release_hours: StrictInt = Field(default=RELEASE_HOURS_DEFAULT, ge=0, le=14 * 24)
    recurrence: Annotated[
        str, StringConstraints(max_length=RECURRENCE_CHARACTERS_MAX, min_length=1), AfterValidator(_readable)
    ]
    first_day: Day
    window: Annotated[StrictInt, Field(ge=1, le=WINDOW_DAYS_MAX)] | list[StrictInt] = 1
    on_holiday: OnHoliday = "keep"
    joint_leave_counts: bool = True
    applications_close: Before
    applications_open: Before | None = None
    turns: list[Turn] = Field(default_factory=list, max_length=300)
    turns_each: StrictInt = Field(default=1, ge=1, le=100)
    planned_ahead_days: StrictInt | None = Field(default=None, ge=1, le=HORIZON.days)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        bazaars.require_organiser_among(bazaars.with_roles(self.organisers))
        offsets = self.offsets
        if not offsets or len(offsets) > WINDOW_DAYS_MAX or offsets[0] != 0 or sorted(set(offsets)) != list(offsets):
            raise ValueError("window lists distances in days from the rule's day, in order, each once, the first 0")
        if offsets[-1] > 2 * WINDOW_DAYS_MAX:
            raise ValueError(f"window must end within {2 * WINDOW_DAYS_MAX} days")
        if any(site.days is not None for site in self.sites):
            raise ValueError("the sites of a series name no days; they are those of each occurrence")
        named = {site.site_id for site in self.sites}
        if len(named) < len(self.sites):
            raise ValueError("two sites have the same site_id")
        if len({turn.turn_id for turn in self.turns}) < len(self.turns):
            raise ValueError("two turns have the same turn_id")
        for turn in self.turns:
            if len(set(turn.sites)) < len(turn.sites) or not set(turn.sites) <= named:
                raise ValueError(f"turn {turn.turn_id} names each of its sites once, and only sites of the series")
        if self.turns and self.turns_each > len(self.turns):
            raise ValueError(f"turns_each is {self.turns_each}, but there are {len(self.turns)} turns")
        bazaars.require_moments(
            [self.first_day],
            None if self.applications_open is None else self.applications_open.of(self.first_day),
            self.applications_close.of(self.first_day),
        )
        return self

    @property
    def offsets(self) -> tuple[int, ...]:
        """Distances of an occurrence's days from the day of the rule."""
        return tuple(range(self.window)) if isinstance(self.window, int) else tuple(self.window)

    @property
    def areas(self) -> list[str]:
        """Codes of the areas that its officers must cover."""
        own = [self.area] if self.area is not None else []
        in_turn = [turn.area for turn in self.turns if turn.area is not None]
        return sorted({*own, *in_turn, *(site.kelurahan for site in self.sites)})


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it stands; `version` counts its changes."""

    series_id: UUID
    version: int
    described: DescribeSeries


class Occurrence(NamedTuple):
    """A bazaar of the series, as far as planning looks at it. `in_turn`: the turns it takes."""

    bazaar_id: UUID
    series_day: date
    days: tuple[date, ...]
    state: BazaarState
    cancelled_because: str | None
    in_turn: tuple[str, ...]
    series_version: int
    by_hand: bool


class Planned(NamedTuple):
    """An occurrence as the series wants it: the day its rule gives, its days, the turns it takes."""

    series_day: date
    days: tuple[date, ...]
    in_turn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What planning changes: occurrences to add, tentative ones to describe anew, and those the series has no more."""

    added: tuple[Planned, ...]
    changed: tuple[tuple[Occurrence, Planned], ...]
    dropped: tuple[Occurrence, ...]


def require_days(described: DescribeSeries) -> None:
    """Refuse a recurrence that does not begin on its first day, or whose occurrences meet. Takes up to 0.2 s."""
    recurrence = read_recurrence(described.recurrence)
    first = first_of(recurrence, described.first_day)
    if first is None:
        raise RecurrenceEmpty("The recurrence names no day from first_day on.", first_day=described.first_day)
    if first != described.first_day:
        raise RecurrenceEmpty(
            f"first_day must be a day of the recurrence; the first one from then on is {first}.",
            first_day=described.first_day,
            first=first,
        )
    last: date | None = None
    for day in expand(recurrence, described.first_day, described.first_day + HORIZON):
        days = window(day, described.offsets)
        if last is not None and days[0] <= last:
            raise WindowsOverlap(
                f"The occurrence before {days[0]} lasts until {last}. Shorten the window or widen the rule.",
                day=days[0],
                lasts_until=last,
            )
        last = days[-1]


def schedule(described: DescribeSeries, until: date) -> list[Planned]:
    """Every occurrence whose day by the rule is at most `until`, holidays obeyed, in the order of those days.

    One that is moved and would meet another of the series falls out: the other takes place.
    """
    # what lies a little later is looked at too: whether a moved occurrence meets it must not hang on `until`
    beyond = until + timedelta(days=2 * WINDOW_DAYS_MAX + 7 * WEEKS_MAX)
    windows = {
        day: window(day, described.offsets)
        for day in expand(read_recurrence(described.recurrence), described.first_day, beyond)
    }
    standing = {
        day: days for day, days in windows.items() if described.on_holiday == "keep" or not _meets(described, days)
    }
    taken = {day for days in standing.values() for day in days}
    for day, days in windows.items():
        moved = None if day in standing else _moved(described, days)
        if moved is not None and taken.isdisjoint(moved):
            standing[day] = moved
            taken.update(moved)
    return [Planned(day, standing[day]) for day in sorted(standing) if day <= until]


def _meets(described: DescribeSeries, days: Iterable[date]) -> bool:
    """Whether one of the days is a day off."""
    counts = ("holiday", "joint-leave") if described.joint_leave_counts else ("holiday",)
    return any(day_off(day) in counts for day in days)


def _moved(described: DescribeSeries, days: tuple[date, ...]) -> tuple[date, ...] | None:
    """The same window elsewhere, or None. One without a Saturday or Sunday gets none by being moved."""
    match described.on_holiday:
        case "keep" | "skip":
            return None
        case "next-working-day":
            shifts = range(1, MOVE_DAYS_MAX + 1)
        case "previous-working-day":
            shifts = range(-1, -MOVE_DAYS_MAX - 1, -1)
        case "week-later":
            shifts = range(7, 7 * WEEKS_MAX + 1, 7)
    with_weekend = any(map(is_weekend, days))
    for shift in shifts:
        found = tuple(day + timedelta(days=shift) for day in days)
        if not _meets(described, found) and (with_weekend or not any(map(is_weekend, found))):
            return found
    return None


def plan(series: Series, existing: Sequence[Occurrence], until: date, now: datetime) -> Plan:
    """What to change so that occurrences up to `until` are there as the series describes them.

    Only tentative ones that nobody edited follow; the announced, the cancelled and the past stay. A new one must leave
    time to apply; there are at most `OCCURRENCES_MAX` new ones, the next ones. Raises `HorizonTooFar`.
    """
    today = day_in_jakarta(now)
    if until > today + HORIZON:
        raise HorizonTooFar(
            f"until is {until}; a series is planned {HORIZON.days} days ahead at most.", until=until, today=today
        )
    follow = {
        one.series_day: one
        for one in existing
        if not one.by_hand
        and one.days[0] > today
        and (one.state == "tentative" or one.cancelled_because == CANCELLED_BY_SERIES)
    }
    wanted = {one.series_day: one for one in schedule(series.described, max([until, *follow]))}
    known = {one.series_day for one in existing}

    def may_begin(one: Planned) -> bool:
        return one.series_day <= until and series.described.applications_close.of(one.days[0]) > now

    added = [one for day, one in wanted.items() if day not in known and may_begin(one)][:OCCURRENCES_MAX]
    followed = {
        day: wanted[day]
        for day in follow
        if day in wanted and (follow[day].state == "tentative" or may_begin(wanted[day]))
    }
    turns = _assign(series.described, existing, [*added, *followed.values()])
    return Plan(
        added=tuple(one._replace(in_turn=turns[one.series_day]) for one in added),
        changed=tuple(
            (follow[day], now_wanted)
            for day, one in followed.items()
            if _differs(series, follow[day], now_wanted := one._replace(in_turn=turns[day]))
        ),
        dropped=tuple(one for day, one in follow.items() if one.state == "tentative" and day not in wanted),
    )


def _differs(series: Series, is_now: Occurrence, wanted: Planned) -> bool:
    return (
        is_now.state != "tentative"
        or is_now.series_version < series.version
        or (is_now.days, is_now.in_turn) != (wanted.days, wanted.in_turn)
    )


def _assign(
    described: DescribeSeries, existing: Sequence[Occurrence], open_ones: Sequence[Planned]
) -> Mapping[date, tuple[str, ...]]:
    """Whose turn each open occurrence is, in the order of days: of those whose last turn is longest ago, the ones that
    had fewest, then as the series lists them. What is announced keeps its turns; what is cancelled used none."""
    order = {turn.turn_id: place for place, turn in enumerate(described.turns)}
    uses = dict.fromkeys(order, 0)
    last_use = dict.fromkeys(order, -1)
    open_days = {one.series_day for one in open_ones}
    fixed = [
        Planned(one.series_day, one.days, one.in_turn)
        for one in existing
        if one.series_day not in open_days and one.state not in ("draft", "cancelled")
    ]
    given: dict[date, tuple[str, ...]] = {}
    for place, one in enumerate(
        sorted([*fixed, *open_ones], key=lambda planned: (planned.days[0], planned.series_day))
    ):
        chosen = one.in_turn
        if one.series_day in open_days:
            by_need = sorted(order, key=lambda turn: (last_use[turn], uses[turn], order[turn]))
            chosen = tuple(sorted(by_need[: described.turns_each], key=order.__getitem__))
            given[one.series_day] = chosen
        for turn in chosen:
            if turn in order:
                uses[turn] += 1
                last_use[turn] = place
    return given


def describe(described: DescribeSeries, planned: Planned) -> DraftBazaar:
    """One occurrence, as an officer would set it up."""
    turns = [turn for turn in described.turns if turn.turn_id in planned.in_turn]
    sites = {site_id for turn in turns for site_id in turn.sites}
    first_day = planned.days[0]
    opening = described.opening
    return DraftBazaar(
        name=described.name,
        theme=described.theme,
        setting=described.setting,
        area=turns[0].area if len(turns) == 1 and turns[0].area is not None else described.area,
        organisers=described.organisers,
        funding=described.funding,
        opening=None
        if opening is None
        else Opening(at=datetime.combine(first_day, opening.at, JAKARTA), title=opening.title, url=opening.url),
        links=described.links,
        days=list(planned.days),
        sites=[site for site in described.sites if not turns or site.site_id in sites],
        applications_close_at=described.applications_close.of(first_day),
        applications_open_at=None if described.applications_open is None else described.applications_open.of(first_day),
        offer_hours=described.offer_hours,
        release_hours=described.release_hours,
        policy=described.policy,
    )


def drop(bazaar: Bazaar, now: datetime) -> tuple[Bazaar, BazaarCancelled]:
    """A tentative occurrence that its series no longer has: it does not take place, and nobody had applied."""
    bazaar.require("tentative", "drop it from its series")
    after = replace(bazaar.revised(now), state="cancelled", cancelled_because=CANCELLED_BY_SERIES)
    event = BazaarCancelled(
        bazaar_id=bazaar.bazaar_id, name=bazaar.name, days=list(bazaar.days), reason=CANCELLED_BY_SERIES
    )
    return after, event


def next_planning(now: datetime) -> datetime:
    """When the service looks again whether enough is planned: on the first of the next month, at three in the night."""
    today = day_in_jakarta(now)
    first = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    return datetime.combine(first, PLANNING_AT, JAKARTA)


def planned_until(described: DescribeSeries, now: datetime) -> date | None:
    """Up to which day it is kept planned, to last until the next time; None: by officers only."""
    ahead = described.planned_ahead_days
    return None if ahead is None else day_in_jakarta(now) + timedelta(days=ahead)

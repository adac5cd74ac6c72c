"""A series: its windows and holidays, whose turn it is, and what planning changes."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from holidays.constants import GOVERNMENT, PUBLIC
from holidays.countries.indonesia import Indonesia
from hypothesis import given, settings
from hypothesis import strategies as st
from lokal.holidays import HOLIDAY_YEARS
from pydantic import ValidationError

from services.bazaar.domain.bazaar import BazaarState
from services.bazaar.domain.series import (
    HORIZON,
    OCCURRENCES_MAX,
    DescribeSeries,
    HorizonTooFar,
    Occurrence,
    Plan,
    RecurrenceEmpty,
    Series,
    WindowsOverlap,
    describe,
    next_planning,
    plan,
    require_days,
    schedule,
)
from shared.days_off import day_off, is_weekend
from shared.ids import new_id

KECAMATAN = [f"31.71.0{number}" for number in range(1, 9)]
"""The eight of Central Jakarta (DOMAIN C1)."""


def described(**more: Any) -> DescribeSeries:
    """A series of one site, every Friday of 2026, unless told otherwise."""
    fields: dict[str, Any] = {
        "name": "Jumat Beli Lokal",
        "organisers": ["Dinas PPKUKM"],
        "recurrence": "RRULE:FREQ=WEEKLY;BYDAY=FR",
        "first_day": "2026-01-02",
        "applications_close": {"days_before": 3, "at": "17:00"},
        "sites": [a_site("one")],
    }
    return DescribeSeries.model_validate({**fields, **more})


def a_site(site_id: str, kelurahan: str = "31.71.02.1002") -> dict[str, Any]:
    return {"site_id": site_id, "name": site_id, "venue_type": "rusun", "kelurahan": kelurahan, "booths": 30}


def in_turn(number: int = 8, each: int = 1, **more: Any) -> DescribeSeries:
    """A series with so many sites, one turn for each."""
    sites = [a_site(f"s{place}") for place in range(number)]
    turns = [{"turn_id": f"t{place}", "sites": [f"s{place}"]} for place in range(number)]
    return described(sites=sites, turns=turns, turns_each=each, **more)


def first_days(series: DescribeSeries, until: date) -> list[date]:
    return [one.days[0] for one in schedule(series, until)]


# --- days off


@pytest.mark.parametrize("year", HOLIDAY_YEARS)
def test_the_two_libraries_agree_on_the_years_that_both_know(year: int) -> None:
    public, joint = Indonesia(years=year, categories=(PUBLIC,)), Indonesia(years=year, categories=(GOVERNMENT,))
    for place in range(365):
        day = date(year, 1, 1) + timedelta(days=place)
        assert day_off(day) == ("holiday" if day in public else "joint-leave" if day in joint else None), day


def test_lebaran_of_2023_is_known_from_the_decree_of_that_year() -> None:
    assert [day_off(date(2023, 4, day)) for day in range(18, 27)] == [
        None,
        "joint-leave",
        "joint-leave",
        "joint-leave",
        "holiday",
        "holiday",
        "joint-leave",
        "joint-leave",
        None,
    ]


FRIDAYS_OFF = [
    date(2026, 1, 16),
    date(2026, 3, 20),
    date(2026, 4, 3),
    date(2026, 5, 1),
    date(2026, 5, 15),
    date(2026, 12, 25),
]


def test_six_fridays_of_2026_are_days_off() -> None:
    fridays = first_days(described(), date(2026, 12, 31))
    assert len(fridays) == 52
    assert [day for day in fridays if day_off(day)] == FRIDAYS_OFF


@pytest.mark.parametrize(
    ("rule", "moved"),
    [
        ("keep", FRIDAYS_OFF),
        ("skip", []),
        # of 20 March: Saturday to Tuesday are off too; of 3 April: Sunday is Easter
        ("next-working-day", ["2026-01-19", "2026-03-25", "2026-04-06", "2026-05-04", "2026-05-18", "2026-12-28"]),
        ("previous-working-day", ["2026-01-15", "2026-03-17", "2026-04-02", "2026-04-30", "2026-05-13", "2026-12-23"]),
        # a week later there is a Friday of the series already
        ("week-later", []),
    ],
)
def test_fridays_of_2026_obey_their_holidays(rule: str, moved: list[date | str]) -> None:
    planned = schedule(described(on_holiday=rule), date(2026, 12, 31))
    found = {one.series_day: one.days[0] for one in planned}
    wanted = [date.fromisoformat(day) if isinstance(day, str) else day for day in moved]
    assert [found[day] for day in FRIDAYS_OFF if day in found] == wanted
    assert len(found) == 46 + len(wanted)
    assert all(day == found[day] for day in found if day not in FRIDAYS_OFF)


def test_joint_leave_counts_unless_the_series_says_otherwise() -> None:
    series = described(on_holiday="skip", joint_leave_counts=False)
    fridays = first_days(series, date(2026, 12, 31))
    assert [day for day in FRIDAYS_OFF if day in fridays] == [date(2026, 3, 20), date(2026, 5, 15)]


def test_a_week_later_where_the_series_has_no_occurrence() -> None:
    monthly = described(recurrence="FREQ=MONTHLY;BYMONTHDAY=20", first_day="2026-01-20", on_holiday="week-later")
    planned = {one.series_day: one.days[0] for one in schedule(monthly, date(2026, 3, 31))}
    assert planned[date(2026, 3, 20)] == date(2026, 3, 27)


def test_a_window_moves_whole_and_is_never_split() -> None:
    """20 and 21 March 2023: the next day is off, and so is the one after (Nyepi), so it moves behind both."""
    series = described(
        recurrence="FREQ=MONTHLY;BYMONTHDAY=21", first_day="2023-03-21", window=2, on_holiday="next-working-day"
    )
    (one,) = schedule(series, date(2023, 3, 31))
    assert day_off(date(2023, 3, 22)) == "holiday"
    assert day_off(date(2023, 3, 23)) == "joint-leave"
    # 24 March is a Friday: the window would last into a Saturday
    assert one.days == (date(2023, 3, 27), date(2023, 3, 28))


def test_a_window_with_a_weekend_in_it_may_have_one_elsewhere() -> None:
    series = described(
        recurrence="FREQ=MONTHLY;BYDAY=1SA", first_day="2026-04-04", window=2, on_holiday="next-working-day"
    )
    (one,) = schedule(series, date(2026, 4, 30))
    assert one.days == (date(2026, 4, 6), date(2026, 4, 7))


@given(
    st.sampled_from(["next-working-day", "previous-working-day", "week-later"]), st.integers(1, 4), st.integers(1, 28)
)
@settings(max_examples=60)
def test_no_occurrence_meets_a_day_off_or_another_occurrence(rule: str, length: int, day: int) -> None:
    first = date(2026, 1, day)
    series = described(
        recurrence=f"FREQ=MONTHLY;BYMONTHDAY={day},{day % 28 + 1}" if length == 1 else f"FREQ=MONTHLY;BYMONTHDAY={day}",
        first_day=first,
        window=length,
        on_holiday=rule,
    )
    planned = schedule(series, date(2027, 12, 31))
    all_days = [one for occurrence in planned for one in occurrence.days]
    assert len(all_days) == len(set(all_days))
    assert not any(map(day_off, all_days))
    # a nearer horizon shows the same
    near = date(2027, 3, 15)
    assert schedule(series, near) == [one for one in planned if one.series_day <= near]


# --- what is described


def test_a_window_of_two_days_from_the_20th() -> None:
    series = described(recurrence="FREQ=MONTHLY;BYMONTHDAY=20", first_day="2023-03-20", window=2)
    command = describe(series, schedule(series, date(2023, 3, 31))[0])
    assert command.days == [date(2023, 3, 20), date(2023, 3, 21)]
    assert command.applications_close_at == datetime(2023, 3, 17, 10, 0, tzinfo=UTC)


def test_an_opening_act_is_on_the_first_day_of_each_occurrence() -> None:
    act = {"at": "09:00", "title": "Pembukaan", "url": "https://meet.example/x"}
    series = described(opening=act, window=[0, 2])
    command = describe(series, schedule(series, date(2026, 1, 2))[0])
    assert command.opening is not None
    assert command.opening.at == datetime(2026, 1, 2, 2, 0, tzinfo=UTC)
    assert command.days == [date(2026, 1, 2), date(2026, 1, 4)]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"window": 0}, "greater than or equal to 1"),
        ({"window": 32}, "less than or equal to 31"),
        ({"window": []}, "in order, each once, the first 0"),
        ({"window": [1, 2]}, "the first 0"),
        ({"window": [0, 2, 2]}, "each once"),
        ({"window": [0, 63]}, "within 62 days"),
        ({"recurrence": "FREQ=HOURLY"}, "finer than a day"),
        ({"organisers": [{"name": "Bulog", "role": "sponsor"}]}, "at least one with the role organiser"),
        ({"organisers": ["Sudin", "Sudin"]}, "twice in the same role"),
        ({"applications_close": {"days_before": 0, "at": "17:00"}}, "greater than or equal to 1"),
        ({"applications_close": {"days_before": 1, "at": "23:59"}}, "while offers can be answered"),
        ({"applications_close": {"days_before": 1, "at": "17:00+07:00"}}, "without an offset"),
        ({"applications_open": {"days_before": 3, "at": "17:00"}}, "must lie before"),
        ({"turns": [{"turn_id": "a", "sites": ["two"]}]}, "only sites of the series"),
        ({"turns": [{"turn_id": "a", "sites": ["one"]}] * 2}, "same turn_id"),
        ({"turns": [{"turn_id": "a", "sites": ["one"]}], "turns_each": 2}, "there are 1 turns"),
        ({"sites": [a_site("one"), a_site("one")]}, "same site_id"),
        ({"sites": [{**a_site("one"), "days": ["2026-01-02"]}]}, "name no days"),
        ({"funding": {"source": "apbd"}}, "names its year"),
        ({"funding": {"source": "none", "sponsor": "X"}}, "names the sponsor"),
        ({"links": [{"kind": "stream", "title": "x", "url": "http://a.example"}]}, "URL scheme"),
        ({"links": [{"kind": "stream", "title": "x", "url": "https://u:p@a.example"}]}, "names no user"),
        ({"links": [{"kind": "stream", "title": "x", "url": "https://a.example/\n"}]}, "match pattern"),
        ({"planned_ahead_days": 733}, "less than or equal to 732"),
    ],
)
def test_a_series_that_cannot_be_is_refused(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        described(**more)


def test_a_series_begins_on_a_day_of_its_own_rule() -> None:
    with pytest.raises(RecurrenceEmpty, match="2026-01-02") as refused:
        require_days(described(first_day="2026-01-01"))
    assert refused.value.details["first"] == date(2026, 1, 2)
    with pytest.raises(RecurrenceEmpty, match="no day"):
        require_days(described(recurrence="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"))
    require_days(described())


def test_windows_that_meet_are_refused_and_windows_that_touch_are_not() -> None:
    with pytest.raises(WindowsOverlap, match="lasts until 2026-01-09"):
        require_days(described(window=8))
    require_days(described(window=7))


def test_the_service_plans_on_the_first_of_the_next_month_in_jakarta() -> None:
    at_three = datetime(2026, 12, 31, 20, 0, tzinfo=UTC)
    assert next_planning(datetime(2026, 12, 31, 16, 59, tzinfo=UTC)) == at_three
    assert next_planning(datetime(2026, 12, 1, 0, 0, tzinfo=UTC)) == at_three
    # 31 December 17.00 UTC is New Year in Jakarta
    assert next_planning(datetime(2026, 12, 31, 17, 0, tzinfo=UTC)) == datetime(2027, 1, 31, 20, 0, tzinfo=UTC)


# --- planning and turns


NOW = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)


class Season:
    """A series and its occurrences, changed as plans say and as officers do."""

    def __init__(self, series: DescribeSeries, now: datetime = NOW) -> None:
        self.series = Series(new_id(), 1, series)
        self.now = now
        self.occurrences: dict[UUID, Occurrence] = {}

    def plan(self, until: date) -> Plan:
        """Plan, and let it be so."""
        made = plan(self.series, list(self.occurrences.values()), until, self.now)
        for one in made.added:
            self._put(
                Occurrence(
                    new_id(), one.series_day, one.days, "tentative", None, one.in_turn, self.series.version, False
                )
            )
        for was, one in made.changed:
            self._put(
                was._replace(
                    state="tentative",
                    cancelled_because=None,
                    days=one.days,
                    in_turn=one.in_turn,
                    series_version=self.series.version,
                )
            )
        for was in made.dropped:
            self._put(was._replace(state="cancelled", cancelled_because="series"))
        return made

    def change(self, series: DescribeSeries) -> Plan:
        """Describe the series anew; its tentative occurrences follow."""
        self.series = Series(self.series.series_id, self.series.version + 1, series)
        return self.plan(self.now.date())

    def set(self, place: int, state: BazaarState, **more: Any) -> None:
        """The occurrence at this place in order of days."""
        self._put(self.in_order()[place]._replace(state=state, **more))

    def in_order(self) -> list[Occurrence]:
        return sorted(self.occurrences.values(), key=lambda one: one.days[0])

    def turns(self) -> list[str]:
        """Turns taken by those not cancelled, in order of days."""
        return [" ".join(one.in_turn) for one in self.in_order() if one.state != "cancelled"]

    def _put(self, one: Occurrence) -> None:
        self.occurrences[one.bazaar_id] = one


def test_planning_again_changes_nothing() -> None:
    season = Season(in_turn(4))
    assert len(season.plan(date(2026, 3, 31)).added) == 13 - 1  # for 2 January applications would be closed by now
    assert season.plan(date(2026, 3, 31)) == Plan((), (), ())
    assert season.plan(date(2026, 2, 1)) == Plan((), (), ())
    assert len(season.plan(date(2026, 4, 30)).added) == 4


def test_an_occurrence_is_planned_while_there_is_time_to_apply() -> None:
    closing = datetime(2026, 1, 6, 10, 0, tzinfo=UTC)
    series = Series(new_id(), 1, described())
    assert plan(series, [], date(2026, 1, 9), closing).added == ()
    (one,) = plan(series, [], date(2026, 1, 9), closing - timedelta(microseconds=1)).added
    assert one.series_day == date(2026, 1, 9)


def test_nobody_plans_beyond_the_horizon() -> None:
    season, last = Season(described()), date(2026, 1, 1) + HORIZON
    season.plan(last)
    with pytest.raises(HorizonTooFar):
        season.plan(last + timedelta(days=1))


def test_a_daily_series_is_planned_piece_by_piece() -> None:
    season = Season(described(recurrence="FREQ=DAILY", first_day="2026-01-01"))
    assert len(season.plan(date(2026, 12, 31)).added) == OCCURRENCES_MAX
    season.plan(date(2026, 12, 31))
    days = [one.series_day for one in season.in_order()]
    assert len(days) == 2 * OCCURRENCES_MAX
    assert all(later - day == timedelta(days=1) for day, later in pairwise(days))


def test_a_season_of_article_002_takes_six_of_eight_kecamatan_in_turn() -> None:
    """Twice a month over a year (DOMAIN C1, C4): the next round favours the two left out."""
    season = Season(
        in_turn(8, 6, recurrence="FREQ=MONTHLY;BYMONTHDAY=5,20", first_day="2026-01-05", window=2),
        NOW - timedelta(days=30),
    )
    season.plan(date(2026, 12, 31))
    rounds = [set(one.in_turn) for one in season.in_order()]
    assert len(rounds) == 24
    everyone = {f"t{place}" for place in range(8)}
    for this, following in pairwise(rounds):
        assert len(this) == 6
        assert everyone - this <= following
    assert Counter(turn for taken in rounds for turn in taken) == dict.fromkeys(everyone, 18)


def test_a_cancelled_occurrence_uses_no_turn_and_the_next_that_is_not_announced_has_it() -> None:
    season = Season(in_turn(4))
    season.plan(date(2026, 3, 15))
    assert season.turns()[:5] == ["t0", "t1", "t2", "t3", "t0"]
    for place in range(3):
        season.set(place, "announced")
    season.set(1, "cancelled", cancelled_because="weather")
    made = season.plan(date(2026, 3, 15))
    assert made.added == ()
    assert made.dropped == ()
    assert season.turns()[:9] == ["t0", "t2", "t1", "t3", "t0", "t2", "t1", "t3", "t0"]


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_turns_come_round_whatever_is_cancelled_before_it_is_announced(data: st.DataObject) -> None:
    """Announced one after the other, each either held or cancelled while the later ones are tentative: over any n held
    ones each turn is there exactly once."""
    number = data.draw(st.integers(1, 6))
    season = Season(in_turn(number))
    season.plan(date(2026, 6, 30))
    for place in range(len(season.occurrences)):
        held = data.draw(st.booleans())
        if held:
            season.set(place, "announced")
        else:
            season.set(place, "cancelled", cancelled_because="weather")
        season.plan(date(2026, 6, 30))
    turns = season.turns()
    for start in range(len(turns) - number + 1):
        assert len(set(turns[start : start + number])) == number


@given(
    st.lists(st.sampled_from(["announced", "cancelled", "tentative", "finished"]), min_size=8, max_size=24),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_planning_settles_at_once_and_leaves_alone_what_is_announced(states: list[BazaarState], each: int) -> None:
    season = Season(in_turn(5, each))
    season.plan(date(2026, 7, 31))
    for place, state in enumerate(states):
        season.set(place, state, cancelled_because="weather" if state == "cancelled" else None)
    before = {one.bazaar_id: one for one in season.in_order() if one.state != "tentative"}
    season.plan(date(2026, 7, 31))
    assert {bazaar_id: season.occurrences[bazaar_id] for bazaar_id in before} == before
    assert season.plan(date(2026, 7, 31)) == Plan((), (), ())
    assert all(len(set(one.in_turn)) == each for one in season.in_order())


def test_a_changed_rule_moves_the_tentative_and_leaves_the_announced() -> None:
    season = Season(described())
    season.plan(date(2026, 2, 28))
    season.set(0, "announced")
    made = season.change(described(recurrence="FREQ=WEEKLY;BYDAY=TH", first_day="2026-01-01"))
    assert len(made.dropped) == 7
    assert made.added == ()
    season.plan(date(2026, 2, 28))
    there = [one for one in season.in_order() if one.state != "cancelled"]
    # the announced Friday stays; Thursdays from then on, and before it too
    assert [one.days[0].weekday() for one in there] == [3, 4, *[3] * 7]


def test_a_rule_changed_back_brings_back_what_it_had_dropped() -> None:
    season = Season(described())
    season.plan(date(2026, 2, 28))
    before = {one.bazaar_id: (one.series_day, one.days, one.state) for one in season.in_order()}
    season.change(described(recurrence="FREQ=WEEKLY;BYDAY=TH", first_day="2026-01-01"))
    season.change(described())
    made = season.plan(date(2026, 2, 28))
    assert made.added == ()
    assert {one.bazaar_id: (one.series_day, one.days, one.state) for one in season.in_order()} == before


def test_a_changed_description_reaches_every_tentative_occurrence_but_those_edited_by_hand() -> None:
    season = Season(described())
    season.plan(date(2026, 1, 31))
    season.set(1, "tentative", by_hand=True)
    made = season.change(described(name="Jumat Beli Lokal Jakarta"))
    assert [was.series_day.day for was, _ in made.changed] == [9, 23, 30]


def test_an_officers_cancellation_is_never_taken_back_by_planning() -> None:
    season = Season(described())
    season.plan(date(2026, 1, 31))
    season.set(2, "cancelled", cancelled_because="organiser")
    assert season.plan(date(2026, 1, 31)) == Plan((), (), ())
    assert season.in_order()[2].state == "cancelled"


def test_a_turns_area_is_that_of_its_occurrence() -> None:
    sites = [a_site(f"s{place}", "31.71.02.1002") for place in range(2)]
    turns = [{"turn_id": f"t{place}", "sites": [f"s{place}"], "area": KECAMATAN[place]} for place in range(2)]
    series = described(sites=sites, turns=turns, area="31.71")
    one = schedule(series, date(2026, 1, 2))[0]
    assert describe(series, one._replace(in_turn=("t1",))).area == "31.71.02"
    assert [site.site_id for site in describe(series, one._replace(in_turn=("t1",))).sites] == ["s1"]
    assert describe(series, one._replace(in_turn=("t0", "t1"))).area == "31.71"


def test_a_weekend_is_saturday_and_sunday() -> None:
    assert [is_weekend(date(2026, 1, day)) for day in range(2, 6)] == [False, True, True, False]

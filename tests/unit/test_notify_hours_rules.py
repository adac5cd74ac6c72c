"""When people are written to: pauses, digests, and that nothing waits longer than it may."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lokal.holidays import HOLIDAY_YEARS

from services.notify.domain.hours import (
    ANSWER_TIME,
    Hours,
    Often,
    next_digest,
    opens,
    read_span,
    read_times,
    wait,
)
from services.notify.plans import Lane
from shared.clock import JAKARTA
from shared.days_off import is_idul_fitri

is_idul_fitri(date(2023, 1, 1))  # loads what reckons the days: not in the time that an example has

HOURS = Hours((time(21), time(6)), (time(11, 30), time(13)), feasts=True)
LATER = timedelta(days=7)

moments = st.timedeltas(timedelta(0), timedelta(days=2500)).map(lambda past: datetime(2023, 1, 1, tzinfo=UTC) + past)
lanes = st.sampled_from(list(Lane))


def wib(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA)


def left(now: datetime, *, lane: Lane = Lane.PERSONAL, must: bool = False, due: datetime | None = None) -> str | None:
    """Until when a message waits, in words; None: it leaves now."""
    deadline = due or now + LATER
    found = wait(HOURS, now, lane=lane, must=must, news=False, deadline=deadline, matters_by=deadline)
    return None if found is None else f"{found[0].astimezone(JAKARTA):%d %H:%M} {found[1]}"


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2023-03-01 20:59:59", None),
        ("2023-03-01 21:00", "02 06:00 quiet-hours"),
        ("2023-03-01 23:59:59", "02 06:00 quiet-hours"),
        ("2023-03-02 00:00", "02 06:00 quiet-hours"),
        ("2023-03-02 05:59:59", "02 06:00 quiet-hours"),
        ("2023-03-02 06:00", None),
        ("2023-02-28 22:00", "01 06:00 quiet-hours"),
        ("2023-12-31 22:00", "01 06:00 quiet-hours"),
        ("2024-02-28 21:30", "29 06:00 quiet-hours"),
        ("2023-03-03 11:29:59", None),
        ("2023-03-03 11:30", "03 13:00 friday-prayer"),
        ("2023-03-03 12:59:59", "03 13:00 friday-prayer"),
        ("2023-03-03 13:00", None),
        ("2023-03-02 12:00", None),
    ],
)
def test_what_is_not_time_critical_waits_for_the_end_of_a_pause(now: str, until: str | None) -> None:
    assert left(wib(now)) == until


@pytest.mark.parametrize(
    ("due", "until"),
    [
        ("2023-03-01 23:00", None),
        ("2023-03-02 08:59:59", None),
        ("2023-03-02 09:00", "02 06:00 quiet-hours"),
        ("2023-03-03 22:00", "02 06:00 quiet-hours"),
    ],
)
def test_an_offer_that_could_not_be_answered_by_day_leaves_at_night(due: str, until: str | None) -> None:
    assert left(wib("2023-03-01 22:00"), lane=Lane.OFFER, must=True, due=wib(due)) == until


def test_nothing_else_leaves_at_night_for_a_deadline_that_it_would_meet() -> None:
    assert left(wib("2023-03-01 22:00"), must=True, due=wib("2023-03-02 06:01")) == "02 06:00 quiet-hours"


def test_what_must_be_told_leaves_rather_than_pass_its_deadline_and_the_rest_expires() -> None:
    assert left(wib("2023-03-01 22:00"), must=True, due=wib("2023-03-02 06:00")) is None
    assert left(wib("2023-03-01 22:00"), must=False, due=wib("2023-03-02 06:00")) == "02 06:00 quiet-hours"


def test_news_rests_over_idul_fitri_and_other_messages_do_not() -> None:
    first = date(2023, 4, 22)
    assert [is_idul_fitri(first + timedelta(days=n)) for n in (-1, 0, 1, 2)] == [False, True, True, False]
    eve, day = wib("2023-04-21 22:00"), wib("2023-04-22 10:00")
    for now in (eve, day):
        end, _ = opens(HOURS, now, news=True)
        assert end == wib("2023-04-24 06:00")
    assert opens(HOURS, day) == (day, None)


@pytest.mark.parametrize("year", [2023, *HOLIDAY_YEARS, max(HOLIDAY_YEARS) + 1])
def test_idul_fitri_is_two_days_of_every_year_decreed_or_reckoned(year: int) -> None:
    first, second = [day for n in range(365) if is_idul_fitri(day := date(year, 1, 1) + timedelta(days=n))]
    assert second - first == timedelta(days=1)


@given(moments, lanes, st.booleans(), st.booleans(), st.timedeltas(timedelta(minutes=1), timedelta(days=10)))
def test_nothing_that_can_wait_leaves_in_a_pause_and_nothing_waits_twice(
    now: datetime, lane: Lane, must: bool, news: bool, life: timedelta
) -> None:
    deadline = now + life
    found = wait(HOURS, now, lane=lane, must=must, news=news, deadline=deadline, matters_by=deadline)
    end, because = opens(HOURS, now, news=news)
    if found is None:
        assert because is None or (lane == Lane.OFFER and deadline < end + ANSWER_TIME) or (must and deadline <= end)
        return
    until, _ = found
    assert until > now
    assert opens(HOURS, until, news=news) == (until, None), "it comes out of the pause"
    assert wait(HOURS, until, lane=lane, must=must, news=news, deadline=deadline, matters_by=deadline) is None
    if must:
        assert until < deadline, "what must be told never waits past its deadline"
    if not news:
        assert until - now <= timedelta(hours=9)


@given(moments)
def test_the_hour_of_the_machine_does_not_matter_only_that_of_jakarta(now: datetime) -> None:
    assert opens(HOURS, now) == opens(HOURS, now.astimezone(JAKARTA))
    local = now.astimezone(JAKARTA)
    quiet = local.time() >= time(21) or local.time() < time(6)
    friday = local.weekday() == 4 and time(11, 30) <= local.time() < time(13)
    assert (opens(HOURS, now)[1] is not None) == (quiet or friday)


@given(
    moments,
    st.sampled_from(["daily", "weekly"]),
    st.lists(st.times().filter(lambda at: at.tzinfo is None), min_size=1, max_size=3),
)
def test_a_digest_comes_after_now_outside_of_pauses_and_soon_enough(
    now: datetime, often: Often, times: list[time]
) -> None:
    moment = next_digest(HOURS, tuple(times), often, now)
    assert moment is not None
    assert moment > now
    assert opens(HOURS, moment) == (moment, None)
    assert moment - now <= timedelta(days=1 if often == "daily" else 7, hours=9)
    assert next_digest(HOURS, tuple(times), often, moment - timedelta(microseconds=1)) == moment


def test_digests_come_at_four_in_the_afternoon_and_weekly_on_mondays() -> None:
    times = (time(16),)
    assert next_digest(HOURS, times, "daily", wib("2023-03-01 15:59:59")) == wib("2023-03-01 16:00")
    assert next_digest(HOURS, times, "daily", wib("2023-03-01 16:00")) == wib("2023-03-02 16:00")
    assert next_digest(HOURS, times, "weekly", wib("2023-03-01 15:00")) == wib("2023-03-06 16:00")
    assert next_digest(HOURS, times, "off", wib("2023-03-01 15:00")) is None
    assert next_digest(HOURS, (), "daily", wib("2023-03-01 15:00")) is None


def test_settings_write_times_as_people_do() -> None:
    assert read_span("21:00-06:00") == (time(21), time(6))
    assert read_span("off") is None
    assert read_times("16:00, 10:30") == (time(10, 30), time(16))
    assert read_times("OFF") == ()
    for wrong in ("21:00", "21-6", "25:00-06:00", "06:00-06:00", "", "21:00-06:00-07:00"):
        with pytest.raises(ValueError):
            read_span(wrong)
    for wrong in ("16", "16:00;17:00", ""):
        with pytest.raises(ValueError):
            read_times(wrong)

"""On which days a series recurs: what RFC 5545 says, what is refused, and how far anything is expanded."""

import time
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.recurrence import expand, first_of, read_recurrence, window


def days(text: str, first_day: date, until: date) -> list[date]:
    return expand(read_recurrence(text), first_day, until)


def test_every_friday_of_2026() -> None:
    found = days("RRULE:FREQ=WEEKLY;BYDAY=FR", date(2026, 1, 2), date(2026, 12, 31))
    assert found == [date(2026, 1, 2) + timedelta(weeks=week) for week in range(52)]
    assert {day.weekday() for day in found} == {4}


def test_the_third_monday_of_each_month() -> None:
    found = days("FREQ=MONTHLY;BYDAY=3MO", date(2026, 1, 19), date(2026, 4, 30))
    assert found == [date(2026, 1, 19), date(2026, 2, 16), date(2026, 3, 16), date(2026, 4, 20)]


def test_the_31st_is_there_in_seven_months_only() -> None:
    found = days("FREQ=MONTHLY;BYMONTHDAY=31", date(2026, 1, 31), date(2026, 12, 31))
    assert [day.month for day in found] == [1, 3, 5, 7, 8, 10, 12]


def test_the_last_day_of_each_month_is_there_in_twelve_and_obeys_leap_years() -> None:
    found = days("FREQ=MONTHLY;BYMONTHDAY=-1", date(2028, 1, 31), date(2028, 12, 31))
    assert len(found) == 12
    assert found[1] == date(2028, 2, 29)


def test_29_february_is_every_fourth_year() -> None:
    found = days("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", date(2024, 2, 29), date(2036, 12, 31))
    assert found == [date(2024, 2, 29), date(2028, 2, 29), date(2032, 2, 29), date(2036, 2, 29)]


def test_29_february_of_2100_is_none() -> None:
    found = days("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", date(2096, 2, 29), date(2104, 12, 31))
    assert found == [date(2096, 2, 29), date(2104, 2, 29)]


def test_twice_a_month_for_two_years_and_no_longer() -> None:
    found = days("FREQ=MONTHLY;BYMONTHDAY=5,20;COUNT=4", date(2023, 1, 5), date(2030, 1, 1))
    assert found == [date(2023, 1, 5), date(2023, 1, 20), date(2023, 2, 5), date(2023, 2, 20)]


def test_until_is_a_day_of_the_series() -> None:
    found = days("FREQ=WEEKLY;UNTIL=20260116", date(2026, 1, 2), date(2030, 1, 1))
    assert found == [date(2026, 1, 2), date(2026, 1, 9), date(2026, 1, 16)]


def test_days_are_added_and_taken_out_as_rfc_5545_says() -> None:
    text = "RRULE:FREQ=WEEKLY;BYDAY=FR\r\nRDATE;VALUE=DATE:20260106,20260108\r\nEXDATE:20260109\r\n"
    found = days(text, date(2026, 1, 2), date(2026, 1, 16))
    assert found == [date(2026, 1, 2), date(2026, 1, 6), date(2026, 1, 8), date(2026, 1, 16)]


def test_days_alone_are_a_recurrence_too() -> None:
    recurrence = read_recurrence("RDATE:20260106,20260103")
    assert first_of(recurrence, date(2026, 1, 1)) == date(2026, 1, 3)
    assert expand(recurrence, date(2026, 1, 3), date(2026, 1, 5)) == [date(2026, 1, 3)]


def test_a_folded_line_is_one_line() -> None:
    assert read_recurrence("RRULE:FREQ=WEEKLY;BY\r\n DAY=FR").rule == "FREQ=WEEKLY;BYDAY=FR"


def test_a_window_is_told_by_its_distances() -> None:
    assert window(date(2028, 2, 28), (0, 1, 4)) == (date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 3))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FREQ=HOURLY", "finer than a day"),
        ("FREQ=SECONDLY", "finer than a day"),
        ("FREQ=DAILY;BYHOUR=9", "finer than a day"),
        ("FREQ=WEEKLY;COUNT=3;UNTIL=20260101", "COUNT and UNTIL"),
        ("FREQ=WEEKLY;UNTIL=20260101T000000Z", "days without a time"),
        ("FREQ=WEEKLY;UNTIL=20260230", "days without a time"),
        ("FREQ=WEEKLY;UNTIL=20260101,20260102", "UNTIL names one day"),
        ("FREQ=WEEKLY;COUNT=0", "COUNT must be a number from 1 to 1000"),
        ("FREQ=WEEKLY;COUNT=1001", "COUNT must be"),
        ("FREQ=WEEKLY;INTERVAL=0", "INTERVAL must be"),
        ("FREQ=WEEKLY;INTERVAL=-1", "INTERVAL must be"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY names weekdays"),
        ("FREQ=WEEKLY;BYDAY=", "no part of a rule"),
        ("FREQ=WEEKLY;BYDAY=3MO", "needs FREQ=MONTHLY or YEARLY"),
        ("FREQ=MONTHLY;BYDAY=9MO", "at most 5"),
        ("FREQ=MONTHLY;BYDAY=0MO", "at most 5"),
        ("FREQ=YEARLY;BYDAY=54MO", "at most 53"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY names numbers from 1 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY names"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH names"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH names"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "no meaning with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYWEEKNO=3", "no meaning with FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS chooses among"),
        ("FREQ=WEEKLY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=WEEKLY;WKST=8", "WKST must be"),
        ("FREQ=WEEKLY;BYEASTER=1", "no part of a rule"),
        ("FREQ=WEEKLY;;", "no part of a rule"),
        ("INTERVAL=2", "FREQ must be"),
        ("FREQ=FORTNIGHTLY", "FREQ must be"),
        ("every friday", "no part of a rule"),
        ("RRULE:FREQ=WEEKLY\nRRULE:FREQ=DAILY", "two RRULE lines"),
        ("DTSTART:20260101\nRRULE:FREQ=WEEKLY", "first_day"),
        ("EXRULE:FREQ=WEEKLY", "nothing else"),
        ("EXDATE:20260101", "needs a rule"),
        ("RDATE:2026-01-01", "days without a time"),
        ("RDATE:" + ",".join(["20260101"] * 201), "more than 200 days"),
        ("   ", "needs a rule"),
    ],
)
def test_what_is_no_recurrence_of_days_is_refused_with_the_way_out(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_recurrence(text)


@pytest.mark.parametrize(
    "text",
    ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1"],
)
def test_a_rule_that_never_matches_ends_soon(text: str) -> None:
    """Three seconds if dateutil searched to the year 9999; a twentieth of that as it is."""
    began = time.process_time()
    assert first_of(read_recurrence(text), date(2026, 1, 1)) is None
    assert time.process_time() - began < 1.5


@given(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 12),
    st.dates(date(2000, 1, 1), date(2199, 12, 31)),
    st.integers(0, 800),
)
def test_expansion_is_bounded_by_the_horizon_in_order_and_begins_with_its_first_day(
    frequency: str, interval: int, first_day: date, ahead: int
) -> None:
    until = first_day + timedelta(days=ahead)
    found = days(f"FREQ={frequency};INTERVAL={interval}", first_day, until)
    assert found[0] == first_day
    assert found == sorted(set(found))
    assert found[-1] <= until
    # a nearer horizon shows a part of it: nothing depends on how far one looks
    half = first_day + timedelta(days=ahead // 2)
    assert days(f"FREQ={frequency};INTERVAL={interval}", first_day, half) == [day for day in found if day <= half]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_words(text: str) -> None:
    with suppress(ValueError):
        assert read_recurrence(text).added is not None

"""Rules of requests for courses."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.domain import demand
from services.training.domain.courses import Course
from services.training.domain.demand import Asker, CourseRequest
from services.training.domain.enrolments import Standing
from shared.clock import JAKARTA
from shared.errors import Refused
from shared.ids import new_id
from tests.integration.training import moment

NOW = moment("2023-03-01T09:00")
COURSE = Course("ekspor", "Ekspor", "Export", "basic", "export", 2, ("dasar",), 20, "listed", 1)
FREE = Asker(Standing(), {"dasar"}, [])


def request(course: str = "pembukuan", **more: Any) -> CourseRequest:
    return replace(CourseRequest(new_id(), new_id(), course, "waiting", None, NOW), **more)


def ask(asker: Asker) -> CourseRequest:
    made, event = demand.ask(new_id(), new_id(), COURSE, asker, kelurahan="31.71.02.1002", now=NOW)
    assert (event.vendor_id, event.course, event.area) == (made.vendor_id, "ekspor", "31.71.02")
    return made


def test_a_request_waits() -> None:
    assert ask(FREE).state == "waiting"
    full = [request(f"course-{number}") for number in range(demand.REQUESTS_PER_PERSON_MAX - 1)]
    assert ask(replace(FREE, requests=full)).state == "waiting"


@pytest.mark.parametrize(
    ("asker", "code"),
    [
        (replace(FREE, standing=Standing(completed=True)), "already-completed"),
        (replace(FREE, standing=Standing(open_class=new_id())), "already-enrolled"),
        (replace(FREE, requests=[request("ekspor")]), "already-requested"),
        (replace(FREE, completed=set()), "prerequisites-missing"),
        (replace(FREE, roomy_class=new_id()), "class-has-room"),
        (replace(FREE, requests=[request(f"course-{n}") for n in range(10)]), "requests-full"),
    ],
)
def test_what_makes_no_sense_to_ask_for_is_refused(asker: Asker, code: str) -> None:
    with pytest.raises(Refused) as refused:
        ask(asker)
    assert refused.value.code == code


def test_a_request_is_taken_back_while_it_is_open_and_once() -> None:
    for state in ("waiting", "drafted"):
        taken = demand.take_back(request(state=state), now=NOW)
        assert (taken.state, taken.class_id, taken.settled_at) == ("taken-back", None, NOW)
        assert demand.take_back(taken, now=moment("2023-03-02T09:00")) == taken
    for state in ("invited", "done", "expired", "course-withdrawn"):
        with pytest.raises(demand.RequestSettled):
            demand.take_back(request(state=state), now=NOW)


def test_a_request_is_over_after_twelve_months() -> None:
    made = request(requested_at=moment("2023-03-01T09:00"))
    assert made.expires_on == date(2024, 3, 1)
    assert demand.year_before(moment("2024-03-01T08:59")) < made.requested_at
    assert demand.year_before(moment("2024-03-01T09:00")) == made.requested_at
    leap = request(requested_at=moment("2024-02-29T09:00"))
    assert leap.expires_on == date(2025, 3, 1)
    assert demand.year_before(moment("2028-02-29T09:00")) == moment("2027-02-28T09:00")


@given(st.dates(date(2023, 1, 1), date(2049, 12, 31)), st.times())
def test_a_request_waits_until_the_day_that_is_shown_and_is_over_with_it(day: date, at: time) -> None:
    made = request(requested_at=datetime.combine(day, at, JAKARTA))
    first, last = (datetime.combine(made.expires_on, at, JAKARTA) for at in (time.min, time.max))
    assert demand.year_before(first - timedelta(minutes=1)) < made.requested_at <= demand.year_before(last)


def test_a_class_on_request_has_room_for_all_who_make_it() -> None:
    assert demand.places_of(COURSE) == 100
    assert demand.places_of(replace(COURSE, requests_needed=250)) == 250
    assert [demand.people_missing(COURSE, people) for people in (0, 19, 20, 21)] == [20, 1, 0, 0]

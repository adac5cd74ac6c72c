"""Rules of training: enrolment, attendance, completion. Both sides of every limit."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain import attendance, classes, completion, enrolments, results
from services.training.domain.attendance import NoSuchSession, NotEnrolled, SessionAhead, TakeAttendance
from services.training.domain.classes import AttendanceMissing, ClassRunning, OpenClass, TrainingClass
from services.training.domain.enrolments import Enrolling, Enrolment, Standing
from shared.events.training import TrainingCompleted, TrainingNotCompleted

FIRST = date(2023, 3, 6)
LAST = date(2023, 3, 10)
FIVE_DAYS = [FIRST + timedelta(days=number) for number in range(5)]


def vendor(number: int) -> UUID:
    return UUID(int=number)


def a_class(*, places: int = 2, days: list[date] | None = None) -> TrainingClass:
    command = OpenClass(
        course="dasar-kewirausahaan",
        title="Dasar Kewirausahaan",
        area="31.71.02",
        days=days or FIVE_DAYS,
        places=places,
    )
    return classes.open_class(UUID(int=99), command)[0]


def finished(*, days: list[date] | None = None) -> TrainingClass:
    return replace(a_class(days=days), state="finished")


def enrol(
    offered: TrainingClass,
    *vendors: UUID,
    taken: int = 0,
    known: Collection[UUID] | None = None,
    standings: dict[UUID, Standing] | None = None,
    today: date = FIRST,
    by_officer: bool = True,
) -> Enrolling:
    return enrolments.enrol(
        offered,
        taken,
        vendors,
        vendors if known is None else known,
        standings or {},
        today=today,
        by_officer=by_officer,
    )


def codes(outcome: Enrolling) -> list[str]:
    return [refusal.code for refusal in outcome.refused]


# --- opening


def test_an_opened_class_carries_its_rule_and_sorted_days() -> None:
    opened, event = classes.open_class(
        UUID(int=1),
        OpenClass(course="ekspor", title=" Ekspor ", area="31", days=[LAST, FIRST], places=1),
    )
    assert (opened.state, opened.version, opened.rule) == ("open", 1, completion.COMPLETION_RULE)
    assert opened.days == (FIRST, LAST)
    assert (event.class_id, event.days, event.places, event.title) == (UUID(int=1), [FIRST, LAST], 1, "Ekspor")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("places", 0),
        ("places", classes.PLACES_PER_CLASS_MAX + 1),
        ("days", []),
        ("days", [FIRST, FIRST]),
        ("days", [FIRST + timedelta(days=number) for number in range(classes.DAYS_PER_CLASS_MAX + 1)]),
        ("area", "31.99"),
        ("area", "Jakarta"),
        ("course", "Dasar Kewirausahaan"),
        ("title", "   "),
        ("unheard", 1),
    ],
)
def test_a_class_out_of_limits_is_malformed(field: str, value: object) -> None:
    body = {"course": "dasar", "title": "Dasar", "area": "31.71", "days": [FIRST], "places": 1}
    assert OpenClass.model_validate(body)
    with pytest.raises(ValidationError) as raised:
        OpenClass.model_validate({**body, field: value})
    assert raised.value.errors()[0]["loc"][0] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("places", classes.PLACES_PER_CLASS_MAX),
        ("days", [FIRST + timedelta(days=number) for number in range(classes.DAYS_PER_CLASS_MAX)]),
        ("area", "31.71.02.1002"),
    ],
)
def test_a_class_at_its_limits_is_accepted(field: str, value: object) -> None:
    body = {"course": "dasar", "title": "Dasar", "area": "31.71", "days": [FIRST], "places": 1}
    assert OpenClass.model_validate({**body, field: value})


# --- enrolling


def test_the_last_place_is_given_and_the_next_refused() -> None:
    outcome = enrol(a_class(places=2), vendor(1), vendor(2), taken=1)
    assert [event.vendor_id for event in outcome.enrolled] == [vendor(1)]
    assert [(refusal.vendor_id, refusal.code) for refusal in outcome.refused] == [(vendor(2), "class-full")]


def test_a_refused_vendor_takes_no_place() -> None:
    outcome = enrol(a_class(places=1), vendor(1), vendor(2), known=[vendor(2)])
    assert codes(outcome) == ["unknown-vendor"]
    assert [event.vendor_id for event in outcome.enrolled] == [vendor(2)]


def test_a_vendor_named_twice_gets_one_place() -> None:
    outcome = enrol(a_class(), vendor(1), vendor(1))
    assert len(outcome.enrolled) == 1
    assert outcome.refused == []


def test_a_place_in_an_open_class_of_the_course_is_enough() -> None:
    same, other = Standing(open_class=UUID(int=99)), Standing(open_class=UUID(int=98))
    outcome = enrol(a_class(), vendor(1), vendor(2), standings={vendor(1): same, vendor(2): other})
    assert codes(outcome) == ["already-enrolled", "already-enrolled"]
    assert str(UUID(int=98)) in outcome.refused[1].reason


def test_a_completed_course_is_not_taken_again_but_a_failed_one_is() -> None:
    outcome = enrol(
        a_class(), vendor(1), vendor(2), standings={vendor(1): Standing(completed=True), vendor(2): Standing()}
    )
    assert codes(outcome) == ["already-completed"]
    assert [event.vendor_id for event in outcome.enrolled] == [vendor(2)]


def test_a_finished_class_is_closed_to_everybody() -> None:
    assert codes(enrol(finished(), vendor(1), by_officer=True)) == ["class-closed"]


def test_vendors_enrol_themselves_to_the_first_day_and_officers_after_it() -> None:
    assert enrol(a_class(), vendor(1), today=FIRST, by_officer=False).enrolled
    assert codes(enrol(a_class(), vendor(1), today=FIRST + timedelta(days=1), by_officer=False)) == ["class-closed"]
    assert enrol(a_class(), vendor(1), today=FIRST + timedelta(days=1), by_officer=True).enrolled


# --- attendance


def roster(*vendors: UUID) -> list[Enrolment]:
    return [Enrolment(each) for each in vendors]


def test_a_list_sets_the_day_and_a_second_list_corrects_it() -> None:
    seats = roster(vendor(1), vendor(2))
    seats = attendance.take_attendance(a_class(), seats, TakeAttendance(day=FIRST, vendor_ids=[vendor(1)]), today=FIRST)
    assert [seat.attended for seat in seats] == [{FIRST}, set()]
    seats = attendance.take_attendance(a_class(), seats, TakeAttendance(day=FIRST, vendor_ids=[vendor(2)]), today=LAST)
    assert [seat.attended for seat in seats] == [set(), {FIRST}]


def test_attendance_is_taken_on_the_session_day_but_not_before() -> None:
    command = TakeAttendance(day=LAST, vendor_ids=[])
    assert attendance.take_attendance(a_class(), [], command, today=LAST) == []
    with pytest.raises(SessionAhead):
        attendance.take_attendance(a_class(), [], command, today=LAST - timedelta(days=1))


def test_a_day_without_a_session_is_refused() -> None:
    command = TakeAttendance(day=LAST + timedelta(days=1), vendor_ids=[])
    with pytest.raises(NoSuchSession) as raised:
        attendance.take_attendance(a_class(), [], command, today=LAST + timedelta(days=2))
    assert raised.value.details["days"] == [day.isoformat() for day in FIVE_DAYS]


def test_strangers_on_the_list_are_named_and_nothing_is_taken() -> None:
    command = TakeAttendance(day=FIRST, vendor_ids=[vendor(1), vendor(7)])
    with pytest.raises(NotEnrolled) as raised:
        attendance.take_attendance(a_class(), roster(vendor(1)), command, today=FIRST)
    assert raised.value.details["vendor_ids"] == [str(vendor(7))]


def test_a_list_that_names_a_vendor_twice_is_malformed() -> None:
    with pytest.raises(ValidationError):
        TakeAttendance(day=FIRST, vendor_ids=[vendor(1), vendor(1)])


# --- finishing and results


def test_a_class_is_finished_on_its_last_day_but_not_before() -> None:
    assert classes.finish(a_class(), FIVE_DAYS, today=LAST).state == "finished"
    with pytest.raises(ClassRunning):
        classes.finish(a_class(), FIVE_DAYS, today=LAST - timedelta(days=1))


def test_a_class_with_a_session_whose_attendance_is_missing_is_not_finished() -> None:
    with pytest.raises(AttendanceMissing) as raised:
        classes.finish(a_class(), FIVE_DAYS[1:], today=LAST)
    assert raised.value.details["days"] == [FIRST.isoformat()]


def test_finishing_again_changes_nothing() -> None:
    assert classes.finish(finished(), [], today=FIRST) == finished()


@pytest.mark.parametrize(
    ("attended", "sessions", "met"),
    [
        (4, 5, True),
        (3, 5, False),
        (3, 4, False),  # 75 %
        (4, 4, True),
        (8, 10, True),
        (7, 9, False),  # 77.8 %: seven would do only if rounded
        (1, 1, True),
        (0, 1, False),
        (48, 60, True),
        (47, 60, False),
    ],
)
def test_rule_one_wants_eighty_percent_of_the_sessions(attended: int, sessions: int, met: bool) -> None:
    assert completion.completes(1, attended, sessions) is met


@given(sessions=st.integers(1, 60), attended=st.integers(0, 60))
def test_rule_one_has_one_threshold_per_class(sessions: int, attended: int) -> None:
    least = -(-sessions * 80 // 100)
    assert completion.completes(1, attended, sessions) is (attended >= least)


def test_a_running_class_gives_no_results() -> None:
    assert results.evaluate(a_class(), [Enrolment(vendor(1), frozenset(FIVE_DAYS))]) == []


def test_each_is_judged_by_the_days_it_attended() -> None:
    seats = [
        Enrolment(vendor(1), frozenset(FIVE_DAYS[:4])),
        Enrolment(vendor(2), frozenset(FIVE_DAYS[:3])),
    ]
    (first, completed), (second, not_completed) = results.evaluate(finished(), seats)
    assert (first.result, second.result) == ("completed", "not-completed")
    assert isinstance(completed, TrainingCompleted)
    assert (completed.vendor_id, completed.completed_on) == (vendor(1), LAST)
    assert (completed.sessions_attended, completed.sessions_held) == (4, 5)
    assert isinstance(not_completed, TrainingNotCompleted)
    assert (not_completed.vendor_id, not_completed.sessions_attended) == (vendor(2), 3)


def test_judging_again_gives_only_what_changed() -> None:
    seats = [Enrolment(vendor(1), frozenset(FIVE_DAYS[:4])), Enrolment(vendor(2))]
    judged = [enrolment for enrolment, _ in results.evaluate(finished(), seats)]
    assert results.evaluate(finished(), judged) == []
    taken_back = [replace(judged[0], attended=frozenset(FIVE_DAYS[:3])), judged[1]]
    ((enrolment, event),) = results.evaluate(finished(), taken_back)
    assert (enrolment.vendor_id, enrolment.result) == (vendor(1), "not-completed")
    assert isinstance(event, TrainingNotCompleted)

"""Rules of training: enrolment, attendance, completion. Both sides of every limit."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.training.domain import assignments, classes, completion, enrolments
from services.training.domain.assignments import Assignment, Kind
from services.training.domain.classes import AttendanceMissing, ClassRunning, OpenClass, TrainingClass
from services.training.domain.enrolments import About, Enrolling, Standing

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
        About(vendors if known is None else known, standings or {}),
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


# --- finishing


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


# --- people who turn out to be one


def had(number: int, vendor_id: UUID, mentor_id: UUID, day: int = 1, kind: Kind = "foster") -> Assignment:
    return Assignment(
        UUID(int=number), vendor_id, mentor_id, kind, by="officer", since=datetime(2023, 3, day, tzinfo=UTC)
    )


def test_of_several_mentors_of_a_kind_that_of_the_id_that_stands_for_the_person_stays_else_the_oldest() -> None:
    survivor, first, second, stranger = map(vendor, (3, 1, 2, 4))
    persons = dict.fromkeys((survivor, first, second), survivor)
    mentors: dict[UUID, UUID | None] = {vendor(number): None for number in (11, 12, 13)}
    older, later = had(101, first, vendor(11), 1), had(102, second, vendor(12), 2)
    of_survivor, employed = had(103, survivor, vendor(13), 3), had(104, first, vendor(11), 1, "employed")
    others = had(105, stranger, vendor(11), 4)
    assert assignments.surplus([older, later, employed, others], persons, mentors) == [later]
    assert assignments.surplus([older, later, of_survivor, employed, others], persons, mentors) == [older, later]


def test_nobody_stays_its_own_mentor_by_whichever_id_and_another_mentor_stays_instead() -> None:
    survivor, retired, stranger = map(vendor, (1, 2, 3))
    persons = dict.fromkeys((survivor, retired), survivor)
    itself, other = vendor(11), vendor(12)
    for member in (survivor, retired):
        mentors: dict[UUID, UUID | None] = {itself: member, other: stranger}
        own, also_own = had(101, survivor, itself, 1), had(102, retired, itself, 2)
        another, theirs = had(103, retired, other, 3), had(104, stranger, itself, 1)
        assert assignments.surplus([own, another, theirs], persons, mentors) == [own]
        assert assignments.surplus([own, also_own, theirs], persons, mentors) == [own, also_own]

"""Rules of classes that change and of who waits for them. Both sides of every limit."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain import changes, clashes, classes, coverage, enrolments, invitations, waiting
from services.training.domain.changes import (
    CancelClass,
    MoveClass,
    MoveUnfit,
    PlacesTaken,
    ResizeClass,
    SessionHeld,
    SessionPast,
)
from services.training.domain.clashes import Engagement
from services.training.domain.classes import (
    ClassNotDraft,
    ClassNotOpen,
    DraftIncomplete,
    EditDraft,
    Hours,
    OpenClass,
    TrainingClass,
)
from services.training.domain.courses import Course
from services.training.domain.enrolments import About
from services.training.domain.invitations import Newcomer
from services.training.domain.openings import Opening
from services.training.domain.waiting import Wait, Waiter

FIRST = date(2023, 3, 6)
SECOND = date(2023, 3, 8)
TODAY = date(2023, 3, 1)
MOMENT = datetime(2023, 3, 1, tzinfo=UTC)
MORNING = Hours(starts=time(9), ends=time(12))
AFTERNOON = Hours(starts=time(13), ends=time(16))
KARANG_ANYAR = "31.71.02.1002"  # Sawah Besar, Central Jakarta
GAMBIR = "31.71.01.1001"


def vendor(number: int) -> UUID:
    return UUID(int=number)


def a_class(number: int = 99, area: str = "31.71.02", **more: object) -> TrainingClass:
    body = {"course": "dasar", "title": "Dasar", "area": area, "days": [FIRST, SECOND], "places": 3, **more}
    return classes.open_class(UUID(int=number), OpenClass.model_validate(body))[0]


def course(level: str = "basic") -> Course:
    return Course("dasar", "Dasar", "Basics", level, "export", 2, (), 20, "listed", 1)  # type: ignore[arg-type]


def waiter(number: int, *, class_id: UUID | None = None, since: int = 0, home: str = KARANG_ANYAR) -> Waiter:
    return Waiter(vendor(number), vendor(number), class_id, MOMENT + timedelta(minutes=since), home)


# --- drafts


def test_a_draft_needs_no_days_and_a_class_does() -> None:
    body = {"course": "dasar", "title": "Dasar", "area": "31.71.02"}
    draft, event = classes.draft_class(vendor(1), OpenClass.model_validate({**body, "draft": True}), requests=20)
    assert (draft.state, draft.days, draft.places, event.requests) == ("draft", (), classes.PLACES_DEFAULT, 20)
    with pytest.raises(ValidationError) as raised:
        OpenClass.model_validate(body)
    assert raised.value.errors()[0]["loc"] == ("days",)
    with pytest.raises(DraftIncomplete):
        classes.open_draft(draft)


def test_an_edited_draft_keeps_what_was_not_sent_and_is_opened_once() -> None:
    draft = replace(a_class(hours={FIRST: MORNING}, provider_id=vendor(5)), state="draft")
    edited = classes.edit_draft(draft, EditDraft(days=[FIRST, SECOND + timedelta(days=1)], provider_id=None))
    assert (edited.provider_id, edited.title, edited.hours) == (None, "Dasar", (MORNING, None))
    assert classes.edit_draft(edited, EditDraft(hours=AFTERNOON)).hours == (AFTERNOON, AFTERNOON)
    opened, event = classes.open_draft(edited)
    assert (opened.state, opened.version, event.days) == ("open", 2, list(edited.days))
    for act in (lambda: classes.open_draft(opened), lambda: classes.edit_draft(opened, EditDraft(title="B"))):
        with pytest.raises(ClassNotDraft):
            act()


@pytest.mark.parametrize("name", ["title", "days", "places", "kind"])
def test_what_every_class_has_is_not_cleared(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        EditDraft.model_validate({name: None})


def test_a_draft_is_refused_hours_and_links_that_do_not_fit() -> None:
    draft = replace(a_class(), state="draft")
    with pytest.raises(DraftIncomplete, match="hours"):
        classes.edit_draft(draft, EditDraft(hours={date(2023, 4, 1): MORNING}))
    with pytest.raises(DraftIncomplete, match="venue"):
        classes.edit_draft(draft, EditDraft(kind="online", venue="Aula"))


@pytest.mark.parametrize(
    "body",
    [
        {"hours": {"starts": "12:00", "ends": "12:00"}},
        {"hours": {"starts": "09:00+07:00", "ends": "12:00+07:00"}},
        {"hours": {"2023-04-01": {"starts": "09:00", "ends": "12:00"}}},
        {"kind": "online", "venue": "Aula"},
        {"kind": "online", "venue": "http://example.org"},
        {"venue": "Aula\nlantai 2"},
    ],
)
def test_a_class_with_impossible_hours_or_venue_is_malformed(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_class(**body)


def test_the_moment_of_each_session_is_known_only_where_all_hours_are() -> None:
    assert a_class(hours=MORNING).starts_at[0].isoformat() == "2023-03-06T09:00:00+07:00"
    assert len(a_class(hours={FIRST: MORNING, SECOND: AFTERNOON}).starts_at) == 2
    assert a_class(hours={FIRST: MORNING}).starts_at == []
    assert a_class().hours == ()


def test_a_class_that_differs_from_its_course_is_warned_of() -> None:
    def codes(of: TrainingClass, level: str) -> list[str]:
        return [caution.code for caution in classes.cautions_of_class(of, course(level))]

    assert codes(a_class(area="31.71.02"), "basic") == []
    assert codes(a_class(area="31.71.02.1002"), "basic") == []
    assert codes(a_class(area="31.71"), "basic") == ["area-wide"]
    assert codes(a_class(area="31.71"), "advanced") == []
    assert codes(a_class(area="31.71.02", days=[FIRST]), "advanced") == ["area-narrow", "sessions-differ"]


# --- moving, growing, cancelling


def test_sessions_ahead_move_and_those_held_stay() -> None:
    third = date(2023, 3, 10)
    moved = changes.move(a_class(), MoveClass(days=[FIRST, third]), [FIRST], today=date(2023, 3, 7))
    assert moved is not None
    assert (moved[0].days, moved[0].version, moved[1].days_before) == ((FIRST, third), 2, [FIRST, SECOND])
    with pytest.raises(SessionHeld) as raised:
        changes.move(a_class(), MoveClass(days=[SECOND]), [], today=date(2023, 3, 7))
    assert raised.value.details["days"] == ["2023-03-06"]
    with pytest.raises(SessionHeld):  # of today, and its attendance was taken
        changes.move(a_class(), MoveClass(days=[SECOND]), [FIRST], today=FIRST)
    assert changes.move(a_class(), MoveClass(days=[SECOND]), [], today=FIRST) is not None
    with pytest.raises(SessionPast):
        changes.move(a_class(), MoveClass(days=[FIRST, date(2023, 3, 6) - timedelta(days=1)]), [], today=FIRST)
    assert changes.move(a_class(), MoveClass(days=[SECOND, FIRST]), [], today=TODAY) is None


def test_the_usual_hours_go_along_and_others_fall_away() -> None:
    third = date(2023, 3, 10)
    usual = changes.move(a_class(hours=MORNING), MoveClass(days=[FIRST, third]), [], today=TODAY)
    assert usual is not None
    assert usual[0].hours == (MORNING, MORNING)
    mixed = a_class(hours={FIRST: MORNING, SECOND: AFTERNOON})
    moved = changes.move(mixed, MoveClass(days=[FIRST, third]), [], today=TODAY)
    assert moved is not None
    assert moved[0].hours == (MORNING, None)
    named = changes.move(mixed, MoveClass(days=[FIRST, third], hours={third: MORNING}), [], today=TODAY)
    assert named is not None
    assert named[0].hours == (MORNING, MORNING)
    with pytest.raises(MoveUnfit):
        changes.move(a_class(), MoveClass(hours={third: MORNING}), [], today=TODAY)
    with pytest.raises(MoveUnfit):
        changes.move(a_class(kind="online"), MoveClass(venue="Aula"), [], today=TODAY)


def test_a_class_shrinks_to_what_is_taken_and_no_further() -> None:
    assert changes.resize(a_class(), ResizeClass(places=2), 2).places == 2
    with pytest.raises(PlacesTaken):
        changes.resize(a_class(), ResizeClass(places=1), 2)


def test_what_is_over_is_neither_moved_nor_cancelled_nor_grown() -> None:
    over = replace(a_class(), state="finished")
    with pytest.raises(ClassNotOpen):
        changes.move(over, MoveClass(days=[SECOND]), [], today=TODAY)
    with pytest.raises(ClassNotOpen):
        changes.resize(over, ResizeClass(places=9), 2)
    with pytest.raises(ClassNotOpen):
        changes.cancel(over, CancelClass(reason="venue"))
    assert changes.cancel(replace(over, state="cancelled"), CancelClass(reason="venue")) is None


# --- who waits


def test_who_finds_a_class_full_waits_and_keeps_the_moment_since_when() -> None:
    full = a_class(places=1)
    about = About([vendor(1), vendor(2)])
    asked = enrolments.enrol(full, 1, [vendor(1)], about, today=TODAY, by_officer=False)
    assert [refusal.code for refusal in asked.refused] == ["class-full"]
    waits = enrolments.enrol(full, 0, [vendor(1), vendor(2)], about, today=TODAY, by_officer=False, waitlist=True)
    assert ([event.vendor_id for event in waits.enrolled], waits.waiting) == ([vendor(1)], [vendor(2)])
    known = About([vendor(2)], waits={vendor(2): Wait(vendor(2), full.class_id, MOMENT)})
    again = enrolments.enrol(full, 1, [vendor(2)], known, today=TODAY, by_officer=False, waitlist=True)
    assert [refusal.code for refusal in again.refused] == ["already-waiting"]
    elsewhere = About([vendor(2)], waits={vendor(2): Wait(vendor(2), UUID(int=1), MOMENT)})
    assert enrolments.enrol(full, 1, [vendor(2)], elsewhere, today=TODAY, by_officer=False, waitlist=True).waiting


def test_nobody_gets_a_place_that_is_spoken_for() -> None:
    outcome = enrolments.enrol(
        a_class(), 0, [vendor(1)], About([vendor(1)]), today=TODAY, by_officer=True, waitlist=True, spoken_for=True
    )
    assert (outcome.enrolled, outcome.waiting) == ([], [vendor(1)])


def test_a_course_wants_what_comes_before_it_and_another_commodity_is_only_warned_of() -> None:
    about = About([vendor(1), vendor(2)], lacking={vendor(1): ["dasar"]}, categories={vendor(2): "health"})
    meant = a_class(category="food-drink")
    outcome = enrolments.enrol(meant, 0, [vendor(1), vendor(2)], about, today=TODAY, by_officer=False)
    assert [refusal.code for refusal in outcome.refused] == ["prerequisite-missing"]
    assert [event.vendor_id for event in outcome.enrolled] == [vendor(2)]
    assert [(caution.vendor_id, caution.code) for caution in outcome.cautions] == [(vendor(2), "category-differs")]


def test_a_vendor_gives_its_place_up_until_the_first_day_and_officers_after_it() -> None:
    places = {vendor(1): vendor(1)}

    def withdraw(today: date, *, by_officer: bool) -> enrolments.Withdrawing:
        return enrolments.withdraw(a_class(), [vendor(1), vendor(2)], places, {}, today=today, by_officer=by_officer)

    assert [event.by for event in withdraw(FIRST, by_officer=False).withdrawn] == ["vendor"]
    late = withdraw(FIRST + timedelta(days=1), by_officer=False)
    assert [refusal.code for refusal in late.refused] == ["class-closed", "not-enrolled"]
    assert [event.by for event in withdraw(SECOND, by_officer=True).withdrawn] == ["officer"]


def test_who_waits_for_the_next_class_gets_the_nearest_that_fits() -> None:
    city = Opening(a_class(1, "31.71"), 1)
    near = Opening(a_class(2, "31.71.02", days=[SECOND], category="health"), 1)
    queue = [waiter(1, since=1), waiter(2, since=0), waiter(3, class_id=UUID(int=2), since=2)]
    seated = waiting.seat_waiting(queue, [city, near])
    assert [(one.vendor_id, place.class_id) for one, place in seated] == [
        (vendor(2), UUID(int=2)),
        (vendor(1), UUID(int=1)),
    ]


@given(
    queue=st.lists(
        st.tuples(st.integers(1, 12), st.integers(0, 5), st.sampled_from([None, 1, 2])),
        max_size=15,
        unique_by=lambda t: t[0],
    ),
    rooms=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_nobody_is_passed_over_for_somebody_who_came_later(
    queue: list[tuple[int, int, int | None]], rooms: tuple[int, int]
) -> None:
    openings = [Opening(a_class(number, "31.71.02"), room) for number, room in enumerate(rooms, start=1)]
    waiters = [waiter(n, since=since, class_id=None if k is None else UUID(int=k)) for n, since, k in queue]
    seated = waiting.seat_waiting(waiters, openings)
    where = {one.vendor_id: place.class_id for one, place in seated}
    for opening in openings:
        inside = [one for one, place in seated if place == opening.offered]
        assert len(inside) <= opening.room
        wanting = [one for one in waiters if one.class_id in (None, opening.offered.class_id)]
        passed_over = [one for one in wanting if one.vendor_id not in where]
        assert len(inside) == opening.room or not passed_over
        for left in passed_over:
            assert all(one.turn < left.turn for one in inside)


def test_of_one_person_with_two_ids_one_gets_a_place() -> None:
    twice = [waiter(1), replace(waiter(2, since=1), person_id=vendor(1)), waiter(3, since=2)]
    seated = waiting.seat_waiting(twice, [Opening(a_class(), 2)])
    assert [one.vendor_id for one, _ in seated] == [vendor(1), vendor(3)]


def test_places_in_line_are_counted_where_classes_of_the_course_are_given() -> None:
    queue = [waiter(1, since=2), waiter(2, since=1, home=GAMBIR), waiter(3, since=0)]
    assert waiting.places_in_line(queue, course("basic")) == {vendor(3): 1, vendor(2): 1, vendor(1): 2}
    assert waiting.places_in_line(queue, course("advanced")) == {vendor(3): 1, vendor(2): 2, vendor(1): 3}
    assert waiting.places_in_line(queue, None) == waiting.places_in_line(queue, course("basic"))


# --- invitations


def test_of_the_classes_of_one_area_the_one_that_fits_is_chosen_before_the_first() -> None:
    early = Opening(a_class(1, days=[FIRST], category="fashion-craft"), 5)
    everybody = Opening(a_class(2, days=[SECOND]), 5)
    food = Opening(a_class(3, days=[date(2023, 3, 20)], category="food-drink"), 5)
    city = Opening(a_class(4, "31.71", category="food-drink"), 5)

    def invited(category: str | None, *openings: Opening) -> UUID | None:
        (event,) = invitations.invite_newcomers([Newcomer(vendor(1), KARANG_ANYAR, category)], openings)
        return event.class_id

    assert invited("food-drink", early, everybody, food, city) == UUID(int=3)
    assert invited("food-drink", early, everybody, city) == UUID(int=2)
    assert invited("food-drink", early, city) == UUID(int=1), "near comes before fitting"
    assert invited(None, early, everybody, food) == UUID(int=2)


# --- clashes


def test_a_booth_takes_the_day_and_classes_their_hours() -> None:
    booth = Engagement(FIRST, "booth", vendor(7))
    morning = Engagement(FIRST, "class", vendor(8), "A", MORNING)
    afternoon = Engagement(FIRST, "class", vendor(9), "B", AFTERNOON)
    assert clashes.collide(booth, morning)
    assert not clashes.collide(morning, afternoon)
    assert clashes.collide(morning, replace(afternoon, hours=None))
    assert clashes.collide(morning, replace(afternoon, hours=Hours(starts=time(11, 59), ends=time(14))))
    assert not clashes.collide(morning, replace(afternoon, hours=Hours(starts=time(12), ends=time(14))))
    assert not clashes.collide(morning, replace(afternoon, day=SECOND))
    assert not clashes.collide(morning, morning)
    found = clashes.clashes_with(a_class(hours=AFTERNOON), [booth, morning, replace(morning, day=SECOND, hours=None)])
    assert [(each.day, each.kind) for each in found] == [(FIRST, "booth"), (SECOND, "class")]
    caution = clashes.caution_of_clashes(vendor(1), found)
    assert caution.days == (FIRST, SECOND)
    assert "2023-03-06: a booth; 2023-03-08: another class" in caution.reason


# --- coverage


def test_coverage_names_every_kecamatan_and_what_is_missing() -> None:
    given_there = [
        coverage.Given("31.71.02", "food-drink", 1, 100, 90, 80),
        coverage.Given("31.71.02.1002", None, 2, 60, 10, 0),
        coverage.Given("31.71", None, 5, 500, 1, 1),
    ]
    everywhere = coverage.cover(given_there, "31")
    assert len(everywhere) == 44
    sawah_besar = next(one for one in everywhere if one.area == "31.71.02")
    assert (sawah_besar.classes, sawah_besar.missing, sawah_besar.anybody) == (3, 0, 2)
    assert (sawah_besar.categories, sawah_besar.places, sawah_besar.completed) == ({"food-drink": 1}, 160, 80)
    assert sum(one.missing for one in everywhere) == 43 * 2
    assert len(coverage.cover([], "31.71")) == 8
    assert [one.area for one in coverage.cover([], "31.71.02.1002")] == ["31.71.02"]

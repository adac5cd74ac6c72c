"""Rules of help cases: who owns them, how long they may take, what moves them."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.domain import cases
from services.training.domain.cases import Case, CloseCase, Moved, OpenCase, Terms, WaitForVendor
from shared.errors import Refused
from shared.events.cases import HelpCaseClosed, HelpCaseMoved, HelpCaseOpened

NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
TODAY = date(2023, 3, 1)
VENDOR, CASE = UUID(int=1), UUID(int=2)
TERMS = Terms(30, "ppkukm")
KNOWN = {"ktp-copy", "product-label"}


def opened(coach: str | None = None) -> Case:
    return cases.open_case(CASE, VENDOR, "P4", None, TERMS, coach=coach, door="vendor", by="v", now=NOW).case


def test_a_case_is_owned_by_the_agency_that_coaches_else_by_the_services_own() -> None:
    assert opened("kpkp").owner == "kpkp"
    assert opened().owner == "ppkukm"
    assert opened().due_on == date(2023, 3, 31)


def test_a_person_with_an_open_case_gets_no_second_and_is_told_which_one_it_has() -> None:
    with pytest.raises(cases.CaseStands) as refusal:
        cases.open_case(UUID(int=3), VENDOR, "P4", opened(), TERMS, coach=None, door="officer", by="o", now=NOW)
    assert refusal.value.details == {"case_id": str(CASE)}


def test_the_deadline_stands_still_while_the_case_waits_for_the_vendor() -> None:
    waiting = cases.wait(opened(), ["product-label", "ktp-copy"], KNOWN, today=TODAY).case
    assert (waiting.state, waiting.wanted, waiting.due_on) == (
        "waiting-vendor",
        ("ktp-copy", "product-label"),
        date(2023, 3, 31),
    )
    assert cases.fall_due(waiting, today=date(2023, 6, 1)) is None
    again = cases.wait(waiting, ["ktp-copy"], KNOWN, today=date(2023, 3, 8)).case
    assert (again.waiting_since, again.wanted) == (TODAY, ("ktp-copy",))
    back = cases.resume(again, today=date(2023, 3, 11)).case
    assert (back.state, back.wanted, back.due_on) == ("open", (), date(2023, 4, 10))
    with pytest.raises(cases.CaseNotWaiting):
        cases.resume(back, today=TODAY)


def test_what_nobody_can_be_asked_for_is_refused_by_name() -> None:
    with pytest.raises(cases.WantedUnknown) as refusal:
        cases.wait(opened(), ["ktp-copy", "gold"], KNOWN, today=TODAY)
    assert refusal.value.details == {"codes": ["gold"]}


def test_a_case_is_overdue_the_day_after_its_last_and_once() -> None:
    case = opened()
    assert cases.fall_due(case, today=date(2023, 3, 31)) is None
    moved = cases.fall_due(case, today=date(2023, 4, 1))
    assert moved is not None
    assert isinstance(moved.event, HelpCaseMoved)
    assert (moved.event.state, moved.event.overdue) == ("open", True)
    assert cases.fall_due(moved.case, today=date(2023, 4, 2)) is None
    relieved = cases.set_deadline(moved.case, date(2023, 4, 20), today=date(2023, 4, 2)).case
    assert not relieved.overdue


@pytest.mark.parametrize(("days", "good"), [(-1, False), (0, True), (365, True), (366, False)])
def test_a_deadline_is_from_today_on_and_a_year_away_at_the_most(days: int, good: bool) -> None:
    day = TODAY + timedelta(days=days)
    if good:
        assert cases.set_deadline(opened(), day, today=TODAY).case.due_on == day
    else:
        with pytest.raises(cases.DeadlineRefused):
            cases.set_deadline(opened(), day, today=TODAY)


def test_who_takes_it_works_on_it_and_who_hands_it_over_does_not_any_more() -> None:
    taken = cases.take(opened(), None, by="o1", today=TODAY).case
    assert (taken.state, taken.owner, taken.officer) == ("working", "ppkukm", "o1")
    over = cases.take(taken, "kpkp", by="o2", today=TODAY).case
    assert (over.owner, over.officer) == ("kpkp", "o2")
    handed = cases.hand_over(over, "sosial", today=TODAY).case
    assert (handed.state, handed.owner, handed.officer) == ("open", "sosial", None)


def test_a_vendor_takes_its_wish_back_and_does_not_judge() -> None:
    closed = cases.close(opened(), "withdrawn", side="vendor", now=NOW)
    assert isinstance(closed.event, HelpCaseClosed)
    with pytest.raises(cases.OutcomeNotYours):
        cases.close(opened(), "solved", side="vendor", now=NOW)
    with pytest.raises(cases.CaseClosed):
        cases.close(closed.case, "withdrawn", side="vendor", now=NOW)


@pytest.mark.parametrize(("days", "good"), [(90, True), (91, False)])
def test_a_closed_case_is_opened_again_for_ninety_days(days: int, good: bool) -> None:
    closed = cases.close(opened(), "solved", side="officer", now=NOW).case
    today = TODAY + timedelta(days=days)
    if good:
        again = cases.reopen(closed, None, TERMS, today=today).case
        assert (again.state, again.outcome, again.closed_at, again.due_on) == (
            "open",
            None,
            None,
            today + timedelta(days=30),
        )
    else:
        with pytest.raises(cases.CaseTooOld):
            cases.reopen(closed, None, TERMS, today=today)
    with pytest.raises(cases.CaseStands):
        cases.reopen(closed, opened(), TERMS, today=TODAY)
    with pytest.raises(cases.CaseNotClosed):
        cases.reopen(opened(), None, TERMS, today=TODAY)


def test_what_is_moved_by_hand_in_the_registry_moves_the_case() -> None:
    case = opened()
    outcomes = {}
    for state in ("asked", "active", "completed", "left"):
        moved = cases.obey(case, state, today=TODAY, now=NOW)
        outcomes[state] = None if moved is None else (moved.case.state, moved.case.outcome)
    assert outcomes == {
        "asked": None,
        "active": ("working", None),
        "completed": ("closed", "solved"),
        "left": ("closed", "withdrawn"),
    }


def test_notes_hold_no_control_characters_and_codes_stand_once() -> None:
    with pytest.raises(ValueError, match="control characters"):
        OpenCase.model_validate({"service": "P4", "note": "a\x00b"})
    with pytest.raises(ValueError, match="twice"):
        WaitForVendor.model_validate({"wanted": ["ktp-copy", "ktp-copy"]})
    with pytest.raises(ValueError, match="outcome"):
        CloseCase.model_validate({"outcome": "lost"})


ACTS = st.sampled_from(["take", "hand", "wait", "resume", "deadline", "close", "reopen", "due", "left", "active"])


def act(case: Case, name: str, today: date) -> Moved | None:
    now = datetime(today.year, today.month, today.day, 2, tzinfo=UTC)
    match name:
        case "take":
            return cases.take(case, None, by="o", today=today)
        case "hand":
            return cases.hand_over(case, "kpkp", today=today)
        case "wait":
            return cases.wait(case, ["ktp-copy"], KNOWN, today=today)
        case "resume":
            return cases.resume(case, today=today)
        case "deadline":
            return cases.set_deadline(case, today + timedelta(days=3), today=today)
        case "close":
            return cases.close(case, "solved", side="officer", now=now)
        case "reopen":
            return cases.reopen(case, None, TERMS, today=today)
        case "due":
            return cases.fall_due(case, today=today)
        case _:
            return None if case.state == "closed" else cases.obey(case, name, today=today, now=now)  # type: ignore[arg-type] # left or active


@given(st.lists(st.tuples(ACTS, st.integers(0, 40)), max_size=15))
def test_whatever_is_done_events_tell_the_state_and_overdue_means_that_the_day_is_over(
    doings: list[tuple[str, int]],
) -> None:
    case, today = opened(), TODAY
    told: tuple[str, ...] = ("open",)
    for name, days in doings:
        today += timedelta(days=days)
        try:
            moved = act(case, name, today)
        except Refused:
            continue
        if moved is None:
            continue
        case, event = moved.case, moved.event
        assert event is not None
        told = (event.state,) if isinstance(event, HelpCaseMoved) else ("closed", getattr(event, "outcome", ""))
        assert not isinstance(event, HelpCaseOpened)
        assert told == ((case.state,) if case.outcome is None else (case.state, case.outcome))
        assert (case.waiting_since is not None) == (case.state == "waiting-vendor") == bool(case.wanted)
        assert (case.closed_at is not None) == (case.state == "closed")
        if isinstance(event, HelpCaseMoved):
            assert event.overdue == case.overdue == (case.state in ("open", "working") and today > case.due_on)

"""The seven services: which step is open from where, and what classes and banks make of P2 and P7."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from services.vendor.domain.programme import (
    SERVICES,
    Act,
    CapitalReferral,
    EnrolmentMoveRefused,
    Place,
    ServiceFollowed,
    Step,
    follow_referrals,
    follow_training,
    follows,
    move,
    stand,
)
from shared.events.programme import EnrolmentState, ProgrammeService

NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)
OPEN: dict[tuple[Act, EnrolmentState | None], EnrolmentState] = {
    ("ask", None): "asked",
    ("ask", "completed"): "asked",
    ("ask", "left"): "asked",
    ("start", None): "active",
    ("start", "asked"): "active",
    ("start", "completed"): "active",
    ("start", "left"): "active",
    ("complete", "active"): "completed",
    ("leave", "asked"): "left",
    ("leave", "active"): "left",
}
ACTS: tuple[Act, ...] = ("ask", "start", "complete", "leave")
STATES: tuple[EnrolmentState | None, ...] = (None, "asked", "active", "completed", "left")


def step(
    service: ProgrammeService, state: EnrolmentState, *, vendor: UUID = ONE, nth: int = 1, minutes: int = 0
) -> Step:
    return Step(vendor, service, nth, state, None, NOW + timedelta(minutes=minutes), "officer")


def place(state: str, class_id: int = 1) -> Place:
    done = date(2023, 3, 1) if state == "completed" else None
    return Place(ONE, UUID(int=class_id), "dasar", state, done)  # type: ignore[arg-type]  # states are the table's


def referral(state: str, number: int = 1) -> CapitalReferral:
    return CapitalReferral(ONE, UUID(int=number), "bank-dki", state, NOW)  # type: ignore[arg-type]  # likewise


def test_there_are_seven_services() -> None:
    assert SERVICES == ("P1", "P2", "P3", "P4", "P5", "P6", "P7")


@pytest.mark.parametrize("service", ["P3", "P4", "P5", "P6"])
@pytest.mark.parametrize(("act", "state"), list(product(ACTS, STATES)))
def test_each_step_is_open_from_where_the_table_says(
    service: ProgrammeService, act: Act, state: EnrolmentState | None
) -> None:
    if (act, state) in OPEN:
        assert move(service, act, state) == OPEN[act, state]
        return
    with pytest.raises(EnrolmentMoveRefused) as refused:
        move(service, act, state)
    assert set(refused.value.details["open"]) == {other for other, at in OPEN if at == state}


@pytest.mark.parametrize("service", ["P1", "P2"])
@pytest.mark.parametrize(("act", "state"), list(product(ACTS, STATES)))
def test_registration_and_training_are_not_moved_by_hand(
    service: ProgrammeService, act: Act, state: EnrolmentState | None
) -> None:
    with pytest.raises(ServiceFollowed):
        move(service, act, state)


def test_capital_is_asked_for_and_left_but_never_decided_here() -> None:
    assert move("P7", "ask", None) == "asked"
    assert move("P7", "leave", "asked") == "left"
    for act in ("start", "complete"):
        with pytest.raises(ServiceFollowed):
            move("P7", act, "asked")
    with pytest.raises(ServiceFollowed):
        move("P7", "leave", "active")
    with pytest.raises(EnrolmentMoveRefused) as refused:
        move("P7", "ask", "asked")
    assert refused.value.details["open"] == ["leave"]


@pytest.mark.parametrize(
    ("places", "state"),
    [
        ([], None),
        (["enrolled"], "active"),
        (["completed"], "completed"),
        (["not-completed"], "left"),
        (["completed", "not-completed"], "completed"),
        (["completed", "enrolled"], "active"),
        (["not-completed", "enrolled"], "active"),
        (["withdrawn"], "left"),
        (["cancelled"], "left"),
        (["completed", "withdrawn"], "completed"),
        (["cancelled", "enrolled"], "active"),
    ],
)
def test_training_follows_all_classes_of_a_vendor(places: list[str], state: str | None) -> None:
    assert follow_training(place(one, number) for number, one in enumerate(places)) == state


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], None),
        (["sent"], "active"),
        (["received"], "active"),
        (["approved"], "completed"),
        (["declined"], "left"),
        (["withdrawn"], "left"),
        (["approved", "declined"], "completed"),
        (["approved", "sent"], "active"),
        (["declined", "received"], "active"),
    ],
)
def test_capital_follows_all_referrals_of_a_vendor(states: list[str], state: str | None) -> None:
    assert follow_referrals(referral(one, number) for number, one in enumerate(states)) == state


def test_a_new_wish_outlives_referrals_that_ended() -> None:
    assert not follows("left", "asked")
    assert follows("left", "active")
    assert follows("active", "asked")
    assert follows("completed", None)
    assert not follows("active", "active")
    assert not follows(None, "asked")


def test_services_stand_by_themselves() -> None:
    standing = stand([step("P5", "active"), step("P3", "left"), step("P6", "completed")])
    assert {service: one.state for service, one in standing.items()} == {
        "P3": "left",
        "P5": "active",
        "P6": "completed",
    }


@pytest.mark.parametrize("service", ["P3", "P7"])
def test_of_two_registrations_of_a_person_the_last_step_counts(service: ProgrammeService) -> None:
    early, late = step(service, "active", minutes=0), step(service, "left", vendor=TWO, minutes=1)
    assert stand([early, late])[service] == stand([late, early])[service] == late


def test_training_under_way_at_either_registration_counts() -> None:
    running, done = step("P2", "active", minutes=0), step("P2", "completed", vendor=TWO, minutes=1)
    given_up = step("P2", "left", vendor=TWO, minutes=2)
    assert stand([running, done])["P2"] == stand([done, running])["P2"] == running
    assert stand([done, given_up])["P2"] == stand([given_up, done])["P2"] == done


def test_steps_of_one_moment_have_an_order() -> None:
    first, second = step("P3", "active", nth=1), step("P3", "left", nth=2)
    assert stand([first, second])["P3"] == stand([second, first])["P3"] == second

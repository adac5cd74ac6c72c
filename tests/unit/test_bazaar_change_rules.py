"""Cancelled or moved: what it means for the bazaar and for each application, and swaps under the rules of the sites."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.bazaar.domain.application import Application
from services.bazaar.domain.bazaar import BazaarState, WrongMoment, offers_end_at
from services.bazaar.domain.changes import (
    CancelBazaar,
    MoveBazaar,
    MoveRefused,
    cancel,
    cancel_application,
    loses_its_turn,
    move,
    reschedule,
)
from services.bazaar.domain.offers import make_offer, release_by
from services.bazaar.domain.policy import SeatLimit
from services.bazaar.domain.rotation import SeatedCount
from services.bazaar.domain.swaps import (
    NotSwappable,
    Place,
    Swap,
    SwapBreaksLimit,
    SwapBreaksNeed,
    SwapNotOpen,
    SwapTooLate,
    accept,
    approve,
    lapse,
    propose,
    refuse,
    until,
    withdraw,
)
from shared.events.bazaar import ApplicationCancelled, ApplicationRescheduled
from tests.unit.bazaar import CLOSING, DAYS, NOW, a_bazaar, a_site, an_application, an_offer

RAIN = CancelBazaar(reason="weather")
NEW_DAYS = (date(2023, 3, 27), date(2023, 3, 28))
WEEK = timedelta(days=7)
MOMENT = timedelta(microseconds=1)


def to(*days: date, **more: Any) -> MoveBazaar:
    return MoveBazaar(days=list(days), reason="venue", **more)


# --- cancelled


@pytest.mark.parametrize("state", ["tentative", "announced", "frozen", "seeded", "allocated"])
def test_a_bazaar_that_is_known_and_not_settled_can_be_cancelled(state: BazaarState) -> None:
    bazaar = a_bazaar(state=state)
    after, event = cancel(bazaar, RAIN)
    assert (after.state, after.cancelled_because) == ("cancelled", "weather")
    assert (after.version, after.revision) == (bazaar.version + 1, bazaar.revision + 1)
    assert event.days == list(DAYS)


@pytest.mark.parametrize("state", ["draft", "finished", "cancelled"])
def test_a_draft_and_what_is_over_cannot(state: BazaarState) -> None:
    with pytest.raises(WrongMoment):
        cancel(a_bazaar(state=state), RAIN)


@pytest.mark.parametrize(
    ("state", "returned", "becomes", "had_booth"),
    [
        ("received", False, "cancelled", False),
        ("queued", False, "cancelled", False),
        ("offered", False, "cancelled", True),
        ("confirmed", True, "cancelled", True),
        ("lapsed", True, "cancelled", False),
        ("released", True, "cancelled", False),
        ("released", False, None, None),
        ("attended", False, "attended", True),
    ],
)
def test_everyone_concerned_hears_what_it_means(
    state: Any, returned: bool, becomes: str | None, had_booth: bool | None
) -> None:
    application = an_application(state=state, offer=an_offer())
    step = cancel_application(application, a_bazaar(), RAIN, turn_returned=returned, today=DAYS[0])
    if becomes is None:
        assert step is None
        return
    assert step is not None
    assert isinstance(step.event, ApplicationCancelled)
    assert (step.after.state, step.event.had_booth, step.event.turn_returned) == (becomes, had_booth, returned)
    assert loses_its_turn(application) or not returned


def test_who_stood_there_on_the_last_day_needs_not_hear() -> None:
    attended = an_application(state="attended", offer=an_offer())
    assert cancel_application(attended, a_bazaar(), RAIN, turn_returned=False, today=DAYS[-1]) is None


# --- moved


def test_days_of_sites_follow_one_for_one_unless_named() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two", days=DAYS[1:]), state="announced")
    moved = move(bazaar, to(*NEW_DAYS), CLOSING - WEEK)
    assert [site.days for site in moved.bazaar.sites] == [NEW_DAYS, NEW_DAYS[1:]]
    named = move(bazaar, to(*NEW_DAYS, sites={"two": [NEW_DAYS[0]]}), CLOSING - WEEK)
    assert named.bazaar.site("two").days == NEW_DAYS[:1]
    assert (moved.bazaar.moved_from, moved.bazaar.revision) == (DAYS, 1)
    assert moved.event is not None
    assert (moved.event.days_before, moved.event.days) == (list(DAYS), list(NEW_DAYS))


def test_the_closing_moment_moves_along_until_it_has_passed() -> None:
    bazaar = a_bazaar(applications_open_at=CLOSING - timedelta(days=3))
    before = move(bazaar, to(*NEW_DAYS), CLOSING - WEEK).bazaar
    assert before.applications_close_at == CLOSING + WEEK
    assert before.applications_open_at == CLOSING - timedelta(days=3) + WEEK
    opened = move(bazaar, to(*NEW_DAYS), CLOSING - MOMENT).bazaar
    assert (opened.applications_open_at, opened.applications_close_at) == (
        CLOSING - timedelta(days=3),
        CLOSING + WEEK,
    )
    assert move(bazaar, to(*NEW_DAYS), CLOSING).bazaar.applications_close_at == CLOSING


def test_a_bazaar_is_not_moved_to_days_for_which_nobody_could_apply_or_answer() -> None:
    bazaar = a_bazaar()
    with pytest.raises(MoveRefused, match="no longer apply"):
        move(bazaar, to(date(2023, 3, 14), date(2023, 3, 15)), CLOSING - timedelta(days=3))
    with pytest.raises(MoveRefused, match="days to come"):
        move(bazaar, to(date(2023, 3, 1), date(2023, 3, 2)), CLOSING - WEEK)
    with pytest.raises(MoveRefused, match="has begun"):
        move(a_bazaar(state="allocated"), to(*NEW_DAYS), datetime(2023, 3, 19, 17, 0, tzinfo=UTC))
    allocated = a_bazaar(state="allocated")
    eve = offers_end_at(date(2023, 3, 17)) - timedelta(hours=1)
    assert move(allocated, to(date(2023, 3, 17), date(2023, 3, 18)), eve).bazaar.days[0] == date(2023, 3, 17)
    with pytest.raises(MoveRefused, match="answered in time"):
        move(allocated, to(date(2023, 3, 17), date(2023, 3, 18)), eve + MOMENT)
    for state in ("finished", "cancelled"):
        with pytest.raises(WrongMoment):
            move(a_bazaar(state=state), to(*NEW_DAYS), NOW)


def test_a_draft_is_moved_without_a_word() -> None:
    moved = move(a_bazaar(state="draft"), to(*NEW_DAYS), CLOSING - WEEK)
    assert (moved.event, moved.bazaar.version, moved.bazaar.revision, moved.bazaar.moved_from) == (None, 1, 0, None)
    assert moved.bazaar.days == NEW_DAYS


def test_an_open_offer_has_its_whole_time_again_and_a_confirmed_booth_72_hours() -> None:
    bazaar = a_bazaar(state="allocated")
    now = CLOSING + timedelta(hours=20)
    moved = move(bazaar, to(*NEW_DAYS), now)
    made = make_offer(bazaar, "one", "A01", CLOSING, promoted=False)
    step = reschedule(an_application(state="offered", offer=made), moved, now)
    assert step.after.offer is not None
    assert step.after.offer.respond_by == now + timedelta(hours=24)
    assert step.after.offer.remind_at == now + timedelta(hours=18)
    held = reschedule(an_application(state="confirmed", offer=made), moved, now)
    assert isinstance(held.event, ApplicationRescheduled)
    assert held.after.release_by == held.event.release_by == release_by(moved.bazaar, moved.bazaar.site("one"))
    soon = move(bazaar, to(date(2023, 3, 18), date(2023, 3, 19)), now)
    longer = reschedule(an_application(state="confirmed", offer=made), soon, now).after.release_by
    assert longer == min(now + timedelta(hours=72), offers_end_at(date(2023, 3, 18)))
    waiting = reschedule(an_application(state="queued", place=1), moved, now)
    assert isinstance(waiting.event, ApplicationRescheduled)
    assert (waiting.event.booth, waiting.event.release_by, waiting.event.days) == (None, None, list(NEW_DAYS))


# --- swapped


LATER = (date(2023, 3, 25),)
BAZAAR = a_bazaar(
    a_site(
        "one",
        3,
        caps=(SeatLimit(group="category", value="food-drink", seats=1),),
        reserves=(SeatLimit(group="category", value="health", seats=1),),
    ),
    a_site("two", 3, days=LATER),
    state="allocated",
    days=(*DAYS, *LATER),
)


def standing(number: int, site_id: str, booth: str, category: str, **more: Any) -> Application:
    groups = {"category": category}
    return an_application(number, state="confirmed", offer=an_offer(site_id, booth), groups=groups, **more)


def between(one: Application, other: Application, now: datetime = NOW) -> Swap:
    return propose(BAZAAR, one, other, swap_id=UUID(int=7), now=now).swap


def test_a_swap_is_decided_on_by_the_evening_before_the_earlier_site_begins() -> None:
    one, other = standing(1, "one", "A01", "health"), standing(2, "two", "A01", "health")
    swap = between(one, other)
    assert (swap.answer_by, swap.approve_by) == (NOW + timedelta(hours=48), offers_end_at(DAYS[0]))
    assert until(swap) == swap.answer_by
    assert until(accept(swap, swap.answer_by)) == swap.approve_by
    with pytest.raises(SwapNotOpen):
        accept(swap, swap.answer_by + MOMENT)
    last = offers_end_at(DAYS[0]) - timedelta(hours=2)
    assert between(one, other, last).answer_by == offers_end_at(DAYS[0])
    with pytest.raises(SwapTooLate):
        between(one, other, last + MOMENT)
    with pytest.raises(SwapNotOpen):
        withdraw(lapse(swap, NOW), NOW)
    with pytest.raises(SwapNotOpen):
        refuse(swap, NOW)


def test_only_two_confirmed_vendors_swap() -> None:
    one, other = standing(1, "one", "A01", "health"), standing(2, "two", "A01", "health")
    for mine, theirs in ((replace(one, state="offered"), other), (one, replace(other, state="offered")), (one, one)):
        with pytest.raises(NotSwappable):
            between(mine, theirs)
    with pytest.raises(NotSwappable):
        propose(BAZAAR, one, None, swap_id=UUID(int=7), now=NOW)


@pytest.mark.parametrize(
    ("mine", "theirs", "food", "health", "refused"),
    [
        ("food-drink", "food-drink", 1, 1, False),
        ("fashion-craft", "food-drink", 1, 1, True),
        ("fashion-craft", "food-drink", 0, 1, False),
        ("food-drink", "fashion-craft", 1, 1, False),
        ("health", "fashion-craft", 1, 1, True),
        ("health", "fashion-craft", 1, 2, False),
        ("health", "health", 1, 1, False),
        ("fashion-craft", "health", 1, 0, False),
    ],
)
def test_caps_and_reserves_hold_after_a_swap(mine: str, theirs: str, food: int, health: int, refused: bool) -> None:
    one, other = standing(1, "one", "A01", mine), standing(2, "two", "A01", theirs)
    seated = [SeatedCount("one", "category", "food-drink", food), SeatedCount("one", "category", "health", health)]
    swap = accept(between(one, other), NOW)
    if refused:
        with pytest.raises(SwapBreaksLimit):
            approve(swap, BAZAAR, one, other, seated, {}, NOW)
        return
    swapped = approve(swap, BAZAAR, one, other, seated, {}, NOW)
    assert swapped.swap.state == "swapped"
    assert swapped.proposer.after.offer == an_offer("two", "A01")
    assert swapped.other.after.offer == an_offer("one", "A01")


def test_inside_a_site_no_limit_is_touched() -> None:
    one, other = standing(1, "one", "A01", "health"), standing(2, "one", "A02", "food-drink")
    seated = [SeatedCount("one", "category", "food-drink", 1), SeatedCount("one", "category", "health", 1)]
    assert approve(accept(between(one, other), NOW), BAZAAR, one, other, seated, {}, NOW).swap.state == "swapped"


def test_a_need_that_is_met_stays_met() -> None:
    one = standing(1, "one", "A01", "health", needs=("power", "water"))
    other = standing(2, "two", "A01", "health")
    swap = accept(between(one, other), NOW)
    here, there = Place("one", "A01"), Place("two", "A01")
    approve(swap, BAZAAR, one, other, [], {here: frozenset({"water"}), there: frozenset({"water"})}, NOW)
    with pytest.raises(SwapBreaksNeed):
        approve(swap, BAZAAR, one, other, [], {here: frozenset({"power"}), there: frozenset({"water"})}, NOW)

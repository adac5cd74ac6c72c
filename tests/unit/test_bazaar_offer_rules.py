"""Offers in time: deadlines of each site, reminders, and a booth given back."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.application import Application, Offer, offer
from services.bazaar.domain.bazaar import OFFER_WINDOW_MIN, Bazaar, answer_until, offers_end_at
from services.bazaar.domain.offers import (
    REMIND_BEFORE_MAX,
    REMIND_BEFORE_MIN,
    REMIND_WINDOW_MIN,
    NotReleasable,
    make_offer,
    release,
    release_by,
    remind,
    remind_at,
)
from shared.events.bazaar import BoothAssigned, BoothConfirmed, BoothOfferExpiring, BoothReleased
from tests.unit.bazaar import DAYS, NOW, a_bazaar, a_site, an_application, an_offer

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
LATER_DAYS = (date(2023, 3, 25), date(2023, 3, 26))


def two_sites(**more: Any) -> Bazaar:
    """Site "one" on 20 and 21 March, "two" on 25 and 26."""
    days = (*DAYS, *LATER_DAYS)
    return a_bazaar(a_site("one"), a_site("two", days=LATER_DAYS), state="allocated", days=days, **more)


def confirmed(site_id: str = "one", **more: Any) -> Application:
    return an_application(state="confirmed", offer=an_offer(site_id), **more)


def test_offers_of_each_site_end_the_evening_before_it_begins() -> None:
    bazaar = two_sites(offer_hours=14 * 24)
    assert answer_until(bazaar, NOW, bazaar.site("one")) == offers_end_at(DAYS[0])
    assert answer_until(bazaar, NOW, bazaar.site("two")) == offers_end_at(LATER_DAYS[0])
    after_the_first = offers_end_at(DAYS[0]) + HOUR
    assert answer_until(bazaar, after_the_first, bazaar.site("one")) is None
    assert answer_until(bazaar, after_the_first, bazaar.site("two")) == offers_end_at(LATER_DAYS[0])
    assert answer_until(bazaar, after_the_first) is None, "of all: the one that begins first"


def test_an_offer_names_the_days_of_its_site() -> None:
    bazaar = two_sites()
    step = offer(an_application(state="queued"), bazaar, make_offer(bazaar, "two", "A01", NOW, promoted=True))
    assert isinstance(step.event, BoothAssigned)
    assert step.event.days == list(LATER_DAYS)
    assert not isinstance(step.event, BoothConfirmed)


@pytest.mark.parametrize(
    ("window", "before"),
    [(2, 1), (4, 1), (8, 2), (24, 6), (48, 12), (96, 24), (14 * 24, 24)],
    ids=lambda hours: f"{hours} h",
)
def test_an_offer_is_reminded_of_a_quarter_of_its_time_before_it_lapses(window: int, before: int) -> None:
    assert remind_at(NOW, NOW + window * HOUR) == NOW + (window - before) * HOUR


def test_who_has_less_than_two_hours_has_just_been_told() -> None:
    assert remind_at(NOW, NOW + REMIND_WINDOW_MIN - MOMENT) is None


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_reminder_lies_between_offer_and_deadline_and_leaves_time(window: timedelta) -> None:
    moment = remind_at(NOW, NOW + window)
    if moment is None:
        assert window < REMIND_WINDOW_MIN
        return
    assert NOW < moment < NOW + window
    assert REMIND_BEFORE_MIN <= NOW + window - moment <= REMIND_BEFORE_MAX


def test_a_reminder_is_given_once_and_changes_nothing_else() -> None:
    bazaar = two_sites()
    made = make_offer(bazaar, "two", "A02", NOW, promoted=False)
    application = an_application(state="offered", offer=made)
    step = remind(application, bazaar)
    assert step.after.offer == made._replace(remind_at=None)
    assert (step.after.state, step.after.version) == ("offered", application.version + 1)
    assert isinstance(step.event, BoothOfferExpiring)
    assert (step.event.booth, step.event.respond_by, step.event.days) == ("A02", made.respond_by, list(LATER_DAYS))


def test_a_booth_is_given_back_at_no_cost_until_two_days_before_its_site_begins() -> None:
    bazaar = two_sites()
    # 48 hours before midnight in Jakarta, which is 17.00 UTC of the day before
    assert release_by(bazaar, bazaar.site("one")).isoformat() == "2023-03-18T00:00:00+07:00"
    deadline = release_by(bazaar, bazaar.site("one"))
    in_time, late = release(confirmed(), bazaar, deadline), release(confirmed(), bazaar, deadline + MOMENT)
    assert (in_time.costs_turn, late.costs_turn) == (False, True)
    assert in_time.step.after.state == late.step.after.state == "released"
    assert isinstance(late.step.event, BoothReleased)
    assert late.step.event.costs_turn
    assert not release(confirmed("two"), bazaar, deadline + MOMENT).costs_turn, "its site begins later"


def test_the_release_deadline_is_the_bazaars_own() -> None:
    bazaar = two_sites(release_hours=0)
    assert release_by(bazaar, bazaar.site("one")).isoformat() == "2023-03-20T00:00:00+07:00"


def test_after_a_move_a_booth_can_be_given_back_longer() -> None:
    bazaar = two_sites()
    until = release_by(bazaar, bazaar.site("one")) + 5 * HOUR
    assert not release(confirmed(release_by=until), bazaar, until).costs_turn
    assert release(confirmed(release_by=until), bazaar, until + MOMENT).costs_turn
    earlier = release_by(bazaar, bazaar.site("one")) - 5 * HOUR
    assert not release(confirmed(release_by=earlier), bazaar, earlier + HOUR).costs_turn, "never shorter than usual"


def test_a_booth_is_given_back_until_its_first_day_is_over() -> None:
    bazaar = two_sites()
    midnight = datetime.fromisoformat("2023-03-21T00:00:00+07:00")
    assert release(confirmed(), bazaar, midnight - MOMENT).costs_turn
    with pytest.raises(NotReleasable) as refused:
        release(confirmed(), bazaar, midnight)
    assert "missed" in refused.value.message


@pytest.mark.parametrize("state", ["received", "queued", "offered", "declined", "lapsed", "attended", "missed"])
def test_only_a_confirmed_booth_is_given_back(state: Any) -> None:
    with pytest.raises(NotReleasable):
        release(an_application(state=state, offer=an_offer()), two_sites(), NOW)


def test_no_offer_is_made_that_nobody_could_answer() -> None:
    bazaar = two_sites()
    last = offers_end_at(DAYS[0]) - OFFER_WINDOW_MIN
    assert make_offer(bazaar, "one", "A01", last, promoted=True) == Offer("one", "A01", offers_end_at(DAYS[0]), True)
    with pytest.raises(AssertionError):
        make_offer(bazaar, "one", "A01", last + MOMENT, promoted=True)

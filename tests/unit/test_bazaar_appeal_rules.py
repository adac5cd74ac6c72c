"""Appeals: what may be objected to and until when, what a decision may grant, and which figures are told."""

from datetime import date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.appeals import (
    FIGURES_MIN,
    FILING_DAYS,
    NOTHING_DECIDED,
    STATES_OF,
    WAITING_RESTORED_DAYS_MAX,
    About,
    Appeal,
    AppealDecidedAlready,
    AppealNotFitting,
    AppealTooLate,
    DecideAppeal,
    Decisions,
    Granted,
    NothingToReturn,
    OwnAppeal,
    SinceNotEarlier,
    SinceTooEarly,
    decide,
    file,
    file_until,
    publishable,
    require_decider,
)
from services.bazaar.domain.application import ApplicationState
from services.bazaar.domain.ledger import Standing, adjusted, in_force
from shared.clock import JAKARTA, day_in_jakarta
from tests.unit.bazaar import CLOSING, DAYS, RESPOND_BY, a_bazaar, an_application, an_offer

DECISIONS = Decisions(CLOSING, CLOSING + timedelta(hours=2))
NOW = CLOSING + timedelta(days=1)
OPEN = Appeal(UUID(int=90), UUID(int=1001), UUID(int=1), UUID(int=1), "lapsed", "open", "vendor-1", NOW)
WORDS = "Alasannya tertulis di sini."


def filed(state: ApplicationState, about: About, now: datetime = NOW) -> Appeal:
    application = an_application(1, state=state, offer=an_offer(), version=4)
    appeal, step = file(application, a_bazaar(), DECISIONS, about, appeal_id=UUID(int=90), by="vendor-1", now=now)
    assert (step.after.version, step.after.state) == (5, state)
    return appeal


def a_decision(remedy: str = "none", **more: Any) -> DecideAppeal:
    return DecideAppeal.model_validate(
        {"upheld": True, "reason": "our-mistake", "answer": WORDS, "remedy": remedy, **more}
    )


def decided(
    command: DecideAppeal, *, has_turn: bool = True, since: date = date(2023, 1, 5), appeal: Appeal = OPEN
) -> tuple[Appeal, Granted]:
    after, step, granted = decide(
        appeal,
        command,
        an_application(1, state="lapsed", offer=an_offer(), version=5),
        a_bazaar(),
        has_turn=has_turn,
        waiting_since=since,
        adjustment_id=UUID(int=91),
        by="officer",
        now=NOW,
    )
    assert (step.after.version, step.after.state) == (6, "lapsed")
    return after, granted


@pytest.mark.parametrize("state", get_args(ApplicationState))
@pytest.mark.parametrize("about", get_args(About))
def test_an_appeal_is_about_what_happened(state: ApplicationState, about: About) -> None:
    fits = state not in NOTHING_DECIDED if about == "other" else STATES_OF[about] == state
    if fits:
        assert filed(state, about).about == about
    else:
        with pytest.raises(AppealNotFitting):
            filed(state, about)


@pytest.mark.parametrize(
    ("state", "about", "decided_on"),
    [
        ("queued", "not-served", day_in_jakarta(CLOSING)),
        ("ineligible", "ineligible", day_in_jakarta(CLOSING)),
        ("lapsed", "lapsed", day_in_jakarta(RESPOND_BY)),
        ("missed", "no-show", DAYS[-1]),
        ("declined", "other", DAYS[-1]),
    ],
)
def test_one_may_object_until_the_thirtieth_day(state: ApplicationState, about: About, decided_on: date) -> None:
    until = decided_on + timedelta(days=FILING_DAYS)
    application = an_application(1, state=state, offer=an_offer())
    assert file_until(application, a_bazaar(), DECISIONS, about) == until
    night = datetime.combine(until + timedelta(days=1), datetime.min.time(), JAKARTA)
    filed(state, about, night - timedelta(microseconds=1))
    with pytest.raises(AppealTooLate):
        filed(state, about, night)


def test_nobody_decides_on_its_own_appeal_or_on_one_it_filed() -> None:
    require_decider(OPEN, "officer", is_own=False)
    for by, is_own in (("officer", True), ("vendor-1", False)):
        with pytest.raises(OwnAppeal):
            require_decider(OPEN, by, is_own=is_own)


def test_an_appeal_is_decided_once() -> None:
    after, _ = decided(a_decision())
    assert (after.state, after.decided_by, after.remedy) == ("upheld", "officer", "none")
    with pytest.raises(AppealDecidedAlready):
        decided(a_decision(), appeal=after)


@pytest.mark.parametrize(
    "wrong",
    [
        {"upheld": False},
        {"reason": "rule-was-followed"},
        {"upheld": False, "reason": "not-shown", "remedy": "turn-returned"},
        {"remedy": "waiting-restored"},
        {"since": "2022-01-01"},
        {"answer": "  ok  "},
        {"reason": "because"},
    ],
)
def test_a_decision_that_contradicts_itself_is_malformed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_decision(**{"remedy": "none", **wrong})


def test_a_turn_is_returned_where_there_is_one() -> None:
    assert decided(a_decision("turn-returned"))[1] == Granted(turn_returned=True, adjustment=None)
    with pytest.raises(NothingToReturn):
        decided(a_decision("turn-returned"), has_turn=False)
    assert decided(a_decision())[1] == Granted(turn_returned=False, adjustment=None)


@given(days=st.integers(1, 3000), later=st.integers(0, 2000))
def test_restored_waiting_is_exact_until_the_next_turn(days: int, later: int) -> None:
    since = date(2023, 1, 5)
    earlier, today = since - timedelta(days=days), day_in_jakarta(NOW)
    _, granted = decided(a_decision("waiting-restored", since=earlier), since=since)
    assert granted.adjustment is not None
    on = today + timedelta(days=later)
    assert adjusted(Standing(2, since), [granted.adjustment], on) == (2, earlier)
    turned = Standing(3, today + timedelta(days=1))
    assert adjusted(turned, [granted.adjustment], max(on, turned.waiting_since)) == turned
    assert in_force(turned.waiting_since, [granted.adjustment]) == []


@pytest.mark.parametrize("since", [date(2023, 1, 5), date(2023, 2, 1)])
def test_waiting_is_restored_to_an_earlier_day(since: date) -> None:
    with pytest.raises(SinceNotEarlier):
        decided(a_decision("waiting-restored", since=since))


def test_waiting_is_restored_within_reason_and_a_refusal_names_the_earliest_day() -> None:
    """It said that the day must be earlier, of one that was too early."""
    since = date(2023, 1, 5)
    earliest = since - timedelta(days=WAITING_RESTORED_DAYS_MAX)
    decided(a_decision("waiting-restored", since=earliest), since=since)
    with pytest.raises(SinceTooEarly, match=f"the earliest day for this vendor is {earliest}"):
        decided(a_decision("waiting-restored", since=earliest - timedelta(days=1)), since=since)


def test_priority_is_one_turn_and_two_months_and_gone_after_a_year() -> None:
    _, granted = decided(a_decision("priority-granted"))
    assert granted.adjustment is not None
    today, standing = day_in_jakarta(NOW), Standing(2, date(2023, 1, 5))
    adjustments = [granted.adjustment]
    assert adjusted(standing, adjustments, today) == (1, date(2022, 11, 6))
    assert adjusted(standing, adjustments, today + timedelta(days=365)) == standing
    assert adjusted(Standing(0, today), adjustments, today).turns == 0


@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from(get_args(About)), st.sampled_from(["open", "upheld", "rejected", "dropped"])),
        st.integers(0, 20),
    )
)
def test_small_figures_are_not_told_and_no_sum_betrays_them(counts: dict[tuple[str, str], int]) -> None:
    figures = publishable(counts)
    assert [(one.about, one.state) for one in figures] == [
        (about, state) for about in get_args(About) for state in ("open", "upheld", "rejected")
    ]
    for one in figures:
        count = counts.get((one.about, one.state), 0)
        assert one.appeals == (count if count >= FIGURES_MIN else None)

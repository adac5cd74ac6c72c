"""What outcomes, receipts and time make of a message: both sides of every rule, and receipts in every order."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import delivery as domain
from services.notify.domain.delivery import (
    NOT_NOW_SECONDS,
    RANKS,
    STATES,
    UNSENT,
    Accepted,
    Ambiguous,
    Deferred,
    NotUnknown,
    Rejected,
    Settlement,
    SettleNotification,
    Standing,
    State,
)
from services.notify.domain.providers import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS_MAX,
    OPEN_SECONDS_MAX_ASKED,
    Breaker,
    failed,
    succeeded,
)
from services.notify.domain.reports import Status
from services.notify.plans import Lane
from shared.db import ROOT
from shared.events.notify import (
    Channel,
    NotificationChannelFailed,
    NotificationDelivered,
    NotificationExpired,
    NotificationFailed,
    NotificationRead,
    NotificationSent,
    NotificationUnknown,
)

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
VENDOR, EVENT, NOTIFICATION = (UUID(int=number) for number in range(1, 4))
UNDER_WAY: tuple[State, ...] = ("sending", "unknown")


def standing(
    state: State = "sending",
    *,
    version: int = 0,
    attempts: int = 1,
    lane: int = Lane.PERSONAL,
    channel: Channel = "email",
    route: tuple[Channel, ...] | None = None,
) -> Standing:
    return Standing(NOTIFICATION, EVENT, VENDOR, "welcome", lane, state, version, attempts, channel, route)


def kinds(settlement: Settlement | None) -> list[str]:
    assert settlement is not None
    return [type(event).__name__ for event in settlement.events]


# --- outcomes


@pytest.mark.parametrize(
    ("outcome", "state", "event"),
    [
        (Accepted("smtp 250"), "sent", NotificationSent),
        (Rejected("smtp 550"), "rejected", NotificationFailed),
        (Ambiguous("timed-out"), "unknown", NotificationUnknown),
    ],
)
def test_an_outcome_settles_and_is_told_once(outcome: domain.Outcome, state: State, event: type) -> None:
    settled = domain.settle(standing(version=0), outcome, chance=0.5)
    assert (settled.state, settled.version, kinds(settled)) == (state, 1, [event.__name__])
    (told,) = settled.events
    assert (told.notification_id, told.cause_event_id, told.vendor_id) == (NOTIFICATION, EVENT, VENDOR)


@pytest.mark.parametrize("scope", ["message", "recipient", "provider"])
def test_a_temporary_refusal_is_tried_again_and_told_to_nobody(scope: str) -> None:
    settled = domain.settle(standing(version=0), Deferred("451", scope), chance=0.5)  # type: ignore[arg-type]
    assert (settled.state, settled.version, settled.events, settled.reason) == ("retry", 0, (), "451")
    assert settled.due_seconds is not None
    assert settled.due_seconds > 0


@given(st.floats(0, 10_000), st.floats(0, 1, exclude_max=True), st.sampled_from(list(Lane)), st.integers(1, 50))
def test_who_asks_us_to_wait_is_never_tried_earlier(seconds: float, chance: float, lane: Lane, attempts: int) -> None:
    one = standing(lane=lane, attempts=attempts)
    settled = domain.settle(one, Deferred("131056", "recipient", seconds), chance=chance)
    assert settled.due_seconds is not None
    assert settled.due_seconds >= seconds


def test_where_another_provider_is_there_the_message_does_not_wait_for_this_one() -> None:
    here = domain.settle(standing(attempts=9), Deferred("429", "provider", 600), chance=0.5)
    there = domain.settle(standing(attempts=9), Deferred("429", "provider", 600), chance=0.5, elsewhere=True)
    assert here.due_seconds is not None
    assert there.due_seconds is not None
    assert here.due_seconds >= 600
    assert there.due_seconds < 1


@pytest.mark.parametrize(
    ("outcome", "state", "version"),
    [
        (Accepted("smtp 250"), "sent", 2),
        (Rejected("smtp 550"), "rejected", 2),
        (Deferred("smtp 451"), "retry", 1),
        (Ambiguous("timed-out"), "unknown", 1),
    ],
)
def test_a_late_outcome_of_the_same_attempt_clears_up_the_unknown(
    outcome: domain.Outcome, state: State, version: int
) -> None:
    settled = domain.settle(standing("unknown", version=1), outcome, chance=0.0)
    assert (settled.state, settled.version) == (state, version)


@pytest.mark.parametrize("state", sorted(set(STATES) - set(UNDER_WAY)))
def test_only_an_attempt_under_way_has_an_outcome(state: State) -> None:
    late: list[domain.Outcome] = [Rejected("550"), Deferred("451"), Ambiguous("timed-out")]
    for outcome in late if state == "retry" else [*late, Accepted("smtp 250")]:
        with pytest.raises(ValueError) as refused:
            domain.settle(standing(state), outcome, chance=0.0)
        assert state in str(refused.value)


def test_what_was_taken_after_all_does_not_leave_again() -> None:
    """It was thought not to be: an operator was wrong, a provider that was asked said so untruly."""
    assert domain.settle(standing("retry"), Accepted("smtp 250"), chance=0.0).state == "sent"
    heard = domain.hear(standing("retry"), "sent", channel="email", current=True)
    assert heard is not None
    assert heard.state == "sent"


# --- the next channel


@pytest.mark.parametrize("kind", ["address", "unreachable", "opted-out", "window", "defect", "other"])
def test_what_a_channel_will_never_carry_goes_to_the_next_and_says_so(kind: str) -> None:
    one = standing(channel="whatsapp", route=("sms", "email"))
    settled = domain.settle(one, Rejected("131026", kind), chance=0.0)  # type: ignore[arg-type]
    assert (settled.state, settled.version, settled.reason) == ("planned", 1, "131026")
    (told,) = settled.events
    assert isinstance(told, NotificationChannelFailed)
    assert (told.channel, told.reason) == ("whatsapp", "131026")


@pytest.mark.parametrize("route", [None, ()])
def test_with_no_channel_left_it_has_failed(route: tuple[Channel, ...] | None) -> None:
    settled = domain.settle(standing(route=route), Rejected("131026", "address"), chance=0.0)
    assert (settled.state, kinds(settled)) == ("rejected", ["NotificationFailed"])


def test_what_a_provider_will_not_deliver_for_the_moment_waits_hours_unless_it_is_urgent_or_soon_worthless() -> None:
    not_now = Rejected("131049", "not-now")
    one = replace(standing(channel="whatsapp", route=("sms",)), deadline=NOW + timedelta(days=7))
    waits = domain.settle(one, not_now, chance=0.0, now=NOW)
    assert (waits.state, waits.due_seconds) == ("retry", NOT_NOW_SECONDS)
    urgent = domain.settle(replace(one, lane=Lane.OFFER), not_now, chance=0.0, now=NOW)
    soon = domain.settle(replace(one, deadline=NOW + timedelta(hours=8)), not_now, chance=0.0, now=NOW)
    assert (urgent.state, soon.state) == ("planned", "planned")


def test_acceptance_is_told_once_however_many_channels_take_it() -> None:
    first = domain.settle(standing(route=("sms",)), Accepted("200"), chance=0.0)
    assert kinds(first) == ["NotificationSent"]
    again = replace(standing(version=2), sent=True)
    assert kinds(domain.settle(again, Accepted("200"), chance=0.0)) == []


# --- silence


def test_without_a_receipt_the_next_channel_is_tried_and_should_it_fail_the_message_was_sent_all_the_same() -> None:
    one = replace(standing("sent", version=1, channel="whatsapp", route=("sms",)), sent=True)
    left = domain.give_up_waiting(one)
    assert (left.state, left.reason, left.silent, kinds(left)) == (
        "planned",
        "no-receipt",
        True,
        ["NotificationChannelFailed"],
    )
    by_sms = replace(one, state="sending", silent=True, channel="sms", route=(), version=2)
    settled = domain.settle(by_sms, Rejected("21211", "address"), chance=0.0)
    assert (settled.state, settled.version, settled.events) == ("sent", 2, ())
    for end in (domain.refuse, domain.expire):
        planned = replace(by_sms, state="planned")
        ended = end(planned, "unreachable") if end is domain.refuse else domain.expire(planned)
        assert (ended.state, ended.events) == ("sent", ())


def test_a_silent_channel_that_then_says_it_failed_leaves_nothing_that_was_sent() -> None:
    one = replace(standing("sent", version=2, channel="sms", route=()), sent=True, silent=True, reason="21211")
    settled = domain.hear(one, "failed", channel="whatsapp", current=False, code="131026")
    assert settled is not None
    assert (settled.state, kinds(settled)) == ("rejected", ["NotificationFailed"])
    under_way = replace(one, state="sending", reason=None)
    silenced = domain.hear(under_way, "failed", channel="whatsapp", current=False, code="131026")
    assert silenced is not None
    assert (silenced.state, silenced.silent, silenced.due_seconds) == ("sending", False, None)


def test_while_another_silent_channel_may_have_reached_the_person_the_failure_of_one_ends_nothing() -> None:
    one = replace(standing("sent", channel="email", route=()), sent=True, silent=True, reason="550")
    assert domain.hear(one, "failed", channel="whatsapp", current=False, code="131026", hope=True) is None


def test_what_an_operator_found_to_be_sent_is_not_undone_by_the_failure_of_an_earlier_channel() -> None:
    one = replace(standing("sent", channel="sms", route=()), sent=True, silent=True, reason="by-hand")
    settled = domain.hear(one, "failed", channel="whatsapp", current=False, code="131026")
    assert settled is not None
    assert (settled.state, settled.silent, settled.events) == ("sent", False, ())


@pytest.mark.parametrize("state", sorted(set(STATES) - {"sent"}))
def test_only_what_was_sent_can_be_silent(state: State) -> None:
    with pytest.raises(ValueError) as refused:
        domain.give_up_waiting(standing(state, route=("sms",)))
    assert state in str(refused.value)


# --- receipts


@pytest.mark.parametrize("state", UNDER_WAY)
def test_a_receipt_settles_an_attempt_whose_answer_was_lost(state: State) -> None:
    settled = domain.hear(standing(state), "sent", channel="email", current=True)
    assert settled is not None
    assert (settled.state, kinds(settled)) == ("sent", ["NotificationSent"])


@pytest.mark.parametrize("state", STATES)
def test_what_reached_the_person_is_said_whatever_was_planned_beside_it(state: State) -> None:
    one = replace(standing(state, version=5, channel="sms"), sent=True)
    settled = domain.hear(one, "delivered", channel="whatsapp", current=False)
    assert settled is not None
    assert (settled.state, settled.channel, kinds(settled)) == ("delivered", "whatsapp", ["NotificationDelivered"])


@pytest.mark.parametrize("state", ["sending", "unknown", "sent"])
def test_a_failure_after_acceptance_goes_to_the_next_channel(state: State) -> None:
    settled = domain.hear(standing(state, route=("sms",)), "failed", channel="email", current=True, code="131026")
    assert settled is not None
    assert (settled.state, settled.reason) == ("planned", "131026")


@pytest.mark.parametrize("state", STATES)
def test_the_failure_of_an_attempt_that_is_over_changes_nothing(state: State) -> None:
    assert domain.hear(standing(state, route=("sms",)), "failed", channel="email", current=False) is None


STATUSES: tuple[Status, ...] = ("sent", "failed", "delivered", "read")


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=8))
def test_receipts_of_one_attempt_in_any_order_end_alike_and_tell_each_thing_once(reported: list[Status]) -> None:
    """The last channel of all, so that a failure has nowhere else to go."""
    one, known, told = standing("sending", route=()), 0, []
    for status in reported:
        if RANKS[status] > known:
            known = RANKS[status]
            settled = domain.hear(one, status, channel="email", current=True)
            if settled is not None:
                assert settled.version == one.version + len(settled.events)
                told += kinds(settled)
                one = domain.after(one, settled)
    best = max(reported, key=lambda status: RANKS[status])
    assert one.state == {"sent": "sent", "failed": "rejected", "delivered": "delivered", "read": "delivered"}[best]
    assert len(told) == len(set(told))
    assert ("NotificationRead" in told) == ("read" in reported)
    assert ("NotificationDelivered" in told) == (best in ("delivered", "read"))


def test_receipts_heard_together_are_worth_what_they_are_one_by_one() -> None:
    for order in itertools.permutations(("sent", "delivered", "read")):
        one, whole = standing("sending"), None
        for status in order:
            step = domain.hear(one, status, channel="email", current=True)  # type: ignore[arg-type]
            if step is not None:
                one, whole = domain.after(one, step), step if whole is None else domain.joined(whole, step)
        assert whole is not None
        assert kinds(whole) == ["NotificationSent", "NotificationDelivered", "NotificationRead"]
        assert (whole.state, whole.version, whole.read) == ("delivered", 3, True)


# --- what time and people do


@pytest.mark.parametrize("state", UNSENT)
def test_what_has_not_left_by_its_deadline_expires(state: State) -> None:
    settled = domain.expire(standing(state, version=4))
    assert (settled.state, settled.version, kinds(settled)) == ("expired", 5, [NotificationExpired.__name__])
    assert settled.reason == ("no-contact" if state == "waiting_contact" else "deadline")


@pytest.mark.parametrize("state", sorted(set(STATES) - set(UNSENT)))
def test_what_has_left_neither_expires_nor_is_cancelled(state: State) -> None:
    for end in (domain.expire, domain.cancel):
        with pytest.raises(ValueError) as refused:
            end(standing(state))
        assert state in str(refused.value)


@pytest.mark.parametrize("state", UNSENT)
def test_a_stopped_broadcast_cancels_what_has_not_left(state: State) -> None:
    settled = domain.cancel(standing(state))
    assert (settled.state, settled.reason, kinds(settled)) == ("cancelled", "stopped", ["NotificationFailed"])


def test_the_inbox_needs_no_attempt() -> None:
    settled = domain.place_in_inbox(standing("planned"))
    assert (settled.state, settled.channel) == ("sent", "inbox")
    (told,) = settled.events
    assert isinstance(told, NotificationSent)
    assert told.channel == "inbox"
    assert domain.place_in_inbox(replace(standing("planned"), sent=True)).events == ()


def test_an_operator_settles_an_unknown_message_either_way() -> None:
    sent = domain.settle_by_hand(
        standing("unknown", version=1), SettleNotification(outcome="sent", reason="in the server's log")
    )
    again = domain.settle_by_hand(
        standing("unknown", version=1), SettleNotification(outcome="not-sent", reason="not in the server's log")
    )
    assert (sent.state, sent.version, kinds(sent)) == ("sent", 2, ["NotificationSent"])
    assert (again.state, again.version, again.events, again.due_seconds) == ("retry", 1, (), 0.0)


@pytest.mark.parametrize("state", sorted(set(STATES) - {"unknown"}))
def test_only_an_unknown_message_is_settled_by_hand(state: State) -> None:
    with pytest.raises(NotUnknown) as refused:
        domain.settle_by_hand(standing(state), SettleNotification(outcome="sent", reason="looked"))
    assert refused.value.details == {"state": state}


@pytest.mark.parametrize("lane", list(Lane))
def test_retries_wait_longer_each_time_up_to_a_limit_and_spread_by_chance(lane: Lane) -> None:
    most = domain.RETRY_DELAY_SECONDS_MAX_OFFER if lane == Lane.OFFER else domain.RETRY_DELAY_SECONDS_MAX
    longest = [domain.retry_delay_seconds(attempts, lane, 1.0) for attempts in range(1, 5000)]
    assert longest[0] == domain.RETRY_DELAY_SECONDS_FIRST
    assert longest == sorted(longest)
    assert longest[-1] == most
    for attempts in range(1, 40):
        low, high = (domain.retry_delay_seconds(attempts, lane, chance) for chance in (0.0, 1.0))
        assert low == high / 2


def test_states_are_those_the_database_allows() -> None:
    sql = (ROOT / "services" / "notify" / "migrations" / "0004_channels.sql").read_text()
    for state in get_args(State):
        assert f"'{state}'" in sql
    waiting = sql[sql.index("CREATE INDEX notification_deadline") :]
    assert all(f"'{state}'" in waiting[: waiting.index(";")] for state in UNSENT)


# --- the breaker


def test_a_few_failures_in_a_row_leave_a_provider_alone_and_one_success_between_them_does_not() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker = failed(breaker, 0.0, 0.5)
    assert not breaker.is_open(0.0)
    assert not failed(succeeded(breaker), 0.0, 0.5).is_open(0.0)
    assert failed(breaker, 0.0, 0.5).is_open(0.0)


def test_half_open_one_failure_is_enough_and_it_is_left_alone_longer_each_time_within_a_limit() -> None:
    breaker, at, pauses = Breaker(failures=FAILURES_TO_OPEN), 0.0, []
    for _ in range(40):
        breaker = failed(breaker, at, 1.0)
        pauses.append(breaker.open_until - at)
        at = breaker.open_until
        assert breaker.is_half_open()
        assert not breaker.is_open(at)
    assert pauses == sorted(pauses)
    assert max(pauses) == OPEN_SECONDS_MAX
    assert not succeeded(breaker).is_half_open()


def test_what_was_under_way_when_it_opened_says_nothing_new() -> None:
    opened = failed(Breaker(failures=FAILURES_TO_OPEN), 0.0, 1.0)
    assert failed(opened, opened.open_until / 2, 1.0) == opened


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_a_provider_that_asks_for_time_gets_it_at_once_within_reason(asked: float, chance: float) -> None:
    opened = failed(Breaker(), 100.0, chance, asked)
    assert opened.open_until >= 100.0 + min(asked, OPEN_SECONDS_MAX_ASKED)
    assert opened.open_until <= 100.0 + OPEN_SECONDS_MAX_ASKED * 1.1


def test_delivery_and_reading_are_events_of_their_own() -> None:
    settled = domain.hear(replace(standing("sent"), sent=True), "read", channel="whatsapp", current=True)
    assert settled is not None
    assert [type(event) for event in settled.events] == [NotificationDelivered, NotificationRead]

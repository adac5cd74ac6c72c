"""The days of the bazaar: check-in, the gate, the end."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.application import ApplicationState
from services.bazaar.domain.bazaar import WrongMoment
from services.bazaar.domain.days import (
    BazaarNotOver,
    BoothGivenAway,
    NotABazaarDay,
    NotConfirmed,
    check_in,
    finish,
    require_day,
)
from services.bazaar.domain.gate import (
    Gate,
    GateOpen,
    Newcomer,
    NotAWalkIn,
    Scan,
    SyncTooLate,
    came_too_late_for,
    in_order,
    require_closed,
    require_selling,
    require_sync,
    require_walk_in,
    see,
)
from services.bazaar.domain.ledger import Standing
from services.bazaar.domain.tickets import Issued, TicketElsewhere, TicketVoid, due, require_counts, require_for
from shared.gate.scans import CLOCK_TOLERANCE, KeptScan, Seen, united
from tests.unit.bazaar import DAYS, a_bazaar, a_site, a_vendor, an_application, an_offer

ONE_DAY = timedelta(days=1)
NOON = datetime(DAYS[0].year, DAYS[0].month, DAYS[0].day, 5, tzinfo=UTC)  # 12.00 in Jakarta
MINUTE = timedelta(minutes=1)


def test_check_in_is_on_held_days_that_have_come() -> None:
    bazaar = a_bazaar(state="allocated")
    require_day(bazaar, DAYS[0], DAYS[0])
    require_day(bazaar, DAYS[0], DAYS[1])
    for day, today in [(DAYS[0] - ONE_DAY, DAYS[0]), (DAYS[1] + ONE_DAY, DAYS[1] + ONE_DAY), (DAYS[1], DAYS[0])]:
        with pytest.raises(NotABazaarDay):
            require_day(bazaar, day, today)


@pytest.mark.parametrize(("state", "version"), [("confirmed", 4), ("attended", 4), ("missed", 4)])
def test_who_confirmed_checks_in_on_every_day(state: ApplicationState, version: int) -> None:
    step = check_in(an_application(state=state, offer=an_offer(), version=3), a_bazaar(state="allocated"), DAYS[0])
    assert (step.after.state, step.after.version) == ("attended", version)
    assert step.event.model_dump()["day"] == DAYS[0]


@pytest.mark.parametrize("state", ["received", "queued", "offered", "declined", "lapsed", "released", "cancelled"])
def test_only_a_confirmed_booth_is_checked_in(state: ApplicationState) -> None:
    with pytest.raises(NotConfirmed):
        check_in(an_application(state=state, offer=an_offer()), a_bazaar(state="allocated"), DAYS[0])


def test_who_comes_late_has_its_booth_again_unless_it_was_given_away() -> None:
    late, bazaar = an_application(state="missed", offer=an_offer()), a_bazaar(state="allocated")
    assert check_in(late, bazaar, DAYS[0]).after.state == "attended"
    with pytest.raises(BoothGivenAway):
        check_in(late, bazaar, DAYS[0], given_away=True)


def test_a_site_may_be_open_on_some_of_the_days() -> None:
    bazaar = a_bazaar(replace(a_site(), days=DAYS[1:]), state="allocated")
    with pytest.raises(NotABazaarDay):
        check_in(an_application(state="confirmed", offer=an_offer()), bazaar, DAYS[0])
    check_in(an_application(state="confirmed", offer=an_offer()), bazaar, DAYS[1])


def test_a_bazaar_is_finished_from_the_day_after_its_last() -> None:
    bazaar = a_bazaar(state="allocated")
    after = finish(bazaar, DAYS[-1] + ONE_DAY)
    assert (after.state, after.version) == ("finished", bazaar.version + 1)
    with pytest.raises(BazaarNotOver):
        finish(bazaar, DAYS[-1])


def test_a_bazaar_is_finished_once_and_after_its_allocation() -> None:
    for state in ("announced", "finished"):
        with pytest.raises(WrongMoment):
            finish(a_bazaar(state=state), date(2023, 4, 1))


# --- scans


@given(st.timedeltas(timedelta(days=-9000), timedelta(days=9000)), st.timedeltas(timedelta(0), timedelta(hours=6)))
def test_a_clock_that_is_wrong_by_years_is_corrected(wrong_by: timedelta, later: timedelta) -> None:
    seen = see(NOON + wrong_by, NOON + later + wrong_by, NOON + later, DAYS, NOON - ONE_DAY)
    assert seen == Seen(NOON, DAYS[0])


def test_a_moment_near_a_day_belongs_to_it_and_one_further_away_waits_for_an_officer() -> None:
    midnight = NOON - timedelta(hours=12)
    for moment, flagged in [
        (midnight - CLOCK_TOLERANCE, None),
        (midnight - CLOCK_TOLERANCE - MINUTE, "not-a-bazaar-day"),
        (midnight + 2 * ONE_DAY + CLOCK_TOLERANCE - MINUTE, None),
        (midnight + 2 * ONE_DAY + CLOCK_TOLERANCE, "not-a-bazaar-day"),
    ]:
        assert see(moment, moment, moment, DAYS, None).flagged_because == flagged, moment


def test_a_scan_before_its_ticket_or_after_its_sending_waits_for_an_officer() -> None:
    for issued_at, flagged in [(NOON + CLOCK_TOLERANCE, None), (NOON + CLOCK_TOLERANCE + MINUTE, "before-ticket")]:
        assert see(NOON, NOON, NOON, DAYS, issued_at).flagged_because == flagged
    for scanned_at, flagged in [
        (NOON + CLOCK_TOLERANCE, None),
        (NOON + CLOCK_TOLERANCE + MINUTE, "scanned-after-sent"),
    ]:
        assert see(scanned_at, NOON, NOON, DAYS, None).flagged_because == flagged


def test_scans_are_taken_for_a_week_after_the_last_day() -> None:
    bazaar = a_bazaar(state="finished")
    require_sync(bazaar, NOON + 8 * ONE_DAY)
    with pytest.raises(SyncTooLate):
        require_sync(bazaar, NOON + 9 * ONE_DAY)
    with pytest.raises(WrongMoment):
        require_sync(a_bazaar(state="announced"), NOON)


@pytest.mark.parametrize("what", [{}, {"ticket": "LPK1:A", "application_id": UUID(int=1)}])
def test_a_scan_is_of_a_ticket_or_of_an_application(what: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scan.model_validate({"scan_id": UUID(int=1), "scanned_at": NOON, **what})


def test_who_was_scanned_before_the_release_is_no_late_comer() -> None:
    missed = an_application(state="missed", offer=an_offer())
    released = Gate(released_at=NOON)
    assert came_too_late_for(missed, Seen(NOON - MINUTE, DAYS[0]), released).flagged_because == "booth-given-away"
    with pytest.raises(BoothGivenAway):
        came_too_late_for(missed, Seen(NOON, DAYS[0]), released)


sendings = st.builds(
    KeptScan,
    scan_id=st.just(UUID(int=1)),
    device_id=st.sampled_from(["a", "b"]),
    subject=st.just(UUID(int=1001)),
    serial=st.just(1),
    moment=st.integers(0, 5).map(lambda minutes: NOON + minutes * MINUTE),
    day=st.sampled_from(DAYS),
    state=st.sampled_from(["flagged", "accepted", "dismissed"]),
    flagged_because=st.sampled_from([None, "not-a-bazaar-day", "before-ticket"]),
)


@given(st.lists(sendings, min_size=1, max_size=6), st.data())
def test_of_all_sendings_of_a_scan_the_same_counts_in_any_order_and_however_often(
    sent: list[KeptScan], data: st.DataObject
) -> None:
    again = data.draw(st.permutations([*sent, *data.draw(st.lists(st.sampled_from(sent), max_size=6))]))
    cut = data.draw(st.integers(1, len(again)))
    parts = [reduce(united, part) for part in (again[:cut], again[cut:]) if part]
    assert reduce(united, parts) == reduce(united, sent)


def test_an_officers_word_stands_and_what_is_plausible_counts_before_what_is_not() -> None:
    flagged = KeptScan(UUID(int=1), "a", UUID(int=2), 1, NOON, DAYS[0], "flagged", "before-ticket")
    later = flagged._replace(moment=NOON + MINUTE)
    accepted, dismissed = later._replace(state="accepted"), later._replace(state="dismissed")
    assert united(flagged, later) == flagged
    assert united(flagged, accepted) == accepted
    assert united(accepted, dismissed) == dismissed


# --- the gate


def test_nobody_is_late_before_the_gate_closes() -> None:
    bazaar = a_bazaar(state="allocated")
    ten = NOON - timedelta(hours=2)
    require_closed(bazaar, bazaar.sites[0], Gate(), ten)
    require_closed(bazaar, bazaar.sites[0], Gate(time(8, 30)), ten - timedelta(minutes=90))
    for gate, now in [(Gate(), ten - MINUTE), (Gate(time(8, 30)), ten - timedelta(minutes=91))]:
        with pytest.raises(GateOpen):
            require_closed(bazaar, bazaar.sites[0], gate, now)


def test_walk_ins_are_taken_on_days_of_the_site() -> None:
    bazaar = a_bazaar(replace(a_site(), days=DAYS[1:]), state="allocated")
    assert require_selling(bazaar, bazaar.sites[0], NOON + ONE_DAY) == DAYS[1]
    for now in (NOON, NOON + 2 * ONE_DAY):
        with pytest.raises(NotABazaarDay):
            require_selling(bazaar, bazaar.sites[0], now)


def test_newcomers_stand_in_line_by_turns_then_waiting_then_by_lot() -> None:
    def newcomer(number: int, turns: int, since: date) -> Newcomer:
        return Newcomer(a_vendor(number), Standing(turns, since))

    early, late = date(2022, 1, 1), date(2023, 1, 1)
    line = [newcomer(1, 1, early), newcomer(2, 0, late), newcomer(3, 0, early), newcomer(4, 0, late)]
    found = [one.vendor.vendor_id.int for one in in_order(line, UUID(int=1))]
    assert (found[0], found[-1]) == (3, 1)
    assert found == [one.vendor.vendor_id.int for one in in_order(line[::-1], UUID(int=1))]


def test_who_answered_or_missed_an_offer_of_this_bazaar_is_no_walk_in() -> None:
    policy, vendor = a_bazaar().policy, a_vendor()
    assert require_walk_in(policy, vendor, ["withdrawn"]) == vendor
    for state in ("declined", "lapsed", "missed", "released", "attended", "ineligible"):
        with pytest.raises(NotAWalkIn):
            require_walk_in(policy, vendor, ["withdrawn", state])


# --- tickets


def test_a_ticket_is_due_when_a_booth_is_confirmed_and_whenever_it_changes() -> None:
    bazaar = a_bazaar(state="allocated")
    confirmed = an_application(state="confirmed", offer=an_offer())
    first = due(confirmed, bazaar, None)
    assert first is not None
    assert (first.place, first.spot, first.days, first.serial) == ("one", "A01", DAYS, 1)
    last = Issued(1, "one", "A01", DAYS)
    assert due(confirmed, bazaar, last) is None
    swapped = due(replace(confirmed, offer=an_offer(booth="A02")), bazaar, last)
    assert swapped is not None
    assert (swapped.spot, swapped.serial) == ("A02", 2)
    fewer = due(confirmed, bazaar, last, declined=[DAYS[1]])
    assert fewer is not None
    assert (fewer.days, fewer.serial) == (DAYS[:1], 2)


def test_no_ticket_is_due_without_a_booth_or_a_gate() -> None:
    confirmed = an_application(state="confirmed", offer=an_offer())
    states: list[ApplicationState] = ["offered", "released", "missed", "cancelled"]
    for state in states:
        assert due(replace(confirmed, state=state), a_bazaar(state="allocated"), None) is None
    assert due(confirmed, a_bazaar(state="allocated", setting="online"), None) is None
    assert due(confirmed, a_bazaar(state="cancelled"), None) is None


def test_a_ticket_of_a_season_spans_what_its_bits_can_hold() -> None:
    days = tuple(DAYS[0] + timedelta(days=7 * week) for week in range(10))
    bazaar = a_bazaar(replace(a_site(), days=days), state="allocated")
    ticket = due(an_application(state="confirmed", offer=an_offer()), bazaar, None)
    assert ticket is not None
    assert ticket.days == days[:5]


def test_a_genuine_ticket_counts_while_it_tells_the_truth_and_is_the_newest() -> None:
    confirmed = an_application(state="confirmed", offer=an_offer())
    ticket = due(confirmed, a_bazaar(state="allocated"), None)
    assert ticket is not None
    last = Issued(1, "one", "A01", DAYS)
    require_counts(ticket, confirmed, last)
    require_for(ticket, UUID(int=1))
    with pytest.raises(TicketElsewhere):
        require_for(ticket, UUID(int=2))
    with pytest.raises(TicketElsewhere):
        require_for(replace(ticket, kind=2), UUID(int=1))
    with pytest.raises(TicketVoid) as swapped:
        require_counts(ticket, replace(confirmed, offer=an_offer(booth="A02")), last)
    assert swapped.value.details["booth"] == "A02"
    with pytest.raises(TicketVoid):
        require_counts(ticket, confirmed, last._replace(serial=2))
    with pytest.raises(TicketVoid):
        require_counts(ticket, replace(confirmed, state="released"), last)

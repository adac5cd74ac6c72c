"""The ledger: what a no-show weighs, how it fades, and how a vendor is told."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.ledger import (
    NO_SHOW_FADES_DAYS,
    NO_SHOW_TURNS,
    NO_SHOW_WAIT_DAYS,
    Adjustment,
    Remaining,
    Standing,
    adjusted,
    no_show,
    remaining,
)
from services.bazaar.domain.standing import counted, tell, tell_adjustment

DAY = date(2023, 3, 22)
SINCE = date(2023, 3, 21)
ONE = UUID(int=1)


def stayed_away(day: date = DAY) -> Adjustment:
    return no_show(UUID(int=9), ONE, UUID(int=2), day)


def test_a_no_show_weighs_a_turn_and_two_months_at_first_and_nothing_after_a_year() -> None:
    one = stayed_away()
    assert remaining(one, DAY - timedelta(days=1)) == Remaining(0, 0)
    assert remaining(one, DAY) == Remaining(NO_SHOW_TURNS, NO_SHOW_WAIT_DAYS)
    assert remaining(one, DAY + timedelta(days=9)) == Remaining(NO_SHOW_TURNS, NO_SHOW_WAIT_DAYS - 1)
    assert remaining(one, DAY + timedelta(days=NO_SHOW_FADES_DAYS - 1)) == Remaining(0, 0)
    assert remaining(one, DAY + timedelta(days=NO_SHOW_FADES_DAYS)) == Remaining(0, 0)


def test_an_added_turn_counts_until_half_of_its_time_is_over() -> None:
    last = DAY + timedelta(days=NO_SHOW_FADES_DAYS // 2)
    assert remaining(stayed_away(), last).turns == NO_SHOW_TURNS
    assert remaining(stayed_away(), last + timedelta(days=1)).turns == 0
    # at the half itself, where the time can be halved, it still counts; one that was given fades in the same way
    for turns in (1, -1):
        even = Adjustment(UUID(int=3), ONE, "appeal", turns, 0, DAY, DAY + timedelta(days=10))
        left = [remaining(even, DAY + timedelta(days=days)).turns for days in range(12)]
        assert left == [turns] * 6 + [0] * 6


@given(st.integers(0, 500), st.integers(0, 500))
def test_it_only_ever_fades(one: int, other: int) -> None:
    sooner, later = sorted((one, other))
    before = remaining(stayed_away(), DAY + timedelta(days=sooner))
    after = remaining(stayed_away(), DAY + timedelta(days=later))
    assert 0 <= after.wait_days <= before.wait_days <= NO_SHOW_WAIT_DAYS
    assert 0 <= after.turns <= before.turns <= NO_SHOW_TURNS


@given(st.integers(0, 800), st.integers(-400, 400))
def test_who_stayed_away_never_counts_as_waiting_longer_than_who_came(days: int, turned_days_ago: int) -> None:
    today = DAY + timedelta(days=days)
    came = Standing(1, today - timedelta(days=turned_days_ago))
    missed = adjusted(came, [stayed_away()], today)
    assert missed.turns >= came.turns
    assert came.waiting_since <= missed.waiting_since <= max(today, came.waiting_since)


def test_a_turn_of_a_day_that_has_not_come_counts_as_in_the_file_of_the_round() -> None:
    """A booth is confirmed for the weekend after next: without adjustments the freeze takes the day as it is."""
    ahead = Standing(2, DAY + timedelta(days=12))
    assert adjusted(ahead, [], DAY) == ahead
    assert counted(2, ahead.waiting_since, [], DAY) == ahead
    assert adjusted(ahead, [stayed_away()], DAY) == Standing(3, ahead.waiting_since)


def test_who_never_applied_has_no_standing() -> None:
    assert counted(0, None, [], DAY) is None
    assert "lamaran pertama" in tell(0, None, None).id


@pytest.mark.parametrize(("had", "words"), [(1, "1 turn,"), (2, "2 turns,")])
def test_a_vendor_is_told_its_turns_and_since_when_it_counts_as_waiting(had: int, words: str) -> None:
    told = tell(had, SINCE, Standing(had, date(2023, 5, 20)))
    assert f"You have had {words}" in told.en
    assert "the last on Tuesday, 21 March 2023, and count as waiting since Saturday, 20 May 2023." in told.en
    assert f"Anda sudah mendapat {had} giliran, terakhir pada Selasa, 21 Maret 2023" in told.id


def test_a_vendor_is_told_what_is_left_of_a_no_show_and_until_when() -> None:
    first = tell_adjustment(stayed_away(), DAY)
    assert first.en == (
        "You did not come to a booth you confirmed: you count as having had 1 turn more and you count as having waited "
        "60 days less. It fades, and is gone on Thursday, 21 March 2024."
    )
    assert "giliran Anda dihitung 1 lebih banyak dan masa tunggu Anda dihitung 60 hari lebih singkat" in first.id
    last = tell_adjustment(stayed_away(), DAY + timedelta(days=NO_SHOW_FADES_DAYS))
    assert last.id.endswith("sekarang tidak berpengaruh lagi.")


def test_a_vendor_is_told_of_an_appeal_that_was_granted() -> None:
    granted = Adjustment(UUID(int=3), ONE, "appeal", -1, -30, DAY)
    told = tell_adjustment(granted, DAY)
    assert told.en == (
        "Your appeal was granted: you count as having had 1 turn fewer and you count as having waited 30 days longer."
    )
    assert told.id.startswith("Keberatan Anda diterima: giliran Anda dihitung 1 lebih sedikit")

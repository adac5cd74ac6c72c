"""The forecast of a broadcast, held against a simulation that claims minute by minute by the rules of budgets."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain.budgets import WINDOW, Known, Level, ProviderBudget, Want, grant, refill, share
from services.notify.domain.hours import Hours, opens
from services.notify.domain.planner import TIERS, Usage, Way, combine, plan, plan_tiers
from services.notify.plans import Lane
from shared.clock import day_in_jakarta
from shared.days_off import is_idul_fitri

is_idul_fitri(date(2023, 1, 1))  # loads what reckons the days: not in the time that an example has

PAUSES = Hours((time(21), time(6)), (time(11, 30), time(13)), feasts=True)
BEGINS = datetime(2023, 3, 1, 2, tzinfo=UTC)  # Wednesday, 09.00 WIB
DEADLINE = BEGINS + timedelta(days=90)
NUMBER = ProviderBudget("wa", "wa", per_second=80.0, tier=250, price_millirupiah=300_000, reserve_percent=20)
MINUTE = timedelta(minutes=1)


def simulate(budget: ProviderBudget, count: int, hours: Hours) -> tuple[datetime, dict[date, int]]:
    """Claim every minute until all have left: when that is, and how many left on each day."""
    now, left, tokens = BEGINS, count, budget.burst
    counted: deque[tuple[datetime, int]] = deque()
    people = 0
    days: dict[date, int] = {}
    while left:
        resumes, pause = opens(hours, now, news=True)
        if pause is not None:
            tokens = refill(budget, tokens, (resumes - now).total_seconds())
            now = resumes
            continue
        while counted and counted[0][0] + WINDOW <= now:
            people -= counted.popleft()[1]
        day = day_in_jakarta(now)
        # a minute's worth of tokens, in one claim
        level = Level(
            tokens=tokens + (budget.per_second or 0) * 60,
            recipients=people,
            spent_millirupiah=days.get(day, 0) * budget.price_millirupiah,
        )
        room = budget.tier and share(budget.tier, budget.reserve_percent, Lane.BROADCAST) - people
        if room == 0:
            now = max(now + MINUTE, min(counted[0][0] + WINDOW, now + timedelta(hours=1)))
            continue
        most = min(left, int(level.tokens), *([] if room is None else [room]))
        wants = [Want(UUID(int=left - n), Lane.BROADCAST, (left - n).to_bytes(4, "big")) for n in range(most)]
        granting = grant(budget, level, Known(), wants)
        gone = len(granting.granted)
        tokens = min(granting.tokens, budget.burst)
        left -= gone
        days[day] = days.get(day, 0) + gone
        if budget.tier is not None and gone:
            counted.append((now, gone))
            people += gone
        now += MINUTE if gone else timedelta(hours=1)
    return now, days


@pytest.mark.parametrize(
    ("budget", "count"),
    [
        (NUMBER, 5_000),
        (replace(NUMBER, tier=2_000), 20_000),
        (replace(NUMBER, tier=10_000), 30_000),
        (replace(NUMBER, tier=None, per_second=5.0), 60_000),
        (replace(NUMBER, tier=None, per_second=10.0, daily_millirupiah=500_000_000), 5_000),
        (replace(NUMBER, tier=2_000, per_second=10.0, daily_millirupiah=400_000_000), 9_000),
    ],
)
def test_the_forecast_is_within_three_per_cent_of_what_happens(budget: ProviderBudget, count: int) -> None:
    happened, days = simulate(budget, count, PAUSES)
    found = plan({"whatsapp": count}, [combine("whatsapp", [budget], {"wa": Usage()})], PAUSES, BEGINS, DEADLINE)
    assert found.done_at is not None
    lasts = happened - BEGINS
    assert abs(found.done_at - happened) <= max(lasts * 0.03, timedelta(minutes=10))
    assert found.millirupiah == count * budget.price_millirupiah
    assert {one.day: one.messages for one in found.days} == pytest.approx(days, rel=0.03, abs=count * 0.01)


def test_three_hundred_thousand_at_every_tier() -> None:
    way = combine("whatsapp", [NUMBER], {"wa": Usage()})
    found = dict(plan_tiers({"whatsapp": 300_000}, [way], PAUSES, BEGINS, DEADLINE, 20))
    days = {tier: (one.done_at - BEGINS) / timedelta(days=1) for tier, one in found.items() if one.done_at is not None}
    assert list(days) == list(TIERS)
    assert days[None] == pytest.approx(300_000 / 80 / 86_400, rel=0.01)
    assert 3 <= days[100_000] < 3.3
    assert 37 <= days[10_000] < 39
    assert 187 <= days[2_000] < 193
    assert 1_499 <= days[250] < 1_530
    assert found[10_000].too_late == 0
    assert found[2_000].too_late == pytest.approx(300_000 - 1_600 * 89, abs=1_600)  # two of the 91 days are feasts
    assert [one.people_a_day for one in found[10_000].left] == [2_000]


def test_what_is_used_already_and_what_waits_ahead_counts() -> None:
    budget = replace(NUMBER, tier=1_000)
    fresh = combine("whatsapp", [budget], {"wa": Usage()})
    used = combine("whatsapp", [budget], {"wa": Usage(counted=[(BEGINS - timedelta(hours=1), 800)])})
    first = plan({"whatsapp": 100}, [fresh], Hours(), BEGINS, DEADLINE)
    later = plan({"whatsapp": 100}, [used], Hours(), BEGINS, DEADLINE)
    behind = plan({"whatsapp": 100}, [replace(fresh, ahead=800)], Hours(), BEGINS, DEADLINE)
    assert first.done_at is not None
    assert first.done_at - BEGINS < MINUTE
    assert later.done_at is not None
    assert timedelta(hours=23) < later.done_at - BEGINS < timedelta(hours=24)
    assert behind.done_at is not None
    assert behind.done_at - BEGINS > timedelta(hours=24)
    assert sum(one.messages for one in behind.days) == 100


def test_numbers_of_one_portfolio_have_one_tier_and_two_rates() -> None:
    second = replace(NUMBER, provider="wa-b")
    usage = {"wa": Usage(counted=[(BEGINS, 5)]), "wa-b": Usage(counted=[(BEGINS, 5)])}
    way = combine("whatsapp", [NUMBER, second], usage)
    assert (way.people, way.kept_people, way.per_second, way.counted) == (200, 50, 160.0, ((BEGINS, 5),))


def test_where_all_is_kept_back_it_is_never_done() -> None:
    way = combine("whatsapp", [replace(NUMBER, reserve_percent=100)], {"wa": Usage()})
    found = plan({"whatsapp": 10}, [way], PAUSES, BEGINS, DEADLINE)
    assert (found.done_at, found.days, found.too_late) == (None, (), 10)


def test_one_that_begins_at_night_waits_for_the_morning() -> None:
    night = datetime(2023, 3, 1, 15, tzinfo=UTC)  # 22.00 WIB
    found = plan({"email": 100}, [Way("email", 50.0)], PAUSES, night, DEADLINE)
    assert found.done_at == datetime(2023, 3, 1, 23, 0, 2, tzinfo=UTC)
    assert [one.day for one in found.days] == [date(2023, 3, 2)]


LIMITS = st.none() | st.integers(1, 3_000)


@settings(max_examples=60)
@given(
    tier=LIMITS,
    money=st.none() | st.integers(300_000, 10**9),
    rate=st.floats(0.05, 200),
    count=st.integers(1, 5_000),
    reserve=st.integers(0, 99),
    hours=st.sampled_from([Hours(), PAUSES]),
)
def test_everybody_leaves_once_outside_the_pauses_and_within_the_money(
    tier: int | None, money: int | None, rate: float, count: int, reserve: int, hours: Hours
) -> None:
    budget = replace(NUMBER, tier=tier, daily_millirupiah=money, per_second=rate, reserve_percent=reserve)
    way = combine("whatsapp", [budget], {"wa": Usage()})
    found = plan({"whatsapp": count}, [way], hours, BEGINS, DEADLINE)
    messages = sum(one.messages for one in found.days)
    assert messages <= count
    assert found.too_late <= count
    if found.done_at is not None:
        assert messages == count
        assert found.done_at >= BEGINS
    if way.money_millirupiah is not None:
        assert all(one.millirupiah <= way.money_millirupiah for one in found.days)
    assert _in_order([one.day for one in found.days])


def _in_order(days: Sequence[date]) -> bool:
    return list(days) == sorted(set(days))

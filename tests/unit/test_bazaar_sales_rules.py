"""Sales of a day: what can be said, where, and what is doubted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.sales import (
    FACTOR_MIN,
    OWN_DAYS_MIN,
    PEERS_MIN,
    Comparisons,
    Figures,
    NotCheckedIn,
    ReportSales,
    query,
    report,
    require_sold,
    unusual,
)
from tests.unit.bazaar import DAYS, a_bazaar, an_application, an_offer

USUAL = [
    Figures(turnover, 20, 40) for turnover in (500_000, 550_000, 600_000, 650_000, 700_000, 480_000, 720_000, 610_000)
]


@pytest.mark.parametrize(
    "figures",
    [
        {"turnover_rupiah": 0, "transactions": 1},
        {"turnover_rupiah": 5000, "transactions": 0},
        {"turnover_rupiah": -5000, "transactions": 1},
        {"turnover_rupiah": 1.5, "transactions": 1},
        {"turnover_rupiah": "5000", "transactions": 1},
        {"turnover_rupiah": 10**12 + 1, "transactions": 1},
        {"turnover_rupiah": 0, "transactions": 0, "units": 3},
        {"turnover_rupiah": 5000, "transactions": 1, "units": -1},
    ],
)
def test_sales_are_whole_rupiah_and_all_or_nothing(figures: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReportSales.model_validate({"day": DAYS[0], **figures})


@pytest.mark.parametrize(
    "figures",
    [
        {"turnover_rupiah": 0, "transactions": 0},
        {"turnover_rupiah": 0, "transactions": 0, "units": 0},
        {"turnover_rupiah": 10**12, "transactions": 10**6, "units": 10**7},
        {"turnover_rupiah": 1, "transactions": 1},
    ],
)
def test_who_sold_nothing_can_say_so(figures: dict[str, Any]) -> None:
    ReportSales.model_validate({"day": DAYS[0], **figures})


def test_sales_need_a_check_in_on_their_day_and_online_a_booth_held() -> None:
    attended = an_application(state="attended", offer=an_offer())
    held, online = a_bazaar(state="allocated"), a_bazaar(state="allocated", setting="online")
    require_sold(attended, held, DAYS[0], DAYS[0], checked_in=True)
    require_sold(an_application(state="confirmed", offer=an_offer()), online, DAYS[0], DAYS[0], checked_in=False)
    for application, bazaar, day in [
        (attended, held, DAYS[0]),
        (an_application(state="offered", offer=an_offer()), online, DAYS[0]),
        (attended, online, DAYS[1]),
        (an_application(state="queued"), online, DAYS[0]),
    ]:
        with pytest.raises(NotCheckedIn):
            require_sold(application, bazaar, day, DAYS[0], checked_in=False)


def test_a_report_and_a_query_are_one_event_each() -> None:
    attended = an_application(state="attended", offer=an_offer(), version=4)
    first = report(attended, ReportSales(day=DAYS[0], turnover_rupiah=7, transactions=1, units=2))
    assert (first.after.version, first.event.model_dump()["units"]) == (5, 2)
    second = query(first.after, a_bazaar(), DAYS[0], "turnover-high")
    assert (second.after.version, second.event.model_dump()["because"]) == (6, "turnover-high")


@pytest.mark.parametrize(
    ("figures", "because"),
    [
        (Figures(600_000, 20, 40), []),
        (Figures(6_000_000, 20, 40), ["turnover-high", "per-transaction-high", "per-unit-high"]),
        (Figures(6_000_000, 200, 400), ["turnover-high"]),
        (Figures(600, 20, 40), ["turnover-low"]),
        (Figures(600_000, 1, 40), ["per-transaction-high"]),
        (Figures(600_000, 20, 2), ["per-unit-high"]),
        (Figures(600_000, 20, None), []),
        (Figures(0, 0, None), []),
    ],
)
def test_a_slip_of_the_pen_is_doubted_and_a_usual_day_is_not(figures: Figures, because: list[str]) -> None:
    for comparisons in (Comparisons(own=USUAL), Comparisons(peers=USUAL), Comparisons(USUAL, USUAL)):
        assert unusual(figures, comparisons) == because


def test_what_one_comparison_explains_is_not_doubted() -> None:
    rain = [Figures(turnover // 50, 1, 1) for turnover, _, _ in USUAL]
    assert unusual(Figures(12_000, 1, 1), Comparisons(own=USUAL)) != []
    assert unusual(Figures(12_000, 1, 1), Comparisons(own=USUAL, peers=rain)) == []


def test_too_few_others_are_no_comparison() -> None:
    far = Figures(60_000_000, 20, 40)
    assert unusual(far, Comparisons(own=USUAL[: OWN_DAYS_MIN - 1], peers=USUAL[: PEERS_MIN - 1])) == []
    assert unusual(far, Comparisons(own=USUAL[:OWN_DAYS_MIN])) != []
    nothing = [Figures(0, 0, None)] * 20
    assert unusual(far, Comparisons(own=nothing, peers=nothing)) == []


@given(
    st.lists(st.integers(1, 10**9), min_size=PEERS_MIN, max_size=40),
    st.integers(1, 10**9),
)
def test_nothing_near_the_middle_is_ever_doubted(turnovers: list[int], turnover: int) -> None:
    others = [Figures(one, 1, None) for one in turnovers]
    middle = sorted(turnovers)[len(turnovers) // 2]
    spread = max(turnovers) / min(turnovers)
    doubted = unusual(Figures(turnover, 1, None), Comparisons(peers=others))
    if doubted:
        assert max(turnover / middle, middle / turnover) * spread > FACTOR_MIN
    assert unusual(Figures(middle, 1, None), Comparisons(peers=others)) == [] or spread > FACTOR_MIN


def test_one_slip_among_the_others_hides_no_other() -> None:
    others = [*USUAL, Figures(600_000_000_000, 20, 40)]
    assert unusual(Figures(60_000_000, 20, 40), Comparisons(peers=others))[0] == "turnover-high"

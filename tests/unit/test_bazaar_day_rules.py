"""The days of the bazaar: check-in, sales, the end."""

from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.bazaar.domain.application import ApplicationState
from services.bazaar.domain.bazaar import WrongMoment
from services.bazaar.domain.days import (
    BazaarNotOver,
    NotABazaarDay,
    NotCheckedIn,
    NotConfirmed,
    ReportSales,
    check_in,
    finish,
    report_sales,
    require_day,
)
from tests.unit.bazaar import DAYS, a_bazaar, an_application, an_offer

ONE_DAY = timedelta(days=1)


def test_check_in_is_on_held_days_that_have_come() -> None:
    bazaar = a_bazaar(state="allocated")
    require_day(bazaar, DAYS[0], DAYS[0])
    require_day(bazaar, DAYS[0], DAYS[1])
    for day, today in [(DAYS[0] - ONE_DAY, DAYS[0]), (DAYS[1] + ONE_DAY, DAYS[1] + ONE_DAY), (DAYS[1], DAYS[0])]:
        with pytest.raises(NotABazaarDay):
            require_day(bazaar, day, today)


@pytest.mark.parametrize(("state", "version"), [("confirmed", 4), ("attended", 4)])
def test_who_confirmed_checks_in_on_every_day(state: ApplicationState, version: int) -> None:
    step = check_in(an_application(state=state, offer=an_offer(), version=3), DAYS[0])
    assert (step.after.state, step.after.version) == ("attended", version)
    assert step.event.model_dump()["day"] == DAYS[0]


@pytest.mark.parametrize("state", ["received", "queued", "offered", "declined", "lapsed", "missed"])
def test_only_a_confirmed_booth_is_checked_in(state: ApplicationState) -> None:
    with pytest.raises(NotConfirmed):
        check_in(an_application(state=state, offer=an_offer()), DAYS[0])


def test_sales_need_a_check_in_on_their_day() -> None:
    command = ReportSales(day=DAYS[0], turnover_rupiah=1, transactions=1)
    attended = an_application(state="attended", offer=an_offer(), version=4)
    step = report_sales(attended, command, checked_in=True)
    assert (step.after.version, step.event.model_dump()["turnover_rupiah"]) == (5, 1)
    with pytest.raises(NotCheckedIn):
        report_sales(attended, command, checked_in=False)


@pytest.mark.parametrize(
    "figures",
    [
        {"turnover_rupiah": 0, "transactions": 1},
        {"turnover_rupiah": -5000, "transactions": 1},
        {"turnover_rupiah": 1.5, "transactions": 1},
        {"turnover_rupiah": "5000", "transactions": 1},
        {"turnover_rupiah": 5000, "transactions": 0},
        {"turnover_rupiah": 10**12 + 1, "transactions": 1},
    ],
)
def test_sales_are_positive_whole_rupiah(figures: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReportSales.model_validate({"day": DAYS[0], **figures})


def test_a_bazaar_is_finished_from_the_day_after_its_last() -> None:
    bazaar = a_bazaar(state="allocated")
    assert finish(bazaar, DAYS[-1] + ONE_DAY).state == "finished"
    with pytest.raises(BazaarNotOver):
        finish(bazaar, DAYS[-1])


def test_a_bazaar_is_finished_once_and_after_its_allocation() -> None:
    for state in ("announced", "finished"):
        with pytest.raises(WrongMoment):
            finish(a_bazaar(state=state), date(2023, 4, 1))

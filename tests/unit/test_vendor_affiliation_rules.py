"""Affiliations: terms, fees, reminders and lapse, on both sides of every day."""

import ast
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.vendor.domain import affiliations as domain
from services.vendor.domain.affiliations import (
    Affiliation,
    AffiliationAreaInvalid,
    AffiliationHeld,
    AffiliationOver,
    FeeMismatch,
    MembershipOpen,
    Organisation,
    Payment,
    PaymentInFuture,
    PaymentMissing,
    PaymentNoted,
    PaymentNotTaken,
    RenewedTooFar,
    StartImplausible,
)
from shared.events.programme import AffiliationExpiring, AffiliationLapsed
from tests.conftest import repository_root

TODAY = date(2023, 3, 1)
KADIN = Organisation("kadin", "Kadin", False, 12, 120_000)
PKK = Organisation("pkk", "PKK", True, None, None)
PAID = Payment(TODAY, 120_000, "K-1")


def begin(organisation: Organisation = KADIN, *held: Affiliation, **more: Any) -> Affiliation:
    wish: dict[str, Any] = {
        "area": None,
        "rw": None,
        "started_on": TODAY,
        "payment": PAID if organisation.fee_rupiah else None,
        "today": TODAY,
        "by": "officer",
    }
    return domain.start(UUID(int=1), UUID(int=2), organisation, held, **{**wish, **more})[0]


# ---- terms


@pytest.mark.parametrize(
    ("started_on", "last"),
    [
        (date(2023, 3, 1), date(2024, 2, 29)),
        (date(2022, 3, 2), date(2023, 3, 1)),
        (date(2023, 1, 31), date(2024, 1, 30)),
    ],
)
def test_a_membership_runs_twelve_months(started_on: date, last: date) -> None:
    assert begin(started_on=started_on).expires_on == last


def test_a_membership_begun_on_a_leap_day_runs_a_year() -> None:
    begun = begin(started_on=date(2024, 2, 29), today=date(2024, 3, 1), payment=replace(PAID, paid_on=TODAY))
    assert begun.expires_on == date(2025, 2, 27)


def test_a_membership_that_ran_out_yesterday_is_not_begun() -> None:
    assert begin(started_on=date(2022, 3, 2)).expires_on == TODAY
    with pytest.raises(StartImplausible):
        begin(started_on=date(2022, 3, 1))


def test_nothing_begins_tomorrow() -> None:
    with pytest.raises(StartImplausible):
        begin(started_on=TODAY + timedelta(days=1))


def test_early_renewal_loses_nothing_and_late_renewal_pays_for_no_day_that_is_gone() -> None:
    begun = begin()
    assert begun.expires_on == date(2024, 2, 29)
    for day, last in (
        (date(2023, 6, 1), date(2025, 2, 28)),
        (date(2024, 2, 29), date(2025, 2, 28)),
        (date(2024, 3, 1), date(2025, 2, 28)),
        (date(2024, 3, 2), date(2025, 3, 1)),
    ):
        renewed, event = domain.renew(begun, KADIN, PAID, [], day)
        assert renewed.expires_on == event.expires_on == last


def test_a_lapsed_membership_lives_again_and_is_reminded_again() -> None:
    lapsed = replace(begin(), state="lapsed", told_days=7)
    renewed, _ = domain.renew(lapsed, KADIN, PAID, [], date(2024, 5, 1))
    assert (renewed.state, renewed.told_days, renewed.expires_on) == ("active", None, date(2025, 4, 30))


def test_a_term_begins_five_years_ahead_at_most() -> None:
    ahead = replace(begin(), expires_on=date(2028, 2, 29))
    assert domain.renew(ahead, KADIN, PAID, [], TODAY)[0].expires_on == date(2029, 2, 28)
    with pytest.raises(RenewedTooFar):
        domain.renew(replace(ahead, expires_on=date(2028, 3, 1)), KADIN, PAID, [], TODAY)


def test_what_has_no_term_or_is_over_is_not_renewed() -> None:
    open_ended = begin(PKK, area="31.71.02.1002")
    with pytest.raises(MembershipOpen):
        domain.renew(open_ended, PKK, PAID, [], TODAY)
    ended, _ = domain.end(begin(), TODAY)
    with pytest.raises(AffiliationOver):
        domain.renew(ended, KADIN, PAID, [], TODAY)
    with pytest.raises(AffiliationOver):
        domain.end(ended, TODAY)


# ---- payments


def test_the_fee_is_noted_exactly() -> None:
    for amount in (119_999, 120_001):
        with pytest.raises(FeeMismatch):
            begin(payment=replace(PAID, amount_rupiah=amount))
    with pytest.raises(PaymentMissing):
        begin(payment=None)
    with pytest.raises(PaymentNotTaken):
        begin(PKK, area="31", payment=PAID)
    with pytest.raises(PaymentInFuture):
        begin(payment=replace(PAID, paid_on=TODAY + timedelta(days=1)))


def test_one_payment_renews_once() -> None:
    with pytest.raises(PaymentNoted):
        domain.renew(begin(), KADIN, PAID, ["K-1"], TODAY)


# ---- areas


@pytest.mark.parametrize(
    ("area", "rw", "level"),
    [
        ("31", None, "province"),
        ("31.71", None, "kota"),
        ("31.71.02", None, "kecamatan"),
        ("31.71.02.1002", None, "kelurahan"),
        ("31.71.02.1002", "003", "rw"),
    ],
)
def test_pkk_is_organised_at_five_levels(area: str, rw: str | None, level: str) -> None:
    assert begin(PKK, area=area, rw=rw).level == level


@pytest.mark.parametrize(
    ("organisation", "area", "rw"),
    [
        (PKK, None, None),
        (PKK, "32", None),
        (PKK, "31.71.02.9999", None),
        (PKK, "31.71.02", "003"),
        (PKK, "31.71.02.1002", "000"),
        (KADIN, "31", None),
        (KADIN, None, "003"),
    ],
)
def test_an_area_that_does_not_fit_is_refused(organisation: Organisation, area: str | None, rw: str | None) -> None:
    with pytest.raises(AffiliationAreaInvalid):
        begin(organisation, area=area, rw=rw)


def test_the_same_affiliation_is_held_once() -> None:
    held = begin()
    with pytest.raises(AffiliationHeld) as refused:
        begin(KADIN, replace(held, state="lapsed"))
    assert "renew" in refused.value.message
    assert begin(KADIN, replace(held, state="ended")).state == "active"
    rw = begin(PKK, area="31.71.02.1002", rw="003")
    assert begin(PKK, rw, held, area="31.71.02.1002", rw="004").state == "active"
    with pytest.raises(AffiliationHeld):
        begin(PKK, rw, area="31.71.02.1002", rw="003")


# ---- reminders and lapse


def days_before(affiliation: Affiliation, days: int) -> date:
    assert affiliation.expires_on is not None
    return affiliation.expires_on - timedelta(days=days)


@pytest.mark.parametrize(
    ("told", "days", "tells"),
    [
        (None, 31, None),
        (None, 30, 30),
        (30, 29, None),
        (30, 8, None),
        (30, 7, 7),
        (None, 7, 7),
        (None, 3, 3),  # slept over both: told once, with the days that are left
        (7, 7, None),
        (7, 0, None),
        (30, 0, 0),
    ],
)
def test_a_reminder_is_told_once_on_its_day_or_late(told: int | None, days: int, tells: int | None) -> None:
    affiliation = replace(begin(), told_days=told)
    changed, event = domain.check_due(affiliation, days_before(affiliation, days))
    if tells is None:
        assert (changed, event) == (affiliation, None)
        return
    assert isinstance(event, AffiliationExpiring)
    assert event.days_left == tells
    assert domain.check_due(changed, days_before(affiliation, days)) == (changed, None)


def test_it_lapses_the_day_after_its_last_and_once() -> None:
    affiliation = replace(begin(), told_days=7)
    assert domain.check_due(affiliation, days_before(affiliation, 0))[1] is None
    lapsed, event = domain.check_due(affiliation, days_before(affiliation, -1))
    assert isinstance(event, AffiliationLapsed)
    assert (lapsed.state, event.expired_on) == ("lapsed", affiliation.expires_on)
    assert domain.check_due(lapsed, days_before(affiliation, -2)) == (lapsed, None)


def test_the_timer_walks_from_reminder_to_reminder_to_the_lapse() -> None:
    affiliation, day, told = begin(), TODAY, []
    while (due := domain.next_due(affiliation, day)) is not None:
        assert due >= day
        day = due
        affiliation, event = domain.check_due(affiliation, day)
        assert event is not None, f"woken on {day} for nothing"
        told.append((type(event).__name__, (day - date(2024, 2, 29)).days))
    assert told == [("AffiliationExpiring", -30), ("AffiliationExpiring", -7), ("AffiliationLapsed", 1)]


def test_what_has_no_term_is_never_due() -> None:
    assert domain.next_due(begin(PKK, area="31"), TODAY) is None
    assert domain.next_due(domain.end(begin(), TODAY)[0], TODAY) is None


# ---- never a condition (DOMAIN B6)


def test_nothing_of_the_programme_asks_for_an_affiliation() -> None:
    """Whoever decides something does not know affiliations: only their own door and the rights of the person do."""
    services = repository_root() / "services"
    own = {"affiliations.py", "person.py", "app.py"}

    def knows(path: Path) -> bool:
        imported = [
            f"{getattr(node, 'module', '') or ''} {' '.join(alias.name for alias in node.names)}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom | ast.Import)
        ]
        return any("affiliations" in line for line in imported)

    asking = {path.relative_to(services).as_posix() for path in services.rglob("*.py") if knows(path)}
    assert {path for path in asking if Path(path).name not in own} <= {"vendor/api/__init__.py"}
    assert "vendor/handlers/affiliations.py" in asking

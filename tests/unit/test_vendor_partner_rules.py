"""Partners: when an agreement holds, what overlaps, who may enter."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.vendor.domain import partners as domain
from services.vendor.domain.partners import (
    Agreement,
    AgreementOver,
    AgreementOverlaps,
    AgreementPeriodInvalid,
    AreaTooSmall,
    Partner,
    PartnerAreaUnknown,
)

TODAY = date(2023, 3, 1)
BANK = Partner(UUID(int=1), 0, "bank-dki", "Bank DKI", "bank")
DAY = timedelta(days=1)


def agree(*others: Agreement, **more: Any) -> Agreement:
    wish: dict[str, Any] = {
        "area": "31.71",
        "valid_from": TODAY,
        "valid_until": date(2023, 12, 31),
        "topics": ["export", "capital", "export"],
        "today": TODAY,
    }
    return domain.make(BANK, UUID(int=2), others, **{**wish, **more})[0]


def test_an_agreement_holds_from_its_first_to_its_last_day() -> None:
    made = agree()
    assert made.topics == ("capital", "export")
    assert [made.holds_on(day) for day in (TODAY - DAY, TODAY, made.valid_until, made.valid_until + DAY)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_agreement_of_one_day_holds_that_day() -> None:
    made = agree(valid_until=TODAY)
    assert (made.holds_on(TODAY - DAY), made.holds_on(TODAY), made.holds_on(TODAY + DAY)) == (False, True, False)


def test_one_ended_early_holds_no_longer_that_day() -> None:
    ended, event = domain.end_early(agree(), TODAY + DAY)
    assert (ended.holds_on(TODAY), ended.holds_on(TODAY + DAY)) == (True, False)
    assert (event.ended_on, event.lapsed) == (TODAY + DAY, False)
    with pytest.raises(AgreementOver):
        domain.end_early(ended, TODAY + DAY)


def test_one_ended_before_it_began_never_holds_and_is_in_nobodys_way() -> None:
    later = agree(valid_from=TODAY + 10 * DAY)
    ended, _ = domain.end_early(later, TODAY)
    assert not any(ended.holds_on(TODAY + n * DAY) for n in range(400))
    assert agree(ended).valid_from == TODAY


def test_one_runs_out_the_day_after_its_last() -> None:
    made = agree()
    assert domain.lapse(made, made.valid_until) is None
    lapsed = domain.lapse(made, made.valid_until + DAY)
    assert lapsed is not None
    ended, event = lapsed
    assert (event.ended_on, event.lapsed) == (made.valid_until, True)
    assert (ended.holds_on(made.valid_until), ended.holds_on(made.valid_until + DAY)) == (True, False)
    assert domain.lapse(ended, made.valid_until + DAY) is None
    with pytest.raises(AgreementOver):
        domain.end_early(made, made.valid_until + DAY)


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "overlaps"),
    [
        (date(2024, 1, 1), date(2024, 12, 31), False),
        (date(2023, 12, 31), date(2024, 12, 31), True),
        (date(2023, 1, 1), date(2023, 3, 1), True),
        (date(2023, 5, 1), date(2023, 6, 1), True),
        (date(2023, 1, 1), date(2024, 6, 1), True),
    ],
)
def test_a_day_in_common_is_an_overlap(valid_from: date, valid_until: date, overlaps: bool) -> None:
    standing = agree()
    if not overlaps:
        assert agree(standing, valid_from=valid_from, valid_until=valid_until).valid_from == valid_from
        return
    with pytest.raises(AgreementOverlaps) as refused:
        agree(standing, valid_from=valid_from, valid_until=valid_until)
    assert refused.value.details["held_until"] == "2023-12-31"


def test_the_next_may_begin_on_the_day_the_last_was_ended() -> None:
    ended, _ = domain.end_early(agree(), TODAY + DAY)
    assert agree(ended, valid_from=TODAY + DAY).valid_from == TODAY + DAY
    with pytest.raises(AgreementOverlaps):
        agree(ended, valid_from=TODAY)


def test_an_agreement_for_a_larger_area_is_no_overlap() -> None:
    assert agree(agree(), area="31").area == "31"


@pytest.mark.parametrize(
    "more",
    [
        {"valid_until": TODAY - DAY, "valid_from": TODAY},
        {"valid_until": TODAY - DAY, "valid_from": TODAY - 2 * DAY},
        {"valid_until": date(2034, 1, 1)},
    ],
)
def test_days_that_make_no_sense_are_refused(more: dict[str, date]) -> None:
    with pytest.raises(AgreementPeriodInvalid):
        agree(**more)


def test_the_longest_agreement_and_one_that_ends_today_are_taken() -> None:
    assert agree(valid_until=date(2033, 12, 31)).valid_until.year == 2033
    assert agree(valid_from=TODAY - 5 * DAY, valid_until=TODAY).holds_on(TODAY)


def test_an_area_must_be_official() -> None:
    assert agree(area="31").area == "31"
    with pytest.raises(PartnerAreaUnknown):
        agree(area="31.99")


def test_partners_are_a_matter_of_the_province_and_its_cities() -> None:
    domain.require_wide("31")
    domain.require_wide("31.71")
    with pytest.raises(AreaTooSmall):
        domain.require_wide("31.71.02")

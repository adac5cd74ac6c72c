"""Setting up a bazaar: what an officer may describe, and what becomes of it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.bazaar.domain.bazaar import (
    ApplicationsClosed,
    BazaarUnknown,
    ClosingPassed,
    DraftBazaar,
    WrongMoment,
    announce,
    answer_until,
    draft,
    offers_end_at,
    require_open,
)
from services.bazaar.domain.policy import SeatLimit
from tests.unit.bazaar import CLOSING, KARANG_ANYAR, a_bazaar

MICROSECOND = timedelta(microseconds=1)


def described(site: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": "Bazar Jakpreneur",
        "organisers": ["Sudin PPKUKM"],
        "days": ["2023-03-20", "2023-03-21"],
        "applications_close_at": "2023-03-13T17:00:00+07:00",
        "sites": [
            {
                "site_id": "karang-anyar",
                "name": "Rusun Karang Anyar",
                "venue_type": "rusun",
                "kelurahan": KARANG_ANYAR,
                "booths": 30,
                **(site or {}),
            }
        ],
        **more,
    }


def test_thirty_booths_stand_in_tents_of_two() -> None:
    desks = ["ppkukm", "ppapp", "kpkp", "sosial", "parekraf", "nakertransgi"]
    command = DraftBazaar.model_validate(described({"agency_desks": desks, "partner_booths": ["Bulog", "Dharma Jaya"]}))

    bazaar, booths = draft(command, UUID(int=1))

    assert bazaar.state == "draft"
    assert bazaar.version == 0
    vendor_booths = [booth for booth in booths if booth.kind == "vendor"]
    assert [booth.number for booth in vendor_booths] == [f"A{number:02d}" for number in range(1, 31)]
    assert [booth.tent for booth in vendor_booths] == [tent for tent in range(1, 16) for _ in range(2)]
    assert [(booth.number, booth.holder) for booth in booths if booth.kind == "agency"] == [
        (f"D{number:02d}", agency) for number, agency in enumerate(desks, start=1)
    ]
    assert [booth.holder for booth in booths if booth.kind == "partner"] == ["Bulog", "Dharma Jaya"]


def test_an_odd_booth_has_a_tent_for_itself() -> None:
    _, booths = draft(DraftBazaar.model_validate(described({"booths": 3})), UUID(int=1))
    assert [booth.tent for booth in booths] == [1, 1, 2]


@pytest.mark.parametrize(
    ("site", "seats"),
    [
        ({"agency_desks": ["ppkukm", "ppapp"]}, {"ppkukm": 5, "ppapp": 5}),
        ({"agency_desks": ["ppkukm", "ppapp"], "booths": 10}, {"ppkukm": 5, "ppapp": 5}),
        ({"agency_desks": ["ppkukm", "ppapp"], "booths": 9}, {"ppkukm": 4, "ppapp": 4}),
        ({"agency_desks": ["ppkukm"], "reserves": []}, {}),
        ({"agency_desks": ["ppkukm"], "reserves": [{"group": "agency", "value": "ppkukm", "seats": 7}]}, {"ppkukm": 7}),
        ({"agency_desks": ["ppkukm"], "caps": [{"group": "category", "value": "health", "seats": 7}]}, {}),
        ({}, {}),
    ],
)
def test_each_agency_has_its_share_unless_set_otherwise(site: dict[str, Any], seats: dict[str, int]) -> None:
    bazaar, _ = draft(DraftBazaar.model_validate(described(site)), UUID(int=1))
    assert {reserve.value: reserve.seats for reserve in bazaar.sites[0].reserves} == seats


def limit(value: str, seats: int, group: str = "agency") -> dict[str, Any]:
    return SeatLimit.model_validate({"group": group, "value": value, "seats": seats}).model_dump()


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        ({"kelurahan": "31.71.99.1001"}, "no kelurahan has this code"),
        ({"booths": 0}, "greater than or equal to 1"),
        ({"booths": 501}, "less than or equal to 500"),
        ({"booths": "30"}, "valid integer"),
        ({"agency_desks": ["ppkukm", "ppkukm"]}, "named twice"),
        ({"reserves": [limit("ppkukm", 31)]}, "reserves 31 seats, but the site has 30 booths"),
        ({"reserves": [limit("ppkukm", 3), limit("ppkukm", 2)]}, "name one value twice"),
        ({"reserves": [limit("ppkukm", 3)], "caps": [limit("ppkukm", 2)]}, "more seats for ppkukm than its cap"),
        ({"reserves": [limit("ppkukm", 3)], "caps": [limit("health", 2, "category")]}, "name one group"),
        ({"boths": 30}, "Extra inputs"),
    ],
)
def test_a_site_that_cannot_be_is_refused(site: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DraftBazaar.model_validate(described(site))


@pytest.mark.parametrize(
    "site",
    [
        {"booths": 1},
        {"booths": 500},
        {"reserves": [limit("ppkukm", 30)]},
        {"reserves": [limit("ppkukm", 2)], "caps": [limit("ppkukm", 2)]},
    ],
)
def test_a_site_at_its_limits_is_taken(site: dict[str, Any]) -> None:
    assert DraftBazaar.model_validate(described(site)).sites


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"days": ["2023-03-21", "2023-03-20"]}, "in order, each once"),
        ({"days": ["2023-03-20", "2023-03-20"]}, "in order, each once"),
        ({"days": []}, "at least 1"),
        ({"days": ["0001-01-01"]}, "greater than or equal to 2000-01-01"),
        ({"name": "Bazar\x00"}, "should match pattern"),
        ({"name": "  "}, "at least 1 character"),
        ({"organisers": []}, "at least 1"),
        ({"applications_close_at": "2023-03-13T17:00:00"}, "timezone"),
        ({"applications_close_at": "2023-03-19T23:59:00+07:00"}, "must close while offers can be answered"),
        ({"offer_hours": 0}, "greater than or equal to 1"),
        ({"policy": {"rotation": []}}, "at least 1"),
        ({"policy": {"caps": [{"group": "rw", "seats_each": 1}, {"group": "rw", "seats_each": 2}]}}, "one group twice"),
        ({"policy": {"rotation": [{"by": "rw", "measure": "turns"}] * 2}}, "one level twice"),
    ],
)
def test_a_bazaar_that_cannot_be_is_refused(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DraftBazaar.model_validate(described(**more))


def test_two_sites_have_two_ids() -> None:
    body = described()
    with pytest.raises(ValidationError, match="same site_id"):
        DraftBazaar.model_validate({**body, "sites": body["sites"] * 2})


def test_an_announcement_tells_the_sites_and_opens_applications() -> None:
    bazaar, _ = draft(DraftBazaar.model_validate(described()), UUID(int=1))
    after, event = announce(bazaar, CLOSING - MICROSECOND)
    assert after.state == "announced"
    assert after.version == 1
    assert event.sites[0].site_id == "karang-anyar"
    require_open(after, CLOSING - MICROSECOND)


def test_a_bazaar_that_closes_now_is_not_announced() -> None:
    bazaar, _ = draft(DraftBazaar.model_validate(described()), UUID(int=1))
    with pytest.raises(ClosingPassed):
        announce(bazaar, CLOSING)


def test_a_bazaar_is_announced_once() -> None:
    with pytest.raises(WrongMoment):
        announce(a_bazaar(state="announced"), CLOSING - MICROSECOND)


def test_applications_end_at_the_closing_moment() -> None:
    require_open(a_bazaar(), CLOSING - MICROSECOND)
    with pytest.raises(ApplicationsClosed):
        require_open(a_bazaar(), CLOSING)
    with pytest.raises(ApplicationsClosed):
        require_open(a_bazaar(state="frozen"), CLOSING - MICROSECOND)
    with pytest.raises(BazaarUnknown):
        require_open(a_bazaar(state="draft"), CLOSING - MICROSECOND)


def test_offers_can_be_answered_until_the_evening_before_at_the_latest() -> None:
    bazaar = a_bazaar(offer_hours=24)
    end = datetime(2023, 3, 19, 16, 59, tzinfo=UTC)
    assert offers_end_at(date(2023, 3, 20)) == end
    assert answer_until(bazaar, CLOSING) == CLOSING + timedelta(hours=24)
    assert answer_until(bazaar, end - timedelta(hours=24)) == end
    assert answer_until(bazaar, end - timedelta(hours=23)) == end


def test_nobody_is_offered_a_booth_without_an_hour_to_answer() -> None:
    end = offers_end_at(date(2023, 3, 20))
    assert answer_until(a_bazaar(), end - timedelta(hours=1)) == end
    assert answer_until(a_bazaar(), end - timedelta(hours=1) + MICROSECOND) is None

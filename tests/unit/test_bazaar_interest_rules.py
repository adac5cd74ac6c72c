"""Standing interests: which bazaar meets one, with which choices, and how long it lasts."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.domain.application import Step, VendorUnknown
from services.bazaar.domain.interests import (
    ALREADY_APPLIED,
    CATEGORY_CHANGED,
    INTERESTS_PER_PERSON_MAX,
    WITHDRAWN_BEFORE,
    DeclareInterest,
    Interest,
    Interested,
    InterestEnded,
    InterestsFull,
    ValidityWrong,
    apply_for,
    choices_at,
    confirm,
    declare,
    move,
    remind,
    remind_at,
)
from services.bazaar.domain.policy import Policy
from tests.unit.bazaar import CLOSING, a_bazaar, a_site, a_vendor

NOW = CLOSING - timedelta(days=5)
MONDAY, TUESDAY, FRIDAY = date(2023, 3, 20), date(2023, 3, 21), date(2023, 3, 24)
VENUES = [UUID(int=number) for number in (71, 72, 73)]


def an_interest(**more: Any) -> Interest:
    command = DeclareInterest(**{"valid_until": date(2023, 12, 31), **more})
    return declare(command, UUID(int=7), a_vendor(7), 0, interest_id=UUID(int=70), origin="vendor", now=NOW)


def test_without_wishes_every_site_is_as_good_as_another() -> None:
    assert choices_at(an_interest(), a_bazaar(a_site("one"), a_site("two"))) == [["one", "two"]]


def test_ranked_venues_come_first_and_other_sites_after_them() -> None:
    bazaar = a_bazaar(
        a_site("a", venue_id=VENUES[0]), a_site("b"), a_site("c", venue_id=VENUES[1]), a_site("d", venue_id=VENUES[0])
    )
    ranked = {"venue_ids": [VENUES[1], VENUES[2], VENUES[0]]}
    assert choices_at(an_interest(**ranked), bazaar) == [["c"], ["a", "d"], ["b"]]
    assert choices_at(an_interest(**ranked, any_site=False), bazaar) == [["c"], ["a", "d"]]
    assert choices_at(an_interest(venue_ids=[VENUES[2]], any_site=False), bazaar) == []
    with pytest.raises(ValidationError, match="any_site"):
        an_interest(any_site=False)


def test_all_days_of_a_site_must_suit() -> None:
    bazaar = a_bazaar(a_site("both"), a_site("monday", days=(MONDAY,)), days=(MONDAY, TUESDAY))
    assert choices_at(an_interest(weekdays=[1]), bazaar) == [["monday"]]
    assert choices_at(an_interest(weekdays=[1, 2]), bazaar) == [["both", "monday"]]
    assert choices_at(an_interest(weekdays=[5]), bazaar) == []


def test_areas_choose_sites_and_not_parts_of_codes() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    assert choices_at(an_interest(areas=["31.71.02"]), bazaar) == [["one", "two"]]
    assert choices_at(an_interest(areas=["31.71.01", "31.72"]), bazaar) == []
    assert choices_at(an_interest(areas=["31.71.02.1002"]), bazaar) == [["one", "two"]]


def test_series_and_setting_choose_bazaars() -> None:
    series = UUID(int=5)
    assert choices_at(an_interest(series_id=series), a_bazaar(series_id=series)) == [["one"]]
    assert choices_at(an_interest(series_id=series), a_bazaar(series_id=UUID(int=6))) == []
    assert choices_at(an_interest(series_id=series), a_bazaar()) == []
    assert choices_at(an_interest(setting="online"), a_bazaar()) == []
    assert choices_at(an_interest(setting="online"), a_bazaar(setting="online")) == [["one"]]


@given(
    venues=st.lists(st.sampled_from([None, *VENUES]), min_size=1, max_size=8),
    named=st.lists(st.sampled_from(VENUES), unique=True),
    weekdays=st.lists(st.integers(1, 7), unique=True),
    any_site=st.booleans(),
)
def test_choices_name_wanted_sites_once_each(
    venues: list[UUID | None], named: list[UUID], weekdays: list[int], any_site: bool
) -> None:
    days = (MONDAY, TUESDAY, FRIDAY)
    sites = [
        a_site(f"s{at}", venue_id=venue, days=days[at % 3 : at % 3 + 1 + at % 2]) for at, venue in enumerate(venues)
    ]
    bazaar = a_bazaar(*sites, days=days)
    interest = an_interest(venue_ids=named, weekdays=weekdays, any_site=any_site or not named)
    tiers = choices_at(interest, bazaar)
    assert all(tiers)
    found = [site_id for tier in tiers for site_id in tier]
    wanted = {
        site.site_id
        for site in sites
        if (not weekdays or all(day.isoweekday() in weekdays for day in site.days))
        and (interest.any_site or site.venue_id in named)
    }
    assert sorted(found) == sorted(wanted)


def test_an_interest_applies_as_its_vendor_would() -> None:
    interest = an_interest(categories=["food-drink"], needs=["power"])
    one = Interested(interest, a_vendor(7), UUID(int=7), None)
    made = apply_for(one, a_bazaar(), [["one"]], application_id=UUID(int=9), now=NOW)
    assert isinstance(made, Step)
    assert (made.after.origin, made.after.needs, made.after.vendor_id) == ("standing", ("power",), UUID(int=7))
    assert made.event.model_dump()["origin"] == "standing"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"prior": "applied"}, ALREADY_APPLIED),
        ({"prior": "withdrawn"}, WITHDRAWN_BEFORE),
        ({"vendor": a_vendor(7, category="health")}, CATEGORY_CHANGED),
        ({"vendor": a_vendor(7, category=None)}, CATEGORY_CHANGED),
        ({"vendor": a_vendor(7, trained=False)}, "training-missing"),
        ({"vendor": a_vendor(7, suspended_because="documents-missing")}, "vendor-suspended"),
    ],
)
def test_who_may_not_take_part_is_not_applied_for(more: dict[str, Any], code: str) -> None:
    told: dict[str, Any] = {"vendor": a_vendor(7), "person_id": UUID(int=7), "prior": None, **more}
    one = Interested(interest=an_interest(categories=["food-drink"]), **told)
    assert apply_for(one, a_bazaar(), [["one"]], application_id=UUID(int=9), now=NOW) == code


def test_a_bazaar_for_others_is_not_applied_to() -> None:
    policy = Policy.model_validate({"admits": [{"group": "category", "values": ["health"]}]})
    one = Interested(an_interest(), a_vendor(7), UUID(int=7), None)
    made = apply_for(one, a_bazaar(policy=policy), [["one"]], application_id=UUID(int=9), now=NOW)
    assert made == "not-admitted"


def test_an_interest_is_valid_for_a_year_at_most() -> None:
    today = NOW.date()
    for until in (today, today + timedelta(days=365)):
        assert an_interest(valid_until=until).valid_until == until
    for until in (today - timedelta(days=1), today + timedelta(days=366)):
        with pytest.raises(ValidityWrong):
            an_interest(valid_until=until)
        with pytest.raises(ValidityWrong):
            confirm(an_interest(), until, NOW)


def test_a_person_has_a_few_interests() -> None:
    command = DeclareInterest(valid_until=date(2023, 12, 31))
    for had, vendor, refusal in (
        (INTERESTS_PER_PERSON_MAX, a_vendor(7), InterestsFull),
        (0, None, VendorUnknown),
    ):
        with pytest.raises(refusal):
            declare(command, UUID(int=7), vendor, had, interest_id=UUID(int=70), origin="vendor", now=NOW)


def test_what_is_paused_comes_back_and_what_has_ended_does_not() -> None:
    paused = move(an_interest(), "paused")
    assert move(paused, "active").state == "active"
    ended = move(paused, "ended")
    assert move(ended, "ended") == ended
    with pytest.raises(InterestEnded):
        move(ended, "active")
    with pytest.raises(InterestEnded):
        move(ended, "paused")
    with pytest.raises(InterestEnded):
        confirm(ended, date(2023, 12, 31), NOW)


def test_a_vendor_is_asked_a_month_before_and_not_when_it_has_answered() -> None:
    interest = an_interest(valid_until=date(2023, 6, 30))
    moment = remind_at(interest)
    assert moment == datetime.fromisoformat("2023-05-31T09:00:00+07:00")
    asked = remind(interest, moment)
    assert asked is not None
    after, event = asked
    assert (after.version, event.valid_until) == (1, date(2023, 6, 30))
    assert remind(interest, moment - timedelta(microseconds=1)) is None
    assert remind(confirm(interest, date(2023, 12, 31), NOW), moment) is None
    assert remind(move(interest, "ended"), moment) is None
    assert remind(interest, moment + timedelta(days=31)) is None

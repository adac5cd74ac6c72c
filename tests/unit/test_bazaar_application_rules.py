"""Applications: who may apply, and every step of an application's life, on both sides of each limit."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.bazaar.domain.application import (
    ApplicationState,
    GroupMissing,
    NoOpenOffer,
    NotWithdrawable,
    OfferExpired,
    SiteNamedTwice,
    SiteUnknown,
    TrainingMissing,
    VendorUnknown,
    apply,
    confirm,
    decline,
    lapse,
    miss,
    offer,
    queue,
    require_choices,
    require_eligible,
    withdraw,
)
from services.bazaar.domain.bazaar import ApplicationsClosed, BazaarState
from services.bazaar.domain.policy import Policy
from tests.unit.bazaar import CLOSING, RESPOND_BY, a_bazaar, a_site, a_vendor, an_application, an_offer

MICROSECOND = timedelta(microseconds=1)
TURNS_BY_CATEGORY = Policy.model_validate({"rotation": [{"by": "category", "measure": "turns"}]})


def test_a_vendor_applies() -> None:
    before_closing = CLOSING - MICROSECOND
    step = apply(a_bazaar(), UUID(int=7), a_vendor(7), [["one"]], application_id=UUID(int=9), now=before_closing)
    assert step.after.state == "received"
    assert step.after.version == 1
    assert step.event.model_dump() == {
        "application_id": UUID(int=9),
        "bazaar_id": UUID(int=1),
        "vendor_id": UUID(int=7),
        "bazaar_name": "Bazar Jakpreneur",
        "choices": [["one"]],
        "origin": "vendor",
        "party_id": None,
    }


def test_nobody_applies_from_the_closing_moment_on() -> None:
    with pytest.raises(ApplicationsClosed):
        apply(a_bazaar(), UUID(int=7), a_vendor(7), [["one"]], application_id=UUID(int=9), now=CLOSING)


def test_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(VendorUnknown):
        require_eligible(Policy(), None)


def test_training_comes_first_where_the_policy_wants_it() -> None:
    require_eligible(Policy(), a_vendor(trained=True))
    require_eligible(Policy(training_required=False), a_vendor(trained=False))
    with pytest.raises(TrainingMissing):
        require_eligible(Policy(), a_vendor(trained=False))


def test_a_group_that_takes_turns_must_be_known() -> None:
    require_eligible(TURNS_BY_CATEGORY, a_vendor(category="health"))
    require_eligible(Policy(), a_vendor(category=None))
    with pytest.raises(GroupMissing) as refused:
        require_eligible(TURNS_BY_CATEGORY, a_vendor(category=None))
    assert refused.value.details == {"group": "category"}


def test_groups_that_are_not_known_are_left_out() -> None:
    assert a_vendor(category=None, agency=None).groups == {
        "kelurahan": "31.71.02.1002",
        "rw": "31.71.02.1002.003",
    }


def test_choices_name_sites_of_the_bazaar_once() -> None:
    bazaar = a_bazaar(a_site("one"), a_site("two"))
    require_choices(bazaar, [["one"], ["two"]])
    with pytest.raises(SiteUnknown):
        require_choices(bazaar, [["one", "three"]])
    with pytest.raises(SiteNamedTwice):
        require_choices(bazaar, [["one"], ["two", "one"]])
    with pytest.raises(SiteNamedTwice):
        require_choices(bazaar, [["one", "one"]])


def test_an_application_is_withdrawn_before_the_freeze_only() -> None:
    step = withdraw(an_application(), a_bazaar())
    assert (step.after.state, step.after.version) == ("withdrawn", 2)
    for application, state in [
        (an_application(), "frozen"),
        (an_application(state="withdrawn"), "announced"),
        (an_application(state="offered", offer=an_offer()), "allocated"),
    ]:
        bazaar_state: BazaarState = state  # type: ignore[assignment]  # the literals above
        with pytest.raises(NotWithdrawable):
            withdraw(application, a_bazaar(state=bazaar_state))


def test_an_offer_tells_where_and_until_when() -> None:
    step = offer(an_application(), a_bazaar(), an_offer("one", "A07"))
    assert (step.after.state, step.after.version, step.after.offer) == ("offered", 2, an_offer("one", "A07"))
    event = step.event.model_dump()
    assert event["site_name"] == "Rusun one"
    assert event["booth"] == "A07"
    assert event["respond_by"] == RESPOND_BY
    assert event["promoted"] is False


def test_one_who_waits_is_told_place_and_reason() -> None:
    decision = {
        "applicant": "ignored",
        "place": 4,
        "because": {"code": "pools-full", "pools": ["one"]},
        "ahead": {"waited_longer": 2},
        "forecast_round": None,
    }
    step = queue(an_application(), a_bazaar(), decision)
    assert (step.after.state, step.after.version, step.after.place) == ("queued", 2, 4)
    assert step.event.model_dump()["because"] == {"code": "pools-full", "pools": ["one"]}


def test_an_answer_at_the_deadline_counts_and_one_after_it_does_not() -> None:
    offered = an_application(state="offered", offer=an_offer(), version=2)
    for answer, state in ((confirm, "confirmed"), (decline, "declined")):
        step = answer(offered, a_bazaar(), RESPOND_BY)
        assert (step.after.state, step.after.version) == (state, 3)
        with pytest.raises(OfferExpired):
            answer(offered, a_bazaar(), RESPOND_BY + MICROSECOND)


@pytest.mark.parametrize(
    "state", ["received", "withdrawn", "ineligible", "queued", "confirmed", "declined", "lapsed", "attended", "missed"]
)
def test_only_an_open_offer_is_answered(state: ApplicationState) -> None:
    application = an_application(state=state, offer=an_offer())
    with pytest.raises(NoOpenOffer):
        confirm(application, a_bazaar(), RESPOND_BY)
    with pytest.raises(NoOpenOffer):
        decline(application, a_bazaar(), RESPOND_BY)


def test_a_booth_that_was_given_back_keeps_its_place_in_the_story() -> None:
    step = lapse(an_application(state="offered", offer=an_offer(), version=2), a_bazaar())
    assert (step.after.state, step.after.version, step.after.offer) == ("lapsed", 3, an_offer())
    step = miss(an_application(state="confirmed", offer=an_offer(), version=3), a_bazaar())
    assert (step.after.state, step.after.version) == ("missed", 4)

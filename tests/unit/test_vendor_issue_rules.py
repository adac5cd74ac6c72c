"""The register of issues, and what is decided about export and invitations."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.vendor.domain import invitations, issues
from services.vendor.domain.invitations import (
    AlreadyReferred,
    AnswerTooLate,
    Assessment,
    ConsentMissing,
    Exhibition,
    ExhibitionAreaUnknown,
    ExhibitionDatesInvalid,
    ExhibitionPartnersUnknown,
    Invitation,
    InvitationsClosed,
    NoExportAgreement,
    NotExportReady,
    Referral,
    TooManyInvited,
)
from services.vendor.domain.issues import (
    Issue,
    IssueAlreadyClosed,
    IssueAreaUnknown,
    IssueCategoryUnknown,
    OwnerUnknown,
)
from services.vendor.domain.partners import Agreement
from services.vendor.domain.readiness import CriterionUnknown, Weighting
from services.vendor.domain.registration import Vendor

TODAY = date(2023, 3, 1)
NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
VENDOR_ID, PARTNER_ID, EXHIBITION_ID = UUID(int=1), UUID(int=2), UUID(int=3)


# ---- issues


def issue(**more: Any) -> Issue:
    raised, _ = issues.raise_issue(
        UUID(int=9), "licensing", "Izin", "31.71", [], ["licensing"], raised_by_vendor=None, today=TODAY
    )
    return replace(raised, **more)


def test_an_issue_names_its_vendors_once_and_in_order() -> None:
    two = UUID(int=2)
    _, event = issues.raise_issue(
        UUID(int=9),
        "licensing",
        "Rahasia",
        "31",
        [two, VENDOR_ID, two],
        ["licensing"],
        raised_by_vendor=None,
        today=TODAY,
    )
    assert event.vendors == [VENDOR_ID, two]
    assert "Rahasia" not in event.to_bytes().decode()


def test_category_area_and_owner_must_be_known() -> None:
    with pytest.raises(IssueCategoryUnknown) as refused:
        issues.raise_issue(UUID(int=9), "mobil", "x", "31", [], ["other"], raised_by_vendor=None, today=TODAY)
    assert refused.value.details["known"] == ["other"]
    with pytest.raises(IssueAreaUnknown):
        issues.raise_issue(UUID(int=9), "other", "x", "31.99", [], ["other"], raised_by_vendor=None, today=TODAY)
    with pytest.raises(OwnerUnknown):
        issues.assign(issue(), "dishub", {"ppkukm"})


def test_an_issue_is_assigned_again_but_not_to_the_same() -> None:
    assigned, event = issues.assign(issue(), "ppkukm", {"ppkukm", "kpkp"})
    assert event is not None
    assert (assigned.state, assigned.owner, assigned.version) == ("assigned", "ppkukm", 2)
    assert issues.assign(assigned, "ppkukm", {"ppkukm"}) == (assigned, None)
    assert issues.assign(assigned, "kpkp", {"kpkp"})[0].version == 3


@pytest.mark.parametrize("state", ["open", "assigned"])
def test_an_issue_is_closed_once_and_for_good(state: str) -> None:
    closed, event = issues.close(issue(state=state), "solved", TODAY)
    assert (closed.state, closed.outcome, closed.closed_on, event.outcome) == ("closed", "solved", TODAY, "solved")
    with pytest.raises(IssueAlreadyClosed):
        issues.close(closed, "declined", TODAY)
    with pytest.raises(IssueAlreadyClosed):
        issues.assign(closed, "ppkukm", {"ppkukm"})


@pytest.mark.parametrize(("area", "level"), [("31", 5), ("31.71", 8), ("31.71.02", 13), ("31.71.02.1002", 13)])
def test_a_report_groups_one_level_down(area: str, level: int) -> None:
    assert issues.report_level(area) == level


# ---- export


VENDOR = Vendor(
    VENDOR_ID,
    1,
    1,
    "Orang",
    "+628120000001",
    None,
    "",
    "31.71.02.1002",
    "003",
    "007",
    "usaha",
    None,
    None,
    "id",
    "officer",
    TODAY,
    NOW,
)
READY = Assessment(UUID(int=5), VENDOR_ID, True, ("price",), None, TODAY, NOW, "officer")


def agreement(area: str = "31.71", number: int = 7, *topics: str) -> Agreement:
    return Agreement(UUID(int=number), PARTNER_ID, area, TODAY, TODAY + DAY, topics or ("export",))


def refer(*agreements: Agreement, **more: Any) -> Referral:
    wish: dict[str, Any] = {"latest": READY, "earlier": [], "consented": True, "today": TODAY, **more}
    latest, earlier = wish.pop("latest"), wish.pop("earlier")
    return invitations.refer(UUID(int=8), VENDOR, latest, PARTNER_ID, agreements, earlier, by="officer", **wish)[0]


def test_criteria_are_known_codes() -> None:
    def assess(*met: str) -> Assessment:
        return invitations.assess(
            UUID(int=5),
            VENDOR_ID,
            ready=True,
            criteria_met=met,
            criteria=["price", "standard"],
            weighting=Weighting(1, TODAY, {"price": 60, "standard": 40}, 70),
            note=None,
            today=TODAY,
            now=NOW,
            by="officer",
        )[0]

    found = assess("standard", "price", "price")
    assert (found.criteria_met, found.score, found.weighting) == (("price", "standard"), 100, 1)
    with pytest.raises(CriterionUnknown):
        assess("price", "luck")


def test_only_who_is_ready_and_agreed_is_referred() -> None:
    for latest in (None, replace(READY, ready=False)):
        with pytest.raises(NotExportReady):
            refer(agreement(), latest=latest)
    with pytest.raises(ConsentMissing):
        refer(agreement(), consented=False)
    assert refer(agreement()).agreement_id == UUID(int=7)


def test_the_agreement_is_on_export_in_force_and_where_the_vendor_lives() -> None:
    for unfit in (agreement("31.72"), agreement("31.71.02.1001"), agreement("31", 7, "capital")):
        with pytest.raises(NoExportAgreement):
            refer(unfit)
    for day, holds in ((TODAY - DAY, False), (TODAY, True), (TODAY + DAY, True), (TODAY + 2 * DAY, False)):
        if holds:
            assert refer(agreement(), today=day).referred_on == day
        else:
            with pytest.raises(NoExportAgreement):
                refer(agreement(), today=day)


def test_the_nearest_agreement_is_taken_and_once() -> None:
    city, province = agreement("31.71", 7), agreement("31", 6)
    first = refer(province, city)
    assert first.agreement_id == city.agreement_id
    with pytest.raises(AlreadyReferred):
        refer(province, city, earlier=[first])


# ---- exhibitions


EXHIBITION = Exhibition(
    EXHIBITION_ID, "Pameran", "Balai Kota", "exhibition", "31", (TODAY + 9 * DAY,), TODAY + 5 * DAY, ()
)


def test_days_come_in_order_and_once() -> None:
    entered = invitations.enter_exhibition(
        replace(EXHIBITION, days=(TODAY + 9 * DAY, TODAY + 8 * DAY, TODAY + 9 * DAY)), 0, TODAY
    )
    assert entered.days == (TODAY + 8 * DAY, TODAY + 9 * DAY)


def test_the_day_to_answer_by_lies_between_today_and_the_first_day() -> None:
    for answer_by in (TODAY, TODAY + 9 * DAY):
        invitations.enter_exhibition(replace(EXHIBITION, answer_by=answer_by), 0, TODAY)
    for answer_by in (TODAY - DAY, TODAY + 10 * DAY):
        with pytest.raises(ExhibitionDatesInvalid):
            invitations.enter_exhibition(replace(EXHIBITION, answer_by=answer_by), 0, TODAY)


def test_organisers_are_partners_and_the_area_is_official() -> None:
    organised = replace(EXHIBITION, partners=(PARTNER_ID, PARTNER_ID))
    assert invitations.enter_exhibition(organised, 1, TODAY).partners == (PARTNER_ID,)
    with pytest.raises(ExhibitionPartnersUnknown):
        invitations.enter_exhibition(organised, 0, TODAY)
    with pytest.raises(ExhibitionAreaUnknown):
        invitations.enter_exhibition(replace(EXHIBITION, area="32"), 0, TODAY)


def test_nobody_is_invited_after_the_day_to_answer_by() -> None:
    invitations.check_open(EXHIBITION, EXHIBITION.answer_by)
    with pytest.raises(InvitationsClosed):
        invitations.check_open(EXHIBITION, EXHIBITION.answer_by + DAY)


def test_five_hundred_are_invited_in_one_go() -> None:
    invitations.check_count(500)
    with pytest.raises(TooManyInvited):
        invitations.check_count(501)


def test_a_mind_changes_until_the_last_day_to_answer() -> None:
    invited, _ = invitations.invite(EXHIBITION, UUID(int=11), VENDOR_ID, TODAY, "officer")
    last = EXHIBITION.answer_by

    def say(invitation: Invitation, accepted: bool, day: date = last) -> tuple[Invitation, int]:
        changed, events = invitations.answer(invitation, last, accepted, day, NOW)
        return changed, len(events)

    yes, told = say(invited, True)
    assert (yes.accepted, told) == (True, 1)
    assert say(yes, True) == (yes, 0)
    no, told = say(yes, False)
    assert (no.accepted, told) == (False, 1)
    with pytest.raises(AnswerTooLate):
        say(no, True, last + DAY)

"""Which event makes which message: both sides of every rule."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.notify.domain.planning import Cause, draft
from services.notify.plans import PLANS, TEMPLATES, Lane
from shared.events import bazaar, cases, mentoring, training, vendor
from shared.events.envelope import Event

NOW = datetime(2023, 3, 17, 3, 0, tzinfo=UTC)
VENDOR, BAZAAR, APPLICATION, EVENT = (UUID(int=number) for number in range(1, 5))
CAUSE = Cause(EVENT, NOW - timedelta(seconds=1), "00-" + "1" * 32 + "-" + "2" * 16 + "-01")


# --- events to messages


def test_every_planned_event_names_its_recipient_and_only_fields_it_has() -> None:
    for kind, plan in PLANS.items():
        assert plan.recipient in kind.model_fields, kind
        assert {*plan.fields, *plan.deadline} <= set(kind.model_fields), kind
        assert plan.party is None or plan.party in plan.fields, kind


def test_each_template_belongs_to_one_event() -> None:
    assert len(set(TEMPLATES)) == len(PLANS)


def waiting(state: str, *, overdue: bool = False) -> cases.HelpCaseMoved:
    return cases.HelpCaseMoved.model_validate(
        {
            "vendor_id": VENDOR,
            "case_id": UUID(int=6),
            "service": "P4",
            "state": state,
            "due_on": date(2023, 4, 1),
            "wanted": ["ktp-copy"],
            "overdue": overdue,
        }
    )


def parted(because: str) -> mentoring.MentorUnassigned:
    return mentoring.MentorUnassigned.model_validate(
        {
            "vendor_id": VENDOR,
            "assignment_id": UUID(int=6),
            "mentor_id": UUID(int=7),
            "kind": "employed",
            "because": because,
        }
    )


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (waiting("waiting-vendor"), True),
        (waiting("waiting-vendor", overdue=True), False),
        (waiting("working"), False),
        (waiting("open"), False),
        (parted("mentor-left"), True),
        (parted("officer"), True),
        (parted("rematched"), False),
        (parted("graduated"), False),
        (parted("merged"), False),
    ],
)
def test_what_a_vendor_needs_not_know_is_not_told(event: Event, told: bool) -> None:
    assert (draft(event, CAUSE, {}, NOW) is not None) is told


def test_a_class_that_was_asked_for_is_told_to_its_provider_if_there_is_one() -> None:
    drafted = training.ClassDrafted(
        class_id=UUID(int=6),
        course="ekspor-dasar",
        title="Dasar ekspor",
        area="31.71",
        provider_id=UUID(int=7),
        requests=20,
        places=100,
    )
    told = draft(drafted, CAUSE, {}, NOW)
    assert told is not None
    assert told.vendor_id == drafted.provider_id
    assert draft(drafted.model_copy(update={"provider_id": None}), CAUSE, {}, NOW) is None


@pytest.mark.parametrize(
    ("starts_at", "deadline"),
    [
        (datetime(2023, 3, 18, 2, tzinfo=UTC), datetime(2023, 3, 18, 2, tzinfo=UTC)),
        (None, datetime(2023, 3, 18, 17, tzinfo=UTC)),  # the end of that day in Jakarta
    ],
)
def test_a_reminder_of_a_session_is_worth_nothing_once_it_began(starts_at: datetime | None, deadline: datetime) -> None:
    near = training.TrainingSessionNear(
        vendor_id=VENDOR, class_id=UUID(int=6), title="Dasar ekspor", day=date(2023, 3, 18), starts_at=starts_at
    )
    told = draft(near, CAUSE, {}, NOW)
    assert told is not None
    assert (told.lane, told.deadline) == (Lane.OFFER, deadline)


def test_an_offer_goes_in_the_first_lane_and_ends_when_it_lapses() -> None:
    respond_by = NOW + timedelta(hours=24)
    offer = bazaar.BoothAssigned(
        application_id=APPLICATION,
        bazaar_id=BAZAAR,
        vendor_id=VENDOR,
        bazaar_name="Bazar Jakpreneur",
        site_id="sb",
        site_name="Rusun Karang Anyar",
        booth="A07",
        days=[date(2023, 3, 20)],
        respond_by=respond_by,
    )
    made = draft(offer, CAUSE, {}, NOW)
    assert made is not None
    assert (made.template, made.vendor_id, made.lane, made.deadline) == (
        "booth-assigned",
        VENDOR,
        Lane.OFFER,
        respond_by,
    )
    assert made.params["days"] == ["2023-03-20"]
    assert "vendor_id" not in made.params


def test_a_message_without_a_deadline_of_its_own_lives_a_week() -> None:
    registered = vendor.VendorRegistered(
        vendor_id=VENDOR,
        kind="pemula",
        kelurahan="31.71.02.1002",
        rw="001",
        rt="002",
        origin="self",
        registered_on=date(2023, 3, 17),
    )
    made = draft(registered, CAUSE, {}, NOW)
    assert made is not None
    assert (made.template, made.deadline, made.params) == (
        "welcome",
        NOW + timedelta(days=7),
        {"kind": "pemula"},
    )


def test_locations_are_named_where_their_names_are_known() -> None:
    sites = {(BAZAAR, "sb"): "Rusun Karang Anyar"}
    received = bazaar.ApplicationReceived(
        application_id=APPLICATION,
        bazaar_id=BAZAAR,
        vendor_id=VENDOR,
        bazaar_name="Bazar Jakpreneur",
        choices=[["sb", "jb"]],
    )
    made = draft(received, CAUSE, sites, NOW)
    assert made is not None
    assert made.params["choices"] == [["Rusun Karang Anyar", "jb"]]
    missed = bazaar.BoothMissed(
        application_id=APPLICATION, bazaar_id=BAZAAR, vendor_id=VENDOR, bazaar_name="Bazar", site_id="sb"
    )
    of_missed = draft(missed, CAUSE, sites, NOW)
    assert of_missed is not None
    params = of_missed.params
    assert params["site_name"] == "Rusun Karang Anyar"
    assert "site_id" not in params

"""One person with several ids, and one who is erased: the pure rules of the services that obey the registry."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.application import Suspended, leave, require_eligible
from services.bazaar.domain.bazaar import OFFER_WINDOW_MIN, BazaarState, offers_end_at
from services.bazaar.domain.policy import Policy
from services.bazaar.domain.rotation import promote
from services.bazaar.domain.round import SAME_PERSON, Candidate, freeze
from services.notify.domain.planning import Cause, Draft, told_once
from services.notify.plans import Lane
from services.training.domain import classes as training
from services.training.domain.classes import OpenClass
from services.training.domain.enrolments import About, enrol
from shared.events.bazaar import ApplicationWithdrawn, BoothDeclined
from shared.families import persons
from tests.unit.bazaar import CLOSING, DAYS, NOW, RESPOND_BY, a_bazaar, a_site, a_vendor, an_application, an_offer

ONE, TWO, THREE, FOUR = (UUID(int=number) for number in range(1, 5))
IDS = st.integers(1, 7).map(lambda number: UUID(int=number))
MOMENT = timedelta(microseconds=1)


# --- who is one person


def test_the_id_that_is_merged_into_no_other_stands_for_the_person() -> None:
    assert persons({}) == {}
    assert persons({ONE: TWO}) == {ONE: TWO, TWO: TWO}
    assert persons({ONE: TWO, TWO: THREE, FOUR: THREE}) == {ONE: THREE, TWO: THREE, THREE: THREE, FOUR: THREE}


def test_ids_in_a_circle_are_one_person_and_the_least_stands_for_it() -> None:
    assert persons({TWO: THREE, THREE: TWO}) == {TWO: TWO, THREE: TWO}
    assert persons({TWO: THREE, THREE: TWO, ONE: THREE}) == {ONE: TWO, TWO: TWO, THREE: TWO}


@given(merges=st.dictionaries(IDS, IDS, max_size=7))
def test_two_ids_are_one_person_exactly_when_merges_join_them(merges: dict[UUID, UUID]) -> None:
    merges = {vendor_id: into for vendor_id, into in merges.items() if vendor_id != into}
    found = persons(merges)
    assert set(found) == {*merges, *merges.values()}
    for vendor_id in found:
        joined = {vendor_id}
        for _ in found:
            joined |= {end for pair in merges.items() if joined & set(pair) for end in pair}
        assert joined == {other for other in found if found[other] == found[vendor_id]}


@given(merges=st.dictionaries(IDS, IDS, max_size=6), more=st.dictionaries(IDS, IDS, max_size=6))
def test_a_merge_and_its_unmerge_leave_everybody_as_before(merges: dict[UUID, UUID], more: dict[UUID, UUID]) -> None:
    """Whoever was merged meanwhile, in whichever order they part again: only the merges that stand count."""
    after = {**merges, **{vendor_id: into for vendor_id, into in more.items() if vendor_id not in merges}}
    for vendor_id in reversed(list(more)):
        if vendor_id not in merges:
            del after[vendor_id]
    assert persons(after) == persons(merges)


# --- bazaars

SECRET = b"s" * 32


def candidate(number: int, *, minutes: int = 0, person: UUID | None = None, **more: Any) -> Candidate:
    application = an_application(number, applied_at=NOW + timedelta(minutes=minutes))
    return Candidate(application, a_vendor(number, **more), 0, date(2023, 3, 1), person)


def test_of_two_applications_of_one_person_the_earlier_stays() -> None:
    later, earlier, other = candidate(1, minutes=2, person=TWO), candidate(2, minutes=1, person=TWO), candidate(3)
    frozen = freeze(a_bazaar(), [later, earlier, other], {}, CLOSING, secret=SECRET)
    assert {one.application_id for one in frozen.listed} == {
        earlier.application.application_id,
        other.application.application_id,
    }
    assert [(one.application_id, one.because) for one in frozen.dropped] == [
        (later.application.application_id, SAME_PERSON)
    ]


def test_two_people_with_one_id_each_both_stay() -> None:
    frozen = freeze(a_bazaar(), [candidate(1), candidate(2)], {}, CLOSING, secret=SECRET)
    assert (frozen.round.applicants, frozen.dropped) == (2, [])


def test_the_suspended_are_not_eligible_and_hear_why() -> None:
    with pytest.raises(Suspended) as refused:
        require_eligible(Policy(), a_vendor(1, suspended_because="no-show"))
    assert refused.value.details == {"reason": "no-show"}
    require_eligible(Policy(), a_vendor(1))
    frozen = freeze(a_bazaar(), [candidate(1, suspended_because="no-show")], {}, CLOSING, secret=SECRET)
    assert [one.because for one in frozen.dropped] == ["vendor-suspended"]


def test_one_person_that_waits_twice_is_promoted_once() -> None:
    bazaar = a_bazaar(a_site("one", 3), state="allocated")
    waiting = [an_application(number, state="queued", place=number) for number in (1, 2, 3, 4)]
    free = {"one": ["A01", "A02", "A03"]}
    alone = [one.application_id for one in promote(bazaar, free, [], waiting)]
    assert alone == [one.application_id for one in waiting[:3]]
    together = [one.application_id for one in promote(bazaar, free, [], waiting, persons={ONE: TWO, TWO: TWO})]
    assert together == [waiting[at].application_id for at in (0, 2, 3)]


def test_an_erased_applicant_is_withdrawn_before_the_freeze_only() -> None:
    application = an_application()
    step = leave(application, a_bazaar(state="announced"), NOW)
    assert step is not None
    assert (step.after.state, type(step.event)) == ("withdrawn", ApplicationWithdrawn)
    fixed: tuple[BazaarState, ...] = ("frozen", "seeded")
    for state in fixed:
        assert leave(application, a_bazaar(state=state), NOW) is None


def test_an_erased_person_leaves_the_queue() -> None:
    step = leave(an_application(state="queued", place=3), a_bazaar(state="allocated"), NOW)
    assert step is not None
    assert (step.after.state, step.after.version, type(step.event)) == ("withdrawn", 2, ApplicationWithdrawn)


def test_an_open_offer_of_an_erased_person_is_declined_until_its_deadline() -> None:
    application = an_application(state="offered", offer=an_offer())
    step = leave(application, a_bazaar(state="allocated"), RESPOND_BY)
    assert step is not None
    assert (step.after.state, type(step.event)) == ("declined", BoothDeclined)
    assert leave(application, a_bazaar(state="allocated"), RESPOND_BY + MOMENT) is None, "it lapses by itself"


def test_a_confirmed_booth_is_given_back_while_somebody_else_could_have_it() -> None:
    application = an_application(state="confirmed", offer=an_offer())
    last = offers_end_at(DAYS[0]) - OFFER_WINDOW_MIN
    step = leave(application, a_bazaar(state="allocated"), last)
    assert step is not None
    assert (step.after.state, step.event) == (
        "declined",
        BoothDeclined(
            application_id=application.application_id,
            bazaar_id=application.bazaar_id,
            vendor_id=application.vendor_id,
            bazaar_name="Bazar Jakpreneur",
            site_id="one",
        ),
    )
    assert leave(application, a_bazaar(state="allocated"), last + MOMENT) is None


@pytest.mark.parametrize("state", ["withdrawn", "ineligible", "declined", "lapsed", "attended", "missed"])
def test_what_is_over_stays_as_it_is(state: str) -> None:
    application = replace(an_application(offer=an_offer()), state=state)  # type: ignore[arg-type]  # all are states
    assert leave(application, a_bazaar(state="allocated"), NOW) is None


# --- training


def test_one_person_gets_one_place_however_many_of_its_ids_ask() -> None:
    wish = OpenClass(course="dasar", title="Dasar", area="31.71.02", days=[date(2023, 3, 6)], places=10)
    a_class, _ = training.open_class(UUID(int=9), wish)
    ids = [ONE, TWO, THREE]

    def ask(persons: Mapping[UUID, UUID]) -> list[UUID]:
        about = About(known=frozenset(ids), persons=persons)
        outcome = enrol(a_class, 0, ids, about, today=date(2023, 3, 1), by_officer=True)
        assert {one.code for one in outcome.refused} <= {"already-enrolled"}
        return [event.vendor_id for event in outcome.enrolled]

    assert ask({}) == ids
    assert ask({ONE: THREE, THREE: THREE}) == [ONE, TWO]


# --- notify


def a_draft(vendor_id: UUID, *, at: datetime = NOW, template: str = "training-invited", title: str = "Dasar") -> Draft:
    return Draft(Cause(UUID(int=99), at), template, vendor_id, {"title": title}, Lane.ROUTINE, NOW)


def test_one_person_is_told_the_same_thing_once_for_one_cause() -> None:
    persons = {ONE: TWO, TWO: TWO}
    drafts = [a_draft(ONE), a_draft(TWO), a_draft(THREE)]
    assert told_once(drafts, persons) == [drafts[0], drafts[2]]
    assert told_once(drafts, {}) == drafts


def test_another_cause_another_text_or_another_matter_is_told_again() -> None:
    persons = {ONE: TWO, TWO: TWO}
    for other in (a_draft(TWO, at=NOW + MOMENT), a_draft(TWO, template="welcome"), a_draft(TWO, title="Ekspor")):
        drafts = [a_draft(ONE), other]
        assert told_once(drafts, persons) == drafts

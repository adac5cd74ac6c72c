"""Parties: who leads, whose choices count, who may come and go; and the change of an application that stands alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bazaar.domain.application import Application, NotChangeable, SiteUnknown, Step, change, drop
from services.bazaar.domain.bazaar import ApplicationsClosed
from services.bazaar.domain.parties import (
    CODE_BYTES,
    InPartyAlready,
    LeaderDecides,
    Member,
    NotInParty,
    Party,
    PartyFull,
    PartyUnknown,
    begin,
    choose,
    code_hash,
    join,
    leader,
    leave,
    new_code,
)
from tests.unit.bazaar import CLOSING, a_bazaar, a_site, an_application

BEFORE = CLOSING - timedelta(hours=1)
PARTY = Party(UUID(int=50), UUID(int=1), "none", 3)
BAZAAR = a_bazaar(a_site("one"), a_site("two"))


def a_member(number: int, nth: int, **more: Any) -> Member:
    return Member(an_application(number, **{"party_id": PARTY.party_id, **more}), nth)


def test_who_makes_a_party_is_in_it_and_who_joins_takes_over_its_choices() -> None:
    first = begin(an_application(1), BAZAAR, PARTY, BEFORE)
    assert (first.after.party_id, first.after.version) == (PARTY.party_id, 2)
    members = [Member(first.after, 1)]
    step = join(PARTY, members, an_application(2, [["two"]]), BAZAAR, BEFORE)
    assert (step.after.party_id, step.after.choices, step.after.version) == (PARTY.party_id, (("one",),), 2)
    assert step.event.model_dump()["choices"] == [["one"]]


def test_a_party_takes_as_many_as_it_is_for() -> None:
    for count, refusal in ((3, PartyFull), (4, PartyFull), (0, PartyUnknown)):
        members = [a_member(number, number) for number in range(1, count + 1)]
        with pytest.raises(refusal):
            join(PARTY, members, an_application(9), BAZAAR, BEFORE)
    join(PARTY, [a_member(1, 1), a_member(2, 2)], an_application(9), BAZAAR, BEFORE)


STEPS: list[Callable[[Application], Step]] = [
    lambda application: begin(application, BAZAAR, PARTY, BEFORE),
    lambda application: join(PARTY, [a_member(1, 1)], application, BAZAAR, BEFORE),
]


@pytest.mark.parametrize("step", STEPS)
def test_only_a_free_application_makes_or_joins_a_party(step: Callable[[Application], Step]) -> None:
    step(an_application(5))
    with pytest.raises(InPartyAlready):
        step(an_application(5, party_id=UUID(int=51)))
    for state in ("withdrawn", "queued", "ineligible"):
        with pytest.raises(NotChangeable):
            step(an_application(5, state=state))


def test_nobody_comes_after_closing_and_nobody_goes_after_the_freeze() -> None:
    with pytest.raises(ApplicationsClosed):
        join(PARTY, [a_member(1, 1)], an_application(2), BAZAAR, CLOSING)
    with pytest.raises(ApplicationsClosed):
        choose([a_member(1, 1)], a_member(1, 1).application, BAZAAR, CLOSING, [["two"]])
    gone = leave(a_member(1, 1).application, BAZAAR)
    assert (gone.after.party_id, gone.after.choices) == (None, (("one",),))
    with pytest.raises(NotChangeable):
        leave(a_member(1, 1).application, a_bazaar(state="frozen"))
    with pytest.raises(NotInParty):
        leave(an_application(1), BAZAAR)


def test_the_leader_chooses_for_all_and_nobody_else_does() -> None:
    members = [a_member(3, 2), a_member(2, 4), a_member(9, 1, needs=("water",))]
    assert leader(members).vendor_id == UUID(int=9)
    steps = choose(members, members[2].application, BAZAAR, BEFORE, [["two"], ["one"]])
    assert [step.after.vendor_id.int for step in steps] == [2, 3, 9]
    assert {step.after.choices for step in steps} == {(("two",), ("one",))}
    assert {step.after.version for step in steps} == {2}
    assert steps[2].after.needs == ("water",)
    for member in members[:2]:
        with pytest.raises(LeaderDecides):
            choose(members, member.application, BAZAAR, BEFORE, [["two"]])
    with pytest.raises(SiteUnknown):
        choose(members, members[2].application, BAZAAR, BEFORE, [["three"]])
    assert leader(members[:2]).vendor_id == UUID(int=3)


@given(chance=st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_is_found_however_it_is_typed(chance: bytes) -> None:
    code = new_code(chance)
    assert len(code) == 14
    wanted = code_hash(UUID(int=1), code)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert code_hash(UUID(int=1), typed) == wanted
    assert code_hash(UUID(int=2), code) != wanted


@given(one=st.integers(0, 2**60 - 1), other=st.integers(0, 2**60 - 1))
def test_different_chance_gives_different_codes(one: int, other: int) -> None:
    codes = [new_code(number.to_bytes(CODE_BYTES)) for number in (one, other)]
    assert (codes[0] == codes[1]) == (one == other)


def test_an_application_that_stands_alone_is_changed_while_one_may_apply() -> None:
    application = an_application(1, needs=("water",))
    step = change(application, BAZAAR, BEFORE, choices=[["two", "one"]])
    assert (step.after.choices, step.after.needs) == ((("two", "one"),), ("water",))
    assert (step.after.applied_at, step.after.version) == (application.applied_at, 2)
    step = change(application, BAZAAR, BEFORE, needs=["power", "access"])
    assert (step.after.choices, step.after.needs) == ((("one",),), ("access", "power"))
    with pytest.raises(ApplicationsClosed):
        change(application, BAZAAR, CLOSING, needs=[])
    with pytest.raises(SiteUnknown):
        change(application, BAZAAR, BEFORE, choices=[["three"]])
    with pytest.raises(NotChangeable):
        change(an_application(1, state="queued"), BAZAAR, BEFORE, needs=[])


def test_who_is_dropped_at_the_freeze_is_told_by_an_event() -> None:
    step = drop(an_application(1), BAZAAR, "same-person")
    assert (step.after.state, step.after.version) == ("ineligible", 2)
    assert step.event.model_dump()["because"] == "same-person"

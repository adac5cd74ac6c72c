"""Taking an application back and applying again gains nothing: the round is the one that it would have been.

That the ledger knows nothing of a withdrawal either, `test_bazaar_withdrawals.py` of the integration tests tells.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.bazaar.allocation import read_problem, result_to_json, solve
from services.bazaar.domain.application import Application, Vendor, apply, withdraw
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.policy import GroupCap, Level, Policy
from services.bazaar.domain.pseudonyms import pseudonym
from services.bazaar.domain.round import Candidate, Freeze, GroupTurns, draw_seed, freeze, standings
from tests.unit.bazaar import CLOSING, a_bazaar, a_site, a_vendor

ROTATIONS = (
    (("vendor", "waiting_since"),),
    (("vendor", "turns"), ("vendor", "waiting_since")),
    (("rw", "turns"), ("vendor", "waiting_since")),
    (("rw", "waiting_since"), ("vendor", "turns"), ("vendor", "waiting_since")),
)
CHOICES = st.sampled_from([(("one",),), (("two",),), (("one",), ("two",)), (("two",), ("one",)), (("one", "two"),)])
SEED = "8-1-5"


class Person(NamedTuple):
    """Who applies, and its standing in the ledger."""

    vendor: Vendor
    turns: int
    waiting_since: date
    choices: tuple[tuple[str, ...], ...]


def applied(person: Person, bazaar: Bazaar, nth: int = 0) -> Application:
    """Its application to this bazaar; the n-th, from 0, is made after so many hours."""
    return apply(
        bazaar,
        person.vendor.vendor_id,
        person.vendor,
        person.choices,
        application_id=UUID(int=1000 * (nth + 1) + person.vendor.vendor_id.int),
        now=CLOSING - timedelta(days=9) + timedelta(hours=nth),
    ).after


@st.composite
def people(draw: st.DrawFn) -> list[Person]:
    """Who applies. The first waits since a day of its own: whoever it ties with, no lottery decides about it."""
    found = []
    for number in range(1, draw(st.integers(1, 9)) + 1):
        waits = timedelta(days=2 * draw(st.integers(0, 6)) + (number == 1))
        rw = draw(st.sampled_from(["001", "002", "003"]))
        found.append(Person(a_vendor(number, rw=rw), draw(st.integers(0, 2)), date(2023, 3, 1) - waits, draw(CHOICES)))
    return found


def frozen(bazaar: Bazaar, persons: Sequence[Person], applications: Sequence[Application], secret: bytes) -> Freeze:
    """The list of these applications, as the ledger of these people makes it."""
    candidates = [
        Candidate(application, person.vendor, person.turns, person.waiting_since)
        for person, application in zip(persons, applications, strict=True)
    ]
    ledger = [
        GroupTurns(one.vendor.groups, one.turns, one.waiting_since if one.turns else None, one.waiting_since)
        for one in persons
    ]
    ranked = standings(bazaar.policy.groups_ranked, ledger)
    return freeze(bazaar, candidates, ranked, CLOSING, secret=secret)


def results(list_: Freeze) -> dict[str, Any]:
    """What the rule makes of a list, with a seed that nobody knew when it was frozen."""
    _, seeded, _ = draw_seed(list_.bazaar, list_.round, SEED, "Undian")
    assert seeded.problem is not None
    solved: dict[str, Any] = json.loads(result_to_json(solve(read_problem(seeded.problem))))
    del solved["problem_sha256"]
    return solved


def renamed(document: object, name: str, other: str) -> Any:
    """The document with one applicant called otherwise; its list of applicants in the order of names."""
    made = json.loads(json.dumps(document).replace(json.dumps(name), json.dumps(other)))
    if "applicants" in made:
        made["applicants"].sort(key=lambda one: one["id"])
    return made


@settings(deadline=None)
@given(
    persons=people(),
    rotation=st.sampled_from(ROTATIONS),
    capped=st.booleans(),
    booths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    detours=st.lists(CHOICES, min_size=1, max_size=3),
    secret=st.binary(min_size=32, max_size=32),
)
def test_who_came_again_stands_and_comes_out_where_it_would_have_been(
    persons: list[Person],
    rotation: Sequence[tuple[Any, Any]],
    capped: bool,
    booths: tuple[int, int],
    detours: list[tuple[tuple[str, ...], ...]],
    secret: bytes,
) -> None:
    policy = Policy(
        rotation=[Level(by=by, measure=measure) for by, measure in rotation],
        caps=[GroupCap(group="rw", seats_each=1)] if capped else [],
    )
    bazaar = a_bazaar(a_site("one", booths[0]), a_site("two", booths[1]), policy=policy)
    stayed = [applied(one, bazaar) for one in persons]
    # the first takes its application back, asks for something else, again and again, and in the end for the same
    came = stayed[0]
    for nth, choices in enumerate([*detours, persons[0].choices], start=1):
        assert withdraw(came, bazaar).after.state == "withdrawn"
        came = applied(persons[0]._replace(choices=choices), bazaar, nth)
    once, again = frozen(bazaar, persons, stayed, secret), frozen(bazaar, persons, [came, *stayed[1:]], secret)

    before, after = pseudonym(secret, stayed[0].application_id), pseudonym(secret, came.application_id)
    assert (
        before != after
    )  # in the lottery it has another name, which was made of a secret, and then the seed was drawn
    assert renamed(json.loads(again.round.frozen), after, before) == json.loads(once.round.frozen)
    assert renamed(results(again), after, before) == results(once)

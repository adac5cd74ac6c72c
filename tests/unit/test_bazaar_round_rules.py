"""A round: what is frozen and hashed, the seed, what is published."""

import hashlib
import json
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.bazaar.allocation import read_problem
from services.bazaar.allocation.problem import canonical_json
from services.bazaar.allocation.stored import Solved, solve_stored
from services.bazaar.domain.application import Vendor
from services.bazaar.domain.bazaar import Bazaar, WrongMoment, offers_end_at
from services.bazaar.domain.ceremony import DrawSeed
from services.bazaar.domain.ledger import Adjustment
from services.bazaar.domain.policy import GroupCap, Level, Policy, SeatLimit
from services.bazaar.domain.pseudonyms import pseudonym
from services.bazaar.domain.receipts import grow
from services.bazaar.domain.round import (
    ApplicationsOpen,
    Candidate,
    Freeze,
    GroupTurns,
    Round,
    RoundChanged,
    RoundNotVerified,
    RoundPublishedAlready,
    Standing,
    TooLate,
    decisions,
    draw_seed,
    freeze,
    publish,
    standings,
)
from shared.events.bazaar import ApplicantQueued, BoothAssigned
from tests.unit.bazaar import CLOSING, DAYS, a_bazaar, a_site, a_vendor, an_application

MICROSECOND = timedelta(microseconds=1)
SEED = ("3-8-19", "Undian terbuka")
SECRET = b"s" * 32
WAITING_SINCE = date(2023, 1, 5)


def candidate(number: int, vendor: Vendor | None = None, *, known: bool = True, turns: int = 0) -> Candidate:
    return Candidate(an_application(number), (vendor or a_vendor(number)) if known else None, turns, WAITING_SINCE)


def frozen(bazaar: Bazaar, *candidates: Candidate) -> tuple[Bazaar, Round]:
    outcome = freeze(bazaar, candidates, {}, CLOSING, secret=SECRET)
    return outcome.bazaar, outcome.round


def seeded(bazaar: Bazaar, *candidates: Candidate) -> tuple[Bazaar, Round]:
    return draw_seed(*frozen(bazaar, *candidates), *SEED)[:2]


def test_the_list_is_frozen_from_the_closing_moment_on() -> None:
    with pytest.raises(ApplicationsOpen):
        freeze(a_bazaar(), [], {}, CLOSING - MICROSECOND, secret=SECRET)
    outcome = freeze(a_bazaar(version=1), [candidate(1)], {}, CLOSING, secret=SECRET)
    assert (outcome.bazaar.state, outcome.bazaar.round, outcome.bazaar.version) == ("frozen", 1, 2)


def test_the_list_is_frozen_once() -> None:
    with pytest.raises(WrongMoment):
        freeze(a_bazaar(state="frozen"), [], {}, CLOSING, secret=SECRET)


def test_the_problem_is_as_the_rule_wants_it() -> None:
    policy = Policy(
        rotation=[Level(by="rw", measure="turns"), Level(by="vendor", measure="waiting_since")],
        caps=[GroupCap(group="rw", seats_each=1)],
    )
    reserve = SeatLimit(group="agency", value="ppkukm", seats=1)
    bazaar = a_bazaar(a_site("two"), a_site("one", reserves=(reserve,)), policy=policy)
    ledger = standings(
        ["rw"],
        [
            GroupTurns({"rw": "31.71.02.1002.003"}, 2, date(2022, 5, 1), date(2022, 1, 1)),
            GroupTurns({"rw": "31.71.02.1002.009"}, 1, None, date(2022, 1, 1)),
        ],
    )
    applicant = Candidate(
        an_application(1, [["two", "one"]]), a_vendor(1, category=None), turns=3, waiting_since=WAITING_SINCE
    )

    outcome = freeze(bazaar, [applicant], ledger, CLOSING, secret=SECRET)

    assert json.loads(outcome.round.frozen) == {
        "pools": [
            {
                "id": "one",
                "capacity": 2,
                "reserves": [{"group": "agency", "value": "ppkukm", "seats": 1}],
                "caps": [],
            },
            {"id": "two", "capacity": 2, "reserves": [], "caps": []},
        ],
        "caps": [{"group": "rw", "seats_each": 1}],
        "rotation": [{"by": "rw", "measure": "turns"}, {"by": "vendor", "measure": "waiting_since"}],
        "groups": {"rw": {"31.71.02.1002.003": {"turns": 2, "waiting_since": "2022-05-01"}}},
        "applicants": [
            {
                "id": pseudonym(SECRET, applicant.application.application_id),
                "groups": {"agency": "ppkukm", "rw": "31.71.02.1002.003"},
                "turns": 3,
                "waiting_since": "2023-01-05",
                "choices": [["one", "two"]],
            }
        ],
    }


def test_the_hash_does_not_hang_on_the_order_of_reading() -> None:
    candidates = [candidate(number) for number in range(1, 6)]
    _, one = frozen(a_bazaar(), *candidates)
    _, other = frozen(a_bazaar(), *reversed(candidates))
    assert one.frozen_sha256 == other.frozen_sha256 == hashlib.sha256(one.frozen).hexdigest()


def test_who_is_not_eligible_any_more_is_left_out_with_the_reason() -> None:
    candidates = [candidate(1), candidate(2, a_vendor(2, trained=False)), candidate(3, known=False)]
    outcome = freeze(a_bazaar(), candidates, {}, CLOSING, secret=SECRET)
    assert outcome.round.applicants == outcome.event.applicants == 1
    assert [one.application_id for one in outcome.listed] == [candidates[0].application.application_id]
    assert [(one.application_id.int - 1000, one.because) for one in outcome.dropped] == [
        (2, "training-missing"),
        (3, "unknown-vendor"),
    ]


def test_a_groups_standing_sums_its_members() -> None:
    sums = standings(
        ["agency", "category"],
        [
            GroupTurns({"agency": "ppkukm", "category": "health"}, 2, date(2023, 2, 1), date(2022, 5, 1)),
            GroupTurns({"agency": "ppkukm"}, 1, date(2023, 3, 1), date(2022, 1, 1)),
            GroupTurns({"agency": "kpkp"}, 0, None, date(2022, 6, 1)),
            GroupTurns({"agency": "kpkp", "category": "health"}, 0, None, date(2022, 4, 1)),
        ],
    )
    assert sums == {
        "agency": {"ppkukm": Standing(3, date(2023, 3, 1)), "kpkp": Standing(0, date(2022, 4, 1))},
        "category": {"health": Standing(2, date(2023, 2, 1))},
    }


def test_the_seed_joins_the_frozen_problem_and_nothing_else_changes() -> None:
    bazaar, round_ = frozen(a_bazaar(), candidate(1))
    after, with_seed, event = draw_seed(bazaar, round_, *SEED)
    assert (after.state, event.seed, event.source) == ("seeded", "3-8-19", "Undian terbuka")
    assert with_seed.problem is not None
    problem = read_problem(with_seed.problem)
    assert problem.seed == "3-8-19"
    assert problem.sha256 == with_seed.problem_sha256 == hashlib.sha256(with_seed.problem).hexdigest()
    document = json.loads(with_seed.problem)
    del document["seed"]
    assert document == json.loads(round_.frozen)


def test_there_is_no_seed_before_the_freeze_and_no_second_one() -> None:
    bazaar, round_ = frozen(a_bazaar(), candidate(1))
    with pytest.raises(WrongMoment):
        draw_seed(a_bazaar(), round_, *SEED)
    after, with_seed, _ = draw_seed(bazaar, round_, *SEED)
    with pytest.raises(WrongMoment):
        draw_seed(after, with_seed, *SEED)


@pytest.mark.parametrize("seed", ["", "x" * 201, "baris\nbaru", "é"])
def test_a_seed_is_a_line_of_plain_characters(seed: str) -> None:
    with pytest.raises(ValidationError):
        DrawSeed(seed=seed, source="Undian")


def test_a_round_without_applicants_is_published_too() -> None:
    bazaar, round_ = seeded(a_bazaar())
    assert round_.problem is not None
    _, decided, event = publish(bazaar, round_, solve_stored(round_.problem), CLOSING)
    assert (event.served, event.waiting) == (0, 0)
    assert decided.result is not None


def test_what_is_published_is_what_was_solved_and_verified() -> None:
    bazaar, round_ = seeded(a_bazaar(), candidate(1))
    assert round_.problem is not None
    solved = solve_stored(round_.problem)
    assert solved.findings == []
    with pytest.raises(RoundNotVerified):
        publish(bazaar, round_, solved._replace(findings=["served[0]: sits in no pool it named"]), CLOSING)
    with pytest.raises(RoundChanged):
        publish(bazaar, round_, solved._replace(problem_sha256="another"), CLOSING)
    after, _, event = publish(bazaar, round_, solved, CLOSING)
    assert after.state == "allocated"
    assert event.result_sha256 == hashlib.sha256(solved.result).hexdigest()
    with pytest.raises(RoundPublishedAlready):
        publish(after, round_, solved, CLOSING)


def test_nothing_is_published_that_nobody_could_answer() -> None:
    bazaar, round_ = seeded(a_bazaar(), candidate(1))
    solved = Solved(round_.problem_sha256 or "", b"{}", 0, 0, [])
    last_moment = offers_end_at(DAYS[0]) - timedelta(hours=1)
    publish(bazaar, round_, solved, last_moment)
    with pytest.raises(TooLate):
        publish(bazaar, round_, solved, last_moment + MICROSECOND)


def test_each_served_has_a_booth_of_its_own_and_each_other_a_place() -> None:
    candidates = [candidate(number) for number in range(1, 6)]
    bazaar, round_ = seeded(a_bazaar(a_site("one", 3)), *candidates)
    assert round_.problem is not None
    solved = solve_stored(round_.problem)
    standing = {pseudonym(SECRET, one.application.application_id): one.application for one in candidates}

    steps = list(decisions(bazaar, solved.result, standing, {"one": ["A01", "A02", "A03"]}, CLOSING))

    offered = [step.event for step in steps if isinstance(step.event, BoothAssigned)]
    queued = [step.event for step in steps if isinstance(step.event, ApplicantQueued)]
    assert [event.booth for event in offered] == ["A01", "A02", "A03"]
    assert [event.place for event in queued] == [1, 2]
    assert {step.after.application_id for step in steps} == {UUID(int=1000 + number) for number in range(1, 6)}
    assert {step.after.version for step in steps} == {2}
    assert {event.respond_by for event in offered} == {CLOSING + timedelta(hours=24)}


# ---- what the published file says of people


def in_party(number: int, party: int, nth: int, **more: Any) -> Candidate:
    application = an_application(number, more.pop("choices", [["one"]]), party_id=UUID(int=500 + party))
    return Candidate(application, a_vendor(number), 0, WAITING_SINCE, if_apart="none", party_nth=nth, **more)


def document_of(outcome: Freeze) -> dict[str, Any]:
    return dict(json.loads(outcome.round.frozen))


def test_no_id_of_an_application_or_a_vendor_stands_in_the_published_file() -> None:
    candidates = [candidate(number) for number in range(1, 9)] + [in_party(20, 1, 1), in_party(21, 1, 2)]
    outcome = freeze(a_bazaar(), candidates, {}, CLOSING, secret=SECRET)
    for one in candidates:
        for known in (one.application.application_id, one.application.vendor_id, UUID(int=501)):
            assert str(known).encode() not in outcome.round.frozen
            assert known.hex.encode() not in outcome.round.frozen
    again = freeze(a_bazaar(), candidates, {}, CLOSING, secret=b"t" * 32)
    assert not {one.pseudonym for one in outcome.listed} & {one.pseudonym for one in again.listed}


def test_only_the_groups_that_a_rule_names_stand_in_the_published_file() -> None:
    reserve = SeatLimit(group="agency", value="ppkukm", seats=1)
    cap = SeatLimit(group="category", value="food-drink", seats=1)
    sites = [a_site("one", reserves=(reserve,)), a_site("two", caps=(cap,))]
    candidates = [
        Candidate(an_application(number, choices), a_vendor(number, agency=agency), 0, WAITING_SINCE)
        for number, (choices, agency) in enumerate(
            [([["one"]], "ppkukm"), ([["one"]], "kpkp"), ([["two"]], "ppkukm"), ([["two"], ["one"]], "ppkukm")], 1
        )
    ]
    outcome = freeze(a_bazaar(*sites), candidates, {}, CLOSING, secret=SECRET)
    names = {one.pseudonym: one.application_id.int - 1000 for one in outcome.listed}
    said = {names[one["id"]]: one["groups"] for one in document_of(outcome)["applicants"]}
    assert said == {
        1: {"agency": "ppkukm"},
        2: {},
        3: {"category": "food-drink"},
        4: {"agency": "ppkukm", "category": "food-drink"},
    }
    # what the service itself counts by is fixed in full
    assert {frozenset(one.groups) for one in outcome.listed} == {frozenset({"agency", "category", "kelurahan", "rw"})}


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=40, deadline=None)
def test_groups_that_are_left_out_change_nothing(chance: int, data: st.DataObject) -> None:
    """The result is the same as if every group of everyone stood in the file."""
    luck = Random(chance)
    sites = [
        a_site(
            site_id,
            luck.randint(1, 4),
            reserves=(SeatLimit(group=group, value=value, seats=1),),
            caps=(SeatLimit(group=group, value=value, seats=1),),
        )
        for site_id in ("one", "two")
        for group, value in [luck.choice([("agency", "ppkukm"), ("category", "health")])]
    ]
    candidates = [
        Candidate(
            an_application(number, luck.choice([[["one"]], [["two"]], [["one"], ["two"]], [["one", "two"]]])),
            a_vendor(number, agency=luck.choice(["ppkukm", "kpkp", None]), category=luck.choice(["health", None])),
            luck.randint(0, 2),
            WAITING_SINCE + timedelta(days=luck.randint(0, 3)),
        )
        for number in range(1, data.draw(st.integers(2, 15)))
    ]
    outcome = freeze(a_bazaar(*sites), candidates, {}, CLOSING, secret=SECRET)
    groups = {one.pseudonym: one.groups for one in outcome.listed}
    short = {**document_of(outcome), "seed": "s"}
    full = {**short, "applicants": [{**one, "groups": groups[one["id"]]} for one in short["applicants"]]}
    one, other = (
        json.loads(solve_stored(json.dumps(document).encode()).result) | {"problem_sha256": ""}
        for document in (short, full)
    )
    assert one == other


def test_the_frozen_bytes_are_the_canonical_document_and_each_entry_stands_at_its_place() -> None:
    candidates = [candidate(number) for number in range(1, 9)]
    outcome = freeze(a_bazaar(), candidates, {}, CLOSING, secret=SECRET)
    document = document_of(outcome)
    assert canonical_json(document) == outcome.round.frozen
    assert [one["id"] for one in document["applicants"]] == sorted(one.pseudonym for one in outcome.listed)
    for listed in outcome.listed:
        assert json.loads(listed.entry) == document["applicants"][listed.place]
    root = grow([canonical_json(one) for one in document["applicants"]]).root.hex()
    assert outcome.round.applicants_root == outcome.event.applicants_root == root


def test_a_party_stands_in_the_file_with_its_leaders_choices() -> None:
    sites = [a_site("one"), a_site("two")]
    leader = in_party(2, 1, 1, choices=[["two"], ["one"]])
    candidates = [in_party(1, 1, 2, choices=[["one"]]), leader, in_party(3, 2, 1), candidate(4)]
    outcome = freeze(a_bazaar(*sites), candidates, {}, CLOSING, secret=SECRET)
    document = document_of(outcome)
    # the party of one is none
    assert document["parties"] == [
        {
            "id": pseudonym(SECRET, UUID(int=501)),
            "members": sorted(pseudonym(SECRET, UUID(int=1000 + number)) for number in (1, 2)),
            "apart": "none",
        }
    ]
    choices = {one.application_id.int - 1000: one.choices for one in outcome.listed}
    assert choices == {1: (("two",), ("one",)), 2: (("two",), ("one",)), 3: (("one",),), 4: (("one",),)}
    for one in outcome.listed:
        assert document["applicants"][one.place]["choices"] == [list(tier) for tier in one.choices]


def test_who_leads_a_party_is_who_joined_first_of_those_in_the_round() -> None:
    sites = [a_site("one"), a_site("two")]
    gone = in_party(1, 1, 1, choices=[["two"]])._replace(vendor=a_vendor(1, trained=False))
    outcome = freeze(
        a_bazaar(*sites), [gone, in_party(2, 1, 2), in_party(3, 1, 3, choices=[["two"]])], {}, CLOSING, secret=SECRET
    )
    assert {one.choices for one in outcome.listed} == {(("one",),)}
    assert len(document_of(outcome)["parties"][0]["members"]) == 2
    without_party = freeze(a_bazaar(*sites), [gone, in_party(2, 1, 2)], {}, CLOSING, secret=SECRET)
    assert "parties" not in document_of(without_party)


def test_corrections_of_the_ledger_count_as_of_the_day_of_the_freeze() -> None:
    adjustment = Adjustment(UUID(int=1), UUID(int=1), "no-show", 2, 60, date(2023, 3, 3), date(2023, 3, 23))
    outcome = freeze(a_bazaar(), [candidate(1, turns=1)._replace(adjustments=[adjustment])], {}, CLOSING, secret=SECRET)
    # ten of twenty days have gone by: half is left of it
    (applicant,) = document_of(outcome)["applicants"]
    assert (applicant["turns"], applicant["waiting_since"]) == (2, "2023-02-04")


def test_an_offer_of_the_round_says_in_which_phase_it_was_given() -> None:
    reserve = SeatLimit(group="agency", value="ppkukm", seats=1)
    candidates = [candidate(1, a_vendor(1, agency="kpkp")), candidate(2), candidate(3)]
    bazaar, round_ = seeded(a_bazaar(a_site("one", 2, reserves=(reserve,))), *candidates)
    assert round_.problem is not None
    standing = {pseudonym(SECRET, one.application.application_id): one.application for one in candidates}
    steps = decisions(bazaar, solve_stored(round_.problem).result, standing, {"one": ["A01", "A02"]}, CLOSING)
    assert sorted(one.event.phase or 0 for one in steps if isinstance(one.event, BoothAssigned)) == [1, 2]


def test_a_round_frozen_before_there_were_pseudonyms_is_decided_by_the_ids_it_has() -> None:
    application = an_application(1)
    assert application.name_in_round == str(application.application_id)
    frozen_then = b'{"applicants":[{"choices":[["one"]],"id":"%s"}],"pools":[{"capacity":1,"id":"one"}]}'
    frozen_then %= application.name_in_round.encode()
    old = Round(UUID(int=1), 1, 1, frozen_then, hashlib.sha256(frozen_then).hexdigest())
    after, with_seed, _ = draw_seed(a_bazaar(state="frozen", round=1), old, *SEED)
    assert with_seed.problem is not None
    result = solve_stored(with_seed.problem).result
    (step,) = decisions(after, result, {application.name_in_round: application}, {"one": ["A01"]}, CLOSING)
    assert step.after.state == "offered"

"""A round: what is frozen and hashed, the seed, what is published."""

import hashlib
import json
from datetime import date, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.bazaar.allocation import read_problem
from services.bazaar.domain.application import Vendor
from services.bazaar.domain.bazaar import Bazaar, GroupCap, Level, Policy, SeatLimit, WrongMoment, offers_end_at
from services.bazaar.domain.round import (
    ApplicationsOpen,
    Candidate,
    DrawSeed,
    GroupTurns,
    Round,
    RoundChanged,
    RoundNotVerified,
    RoundPublishedAlready,
    Solved,
    Standing,
    TooLate,
    decisions,
    draw_seed,
    freeze,
    publish,
    standings,
)
from services.bazaar.solving import solve_stored
from shared.events.bazaar import ApplicantQueued, BoothAssigned
from tests.unit.bazaar import CLOSING, DAYS, a_bazaar, a_site, a_vendor, an_application

MICROSECOND = timedelta(microseconds=1)
SEED = DrawSeed(seed="3-8-19", source="Undian terbuka")
WAITING_SINCE = date(2023, 1, 5)


def candidate(number: int, vendor: Vendor | None = None, *, known: bool = True, turns: int = 0) -> Candidate:
    return Candidate(an_application(number), (vendor or a_vendor(number)) if known else None, turns, WAITING_SINCE)


def frozen(bazaar: Bazaar, *candidates: Candidate) -> tuple[Bazaar, Round]:
    outcome = freeze(bazaar, candidates, {}, CLOSING)
    return outcome.bazaar, outcome.round


def seeded(bazaar: Bazaar, *candidates: Candidate) -> tuple[Bazaar, Round]:
    return draw_seed(*frozen(bazaar, *candidates), SEED)[:2]


def test_the_list_is_frozen_from_the_closing_moment_on() -> None:
    with pytest.raises(ApplicationsOpen):
        freeze(a_bazaar(), [], {}, CLOSING - MICROSECOND)
    outcome = freeze(a_bazaar(version=1), [candidate(1)], {}, CLOSING)
    assert (outcome.bazaar.state, outcome.bazaar.round, outcome.bazaar.version) == ("frozen", 1, 2)


def test_the_list_is_frozen_once() -> None:
    with pytest.raises(WrongMoment):
        freeze(a_bazaar(state="frozen"), [], {}, CLOSING)


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

    outcome = freeze(bazaar, [applicant], ledger, CLOSING)

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
                "id": str(applicant.application.application_id),
                "groups": {"agency": "ppkukm", "kelurahan": "31.71.02.1002", "rw": "31.71.02.1002.003"},
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
    outcome = freeze(a_bazaar(), candidates, {}, CLOSING)
    assert outcome.round.applicants == outcome.event.applicants == 1
    assert list(outcome.groups) == [candidates[0].application.application_id]
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
    after, with_seed, event = draw_seed(bazaar, round_, SEED)
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
        draw_seed(a_bazaar(), round_, SEED)
    after, with_seed, _ = draw_seed(bazaar, round_, SEED)
    with pytest.raises(WrongMoment):
        draw_seed(after, with_seed, SEED)


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
    standing = {str(one.application.application_id): one.application for one in candidates}

    steps = list(decisions(bazaar, solved.result, standing, {"one": ["A01", "A02", "A03"]}, CLOSING))

    offered = [step.event for step in steps if isinstance(step.event, BoothAssigned)]
    queued = [step.event for step in steps if isinstance(step.event, ApplicantQueued)]
    assert [event.booth for event in offered] == ["A01", "A02", "A03"]
    assert [event.place for event in queued] == [1, 2]
    assert {step.after.application_id for step in steps} == {UUID(int=1000 + number) for number in range(1, 6)}
    assert {step.after.version for step in steps} == {2}
    assert {event.respond_by for event in offered} == {CLOSING + timedelta(hours=24)}

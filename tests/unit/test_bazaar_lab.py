"""`lapak lab`: its quick rounds against `solve`, its years against sums that must hold, its files, its refusals.

And the seasons of articles 002 and 004, played through with the bound on waiting that the rule promises.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from services.bazaar.allocation import read_problem, solve
from services.bazaar.domain.fairness import spread
from services.bazaar.lab import plots, years
from services.bazaar.lab.city import City, Numbers, Round, Setting, demand, found
from services.bazaar.lab.cli import app
from services.bazaar.lab.outcome import measured
from services.bazaar.lab.policies import POLICIES, Ledger, Policy
from services.bazaar.lab.titles import TITLES
from services.bazaar.lab.years import begin, play, play_round

runner = CliRunner()

BY = {
    "waiting": [("vendor", "waiting_since")],
    "turns": [("vendor", "turns"), ("vendor", "waiting_since")],
    "rw": [("rw", "turns"), ("vendor", "waiting_since")],
    "lottery": [],
}
SMALL = Setting(vendors=300, years=1, rounds_per_month=1, areas=3, sites=2, booths=6, vendors_per_rw=8,
                applicants_share=0.6, declines=0.2, lapses=0.1, no_shows=0.1)  # fmt: skip


def by_the_rule(city: City, ledger: Ledger, round_: Round, name: str, among: Any, free: Numbers) -> set[int]:
    """Whom `solve` serves of these applicants, as positions in the round."""
    area, rw = city.area[round_.vendor], city.rw[round_.vendor]
    people = {f"v{round_.vendor[at]:07}": int(at) for at in np.flatnonzero(among)}
    doc = {
        "seed": round_.seed,
        "pools": [{"id": f"p{number}", "capacity": int(seats)} for number, seats in enumerate(free)],
        "rotation": [{"by": by, "measure": measure} for by, measure in BY[name]],
        "groups": {"rw": {str(number): {"turns": int(turns)} for number, turns in enumerate(ledger.rw_turns)}},
        "applicants": [
            {
                "id": applicant,
                "groups": {"rw": str(rw[at])},
                "turns": int(ledger.turns[round_.vendor[at]]),
                "waiting_since": str(date(2020, 1, 1) + timedelta(days=int(ledger.since[round_.vendor[at]]))),
                "choices": [[f"p{area[at]}"]],
            }
            for applicant, at in people.items()
        ],
    }
    return {people[one.applicant] for one in solve(read_problem(json.dumps(doc).encode())).served}


def watch(monkeypatch: pytest.MonkeyPatch, name: str, every: int = 1) -> list[int]:
    """From now on each wave of offers of every so-manieth round is held against `solve`; the sizes of those checked."""
    quick = years._waves
    checked: list[int] = []

    def watched(city: City, policy: Policy, ledger: Ledger, round_: Round) -> Iterator[Numbers]:
        among, free = np.ones(len(round_.vendor), dtype=np.bool_), round_.seats.copy()
        for offered in quick(city, policy, ledger, round_):
            if round_.number % every == 0:
                assert set(offered.tolist()) == by_the_rule(city, ledger, round_, name, among, free)
                checked.append(len(offered))
            yield offered
            among[offered] = False
            keeps = np.isin(round_.answer[offered], (0, 3))
            free -= np.bincount(city.area[round_.vendor[offered[keeps]]], minlength=len(free))

    monkeypatch.setattr(years, "_waves", watched)
    return checked


@pytest.mark.parametrize("name", list(BY))
def test_the_quick_rounds_offer_what_the_rule_offers_and_so_do_booths_given_back(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    checked = watch(monkeypatch, name)
    play(SMALL, [name])

    assert len(checked) > SMALL.rounds * 1.5  # more than the first wave of each


def test_a_quick_round_that_forgets_the_lottery_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch(monkeypatch, "lottery")
    monkeypatch.setitem(POLICIES, "lottery", lambda city, ledger, round_, among: np.flatnonzero(among))
    with pytest.raises(AssertionError):
        play(SMALL, ["lottery"])


def test_every_policy_has_a_name_and_a_line_of_its_own() -> None:
    assert list(POLICIES) == list(TITLES) == list(plots.STYLES)


def test_all_policies_see_the_same_demand_and_the_same_seed_gives_the_same_years() -> None:
    together, again = play(SMALL, list(POLICIES)), play(SMALL, list(POLICIES))
    city = found(SMALL)
    for name in POLICIES:
        alone = play(SMALL, [name])[name]
        for other in (together[name], again[name]):
            assert measured(SMALL, city, name, alone) == measured(SMALL, city, name, other)
    assert len({tuple(course.ledger.since != years.NEVER) for course in together.values()}) == 1
    other_seed = Setting(vendors=300, years=1, seed=2)
    assert [one.vendor.tolist() for one in demand(other_seed, found(other_seed))] != [
        one.vendor.tolist() for one in demand(SMALL, city)
    ]


@pytest.mark.parametrize("name", list(POLICIES))
def test_the_sums_of_a_simulated_year_are_right(name: str) -> None:
    city = found(SMALL)
    course = play(SMALL, [name])[name]
    outcome, curves = measured(SMALL, city, name, course)

    assert outcome.offers == course.came + outcome.declined + outcome.lapsed + outcome.missed
    assert outcome.turns == outcome.offers - outcome.declined == course.ended.sum()
    assert course.came + course.missed <= SMALL.rounds * SMALL.sites * SMALL.booths
    assert outcome.never + outcome.once + outcome.twice + outcome.thrice_or_more == pytest.approx(1)
    assert sum(curves.waits) == outcome.turns + outcome.people
    ended = spread(length for length, people in enumerate(course.ended.tolist()) for _ in range(people))
    assert (outcome.wait_median, outcome.wait_p90, outcome.wait_longest) == (ended.median, ended.p90, ended.longest)
    assert 0 < (outcome.rw_coverage or 0) <= 1


def test_first_come_first_served_is_the_same_people_every_year_and_the_rule_is_not() -> None:
    setting = Setting(vendors=2_000, years=3, rounds_per_month=1, areas=4, sites=3, booths=8)
    city = found(setting)
    outcomes = {
        name: measured(setting, city, name, course)[0] for name, course in play(setting, list(POLICIES)).items()
    }
    rule, quick, chance = outcomes["waiting"], outcomes["first-come"], outcomes["lottery"]

    assert (rule.repeat_rate or 0) < (chance.repeat_rate or 0) < (quick.repeat_rate or 0)
    assert rule.never < chance.never < quick.never
    assert (rule.jain or 0) > (chance.jain or 0) > (quick.jain or 0)
    assert rule.longest_in_vain <= min(chance.longest_in_vain, quick.longest_in_vain)


# -- article 002: twice a month, six of eight kecamatan in turn, 30 booths each

CENTRAL_JAKARTA = Setting(vendors=840, years=1, rounds_per_month=2, areas=8, sites=6, booths=30, applicants_share=1,
                          founders=1, declines=0.1, lapses=0.05, no_shows=0.05)  # fmt: skip


def season_of_002(policy: str) -> None:
    """With P who keep applying in a kecamatan and S booths, nobody applies more than ceil(P / S) times for one offer,
    nor waits longer than ceil(4/3 * ceil(P / S)) rounds.

    Proof: in a round in which someone is passed over, all S booths of its site went to people who stood before it, and
    each of them has had a turn and stands behind it from now on. Nobody new comes to stand before it. Since at most
    P - 1 stood there, it is passed over at most (P - 1) // S = ceil(P / S) - 1 times. (Booths declined go on in the
    same round, so S is S.) Six of eight in turn: in any four rounds a kecamatan has three.
    """
    setting = CENTRAL_JAKARTA
    city = found(setting)
    people = np.bincount(city.area, minlength=setting.areas)
    bound = -(-people // setting.booths)
    course = begin(setting, city)
    in_vain, waited = np.zeros(setting.vendors, dtype=np.int64), np.zeros(setting.vendors, dtype=np.int64)
    left_out: set[int] = set()
    for round_ in demand(setting, city):
        held = set(np.flatnonzero(round_.seats).tolist())
        assert len(held) == 6
        assert left_out <= held, "who was left out comes next"
        left_out = set(range(8)) - held
        play_round(setting, city, POLICIES[policy], course, round_)
        assert course.last_offered is not None
        in_vain[round_.vendor] += 1
        waited += 1
        offered = np.concatenate(course.last_offered)
        assert (in_vain <= bound[city.area]).all()
        assert (waited <= np.ceil(4 * bound[city.area] / 3)).all()
        in_vain[offered] = waited[offered] = 0
    assert bound.max() >= 4


def test_in_a_season_of_six_of_eight_kecamatan_nobody_waits_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = watch(monkeypatch, "waiting")  # every offer of the season is also what `solve` decides
    season_of_002("waiting")
    assert len(checked) > CENTRAL_JAKARTA.rounds


@pytest.mark.parametrize("policy", ["lottery", "first-come", "weighted-lottery"])
def test_other_policies_do_not_keep_that_bound(policy: str) -> None:
    with pytest.raises(AssertionError):
        season_of_002(policy)


# -- article 004: all RWs of the province in turn, 56 booths


def season_of_004(policy: str, declines: float) -> None:
    """No RW has a second turn before every RW with a willing vendor has had an offer, and with W such RWs and S booths
    a round each has had one within ceil(W / S) rounds.

    Proof: a round walks RWs with no turn before all others, and a second vendor of an RW after its first; each round
    gives at least S turns (booths declined go on), so as long as an RW waits for its first offer, every turn of the
    round is the first of its RW, and there are no more than W of those.
    """
    setting = Setting(vendors=8_100, years=1, rounds_per_month=5, areas=1, sites=1, booths=56, vendors_per_rw=3,
                      applicants_share=1, founders=1, declines=declines, lapses=0.05, no_shows=0.05)  # fmt: skip
    city = found(setting)
    course = begin(setting, city)
    willing = len(np.unique(city.rw))
    assert (city.rws, willing > 2_500) == (2_700, True)
    offered = np.zeros(city.rws, dtype=np.bool_)
    for round_ in demand(setting, city):
        play_round(setting, city, POLICIES[policy], course, round_)
        assert course.last_offered is not None
        offered[city.rw[np.concatenate(course.last_offered)]] = True
        if course.ledger.rw_turns.max() > 1:
            assert np.count_nonzero(offered) == willing, "an RW twice before every RW had an offer"
        if round_.number + 1 >= ceil(willing / setting.booths):
            assert np.count_nonzero(offered) == willing
        if not declines:
            turns = course.ledger.rw_turns[np.unique(city.rw)]
            assert turns.max() <= turns.min() + 1
    assert course.ledger.rw_turns.max() == 2, "the season goes on into the second turns"


@pytest.mark.parametrize("declines", [0, 0.1])
def test_in_a_season_of_2700_rws_none_is_there_twice_before_every_one_had_an_offer(
    monkeypatch: pytest.MonkeyPatch, declines: float
) -> None:
    checked = watch(monkeypatch, "rw", every=50)  # in the first and the second turns: what `solve` decides too
    season_of_004("rw", declines)
    assert len(checked) >= 2


@pytest.mark.parametrize("policy", ["waiting", "lottery"])
def test_other_policies_do_not_take_rws_in_turn(policy: str) -> None:
    with pytest.raises(AssertionError, match="an RW twice"):
        season_of_004(policy, 0)


# -- the command


def test_simulate_writes_tables_and_plots_and_says_who_waits(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["simulate", "--vendors", "300", "--years", "2", "--rounds-per-month", "1"]
    ran = runner.invoke(app, [*arguments, "--out", str(tmp_path / "one")])
    assert ran.exit_code == 0, ran.stderr
    assert "first-come" in ran.stdout
    assert "…" not in ran.stdout  # a number that is cut off says nothing
    tables = {f"{name}.{kind}" for name in ("setting", "policies", "rounds", "waits") for kind in ("csv", "json")}
    drawn = {f"{name}.{kind}" for name in ("waits", "longest-wait", "times-served", "indices", "rw-coverage", "repeats")
             for kind in ("png", "svg")}  # fmt: skip
    assert {path.name for path in (tmp_path / "one").iterdir()} == tables | drawn
    assert (tmp_path / "one" / "waits.png").read_bytes().startswith(b"\x89PNG")
    assert [row["policy"] for row in json.loads((tmp_path / "one" / "policies.json").read_text())] == list(POLICIES)

    runner.invoke(app, [*arguments, "--no-plots", "--out", str(tmp_path / "two")])
    for name in tables:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_replay_compares_past_rounds_with_other_rotations(tmp_path: Path) -> None:
    golden = Path(__file__).with_name("golden_rounds")
    ran = runner.invoke(
        app, ["replay", str(golden / "plain.problem.json"), str(golden / "groups.problem.json"), "-o", str(tmp_path)]
    )
    assert ran.exit_code == 0, ran.stderr
    rows = json.loads((tmp_path / "replayed.json").read_text())
    assert [(row["problem"], row["policy"]) for row in rows] == [
        (name, policy) for name in ("plain", "groups") for policy in ("as-it-was", "waiting", "turns", "rw", "lottery")
    ]
    as_it_was, by_waiting, *_, by_lot = rows[:5]
    assert {**as_it_was, "policy": "waiting"} == by_waiting  # that round was by waiting
    assert as_it_was["wait_median"] > by_lot["wait_median"]
    assert as_it_was["longest_left"] < by_lot["longest_left"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["simulate", "--sites", "9"], "--sites: 9 sites need as many areas; there are 8"),
        (["simulate", "--policy", "luck"], "--policy: there is no luck; there are waiting, turns, rw"),
        (["simulate", "--declines", "0.6", "--lapses", "0.6"], "together at most 1"),
        (["replay", "nowhere.json"], "nowhere.json: cannot be read: No such file"),
        (["replay", __file__], "is not a problem that can be solved"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused_with_2(arguments: list[str], advice: str) -> None:
    ran = runner.invoke(app, arguments)
    assert ran.exit_code == 2
    assert advice in ran.stderr


def test_without_matplotlib_plots_are_refused_before_anything_is_played(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plots, "can_plot", lambda: False)
    ran = runner.invoke(app, ["simulate", "--out", str(tmp_path / "out")])
    assert ran.exit_code == 2
    assert "uv sync --group lab" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said_so_with_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = runner.invoke(
        app, ["simulate", "--vendors", "50", "--years", "1", "--no-plots", "-o", str(tmp_path / "file")]
    )
    assert ran.exit_code == 2
    assert "cannot be written" in ran.stderr

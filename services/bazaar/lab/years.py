"""Simulated years: every policy plays the same rounds, and booths given back go on to the next by its own order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.bazaar.lab.city import COMES, DECLINES, STAYS_AWAY, City, Flags, Numbers, Round, Setting, demand, found
from services.bazaar.lab.policies import POLICIES, Ledger, Policy

NEVER = np.iinfo(np.int64).max
"""`Ledger.since` of a vendor that has not applied yet."""


class Offered(NamedTuple):
    """Whom a round offered a booth, as vendor numbers in the order of the offers."""

    at_first: Numbers
    later: Numbers


@dataclass(slots=True)
class Course:
    """How one policy went so far. `ended`: how many waits ended after so many rounds (by length). Per round: `longest`
    wait of those it left waiting, `covered` share of RWs that had a turn, of those with an applicant so far.
    `served_in`: per year, who had a turn. `last_offered`: of the latest round."""

    ledger: Ledger
    ended: Numbers
    served_in: list[Flags]
    longest: list[int] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    offers: int = 0
    declined: int = 0
    lapsed: int = 0
    missed: int = 0
    came: int = 0
    last_offered: Offered | None = None


def begin(setting: Setting, city: City) -> Course:
    """Nobody has applied yet."""
    ledger = Ledger(
        np.zeros(setting.vendors, dtype=np.int64),
        np.full(setting.vendors, NEVER),
        np.zeros(city.rws, dtype=np.int64),
    )
    years = [np.zeros(setting.vendors, dtype=np.bool_) for _ in range(setting.years)]
    return Course(ledger, np.zeros(setting.rounds + 1, dtype=np.int64), years)


def play(setting: Setting, policies: list[str], progress: Callable[[], None] = lambda: None) -> dict[str, Course]:
    """All rounds under each of the policies. `progress` is called after each round of each policy."""
    city = found(setting)
    courses = {name: begin(setting, city) for name in policies}
    for round_ in demand(setting, city):
        for name, course in courses.items():
            play_round(setting, city, POLICIES[name], course, round_)
            progress()
    return courses


def play_round(setting: Setting, city: City, policy: Policy, course: Course, round_: Round) -> None:
    """One round: offers by the policy, answers, booths given back offered on until nobody is left or no booth is."""
    ledger = course.ledger
    ledger.since[round_.vendor] = np.minimum(ledger.since[round_.vendor], round_.number)
    waits = round_.number - ledger.since[round_.vendor]
    turned = np.zeros(len(round_.vendor), dtype=np.bool_)
    waves = []
    for offered in _waves(city, policy, ledger, round_):
        waves.append(offered)
        answers = round_.answer[offered]
        course.offers += len(offered)
        course.declined += int(np.count_nonzero(answers == DECLINES))
        course.came += int(np.count_nonzero(answers == COMES))
        course.missed += int(np.count_nonzero(answers == STAYS_AWAY))
        takes_turn = offered[answers != DECLINES]
        turned[takes_turn] = True
        np.add.at(ledger.rw_turns, city.rw[round_.vendor[takes_turn]], 1)
    course.lapsed = course.offers - course.declined - course.came - course.missed
    course.last_offered = Offered(
        round_.vendor[waves[0]] if waves else round_.vendor[:0],
        round_.vendor[np.concatenate(waves[1:])] if len(waves) > 1 else round_.vendor[:0],
    )
    vendor = round_.vendor[turned]
    course.ended += np.bincount(waits[turned], minlength=len(course.ended))
    ledger.turns[vendor] += 1
    ledger.since[vendor] = round_.number + 1  # it waits from the day after
    course.served_in[round_.number // setting.rounds_per_year][vendor] = True
    left = waits[~turned]
    course.longest.append(int(left.max()) + 1 if len(left) else 0)
    willing = np.zeros(city.rws, dtype=np.bool_)
    willing[city.rw[ledger.since != NEVER]] = True
    course.covered.append(int(np.count_nonzero(ledger.rw_turns)) / max(1, int(np.count_nonzero(willing))))


def _waves(city: City, policy: Policy, ledger: Ledger, round_: Round) -> Iterator[Numbers]:
    """Positions of those offered a booth: of the round, then of those given back, each time by the order as it stands
    by then. The receiver writes the turns of each wave into the ledger before it asks for the next."""
    pool = city.area[round_.vendor]
    free = round_.seats.copy()
    among = np.ones(len(round_.vendor), dtype=np.bool_)
    while free.any() and among.any():
        ordered = policy(city, ledger, round_, among)
        offered = _first_of_each_pool(ordered, pool[ordered], free)
        if not len(offered):
            return
        yield offered
        among[offered] = False
        keeps = (round_.answer[offered] == COMES) | (round_.answer[offered] == STAYS_AWAY)
        free -= np.bincount(pool[offered[keeps]], minlength=len(free))


def _first_of_each_pool(ordered: Numbers, pool: Numbers, free: Numbers) -> Numbers:
    """The first `free` of each pool, in order."""
    by_pool = np.argsort(pool, kind="stable")
    starts = np.searchsorted(pool[by_pool], np.arange(len(free)))
    nth = np.empty(len(pool), dtype=np.int64)
    nth[by_pool] = np.arange(len(pool)) - starts[pool[by_pool]]
    return ordered[nth < free[pool]]

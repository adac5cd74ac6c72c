"""What the years were like under a policy, in the measures of `domain/fairness.py`."""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from services.bazaar.domain.fairness import coverage, gini, jain_index, repeat_rate, times_served
from services.bazaar.lab.city import City, Numbers, Setting
from services.bazaar.lab.titles import TITLES
from services.bazaar.lab.years import NEVER, Course


@dataclass(frozen=True, slots=True)
class Outcome:
    """One policy over all years. People are those who ever applied. Waits are in rounds, from the first application or
    the last turn: those that ended with a booth, and with `..._open` also those that have not ended yet (of some who
    applied once and never again). `longest_in_vain`: of all who applied in a round and got nothing.

    `repeat_rate`: of those with a turn in a year, how many had one in the year before (mean over the years).
    """

    policy: str
    title: str
    people: int
    turns: int
    offers: int
    declined: int
    lapsed: int
    missed: int
    never: float
    once: float
    twice: float
    thrice_or_more: float
    wait_median: int | None
    wait_p90: int | None
    wait_longest: int | None
    wait_median_open: int | None
    wait_p90_open: int | None
    wait_longest_open: int | None
    longest_in_vain: int
    jain: float | None
    gini: float | None
    rw_coverage: float | None
    rounds_until_every_rw: int | None
    repeat_rate: float | None

    def row(self) -> dict[str, object]:
        """As a row of a table: the fields by name, fractions to six digits."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of one policy: `waits`: people by the length of their wait, ended or not; `longest` and `covered`
    per round; `served`: shares served never, once, twice, thrice and more; `repeats`: per year from the second on."""

    policy: str
    waits: list[int]
    longest: list[int]
    covered: list[float]
    served: list[float]
    repeats: list[float]


def measured(setting: Setting, city: City, name: str, course: Course) -> tuple[Outcome, Curves]:
    """The outcome of a policy's years."""
    ledger = course.ledger
    applied = ledger.since != NEVER
    turns = ledger.turns[applied].tolist()
    open_waits = np.maximum(setting.rounds - ledger.since[applied], 0)
    waits = course.ended + np.bincount(open_waits, minlength=len(course.ended))
    served = times_served(turns) or [0.0, 0.0, 0.0, 0.0]
    years = [set(np.flatnonzero(year).tolist()) for year in course.served_in]
    repeats = [rate for before, after in pairwise(years) if (rate := repeat_rate(before, after)) is not None]
    willing = np.unique(city.rw[applied])
    everyone = next((at for at, covered in enumerate(course.covered, start=1) if covered >= 1), None)
    outcome = Outcome(
        policy=name,
        title=TITLES[name],
        people=len(turns),
        turns=sum(turns),
        offers=course.offers,
        declined=course.declined,
        lapsed=course.lapsed,
        missed=course.missed,
        never=served[0],
        once=served[1],
        twice=served[2],
        thrice_or_more=served[3],
        wait_median=_percentile(course.ended, 50),
        wait_p90=_percentile(course.ended, 90),
        wait_longest=_percentile(course.ended, 100),
        wait_median_open=_percentile(waits, 50),
        wait_p90_open=_percentile(waits, 90),
        wait_longest_open=_percentile(waits, 100),
        longest_in_vain=max(course.longest, default=0),
        jain=jain_index(turns),
        gini=gini(turns),
        rw_coverage=coverage(ledger.rw_turns[willing].tolist()),
        rounds_until_every_rw=everyone,
        repeat_rate=sum(repeats) / len(repeats) if repeats else None,
    )
    return outcome, Curves(name, waits.tolist(), course.longest, course.covered, served, repeats)


def _percentile(counts: Numbers, percent: int) -> int | None:
    """Nearest rank, as `fairness.spread`, from how many there are of each length."""
    total = int(counts.sum())
    if not total:
        return None
    rank = -(-percent * total // 100)
    return int(np.searchsorted(np.cumsum(counts), rank))

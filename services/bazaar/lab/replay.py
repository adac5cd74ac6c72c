"""Past rounds under other policies: the problem as it was published, its rotation replaced, solved by the rule.

Reserves, caps and parties stay. Names in published files differ from round to round, so each round is measured for
itself. First come, first served cannot be replayed: a problem does not say who came first.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date

from services.bazaar.allocation import Problem, solve
from services.bazaar.allocation.problem import Level
from services.bazaar.domain.fairness import coverage, jain_index, spread

AS_IT_WAS = "as-it-was"
ROTATIONS: dict[str, tuple[Level, ...]] = {
    "waiting": (Level("vendor", "waiting_since"),),
    "turns": (Level("vendor", "turns"), Level("vendor", "waiting_since")),
    "rw": (Level("rw", "turns"), Level("vendor", "waiting_since")),
    "lottery": (),
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """One round under one policy. Waits in days, counted back from the latest day on which someone there began to wait.

    `same_people`: of those served, the share that the round served as it was. `returning`: the share of the served who
    had had turns before. `longest_left`: the longest wait among those not served. `rw_coverage`: of the RWs among the
    applicants, those served now (None where the problem names no RWs). `jain`: of turns had, this round's included.
    """

    problem: str
    policy: str
    applicants: int
    served: int
    same_people: float | None
    returning: float | None
    wait_median: float | None
    wait_longest: float | None
    longest_left: float | None
    rw_coverage: float | None
    jain: float | None

    def row(self) -> dict[str, object]:
        """As a row of a table: the fields by name, fractions to six digits."""
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}


def replayed(name: str, problem: Problem, policies: list[str]) -> Iterator[Replayed]:
    """The round as it was, then under each policy. RWs in turn need an RW of everyone: else that policy is left out."""
    as_it_was = {one.applicant for one in solve(problem).served}
    yield _measured(name, AS_IT_WAS, problem, as_it_was, as_it_was)
    for policy in policies:
        rotation = ROTATIONS[policy]
        if all(level.by == "vendor" or level.by in one.groups for level in rotation for one in problem.applicants):
            served = {one.applicant for one in solve(replace(problem, rotation=rotation)).served}
            yield _measured(name, policy, problem, served, as_it_was)


def _measured(name: str, policy: str, problem: Problem, served: set[str], as_it_was: set[str]) -> Replayed:
    began = {one.id: date.fromisoformat(one.waiting_since) for one in problem.applicants if one.waiting_since}
    latest = max(began.values(), default=date.min)
    waits = {applicant: (latest - day).days for applicant, day in began.items()}
    of_served = spread(wait for applicant, wait in waits.items() if applicant in served)
    turns = {one.id: one.turns for one in problem.applicants}
    rws: Counter[str] = Counter()
    for one in problem.applicants:
        if "rw" in one.groups:
            rws[one.groups["rw"]] += one.id in served
    return Replayed(
        problem=name,
        policy=policy,
        applicants=len(turns),
        served=len(served),
        same_people=len(served & as_it_was) / len(served) if served else None,
        returning=sum(turns[one] > 0 for one in served) / len(served) if served else None,
        wait_median=of_served.median,
        wait_longest=of_served.longest,
        longest_left=max((wait for one, wait in waits.items() if one not in served), default=None),
        rw_coverage=coverage(rws.values()),
        jain=jain_index(count + (one in served) for one, count in turns.items()),
    )

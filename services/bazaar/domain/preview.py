"""What a policy would do: the round solved for those who have applied so far, before anything is decided, and counted.

Nobody is named, not even by a pseudonym: a preview answers how many, and never who. The seeds are of the preview's own
and known to all, so that a preview says nothing about the lottery of the round.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from services.bazaar.allocation import read_problem, solve
from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain.bazaar import Bazaar, WrongMoment
from services.bazaar.domain.policies import PolicyDocument, limited_by
from services.bazaar.domain.round import Candidate
from shared.errors import Refused

APPLICANTS_MAX = 50_000
SEEDS_MAX = 5


class PreviewTooLarge(Refused):
    """A preview is a look, made while the officer waits."""

    code = "preview-too-large"


class PreviewTooSlow(Refused):
    """The preview was given up: it took too long."""

    code = "preview-too-slow"


class PreviewRunning(Refused):
    """One preview of a bazaar at a time."""

    code = "preview-running"


@dataclass(frozen=True, slots=True)
class Person:
    """An applicant as a preview counts it: where it belongs, and since when it waits (ISO day)."""

    agency: str | None
    category: str | None
    kecamatan: str
    rw: str
    waiting_since: str


@dataclass(frozen=True, slots=True)
class Side:
    """A policy to try: its problem without a seed, and how many of those who applied it does not let in."""

    problem: bytes
    not_admitted: int


@dataclass(frozen=True, slots=True)
class Job:
    """What another process needs to make a preview. `people` by the name they bear in both problems."""

    day: date
    seeds: int
    people: Mapping[str, Person]
    present: Side
    proposed: Side


def require_previewable(bazaar: Bazaar, applicants: int) -> None:
    """Refuse a preview when the list is not there yet, or fixed already, or too long."""
    if bazaar.state != "announced":
        raise WrongMoment(
            f"A policy is tried between the announcement and the freeze; this bazaar is {bazaar.state}.",
            state=bazaar.state,
            needed="announced",
        )
    if applicants > APPLICANTS_MAX:
        raise PreviewTooLarge(
            f"{applicants} have applied; a preview is made for up to {APPLICANTS_MAX}. Take `lapak lab` for this.",
            applicants_max=APPLICANTS_MAX,
        )


def under(bazaar: Bazaar, document: PolicyDocument) -> Bazaar:
    """The bazaar as it would be with this policy."""
    sites = []
    for site in bazaar.sites:
        reserves, caps = limited_by(site, document)
        sites.append(replace(site, reserves=reserves, caps=caps))
    return replace(bazaar, policy=document.policy, sites=tuple(sites))


def names_of(candidates: Iterable[Candidate]) -> dict[UUID, str]:
    """The same names for the same people whatever the policy, so that both lotteries draw them alike."""
    ids = sorted(one.application.application_id for one in candidates)
    return {application_id: f"{at:06d}" for at, application_id in enumerate(ids)}


def people_of(candidates: Iterable[Candidate], names: Mapping[UUID, str]) -> dict[str, Person]:
    """Those whose vendor is known, as a preview counts them."""
    return {
        names[one.application.application_id]: Person(
            agency=one.vendor.agency,
            category=one.vendor.category,
            kecamatan=".".join(one.vendor.kelurahan.split(".")[:3]),
            rw=one.vendor.groups["rw"],
            waiting_since=one.waiting_since.isoformat(),
        )
        for one in candidates
        if one.vendor is not None
    }


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One policy with one seed."""

    served: frozenset[str]
    waiting: frozenset[str]
    unused: int


def compare(job: Job) -> dict[str, Any]:
    """Both policies with each seed, as counts: with several seeds each count is the mean, to one decimal."""
    present = [_solve(job.present, seed) for seed in range(job.seeds)]
    proposed = [_solve(job.proposed, seed) for seed in range(job.seeds)]
    pairs = list(zip(present, proposed, strict=True))
    return {
        "applicants": len(job.people),
        "seeds": job.seeds,
        "present": _counted(job, job.present, present),
        "proposed": _counted(job, job.proposed, proposed),
        "difference": {
            "served_only_by_proposed": _mean(len(new.served - old.served) for old, new in pairs),
            "served_only_by_present": _mean(len(old.served - new.served) for old, new in pairs),
            "served_by_both": _mean(len(old.served & new.served) for old, new in pairs),
        },
    }


def _solve(side: Side, seed: int) -> _Outcome:
    problem = read_problem(side.problem[:-1] + b',"seed":' + canonical_json(f"preview {seed + 1}") + b"}")
    result = solve(problem)
    seats = sum(pool.capacity for pool in problem.pools)
    return _Outcome(
        frozenset(one.applicant for one in result.served),
        frozenset(one.applicant for one in result.waiting),
        seats - len(result.served),
    )


def _counted(job: Job, side: Side, outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    served_rws = [len({job.people[name].rw for name in one.served}) for one in outcomes]
    return {
        "not_admitted": side.not_admitted,
        "served": _mean(len(one.served) for one in outcomes),
        "waiting": _mean(len(one.waiting) for one in outcomes),
        "seats_unused": _mean(one.unused for one in outcomes),
        "by_agency": _split(job, outcomes, "agency"),
        "by_category": _split(job, outcomes, "category"),
        "by_kecamatan": _split(job, outcomes, "kecamatan"),
        "rws": {"applied": len({person.rw for person in job.people.values()}), "served": _mean(served_rws)},
        "longest_wait_days": {
            "served": _mean(_longest(job, one.served) for one in outcomes),
            "not_served": _mean(_longest(job, one.waiting) for one in outcomes),
        },
    }


def _split(job: Job, outcomes: Sequence[_Outcome], group: str) -> dict[str, dict[str, float]]:
    """Per value of the group how many are served and how many wait; "none": of those without a value."""
    served: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for outcome in outcomes:
        served.update(getattr(job.people[name], group) or "none" for name in outcome.served)
        waiting.update(getattr(job.people[name], group) or "none" for name in outcome.waiting)
    return {
        value: {"served": _part(served[value], len(outcomes)), "waiting": _part(waiting[value], len(outcomes))}
        for value in sorted({*served, *waiting})
    }


def _longest(job: Job, names: Iterable[str]) -> int:
    first = min((job.people[name].waiting_since for name in names), default=None)
    return 0 if first is None else (job.day - date.fromisoformat(first)).days


def _mean(counts: Iterable[int]) -> float:
    found = list(counts)
    return _part(sum(found), len(found))


def _part(total: int, of: int) -> float:
    return total if of == 1 else round(total / of, 1)

"""A round of allocation: commit (freeze the applicants and the rule), reveal (the seed), decide, publish.

The stored files are the truth for ever: `frozen` is the canonical problem without its seed, `problem` the same with it,
`result` what the rule made of it. Anyone can recompute: `lapak allocate --verify PROBLEM RESULT`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import Field

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.domain import application as applications
from services.bazaar.domain.application import Application, Offer, Step, Vendor, require_eligible
from services.bazaar.domain.bazaar import Bazaar, Exact, Label, Site, WrongMoment, answer_until
from shared.errors import Refused
from shared.events.bazaar import RoundFrozen, RoundPublished, SeedDrawn


class ApplicationsOpen(Refused):
    """Vendors were promised that they may apply until the closing moment."""

    code = "applications-open"


class TooLate(Refused):
    """So close to the first day nobody could be offered a booth with fair time to answer."""

    code = "too-late"


class RoundChanged(Refused):
    """While the round was being solved, somebody else changed it; look at what stands now."""

    code = "round-changed"


class RoundPublishedAlready(Refused):
    """A round is published once."""

    code = "round-published"


class RoundNotVerified(RuntimeError):
    """A fault of ours: the independent verifier found that the solver's result breaks the rule."""


class RoundUnknown(Refused):
    """The bazaar has no such round, or the file asked for does not exist yet."""

    code = "round-unknown"
    status = 404


class DrawSeed(Exact):
    """Command: the seed of the lottery, drawn in public after the freeze."""

    seed: str = Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
    source: Label


SAME_PERSON = "same-person"
"""Why an application is left out whose vendor turned out to be the same person as another applicant."""


class Candidate(NamedTuple):
    """An application at the freeze, what is known of its vendor, and the vendor's standing in the ledger.

    A vendor whose registration was merged with others is one person with them: `person_id` stands for all of them, and
    vendor, turns and waiting are the person's.
    """

    application: Application
    vendor: Vendor | None
    turns: int
    waiting_since: date
    person_id: UUID | None = None


class Standing(NamedTuple):
    """What one group of vendors has had: the turns of all its members, and since when it waits."""

    turns: int
    waiting_since: date


class GroupTurns(NamedTuple):
    """The ledger of all vendors with the same groups, summed up."""

    groups: Mapping[str, str]
    turns: int
    last_turn_on: date | None
    first_applied_on: date


def standings(ranked: Iterable[str], ledger: Iterable[GroupTurns]) -> dict[str, dict[str, Standing]]:
    """Per group and value: all turns of its members; it waits since its last turn, else its first application."""
    sums: dict[str, dict[str, GroupTurns]] = {group: {} for group in ranked}
    for entry in ledger:
        for group, values in sums.items():
            value = entry.groups.get(group)
            if value is not None:
                values[value] = _added(values[value], entry) if value in values else entry
    return {
        group: {value: Standing(one.turns, one.last_turn_on or one.first_applied_on) for value, one in values.items()}
        for group, values in sums.items()
    }


def _added(one: GroupTurns, other: GroupTurns) -> GroupTurns:
    turned = [entry.last_turn_on for entry in (one, other) if entry.last_turn_on is not None]
    return GroupTurns(
        one.groups,
        one.turns + other.turns,
        max(turned, default=None),
        min(one.first_applied_on, other.first_applied_on),
    )


class Round(NamedTuple):
    """A round of one bazaar. Fields are None until its step was taken."""

    bazaar_id: UUID
    number: int
    applicants: int
    frozen: bytes
    frozen_sha256: str
    seed: str | None = None
    seed_source: str | None = None
    problem: bytes | None = None
    problem_sha256: str | None = None
    result: bytes | None = None
    result_sha256: str | None = None
    served: int | None = None
    waiting: int | None = None


class Dropped(NamedTuple):
    """An application that is not eligible any more; `because` is the code of the refusal."""

    application_id: UUID
    because: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """What the freeze decides: the round, who stands in it with which groups, and who had to be left out."""

    bazaar: Bazaar
    round: Round
    groups: Mapping[UUID, Mapping[str, str]]
    dropped: Sequence[Dropped]
    event: RoundFrozen


def require_freezable(bazaar: Bazaar, now: datetime) -> None:
    """Refuse a freeze while vendors may still apply: never earlier than they were told."""
    bazaar.require("announced", "freeze the list of applicants")
    if now < bazaar.applications_close_at:
        raise ApplicationsOpen(
            "Vendors may still apply; the list can be frozen from the closing moment on.",
            applications_close_at=bazaar.applications_close_at.isoformat(),
        )


def freeze(
    bazaar: Bazaar, candidates: Iterable[Candidate], standings: Mapping[str, Mapping[str, Standing]], now: datetime
) -> Freeze:
    """Commit: fix and hash the eligible applicants and the rule. `standings`: per group ranked by, per value.

    A person has one application in a round. Where two registrations applied before they were merged, the application
    made first stays, whichever of them made it: it is what the person asked for when it stood in line.
    """
    require_freezable(bazaar, now)
    eligible: list[Candidate] = []
    dropped: list[Dropped] = []
    here: set[UUID] = set()
    for candidate in sorted(candidates, key=lambda one: (one.application.applied_at, one.application.application_id)):
        person_id = candidate.person_id or candidate.application.vendor_id
        try:
            require_eligible(bazaar.policy, candidate.vendor)
        except Refused as refused:
            dropped.append(Dropped(candidate.application.application_id, refused.code))
        else:
            if person_id in here:
                dropped.append(Dropped(candidate.application.application_id, SAME_PERSON))
                continue
            here.add(person_id)
            eligible.append(candidate)
    frozen = canonical_json(problem_document(bazaar, eligible, standings))
    frozen_round = Round(bazaar.bazaar_id, bazaar.round + 1, len(eligible), frozen, hashlib.sha256(frozen).hexdigest())
    after = replace(bazaar, state="frozen", round=frozen_round.number, version=bazaar.version + 1)
    groups = {one.application.application_id: one.vendor.groups for one in eligible if one.vendor is not None}
    event = RoundFrozen(
        bazaar_id=bazaar.bazaar_id,
        round=frozen_round.number,
        applicants=frozen_round.applicants,
        frozen_sha256=frozen_round.frozen_sha256,
    )
    return Freeze(after, frozen_round, groups, dropped, event)


def problem_document(
    bazaar: Bazaar, eligible: Sequence[Candidate], standings: Mapping[str, Mapping[str, Standing]]
) -> dict[str, Any]:
    """The problem of the rule (DESIGN, "Fair rotation") without its seed: lists in the order of ids."""
    here: dict[str, set[str]] = {group: set() for group in bazaar.policy.groups_ranked}
    for candidate in eligible:
        if candidate.vendor is not None:
            for group, values in here.items():
                values.add(candidate.vendor.groups[group])
    document: dict[str, Any] = {
        "pools": [_pool(site) for site in sorted(bazaar.sites, key=lambda site: site.site_id)],
        "caps": [cap.model_dump() for cap in bazaar.policy.caps],
        "rotation": [level.model_dump() for level in bazaar.policy.rotation],
        "applicants": [
            _applicant(one) for one in sorted(eligible, key=lambda one: str(one.application.application_id))
        ],
    }
    if here:
        document["groups"] = {
            group: {
                value: {"turns": standing.turns, "waiting_since": standing.waiting_since.isoformat()}
                for value, standing in standings[group].items()
                if value in values
            }
            for group, values in here.items()
        }
    return document


def _pool(site: Site) -> dict[str, Any]:
    return {
        "id": site.site_id,
        "capacity": site.booths,
        "reserves": [reserve.model_dump() for reserve in site.reserves],
        "caps": [cap.model_dump() for cap in site.caps],
    }


def _applicant(candidate: Candidate) -> dict[str, Any]:
    assert candidate.vendor is not None
    return {
        "id": str(candidate.application.application_id),
        "groups": candidate.vendor.groups,
        "turns": candidate.turns,
        "waiting_since": candidate.waiting_since.isoformat(),
        "choices": [sorted(tier) for tier in candidate.application.choices],
    }


def draw_seed(bazaar: Bazaar, frozen: Round, command: DrawSeed) -> tuple[Bazaar, Round, SeedDrawn]:
    """Reveal: the seed joins the frozen problem. Refused before the freeze, and a second time."""
    bazaar.require("frozen", "draw its seed")
    # "seed" sorts behind every other field, so the canonical problem is the frozen bytes with the seed at their end
    problem = frozen.frozen[:-1] + b',"seed":' + canonical_json(command.seed) + b"}"
    seeded = frozen._replace(
        seed=command.seed,
        seed_source=command.source,
        problem=problem,
        problem_sha256=hashlib.sha256(problem).hexdigest(),
    )
    event = SeedDrawn(bazaar_id=bazaar.bazaar_id, round=frozen.number, seed=command.seed, source=command.source)
    return replace(bazaar, state="seeded", version=bazaar.version + 1), seeded, event


class Solved(NamedTuple):
    """What the solver and then the verifier made of a problem; no `findings` means correct."""

    problem_sha256: str
    result: bytes
    served: int
    waiting: int
    findings: list[str]


def publish(bazaar: Bazaar, seeded: Round, solved: Solved, now: datetime) -> tuple[Bazaar, Round, RoundPublished]:
    """The round is decided. Refused when it is not the round that was solved, or too late to offer booths.

    Raises `RoundNotVerified` when the verifier objected.
    """
    if bazaar.state != "seeded":
        raise not_solvable(bazaar)
    if seeded.problem_sha256 != solved.problem_sha256:
        raise RoundChanged("The round was changed while it was being solved.", round=bazaar.round)
    if solved.findings:
        raise RoundNotVerified(f"{len(solved.findings)} findings, the first: {solved.findings[0]}")
    if answer_until(bazaar, now) is None:
        raise TooLate("The bazaar begins too soon: vendors could not answer an offer in time.")
    result_sha256 = hashlib.sha256(solved.result).hexdigest()
    decided = seeded._replace(
        result=solved.result, result_sha256=result_sha256, served=solved.served, waiting=solved.waiting
    )
    event = RoundPublished(
        bazaar_id=bazaar.bazaar_id,
        round=seeded.number,
        problem_sha256=solved.problem_sha256,
        result_sha256=result_sha256,
        served=solved.served,
        waiting=solved.waiting,
    )
    return replace(bazaar, state="allocated", version=bazaar.version + 1), decided, event


def not_solvable(bazaar: Bazaar) -> Refused:
    """The refusal to allocate a bazaar that has no seeded round to solve."""
    if bazaar.state in ("allocated", "finished"):
        return RoundPublishedAlready("This round is published; its result stands for ever.", round=bazaar.round)
    return WrongMoment(
        f"To allocate its booths, a bazaar must be seeded; this one is {bazaar.state}.",
        state=bazaar.state,
        needed="seeded",
    )


def decisions(
    bazaar: Bazaar,
    result: bytes,
    standing: Mapping[str, Application],
    booths: Mapping[str, Sequence[str]],
    now: datetime,
) -> Iterator[Step]:
    """An offer with a booth number for each served, a place in the queue for each who waits.

    `standing`: the applications of the round by id. `booths`: free booth numbers per site, in order; inside a site
    they are handed out in the order in which the rule kept the applicants.
    """
    document = json.loads(result)
    respond_by = answer_until(bazaar, now)
    assert respond_by is not None
    numbers = {site_id: iter(free) for site_id, free in booths.items()}
    for seat in document["served"]:
        offered = Offer(seat["pool"], next(numbers[seat["pool"]]), respond_by, promoted=False)
        yield applications.offer(standing[seat["applicant"]], bazaar, offered)
    for entry in document["waiting"]:
        yield applications.queue(standing[entry["applicant"]], bazaar, entry)

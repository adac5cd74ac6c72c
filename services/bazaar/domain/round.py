"""A round of allocation: commit (freeze the applicants and the rule), reveal (the seed), decide, publish.

The stored files are the truth for ever: `frozen` is the canonical problem without its seed, `problem` the same with it,
`result` what the rule made of it. Anyone can recompute: `lapak allocate --verify PROBLEM RESULT`.

They are read by everyone, so they say of an applicant what the rule needs and no more: a pseudonym of this round, the
groups by which the policy ranks or which it caps, the values that a reserve or cap of a site it named is for, its
turns and since when it waits, its choices. An RW is named where the policy takes turns by RW, however few applied from
it: that every RW had its turn is what everyone must be able to check. Who knows of a neighbour that it applied, and
since when it waits, can still find it there.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from services.bazaar.allocation.problem import canonical_json
from services.bazaar.allocation.stored import Solved
from services.bazaar.domain import application as applications
from services.bazaar.domain import ledger
from services.bazaar.domain.application import Application, Step, Vendor, require_eligible
from services.bazaar.domain.bazaar import Bazaar, Site, WrongMoment, answer_until
from services.bazaar.domain.explanation import RoundWords
from services.bazaar.domain.growth import Extensions
from services.bazaar.domain.ledger import Adjustment
from services.bazaar.domain.numbers import hand_out
from services.bazaar.domain.offers import make_offer
from services.bazaar.domain.policy import Group
from services.bazaar.domain.pseudonyms import pseudonym
from services.bazaar.domain.receipts import HashTree, grow
from shared.clock import day_in_jakarta
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


IfApart = Literal["none", "split"]
"""What becomes of a party that finds no room for all of it: none is served, or each is taken for itself."""

SAME_PERSON = "same-person"
"""Why an application is left out whose vendor turned out to be the same person as another applicant."""


class Candidate(NamedTuple):
    """An application at the freeze, what is known of its vendor, and the vendor's standing in the ledger.

    A vendor whose registration was merged with others is one person with them: `person_id` stands for all of them, and
    vendor, turns and waiting are the person's, and so are the adjustments, which are not yet counted in turns and
    waiting. `if_apart` and `party_nth`: of the party it wants to stand with, and the how-manieth it was to join it.
    """

    application: Application
    vendor: Vendor | None
    turns: int
    waiting_since: date
    person_id: UUID | None = None
    adjustments: Sequence[Adjustment] = ()
    if_apart: IfApart | None = None
    party_nth: int | None = None


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
    applicants_root: str | None = None
    frozen_at: datetime | None = None


class Dropped(NamedTuple):
    """An application that is not eligible any more; `because` is the code of the refusal."""

    application_id: UUID
    because: str


class Listed(NamedTuple):
    """An application in the frozen list: its groups, all of them; its place in the file, from 0, and its `entry` there,
    byte for byte; the choices it has from now on, those of its party's leader where it stands with others."""

    application_id: UUID
    groups: Mapping[str, str]
    pseudonym: str
    place: int
    entry: bytes
    choices: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Freeze:
    """What the freeze decides: the round, who stands in it and how, and who had to be left out."""

    bazaar: Bazaar
    round: Round
    listed: Sequence[Listed]
    tree: HashTree
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
    bazaar: Bazaar,
    candidates: Iterable[Candidate],
    standings: Mapping[str, Mapping[str, Standing]],
    now: datetime,
    *,
    secret: bytes,
) -> Freeze:
    """Commit: fix and hash the eligible applicants and the rule. `standings`: per group ranked by, per value; `secret`:
    32 random bytes, of which the pseudonyms are made, to be forgotten afterwards.

    A person has one application in a round. Where two registrations applied before they were merged, the application
    made first stays, whichever of them made it: it is what the person asked for when it stood in line.
    """
    require_freezable(bazaar, now)
    eligible, dropped = admit(bazaar, candidates, now)
    names = {one.application.application_id: pseudonym(secret, one.application.application_id) for one in eligible}
    document = problem_document(bazaar, eligible, standings, names, lambda party_id: pseudonym(secret, party_id))
    applicants: list[dict[str, Any]] = document["applicants"]
    entries = [canonical_json(one) for one in applicants]
    frozen = _joined(document, entries)
    tree = grow(entries)
    frozen_round = Round(
        bazaar.bazaar_id,
        bazaar.round + 1,
        len(eligible),
        frozen,
        hashlib.sha256(frozen).hexdigest(),
        applicants_root=tree.root.hex(),
        frozen_at=now,
    )
    after = replace(bazaar, state="frozen", round=frozen_round.number, version=bazaar.version + 1)
    event = RoundFrozen(
        bazaar_id=bazaar.bazaar_id,
        round=frozen_round.number,
        applicants=frozen_round.applicants,
        frozen_sha256=frozen_round.frozen_sha256,
        applicants_root=frozen_round.applicants_root,
    )
    places = {one["id"]: at for at, one in enumerate(applicants)}
    listed = [_listed(one, names[one.application.application_id], places, entries) for one in eligible]
    return Freeze(after, frozen_round, listed, tree, dropped, event)


def _listed(one: Candidate, name: str, places: Mapping[str, int], entries: Sequence[bytes]) -> Listed:
    assert one.vendor is not None
    at = places[name]
    return Listed(one.application.application_id, one.vendor.groups, name, at, entries[at], one.application.choices)


def _joined(document: Mapping[str, Any], entries: Sequence[bytes]) -> bytes:
    """The canonical document with these entries as its applicants, which sort before every other field."""
    head, rest = b'{"applicants":[', canonical_json({**document, "applicants": []})
    assert rest.startswith(head)
    return head + b",".join(entries) + rest[len(head) :]


def admit(bazaar: Bazaar, candidates: Iterable[Candidate], now: datetime) -> tuple[list[Candidate], list[Dropped]]:
    """Who stands in the round, with what the ledger's corrections leave of its standing today and with its party's
    choices; and who does not, and why."""
    eligible: list[Candidate] = []
    dropped: list[Dropped] = []
    here: set[UUID] = set()
    day = day_in_jakarta(now)
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
            eligible.append(_adjusted(candidate, day))
    return _choosing_together(eligible), dropped


def _adjusted(candidate: Candidate, day: date) -> Candidate:
    if not candidate.adjustments:
        return candidate
    standing = ledger.Standing(candidate.turns, candidate.waiting_since)
    left = ledger.adjusted(standing, candidate.adjustments, day)
    return candidate._replace(turns=left.turns, waiting_since=left.waiting_since)


def parties_of(eligible: Iterable[Candidate]) -> dict[UUID, list[Candidate]]:
    """The parties of two or more, each with its leader first: who joined before the others that are left."""
    found: dict[UUID, list[Candidate]] = defaultdict(list)
    for one in eligible:
        if one.application.party_id is not None and one.if_apart is not None:
            found[one.application.party_id].append(one)
    return {
        party_id: sorted(members, key=lambda one: (one.party_nth is None, one.party_nth or 0))
        for party_id, members in found.items()
        if len(members) > 1
    }


def _choosing_together(eligible: Sequence[Candidate]) -> list[Candidate]:
    choices = {
        one.application.application_id: members[0].application.choices
        for members in parties_of(eligible).values()
        for one in members
    }
    return [
        one._replace(application=replace(one.application, choices=choices[one.application.application_id]))
        if one.application.application_id in choices
        else one
        for one in eligible
    ]


def problem_document(
    bazaar: Bazaar,
    eligible: Sequence[Candidate],
    standings: Mapping[str, Mapping[str, Standing]],
    names: Mapping[UUID, str],
    party_name: Callable[[UUID], str],
) -> dict[str, Any]:
    """The problem of the rule (docs/rotation.md) without its seed: lists in the order of names."""
    here: dict[str, set[str]] = {group: set() for group in bazaar.policy.groups_ranked}
    for candidate in eligible:
        if candidate.vendor is not None:
            for group, values in here.items():
                values.add(candidate.vendor.groups[group])
    needed, extensions = _Needed(bazaar), Extensions(bazaar.sites)
    document: dict[str, Any] = {
        "pools": [_pool(site) for site in sorted(bazaar.sites, key=lambda site: site.site_id)],
        "caps": [cap.model_dump() for cap in bazaar.policy.caps],
        "rotation": [level.model_dump() for level in bazaar.policy.rotation],
        "applicants": sorted(
            (_applicant(one, names[one.application.application_id], needed, extensions) for one in eligible),
            key=lambda entry: str(entry["id"]),
        ),
    }
    parties = [
        {
            "id": party_name(party_id),
            "members": sorted(names[one.application.application_id] for one in members),
            "apart": members[0].if_apart,
        }
        for party_id, members in parties_of(eligible).items()
    ]
    if parties:
        document["parties"] = sorted(parties, key=lambda party: str(party["id"]))
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


class _Needed:
    """Which groups of an applicant the rule asks for: those that rank or are capped in the whole round, and the values
    that a reserve or a cap of one of its sites is for."""

    def __init__(self, bazaar: Bazaar) -> None:
        self._everywhere: set[Group] = {*bazaar.policy.groups_ranked, *(cap.group for cap in bazaar.policy.caps)}
        self._at_site = {
            site.site_id: {(limit.group, limit.value) for limit in (*site.reserves, *site.caps)}
            for site in bazaar.sites
        }

    def of(self, groups: Mapping[str, str], site_ids: Iterable[str]) -> dict[str, str]:
        limited = {limit for site_id in site_ids for limit in self._at_site[site_id]}
        return {
            group: value for group, value in groups.items() if group in self._everywhere or (group, value) in limited
        }


def _pool(site: Site) -> dict[str, Any]:
    return {
        "id": site.site_id,
        "capacity": site.booths,
        "reserves": [reserve.model_dump() for reserve in site.reserves],
        "caps": [cap.model_dump() for cap in site.caps],
    }


def _applicant(candidate: Candidate, name: str, needed: _Needed, extensions: Extensions) -> dict[str, Any]:
    assert candidate.vendor is not None
    choices = extensions.tiers(candidate.application.choices)
    return {
        "id": name,
        "groups": needed.of(candidate.vendor.groups, (site_id for tier in choices for site_id in tier)),
        "turns": candidate.turns,
        "waiting_since": candidate.waiting_since.isoformat(),
        "choices": [sorted(tier) for tier in choices],
    }


def draw_seed(bazaar: Bazaar, frozen: Round, seed: str, source: str) -> tuple[Bazaar, Round, SeedDrawn]:
    """Reveal: the seed joins the frozen problem. Refused before the freeze, and a second time."""
    bazaar.require("frozen", "draw its seed")
    # "seed" sorts behind every other field, so the canonical problem is the frozen bytes with the seed at their end
    problem = frozen.frozen[:-1] + b',"seed":' + canonical_json(seed) + b"}"
    seeded = frozen._replace(
        seed=seed,
        seed_source=source,
        problem=problem,
        problem_sha256=hashlib.sha256(problem).hexdigest(),
    )
    event = SeedDrawn(bazaar_id=bazaar.bazaar_id, round=frozen.number, seed=seed, source=source)
    return replace(bazaar, state="seeded", version=bazaar.version + 1), seeded, event


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
    numbers: Mapping[str, str] | None = None,
) -> Iterator[Step]:
    """An offer with a booth number for each served, a place in the queue for each who waits.

    `standing`: the applications of the round by their names in it. `booths`: free booth numbers per site, in order.
    `numbers`: applicant -> booth, as the sites were numbered; where they do not hold, the order of the rule does.
    """
    document = json.loads(result)
    handed = hand_out(document["served"], booths, numbers or {})
    for seat in document["served"]:
        offered = make_offer(bazaar, seat["pool"], handed[seat["applicant"]], now, promoted=False)
        yield applications.offer(standing[seat["applicant"]], bazaar, offered, phase=seat["phase"])
    words = RoundWords(bazaar, len(document["waiting"]))
    for entry in document["waiting"]:
        yield applications.queue(standing[entry["applicant"]], bazaar, entry, words)

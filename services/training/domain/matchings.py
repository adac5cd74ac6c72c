"""Computed assignments: what the solver is given, what is previewed, and whether it may still be published."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.training.domain.areas import covers
from services.training.domain.values import KnownArea
from services.training.matching.problem import Mentor, Vendor, Weights, problem_to_json
from services.training.matching.steps import Change
from shared.errors import NotFound, Refused
from shared.events.mentoring import MatchingPublished

IDS_SHOWN_MAX = 10
VENDORS_MAX = 200_000

Who: TypeAlias = Literal["asked", "everyone"]
Newcomers: TypeAlias = Literal["asked", "everyone", "nobody"]
PairState: TypeAlias = Literal["planned", "applied", "skipped"]
MatchingKind: TypeAlias = Literal["area", "newcomers"]
MatchingState: TypeAlias = Literal["previewed", "publishing", "published", "dropped"]


class MatchingNotFound(NotFound):
    """No matching has this id."""

    code = "unknown-matching"


class MatchingUnderWay(Refused):
    """A matching that shares mentors with this one is being put into effect."""

    code = "matching-under-way"


class MatchingSettled(Refused):
    """The matching was published or dropped already."""

    code = "matching-settled"


class MatchingOutdated(Refused):
    """Facts changed since the preview in a way that matters."""

    code = "matching-outdated"


class NobodyToMatch(Refused):
    """There is no vendor to be matched, or no mentor."""

    code = "nobody-to-match"


class MatchingTooLarge(Refused):
    """More vendors than one matching takes."""

    code = "matching-too-large"


class ComputeMatching(BaseModel):
    """Match the vendors of an area to mentors anew: who has a mentor, and of the others those who asked for
    mentoring (P3), or everyone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    area: KnownArea
    who: Who = "asked"
    weights: Weights = Field(default_factory=Weights, description="What one step of each kind of misfit counts")


class Member(NamedTuple):
    """A person as matching knows it: `mentor_id` is the employed mentor it has, under whichever of its ids."""

    vendor_id: UUID
    kelurahan: str
    language: str
    wishes: Sequence[str]
    fields: Sequence[str]
    agency: str | None
    mentor_id: UUID | None


class MentorAtHand(NamedTuple):
    """A listed mentor, with its vendors (`held`) and the seats that a publication under way will still take."""

    mentor_id: UUID
    areas: Sequence[str]
    fields: Sequence[str]
    languages: Sequence[str]
    agency: str | None
    load_max: int
    held: int
    promised: int


class Draft(NamedTuple):
    """What the solver is given. `vendors`: name in the problem -> id; `standing`: name -> the mentor it has, allowed or
    not."""

    problem: bytes
    vendors: Mapping[str, UUID]
    standing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Matching:
    """A computed assignment, without its documents."""

    matching_id: UUID
    kind: MatchingKind
    area: str
    state: MatchingState
    version: int
    problem_sha256: str
    result_sha256: str
    solver: str
    seconds: float
    summary: Mapping[str, Any]
    made_by: str
    made_at: datetime
    published_by: str | None
    published_at: datetime | None
    finished_at: datetime | None


class Pair(NamedTuple):
    """One vendor of a matching, as planned and as it came about."""

    name: str
    vendor_id: UUID
    mentor_id: UUID | None
    previous_mentor_id: UUID | None
    change: Change
    step: int
    state: PairState
    skipped_because: str | None


class PairToday(NamedTuple):
    """A pair beside what is so today: `standing_id` is the mentor that the person has; `kelurahan` is None of who is
    not known (any more); `person_id` who stands for it."""

    vendor_id: UUID
    mentor_id: UUID | None
    previous_mentor_id: UUID | None
    kelurahan: str | None
    language: str
    person_id: UUID
    standing_id: UUID | None


def draft(members: Sequence[Member], mentors: Sequence[MentorAtHand], weights: Weights | None = None) -> Draft:
    """The problem of these people and mentors. Vendors are named by numbers, in the order of ids: who is erased later
    leaves no id in what is stored. Raises `NobodyToMatch`, `MatchingTooLarge`.
    """
    if not members or not mentors:
        raise NobodyToMatch(
            "No vendor of this area asked for a mentor or has one."
            if not members
            else "No employed mentor works in this area; enter one, or add the area to one.",
            vendors=len(members),
            mentors=len(mentors),
        )
    if len(members) > VENDORS_MAX:
        raise MatchingTooLarge(
            f"{len(members)} vendors are more than the {VENDORS_MAX} of one matching; take the cities one by one.",
            vendors=len(members),
            vendors_max=VENDORS_MAX,
        )
    names = {f"v{at:06d}": one for at, one in enumerate(sorted(members))}
    known = {one.mentor_id for one in mentors}
    own = Counter(one.mentor_id for one in members)
    vendors = [
        Vendor(
            id=name,
            kelurahan=one.kelurahan,
            language=one.language,
            wishes=list(one.wishes),
            fields=list(one.fields),
            agency=one.agency,
            mentor=str(one.mentor_id) if one.mentor_id in known else None,
        )
        for name, one in names.items()
    ]
    listed = [
        Mentor(
            id=str(one.mentor_id),
            areas=list(one.areas),
            fields=list(one.fields),
            languages=list(one.languages),
            load_max=one.load_max,
            agency=one.agency,
            # the two were read one after the other, and somebody may have been parted in between
            held=max(0, one.held - own[one.mentor_id]) + one.promised,
        )
        for one in mentors
    ]
    return Draft(
        problem_to_json(listed, vendors, weights),
        {name: one.vendor_id for name, one in names.items()},
        {name: str(one.mentor_id) for name, one in names.items() if one.mentor_id is not None},
    )


def within_reach(members: Sequence[Member], mentors: Sequence[MentorAtHand]) -> list[Member]:
    """Those to whom some mentor could be given that has room: the others would be looked at in vain every night."""
    free = [one for one in mentors if one.load_max > one.held + one.promised]
    speakers: dict[str, set[str]] = {}
    for one in free:
        for area in one.areas:
            speakers.setdefault(area, set()).update(one.languages)
    return [
        one
        for one in members
        if any(one.language in spoken for area, spoken in speakers.items() if covers(area, one.kelurahan))
    ]


def require_current(matching: Matching, pairs: Sequence[PairToday], mentors: Mapping[UUID, MentorAtHand]) -> None:
    """Refuse to publish what facts have overtaken since the preview, naming them. Raises `MatchingOutdated`."""
    changed: dict[str, list[str]] = {}

    def note(what: str, of: UUID) -> None:
        changed.setdefault(what, []).append(str(of))

    planned = Counter(one.mentor_id for one in pairs if one.mentor_id is not None)
    leaving = Counter(one.standing_id for one in pairs if one.standing_id is not None)
    for mentor_id, seats in planned.items():
        mentor = mentors.get(mentor_id)
        if mentor is None:
            note("mentor-withdrawn", mentor_id)
        elif mentor.held - leaving[mentor_id] + mentor.promised + seats > mentor.load_max:
            note("mentor-load", mentor_id)
    for one in pairs:
        if one.kelurahan is None:
            note("vendor-gone", one.vendor_id)
        elif one.person_id != one.vendor_id:
            note("vendor-merged", one.vendor_id)
        elif one.standing_id != one.previous_mentor_id:
            note("vendor-rematched", one.vendor_id)
        elif (mentor := mentors.get(one.mentor_id) if one.mentor_id else None) is not None and (
            one.language not in mentor.languages or not any(covers(area, one.kelurahan) for area in mentor.areas)
        ):
            note("pair-not-allowed", one.vendor_id)
    erased = matching.summary["vendors"] - len(pairs)
    if not changed and not erased:
        return
    counts = {what: len(ids) for what, ids in changed.items()} | ({"vendor-erased": erased} if erased else {})
    raise MatchingOutdated(
        f"Since the preview {', '.join(f'{what}: {count}' for what, count in counts.items())}. "
        "Compute the matching anew; it takes seconds.",
        counts=counts,
        examples={what: sorted(ids)[:IDS_SHOWN_MAX] for what, ids in changed.items()},
    )


def publish(matching: Matching) -> MatchingPublished:
    """What the world is told when an officer publishes. Raises `MatchingSettled`."""
    require_previewed(matching)
    counts = matching.summary["counts"]
    return MatchingPublished(
        matching_id=matching.matching_id,
        area=matching.area,
        problem_sha256=matching.problem_sha256,
        vendors=matching.summary["vendors"],
        mentors=matching.summary["mentors"],
        kept=counts["kept"],
        moved=counts["moved"],
        new=counts["new"],
        unmatched=counts["unmatched"] + counts["parted"],
    )


def require_previewed(matching: Matching) -> None:
    """Refuse what was published or dropped. Raises `MatchingSettled`."""
    if matching.state != "previewed":
        raise MatchingSettled(
            f"This matching is {matching.state}; only what is previewed can be published or dropped.",
            state=matching.state,
        )

"""Graduation (pengentasan, naik kelas; DOMAIN E5): who is a candidate, and what a person decides about it.

A machine proposes and takes back what it proposed; it never decides. A decision freezes the evidence that the decider
saw. Who was declined, or whose graduation was revoked, is proposed again only for months that lie wholly after those
that the decision looked at.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.training.domain.criteria import Criteria, Evaluation, month_text
from shared.clock import day_in_jakarta
from shared.errors import Forbidden, NotFound, Refused
from shared.events.graduation import (
    GraduationAppealed,
    GraduationDecided,
    GraduationProposalWithdrawn,
    GraduationProposed,
    GraduationRevoked,
)

APPEAL_DAYS = 30
"""Counted from the decision, as for every decision of the programme."""

CandidacyState: TypeAlias = Literal["proposed", "taken-back", "graduated", "declined", "revoked"]
TakenBackBecause: TypeAlias = Literal["figures", "merged"]
DeclineReason: TypeAlias = Literal["figures-doubtful", "not-lasting", "still-needs-help", "own-wish"]
RevokeReason: TypeAlias = Literal["decided-in-error", "figures-false", "own-wish"]
APPEAL_UPHELD = "appeal-upheld"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=4000)]


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecideCandidacy(_Exact):
    """A person's decision on a candidate, and on which evidence: the sha256 that was shown with it."""

    graduated: bool
    reason: DeclineReason | None = Field(default=None, description="Why not; required when it does not graduate")
    evidence_sha256: Sha256

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.graduated != (self.reason is None):
            raise ValueError("reason goes with graduated: false, and only with that")
        return self


class RevokeGraduation(_Exact):
    """Take a graduation back."""

    reason: RevokeReason


class FileAppeal(_Exact):
    """What the vendor says against the decision, in its own words."""

    text: Text


class DecideAppeal(_Exact):
    """Another person's answer. Upheld, who was declined graduates, and who graduated is a member as before."""

    upheld: bool
    answer: Text


@dataclass(frozen=True, slots=True)
class Candidacy:
    """That a person may graduate, and what was decided. Months are texts such as 2023-03."""

    candidacy_id: UUID
    vendor_id: UUID
    criteria: str
    criteria_version: int
    state: CandidacyState
    proposed_at: datetime
    months_from: str
    months_until: str
    taken_back_because: TakenBackBecause | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_on: date | None = None
    decided_until: str | None = None
    reason: str | None = None
    kelurahan: str | None = None
    evidence: str | None = None
    evidence_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Appeal:
    """An objection to a decision, without what people wrote."""

    appeal_id: UUID
    candidacy_id: UUID
    vendor_id: UUID
    state: Literal["open", "upheld", "rejected", "dropped"]
    filed_by: str
    filed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None


class CandidacyUnknown(NotFound):
    """No such candidacy, or not the caller's to see."""

    code = "candidacy-unknown"


class CandidacyNotOpen(Refused):
    """It was decided, or taken back."""

    code = "candidacy-not-open"


class EvidenceChanged(Refused):
    """The decider saw other facts than those that hold now."""

    code = "evidence-changed"


class CriteriaNotHeld(Refused):
    """The figures do not meet the criteria any more."""

    code = "criteria-not-held"


class OwnMentee(Forbidden):
    """Who accompanied a vendor does not decide alone whether it graduates."""

    code = "own-mentee"


class NothingDecided(Refused):
    """Only a decision can be objected to."""

    code = "nothing-decided"


class AppealTooLate(Refused):
    """The time to object is over."""

    code = "appeal-too-late"


class AppealedAlready(Refused):
    """A decision is objected to once."""

    code = "appealed-already"


class NoOpenAppeal(NotFound):
    """Nobody objects to this, or it was answered."""

    code = "no-open-appeal"


class SameDecider(Forbidden):
    """An objection is answered by somebody who did neither decide nor file it."""

    code = "same-decider"


class NotGraduated(Refused):
    """There is no graduation to take back."""

    code = "not-graduated"


class GraduatedAlready(Refused):
    """The person graduated by another candidacy."""

    code = "graduated-already"


# ---- proposing, and taking back


class Proposed(NamedTuple):
    """A person comes (again) to be a candidate."""

    candidacy: Candidacy
    event: GraduationProposed


class TakenBack(NamedTuple):
    """A candidacy that nobody decided on holds no longer."""

    candidacy: Candidacy
    event: GraduationProposalWithdrawn


def review(
    person_id: UUID,
    candidacies: Sequence[Candidacy],
    in_force: Iterable[Criteria],
    evaluate: Callable[[str, int], Evaluation],
    *,
    make_id: Callable[[], UUID],
    now: datetime,
) -> list[Proposed | TakenBack]:
    """What follows for a person from what is known of it now; `candidacies` are those of all its ids.

    `evaluate` applies a version of criteria to the person. What stands is judged by the version it was proposed under.
    One candidacy stands at a time: the oldest that holds; where none does, that of the first criteria that are met.
    """
    standing = sorted((one for one in candidacies if one.state == "proposed"), key=lambda one: one.candidacy_id)
    graduated = any(one.state == "graduated" for one in candidacies)
    held = [one for one in standing if evaluate(one.criteria, one.criteria_version).met]
    kept = None if graduated or not held else held[0]
    steps: list[Proposed | TakenBack] = [
        take_back(one, "merged" if one in held else "figures") for one in standing if one is not kept
    ]
    if kept is not None or graduated:
        return steps
    for criteria in sorted(in_force, key=lambda one: one.name):
        evaluation = evaluate(criteria.name, criteria.version)
        if evaluation.met and not _looked_at(criteria, evaluation, candidacies):
            now_gone = [step.candidacy for step in steps]
            steps.append(_propose(person_id, criteria, evaluation, [*candidacies, *now_gone], make_id, now))
            break
    return steps


def take_back(candidacy: Candidacy, because: TakenBackBecause) -> TakenBack:
    """A candidacy that nobody decided on, taken back."""
    gone = replace(candidacy, state="taken-back", taken_back_because=because)
    return TakenBack(gone, GraduationProposalWithdrawn(**_ids(gone)))


def _looked_at(criteria: Criteria, evaluation: Evaluation, candidacies: Iterable[Candidacy]) -> bool:
    first = month_text(evaluation.run[0])
    return any(
        one.criteria == criteria.name and one.decided_until is not None and one.decided_until >= first
        for one in candidacies
    )


def _propose(
    person_id: UUID,
    criteria: Criteria,
    evaluation: Evaluation,
    candidacies: Sequence[Candidacy],
    make_id: Callable[[], UUID],
    now: datetime,
) -> Proposed:
    first, last = month_text(evaluation.run[0]), month_text(evaluation.run[-1])
    fresh = Candidacy(make_id(), person_id, criteria.name, criteria.version, "proposed", now, first, last)
    same = [
        one
        for one in candidacies
        if one.state == "taken-back"
        and (one.criteria, one.criteria_version, one.months_from, one.months_until)
        == (fresh.criteria, fresh.criteria_version, first, last)
    ]
    if same:  # a correction was corrected: the candidacy of this run comes back
        before = min(same, key=lambda one: one.candidacy_id)
        fresh = replace(before, state="proposed", taken_back_because=None, proposed_at=now)
    return Proposed(fresh, GraduationProposed(**_ids(fresh), months_from=first, months_until=last))


# ---- evidence


def write_evidence(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Evidence as a text that is the same for the same facts, and its sha256."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text, hashlib.sha256(text.encode()).hexdigest()


# ---- deciding


class Decided(NamedTuple):
    """A candidacy after a person's act, and what others hear of it."""

    candidacy: Candidacy
    event: GraduationDecided | GraduationRevoked


def require_impartial(*, accompanied: bool) -> None:
    """Refuse a decider who accompanies the vendor, or did."""
    if accompanied:
        raise OwnMentee("You accompany this vendor, or did: another officer of the area decides.")


def decide(
    candidacy: Candidacy,
    command: DecideCandidacy,
    evaluation: Evaluation,
    evidence: tuple[str, str],
    *,
    kelurahan: str,
    by: str,
    now: datetime,
) -> Decided:
    """A person decides, once, on the evidence it saw. `evidence`: as it is now, with its sha256."""
    if candidacy.state != "proposed":
        raise CandidacyNotOpen(
            f"This candidacy is {candidacy.state}; nothing waits for a decision. Look at it again.",
            state=candidacy.state,
        )
    text, sha256 = evidence
    if command.graduated and not evaluation.met:
        raise CriteriaNotHeld("The figures do not meet the criteria any more; it will be taken back by itself.")
    if command.evidence_sha256 != sha256:
        raise EvidenceChanged(
            "`evidence_sha256` is of other facts than those of now: look at the candidacy again, then decide.",
            evidence_sha256=sha256,
        )
    after = replace(
        candidacy,
        state="graduated" if command.graduated else "declined",
        decided_at=now,
        decided_by=by,
        decided_on=day_in_jakarta(now),
        decided_until=month_text(evaluation.run[-1]) if evaluation.run else candidacy.months_until,
        reason=command.reason,
        kelurahan=kelurahan,
        evidence=text,
        evidence_sha256=sha256,
    )
    return _decided(after)


def revoke(candidacy: Candidacy, reason: str, *, by: str, now: datetime) -> Decided:
    """A graduation is taken back: the vendor is a member as before."""
    if candidacy.state != "graduated":
        raise NotGraduated(f"This candidacy is {candidacy.state}; there is no graduation to take back.")
    after = replace(
        candidacy, state="revoked", decided_at=now, decided_by=by, decided_on=day_in_jakarta(now), reason=reason
    )
    return Decided(after, GraduationRevoked(**_ids(after), reason=reason))


# ---- objecting


def appeal(candidacy: Candidacy, *, appeal_id: UUID, by: str, now: datetime) -> tuple[Appeal, GraduationAppealed]:
    """The vendor objects to being declined, or to being graduated, within 30 days."""
    if candidacy.state not in ("graduated", "declined") or candidacy.decided_on is None:
        raise NothingDecided(f"This candidacy is {candidacy.state}; there is no decision to object to.")
    until = candidacy.decided_on + timedelta(days=APPEAL_DAYS)
    if day_in_jakarta(now) > until:
        raise AppealTooLate(f"One could object until {until.isoformat()}.", until=until.isoformat())
    filed = Appeal(appeal_id, candidacy.candidacy_id, candidacy.vendor_id, "open", by, now)
    return filed, GraduationAppealed(**_ids(candidacy))


def drop(filed: Appeal, *, by: str, now: datetime) -> Appeal:
    """An objection that has what it wanted without an answer."""
    return replace(filed, state="dropped", decided_by=by, decided_at=now)


def answer_appeal(
    candidacy: Candidacy, filed: Appeal, upheld: bool, *, graduated_otherwise: bool, by: str, now: datetime
) -> tuple[Appeal, Decided]:
    """Another person answers: the decision stands, or its opposite holds. `graduated_otherwise`: by another one."""
    if filed.state != "open":
        raise NoOpenAppeal("Nobody objects to this, or it was answered; look at the candidacy again.")
    if by in (candidacy.decided_by, filed.filed_by):
        raise SameDecider("You decided this, or filed the objection: another officer of the area answers it.")
    answered = replace(filed, state="upheld" if upheld else "rejected", decided_by=by, decided_at=now)
    if upheld and candidacy.state == "graduated":
        return answered, revoke(candidacy, APPEAL_UPHELD, by=by, now=now)
    if upheld and graduated_otherwise:
        raise GraduatedAlready("The vendor graduated meanwhile by another candidacy; nothing is left to grant.")
    day = day_in_jakarta(now)
    state: CandidacyState = "graduated" if upheld else candidacy.state
    reason = None if upheld else candidacy.reason
    after = replace(candidacy, state=state, decided_at=now, decided_by=by, decided_on=day, reason=reason)
    return answered, _decided(after)


def _decided(candidacy: Candidacy) -> Decided:
    assert candidacy.decided_on is not None
    event = GraduationDecided(
        **_ids(candidacy),
        graduated=candidacy.state == "graduated",
        decided_on=candidacy.decided_on,
        reason=candidacy.reason,
    )
    return Decided(candidacy, event)


def _ids(candidacy: Candidacy) -> dict[str, Any]:
    return {
        "vendor_id": candidacy.vendor_id,
        "candidacy_id": candidacy.candidacy_id,
        "criteria": candidacy.criteria,
        "criteria_version": candidacy.criteria_version,
    }

"""Eligibility: rules decided over the facts known of a person, objected to, and answered by a person.

A decision keeps the version of the rule and the facts it used, so that it can be decided again, with the same outcome,
as long as it is kept.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.vendor import areas
from services.vendor.domain.rules import (
    Category,
    Condition,
    DocumentsValid,
    Domicile,
    Kind,
    Leaf,
    Node,
    NotSuspended,
    RegisteredDays,
    Rule,
    ServicesActive,
    TrainedTimes,
    Wish,
    normal,
)
from shared.errors import NotFound, Refused
from shared.events.values import VendorKind
from shared.events.vendor import EligibilityDecided

__all__ = [
    "Decision",
    "DecisionFavourable",
    "DecisionUnknown",
    "Facts",
    "Judgement",
    "Objection",
    "ObjectionAnswered",
    "ObjectionExists",
    "ObjectionUnknown",
    "ValidityRefused",
    "decide",
    "holds",
    "is_true",
    "judge",
    "overrule",
    "require_objectionable",
    "tell",
]

OVERRULE_DAYS_MAX = 2 * 366
"""A person's word against the rule is looked at again after two years at the latest."""


class Facts(BaseModel):
    """What is known of a person on a day, over all its registrations; what a decision keeps.

    `waived` are the codes of conditions that count as met by a person's word (see `overrule`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained_times: int
    registered_days: int
    domicile: str
    kind: VendorKind
    category: str | None
    documents_valid: tuple[str, ...]
    services_active: tuple[str, ...]
    not_suspended: bool
    waived: tuple[str, ...] = ()


class Judgement(NamedTuple):
    """What follows from a rule and the facts: `failed` are the codes of the conditions that were not met."""

    eligible: bool
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule applied to the facts of a vendor. With `overrules` it is a person's, and waives what failed there."""

    decision_id: UUID
    vendor_id: UUID
    rule: str
    rule_version: int
    eligible: bool
    failed: tuple[str, ...]
    facts: Facts
    decided_on: date
    decided_at: datetime
    asked_by: str
    overrules: UUID | None = None
    waives: tuple[str, ...] = ()
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """A person asks for a human look at a decision (UU PDP, Law 27/2022); how it was answered."""

    objection_id: UUID
    decision_id: UUID
    vendor_id: UUID
    text: str
    raised_by: str
    raised_at: datetime
    state: Literal["open", "upheld", "overruled"] = "open"
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    manual_decision_id: UUID | None = None


class DecisionUnknown(NotFound):
    """No such decision, or none the caller may know of."""

    code: ClassVar[str] = "decision-unknown"

    def __init__(self, decision_id: UUID) -> None:
        super().__init__("No decision with this id is known to you.", decision_id=str(decision_id))


class DecisionFavourable(Refused):
    """There is nothing to object to."""

    code: ClassVar[str] = "decision-favourable"

    def __init__(self) -> None:
        super().__init__("This decision says that the vendor may take part; there is nothing to object to.")


class ObjectionExists(Refused):
    """A decision is objected to once."""

    code: ClassVar[str] = "objection-exists"

    def __init__(self) -> None:
        super().__init__("Somebody objected to this decision already; ask for a new decision to object again.")


class ObjectionUnknown(NotFound):
    """No such objection, or none the caller may know of."""

    code: ClassVar[str] = "objection-unknown"

    def __init__(self, objection_id: UUID) -> None:
        super().__init__("No objection with this id is known to you.", objection_id=str(objection_id))


class ObjectionAnswered(Refused):
    """Another officer was first."""

    code: ClassVar[str] = "objection-answered"

    def __init__(self, state: str) -> None:
        super().__init__(f"This objection was answered already: {state}.", state=state)


class ValidityRefused(Refused):
    """A person's word holds until a day that is not past and not too far."""

    code: ClassVar[str] = "validity-refused"
    status: ClassVar[int] = 422

    def __init__(self, latest: date) -> None:
        super().__init__(f"An overruled decision holds until a day from today to {latest}.", latest=latest.isoformat())


# ---- deciding


def is_true(leaf: Leaf, facts: Facts) -> bool:
    match leaf:
        case TrainedTimes():
            return facts.trained_times >= leaf.at_least
        case RegisteredDays():
            return facts.registered_days >= leaf.at_least
        case Domicile():
            return any(areas.contains(area, facts.domicile) for area in leaf.within)
        case Kind():
            return facts.kind in leaf.among
        case Category():
            return facts.category in leaf.among
        case DocumentsValid():
            return set(leaf.contains) <= set(facts.documents_valid)
        case ServicesActive():
            return set(leaf.contains) <= set(facts.services_active)
        case NotSuspended():
            return facts.not_suspended


def holds(node: Node, facts: Facts) -> bool:
    if isinstance(node, Wish):
        return is_true(node.leaf, facts) != node.negated or node.code in facts.waived
    results = (holds(part, facts) for part in node.parts)
    return all(results) if node.every else any(results)


def _unmet(node: Node, facts: Facts) -> list[Wish]:
    """The single conditions for which a node does not hold; none when it does."""
    if holds(node, facts):
        return []
    if isinstance(node, Wish):
        return [node]
    return [wish for part in node.parts for wish in _unmet(part, facts)]


def judge(condition: Condition, facts: Facts) -> Judgement:
    """Whether the facts meet the condition, and the codes of the single conditions that stand in the way."""
    unmet = _unmet(normal(condition), facts)
    return Judgement(not unmet, tuple(dict.fromkeys(wish.code for wish in unmet)))


def decide(
    rule: Rule, vendor_id: UUID, facts: Facts, *, decision_id: UUID, asked_by: str, day: date, now: datetime
) -> Decision:
    """The rule applied to the facts of a vendor on a day."""
    eligible, failed = judge(rule.condition, facts)
    return Decision(decision_id, vendor_id, rule.name, rule.version, eligible, failed, facts, day, now, asked_by)


def overrule(
    decision: Decision,
    rule: Rule,
    *,
    decision_id: UUID,
    valid_until: date | None,
    officer: str,
    day: date,
    now: datetime,
) -> Decision:
    """A person's decision against the rule: what failed counts as met until a day, and nothing else does.

    Who is suspended afterwards is not let in by it. `rule` is the version that decided. Raises `ValidityRefused`.
    """
    latest = day + timedelta(days=OVERRULE_DAYS_MAX)
    if valid_until is None or not day <= valid_until <= latest:
        raise ValidityRefused(latest)
    waived = tuple(dict.fromkeys((*decision.facts.waived, *decision.failed)))
    facts = decision.facts.model_copy(update={"waived": waived})
    eligible, failed = judge(rule.condition, facts)
    return Decision(
        decision_id,
        decision.vendor_id,
        rule.name,
        rule.version,
        eligible,
        failed,
        facts,
        day,
        now,
        officer,
        overrules=decision.decision_id,
        waives=waived,
        valid_until=valid_until,
    )


def tell(decision: Decision) -> EligibilityDecided:
    """What others hear of a decision."""
    return EligibilityDecided(
        vendor_id=decision.vendor_id,
        decision_id=decision.decision_id,
        rule=decision.rule,
        rule_version=decision.rule_version,
        eligible=decision.eligible,
        failed=list(decision.failed),
    )


def require_objectionable(decision: Decision) -> None:
    """Raises `DecisionFavourable` when nothing was denied."""
    if decision.eligible:
        raise DecisionFavourable

"""Rules of eligibility as data: a condition over named facts, in versions that are never edited."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from services.vendor import areas
from services.vendor.domain.registration import Codes
from shared.errors import Conflict, NotFound, Refused
from shared.events.documents import DocumentKind
from shared.events.programme import ProgrammeService
from shared.events.values import AreaCode, CategoryCode, VendorKind

__all__ = [
    "Category",
    "Condition",
    "DocumentsValid",
    "Domicile",
    "FactName",
    "Group",
    "Kind",
    "Leaf",
    "Node",
    "NotSuspended",
    "RegisteredDays",
    "Rule",
    "RuleInvalid",
    "RuleNotInForce",
    "RuleUnknown",
    "RuleVersionTaken",
    "ServicesActive",
    "TrainedTimes",
    "Wish",
    "check_effective",
    "check_rule",
    "normal",
    "used_facts",
]

CONDITIONS_MAX = 50
DEPTH_MAX = 6
LIST_MAX = 50
RULE_AHEAD_DAYS_MAX = 3 * 366

FactName = Literal[
    "trained_times",
    "registered_days",
    "domicile",
    "kind",
    "category",
    "documents_valid",
    "services_active",
    "not_suspended",
]


# ---- the condition of a rule


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Fact(_Part):
    fact: str


class TrainedTimes(_Fact):
    """Trainings completed."""

    fact: Literal["trained_times"]
    at_least: int = Field(strict=True, ge=1, le=1000)


class RegisteredDays(_Fact):
    """Days since the person registered first."""

    fact: Literal["registered_days"]
    at_least: int = Field(strict=True, ge=1, le=36500)


class Domicile(_Fact):
    """The KTP address lies within one of these areas (DOMAIN D5: not the NIK prefix)."""

    fact: Literal["domicile"]
    within: list[AreaCode] = Field(min_length=1, max_length=LIST_MAX)


class Kind(_Fact):
    """Newcomer (pemula) or business (usaha)."""

    fact: Literal["kind"]
    among: list[VendorKind] = Field(alias="in", min_length=1, max_length=2)


class Category(_Fact):
    """The product category is one of these."""

    fact: Literal["category"]
    among: list[CategoryCode] = Field(alias="in", min_length=1, max_length=LIST_MAX)


class DocumentsValid(_Fact):
    """Each of these documents is verified and valid on the day."""

    fact: Literal["documents_valid"]
    contains: list[DocumentKind] = Field(min_length=1, max_length=LIST_MAX)


class ServicesActive(_Fact):
    """Each of these services of the programme is active or completed."""

    fact: Literal["services_active"]
    contains: list[ProgrammeService] = Field(min_length=1, max_length=7)


class NotSuspended(_Fact):
    """The person is not suspended."""

    fact: Literal["not_suspended"]
    holds: Literal[True] = Field(alias="is")


class All(_Part):
    """Every one of these is met."""

    every: list["Condition"] = Field(alias="all", min_length=1, max_length=LIST_MAX)


class AnyOf(_Part):
    """At least one of these is met."""

    some: list["Condition"] = Field(alias="any", min_length=1, max_length=LIST_MAX)


class Not(_Part):
    """This is not met."""

    no: "Condition" = Field(alias="not")


Leaf = TrainedTimes | RegisteredDays | Domicile | Kind | Category | DocumentsValid | ServicesActive | NotSuspended
KNOWN = "trained_times, registered_days, domicile, kind, category, documents_valid, services_active, not_suspended"


def _kind_of(value: Any) -> str | None:
    match value:
        case All():
            return "all"
        case AnyOf():
            return "any"
        case Not():
            return "not"
        case _Fact(fact=fact):
            return fact
    if not isinstance(value, dict):
        return None
    for group in ("all", "any", "not"):
        if group in value:
            return group
    named = value.get("fact")
    return named if isinstance(named, str) else None


Condition = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[TrainedTimes, Tag("trained_times")]
    | Annotated[RegisteredDays, Tag("registered_days")]
    | Annotated[Domicile, Tag("domicile")]
    | Annotated[Kind, Tag("kind")]
    | Annotated[Category, Tag("category")]
    | Annotated[DocumentsValid, Tag("documents_valid")]
    | Annotated[ServicesActive, Tag("services_active")]
    | Annotated[NotSuspended, Tag("not_suspended")],
    Discriminator(
        _kind_of,
        custom_error_type="condition-unknown",
        custom_error_message=f"must be all, any, not, or a condition over a known fact; known are {KNOWN}",
    ),
]
"""What a rule asks for, as it is stored."""

All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()


@dataclass(frozen=True, slots=True)
class Rule:
    """A version of a named rule; in force from its effective day until a higher version is."""

    name: str
    version: int
    effective_on: date
    title_id: str
    title_en: str
    condition: Condition


# ---- refusals


class RuleUnknown(NotFound):
    """No rule has this name, or this version of it."""

    code: ClassVar[str] = "rule-unknown"

    def __init__(self) -> None:
        super().__init__("There is no such rule; GET /v1/eligibility-rules lists them.")


class RuleNotInForce(Refused):
    """No version of the rule holds yet."""

    code: ClassVar[str] = "rule-not-in-force"

    def __init__(self) -> None:
        super().__init__("No version of this rule is in force yet; ask again when the first one is.")


class RuleVersionTaken(Conflict):
    """Not the version that follows the last one."""

    code: ClassVar[str] = "rule-version-taken"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"{version} is not the version that follows the last one; read the rule again and build on it.",
            version=version,
        )


class RuleInvalid(Refused):
    """A rule that cannot be used; `errors` name the places."""

    code: ClassVar[str] = "rule-invalid"
    status: ClassVar[int] = 422

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        said = "; ".join(f"{field} {reason}" for field, reason in errors)
        super().__init__(
            f"The rule was not taken: {said}.", errors=[{"field": field, "reason": reason} for field, reason in errors]
        )


# ---- rules


def check_rule(condition: Condition, codes: Codes) -> None:
    """Refuse a condition that is too large, or that names an area or category there is not. Raises `RuleInvalid`."""
    errors: list[tuple[str, str]] = []
    count = 0
    for place, depth, part in _walk(condition, "condition", 1):
        count += 1
        if depth > DEPTH_MAX:
            raise RuleInvalid([(place, f"is nested deeper than {DEPTH_MAX} levels")])
        if isinstance(part, Domicile):
            known = {areas.PROVINCE, *areas.areas()}
            errors += [
                (f"{place}.within.{n}", "is no area of the province")
                for n, code in enumerate(part.within)
                if code not in known
            ]
        elif isinstance(part, Category):
            errors += [
                (f"{place}.in.{n}", f"is no category; known are {', '.join(sorted(codes.categories))}")
                for n, code in enumerate(part.among)
                if code not in codes.categories
            ]
    if count > CONDITIONS_MAX:
        raise RuleInvalid([("condition", f"has more than {CONDITIONS_MAX} parts")])
    if errors:
        raise RuleInvalid(errors)


def check_effective(effective_on: date, today: date) -> None:
    """A version holds from today or a later day: what was decided before is not rewritten. Raises `RuleInvalid`."""
    if effective_on < today:
        raise RuleInvalid([("effective_on", "is past; a version holds from today at the earliest")])
    if effective_on > today + timedelta(days=RULE_AHEAD_DAYS_MAX):
        raise RuleInvalid([("effective_on", "lies more than three years ahead")])


def used_facts(condition: Condition) -> frozenset[FactName]:
    """The facts a condition asks for."""
    return frozenset(part.fact for _, _, part in _walk(condition, "", 1) if not isinstance(part, All | AnyOf | Not))


def _walk(condition: Condition, place: str, depth: int) -> Iterator[tuple[str, int, Condition]]:
    yield place, depth, condition
    if depth > DEPTH_MAX:
        return
    match condition:
        case All(every=parts):
            for n, part in enumerate(parts):
                yield from _walk(part, f"{place}.all.{n}", depth + 1)
        case AnyOf(some=parts):
            for n, part in enumerate(parts):
                yield from _walk(part, f"{place}.any.{n}", depth + 1)
        case Not(no=part):
            yield from _walk(part, f"{place}.not", depth + 1)


# ---- one form of every condition


class Wish(NamedTuple):
    """A condition over one fact, as it must be: met, or (`negated`) not met."""

    leaf: Leaf
    negated: bool

    @property
    def code(self) -> str:
        """Stable, for events and waivers."""
        name = self.leaf.fact.replace("_", "-")
        return f"not-{name}" if self.negated else name


class Group(NamedTuple):
    every: bool
    parts: "tuple[Wish | Group, ...]"


Node = Wish | Group


def normal(condition: Condition, negated: bool = False) -> Node:
    """The condition with every `not` pushed down to single facts, so that what is not met can be named."""
    match condition:
        case All(every=parts):
            return Group(not negated, tuple(normal(part, negated) for part in parts))
        case AnyOf(some=parts):
            return Group(negated, tuple(normal(part, negated) for part in parts))
        case Not(no=part):
            return normal(part, not negated)
    return Wish(condition, negated)

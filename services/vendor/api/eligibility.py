"""Eligibility over HTTP: rules, decisions with their explanation, counts over an area, objections."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from services.vendor.api.access import officer_area, reach_of, require_province, require_reach, see_vendor
from services.vendor.api.texts import Line, Note
from services.vendor.areas import PROVINCE
from services.vendor.domain.eligibility import Decision, DecisionUnknown, Facts, Judgement, Objection, ObjectionUnknown
from services.vendor.domain.explanation import explain
from services.vendor.domain.rules import Condition, Rule
from services.vendor.handlers import eligibility as handlers
from services.vendor.handlers.reach import reaches
from services.vendor.store import eligibility as store
from services.vendor.store.merging import find_family
from shared.db import Connection
from shared.events.values import AreaCode, CategoryCode
from shared.http import LIMIT_DEFAULT, After, EdgeDep, Limit, PublicEdgeDep, page, read_cursor

__all__ = ["router"]

router = APIRouter(tags=["eligibility"])

RuleName = CategoryCode
Version = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


class RuleBody(BaseModel):
    """The next version of a rule."""

    model_config = ConfigDict(extra="forbid")

    name: RuleName = Field(examples=["jbl"])
    version: Version = Field(description="The version that follows the last one; 1 for a new name")
    effective_on: date = Field(description="From which day it holds, Asia/Jakarta; today at the earliest")
    title_id: Line = Field(examples=["Jumat Beli Lokal"])
    title_en: Line = Field(examples=["Jumat Beli Lokal"])
    condition: Condition = Field(
        examples=[{"all": [{"fact": "trained_times", "at_least": 1}, {"fact": "domicile", "within": ["31"]}]}],
        description="all, any, not over conditions, or a condition over one fact",
    )

    def rule(self) -> Rule:
        """As the handler takes it."""
        return Rule(self.name, self.version, self.effective_on, self.title_id, self.title_en, self.condition)


class RuleVersionAnswer(BaseModel):
    """A version that was published."""

    name: str
    version: int


class RuleAnswer(BaseModel):
    """A version of a rule."""

    name: str
    version: int
    effective_on: date
    title_id: str
    title_en: str
    condition: dict[str, Any]

    @classmethod
    def of(cls, rule: Rule) -> "RuleAnswer":
        """From what is stored."""
        return cls(
            name=rule.name,
            version=rule.version,
            effective_on=rule.effective_on,
            title_id=rule.title_id,
            title_en=rule.title_en,
            condition=_CONDITION.dump_python(rule.condition, mode="json", by_alias=True),
        )


class RulePage(BaseModel):
    """A page of rules."""

    items: list[RuleAnswer]
    next: str | None


class AskBody(BaseModel):
    """Which rule to apply."""

    model_config = ConfigDict(extra="forbid")

    rule: RuleName = Field(examples=["jbl"])


class CountBody(AskBody):
    """Which rule to apply, and where."""

    area: AreaCode | None = Field(default=None, description="Left out: the caller's own area")


class DecidedAnswer(BaseModel):
    """A decision that was made and kept."""

    decision_id: UUID
    rule: str
    rule_version: int
    eligible: bool
    failed: list[str] = Field(description="Codes of the conditions that were not met")


class MissingAnswer(BaseModel):
    """What is missing, and what to do about it."""

    what: str
    todo: str


class ExplanationAnswer(BaseModel):
    """Why, or why not, in one language."""

    summary: str
    met: list[str]
    missing: list[MissingAnswer]


class ForeseenAnswer(BaseModel):
    """What a decision is, or would be: the rule, the facts it rests on, and the explanation (id, en)."""

    rule: str
    rule_version: int
    eligible: bool
    failed: list[str]
    facts: Facts
    explanation: dict[str, ExplanationAnswer]

    @classmethod
    def of(cls, rule: Rule, facts: Facts, judgement: Judgement, names: dict[str, tuple[str, str]]) -> "ForeseenAnswer":
        """From a rule, the facts and what follows."""
        return cls(
            rule=rule.name,
            rule_version=rule.version,
            eligible=judgement.eligible,
            failed=list(judgement.failed),
            facts=facts,
            explanation={
                language: ExplanationAnswer(**words)
                for language, words in explain(rule, facts, judgement, names).items()
            },
        )


class DecisionAnswer(ForeseenAnswer):
    """A decision that is kept. With `overrules` it is an officer's, after an objection, and holds until a day."""

    decision_id: UUID
    vendor_id: UUID
    decided_at: datetime
    overrules: UUID | None
    valid_until: date | None


class DecisionRow(DecidedAnswer):
    """A decision in a list."""

    decided_at: datetime
    overrules: UUID | None
    valid_until: date | None


class DecisionPage(BaseModel):
    """A page of decisions, the latest first."""

    items: list[DecisionRow]
    next: str | None


class CountAnswer(BaseModel):
    """How many persons a rule would admit now."""

    rule: str
    rule_version: int
    area: str
    people: int
    eligible: int
    failed: dict[str, int] = Field(description="Code of a condition -> how many it keeps away")


class ObjectionBody(BaseModel):
    """Why a decision should be looked at by a person."""

    model_config = ConfigDict(extra="forbid")

    text: Note


class ObjectedAnswer(BaseModel):
    """An objection and where it stands."""

    objection_id: UUID
    state: str
    manual_decision_id: UUID | None = None


class ReplyBody(BaseModel):
    """How an objection is answered: `upheld` leaves the decision, `overruled` admits the vendor until a day."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["upheld", "overruled"]
    answer: Note = Field(description="To the person who objected")
    valid_until: date | None = Field(default=None, description="With overruled: the last day it holds, Asia/Jakarta")

    @model_validator(mode="after")
    def _dated(self) -> "ReplyBody":
        if (self.outcome == "overruled") != (self.valid_until is not None):
            raise ValueError("valid_until belongs to overruled, and only to it")
        return self


class ObjectionAnswer(BaseModel):
    """An objection in full."""

    objection_id: UUID
    decision_id: UUID
    vendor_id: UUID
    text: str
    raised_at: datetime
    state: str
    answer: str | None
    answered_at: datetime | None
    manual_decision_id: UUID | None

    @classmethod
    def of(cls, objection: Objection) -> "ObjectionAnswer":
        """From what is stored."""
        return cls(
            objection_id=objection.objection_id,
            decision_id=objection.decision_id,
            vendor_id=objection.vendor_id,
            text=objection.text,
            raised_at=objection.raised_at,
            state=objection.state,
            answer=objection.answer,
            answered_at=objection.answered_at,
            manual_decision_id=objection.manual_decision_id,
        )


class ObjectionPage(BaseModel):
    """A page of objections, the oldest first."""

    items: list[ObjectionAnswer]
    next: str | None


# ---- rules


@router.get("/v1/eligibility-rules")
async def list_rules(
    edge: PublicEdgeDep, name: RuleName | None = None, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> RulePage:
    """Every version of every rule; everyone may read what is asked of vendors."""
    last = None if after is None else read_cursor(after, tuple[RuleName, Annotated[int, Field(ge=1, le=2**31 - 1)]])
    async with edge.read() as conn:
        rows = await store.find_rules(conn, name, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda rule: (rule.name, rule.version))
    return RulePage(items=[RuleAnswer.of(rule) for rule in found["items"]], next=found["next"])


@router.post("/v1/eligibility-rules", status_code=201, responses={201: {"model": RuleVersionAnswer}})
async def make_rule(body: RuleBody, edge: EdgeDep) -> Response:
    """Publish the next version of a rule, or a new rule: an officer of the province, or an operator."""
    require_province(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        await handlers.make_rule(conn, body.rule(), made_by=edge.caller.subject, now=edge.now)
        return RuleVersionAnswer(name=body.name, version=body.version)

    return await edge.once(act, status=201)


# ---- decisions


@router.post("/v1/vendors/{vendor_id}/eligibility", status_code=201, responses={201: {"model": DecidedAnswer}})
async def decide(vendor_id: UUID, body: AskBody, edge: EdgeDep) -> Response:
    """Decide whether a vendor may take part, and keep the decision: itself, an officer of its area, or a service."""
    within = require_reach(edge.caller, vendor_id, service=True)

    async def act(conn: Connection) -> BaseModel:
        decision = await handlers.decide(
            conn, vendor_id, body.rule, asked_by=edge.caller.subject, now=edge.now, within=within
        )
        return _decided(decision)

    return await edge.once(act, status=201)


@router.get("/v1/vendors/{vendor_id}/eligibility")
async def foresee(vendor_id: UUID, edge: EdgeDep, rule: Annotated[RuleName, Query()]) -> ForeseenAnswer:
    """What a decision would be now; nothing is kept and nobody is told."""
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id, service=True)
        foreseen = await handlers.foresee(conn, vendor_id, rule, edge.now)
        return ForeseenAnswer.of(*foreseen, await store.find_category_names(conn))


@router.get("/v1/vendors/{vendor_id}/eligibility-decisions")
async def list_decisions(
    vendor_id: UUID, edge: EdgeDep, after: After = None, limit: Limit = LIMIT_DEFAULT
) -> DecisionPage:
    """What was decided on a person, the latest first."""
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        await see_vendor(conn, edge.caller, vendor_id, service=True)
        rows = await store.find_decisions(conn, await find_family(conn, vendor_id), last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda decision: decision.decision_id)
    items = [
        DecisionRow(
            **_decided(one).model_dump(),
            decided_at=one.decided_at,
            overrules=one.overrules,
            valid_until=one.valid_until,
        )
        for one in found["items"]
    ]
    return DecisionPage(items=items, next=found["next"])


@router.post("/v1/eligibility/count", responses={200: {"model": CountAnswer}})
async def count_eligible(body: CountBody, edge: EdgeDep) -> Response:
    """How many persons of an area a rule would admit now: an officer in its area, an operator anywhere."""
    edge.caller.require("officer", "operator")
    area = body.area or edge.caller.area or PROVINCE
    if edge.caller.has("officer"):
        officer_area(edge.caller)
        edge.caller.require_area(area)

    async def act(conn: Connection) -> BaseModel:
        counted = await handlers.count_eligible(conn, body.rule, area, edge.now)
        return CountAnswer(
            rule=counted.rule.name,
            rule_version=counted.rule.version,
            area=area,
            people=counted.people,
            eligible=counted.eligible,
            failed=counted.failed,
        )

    return await edge.once(act)


# ---- objections; before the routes with an id in their place


@router.get("/v1/eligibility/objections")
async def list_objections(
    edge: EdgeDep,
    state: Literal["open", "upheld", "overruled"] = "open",
    area: AreaCode | None = None,
    after: After = None,
    limit: Limit = LIMIT_DEFAULT,
) -> ObjectionPage:
    """Objections of the officer's area, the oldest first."""
    own = officer_area(edge.caller)
    if area is not None:
        edge.caller.require_area(area)
    last = None if after is None else read_cursor(after, UUID)
    async with edge.read() as conn:
        rows = await store.find_objections(conn, state, area or own, last, limit + 1)
    found: dict[str, Any] = page(rows, limit, lambda objection: objection.objection_id)
    return ObjectionPage(items=[ObjectionAnswer.of(one) for one in found["items"]], next=found["next"])


@router.get("/v1/eligibility/objections/{objection_id}")
async def get_objection(objection_id: UUID, edge: EdgeDep) -> ObjectionAnswer:
    """One objection and its answer: to the person who objected, and to officers of its area."""
    reach = reach_of(edge.caller, service=True)
    async with edge.read() as conn:
        objection = await store.find_objection(conn, objection_id)
        if objection is None or not await reaches(conn, reach, objection.vendor_id):
            raise ObjectionUnknown(objection_id)
    return ObjectionAnswer.of(objection)


@router.post("/v1/eligibility/objections/{objection_id}/answer", responses={200: {"model": ObjectedAnswer}})
async def answer_objection(objection_id: UUID, body: ReplyBody, edge: EdgeDep) -> Response:
    """Answer an objection after a human look: an officer of the area."""
    within = officer_area(edge.caller)

    async def act(conn: Connection) -> BaseModel:
        objection = await handlers.answer_objection(
            conn,
            objection_id,
            body.outcome,
            body.answer,
            body.valid_until,
            officer=edge.caller.subject,
            now=edge.now,
            within=within,
        )
        return ObjectedAnswer(
            objection_id=objection_id, state=objection.state, manual_decision_id=objection.manual_decision_id
        )

    return await edge.once(act)


# ---- one decision


@router.get("/v1/eligibility/{decision_id}")
async def get_decision(decision_id: UUID, edge: EdgeDep) -> DecisionAnswer:
    """A decision with the facts it used, explained in Indonesian and English."""
    reach = reach_of(edge.caller, service=True)
    async with edge.read() as conn:
        decision = await store.find_decision(conn, decision_id)
        if decision is None or not await reaches(conn, reach, decision.vendor_id):
            raise DecisionUnknown(decision_id)
        rule = await store.find_rule_version(conn, decision.rule, decision.rule_version)
        assert rule is not None, "a version of a rule is never removed"
        names = await store.find_category_names(conn)
    judgement = Judgement(decision.eligible, decision.failed)
    return DecisionAnswer(
        **dict(ForeseenAnswer.of(rule, decision.facts, judgement, names)),
        decision_id=decision_id,
        vendor_id=decision.vendor_id,
        decided_at=decision.decided_at,
        overrules=decision.overrules,
        valid_until=decision.valid_until,
    )


@router.post("/v1/eligibility/{decision_id}/objection", status_code=201, responses={201: {"model": ObjectedAnswer}})
async def raise_objection(decision_id: UUID, body: ObjectionBody, edge: EdgeDep) -> Response:
    """Object to a decision, so that a person looks at it (UU PDP): the vendor itself, or an officer for it."""
    edge.caller.require("vendor", "officer")
    reach = reach_of(edge.caller, service=True)

    async def act(conn: Connection) -> BaseModel:
        objection = await handlers.raise_objection(
            conn, decision_id, body.text, raised_by=edge.caller.subject, now=edge.now, reach=reach
        )
        return ObjectedAnswer(objection_id=objection.objection_id, state=objection.state)

    return await edge.once(act, status=201)


def _decided(decision: Decision) -> DecidedAnswer:
    return DecidedAnswer(
        decision_id=decision.decision_id,
        rule=decision.rule,
        rule_version=decision.rule_version,
        eligible=decision.eligible,
        failed=list(decision.failed),
    )

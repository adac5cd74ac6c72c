"""Eligibility: rules published, decisions made and kept, counted over an area, objected to, and answered."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from services.vendor.domain import eligibility as domain
from services.vendor.domain.eligibility import (
    Decision,
    DecisionUnknown,
    Facts,
    Judgement,
    Objection,
    ObjectionAnswered,
    ObjectionExists,
    ObjectionUnknown,
)
from services.vendor.domain.registration import Vendor, VendorUnknown
from services.vendor.domain.rules import (
    Rule,
    RuleNotInForce,
    RuleUnknown,
    RuleVersionTaken,
    check_effective,
    check_rule,
    used_facts,
)
from services.vendor.handlers.reach import Reach, reaches
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import eligibility as store
from services.vendor.store.audit import add_entry
from services.vendor.store.merging import find_family
from services.vendor.store.vendors import find_codes
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id

__all__ = [
    "Counted",
    "Foreseen",
    "answer_objection",
    "count_eligible",
    "decide",
    "foresee",
    "make_rule",
    "raise_objection",
]


class Foreseen(NamedTuple):
    """What a decision would be now."""

    rule: Rule
    facts: Facts
    judgement: Judgement


class Counted(NamedTuple):
    """How many persons of an area there are, how many a rule admits, and how many fail at each condition."""

    rule: Rule
    people: int
    eligible: int
    failed: dict[str, int]


async def make_rule(conn: Connection, rule: Rule, *, made_by: str, now: datetime) -> None:
    """Publish the next version of a rule. Raises `RuleInvalid`, or `RuleVersionTaken` when it is not the next."""
    check_effective(rule.effective_on, day_in_jakarta(now))
    check_rule(rule.condition, await find_codes(conn))
    if not await store.add_rule(conn, rule, made_by, now):
        raise RuleVersionTaken(rule.version)


async def decide(
    conn: Connection, vendor_id: UUID, rule_name: str, *, asked_by: str, now: datetime, within: str | None = None
) -> Decision:
    """Apply a rule to what is known of a vendor, keep the decision with its facts, and tell others.

    Raises as `lock_vendor` does, `RuleUnknown` or `RuleNotInForce`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    day = day_in_jakarta(now)
    rule = await _in_force(conn, rule_name, day)
    facts = await store.find_facts(conn, await find_family(conn, vendor_id), rule.name, day)
    decision = domain.decide(rule, vendor_id, facts, decision_id=new_id(), asked_by=asked_by, day=day, now=now)
    return await _keep(conn, vendor, decision, now)


async def foresee(conn: Connection, vendor_id: UUID, rule_name: str, now: datetime) -> Foreseen:
    """What a decision would be now, without deciding. Raises `RuleUnknown` or `RuleNotInForce`."""
    day = day_in_jakarta(now)
    rule = await _in_force(conn, rule_name, day)
    facts = await store.find_facts(conn, await find_family(conn, vendor_id), rule.name, day)
    return Foreseen(rule, facts, domain.judge(rule.condition, facts))


async def count_eligible(conn: Connection, rule_name: str, area: str, now: datetime) -> Counted:
    """How many persons of an area a rule would admit now; a merged person counts once, and memory stays flat.

    Raises `RuleUnknown` or `RuleNotInForce`.
    """
    day = day_in_jakarta(now)
    rule = await _in_force(conn, rule_name, day)
    people = eligible = 0
    failed: Counter[str] = Counter()
    async for some in store.find_facts_of_all(conn, area, rule.name, day, used_facts(rule.condition)):
        for one in some:
            judgement = domain.judge(rule.condition, one.facts)
            people += 1
            eligible += judgement.eligible
            failed.update(judgement.failed)
    return Counted(rule, people, eligible, dict(sorted(failed.items())))


async def raise_objection(
    conn: Connection, decision_id: UUID, text: str, *, raised_by: str, now: datetime, reach: Reach
) -> Objection:
    """Ask for a human look at a decision. Raises `DecisionUnknown`, `DecisionFavourable` or `ObjectionExists`."""
    decision = await store.find_decision(conn, decision_id)
    if decision is None or not await reaches(conn, reach, decision.vendor_id):
        raise DecisionUnknown(decision_id)
    domain.require_objectionable(decision)
    try:
        await lock_vendor(conn, decision.vendor_id, retired=True)
    except VendorUnknown:  # erased meanwhile
        raise DecisionUnknown(decision_id) from None
    objection = Objection(new_id(), decision_id, decision.vendor_id, text, raised_by, now)
    if not await store.add_objection(conn, objection):
        raise ObjectionExists
    return objection


async def answer_objection(
    conn: Connection,
    objection_id: UUID,
    outcome: Literal["upheld", "overruled"],
    answer: str,
    valid_until: date | None,
    *,
    officer: str,
    now: datetime,
    within: str,
) -> Objection:
    """Answer an objection: the decision is upheld, or overruled until a day by a decision of the officer's own.

    Raises `ObjectionUnknown`, `ObjectionAnswered` (another officer was first) or `ValidityRefused`.
    """
    found = await store.find_objection(conn, objection_id)
    if found is None:
        raise ObjectionUnknown(objection_id)
    try:
        vendor = await lock_vendor(conn, found.vendor_id, within, retired=True)
    except VendorUnknown:
        raise ObjectionUnknown(objection_id) from None
    objection = await store.find_objection(conn, objection_id)  # as it stands under the lock
    if objection is None:
        raise ObjectionUnknown(objection_id)
    if objection.state != "open":
        raise ObjectionAnswered(objection.state)
    manual: Decision | None = None
    if outcome == "overruled":
        manual = await _overrule(conn, vendor, objection.decision_id, valid_until, officer, now)
    answered = replace(
        objection,
        state=outcome,
        answer=answer,
        answered_by=officer,
        answered_at=now,
        manual_decision_id=None if manual is None else manual.decision_id,
    )
    await store.answer_objection(conn, answered)
    detail = {"objection_id": str(objection_id), "decision_id": str(objection.decision_id), "outcome": outcome}
    await add_entry(conn, officer, "eligibility.objection-answered", objection.vendor_id, detail, now)
    return answered


async def _overrule(
    conn: Connection, vendor: Vendor, decision_id: UUID, valid_until: date | None, officer: str, now: datetime
) -> Decision:
    decision = await store.find_decision(conn, decision_id)
    assert decision is not None, "its objection stands, and the vendor is locked"
    rule = await store.find_rule_version(conn, decision.rule, decision.rule_version)
    assert rule is not None, "a version of a rule is never removed"
    manual = domain.overrule(
        decision,
        rule,
        decision_id=new_id(),
        valid_until=valid_until,
        officer=officer,
        day=day_in_jakarta(now),
        now=now,
    )
    return await _keep(conn, vendor, manual, now)


async def _keep(conn: Connection, vendor: Vendor, decision: Decision, now: datetime) -> Decision:
    await store.add_decision(conn, decision)
    await save_vendor(conn, vendor, vendor, [domain.tell(decision)], now=now)
    return decision


async def _in_force(conn: Connection, name: str, day: date) -> Rule:
    rule = await store.find_rule(conn, name, day)
    if rule is not None:
        return rule
    if await store.find_rule_version(conn, name, 1) is not None:
        raise RuleNotInForce
    raise RuleUnknown

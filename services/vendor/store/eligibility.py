"""Rules of eligibility, the facts they ask for, what was decided by them, and objections."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from services.vendor.domain.eligibility import Decision, Facts, Objection
from services.vendor.domain.programme import Step, stand
from services.vendor.domain.rules import Condition, FactName, Rule
from services.vendor.store.documents import find_valid_kinds
from services.vendor.store.programme import count_completions, find_active_services, find_latest_steps
from shared.db import Connection

__all__ = [
    "Placed",
    "add_decision",
    "add_objection",
    "add_rule",
    "answer_objection",
    "collect_eligibility",
    "erase_eligibility",
    "find_category_names",
    "find_decision",
    "find_decisions",
    "find_facts",
    "find_facts_of_all",
    "find_objection",
    "find_objections",
    "find_rule",
    "find_rule_version",
    "find_rules",
]

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
PEOPLE_AT_ONCE = 2_000

# ---- rules

FIND_RULE = """
SELECT name, version, effective_on, title_id, title_en, condition FROM eligibility_rule
WHERE name = $1 AND effective_on <= $2 ORDER BY version DESC LIMIT 1
"""

FIND_RULE_VERSION = """
SELECT name, version, effective_on, title_id, title_en, condition FROM eligibility_rule
WHERE name = $1 AND version = $2
"""

FIND_RULES = """
SELECT name, version, effective_on, title_id, title_en, condition FROM eligibility_rule
WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR (name, version) > ($2, $3::int))
ORDER BY name, version LIMIT $4
"""

ADD_RULE = """
INSERT INTO eligibility_rule (name, version, effective_on, title_id, title_en, condition, made_by, made_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE $2 = (SELECT coalesce(max(version), 0) + 1 FROM eligibility_rule WHERE name = $1)
ON CONFLICT DO NOTHING RETURNING true
"""


def _rule(row: asyncpg.Record) -> Rule:
    values = dict(row)
    condition = _CONDITION.validate_python(values.pop("condition"))
    return Rule(**values, condition=condition)


async def find_rule(conn: Connection, name: str, day: date) -> Rule | None:
    """The version of a rule that is in force on a day."""
    row = await conn.fetchrow(FIND_RULE, name, day)
    return None if row is None else _rule(row)


async def find_rule_version(conn: Connection, name: str, version: int) -> Rule | None:
    """A version of a rule, in force or not."""
    row = await conn.fetchrow(FIND_RULE_VERSION, name, version)
    return None if row is None else _rule(row)


async def find_rules(conn: Connection, name: str | None, after: tuple[str, int] | None, limit: int) -> list[Rule]:
    """Every version of every rule, or of one, by name and version, those after `after`."""
    last_name, last_version = after or (None, None)
    return [_rule(row) for row in await conn.fetch(FIND_RULES, name, last_name, last_version, limit)]


async def add_rule(conn: Connection, rule: Rule, made_by: str, now: datetime) -> bool:
    """Add the version that follows the last one. False: it does not follow, or somebody else added it."""
    added = await conn.fetchval(
        ADD_RULE,
        rule.name,
        rule.version,
        rule.effective_on,
        rule.title_id,
        rule.title_en,
        _CONDITION.dump_python(rule.condition, mode="json", by_alias=True),
        made_by,
        now,
    )
    return bool(added)


async def find_category_names(conn: Connection) -> dict[str, tuple[str, str]]:
    """Category -> its Indonesian and English name."""
    rows = await conn.fetch("SELECT code, name_id, name_en FROM category")
    return {row["code"]: (row["name_id"], row["name_en"]) for row in rows}


# ---- facts

FIND_REGISTRATIONS = """
SELECT min(registered_on) AS registered_on, bool_or(suspended_because IS NOT NULL) AS suspended,
       max(kelurahan) FILTER (WHERE vendor_id = $2) AS kelurahan, max(kind) FILTER (WHERE vendor_id = $2) AS kind,
       max(category) FILTER (WHERE vendor_id = $2) AS category
FROM vendor WHERE vendor_id = ANY($1::uuid[])
"""

FIND_WAIVERS = """
SELECT DISTINCT code FROM eligibility_decision AS d, unnest(d.waives) AS code
WHERE d.rule = $1 AND d.vendor_id = ANY($2::uuid[]) AND d.overrules IS NOT NULL AND d.valid_until >= $3
ORDER BY code
"""


async def find_facts(conn: Connection, family: Sequence[UUID], rule: str, day: date) -> Facts:
    """What is known of a person on a day, over all its registrations, the one that stands for it first.

    Where it lives and what it makes is what that registration says; it has been registered since the first one, and
    is suspended when any is.
    """
    row = await conn.fetchrow(FIND_REGISTRATIONS, family, family[0])
    assert row is not None, "an aggregate gives a row"
    waived = await conn.fetch(FIND_WAIVERS, rule, family, day)
    return Facts(
        trained_times=await count_completions(conn, family),
        registered_days=max((day - row["registered_on"]).days, 0),
        domicile=row["kelurahan"],
        kind=row["kind"],
        category=row["category"],
        documents_valid=tuple(sorted(await find_valid_kinds(conn, family, day))),
        services_active=tuple(sorted(await find_active_services(conn, family))),
        not_suspended=not row["suspended"],
        waived=tuple(one["code"] for one in waived),
    )


class Placed(NamedTuple):
    """A person and what a rule asks of it."""

    vendor_id: UUID
    facts: Facts


# Those that stand for a person, in the order of their ids; the area is a range of codes, as in `vendors.FIND_IDS`.
FIND_PEOPLE = """
SELECT vendor_id, registered_on, suspended_because IS NOT NULL AS suspended, kelurahan, kind, category
FROM vendor
WHERE merged_into IS NULL AND erased_at IS NULL AND ($2::uuid IS NULL OR vendor_id > $2)
  AND (kelurahan = $1 OR (kelurahan > $1 || '.' AND kelurahan < $1 || '/'))
ORDER BY vendor_id LIMIT $3
"""

FIND_RETIRED = """
WITH RECURSIVE retired AS (
    SELECT vendor_id, merged_into AS person, registered_on, suspended_because IS NOT NULL AS suspended
    FROM vendor WHERE merged_into = ANY($1::uuid[])
    UNION ALL
    SELECT v.vendor_id, r.person, v.registered_on, v.suspended_because IS NOT NULL
    FROM retired AS r JOIN vendor AS v ON v.merged_into = r.vendor_id
)
SELECT vendor_id, person, registered_on, suspended FROM retired
"""

# The next three ask of many persons what `count_completions`, `find_valid_kinds` and `FIND_WAIVERS` ask of one;
# $1 are registrations and $2 the persons they belong to.
COUNT_COMPLETIONS_OF_ALL = """
SELECT m.person, count(DISTINCT t.class_id) AS count
FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person) JOIN training_place AS t ON t.vendor_id = m.vendor_id
WHERE t.state = 'completed' GROUP BY m.person
"""

FIND_VALID_KINDS_OF_ALL = """
SELECT m.person, array_agg(DISTINCT d.kind ORDER BY d.kind) AS kinds
FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person) JOIN document AS d ON d.vendor_id = m.vendor_id
WHERE d.state = 'verified' AND (d.issued_on IS NULL OR d.issued_on <= $3)
  AND (d.expires_on IS NULL OR d.expires_on >= $3)
GROUP BY m.person
"""

FIND_WAIVERS_OF_ALL = """
SELECT m.person, array_agg(DISTINCT code ORDER BY code) AS codes
FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person)
JOIN eligibility_decision AS d ON d.vendor_id = m.vendor_id, unnest(d.waives) AS code
WHERE d.rule = $4 AND d.overrules IS NOT NULL AND d.valid_until >= $3 GROUP BY m.person
"""


async def find_facts_of_all(
    conn: Connection, area: str, rule: str, day: date, used: Collection[FactName]
) -> AsyncIterator[list[Placed]]:
    """Everybody of an area with the facts a rule uses, some thousand at a time; facts it does not use are not read."""
    after: UUID | None = None
    while True:
        rows = await conn.fetch(FIND_PEOPLE, area, after, PEOPLE_AT_ONCE)
        if not rows:
            return
        yield await _facts_of(conn, rows, rule, day, used)
        after = rows[-1]["vendor_id"]


async def _facts_of(
    conn: Connection, people: Sequence[asyncpg.Record], rule: str, day: date, used: Collection[FactName]
) -> list[Placed]:
    since = {row["vendor_id"]: row["registered_on"] for row in people}
    suspended = {row["vendor_id"] for row in people if row["suspended"]}
    person_of = {vendor_id: vendor_id for vendor_id in since}
    for row in await conn.fetch(FIND_RETIRED, list(since)):
        person = person_of[row["vendor_id"]] = row["person"]
        since[person] = min(since[person], row["registered_on"])
        if row["suspended"]:
            suspended.add(person)
    members = (list(person_of), list(person_of.values()))
    trained: dict[UUID, int] = {}
    if "trained_times" in used:
        rows = await conn.fetch(COUNT_COMPLETIONS_OF_ALL, *members)
        trained = {row["person"]: row["count"] for row in rows}
    kinds: dict[UUID, list[str]] = {}
    if "documents_valid" in used:
        rows = await conn.fetch(FIND_VALID_KINDS_OF_ALL, *members, day)
        kinds = {row["person"]: row["kinds"] for row in rows}
    steps: dict[UUID, list[Step]] = defaultdict(list)
    if "services_active" in used:
        for step in await find_latest_steps(conn, members[0]):
            steps[person_of[step.vendor_id]].append(step)
    rows = await conn.fetch(FIND_WAIVERS_OF_ALL, *members, day, rule)
    waived = {row["person"]: row["codes"] for row in rows}
    return [
        Placed(
            row["vendor_id"],
            Facts.model_construct(
                trained_times=trained.get(row["vendor_id"], 0),
                registered_days=max((day - since[row["vendor_id"]]).days, 0),
                domicile=row["kelurahan"],
                kind=row["kind"],
                category=row["category"],
                documents_valid=tuple(kinds.get(row["vendor_id"], ())),
                services_active=_active(steps[row["vendor_id"]]) if row["vendor_id"] in steps else ("P1",),
                not_suspended=row["vendor_id"] not in suspended,
                waived=tuple(waived.get(row["vendor_id"], ())),
            ),
        )
        for row in people
    ]


def _active(latest: Sequence[Step]) -> tuple[str, ...]:
    active = {step.service for step in stand(latest).values() if step.state in ("active", "completed")}
    return tuple(sorted({"P1", *active}))


# ---- decisions


def _decision(row: asyncpg.Record) -> Decision:
    values = dict(row)
    values["facts"] = Facts.model_validate(values["facts"])
    values["failed"], values["waives"] = tuple(values["failed"]), tuple(values["waives"])
    return Decision(**values)


ADD_DECISION = """
INSERT INTO eligibility_decision (decision_id, vendor_id, rule, rule_version, eligible, failed, facts, decided_on,
                                  decided_at, asked_by, overrules, waives, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

FIND_DECISION = """
SELECT decision_id, vendor_id, rule, rule_version, eligible, failed, facts, decided_on, decided_at, asked_by,
       overrules, waives, valid_until
FROM eligibility_decision WHERE decision_id = $1 AND vendor_id IS NOT NULL
"""

FIND_DECISIONS = """
SELECT decision_id, vendor_id, rule, rule_version, eligible, failed, facts, decided_on, decided_at, asked_by,
       overrules, waives, valid_until
FROM eligibility_decision WHERE vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR decision_id < $2)
ORDER BY decision_id DESC LIMIT $3
"""


async def add_decision(conn: Connection, decision: Decision) -> None:
    """Keep a decision with the facts it used."""
    await conn.execute(
        ADD_DECISION,
        decision.decision_id,
        decision.vendor_id,
        decision.rule,
        decision.rule_version,
        decision.eligible,
        decision.failed,
        decision.facts.model_dump(mode="json"),
        decision.decided_on,
        decision.decided_at,
        decision.asked_by,
        decision.overrules,
        decision.waives,
        decision.valid_until,
    )


async def find_decision(conn: Connection, decision_id: UUID) -> Decision | None:
    """One decision; none once its vendor is erased."""
    row = await conn.fetchrow(FIND_DECISION, decision_id)
    return None if row is None else _decision(row)


async def find_decisions(
    conn: Connection, vendor_ids: Sequence[UUID], before: UUID | None, limit: int
) -> list[Decision]:
    """What was decided on a person, the latest first, those older than `before`, at most `limit`."""
    return [_decision(row) for row in await conn.fetch(FIND_DECISIONS, vendor_ids, before, limit)]


# ---- objections

FIND_OBJECTION = """
SELECT objection_id, decision_id, vendor_id, text, raised_by, raised_at, state, answer, answered_by, answered_at,
       manual_decision_id
FROM eligibility_objection WHERE objection_id = $1
"""

FIND_OBJECTIONS = """
SELECT o.objection_id, o.decision_id, o.vendor_id, o.text, o.raised_by, o.raised_at, o.state, o.answer, o.answered_by,
       o.answered_at, o.manual_decision_id
FROM eligibility_objection AS o JOIN vendor AS v ON v.vendor_id = o.vendor_id
WHERE o.state = $1 AND v.kelurahan >= $2 AND v.kelurahan < $2 || '/'
  AND ($3::uuid IS NULL OR o.objection_id > $3)
ORDER BY o.objection_id LIMIT $4
"""

ADD_OBJECTION = """
INSERT INTO eligibility_objection (objection_id, decision_id, vendor_id, text, raised_by, raised_at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT objected_once DO NOTHING RETURNING true
"""


async def find_objection(conn: Connection, objection_id: UUID) -> Objection | None:
    """One objection."""
    row = await conn.fetchrow(FIND_OBJECTION, objection_id)
    return None if row is None else Objection(**dict(row))


async def find_objections(conn: Connection, state: str, area: str, after: UUID | None, limit: int) -> list[Objection]:
    """Objections of an area in a state, the oldest first, those after `after`, at most `limit`."""
    return [Objection(**dict(row)) for row in await conn.fetch(FIND_OBJECTIONS, state, area, after, limit)]


async def add_objection(conn: Connection, objection: Objection) -> bool:
    """Keep an objection. False: somebody objected to this decision already."""
    added = await conn.fetchval(
        ADD_OBJECTION,
        objection.objection_id,
        objection.decision_id,
        objection.vendor_id,
        objection.text,
        objection.raised_by,
        objection.raised_at,
        objection.state,
    )
    return bool(added)


async def answer_objection(conn: Connection, objection: Objection) -> None:
    """Write how an objection was answered; its row is locked."""
    await conn.execute(
        "UPDATE eligibility_objection SET state = $2, answer = $3, answered_by = $4, answered_at = $5, "
        "manual_decision_id = $6 WHERE objection_id = $1",
        objection.objection_id,
        objection.state,
        objection.answer,
        objection.answered_by,
        objection.answered_at,
        objection.manual_decision_id,
    )


# ---- everything of a person

COLLECT_DECISIONS = """
SELECT decision_id::text, vendor_id::text, rule, rule_version, eligible, failed, facts, decided_on::text,
       overrules::text, waives, valid_until::text
FROM eligibility_decision WHERE vendor_id = ANY($1::uuid[]) ORDER BY decision_id
"""

COLLECT_OBJECTIONS = """
SELECT objection_id::text, decision_id::text, vendor_id::text, text, raised_at, state, answer, answered_at,
       manual_decision_id::text
FROM eligibility_objection WHERE vendor_id = ANY($1::uuid[]) ORDER BY objection_id
"""


async def collect_eligibility(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Every decision on these registrations and every objection, JSON-ready."""
    objections = []
    for row in await conn.fetch(COLLECT_OBJECTIONS, vendor_ids):
        values = dict(row)
        for name in ("raised_at", "answered_at"):
            values[name] = None if values[name] is None else values[name].isoformat()
        objections.append(values)
    decisions = [dict(row) for row in await conn.fetch(COLLECT_DECISIONS, vendor_ids)]
    return {"eligibility_decisions": decisions, "eligibility_objections": objections}


async def erase_eligibility(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the objections of these registrations; their decisions stay as figures, without vendor and facts."""
    objections = await conn.fetch(
        "DELETE FROM eligibility_objection WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    decisions = await conn.fetch(
        "UPDATE eligibility_decision SET vendor_id = NULL, facts = NULL, asked_by = '' "
        "WHERE vendor_id = ANY($1::uuid[]) RETURNING 1",
        vendor_ids,
    )
    return {"eligibility_objections": len(objections), "eligibility_decisions": len(decisions)}

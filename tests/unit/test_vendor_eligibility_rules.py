"""Eligibility: what a rule may say, what follows from it, and how that is explained."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.vendor.domain import eligibility as domain
from services.vendor.domain.eligibility import Decision, DecisionFavourable, Facts, ValidityRefused
from services.vendor.domain.explanation import explain
from services.vendor.domain.registration import Codes
from services.vendor.domain.rules import (
    CONDITIONS_MAX,
    DEPTH_MAX,
    Condition,
    Rule,
    RuleInvalid,
    check_effective,
    check_rule,
    used_facts,
)

TODAY = date(2023, 3, 1)
NOW = datetime(2023, 3, 1, 2, tzinfo=UTC)
CODES = Codes(frozenset({"food-drink", "health"}), frozenset())
NAMES = {"health": ("Kesehatan", "Health"), "food-drink": ("Makanan dan minuman", "Food and drink")}
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
FACTS = Facts(
    trained_times=1,
    registered_days=30,
    domicile="31.71.02.1002",
    kind="usaha",
    category="health",
    documents_valid=("nib", "pirt"),
    services_active=("P1", "P5"),
    not_suspended=True,
)
JBL = {
    "all": [
        {"fact": "trained_times", "at_least": 1},
        {"fact": "domicile", "within": ["31"]},
        {"fact": "not_suspended", "is": True},
    ]
}


def condition(written: Any) -> Condition:
    return CONDITION.validate_python(written)


def rule(written: Any) -> Rule:
    return Rule("jbl", 1, TODAY, "Jumat Beli Lokal", "Friday Buy Local", condition(written))


def failed(written: Any, **facts: Any) -> list[str]:
    return list(domain.judge(condition(written), FACTS.model_copy(update=facts)).failed)


def decided(written: Any, **facts: Any) -> Decision:
    return domain.decide(
        rule(written),
        UUID(int=1),
        FACTS.model_copy(update=facts),
        decision_id=UUID(int=2),
        asked_by="v",
        day=TODAY,
        now=NOW,
    )


# ---- single conditions


@pytest.mark.parametrize(
    ("written", "met", "unmet"),
    [
        ({"fact": "trained_times", "at_least": 2}, {"trained_times": 2}, {"trained_times": 1}),
        ({"fact": "registered_days", "at_least": 30}, {"registered_days": 30}, {"registered_days": 29}),
        ({"fact": "domicile", "within": ["31.71"]}, {"domicile": "31.71.02.1002"}, {"domicile": "31.72.01.1001"}),
        ({"fact": "domicile", "within": ["31.72", "31"]}, {"domicile": "31.71.02.1002"}, {"domicile": "32.71.02.1002"}),
        ({"fact": "kind", "in": ["usaha"]}, {"kind": "usaha"}, {"kind": "pemula"}),
        ({"fact": "category", "in": ["health"]}, {"category": "health"}, {"category": None}),
        (
            {"fact": "documents_valid", "contains": ["nib", "halal"]},
            {"documents_valid": ("halal", "nib")},
            {"documents_valid": ("nib",)},
        ),
        (
            {"fact": "services_active", "contains": ["P2"]},
            {"services_active": ("P1", "P2")},
            {"services_active": ("P1",)},
        ),
        ({"fact": "not_suspended", "is": True}, {"not_suspended": True}, {"not_suspended": False}),
    ],
)
def test_each_fact_is_met_up_to_its_limit_and_not_beyond(
    written: dict[str, Any], met: dict[str, Any], unmet: dict[str, Any]
) -> None:
    code = written["fact"].replace("_", "-")
    assert failed(written, **met) == []
    assert failed(written, **unmet) == [code]
    assert failed({"not": written}, **unmet) == []
    assert failed({"not": written}, **met) == [f"not-{code}"]


# ---- together


def test_of_all_each_one_that_fails_is_named() -> None:
    assert failed(JBL) == []
    assert failed(JBL, trained_times=0, not_suspended=False) == ["trained-times", "not-suspended"]


def test_of_any_none_is_named_when_one_holds_and_all_when_none_does() -> None:
    written = {"any": [{"fact": "kind", "in": ["usaha"]}, {"fact": "documents_valid", "contains": ["nib"]}]}
    assert failed(written, kind="pemula") == []
    assert failed(written, kind="pemula", documents_valid=()) == ["kind", "documents-valid"]


def test_a_code_is_named_once() -> None:
    written = {"all": [{"fact": "trained_times", "at_least": 1}, {"fact": "trained_times", "at_least": 2}]}
    assert failed(written, trained_times=0) == ["trained-times"]


leaves = st.sampled_from(
    [
        {"fact": "trained_times", "at_least": 1},
        {"fact": "trained_times", "at_least": 2},
        {"fact": "kind", "in": ["pemula"]},
        {"fact": "not_suspended", "is": True},
        {"fact": "domicile", "within": ["31.72"]},
    ]
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)
some_facts = st.builds(
    lambda times, kind, free: FACTS.model_copy(update={"trained_times": times, "kind": kind, "not_suspended": free}),
    st.integers(0, 2),
    st.sampled_from(["pemula", "usaha"]),
    st.booleans(),
)


def by_definition(written: dict[str, Any], facts: Facts) -> bool:
    """What a condition means, read off its text."""
    if "all" in written:
        return all(by_definition(part, facts) for part in written["all"])
    if "any" in written:
        return any(by_definition(part, facts) for part in written["any"])
    if "not" in written:
        return not by_definition(written["not"], facts)
    match written["fact"]:
        case "trained_times":
            return facts.trained_times >= int(written["at_least"])
        case "kind":
            return facts.kind in written["in"]
        case "not_suspended":
            return facts.not_suspended
    return facts.domicile.startswith(f"{written['within'][0]}.")


@given(conditions, some_facts)
def test_a_condition_means_what_it_says(written: dict[str, Any], facts: Facts) -> None:
    judgement = domain.judge(condition(written), facts)
    assert judgement.eligible == by_definition(written, facts)
    assert judgement.eligible == (judgement.failed == ())


@given(conditions, some_facts)
def test_what_is_explained_agrees_with_what_was_decided(written: dict[str, Any], facts: Facts) -> None:
    judgement = domain.judge(condition(written), facts)
    for words in explain(rule(written), facts, judgement, NAMES).values():
        assert (words["missing"] == []) == judgement.eligible
        assert all(one["what"] and one["todo"] for one in words["missing"])


@given(conditions, some_facts)
def test_who_is_let_in_by_a_person_is_let_in_until_something_else_fails(written: dict[str, Any], facts: Facts) -> None:
    failing = domain.judge(condition(written), facts).failed
    assert domain.judge(condition(written), facts.model_copy(update={"waived": failing})).eligible


@given(conditions, some_facts)
def test_a_kept_decision_is_decided_again_the_same_way(written: dict[str, Any], facts: Facts) -> None:
    first = domain.judge(condition(written), facts)
    again = condition(CONDITION.dump_python(condition(written), mode="json", by_alias=True))
    assert domain.judge(again, Facts.model_validate(facts.model_dump(mode="json"))) == first


# ---- what a rule may say


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"fact": "star_sign", "in": ["leo"]}, ()),
        ({"all": [{"fact": "star_sign"}]}, ("all", "all", 0)),
        ({"all": []}, ("all", "all")),
        ({"all": [{"fact": "kind", "in": ["besar"]}]}, ("all", "all", 0, "kind", "in", 0)),
        ({"fact": "trained_times", "at_least": 0}, ("trained_times", "at_least")),
        ({"fact": "trained_times", "at_least": "1"}, ("trained_times", "at_least")),
        ({"fact": "trained_times", "at_least": 1, "at_most": 2}, ("trained_times", "at_most")),
        ({"fact": "not_suspended", "is": False}, ("not_suspended", "is")),
        ({"any": [{"fact": "kind", "in": ["usaha"]}], "all": []}, ("all", "all")),
        ({"fact": "domicile", "within": ["31.7"]}, ("domicile", "within", 0)),
        ("trained", ()),
        (None, ()),
        ([], ()),
    ],
)
def test_a_malformed_condition_is_refused_naming_the_place(written: Any, place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        condition(written)
    assert place in [error["loc"] for error in caught.value.errors()]


def test_an_unknown_area_or_category_is_refused_naming_the_place() -> None:
    written = {
        "all": [
            {"fact": "category", "in": ["health", "mobil"]},
            {"not": {"fact": "domicile", "within": ["31.99"]}},
        ]
    }
    with pytest.raises(RuleInvalid) as caught:
        check_rule(condition(written), CODES)
    assert [error["field"] for error in caught.value.details["errors"]] == [
        "condition.all.0.in.1",
        "condition.all.1.not.within.0",
    ]
    check_rule(condition(JBL), CODES)


def test_a_condition_is_not_nested_without_end() -> None:
    written: dict[str, Any] = {"fact": "not_suspended", "is": True}
    for _ in range(DEPTH_MAX - 1):
        written = {"not": written}
    check_rule(condition(written), CODES)
    with pytest.raises(RuleInvalid):
        check_rule(condition({"not": written}), CODES)


def test_a_condition_has_fifty_parts_and_not_one_more() -> None:
    part = {"fact": "not_suspended", "is": True}
    check_rule(condition({"all": [part] * (CONDITIONS_MAX - 1)}), CODES)
    with pytest.raises(RuleInvalid):
        check_rule(condition({"all": [part] * CONDITIONS_MAX}), CODES)


def test_a_version_holds_from_today_at_the_earliest() -> None:
    check_effective(TODAY, TODAY)
    check_effective(TODAY + timedelta(days=3 * 366), TODAY)
    for bad in (TODAY - timedelta(days=1), TODAY + timedelta(days=3 * 366 + 1)):
        with pytest.raises(RuleInvalid):
            check_effective(bad, TODAY)


def test_the_facts_a_rule_uses_are_known() -> None:
    assert used_facts(condition({"any": [{"not": JBL}, {"fact": "kind", "in": ["usaha"]}]})) == {
        "trained_times",
        "domicile",
        "not_suspended",
        "kind",
    }


# ---- a person's word


def test_an_officer_overrules_what_failed_and_nothing_else() -> None:
    decision = decided(JBL, trained_times=0)
    manual = domain.overrule(
        decision, rule(JBL), decision_id=UUID(int=3), valid_until=TODAY, officer="o", day=TODAY, now=NOW
    )
    assert (manual.eligible, manual.failed, manual.waives) == (True, (), ("trained-times",))
    assert (manual.overrules, manual.valid_until) == (decision.decision_id, TODAY)
    assert failed(JBL, trained_times=0, not_suspended=False, waived=manual.waives) == ["not-suspended"]


def test_a_persons_word_holds_for_two_years_at_most() -> None:
    decision = decided(JBL, trained_times=0)
    latest = TODAY + timedelta(days=domain.OVERRULE_DAYS_MAX)

    def until(day: date | None) -> Decision:
        return domain.overrule(
            decision, rule(JBL), decision_id=UUID(int=3), valid_until=day, officer="o", day=TODAY, now=NOW
        )

    assert until(latest).valid_until == latest
    for bad in (TODAY - timedelta(days=1), latest + timedelta(days=1), None):
        with pytest.raises(ValidityRefused):
            until(bad)


def test_nobody_objects_to_being_let_in() -> None:
    domain.require_objectionable(decided(JBL, trained_times=0))
    with pytest.raises(DecisionFavourable):
        domain.require_objectionable(decided(JBL))


# ---- explained


def explained(written: Any, **facts: Any) -> dict[str, dict[str, Any]]:
    known = FACTS.model_copy(update=facts)
    return explain(rule(written), known, domain.judge(condition(written), known), NAMES)


def test_what_is_met_and_what_is_missing_is_said_in_both_languages() -> None:
    words = explained(JBL, trained_times=0)
    assert words["en"]["met"] == [
        "Living in DKI Jakarta by the KTP: your KTP address is in Karang Anyar.",
        "Not being suspended: you are not suspended.",
    ]
    assert words["en"]["missing"] == [
        {
            "what": "Having completed at least 1 training: you completed 0.",
            "todo": "Attend a training class of the programme to its end; the officer of your area helps to find one.",
        }
    ]
    assert words["id"]["missing"][0]["what"] == "Menyelesaikan sedikitnya 1 pelatihan: Anda menyelesaikan 0."
    assert "keberatan" in words["id"]["summary"]
    assert "object" in words["en"]["summary"]


def test_who_meets_everything_is_told_so() -> None:
    assert explained(JBL)["en"]["summary"] == "You meet every condition of Friday Buy Local."
    assert explained(JBL)["id"]["missing"] == []


def test_alternatives_are_said_as_such() -> None:
    written = {"any": [{"fact": "kind", "in": ["usaha"]}, {"fact": "documents_valid", "contains": ["halal"]}]}
    (missing,) = explained(written, kind="pemula")["en"]["missing"]
    assert missing["what"] == (
        "One of these: Being registered as a business: you are registered as a newcomer; or "
        "Having valid documents: halal: halal is missing."
    )


def test_what_an_officer_waived_is_said() -> None:
    assert explained(JBL, trained_times=0, waived=("trained-times",))["en"]["met"][0] == (
        "Having completed at least 1 training: waived by an officer after an objection."
    )


def test_a_category_is_named_and_not_coded() -> None:
    (missing,) = explained({"fact": "category", "in": ["health"]}, category="food-drink")["id"]["missing"]
    assert missing["what"] == "Berkategori Kesehatan: kategori Anda Makanan dan minuman."

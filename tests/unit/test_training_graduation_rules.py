"""Criteria of graduation against a naive definition, what follows from them, and how graduates are shared."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain import contributions, criteria, graduation
from services.training.domain.contributions import Deed, Record, Spell, Word
from services.training.domain.criteria import Criteria, CriteriaDocument, Figures, Progress, read_month
from services.training.domain.criteria_texts import explain_check, explain_condition
from services.training.domain.graduation import (
    AppealTooLate,
    Candidacy,
    CandidacyNotOpen,
    CriteriaNotHeld,
    DecideCandidacy,
    EvidenceChanged,
    GraduatedAlready,
    NotGraduated,
    NothingDecided,
    Proposed,
    SameDecider,
    TakenBack,
)
from shared.ids import new_id

TODAY = date(2023, 7, 14)
NOW = datetime(2023, 7, 14, 3, tzinfo=UTC)
PERSON = UUID(int=7)
ENOUGH = Figures(30_000_000, 60_000_000, 2)


def document(*conditions: dict[str, Any], months: int = 3, late_months: int = 3) -> CriteriaDocument:
    given_conditions = conditions or ({"kind": "least", "measure": "turnover_rupiah", "at_least": 25_000_000},)
    return CriteriaDocument.model_validate(
        {"months": months, "late_months": late_months, "conditions": list(given_conditions)}
    )


def known(months: Mapping[str, Figures], **more: Any) -> Progress:
    return Progress(PERSON, {read_month(month): figures for month, figures in months.items()}, **more)


def held(*months: str, figures: Figures = ENOUGH) -> dict[str, Figures]:
    return dict.fromkeys(months, figures)


# ---- held for N consecutive months


def naive(months: Mapping[str, Figures], n: int, late: int, least: int, today: date) -> bool:
    """The definition, said with lists of texts of months and nothing else."""

    def back(count: int) -> str:
        year, month = today.year, today.month
        for _ in range(count):
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        return f"{year:04d}-{month:02d}"

    for count in range(1, late + 1):
        if back(count) in months:
            run = [back(count + step) for step in range(n)]
            return all(
                month in months and (value := months[month].turnover_rupiah) is not None and value >= least
                for month in run
            )
    return False


@given(
    st.dictionaries(
        st.sampled_from([f"{year}-{month:02d}" for year in (2022, 2023) for month in range(1, 13)]),
        st.builds(Figures, st.sampled_from([None, 0, 24_999_999, 25_000_000, 40_000_000]), st.none(), st.none()),
    ),
    st.integers(1, 8),
    st.integers(1, 4),
    st.dates(date(2022, 6, 1), date(2024, 2, 28)),
)
@settings(max_examples=400)
def test_what_holds_is_what_the_naive_definition_says(
    months: dict[str, Figures], n: int, late: int, today: date
) -> None:
    found = criteria.evaluate(document(months=n, late_months=late), known(months), today)
    assert found.met == naive(months, n, late, 25_000_000, today)


def test_the_run_of_exactly_as_many_months_holds_and_one_month_less_does_not() -> None:
    months = held("2023-04", "2023-05", "2023-06")
    assert criteria.evaluate(document(), known(months), TODAY).met
    del months["2023-04"]
    assert not criteria.evaluate(document(), known(months), TODAY).met


def test_the_present_month_is_not_over_and_counts_for_nothing() -> None:
    months = held("2023-04", "2023-05", "2023-06") | held("2023-07", figures=Figures(1, None, None))
    found = criteria.evaluate(document(), known(months), TODAY)
    assert found.met
    assert [criteria.month_text(month) for month in found.run] == ["2023-04", "2023-05", "2023-06"]


def test_a_report_that_is_too_old_holds_nothing_and_one_at_the_limit_does() -> None:
    months = held("2023-02", "2023-03", "2023-04")
    assert criteria.evaluate(document(late_months=3), known(months), TODAY).met
    assert criteria.evaluate(document(late_months=2), known(months), TODAY).run == ()


@pytest.mark.parametrize(("least", "met"), [(30_000_000, True), (30_000_001, False)])
def test_both_sides_of_the_least(least: int, met: bool) -> None:
    rule = document({"kind": "least", "measure": "turnover_rupiah", "at_least": least})
    assert criteria.evaluate(rule, known(held("2023-04", "2023-05", "2023-06")), TODAY).met is met


@pytest.mark.parametrize(("percent", "met"), [(50, True), (51, False)])
def test_growth_is_measured_from_the_business_s_own_first_months(percent: int, met: bool) -> None:
    rule = document({"kind": "growth", "measure": "turnover_rupiah", "percent": percent, "baseline_months": 2})
    months = held("2022-01", "2022-03", figures=Figures(20_000_000, None, None))
    months |= held("2023-01", figures=Figures(90_000_000, None, None)) | held("2023-04", "2023-05", "2023-06")
    assert criteria.evaluate(rule, known(months), TODAY).met is met


def test_growth_without_a_beginning_before_the_run_is_not_known() -> None:
    rule = document({"kind": "growth", "measure": "turnover_rupiah", "percent": 1, "baseline_months": 1})
    found = criteria.evaluate(rule, known(held("2023-04", "2023-05", "2023-06")), TODAY)
    assert not found.met
    assert found.checks[0].found is None


def test_visits_count_inside_the_run_and_a_queried_month_holds_the_rest_up() -> None:
    rule = document(
        {"kind": "least", "measure": "workers", "at_least": 2},
        {"kind": "visits", "at_least": 2},
        {"kind": "nothing-queried"},
        {"kind": "trainings", "at_least": 1},
    )
    months = held("2023-04", "2023-05", "2023-06")
    visits = [date(2023, 3, 31), date(2023, 4, 1), date(2023, 6, 30)]
    assert criteria.evaluate(rule, known(months, trainings=1, visits=visits), TODAY).met
    assert not criteria.evaluate(rule, known(months, trainings=1, visits=visits[:2]), TODAY).met
    assert not criteria.evaluate(rule, known(months, trainings=0, visits=visits), TODAY).met
    months["2023-05"] = ENOUGH._replace(queried=True)
    found = criteria.evaluate(rule, known(months, trainings=1, visits=visits), TODAY)
    assert [criteria.code_of(check.condition) for check in found.checks if not check.met] == ["nothing-queried"]


def test_every_condition_is_explained_in_both_languages() -> None:
    rule = document(
        {"kind": "least", "measure": "assets_rupiah", "at_least": 50_000_000},
        {"kind": "growth", "measure": "turnover_rupiah", "percent": 25, "baseline_months": 3},
        {"kind": "visits", "at_least": 2},
        {"kind": "nothing-queried"},
        {"kind": "trainings", "at_least": 1},
    )
    for progress in (known({}), known(held("2023-04", "2023-05", "2023-06"))):
        for check in criteria.evaluate(rule, progress, TODAY).checks:
            for text in (explain_condition(check.condition, rule), explain_check(check, rule)):
                assert set(text) == {"id", "en"}
                assert all(text.values())
    assert "Rp50.000.000" in explain_condition(rule.conditions[0], rule)["en"]


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [{"kind": "trainings", "at_least": 1}],
        [
            {"kind": "least", "measure": "workers", "at_least": 1},
            {"kind": "least", "measure": "workers", "at_least": 2},
        ],
        [{"kind": "luck", "at_least": 1}],
        [{"kind": "least", "measure": "workers", "at_least": True}],
        [{"kind": "least", "measure": "profit", "at_least": 1}],
    ],
)
def test_criteria_outside_the_vocabulary_are_refused(conditions: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        CriteriaDocument.model_validate({"months": 6, "conditions": conditions})


# ---- proposing and taking back

RULES = Criteria("naik-kelas", 1, date(2020, 1, 1), "Naik kelas", "Graduation", document())


def review(progress: Progress, *candidacies: Candidacy, person: UUID = PERSON) -> list[Proposed | TakenBack]:
    def evaluate(_: str, __: int) -> criteria.Evaluation:
        return criteria.evaluate(RULES.document, progress, TODAY)

    return graduation.review(person, candidacies, [RULES], evaluate, make_id=new_id, now=NOW)


def candidacy(**more: Any) -> Candidacy:
    fields = {
        "candidacy_id": new_id(),
        "vendor_id": PERSON,
        "criteria": "naik-kelas",
        "criteria_version": 1,
        "state": "proposed",
        "proposed_at": NOW,
        "months_from": "2023-04",
        "months_until": "2023-06",
    }
    return Candidacy(**{**fields, **more})


MET = known(held("2023-04", "2023-05", "2023-06"))
NOT_MET = known(held("2023-04", "2023-06"))


def test_who_meets_the_criteria_is_proposed_once() -> None:
    (step,) = review(MET)
    assert isinstance(step, Proposed)
    assert (step.event.months_from, step.event.months_until) == ("2023-04", "2023-06")
    assert review(MET, step.candidacy) == []


def test_a_gap_takes_an_undecided_candidacy_back_and_filling_it_brings_the_same_one_back() -> None:
    standing = candidacy()
    (gone,) = review(NOT_MET, standing)
    assert isinstance(gone, TakenBack)
    assert gone.candidacy.taken_back_because == "figures"
    (back,) = review(MET, gone.candidacy)
    assert isinstance(back, Proposed)
    assert back.candidacy == standing


def test_of_two_candidacies_of_one_person_the_older_stands() -> None:
    older, newer = candidacy(), candidacy(vendor_id=UUID(int=8))
    (gone,) = review(MET, newer, older)
    assert gone.candidacy.candidacy_id == newer.candidacy_id
    assert gone.candidacy.taken_back_because == "merged"


def test_who_graduated_is_no_candidate() -> None:
    graduated = candidacy(state="graduated", decided_until="2022-12")
    assert review(MET, graduated) == []
    (gone,) = review(MET, graduated, candidacy())
    assert isinstance(gone, TakenBack)


@pytest.mark.parametrize(("looked_until", "again"), [("2023-04", False), ("2023-03", True)])
@pytest.mark.parametrize("state", ["declined", "revoked"])
def test_who_was_declined_is_proposed_again_only_for_months_after(state: str, looked_until: str, again: bool) -> None:
    steps = review(MET, candidacy(state=state, decided_until=looked_until, months_from="2022-12"))
    assert [isinstance(step, Proposed) for step in steps] == ([True] if again else [])


# ---- deciding

EVIDENCE = graduation.write_evidence({"b": 1, "a": [2]})


def decide(one: Candidacy, progress: Progress = MET, sha256: str = EVIDENCE[1], **command: Any) -> Candidacy:
    found = criteria.evaluate(RULES.document, progress, TODAY)
    wish = DecideCandidacy(**{"graduated": True, "evidence_sha256": sha256, **command})
    return graduation.decide(one, wish, found, EVIDENCE, kelurahan="31.71.02.1002", by="officer", now=NOW).candidacy


def test_evidence_is_the_same_text_for_the_same_facts() -> None:
    assert graduation.write_evidence({"a": [2], "b": 1}) == EVIDENCE
    assert EVIDENCE[0] == '{"a":[2],"b":1}'


def test_a_decision_freezes_what_was_seen() -> None:
    after = decide(candidacy())
    assert (after.state, after.decided_on, after.decided_until) == ("graduated", TODAY, "2023-06")
    assert (after.evidence, after.evidence_sha256) == EVIDENCE


def test_nobody_is_decided_on_twice_on_other_facts_or_against_the_criteria() -> None:
    with pytest.raises(CandidacyNotOpen):
        decide(decide(candidacy()))
    with pytest.raises(EvidenceChanged):
        decide(candidacy(), sha256="0" * 64)
    with pytest.raises(CriteriaNotHeld):
        decide(candidacy(), progress=NOT_MET)
    declined = decide(candidacy(), progress=NOT_MET, graduated=False, reason="not-lasting")
    assert declined.state == "declined"


@pytest.mark.parametrize("command", [{"graduated": False}, {"graduated": True, "reason": "not-lasting"}])
def test_a_reason_goes_with_declining(command: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DecideCandidacy.model_validate({**command, "evidence_sha256": "0" * 64})


def test_an_objection_can_be_filed_for_thirty_days() -> None:
    declined = decide(candidacy(), graduated=False, reason="not-lasting")
    graduation.appeal(declined, appeal_id=new_id(), by="vendor", now=NOW + timedelta(days=30))
    with pytest.raises(AppealTooLate):
        graduation.appeal(declined, appeal_id=new_id(), by="vendor", now=NOW + timedelta(days=31))
    with pytest.raises(NothingDecided):
        graduation.appeal(candidacy(), appeal_id=new_id(), by="vendor", now=NOW)


def test_an_objection_is_answered_by_somebody_else_and_turns_the_decision_or_not() -> None:
    declined = decide(candidacy(), graduated=False, reason="not-lasting")
    filed, _ = graduation.appeal(declined, appeal_id=new_id(), by="vendor", now=NOW)
    for by in ("officer", "vendor"):
        with pytest.raises(SameDecider):
            graduation.answer_appeal(declined, filed, True, graduated_otherwise=False, by=by, now=NOW)
    with pytest.raises(GraduatedAlready):
        graduation.answer_appeal(declined, filed, True, graduated_otherwise=True, by="other", now=NOW)
    _, granted = graduation.answer_appeal(declined, filed, True, graduated_otherwise=False, by="other", now=NOW)
    assert (granted.candidacy.state, granted.candidacy.reason) == ("graduated", None)
    _, kept = graduation.answer_appeal(declined, filed, False, graduated_otherwise=False, by="other", now=NOW)
    assert (kept.candidacy.state, kept.candidacy.reason) == ("declined", "not-lasting")
    graduated = decide(candidacy())
    filed, _ = graduation.appeal(graduated, appeal_id=new_id(), by="vendor", now=NOW)
    _, revoked = graduation.answer_appeal(graduated, filed, True, graduated_otherwise=False, by="other", now=NOW)
    assert (revoked.candidacy.state, revoked.candidacy.reason) == ("revoked", "appeal-upheld")
    with pytest.raises(NotGraduated):
        graduation.revoke(revoked.candidacy, "own-wish", by="officer", now=NOW)


# ---- what each agency did

A, B = UUID(int=1), UUID(int=2)


def word(vendor_id: UUID, version: int, kind: Any, day: date, agency: str | None = None) -> Word:
    return Word(vendor_id, version, kind, agency, datetime(day.year, day.month, day.day, 5, tzinfo=UTC))


def test_spells_follow_from_words_in_whatever_order_they_come() -> None:
    words = [
        word(A, 1, "coached", date(2022, 1, 10), "ppkukm"),
        word(A, 4, "coached", date(2022, 5, 1), "ppapp"),
        word(A, 6, "ended", date(2022, 9, 1)),
    ]
    expected = [
        Spell("ppapp", date(2022, 5, 1), date(2022, 9, 1)),
        Spell("ppkukm", date(2022, 1, 10), date(2022, 5, 1)),
    ]
    assert contributions.spells(words) == expected
    assert contributions.spells(reversed(words)) == expected


def test_a_retired_id_is_coached_by_nobody_until_it_stands_for_itself_again() -> None:
    words = [
        word(A, 1, "coached", date(2022, 1, 10), "ppkukm"),
        word(A, 2, "merged", date(2022, 3, 1)),
        word(B, 1, "coached", date(2022, 2, 1), "ppkukm"),
        word(B, 2, "ended", date(2022, 4, 1)),
    ]
    assert contributions.spells(words) == [Spell("ppkukm", date(2022, 1, 10), date(2022, 4, 1))]
    again = [*words, word(A, 3, "unmerged", date(2022, 6, 1))]
    assert contributions.spells(again)[-1] == Spell("ppkukm", date(2022, 6, 1), None)


def test_a_month_of_two_deeds_counts_once_and_days_after_count_nothing() -> None:
    record = Record(
        [Spell("ppkukm", date(2023, 1, 31), date(2023, 3, 1)), Spell("ppapp", date(2023, 6, 1), None)],
        [
            Deed("kpkp", "visit", date(2023, 2, 1)),
            Deed("kpkp", "case", date(2023, 2, 28)),
            Deed("kpkp", "case", date(2024, 2, 28)),
        ],
    )
    assert contributions.active_months(record, TODAY) == {"kpkp": 1, "ppapp": 2, "ppkukm": 3}


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 500), min_size=1))
def test_a_graduate_is_shared_wholly_and_in_proportion(months: dict[str, int]) -> None:
    parts = contributions.shares(months)
    assert sum(parts.values()) == 1000
    total = sum(months.values())
    assert all(abs(parts[agency] - 1000 * count / total) < 1 for agency, count in months.items())


def test_nobody_s_work_is_shared_among_nobody() -> None:
    assert contributions.shares({}) == {}


def test_what_was_done_is_described_the_same_whatever_the_order() -> None:
    deeds: Sequence[Deed] = [Deed("kpkp", "visit", date(2023, 2, 1)), Deed("kpkp", "visit", date(2023, 1, 1))]
    one = contributions.describe(Record(deeds=deeds))
    assert one == contributions.describe(Record(deeds=deeds[::-1]))
    assert one["agencies"][0]["first_visit_on"] == "2023-01-01"

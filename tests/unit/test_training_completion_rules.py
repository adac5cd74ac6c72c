"""Completion: rules with versions, verdicts and their words, results. Both sides of every limit."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.training.domain import classes
from services.training.domain.classes import OpenClass, TrainingClass
from services.training.domain.completion import (
    COMPLETION_RULE,
    CompletionRule,
    EnterScores,
    MakeRule,
    NoTest,
    ScoresMissing,
    assess,
    make_rule,
    require_scores,
    require_test,
)
from services.training.domain.enrolments import Enrolment
from services.training.domain.explanations import explain_result, explain_rule
from services.training.domain.results import evaluate
from shared.events.training import TrainingCompleted, TrainingNotCompleted

FIRST = date(2023, 3, 6)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(60))
FIVE = DAYS[:5]
RULE_ONE = CompletionRule(COMPLETION_RULE, percent_min=80)


def vendor(number: int) -> UUID:
    return UUID(int=number)


def a_class() -> TrainingClass:
    command = OpenClass(course="dasar-kewirausahaan", title="Dasar", area="31.71.02", days=list(FIVE), places=9)
    return classes.open_class(UUID(int=99), command)[0]


def finished() -> TrainingClass:
    return replace(a_class(), state="finished")


def met(rule: CompletionRule, attended: int, sessions: int, score: int | None = None) -> bool:
    return assess(rule, DAYS[:sessions], DAYS[:attended], score).result == "completed"


@pytest.mark.parametrize(
    ("attended", "sessions", "completes"),
    [
        (4, 5, True),
        (3, 5, False),
        (3, 4, False),  # 75 %
        (4, 4, True),
        (8, 10, True),
        (7, 9, False),  # 77.8 %: seven would do only if rounded
        (1, 1, True),
        (0, 1, False),
        (48, 60, True),
        (47, 60, False),
    ],
)
def test_rule_one_wants_eighty_percent_of_the_sessions(attended: int, sessions: int, completes: bool) -> None:
    assert met(RULE_ONE, attended, sessions) is completes


@given(percent=st.integers(1, 100), least=st.integers(1, 60), sessions=st.integers(1, 60), attended=st.integers(0, 60))
def test_a_share_and_a_number_of_sessions_have_one_threshold_per_class_that_can_be_reached(
    percent: int, least: int, sessions: int, attended: int
) -> None:
    attended = min(attended, sessions)
    rule = CompletionRule(2, percent_min=percent, sessions_min=least)
    needed = rule.sessions_needed(sessions)
    assert 1 <= needed <= sessions
    assert met(rule, attended, sessions) is (attended * 100 >= percent * sessions and attended >= min(least, sessions))
    assert met(rule, needed, sessions)
    assert not met(rule, needed - 1, sessions)


def test_a_rule_may_want_the_last_session() -> None:
    rule = CompletionRule(2, percent_min=40, last_required=True)
    assert assess(rule, FIVE, FIVE[3:], None).lacks == ()
    assert assess(rule, FIVE, FIVE[:4], None).lacks == ("last-session",)
    assert assess(rule, FIVE, FIVE[:1], None).lacks == ("sessions", "last-session")


def test_a_rule_may_want_a_score_and_without_one_nobody_completes() -> None:
    rule = CompletionRule(2, score_min=70)
    assert [assess(rule, FIVE, (), score).lacks for score in (None, 69, 70)] == [("score",), ("score",), ()]
    require_test(rule)
    with pytest.raises(NoTest):
        require_test(RULE_ONE)
    require_scores(rule, [70], 3)
    require_scores(rule, [], 0)
    require_scores(RULE_ONE, [], 3)
    with pytest.raises(ScoresMissing):
        require_scores(rule, [], 3)


def test_what_was_attended_on_days_that_are_no_sessions_any_more_does_not_count() -> None:
    verdict = assess(RULE_ONE, FIVE, {FIVE[0], DAYS[40]}, None)
    assert (verdict.attended, verdict.held, verdict.needed, verdict.missed) == (1, 5, 4, FIVE[1:])


def test_a_rule_asks_for_something_within_limits() -> None:
    assert make_rule(MakeRule(course="ekspor", sessions_min=3), 7) == CompletionRule(7, "ekspor", sessions_min=3)
    for wrong in ({}, {"percent_min": 101}, {"percent_min": 0}, {"score_min": 101}, {"sessions_min": 0}):
        with pytest.raises(ValidationError):
            MakeRule.model_validate(wrong)
    with pytest.raises(ValidationError, match="twice"):
        EnterScores.model_validate({"scores": [{"vendor_id": vendor(1), "score": 1}] * 2})


# ---- words


def test_a_rule_is_told_in_both_languages() -> None:
    told = explain_rule(CompletionRule(2, percent_min=80, last_required=True, score_min=70))
    assert (
        told.id == "Hadir sekurangnya 80 persen pertemuan, hadir di pertemuan terakhir dan nilai sekurangnya 70 "
        "dari 100."
    )
    assert (
        told.en == "At least 80 per cent of the sessions attended, the last session attended and a score of at "
        "least 70."
    )


def test_a_result_is_told_with_what_is_needed_and_what_lacks() -> None:
    rule = CompletionRule(2, percent_min=80, last_required=True, score_min=70)
    poor = explain_result(rule, assess(rule, FIVE, FIVE[:2], 60), judged=True)
    assert poor.en == (
        "Attended 2 of 5 sessions; 4 are needed. 2 more needed, the last session was not attended and the "
        "score is 60, and 70 is needed. Not completed. If the attendance is wrong, ask an officer to correct it."
    )
    good = explain_result(rule, assess(rule, FIVE, FIVE, 70), judged=True)
    assert good == (
        "Hadir 5 dari 5 pertemuan; yang diperlukan 4. Lulus.",
        "Attended 5 of 5 sessions; 4 are needed. Completed.",
    )
    running = explain_result(RULE_ONE, assess(RULE_ONE, FIVE, FIVE[:2], None), judged=False)
    assert running.id.endswith("Kelas belum selesai; ini keadaan sejauh ini.")


# ---- results


def test_a_running_class_gives_no_results() -> None:
    assert evaluate(a_class(), [Enrolment(vendor(1), frozenset(FIVE))], RULE_ONE) == []


def test_each_is_judged_by_the_days_it_attended() -> None:
    seats = [Enrolment(vendor(1), frozenset(FIVE[:4])), Enrolment(vendor(2), frozenset(FIVE[:3]))]
    (first, completed), (second, not_completed) = evaluate(finished(), seats, RULE_ONE)
    assert (first.result, second.result) == ("completed", "not-completed")
    assert isinstance(completed, TrainingCompleted)
    assert (completed.vendor_id, completed.completed_on) == (vendor(1), FIVE[-1])
    assert (completed.sessions_attended, completed.sessions_held) == (4, 5)
    assert isinstance(not_completed, TrainingNotCompleted)
    assert (not_completed.vendor_id, not_completed.sessions_attended) == (vendor(2), 3)


def test_judging_again_gives_only_what_changed() -> None:
    seats = [Enrolment(vendor(1), frozenset(FIVE[:4])), Enrolment(vendor(2))]
    judged = [enrolment for enrolment, _ in evaluate(finished(), seats, RULE_ONE)]
    assert evaluate(finished(), judged, RULE_ONE) == []
    taken_back = [replace(judged[0], attended=frozenset(FIVE[:3])), judged[1]]
    ((enrolment, event),) = evaluate(finished(), taken_back, RULE_ONE)
    assert (enrolment.vendor_id, enrolment.result) == (vendor(1), "not-completed")
    assert isinstance(event, TrainingNotCompleted)

"""What came of a finished class for each who had a place in it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from services.training.domain.classes import TrainingClass
from services.training.domain.completion import CompletionRule, Verdict, assess
from services.training.domain.enrolments import Enrolment
from shared.events.training import TraineeEvent, TrainingCompleted, TrainingNotCompleted


def evaluate(
    a_class: TrainingClass,
    roster: Iterable[Enrolment],
    rule: CompletionRule,
    scores: Mapping[UUID, int] | None = None,
) -> list[tuple[Enrolment, TraineeEvent]]:
    """Those of a finished class whose result is new or has changed, each with the event that says so.

    None while the class runs. Judging again without a changed attendance gives nothing, so it may be repeated.
    """
    if a_class.state != "finished":
        return []
    changed: list[tuple[Enrolment, TraineeEvent]] = []
    for enrolment in roster:
        verdict = assess(rule, a_class.days, enrolment.attended, (scores or {}).get(enrolment.vendor_id))
        if verdict.result != enrolment.result:
            judged = replace(enrolment, result=verdict.result)
            changed.append((judged, _result_event(a_class, judged, verdict)))
    return changed


def _result_event(a_class: TrainingClass, judged: Enrolment, verdict: Verdict) -> TraineeEvent:
    if judged.result == "completed":
        return TrainingCompleted(
            vendor_id=judged.vendor_id,
            class_id=a_class.class_id,
            course=a_class.course,
            title=a_class.title,
            completed_on=a_class.completed_on,
            sessions_attended=verdict.attended,
            sessions_held=verdict.held,
        )
    return TrainingNotCompleted(
        vendor_id=judged.vendor_id,
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        sessions_attended=verdict.attended,
        sessions_held=verdict.held,
    )

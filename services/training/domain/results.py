"""What came of a finished class for each who had a place in it."""

from collections.abc import Iterable
from dataclasses import replace

from services.training.domain.classes import TrainingClass
from services.training.domain.completion import Result, completes
from services.training.domain.enrolments import Enrolment
from shared.events.training import TraineeEvent, TrainingCompleted, TrainingNotCompleted


def evaluate(a_class: TrainingClass, roster: Iterable[Enrolment]) -> list[tuple[Enrolment, TraineeEvent]]:
    """Those of a finished class whose result is new or has changed, each with the event that says so.

    None while the class runs. Judging again without a changed attendance gives nothing, so it may be repeated.
    """
    if a_class.state != "finished":
        return []
    changed: list[tuple[Enrolment, TraineeEvent]] = []
    for enrolment in roster:
        met = completes(a_class.rule, len(enrolment.attended), len(a_class.days))
        result: Result = "completed" if met else "not-completed"
        if result != enrolment.result:
            judged = replace(enrolment, result=result)
            changed.append((judged, _result_event(a_class, judged)))
    return changed


def _result_event(a_class: TrainingClass, judged: Enrolment) -> TraineeEvent:
    if judged.result == "completed":
        return TrainingCompleted(
            vendor_id=judged.vendor_id,
            class_id=a_class.class_id,
            course=a_class.course,
            title=a_class.title,
            completed_on=a_class.completed_on,
            sessions_attended=len(judged.attended),
            sessions_held=len(a_class.days),
        )
    return TrainingNotCompleted(
        vendor_id=judged.vendor_id,
        class_id=a_class.class_id,
        course=a_class.course,
        title=a_class.title,
        sessions_attended=len(judged.attended),
        sessions_held=len(a_class.days),
    )

"""Completion rules: what a trainee has to do in a class to complete it.

Rules are data and have versions: a rule is never changed, only followed by another, and a class keeps the one that it
was opened under. A rule may ask for a share of the sessions, a number of them, the last one, and a score; all that it
asks for has to be met.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.training.domain.courses import CourseCode
from shared.errors import NotFound, Refused

Result: TypeAlias = Literal["completed", "not-completed"]
Lack: TypeAlias = Literal["sessions", "last-session", "score"]
"""What is missing to complete a class: sessions, the last session, a score that is high enough."""

COMPLETION_RULE = 1
"""Version of the rule that the programme began with, of courses for which nobody made another."""

SCORES_PER_REQUEST_MAX = 1_000


class RuleUnknown(NotFound):
    """There is no completion rule of this version."""

    code = "completion-rule-unknown"


class ScoresMissing(Refused):
    """Finishing would judge people by a test that nobody entered a score of."""

    code = "scores-missing"


class NoTest(Refused):
    """The completion rule of the class asks for no score."""

    code = "no-test"


class MakeRule(BaseModel):
    """Have classes opened from now on judged by a new rule: those of a course, or (no course) of all without their own.

    At least one of the four has to be asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    course: CourseCode | None = None
    percent_min: int | None = Field(default=None, ge=1, le=100, description="At least so many per cent of the sessions")
    sessions_min: int | None = Field(
        default=None, ge=1, le=60, description="At least so many sessions; all, where a class has fewer"
    )
    last_required: bool = Field(default=False, description="The last session must be attended")
    score_min: int | None = Field(default=None, ge=1, le=100, description="At least this score, of 100")

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.percent_min or self.sessions_min or self.last_required or self.score_min):
            raise ValueError("asks for nothing; set percent_min, sessions_min, last_required or score_min")
        return self


class Score(BaseModel):
    """What a trainee reached in the test of a class; none takes back what was entered before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor_id: UUID
    score: int | None = Field(ge=0, le=100)


def _each_once(scores: list[Score]) -> list[Score]:
    if len({one.vendor_id for one in scores}) != len(scores):
        raise ValueError("names a vendor twice")
    return scores


class EnterScores(BaseModel):
    """Scores of a class; who is not named keeps what it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: Annotated[list[Score], Field(min_length=1, max_length=SCORES_PER_REQUEST_MAX)]

    @model_validator(mode="after")
    def _names_nobody_twice(self) -> Self:
        _each_once(self.scores)
        return self


@dataclass(frozen=True)
class CompletionRule:
    """A version of a completion rule; without a course it is that of every course which has none of its own."""

    version: int
    course: str | None = None
    percent_min: int | None = None
    sessions_min: int | None = None
    last_required: bool = False
    score_min: int | None = None

    def sessions_needed(self, held: int) -> int:
        """So many of the sessions held have to be attended. In whole numbers: no rounding decides."""
        share = -(-(self.percent_min or 0) * held // 100)
        return max(share, min(self.sessions_min or 0, held))


@dataclass(frozen=True)
class Verdict:
    """How a trainee stands by the rule of its class."""

    held: int
    attended: int
    needed: int
    missed: tuple[date, ...]
    score: int | None
    lacks: tuple[Lack, ...]

    @property
    def result(self) -> Result:
        """Completed when nothing lacks."""
        return "not-completed" if self.lacks else "completed"


def make_rule(command: MakeRule, version: int) -> CompletionRule:
    """The rule of this version."""
    return CompletionRule(
        version, command.course, command.percent_min, command.sessions_min, command.last_required, command.score_min
    )


def assess(rule: CompletionRule, days: Sequence[date], attended: Collection[date], score: int | None) -> Verdict:
    """How a trainee stands that attended these days. What it attended on days that are none of the class's any more
    does not count.
    """
    missed = tuple(day for day in days if day not in attended)
    came, needed = len(days) - len(missed), rule.sessions_needed(len(days))
    lacks: list[Lack] = []
    if came < needed:
        lacks.append("sessions")
    if rule.last_required and days[-1] in missed:
        lacks.append("last-session")
    if rule.score_min is not None and (score is None or score < rule.score_min):
        lacks.append("score")
    return Verdict(len(days), came, needed, missed, score, tuple(lacks))


def require_scores(rule: CompletionRule, scores: Collection[int], trainees: int) -> None:
    """Refuse to judge a class by a test of which no score was entered. Raises `ScoresMissing`."""
    if rule.score_min is not None and trainees and not scores:
        raise ScoresMissing(
            "The completion rule of this class asks for a score, and none was entered; "
            "POST /v1/classes/{class_id}/scores first.",
            rule=rule.version,
        )


def require_test(rule: CompletionRule) -> None:
    """Refuse scores where the rule asks for none. Raises `NoTest`."""
    if rule.score_min is None:
        raise NoTest(
            f"Completion rule {rule.version}, under which this class was opened, asks for no score.", rule=rule.version
        )

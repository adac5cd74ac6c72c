"""Criteria of graduation (naik kelas) as data: what a business has to hold for how many months, in versions that are
never changed, and whether somebody's figures hold it (DOMAIN E5).

The rule. Let L be the latest month before the present one of which any figure is known. It must lie no further back
than `late_months` (1: the month that ended last). The *run* is the `months` calendar months that end with L. The
criteria are met when every condition holds of that run; a month without the figure that is asked for holds nothing.
Of a person with several ids the figures of a month are those that were entered last under any of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.errors import Conflict, NotFound, Refused

MONTHS_MAX = 36
LATE_MONTHS_MAX = 12
CONDITIONS_MAX = 12
AMOUNT_MAX = 10**15
AHEAD_DAYS_MAX = 3 * 366

Measure: TypeAlias = Literal["turnover_rupiah", "assets_rupiah", "workers"]
Month: TypeAlias = int
"""Months since year 0: year * 12 + month - 1. Texts of months are made by `month_text`."""

CriteriaName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Least(_Exact):
    """Each month of the run has at least this much."""

    kind: Literal["least"]
    measure: Measure
    at_least: int = Field(strict=True, ge=1, le=AMOUNT_MAX)


class Growth(_Exact):
    """The average of the run is so many percent above the business's own beginning: the average of the first months
    of which the measure is known, all of them before the run.
    """

    kind: Literal["growth"]
    measure: Measure
    percent: int = Field(strict=True, ge=1, le=10_000)
    baseline_months: int = Field(strict=True, ge=1, le=MONTHS_MAX)


class Trainings(_Exact):
    """So many classes completed, whenever."""

    kind: Literal["trainings"]
    at_least: int = Field(strict=True, ge=1, le=100)


class Visits(_Exact):
    """So many visits of mentors in the months of the run."""

    kind: Literal["visits"]
    at_least: int = Field(strict=True, ge=1, le=1_000)


class NothingQueried(_Exact):
    """No figure of the run waits for an officer's word."""

    kind: Literal["nothing-queried"]


Condition = Annotated[Least | Growth | Trainings | Visits | NothingQueried, Field(discriminator="kind")]


class CriteriaDocument(_Exact):
    """How long, how late the last report may be, and what has to hold: all of it."""

    months: int = Field(strict=True, ge=1, le=MONTHS_MAX, description="Consecutive months for which it has to hold")
    late_months: int = Field(
        default=3, strict=True, ge=1, le=LATE_MONTHS_MAX, description="So many months back the last report may lie"
    )
    conditions: list[Condition] = Field(min_length=1, max_length=CONDITIONS_MAX)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        codes = [code_of(condition) for condition in self.conditions]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"names {twice[0]} twice; each condition stands once")
        if all(isinstance(condition, Trainings | Visits | NothingQueried) for condition in self.conditions):
            raise ValueError("asks for no figure; at least one condition of kind least or growth is needed")
        return self


class AddCriteria(_Exact):
    """The next version of criteria, or the first of a new name."""

    name: CriteriaName = Field(examples=["naik-kelas"])
    version: int = Field(strict=True, ge=1, le=1_000_000, description="The one after the last; 1 for a new name")
    effective_on: date = Field(description="From which day it holds, Asia/Jakarta; today at the earliest")
    title_id: Words
    title_en: Words
    document: CriteriaDocument


@dataclass(frozen=True, slots=True)
class Criteria:
    """A version of named criteria; in force from its effective day until a higher version is."""

    name: str
    version: int
    effective_on: date
    title_id: str
    title_en: str
    document: CriteriaDocument


class CriteriaUnknown(NotFound):
    """No criteria have this name."""

    code = "criteria-unknown"


class CriteriaVersionTaken(Conflict):
    """Not the version that follows the last one."""

    code = "criteria-version-taken"


class EffectiveDayRefused(Refused):
    """A version holds from today or a later day: what was proposed before is not rewritten."""

    code = "effective-day-refused"
    status = 422


class Figures(NamedTuple):
    """The figures of a month; None is not known."""

    turnover_rupiah: int | None
    assets_rupiah: int | None
    workers: int | None
    queried: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a person, over all its ids: figures by month (a month without any is not in it), classes
    completed, and the days of mentors' visits.
    """

    person_id: UUID
    figures: Mapping[Month, Figures]
    trainings: int = 0
    visits: Sequence[date] = ()


class Check(NamedTuple):
    """One condition applied: what was found, and of the months asked for in how many it held (None: not by month)."""

    condition: Condition
    met: bool
    found: int | None
    months_held: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Criteria applied to a person. Without a run nothing was reported lately enough, and nothing is met."""

    run: tuple[Month, ...]
    checks: tuple[Check, ...]

    @property
    def met(self) -> bool:
        """Whether all of it holds."""
        return bool(self.run) and all(check.met for check in self.checks)


def code_of(condition: Condition) -> str:
    """Stable, for texts and evidence, for example least-workers."""
    if isinstance(condition, Least | Growth):
        return f"{condition.kind}-{condition.measure.removesuffix('_rupiah')}"
    return condition.kind


def month_of(day: date) -> Month:
    """The month of a day."""
    return day.year * 12 + day.month - 1


def read_month(text: str) -> Month:
    """A month from a text such as 2023-03."""
    return int(text[:4]) * 12 + int(text[5:7]) - 1


def month_text(month: Month) -> str:
    """A month as a text such as 2023-03; texts sort as months do."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


class Needs(NamedTuple):
    """What criteria ask of a person, so that nothing else is read: figures since a month (None: all there are),
    classes completed, visits.
    """

    since: Month | None
    trainings: bool
    visits: bool


def needs_of(documents: Iterable[CriteriaDocument], today: date) -> Needs:
    """What these criteria ask for, together."""
    asked = list(documents)
    conditions = [condition for document in asked for condition in document.conditions]
    since = None
    if not any(isinstance(condition, Growth) for condition in conditions):
        since = min(
            (month_of(today) - document.late_months - document.months + 1 for document in asked),
            default=month_of(today),
        )
    return Needs(
        since,
        any(isinstance(condition, Trainings) for condition in conditions),
        any(isinstance(condition, Visits) for condition in conditions),
    )


def check_effective(effective_on: date, today: date) -> None:
    """Raises `EffectiveDayRefused`."""
    if not today <= effective_on <= today + timedelta(days=AHEAD_DAYS_MAX):
        raise EffectiveDayRefused("`effective_on` lies between today and three years ahead; choose such a day.")


def evaluate(document: CriteriaDocument, progress: Progress, today: date) -> Evaluation:
    """Apply criteria to what is known of a person today."""
    present = month_of(today)
    last = max((month for month in progress.figures if month < present), default=None)
    if last is None or last < present - document.late_months:
        return Evaluation((), tuple(Check(condition, False, None) for condition in document.conditions))
    run = tuple(range(last - document.months + 1, last + 1))
    return Evaluation(run, tuple(_check(condition, run, progress) for condition in document.conditions))


def _check(condition: Condition, run: Sequence[Month], progress: Progress) -> Check:
    match condition:
        case Least(measure=measure, at_least=at_least):
            values = _values(measure, run, progress)
            held = sum(value is not None and value >= at_least for value in values)
            known = [value for value in values if value is not None]
            return Check(condition, held == len(run), min(known, default=None), held)
        case Growth():
            return _check_growth(condition, run, progress)
        case Trainings(at_least=at_least):
            return Check(condition, progress.trainings >= at_least, progress.trainings)
        case Visits(at_least=at_least):
            count = sum(run[0] <= month_of(day) <= run[-1] for day in progress.visits)
            return Check(condition, count >= at_least, count)
        case NothingQueried():
            queried = sum(month in progress.figures and progress.figures[month].queried for month in run)
            return Check(condition, queried == 0, queried)


def _check_growth(condition: Growth, run: Sequence[Month], progress: Progress) -> Check:
    """`found` is the growth in whole percent, rounded down. In whole numbers: averages are compared crosswise."""
    values = _values(condition.measure, run, progress)
    known = [value for value in values if value is not None]
    first = [
        month
        for month in sorted(progress.figures)
        if month < run[0] and getattr(progress.figures[month], condition.measure) is not None
    ][: condition.baseline_months]
    if len(known) < len(run) or len(first) < condition.baseline_months:
        return Check(condition, False, None, len(known))
    base = sum(getattr(progress.figures[month], condition.measure) for month in first)
    now = sum(known)
    if base == 0:  # from nothing, anything is growth
        return Check(condition, now > 0, None, len(known))
    percent = (now * len(first) * 100) // (base * len(run)) - 100
    return Check(condition, percent >= condition.percent, percent, len(known))


def _values(measure: Measure, run: Sequence[Month], progress: Progress) -> list[int | None]:
    return [getattr(progress.figures[month], measure) if month in progress.figures else None for month in run]

"""Indicators (P6): turnover, assets and workers by month, what looks odd among them, and the size of a business."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from shared.errors import Forbidden, NotFound, Refused
from shared.events.products import IndicatorsReported

__all__ = [
    "AMOUNT_RUPIAH_MAX",
    "FIRST_MONTH",
    "GROUP_VENDORS_MIN",
    "HISTORY_MONTHS",
    "WORKERS_MAX",
    "EnteredBy",
    "Figures",
    "FiguresMissing",
    "LevelTooFine",
    "MonthRefused",
    "PeriodRefused",
    "Query",
    "QueryAnswered",
    "Report",
    "ReportReplaced",
    "ReportUnknown",
    "SizeClass",
    "check_month",
    "check_period",
    "classify",
    "months_before",
    "question",
    "tell",
]

FIRST_MONTH = date(2015, 1, 1)
"""Older figures are nobody's business here."""
AMOUNT_RUPIAH_MAX = 10**15
WORKERS_MAX = 100_000

HISTORY_MONTHS = 6
HISTORY_VALUES_MIN = 3
"""With fewer months known nothing can be called usual."""
MODIFIED_Z_MAX = 3.5
"""Iglewicz and Hoaglin (1993), "How to Detect and Handle Outliers": beyond this a value is labelled an outlier."""
MAD_TO_SIGMA = 1.4826
"""Times the median absolute deviation: the standard deviation, for a normal distribution."""
LOG_SIGMA_MIN = 0.25
"""Figures that hardly move would make every change an outlier: nothing within a factor of 2.4 (e^(3.5 x 0.25)) is."""
WORKERS_DIFFERENCE_MIN = 5
"""Among few workers factors say little: one more helper doubles them."""
UNIT_FACTORS = (1_000, 1_000_000)
UNIT_TOLERANCE = 2.0
"""A figure in thousands or millions of rupiah is off by that factor, give or take an ordinary month."""

TURNOVER_MONTH_RUPIAH_MAX = 50_000_000_000
"""More in one month than a medium business makes in a year (PP 7/2021, Pasal 35)."""
RUPIAH_MIN = 1_000
"""Less, and not zero, was meant in thousands: the smallest coin in use buys nothing."""
WORKERS_LARGE = 100
"""BPS calls a business of 100 workers or more large."""

MICRO_RUPIAH_MAX = 2_000_000_000
SMALL_RUPIAH_MAX = 15_000_000_000
MEDIUM_RUPIAH_MAX = 50_000_000_000
CLASS_MONTHS = 12
CLASS_SOURCE = "PP 7/2021, Pasal 35: hasil penjualan tahunan"
STATISTICS_MONTHS_MAX = 12
GROUP_VENDORS_MIN = 5
"""Statistics of fewer vendors would tell of a person."""

EnteredBy = Literal["vendor", "mentor", "officer"]
Measure = Literal["turnover_rupiah", "assets_rupiah", "workers"]
MEASURES: tuple[Measure, ...] = ("turnover_rupiah", "assets_rupiah", "workers")
QueryCode = Literal["far-from-usual", "unit-mistake", "fell-to-zero", "too-large", "too-small"]


class Figures(NamedTuple):
    """The figures of a month; None is not known."""

    turnover_rupiah: int | None = None
    assets_rupiah: int | None = None
    workers: int | None = None


class Query(NamedTuple):
    """What looks odd: a measure, why, and what was usual in the months before, where enough of them are known."""

    measure: Measure
    code: QueryCode
    usual: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a month as they were entered; `replaced_at` when a later report of that month counts instead.

    `visit_id`: the mentor's visit that brought them; `taken_back_at` when that was struck or corrected since.
    """

    report_id: UUID
    vendor_id: UUID
    month: date
    figures: Figures
    entered_by: EnteredBy
    entered_subject: str
    entered_at: datetime
    queries: tuple[Query, ...] = ()
    query_state: Literal["open", "confirmed", "corrected"] | None = None
    answered_at: datetime | None = None
    replaced_at: datetime | None = None
    visit_id: UUID | None = None
    taken_back_at: datetime | None = None


class SizeClass(NamedTuple):
    """The size of a business by its turnover of twelve months; `complete` when every month is known.

    `name` is None without a single month; of an incomplete year it is the least it can be.
    """

    name: Literal["mikro", "kecil", "menengah", "besar"] | None
    turnover_rupiah: int
    months_known: int
    complete: bool
    source: str = CLASS_SOURCE


class MonthRefused(Refused):
    """A month that no figures can be kept of."""

    code: ClassVar[str] = "month-refused"
    status: ClassVar[int] = 422

    def __init__(self, latest: date) -> None:
        first, last = f"{FIRST_MONTH:%Y-%m}", f"{latest:%Y-%m}"
        super().__init__(f"Figures are kept of the months {first} to {last}.", first=first, last=last)


class LevelTooFine(Forbidden):
    """Statistics of smaller areas are for officers, who may see those vendors anyway."""

    code: ClassVar[str] = "level-too-fine"

    def __init__(self) -> None:
        super().__init__("Statistics below cities are for the officers of the area; ask by=city.")


class PeriodRefused(Refused):
    """Statistics of no months, or of too many at once."""

    code: ClassVar[str] = "period-refused"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__(
            f"Ask for 1 to {STATISTICS_MONTHS_MAX} months at once, the first one before the last.",
            months_max=STATISTICS_MONTHS_MAX,
        )


class FiguresMissing(Refused):
    """A report without a figure."""

    code: ClassVar[str] = "figures-missing"
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("A report holds at least one of turnover, assets and workers.")


class ReportUnknown(NotFound):
    """No such report, or none the caller may know of."""

    code: ClassVar[str] = "report-unknown"

    def __init__(self, report_id: UUID) -> None:
        super().__init__("No report with this id is known to you.", report_id=str(report_id))


class QueryAnswered(Refused):
    """There is nothing to answer."""

    code: ClassVar[str] = "query-answered"

    def __init__(self) -> None:
        super().__init__("Nobody waits for an answer on this report: it was not queried, or it is answered already.")


class ReportReplaced(Refused):
    """A later report of the month counts."""

    code: ClassVar[str] = "report-replaced"

    def __init__(self) -> None:
        super().__init__("A later report of this month counts instead; look at that one.")


def check_month(month: date, today: date) -> None:
    """Refuse a month before 2015 or after the present one. Raises `MonthRefused`."""
    latest = today.replace(day=1)
    if not FIRST_MONTH <= month <= latest:
        raise MonthRefused(latest)


def check_period(first: date, last: date) -> None:
    """Refuse a period of statistics that is empty or too long. Raises `PeriodRefused`."""
    if not months_before(last, STATISTICS_MONTHS_MAX - 1) <= first <= last:
        raise PeriodRefused


def months_before(month: date, count: int) -> date:
    """The first day of the month `count` months before."""
    index = month.year * 12 + month.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


def question(figures: Figures, history: Sequence[Figures]) -> tuple[Query, ...]:
    """What looks odd about the figures of a month, seen beside those of the months before. Nothing is refused for it.

    One query for each measure at most, the most telling one: a mistake of units, then a figure that is absurd for any
    vendor, then one that is far from the vendor's own usual. Usual is the median; far is a modified z-score over
    `MODIFIED_Z_MAX` on the logarithms, because turnover grows by factors, and with the median absolute deviation,
    because one odd month before must not hide the next.
    """
    if figures == Figures():
        raise FiguresMissing
    queries = []
    for measure in MEASURES:
        value = getattr(figures, measure)
        if value is not None:
            known = [past for one in history if (past := getattr(one, measure)) is not None]
            query = _query(measure, value, known)
            if query is not None:
                queries.append(query)
    return tuple(queries)


def _query(measure: Measure, value: int, known: Sequence[int]) -> Query | None:
    # a month without sales says nothing about the size of the others
    past = [math.log(figure) for figure in known if figure > 0]
    usual = median(past) if past else None
    shown = None if usual is None else round(math.exp(usual))
    if usual is not None and value > 0 and measure != "workers":
        distance = abs(math.log(value) - usual)
        if any(abs(distance - math.log(factor)) <= math.log(UNIT_TOLERANCE) for factor in UNIT_FACTORS):
            return Query(measure, "unit-mistake", shown)
    absurd = _absurd(measure, value)
    if absurd is not None:
        return Query(measure, absurd, shown)
    if usual is None or len(past) < HISTORY_VALUES_MIN:
        return None
    if value == 0:
        return (
            Query(measure, "fell-to-zero", shown) if len(past) == len(known) and measure == "turnover_rupiah" else None
        )
    sigma = max(MAD_TO_SIGMA * median(abs(one - usual) for one in past), LOG_SIGMA_MIN)
    if abs(math.log(value) - usual) / sigma <= MODIFIED_Z_MAX:
        return None
    if measure == "workers" and abs(value - math.exp(usual)) < WORKERS_DIFFERENCE_MIN:
        return None
    return Query(measure, "far-from-usual", shown)


def _absurd(measure: Measure, value: int) -> QueryCode | None:
    if measure == "workers":
        return "too-large" if value >= WORKERS_LARGE else None
    if 0 < value < RUPIAH_MIN:
        return "too-small"
    return "too-large" if measure == "turnover_rupiah" and value > TURNOVER_MONTH_RUPIAH_MAX else None


def tell(report: Report) -> IndicatorsReported:
    """What others hear of a report that counts."""
    return IndicatorsReported(
        vendor_id=report.vendor_id,
        month=f"{report.month:%Y-%m}",
        **report.figures._asdict(),
        entered_by=report.entered_by,
        queried=report.query_state == "open",
        entered_at=report.entered_at,
    )


def classify(turnovers: Mapping[date, int | None], until: date) -> SizeClass:
    """The size of a business by the turnover of the twelve months that end with `until` (PP 7/2021, Pasal 35).

    Micro up to 2 billion rupiah a year, small up to 15, medium up to 50. `turnovers`: month -> turnover, if known.
    """
    months = [months_before(until, count) for count in range(CLASS_MONTHS)]
    known = [turnover for month in months if (turnover := turnovers.get(month)) is not None]
    total = sum(known)
    complete = len(known) == CLASS_MONTHS
    if not known:
        return SizeClass(None, 0, 0, complete)
    if total <= MICRO_RUPIAH_MAX:
        return SizeClass("mikro", total, len(known), complete)
    if total <= SMALL_RUPIAH_MAX:
        return SizeClass("kecil", total, len(known), complete)
    if total <= MEDIUM_RUPIAH_MAX:
        return SizeClass("menengah", total, len(known), complete)
    return SizeClass("besar", total, len(known), complete)

"""Sales of a booth on a day: first reports and corrections, and figures that are far from what is usual.

Figures are compared with two things, where there are enough of them: what the vendor itself sold on days before, and
what others of its category (else all others) sold at the same site that day. They are queried when they are unusual by
every comparison there is: rain explains a bad day, and a vendor that always sells much sells much. The middle is the
median and the spread the median absolute deviation, both of logarithms, so that neither one slip of the pen among the
others nor a few big sellers move them; the field's usual threshold is 3.5 (Iglewicz and Hoaglin, 1993).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from math import log
from statistics import median
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StrictInt, model_validator

from services.bazaar.domain.application import Application, Step
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.values import Exact
from shared.errors import NotFound, Refused
from shared.events.bazaar import SalesQueried, SalesReported

Origin = Literal["vendor", "link", "officer", "import"]
"""Who says so: the vendor signed in, whoever has the vendor's link, an officer, a marketplace's file."""

OWN_DAYS_MIN = 5
PEERS_MIN = 8
"""So many days of its own, and so many others on the day, make a comparison."""

SCORE_MAX = 3.5
MAD_TO_DEVIATION = 1.4826
"""The median absolute deviation of a normal distribution, times this, is its standard deviation."""

FACTOR_MIN = 5
"""Nothing within this factor of the median is queried, however alike the others are: the slips meant are digits too
many or too few, and units of thousands."""

OWN_DAYS_READ = 60
REPORT_DAYS_AFTER = 14
"""A vendor's link is good until so many days after the last day of its site."""


class NotCheckedIn(Refused):
    """Sales belong to a day on which the vendor was at its booth."""

    code = "not-checked-in"


class SalesAlreadyReported(Refused):
    """Sales of one booth and day are reported once; what was wrong is corrected."""

    code = "sales-already-reported"


class SalesUnknown(NotFound):
    """Nothing was reported for this booth and day yet."""

    code = "sales-unknown"


class NoQueryOpen(Refused):
    """Nobody doubts these figures."""

    code = "no-query-open"


class SalesLinkInvalid(NotFound):
    """The link was never given, has ended, or was replaced by another."""

    code = "sales-link-invalid"


class ReportSales(Exact):
    """Command: sales of one day at the booth. Who sold nothing says so: zero of everything."""

    day: date
    turnover_rupiah: Annotated[StrictInt, Field(ge=0, le=10**12)]
    transactions: Annotated[StrictInt, Field(ge=0, le=10**6)]
    units: Annotated[StrictInt, Field(ge=0, le=10**7)] | None = None

    @model_validator(mode="after")
    def _all_or_nothing(self) -> Self:
        if (self.turnover_rupiah == 0) != (self.transactions == 0):
            raise ValueError(
                "turnover_rupiah and transactions are both 0, on a day on which nothing was sold, or both more"
            )
        if self.transactions == 0 and self.units:
            raise ValueError("units must be 0 when nothing was sold")
        return self


class Figures(NamedTuple):
    """Sales of one booth and day."""

    turnover_rupiah: int
    transactions: int
    units: int | None


class Comparisons(NamedTuple):
    """What figures are compared with. `own`: of the vendor on other days; `peers`: of others at the site that day."""

    own: Sequence[Figures] = ()
    peers: Sequence[Figures] = ()


def unusual(figures: Figures, comparisons: Comparisons) -> list[str]:
    """Codes of what is far from usual, in a fixed order; none for a day on which nothing was sold."""
    known = [
        [one for one in others if one.transactions]
        for others, least in ((comparisons.own, OWN_DAYS_MIN), (comparisons.peers, PEERS_MIN))
        if sum(1 for one in others if one.transactions) >= least
    ]
    if not known or not figures.transactions:
        return []
    return [code for code, measure, sign in MEASURES if all(_far(figures, others, measure) == sign for others in known)]


def _turnover(figures: Figures) -> float | None:
    return float(figures.turnover_rupiah)


def _per_transaction(figures: Figures) -> float | None:
    return figures.turnover_rupiah / figures.transactions


def _per_unit(figures: Figures) -> float | None:
    return figures.turnover_rupiah / figures.units if figures.units else None


Measure = Callable[[Figures], float | None]

MEASURES: tuple[tuple[str, Measure, int], ...] = (
    ("turnover-high", _turnover, 1),
    ("turnover-low", _turnover, -1),
    ("per-transaction-high", _per_transaction, 1),
    ("per-unit-high", _per_unit, 1),
)


def _far(figures: Figures, others: Sequence[Figures], measure: Measure) -> int:
    """1: far above the others; -1: far below; 0: neither, or too few of them say."""
    value = measure(figures)
    known = [log(found) for one in others if (found := measure(one)) is not None]
    if value is None or len(known) < OWN_DAYS_MIN:
        return 0
    middle = median(known)
    spread = MAD_TO_DEVIATION * median(abs(one - middle) for one in known)
    distance = log(value) - middle
    if abs(distance) <= max(SCORE_MAX * spread, log(FACTOR_MIN)):
        return 0
    return 1 if distance > 0 else -1


def require_sold(application: Application, bazaar: Bazaar, day: date, today: date, *, checked_in: bool) -> None:
    """Refuse sales of a day on which the vendor did not stand at its booth; online: did not take part."""
    held = application.offer
    took_part = (
        held is not None
        and application.state in ("confirmed", "attended")
        and day in bazaar.site(held.site_id).days
        and day <= today
    )
    if held is None or not (took_part if bazaar.setting == "online" else checked_in):
        raise NotCheckedIn("Sales are reported for days on which the booth was checked in.", day=str(day))


def report(application: Application, command: ReportSales) -> Step:
    """Sales of one day; of two reports of a day the later holds."""
    assert application.offer is not None
    event = SalesReported(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        site_id=application.offer.site_id,
        day=command.day,
        turnover_rupiah=command.turnover_rupiah,
        transactions=command.transactions,
        units=command.units,
    )
    return Step(replace(application, version=application.version + 1), event)


def query(application: Application, bazaar: Bazaar, day: date, because: str) -> Step:
    """Are these figures right? The vendor or an officer confirms or corrects them."""
    event = SalesQueried(
        application_id=application.application_id,
        bazaar_id=application.bazaar_id,
        vendor_id=application.vendor_id,
        bazaar_name=bazaar.name,
        day=day,
        because=because,
    )
    return Step(replace(application, version=application.version + 1), event)

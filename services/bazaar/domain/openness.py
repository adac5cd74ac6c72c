"""Open figures: how booths were shared out, for everyone, so that no figure tells of one person.

A row stands for a group of people (a kelurahan, a category). A row of fewer than `PEOPLE_MIN` people is hidden, and,
since its parent's sum is shown, so are others beside it until what is hidden under one parent is at least two rows of
at least `PEOPLE_MIN` people together: else a subtraction would bring it back (complementary suppression). Under a
hidden row everything is hidden. A row of nobody shows nothing about anybody and may stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

PEOPLE_MIN = 5
"""Groups of fewer people are not shown, as in the registry's statistics."""

TURNS_SHOWN_MAX = 5
"""People with as many turns or more stand in one row."""

By = Literal["city", "kecamatan", "kelurahan", "rw", "category", "agency"]
AREA_CODE_LENGTHS: Mapping[str, int] = {"city": 5, "kecamatan": 8, "kelurahan": 13}
"""How much of the code of a kelurahan (31.71.02.1002) names the area of that level."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of the applications of one group in a period.

    `vendors`: people who applied; `applications`: those not withdrawn; `offered`: to whom a booth was offered, of which
    `confirmed` (whatever followed), `declined`, `lapsed`, `released`, `attended`, `missed`; `turns`: entered into the
    ledger; `promoted`: offered a booth that somebody gave back; `waiting_since`: of whoever of them waits longest, the
    day of its last turn or first application.
    """

    value: str
    vendors: int
    applications: int
    offered: int
    promoted: int
    confirmed: int
    declined: int
    lapsed: int
    released: int
    attended: int
    missed: int
    turns: int
    waiting_since: date | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """RWs of one area (DOMAIN E2): with vendors, with one who ever applied, with one who was ever offered a booth."""

    value: str
    with_vendors: int
    willing: int
    served: int


@dataclass(frozen=True, slots=True)
class Forecasts:
    """How good the forecasts told to those who waited were. Errors in rounds; above 0: it took longer than said.

    Counted over rounds that the person took part in. `settled`: a booth was offered since; `overdue`: none yet, though
    the rounds forecast are over; `open`: too early to say.
    """

    made: int
    settled: int
    overdue: int
    open: int
    exact: int
    within_one: int
    mean_error: float | None
    mean_absolute_error: float | None


def conceal(rows: Iterable[LedgerRow], parent_of: Mapping[str, str]) -> set[str]:
    """The values of the rows that are not shown. `parent_of`: value -> the value whose sum is shown above it, "" for
    the whole.
    """
    children: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in rows:
        children[parent_of.get(row.value, "")].append(row)
    hidden: set[str] = set()
    # parents before children: shorter codes of areas stand above longer ones
    for parent in sorted(children, key=len):
        family = sorted(children[parent], key=lambda row: (row.vendors, row.value))
        if parent in hidden:
            hidden.update(row.value for row in family)
            continue
        people = [row for row in family if row.vendors > 0]
        small = [row for row in people if row.vendors < PEOPLE_MIN]
        while small and (len(small) < 2 or sum(row.vendors for row in small) < PEOPLE_MIN) and len(small) < len(people):
            small.append(people[len(small)])
        hidden.update(row.value for row in small)
    return hidden


class Forecast(NamedTuple):
    """Forecasts that went alike: rounds forecast, rounds it took, or None while no booth was offered, rounds since,
    and how many these are."""

    rounds: int
    took: int | None
    since: int
    times: int = 1


def assess(forecasts: Iterable[Forecast]) -> Forecasts:
    """How forecasts did."""
    made = settled = overdue = exact = within_one = error_sum = absolute_sum = 0
    for forecast, took, since, times in forecasts:
        made += times
        if took is None:
            overdue += times * (since > forecast)
            continue
        error = took - forecast
        settled += times
        exact += times * (error == 0)
        within_one += times * (abs(error) <= 1)
        error_sum += times * error
        absolute_sum += times * abs(error)
    return Forecasts(
        made=made,
        settled=settled,
        overdue=overdue,
        open=made - settled - overdue,
        exact=exact,
        within_one=within_one,
        mean_error=error_sum / settled if settled else None,
        mean_absolute_error=absolute_sum / settled if settled else None,
    )

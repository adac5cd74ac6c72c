"""Indicators: which months are taken, what looks odd, and the size of a business."""

import contextlib
import csv
import io
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendor.domain import indicators as domain
from services.vendor.domain.indicators import Figures, FiguresMissing, MonthRefused, PeriodRefused, Query, Report
from services.vendor.figures import ROWS_MAX, read_figures
from shared.workbooks import SheetRefused

TODAY = date(2023, 3, 15)
MILLION = 1_000_000
BILLION = 1_000 * MILLION


def queries(value: int, *past: int | None, measure: str = "turnover_rupiah") -> list[str]:
    history = [Figures(**{measure: figure}) for figure in past]
    return [query.code for query in domain.question(Figures(**{measure: value}), history)]


@pytest.mark.parametrize(
    ("month", "good"),
    [
        (date(2014, 12, 1), False),
        (date(2015, 1, 1), True),
        (date(2023, 3, 1), True),
        (date(2023, 4, 1), False),
    ],
)
def test_months_are_taken_from_2015_to_the_present_one(month: date, good: bool) -> None:
    if good:
        domain.check_month(month, TODAY)
        return
    with pytest.raises(MonthRefused) as caught:
        domain.check_month(month, TODAY)
    assert caught.value.details == {"first": "2015-01", "last": "2023-03"}


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert domain.months_before(date(2023, 1, 1), 1) == date(2022, 12, 1)
    assert domain.months_before(date(2023, 3, 1), 15) == date(2021, 12, 1)
    assert domain.months_before(date(2023, 3, 1), 0) == date(2023, 3, 1)


@pytest.mark.parametrize(
    ("first", "last", "good"),
    [
        (date(2023, 1, 1), date(2023, 1, 1), True),
        (date(2022, 2, 1), date(2023, 1, 1), True),
        (date(2022, 1, 1), date(2023, 1, 1), False),
        (date(2023, 2, 1), date(2023, 1, 1), False),
    ],
)
def test_statistics_are_of_one_to_twelve_months(first: date, last: date, good: bool) -> None:
    if good:
        domain.check_period(first, last)
        return
    with pytest.raises(PeriodRefused):
        domain.check_period(first, last)


def test_a_report_without_a_figure_is_refused() -> None:
    with pytest.raises(FiguresMissing):
        domain.question(Figures(), [])


def test_nothing_is_usual_with_less_than_three_months() -> None:
    assert queries(40 * MILLION, 4 * MILLION, 4 * MILLION) == []
    assert queries(40 * MILLION, 4 * MILLION, 4 * MILLION, 4 * MILLION) == ["far-from-usual"]


def test_steady_figures_may_move_by_a_factor_of_two_and_not_of_three() -> None:
    steady = (4 * MILLION,) * 6
    for good in (8 * MILLION, 2 * MILLION):
        assert queries(good, *steady) == []
    for odd in (12 * MILLION, MILLION):
        assert queries(odd, *steady) == ["far-from-usual"]


def test_figures_that_swing_may_swing_on() -> None:
    swinging = (MILLION, 4 * MILLION, 2 * MILLION, 8 * MILLION, 3 * MILLION, 6 * MILLION)
    assert queries(20 * MILLION, *swinging) == []


def test_one_odd_month_does_not_hide_the_next() -> None:
    """The mean and the standard deviation would be carried away by the 400 million."""
    past = (4 * MILLION, 5 * MILLION, 4 * MILLION, 400 * MILLION, 5 * MILLION, 4 * MILLION)
    assert queries(300 * MILLION, *past) == ["far-from-usual"]


@pytest.mark.parametrize("factor", [1000, 1_000_000])
@pytest.mark.parametrize("measure", ["turnover_rupiah", "assets_rupiah"])
def test_figures_in_thousands_and_millions_are_found(factor: int, measure: str) -> None:
    assert queries(4 * MILLION // factor, 5 * MILLION, measure=measure) == ["unit-mistake"]
    assert queries(4 * MILLION * factor, 5 * MILLION, measure=measure) == ["unit-mistake"]
    assert queries(4 * MILLION * factor // 3, 4 * MILLION, measure=measure) != ["unit-mistake"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, []),
        (1, ["too-small"]),
        (999, ["too-small"]),
        (1000, []),
        (50 * BILLION, []),
        (50 * BILLION + 1, ["too-large"]),
    ],
)
def test_turnover_that_no_vendor_makes_is_asked_about(value: int, code: list[str]) -> None:
    assert queries(value) == code


def test_a_hundred_workers_are_asked_about() -> None:
    assert queries(99, measure="workers") == []
    assert queries(100, measure="workers") == ["too-large"]


def test_among_few_workers_factors_say_little() -> None:
    assert queries(5, 1, 1, 1, measure="workers") == []
    assert queries(6, 1, 1, 1, measure="workers") == ["far-from-usual"]


def test_a_month_without_sales_is_asked_about_where_there_always_were_some() -> None:
    assert queries(0, 4 * MILLION, 4 * MILLION, 4 * MILLION) == ["fell-to-zero"]
    assert queries(0, 4 * MILLION, 0, 4 * MILLION, 4 * MILLION) == []
    assert queries(0, 0, 0, 0) == []
    assert queries(0, 4 * MILLION, 4 * MILLION, 4 * MILLION, measure="assets_rupiah") == []


def test_months_without_the_figure_do_not_count() -> None:
    assert queries(40 * MILLION, 4 * MILLION, None, 4 * MILLION, None) == []


def test_each_measure_is_asked_about_with_what_was_usual() -> None:
    history = [Figures(4 * MILLION, 9 * MILLION, 2)] * 3
    assert domain.question(Figures(40 * MILLION, 9 * MILLION, 200), history) == (
        Query("turnover_rupiah", "far-from-usual", 4 * MILLION),
        Query("workers", "too-large", 2),
    )


@given(st.lists(st.integers(0, 10**15), max_size=6), st.integers(0, 10**15))
def test_whatever_is_entered_is_asked_about_once_at_most(past: list[int], value: int) -> None:
    assert len(queries(value, *past)) <= 1


@given(st.lists(st.integers(1000, 10**9), min_size=3, max_size=6))
def test_the_usual_itself_is_never_odd(past: list[int]) -> None:
    assert "far-from-usual" not in queries(sorted(past)[len(past) // 2], *(past * 2)[: len(past)])


def test_a_report_is_told_with_whether_it_waits_for_an_answer() -> None:
    report = Report(
        report_id=UUID(int=1),
        vendor_id=UUID(int=2),
        month=date(2023, 2, 1),
        figures=Figures(5, None, 2),
        entered_by="mentor",
        entered_subject="m",
        entered_at=datetime(2023, 3, 1, tzinfo=UTC),
        query_state="open",
    )
    assert domain.tell(report).model_dump(mode="json") == {
        "vendor_id": str(UUID(int=2)),
        "month": "2023-02",
        "turnover_rupiah": 5,
        "assets_rupiah": None,
        "workers": 2,
        "entered_by": "mentor",
        "entered_at": "2023-03-01T00:00:00Z",
        "queried": True,
    }


def year(total: int, months: int = 12) -> dict[date, int | None]:
    until = date(2023, 2, 1)
    turnovers: dict[date, int | None] = dict.fromkeys((domain.months_before(until, n) for n in range(months)), 0)
    turnovers[until] = total
    return turnovers


@pytest.mark.parametrize(
    ("total", "name"),
    [
        (0, "mikro"),
        (2 * BILLION, "mikro"),
        (2 * BILLION + 1, "kecil"),
        (15 * BILLION, "kecil"),
        (15 * BILLION + 1, "menengah"),
        (50 * BILLION, "menengah"),
        (50 * BILLION + 1, "besar"),
    ],
)
def test_the_size_follows_the_turnover_of_a_year(total: int, name: str) -> None:
    size = domain.classify(year(total), date(2023, 2, 1))
    assert (size.name, size.turnover_rupiah, size.months_known, size.complete) == (name, total, 12, True)
    assert "PP 7/2021" in size.source


def test_an_incomplete_year_says_so_and_older_months_do_not_count() -> None:
    turnovers = {**year(MILLION, 11), date(2022, 2, 1): 60 * BILLION}
    size = domain.classify(turnovers, date(2023, 2, 1))
    assert (size.name, size.months_known, size.complete) == ("mikro", 11, False)
    assert domain.classify({}, date(2023, 2, 1)).name is None


# ---- sheets


def sheet(*cells: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([["vendor_id", "bulan", "omzet", "aset", "tenaga_kerja"], cells])
    return out.getvalue().encode()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4500000", 4_500_000),
        ("4.500.000", 4_500_000),
        ("Rp 4.500.000,00", 4_500_000),
        ("4,5 juta", 4_500_000),
        ("0", 0),
        ("-5", None),
        ("4,5", None),
        ("2jtan", None),
        ("banyak", None),
        ("9" * 16, None),
        ("9" * 101, None),
    ],
)
def test_amounts_are_read_as_people_write_them_and_not_guessed(text: str, amount: int | None) -> None:
    (row,) = read_figures(sheet(str(UUID(int=1)), "2023-02", text, "", ""))
    assert row.figures.turnover_rupiah == amount
    assert [problem.code for problem in row.problems] == ([] if amount is not None else ["turnover-format"])


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2023-02", date(2023, 2, 1)),
        ("2/2023", date(2023, 2, 1)),
        ("02-2023", date(2023, 2, 1)),
        ("2023-13", None),
        ("0000-01", None),
        ("Feb-23", None),
    ],
)
def test_months_are_read_in_two_ways(text: str, month: date | None) -> None:
    (row,) = read_figures(sheet(str(UUID(int=1)), text, "1", "", ""))
    assert row.month == month


def test_a_sheet_has_as_many_rows_as_one_transaction_takes() -> None:
    head = b"vendor_id,month,workers\n"
    assert len(read_figures(head + b"x,y,1\n" * ROWS_MAX)) == ROWS_MAX
    with pytest.raises(SheetRefused):
        read_figures(head + b"x,y,1\n" * (ROWS_MAX + 1))


@given(st.lists(st.text(max_size=120), min_size=5, max_size=5))
def test_any_row_is_read_or_named(cells: list[str]) -> None:
    try:
        rows = read_figures(sheet(*cells).decode().encode("utf-8", "surrogatepass"))
    except (SheetRefused, UnicodeError):
        return
    for row in rows:
        assert row.problems or (row.vendor_id and row.month)
        said = "".join(f"{problem.reason}{problem.fix}" for problem in row.problems)
        assert all(cell not in said for cell in cells if len(cell) > 8)


@given(st.sampled_from(["{} juta", "Rp{}", "{}", "{}rb", "{},{}", "1e{}", "{}m {}jt"]), st.integers(0, 10**80))
def test_no_amount_is_a_fault(form: str, number: int) -> None:
    (row,) = read_figures(sheet(str(UUID(int=1)), "2023-02", form.replace("{}", str(number)), "", ""))
    turnover = row.figures.turnover_rupiah
    assert (turnover is None) == bool(row.problems)
    assert turnover is None or 0 <= turnover <= domain.AMOUNT_RUPIAH_MAX


@given(st.binary(max_size=300))
def test_no_file_is_a_fault(content: bytes) -> None:
    with contextlib.suppress(SheetRefused):
        read_figures(b"vendor_id;month;omzet\n" + content)

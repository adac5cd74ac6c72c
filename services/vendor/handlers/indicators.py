"""Indicators (P6): entered, corrected, and what an officer answers where they looked odd."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor.domain import indicators as domain
from services.vendor.domain.indicators import (
    HISTORY_MONTHS,
    EnteredBy,
    Figures,
    Query,
    QueryAnswered,
    Report,
    ReportReplaced,
    ReportUnknown,
    SizeClass,
    months_before,
)
from services.vendor.domain.registration import Problem, Vendor, VendorRetired, VendorUnknown
from services.vendor.figures import MonthRow
from services.vendor.handlers.vendors import lock_vendor, save_vendor
from services.vendor.store import indicators as store
from services.vendor.store.merging import find_family
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id

__all__ = [
    "RowOutcome",
    "classify_vendor",
    "confirm_report",
    "correct_report",
    "report_indicators",
    "report_sheet",
]


class RowOutcome(NamedTuple):
    """What became of a row of a sheet: its report, or what is wrong with it."""

    line: int
    report: Report | None
    problems: tuple[Problem, ...]


async def report_indicators(
    conn: Connection,
    vendor_id: UUID,
    month: date,
    figures: Figures,
    *,
    entered_by: EnteredBy,
    subject: str,
    now: datetime,
    within: str | None = None,
) -> Report:
    """Enter the figures of a month; they count from now on, in place of those entered before.

    The same figures again change nothing. Raises as `lock_vendor` does, `MonthRefused` or `FiguresMissing`.
    """
    vendor = await lock_vendor(conn, vendor_id, within)
    domain.check_month(month, day_in_jakarta(now))
    family = await find_family(conn, vendor_id)
    past = await store.find_figures(conn, family, months_before(month, HISTORY_MONTHS), months_before(month, 1))
    queries = domain.question(figures, list(past.values()))
    before = await store.find_standing(conn, vendor_id, month)
    if before is not None and before.figures == figures:
        await _say_again(conn, before, entered_by, subject, now)
        return before
    return await _save(conn, vendor, before, month, figures, entered_by, subject, queries, now)


async def report_sheet(
    conn: Connection, rows: Sequence[MonthRow], *, entered_by: EnteredBy, subject: str, now: datetime, within: str
) -> list[RowOutcome]:
    """Enter the rows of a sheet, all that can be; an outcome for each, in the order of the sheet.

    Rows are taken in the order of their vendors, so that two sheets that share some wait for each other and never
    deadlock; of two rows of one month the later counts.
    """
    outcomes = []
    for row in sorted(rows, key=lambda row: (row.vendor_id or UUID(int=0), row.line)):
        if row.problems or row.vendor_id is None or row.month is None:
            outcomes.append(RowOutcome(row.line, None, row.problems))
            continue
        try:  # a refusal comes before anything is written
            report = await report_indicators(
                conn,
                row.vendor_id,
                row.month,
                row.figures,
                entered_by=entered_by,
                subject=subject,
                now=now,
                within=within,
            )
        except (VendorUnknown, VendorRetired) as refusal:
            problem = Problem("vendor_id", refusal.code, "is no vendor you may enter figures for", refusal.message)
            outcomes.append(RowOutcome(row.line, None, (problem,)))
        except domain.MonthRefused as refusal:
            problem = Problem("month", refusal.code, "is a month that no figures are kept of", refusal.message)
            outcomes.append(RowOutcome(row.line, None, (problem,)))
        except domain.FiguresMissing as refusal:
            problem = Problem("turnover_rupiah", refusal.code, "and the other figures are missing", refusal.message)
            outcomes.append(RowOutcome(row.line, None, (problem,)))
        else:
            outcomes.append(RowOutcome(row.line, report, ()))
    return sorted(outcomes, key=lambda outcome: outcome.line)


async def confirm_report(conn: Connection, report_id: UUID, *, subject: str, now: datetime, within: str) -> None:
    """The odd figures are right. Raises `ReportUnknown`, `ReportReplaced` or `QueryAnswered`."""
    vendor, report = await _lock_queried(conn, report_id, within)
    await store.answer_query(conn, report_id, subject, now)
    confirmed = replace(report, query_state="confirmed", answered_at=now)
    await save_vendor(conn, vendor, vendor, [domain.tell(confirmed)], now=now)


async def correct_report(
    conn: Connection, report_id: UUID, figures: Figures, *, subject: str, now: datetime, within: str
) -> Report:
    """The odd figures were wrong, and these are right: an officer's word, which is not queried again.

    Raises as `confirm_report` does, or `FiguresMissing`.
    """
    vendor, report = await _lock_queried(conn, report_id, within)
    if figures == Figures():
        raise domain.FiguresMissing
    return await _save(conn, vendor, report, report.month, figures, "officer", subject, (), now)


async def classify_vendor(conn: Connection, vendor_id: UUID, now: datetime) -> tuple[date, SizeClass]:
    """The size of a person's business by the twelve months before the present one, and the last of these months."""
    until = months_before(day_in_jakarta(now).replace(day=1), 1)
    family = await find_family(conn, vendor_id)
    figures = await store.find_figures(conn, family, months_before(until, domain.CLASS_MONTHS - 1), until)
    return until, domain.classify({month: one.turnover_rupiah for month, one in figures.items()}, until)


async def _say_again(conn: Connection, before: Report, entered_by: EnteredBy, subject: str, now: datetime) -> None:
    """Somebody says what a mentor's visit said: that stays when the visit is struck."""
    last = await store.find_last_word(conn, before.vendor_id, before.month)
    if last is not None and last.visit_id is not None:
        again = replace(
            before,
            report_id=new_id(),
            entered_by=entered_by,
            entered_subject=subject,
            entered_at=now,
            replaced_at=now,
            visit_id=None,
        )
        await store.add_report(conn, again)


async def _lock_queried(conn: Connection, report_id: UUID, within: str) -> tuple[Vendor, Report]:
    """A report that waits for an answer, and its vendor, whose row is locked."""
    report = await store.find_report(conn, report_id)
    if report is None:
        raise ReportUnknown(report_id)
    try:
        vendor = await lock_vendor(conn, report.vendor_id, within, retired=True)
    except VendorUnknown:
        raise ReportUnknown(report_id) from None
    report = await store.find_report(conn, report_id)  # as it stands under the lock
    if report is None:
        raise ReportUnknown(report_id)
    if report.replaced_at is not None:
        raise ReportReplaced
    if report.query_state != "open":
        raise QueryAnswered
    return vendor, report


async def _save(
    conn: Connection,
    vendor: Vendor,
    before: Report | None,
    month: date,
    figures: Figures,
    entered_by: EnteredBy,
    subject: str,
    queries: Sequence[Query],
    now: datetime,
) -> Report:
    report = Report(
        report_id=new_id(),
        vendor_id=vendor.vendor_id,
        month=month,
        figures=figures,
        entered_by=entered_by,
        entered_subject=subject,
        entered_at=now,
        queries=tuple(queries),
        query_state="open" if queries else None,
    )
    if before is not None:
        await store.replace_report(conn, before.report_id, subject, now)
    await store.add_report(conn, report)
    await save_vendor(conn, vendor, vendor, [domain.tell(report)], now=now)
    return report

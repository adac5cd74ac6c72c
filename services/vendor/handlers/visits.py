"""Figures that mentors bring from their visits, as training tells them: entered, corrected and taken back.

On each month there are words, one after another: what people entered, and what visits say. A visit's word is taken back
when it is struck or corrected, and the last word left counts. So whatever is corrected and struck in whichever order,
the registry shows what was said last and still stands.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.vendor.domain import indicators as domain
from services.vendor.domain.indicators import HISTORY_MONTHS, Figures, MonthRefused, Report, months_before
from services.vendor.domain.registration import Vendor
from services.vendor.handlers.vendors import lock_known, save_vendor
from services.vendor.store import indicators as store
from services.vendor.store.merging import find_family
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.events.products import IndicatorsReported
from shared.ids import new_id

__all__ = ["VisitWord", "follow_visits"]


class VisitWord(NamedTuple):
    """What a visit says now: the figures of a month, or none (`month` None): without figures, or struck.

    `at`: when it was told, by the clock of training.
    """

    vendor_id: UUID
    visit_id: UUID
    mentor_id: UUID
    month: date | None
    figures: Figures
    at: datetime


async def follow_visits(conn: Connection, news: Sequence[VisitWord], *, now: datetime) -> set[UUID]:
    """Mentors logged, corrected and struck visits, oldest news first. The same news again changes nothing.

    Returns the ids that were skipped: of erased people, as `lock_known` says.
    """
    vendors = await lock_known(conn, {word.vendor_id for word in news})
    for word in news:
        vendor = vendors.get(word.vendor_id)
        if vendor is not None:
            vendors[word.vendor_id] = await _follow(conn, vendor, _in_bounds(word, now), now)
    return {word.vendor_id for word in news} - vendors.keys()


def _in_bounds(word: VisitWord, now: datetime) -> VisitWord:
    """A word on a month that nothing is kept of says nothing."""
    if word.month is None:
        return word
    try:
        # two clocks may differ at the turn of a month
        domain.check_month(word.month, day_in_jakarta(max(now, word.at)))
    except MonthRefused:
        return word._replace(month=None, figures=Figures())
    return word


async def _follow(conn: Connection, vendor: Vendor, word: VisitWord, now: datetime) -> Vendor:
    said = await store.find_of_visit(conn, vendor.vendor_id, word.visit_id)
    if said is None and word.month is None:
        return vendor
    if said is not None and (said.month, said.figures) == (word.month, word.figures):
        return vendor
    counted: dict[date, bool] = {}
    if said is not None:
        await store.take_back(conn, said.report_id, _subject(word), now)
        counted[said.month] = said.replaced_at is None
    if word.month is not None:
        await _add(conn, vendor, word, word.month, now)
        counted.setdefault(word.month, False)
    for month, did_count in counted.items():
        vendor = await _settle(conn, vendor, month, did_count, _subject(word), now)
    return vendor


async def _add(conn: Connection, vendor: Vendor, word: VisitWord, month: date, now: datetime) -> None:
    """Note what a visit says; whether it counts is settled afterwards."""
    report = Report(
        report_id=new_id(),
        vendor_id=vendor.vendor_id,
        month=month,
        figures=word.figures,
        entered_by="mentor",
        entered_subject=_subject(word),
        entered_at=now,
        replaced_at=now,
        visit_id=word.visit_id,
    )
    standing = await store.find_standing(conn, vendor.vendor_id, month)
    if standing is not None and standing.figures == word.figures:
        # what an officer answered about these figures holds for them, whoever says them again
        report = replace(report, queries=standing.queries, query_state=standing.query_state)
    else:
        family = await find_family(conn, vendor.vendor_id)
        past = await store.find_figures(conn, family, months_before(month, HISTORY_MONTHS), months_before(month, 1))
        queries = domain.question(word.figures, list(past.values()))
        report = replace(report, queries=queries, query_state="open" if queries else None)
    await store.add_report(conn, report)


async def _settle(conn: Connection, vendor: Vendor, month: date, did_count: bool, by: str, now: datetime) -> Vendor:
    """Let the last word on a month count, and tell others where they know another. `did_count`: whether what was taken
    back counted.
    """
    last = await store.find_last_word(conn, vendor.vendor_id, month)
    standing = await store.find_standing(conn, vendor.vendor_id, month)
    if last is None:
        if not did_count:
            return vendor
        nothing = IndicatorsReported(
            vendor_id=vendor.vendor_id, month=f"{month:%Y-%m}", entered_by="mentor", entered_at=now
        )
        return await save_vendor(conn, vendor, vendor, [nothing], now=now)
    if standing is not None:
        if standing.figures == last.figures:
            return vendor
        await store.replace_report(conn, standing.report_id, by, now)
    await store.restore_report(conn, last.report_id)
    restored = await store.find_standing(conn, vendor.vendor_id, month)
    assert restored is not None
    return await save_vendor(conn, vendor, vendor, [domain.tell(restored)], now=now)


def _subject(word: VisitWord) -> str:
    return f"mentor:{word.mentor_id}"

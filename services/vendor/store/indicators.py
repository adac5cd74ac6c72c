"""Figures of businesses by month, what was asked about them, and their statistics."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.indicators import Figures, Query, Report
from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection

__all__ = [
    "Group",
    "StatisticsFilter",
    "add_report",
    "answer_query",
    "collect_indicators",
    "digest_indicators",
    "erase_indicators",
    "find_counted",
    "find_figures",
    "find_history",
    "find_last_word",
    "find_of_visit",
    "find_queries",
    "find_report",
    "find_standing",
    "find_statistics",
    "replace_report",
    "restore_report",
    "take_back",
]


def _report(row: asyncpg.Record) -> Report:
    values = dict(row)
    figures = Figures(*(values.pop(name) for name in Figures._fields))
    values["queries"] = tuple(Query(**query) for query in values["queries"])
    return Report(figures=figures, **values)


FIND_REPORT = """
SELECT report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, entered_subject, entered_at,
       queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report WHERE report_id = $1
"""

# Of a person with several registrations the last report of a month counts, whichever of them it was entered under.
FIND_COUNTED = """
SELECT DISTINCT ON (month) report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by,
       entered_subject, entered_at, queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report
WHERE vendor_id = ANY($1::uuid[]) AND replaced_at IS NULL AND ($2::date IS NULL OR month < $2)
ORDER BY month DESC, entered_at DESC, report_id DESC
LIMIT $3
"""

FIND_FIGURES = """
SELECT DISTINCT ON (month) month, turnover_rupiah, assets_rupiah, workers
FROM indicator_report
WHERE vendor_id = ANY($1::uuid[]) AND replaced_at IS NULL AND month BETWEEN $2 AND $3
ORDER BY month, entered_at DESC, report_id DESC
"""

FIND_HISTORY = """
SELECT report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, entered_subject, entered_at,
       queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report WHERE vendor_id = ANY($1::uuid[]) AND month = $2 AND ($3::uuid IS NULL OR report_id < $3)
ORDER BY report_id DESC LIMIT $4
"""

# The last word on a month, whether it counts or only says again what counts.
FIND_LAST_WORD = """
SELECT report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, entered_subject, entered_at,
       queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report WHERE vendor_id = $1 AND month = $2 AND taken_back_at IS NULL
ORDER BY entered_at DESC, report_id DESC LIMIT 1
"""

FIND_STANDING = """
SELECT report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, entered_subject, entered_at,
       queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report WHERE vendor_id = $1 AND month = $2 AND replaced_at IS NULL
"""

FIND_OF_VISIT = """
SELECT report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, entered_subject, entered_at,
       queries, query_state, answered_at, replaced_at, visit_id, taken_back_at
FROM indicator_report WHERE vendor_id = $1 AND visit_id = $2 AND taken_back_at IS NULL
"""

FIND_QUERIES = """
SELECT r.report_id, r.vendor_id, r.month, r.turnover_rupiah, r.assets_rupiah, r.workers, r.entered_by,
       r.entered_subject, r.entered_at, r.queries, r.query_state, r.answered_at, r.replaced_at, r.visit_id,
       r.taken_back_at
FROM indicator_report AS r JOIN vendor AS v ON v.vendor_id = r.vendor_id
WHERE r.query_state = 'open' AND r.replaced_at IS NULL
  AND v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
  AND ($2::uuid IS NULL OR r.report_id > $2)
ORDER BY r.report_id LIMIT $3
"""


async def find_report(conn: Connection, report_id: UUID) -> Report | None:
    """One report, whether it counts or not."""
    row = await conn.fetchrow(FIND_REPORT, report_id)
    return None if row is None else _report(row)


async def find_counted(conn: Connection, vendor_ids: Sequence[UUID], before: date | None, limit: int) -> list[Report]:
    """The report that counts of each month of a person, the latest month first, those before `before`."""
    return [_report(row) for row in await conn.fetch(FIND_COUNTED, vendor_ids, before, limit)]


async def find_figures(conn: Connection, vendor_ids: Sequence[UUID], first: date, last: date) -> dict[date, Figures]:
    """The figures that count of a person's months from `first` to `last`, by month."""
    rows = await conn.fetch(FIND_FIGURES, vendor_ids, first, last)
    return {row["month"]: Figures(row["turnover_rupiah"], row["assets_rupiah"], row["workers"]) for row in rows}


async def find_history(
    conn: Connection, vendor_ids: Sequence[UUID], month: date, before: UUID | None, limit: int
) -> list[Report]:
    """Every report of a person's month, the latest first, those older than `before`."""
    return [_report(row) for row in await conn.fetch(FIND_HISTORY, vendor_ids, month, before, limit)]


async def find_queries(conn: Connection, area: str, after: UUID | None, limit: int) -> list[Report]:
    """Reports of an area that wait for an officer's word, the oldest first, those after `after`."""
    return [_report(row) for row in await conn.fetch(FIND_QUERIES, area, after, limit)]


async def find_standing(conn: Connection, vendor_id: UUID, month: date) -> Report | None:
    """The report that counts of a registration's month."""
    row = await conn.fetchrow(FIND_STANDING, vendor_id, month)
    return None if row is None else _report(row)


async def find_last_word(conn: Connection, vendor_id: UUID, month: date) -> Report | None:
    """The last report of a registration's month that was not taken back."""
    row = await conn.fetchrow(FIND_LAST_WORD, vendor_id, month)
    return None if row is None else _report(row)


async def find_of_visit(conn: Connection, vendor_id: UUID, visit_id: UUID) -> Report | None:
    """What a visit says at present: its report that was not taken back."""
    row = await conn.fetchrow(FIND_OF_VISIT, vendor_id, visit_id)
    return None if row is None else _report(row)


async def take_back(conn: Connection, report_id: UUID, by: str, now: datetime) -> None:
    """The visit that a report came from was struck or says something else: it counts no more."""
    await replace_report(conn, report_id, by, now)
    await conn.execute("UPDATE indicator_report SET taken_back_at = $2 WHERE report_id = $1", report_id, now)


async def restore_report(conn: Connection, report_id: UUID) -> None:
    """A report counts (again); none of its month does. A query that was answered by replacing it waits again."""
    await conn.execute(
        """
        UPDATE indicator_report AS r SET replaced_at = NULL,
            query_state = CASE WHEN was.open THEN 'open' ELSE r.query_state END,
            answered_by = CASE WHEN was.open THEN NULL ELSE r.answered_by END,
            answered_at = CASE WHEN was.open THEN NULL ELSE r.answered_at END
        FROM (
            SELECT coalesce(query_state = 'corrected' AND answered_at = replaced_at, false) AS open
            FROM indicator_report WHERE report_id = $1
        ) AS was WHERE r.report_id = $1
        """,
        report_id,
    )


async def add_report(conn: Connection, report: Report) -> None:
    """Insert a report: one that counts (the one it replaces was marked before), or a word that is replaced already. The
    vendor's row is locked.
    """
    await conn.execute(
        "INSERT INTO indicator_report (report_id, vendor_id, month, turnover_rupiah, assets_rupiah, workers, "
        "entered_by, entered_subject, entered_at, queries, query_state, replaced_at, visit_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        report.report_id,
        report.vendor_id,
        report.month,
        *report.figures,
        report.entered_by,
        report.entered_subject,
        report.entered_at,
        [query._asdict() for query in report.queries],
        report.query_state,
        report.replaced_at,
        report.visit_id,
    )


async def replace_report(conn: Connection, report_id: UUID, by: str, now: datetime) -> None:
    """A report counts no more, where it did; a query that was open is answered by that."""
    await conn.execute(
        "UPDATE indicator_report SET replaced_at = coalesce(replaced_at, $3), "
        "query_state = CASE WHEN query_state = 'open' THEN 'corrected' ELSE query_state END, "
        "answered_by = CASE WHEN query_state = 'open' THEN $2 ELSE answered_by END, "
        "answered_at = CASE WHEN query_state = 'open' THEN $3 ELSE answered_at END WHERE report_id = $1",
        report_id,
        by,
        now,
    )


async def answer_query(conn: Connection, report_id: UUID, by: str, now: datetime) -> None:
    """The figures are right, an officer says."""
    await conn.execute(
        "UPDATE indicator_report SET query_state = 'confirmed', answered_by = $2, answered_at = $3 "
        "WHERE report_id = $1",
        report_id,
        by,
        now,
    )


# ---- statistics


class StatisticsFilter(NamedTuple):
    """Which figures to count: those of an area, by parts of it whose codes have so many characters."""

    area: str
    code_characters: Literal[5, 8, 13]
    first: date
    last: date
    category: str | None = None


class Group(NamedTuple):
    """The figures of a part of the area, a category and a month. Sums and medians are None where too few tell."""

    area: str
    category: str | None
    month: date
    vendors: int
    turnover_sum: int | None
    turnover_median: int | None
    assets_sum: int | None
    assets_median: int | None
    workers_sum: int | None
    workers_median: int | None


# A person is counted once a month, whatever was merged: `above` leads from each retired registration up to the one that
# stands for it now (`family` holds that one too), and of a family's reports of a month the last one counts. Everybody
# else has one report a month that counts, which is taken as it is. What stays of the erased counts too. Each measure is
# shown when enough vendors gave it, and a group of fewer is not shown at all. Groups of one level only, and no totals
# beside them: none could be found by subtraction. The area is a range of codes, as in `vendors.FIND_IDS`.
FIND_STATISTICS = """
WITH RECURSIVE above AS (
    SELECT v.vendor_id, v.merged_into AS stands FROM vendor AS v WHERE v.merged_into IS NOT NULL
    UNION ALL
    SELECT b.vendor_id, v.merged_into FROM above AS b JOIN vendor AS v ON v.vendor_id = b.stands
    WHERE v.merged_into IS NOT NULL
), family AS MATERIALIZED (
    SELECT b.vendor_id, b.stands FROM above AS b
    WHERE NOT EXISTS (SELECT FROM above AS r WHERE r.vendor_id = b.stands)
    UNION
    SELECT b.stands, b.stands FROM above AS b WHERE NOT EXISTS (SELECT FROM above AS r WHERE r.vendor_id = b.stands)
), last_word AS (
    SELECT DISTINCT ON (r.month, f.stands) left(v.kelurahan, $2) AS area, v.category, r.month, r.turnover_rupiah,
           r.assets_rupiah, r.workers
    FROM family AS f
    JOIN vendor AS v ON v.vendor_id = f.stands
    JOIN indicator_report AS r ON r.vendor_id = f.vendor_id
    WHERE r.replaced_at IS NULL AND r.month BETWEEN $3 AND $4 AND v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
    ORDER BY r.month, f.stands, r.entered_at DESC, r.report_id DESC
), figures AS (
    SELECT left(v.kelurahan, $2) AS area, v.category, r.month, r.turnover_rupiah, r.assets_rupiah, r.workers
    FROM indicator_report AS r JOIN vendor AS v ON v.vendor_id = r.vendor_id
    WHERE r.replaced_at IS NULL AND r.month BETWEEN $3 AND $4
      AND v.merged_into IS NULL AND v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
      AND NOT EXISTS (SELECT FROM family AS f WHERE f.vendor_id = r.vendor_id)
    UNION ALL
    SELECT area, category, month, turnover_rupiah, assets_rupiah, workers FROM last_word
    UNION ALL
    SELECT left(kelurahan, $2), category, month, turnover_rupiah, assets_rupiah, workers
    FROM indicator_anonymous
    WHERE month BETWEEN $3 AND $4 AND kelurahan >= $1 AND kelurahan < $1 || '/'
)
SELECT area, category, month, count(*) AS vendors,
       CASE WHEN count(turnover_rupiah) >= $6 THEN sum(turnover_rupiah) END AS turnover_sum,
       CASE WHEN count(turnover_rupiah) >= $6
            THEN round(percentile_cont(0.5) WITHIN GROUP (ORDER BY turnover_rupiah))::bigint END AS turnover_median,
       CASE WHEN count(assets_rupiah) >= $6 THEN sum(assets_rupiah) END AS assets_sum,
       CASE WHEN count(assets_rupiah) >= $6
            THEN round(percentile_cont(0.5) WITHIN GROUP (ORDER BY assets_rupiah))::bigint END AS assets_median,
       CASE WHEN count(workers) >= $6 THEN sum(workers) END AS workers_sum,
       CASE WHEN count(workers) >= $6
            THEN round(percentile_cont(0.5) WITHIN GROUP (ORDER BY workers))::bigint END AS workers_median
FROM figures WHERE $5::text IS NULL OR category = $5
GROUP BY area, category, month
HAVING count(*) >= $6
ORDER BY month, area, category NULLS LAST
"""


async def find_statistics(conn: Connection, wanted: StatisticsFilter, vendors_min: int) -> list[Group]:
    """Figures by part of an area, category and month; groups of fewer than `vendors_min` vendors are left out."""
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        rows = await conn.fetch(
            FIND_STATISTICS,
            wanted.area,
            wanted.code_characters,
            wanted.first,
            wanted.last,
            wanted.category,
            vendors_min,
        )
    return [Group._make(int(v) if isinstance(v, Decimal) else v for v in row.values()) for row in rows]


# ---- what others copy

DIGEST_INDICATORS = """
SELECT count(*) AS count, encode(sha256(convert_to(coalesce(string_agg(
    concat_ws('|', vendor_id, to_char(month, 'YYYY-MM'), coalesce(turnover_rupiah::text, ''),
              coalesce(assets_rupiah::text, ''), coalesce(workers::text, ''), entered_by,
              query_state IS NOT DISTINCT FROM 'open') || E'\\n', ''
    ORDER BY vendor_id, month), ''), 'UTF8')), 'hex') AS sha256
FROM indicator_report WHERE replaced_at IS NULL AND num_nonnulls(turnover_rupiah, assets_rupiah, workers) > 0
"""


async def digest_indicators(conn: Connection) -> tuple[int, str]:
    """Months with a report that counts, and the sha256 over their lines "vendor_id|month|turnover|assets|workers|
    entered_by|queried", by vendor_id and month: what training keeps a copy of.
    """
    row = await conn.fetchrow(DIGEST_INDICATORS)
    assert row is not None
    return row["count"], row["sha256"]


# ---- everything of a person

COLLECT_INDICATORS = """
SELECT report_id::text, vendor_id::text, to_char(month, 'YYYY-MM') AS month, turnover_rupiah, assets_rupiah, workers,
       entered_by, entered_at, queries, query_state, answered_at, replaced_at, visit_id::text, taken_back_at
FROM indicator_report WHERE vendor_id = ANY($1::uuid[]) ORDER BY month, report_id
"""

ERASE_INDICATORS = """
WITH gone AS (
    DELETE FROM indicator_report WHERE vendor_id = ANY($1::uuid[])
    RETURNING vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_at, report_id, replaced_at
), counted AS (
    SELECT DISTINCT ON (month) vendor_id, month, turnover_rupiah, assets_rupiah, workers
    FROM gone WHERE replaced_at IS NULL ORDER BY month, entered_at DESC, report_id DESC
), kept AS (
    INSERT INTO indicator_anonymous (month, kelurahan, category, turnover_rupiah, assets_rupiah, workers)
    SELECT c.month, v.kelurahan, v.category, c.turnover_rupiah, c.assets_rupiah, c.workers
    FROM counted AS c JOIN vendor AS v ON v.vendor_id = $2
)
SELECT count(*) FROM gone
"""


async def collect_indicators(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Every report of these registrations, JSON-ready."""
    reports = []
    for row in await conn.fetch(COLLECT_INDICATORS, vendor_ids):
        values = dict(row)
        for name in ("entered_at", "answered_at", "replaced_at", "taken_back_at"):
            values[name] = None if values[name] is None else values[name].isoformat()
        reports.append(values)
    return {"indicators": reports}


async def erase_indicators(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the reports of a person, the surviving registration first; the figures that counted stay as statistics.

    They stay without an id and each month for itself, by the kelurahan and category the person has now: call it before
    these are changed.
    """
    gone = await conn.fetchval(ERASE_INDICATORS, vendor_ids, vendor_ids[0])
    return {"indicator_reports": gone}

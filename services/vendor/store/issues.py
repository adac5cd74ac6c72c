"""The register of issues. An issue's row is locked before anything about it changes or is told."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.issues import Issue
from shared.db import Connection

__all__ = [
    "IssueCategory",
    "IssueFilter",
    "IssueReportRow",
    "IssueStep",
    "add_issue",
    "add_step",
    "collect_issues",
    "erase_issues",
    "find_categories",
    "find_issue",
    "find_issue_vendors",
    "find_issues",
    "find_raised_by",
    "find_steps",
    "lock_issue",
    "report_issues",
    "save_issue",
]


class IssueCategory(NamedTuple):
    """A category of issues, in both languages."""

    code: str
    name_id: str
    name_en: str


class IssueStep(NamedTuple):
    """What became of an issue: when, by whom, with which note."""

    state: str
    owner: str | None
    outcome: str | None
    note: str | None
    at: datetime
    by: str


class IssueFilter(NamedTuple):
    """Which issues to list; None does not filter. `area`: the issue's area is this one or lies inside it."""

    area: str
    category: str | None = None
    state: str | None = None
    owner: str | None = None
    vendor_ids: Sequence[UUID] | None = None


class IssueReportRow(NamedTuple):
    """Issues of one area and category; `median_days`: from raised to closed, of the closed ones."""

    area: str
    category: str
    open: int
    assigned: int
    closed: int
    median_days: float | None


async def find_categories(conn: Connection) -> list[IssueCategory]:
    """The categories of the register."""
    rows = await conn.fetch("SELECT code, name_id, name_en FROM issue_category ORDER BY code")
    return [IssueCategory(**row) for row in rows]


async def add_issue(conn: Connection, issue: Issue, vendor_ids: Sequence[UUID]) -> None:
    """A new issue about these vendors."""
    await conn.execute(
        "INSERT INTO issue (issue_id, version, category, text, area, state, owner, outcome, raised_on, "
        "raised_by_vendor, closed_on) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        issue.issue_id,
        issue.version,
        issue.category,
        issue.text,
        issue.area,
        issue.state,
        issue.owner,
        issue.outcome,
        issue.raised_on,
        issue.raised_by_vendor,
        issue.closed_on,
    )
    await conn.execute(
        "INSERT INTO issue_vendor (issue_id, vendor_id) SELECT $1, v FROM unnest($2::uuid[]) AS v",
        issue.issue_id,
        vendor_ids,
    )


async def add_step(conn: Connection, issue: Issue, note: str | None, by: str, now: datetime) -> None:
    """What became of a locked issue."""
    await conn.execute(
        "INSERT INTO issue_step (issue_id, nth, state, owner, outcome, note, at, by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        issue.issue_id,
        issue.version,
        issue.state,
        issue.owner,
        issue.outcome,
        note,
        now,
        by,
    )


FIND_ISSUE = """
SELECT issue_id, version, category, text, area, state, owner, outcome, raised_on, raised_by_vendor, closed_on
FROM issue WHERE issue_id = $1
"""
LOCK_ISSUE = """
SELECT issue_id, version, category, text, area, state, owner, outcome, raised_on, raised_by_vendor, closed_on
FROM issue WHERE issue_id = $1 FOR UPDATE
"""
FIND_ISSUES = """
SELECT issue_id, version, category, text, area, state, owner, outcome, raised_on, raised_by_vendor, closed_on
FROM issue AS i
WHERE (area = $1 OR (area > $1 || '.' AND area < $1 || '/'))
  AND ($2::text IS NULL OR category = $2)
  AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR owner = $4)
  AND ($5::uuid[] IS NULL OR EXISTS (
    SELECT FROM issue_vendor AS v WHERE v.issue_id = i.issue_id AND v.vendor_id = ANY($5)
  ))
  AND ($6::uuid IS NULL OR issue_id > $6)
ORDER BY issue_id
LIMIT $7
"""
REPORT_ISSUES = """
SELECT left(area, $2) AS area, category,
       count(*) FILTER (WHERE state = 'open') AS open,
       count(*) FILTER (WHERE state = 'assigned') AS assigned,
       count(*) FILTER (WHERE state = 'closed') AS closed,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY closed_on - raised_on) FILTER (WHERE state = 'closed') AS median_days
FROM issue
WHERE (area = $1 OR (area > $1 || '.' AND area < $1 || '/'))
  AND ($3::date IS NULL OR raised_on >= $3) AND ($4::date IS NULL OR raised_on <= $4)
GROUP BY 1, 2 ORDER BY 1, 2
"""


def _issue(row: asyncpg.Record | None) -> Issue | None:
    return None if row is None else Issue(**row)


async def find_issue(conn: Connection, issue_id: UUID) -> Issue | None:
    """One issue."""
    return _issue(await conn.fetchrow(FIND_ISSUE, issue_id))


async def lock_issue(conn: Connection, issue_id: UUID) -> Issue | None:
    """One issue, whose row stays locked until the transaction ends."""
    return _issue(await conn.fetchrow(LOCK_ISSUE, issue_id))


async def save_issue(conn: Connection, issue: Issue) -> None:
    """What may change about a locked issue."""
    await conn.execute(
        "UPDATE issue SET version = $2, state = $3, owner = $4, outcome = $5, closed_on = $6 WHERE issue_id = $1",
        issue.issue_id,
        issue.version,
        issue.state,
        issue.owner,
        issue.outcome,
        issue.closed_on,
    )


async def find_issues(conn: Connection, wanted: IssueFilter, after: UUID | None, limit: int) -> list[Issue]:
    """Issues in the order they were raised, those after `after`, at most `limit`."""
    rows = await conn.fetch(
        FIND_ISSUES, wanted.area, wanted.category, wanted.state, wanted.owner, wanted.vendor_ids, after, limit
    )
    return [Issue(**row) for row in rows]


async def find_raised_by(conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int) -> list[Issue]:
    """Issues these registrations raised themselves, oldest first, those after `after`, at most `limit`."""
    rows = await conn.fetch(
        "SELECT issue_id, version, category, text, area, state, owner, outcome, raised_on, raised_by_vendor, closed_on "
        "FROM issue WHERE raised_by_vendor = ANY($1::uuid[]) AND ($2::uuid IS NULL OR issue_id > $2) "
        "ORDER BY issue_id LIMIT $3",
        vendor_ids,
        after,
        limit,
    )
    return [Issue(**row) for row in rows]


async def find_issue_vendors(conn: Connection, issue_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The vendors that these issues are about."""
    found: dict[UUID, list[UUID]] = {issue_id: [] for issue_id in issue_ids}
    rows = await conn.fetch(
        "SELECT issue_id, vendor_id FROM issue_vendor WHERE issue_id = ANY($1::uuid[]) ORDER BY issue_id, vendor_id",
        issue_ids,
    )
    for row in rows:
        found[row["issue_id"]].append(row["vendor_id"])
    return found


async def find_steps(conn: Connection, issue_id: UUID) -> list[IssueStep]:
    """What became of an issue, oldest first."""
    rows = await conn.fetch(
        "SELECT state, owner, outcome, note, at, by FROM issue_step WHERE issue_id = $1 ORDER BY nth", issue_id
    )
    return [IssueStep(**row) for row in rows]


async def report_issues(
    conn: Connection, area: str, code_length: int, raised_from: date | None, raised_until: date | None
) -> list[IssueReportRow]:
    """Issues of an area, counted by category and by area codes cut to this length."""
    rows = await conn.fetch(REPORT_ISSUES, area, code_length, raised_from, raised_until)
    return [IssueReportRow(**row) for row in rows]


async def collect_issues(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about these registrations' issues, JSON-ready.

    The text and the notes are given where the issue is about nobody else, or the person raised it: another's data is
    not theirs to have.
    """
    rows = await conn.fetch(
        "SELECT i.issue_id, i.category, i.text, i.area, i.state, i.owner, i.outcome, i.raised_on, i.closed_on, "
        "coalesce(i.raised_by_vendor = ANY($1::uuid[]), false) AS raised, "
        "NOT EXISTS (SELECT FROM issue_vendor AS o WHERE o.issue_id = i.issue_id AND o.vendor_id <> ALL($1::uuid[])) "
        "AS alone, "
        "ARRAY(SELECT s.note FROM issue_step AS s WHERE s.issue_id = i.issue_id AND s.note IS NOT NULL ORDER BY s.nth) "
        "AS notes "
        "FROM issue AS i WHERE i.raised_by_vendor = ANY($1::uuid[]) "
        "OR EXISTS (SELECT FROM issue_vendor AS v WHERE v.issue_id = i.issue_id AND v.vendor_id = ANY($1::uuid[])) "
        "ORDER BY i.issue_id",
        vendor_ids,
    )
    return {
        "issues": [
            {
                "issue_id": str(row["issue_id"]),
                "category": row["category"],
                "area": row["area"],
                "state": row["state"],
                "owner": row["owner"],
                "outcome": row["outcome"],
                "raised_on": row["raised_on"].isoformat(),
                "closed_on": None if row["closed_on"] is None else row["closed_on"].isoformat(),
                "text": row["text"] if row["raised"] or row["alone"] else None,
                "notes": list(row["notes"]) if row["alone"] else [],
            }
            for row in rows
        ]
    }


async def erase_issues(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Issues stay as statistics, no longer about these vendors.

    Their texts and notes go, also of issues about others besides: a text may name whom it concerns, and nobody can tell
    by looking whom it does not.
    """
    stripped = await conn.fetch(
        "UPDATE issue SET text = '', raised_by_vendor = CASE WHEN raised_by_vendor = ANY($1::uuid[]) THEN NULL "
        "ELSE raised_by_vendor END "
        "WHERE raised_by_vendor = ANY($1::uuid[]) OR issue_id IN "
        "(SELECT issue_id FROM issue_vendor WHERE vendor_id = ANY($1::uuid[])) RETURNING issue_id",
        vendor_ids,
    )
    issue_ids = [row["issue_id"] for row in stripped]
    # the first step is by who raised it: a vendor's own token names it
    await conn.execute(
        "UPDATE issue_step SET note = NULL, by = CASE WHEN nth = 1 THEN '' ELSE by END "
        "WHERE issue_id = ANY($1::uuid[])",
        issue_ids,
    )
    await conn.execute("DELETE FROM issue_vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {"issues": len(issue_ids)}

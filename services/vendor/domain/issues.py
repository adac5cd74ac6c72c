"""The register of issues (DOMAIN B2, "isu UMKM"): a problem of vendors, who owns it, and how it ended.

open -> assigned to an agency, as often as needed -> closed for good. A problem that comes back is a new issue. Its text
may name people: it stays in this service and enters no event.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from services.vendor import areas
from shared.errors import NotFound, Refused
from shared.events.programme import IssueAssigned, IssueClosed, IssueRaised

__all__ = [
    "Issue",
    "IssueAlreadyClosed",
    "IssueAreaUnknown",
    "IssueCategoryUnknown",
    "IssueUnknown",
    "Outcome",
    "OwnerUnknown",
    "assign",
    "close",
    "raise_issue",
    "report_level",
]

Outcome = Literal["solved", "declined", "duplicate"]
LEVELS = (2, 5, 8, 13)
"""Lengths of area codes, from the province to the kelurahan."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A problem of vendors. `version` counts its events; `raised_by_vendor`: None when an officer entered it."""

    issue_id: UUID
    version: int
    category: str
    text: str
    area: str
    state: Literal["open", "assigned", "closed"]
    owner: str | None
    outcome: Outcome | None
    raised_on: date
    raised_by_vendor: UUID | None
    closed_on: date | None


class IssueUnknown(NotFound):
    """No such issue, or none the caller may know of."""

    code: ClassVar[str] = "issue-unknown"

    def __init__(self, issue_id: UUID) -> None:
        super().__init__("No issue with this id is known to you.", issue_id=str(issue_id))


class IssueCategoryUnknown(Refused):
    """The register has no such category; names those it has."""

    code: ClassVar[str] = "issue-category-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"The register has no such category; known are {', '.join(names)}.", known=names)


class IssueAreaUnknown(Refused):
    """The area is no official code of the province."""

    code: ClassVar[str] = "area-unknown"
    status: ClassVar[int] = 422


class OwnerUnknown(Refused):
    """The programme knows no such agency; names those it knows."""

    code: ClassVar[str] = "owner-unknown"
    status: ClassVar[int] = 422

    def __init__(self, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"The programme knows no such agency; known are {', '.join(names)}.", known=names)


class IssueAlreadyClosed(Refused):
    """It was closed, and stays so."""

    code: ClassVar[str] = "issue-closed"

    def __init__(self, issue: Issue) -> None:
        super().__init__(
            f"This issue was closed on {issue.closed_on} as {issue.outcome}; raise a new one if it came back.",
            outcome=issue.outcome,
        )


def raise_issue(
    issue_id: UUID,
    category: str,
    text: str,
    area: str,
    vendors: Iterable[UUID],
    categories: Iterable[str],
    *,
    raised_by_vendor: UUID | None,
    today: date,
) -> tuple[Issue, IssueRaised]:
    """A new issue about these vendors; none at all when it is the area's."""
    if category not in set(categories):
        raise IssueCategoryUnknown(categories)
    if area != areas.PROVINCE and area not in areas.areas():
        raise IssueAreaUnknown("The area is no official code of this province; look it up first.", area=area)
    issue = Issue(issue_id, 1, category, text, area, "open", None, None, today, raised_by_vendor, None)
    return issue, IssueRaised(issue_id=issue_id, category=category, area=area, vendors=sorted(set(vendors)))


def assign(issue: Issue, owner: str, agencies: Iterable[str]) -> tuple[Issue, IssueAssigned | None]:
    """An agency owns the issue from now on; no event when it does already."""
    if issue.state == "closed":
        raise IssueAlreadyClosed(issue)
    if owner not in set(agencies):
        raise OwnerUnknown(agencies)
    if (issue.state, issue.owner) == ("assigned", owner):
        return issue, None
    assigned = replace(issue, version=issue.version + 1, state="assigned", owner=owner)
    return assigned, IssueAssigned(issue_id=issue.issue_id, owner=owner)


def close(issue: Issue, outcome: Outcome, today: date) -> tuple[Issue, IssueClosed]:
    """The issue is solved, or will not be."""
    if issue.state == "closed":
        raise IssueAlreadyClosed(issue)
    closed = replace(issue, version=issue.version + 1, state="closed", outcome=outcome, closed_on=today)
    return closed, IssueClosed(issue_id=issue.issue_id, outcome=outcome)


def report_level(area: str) -> int:
    """By how many characters of its code a report of this area groups: its parts one level down."""
    return next((length for length in LEVELS if length > len(area)), LEVELS[-1])

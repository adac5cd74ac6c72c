"""Issues: raised, assigned, closed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.vendor import areas
from services.vendor.domain import issues as domain
from services.vendor.domain.issues import Issue, IssueUnknown, Outcome
from services.vendor.handlers.vendors import lock_vendor
from services.vendor.store import issues as store
from services.vendor.store.vendors import find_codes
from shared.clock import day_in_jakarta
from shared.db import Connection
from shared.ids import new_id
from shared.outbox import Fact, record

__all__ = ["assign_issue", "close_issue", "raise_issue", "raise_own_issue"]


async def raise_own_issue(
    conn: Connection, vendor_id: UUID, category: str, text: str, *, by: str, now: datetime
) -> Issue:
    """A vendor raises a problem of its own, where it lives. Raises as `lock_vendor` and `domain.raise_issue` do."""
    vendor = await lock_vendor(conn, vendor_id)
    return await _raise(conn, category, text, vendor.kelurahan, [vendor_id], vendor_id, by, now)


async def raise_issue(
    conn: Connection,
    category: str,
    text: str,
    area: str,
    vendor_ids: Sequence[UUID],
    *,
    by: str,
    now: datetime,
    within: str,
) -> Issue:
    """An officer enters a problem of an area and of vendors, all inside its own area `within`."""
    ordered = sorted(set(vendor_ids))
    for vendor_id in ordered:  # locked, so that an erasure sees the issue or the issue sees the erasure
        await lock_vendor(conn, vendor_id, within)
    return await _raise(conn, category, text, area, ordered, None, by, now)


async def assign_issue(
    conn: Connection, issue_id: UUID, owner: str, note: str | None, *, by: str, now: datetime, within: str
) -> Issue:
    """An agency owns an issue from now on. Raises `IssueUnknown` and as `domain.assign` does."""
    issue = await _lock(conn, issue_id, within)
    assigned, event = domain.assign(issue, owner, (await find_codes(conn)).agencies)
    if event is not None:
        await store.save_issue(conn, assigned)
        await store.add_step(conn, assigned, note, by, now)
        await record(conn, [Fact(event, assigned.version)], now=now)
    return assigned


async def close_issue(
    conn: Connection, issue_id: UUID, outcome: Outcome, note: str | None, *, by: str, now: datetime, within: str
) -> Issue:
    """An issue is solved, or will not be. Raises `IssueUnknown` and as `domain.close` does."""
    closed, event = domain.close(await _lock(conn, issue_id, within), outcome, day_in_jakarta(now))
    await store.save_issue(conn, closed)
    await store.add_step(conn, closed, note, by, now)
    await record(conn, [Fact(event, closed.version)], now=now)
    return closed


async def _lock(conn: Connection, issue_id: UUID, within: str) -> Issue:
    issue = await store.lock_issue(conn, issue_id)
    if issue is None or not areas.contains(within, issue.area):
        raise IssueUnknown(issue_id)
    return issue


async def _raise(
    conn: Connection,
    category: str,
    text: str,
    area: str,
    vendor_ids: Sequence[UUID],
    raised_by_vendor: UUID | None,
    by: str,
    now: datetime,
) -> Issue:
    categories = [known.code for known in await store.find_categories(conn)]
    issue, event = domain.raise_issue(
        new_id(),
        category,
        text,
        area,
        vendor_ids,
        categories,
        raised_by_vendor=raised_by_vendor,
        today=day_in_jakarta(now),
    )
    await store.add_issue(conn, issue, event.vendors)
    await store.add_step(conn, issue, None, by, now)
    await record(conn, [Fact(event, issue.version)], now=now)
    return issue

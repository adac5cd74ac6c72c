"""Who coached a vendor from when until when, and how many each agency coaches now.

Stored are the moments of change alone: a span ends where the next begins. The first begins with the registration; one
in which nobody coaches is told as the gap between two others.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.vendor.store.vendors import PLAN_FOR_THESE_VALUES
from shared.db import Connection

__all__ = [
    "Coached",
    "Span",
    "add_transfer",
    "collect_coaching",
    "count_coached",
    "erase_coaching",
    "find_spans",
]


class Span(NamedTuple):
    """An agency coached this registration from `since` until `until` (None: still). `by` transferred it there; None:
    with the registration, or a merge or correction did."""

    vendor_id: UUID
    agency: str
    since: datetime
    until: datetime | None
    by: str | None


class Coached(NamedTuple):
    """How many vendors an agency coaches; None: those nobody coaches."""

    agency: str | None
    vendors: int


# `at` never runs backwards, whatever the clocks of two replicas say
ADD_TRANSFER = """
INSERT INTO coaching_transfer (vendor_id, nth, previous_agency, agency, at, by)
SELECT $1, coalesce(max(nth), 0) + 1, $2, $3, greatest(max(at), $4), $5 FROM coaching_transfer WHERE vendor_id = $1
"""
FIND_SPANS = """
WITH change AS (
    SELECT vendor_id, nth, agency, at, by FROM coaching_transfer WHERE vendor_id = ANY($1::uuid[])
    UNION ALL
    SELECT v.vendor_id, 0, CASE WHEN t.vendor_id IS NULL THEN v.agency ELSE t.previous_agency END, v.registered_at, NULL
    FROM vendor AS v LEFT JOIN coaching_transfer AS t ON t.vendor_id = v.vendor_id AND t.nth = 1
    WHERE v.vendor_id = ANY($1::uuid[])
), span AS (
    SELECT vendor_id, nth, agency, at AS since, lead(at) OVER (PARTITION BY vendor_id ORDER BY nth) AS until, by
    FROM change
)
SELECT vendor_id, agency, since, until, by FROM span WHERE agency IS NOT NULL
ORDER BY array_position($1::uuid[], vendor_id), nth
"""
# A person counts once: registrations that were merged into another stand aside, and so do erased ones. The area is one
# range of codes, as in `vendors.FIND_IDS`: the index of areas holds all that is asked.
COUNT_COACHED = """
SELECT agency, count(*) AS vendors FROM vendor
WHERE erased_at IS NULL AND merged_into IS NULL
  AND kelurahan >= $1 AND kelurahan < $1 || '/'
GROUP BY agency ORDER BY agency NULLS LAST
"""


async def add_transfer(
    conn: Connection, vendor_id: UUID, previous_agency: str | None, agency: str | None, by: str | None, now: datetime
) -> None:
    """The agency of a locked vendor changes at this moment."""
    await conn.execute(ADD_TRANSFER, vendor_id, previous_agency, agency, now, by)


async def find_spans(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Span]:
    """Who coached these registrations, in their order, oldest span first."""
    return [Span(**row) for row in await conn.fetch(FIND_SPANS, vendor_ids)]


async def count_coached(conn: Connection, area: str) -> list[Coached]:
    """Vendors of the area per agency, each person once."""
    async with conn.transaction():
        await conn.execute(PLAN_FOR_THESE_VALUES)
        return [Coached(row["agency"], row["vendors"]) for row in await conn.fetch(COUNT_COACHED, area)]


async def collect_coaching(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, Any]:
    """Everything kept about who coached these registrations, JSON-ready."""
    return {
        "coaching": [
            {
                "vendor_id": str(span.vendor_id),
                "agency": span.agency,
                "since": span.since.isoformat(),
                "until": None if span.until is None else span.until.isoformat(),
            }
            for span in await find_spans(conn, vendor_ids)
        ]
    }


async def erase_coaching(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """The spans stay as statistics of the agencies, without who transferred."""
    rows = await conn.fetch(
        "UPDATE coaching_transfer SET by = NULL WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids
    )
    return {"coaching-transfers": len(rows)}

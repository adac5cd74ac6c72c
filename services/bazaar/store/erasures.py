"""Erasing a person: what goes, what stays as figures, and who is erased."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared import dead_letters
from shared.db import Connection

PEOPLE = "bazaar.people"
"""The lock under which people are merged, parted and erased."""

VENDOR_TOPICS = ("lapak.vendor.events.v1", "lapak.training.events.v1")
"""Topics read here whose records are keyed by the vendor."""


class Counts(NamedTuple):
    """Of one id: kind of record -> how many were erased, and how many stay without the person."""

    erased: dict[str, int]
    kept: dict[str, int]


async def remove_vendors(conn: Connection, vendor_ids: Collection[UUID]) -> set[UUID]:
    """Forget where vendors live, what they sell, who coaches them. Waits for applications under way; none follow.

    Gives those of whom something was known.
    """
    rows = await conn.fetch(
        "DELETE FROM vendor WHERE vendor_id = ANY($1::uuid[]) RETURNING vendor_id", list(vendor_ids)
    )
    return {row["vendor_id"] for row in rows}


async def erase_vendor(conn: Connection, vendor_id: UUID, *, now: datetime) -> Counts:
    """Erase what is kept of an id. What published rounds and figures rest on stays under the id, without the person.

    An application stays when its groups are fixed, for then it is named in a published list of applicants (by its own
    id, with the same codes); its check-ins, sales and turn stay with it, as figures of the bazaar and of its groups.
    """
    erased = {
        "completions": await conn.execute("DELETE FROM completion WHERE vendor_id = $1", vendor_id),
        "first_applications": await conn.execute("DELETE FROM first_application WHERE vendor_id = $1", vendor_id),
        "suspensions": await conn.execute("DELETE FROM suspension WHERE vendor_id = $1", vendor_id),
        "applications": await conn.execute(
            "DELETE FROM application WHERE vendor_id = $1 AND state IN ('withdrawn', 'ineligible') AND groups = '{}'",
            vendor_id,
        ),
    }
    kept = await conn.fetchrow(
        "SELECT count(*) AS applications, "
        "(SELECT count(*) FROM turn WHERE turn.vendor_id = $1) AS turns, "
        "(SELECT count(*) FROM check_in JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) "
        "AS check_ins, "
        "(SELECT count(*) FROM sales JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) AS sales "
        "FROM application WHERE vendor_id = $1",
        vendor_id,
    )
    letters = await dead_letters.erase(conn, VENDOR_TOPICS, str(vendor_id), now=now)
    counts = {kind: _count(status) for kind, status in erased.items()}
    return Counts({**counts, "dead_letters": letters}, dict(kept or {}))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])

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
        "adjustments": await conn.execute("DELETE FROM turn_adjustment WHERE vendor_id = $1", vendor_id),
        "swaps": await conn.execute(
            "DELETE FROM swap USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id IN (swap.proposer_id, swap.other_id)",
            vendor_id,
        ),
        "added_days": await conn.execute(
            "DELETE FROM added_day USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = added_day.application_id",
            vendor_id,
        ),
        # who stood where stays, as a figure of the round; what the vendor needed and with whom it stood goes
        "booth_numbering": await conn.execute(FORGET_IN_NUMBERING, vendor_id),
        "calendar_links": await conn.execute("DELETE FROM calendar_link WHERE vendor_id = $1", vendor_id),
        # what was written goes; the coded decisions stay as figures
        "appeals": await conn.execute(
            "UPDATE appeal SET text_sealed = NULL, answer_sealed = NULL, filed_by = '', "
            "state = CASE WHEN state = 'open' THEN 'dropped' ELSE state END WHERE vendor_id = $1",
            vendor_id,
        ),
        "interests": await conn.execute("DELETE FROM interest WHERE vendor_id = $1", vendor_id),
        "storefronts": await conn.execute(
            "DELETE FROM storefront USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = storefront.application_id",
            vendor_id,
        ),
        "preorders": await conn.execute(
            "DELETE FROM preorder USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = preorder.application_id",
            vendor_id,
        ),
        "showcase_places": await conn.execute(
            "DELETE FROM showcase_place USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = showcase_place.application_id",
            vendor_id,
        ),
        "tickets": await conn.execute(
            "DELETE FROM ticket USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = ticket.application_id",
            vendor_id,
        ),
        "scans": await conn.execute(
            "DELETE FROM scan USING application AS a WHERE a.vendor_id = $1 AND a.application_id = scan.application_id",
            vendor_id,
        ),
        "sales_links": await conn.execute(
            "DELETE FROM sales_link USING application AS a WHERE a.vendor_id = $1 "
            "AND a.application_id = sales_link.application_id",
            vendor_id,
        ),
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
        "(SELECT count(*) FROM appeal WHERE appeal.vendor_id = $1) AS appeals, "
        "(SELECT count(*) FROM check_in JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) "
        "AS check_ins, "
        "(SELECT count(*) FROM sales JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) AS sales, "
        "(SELECT count(*) FROM sales_report JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) "
        "AS sales_reports, "
        "(SELECT count(*) FROM order_line JOIN application AS b USING (application_id) WHERE b.vendor_id = $1) "
        "AS order_lines "
        "FROM application WHERE vendor_id = $1",
        vendor_id,
    )
    letters = await dead_letters.erase(conn, VENDOR_TOPICS, str(vendor_id), now=now)
    counts = {kind: _count(status) for kind, status in erased.items()}
    return Counts({**counts, "dead_letters": letters}, dict(kept or {}))


FORGET_IN_NUMBERING = """
UPDATE numbering AS n SET
    input = jsonb_set(n.input, '{seats}', (
        SELECT jsonb_agg(CASE WHEN seat ->> 'applicant' = who.name
            THEN seat || '{"needs": [], "party": null, "balance": 0}' ELSE seat END ORDER BY nth)
        FROM jsonb_array_elements(n.input -> 'seats') WITH ORDINALITY AS s (seat, nth))),
    result = n.result #- ARRAY['unmet', who.name]
FROM (SELECT bazaar_id, coalesce(pseudonym, application_id::text) AS name FROM application WHERE vendor_id = $1) AS who
WHERE n.bazaar_id = who.bazaar_id
    AND n.input -> 'seats' @> jsonb_build_array(jsonb_build_object('applicant', who.name))
"""


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])

"""What the numbering of a round looks at, and how it went: rows of applicants, of free stands, and of the outcome."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from services.bazaar.numbering import Floor, Place, SiteNumbers, Stand, Traits
from services.bazaar.numbering.site import BALANCE_MAX, CORNER_VALUE, SPOT_VALUES
from shared.db import Connection


async def find_floor(conn: Connection, bazaar_id: UUID) -> Floor:
    """The free stands of a bazaar's sites, and everyone who stands in its round with what is looked at."""
    stands = await conn.fetch(FIND_FREE_STANDS, bazaar_id)
    applicants = await conn.fetch(
        FIND_TRAITS, bazaar_id, SPOT_VALUES["good"], SPOT_VALUES["bad"], CORNER_VALUE, BALANCE_MAX
    )
    # in a thread: tens of thousands of rows
    return await asyncio.to_thread(_floor, stands, applicants)


def _floor(stands: Sequence[Record], applicants: Sequence[Record]) -> Floor:
    by_site: dict[str, list[Stand]] = defaultdict(list)
    for row in stands:
        place = None if row["x"] is None else Place(row["x"], row["y"], row["width"], row["depth"], row["rotation"])
        by_site[row["site_id"]].append(
            Stand(
                row["number"],
                row["tent"],
                power=row["power"],
                access=row["access"],
                water=row["water"],
                corner=row["corner"],
                spot=row["spot"],
                place=place,
            )
        )
    traits = {
        row["name"]: Traits(row["category"], frozenset(row["needs"]), row["party"], row["balance"])
        for row in applicants
    }
    return Floor(dict(by_site), traits)


FIND_FREE_STANDS = """
SELECT b.site_id, b.number, b.tent, b.power, b.access, b.water, b.corner, b.spot, b.x, b.y, b.width, b.depth, b.rotation
FROM booth AS b
WHERE b.bazaar_id = $1 AND b.kind = 'vendor' AND NOT EXISTS (
    SELECT FROM application AS a WHERE a.bazaar_id = b.bazaar_id AND a.site_id = b.site_id AND a.booth = b.number
        AND a.state IN ('offered', 'confirmed', 'attended'))
ORDER BY b.site_id, b.position
"""

# What a person has had: the values of the stands at which it stood, under any of its ids, or will by what it confirmed.
FIND_TRAITS = """
SELECT coalesce(a.pseudonym, a.application_id::text) AS name, a.groups ->> 'category' AS category, a.needs,
    a.party_id::text AS party, greatest(-$5::int, least($5::int, coalesce(had.balance, 0)))::int AS balance
FROM application AS a
LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
CROSS JOIN LATERAL (
    SELECT sum(CASE b.spot WHEN 'good' THEN $2::int WHEN 'bad' THEN $3::int ELSE 0 END
        + CASE WHEN b.corner THEN $4::int ELSE 0 END) AS balance
    FROM application AS o
    JOIN booth AS b ON b.bazaar_id = o.bazaar_id AND b.site_id = o.site_id AND b.number = o.booth
    WHERE o.vendor_id = ANY(CASE WHEN p.person_id IS NULL THEN ARRAY[a.vendor_id]
            ELSE ARRAY(SELECT m.vendor_id FROM family AS m WHERE m.person_id = p.person_id) END)
        AND o.state IN ('confirmed', 'attended')) AS had
WHERE a.bazaar_id = $1 AND a.state = 'received'
"""


async def save_numbering(
    conn: Connection, bazaar_id: UUID, round_number: int, numbered: Sequence[SiteNumbers], *, now: datetime
) -> None:
    """How the numbers of each site came about."""
    await conn.execute(
        "INSERT INTO numbering (bazaar_id, round, site_id, input, result, numbered_at) "
        "SELECT $1, $2, n.site_id, n.input, n.result, $6 "
        "FROM unnest($3::text[], $4::jsonb[], $5::jsonb[]) AS n (site_id, input, result)",
        bazaar_id,
        round_number,
        [one.site_id for one in numbered],
        [one.input for one in numbered],
        [one.result for one in numbered],
        now,
    )


async def find_numbering(conn: Connection, bazaar_id: UUID, round_number: int) -> list[dict[str, Any]]:
    """How good the numbers of each site are; of the applicants only how many."""
    rows = await conn.fetch(
        "SELECT n.site_id, jsonb_array_length(n.input -> 'seats') AS vendors, "
        "jsonb_array_length(n.input -> 'stands') AS stands, n.result FROM numbering AS n JOIN site USING (bazaar_id, "
        "site_id) WHERE n.bazaar_id = $1 AND n.round = $2 ORDER BY site.position",
        bazaar_id,
        round_number,
    )
    return [dict(row) for row in rows]


async def find_offers_of_stands(conn: Connection, bazaar_id: UUID) -> dict[tuple[str, str], frozenset[str]]:
    """(site, number) -> what the stand has of what a vendor may need; stands that have nothing are left out."""
    rows = await conn.fetch(
        "SELECT site_id, number, array_remove(ARRAY[CASE WHEN power THEN 'power' END, "
        "CASE WHEN access THEN 'access' END, CASE WHEN water THEN 'water' END], NULL) AS has "
        "FROM booth WHERE bazaar_id = $1 AND kind = 'vendor' AND (power OR access OR water)",
        bazaar_id,
    )
    return {(row["site_id"], row["number"]): frozenset(row["has"]) for row in rows}

"""Banks that may be asked: partners whose agreement about capital is in force, as the registry tells of them."""

from datetime import date
from typing import Any

from shared.db import Connection

# Ended early, an agreement holds no longer on that day; run out, it held on its last.
FIND_BANKS = """
SELECT a.code, min(a.name) AS name, max(a.valid_until) AS valid_until
FROM partner_agreement a
WHERE a.kind = 'bank' AND 'capital' = ANY(a.topics) AND a.code IS NOT NULL
    AND a.valid_from <= $1 AND a.valid_until >= $1 AND (a.ended_on IS NULL OR a.lapsed OR a.ended_on > $1)
    AND ($2::text IS NULL OR a.area = $2 OR starts_with($2, a.area || '.'))
    AND ($3::text IS NULL OR a.code = $3)
GROUP BY a.code ORDER BY a.code
"""


async def find_banks(conn: Connection, day: date, area: str | None, code: str | None = None) -> list[dict[str, Any]]:
    """Banks with an agreement about capital in force that day in all of this area, by code."""
    return [dict(row) for row in await conn.fetch(FIND_BANKS, day, area, code)]

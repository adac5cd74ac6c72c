"""The ledger of fair rotation, summed up: by group, by person, by area; what forecasts came to."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.bazaar.domain.openness import Coverage, Forecast, LedgerRow
from shared.db import Connection

SUM_LEDGER = """
WITH asked AS (
    SELECT coalesce(p.person_id, a.vendor_id) AS person_id, a.state, a.site_id, a.promoted, a.application_id,
        CASE WHEN a.groups <> '{}' THEN a.groups ELSE jsonb_build_object(
            'agency', v.agency, 'category', v.category, 'kelurahan', v.kelurahan, 'rw', v.kelurahan || '.' || v.rw)
        END AS groups
    FROM application AS a JOIN bazaar AS b USING (bazaar_id)
    LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
    LEFT JOIN vendor AS v ON v.vendor_id = a.vendor_id
    WHERE b.days[1] BETWEEN $2 AND $3 AND a.state <> 'withdrawn'
), since AS (
    SELECT coalesce(p.person_id, f.vendor_id) AS person_id, coalesce(max(t.day), min(f.day)) AS day
    FROM first_application AS f LEFT JOIN family AS p ON p.vendor_id = f.vendor_id
    LEFT JOIN turn AS t ON t.vendor_id = f.vendor_id GROUP BY 1
), placed AS (
    SELECT asked.*, t.application_id IS NOT NULL AS turned, since.day AS waiting_since, CASE $1
        WHEN 'city' THEN left(groups ->> 'kelurahan', 5)
        WHEN 'kecamatan' THEN left(groups ->> 'kelurahan', 8)
        ELSE groups ->> $1 END AS value
    FROM asked LEFT JOIN turn AS t USING (application_id) LEFT JOIN since USING (person_id)
    WHERE $4::text IS NULL OR starts_with(groups ->> 'kelurahan' || '.', $4 || '.')
)
SELECT value, count(DISTINCT person_id)::int AS vendors, count(*)::int AS applications,
    count(site_id)::int AS offered, count(*) FILTER (WHERE promoted)::int AS promoted,
    count(*) FILTER (WHERE state IN ('confirmed', 'released', 'attended', 'missed'))::int AS confirmed,
    count(*) FILTER (WHERE state = 'declined')::int AS declined,
    count(*) FILTER (WHERE state = 'lapsed')::int AS lapsed,
    count(*) FILTER (WHERE state = 'released')::int AS released,
    count(*) FILTER (WHERE state = 'attended')::int AS attended,
    count(*) FILTER (WHERE state = 'missed')::int AS missed,
    count(*) FILTER (WHERE turned)::int AS turns, min(waiting_since) AS waiting_since
FROM placed WHERE value IS NOT NULL GROUP BY value ORDER BY value
"""


async def sum_ledger(conn: Connection, by: str, first: date, last: date, area: str | None = None) -> list[LedgerRow]:
    """What became of the applications to bazaars that began in these days, by group, in the order of its values.

    A group is the one fixed by the freeze, or before it the vendor's now. `area`: only of who lives there.
    """
    return [LedgerRow(**row) for row in await conn.fetch(SUM_LEDGER, by, first, last, area)]


LIST_VENDORS = """
WITH known AS (
    SELECT v.vendor_id, v.kelurahan, v.rw, v.category, v.agency FROM vendor AS v
    WHERE starts_with(v.kelurahan || '.', $1 || '.') AND v.vendor_id > $2
        AND EXISTS (SELECT FROM first_application AS f WHERE f.vendor_id = v.vendor_id)
    ORDER BY v.vendor_id LIMIT $3
)
SELECT k.vendor_id, k.kelurahan, k.rw, k.category, k.agency, f.day AS first_applied_on, t.turns, t.last_turn_on,
    coalesce(t.last_turn_on, f.day) AS waiting_since, a.applications, a.offered, a.declined, a.lapsed, a.released,
    a.attended, a.missed
FROM known AS k JOIN first_application AS f USING (vendor_id)
CROSS JOIN LATERAL (SELECT count(*)::int AS turns, max(turn.day) AS last_turn_on FROM turn
    WHERE turn.vendor_id = k.vendor_id) AS t
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE state <> 'withdrawn')::int AS applications,
    count(site_id)::int AS offered, count(*) FILTER (WHERE state = 'declined')::int AS declined,
    count(*) FILTER (WHERE state = 'lapsed')::int AS lapsed,
    count(*) FILTER (WHERE state = 'released')::int AS released,
    count(*) FILTER (WHERE state = 'attended')::int AS attended, count(*) FILTER (WHERE state = 'missed')::int AS missed
    FROM application WHERE application.vendor_id = k.vendor_id) AS a
ORDER BY k.vendor_id
"""


async def list_vendors(conn: Connection, area: str, after: UUID, limit: int) -> list[dict[str, Any]]:
    """Vendors of an area who ever applied, each with what it had; one row more than `limit` when there are more."""
    return [dict(row) for row in await conn.fetch(LIST_VENDORS, area, after, limit + 1)]


SUM_COVERAGE = """
WITH rws AS (
    SELECT v.kelurahan, v.rw, bool_or(f.vendor_id IS NOT NULL) AS willing FROM vendor AS v
    LEFT JOIN first_application AS f ON f.vendor_id = v.vendor_id
    WHERE starts_with(v.kelurahan || '.', $2 || '.') GROUP BY v.kelurahan, v.rw
), served AS (
    SELECT DISTINCT a.groups ->> 'rw' AS rw FROM application AS a WHERE a.site_id IS NOT NULL AND a.groups ? 'rw'
)
SELECT left(rws.kelurahan, $1) AS value, count(*)::int AS with_vendors, count(*) FILTER (WHERE willing)::int AS willing,
    count(served.rw)::int AS served
FROM rws LEFT JOIN served ON served.rw = rws.kelurahan || '.' || rws.rw GROUP BY 1 ORDER BY 1
"""


async def sum_coverage(conn: Connection, code_length: int, area: str) -> list[Coverage]:
    """RWs with vendors, with willing vendors, and served, by areas inside this one: so much of the kelurahan's code."""
    return [Coverage(**row) for row in await conn.fetch(SUM_COVERAGE, code_length, area)]


LIST_RWS = """
WITH rws AS (
    SELECT v.kelurahan || '.' || v.rw AS rw, count(*)::int AS vendors, count(f.vendor_id)::int AS willing,
        min(f.day) AS first_applied_on
    FROM vendor AS v LEFT JOIN first_application AS f ON f.vendor_id = v.vendor_id
    WHERE starts_with(v.kelurahan || '.', $1 || '.') GROUP BY 1
)
SELECT rws.rw, rws.vendors, rws.willing, rws.first_applied_on, a.offered, a.last_offered_on
FROM rws CROSS JOIN LATERAL (SELECT count(*)::int AS offered, max(b.days[1]) AS last_offered_on
    FROM application AS a JOIN bazaar AS b USING (bazaar_id)
    WHERE a.site_id IS NOT NULL AND a.groups ->> 'rw' = rws.rw) AS a
WHERE rws.rw > $2 AND ($3::boolean IS NULL OR $3 = (a.offered > 0)) ORDER BY rws.rw LIMIT $4
"""


async def list_rws(conn: Connection, area: str, served: bool | None, after: str, limit: int) -> list[dict[str, Any]]:
    """RWs of an area with vendors: how many, how many willing, offers so far. `served`: only those with, or without,
    an offer. One row more than `limit` when there are more."""
    return [dict(row) for row in await conn.fetch(LIST_RWS, area, after, served, limit + 1)]


COUNT_TURNS = """
WITH people AS (
    SELECT coalesce(p.person_id, f.vendor_id) AS person_id, min(f.day) AS first_day,
        sum((SELECT count(*) FROM turn WHERE turn.vendor_id = f.vendor_id))::int AS turns,
        max((SELECT max(turn.day) FROM turn WHERE turn.vendor_id = f.vendor_id)) AS last_day
    FROM first_application AS f LEFT JOIN family AS p ON p.vendor_id = f.vendor_id GROUP BY 1
)
SELECT turns, count(*)::int AS people, min(coalesce(last_day, first_day)) AS waiting_since
FROM people GROUP BY turns ORDER BY turns
"""


async def count_turns(conn: Connection) -> list[tuple[int, int, date]]:
    """People who ever applied, by the turns they had: (turns, people, since when the longest of them waits)."""
    return [(row["turns"], row["people"], row["waiting_since"]) for row in await conn.fetch(COUNT_TURNS)]


COUNT_GOOD_SPOTS = """
SELECT count(*) FILTER (WHERE b.spot = 'good')::int AS good FROM application AS a
JOIN booth AS b ON b.bazaar_id = a.bazaar_id AND b.site_id = a.site_id AND b.number = a.booth
LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
WHERE a.state IN ('confirmed', 'attended', 'missed') AND EXISTS (SELECT FROM booth AS g
    WHERE g.bazaar_id = a.bazaar_id AND g.site_id = a.site_id AND g.spot = 'good')
GROUP BY coalesce(p.person_id, a.vendor_id)
"""


async def count_good_spots(conn: Connection) -> list[int]:
    """How many good spots each person had, of those who had a booth at a site that has some."""
    return [row["good"] for row in await conn.fetch(COUNT_GOOD_SPOTS)]


FIND_FORECASTS = """
WITH took_part AS (
    SELECT coalesce(p.person_id, a.vendor_id) AS person_id, a.forecast_round,
        a.site_id IS NOT NULL AS offered, r.published_at
    FROM application AS a
    JOIN bazaar AS b USING (bazaar_id)
    JOIN allocation_round AS r ON r.bazaar_id = a.bazaar_id AND r.round = b.round AND r.published_at IS NOT NULL
    LEFT JOIN family AS p ON p.vendor_id = a.vendor_id
    WHERE a.state NOT IN ('received', 'withdrawn', 'ineligible')
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY person_id ORDER BY published_at) AS number,
        count(*) OVER (PARTITION BY person_id) AS rounds
    FROM took_part
), followed AS (
    SELECT forecast_round, number, rounds, offered, min(number) FILTER (WHERE offered) OVER (
        PARTITION BY person_id ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS served_in
    FROM numbered
)
SELECT forecast_round, CASE WHEN offered THEN 0 ELSE (served_in - number)::int END AS took,
    (rounds - number)::int AS since, count(*)::int AS times
FROM followed WHERE forecast_round IS NOT NULL GROUP BY 1, 2, 3
"""


async def find_forecasts(conn: Connection) -> list[Forecast]:
    """Every forecast made, counted by how it went, over rounds the person took part in; hundreds of thousands are a
    few hundred rows. Took 0: a booth that somebody gave back came in the same round."""
    return [Forecast(*row.values()) for row in await conn.fetch(FIND_FORECASTS)]


async def save_figures(conn: Connection, day: date, document: dict[str, Any], *, now: datetime) -> None:
    """The open figures of a day; counted again they take the place of the first."""
    await conn.execute(
        "INSERT INTO open_figures (day, made_at, document) VALUES ($1, $2, $3) "
        "ON CONFLICT (day) DO UPDATE SET made_at = excluded.made_at, document = excluded.document",
        day,
        now,
        document,
    )


async def find_figures(conn: Connection, day: date | None) -> tuple[date, datetime, dict[str, Any]] | None:
    """The open figures of a day, or the latest: (day, when they were counted, the document)."""
    row = await conn.fetchrow(
        "SELECT day, made_at, document FROM open_figures WHERE $1::date IS NULL OR day = $1 ORDER BY day DESC LIMIT 1",
        day,
    )
    return None if row is None else (row["day"], row["made_at"], row["document"])


async def find_figure_days(conn: Connection) -> Sequence[date]:
    """The days of which there are open figures, the latest first."""
    return [row["day"] for row in await conn.fetch("SELECT day FROM open_figures ORDER BY day DESC")]

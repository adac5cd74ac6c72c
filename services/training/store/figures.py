"""The copy of vendors' figures by month, and what is known of people when criteria are applied to them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.training.domain.contributions import Figure
from services.training.domain.criteria import Figures, Needs, Progress, month_text, read_month
from shared.db import Connection
from shared.events.products import IndicatorsReported

PEOPLE_AT_ONCE = 500


class Report(NamedTuple):
    """Figures of a month as the registry told them: at which version of the vendor, entered when."""

    event: IndicatorsReported
    version: int
    entered_at: datetime


async def save_figures(conn: Connection, reports: Sequence[Report]) -> set[UUID]:
    """Keep the last word on each month of each id; an earlier version that comes late changes nothing, and an erased id
    is not brought back. Returns the ids that are registered here.
    """
    last: dict[tuple[UUID, str], Report] = {}
    for report in reports:
        key = (report.event.vendor_id, report.event.month)
        if key not in last or last[key].version < report.version:
            last[key] = report
    rows = await conn.fetch(
        SAVE_FIGURES,
        [vendor_id for vendor_id, _ in last],
        [month for _, month in last],
        [one.event.turnover_rupiah for one in last.values()],
        [one.event.assets_rupiah for one in last.values()],
        [one.event.workers for one in last.values()],
        [one.event.entered_by for one in last.values()],
        [one.event.queried for one in last.values()],
        [one.version for one in last.values()],
        [one.entered_at for one in last.values()],
    )
    return {row["vendor_id"] for row in rows}


SAVE_FIGURES = """
WITH told AS (
    SELECT t.* FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::text[], $7::boolean[],
        $8::bigint[], $9::timestamptz[])
        AS t (vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, queried, version, entered_at)
    JOIN vendor AS v ON v.vendor_id = t.vendor_id
), saved AS (
    INSERT INTO indicator (vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, queried,
        registry_version, entered_at)
    SELECT vendor_id, month, turnover_rupiah, assets_rupiah, workers, entered_by, queried, version, entered_at FROM told
    ORDER BY vendor_id, month
    ON CONFLICT (vendor_id, month) DO UPDATE SET
        turnover_rupiah = excluded.turnover_rupiah, assets_rupiah = excluded.assets_rupiah, workers = excluded.workers,
        entered_by = excluded.entered_by, queried = excluded.queried, registry_version = excluded.registry_version,
        entered_at = excluded.entered_at
    WHERE indicator.registry_version < excluded.registry_version
)
SELECT DISTINCT vendor_id FROM told
"""


async def find_people(conn: Connection, vendor_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The people of these ids: the id that stands for each -> all its ids."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT coalesce(f.person_id, asked.id) AS person_id, coalesce(m.vendor_id, asked.id) AS vendor_id
        FROM unnest($1::uuid[]) AS asked (id)
        LEFT JOIN family f ON f.vendor_id = asked.id
        LEFT JOIN family m ON m.person_id = f.person_id
        ORDER BY 1, 2
        """,
        list(vendor_ids),
    )
    people: dict[UUID, list[UUID]] = {}
    for row in rows:
        people.setdefault(row["person_id"], []).append(row["vendor_id"])
    return people


async def find_progress(conn: Connection, people: Mapping[UUID, Sequence[UUID]], needs: Needs) -> dict[UUID, Progress]:
    """What is known of people (the id that stands for each -> all its ids), under whichever of their ids; what is not
    needed is not read.
    """
    since = None if needs.since is None else month_text(needs.since)
    members = [(vendor_id, person_id) for person_id, ids in people.items() for vendor_id in ids]
    ids, persons = [one for one, _ in members], [person for _, person in members]
    rows = await conn.fetch(FIND_FIGURES, ids, persons, since)
    figures = await asyncio.to_thread(_by_person, rows)
    trained: dict[UUID, int] = {}
    if needs.trainings:
        trained = {row["person_id"]: row["trainings"] for row in await conn.fetch(COUNT_TRAININGS, ids, persons)}
    visited: dict[UUID, list[date]] = {}
    if needs.visits:
        visited = {row["person_id"]: row["days"] for row in await conn.fetch(FIND_VISITS, ids, persons)}
    return {
        person_id: Progress(
            person_id, figures.get(person_id, {}), trained.get(person_id, 0), visited.get(person_id, ())
        )
        for person_id in people
    }


# Of a month entered under several ids of a person, the last entered counts. A month whose figures were taken back
# entirely was not reported.
FIND_FIGURES = """
SELECT person_id, array_agg(month) AS months, array_agg(turnover_rupiah) AS turnovers,
    array_agg(assets_rupiah) AS assets, array_agg(workers) AS workers, array_agg(queried) AS queried
FROM (
    SELECT DISTINCT ON (m.person_id, i.month)
        m.person_id, i.month, i.turnover_rupiah, i.assets_rupiah, i.workers, i.queried
    FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person_id) JOIN indicator AS i ON i.vendor_id = m.vendor_id
    WHERE num_nonnulls(i.turnover_rupiah, i.assets_rupiah, i.workers) > 0 AND ($3::text IS NULL OR i.month >= $3)
    ORDER BY m.person_id, i.month, i.entered_at DESC, i.vendor_id DESC
) AS counted
GROUP BY person_id
"""

COUNT_TRAININGS = """
SELECT m.person_id, count(DISTINCT e.class_id) AS trainings
FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person_id) JOIN enrolment AS e ON e.vendor_id = m.vendor_id
WHERE e.result = 'completed' GROUP BY m.person_id
"""

FIND_VISITS = """
SELECT m.person_id, array_agg(v.visited_on) AS days
FROM unnest($1::uuid[], $2::uuid[]) AS m (vendor_id, person_id) JOIN visit AS v ON v.vendor_id = m.vendor_id
WHERE v.state = 'logged' GROUP BY m.person_id
"""


def _by_person(rows: Sequence[asyncpg.Record]) -> dict[UUID, dict[int, Figures]]:
    return {row["person_id"]: _figures(row) for row in rows}


def _figures(row: asyncpg.Record) -> dict[int, Figures]:
    values = zip(row["turnovers"], row["assets"], row["workers"], row["queried"], strict=True)
    return {read_month(month): Figures(*one) for month, one in zip(row["months"], values, strict=True)}


async def find_counted(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Figure]:
    """The figures that count of a person's months, the first month first."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (month) month, turnover_rupiah, assets_rupiah, workers, entered_by, queried
        FROM indicator
        WHERE vendor_id = ANY($1::uuid[]) AND num_nonnulls(turnover_rupiah, assets_rupiah, workers) > 0
        ORDER BY month, entered_at DESC, vendor_id DESC
        """,
        list(vendor_ids),
    )
    return [Figure(*row) for row in rows]


async def find_everyone(
    conn: Connection, area: str, since: str, size: int = PEOPLE_AT_ONCE
) -> AsyncIterator[dict[UUID, list[UUID]]]:
    """The people of an area with figures of a month since that one, some at a time, each person once."""
    after: UUID | None = None
    several: set[UUID] = set()
    while True:
        rows = await conn.fetch(FIND_REPORTING, since, after, size)
        if not rows:
            return
        after = rows[-1]["vendor_id"]
        people = await find_people(conn, [row["vendor_id"] for row in rows])
        homes = await find_homes(conn, list(people))
        some = {}
        for person_id, ids in people.items():
            home = homes.get(person_id)
            if person_id not in several and home is not None and (home == area or home.startswith(area + ".")):
                some[person_id] = ids
            if len(ids) > 1:  # its other ids come too
                several.add(person_id)
        yield some


FIND_REPORTING = """
SELECT DISTINCT vendor_id FROM indicator WHERE month >= $1 AND ($2::uuid IS NULL OR vendor_id > $2)
ORDER BY vendor_id LIMIT $3
"""


async def find_homes(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Where vendors live: id -> kelurahan; the unknown are left out."""
    rows = await conn.fetch("SELECT vendor_id, kelurahan FROM vendor WHERE vendor_id = ANY($1::uuid[])", vendor_ids)
    return {row["vendor_id"]: row["kelurahan"] for row in rows}


async def digest_figures(conn: Connection) -> tuple[int, str]:
    """Months with figures, and the sha256 over their lines "vendor_id|month|turnover|assets|workers|entered_by|
    queried", by vendor_id and month.
    """
    row = await conn.fetchrow(
        """
        SELECT count(*) AS months, encode(sha256(convert_to(coalesce(string_agg(
            concat_ws('|', vendor_id, month, coalesce(turnover_rupiah::text, ''), coalesce(assets_rupiah::text, ''),
                coalesce(workers::text, ''), entered_by, queried) || E'\\n', ''
            ORDER BY vendor_id, month), ''), 'UTF8')), 'hex') AS digest
        FROM indicator WHERE num_nonnulls(turnover_rupiah, assets_rupiah, workers) > 0
        """
    )
    assert row is not None
    return row["months"], row["digest"]

"""Rows of standing interests, and what became of each at the bazaars it met."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.application import Application, Vendor
from services.bazaar.domain.bazaar import Bazaar
from services.bazaar.domain.interests import Interest, Interested, InterestUnknown
from shared.db import Connection

NONE_YET = UUID(int=0)


async def lock_vendor(conn: Connection, vendor_id: UUID) -> None:
    """Let one transaction at a time declare interests of this vendor; it is not erased meanwhile."""
    await conn.execute("SELECT FROM vendor WHERE vendor_id = $1 FOR NO KEY UPDATE", vendor_id)


async def series_exists(conn: Connection, series_id: UUID) -> bool:
    """Whether there is such a series."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM series WHERE series_id = $1)", series_id)
    return found


async def count_interests(conn: Connection, vendor_ids: Sequence[UUID]) -> int:
    """How many interests of these ids have not ended."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM interest WHERE vendor_id = ANY($1::uuid[]) AND state <> 'ended'", list(vendor_ids)
    )
    return count


async def add_interest(conn: Connection, interest: Interest) -> None:
    """A new interest."""
    await conn.execute(
        "INSERT INTO interest (interest_id, version, vendor_id, state, origin, series_id, setting, weekdays, "
        "categories, areas, venue_ids, any_site, needs, valid_until, declared_at, confirmed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        interest.interest_id,
        interest.version,
        interest.vendor_id,
        interest.state,
        interest.origin,
        interest.series_id,
        interest.setting,
        list(interest.weekdays),
        list(interest.categories),
        list(interest.areas),
        list(interest.venue_ids),
        interest.any_site,
        list(interest.needs),
        interest.valid_until,
        interest.declared_at,
        interest.confirmed_at,
    )


async def find_interest(conn: Connection, interest_id: UUID) -> Interest:
    """An interest. Raises `InterestUnknown`."""
    row = await conn.fetchrow(
        "SELECT interest_id, version, vendor_id, state, origin, series_id, setting, weekdays, categories, areas, "
        "venue_ids, any_site, needs, valid_until, declared_at, confirmed_at FROM interest WHERE interest_id = $1",
        interest_id,
    )
    if row is None:
        raise InterestUnknown("There is no such interest.")
    return _interest(row)


async def lock_interest(conn: Connection, interest_id: UUID) -> Interest:
    """An interest, held until the transaction ends. Raises `InterestUnknown`."""
    row = await conn.fetchrow(
        "SELECT interest_id, version, vendor_id, state, origin, series_id, setting, weekdays, categories, areas, "
        "venue_ids, any_site, needs, valid_until, declared_at, confirmed_at FROM interest WHERE interest_id = $1 "
        "FOR NO KEY UPDATE",
        interest_id,
    )
    if row is None:
        raise InterestUnknown("There is no such interest.")
    return _interest(row)


async def list_interests(
    conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int
) -> list[Interest]:
    """Interests of these ids, the latest first; one more than `limit` where there are more."""
    rows = await conn.fetch(
        "SELECT interest_id, version, vendor_id, state, origin, series_id, setting, weekdays, categories, areas, "
        "venue_ids, any_site, needs, valid_until, declared_at, confirmed_at FROM interest "
        "WHERE vendor_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR interest_id < $2) "
        "ORDER BY interest_id DESC LIMIT $3",
        list(vendor_ids),
        after,
        limit + 1,
    )
    return [_interest(row) for row in rows]


async def save_interest(conn: Connection, interest: Interest) -> None:
    """What changes about an interest; its row is locked."""
    await conn.execute(
        "UPDATE interest SET version = $2, state = $3, valid_until = $4, confirmed_at = $5 WHERE interest_id = $1",
        interest.interest_id,
        interest.version,
        interest.state,
        interest.valid_until,
        interest.confirmed_at,
    )


def _interest(row: Record) -> Interest:
    return Interest(
        interest_id=row["interest_id"],
        version=row["version"],
        vendor_id=row["vendor_id"],
        state=row["state"],
        origin=row["origin"],
        series_id=row["series_id"],
        setting=row["setting"],
        weekdays=tuple(row["weekdays"]),
        categories=tuple(row["categories"]),
        areas=tuple(row["areas"]),
        venue_ids=tuple(row["venue_ids"]),
        any_site=row["any_site"],
        needs=tuple(row["needs"]),
        valid_until=row["valid_until"],
        declared_at=row["declared_at"],
        confirmed_at=row["confirmed_at"],
    )


# ---- when applications open


class Run(NamedTuple):
    """How far the applications of a bazaar are made: behind this interest; finished or not."""

    last_id: UUID
    finished: bool


async def lock_run(conn: Connection, bazaar_id: UUID) -> Run:
    """The run of a bazaar, begun if it was not, held until the transaction ends."""
    await conn.execute(
        "INSERT INTO interest_run (bazaar_id, last_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", bazaar_id, NONE_YET
    )
    row = await conn.fetchrow(
        "SELECT last_id, finished_at FROM interest_run WHERE bazaar_id = $1 FOR NO KEY UPDATE", bazaar_id
    )
    assert row is not None
    return Run(row["last_id"], row["finished_at"] is not None)


async def save_run(conn: Connection, bazaar_id: UUID, last_id: UUID, *, finished_at: datetime | None) -> None:
    """The run has come this far."""
    await conn.execute(
        "UPDATE interest_run SET last_id = $2, finished_at = $3 WHERE bazaar_id = $1", bazaar_id, last_id, finished_at
    )


async def find_interested(conn: Connection, bazaar: Bazaar, after: UUID, today: date, limit: int) -> list[Interested]:
    """Interests behind this one, in the order in which they were declared, that are active and may want this bazaar.

    Of a person with several ids all of them count, as at the freeze.
    """
    rows = await conn.fetch(FIND_INTERESTED, bazaar.bazaar_id, after, today, bazaar.series_id, bazaar.setting, limit)
    return [
        Interested(_interest(row), _vendor(row), row["person_id"] or row["vendor_id"], row["prior"]) for row in rows
    ]


FIND_INTERESTED = """
SELECT i.interest_id, i.version, i.vendor_id, i.state, i.origin, i.series_id, i.setting, i.weekdays, i.categories,
    i.areas, i.venue_ids, i.any_site, i.needs, i.valid_until, i.declared_at, i.confirmed_at,
    v.vendor_id AS known_id, v.kelurahan, v.rw, v.category, v.agency, p.person_id,
    EXISTS (SELECT FROM completion AS c WHERE c.vendor_id = ANY(who.ids)) AS trained,
    (SELECT min(s.reason) FROM suspension AS s WHERE s.vendor_id = ANY(who.ids)) AS suspended_because,
    (SELECT CASE WHEN bool_or(a.state <> 'withdrawn') THEN 'applied' ELSE 'withdrawn' END FROM application AS a
        WHERE a.bazaar_id = $1 AND a.vendor_id = ANY(who.ids) HAVING count(*) > 0) AS prior
FROM interest AS i
LEFT JOIN family AS p ON p.vendor_id = i.vendor_id
CROSS JOIN LATERAL (SELECT CASE WHEN p.person_id IS NULL THEN ARRAY[i.vendor_id]
    ELSE ARRAY(SELECT m.vendor_id FROM family AS m WHERE m.person_id = p.person_id) END AS ids) AS who
LEFT JOIN vendor AS v ON v.vendor_id
    = coalesce((SELECT s.vendor_id FROM vendor AS s WHERE s.vendor_id = p.person_id), i.vendor_id)
WHERE i.state = 'active' AND i.interest_id > $2 AND i.valid_until >= $3
    AND (i.series_id IS NULL OR i.series_id = $4) AND (i.setting IS NULL OR i.setting = $5)
ORDER BY i.interest_id LIMIT $6
"""


def _vendor(row: Record) -> Vendor | None:
    if row["known_id"] is None:
        return None
    return Vendor(
        row["known_id"],
        row["kelurahan"],
        row["rw"],
        row["category"],
        row["agency"],
        row["trained"],
        row["suspended_because"],
    )


async def add_applications(conn: Connection, applications: Sequence[Application], day: date) -> set[UUID]:
    """New applications, many at once; those that were added, not those whose vendor has applied at this moment.

    `day`: of the first application of each vendor that had none.
    """
    rows = await conn.fetch(
        "INSERT INTO application (application_id, bazaar_id, vendor_id, version, state, choices, site_ids, "
        "applied_at, groups, origin, needs) "
        "SELECT n.application_id, n.bazaar_id, n.vendor_id, n.version, n.state, n.choices, n.site_ids, n.applied_at, "
        "'{}', n.origin, n.needs FROM jsonb_to_recordset($1) AS n (application_id uuid, bazaar_id uuid, "
        "vendor_id uuid, version bigint, state text, choices jsonb, site_ids text[], applied_at timestamptz, "
        "origin text, needs text[]) "
        "ON CONFLICT (bazaar_id, vendor_id) WHERE state <> 'withdrawn' DO NOTHING RETURNING application_id, vendor_id",
        [
            {
                "application_id": one.application_id,
                "bazaar_id": one.bazaar_id,
                "vendor_id": one.vendor_id,
                "version": one.version,
                "state": one.state,
                "choices": one.choices,
                "site_ids": one.site_ids,
                "applied_at": one.applied_at,
                "origin": one.origin,
                "needs": one.needs,
            }
            for one in applications
        ],
    )
    await conn.execute(
        "INSERT INTO first_application (vendor_id, day) SELECT vendor_id, $2 FROM unnest($1::uuid[]) AS n (vendor_id) "
        "ON CONFLICT DO NOTHING",
        [row["vendor_id"] for row in rows],
        day,
    )
    return {row["application_id"] for row in rows}


class Outcome(NamedTuple):
    """What became of an interest at a bazaar: an application, or the code of why not."""

    interest_id: UUID
    application_id: UUID | None
    because: str | None


async def add_outcomes(conn: Connection, bazaar_id: UUID, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """What became of these interests at this bazaar."""
    await conn.execute(
        "INSERT INTO interest_outcome (interest_id, bazaar_id, application_id, because, at) "
        "SELECT n.interest_id, $1, n.application_id, n.because, $5 FROM unnest($2::uuid[], $3::uuid[], $4::text[]) "
        "AS n (interest_id, application_id, because)",
        bazaar_id,
        [one.interest_id for one in outcomes],
        [one.application_id for one in outcomes],
        [one.because for one in outcomes],
        now,
    )


async def list_outcomes(conn: Connection, interest_id: UUID, limit: int) -> list[dict[str, Any]]:
    """The latest outcomes of an interest."""
    rows = await conn.fetch(
        "SELECT o.bazaar_id, b.name AS bazaar_name, b.days, o.application_id, o.because, o.at "
        "FROM interest_outcome AS o JOIN bazaar AS b USING (bazaar_id) WHERE o.interest_id = $1 "
        "ORDER BY o.at DESC, o.bazaar_id DESC LIMIT $2",
        interest_id,
        limit,
    )
    return [dict(row) for row in rows]

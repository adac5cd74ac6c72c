"""Rows of sales: what holds now, everything that was ever reported, and vendors' links."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.sales import OWN_DAYS_READ, PEERS_MIN, Comparisons, Figures, Origin, ReportSales
from shared.db import Connection


class SalesRow(NamedTuple):
    """What holds now for a booth and a day. `report`: number of the report that said so, 1 is the first."""

    figures: Figures
    report: int
    queried_because: list[str]


async def find_sales(conn: Connection, application_id: UUID, day: date) -> SalesRow | None:
    """What was reported for this day, if anything."""
    row = await conn.fetchrow(
        "SELECT turnover_rupiah, transactions, units, report, queried_because FROM sales "
        "WHERE application_id = $1 AND day = $2",
        application_id,
        day,
    )
    if row is None:
        return None
    figures = Figures(row["turnover_rupiah"], row["transactions"], row["units"])
    return SalesRow(figures, row["report"], row["queried_because"])


async def add_report(
    conn: Connection,
    application_id: UUID,
    command: ReportSales,
    report: int,
    origin: Origin,
    queried_because: Sequence[str],
    *,
    now: datetime,
) -> None:
    """A first report or a correction: it holds from now on, and those before it are kept. The application is locked."""
    await conn.execute(
        "INSERT INTO sales (application_id, day, turnover_rupiah, transactions, units, report, queried_because, "
        "reported_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (application_id, day) DO UPDATE "
        "SET turnover_rupiah = excluded.turnover_rupiah, transactions = excluded.transactions, "
        "units = excluded.units, report = excluded.report, queried_because = excluded.queried_because, "
        "reported_at = excluded.reported_at",
        application_id,
        command.day,
        command.turnover_rupiah,
        command.transactions,
        command.units,
        report,
        list(queried_because),
        now,
    )
    await conn.execute(
        "INSERT INTO sales_report (application_id, day, report, turnover_rupiah, transactions, units, origin, "
        "queried_because, reported_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        application_id,
        command.day,
        report,
        command.turnover_rupiah,
        command.transactions,
        command.units,
        origin,
        list(queried_because),
        now,
    )


async def confirm_sales(conn: Connection, application_id: UUID, day: date, origin: Origin, *, now: datetime) -> None:
    """Somebody says that the figures are right although they are far from what is usual."""
    await conn.execute(
        "UPDATE sales_report AS r SET confirmed_at = $4, confirmed_by = $3 FROM sales AS s "
        "WHERE s.application_id = $1 AND s.day = $2 AND r.application_id = s.application_id AND r.day = s.day "
        "AND r.report = s.report",
        application_id,
        day,
        origin,
        now,
    )
    await conn.execute(
        "UPDATE sales SET queried_because = '{}' WHERE application_id = $1 AND day = $2", application_id, day
    )


async def find_comparisons(
    conn: Connection, application_id: UUID, vendor_ids: Sequence[UUID], day: date
) -> Comparisons:
    """What to compare a day's figures with: the person's own other days, the latest first, and those of others of its
    category at the site that day, or of all others where the category has too few. Open queries are left out."""
    own = await conn.fetch(
        "SELECT s.turnover_rupiah, s.transactions, s.units "
        "FROM sales AS s JOIN application AS a USING (application_id) "
        "WHERE a.vendor_id = ANY($1::uuid[]) AND s.queried_because = '{}' AND (s.application_id, s.day) <> ($2, $3) "
        "ORDER BY s.day DESC LIMIT $4",
        list(vendor_ids),
        application_id,
        day,
        OWN_DAYS_READ,
    )
    peers = await conn.fetch(FIND_PEERS, application_id, day)
    alike = [row for row in peers if row["alike"]]
    return Comparisons([Figures(*row.values()) for row in own], _figures(alike, peers))


FIND_PEERS = """
SELECT s.turnover_rupiah, s.transactions, s.units,
    coalesce(a.groups ->> 'category' = me.groups ->> 'category', false) AS alike
FROM application AS me
JOIN application AS a ON a.bazaar_id = me.bazaar_id AND a.site_id = me.site_id AND a.application_id <> me.application_id
JOIN sales AS s ON s.application_id = a.application_id AND s.day = $2
WHERE me.application_id = $1 AND s.queried_because = '{}' AND s.transactions > 0
"""


def _figures(alike: Sequence[Record], peers: Sequence[Record]) -> list[Figures]:
    rows = alike if len(alike) >= PEERS_MIN else peers
    return [Figures(row["turnover_rupiah"], row["transactions"], row["units"]) for row in rows]


# ---- links


async def save_link(conn: Connection, application_id: UUID, link_id: UUID, expires_at: datetime) -> None:
    """The link of an application; the one before ends."""
    await conn.execute(
        "INSERT INTO sales_link (application_id, link_id, expires_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (application_id) DO UPDATE SET link_id = excluded.link_id, expires_at = excluded.expires_at",
        application_id,
        link_id,
        expires_at,
    )


async def find_link(conn: Connection, link_id: UUID, now: datetime) -> UUID | None:
    """The application that this link is of, while it is good."""
    found: UUID | None = await conn.fetchval(
        "SELECT application_id FROM sales_link WHERE link_id = $1 AND expires_at > $2", link_id, now
    )
    return found


# ---- as they are shown


async def list_days(conn: Connection, application_id: UUID) -> list[dict[str, Any]]:
    """Each day on which the booth was checked in or sales were reported, with what holds and every report of it."""
    rows = await conn.fetch(LIST_DAYS, application_id)
    return [dict(row) for row in rows]


LIST_DAYS = """
SELECT d.day, s.turnover_rupiah, s.transactions, s.units, coalesce(s.queried_because, '{}') AS queried_because,
    coalesce((SELECT jsonb_agg(jsonb_build_object('report', r.report, 'turnover_rupiah', r.turnover_rupiah,
        'transactions', r.transactions, 'units', r.units, 'by', r.origin, 'reported_at', r.reported_at,
        'queried_because', r.queried_because, 'confirmed_at', r.confirmed_at, 'confirmed_by', r.confirmed_by)
        ORDER BY r.report) FROM sales_report AS r WHERE r.application_id = $1 AND r.day = d.day), '[]') AS reports
FROM (SELECT day FROM check_in WHERE application_id = $1 UNION SELECT day FROM sales WHERE application_id = $1) AS d
LEFT JOIN sales AS s ON s.application_id = $1 AND s.day = d.day
ORDER BY d.day
"""


async def list_queries(
    conn: Connection, bazaar_id: UUID, after: tuple[UUID, date] | None, limit: int
) -> list[dict[str, Any]]:
    """Sales that somebody must confirm or correct; one row more than `limit` when there are more."""
    application_id, day = after or (UUID(int=0), date.min)
    rows = await conn.fetch(
        "SELECT s.application_id, s.day, a.site_id, a.booth, s.turnover_rupiah, s.transactions, s.units, "
        "s.queried_because AS because, s.reported_at FROM sales AS s JOIN application AS a USING (application_id) "
        "WHERE a.bazaar_id = $1 AND s.queried_because <> '{}' AND (s.application_id, s.day) > ($2::uuid, $3::date) "
        "ORDER BY s.application_id, s.day LIMIT $4",
        bazaar_id,
        application_id,
        day,
        limit + 1,
    )
    return [dict(row) for row in rows]


async def sum_sales(conn: Connection, bazaar_id: UUID) -> list[dict[str, Any]]:
    """Per site and day: how many reported, and the sums; those of open queries apart, in none of the other sums."""
    rows = await conn.fetch(
        "SELECT a.site_id, s.day, count(*) FILTER (WHERE s.queried_because = '{}') AS reports, "
        "count(*) FILTER (WHERE s.queried_because = '{}' AND s.transactions = 0) AS sold_nothing, "
        "coalesce(sum(s.turnover_rupiah) FILTER (WHERE s.queried_because = '{}'), 0)::bigint AS turnover_rupiah, "
        "coalesce(sum(s.transactions) FILTER (WHERE s.queried_because = '{}'), 0)::bigint AS transactions, "
        "coalesce(sum(s.units) FILTER (WHERE s.queried_because = '{}'), 0)::bigint AS units, "
        "count(*) FILTER (WHERE s.queried_because <> '{}') AS queried_reports, "
        "coalesce(sum(s.turnover_rupiah) FILTER (WHERE s.queried_because <> '{}'), 0)::bigint "
        "AS queried_turnover_rupiah "
        "FROM sales AS s JOIN application AS a USING (application_id) WHERE a.bazaar_id = $1 "
        "GROUP BY a.site_id, s.day ORDER BY a.site_id, s.day",
        bazaar_id,
    )
    return [dict(row) for row in rows]

"""By which indexes what is asked most is found among many applications to many bazaars."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from asyncpg import Record
from pydantic_core import from_json

from services.bazaar.store import applications, calendars, days, fairness, public
from shared.db import Connection
from tests.conftest import MakeDatabase

FILLED = (
    """
    INSERT INTO vendor SELECT md5('v' || n)::uuid, '31.71.02.100' || n % 8, lpad((1 + n / 8 % 20)::text, 3, '0'),
        'health', 'kpkp' FROM generate_series(0, 9999) AS n
    """,
    """
    INSERT INTO bazaar (bazaar_id, version, state, name, organisers, days, applications_close_at, offer_hours, policy,
        round, created_at)
    SELECT md5('b' || n)::uuid, 1, 'allocated', 'Bazar', '{Sudin}', ARRAY[date '2022-01-01' + n * 7],
        date '2022-01-01' + n * 7 - 10, 48, '{}', 1, '2021-12-01' FROM generate_series(0, 59) AS n
    """,
    """
    INSERT INTO site (bazaar_id, site_id, position, name, venue_type, kelurahan, booths, reserves, caps)
    SELECT bazaar_id, 'one', 0, 'Rusun', 'rusun', '31.71.02.1002', 30, '[]', '[]' FROM bazaar
    """,
    """
    INSERT INTO booth (bazaar_id, site_id, number, position, kind)
    SELECT bazaar_id, 'one', 'A' || n, n, 'vendor' FROM bazaar, generate_series(1, 30) AS n
    """,
    # one of the bazaars has ten times as many applications as each of the others
    """
    INSERT INTO application (application_id, bazaar_id, vendor_id, version, state, choices, site_ids, applied_at,
        groups, place, because, ahead, forecast_round, site_id, booth, respond_by, promoted)
    SELECT md5(b || '/' || n)::uuid, md5('b' || b)::uuid, v.vendor_id, 3,
        CASE WHEN n <= 20 THEN 'confirmed' WHEN n <= 30 THEN 'offered' ELSE 'queued' END, '[["one"]]', '{one}',
        '2021-12-01', jsonb_build_object('rw', v.kelurahan || '.' || v.rw), CASE WHEN n > 30 THEN n END, '{}', '{}', 2,
        CASE WHEN n <= 30 THEN 'one' END, CASE WHEN n <= 30 THEN 'A' || n END,
        CASE WHEN n <= 30 THEN timestamptz '2022-01-01' END, CASE WHEN n <= 30 THEN false END
    FROM generate_series(0, 59) AS b, generate_series(1, 5000) AS n,
        LATERAL (SELECT * FROM vendor WHERE vendor_id = md5('v' || (b * 997 + n) % 10000)::uuid) AS v
    WHERE n <= CASE b WHEN 59 THEN 5000 ELSE 500 END
    """,
    """
    INSERT INTO first_application SELECT vendor_id, '2021-12-01' FROM application GROUP BY 1
    """,
    """
    INSERT INTO turn SELECT application_id, vendor_id, '2022-01-01' FROM application WHERE state = 'confirmed'
    """,
    "ANALYZE",
)
LATEST = "SELECT md5('b59')::uuid"


class Asked(NamedTuple):
    """One statement: its text, and the pages it touched."""

    statement: str
    pages: int


class Explained:
    """A connection that looks how each statement is answered."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.asked: list[Asked] = []

    async def fetch(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows, as the connection gives them."""
        text = await self._conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
        plan = (from_json(text) if isinstance(text, str) else text)[0]["Plan"]
        self.asked.append(Asked(statement, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]))
        rows: list[Record] = await self._conn.fetch(statement, *arguments)
        return rows


async def test_what_is_asked_most_is_found_by_an_index(make_database: MakeDatabase) -> None:
    fresh = await make_database("bazaar")
    async with fresh.database.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # what is filled in here needs no checking
        for statement in FILLED:
            await conn.execute(statement)
    async with fresh.database.read() as conn:
        latest = await conn.fetchval(LATEST)
        waiting = await conn.fetchval(
            "SELECT application_id FROM application WHERE bazaar_id = $1 AND place = 2500", latest
        )
        vendor_id: UUID = await conn.fetchval("SELECT vendor_id FROM application WHERE application_id = $1", waiting)
        allowed: list[tuple[int, Callable[[Connection], Awaitable[object]]]] = [
            # the pages that each may touch at most; the table has some 3,000
            (150, lambda conn: applications.list_queue(conn, latest, 0, 50)),
            (1500, lambda conn: applications.list_applications_of(conn, [vendor_id], None, 50)),
            (200, lambda conn: applications.find_waiting(conn, latest, ["one"], 102)),
            (100, lambda conn: applications.find_turned(conn, latest)),
            (100, lambda conn: applications.find_bazaars_of(conn, [vendor_id])),
            (100, lambda conn: applications.lock_expired_offers(conn, latest, datetime(2023, 1, 1, tzinfo=UTC))),
            (250, lambda conn: days.list_expected(conn, latest, "one")),
            (150, lambda conn: calendars.find_of_vendors(conn, [vendor_id], date(2022, 1, 1), 50)),
            (200, lambda conn: public.list_coming(conn, date(2022, 2, 1), None, 20)),
            (200, lambda conn: public.list_past(conn, date(2023, 1, 1), None, 20)),
            # vendors of all 160 RWs are counted before the first is shown; with no index for the offers: some 500,000
            (60_000, lambda conn: fairness.list_rws(conn, "31.71.02", None, "", 50)),
        ]
        too_many = []
        for pages, ask in allowed:
            explained = Explained(conn)
            await ask(cast("Connection", explained))
            too_many += [one for one in explained.asked if one.pages > pages]
    assert not too_many

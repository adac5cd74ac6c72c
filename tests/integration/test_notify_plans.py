"""By which indexes messages are found while a broadcast waits among many that rest."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from asyncpg import Record
from pydantic_core import from_json

from services.notify.domain.budgets import ProviderBudget
from services.notify.domain.reports import Receipt
from services.notify.store import (
    audiences,
    budgets,
    changes,
    claims,
    delivery,
    digests,
    figures,
    inbox,
    intents,
    keys,
    lookups,
    queue,
    receipts,
    replies,
    routing,
    standings,
    wishes,
)
from shared.db import Connection
from shared.ids import new_id
from tests.conftest import MakeDatabase

# Of 40,000 messages 26,000 have arrived, 10,000 are queued for a broadcast, the rest is in every other state.
FILLED = (
    "INSERT INTO template_version (template, version, sources, first_used_at) VALUES ('t', '1', '{}', '2022-01-01')",
    "INSERT INTO vendor SELECT md5('v' || n)::uuid, '31.71.0' || n % 8 || '.1001' FROM generate_series(0, 39999) AS n",
    """
    INSERT INTO contact SELECT md5('v' || n)::uuid, 'Name', '+62812' || lpad(n::text, 8, '0'), 'v' || n || '@x.test',
        'id', '2022-01-01', 'vendor' FROM generate_series(0, 39999) AS n
    """,
    "INSERT INTO family SELECT md5('v' || n)::uuid, md5('v' || n / 2 * 2)::uuid FROM generate_series(0, 3999) AS n",
    """
    INSERT INTO broadcast (broadcast_id, state, template, template_version, params, topic, channels, areas, by_list,
        deadline, drafted_by, drafted_at, recipients)
    VALUES (md5('b')::uuid, 'running', 't', '1', '{}', 'programme', '{whatsapp}', '{31}', false, '2022-02-01', 'x',
        '2022-01-01', 20000)
    """,
    """
    INSERT INTO broadcast_recipient (broadcast_id, channel, vendor_id)
    SELECT md5('b')::uuid, 'whatsapp', md5('v' || n)::uuid FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, attempts,
        attempt_id, due_at, deadline, cause_at, planned_at, sent_at, settled_at, channel, provider, route, delivered_at,
        broadcast_id, counted, reason, not_before)
    SELECT md5('n' || n)::uuid, md5('e' || n)::uuid, 't', md5('v' || n)::uuid, '1', '{}',
        CASE WHEN n < 27000 THEN n % 3 ELSE 3 END, s.state, 1, md5('at' || n)::uuid,
        clock_timestamp() - interval '1 hour', s.at + interval '30 days', s.at, s.at, s.at,
        CASE WHEN s.state IN ('delivered', 'sent', 'unknown', 'rejected') THEN s.at END,
        CASE WHEN s.state NOT IN ('planned', 'deferred', 'held') THEN 'whatsapp' END, 'wa',
        CASE WHEN s.state IN ('queued', 'sent') THEN '{sms}'::text[] ELSE '{}' END,
        CASE WHEN s.state = 'delivered' THEN s.at END, CASE WHEN n >= 27000 THEN md5('b')::uuid END, n < 20000,
        CASE WHEN s.state = 'deferred' THEN CASE n % 2 WHEN 0 THEN 'digest' ELSE 'quiet-hours' END END,
        CASE WHEN s.state = 'deferred' THEN s.at + interval '20 days' END
    FROM generate_series(0, 39999) AS n, LATERAL (SELECT timestamptz '2022-01-01' + n * interval '10 seconds' AS at,
        CASE WHEN n % 2000 = 1 THEN 'unknown' WHEN n % 2000 = 2 THEN 'rejected' WHEN n % 2000 = 3 THEN 'sending'
            WHEN n % 1000 = 4 THEN 'waiting_contact' WHEN n % 100 = 5 THEN 'sent' WHEN n < 27000 THEN 'delivered'
            WHEN n < 37000 THEN 'queued' WHEN n < 38000 THEN 'planned' WHEN n < 39000 THEN 'deferred'
            ELSE 'held' END AS state) AS s
    """,
    """
    INSERT INTO attempt (id, notification_id, number, channel, began_at, ended_at, outcome, code, provider, message_id,
        status, status_at)
    SELECT md5(CASE k WHEN 1 THEN 'at' ELSE 'older' END || n)::uuid, md5('n' || n)::uuid, k, 'whatsapp', at, at,
        'accepted', '200', 'wa', 'wamid.' || n || '/' || k, 'delivered', at
    FROM generate_series(0, 26999) AS n, generate_series(1, 2) AS k,
        LATERAL (SELECT timestamptz '2022-01-01' + n * interval '10 seconds' AS at) AS moment
    """,
    "INSERT INTO receipt SELECT id, 'delivered', NULL, began_at, began_at FROM attempt WHERE number = 1",
    "INSERT INTO budget_portfolio VALUES ('wa', 20000)",
    """
    INSERT INTO budget_recipient SELECT 'wa', decode(md5('k' || n), 'hex'),
        timestamptz '2022-01-20' + n * interval '1 second' FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO suppression SELECT md5('s' || n)::uuid, 'sms', decode(md5('k' || n), 'hex'), 'bounced', '2022-01-01',
        NULL, 1, 'x' FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO wish SELECT md5('v' || n)::uuid, 'news', 'whatsapp', false, '2022-01-01', 'person'
    FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO reply (reply_id, provider, message_id, channel, address_key, vendor_id, intent, state, said_at,
        received_at, text_sealed)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'wa', 'm' || n, 'whatsapp', decode(md5('k' || n), 'hex'),
        md5('v' || n)::uuid, 'other', CASE WHEN n % 400 = 0 THEN 'open' ELSE 'handled' END, '2022-01-01', '2022-01-01',
        'x'
    FROM generate_series(0, 19999) AS n
    """,
    """
    INSERT INTO application_standing (application_id, vendor_id, bazaar_name, state, last_day, changed_at)
    SELECT md5('a' || n)::uuid, md5('v' || n)::uuid, 'B', 'waiting', '2022-01-01', '2022-01-01'
    FROM generate_series(0, 19999) AS n
    """,
    "ANALYZE",
)
NOW = datetime(2022, 1, 22, tzinfo=UTC)
BUDGET = ProviderBudget(provider="wa", portfolio="wa", per_second=80, tier=100_000)


def _id(name: str) -> UUID:
    return UUID(hashlib.md5(name.encode()).hexdigest())


def _key(number: int) -> bytes:
    return hashlib.md5(f"k{number}".encode()).digest()


BROADCAST, MESSAGES, VENDORS = _id("b"), [_id(f"n{n}") for n in range(500)], [_id(f"v{n}") for n in range(500)]
TOLD = [(_id(f"at{n}"), Receipt("wa", _id(f"at{n}"), f"wamid.{n}/1", "read", NOW)) for n in range(250)]
WAY = audiences.Progress("whatsapp", 20_000, 10_000, _id("v5"), finished=False)


class Asked(NamedTuple):
    """One statement: its text, the pages it touched, and the rows it looked at."""

    statement: str
    pages: int
    rows: float


def _rows(plan: dict[str, Any]) -> float:
    below: float = sum(_rows(one) for one in plan.get("Plans", ()))
    if "Scan" not in plan["Node Type"] or "Subquery" in plan["Node Type"]:
        return below
    return below + float(plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * float(plan["Actual Loops"])


class Explained:
    """A connection that looks how each statement is answered."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.asked: list[Asked] = []

    async def _explain(self, statement: str, arguments: tuple[Any, ...]) -> None:
        attempt = self._conn.transaction()
        await attempt.start()
        text = await self._conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
        await attempt.rollback()
        plan = (from_json(text) if isinstance(text, str) else text)[0]["Plan"]
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.asked.append(Asked(statement, pages, _rows(plan)))

    async def fetch(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows, as the connection gives them."""
        await self._explain(statement, arguments)
        rows: list[Record] = await self._conn.fetch(statement, *arguments)
        return rows

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first value."""
        await self._explain(statement, arguments)
        return await self._conn.fetchval(statement, *arguments)

    async def fetchrow(self, statement: str, *arguments: Any) -> Record | None:
        """The first row."""
        await self._explain(statement, arguments)
        return await self._conn.fetchrow(statement, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> str:
        """What was done."""
        await self._explain(statement, arguments)
        done: str = await self._conn.execute(statement, *arguments)
        return done


ROWS_MAX = 6_000
# The pages that each may touch at most. A message that is written has a page in each of a dozen indexes.
ALLOWED: list[tuple[int, Callable[[Connection], Awaitable[object]]]] = [
    (
        2_500,
        lambda c: claims.claim_due(
            c, new_id(), channel="whatsapp", lanes=[0, 1, 2, 3], limit=64, lease_seconds=9, now=NOW
        ),
    ),
    (3_000, lambda c: routing.lock_planned(c, 500, NOW)),
    (500, lambda c: routing.lock_waiting(c, VENDORS[:6], NOW + timedelta(days=9))),
    (500, lambda c: routing.lock_open(c, VENDORS[:6])),
    (500, lambda c: changes.lock_messages(c, VENDORS[:3], waiting=VENDORS[:6])),
    (500, lambda c: changes.lock_everything(c, VENDORS[:6])),
    (500, lambda c: changes.lock_digests(c, VENDORS[:6])),
    (
        200,
        lambda c: delivery.begin_attempts(
            c, [delivery.Start(MESSAGES[0], new_id(), new_id(), "whatsapp", "id")], lease_seconds=9, now=NOW
        ),
    ),
    (200, lambda c: delivery.lock_lost(c, 20)),
    (200, lambda c: delivery.lock_overdue(c, NOW - timedelta(days=30), 20)),
    (300, lambda c: delivery.lock_unsent(c, VENDORS[:6])),
    (400, lambda c: delivery.lock_silent(c, "whatsapp", seconds=1e9, least_seconds=1e8, now=NOW, limit=20)),
    (200, lambda c: delivery.lock_stuck(c, "whatsapp", 20)),
    (
        1_500,
        lambda c: delivery.take_questions(c, ["wa"], limit=20, first_seconds=1, most_seconds=9, asks_max=9),
    ),
    (4_000, lambda c: receipts.find_attempts(c, [one for _, one in TOLD])),
    (4_000, lambda c: receipts.read_attempts(c, [attempt_id for attempt_id, _ in TOLD])),
    (100, lambda c: intents.release_waiting(c, MESSAGES[:3])),
    (100, lambda c: inbox.find_inbox(c, VENDORS[:2], unread=True, before=None, limit=20)),
    (100, lambda c: inbox.count_unread(c, VENDORS[:2])),
    (15_000, lambda c: figures.count_settled(c, NOW, unknown_before=NOW - timedelta(days=30), limit=500)),
    (10_000, lambda c: figures.empty_settled(c, NOW, NOW + timedelta(days=60), 200)),
    (200, lambda c: figures.remove_counted(c, NOW - timedelta(days=365), 20)),
    (100, lambda c: budgets.lock_portfolio(c, "wa")),
    (
        100,
        lambda c: budgets.read_used(
            c, BUDGET, counted_after=datetime(2022, 1, 19, tzinfo=UTC), today=date(2022, 1, 22)
        ),
    ),
    (400, lambda c: budgets.find_addresses(c, BUDGET, [_key(n) for n in range(64)], counted_after=NOW)),
    (1_100, lambda c: digests.find_due(c, NOW + timedelta(days=30), 100)),
    (200, lambda c: digests.lock_children(c, MESSAGES[:20])),
    (3_000, lambda c: audiences.find_next(c, BROADCAST, WAY, 200)),
    (100, lambda c: lookups.find_notifications(c, template=None, state=None, area=None, before=None, limit=20)),
    (200, lambda c: lookups.find_notifications(c, template=None, state="unknown", area="31", before=None, limit=20)),
    (100, lambda c: lookups.find_notifications_of(c, VENDORS[0], template=None, state=None, before=None, limit=20)),
    (100, lambda c: lookups.find_attempts(c, MESSAGES[0])),
    (100, lambda c: lookups.find_by_message_id(c, "wa", "wamid.5/1", before=None, limit=20)),
    (100, lambda c: lookups.find_vendors_at(c, "+6281200000005", None, 20)),
    (100, lambda c: lookups.find_vendors_at(c, None, "V5@x.test", 20)),
    (100, lambda c: replies.find_about(c, "wa", "wamid.5/1")),
    (100, lambda c: replies.find_senders(c, ["+6281200000005"])),
    (100, lambda c: replies.count_echoes(c, _key(5), NOW)),
    (500, lambda c: queue.list_replies(c, queue.ReplyFilter("31", "open"), None, 20)),
    (500, lambda c: queue.list_replies(c, queue.ReplyFilter("31"), None, 20)),
    (100, lambda c: standings.find_applications(c, VENDORS[:2])),
    (3_000, lambda c: wishes.find_members(c, VENDORS)),
    (3_000, lambda c: wishes.find_wishes(c, {one: [one] for one in VENDORS})),
    (3_000, lambda c: wishes.find_suppressed(c, {wishes.Address("sms", _key(n)) for n in range(500)}, NOW)),
    (50, lambda c: keys.find_simulated(c, NOW, 20)),
]


async def test_what_is_asked_all_the_time_is_found_by_an_index(make_database: MakeDatabase) -> None:
    fresh = await make_database("notify")
    async with fresh.database.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")  # what is filled in here needs no checking
        for statement in FILLED:
            await conn.execute(statement)
    too_many = []
    async with fresh.database.transaction() as conn:
        for pages, ask in ALLOWED:
            explained = Explained(conn)
            await ask(cast("Connection", explained))
            assert explained.asked
            too_many += [(pages, one) for one in explained.asked if one.pages > pages or one.rows > ROWS_MAX]
    assert not too_many

"""Budgets: what is used of each limit. The lock of a portfolio's row lets one claim at a time spend.

Two clocks: the bucket and the time between two messages to one person run on the database's clock; people counted in a
day and money spent on a day are business moments.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from services.notify.domain.budgets import (
    HELD_SECONDS,
    PAIR_FLIGHT_SECONDS,
    Granting,
    ProviderBudget,
    Refused,
    Spent,
    Want,
)
from shared.db import Connection

EXPIRED_ROWS_MAX = 1_000
"""People of yesterday removed by one claim at most; those that stay count until the next, which is safe."""

FORGOTTEN_ROWS_MAX = 1_000

BOOKINGS_MAX = 200
"""Bookings of a day that are added up by every claim; with more, they are made one."""


async def lock_portfolio(conn: Connection, portfolio: str) -> int:
    """Let nobody else spend of this portfolio until the transaction ends. How many of its people are counted."""
    locked = "SELECT recipients FROM budget_portfolio WHERE portfolio = $1 FOR UPDATE"
    recipients: int | None = await conn.fetchval(locked, portfolio)
    if recipients is None:
        await conn.execute("INSERT INTO budget_portfolio (portfolio) VALUES ($1) ON CONFLICT DO NOTHING", portfolio)
        recipients = await conn.fetchval(locked, portfolio)
    assert recipients is not None
    return recipients


class Used(NamedTuple):
    """What is used: people who no longer count and were removed, when the next one was counted; the bucket and the
    seconds since it was filled (None: it never was used); money spent and put aside, and the day's bookings.
    """

    removed: int
    oldest_at: datetime | None
    tokens: float | None
    elapsed_seconds: float | None
    spent_millirupiah: int
    bookings: int


async def read_used(conn: Connection, budget: ProviderBudget, *, counted_after: datetime, today: date) -> Used:
    """What is used by a provider whose portfolio is locked; who was counted before `counted_after` counts no more."""
    row = await conn.fetchrow(
        "WITH gone AS (DELETE FROM budget_recipient AS r USING ("
        "SELECT address_key FROM budget_recipient WHERE portfolio = $2 AND counted_at <= $3 "
        "ORDER BY counted_at LIMIT $5) AS old "
        "WHERE r.portfolio = $2 AND r.address_key = old.address_key RETURNING 1) "
        "SELECT (SELECT count(*) FROM gone) AS removed, "
        "(SELECT counted_at FROM budget_recipient WHERE portfolio = $2 AND counted_at > $3 "
        "ORDER BY counted_at LIMIT 1) AS oldest_at, "
        "rate.tokens, extract(epoch FROM statement_timestamp() - rate.filled_at)::float8 AS elapsed_seconds, "
        "(spent.millirupiah + coalesce((SELECT sum(held_millirupiah) FROM budget_recent WHERE provider = $1 "
        "AND held_millirupiah > 0 AND held_until > statement_timestamp()), 0))::bigint AS spent_millirupiah, "
        "spent.bookings FROM (SELECT coalesce(sum(millirupiah), 0) AS millirupiah, count(*) AS bookings "
        "FROM budget_spent WHERE provider = $1 AND day = $4) AS spent "
        "LEFT JOIN budget_rate AS rate ON rate.provider = $1",
        budget.provider,
        budget.portfolio,
        counted_after,
        today,
        EXPIRED_ROWS_MAX,
    )
    assert row is not None
    return Used(*row)


async def find_addresses(
    conn: Connection, budget: ProviderBudget, address_keys: Sequence[bytes], *, counted_after: datetime
) -> list[tuple[bytes, float | None, bool]]:
    """Of these addresses: in how many seconds the next message may follow (None: at once), whether it counts."""
    rows = await conn.fetch(
        "SELECT w.address_key, extract(epoch FROM recent.free_at - statement_timestamp())::float8 AS free_seconds, "
        "coalesce(person.counted_at > $4, false) AS counted "
        "FROM unnest($3::bytea[]) AS w (address_key) "
        "LEFT JOIN budget_recent AS recent ON recent.provider = $1 AND recent.address_key = w.address_key "
        "LEFT JOIN budget_recipient AS person ON person.portfolio = $2 AND person.address_key = w.address_key",
        budget.provider,
        budget.portfolio,
        address_keys,
        counted_after,
    )
    return [(row["address_key"], row["free_seconds"], row["counted"]) for row in rows]


async def save_grants(
    conn: Connection, budget: ProviderBudget, granting: Granting, removed: int, now: datetime
) -> None:
    """Write what these grants use."""
    if budget.per_second is not None:
        await conn.execute(
            "INSERT INTO budget_rate (provider, tokens, filled_at) VALUES ($1, $2, statement_timestamp()) "
            "ON CONFLICT (provider) DO UPDATE SET tokens = excluded.tokens, filled_at = excluded.filled_at",
            budget.provider,
            granting.tokens,
        )
    people = [want for want in granting.granted if want.opens_conversation] if budget.tier is not None else []
    if removed or people:
        await _save_people(conn, budget.portfolio, people, granting.newly_counted, removed, now)
    if granting.granted and (budget.pair_seconds or budget.daily_millirupiah is not None):
        await _save_recent(conn, budget, [want.address_key for want in granting.granted])


async def _save_people(
    conn: Connection,
    portfolio: str,
    wants: Sequence[Want],
    newly_counted: frozenset[bytes],
    removed: int,
    now: datetime,
) -> None:
    """Count who is written to anew, each for the message that it was counted for; whoever counts already counts for
    good, even if that message was given back at this very moment.
    """
    first = {want.address_key: want.notification_id for want in reversed(wants) if want.address_key in newly_counted}
    times = Counter(want.address_key for want in wants)
    if removed or first:
        await conn.execute(
            "WITH counted AS (INSERT INTO budget_recipient (portfolio, address_key, counted_at, counted_for, again) "
            "SELECT $1, address_key, $3, counted_for, again FROM unnest($2::bytea[], $5::uuid[], $6::boolean[]) "
            "AS new (address_key, counted_for, again) "
            "ON CONFLICT (portfolio, address_key) DO UPDATE SET counted_at = excluded.counted_at, "
            "counted_for = excluded.counted_for, again = excluded.again RETURNING (xmax = 0) AS fresh) "
            "UPDATE budget_portfolio SET recipients = recipients - $4 + (SELECT count(*) FROM counted WHERE fresh) "
            "WHERE portfolio = $1",
            portfolio,
            list(first),
            now,
            removed,
            list(first.values()),
            [times[key] > 1 for key in first],
        )
    known = list(times.keys() - first.keys())
    if known:
        await conn.execute(
            "UPDATE budget_recipient SET again = true, "
            "counted_at = CASE WHEN counted_at = '-infinity' THEN $3 ELSE counted_at END "
            "WHERE portfolio = $1 AND address_key = ANY($2::bytea[]) AND NOT again",
            portfolio,
            known,
            now,
        )


async def _save_recent(conn: Connection, budget: ProviderBudget, address_keys: Sequence[bytes]) -> None:
    held = 0 if budget.daily_millirupiah is None else budget.price_millirupiah
    await conn.execute(
        "WITH gone AS (DELETE FROM budget_recent AS r USING ("
        "SELECT address_key FROM budget_recent WHERE provider = $1 AND forget_at <= statement_timestamp() "
        "AND address_key <> ALL($2) ORDER BY forget_at LIMIT $7 FOR UPDATE SKIP LOCKED) AS old "
        "WHERE r.provider = $1 AND r.address_key = old.address_key) "
        "INSERT INTO budget_recent (provider, address_key, free_at, pair_seconds, messages, held_millirupiah, "
        "held_until, forget_at) "
        "SELECT $1, address_key, statement_timestamp() + make_interval(secs => greatest($3::float8, $4)), $3, "
        "count(*), count(*) * $5::bigint, statement_timestamp() + make_interval(secs => $6), "
        "statement_timestamp() + make_interval(secs => $6) "
        "FROM unnest($2::bytea[]) AS new (address_key) GROUP BY address_key ORDER BY address_key "
        "ON CONFLICT (provider, address_key) DO UPDATE SET free_at = excluded.free_at, "
        "pair_seconds = excluded.pair_seconds, held_until = excluded.held_until, forget_at = excluded.forget_at, "
        "messages = excluded.messages + CASE WHEN budget_recent.held_until > statement_timestamp() "
        "THEN budget_recent.messages ELSE 0 END, "
        "held_millirupiah = excluded.held_millirupiah + CASE WHEN budget_recent.held_until > statement_timestamp() "
        "THEN budget_recent.held_millirupiah ELSE 0 END",
        budget.provider,
        address_keys,
        budget.pair_seconds,
        PAIR_FLIGHT_SECONDS if budget.pair_seconds else 0.0,
        held,
        HELD_SECONDS,
        FORGOTTEN_ROWS_MAX,
    )


async def save_spent(conn: Connection, spent: Sequence[Spent], today: date) -> None:
    """Write prices, let go of what was put aside for them, and let the next message follow after the pair's time.

    A row that a claim holds at this moment is passed over: that claim puts its time off anyway, and what was put aside
    lapses by itself. So this waits for no claim.
    """
    await conn.execute(
        "WITH heard AS (SELECT provider, address_key, count(*) AS messages "
        "FROM unnest($1::text[], $2::bytea[]) AS s (provider, address_key) GROUP BY provider, address_key), "
        "mine AS (SELECT r.provider, r.address_key, h.messages FROM budget_recent AS r "
        "JOIN heard AS h USING (provider, address_key) FOR UPDATE OF r SKIP LOCKED) "
        "UPDATE budget_recent AS r SET "
        "free_at = clock_timestamp() + make_interval(secs => r.pair_seconds), "
        "held_millirupiah = CASE WHEN r.messages <= m.messages THEN 0 "
        "ELSE r.held_millirupiah * (r.messages - m.messages) / r.messages END, "
        "messages = greatest(0, r.messages - m.messages), "
        "forget_at = CASE WHEN r.messages <= m.messages "
        "THEN clock_timestamp() + make_interval(secs => r.pair_seconds + 60) ELSE r.forget_at END "
        "FROM mine AS m WHERE r.provider = m.provider AND r.address_key = m.address_key",
        [one.provider for one in spent],
        [one.address_key for one in spent],
    )
    await conn.execute(
        "INSERT INTO budget_spent (provider, day, millirupiah, messages) "
        "SELECT provider, $3, sum(cost), count(*) FROM unnest($1::text[], $2::bigint[]) AS s (provider, cost) "
        "GROUP BY provider",
        [one.provider for one in spent],
        [one.cost_millirupiah for one in spent],
        today,
    )


async def free_recent(conn: Connection, refused: Sequence[Refused]) -> None:
    """Let go of what was put aside for these tries. Where no other message to the person is on its way, the next may
    follow: at once, or after the pair's time if the provider may have counted the try.

    A row that somebody holds is passed over: it lapses by itself.
    """
    await conn.execute(
        "WITH heard AS (SELECT provider, address_key, count(*) AS messages, bool_or(reached) AS reached, "
        "max(asked) AS asked FROM unnest($1::text[], $2::bytea[], $3::boolean[], $4::float8[]) "
        "AS s (provider, address_key, reached, asked) GROUP BY provider, address_key), "
        "mine AS (SELECT r.provider, r.address_key, h.messages, statement_timestamp() + make_interval(secs => "
        "greatest(h.asked, CASE WHEN h.reached THEN r.pair_seconds ELSE 0 END)) AS free_at FROM budget_recent AS r "
        "JOIN heard AS h USING (provider, address_key) FOR UPDATE OF r SKIP LOCKED) "
        "UPDATE budget_recent AS r SET "
        "free_at = CASE WHEN r.messages <= m.messages THEN least(r.free_at, m.free_at) ELSE r.free_at END, "
        "held_millirupiah = CASE WHEN r.messages <= m.messages THEN 0 "
        "ELSE r.held_millirupiah * (r.messages - m.messages) / r.messages END, "
        "messages = greatest(0, r.messages - m.messages) "
        "FROM mine AS m WHERE r.provider = m.provider AND r.address_key = m.address_key",
        [one.provider for one in refused],
        [one.address_key for one in refused],
        [one.reached_provider for one in refused],
        [one.asked_seconds for one in refused],
    )


async def free_people(conn: Connection, refused: Sequence[Refused]) -> None:
    """Let people who were counted for these messages, and for no other, count no more in the portfolio that surely did
    not take them: its next claim removes them, and whoever is about to write to one counts it again. A row that a claim
    holds stays as it is; so does that of another portfolio, which may have the message.
    """
    await conn.execute(
        "UPDATE budget_recipient AS r SET counted_at = '-infinity' WHERE (r.portfolio, r.address_key) IN ("
        "SELECT p.portfolio, p.address_key FROM unnest($1::uuid[], $2::bytea[], $3::text[]) "
        "AS g (notification_id, address_key, portfolio) JOIN budget_recipient AS p "
        "ON p.portfolio = g.portfolio AND p.address_key = g.address_key AND p.counted_for = g.notification_id "
        "WHERE NOT p.again FOR UPDATE OF p SKIP LOCKED)",
        [one.notification_id for one in refused],
        [one.address_key for one in refused],
        [one.portfolio for one in refused],
    )


async def add_up(conn: Connection, provider: str | None = None) -> None:
    """Make one of the bookings of a day; of every provider where none is named. Waits for no booking."""
    await conn.execute(
        "WITH gone AS (DELETE FROM budget_spent WHERE $1::text IS NULL OR provider = $1 "
        "RETURNING provider, day, millirupiah, messages) "
        "INSERT INTO budget_spent (provider, day, millirupiah, messages) "
        "SELECT provider, day, sum(millirupiah), sum(messages) FROM gone GROUP BY provider, day",
        provider,
    )


async def find_usage(
    conn: Connection, budget: ProviderBudget, *, counted_after: datetime, today: date
) -> dict[str, Any]:
    """What a provider has used, for people to read: locks nothing and removes nothing."""
    row = await conn.fetchrow(
        "SELECT rate.tokens, extract(epoch FROM statement_timestamp() - rate.filled_at)::float8 AS elapsed_seconds, "
        "(SELECT count(*) FROM budget_recipient WHERE portfolio = $2 AND counted_at > $3) AS recipients, "
        "spent.millirupiah AS spent_millirupiah, spent.messages, "
        "coalesce((SELECT sum(held_millirupiah) FROM budget_recent WHERE provider = $1 AND held_millirupiah > 0 "
        "AND held_until > statement_timestamp()), 0)::bigint AS held_millirupiah "
        "FROM (SELECT coalesce(sum(millirupiah), 0)::bigint AS millirupiah, coalesce(sum(messages), 0)::bigint AS "
        "messages FROM budget_spent WHERE provider = $1 AND day = $4) AS spent "
        "LEFT JOIN budget_rate AS rate ON rate.provider = $1",
        budget.provider,
        budget.portfolio,
        counted_after,
        today,
    )
    return dict(row or {})


async def find_counted(conn: Connection, portfolio: str, *, counted_after: datetime) -> list[tuple[datetime, int]]:
    """When people of a portfolio were counted, by the quarter of an hour: its end, and how many."""
    rows = await conn.fetch(
        "SELECT date_bin('15 minutes', counted_at, 'epoch'::timestamptz) + interval '15 minutes' AS at, count(*) AS n "
        "FROM budget_recipient WHERE portfolio = $1 AND counted_at > $2 GROUP BY 1 ORDER BY 1",
        portfolio,
        counted_after,
    )
    return [(row["at"], row["n"]) for row in rows]


async def forget_old(conn: Connection, *, counted_before: datetime) -> int:
    """Remove what no longer counts, also of providers that carry nothing any more. How many rows."""
    portfolios = await conn.fetch(
        "SELECT DISTINCT portfolio FROM budget_recipient WHERE counted_at <= $1 ORDER BY portfolio", counted_before
    )
    removed = 0
    for (portfolio,) in portfolios:
        await lock_portfolio(conn, portfolio)
        removed += await conn.fetchval(
            "WITH gone AS (DELETE FROM budget_recipient WHERE portfolio = $1 AND counted_at <= $2 RETURNING 1), "
            "fewer AS (UPDATE budget_portfolio SET recipients = recipients - (SELECT count(*) FROM gone) "
            "WHERE portfolio = $1 RETURNING 1) SELECT (SELECT count(*) FROM gone) FROM fewer",
            portfolio,
            counted_before,
        )
    status = await conn.execute(
        "DELETE FROM budget_recent WHERE (provider, address_key) IN (SELECT provider, address_key FROM budget_recent "
        "WHERE forget_at <= statement_timestamp() FOR UPDATE SKIP LOCKED)"
    )
    return removed + int(status.rpartition(" ")[2])

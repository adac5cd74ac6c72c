"""How much waits, for monitoring: counts that come from indexes."""

from typing import NamedTuple

from shared.db import Connection


class Waiting(NamedTuple):
    """Messages of a lane that wait in a state for a channel, and for how many seconds the first of them is due."""

    state: str
    channel: str
    lane: int
    n: int
    oldest_seconds: float


async def measure_waiting(conn: Connection) -> list[Waiting]:
    """What is queued, to be tried again, or to be routed. Messages of test keys are left out."""
    rows = await conn.fetch(
        "SELECT state, channel, lane, count(*) AS n, greatest(0, extract(epoch FROM clock_timestamp() - min(due_at)))"
        "::float8 AS oldest FROM notification WHERE state IN ('queued', 'retry') AND (mode = 'test')::int = 0 "
        "GROUP BY state, channel, lane UNION ALL "
        "SELECT 'planned', '', lane, count(*), 0 FROM notification WHERE state = 'planned' GROUP BY lane"
    )
    return [Waiting(row["state"], row["channel"] or "", row["lane"], row["n"], row["oldest"]) for row in rows]


class Standing(NamedTuple):
    """A provider: whether it is paused, its share, for how long it is left alone."""

    provider: str
    paused: bool
    share_percent: int
    open_seconds: float


async def measure_providers(conn: Connection) -> list[Standing]:
    """How providers are."""
    rows = await conn.fetch(
        "SELECT provider, paused, share_percent, "
        "extract(epoch FROM greatest(opened_until, clock_timestamp()) - clock_timestamp())::float8 AS open "
        "FROM provider_health"
    )
    return [Standing(row["provider"], row["paused"], row["share_percent"], row["open"]) for row in rows]


class Open(NamedTuple):
    """Messages of which nobody knows whether they left; replies that wait for an officer; events that subscribers are
    owed; messages held back; templates that are paused.
    """

    unknown: int
    replies: int
    webhooks: int
    held: int
    templates: int


async def count_open(conn: Connection) -> Open:
    """What waits for somebody."""
    row = await conn.fetchrow(
        "SELECT (SELECT count(*) FROM notification WHERE state = 'unknown') AS unknown, "
        "(SELECT count(*) FROM reply WHERE state = 'open') AS replies, "
        "(SELECT count(*) FROM webhook_delivery WHERE state = 'due') AS webhooks, "
        "(SELECT count(*) FROM notification WHERE state = 'held') AS held, "
        "(SELECT count(*) FROM template_standing WHERE paused) AS templates"
    )
    assert row is not None
    return Open(*row)

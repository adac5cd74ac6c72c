"""How providers are: shared by all replicas, on the database's clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.events.notify import Channel


class Health(NamedTuple):
    """How a provider is. `open_seconds`: for how long nothing leaves through it; `down_seconds`: since when nothing
    got through, None while it works.
    """

    provider: str
    channel: Channel
    share_percent: int
    open_seconds: float
    down_seconds: float | None
    paused: bool
    code: str | None
    version: int


async def add_providers(conn: Connection, providers: Sequence[tuple[str, Channel]]) -> None:
    """Note that these providers are used; what is known of them stays."""
    await conn.execute(
        "INSERT INTO provider_health AS h (provider, channel) "
        "SELECT provider, channel FROM unnest($1::text[], $2::text[]) AS p (provider, channel) ORDER BY provider "
        "ON CONFLICT (provider) DO UPDATE SET channel = excluded.channel WHERE h.channel <> excluded.channel",
        [name for name, _ in providers],
        [channel for _, channel in providers],
    )


async def read_health(conn: Connection) -> list[Health]:
    """How all providers ever used are, by name."""
    rows = await conn.fetch(
        "SELECT provider, channel, share_percent, "
        "greatest(0, extract(epoch FROM greatest(opened_until, 'epoch') - clock_timestamp()))::float8 AS open_seconds, "
        "extract(epoch FROM clock_timestamp() - down_since)::float8 AS down_seconds, paused, code, version "
        "FROM provider_health ORDER BY provider"
    )
    return [Health(*row) for row in rows]


class Failing(NamedTuple):
    """A provider that fails: for how long it is left alone (0: it is not), and the code it failed with."""

    provider: str
    open_seconds: float
    code: str


async def lower(conn: Connection, failing: Sequence[Failing], *, share_min: int) -> None:
    """A failing provider gets half of its share, and the least when it is left alone."""
    await conn.execute(
        "UPDATE provider_health AS h SET lowered_at = clock_timestamp(), changed_at = clock_timestamp(), "
        "share_percent = CASE WHEN f.seconds > 0 THEN $4 ELSE greatest($4, h.share_percent / 2) END, "
        "opened_until = CASE WHEN f.seconds > 0 "
        "THEN greatest(h.opened_until, clock_timestamp() + make_interval(secs => f.seconds)) ELSE h.opened_until END, "
        "down_since = CASE WHEN f.seconds > 0 THEN coalesce(h.down_since, clock_timestamp()) ELSE h.down_since END, "
        "code = CASE WHEN h.paused THEN h.code ELSE f.code END "
        "FROM unnest($1::text[], $2::float8[], $3::text[]) AS f (provider, seconds, code) "
        "WHERE h.provider = f.provider",
        [one.provider for one in failing],
        [one.open_seconds for one in failing],
        [one.code for one in failing],
        share_min,
    )


async def lift(conn: Connection, names: Sequence[str], *, step: int, step_seconds: float) -> None:
    """Providers that got messages through: they are up, and have a step more of their share if the last change is so
    long ago, however many replicas say it.
    """
    await conn.execute(
        "UPDATE provider_health SET down_since = NULL, opened_until = '-infinity', changed_at = clock_timestamp(), "
        "code = CASE WHEN paused OR share_percent + $2 < 100 THEN code END, "
        "raised_at = CASE WHEN greatest(lowered_at, raised_at) < clock_timestamp() - make_interval(secs => $3) "
        "THEN clock_timestamp() ELSE raised_at END, "
        "share_percent = CASE WHEN greatest(lowered_at, raised_at) < clock_timestamp() - make_interval(secs => $3) "
        "THEN least(100, share_percent + $2) ELSE share_percent END "
        "WHERE provider = ANY($1::text[]) AND (down_since IS NOT NULL OR share_percent < 100 "
        "AND greatest(lowered_at, raised_at) < clock_timestamp() - make_interval(secs => $3))",
        names,
        step,
        step_seconds,
    )


async def lock_provider(conn: Connection, provider: str) -> Health | None:
    """Lock one provider."""
    row = await conn.fetchrow(
        "SELECT provider, channel, share_percent, 0::float8, NULL::float8, paused, code, version "
        "FROM provider_health WHERE provider = $1 FOR UPDATE",
        provider,
    )
    return None if row is None else Health(*row)


async def save_pause(conn: Connection, provider: str, *, paused: bool, code: str | None, share_percent: int) -> None:
    """Write that a provider, which is locked, is paused, or is used again with this share; its version is one more."""
    await conn.execute(
        "UPDATE provider_health SET paused = $2, code = $3, share_percent = $4, version = version + 1, "
        "down_since = NULL, opened_until = '-infinity', lowered_at = clock_timestamp(), "
        "changed_at = clock_timestamp() WHERE provider = $1",
        provider,
        paused,
        code,
        share_percent,
    )


async def add_pause(
    conn: Connection, pause_id: UUID, provider: str, *, paused: bool, actor: str, code: str, now: datetime
) -> None:
    """Keep who paused or resumed a provider, and why."""
    await conn.execute(
        "INSERT INTO provider_pause (id, provider, paused, actor, code, at) VALUES ($1, $2, $3, $4, $5, $6)",
        pause_id,
        provider,
        paused,
        actor,
        code,
        now,
    )


async def list_pauses(
    conn: Connection, *, provider: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Who paused and resumed providers, newest first."""
    rows = await conn.fetch(
        "SELECT id AS pause_id, provider, paused, actor, code, at FROM provider_pause "
        "WHERE ($1::text IS NULL OR provider = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        provider,
        before,
        limit,
    )
    return [dict(row) for row in rows]

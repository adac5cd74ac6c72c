"""Keys of other systems, what was sent with them, and the addresses of the team."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.keys import Key, KeyKind, Mode
from services.notify.plans import Topic
from shared.db import Connection
from shared.ids import new_id


async def add_key(conn: Connection, key: Key, *, by: str, now: datetime) -> None:
    """Keep a key, without its secret."""
    await conn.execute(
        "INSERT INTO api_key (key_id, kind, name, topic, secret_sha256, per_minute, tokens, created_by, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6::int, $6::int, $7, $8)",
        key.key_id,
        key.kind,
        key.name,
        key.topic,
        key.secret_sha256,
        key.per_minute,
        by,
        now,
    )


async def find_key(conn: Connection, key_id: UUID) -> Key | None:
    """A key, whether revoked or not."""
    row = await conn.fetchrow(
        "SELECT key_id, kind, name, topic, per_minute, secret_sha256, revoked_at IS NOT NULL AS revoked FROM api_key "
        "WHERE key_id = $1",
        key_id,
    )
    return None if row is None else Key(**dict(row))


async def find_keys(conn: Connection, *, kind: KeyKind | None, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Keys, newest first."""
    rows = await conn.fetch(
        "SELECT key_id, kind, name, topic, per_minute, created_by, created_at, last_used_at, revoked_by, revoked_at "
        "FROM api_key WHERE ($1::text IS NULL OR kind = $1) AND ($2::uuid IS NULL OR key_id < $2) "
        "ORDER BY key_id DESC LIMIT $3",
        kind,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def revoke_key(conn: Connection, key_id: UUID, *, by: str, now: datetime) -> bool:
    """End a key; one that is ended stays as it is. False: there is none of this id."""
    row = await conn.fetchrow(
        "UPDATE api_key SET revoked_at = coalesce(revoked_at, $3), revoked_by = coalesce(revoked_by, $2) "
        "WHERE key_id = $1 RETURNING key_id",
        key_id,
        by,
        now,
    )
    return row is not None


async def spend(conn: Connection, key_id: UUID, now: datetime) -> bool:
    """Take one message from what the key may send in a minute, by the database's clock; False: it has none left."""
    row = await conn.fetchrow(
        "UPDATE api_key SET last_used_at = $2, filled_at = clock_timestamp(), tokens = "
        "least(per_minute, tokens + per_minute / 60.0 * "
        "greatest(0, extract(epoch FROM clock_timestamp() - filled_at)::float8)) - 1 "
        "WHERE key_id = $1 AND least(per_minute, tokens + per_minute / 60.0 * "
        "greatest(0, extract(epoch FROM clock_timestamp() - filled_at)::float8)) >= 1 RETURNING key_id",
        key_id,
        now,
    )
    return row is not None


class Sent(NamedTuple):
    """What was sent under a reference, and the keyed hash of what was asked for."""

    notification_id: UUID
    fingerprint: bytes


async def add_reference(
    conn: Connection, key_id: UUID, reference: str, notification_id: UUID, fingerprint: bytes
) -> Sent | None:
    """Take a reference for a message; None: it is taken now. Else what was sent under it. Who is about to take the same
    one is waited for.
    """
    taken = await conn.fetchval(
        "INSERT INTO key_message (key_id, reference, notification_id, fingerprint) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (key_id, reference) DO NOTHING RETURNING true",
        key_id,
        reference,
        notification_id,
        fingerprint,
    )
    if taken:
        return None
    row = await conn.fetchrow(
        "SELECT notification_id, fingerprint FROM key_message WHERE key_id = $1 AND reference = $2", key_id, reference
    )
    assert row is not None
    return Sent(row["notification_id"], row["fingerprint"])


class Message(NamedTuple):
    """A message that was asked for, not by an event."""

    notification_id: UUID
    template: str
    template_version: str
    vendor_id: UUID
    params: Mapping[str, Any]
    lane: int
    topic: Topic
    mode: Mode
    route: Sequence[str] | None
    deadline: datetime
    asked_by: str
    traceparent: str | None = None
    files: int = 0


async def add_message(conn: Connection, one: Message, now: datetime) -> None:
    """Write an intent: planned, or waiting for the vendor's contact card. Its cause is that it was asked for."""
    await conn.execute(
        "INSERT INTO notification (id, event_id, template, vendor_id, template_version, params, lane, state, deadline, "
        "cause_at, planned_at, topic, mode, route, asked_by, traceparent, files) "
        "SELECT $1, $1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT FROM contact WHERE vendor_id = $3) "
        "THEN 'planned' ELSE 'waiting_contact' END, $7, $8, $8, $9, $10, $11::text[], $12, $13, $14",
        one.notification_id,
        one.template,
        one.vendor_id,
        one.template_version,
        dict(one.params),
        one.lane,
        one.deadline,
        now,
        one.topic,
        one.mode,
        one.route,
        one.asked_by,
        one.traceparent,
        one.files,
    )


async def find_message(
    conn: Connection, key_id: UUID, *, notification_id: UUID | None = None, reference: str | None = None
) -> dict[str, Any] | None:
    """A message of this key, by its id or by its reference."""
    row = await conn.fetchrow(
        "SELECT n.id AS message_id, k.reference, n.template, n.mode, n.state, n.reason, n.channel, n.planned_at, "
        "n.deadline, n.sent_at, n.delivered_at, n.read_at FROM notification AS n "
        "LEFT JOIN key_message AS k ON k.notification_id = n.id AND k.key_id = $1 "
        "WHERE n.asked_by = $1::text AND n.id = coalesce($2, "
        "(SELECT notification_id FROM key_message WHERE key_id = $1 AND reference = $3))",
        key_id,
        notification_id,
        reference,
    )
    return None if row is None else dict(row)


# --- addresses


async def save_guest(
    conn: Connection, guest_id: UUID, name: str, phone: str | None, email: str | None, language: str, now: datetime
) -> None:
    """Keep an address that is nobody's card for as long as messages to it are kept."""
    await conn.execute(
        "INSERT INTO contact (vendor_id, name, phone, email, language, kind, remembered_at) "
        "VALUES ($1, $2, $3, $4, $5, 'guest', $6) ON CONFLICT (vendor_id) DO UPDATE "
        "SET language = excluded.language, remembered_at = greatest(contact.remembered_at, excluded.remembered_at)",
        guest_id,
        name,
        phone,
        email,
        language,
        now,
    )


async def find_team_channels(conn: Connection, keys: Mapping[str, bytes]) -> set[str]:
    """Of these (channel, blind index) the channels whose address is the team's."""
    rows = await conn.fetch(
        "SELECT t.channel FROM team_address AS t JOIN unnest($1::text[], $2::bytea[]) AS w (channel, address_key) "
        "ON t.channel = w.channel AND t.address_key = w.address_key",
        list(keys),
        list(keys.values()),
    )
    return {row["channel"] for row in rows}


async def add_team_addresses(conn: Connection, keys: Mapping[str, bytes], hint: str, *, by: str, now: datetime) -> None:
    """Put an address on the team's list, for each of these channels."""
    await conn.execute(
        "INSERT INTO team_address (address_id, channel, address_key, hint, added_by, added_at) "
        "SELECT id, channel, address_key, $4, $5, $6 FROM unnest($1::uuid[], $2::text[], $3::bytea[]) "
        "AS a (id, channel, address_key) ON CONFLICT (channel, address_key) DO NOTHING",
        [new_id() for _ in keys],
        list(keys),
        list(keys.values()),
        hint,
        by,
        now,
    )


async def find_team(conn: Connection) -> list[dict[str, Any]]:
    """The team's addresses, as far as they are told."""
    rows = await conn.fetch(
        "SELECT address_id, channel, hint, added_by, added_at FROM team_address ORDER BY address_id"
    )
    return [dict(row) for row in rows]


async def remove_team_addresses(conn: Connection, address_ids: Collection[UUID]) -> int:
    """Take addresses off the team's list; how many."""
    status = await conn.execute("DELETE FROM team_address WHERE address_id = ANY($1::uuid[])", list(address_ids))
    return int(status.rpartition(" ")[2])


# --- receipts of simulated providers


class Taken(NamedTuple):
    """An attempt that a simulated provider took, and reported nothing of yet."""

    attempt_id: UUID
    provider: str
    message_id: str
    began_at: datetime


async def find_simulated(conn: Connection, since: datetime, limit: int) -> list[Taken]:
    """Attempts begun after `since` that a simulated provider took, and reported nothing of yet."""
    rows = await conn.fetch(
        "SELECT id, provider, message_id, began_at FROM attempt WHERE starts_with(provider, 'simulated') "
        "AND outcome = 'accepted' AND status IS NULL AND began_at > $1 AND message_id NOT LIKE 'sim:no-receipt:%' "
        "ORDER BY began_at LIMIT $2",
        since,
        limit,
    )
    return [Taken(*row) for row in rows]

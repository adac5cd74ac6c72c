"""What people want to hear, consent to news, and addresses that are not written to."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.wishes import Outward, SuppressionReason, Voice, Wish, Wishes, person_wishes
from shared.db import Connection
from shared.events.notify import Channel
from shared.ids import new_id


class Said(NamedTuple):
    """That a vendor gave or withdrew consent to news, when, and the registry's version of the vendor then."""

    vendor_id: UUID
    given: bool
    at: datetime
    version: int


class Address(NamedTuple):
    """An address as it is remembered: its channel and its blind index."""

    channel: Channel
    key: bytes


# --- persons


async def find_members(conn: Connection, vendor_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Each of these ids with all ids of its person, itself included."""
    members = {vendor_id: [vendor_id] for vendor_id in vendor_ids}
    rows = await conn.fetch(
        "SELECT f.vendor_id, array_agg(m.vendor_id) AS members FROM family AS f "
        "JOIN family AS m ON m.person_id = f.person_id WHERE f.vendor_id = ANY($1::uuid[]) GROUP BY f.vendor_id",
        list(vendor_ids),
    )
    return members | {row["vendor_id"]: row["members"] for row in rows}


async def is_known(conn: Connection, vendor_id: UUID) -> bool:
    """Whether this is a vendor of whom anything is known here, and not erased."""
    known: bool = await conn.fetchval(
        "SELECT NOT EXISTS (SELECT FROM erased_vendor WHERE vendor_id = $1) AND ("
        "EXISTS (SELECT FROM vendor WHERE vendor_id = $1) "
        "OR EXISTS (SELECT FROM contact WHERE vendor_id = $1 AND kind = 'vendor'))",
        vendor_id,
    )
    return known


async def lock_person(conn: Connection, members: Collection[UUID]) -> None:
    """Let one transaction at a time change what this person wants."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"notify.wishes:{min(members)}")


# --- wishes


async def find_wishes(conn: Connection, members: Mapping[UUID, Sequence[UUID]]) -> dict[UUID, Wishes]:
    """What each wants, over all ids of its person; who never said anything is missing."""
    everybody = list({one for ids in members.values() for one in ids})
    words = defaultdict(list)
    for row in await conn.fetch(
        "SELECT vendor_id, topic, channel, wanted, said_at FROM wish WHERE vendor_id = ANY($1::uuid[])", everybody
    ):
        words[row["vendor_id"]].append((row["topic"], row["channel"], row["wanted"], row["said_at"]))
    preferences = {
        row["vendor_id"]: row
        for row in await conn.fetch(
            "SELECT vendor_id, channels, channels_said_at, language, language_said_at, digest, digest_said_at "
            "FROM preference WHERE vendor_id = ANY($1::uuid[])",
            everybody,
        )
    }
    found = {}
    for vendor_id, ids in members.items():
        said = [word for one in ids for word in words.get(one, ())]
        rows = [preferences[one] for one in ids if one in preferences]
        if said or rows:
            found[vendor_id] = person_wishes(
                said,
                *(
                    [(row[name], row[f"{name}_said_at"]) for row in rows if row[f"{name}_said_at"] is not None]
                    for name in ("channels", "language", "digest")
                ),
            )
    return found


async def raise_version(conn: Connection, vendor_id: UUID, by: int) -> int:
    """Lock the id's row and count so many events on; the version after them."""
    version: int = await conn.fetchval(
        "INSERT INTO preference (vendor_id, version) VALUES ($1, $2) "
        "ON CONFLICT (vendor_id) DO UPDATE SET version = preference.version + $2 RETURNING version",
        vendor_id,
        by,
    )
    return version


async def save_wishes(conn: Connection, vendor_id: UUID, wishes: Sequence[Wish], by: Voice, now: datetime) -> None:
    """Write what was said under this id."""
    await conn.execute(
        "INSERT INTO wish (vendor_id, topic, channel, wanted, said_at, said_by) "
        "SELECT $1, topic, channel, wanted, $5, $6 FROM unnest($2::text[], $3::text[], $4::boolean[]) "
        "AS said (topic, channel, wanted) ON CONFLICT (vendor_id, topic, channel) DO UPDATE "
        "SET wanted = excluded.wanted, said_at = excluded.said_at, said_by = excluded.said_by",
        vendor_id,
        [one.topic for one in wishes],
        [one.channel for one in wishes],
        [one.wanted for one in wishes],
        now,
        by,
    )


async def save_preferences(
    conn: Connection, vendor_id: UUID, named: Collection[str], values: Mapping[str, Any], now: datetime
) -> None:
    """Write those of channels, language and digest that are named; None takes one back."""
    await conn.execute(
        "INSERT INTO preference AS p (vendor_id, channels, channels_said_at, language, language_said_at, digest, "
        "digest_said_at) VALUES ($1, $2, CASE WHEN $5 THEN $8::timestamptz END, $3, "
        "CASE WHEN $6 THEN $8::timestamptz END, $4, CASE WHEN $7 THEN $8::timestamptz END) "
        "ON CONFLICT (vendor_id) DO UPDATE SET "
        "channels = CASE WHEN $5 THEN excluded.channels ELSE p.channels END, "
        "channels_said_at = coalesce(excluded.channels_said_at, p.channels_said_at), "
        "language = CASE WHEN $6 THEN excluded.language ELSE p.language END, "
        "language_said_at = coalesce(excluded.language_said_at, p.language_said_at), "
        "digest = CASE WHEN $7 THEN excluded.digest ELSE p.digest END, "
        "digest_said_at = coalesce(excluded.digest_said_at, p.digest_said_at)",
        vendor_id,
        values.get("channels"),
        values.get("language"),
        values.get("digest"),
        "channels" in named,
        "language" in named,
        "digest" in named,
        now,
    )


async def add_change(
    conn: Connection, vendor_id: UUID, by: Voice, actor: str | None, because: str | None, now: datetime
) -> None:
    """Keep who changed a person's wishes, and why."""
    await conn.execute(
        "INSERT INTO wish_change (change_id, vendor_id, by, actor, reason, at) VALUES ($1, $2, $3, $4, $5, $6)",
        new_id(),
        vendor_id,
        by,
        actor,
        because,
        now,
    )


# --- consent


async def save_consents(conn: Connection, said: Sequence[Said]) -> None:
    """Remember the last word of each vendor on news. Nobody who is erased is brought back."""
    last = {one.vendor_id: one for one in sorted(said, key=lambda one: one.version)}
    await conn.execute(
        "INSERT INTO news_consent (vendor_id, given, said_at, registry_version) "
        "SELECT new.vendor_id, new.given, new.said_at, new.version "
        "FROM unnest($1::uuid[], $2::boolean[], $3::timestamptz[], $4::bigint[]) "
        "AS new (vendor_id, given, said_at, version) "
        "WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id) ORDER BY new.vendor_id "
        "ON CONFLICT (vendor_id) DO UPDATE SET given = excluded.given, said_at = excluded.said_at, "
        "registry_version = excluded.registry_version WHERE news_consent.registry_version < excluded.registry_version",
        [one.vendor_id for one in last.values()],
        [one.given for one in last.values()],
        [one.at for one in last.values()],
        [one.version for one in last.values()],
    )


async def find_consented(conn: Connection, members: Mapping[UUID, Sequence[UUID]]) -> set[UUID]:
    """Who consented to news, by the last word over all ids of its person; of two of one moment the refusal counts."""
    everybody = list({one for ids in members.values() for one in ids})
    rows = await conn.fetch(
        "SELECT vendor_id, given, said_at FROM news_consent WHERE vendor_id = ANY($1::uuid[])", everybody
    )
    said = {row["vendor_id"]: (row["said_at"], not row["given"]) for row in rows}
    last = {
        vendor_id: max((said[one] for one in ids if one in said), default=None) for vendor_id, ids in members.items()
    }
    return {vendor_id for vendor_id, word in last.items() if word is not None and not word[1]}


# --- addresses that are not written to


async def add_suppression(
    conn: Connection,
    address: Address,
    reason: SuppressionReason,
    *,
    evidence: str,
    until: datetime | None,
    now: datetime,
) -> UUID:
    """Write to an address no more; one that stands already is prolonged and counted."""
    suppression_id: UUID = await conn.fetchval(
        "INSERT INTO suppression AS s (suppression_id, channel, address_key, reason, since, until, evidence) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (channel, address_key, reason) WHERE lifted_at IS NULL "
        "DO UPDATE SET times = s.times + 1, evidence = excluded.evidence, "
        "until = greatest(s.until, excluded.until) RETURNING suppression_id",
        new_id(),
        address.channel,
        address.key,
        reason,
        now,
        until,
        evidence,
    )
    return suppression_id


async def lift_suppressions(
    conn: Connection, addresses: Sequence[Address], reason: SuppressionReason, *, by: str, because: str, now: datetime
) -> int:
    """Write to these addresses again, as far as this reason goes; how many were lifted."""
    tag = await conn.execute(
        "UPDATE suppression AS s SET lifted_at = $4, lifted_by = $5, lifted_because = $6 "
        "FROM unnest($1::text[], $2::bytea[]) AS a (channel, key) "
        "WHERE s.channel = a.channel AND s.address_key = a.key AND s.reason = $3 AND s.lifted_at IS NULL",
        [one.channel for one in addresses],
        [one.key for one in addresses],
        reason,
        now,
        by,
        because,
    )
    return int(tag.rpartition(" ")[2])


async def lock_suppression(conn: Connection, suppression_id: UUID) -> dict[str, Any] | None:
    """Lock one."""
    row = await conn.fetchrow(
        "SELECT suppression_id, lifted_at FROM suppression WHERE suppression_id = $1 FOR UPDATE", suppression_id
    )
    return None if row is None else dict(row)


async def lift_suppression(conn: Connection, suppression_id: UUID, *, by: str, because: str, now: datetime) -> None:
    """Write to this address again, as far as this reason goes."""
    await conn.execute(
        "UPDATE suppression SET lifted_at = $2, lifted_by = $3, lifted_because = $4 WHERE suppression_id = $1",
        suppression_id,
        now,
        by,
        because,
    )


async def find_suppressed(
    conn: Connection, addresses: Collection[Address], now: datetime
) -> dict[Address, frozenset[str]]:
    """Which of these addresses are not written to, and why."""
    if not addresses:
        return {}
    keys = list({one.key for one in addresses})
    rows = await conn.fetch(
        "SELECT channel, address_key, reason FROM suppression "
        "WHERE address_key = ANY($1::bytea[]) AND lifted_at IS NULL AND (until IS NULL OR until > $2)",
        keys,
        now,
    )
    found: dict[Address, frozenset[str]] = {}
    for row in rows:
        address = Address(row["channel"], row["address_key"])
        found[address] = found.get(address, frozenset()) | {row["reason"]}
    return found


async def find_suppressed_keys(
    conn: Connection, channels: Collection[str], now: datetime
) -> dict[Channel, frozenset[bytes]]:
    """All addresses that are not written to, by channel."""
    rows = await conn.fetch(
        "SELECT channel, array_agg(address_key) AS keys FROM suppression WHERE lifted_at IS NULL "
        "AND (until IS NULL OR until > $2) AND channel = ANY($1::text[]) GROUP BY channel",
        list(channels),
        now,
    )
    return {row["channel"]: frozenset(row["keys"]) for row in rows}


async def list_suppressions(
    conn: Connection,
    *,
    channel: Outward | None,
    reason: SuppressionReason | None,
    since: datetime | None,
    lifted: bool,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Suppressions, newest first, without the addresses."""
    rows = await conn.fetch(
        "SELECT suppression_id, channel, reason, since, until, times, evidence, lifted_at, lifted_by, lifted_because "
        "FROM suppression WHERE ($1::text IS NULL OR channel = $1) AND ($2::text IS NULL OR reason = $2) "
        "AND ($3::timestamptz IS NULL OR since >= $3) AND ($4 OR lifted_at IS NULL) "
        "AND ($5::uuid IS NULL OR suppression_id < $5) ORDER BY suppression_id DESC LIMIT $6",
        channel,
        reason,
        since,
        lifted,
        before,
        limit,
    )
    return [dict(row) for row in rows]

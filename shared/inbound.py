"""Every statement of the consuming side: offsets, versions, the inbox, parked keys. PostgreSQL 18 (RETURNING old)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection

__all__ = [
    "add_to_inbox",
    "find_offsets",
    "find_parked",
    "lock_offsets",
    "move_offsets",
    "park",
    "raise_versions",
]


async def find_offsets(conn: Connection, topic: str) -> dict[int, int]:
    """Next offset per partition, as committed."""
    rows = await conn.fetch("SELECT partition, next_offset FROM consumer_offset WHERE topic = $1", topic)
    return {row["partition"]: row["next_offset"] for row in rows}


async def lock_offsets(conn: Connection, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Next offset per partition, locked until the transaction ends: two consumers of one partition take turns."""
    query = (
        "SELECT partition, next_offset FROM consumer_offset WHERE topic = $1 AND partition = ANY($2::int[]) "
        "ORDER BY partition FOR UPDATE"
    )
    rows = await conn.fetch(query, topic, partitions)
    if len(rows) < len(partitions):
        await conn.execute(
            "INSERT INTO consumer_offset (topic, partition, next_offset) SELECT $1, p, 0 FROM unnest($2::int[]) AS p "
            "ON CONFLICT DO NOTHING",
            topic,
            sorted(partitions),
        )
        rows = await conn.fetch(query, topic, partitions)
    return {row["partition"]: row["next_offset"] for row in rows}


async def move_offsets(conn: Connection, topic: str, offsets: Mapping[int, int]) -> tuple[dict[int, int], bool]:
    """Move the next offset of these partitions forward, and hold the rows until the transaction ends.

    Gives where those that moved stood before (one that was there already is left out), and whether any key of the topic
    was parked when this statement began: who parks a key moves its partition's offset with it, so that is enough to
    know for a partition that still stood where we knew it to stand.
    """
    rows = await conn.fetch(
        "INSERT INTO consumer_offset AS c (topic, partition, next_offset) "
        "SELECT $1, n.partition, n.next_offset FROM unnest($2::int[], $3::bigint[]) AS n (partition, next_offset) "
        "ORDER BY n.partition "
        "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset "
        "WHERE c.next_offset < excluded.next_offset "
        "RETURNING c.partition, coalesce(old.next_offset, 0) AS before, "
        "EXISTS (SELECT FROM parked_key AS p WHERE p.topic = $1) AS parked",
        topic,
        list(offsets),
        list(offsets.values()),
    )
    return {row["partition"]: row["before"] for row in rows}, any(row["parked"] for row in rows)


async def raise_versions(conn: Connection, topic: str, versions: Mapping[str, int]) -> dict[str, int | None]:
    """Remember the last version per key where it is newer; returns what stood there before, for those keys only.

    None stands for a key that was never seen. The partition's lock protects them: a key never changes its partition.
    """
    rows = await conn.fetch(
        "INSERT INTO consumed_version AS c (topic, key, sequence) "
        "SELECT $1, v.key, v.sequence FROM unnest($2::text[], $3::bigint[]) AS v (key, sequence) "
        "ON CONFLICT (topic, key) DO UPDATE SET sequence = excluded.sequence WHERE c.sequence < excluded.sequence "
        "RETURNING c.key, old.sequence AS before",
        topic,
        list(versions),
        list(versions.values()),
    )
    return {row["key"]: row["before"] for row in rows}


async def add_to_inbox(conn: Connection, ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Remember command ids; returns those that were new."""
    rows = await conn.fetch(
        "INSERT INTO inbox (message_id, received_at) SELECT DISTINCT id, $2::timestamptz FROM unnest($1::uuid[]) AS id "
        "ON CONFLICT DO NOTHING RETURNING message_id",
        ids,
        now,
    )
    return {row["message_id"] for row in rows}


async def find_parked(conn: Connection, topic: str, keys: Sequence[bytes]) -> set[bytes]:
    """Which of these keys are parked; their rows are locked, so that a replay cannot un-park them meanwhile."""
    if not keys:
        return set()
    rows = await conn.fetch(
        "SELECT key FROM parked_key WHERE topic = $1 AND key = ANY($2::bytea[]) ORDER BY key FOR UPDATE",
        topic,
        keys,
    )
    return {row["key"] for row in rows}


async def park(conn: Connection, topic: str, key: bytes, now: datetime) -> None:
    """Have later records of this key queue behind the one that failed."""
    await conn.execute(
        "INSERT INTO parked_key (topic, key, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        topic,
        key,
        now,
    )

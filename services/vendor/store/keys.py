"""What depends on the secret keys: the sealed NIK, and the blind indexes by which a NIK is found."""

from collections.abc import Sequence
from uuid import UUID

from shared.db import Connection
from shared.resealing import SealedColumn

__all__ = [
    "SEALED_NIK",
    "count_servers",
    "find_held",
    "find_sealed_niks",
    "keep_fingerprint",
    "lock_vendors",
    "save_indexes",
]

SEALED_NIK = SealedColumn(
    "NIK",
    "SELECT vendor_id AS id, nik_sealed AS sealed FROM vendor WHERE vendor_id > $1 AND nik_sealed IS NOT NULL "
    "ORDER BY vendor_id LIMIT $2",
    "UPDATE vendor AS v SET nik_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (vendor_id, old, fresh) "
    "WHERE v.vendor_id = n.vendor_id AND v.nik_sealed = n.old",
)


async def keep_fingerprint(conn: Connection, fingerprint: bytes, held: Sequence[bytes]) -> bytes:
    """The fingerprint of the key that made the blind indexes; this one when there was none yet. Notes the keys held."""
    kept: bytes = await conn.fetchval(
        "INSERT INTO index_key AS k (fingerprint, held) VALUES ($1, $2) "
        "ON CONFLICT (singleton) DO UPDATE SET held = excluded.held RETURNING k.fingerprint",
        fingerprint,
        held,
    )
    return kept


async def find_held(conn: Connection) -> list[bytes]:
    """Fingerprints of the keys of the service that started last."""
    held: list[bytes] | None = await conn.fetchval("SELECT held FROM index_key")
    return held or []


async def count_servers(conn: Connection) -> int:
    """How many connections running services hold to this database."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND starts_with(application_name, 'lapak-vendor')"
    )
    return count


async def lock_vendors(conn: Connection) -> int:
    """Keep every writer away until the transaction ends; how many NIK there are."""
    await conn.execute("LOCK TABLE vendor IN EXCLUSIVE MODE")
    count: int = await conn.fetchval("SELECT count(*) FROM vendor WHERE nik_sealed IS NOT NULL")
    return count


async def find_sealed_niks(conn: Connection, after: UUID, limit: int) -> list[tuple[UUID, bytes]]:
    """(vendor, sealed NIK) behind this id, in the order of ids."""
    rows = await conn.fetch(SEALED_NIK.select, after, limit)
    return [(row["id"], row["sealed"]) for row in rows]


async def save_indexes(conn: Connection, indexes: Sequence[tuple[UUID, bytes]], fingerprint: bytes) -> None:
    """Write blind indexes anew, and the fingerprint of the key that made them."""
    await conn.execute(
        "UPDATE vendor AS v SET nik_index = n.nik_index "
        "FROM unnest($1::uuid[], $2::bytea[]) AS n (vendor_id, nik_index) "
        "WHERE v.vendor_id = n.vendor_id",
        [vendor_id for vendor_id, _ in indexes],
        [index for _, index in indexes],
    )
    await conn.execute("UPDATE index_key SET fingerprint = $1", fingerprint)

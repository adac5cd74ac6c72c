"""What vendors are called, sealed, for their certificates."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_NAMES = SealedColumn(
    "names of vendors",
    "SELECT vendor_id AS id, name_sealed AS sealed FROM vendor_name WHERE vendor_id > $1 ORDER BY vendor_id LIMIT $2",
    "UPDATE vendor_name AS v SET name_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE v.vendor_id = n.id AND v.name_sealed = n.old",
)


async def save_names(conn: Connection, sealed: Mapping[UUID, bytes]) -> None:
    """Remember what vendors are called; none that is erased is brought back."""
    await conn.execute(
        """
        INSERT INTO vendor_name (vendor_id, name_sealed)
        SELECT new.vendor_id, new.name_sealed FROM unnest($1::uuid[], $2::bytea[]) AS new (vendor_id, name_sealed)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ORDER BY new.vendor_id
        ON CONFLICT (vendor_id) DO UPDATE SET name_sealed = excluded.name_sealed
        """,
        list(sealed),
        list(sealed.values()),
    )


async def remove_name(conn: Connection, vendor_id: UUID) -> None:
    """Forget what a vendor is called."""
    await conn.execute("DELETE FROM vendor_name WHERE vendor_id = $1", vendor_id)


async def find_names(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, bytes]]:
    """For each of these vendors: the id whose card names the person, and that name, sealed.

    Of several ids of one person the card of the one that stands for it counts, then the vendor's own.
    """
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (asked.id) asked.id AS asked_id, n.vendor_id, n.name_sealed
        FROM unnest($1::uuid[]) AS asked (id)
            LEFT JOIN family f ON f.vendor_id = asked.id
            LEFT JOIN family m ON m.person_id = f.person_id
            JOIN vendor_name n ON n.vendor_id = coalesce(m.vendor_id, asked.id)
        ORDER BY asked.id, n.vendor_id IS DISTINCT FROM f.person_id, n.vendor_id <> asked.id, n.vendor_id
        """,
        list(vendor_ids),
    )
    return {row["asked_id"]: (row["vendor_id"], row["name_sealed"]) for row in rows}

"""Where the keys of credentials are kept, and what status lists say."""

from shared.db import Connection
from shared.resealing import SealedColumn
from shared.signing_keys import KeyTable

SEALED_CREDENTIAL_KEYS = SealedColumn(
    "keys of credentials",
    "SELECT id, sealed FROM credential_key WHERE id > $1 ORDER BY id LIMIT $2",
    "UPDATE credential_key AS k SET sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, old, fresh) "
    "WHERE k.id = n.id AND k.sealed = n.old",
)

KEYS = KeyTable(
    lock="training.credential-keys",
    newest="SELECT id, key_id, public, sealed FROM credential_key ORDER BY made_at DESC, id DESC LIMIT 1",
    add="INSERT INTO credential_key (id, key_id, public, sealed, made_at) VALUES ($1, $2, $3, $4, $5)",
    public="SELECT key_id, public FROM credential_key ORDER BY made_at DESC, id DESC",
)


async def find_revoked_indexes(conn: Connection, status_list: int) -> list[int] | None:
    """The entries of a status list that are revoked; None where there is no such list."""
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM status_list WHERE list = $1)", status_list):
        return None
    rows = await conn.fetch(
        "SELECT status_index FROM certificate WHERE status_list = $1 AND revoked_at IS NOT NULL", status_list
    )
    return [row["status_index"] for row in rows]

"""Secret keys and the registry: the check at start, and new blind indexes when the oldest key is to go."""

from collections.abc import Callable
from uuid import UUID

from services.vendor.store import keys as store
from services.vendor.store.corrections import SEALED_VALUES
from services.vendor.store.merging import SEALED_MERGES
from shared.crypto import Sealer
from shared.db import Database
from shared.service import Platform, StartRefused

__all__ = ["COLUMNS", "KeysInUse", "check_index_key", "reindex", "require_held"]

BATCH_ROWS = 1_000
COLUMNS = (store.SEALED_NIK, SEALED_VALUES, SEALED_MERGES)
"""What the registry keeps sealed, but its dead letters and the files of documents."""


class KeysInUse(RuntimeError):
    """Keys cannot be changed now; the text says why and what to do."""


async def check_index_key(platform: Platform) -> None:
    """Refuse to start with keys that would not find the NIK that are registered. Raises `StartRefused`."""
    async with platform.database.transaction() as conn:
        kept = await store.keep_fingerprint(conn, platform.sealer.index_fingerprint, platform.sealer.fingerprints)
    if kept != platform.sealer.index_fingerprint:
        raise StartRefused(
            "the last key of LAPAK_SECRET_KEYS is not the one that made this database's blind indexes of NIK: put that "
            "key last again, or make the indexes anew with `lapak rotate-keys vendor --reindex`"
        )


async def require_held(database: Database, sealer: Sealer) -> None:
    """Refuse to seal with a key that a running service does not hold: it could open nothing. Raises `KeysInUse`."""
    async with database.read() as conn:
        running, held = await store.count_servers(conn), await store.find_held(conn)
    if running and sealer.fingerprints[0] not in held:
        raise KeysInUse(
            f"The vendor service that runs on this database was started without the key {sealer.current}; put it first "
            "in LAPAK_SECRET_KEYS there too, restart every instance, then start this again."
        )


async def reindex(database: Database, keys: dict[str, str], on_progress: Callable[[int], None]) -> int:
    """Make every blind index of NIK anew with the current key, in one transaction; how many.

    From then on the service starts only with the current key in the last place: with it alone, as long as no other
    seals anything. Raises `KeysInUse` while a service runs on the database, which would go on with the old indexes.
    """
    opener = Sealer(keys)
    indexer = Sealer({opener.current: keys[opener.current]})
    async with database.transaction() as conn:
        if await store.count_servers(conn):
            raise KeysInUse("The vendor service runs on this database; stop every instance, then start this again.")
        total, done, last = await store.lock_vendors(conn), 0, UUID(int=0)
        await store.keep_fingerprint(conn, opener.index_fingerprint, opener.fingerprints)
        while rows := await store.find_sealed_niks(conn, last, BATCH_ROWS):
            niks = [(vendor_id, opener.open(sealed, vendor_id.bytes).decode()) for vendor_id, sealed in rows]
            indexes = [(vendor_id, indexer.blind_index(nik)) for vendor_id, nik in niks]
            await store.save_indexes(conn, indexes, indexer.index_fingerprint)
            done, last = done + len(rows), rows[-1][0]
            on_progress(done)
        if not total:
            await store.save_indexes(conn, [], indexer.index_fingerprint)
    return total

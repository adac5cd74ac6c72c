"""Corrections: wishes to correct a registration, and their history. Values are sealed, bound to the wish's id."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.corrections import Correction
from shared.crypto import Sealer
from shared.db import Connection
from shared.resealing import SealedColumn

__all__ = [
    "SEALED_VALUES",
    "KeptCorrection",
    "add_correction",
    "change_nik",
    "collect_corrections",
    "decide_correction",
    "erase_corrections",
    "find_corrections",
    "find_waiting",
    "lock_correction",
    "replace_waiting",
]

SEALED_VALUES = SealedColumn(
    "values of corrections",
    "SELECT correction_id AS id, values_sealed AS sealed FROM correction WHERE correction_id > $1 "
    "ORDER BY correction_id LIMIT $2",
    "UPDATE correction AS c SET values_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (correction_id, old, fresh) "
    "WHERE c.correction_id = n.correction_id AND c.values_sealed = n.old",
)


class KeptCorrection(NamedTuple):
    """A correction as it is stored, with its values, still sealed."""

    correction: Correction
    values_sealed: bytes


def _kept(row: asyncpg.Record) -> KeptCorrection:
    values = dict(row)
    sealed = values.pop("values_sealed")
    return KeptCorrection(Correction(**{**values, "fields": tuple(values["fields"])}), sealed)


async def add_correction(conn: Connection, correction: Correction, values_sealed: bytes) -> None:
    """Keep a wish."""
    await conn.execute(
        "INSERT INTO correction (correction_id, vendor_id, fields, values_sealed, state, asked_by, origin, asked_at, "
        "decided_by, decided_at, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        correction.correction_id,
        correction.vendor_id,
        list(correction.fields),
        values_sealed,
        correction.state,
        correction.asked_by,
        correction.origin,
        correction.asked_at,
        correction.decided_by,
        correction.decided_at,
        correction.note,
    )


async def replace_waiting(conn: Connection, vendor_id: UUID, correction: Correction) -> None:
    """Let a newer wish take the place of the one that waits, if one does; the vendor's row is locked."""
    await conn.execute(
        "UPDATE correction SET state = 'replaced', decided_by = $2, decided_at = $3 "
        "WHERE vendor_id = $1 AND state = 'waiting'",
        vendor_id,
        correction.asked_by,
        correction.asked_at,
    )


async def lock_correction(conn: Connection, vendor_id: UUID, correction_id: UUID) -> KeptCorrection | None:
    """One wish of this vendor, locked until the transaction ends."""
    row = await conn.fetchrow(
        "SELECT correction_id, vendor_id, fields, values_sealed, state, asked_by, origin, asked_at, decided_by, "
        "decided_at, note FROM correction WHERE vendor_id = $1 AND correction_id = $2 FOR UPDATE",
        vendor_id,
        correction_id,
    )
    return None if row is None else _kept(row)


async def decide_correction(conn: Connection, correction: Correction, values_sealed: bytes) -> None:
    """Write what became of a wish; its row is locked."""
    await conn.execute(
        "UPDATE correction SET state = $2, decided_by = $3, decided_at = $4, note = $5, values_sealed = $6 "
        "WHERE correction_id = $1",
        correction.correction_id,
        correction.state,
        correction.decided_by,
        correction.decided_at,
        correction.note,
        values_sealed,
    )


async def find_corrections(
    conn: Connection, vendor_ids: Sequence[UUID], after: UUID | None, limit: int
) -> list[KeptCorrection]:
    """The corrections of a person, oldest first."""
    rows = await conn.fetch(
        "SELECT correction_id, vendor_id, fields, values_sealed, state, asked_by, origin, asked_at, decided_by, "
        "decided_at, note FROM correction WHERE vendor_id = ANY($1::uuid[]) "
        "AND ($2::uuid IS NULL OR correction_id > $2) ORDER BY correction_id LIMIT $3",
        vendor_ids,
        after,
        limit,
    )
    return [_kept(row) for row in rows]


async def find_waiting(conn: Connection, area: str, after: UUID | None, limit: int) -> list[KeptCorrection]:
    """Wishes that wait for an officer of this area, oldest first."""
    rows = await conn.fetch(
        "SELECT c.correction_id, c.vendor_id, c.fields, c.values_sealed, c.state, c.asked_by, c.origin, c.asked_at, "
        "c.decided_by, c.decided_at, c.note FROM correction AS c JOIN vendor AS v USING (vendor_id) "
        "WHERE c.state = 'waiting' AND v.kelurahan >= $1 AND v.kelurahan < $1 || '/' "
        "AND ($2::uuid IS NULL OR c.correction_id > $2) ORDER BY c.correction_id LIMIT $3",
        area,
        after,
        limit,
    )
    return [_kept(row) for row in rows]


async def change_nik(conn: Connection, vendor_id: UUID, nik_index: bytes, nik_sealed: bytes) -> bool:
    """Give a vendor another NIK; False when somebody holds it. Of two that race for one NIK the first has it."""
    try:
        async with conn.transaction():  # a savepoint: who is refused must still be able to look who holds it
            await conn.execute(
                "UPDATE vendor SET nik_index = $2, nik_sealed = $3 WHERE vendor_id = $1",
                vendor_id,
                nik_index,
                nik_sealed,
            )
    except asyncpg.UniqueViolationError:
        return False
    return True


async def collect_corrections(
    conn: Connection, vendor_ids: Sequence[UUID], *, sealer: Sealer | None = None
) -> dict[str, Any]:
    """Every correction of these ids; with the sealer also what was asked: field -> [before, after]."""
    rows = await conn.fetch(
        "SELECT correction_id, vendor_id, fields, values_sealed, state, asked_by, origin, asked_at, decided_by, "
        "decided_at, note FROM correction WHERE vendor_id = ANY($1::uuid[]) ORDER BY correction_id",
        vendor_ids,
    )
    return {
        "corrections": [
            {
                "correction_id": str(row["correction_id"]),
                "vendor_id": str(row["vendor_id"]),
                "fields": row["fields"],
                "values": None
                if sealer is None
                else json.loads(sealer.open(row["values_sealed"], row["correction_id"].bytes)),
                "state": row["state"],
                "asked_by": row["asked_by"],
                "origin": row["origin"],
                "asked_at": row["asked_at"].isoformat(),
                "decided_by": row["decided_by"],
                "decided_at": None if row["decided_at"] is None else row["decided_at"].isoformat(),
                "note": row["note"],
            }
            for row in rows
        ]
    }


async def erase_corrections(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete the corrections of these ids."""
    rows = await conn.fetch("DELETE FROM correction WHERE vendor_id = ANY($1::uuid[]) RETURNING 1", vendor_ids)
    return {"corrections": len(rows)}

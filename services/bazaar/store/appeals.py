"""Rows of appeals. What people wrote is sealed, bound to the appeal's id."""

from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.appeals import Appeal, AppealUnknown, Decisions
from shared.db import Connection
from shared.resealing import SealedColumn

SEALED_TEXTS = SealedColumn(
    "texts of appeals",
    "SELECT appeal_id AS id, text_sealed AS sealed FROM appeal WHERE appeal_id > $1 AND text_sealed IS NOT NULL "
    "ORDER BY appeal_id LIMIT $2",
    "UPDATE appeal AS a SET text_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (appeal_id, old, fresh) "
    "WHERE a.appeal_id = n.appeal_id AND a.text_sealed = n.old",
)
SEALED_ANSWERS = SealedColumn(
    "answers to appeals",
    "SELECT appeal_id AS id, answer_sealed AS sealed FROM appeal WHERE appeal_id > $1 AND answer_sealed IS NOT NULL "
    "ORDER BY appeal_id LIMIT $2",
    "UPDATE appeal AS a SET answer_sealed = n.fresh "
    "FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (appeal_id, old, fresh) "
    "WHERE a.appeal_id = n.appeal_id AND a.answer_sealed = n.old",
)


class Written(NamedTuple):
    """What people wrote, still sealed; None where it is erased or not written yet."""

    text_sealed: bytes | None
    answer_sealed: bytes | None


async def find_decisions(conn: Connection, bazaar_id: UUID) -> Decisions:
    """When the bazaar's last round was frozen and published."""
    row = await conn.fetchrow(
        "SELECT frozen_at, published_at FROM allocation_round WHERE bazaar_id = $1 ORDER BY round DESC LIMIT 1",
        bazaar_id,
    )
    return Decisions(None, None) if row is None else Decisions(row["frozen_at"], row["published_at"])


async def add_appeal(conn: Connection, appeal: Appeal, text_sealed: bytes) -> bool:
    """A new appeal; False where there is one about the same already."""
    added = await conn.fetchval(
        "INSERT INTO appeal (appeal_id, application_id, bazaar_id, vendor_id, about, state, text_sealed, filed_by, "
        "filed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (application_id, about) WHERE state <> 'dropped' DO NOTHING RETURNING true",
        appeal.appeal_id,
        appeal.application_id,
        appeal.bazaar_id,
        appeal.vendor_id,
        appeal.about,
        appeal.state,
        text_sealed,
        appeal.filed_by,
        appeal.filed_at,
    )
    return bool(added)


async def find_appeal(conn: Connection, appeal_id: UUID) -> Appeal:
    """An appeal. Raises `AppealUnknown`."""
    row = await conn.fetchrow(
        "SELECT appeal_id, application_id, bazaar_id, vendor_id, about, state, filed_by, filed_at, reason, remedy, "
        "decided_by, decided_at FROM appeal WHERE appeal_id = $1",
        appeal_id,
    )
    if row is None:
        raise AppealUnknown("There is no such appeal.")
    return _appeal(row)


async def lock_appeal(conn: Connection, appeal_id: UUID) -> Appeal:
    """An appeal, held until the transaction ends; after its application. Raises `AppealUnknown`."""
    row = await conn.fetchrow(
        "SELECT appeal_id, application_id, bazaar_id, vendor_id, about, state, filed_by, filed_at, reason, remedy, "
        "decided_by, decided_at FROM appeal WHERE appeal_id = $1 FOR NO KEY UPDATE",
        appeal_id,
    )
    if row is None:
        raise AppealUnknown("There is no such appeal.")
    return _appeal(row)


def _appeal(row: Record) -> Appeal:
    return Appeal(
        appeal_id=row["appeal_id"],
        application_id=row["application_id"],
        bazaar_id=row["bazaar_id"],
        vendor_id=row["vendor_id"],
        about=row["about"],
        state=row["state"],
        filed_by=row["filed_by"],
        filed_at=row["filed_at"],
        reason=row["reason"],
        remedy=row["remedy"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
    )


async def save_decision(conn: Connection, appeal: Appeal, answer_sealed: bytes) -> None:
    """What was decided; the row is locked."""
    await conn.execute(
        "UPDATE appeal SET state = $2, reason = $3, remedy = $4, decided_by = $5, decided_at = $6, answer_sealed = $7 "
        "WHERE appeal_id = $1",
        appeal.appeal_id,
        appeal.state,
        appeal.reason,
        appeal.remedy,
        appeal.decided_by,
        appeal.decided_at,
        answer_sealed,
    )


async def find_written(conn: Connection, appeal_id: UUID) -> Written:
    """What people wrote in an appeal that exists."""
    row = await conn.fetchrow("SELECT text_sealed, answer_sealed FROM appeal WHERE appeal_id = $1", appeal_id)
    return Written(None, None) if row is None else Written(row["text_sealed"], row["answer_sealed"])


async def list_appeals(conn: Connection, area: str, state: str, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Appeals in this state at bazaars that lie wholly in this area, the oldest first; one row more than `limit`."""
    rows = await conn.fetch(LIST_APPEALS, state, area, after, limit + 1)
    return [dict(row) for row in rows]


LIST_APPEALS = """
SELECT a.appeal_id, a.application_id, a.bazaar_id, b.name AS bazaar_name, a.vendor_id, a.about, a.state, a.filed_at,
    a.reason, a.remedy, a.decided_at
FROM appeal AS a JOIN bazaar AS b USING (bazaar_id)
WHERE a.state = $1 AND ($3::uuid IS NULL OR a.appeal_id > $3)
    AND (b.area IS NULL OR b.area = $2 OR starts_with(b.area, $2 || '.'))
    AND NOT EXISTS (SELECT FROM site AS s WHERE s.bazaar_id = a.bazaar_id
        AND s.kelurahan <> $2 AND NOT starts_with(s.kelurahan, $2 || '.'))
ORDER BY a.appeal_id LIMIT $4
"""


async def find_appeals_of(conn: Connection, application_id: UUID) -> list[dict[str, Any]]:
    """Appeals about one application, as its vendor sees them, the oldest first."""
    rows = await conn.fetch(
        "SELECT appeal_id, about, state, filed_at, reason, remedy, decided_at FROM appeal WHERE application_id = $1 "
        "ORDER BY appeal_id",
        application_id,
    )
    return [dict(row) for row in rows]


async def count_appeals(conn: Connection) -> dict[tuple[str, str], int]:
    """How many appeals of each kind (about, state) there are."""
    rows = await conn.fetch("SELECT about, state, count(*) AS appeals FROM appeal GROUP BY about, state")
    return {(row["about"], row["state"]): row["appeals"] for row in rows}


async def has_turn(conn: Connection, application_id: UUID) -> bool:
    """Whether this application cost a turn, or counts as a no-show."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM turn WHERE application_id = $1) "
        "OR EXISTS (SELECT FROM turn_adjustment WHERE application_id = $1 AND because = 'no-show')",
        application_id,
    )
    return found

"""Rows of referrals to banks, and of every answer that came. Whoever changes one has locked the training record."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.training.domain.referrals import Answer, Referral, ReferralNotFound
from shared.db import Connection


class ReferralFilter(NamedTuple):
    """Which referrals of an area to list; None does not filter. `overdue_on`: without an answer that was due before."""

    area: str
    bank: str | None = None
    state: str | None = None
    overdue_on: date | None = None


def _referral(row: Record) -> Referral:
    return Referral(**row)


async def find_referral(conn: Connection, referral_id: UUID) -> Referral:
    """A referral. Raises `ReferralNotFound`."""
    row = await conn.fetchrow(
        """
        SELECT referral_id, vendor_id, bank, state, packet, packet_sha256, answer_by, prepared_by, prepared_at, shown,
            sent_by, sent_at, withdrawn_at, withdrawn_because
        FROM capital_referral WHERE referral_id = $1
        """,
        referral_id,
    )
    if row is None:
        raise ReferralNotFound(referral_id)
    return _referral(row)


async def find_vendors(conn: Connection, referral_ids: Sequence[UUID]) -> list[UUID]:
    """Whose referrals these are; ids of none are left out."""
    rows = await conn.fetch(
        "SELECT DISTINCT vendor_id FROM capital_referral WHERE referral_id = ANY($1::uuid[])", referral_ids
    )
    return [row["vendor_id"] for row in rows]


async def find_referrals(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Referral]:
    """All referrals under these ids, the last prepared first."""
    rows = await conn.fetch(
        """
        SELECT referral_id, vendor_id, bank, state, packet, packet_sha256, answer_by, prepared_by, prepared_at, shown,
            sent_by, sent_at, withdrawn_at, withdrawn_because
        FROM capital_referral WHERE vendor_id = ANY($1::uuid[]) ORDER BY prepared_at DESC, referral_id DESC
        """,
        vendor_ids,
    )
    return [_referral(row) for row in rows]


async def find_undecided(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Referral]:
    """The referrals under these ids that no bank has decided, prepared ones too, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT referral_id, vendor_id, bank, state, packet, packet_sha256, answer_by, prepared_by, prepared_at, shown,
            sent_by, sent_at, withdrawn_at, withdrawn_because
        FROM capital_referral WHERE vendor_id = ANY($1::uuid[]) AND state IN ('prepared', 'sent', 'received')
        ORDER BY prepared_at, referral_id
        """,
        vendor_ids,
    )
    return [_referral(row) for row in rows]


# An area itself and all below it: '.' sorts before '/'.
LIST_REFERRALS = """
SELECT r.referral_id, r.vendor_id, r.bank, r.state, r.packet, r.packet_sha256, r.answer_by, r.prepared_by,
    r.prepared_at, r.shown, r.sent_by, r.sent_at, r.withdrawn_at, r.withdrawn_because
FROM capital_referral r JOIN vendor v ON v.vendor_id = r.vendor_id
WHERE v.kelurahan >= $1 AND v.kelurahan < $1 || '/'
    AND ($2::text IS NULL OR r.bank = $2)
    AND ($3::text IS NULL OR r.state = $3)
    AND ($4::date IS NULL OR (r.state IN ('sent', 'received') AND r.answer_by < $4))
    AND ($5::date IS NULL OR (r.answer_by, r.referral_id) > ($5, $6::uuid))
ORDER BY r.answer_by, r.referral_id LIMIT $7
"""


async def list_referrals(
    conn: Connection, wanted: ReferralFilter, after: tuple[date, UUID] | None, limit: int
) -> list[Referral]:
    """Referrals of an area, those to be answered first; at most `limit`."""
    answer_by, referral_id = after or (None, None)
    return [_referral(row) for row in await conn.fetch(LIST_REFERRALS, *wanted, answer_by, referral_id, limit)]


async def add_referral(conn: Connection, referral: Referral) -> None:
    """A referral that is prepared."""
    await conn.execute(
        """
        INSERT INTO capital_referral (referral_id, vendor_id, bank, state, packet, packet_sha256, answer_by,
            prepared_by, prepared_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        referral.referral_id,
        referral.vendor_id,
        referral.bank,
        referral.state,
        referral.packet,
        referral.packet_sha256,
        referral.answer_by,
        referral.prepared_by,
        referral.prepared_at,
    )


async def save_referral(conn: Connection, referral: Referral) -> None:
    """How a referral stands now."""
    await conn.execute(
        """
        UPDATE capital_referral SET state = $2, packet = $3, packet_sha256 = $4, answer_by = $5, prepared_by = $6,
            prepared_at = $7, shown = $8, sent_by = $9, sent_at = $10, withdrawn_at = $11, withdrawn_because = $12
        WHERE referral_id = $1
        """,
        referral.referral_id,
        referral.state,
        referral.packet,
        referral.packet_sha256,
        referral.answer_by,
        referral.prepared_by,
        referral.prepared_at,
        referral.shown,
        referral.sent_by,
        referral.sent_at,
        referral.withdrawn_at,
        referral.withdrawn_because,
    )


async def find_answers(conn: Connection, referral_ids: Sequence[UUID]) -> dict[UUID, list[Answer]]:
    """Every answer to these referrals, by the moment the bank names."""
    rows = await conn.fetch(
        """
        SELECT referral_id, answer, answered_at, taken_at, side, entered_by, after_withdrawal
        FROM capital_answer WHERE referral_id = ANY($1::uuid[]) ORDER BY answered_at, answer
        """,
        referral_ids,
    )
    found: dict[UUID, list[Answer]] = {referral_id: [] for referral_id in referral_ids}
    for row in rows:
        fields = dict(row)
        found[fields.pop("referral_id")].append(Answer(**fields))
    return found


async def add_answer(conn: Connection, referral_id: UUID, answer: Answer) -> bool:
    """Keep an answer; False where the same is kept already."""
    added = await conn.fetchval(
        """
        INSERT INTO capital_answer (referral_id, answer, answered_at, taken_at, side, entered_by, after_withdrawal)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true
        """,
        referral_id,
        answer.answer,
        answer.answered_at,
        answer.taken_at,
        answer.side,
        answer.entered_by,
        answer.after_withdrawal,
    )
    return bool(added)


async def erase_referrals(conn: Connection, vendor_id: UUID) -> int:
    """Referrals of an erased person go, with what was sent and answered: a bank that answers later is told that there
    is none. Gives how many there were.
    """
    await conn.execute(
        """
        DELETE FROM capital_answer a USING capital_referral r
        WHERE r.referral_id = a.referral_id AND r.vendor_id = $1
        """,
        vendor_id,
    )
    gone = await conn.fetch("DELETE FROM capital_referral WHERE vendor_id = $1 RETURNING 1", vendor_id)
    return len(gone)

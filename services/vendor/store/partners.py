"""Partners and their agreements. A partner's row is locked before anything about it changes or is told."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.vendor.domain.partners import Agreement, Partner
from shared.db import Connection

__all__ = [
    "PartnerFilter",
    "add_agreement",
    "add_partner",
    "count_partners",
    "find_agreement",
    "find_agreements",
    "find_partner",
    "find_partners",
    "hold_partner",
    "lock_partner",
    "save_agreement",
    "save_version",
]


class PartnerFilter(NamedTuple):
    """Which partners to list: with an agreement in force on `day`; None does not filter.

    `area`: the agreement's area is this one or contains it.
    """

    day: date
    area: str | None = None
    kind: str | None = None
    topic: str | None = None


async def add_partner(conn: Connection, partner: Partner, entered_by: str, now: datetime) -> bool:
    """A new partner; False when its code is taken."""
    added: bool | None = await conn.fetchval(
        "INSERT INTO partner (partner_id, version, code, name, kind, entered_by, entered_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (code) DO NOTHING RETURNING true",
        partner.partner_id,
        partner.version,
        partner.code,
        partner.name,
        partner.kind,
        entered_by,
        now,
    )
    return bool(added)


def _partner(row: asyncpg.Record | None) -> Partner | None:
    return None if row is None else Partner(**row)


async def find_partner(conn: Connection, partner_id: UUID) -> Partner | None:
    """One partner."""
    return _partner(
        await conn.fetchrow(
            "SELECT partner_id, version, code, name, kind FROM partner WHERE partner_id = $1", partner_id
        )
    )


async def lock_partner(conn: Connection, partner_id: UUID) -> Partner | None:
    """One partner, whose row stays locked until the transaction ends."""
    return _partner(
        await conn.fetchrow(
            "SELECT partner_id, version, code, name, kind FROM partner WHERE partner_id = $1 FOR UPDATE", partner_id
        )
    )


async def hold_partner(conn: Connection, partner_id: UUID) -> Partner | None:
    """One partner, whose agreements do not change until the transaction ends; others may hold it too."""
    return _partner(
        await conn.fetchrow(
            "SELECT partner_id, version, code, name, kind FROM partner WHERE partner_id = $1 FOR SHARE", partner_id
        )
    )


async def count_partners(conn: Connection, partner_ids: Sequence[UUID]) -> int:
    """How many of these partners there are."""
    count: int = await conn.fetchval("SELECT count(*) FROM partner WHERE partner_id = ANY($1::uuid[])", partner_ids)
    return count


async def save_version(conn: Connection, partner: Partner) -> None:
    """Count an event of a locked partner."""
    await conn.execute("UPDATE partner SET version = $2 WHERE partner_id = $1", partner.partner_id, partner.version)


FIND_PARTNERS = """
SELECT partner_id, version, code, name, kind FROM partner AS p
WHERE ($1::text IS NULL OR kind = $1)
  AND ($2::text IS NULL OR code > $2)
  AND EXISTS (
    SELECT FROM partner_agreement AS a
    WHERE a.partner_id = p.partner_id AND a.days @> $3::date
      AND ($4::text IS NULL OR a.area = $4 OR starts_with($4, a.area || '.'))
      AND ($5::text IS NULL OR $5 = ANY(a.topics))
  )
ORDER BY code
LIMIT $6
"""


async def find_partners(conn: Connection, wanted: PartnerFilter, after: str | None, limit: int) -> list[Partner]:
    """Partners in the order of their codes, those after `after`, at most `limit`."""
    rows = await conn.fetch(FIND_PARTNERS, wanted.kind, after, wanted.day, wanted.area, wanted.topic, limit)
    return [Partner(**row) for row in rows]


def _agreement(row: asyncpg.Record) -> Agreement:
    return Agreement(**{**row, "topics": tuple(row["topics"])})


async def find_agreements(conn: Connection, partner_ids: Sequence[UUID]) -> list[Agreement]:
    """All agreements of these partners, by their first day."""
    rows = await conn.fetch(
        "SELECT agreement_id, partner_id, area, valid_from, valid_until, topics, ended_on, lapsed "
        "FROM partner_agreement WHERE partner_id = ANY($1::uuid[]) ORDER BY valid_from, agreement_id",
        partner_ids,
    )
    return [_agreement(row) for row in rows]


async def find_agreement(conn: Connection, agreement_id: UUID) -> Agreement | None:
    """One agreement."""
    row = await conn.fetchrow(
        "SELECT agreement_id, partner_id, area, valid_from, valid_until, topics, ended_on, lapsed "
        "FROM partner_agreement WHERE agreement_id = $1",
        agreement_id,
    )
    return None if row is None else _agreement(row)


async def add_agreement(conn: Connection, agreement: Agreement, made_by: str, now: datetime) -> None:
    """A new agreement of a locked partner."""
    await conn.execute(
        "INSERT INTO partner_agreement (agreement_id, partner_id, area, valid_from, valid_until, topics, days, "
        "made_by, made_at) VALUES ($1, $2, $3, $4, $5, $6, daterange($4, $7), $8, $9)",
        agreement.agreement_id,
        agreement.partner_id,
        agreement.area,
        agreement.valid_from,
        agreement.valid_until,
        list(agreement.topics),
        agreement.held_until,
        made_by,
        now,
    )


async def save_agreement(conn: Connection, agreement: Agreement) -> None:
    """An agreement of a locked partner ended."""
    await conn.execute(
        "UPDATE partner_agreement SET ended_on = $2, lapsed = $3, days = daterange(valid_from, $4) "
        "WHERE agreement_id = $1",
        agreement.agreement_id,
        agreement.ended_on,
        agreement.lapsed,
        agreement.held_until,
    )

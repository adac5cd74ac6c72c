"""Rows of the ledger: what is added to a vendor's standing, and the standing itself."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from services.bazaar.domain.ledger import Adjustment
from shared.db import Connection


async def add_adjustments(conn: Connection, adjustments: Sequence[Adjustment], *, now: datetime) -> None:
    """Enter adjustments. A no-show of an application that is entered already changes nothing."""
    await conn.execute(
        "INSERT INTO turn_adjustment (adjustment_id, vendor_id, application_id, because, appeal_id, turns, wait_days, "
        "from_day, until_day, made_at) SELECT n.*, $10 "
        "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::int[], $7::int[], $8::date[], "
        "$9::date[]) AS n ON CONFLICT (application_id) WHERE because = 'no-show' DO NOTHING",
        [one.adjustment_id for one in adjustments],
        [one.vendor_id for one in adjustments],
        [one.application_id for one in adjustments],
        [one.because for one in adjustments],
        [one.appeal_id for one in adjustments],
        [one.turns for one in adjustments],
        [one.wait_days for one in adjustments],
        [one.from_day for one in adjustments],
        [one.until_day for one in adjustments],
        now,
    )


async def remove_no_shows(conn: Connection, application_ids: Sequence[UUID]) -> set[UUID]:
    """Take no-shows out again: the vendor did come, or an appeal was granted. Gives those that had one."""
    rows = await conn.fetch(
        "DELETE FROM turn_adjustment WHERE application_id = ANY($1::uuid[]) AND because = 'no-show' "
        "RETURNING application_id",
        list(application_ids),
    )
    return {row["application_id"] for row in rows}


async def find_adjustments(conn: Connection, vendor_ids: Sequence[UUID]) -> list[Adjustment]:
    """All that was ever added to the standing of these ids, the oldest first."""
    rows = await conn.fetch(
        "SELECT adjustment_id, vendor_id, because, turns, wait_days, from_day, until_day, application_id, appeal_id "
        "FROM turn_adjustment WHERE vendor_id = ANY($1::uuid[]) ORDER BY from_day, adjustment_id",
        list(vendor_ids),
    )
    return [_adjustment(row) for row in rows]


def _adjustment(row: Record) -> Adjustment:
    return Adjustment(
        adjustment_id=row["adjustment_id"],
        vendor_id=row["vendor_id"],
        because=row["because"],
        turns=row["turns"],
        wait_days=row["wait_days"],
        from_day=row["from_day"],
        until_day=row["until_day"],
        application_id=row["application_id"],
        appeal_id=row["appeal_id"],
    )


class Had(NamedTuple):
    """The ledger of one person before adjustments. Both days are None for who never applied."""

    turns: int
    last_turn_on: date | None
    first_applied_on: date | None


async def find_had(conn: Connection, vendor_ids: Sequence[UUID]) -> Had:
    """Turns and first application of these ids together."""
    row = await conn.fetchrow(
        "SELECT (SELECT count(*) FROM turn WHERE vendor_id = ANY($1::uuid[])) AS turns, "
        "(SELECT max(day) FROM turn WHERE vendor_id = ANY($1::uuid[])) AS last_turn_on, "
        "(SELECT min(day) FROM first_application WHERE vendor_id = ANY($1::uuid[])) AS first_applied_on",
        list(vendor_ids),
    )
    assert row is not None
    return Had(row["turns"], row["last_turn_on"], row["first_applied_on"])

"""The copy of the registry's word on consent to hand facts to a bank (purpose capital-referral)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection


class Said(NamedTuple):
    """That a vendor gave or withdrew consent, when, and the registry's version of the vendor then."""

    vendor_id: UUID
    given: bool
    at: datetime
    version: int


async def save_consents(conn: Connection, said: Sequence[Said]) -> None:
    """Remember the last word of each vendor. Nobody who is erased is brought back."""
    last = {one.vendor_id: one for one in sorted(said, key=_version)}
    await conn.execute(
        """
        INSERT INTO capital_consent (vendor_id, given, said_at, registry_version)
        SELECT new.vendor_id, new.given, new.said_at, new.version
        FROM unnest($1::uuid[], $2::boolean[], $3::timestamptz[], $4::bigint[])
            AS new (vendor_id, given, said_at, version)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ON CONFLICT (vendor_id) DO UPDATE SET given = excluded.given, said_at = excluded.said_at,
            registry_version = excluded.registry_version
        WHERE capital_consent.registry_version < excluded.registry_version
        """,
        [one.vendor_id for one in last.values()],
        [one.given for one in last.values()],
        [one.at for one in last.values()],
        [one.version for one in last.values()],
    )


def _version(one: Said) -> int:
    return one.version


async def find_consented_at(conn: Connection, vendor_ids: Sequence[UUID]) -> datetime | None:
    """When a person consented, by the last word over all its ids; None where that word is no, or there is none.

    Of two words of one moment the refusal counts.
    """
    at: datetime | None = await conn.fetchval(
        """
        SELECT CASE WHEN given THEN said_at END FROM capital_consent WHERE vendor_id = ANY($1::uuid[])
        ORDER BY said_at DESC, given LIMIT 1
        """,
        vendor_ids,
    )
    return at

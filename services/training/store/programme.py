"""The copy of what the registry says of vendors' standing in the services P1 to P7."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.events.programme import EnrolmentChanged


class Change(NamedTuple):
    """A change of a vendor's standing, when the registry made it, and its version of the vendor then."""

    event: EnrolmentChanged
    at: datetime
    version: int


async def save_enrolments(conn: Connection, changes: Sequence[Change]) -> None:
    """Remember where vendors stand, each by the last word on it. Nobody who is erased is brought back."""
    last = {(change.event.vendor_id, change.event.service): change for change in sorted(changes, key=_version)}
    await conn.execute(
        """
        INSERT INTO programme_enrolment (vendor_id, service, state, step, followed, changed_at, registry_version)
        SELECT new.vendor_id, new.service, new.state, new.step, new.followed, new.changed_at, new.version
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::boolean[], $6::timestamptz[], $7::bigint[])
            AS new (vendor_id, service, state, step, followed, changed_at, version)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ON CONFLICT (vendor_id, service) DO UPDATE SET state = excluded.state, step = excluded.step,
            followed = excluded.followed, changed_at = excluded.changed_at,
            registry_version = excluded.registry_version
        WHERE programme_enrolment.registry_version < excluded.registry_version
        """,
        [change.event.vendor_id for change in last.values()],
        [change.event.service for change in last.values()],
        [change.event.state for change in last.values()],
        [change.event.step for change in last.values()],
        [change.event.followed for change in last.values()],
        [change.at for change in last.values()],
        [change.version for change in last.values()],
    )


def _version(change: Change) -> int:
    return change.version


async def find_steps(conn: Connection, vendor_ids: Sequence[UUID]) -> dict[tuple[UUID, str], int]:
    """The number of the last change that is known, by vendor and service; left out where the registry gave none."""
    rows = await conn.fetch(
        "SELECT vendor_id, service, step FROM programme_enrolment "
        "WHERE vendor_id = ANY($1::uuid[]) AND step IS NOT NULL",
        vendor_ids,
    )
    return {(row["vendor_id"], row["service"]): row["step"] for row in rows}

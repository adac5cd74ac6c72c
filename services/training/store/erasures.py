"""Erasing a person: what goes, what stays as figures, and who is erased."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared import dead_letters
from shared.db import Connection

PEOPLE = "training.people"
"""The lock under which people are merged, parted and erased."""

VENDOR_TOPIC = "lapak.vendor.events.v1"


class Counts(NamedTuple):
    """Of one id: kind of record -> how many were erased, and how many stay without the person."""

    erased: dict[str, int]
    kept: dict[str, int]


async def lock_open_classes(conn: Connection, vendor_ids: Sequence[UUID]) -> None:
    """Lock the running classes in which these vendors have places, in the order of their ids: nobody takes attendance
    of, or finishes, what is given up meanwhile.
    """
    await conn.execute(
        """
        SELECT FROM training_class c WHERE c.state = 'open'
            AND EXISTS (SELECT FROM enrolment e WHERE e.class_id = c.class_id AND e.vendor_id = ANY($1::uuid[]))
        ORDER BY c.class_id FOR NO KEY UPDATE
        """,
        vendor_ids,
    )


async def erase_vendor(conn: Connection, vendor_id: UUID, *, now: datetime) -> Counts:
    """Erase what is kept of an id. Places in running classes are free again. A place in a finished class stays as a
    figure of the class: its result, and how many sessions were attended, under an id that leads to nobody.
    """
    # the record first: nobody enrols this vendor any more
    await conn.execute("UPDATE trainee SET erased_at = $2 WHERE vendor_id = $1", vendor_id, now)
    kept = await conn.execute(
        """
        UPDATE enrolment e SET sessions_attended = (
            SELECT count(*) FROM attendance a WHERE a.class_id = e.class_id AND a.vendor_id = e.vendor_id)
        FROM training_class c WHERE c.class_id = e.class_id AND c.state = 'finished' AND e.vendor_id = $1
        """,
        vendor_id,
    )
    erased = {
        "vendor_copies": await conn.execute("DELETE FROM vendor WHERE vendor_id = $1", vendor_id),
        "invitations": await conn.execute("DELETE FROM invitation WHERE vendor_id = $1", vendor_id),
        "attendances": await conn.execute("DELETE FROM attendance WHERE vendor_id = $1", vendor_id),
        "enrolments": await conn.execute(
            "DELETE FROM enrolment WHERE vendor_id = $1 AND sessions_attended IS NULL", vendor_id
        ),
    }
    letters = await dead_letters.erase(conn, [VENDOR_TOPIC], str(vendor_id), now=now)
    counts = {kind: _count(status) for kind, status in erased.items()}
    return Counts({**counts, "dead_letters": letters}, {"enrolments": _count(kept)})


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])

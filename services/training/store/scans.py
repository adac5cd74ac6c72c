"""Scans of devices at the door of a class, what was refused of them, and the devices."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.db import Connection
from shared.gate.scans import KeptScan, RefusedScan


async def find_scans(conn: Connection, class_id: UUID, scan_ids: Sequence[UUID]) -> dict[UUID, KeptScan]:
    """Those of these scans that are kept already."""
    rows = await conn.fetch(
        "SELECT scan_id, device_id, vendor_id AS subject, serial, moment, day, state, flagged_because FROM class_scan "
        "WHERE class_id = $1 AND scan_id = ANY($2::uuid[])",
        class_id,
        list(scan_ids),
    )
    return {row["scan_id"]: KeptScan(**row) for row in rows}


async def save_scans(conn: Connection, class_id: UUID, scans: Sequence[KeptScan], *, now: datetime) -> None:
    """Scans, new or as they are known now. The class is locked, so what is known is what is kept."""
    await conn.execute(
        """
        INSERT INTO class_scan (class_id, scan_id, device_id, vendor_id, serial, moment, day, state, flagged_because,
            received_at)
        SELECT $1, new.*, $10
        FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::int[], $6::timestamptz[], $7::date[], $8::text[],
            $9::text[]) AS new (scan_id, device_id, vendor_id, serial, moment, day, state, flagged_because)
        ON CONFLICT (class_id, scan_id) DO UPDATE SET moment = excluded.moment, day = excluded.day,
            state = excluded.state, flagged_because = excluded.flagged_because
        """,
        class_id,
        [one.scan_id for one in scans],
        [one.device_id for one in scans],
        [one.subject for one in scans],
        [one.serial for one in scans],
        [one.moment for one in scans],
        [one.day for one in scans],
        [one.state for one in scans],
        [one.flagged_because for one in scans],
        now,
    )


async def add_refused(
    conn: Connection, class_id: UUID, device_id: str, refused: Sequence[RefusedScan], *, now: datetime
) -> None:
    """Remember what was refused, each scan of a device once; the last reason counts."""
    by_id = {one.scan_id: one.code for one in refused}
    await conn.execute(
        """
        INSERT INTO refused_scan (class_id, scan_id, device_id, code, received_at)
        SELECT $1, new.scan_id, $2, new.code, $5 FROM unnest($3::uuid[], $4::text[]) AS new (scan_id, code)
        ON CONFLICT (class_id, scan_id, device_id) DO UPDATE SET code = excluded.code
        """,
        class_id,
        device_id,
        list(by_id),
        list(by_id.values()),
        now,
    )


async def save_device(conn: Connection, class_id: UUID, device_id: str, account: str, *, now: datetime) -> None:
    """A device sent something."""
    await conn.execute(
        """
        INSERT INTO class_device (class_id, device_id, account, first_sent_at, last_sent_at)
        VALUES ($1, $2, $3, $4, $4)
        ON CONFLICT (class_id, device_id) DO UPDATE SET account = excluded.account,
            last_sent_at = greatest(class_device.last_sent_at, excluded.last_sent_at)
        """,
        class_id,
        device_id,
        account,
        now,
    )


# ---- to be read


async def list_devices(conn: Connection, class_id: UUID) -> list[dict[str, Any]]:
    """Devices that sent scans of a class: whose, when, how many were taken, wait for an officer, and were refused."""
    rows = await conn.fetch(
        """
        SELECT d.device_id, d.account, d.first_sent_at, d.last_sent_at,
            (SELECT count(*) FROM class_scan s
                WHERE s.class_id = $1 AND s.device_id = d.device_id AND s.state = 'accepted') AS accepted,
            (SELECT count(*) FROM class_scan s
                WHERE s.class_id = $1 AND s.device_id = d.device_id AND s.state = 'flagged') AS flagged,
            (SELECT count(*) FROM refused_scan r WHERE r.class_id = $1 AND r.device_id = d.device_id) AS refused
        FROM class_device d WHERE d.class_id = $1 ORDER BY d.device_id
        """,
        class_id,
    )
    return [dict(row) for row in rows]


async def list_flagged(conn: Connection, class_id: UUID, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Scans that wait for an officer, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT scan_id, device_id, vendor_id, moment, day, flagged_because AS because, received_at
        FROM class_scan WHERE class_id = $1 AND state = 'flagged' AND ($2::uuid IS NULL OR scan_id > $2)
        ORDER BY scan_id LIMIT $3
        """,
        class_id,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def list_refused(
    conn: Connection, class_id: UUID, after: tuple[UUID, str] | None, limit: int
) -> list[dict[str, Any]]:
    """Scans that were refused, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT scan_id, device_id, code, received_at FROM refused_scan
        WHERE class_id = $1 AND ($2::uuid IS NULL OR (scan_id, device_id) > ($2, $3))
        ORDER BY scan_id, device_id LIMIT $4
        """,
        class_id,
        *(after or (None, None)),
        limit,
    )
    return [dict(row) for row in rows]


class Expected(NamedTuple):
    """One who is expected at the door, without a name: its number, the serial of the ticket that counts, and the days
    on which it was there.
    """

    vendor_id: UUID
    number: int | None
    serial: int | None
    checked_in: list[date]


async def list_expected(conn: Connection, class_id: UUID) -> list[Expected]:
    """Everybody with a place in a class, by number."""
    rows = await conn.fetch(
        """
        SELECT e.vendor_id, t.number, t.serial, ARRAY(
            SELECT a.day FROM attendance a WHERE a.class_id = $1 AND a.vendor_id = e.vendor_id ORDER BY a.day
        ) AS checked_in
        FROM enrolment e LEFT JOIN (
            SELECT DISTINCT ON (vendor_id) vendor_id, number, serial FROM class_ticket WHERE class_id = $1
            ORDER BY vendor_id, serial DESC
        ) AS t ON t.vendor_id = e.vendor_id
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL
        ORDER BY t.number, e.vendor_id
        """,
        class_id,
    )
    return [Expected(**row) for row in rows]

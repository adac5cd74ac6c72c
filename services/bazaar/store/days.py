"""Rows of the day itself: check-ins, gates, and the scans of devices."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple
from uuid import UUID

from services.bazaar.domain.gate import Gate
from shared.db import Connection
from shared.gate.scans import KeptScan

# ---- check-ins


async def find_check_ins(conn: Connection, application_ids: Sequence[UUID], day: date) -> set[UUID]:
    """Which of these applications have checked in on this day."""
    rows = await conn.fetch(
        "SELECT application_id FROM check_in WHERE application_id = ANY($1::uuid[]) AND day = $2",
        list(application_ids),
        day,
    )
    return {row["application_id"] for row in rows}


async def find_days_checked_in(conn: Connection, application_ids: Sequence[UUID]) -> set[tuple[UUID, date]]:
    """Each of these applications with each day on which it has checked in."""
    rows = await conn.fetch(
        "SELECT application_id, day FROM check_in WHERE application_id = ANY($1::uuid[])", list(application_ids)
    )
    return {(row["application_id"], row["day"]) for row in rows}


async def save_check_ins(conn: Connection, moments: Mapping[tuple[UUID, date], datetime]) -> None:
    """They were at their booths on these days, since the earliest moment that is known."""
    await conn.execute(
        "INSERT INTO check_in (application_id, day, checked_in_at) "
        "SELECT * FROM unnest($1::uuid[], $2::date[], $3::timestamptz[]) "
        "ON CONFLICT (application_id, day) DO UPDATE "
        "SET checked_in_at = least(check_in.checked_in_at, excluded.checked_in_at)",
        [application_id for application_id, _ in moments],
        [day for _, day in moments],
        list(moments.values()),
    )


async def find_given_away(conn: Connection, application_ids: Sequence[UUID]) -> set[UUID]:
    """Those who missed their booths and whose booths somebody else holds now."""
    rows = await conn.fetch(
        "SELECT a.application_id FROM application AS a JOIN application AS o ON o.bazaar_id = a.bazaar_id "
        "AND o.site_id = a.site_id AND o.booth = a.booth AND o.state IN ('offered', 'confirmed', 'attended') "
        "WHERE a.application_id = ANY($1::uuid[]) AND a.state = 'missed' AND o.application_id <> a.application_id",
        list(application_ids),
    )
    return {row["application_id"] for row in rows}


# ---- gates


async def find_gate(conn: Connection, bazaar_id: UUID, site_id: str) -> Gate:
    """When a site's gate closes, and since when its absent have lost their booths."""
    row = await conn.fetchrow(
        "SELECT closes_at, released_at FROM gate WHERE bazaar_id = $1 AND site_id = $2", bazaar_id, site_id
    )
    return Gate() if row is None else Gate(row["closes_at"], row["released_at"])


async def find_gates(conn: Connection, bazaar_id: UUID) -> dict[str, Gate]:
    """The gates of a bazaar that are not as usual, by site."""
    rows = await conn.fetch("SELECT site_id, closes_at, released_at FROM gate WHERE bazaar_id = $1", bazaar_id)
    return {row["site_id"]: Gate(row["closes_at"], row["released_at"]) for row in rows}


async def save_gate(conn: Connection, bazaar_id: UUID, site_id: str, closes_at: time) -> None:
    """The gate of a site closes at this time of its first day."""
    await conn.execute(
        "INSERT INTO gate (bazaar_id, site_id, closes_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (bazaar_id, site_id) DO UPDATE SET closes_at = excluded.closes_at",
        bazaar_id,
        site_id,
        closes_at,
    )


async def save_released(conn: Connection, bazaar_id: UUID, site_id: str, now: datetime) -> None:
    """The absent of a site have lost their booths; the first time counts."""
    await conn.execute(
        "INSERT INTO gate (bazaar_id, site_id, released_at) VALUES ($1, $2, $3) ON CONFLICT (bazaar_id, site_id) "
        "DO UPDATE SET released_at = coalesce(gate.released_at, excluded.released_at)",
        bazaar_id,
        site_id,
        now,
    )


class Expected(NamedTuple):
    """One who is expected at a gate, without a name: the booth it holds and the serial of the ticket that counts."""

    application_id: UUID
    booth: str
    state: str
    serial: int | None
    checked_in: list[date]


async def list_expected(conn: Connection, bazaar_id: UUID, site_id: str) -> list[Expected]:
    """Everyone who confirmed a booth of this site, in the order of booths; also those who are taken for absent."""
    rows = await conn.fetch(
        "SELECT a.application_id, a.booth, a.state, "
        "(SELECT max(t.serial) FROM ticket AS t WHERE t.application_id = a.application_id) AS serial, "
        "ARRAY(SELECT c.day FROM check_in AS c WHERE c.application_id = a.application_id ORDER BY c.day) AS checked_in "
        "FROM application AS a WHERE a.bazaar_id = $1 AND a.site_id = $2 "
        "AND a.state IN ('confirmed', 'attended', 'missed') ORDER BY a.booth, a.application_id",
        bazaar_id,
        site_id,
    )
    return [Expected(**row) for row in rows]


# ---- scans


async def find_scans(conn: Connection, bazaar_id: UUID, scan_ids: Sequence[UUID]) -> dict[UUID, KeptScan]:
    """Those of these scans that are kept already."""
    rows = await conn.fetch(
        "SELECT scan_id, device_id, application_id AS subject, serial, moment, day, state, flagged_because FROM scan "
        "WHERE bazaar_id = $1 AND scan_id = ANY($2::uuid[])",
        bazaar_id,
        list(scan_ids),
    )
    return {row["scan_id"]: KeptScan(**row) for row in rows}


async def save_scans(conn: Connection, bazaar_id: UUID, scans: Sequence[KeptScan], *, now: datetime) -> None:
    """Scans, new or as they are known now. Their applications are locked, so what is known is what is kept."""
    await conn.execute(
        "INSERT INTO scan (bazaar_id, scan_id, device_id, application_id, serial, moment, day, state, "
        "flagged_because, received_at) SELECT $1, n.*, $10 "
        "FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::int[], $6::timestamptz[], $7::date[], $8::text[], "
        "$9::text[]) AS n (scan_id, device_id, application_id, serial, moment, day, state, flagged_because) "
        "ON CONFLICT (bazaar_id, scan_id) DO UPDATE SET moment = excluded.moment, day = excluded.day, "
        "state = excluded.state, flagged_because = excluded.flagged_because",
        bazaar_id,
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


async def list_flagged(conn: Connection, bazaar_id: UUID, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Scans that wait for an officer, in the order of their ids; one row more than `limit` when there are more."""
    rows = await conn.fetch(
        "SELECT s.scan_id, s.device_id, s.application_id, a.site_id, a.booth, a.state AS application_state, s.moment, "
        "s.day, s.flagged_because AS because, s.received_at "
        "FROM scan AS s JOIN application AS a USING (application_id) "
        "WHERE s.bazaar_id = $1 AND s.state = 'flagged' AND s.scan_id > $2 ORDER BY s.scan_id LIMIT $3",
        bazaar_id,
        after or UUID(int=0),
        limit + 1,
    )
    return [dict(row) for row in rows]


async def count_scans(conn: Connection, bazaar_id: UUID) -> list[dict[str, Any]]:
    """Per site and day: how many came, and how often they were scanned."""
    rows = await conn.fetch(
        "SELECT a.site_id, c.day, count(*) AS checked_in, coalesce(sum(s.scans), 0)::int AS scans "
        "FROM check_in AS c JOIN application AS a USING (application_id) "
        "LEFT JOIN (SELECT application_id, day, count(*) AS scans FROM scan WHERE state = 'accepted' "
        "GROUP BY application_id, day) AS s USING (application_id, day) "
        "WHERE a.bazaar_id = $1 GROUP BY a.site_id, c.day ORDER BY a.site_id, c.day",
        bazaar_id,
    )
    return [dict(row) for row in rows]


# ---- who is absent, and who walks in


async def lock_confirmed_at(conn: Connection, bazaar_id: UUID, site_id: str) -> list[UUID]:
    """Who confirmed a booth of this site and has not come, locked in the order of their ids."""
    rows = await conn.fetch(
        "SELECT application_id FROM application WHERE bazaar_id = $1 AND site_id = $2 AND state = 'confirmed' "
        "ORDER BY application_id FOR NO KEY UPDATE",
        bazaar_id,
        site_id,
    )
    return [row["application_id"] for row in rows]


async def find_states_in(conn: Connection, bazaar_id: UUID, vendor_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, str]]:
    """(vendor, application, state) of every application of these ids to this bazaar."""
    rows = await conn.fetch(
        "SELECT vendor_id, application_id, state FROM application "
        "WHERE bazaar_id = $1 AND vendor_id = ANY($2::uuid[]) ORDER BY application_id",
        bazaar_id,
        list(vendor_ids),
    )
    return [(row["vendor_id"], row["application_id"], row["state"]) for row in rows]

"""What is known of who attended: marks of people, scans of devices, and what follows from both."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.training.domain.attendance import Evidence, Mark, MarkSource
from shared.db import Connection

# ---- what people say


async def find_seats(conn: Connection, class_id: UUID) -> dict[UUID, datetime]:
    """Who has a place in a class, by id, and since when; without the erased."""
    rows = await conn.fetch(
        "SELECT vendor_id, enrolled_at FROM enrolment WHERE class_id = $1 AND sessions_attended IS NULL "
        "ORDER BY vendor_id",
        class_id,
    )
    return {row["vendor_id"]: row["enrolled_at"] for row in rows}


async def add_list(conn: Connection, class_id: UUID, day: date, *, attended: int, taken_by: str, now: datetime) -> None:
    """A whole list was handed in for a session."""
    await conn.execute(
        "INSERT INTO attendance_list (class_id, day, attended, taken_by, taken_at) VALUES ($1, $2, $3, $4, $5)",
        class_id,
        day,
        attended,
        taken_by,
        now,
    )


async def add_marks(
    conn: Connection, class_id: UUID, marks: Sequence[Mark], source: MarkSource, *, marked_by: str, now: datetime
) -> None:
    """Words of a person on who was there, each the last one on its vendor's day from now on."""
    await conn.execute(
        """
        INSERT INTO attendance_mark (class_id, vendor_id, day, present, source, marked_by, marked_at)
        SELECT $1, new.vendor_id, new.day, new.present, $5, $6, $7
        FROM unnest($2::uuid[], $3::date[], $4::boolean[]) AS new (vendor_id, day, present)
        """,
        class_id,
        [mark.vendor_id for mark in marks],
        [mark.day for mark in marks],
        [mark.present for mark in marks],
        source,
        marked_by,
        now,
    )


# ---- what follows


async def find_evidence(conn: Connection, class_id: UUID, days: Collection[date]) -> list[Evidence]:
    """What is known of these days, of everybody with a place in the class, by day and id."""
    rows = await conn.fetch(
        """
        SELECT e.vendor_id, d.day, m.present AS word, EXISTS (
            SELECT FROM class_scan s WHERE s.class_id = e.class_id AND s.vendor_id = e.vendor_id AND s.day = d.day
                AND s.state = 'accepted'
        ) AS scanned
        FROM enrolment e CROSS JOIN unnest($2::date[]) AS d (day)
        LEFT JOIN (
            SELECT DISTINCT ON (day, vendor_id) vendor_id, day, present FROM attendance_mark
            WHERE class_id = $1 AND day = ANY($2::date[]) ORDER BY day, vendor_id, mark_id DESC
        ) AS m ON m.vendor_id = e.vendor_id AND m.day = d.day
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL
        ORDER BY d.day, e.vendor_id
        """,
        class_id,
        sorted(days),
    )
    return [Evidence(**row) for row in rows]


async def save_attended(
    conn: Connection, class_id: UUID, days: Collection[date], attended: Sequence[tuple[UUID, date]], *, now: datetime
) -> None:
    """Set who attended these days to exactly these."""
    await conn.execute(
        """
        WITH here AS (
            SELECT * FROM unnest($3::uuid[], $4::date[]) AS new (vendor_id, day)
        ), gone AS (
            DELETE FROM attendance a WHERE a.class_id = $1 AND a.day = ANY($2::date[])
                AND NOT EXISTS (SELECT FROM here WHERE here.vendor_id = a.vendor_id AND here.day = a.day)
        )
        INSERT INTO attendance (class_id, vendor_id, day, recorded_at)
        SELECT $1, vendor_id, day, $5 FROM here
        ON CONFLICT (class_id, vendor_id, day) DO NOTHING
        """,
        class_id,
        list(days),
        [vendor_id for vendor_id, _ in attended],
        [day for _, day in attended],
        now,
    )


async def find_taken_days(conn: Connection, class_id: UUID) -> set[date]:
    """Session days of which it is known who attended: a list was handed in, scans came, or everybody was marked."""
    rows = await conn.fetch(
        """
        SELECT day FROM attendance_list WHERE class_id = $1
        UNION
        SELECT day FROM class_scan WHERE class_id = $1 AND state = 'accepted'
        UNION
        SELECT m.day FROM attendance_mark m
            JOIN enrolment e ON e.class_id = m.class_id AND e.vendor_id = m.vendor_id AND e.sessions_attended IS NULL
        WHERE m.class_id = $1 GROUP BY m.day
        HAVING count(DISTINCT m.vendor_id) = (
            SELECT count(*) FROM enrolment WHERE class_id = $1 AND sessions_attended IS NULL)
        """,
        class_id,
    )
    return {row["day"] for row in rows}


# ---- to be read


class DayRow(NamedTuple):
    """A vendor's day: whether it attended, the last word of a person on it, how often it was scanned."""

    vendor_id: UUID
    number: int | None
    attended: bool
    word: bool | None
    source: str | None
    marked_by: str | None
    marked_at: datetime | None
    scans: int


async def list_day(
    conn: Connection,
    class_id: UUID,
    day: date,
    *,
    contradicted: bool,
    after: UUID | None,
    limit: int,
) -> list[DayRow]:
    """A session's day, by vendor; `contradicted`: only who was scanned though a person said that it was not there."""
    rows = await conn.fetch(
        """
        SELECT e.vendor_id,
            (SELECT max(t.number) FROM class_ticket t WHERE t.class_id = $1 AND t.vendor_id = e.vendor_id) AS number,
            EXISTS (SELECT FROM attendance a WHERE a.class_id = $1 AND a.vendor_id = e.vendor_id AND a.day = $2)
                AS attended,
            m.present AS word, m.source, m.marked_by, m.marked_at, s.scans
        FROM enrolment e
        LEFT JOIN LATERAL (
            SELECT present, source, marked_by, marked_at FROM attendance_mark
            WHERE class_id = $1 AND vendor_id = e.vendor_id AND day = $2 ORDER BY mark_id DESC LIMIT 1
        ) AS m ON true
        CROSS JOIN LATERAL (
            SELECT count(*) AS scans FROM class_scan
            WHERE class_id = $1 AND vendor_id = e.vendor_id AND day = $2 AND state = 'accepted'
        ) AS s
        WHERE e.class_id = $1 AND e.sessions_attended IS NULL AND ($3::uuid IS NULL OR e.vendor_id > $3)
            AND (NOT $4 OR (s.scans > 0 AND m.present IS FALSE))
        ORDER BY e.vendor_id LIMIT $5
        """,
        class_id,
        day,
        after,
        contradicted,
        limit,
    )
    return [DayRow(**row) for row in rows]


async def list_history(conn: Connection, class_id: UUID, vendor_id: UUID) -> list[dict[str, Any]]:
    """Everything that is known of a vendor's attendance of a class, as it came in: words of people, and scans."""
    rows = await conn.fetch(
        """
        SELECT day, present, source, marked_by AS by, marked_at AS at, NULL::text AS because
        FROM attendance_mark WHERE class_id = $1 AND vendor_id = $2
        UNION ALL
        SELECT day, CASE state WHEN 'accepted' THEN true END, CASE serial WHEN 0 THEN 'typed' ELSE 'ticket' END,
            device_id, moment, CASE state WHEN 'accepted' THEN NULL ELSE flagged_because END
        FROM class_scan WHERE class_id = $1 AND vendor_id = $2
        ORDER BY at, day
        """,
        class_id,
        vendor_id,
    )
    return [dict(row) for row in rows]


async def count_days(conn: Connection, class_id: UUID) -> Mapping[date, tuple[int, int]]:
    """Of each day of which anything is known: how many attended, and how often somebody was scanned."""
    rows = await conn.fetch(
        """
        SELECT day, sum(attended)::int AS attended, sum(scans)::int AS scans FROM (
            SELECT day, count(*) AS attended, 0 AS scans FROM attendance WHERE class_id = $1 GROUP BY day
            UNION ALL
            SELECT day, 0, count(*) FROM class_scan WHERE class_id = $1 AND state = 'accepted' GROUP BY day
        ) AS counts GROUP BY day ORDER BY day
        """,
        class_id,
    )
    return {row["day"]: (row["attended"], row["scans"]) for row in rows}


class SheetLine(NamedTuple):
    """A line of a sheet: a vendor with a place, and the days that it attended."""

    vendor_id: UUID
    number: int | None
    attended: frozenset[date]


async def list_sheet(conn: Connection, class_id: UUID) -> list[SheetLine]:
    """Everybody with a place in a class, by number."""
    rows = await conn.fetch(
        """
        SELECT e.vendor_id,
            (SELECT max(t.number) FROM class_ticket t WHERE t.class_id = $1 AND t.vendor_id = e.vendor_id) AS number,
            ARRAY(SELECT a.day FROM attendance a WHERE a.class_id = $1 AND a.vendor_id = e.vendor_id) AS attended
        FROM enrolment e WHERE e.class_id = $1 AND e.sessions_attended IS NULL
        ORDER BY number, e.vendor_id
        """,
        class_id,
    )
    return [SheetLine(row["vendor_id"], row["number"], frozenset(row["attended"])) for row in rows]

"""Rows of standings: applications and classes of which answers speak."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

from asyncpg import Record

from services.notify.domain.standings import ApplicationChange, ApplicationStanding, ClassChange, ClassStanding
from shared.db import Connection


async def save_changes(conn: Connection, changes: Iterable[ApplicationChange], today: date, now: datetime) -> None:
    """Apply changes, of each application one, in the order of ids. Of an erased vendor nothing is kept.

    One that names neither a bazaar nor a state changes what is there and brings nothing about.
    """
    rows = [
        {
            "application_id": one.application_id,
            "vendor_id": one.vendor_id,
            "state": one.state,
            "last_day": one.last_day,
            **one.fields,
        }
        for one in changes
    ]
    whole = [row for row in rows if row["state"] is not None and "bazaar_name" in row]
    part = [row for row in rows if row["state"] is None or "bazaar_name" not in row]
    if whole:
        await conn.execute(
            """
            INSERT INTO application_standing AS s (application_id, vendor_id, bazaar_name, state, site_name, booth,
                days, respond_by, place, explanation, queued_at, last_day, changed_at)
            SELECT c.application_id, c.vendor_id, c.bazaar_name, c.state, c.site_name, c.booth, coalesce(c.days, '{}'),
                c.respond_by, c.place, c.explanation, c.queued_at, coalesce(c.last_day, $2), $3
            FROM jsonb_to_recordset($1::jsonb) AS c (application_id uuid, vendor_id uuid, bazaar_name text, state text,
                site_name text, booth text, days date[], respond_by timestamptz, place int, explanation jsonb,
                queued_at timestamptz, last_day date)
            WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = c.vendor_id)
            ORDER BY c.application_id
            ON CONFLICT (application_id) DO UPDATE SET bazaar_name = excluded.bazaar_name, state = excluded.state,
                site_name = coalesce(excluded.site_name, s.site_name), booth = coalesce(excluded.booth, s.booth),
                days = CASE WHEN excluded.days = '{}' THEN s.days ELSE excluded.days END,
                respond_by = coalesce(excluded.respond_by, s.respond_by), place = coalesce(excluded.place, s.place),
                explanation = coalesce(excluded.explanation, s.explanation),
                queued_at = coalesce(excluded.queued_at, s.queued_at),
                last_day = greatest(excluded.last_day, s.last_day), changed_at = excluded.changed_at
            """,
            whole,
            today,
            now,
        )
    if part:
        await conn.execute(
            """
            WITH locked AS (
                SELECT s.application_id FROM application_standing AS s
                JOIN jsonb_to_recordset($1::jsonb) AS c (application_id uuid) USING (application_id)
                ORDER BY s.application_id FOR UPDATE OF s)
            UPDATE application_standing AS s SET state = coalesce(c.state, s.state),
                site_name = coalesce(c.site_name, s.site_name), booth = coalesce(c.booth, s.booth),
                days = coalesce(c.days, s.days), respond_by = coalesce(c.respond_by, s.respond_by),
                last_day = greatest(c.last_day, s.last_day), changed_at = $2
            FROM locked JOIN jsonb_to_recordset($1::jsonb) AS c (application_id uuid, state text, site_name text,
                booth text, days date[], respond_by timestamptz, last_day date) USING (application_id)
            WHERE s.application_id = locked.application_id
            """,
            part,
            now,
        )


async def find_applications(conn: Connection, vendor_ids: Sequence[UUID]) -> list[ApplicationStanding]:
    """Where the applications of these ids stand, the one that changed last first."""
    rows = await conn.fetch(
        """
        SELECT application_id, vendor_id, bazaar_name, state, site_name, booth, days, respond_by, place, explanation,
            queued_at, changed_at
        FROM application_standing WHERE vendor_id = ANY($1::uuid[]) ORDER BY changed_at DESC, application_id DESC
        """,
        vendor_ids,
    )
    return [_application(row) for row in rows]


async def find_application(conn: Connection, application_id: UUID) -> ApplicationStanding | None:
    """Where an application stands, if it is known."""
    row = await conn.fetchrow(
        """
        SELECT application_id, vendor_id, bazaar_name, state, site_name, booth, days, respond_by, place, explanation,
            queued_at, changed_at
        FROM application_standing WHERE application_id = $1
        """,
        application_id,
    )
    return None if row is None else _application(row)


def _application(row: Record) -> ApplicationStanding:
    return ApplicationStanding(**row)


async def save_classes(conn: Connection, changes: Iterable[ClassChange]) -> None:
    """Apply changes of places in classes, of each place one. Of an erased vendor nothing is kept."""
    given = list(changes)
    gone = [one for one in given if one.standing is None]
    if gone:
        await conn.execute(
            "DELETE FROM class_standing AS s USING unnest($1::uuid[], $2::uuid[]) AS g (vendor_id, class_id) "
            "WHERE s.vendor_id = g.vendor_id AND s.class_id = g.class_id",
            [one.vendor_id for one in gone],
            [one.class_id for one in gone],
        )
    kept = [
        {**asdict(one.standing), "moves": one.moves, "last_day": max(one.standing.days)}
        for one in given
        if one.standing is not None and one.standing.days
    ]
    if kept:
        await conn.execute(
            """
            INSERT INTO class_standing AS s (vendor_id, class_id, title, days, starts_at, venue, last_day)
            SELECT c.vendor_id, c.class_id, c.title, c.days, c.starts_at, c.venue, c.last_day
            FROM jsonb_to_recordset($1::jsonb) AS c (vendor_id uuid, class_id uuid, title text, days date[],
                starts_at timestamptz[], venue text, moves boolean, last_day date)
            WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = c.vendor_id)
                AND (NOT c.moves OR EXISTS (SELECT FROM class_standing AS p
                    WHERE p.vendor_id = c.vendor_id AND p.class_id = c.class_id))
            ORDER BY c.vendor_id, c.class_id
            ON CONFLICT (vendor_id, class_id) DO UPDATE SET title = excluded.title, days = excluded.days,
                starts_at = excluded.starts_at, venue = excluded.venue, last_day = excluded.last_day
            """,
            kept,
        )


async def find_classes(conn: Connection, vendor_ids: Sequence[UUID], today: date) -> list[ClassStanding]:
    """Classes of these ids that are not over, the soonest first."""
    rows = await conn.fetch(
        "SELECT vendor_id, class_id, title, days, starts_at, venue FROM class_standing "
        "WHERE vendor_id = ANY($1::uuid[]) AND last_day >= $2 ORDER BY last_day, class_id",
        vendor_ids,
        today,
    )
    return [ClassStanding(**row) for row in rows]


async def remove_past(conn: Connection, before: date) -> None:
    """Remove what nobody asks for any more."""
    await conn.execute("DELETE FROM application_standing WHERE last_day < $1", before)
    await conn.execute("DELETE FROM class_standing WHERE last_day < $1", before)

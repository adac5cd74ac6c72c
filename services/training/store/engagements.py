"""Where people are expected: booths, as the bazaar service tells of them, and sessions of their classes."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from services.training.domain.clashes import Engagement
from services.training.domain.classes import Hours
from shared.db import Connection


class Booth(NamedTuple):
    """A booth of a vendor: offered, or held."""

    vendor_id: UUID
    days: list[date]
    held: bool


async def save_booths(conn: Connection, booths: Mapping[UUID, Booth]) -> None:
    """Remember booths by application; the last word on each counts. Of an erased vendor nothing is kept."""
    await conn.execute(
        """
        INSERT INTO booth_day (application_id, vendor_id, days, held)
        SELECT new.application_id, new.vendor_id, string_to_array(new.days, ',')::date[], new.held
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[]) AS new (application_id, vendor_id, days, held)
        WHERE NOT EXISTS (SELECT FROM erased_vendor AS e WHERE e.vendor_id = new.vendor_id)
        ON CONFLICT (application_id) DO UPDATE SET days = excluded.days, held = excluded.held
        """,
        list(booths),
        [booth.vendor_id for booth in booths.values()],
        [",".join(day.isoformat() for day in booth.days) for booth in booths.values()],
        [booth.held for booth in booths.values()],
    )


async def save_booth_days(conn: Connection, days: Mapping[UUID, Sequence[date]]) -> None:
    """Booths are on other days, those that there are; they stay offered or held."""
    await conn.execute(
        """
        UPDATE booth_day SET days = string_to_array(new.days, ',')::date[]
        FROM unnest($1::uuid[], $2::text[]) AS new (application_id, days)
        WHERE booth_day.application_id = new.application_id
        """,
        list(days),
        [",".join(day.isoformat() for day in of_one) for of_one in days.values()],
    )


async def delete_booths(conn: Connection, application_ids: Sequence[UUID]) -> None:
    """There is no booth any more."""
    await conn.execute("DELETE FROM booth_day WHERE application_id = ANY($1::uuid[])", application_ids)


async def find_engagements(
    conn: Connection, vendor_ids: Sequence[UUID], first: date, last: date
) -> dict[UUID, list[Engagement]]:
    """Where the persons behind these ids are expected from the first day to the last, under whichever of their ids, by
    day. Classes that are cancelled are none.
    """
    rows = await conn.fetch(
        """
        WITH ids AS (
            SELECT id AS vendor_id, id AS any_id FROM unnest($1::uuid[]) AS asked (id)
            UNION
            SELECT f.vendor_id, m.vendor_id FROM family f JOIN family m ON m.person_id = f.person_id
            WHERE f.vendor_id = ANY($1::uuid[])
        )
        SELECT ids.vendor_id, d.day, CASE WHEN b.held THEN 'booth' ELSE 'booth-offered' END AS kind,
            b.application_id AS ref, NULL AS title, NULL::time AS starts, NULL::time AS ends, NULL AS venue
        FROM ids JOIN booth_day b ON b.vendor_id = ids.any_id CROSS JOIN unnest(b.days) AS d (day)
        WHERE d.day BETWEEN $2 AND $3
        UNION
        SELECT ids.vendor_id, d.day, 'class', c.class_id, c.title, c.starts[d.place], c.ends[d.place], c.venue
        FROM ids JOIN enrolment e ON e.vendor_id = ids.any_id
            JOIN training_class c ON c.class_id = e.class_id AND c.state IN ('open', 'finished')
            CROSS JOIN unnest(c.days) WITH ORDINALITY AS d (day, place)
        WHERE d.day BETWEEN $2 AND $3
        ORDER BY day, kind, ref
        """,
        vendor_ids,
        first,
        last,
    )
    found: dict[UUID, list[Engagement]] = {}
    for row in rows:
        hours = None if row["starts"] is None else Hours(starts=row["starts"], ends=row["ends"])
        engagement = Engagement(row["day"], row["kind"], row["ref"], row["title"], hours, row["venue"])
        found.setdefault(row["vendor_id"], []).append(engagement)
    return found

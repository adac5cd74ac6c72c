"""Rows of showcases, and whose products stand in them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.bazaar.domain.showcases import Showcase, ShowcaseUnknown
from shared.db import Connection


async def save_showcase(conn: Connection, showcase: Showcase) -> None:
    """A showcase, new or changed; its bazaar is locked."""
    await conn.execute(
        "INSERT INTO showcase (bazaar_id, showcase_id, name, kelurahan, address, days, opens, closes, places) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (bazaar_id, showcase_id) DO UPDATE SET "
        "name = excluded.name, kelurahan = excluded.kelurahan, address = excluded.address, days = excluded.days, "
        "opens = excluded.opens, closes = excluded.closes, places = excluded.places",
        showcase.bazaar_id,
        showcase.showcase_id,
        showcase.name,
        showcase.kelurahan,
        showcase.address,
        list(showcase.days),
        showcase.opens,
        showcase.closes,
        showcase.places,
    )


async def get_showcase(conn: Connection, bazaar_id: UUID, showcase_id: str) -> Showcase:
    """A showcase. Raises `ShowcaseUnknown`."""
    row = await conn.fetchrow(
        "SELECT bazaar_id, showcase_id, name, kelurahan, address, days, opens, closes, places FROM showcase "
        "WHERE bazaar_id = $1 AND showcase_id = $2",
        bazaar_id,
        showcase_id,
    )
    if row is None:
        raise ShowcaseUnknown("The bazaar has no such showcase.")
    return Showcase(**{**dict(row), "days": tuple(row["days"])})


async def count_taken(conn: Connection, bazaar_id: UUID, showcase_id: str) -> int:
    """How many places of it have products on them."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM showcase_place WHERE bazaar_id = $1 AND showcase_id = $2", bazaar_id, showcase_id
    )
    return count


async def save_places(conn: Connection, showcase: Showcase, application_ids: Sequence[UUID]) -> None:
    """Whose products stand there from now on, from place 1."""
    await conn.execute(
        "DELETE FROM showcase_place WHERE bazaar_id = $1 AND showcase_id = $2", showcase.bazaar_id, showcase.showcase_id
    )
    await conn.execute(
        "INSERT INTO showcase_place (bazaar_id, showcase_id, place, application_id) "
        "SELECT $1, $2, place, id FROM unnest($3::uuid[]) WITH ORDINALITY AS wanted (id, place)",
        showcase.bazaar_id,
        showcase.showcase_id,
        list(application_ids),
    )


async def find_showcases(conn: Connection, bazaar_id: UUID) -> list[dict[str, Any]]:
    """The showcases of a bazaar with the titles of the storefronts that may be shown; of others only that they are."""
    rows = await conn.fetch(
        "SELECT c.showcase_id, c.name, c.kelurahan, c.address, c.days, c.opens, c.closes, c.places, "
        "(SELECT count(*) FROM showcase_place AS p JOIN application AS a USING (application_id) "
        "WHERE p.bazaar_id = c.bazaar_id AND p.showcase_id = c.showcase_id AND a.state IN ('confirmed', 'attended')) "
        "AS shown, "
        "ARRAY(SELECT s.title FROM showcase_place AS p JOIN application AS a USING (application_id) "
        "JOIN storefront AS s USING (application_id) WHERE p.bazaar_id = c.bazaar_id "
        "AND p.showcase_id = c.showcase_id AND s.state = 'approved' AND a.state IN ('confirmed', 'attended') "
        "ORDER BY p.place) AS storefronts "
        "FROM showcase AS c WHERE c.bazaar_id = $1 ORDER BY c.showcase_id",
        bazaar_id,
    )
    return [dict(row) for row in rows]

"""Rows of live channels and their slots."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.bazaar.domain.live import SetProgramme, Slot
from shared.db import Connection


async def find_vendor_booths(conn: Connection, bazaar_id: UUID, site_id: str) -> list[str]:
    """Numbers of the site's booths for vendors, in order."""
    rows = await conn.fetch(
        "SELECT number FROM booth WHERE bazaar_id = $1 AND site_id = $2 AND kind = 'vendor' ORDER BY position, number",
        bazaar_id,
        site_id,
    )
    return [row["number"] for row in rows]


async def save_programme(
    conn: Connection, bazaar_id: UUID, site_id: str, command: SetProgramme, slots: Sequence[Slot]
) -> None:
    """The channel and its slots instead of those before; the bazaar is locked."""
    await conn.execute("DELETE FROM live_channel WHERE bazaar_id = $1 AND site_id = $2", bazaar_id, site_id)
    await conn.execute(
        "INSERT INTO live_channel (bazaar_id, site_id, title, url, slot_minutes) VALUES ($1, $2, $3, $4, $5)",
        bazaar_id,
        site_id,
        command.title,
        command.url,
        command.slot_minutes,
    )
    await conn.execute(
        "INSERT INTO live_slot (bazaar_id, site_id, booth, starts_at, ends_at) "
        "SELECT $1, $2, * FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[])",
        bazaar_id,
        site_id,
        [slot.booth for slot in slots],
        [slot.starts_at for slot in slots],
        [slot.ends_at for slot in slots],
    )


async def find_programme(conn: Connection, bazaar_id: UUID) -> list[dict[str, Any]]:
    """Every slot in the order of time, whether somebody has it, and the storefront that may be shown with it."""
    rows = await conn.fetch(
        "SELECT slot.site_id, slot.booth, slot.starts_at, slot.ends_at, channel.title AS channel, channel.url, "
        "a.application_id IS NOT NULL AS taken, s.title AS storefront, s.url AS storefront_url "
        "FROM live_slot AS slot JOIN live_channel AS channel USING (bazaar_id, site_id) "
        "LEFT JOIN application AS a ON a.bazaar_id = slot.bazaar_id AND a.site_id = slot.site_id "
        "AND a.booth = slot.booth AND a.state IN ('offered', 'confirmed', 'attended') "
        "LEFT JOIN storefront AS s ON s.application_id = a.application_id AND s.state = 'approved' "
        "AND a.state IN ('confirmed', 'attended') "
        "WHERE slot.bazaar_id = $1 ORDER BY slot.starts_at, slot.site_id",
        bazaar_id,
    )
    return [dict(row) for row in rows]

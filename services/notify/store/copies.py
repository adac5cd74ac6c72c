"""Copies of what other services own: contact cards, names of locations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from shared.db import Connection
from shared.events.vendor import ContactCard


async def save_contacts(conn: Connection, cards: Sequence[ContactCard], now: datetime) -> None:
    """Keep the last card of each vendor; `cards` name a vendor once."""
    await conn.execute(
        "INSERT INTO contact (vendor_id, name, phone, email, language, remembered_at) "
        "SELECT vendor_id, name, phone, email, language, $6 FROM "
        "unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) "
        "AS card (vendor_id, name, phone, email, language) ORDER BY vendor_id "
        "ON CONFLICT (vendor_id) DO UPDATE SET name = excluded.name, phone = excluded.phone, "
        "email = excluded.email, language = excluded.language, remembered_at = excluded.remembered_at",
        [card.vendor_id for card in cards],
        [card.name for card in cards],
        [card.phone for card in cards],
        [card.email for card in cards],
        [card.language for card in cards],
        now,
    )


async def remove_contact(conn: Connection, vendor_id: UUID) -> None:
    """Forget how to reach this vendor."""
    await conn.execute("DELETE FROM contact WHERE vendor_id = $1", vendor_id)


async def save_sites(conn: Connection, names: Mapping[tuple[UUID, str], str]) -> None:
    """Keep the names of locations."""
    await conn.execute(
        "INSERT INTO site (bazaar_id, site_id, name) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) "
        "ON CONFLICT (bazaar_id, site_id) DO UPDATE SET name = excluded.name",
        [bazaar_id for bazaar_id, _ in names],
        [site_id for _, site_id in names],
        list(names.values()),
    )


async def find_sites(conn: Connection, bazaar_ids: Sequence[UUID]) -> dict[tuple[UUID, str], str]:
    """Names of the locations of these bazaars."""
    rows = await conn.fetch("SELECT bazaar_id, site_id, name FROM site WHERE bazaar_id = ANY($1)", bazaar_ids)
    return {(row["bazaar_id"], row["site_id"]): row["name"] for row in rows}
